//! A case's change of holder, and lanes that close: what follows on chain, in the store, in letters.

use casewise_agent::{
    holders, lanes,
    serving::Serving,
    sponsor,
    store::{
        Batch, CaseRow, CaseState, Change, EndReason, HolderWrite, IdentityView, LaneRow, LaneState,
        RelationshipView, WrappedKeys, Write,
    },
};
use casewise_api::ProblemKind;
use casewise_ledger::{
    Address, CaseId, Class, Head, Kind, LaneHeader, Party, RotateCard, RotateOffer, V1,
    account::AccountKey,
    lane::MINIMUM,
    records::{CaseStatus, IdentityRecord, LaneStatus, RelationshipRecord, RelationshipStatus},
    sha256,
};
use casewise_protocol::{ppr, registrar, summary};
use casewise_seal::{KemSecret, Letter};

use crate::world::{Agent, Patient, world};

/// A holder to be.
struct Heir {
    key: AccountKey,
    kem: KemSecret,
}

impl Heir {
    fn new(name: &str) -> Self {
        let key = casewise_testkit::contracts::key(name);
        Self { key, kem: KemSecret::from_bytes(&sha256(&[b"kem ", name.as_bytes()])) }
    }

    fn offer(&self, case: &CaseId, epoch: u32) -> RotateOffer {
        let kem = self.kem.public();
        let holder = self.key.address();
        let card = RotateCard { version: V1, case: *case, epoch, holder, kem: kem.hash() };
        let signature = self.key.sign_message(&card.message());
        RotateOffer { version: V1, card, kem_key: *kem.as_bytes(), key: self.key.public().0, signature }
    }
}

/// The holder rotates on chain; the agent has seen it.
async fn rotate(agent: &Agent, from: &AccountKey, offer: &RotateOffer) {
    let registrar = agent.chain.contracts().registrar;
    agent.chain.act(&from.address(), registrar, &registrar::ExecuteMsg::rotate(offer));
    agent.block().await;
}

async fn identity(agent: &Agent, case: &CaseId) -> IdentityView {
    agent.app().store.identity(case).await.unwrap().unwrap()
}

async fn lanes_of(agent: &Agent, case: &CaseId, class: Class) -> Vec<LaneRow> {
    let mut lanes = agent.app().store.lanes_of(case).await.unwrap();
    lanes.retain(|lane| lane.header.class == class);
    lanes
}

async fn live(agent: &Agent, case: &CaseId, class: Class) -> LaneRow {
    let live: Vec<_> =
        lanes_of(agent, case, class).await.into_iter().filter(|l| l.state == LaneState::Live).collect();
    assert_eq!(live.len(), 1, "one live lane");
    live.into_iter().next().unwrap()
}

/// An agent with an accepted case and one anchored record.
async fn case() -> (Agent, Patient) {
    let mut agent = world().await;
    let patient = agent.onboard("ada").await;
    agent.accept(&patient).await;
    agent.ingest(&patient.case(), "before").await;
    agent.settle().await;
    (agent, patient)
}

