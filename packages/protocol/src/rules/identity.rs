//! The life of a case's identity: who is put in the holder's place, by whom and when. By the holder
//! itself (rotation), by the custodian with the patient (claim), by the recovery account after a
//! delay (recovery), which the holder stops once at most, so that a stolen key does not keep a case.

use casewise_ledger::{
    Address, Hash, RotateCard, V1,
    records::{ClaimRecord, IdentityRecord, RecoveryRecord, RelationshipRecord, RelationshipStatus},
};

use super::{Change, Refusal, holder, not_recovering, recovering};
use crate::registrar::{MAX_CLAIM_MS, MAX_EPOCHS_AHEAD, RECOVERY_WINDOW_MS};

/// All that the registrar keeps of a case's identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its frozen record.
    pub record: IdentityRecord,
    /// The account that may recover the case.
    pub recovery: Option<Address>,
    /// The recovery that was started last and neither finished nor stopped; it may have lapsed.
    pub recovering: Option<RecoveryRecord>,
    /// The claim that is offered; the offer may be over.
    pub claim: Option<ClaimRecord>,
    /// The holder has used its veto.
    pub vetoed: bool,
}

impl Identity {
    /// An identity just enrolled.
    pub fn enrolled(record: IdentityRecord, recovery: Option<Address>) -> Self {
        Self { record, recovery, recovering: None, claim: None, vetoed: false }
    }

    /// The recovery that counts at `now` (block time, Unix ms).
    pub fn running(&self, now: u64) -> Option<&RecoveryRecord> {
        self.recovering.as_ref().filter(|recovery| recovering(Some(recovery), now))
    }

    /// Whether the card took effect before.
    fn has(&self, card: &RotateCard) -> bool {
        let IdentityRecord { epoch, holder, kem, .. } = self.record;
        Next { epoch, holder, kem } == card.into()
    }

    /// Whether the sender is the recovery account.
    fn recovers(&self, sender: &[u8]) -> bool {
        self.recovery.is_some_and(|account| account.0 == sender)
    }

    /// The identity with another holder from `now` on: what was pending under the former one is
    /// gone.
    fn succeeded(&self, next: Next, now: u64) -> Self {
        let Next { epoch, holder, kem } = next;
        let record = IdentityRecord { holder, kem, epoch, since: now, ..self.record.clone() };
        Self { record, recovering: None, claim: None, ..self.clone() }
    }
}

/// A holder with its key and the key's epoch.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Next {
    epoch: u32,
    holder: Address,
    kem: Hash,
}

impl From<&RotateCard> for Next {
    fn from(card: &RotateCard) -> Self {
        Self { epoch: card.epoch, holder: card.holder, kem: card.kem }
    }
}

/// Refuses another epoch than the one that follows, and a holder that cannot be the case's.
/// `taken`: that account holds a case.
fn successor(
    record: &IdentityRecord,
    recovery: Option<&Address>,
    next: &Next,
    taken: bool,
) -> Result<(), Refusal> {
    if record.epoch.checked_add(1) != Some(next.epoch) {
        return Err(Refusal::CardEpoch { epoch: record.epoch });
    }
    if next.holder == record.holder {
        return Err(Refusal::SameHolder);
    }
    if recovery.is_some_and(|account| !super::recovery(&next.holder, account)) {
        return Err(Refusal::HolderRecovers);
    }
    if taken { Err(Refusal::HolderUsed) } else { Ok(()) }
}

/// The holder puts another account of its own in its place. `taken`: the card's holder holds a
/// case. The card's signature was checked.
pub fn rotate(
    identity: &Identity,
    card: &RotateCard,
    sender: &[u8],
    taken: bool,
    now: u64,
) -> Result<Change<Identity>, Refusal> {
    if identity.has(card) {
        return Ok(Change::Same);
    }
    holder(&identity.record, sender)?;
    not_recovering(identity.recovering.as_ref(), now)?;
    successor(&identity.record, identity.recovery.as_ref(), &card.into(), taken)?;
    Ok(Change::To(identity.succeeded(card.into(), now)))
}

/// Only the account that holds a custodial case disposes of its claim: no other operator of the
/// institution, and nobody where the patient made the key.
fn custodian(identity: &Identity, sender: &[u8]) -> Result<(), Refusal> {
    holder(&identity.record, sender)?;
    if identity.record.custodial { Ok(()) } else { Err(Refusal::NotCustodial) }
}

/// The custodian offers the case to the patient's account. `taken`: that account holds a case.
pub fn offer_claim(
    identity: &Identity,
    claim: ClaimRecord,
    sender: &[u8],
    taken: bool,
    now: u64,
) -> Result<Change<Identity>, Refusal> {
    custodian(identity, sender)?;
    if identity.claim.as_ref() == Some(&claim) {
        return Ok(Change::Same);
    }
    if taken || claim.holder == identity.record.holder {
        return Err(Refusal::ClaimantUsed);
    }
    if claim.until <= now || claim.until > now.saturating_add(MAX_CLAIM_MS) {
        return Err(Refusal::ClaimEnd);
    }
    Ok(Change::To(Identity { claim: Some(claim), ..identity.clone() }))
}

/// The custodian takes its offer back.
pub fn withdraw_claim(identity: &Identity, sender: &[u8]) -> Result<Change<Identity>, Refusal> {
    custodian(identity, sender)?;
    Ok(match identity.claim {
        None => Change::Same,
        Some(_) => Change::To(Identity { claim: None, ..identity.clone() }),
    })
}

