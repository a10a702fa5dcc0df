//! OfferClaim and WithdrawClaim.

use casewise_ledger::{
    decode,
    records::{self, ns, record_key},
    CaseId,
};
use casewise_protocol::{
    registrar::{ClaimInfo, ExecuteMsg, QueryMsg, MAX_CLAIM_MS},
    Event,
};
use casewise_testkit::contracts::{key, Institution, Patient, Suite, BLOCK_MS, PREFIX};
use cosmwasm_std::HexBinary;

use crate::{account, nothing, refused, NOT_HOLDER, NO_IDENTITY};

const NOT_CUSTODIAL: &str = "case: is not custodial, there is nothing to claim; use rotate";

fn custodial(suite: &mut Suite) -> (Institution, Patient) {
    let a = suite.admit("A");
    let patient = suite.enrol_custodial(&a, "c");
    (a, patient)
}

fn offer(case: &CaseId, to: &str, until: u64) -> ExecuteMsg {
    ExecuteMsg::offer_claim(PREFIX, case, &key(to).address(), until).unwrap()
}

fn claim(suite: &Suite, case: &CaseId) -> Option<ClaimInfo> {
    suite.ask_registrar(&QueryMsg::claim(case)).unwrap()
}

#[test]
fn the_custodian_offers_and_takes_back() {
    let mut suite = Suite::new();
    let (_, patient) = custodial(&mut suite);
    let (holder, case) = (patient.addr(), patient.case());
    let until = suite.now() + 60_000;
    nothing(&mut suite, &holder, &ExecuteMsg::withdraw_claim(&case));
    let done = suite.registrar(&holder, &offer(&case, "one", until)).unwrap();
    assert_eq!(done.events(), [Event::ClaimOffered { case, until }]);
    let info = claim(&suite, &case).unwrap();
    assert_eq!((info.holder.as_str(), info.until.u64()), (account("one").as_str(), until));
    let raw = suite.raw(&suite.registrar, record_key(ns::CLAIM, &case.0)).unwrap();
    assert_eq!(info.record().unwrap(), decode::<records::ClaimRecord>(&raw).unwrap());
    nothing(&mut suite, &holder, &offer(&case, "one", until));
    // another takes its place
    let done = suite.registrar(&holder, &offer(&case, "one", until + 1)).unwrap();
    assert_eq!(done.events(), [Event::ClaimOffered { case, until: until + 1 }]);
    suite.registrar(&holder, &offer(&case, "two", until)).unwrap();
    assert_eq!(claim(&suite, &case).unwrap().holder, account("two").as_str());
    let done = suite.registrar(&holder, &ExecuteMsg::withdraw_claim(&case)).unwrap();
    assert_eq!(done.events(), [Event::ClaimWithdrawn { case }]);
    assert_eq!(claim(&suite, &case), None);
}

#[test]
fn until_its_end_at_most_thirty_days_ahead() {
    let mut suite = Suite::new();
    let (_, patient) = custodial(&mut suite);
    let (holder, case) = (patient.addr(), patient.case());
    let words = "until: must be later than now and at most 30 days ahead; choose another end";
    for ahead in [0, MAX_CLAIM_MS + 1] {
        let until = suite.now() + BLOCK_MS + ahead;
        refused(&mut suite, &holder, &offer(&case, "one", until), words);
    }
    for wrong in [0, u64::MAX] {
        refused(&mut suite, &holder, &offer(&case, "one", wrong), words);
    }
    for ahead in [1, MAX_CLAIM_MS] {
        let until = suite.now() + BLOCK_MS + ahead;
        suite.registrar(&holder, &offer(&case, "one", until)).unwrap();
        assert_eq!(claim(&suite, &case).unwrap().until.u64(), until);
    }
    // over, it is offered no more; sent again it changes nothing
    let until = claim(&suite, &case).unwrap().until.u64();
    suite.advance(until - suite.now() - 1);
    assert!(claim(&suite, &case).is_some());
    suite.advance(1);
    assert_eq!(claim(&suite, &case), None);
    nothing(&mut suite, &holder, &offer(&case, "one", until));
}

#[test]
fn only_the_account_that_holds_a_custodial_case() {
    let mut suite = Suite::new();
    let (a, patient) = custodial(&mut suite);
    let own = suite.enrol(&a, "p");
    let until = suite.now() + 60_000;
    let messages = |case: &CaseId| [offer(case, "one", until), ExecuteMsg::withdraw_claim(case)];
    let authority = suite.authority.clone();
    // not even an operator of the institution whose key it is
    for sender in [a.addr(), own.addr(), authority, account("one")] {
        for msg in messages(&patient.case()) {
            refused(&mut suite, &sender, &msg, NOT_HOLDER);
        }
    }
    for msg in messages(&own.case()) {
        refused(&mut suite, &own.addr(), &msg, NOT_CUSTODIAL);
        refused(&mut suite, &a.addr(), &msg, NOT_HOLDER);
    }
    for msg in messages(&CaseId([7; 32])) {
        refused(&mut suite, &patient.addr(), &msg, NO_IDENTITY);
    }
}

#[test]
fn to_an_account_without_a_case() {
    let mut suite = Suite::new();
    let (a, patient) = custodial(&mut suite);
    suite.enrol(&a, "p");
    let (holder, case, until) = (patient.addr(), patient.case(), suite.now() + 60_000);
    let words = "holder: this account holds a case; offer the claim to a fresh account of the patient";
    for used in ["p", "c"] {
        refused(&mut suite, &holder, &offer(&case, used, until), words);
    }
    for wrong in ["", "patient", suite.ppr.clone().as_str(), &holder.as_str().to_uppercase()] {
        let mut msg = offer(&case, "one", until);
        if let ExecuteMsg::OfferClaim { holder, .. } = &mut msg {
            *holder = wrong.to_string();
        }
        let words = "holder: not an account of this network; send it in lower-case bech32 with 20 bytes";
        refused(&mut suite, &holder, &msg, words);
    }
    let mut msg = offer(&case, "one", until);
    if let ExecuteMsg::OfferClaim { case, .. } = &mut msg {
        *case = HexBinary::from([1; 31]);
    }
    let words = "case: expected 32 bytes, got 31; send the whole value in hexadecimal";
    refused(&mut suite, &holder, &msg, words);
    refused(&mut suite, &holder, &ExecuteMsg::WithdrawClaim { case: HexBinary::from([1; 31]) }, words);
}
