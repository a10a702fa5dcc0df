//! Who may send what: each message from every kind of sender who may not.

use casewise_protocol::ppr::ExecuteMsg;
use casewise_testkit::contracts::{addr, commitment, key, Suite, POLICY};
use cosmwasm_std::Addr;

use crate::grants;

#[test]
fn wrong_senders() {
    let mut suite = Suite::new();
    let (a, b) = (suite.admit("A"), suite.admit("B"));
    let patient = suite.onboard(&a, "p");
    let other = suite.onboard(&a, "q");
    let case = patient.case();
    suite.ppr(&b.addr(), &ExecuteMsg::propose(&case, None)).unwrap();
    let share = grants(&suite, &case, &["x"], 0);
    suite.ppr(&patient.addr(), &share).unwrap();
    suite.advance(2 * casewise_ledger::grant::DAY_MS);
    let new = suite.enrol(&a, "r").case();

    let stranger = addr(&key("stranger").address());
    let (authority, summary, registrar) =
        (suite.authority.clone(), suite.summary.clone(), suite.registrar.clone());
    let nobodies = || vec![stranger.clone(), authority.clone(), summary.clone(), registrar.clone()];
    let not_holder = || [nobodies(), vec![a.addr(), b.addr(), other.addr()]].concat();
    let not_operator = || [nobodies(), vec![patient.addr(), other.addr()]].concat();
    let not_party = || [nobodies(), vec![b.addr(), other.addr()]].concat();
    let holder = "sender: not the holder of this case; send this from the case's own account";
    let operator = "sender: operates no institution; have an institution add the account as operator";
    let party = "sender: neither the holder nor an operator of institution 1; send this from one of them";
    let consortium = "sender: not the consortium's authority; send this from its account";
    let not_authority = vec![a.addr(), patient.addr(), stranger.clone(), summary.clone(), registrar.clone()];
    let fresh = grants(&suite, &case, &["y"], 0);
    let table: Vec<(ExecuteMsg, Vec<Addr>, &str)> = vec![
        (ExecuteMsg::SetSummary { summary: summary.to_string() }, not_authority, consortium),
        (ExecuteMsg::propose(&new, Some(&POLICY)), not_operator(), operator),
        (ExecuteMsg::accept(&case, 2), not_holder(), holder),
        (ExecuteMsg::decline(&case, 2), not_holder(), holder),
        (ExecuteMsg::invite(&case, 2), not_holder(), holder),
        (ExecuteMsg::withdraw_invitation(&case, 2), not_holder(), holder),
        (ExecuteMsg::suspend(&case, 1), not_holder(), holder),
        (ExecuteMsg::resume(&case, 1), not_holder(), holder),
        (ExecuteMsg::end(&case, 1), not_party(), party),
        (fresh, not_holder(), holder),
        (ExecuteMsg::revoke(&case, &[commitment("x")]), not_holder(), holder),
        (ExecuteMsg::expire(&commitment("x")), [nobodies(), vec![other.addr()]].concat(), operator),
        (ExecuteMsg::ack(&case, 0), not_operator(), operator),
    ];
    let before = suite.dump(&suite.ppr);
    for (msg, senders, words) in table {
        for sender in senders {
            assert_eq!(suite.ppr(&sender, &msg).unwrap_err(), words, "{msg:?} from {sender}");
        }
    }
    assert_eq!(suite.dump(&suite.ppr), before);
}
