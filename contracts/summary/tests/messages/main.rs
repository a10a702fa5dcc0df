//! summary's messages and queries on a chain in process: one file per message.

mod anchor;
mod approve_completion;
mod authority;
mod cadence;
mod close;
mod close_overdue;
mod closing;
mod compromised;
mod device;
mod dispute;
mod finish_completion;
mod model;
mod object_completion;
mod open;
mod own;
mod propose_completion;
mod prove_conflict;
mod queries;
mod rotate;
mod seen;
mod start;
mod suspension;
mod wind_up;
mod withdraw_dispute;

use casewise_ledger::{
    lane::DEVICE_MINIMUM, records::CaseStatus, Address, AnchorItem, CaseId, DeviceSignature, Hash, Party,
};
use casewise_protocol::{
    ppr::{self, Power},
    registrar,
    rules::LaneFault,
    summary::{ExecuteMsg, Failure, QueryMsg, StatusResponse},
};
use casewise_testkit::contracts::{addr, anchors, key, Institution, Lane, Outcome, Patient, Suite, BLOCK_MS};
use cosmwasm_std::Addr;
use ed25519_zebra::{SigningKey, VerificationKey};

/// Words of refusal that several messages have.
mod words {
    pub const NOT_INVOLVED: &str = "sender: neither the holder nor an operator of an institution whose relationship with this case is in force; send this from one of them";
    pub const NOT_HOLDER: &str = "sender: not the holder of this case; send this from the case's own account";
    pub const NOT_AUTHOR: &str = "sender: not the account that writes this lane; send this from that account";
    pub const NOT_OPERATOR: &str =
        "sender: not an operator of institution 1; send this from one of its operator accounts";
    pub const RECOVERING: &str =
        "case: a recovery is running, until it ends only revocations are taken; veto it, or wait";
    pub const NO_LANES: &str = "case: has no lanes; open one first";
    pub const NO_LANE: &str = "lane: no such lane; check the id";
    pub const DIGEST: &str =
        "digest: not the one this case has; ask for the case and name its present digest";
    pub const NO_PROPOSAL: &str = "case: no completion is proposed; propose it first";
    pub const NO_IDENTITY: &str =
        "case: no identity is enrolled for it; enrol the case at the registrar first";

    pub fn power(power: &str) -> String {
        format!(
            "sender: a delegate without the power {power}; send this as the holder, or have the holder give it"
        )
    }

    pub fn not_in_force(institution: u32) -> String {
        format!("case: the relationship with institution {institution} is not in force; the holder must accept it first")
    }

    pub fn suspended(institution: u32) -> String {
        format!("sender: institution {institution} is suspended; ask the consortium to resume it")
    }
}

/// A case of A in force.
fn onboarded() -> (Suite, Institution, Patient) {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let patient = suite.onboard(&a, "p");
    (suite, a, patient)
}

/// The same with an open content lane of `anchored` entries.
fn with_lane(anchored: u32) -> (Suite, Institution, Patient, Lane) {
    let (mut suite, a, patient) = onboarded();
    let mut lane = Lane::content(&patient.case(), &a, "c");
    suite.open(&a, &lane);
    if anchored > 0 {
        lane.append(anchored);
        assert_eq!(suite.anchor(&a, &mut [&mut lane]).unwrap().failed(), []);
    }
    (suite, a, patient, lane)
}

fn send_anchor(suite: &mut Suite, from: &Institution, items: Vec<AnchorItem>) -> Outcome {
    suite.summary(&from.addr(), &ExecuteMsg::anchor(&anchors(items)))
}

fn send_close(suite: &mut Suite, from: &Institution, items: Vec<AnchorItem>) -> Outcome {
    suite.summary(&from.addr(), &ExecuteMsg::close(&anchors(items)))
}

fn failure(position: u32, code: LaneFault) -> Failure {
    Failure { position, code }
}

fn suspend(suite: &mut Suite, institution: u32) {
    let authority = suite.authority.clone();
    suite.registrar(&authority, &registrar::ExecuteMsg::SuspendInstitution { institution }).unwrap();
}

fn resume(suite: &mut Suite, institution: u32) {
    let authority = suite.authority.clone();
    suite.registrar(&authority, &registrar::ExecuteMsg::ResumeInstitution { institution }).unwrap();
}

/// The holder ends the relationship with A.
fn end(suite: &mut Suite, patient: &Patient) {
    suite.ppr(&patient.addr(), &ppr::ExecuteMsg::end(&patient.case(), 1)).unwrap();
}

fn status(suite: &Suite, case: &CaseId, institution: u32) -> StatusResponse {
    suite.ask_summary(&QueryMsg::status(case, institution)).unwrap()
}

/// The account of a key that is nobody's here.
fn stranger() -> Addr {
    addr(&key("stranger").address())
}

/// A content lane that an account writes itself.
fn own_lane(case: &CaseId, account: &Address, name: &str) -> Lane {
    let mut lane = Lane::content(case, &Institution { number: 0, key: key("none") }, name);
    lane.header.author = Party::Account(*account);
    lane
}

/// An access lane that an account writes itself.
fn own_access(case: &CaseId, account: &Address, name: &str) -> Lane {
    let mut lane = own_lane(case, account, name);
    lane.header.class = casewise_ledger::Class::Access;
    lane
}