#[tokio::test]
async fn until_the_new_key_is_here_lanes_are_written_and_none_is_opened() {
    let (mut agent, patient) = case().await;
    let case = patient.case();
    let heir = Heir::new("ada's second account");
    let offer = heir.offer(&case, 1);
    let (content, access) =
        (live(&agent, &case, Class::Content).await, live(&agent, &case, Class::Access).await);
    rotate(&agent, &patient.key, &offer).await;
    let seen = identity(&agent, &case).await;
    assert_eq!((seen.record.holder, seen.record.epoch), (heir.key.address(), 1));
    assert_eq!(agent.app().store.rev(&case).await.unwrap().rev, 1);
    assert!(!holders::key_known(agent.app(), &case).await.unwrap());

    let accepted = agent.ingest(&case, "between").await;
    assert_eq!(accepted.lane, content.lane, "care goes on in the old lane");
    for _ in 0..5 {
        agent.post().await.unwrap();
        agent.block().await;
    }
    let view = agent.app().store.lane_view(&content.lane).await.unwrap().unwrap();
    assert_eq!((view.record.size, view.record.status), (2, LaneStatus::Open), "anchored, not succeeded");
    assert_eq!(agent.app().store.lanes_of(&case).await.unwrap().len(), 2, "no lane was opened");
    assert_eq!(agent.app().store.rev(&case).await.unwrap().acked, 0, "not acknowledged");

    holders::take(agent.app(), &seen, &offer).await.unwrap();
    holders::take(agent.app(), &seen, &offer).await.unwrap();
    assert!(holders::key_known(agent.app(), &case).await.unwrap());
    agent.settle().await;
    assert_eq!(agent.app().store.rev(&case).await.unwrap().acked, 1);
    for (old, class) in [(content, Class::Content), (access, Class::Access)] {
        let next = live(&agent, &case, class).await;
        assert_eq!((next.header.epoch, next.header.predecessor), (1, Some(old.lane)));
        let old = agent.app().store.lane(&old.lane).await.unwrap().unwrap();
        assert_eq!(
            (old.state, old.reason, old.successor),
            (LaneState::Closed, Some(EndReason::Holder), Some(next.lane))
        );
        // the root letter is for the new key and no other
        let letters = agent.app().store.letters_about(&next.lane.0, &offer.card.kem).await.unwrap();
        let [letter] = letters.as_slice() else { panic!("one letter") };
        let payload = Letter::decode(&letter.bytes).unwrap().open(&heir.kem).unwrap();
        payload.keys[0].check_root(&next.header).unwrap();
        assert!(
            agent.app().store.letters_about(&next.lane.0, &patient.offer.card.kem).await.unwrap().is_empty()
        );
    }
    let accepted = agent.ingest(&case, "after").await;
    assert_eq!(accepted.lane, live(&agent, &case, Class::Content).await.lane);
    agent.settle().await;
    agent.verify().await;
}

#[tokio::test]
async fn an_offer_that_the_chain_does_not_know_changes_nothing() {
    let (agent, patient) = case().await;
    let case = patient.case();
    let (heir, thief) = (Heir::new("heir"), Heir::new("thief"));
    let offer = heir.offer(&case, 1);
    let early = identity(&agent, &case).await;
    let refused = async |seen: &IdentityView, offer: &RotateOffer| {
        let error = holders::take(agent.app(), seen, offer).await.unwrap_err();
        let problem = error.problem();
        assert_eq!(problem.problem_kind(), Some(ProblemKind::HolderRefused));
        assert!(agent.app().store.holder_offer(&case, offer.card.epoch).await.unwrap().is_none());
        problem.field.unwrap()
    };
    assert_eq!(refused(&early, &offer).await, "card.epoch", "before it is in a block");
    rotate(&agent, &patient.key, &offer).await;
    let seen = identity(&agent, &case).await;
    assert_eq!(refused(&seen, &heir.offer(&CaseId([9; 32]), 1)).await, "card.case");
    assert_eq!(refused(&seen, &heir.offer(&case, 2)).await, "card.epoch");
    assert_eq!(refused(&seen, &thief.offer(&case, 1)).await, "card.holder");
    let mut signed_by_former = offer.clone();
    signed_by_former.signature = patient.key.sign_message(&offer.card.message());
    assert_eq!(refused(&seen, &signed_by_former).await, "signature");
    assert!(!holders::key_known(agent.app(), &case).await.unwrap());
}

#[tokio::test]
async fn two_rotations_before_the_first_successor_is_open() {
    let (mut agent, patient) = case().await;
    let case = patient.case();
    let (second, third) = (Heir::new("second"), Heir::new("third"));
    rotate(&agent, &patient.key, &second.offer(&case, 1)).await;
    holders::take(agent.app(), &identity(&agent, &case).await, &second.offer(&case, 1)).await.unwrap();
    // the successors wait to be opened, for a key that is gone before they are
    let waiting = lanes_of(&agent, &case, Class::Content).await;
    assert!(waiting.iter().any(|lane| lane.state == LaneState::Opening && lane.header.epoch == 1));
    rotate(&agent, &second.key, &third.offer(&case, 2)).await;
    let left = lanes_of(&agent, &case, Class::Content).await;
    assert!(left.iter().all(|lane| lane.state != LaneState::Opening), "given up");
    holders::take(agent.app(), &identity(&agent, &case).await, &third.offer(&case, 2)).await.unwrap();
    agent.settle().await;
    let next = live(&agent, &case, Class::Content).await;
    assert_eq!(next.header.epoch, 2);
    assert_eq!(live(&agent, &case, Class::Access).await.header.epoch, 2);
    let rev = agent.app().store.rev(&case).await.unwrap();
    assert_eq!((rev.rev, rev.acked), (2, 2));
    agent.ingest(&case, "after both").await;
    agent.settle().await;
    agent.verify().await;
}

