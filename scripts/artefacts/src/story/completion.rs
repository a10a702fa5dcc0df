//! Winding up and completing cases: one by approval after an objection, one by time.

use anyhow::{Context, Result, ensure};
use casewise_ledger::records::Policy;
use casewise_protocol::{
    Event,
    convert::CaseStatus,
    ppr, registrar,
    summary::{CaseInfo, ExecuteMsg, QueryMsg},
};
use casewise_testkit::contracts::{Institution, Lane};
use cosmwasm_std::HexBinary;

use super::Story;
use crate::people::{Case, POLICY};

/// Grace of the two cases, seconds.
const GRACE: u32 = 1;
/// Time-out of the case that nobody objects to, seconds.
const SHORT: u32 = 1;

pub async fn run(story: &mut Story<'_>) -> Result<()> {
    let (ben, cleo) = (story.cast.case("ben"), story.cast.case("cleo"));
    let one = story.cast.one.clone();
    open(story, &one, &[(&ben, POLICY.completion), (&cleo, SHORT)]).await?;
    let lanes = [lane(&ben, &one).id(), lane(&cleo, &one).id()];
    story.measure(&ben.key, &ExecuteMsg::WindUp { case: ben.hex() }).await?;
    story.send(&cleo.key, &[ExecuteMsg::WindUp { case: cleo.hex() }]).await?;
    let last = info(story, &cleo).await?.due.context("a case that closes has a deadline")?;
    story.net.reach(last.u64()).await?;
    let anyone = story.cast.delegate.clone();
    let included = story.measure_as("2 lanes", &anyone, &ExecuteMsg::close_overdue(&lanes)).await?;
    let closed = |event: &&Event| matches!(event, Event::LaneClosed { .. });
    ensure!(story.events(&included)?.iter().filter(closed).count() == lanes.len(), "not all lanes closed");
    approved(story, &one, &ben).await?;
    in_time(story, &one, &cleo).await
}

async fn open(story: &mut Story<'_>, one: &Institution, cases: &[(&Case, u32)]) -> Result<()> {
    let now = story.net.now().await?;
    let enrol: Vec<registrar::ExecuteMsg> =
        cases.iter().map(|(case, _)| case.enrol(one.number, None, now)).collect();
    story.send(&one.key, &enrol).await?;
    let policy = |completion| Policy { grace: GRACE, completion, ..POLICY };
    let propose: Vec<ppr::ExecuteMsg> =
        cases.iter().map(|(case, completion)| case.propose(&policy(*completion))).collect();
    story.send(&one.key, &propose).await?;
    for (case, _) in cases {
        story.send(&case.key, &[ppr::ExecuteMsg::accept(&case.id(), one.number)]).await?;
    }
    let headers: Vec<_> = cases.iter().map(|(case, _)| lane(case, one).header).collect();
    story.send(&one.key, &[ExecuteMsg::open(&headers)]).await.map(drop)
}

fn lane(case: &Case, one: &Institution) -> Lane {
    Lane::content(&case.id(), one, "only")
}

async fn info(story: &Story<'_>, case: &Case) -> Result<CaseInfo> {
    let info: Option<CaseInfo> = story.summary(&QueryMsg::case(&case.id())).await?;
    info.context("a case that has had a lane")
}

async fn approved(story: &mut Story<'_>, one: &Institution, ben: &Case) -> Result<()> {
    let case = ben.hex();
    let digest = info(story, ben).await?.digest;
    let propose = |digest: HexBinary| ExecuteMsg::ProposeCompletion { case: case.clone(), digest };
    story.measure(&one.key, &propose(digest.clone())).await?;
    let object = ExecuteMsg::ObjectCompletion { case: case.clone(), digest: digest.clone() };
    story.measure(&ben.key, &object).await?;
    story.send(&ben.key, &[ExecuteMsg::WindUp { case: case.clone() }]).await?;
    story.send(&one.key, &[propose(digest.clone())]).await?;
    story.measure(&ben.key, &ExecuteMsg::ApproveCompletion { case: case.clone(), digest }).await?;
    ensure!(info(story, ben).await?.status == CaseStatus::Completed, "the approved case is not completed");
    Ok(())
}

async fn in_time(story: &mut Story<'_>, one: &Institution, cleo: &Case) -> Result<()> {
    let case = cleo.hex();
    let digest = info(story, cleo).await?.digest;
    let propose = ExecuteMsg::ProposeCompletion { case: case.clone(), digest: digest.clone() };
    story.send(&one.key, &[propose]).await?;
    let due = info(story, cleo).await?.due.context("a proposed completion has a deadline")?;
    story.net.reach(due.u64()).await?;
    let anyone = story.cast.delegate.clone();
    story.measure(&anyone, &ExecuteMsg::FinishCompletion { case, digest }).await?;
    ensure!(info(story, cleo).await?.status == CaseStatus::Completed, "the case is not completed in time");
    Ok(())
}
