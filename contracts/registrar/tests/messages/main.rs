//! The registrar's messages and queries on a chain in process: one file per message.

mod authority;
mod enrol;
mod operators;
mod queries;
mod register;
mod rotate_kem;
mod start;
mod status;
mod update;

use casewise_protocol::registrar::{InstitutionInfo, QueryMsg};
use casewise_testkit::contracts::Suite;

/// An institution as registrar has it.
fn institution(suite: &Suite, number: u32) -> InstitutionInfo {
    let found: Option<InstitutionInfo> = suite.ask_registrar(&QueryMsg::Institution { number }).unwrap();
    found.expect("the institution exists")
}