fn open_as(suite: &mut Suite, sender: &Addr, lanes: &[&Lane]) -> Outcome {
    let headers: Vec<_> = lanes.iter().map(|lane| lane.header.clone()).collect();
    suite.summary(sender, &ExecuteMsg::open(&headers))
}

/// The key of a device.
fn device(name: u8) -> SigningKey {
    SigningKey::from([name; 32])
}

/// Makes the lane one of a device. Before any entry: the lane id is another then.
fn of_device(mut lane: Lane, key: &SigningKey) -> Lane {
    lane.header.signer = Some(VerificationKey::from(key).into());
    lane.header.minimum = DEVICE_MINIMUM;
    lane
}

/// The item with the device's signature over its head.
fn sign(mut item: AnchorItem, key: &SigningKey, time: u64) -> AnchorItem {
    let message = item.head().message(&item.lane, time);
    item.device = Some(DeviceSignature { time, sig: key.sign(&message).into() });
    item
}

/// The holder names the account of a key as delegate with these powers.
fn delegate(suite: &mut Suite, patient: &Patient, name: &str, powers: &[Power]) -> Addr {
    let account = addr(&key(name).address());
    let msg = ppr::ExecuteMsg::set_delegate(&patient.case(), account.as_str(), powers, None);
    suite.ppr(&patient.addr(), &msg).unwrap();
    account
}

/// A case of A in force that the account of the key "recovery" may recover.
fn recoverable() -> (Suite, Institution, Patient) {
    let mut suite = Suite::new();
    let a = suite.admit("A");
    let patient = suite.enrol_recoverable(&a, "p", "recovery");
    let msg = ppr::ExecuteMsg::propose(&patient.case(), Some(&casewise_testkit::contracts::POLICY));
    suite.ppr(&a.addr(), &msg).unwrap();
    suite.ppr(&patient.addr(), &ppr::ExecuteMsg::accept(&patient.case(), 1)).unwrap();
    (suite, a, patient)
}

/// The recovery account starts to recover the case to the account of the key "saved".
fn start_recovery(suite: &mut Suite, case: &CaseId) {
    let msg = registrar::ExecuteMsg::start_recovery(&suite.rotation(case, "saved"));
    suite.registrar(&addr(&key("recovery").address()), &msg).unwrap();
}

/// Another institution, with a relationship in force.
fn join(suite: &mut Suite, patient: &Patient, name: &str) -> Institution {
    let joining = suite.admit(name);
    suite.ppr(&joining.addr(), &ppr::ExecuteMsg::propose(&patient.case(), None)).unwrap();
    suite.ppr(&patient.addr(), &ppr::ExecuteMsg::accept(&patient.case(), joining.number)).unwrap();
    joining
}

fn case_status(suite: &Suite, case: &CaseId) -> CaseStatus {
    suite.case(case).record().unwrap().status
}

fn digest(suite: &Suite, case: &CaseId) -> Hash {
    suite.case(case).record().unwrap().digest
}

/// Winds the case up as its holder and closes A's lane.
fn wind_up_and_close(suite: &mut Suite, a: &Institution, patient: &Patient, lane: &Lane) -> Hash {
    suite.summary(&patient.addr(), &ExecuteMsg::wind_up(&patient.case())).unwrap();
    let (from, to) = (lane.anchored, lane.anchored);
    assert_eq!(send_close(suite, a, vec![lane.item(from, to)]).unwrap().failed(), []);
    digest(suite, &patient.case())
}

/// A closing case of A whose one content lane is closed at three entries; its digest.
fn closed_case() -> (Suite, Institution, Patient, Lane, Hash) {
    let (mut suite, a, patient) = recoverable();
    let mut lane = Lane::content(&patient.case(), &a, "c");
    suite.open(&a, &lane);
    lane.append(3);
    suite.anchor(&a, &mut [&mut lane]).unwrap();
    let digest = wind_up_and_close(&mut suite, &a, &patient, &lane);
    (suite, a, patient, lane, digest)
}

/// The same with its completion proposed by A.
fn proposed_case() -> (Suite, Institution, Patient, Lane, Hash) {
    let (mut suite, a, patient, lane, digest) = closed_case();
    suite.summary(&a.addr(), &ExecuteMsg::propose_completion(&patient.case(), &digest)).unwrap();
    (suite, a, patient, lane, digest)
}

/// Goes on so that the next message comes at `time`, Unix ms.
fn until(suite: &mut Suite, time: u64) {
    suite.advance(time - BLOCK_MS - suite.now());
}

/// A message is refused with these words, and nothing is written.
fn refused(suite: &mut Suite, sender: &Addr, msg: &ExecuteMsg, words: &str) {
    let before = suite.dump(&suite.summary);
    assert_eq!(suite.summary(sender, msg).unwrap_err(), words, "{msg:?} from {sender}");
    assert_eq!(suite.dump(&suite.summary), before, "{msg:?} from {sender}");
}

/// A message changes nothing and tells nothing.
fn idle(suite: &mut Suite, sender: &Addr, msg: &ExecuteMsg) {
    let before = suite.dump(&suite.summary);
    assert_eq!(suite.summary(sender, msg).unwrap().events(), [], "{msg:?} from {sender}");
    assert_eq!(suite.dump(&suite.summary), before, "{msg:?} from {sender}");
}
