//! Relationships, grants, delegates and emergencies of a case.

use anyhow::{Result, ensure};
use casewise_ledger::grant::DAY_MS;
use casewise_protocol::{
    Event,
    convert::{EmergencyReason, ReviewOutcome},
    ppr::{ExecuteMsg, NewGrant, Power, QueryMsg, RevResponse},
    summary,
};
use casewise_testkit::contracts::{Lane, commitment};

use super::Story;

/// How long the emergency access is meant to last, ms.
const EMERGENCY_MS: u64 = 3_600_000;

pub async fn run(story: &mut Story<'_>) -> Result<()> {
    grants(story).await?;
    invited(story).await?;
    declined(story).await?;
    delegate(story).await?;
    emergency(story).await
}

async fn grants(story: &mut Story<'_>) -> Result<()> {
    let ada = story.cast.case("ada");
    let one = story.cast.one.clone();
    let today = (story.net.now().await? / DAY_MS) as u32;
    let new = |name: &str| NewGrant::new(&commitment(name), (today, today + 30));
    story.measure(&ada.key, &ExecuteMsg::grant(&ada.id(), vec![new("a grant")])).await?;
    let many = (0..64).map(|i| new(&format!("one of many {i}"))).collect();
    story.measure_as("64 at once", &ada.key, &ExecuteMsg::grant(&ada.id(), many)).await?;
    story.measure(&ada.key, &ExecuteMsg::revoke(&ada.id(), &[commitment("a grant")])).await?;
    let RevResponse { rev } = story.ppr(&QueryMsg::rev(&ada.id())).await?;
    ensure!(rev == 1, "rev is {rev} after a revocation");
    story.measure(&one.key, &ExecuteMsg::ack(&ada.id(), rev)).await.map(drop)
}

/// Another institution is invited, writes, is suspended, resumed and goes.
async fn invited(story: &mut Story<'_>) -> Result<()> {
    let ada = story.cast.case("ada");
    let (case, two) = (ada.hex(), story.cast.two.clone());
    let institution = two.number;
    let invite = ExecuteMsg::Invite { case: case.clone(), institution };
    story.measure(&ada.key, &invite).await?;
    story.measure(&ada.key, &ExecuteMsg::WithdrawInvitation { case: case.clone(), institution }).await?;
    story.send(&ada.key, &[invite]).await?;
    story.measure_as("invited", &two.key, &ExecuteMsg::propose(&ada.id(), None)).await?;
    let lane = Lane::content(&ada.id(), &two, "of two");
    story.send(&two.key, &[summary::ExecuteMsg::open(std::slice::from_ref(&lane.header))]).await?;
    let suspend = ExecuteMsg::Suspend { case: case.clone(), institution };
    let suspended = story.measure(&ada.key, &suspend).await?;
    let closing = |event: &Event| matches!(event, Event::LaneClosing { lane: id, .. } if *id == lane.id());
    ensure!(story.events(&suspended)?.iter().any(closing), "the suspended institution's lane does not close");
    story.measure(&ada.key, &ExecuteMsg::Resume { case: case.clone(), institution }).await?;
    let lane = Lane::content(&ada.id(), &two, "of two again");
    story.send(&two.key, &[summary::ExecuteMsg::open(&[lane.header])]).await?;
    story.measure(&ada.key, &ExecuteMsg::End { case, institution }).await.map(drop)
}

async fn declined(story: &mut Story<'_>) -> Result<()> {
    let ada = story.cast.case("ada");
    let watch = story.cast.watch.clone();
    story.measure_as("a further institution", &watch.key, &ExecuteMsg::propose(&ada.id(), None)).await?;
    story.measure(&ada.key, &ExecuteMsg::decline(&ada.id(), watch.number)).await.map(drop)
}

async fn delegate(story: &mut Story<'_>) -> Result<()> {
    let ada = story.cast.case("ada");
    let account = story.net.text(&story.cast.delegate.address());
    let (case, powers) = (ada.hex(), Power::ALL.to_vec());
    let set = ExecuteMsg::SetDelegate { case: case.clone(), account: account.clone(), powers, until: None };
    story.measure(&ada.key, &set).await?;
    story.measure(&ada.key, &ExecuteMsg::RemoveDelegate { case, account }).await.map(drop)
}

async fn emergency(story: &mut Story<'_>) -> Result<()> {
    let case = story.cast.case("ada").hex();
    let (practitioner, watch) = (story.cast.practitioner.clone(), story.cast.watch.clone());
    let until = (story.net.now().await? + EMERGENCY_MS).into();
    let open = ExecuteMsg::OpenEmergency { case: case.clone(), reason: EmergencyReason::Treatment, until };
    story.measure(&practitioner, &open).await?;
    story.measure(&practitioner, &ExecuteMsg::EndEmergency { case: case.clone(), number: 1 }).await?;
    let review = ExecuteMsg::ReviewEmergency { case, number: 1, outcome: ReviewOutcome::Justified };
    story.measure(&watch.key, &review).await.map(drop)
}
