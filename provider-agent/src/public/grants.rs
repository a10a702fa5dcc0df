//! What a grant says, told to its author by the holder.

use std::sync::Arc;

use casewise_api::body::GrantBody;
use casewise_api::header::check_purpose;
use casewise_api::{Problem, ProblemKind};
use casewise_ledger::records::{GrantRecord, GrantStatus};
use casewise_ledger::{Class, Commitment, Opening, Party};
use casewise_protocol::rules;

use super::answer::Reply;
use super::call::Call;
use crate::AgentError;
use crate::gatekeeper::{self, Facts};
use crate::serving::About;
use crate::store::{ReadingWrite, Write};

/// `PUT /v1/grants/{commitment}`
///
/// Taken only from the case's holder, about our lanes, for a grant that is live on chain or will
/// be on its days; durable when it answers 204.
pub async fn put(call: Arc<Call>) -> Result<Reply, AgentError> {
    let commitment: Commitment = call.param("commitment")?;
    let GrantBody { opening } = call.json()?;
    let opening = opening.into_inner();
    let (serving, signer) = (&call.serving, &call.who.account);
    check_opening(&opening, &commitment, serving.app.party())?;
    let about = About { case: &opening.case, signer, grant: Some(&commitment) };
    let arrived = |facts: &Facts| facts.grant.is_some() || gatekeeper::check_holder(facts, signer).is_err();
    let facts = serving.facts_when(&about, arrived).await?;
    gatekeeper::check_holder(&facts, signer).map_err(|refusal| serving.refused(refusal))?;
    check_chain(&facts, &opening)?;
    let row = serving.openings.seal(&opening, &*serving.app.random)?;
    serving.write(vec![Write::Reading(ReadingWrite::Opening(row))]).await?;
    if let (Party::Institution(reader), true) = (opening.grantee, follows(&opening)) {
        serving.expect_reader(reader);
    }
    Ok(Reply::empty())
}

fn follows(opening: &Opening) -> bool {
    opening.items.iter().any(|item| item.follow)
}

fn refuse(field: &'static str, happened: &str) -> Problem {
    Problem::new(ProblemKind::GrantRefused, happened).field(field)
}

/// What the opening says by itself.
fn check_opening(opening: &Opening, commitment: &Commitment, us: Party) -> Result<(), Problem> {
    if opening.commitment() != *commitment {
        return Err(refuse("commitment", "The opening does not hash to the commitment of the path."));
    }
    if opening.check().is_err() {
        return Err(refuse(
            "opening",
            "The opening's times or ranges are empty, out of order or overlapping.",
        ));
    }
    if opening.author != us {
        return Err(refuse("opening.author", "The opening is about another institution's lanes."));
    }
    check_purpose(&opening.purpose).map_err(|error| refuse("opening.purpose", &format!("{error}.")))
}

/// What the chain says of it.
fn check_chain(facts: &Facts, opening: &Opening) -> Result<(), Problem> {
    let grant = facts.grant.as_ref().filter(|grant| grant.case == opening.case);
    let grant = grant
        .ok_or_else(|| refuse("commitment", "This grant is in no block that this agent has applied."))?;
    if grant.status != GrantStatus::Live || rules::grant_over(grant, facts.time) {
        return Err(refuse("commitment", "The grant was revoked or is over."));
    }
    if !within_days(grant, opening) {
        return Err(refuse(
            "opening.not_before",
            "The opening's times lie outside the grant's days on chain.",
        ));
    }
    let ours = |item: &casewise_ledger::OpeningItem| {
        facts.lanes.get(&item.lane).is_some_and(|lane| {
            let header = &lane.header;
            header.case == opening.case && header.author == opening.author && header.class == Class::Content
        })
    };
    if opening.items.iter().all(ours) {
        return Ok(());
    }
    Err(refuse("opening.items", "An item names a lane that is not a content lane of this case and author."))
}

fn within_days(grant: &GrantRecord, opening: &Opening) -> bool {
    rules::first_ms(grant) <= opening.not_before && opening.not_after <= rules::last_ms(grant)
}