#[tokio::test]
async fn a_restart_between_rotation_and_offer_loses_nothing() {
    let (mut agent, patient) = case().await;
    let case = patient.case();
    let heir = Heir::new("heir");
    let offer = heir.offer(&case, 1);
    rotate(&agent, &patient.key, &offer).await;
    agent.restart().await;
    assert_eq!(identity(&agent, &case).await.record.epoch, 1);
    holders::take(agent.app(), &identity(&agent, &case).await, &offer).await.unwrap();
    agent.restart().await;
    assert!(holders::key_known(agent.app(), &case).await.unwrap());
    agent.settle().await;
    assert_eq!(live(&agent, &case, Class::Content).await.header.epoch, 1);
    assert_eq!(agent.app().store.rev(&case).await.unwrap().acked, 1);
}

#[tokio::test]
async fn a_relationship_that_ends_closes_its_lanes_with_a_close_entry_in_time() {
    let (mut agent, patient) = case().await;
    let case = patient.case();
    let content = live(&agent, &case, Class::Content).await;
    agent.ingest(&case, "the last one").await;
    let end = ppr::ExecuteMsg::end(&case, agent.number);
    agent.chain.act(&patient.key.address(), agent.chain.contracts().ppr, &end);
    agent.block().await;
    let problem = agent.try_ingest(&case, "too late", None).await.unwrap_err();
    assert_eq!(problem.problem_kind(), Some(ProblemKind::CaseClosed));
    agent.settle().await;
    let view = agent.app().store.lane_view(&content.lane).await.unwrap().unwrap();
    assert_eq!((view.record.status, view.record.size), (LaneStatus::Closed, 3));
    let row = agent.app().store.lane(&content.lane).await.unwrap().unwrap();
    assert_eq!((row.state, row.reason, row.successor), (LaneState::Closed, Some(EndReason::Closing), None));
    let last = agent.app().store.entries(&content.lane, 2, 1).await.unwrap().pop().unwrap();
    assert_eq!(last.header.kind, Kind::Close);
    assert!(agent.app().store.keys(&content.lane).await.unwrap().is_none(), "its keys are gone");
    let access = live(&agent, &case, Class::Access).await;
    let access = agent.app().store.lane_view(&access.lane).await.unwrap().unwrap();
    assert_eq!(access.record.status, LaneStatus::Open, "reads by the holder go on being logged");
    agent.verify().await;
}

#[tokio::test]
async fn a_lane_whose_deadline_passed_is_closed_at_what_is_anchored() {
    let (mut agent, patient) = case().await;
    let case = patient.case();
    let content = live(&agent, &case, Class::Content).await;
    let end = ppr::ExecuteMsg::end(&case, agent.number);
    agent.chain.act(&patient.key.address(), agent.chain.contracts().ppr, &end);
    agent.chain.block();
    agent.kill().await;
    agent.chain.pass(u64::from(casewise_testkit::contracts::POLICY.grace) * 1000 + 1);
    agent.start().await;
    agent.follow().await;
    agent.settle().await;
    let view = agent.app().store.lane_view(&content.lane).await.unwrap().unwrap();
    assert_eq!((view.record.status, view.record.size), (LaneStatus::Closed, 1), "cut");
    agent.verify().await;
}

