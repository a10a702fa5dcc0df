//! A case's holder and key as they are now, and what follows when they change.
//!
//! Responsible for: the one key that letters to the patient are sealed to, which is the one the
//! registrar names at this epoch or none; taking the offer of a new holder; giving up lanes that were
//! made for a key of before; new lanes for cases that may be written again. Until the new key is
//! here, lanes are written and anchored as before, and none is opened. Must never seal to a key that
//! the registrar does not name, nor believe an offer by its signature alone.

use casewise_api::{Problem, ProblemKind};
use casewise_ledger::{
    CaseId, Class, LaneId, RotateOffer,
    account::PublicKey,
    case::kem_hash,
    records::{CaseStatus, LaneStatus, RelationshipStatus},
};
use casewise_seal::KemPublic;

use crate::{
    AgentError, App,
    committer::CommitError,
    lanes,
    store::{CaseRow, HolderWrite, IdentityView, LaneRow, LaneState, Write},
};

/// Cases that may be written again read at once, and the most given a new lane after one look.
pub const MAX_REVIVED: u32 = 64;
/// Lanes looked at in one query.
const PAGE: u32 = 256;

/// The holder's key and its epoch. `None`: the chain names another key than any we were shown.
pub async fn key(app: &App, row: &CaseRow) -> Result<Option<(KemPublic, u32)>, AgentError> {
    let offered = KemPublic::from_bytes(&row.offer.kem_key).map_err(AgentError::broken)?;
    let Some(identity) = app.store.identity(&row.case).await? else { return Ok(Some((offered, 0))) };
    let (kem, epoch) = (identity.record.kem, identity.record.epoch);
    if kem == offered.hash() {
        return Ok(Some((offered, epoch)));
    }
    let Some(offer) = app.store.holder_offer(&row.case, epoch).await? else { return Ok(None) };
    let shown = KemPublic::from_bytes(&offer.kem_key).map_err(AgentError::broken)?;
    Ok((shown.hash() == kem).then_some((shown, epoch)))
}

/// Whether letters can be sealed to the holder now.
pub async fn key_known(app: &App, case: &CaseId) -> Result<bool, AgentError> {
    match app.store.case(case).await? {
        Some(row) => Ok(key(app, &row).await?.is_some()),
        None => Ok(false),
    }
}

/// Takes the offer of a case's present holder, durably, and gives its lanes successors for the new
/// key. The same offer again changes nothing. `identity` is what the chain says.
pub async fn take(app: &App, identity: &IdentityView, offer: &RotateOffer) -> Result<(), AgentError> {
    app.writing()?;
    check(identity, offer)?;
    let case = identity.case;
    let write = Write::Holder(HolderWrite::Offer(Box::new(offer.clone())));
    match app.committer.commit(vec![write]).await {
        Ok(()) => {}
        // one holder and epoch, two signatures: the first is as good
        Err(CommitError::Refused(_)) => {}
        Err(error) => return Err(error.into()),
    }
    tracing::info!(%case, epoch = offer.card.epoch, "the case's new holder has shown its key");
    // what fails here is tried again after the next block
    if let Err(error) = lanes::rotate_all(app, &case).await {
        tracing::warn!(%case, %error, "the lanes of the case get their successors later");
    }
    app.work.notify_one();
    Ok(())
}

/// The offer is the one that the chain knows: case, holder, epoch, key, signature.
fn check(identity: &IdentityView, offer: &RotateOffer) -> Result<(), Problem> {
    let refuse = |field: &str, why: &str| Err(Problem::new(ProblemKind::HolderRefused, why).field(field));
    let (card, record) = (&offer.card, &identity.record);
    if card.case != identity.case {
        return refuse("card.case", "The offer is of another case.");
    }
    if card.epoch != record.epoch {
        let why = format!("The offer is of epoch {}, the case's key has epoch {}.", card.epoch, record.epoch);
        return refuse("card.epoch", &why);
    }
    if card.holder != record.holder {
        return refuse("card.holder", "The offer names another account than the case's holder.");
    }
    if card.kem != record.kem {
        return refuse("card.kem", "The offer names another encryption key than the registrar.");
    }
    if kem_hash(&offer.kem_key) != card.kem || KemPublic::from_bytes(&offer.kem_key).is_err() {
        return refuse("kem_key", "The encryption key is not the one of the card.");
    }
    let key = PublicKey(offer.key);
    if key.address() != card.holder {
        return refuse("key", "The key is not the holder's.");
    }
    if key.verify_message(&card.message(), &offer.signature).is_err() {
        return refuse("signature", "The card is not signed by its holder.");
    }
    Ok(())
}

