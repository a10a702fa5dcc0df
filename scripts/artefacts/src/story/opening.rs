//! Opening a case: enrol, propose, accept, open lanes.

use anyhow::Result;
use casewise_protocol::{ppr, summary};
use casewise_testkit::contracts::Lane;

use super::Story;
use crate::people::POLICY;

pub async fn run(story: &mut Story<'_>) -> Result<()> {
    let one = story.cast.one.clone();
    let ada = story.cast.case("ada");
    let recovery = story.cast.recovery.address();
    let recovery = Some((recovery, story.net.text(&recovery)));
    let now = story.net.now().await?;
    story.measure(&one.key, &ada.enrol(one.number, recovery, now)).await?;
    story.measure(&one.key, &ada.propose(&POLICY)).await?;
    story.measure(&ada.key, &ppr::ExecuteMsg::accept(&ada.id(), one.number)).await?;
    let content = Lane::content(&ada.id(), &one, "first").header;
    let access = Lane::access(&ada.id(), &one, "reads").header;
    let both = summary::ExecuteMsg::open(&[content, access]);
    story.measure_as("a content and an access lane", &one.key, &both).await?;
    let third = Lane::content(&ada.id(), &one, "second").header;
    story.measure(&one.key, &summary::ExecuteMsg::open(&[third])).await.map(drop)
}