#[tokio::test]
async fn allowances_on_the_word_of_the_holder_and_no_more_than_a_day_allows() {
    let (mut agent, patient) = case().await;
    let case = patient.case();
    let serving = Serving::new(agent.app().clone());
    let account = |n: u32| casewise_testkit::contracts::key(&format!("account {n}")).address();
    let holder = patient.key.address();
    let kind = |error: casewise_agent::AgentError| error.problem().problem_kind().unwrap();
    let ask = async |signer, account| sponsor::ask(&serving, &case, &signer, &account).await.map_err(kind);
    assert_eq!(ask(account(0), account(1)).await.unwrap_err(), ProblemKind::Absent, "a stranger");
    let operator = agent.operator.address();
    assert_eq!(ask(holder, operator).await.unwrap_err(), ProblemKind::SponsorRefused);
    for n in 0..sponsor::MAX_A_DAY {
        ask(holder, account(n)).await.unwrap();
        ask(holder, account(n)).await.unwrap();
    }
    assert_eq!(ask(holder, account(99)).await.unwrap_err(), ProblemKind::SponsorLimit);
    drop(serving);
    agent.settle().await;
    for n in 0..sponsor::MAX_A_DAY {
        let allowed = casewise_chain::Chain::allowance(&*agent.chain, &operator, &account(n)).await.unwrap();
        assert!(allowed.is_some(), "account {n}");
        assert!(agent.app().store.sponsored(&account(n)).await.unwrap().unwrap().given);
    }
    let other = agent.onboard("ben").await;
    let serving = Serving::new(agent.app().clone());
    let crossed = sponsor::ask(&serving, &other.case(), &other.key.address(), &account(0)).await;
    assert_eq!(kind(crossed.unwrap_err()), ProblemKind::SponsorRefused, "an account serves one case");
    let held = sponsor::ask(&serving, &other.case(), &other.key.address(), &holder).await;
    assert_eq!(kind(held.unwrap_err()), ProblemKind::SponsorRefused, "another case's holder");
}

#[tokio::test]
async fn the_recovery_account_is_heard_and_takes_the_case_over() {
    let mut agent = world().await;
    let recovery = casewise_testkit::contracts::key("second phrase");
    let patient = Patient::recoverable(&agent.chain, agent.number, "ada", recovery.address());
    casewise_agent::onboard::register(agent.app(), &patient.request()).await.unwrap();
    agent.settle().await;
    agent.accept(&patient).await;
    let case = patient.case();
    let heir = Heir::new("heir");
    {
        let serving = Serving::new(agent.app().clone());
        for account in [recovery.address(), heir.key.address()] {
            sponsor::ask(&serving, &case, &recovery.address(), &account).await.unwrap();
        }
        let stranger = heir.key.address();
        assert!(sponsor::ask(&serving, &case, &stranger, &stranger).await.is_err());
    }
    let registrar = agent.chain.contracts().registrar;
    let offer = heir.offer(&case, 1);
    let act = |sender: &AccountKey, message| agent.chain.act(&sender.address(), registrar, &message);
    act(&recovery, registrar::ExecuteMsg::start_recovery(&offer));
    agent.block().await;
    assert_eq!(identity(&agent, &case).await.record.holder, patient.key.address(), "nothing yet");
    agent.chain.pass(u64::from(registrar::DEFAULT_RECOVERY_DELAY) * 1000);
    act(&recovery, registrar::ExecuteMsg::finish_recovery(&case));
    agent.block().await;
    let seen = identity(&agent, &case).await;
    assert_eq!((seen.record.holder, seen.record.epoch), (heir.key.address(), 1));
    holders::take(agent.app(), &seen, &offer).await.unwrap();
    agent.settle().await;
    assert_eq!(live(&agent, &case, Class::Content).await.header.epoch, 1);
    assert_eq!(agent.app().store.case_status(&case).await.unwrap(), Some(CaseStatus::Open));
    agent.verify().await;
}

