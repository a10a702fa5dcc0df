//! ppr's messages and queries on a chain in process: one file per message.

mod ack;
mod authority;
mod expire;
mod grant;
mod holder_changed;
mod model;
mod propose;
mod queries;
mod relationship;
mod revoke;
mod start;

use casewise_ledger::{CaseId, Commitment};
use casewise_protocol::{
    convert::{GrantStatus, RelationshipStatus},
    ppr::{AckInfo, AcksResponse, ExecuteMsg, GrantInfo, NewGrant, QueryMsg, RelationshipInfo, RevResponse},
};
use casewise_testkit::contracts::{commitment, Suite};

fn relationship(suite: &Suite, case: &CaseId, institution: u32) -> Option<RelationshipStatus> {
    let found: Option<RelationshipInfo> = suite.ask_ppr(&QueryMsg::relationship(case, institution)).unwrap();
    found.map(|found| found.status)
}

fn grant_status(suite: &Suite, id: &Commitment) -> Option<GrantStatus> {
    let found: Option<GrantInfo> = suite.ask_ppr(&QueryMsg::grant(id)).unwrap();
    found.map(|found| found.status)
}

fn rev(suite: &Suite, case: &CaseId) -> u32 {
    suite.ask_ppr::<RevResponse>(&QueryMsg::rev(case)).unwrap().rev
}

fn acks(suite: &Suite, case: &CaseId) -> Vec<AckInfo> {
    suite.ask_ppr::<AcksResponse>(&QueryMsg::acks(case, None, None)).unwrap().acks
}

/// Today's UTC day on the chain.
fn today(suite: &Suite) -> u32 {
    (suite.now() / casewise_ledger::grant::DAY_MS) as u32
}

/// The message that makes grants of these names, from today for `days` more days.
fn grants(suite: &Suite, case: &CaseId, names: &[&str], days: u32) -> ExecuteMsg {
    let today = today(suite);
    let grant = |name: &&str| NewGrant::new(&commitment(name), (today, today + days));
    ExecuteMsg::grant(case, names.iter().map(grant).collect())
}