/// The patient's account takes a custodial case over, and names the account that may recover it
/// from now on. `taken`: the card's holder holds a case. The card's signature was checked.
pub fn accept_claim(
    identity: &Identity,
    card: &RotateCard,
    recovery: Option<Address>,
    sender: &[u8],
    taken: bool,
    now: u64,
) -> Result<Change<Identity>, Refusal> {
    let done = identity.has(card) && !identity.record.custodial && identity.recovery == recovery;
    if done && holder(&identity.record, sender).is_ok() {
        return Ok(Change::Same);
    }
    let claim = identity.claim.as_ref().filter(|claim| claim.holder.0 == sender).ok_or(Refusal::NoClaim)?;
    if now >= claim.until {
        return Err(Refusal::ClaimOver);
    }
    if card.holder != claim.holder {
        return Err(Refusal::ClaimCard);
    }
    successor(&identity.record, recovery.as_ref(), &card.into(), taken)?;
    let next = identity.succeeded(card.into(), now);
    let record = IdentityRecord { custodial: false, ..next.record };
    Ok(Change::To(Identity { record, recovery, vetoed: false, ..next }))
}

/// The recovery account starts to put another account in the holder's place, after `delay` seconds.
/// `taken`: the card's holder holds a case. The card's signature was checked.
pub fn start_recovery(
    identity: &Identity,
    card: &RotateCard,
    sender: &[u8],
    taken: bool,
    delay: u32,
    now: u64,
) -> Result<Change<Identity>, Refusal> {
    if !identity.recovers(sender) {
        return Err(Refusal::NotRecovery);
    }
    if identity.has(card) {
        return Ok(Change::Same);
    }
    if let Some(running) = identity.running(now) {
        let same = (running.holder, running.kem) == (card.holder, card.kem);
        return if same { Ok(Change::Same) } else { Err(Refusal::RecoveryConflict) };
    }
    let epoch = identity.record.epoch.saturating_add(1);
    if !(epoch..=epoch.saturating_add(MAX_EPOCHS_AHEAD)).contains(&card.epoch) {
        return Err(Refusal::RecoveryEpoch { epoch: identity.record.epoch });
    }
    successor(&identity.record, identity.recovery.as_ref(), &Next { epoch, ..card.into() }, taken)?;
    let ready = now.saturating_add(u64::from(delay) * 1000);
    let recovering = RecoveryRecord {
        version: V1,
        holder: card.holder,
        kem: card.kem,
        ready,
        lapses: ready.saturating_add(RECOVERY_WINDOW_MS),
        attested: None,
    };
    Ok(Change::To(Identity { recovering: Some(recovering), ..identity.clone() }))
}

/// An active institution attests that the patient wants the recovery. `relationship`: its own with
/// the case. The first to attest is the one that is named.
pub fn attest_recovery(
    identity: &Identity,
    institution: u32,
    relationship: Option<&RelationshipRecord>,
    now: u64,
) -> Result<Change<Identity>, Refusal> {
    if relationship.is_none_or(|relationship| relationship.status != RelationshipStatus::Active) {
        return Err(Refusal::NotInForce { institution });
    }
    let running = identity.running(now).ok_or(Refusal::NoRecovery)?;
    if running.attested.is_some() {
        return Ok(Change::Same);
    }
    let recovering = RecoveryRecord { attested: Some(institution), ..running.clone() };
    Ok(Change::To(Identity { recovering: Some(recovering), ..identity.clone() }))
}

/// The holder stops a recovery that nobody attested: once, until a claim or recovery finds a new
/// holder. No delegate does.
pub fn veto_recovery(identity: &Identity, sender: &[u8], now: u64) -> Result<Identity, Refusal> {
    holder(&identity.record, sender)?;
    let running = identity.running(now).ok_or(Refusal::NoRecovery)?;
    match running.attested {
        Some(institution) => Err(Refusal::RecoveryAttested { institution }),
        None if identity.vetoed => Err(Refusal::VetoUsed),
        None => Ok(Identity { recovering: None, vetoed: true, ..identity.clone() }),
    }
}

/// The recovery account stops its own recovery.
pub fn cancel_recovery(identity: &Identity, sender: &[u8], now: u64) -> Result<Change<Identity>, Refusal> {
    if !identity.recovers(sender) {
        return Err(Refusal::NotRecovery);
    }
    Ok(match identity.running(now) {
        None => Change::Same,
        Some(_) => Change::To(Identity { recovering: None, ..identity.clone() }),
    })
}

/// The recovery account, or the holder to be, finishes a recovery: from `ready` on, before it
/// lapses. `taken`: the holder to be holds a case by now.
pub fn finish_recovery(
    identity: &Identity,
    sender: &[u8],
    taken: bool,
    now: u64,
) -> Result<Identity, Refusal> {
    let recovery = identity.recovering.as_ref().ok_or(Refusal::NoRecovery)?;
    if !identity.recovers(sender) && recovery.holder.0 != sender {
        return Err(Refusal::NotFinisher);
    }
    if !recovering(Some(recovery), now) {
        return Err(Refusal::RecoveryLapsed);
    }
    if now < recovery.ready {
        return Err(Refusal::RecoveryNotReady { ready: recovery.ready });
    }
    let next = to_be(identity, recovery);
    successor(&identity.record, identity.recovery.as_ref(), &next, taken)?;
    Ok(Identity { vetoed: false, ..identity.succeeded(next, now) })
}

/// Who follows when a recovery is finished, under the next epoch whatever its card said.
fn to_be(identity: &Identity, recovery: &RecoveryRecord) -> Next {
    let epoch = identity.record.epoch.saturating_add(1);
    Next { epoch, holder: recovery.holder, kem: recovery.kem }
}

#[cfg(test)]
mod tests;
