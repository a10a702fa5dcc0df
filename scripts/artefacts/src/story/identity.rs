//! Custodial cases and their claim, rotation, recovery.

use anyhow::{Context, Result, ensure};
use casewise_protocol::registrar::{ExecuteMsg, IdentityInfo, QueryMsg, RecoveryInfo};

use super::Story;
use crate::people::{Case, person};

/// How long a claim is offered, ms.
const CLAIM_MS: u64 = 86_400_000;

pub async fn run(story: &mut Story<'_>) -> Result<()> {
    claimed(story).await?;
    recovered(story).await
}

async fn claimed(story: &mut Story<'_>) -> Result<()> {
    let one = story.cast.one.clone();
    let (case, eve, again) = (story.cast.case("eve's custodian"), person("eve"), person("eve again"));
    let now = story.net.now().await?;
    story.measure(&one.key, &case.enrol_custodial(one.number, now)).await?;
    let holder = story.net.text(&eve.address());
    let offer = ExecuteMsg::OfferClaim { case: case.hex(), holder, until: (now + CLAIM_MS).into() };
    story.measure(&case.key, &offer).await?;
    story.measure(&case.key, &ExecuteMsg::WithdrawClaim { case: case.hex() }).await?;
    story.send(&case.key, &[offer]).await?;
    let (card, key, signature) = case.handover(1, &eve);
    let recovery = Some(story.net.text(&story.cast.recovery.address()));
    story.measure(&eve, &ExecuteMsg::AcceptClaim { card, recovery, key, signature }).await?;
    held_by(story, &case, &eve, 1).await?;
    let (card, key, signature) = case.handover(2, &again);
    story.measure(&eve, &ExecuteMsg::Rotate { card, key, signature }).await?;
    held_by(story, &case, &again, 2).await
}

async fn recovered(story: &mut Story<'_>) -> Result<()> {
    let one = story.cast.one.clone();
    let (ada, new) = (story.cast.case("ada"), person("ada again"));
    let recovery = story.cast.recovery.clone();
    let (card, key, signature) = ada.handover(1, &new);
    let start = ExecuteMsg::StartRecovery { card, key, signature };
    story.measure(&recovery, &start).await?;
    story.measure(&ada.key, &ExecuteMsg::VetoRecovery { case: ada.hex() }).await?;
    story.send(&recovery, std::slice::from_ref(&start)).await?;
    story.measure(&recovery, &ExecuteMsg::CancelRecovery { case: ada.hex() }).await?;
    story.send(&recovery, &[start]).await?;
    story.measure(&one.key, &ExecuteMsg::AttestRecovery { case: ada.hex() }).await?;
    let running: Option<RecoveryInfo> = story.registrar(&QueryMsg::Recovery { case: ada.hex() }).await?;
    let running = running.context("the recovery does not run")?;
    ensure!(running.attested == Some(one.number), "the recovery is not attested");
    story.net.reach(running.ready.u64()).await?;
    story.measure(&recovery, &ExecuteMsg::FinishRecovery { case: ada.hex() }).await?;
    held_by(story, &ada, &new, 1).await
}

async fn held_by(
    story: &Story<'_>,
    case: &Case,
    holder: &casewise_ledger::account::AccountKey,
    epoch: u32,
) -> Result<()> {
    let found: Option<IdentityInfo> = story.registrar(&QueryMsg::identity(&case.id())).await?;
    let found = found.context("the case is enrolled")?;
    let expected = (story.net.text(&holder.address()), epoch, false);
    ensure!((found.holder, found.epoch, found.custodial) == expected, "the case has another holder or epoch");
    Ok(())
}
