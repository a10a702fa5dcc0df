//! The hand-over: once the patient's claim is in a block, the letter with every root that the
//! custodial key opens goes to the patient, and the keys are destroyed, in one database transaction.
//!
//! Must never destroy the keys before the letter is durable, nor keep them afterwards. Runs between
//! two blocks, where no lane is made: a root sealed to the custodial key after this would be lost.

use casewise_ledger::{CaseId, Hash, LaneId, LedgerError, RotateOffer};
use casewise_seal::{KemPublic, KemSecret, LaneKeys, Letter, LetterKind, Payload};

use super::{held, keys, of_one_case};
use crate::{
    AgentError, App,
    committer::CommitError,
    lanes::letter_row,
    scrub,
    store::{Batch, CustodyWrite, HolderWrite, Write},
};

/// Most lanes in one claim letter: it stays far below the largest letter.
pub const MAX_CLAIM_LANES: usize = 512;
/// Letters read at once.
const PAGE: u32 = 256;

/// Hands over every case that its patient has claimed. Returns how many. A case that cannot be handed
/// over because of what is stored of it stands in the status and keeps its keys; the others go on.
pub async fn finish(app: &App) -> Result<usize, AgentError> {
    let mut done = 0;
    for case in held(app).await? {
        let writes = match hand_over(app, &case).await {
            Ok(Some(writes)) => writes,
            Ok(None) => continue,
            Err(error) if of_one_case(&error) => {
                tracing::error!(%case, %error, "a case cannot be handed over to its patient");
                app.note(|health| {
                    health.refused.insert(name(&case), error.to_string());
                });
                continue;
            }
            Err(error) => return Err(error),
        };
        match app.committer.commit(writes).await {
            Ok(()) => {
                app.note(|health| {
                    health.refused.remove(&name(&case));
                });
                tracing::info!(%case, "the case is claimed: its custodial keys are destroyed");
                done += 1;
            }
            // the new holder showed its key at the same moment: the next look takes that into account
            Err(CommitError::Refused(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if done > 0 {
        scrub::now(app).await?;
        app.work.notify_one();
    }
    Ok(done)
}

/// The name under which a case stands in the status.
fn name(case: &CaseId) -> String {
    format!("claim of case {case}")
}

/// The writes that hand a case over; `None` while it is not claimed.
async fn hand_over(app: &App, case: &CaseId) -> Result<Option<Batch>, AgentError> {
    let Some(row) = app.store.custody(case).await? else { return Ok(None) };
    let (Some(sealed), Some(identity)) = (&row.sealed, app.store.identity(&row.case).await?) else {
        return Ok(None);
    };
    // the keys stay sealed until there is a use for them
    let known = app.store.case(&row.case).await?;
    let first = known.ok_or_else(|| AgentError::broken("a custodial case has no row of its own"))?.offer.card;
    if identity.record.holder == first.holder {
        return Ok(None);
    }
    let shown = app.store.holder_offer(&row.case, identity.record.epoch).await?;
    let claimed = row.claim.as_ref().map(|claim| &claim.offer);
    let Some((to, offer)) = new_key(claimed, shown.as_ref(), &identity.record.kem)? else {
        app.note(|health| {
            let why =
                "the case was claimed with an encryption key that its patient has not shown; its keys are \
                       handed over when the patient's client sends it"
                    .to_owned();
            health.refused.insert(name(&row.case), why);
        });
        return Ok(None);
    };
    let (custody, kem) = (keys::open(&app.keys, &row.case, sealed)?, first.kem);
    let mut writes = Batch::new();
    if shown.is_none() {
        writes.push(Write::Holder(HolderWrite::Offer(Box::new(offer.clone()))));
    }
    let roots = roots(app, &row.case, &custody.kem, &kem).await?;
    for letter in letters(&row.case, &to, roots)? {
        writes.push(Write::Letter(letter_row(&letter)));
    }
    writes.push(Write::Custody(CustodyWrite::Destroyed { case: row.case, kem }));
    Ok(Some(writes))
}

/// The new holder's key and the offer that shows it: of the claim request, or, when the case was
/// claimed with another key, what the holder has shown since.
fn new_key<'a>(
    claimed: Option<&'a RotateOffer>,
    shown: Option<&'a RotateOffer>,
    kem: &Hash,
) -> Result<Option<(KemPublic, &'a RotateOffer)>, AgentError> {
    let Some(offer) = [shown, claimed].into_iter().flatten().find(|offer| offer.card.kem == *kem) else {
        return Ok(None);
    };
    let key = KemPublic::from_bytes(&offer.kem_key).map_err(AgentError::broken)?;
    Ok(Some((key, offer)))
}

/// The roots of all lanes of a case whose letters are sealed to the custodial key, each once.
async fn roots(
    app: &App,
    case: &CaseId,
    secret: &KemSecret,
    kem: &Hash,
) -> Result<Vec<LaneKeys>, AgentError> {
    let (mut roots, mut after): (Vec<LaneKeys>, u64) = (Vec::new(), 0);
    loop {
        let page = app.store.letters(case, kem, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(roots) };
        after = last.seq;
        for row in page.iter().filter(|row| row.kind == LetterKind::Root as u8) {
            let letter =
                Letter::decode(&row.bytes).map_err(|error: LedgerError| AgentError::broken(error))?;
            let payload = letter.open(secret).map_err(AgentError::broken)?;
            for keys in payload.keys {
                let known = |lane: &LaneId| roots.iter().any(|root| root.lane == *lane);
                if !known(&keys.lane) {
                    roots.push(keys);
                }
            }
        }
    }
}

/// Claim letters for these roots, [`MAX_CLAIM_LANES`] in each; none when there are no roots.
fn letters(case: &CaseId, to: &KemPublic, mut roots: Vec<LaneKeys>) -> Result<Vec<Letter>, AgentError> {
    let mut letters = Vec::new();
    while !roots.is_empty() {
        let rest = roots.split_off(roots.len().min(MAX_CLAIM_LANES));
        let payload = Payload::of_keys(std::mem::replace(&mut roots, rest));
        let letter = Letter::seal(LetterKind::Claim, *case, case.0, to, &payload);
        letters.push(letter.map_err(AgentError::broken)?);
    }
    Ok(letters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use casewise_keytree::KeySet;
    use casewise_ledger::sha256;

    #[test]
    fn a_letter_holds_up_to_the_limit_and_the_next_the_rest() {
        let (secret, case) = (KemSecret::from_bytes(&[3; 32]), CaseId([1; 32]));
        let root = |number: usize| {
            let hash = sha256(&[&number.to_be_bytes()]);
            LaneKeys { lane: LaneId(hash), nodes: KeySet::root(&hash) }
        };
        for (lanes, sizes) in [
            (0, vec![]),
            (1, vec![1]),
            (MAX_CLAIM_LANES, vec![MAX_CLAIM_LANES]),
            (MAX_CLAIM_LANES + 1, vec![MAX_CLAIM_LANES, 1]),
        ] {
            let made = letters(&case, &secret.public(), (0..lanes).map(root).collect()).unwrap();
            let opened: Vec<Payload> = made.iter().map(|letter| letter.open(&secret).unwrap()).collect();
            assert_eq!(opened.iter().map(|payload| payload.keys.len()).collect::<Vec<_>>(), sizes);
            for payload in opened {
                for keys in payload.keys {
                    assert_eq!(keys.nodes, KeySet::root(&keys.lane.0), "each lane with its own root");
                }
            }
            for letter in made {
                assert_eq!((letter.kind, letter.case, letter.subject), (LetterKind::Claim, case, case.0));
            }
        }
    }
}