/// After each block: gives up lanes that wait to be opened and never can be: made for a key of
/// before, or going on from a lane that is closing. What they went on from gets another successor
/// as far as it may have one.
pub async fn drop_stale(app: &App) -> Result<(), AgentError> {
    let mut after: Option<LaneId> = None;
    loop {
        let waiting = app.store.waiting_lanes(after.as_ref(), PAGE).await?;
        let Some((last, _)) = waiting.last() else { return Ok(()) };
        after = Some(last.lane);
        for (row, before) in &waiting {
            let epoch = app.store.identity(&row.header.case).await?.map_or(0, |known| known.record.epoch);
            let blocked = match before {
                Some(before) if row.header.class == Class::Content => app
                    .store
                    .lane_view(before)
                    .await?
                    .is_some_and(|view| view.record.status == LaneStatus::Closing),
                _ => false,
            };
            if row.header.epoch == epoch && !blocked {
                continue;
            }
            let mut batch = vec![Write::Holder(HolderWrite::DropLane(row.lane))];
            if begins_anew(row) {
                batch.push(Write::Holder(HolderWrite::Revive(row.header.case)));
            }
            match app.committer.commit(batch).await {
                Ok(()) => {
                    tracing::info!(lane = %row.lane, "a lane that cannot be opened any more is given up")
                }
                // it was opened meanwhile
                Err(CommitError::Refused(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Whether a lane goes on from no other, so that nothing but a revival makes it again.
fn begins_anew(row: &LaneRow) -> bool {
    row.header.class == Class::Content && row.header.signer.is_none() && row.header.predecessor.is_none()
}

/// After each block: a content lane for every case that may be written again and has none,
/// [`MAX_REVIVED`] of them. Cases whose holder's key is not known yet stay in the list and are passed
/// over, however many they are.
pub async fn revive_due(app: &App) -> Result<(), AgentError> {
    let (mut after, mut revived) = (None, 0);
    while revived < MAX_REVIVED {
        let page = app.store.revived(after.as_ref(), MAX_REVIVED).await?;
        let Some(last) = page.last() else { break };
        after = Some(*last);
        for case in &page {
            revived += u32::from(revive(app, case).await?);
        }
    }
    Ok(())
}

/// Gives a case that may be written again a content lane. Whether it was given one.
async fn revive(app: &App, case: &CaseId) -> Result<bool, AgentError> {
    let done = Write::Holder(HolderWrite::Revived(*case));
    let row = match app.store.case(case).await? {
        Some(row) if may_write(app, case).await? && !has_lane(app, case).await? => row,
        _ => {
            app.committer.commit(vec![done]).await?;
            return Ok(false);
        }
    };
    let lease = app.epoch.lease().await;
    let Some(mut batch) = lanes::content_lane(app, &lease, &row).await? else { return Ok(false) };
    batch.push(done);
    app.committer.commit(batch).await?;
    tracing::info!(%case, "the case may be written again: a lane is opened");
    app.work.notify_one();
    Ok(true)
}

/// Whether this institution may open a content lane in a case.
async fn may_write(app: &App, case: &CaseId) -> Result<bool, AgentError> {
    let ours = app.store.relationship(case, app.config.institution).await?;
    let open = app.store.case_status(case).await?.is_none_or(|status| status == CaseStatus::Open);
    Ok(open && ours.is_some_and(|view| view.record.status == RelationshipStatus::Active))
}

/// Whether there is a content lane that takes entries now or soon.
async fn has_lane(app: &App, case: &CaseId) -> Result<bool, AgentError> {
    for lane in app.store.lanes_of(case).await? {
        if lane.header.class != Class::Content || lane.header.signer.is_some() {
            continue;
        }
        let status = app.store.lane_view(&lane.lane).await?.map(|view| view.record.status);
        let takes = match lane.state {
            LaneState::Opening => true,
            LaneState::Live | LaneState::Ended => status == Some(LaneStatus::Open),
            LaneState::Closed => false,
        };
        if takes {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use casewise_ledger::{RotateCard, V1, account::AccountKey, records::IdentityRecord};
    use casewise_seal::KemSecret;

    fn offer() -> (IdentityView, RotateOffer) {
        let key = AccountKey::from_bytes(&[5; 32]).unwrap();
        let kem = KemSecret::from_bytes(&[6; 32]).public();
        let case = CaseId([1; 32]);
        let card = RotateCard { version: V1, case, epoch: 3, holder: key.address(), kem: kem.hash() };
        let record = IdentityRecord {
            version: V1,
            holder: card.holder,
            kem: card.kem,
            epoch: 3,
            institution: 1,
            custodial: false,
            since: 7,
        };
        let signature = key.sign_message(&card.message());
        let offer =
            RotateOffer { version: V1, card, kem_key: *kem.as_bytes(), key: key.public().0, signature };
        (IdentityView { case, record, changed: 9 }, offer)
    }

    fn refused(change: impl FnOnce(&mut IdentityView, &mut RotateOffer)) -> String {
        let (mut identity, mut offer) = offer();
        change(&mut identity, &mut offer);
        let problem = check(&identity, &offer).unwrap_err();
        assert_eq!(problem.problem_kind(), Some(ProblemKind::HolderRefused));
        problem.field.unwrap()
    }

    #[test]
    fn only_the_offer_that_the_chain_knows() {
        let (identity, good) = offer();
        assert_eq!(check(&identity, &good), Ok(()));
        assert_eq!(refused(|_, offer| offer.card.case = CaseId([2; 32])), "card.case");
        assert_eq!(refused(|_, offer| offer.card.epoch = 2), "card.epoch");
        assert_eq!(refused(|_, offer| offer.card.epoch = 4), "card.epoch");
        assert_eq!(refused(|identity, _| identity.record.holder.0[0] ^= 1), "card.holder");
        assert_eq!(refused(|identity, _| identity.record.kem[0] ^= 1), "card.kem");
        assert_eq!(refused(|_, offer| offer.kem_key[9] ^= 1), "kem_key");
        let other = AccountKey::from_bytes(&[8; 32]).unwrap();
        assert_eq!(refused(|_, offer| offer.key = other.public().0), "key");
        assert_eq!(refused(|_, offer| offer.signature[3] ^= 1), "signature");
        let stolen = |_: &mut IdentityView, offer: &mut RotateOffer| {
            offer.signature = other.sign_message(&offer.card.message());
        };
        assert_eq!(refused(stolen), "signature");
        // signed for another epoch of the same case
        let replayed = |_: &mut IdentityView, offer: &mut RotateOffer| {
            let key = AccountKey::from_bytes(&[5; 32]).unwrap();
            let before = RotateCard { epoch: 2, ..offer.card.clone() };
            offer.signature = key.sign_message(&before.message());
        };
        assert_eq!(refused(replayed), "signature");
    }
}
