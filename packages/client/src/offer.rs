//! Case offers: what a patient shows an institution so that it may enrol a new case.
//!
//! Must never use a case number twice: two cases of one patient share nothing.

use casewise_ledger::case::{CaseCard, kem_hash};
use casewise_ledger::{Address, CaseOffer, V1, encode};

use crate::book::CaseState;
use crate::store::Batch;
use crate::{ClientError, Patient, Phrase};

/// How long an offer is valid unless something else is asked, seconds: a week.
pub const OFFER_LIFE: u64 = 7 * 86_400;
/// Longest life of an offer, seconds: 90 days.
pub const MAX_OFFER_LIFE: u64 = 90 * 86_400;
/// Cases without a trace after which recovery stops looking.
pub const GAP_LIMIT: u32 = 20;
/// Largest offer, bytes.
pub const MAX_OFFER: usize = 4096;

impl Patient<'_> {
    /// Makes the offer of a new case for one institution, and keeps the case. `life` in seconds;
    /// `recovery` is the phrase of the recovery account.
    /// Errors: [`ClientError::Input`] for an unknown or suspended institution or a life out of range.
    pub async fn offer(
        &self,
        institution: u32,
        life: u64,
        recovery: Option<&Phrase>,
    ) -> Result<CaseState, ClientError> {
        if life == 0 || life > MAX_OFFER_LIFE {
            let reason = format!("an offer is valid for 1 second to {} days", MAX_OFFER_LIFE / 86_400);
            return Err(ClientError::input("--days", reason));
        }
        if self.book.scan_needed().await? {
            return Err(ClientError::Refused {
                what:
                    "the cases of this phrase have not been looked for yet; run `casewise case recover` first"
                        .into(),
            });
        }
        let listed = self.world.directory.institution(institution).await?;
        match listed {
            None => return Err(ClientError::not_found(format!("institution {institution}"))),
            Some(listed) if !listed.active => {
                return Err(ClientError::input("--to", format!("institution {institution} is suspended")));
            }
            Some(_) => {}
        }
        let n = self.fresh_number().await?;
        let recovery = recovery.map(|phrase| phrase.account(n)).transpose()?.map(|key| key.address());
        let now = self.world.clock.now_ms();
        let salt = self.world.random()?;
        let offer =
            sign_offer(self.phrase, n, self.world.net, salt, recovery, institution, now + life * 1000)?;
        let case = CaseState::new(n, offer.card.id(), self.world.net, institution, now, Some(offer));
        let mut batch = Batch::new();
        batch.put_case(&case);
        self.book.commit(batch).await?;
        Ok(case)
    }

    /// A number that no key of this wallet was made with.
    pub(crate) async fn fresh_number(&self) -> Result<u32, ClientError> {
        let cases = self.book.cases().await?;
        let changes = self.book.holder_changes().await?;
        let of_cases = cases.iter().flat_map(|case| case.earlier.iter().copied().chain([case.n, case.key]));
        let of_changes = changes.iter().flat_map(|change| [change.n, change.key]);
        Ok(of_cases.chain(of_changes).max().map_or(0, |last| last.saturating_add(1)))
    }

    /// Looks on chain for the cases of this phrase, up to [`GAP_LIMIT`] numbers without one, and keeps
    /// those that were not known. Returns the new ones.
    pub async fn recover(&self) -> Result<Vec<CaseState>, ClientError> {
        let cases = self.book.cases().await?;
        let known: Vec<u32> =
            cases.iter().flat_map(|case| case.earlier.iter().copied().chain([case.n, case.key])).collect();
        let (mut found, mut n, mut gap) = (Vec::new(), 0, 0);
        let mut batch = Batch::new();
        while gap < GAP_LIMIT {
            self.tell(u64::from(n), None, "looking for cases");
            if known.contains(&n) {
                gap = 0;
            } else {
                match self.recover_one(n).await? {
                    Some(case) => {
                        batch.put_case(&case);
                        // whether the authors have the key of a later holder is not known any more
                        if case.epoch > 0 {
                            batch.put_holder_change(
                                &self.holder_change(&case.case, case.n, n, case.epoch, true)?,
                            );
                        }
                        found.push(case);
                        gap = 0;
                    }
                    None => gap += 1,
                }
            }
            n += 1;
        }
        batch.set_scan_needed(false);
        self.book.commit(batch).await?;
        Ok(found)
    }

    async fn recover_one(&self, n: u32) -> Result<Option<CaseState>, ClientError> {
        let holder = self.phrase.account(n)?.address();
        let Some(case) = self.network.case_of(&holder).await? else { return Ok(None) };
        let Some(identity) = self.network.identity(&case).await? else { return Ok(None) };
        if identity.holder != holder {
            return Ok(None);
        }
        let made = self.world.clock.now_ms();
        let found = CaseState::new(n, case, self.world.net, identity.institution, made, None);
        Ok(Some(CaseState { epoch: identity.epoch, ..found }))
    }
}