#[tokio::test]
async fn a_suspended_relationship_closes_the_lane_and_a_resumed_one_opens_another() {
    let (mut agent, patient) = case().await;
    let case = patient.case();
    let ppr = agent.chain.contracts().ppr;
    let old = live(&agent, &case, Class::Content).await;
    agent.chain.act(&patient.key.address(), ppr, &ppr::ExecuteMsg::suspend(&case, agent.number));
    agent.block().await;
    let problem = agent.try_ingest(&case, "while suspended", None).await.unwrap_err();
    assert_eq!(problem.problem_kind(), Some(ProblemKind::CaseClosed));
    agent.settle().await;
    let closed = agent.app().store.lane(&old.lane).await.unwrap().unwrap();
    assert_eq!((closed.state, closed.reason), (LaneState::Closed, Some(EndReason::Closing)));
    let last = agent.app().store.entries(&old.lane, 1, 1).await.unwrap().pop().unwrap();
    assert_eq!(last.header.kind, Kind::Close, "closing anchors go on");
    agent.chain.act(&patient.key.address(), ppr, &ppr::ExecuteMsg::resume(&case, agent.number));
    agent.block().await;
    agent.settle().await;
    let new = live(&agent, &case, Class::Content).await;
    assert!(new.lane != old.lane && new.header.predecessor.is_none());
    let letters = agent.app().store.letters_about(&new.lane.0, &patient.offer.card.kem).await.unwrap();
    assert_eq!(letters.len(), 1, "the patient has its root");
    assert_eq!(agent.ingest(&case, "again").await.lane, new.lane);
    agent.settle().await;
    assert_eq!(agent.contents(&patient).await, ["again", "before"]);
    agent.verify().await;
}

#[tokio::test]
async fn a_case_that_is_wound_up_takes_nothing_and_one_that_is_reopened_goes_on() {
    use casewise_chain::ChainExt as _;
    use casewise_ledger::records::{CaseRecord, ns};
    let (mut agent, patient) = case().await;
    let case = patient.case();
    let chain = agent.chain.clone();
    let summary_at = chain.contracts().summary;
    let old = live(&agent, &case, Class::Content).await;
    let act = |sender: &AccountKey, message: &summary::ExecuteMsg| {
        chain.act(&sender.address(), summary_at, message)
    };
    act(&patient.key, &summary::ExecuteMsg::wind_up(&case));
    agent.block().await;
    assert_eq!(agent.app().store.case_status(&case).await.unwrap(), Some(CaseStatus::Closing));
    let problem = agent.try_ingest(&case, "too late", None).await.unwrap_err();
    assert_eq!(problem.problem_kind(), Some(ProblemKind::CaseClosed));
    // a new holder while the case is closing: no content lane follows, and nothing waits for one
    let heir = Heir::new("heir");
    rotate(&agent, &patient.key, &heir.offer(&case, 1)).await;
    holders::take(agent.app(), &identity(&agent, &case).await, &heir.offer(&case, 1)).await.unwrap();
    agent.settle().await;
    let content = lanes_of(&agent, &case, Class::Content).await;
    assert_eq!(content.len(), 1, "none was opened");
    assert_eq!((content[0].state, content[0].head.size), (LaneState::Closed, 2));
    assert_eq!(live(&agent, &case, Class::Access).await.header.epoch, 1);
    let rev = agent.app().store.rev(&case).await.unwrap();
    assert_eq!((rev.rev, rev.acked), (1, 1));

    let record: Option<CaseRecord> = chain.record(&summary_at, ns::CASE, &case.0, None).await.unwrap();
    let digest = record.unwrap().digest;
    act(&heir.key, &summary::ExecuteMsg::propose_completion(&case, &digest));
    agent.block().await;
    assert_eq!(agent.app().store.case_status(&case).await.unwrap(), Some(CaseStatus::Proposed));
    agent.verify().await;
    act(&heir.key, &summary::ExecuteMsg::object_completion(&case, &digest));
    agent.block().await;
    agent.settle().await;
    assert_eq!(agent.app().store.case_status(&case).await.unwrap(), Some(CaseStatus::Open));
    let new = live(&agent, &case, Class::Content).await;
    assert!(new.lane != old.lane && new.header.epoch == 1);
    agent.ingest(&case, "after the objection").await;
    agent.settle().await;

    act(&heir.key, &summary::ExecuteMsg::wind_up(&case));
    agent.block().await;
    agent.settle().await;
    let record: Option<CaseRecord> = chain.record(&summary_at, ns::CASE, &case.0, None).await.unwrap();
    let digest = record.unwrap().digest;
    act(&heir.key, &summary::ExecuteMsg::propose_completion(&case, &digest));
    agent.block().await;
    act(&heir.key, &summary::ExecuteMsg::approve_completion(&case, &digest));
    agent.block().await;
    agent.settle().await;
    assert_eq!(agent.app().store.case_status(&case).await.unwrap(), Some(CaseStatus::Completed));
    assert!(lanes_of(&agent, &case, Class::Content).await.iter().all(|lane| lane.state == LaneState::Closed));
    agent.verify().await;
}

