//! The consortium, institutions and practitioners.

use anyhow::Result;
use casewise_ledger::sha256;
use casewise_protocol::{
    convert::{self, InstitutionKind, PractitionerRole},
    ppr,
    registrar::ExecuteMsg,
};

use super::Story;
use crate::people::{admission, person};

pub async fn run(story: &mut Story<'_>) -> Result<()> {
    admit(story).await?;
    operate(story).await?;
    hand_over(story).await?;
    practitioners(story).await
}

async fn admit(story: &mut Story<'_>) -> Result<()> {
    let authority = story.cast.authority.clone();
    let net = story.net;
    let ppr = net.address(&story.contracts.ppr);
    let summary = net.address(&story.contracts.summary);
    story.measure(&authority, &ExecuteMsg::SetPpr { ppr }).await?;
    story.measure(&authority, &ppr::ExecuteMsg::SetSummary { summary }).await?;
    let text = |key: &casewise_ledger::account::AccountKey| net.text(&key.address());
    let (one, two, watch) =
        (text(&story.cast.one.key), text(&story.cast.two.key), text(&story.cast.watch.key));
    story.measure(&authority, &admission("one", InstitutionKind::Provider, one)).await?;
    let others = [
        admission("two", InstitutionKind::Provider, two),
        admission("watch", InstitutionKind::Oversight, watch),
    ];
    story.send(&authority, &others).await.map(drop)
}

async fn operate(story: &mut Story<'_>) -> Result<()> {
    let (authority, one) = (story.cast.authority.clone(), story.cast.one.clone());
    let institution = one.number;
    let endpoint = Some("https://new.hospital.example".to_owned());
    story.measure(&one.key, &ExecuteMsg::UpdateInstitution { institution, name: None, endpoint }).await?;
    let kem = convert::hex(&sha256(&[b"another kem"]));
    story.measure(&one.key, &ExecuteMsg::RotateKem { kem }).await?;
    let account = story.net.text(&person("second operator").address());
    story.measure(&one.key, &ExecuteMsg::AddOperator { institution, account: account.clone() }).await?;
    story.measure(&one.key, &ExecuteMsg::RemoveOperator { institution, account }).await?;
    story.measure(&authority, &ExecuteMsg::SuspendInstitution { institution }).await?;
    story.measure(&authority, &ExecuteMsg::ResumeInstitution { institution }).await.map(drop)
}

async fn hand_over(story: &mut Story<'_>) -> Result<()> {
    let (authority, next) = (story.cast.authority.clone(), story.cast.next_authority.clone());
    let account = Some(story.net.text(&next.address()));
    story.measure(&authority, &ExecuteMsg::ProposeAuthority { account }).await?;
    story.measure(&next, &ExecuteMsg::AcceptAuthority {}).await?;
    story.measure(&next, &ExecuteMsg::PauseRegistrations { paused: true }).await?;
    story.send(&next, &[ExecuteMsg::PauseRegistrations { paused: false }]).await.map(drop)
}

async fn practitioners(story: &mut Story<'_>) -> Result<()> {
    let key = story.cast.one.key.clone();
    let account = story.net.text(&story.cast.practitioner.address());
    let role = PractitionerRole::Doctor;
    story.measure(&key, &ExecuteMsg::RegisterPractitioner { account: account.clone(), role }).await?;
    story.measure(&key, &ExecuteMsg::SuspendPractitioner { account: account.clone() }).await?;
    story.measure(&key, &ExecuteMsg::ResumePractitioner { account }).await.map(drop)
}