/// The signed offer of case `n`.
fn sign_offer(
    phrase: &Phrase,
    n: u32,
    net: [u8; 32],
    salt: [u8; 32],
    recovery: Option<Address>,
    institution: u32,
    expires: u64,
) -> Result<CaseOffer, ClientError> {
    let (key, kem) = (phrase.account(n)?, phrase.kem_secret(n)?.public());
    let card = CaseCard { version: V1, net, holder: key.address(), kem: kem_hash(kem.as_bytes()), salt };
    let signature = key.sign_message(&card.open_message(recovery, institution, expires));
    Ok(CaseOffer {
        version: V1,
        card,
        kem_key: *kem.as_bytes(),
        recovery,
        institution,
        expires,
        key: key.public().0,
        signature,
    })
}

/// The bytes of an offer file.
pub fn write(offer: &CaseOffer) -> Vec<u8> {
    encode(offer)
}

/// Reads an offer file and checks its key and signature; whether it has expired and for whom it is
/// meant is for the reader to see.
/// Errors: [`ClientError::Integrity`].
pub fn read(bytes: &[u8]) -> Result<CaseOffer, ClientError> {
    let refuse = |why: &dyn ToString| ClientError::integrity("the case offer", why.to_string());
    if bytes.len() > MAX_OFFER {
        return Err(refuse(&"it is longer than an offer can be"));
    }
    let offer: CaseOffer = casewise_ledger::decode(bytes).map_err(|error| refuse(&error))?;
    offer.check_kem().map_err(|_| refuse(&"its encryption key is not the one of its card"))?;
    let key = casewise_ledger::account::PublicKey(offer.key);
    if key.address() != offer.card.holder {
        return Err(refuse(&"its key is not the holder's"));
    }
    key.verify_message(&offer.message(), &offer.signature).map_err(|error| refuse(&error))?;
    Ok(offer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(n: u32) -> CaseOffer {
        let phrase = Phrase::generate().unwrap();
        sign_offer(&phrase, n, [9; 32], [8; 32], Some(Address([7; 20])), 3, 1_800_000_000_000).unwrap()
    }

    #[test]
    fn an_offer_comes_back() {
        let made = offer(4);
        let read = read(&write(&made)).unwrap();
        assert_eq!(read, made);
        assert_eq!((read.institution, read.card.net, read.recovery), (3, [9; 32], Some(Address([7; 20]))));
    }

    #[test]
    fn every_changed_byte_is_refused() {
        let whole = write(&offer(0));
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert!(read(&changed).is_err(), "byte {at}");
        }
        for length in 0..whole.len() {
            assert!(read(&whole[..length]).is_err());
        }
        let mut longer = whole.clone();
        longer.push(0);
        assert!(read(&longer).is_err());
        assert!(read(&[whole, vec![0; MAX_OFFER]].concat()).unwrap_err().to_string().contains("longer"));
    }

    #[test]
    fn two_cases_share_nothing() {
        let phrase = Phrase::generate().unwrap();
        let make = |n| sign_offer(&phrase, n, [9; 32], [n as u8; 32], None, 3, 1).unwrap();
        let (a, b) = (make(0), make(1));
        assert_ne!(a.card.holder, b.card.holder);
        assert_ne!(a.card.kem, b.card.kem);
        assert_ne!(a.key, b.key);
        assert_ne!(a.card.id(), b.card.id());
    }
}