/// Ids below every other.
fn low(number: u32) -> CaseId {
    let mut id = [0; 32];
    id[28..].copy_from_slice(&number.to_be_bytes());
    CaseId(id)
}

/// Stores what the chain is supposed to say, with other writes, without a block.
async fn pretend(agent: &Agent, changes: Vec<Change>, mut writes: Batch) {
    let to = agent.app().store.cursor().await.unwrap().unwrap();
    writes.push(Write::Blocks { from: Some(to), to, changes });
    agent.app().committer.commit(writes).await.unwrap();
}

fn active(agent: &Agent, case: CaseId) -> Change {
    let record = RelationshipRecord { version: V1, status: RelationshipStatus::Active, since: 0 };
    Change::Relationship(RelationshipView { case, institution: agent.number, record, changed: 1 })
}

/// A content lane that waits to be opened, made before the counter went up.
fn stuck_lane(agent: &Agent, case: CaseId) -> Write {
    let header = LaneHeader {
        version: V1,
        case,
        author: Party::Institution(agent.number),
        class: Class::Content,
        minimum: MINIMUM,
        epoch: 0,
        root: [7; 32],
        signer: None,
        predecessor: None,
        nonce: [7; 16],
    };
    let lane = header.id();
    let (state, head) = (LaneState::Opening, Head::empty());
    let row = LaneRow { lane, header, state, reason: None, head, rev: 0, successor: None };
    Write::NewLane { row, keys: WrappedKeys { lane, epoch: 1, wrapped: vec![1; 60] } }
}

#[tokio::test]
async fn more_cases_than_a_page_that_wait_starve_no_later_one_of_its_rotation_and_acknowledgement() {
    let (mut agent, patient) = case().await;
    let case = patient.case();
    let old = live(&agent, &case, Class::Content).await;
    let (mut changes, mut writes) = (Vec::new(), Batch::new());
    for number in 0..=lanes::MAX_UNACKED {
        let stuck = low(number);
        changes.extend([active(&agent, stuck), Change::Rev { case: stuck, rev: 1, height: 1 }]);
        writes.push(stuck_lane(&agent, stuck));
    }
    pretend(&agent, changes, writes).await;
    let grant = casewise_testkit::contracts::commitment("any");
    let day = (agent.chain.now() / 86_400_000) as u32;
    let (ppr, holder) = (agent.chain.contracts().ppr, patient.key.address());
    let made = ppr::NewGrant::new(&grant, (day, day + 1));
    agent.chain.act(&holder, ppr, &ppr::ExecuteMsg::grant(&case, vec![made]));
    agent.chain.block();
    agent.chain.act(&holder, ppr, &ppr::ExecuteMsg::revoke(&case, &[grant]));
    agent.block().await;
    let row = agent.app().store.lane(&old.lane).await.unwrap().unwrap();
    assert_eq!((row.state, row.reason), (LaneState::Ended, Some(EndReason::Revoked)), "rotated at once");
    for _ in 0..8 {
        agent.post().await.unwrap();
        agent.block().await;
    }
    let rev = agent.app().store.rev(&case).await.unwrap();
    assert_eq!((rev.rev, rev.acked), (1, 1));
    let left = agent.app().store.unacked(agent.number, None, 1000).await.unwrap();
    assert_eq!(left.len() as u32, lanes::MAX_UNACKED + 1, "those that wait go on waiting");
}

#[tokio::test]
async fn more_cases_than_a_page_whose_key_is_not_known_starve_no_later_revival() {
    let (mut agent, patient) = case().await;
    let case = patient.case();
    let ppr = agent.chain.contracts().ppr;
    agent.chain.act(&patient.key.address(), ppr, &ppr::ExecuteMsg::suspend(&case, agent.number));
    agent.block().await;
    agent.settle().await;
    let known = agent.app().store.case(&case).await.unwrap().unwrap();
    let (mut changes, mut writes) = (Vec::new(), Batch::new());
    for number in 0..=holders::MAX_REVIVED {
        let stuck = low(number);
        let mut holder = [9; 20];
        holder[..4].copy_from_slice(&number.to_be_bytes());
        let record = IdentityRecord {
            version: V1,
            holder: Address(holder),
            kem: [9; 32],
            epoch: 1,
            institution: agent.number,
            custodial: false,
            since: 1,
        };
        changes.push(Change::Identity(IdentityView { case: stuck, record, changed: 1 }));
        changes.push(active(&agent, stuck));
        writes.push(Write::NewCase(CaseRow { case: stuck, state: CaseState::Enrolled, ..known.clone() }));
        writes.push(Write::Holder(HolderWrite::Revive(stuck)));
    }
    pretend(&agent, changes, writes).await;
    agent.chain.act(&patient.key.address(), ppr, &ppr::ExecuteMsg::resume(&case, agent.number));
    agent.block().await;
    let made = lanes_of(&agent, &case, Class::Content).await;
    assert!(made.iter().any(|lane| lane.state == LaneState::Opening), "its lane is made at once");
    agent.settle().await;
    live(&agent, &case, Class::Content).await;
    let left = agent.app().store.revived(None, 1000).await.unwrap();
    assert_eq!(left.len() as u32, holders::MAX_REVIVED + 1, "those that wait go on waiting");
}

#[tokio::test]
async fn a_lane_of_a_revival_that_a_new_key_made_useless_is_made_again() {
    let (mut agent, patient) = case().await;
    let case = patient.case();
    let ppr = agent.chain.contracts().ppr;
    agent.chain.act(&patient.key.address(), ppr, &ppr::ExecuteMsg::suspend(&case, agent.number));
    agent.block().await;
    agent.settle().await;
    agent.chain.act(&patient.key.address(), ppr, &ppr::ExecuteMsg::resume(&case, agent.number));
    agent.block().await;
    // it waits to be opened when the holder's key changes
    let waits = |lanes: Vec<LaneRow>| lanes.into_iter().find(|lane| lane.state == LaneState::Opening);
    let first = waits(lanes_of(&agent, &case, Class::Content).await).unwrap();
    let heir = Heir::new("heir");
    let offer = heir.offer(&case, 1);
    rotate(&agent, &patient.key, &offer).await;
    assert!(agent.app().store.lane(&first.lane).await.unwrap().is_none(), "given up");
    assert_eq!(agent.app().store.revived(None, 9).await.unwrap(), [case], "until the key is here");
    holders::take(agent.app(), &identity(&agent, &case).await, &offer).await.unwrap();
    agent.settle().await;
    let next = live(&agent, &case, Class::Content).await;
    assert_eq!((next.header.epoch, next.header.predecessor), (1, None));
    assert_eq!(agent.ingest(&case, "again").await.lane, next.lane);
    agent.settle().await;
    agent.verify().await;
}

#[tokio::test]
async fn allowances_of_a_case_come_to_an_end() {
    let (agent, patient) = case().await;
    let case = patient.case();
    let serving = Serving::new(agent.app().clone());
    let account = |n: u32| casewise_testkit::contracts::key(&format!("account {n}")).address();
    let holder = patient.key.address();
    let ask = async |n| sponsor::ask(&serving, &case, &holder, &account(n)).await;
    for n in 0..sponsor::MAX_A_CASE {
        if n > 0 && n % sponsor::MAX_A_DAY == 0 {
            agent.chain.pass(sponsor::DAY_MS);
            agent.block().await;
        }
        ask(n).await.unwrap();
    }
    agent.chain.pass(sponsor::DAY_MS);
    agent.block().await;
    let problem = ask(sponsor::MAX_A_CASE).await.unwrap_err().problem();
    assert_eq!(problem.problem_kind(), Some(ProblemKind::SponsorLimit));
    assert!(problem.detail.contains("32 fee allowances"), "{}", problem.detail);
    let refused = agent.app().store.sponsored(&account(sponsor::MAX_A_CASE)).await.unwrap();
    assert_eq!(refused, None, "nothing is stored");
    ask(0).await.expect("what was given is answered alike");
}
