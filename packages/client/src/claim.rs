//! Claiming a case that an institution holds for its patient: the request that is shown to it, and
//! taking the case over.
//!
//! Must never accept an offer that is not for the account and key of the request, nor use a case
//! number that another case has.

use casewise_chain::{ChainExt, Included, Msg};
use casewise_ledger::account::AccountKey;
use casewise_ledger::records::IdentityRecord;
use casewise_ledger::{Address, CaseId, ClaimRequest, Party, RotateOffer, V1, decode, encode};
use casewise_protocol::{account, registrar};

use crate::book::CaseState;
use crate::follow::Followed;
use crate::store::Batch;
use crate::{ClientError, Patient, Phrase};

/// How long a claim request is valid unless something else is asked, seconds: a week.
pub const CLAIM_LIFE: u64 = 7 * 86_400;
/// Longest life of a claim request, seconds. The chain measures from the block in which the
/// institution offers the case, so the whole of its limit is not used.
pub const MAX_CLAIM_LIFE: u64 = registrar::MAX_CLAIM_MS / 1000 - 3_600;
/// Largest claim request, bytes.
pub const MAX_REQUEST: usize = 4096;
/// How long an acceptance waits for the institution's offer, and then for its letter, seconds.
pub const CLAIM_WAIT: u64 = 60;
/// Pause between two looks, ms.
const POLL_MS: u64 = 250;

/// A case that was taken over.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The block of the acceptance; `None` when it was accepted before.
    pub accepted: Option<Included>,
    /// The case as it stands now.
    pub followed: Followed,
}

impl Patient<'_> {
    /// Makes the request for a case that an institution holds for this patient, with the keys of a
    /// fresh case number, and keeps both. A request for the same case again has the same keys. `life`
    /// in seconds; `recovery` is the phrase of the recovery account.
    /// Errors: [`ClientError::Input`] for a life out of range; [`ClientError::NotFound`] for a case that
    /// is not enrolled; [`ClientError::Refused`] for one that is not held by an institution.
    pub async fn request_claim(
        &self,
        case: &CaseId,
        life: u64,
        recovery: Option<&Phrase>,
    ) -> Result<(CaseState, ClaimRequest), ClientError> {
        if life == 0 || life > MAX_CLAIM_LIFE {
            let reason = format!("a claim request is valid for 1 second to {} days", MAX_CLAIM_LIFE / 86_400);
            return Err(ClientError::input("--days", reason));
        }
        if self.book.scan_needed().await? {
            return Err(ClientError::Refused {
                what:
                    "the cases of this phrase have not been looked for yet; run `casewise case recover` first"
                        .into(),
            });
        }
        let identity = self.network.identity(case).await?;
        let identity =
            identity.ok_or_else(|| ClientError::not_found(format!("case {case} on this network")))?;
        let state = self.claimed_case(case, &identity).await?;
        if !identity.custodial {
            let what = format!("case {case} is not held by an institution: it has its own holder");
            return Err(ClientError::Refused { what });
        }
        let recovery = recovery.map(|phrase| phrase.account(state.n)).transpose()?.map(|key| key.address());
        let expires = self.world.clock.now_ms() + life * 1000;
        let epoch = identity.epoch.saturating_add(1);
        let offer = self.holder_change(case, state.n, state.key, epoch, false)?.offer;
        let request = sign(&self.key(&state)?, offer, recovery, expires);
        let mut batch = Batch::new();
        batch.put_case(&state).put_claim(state.n, &request);
        self.book.commit(batch).await?;
        Ok((state, request))
    }

    /// The case in the wallet, or a new one with a fresh number.
    async fn claimed_case(&self, case: &CaseId, identity: &IdentityRecord) -> Result<CaseState, ClientError> {
        let known = self.book.cases().await?.into_iter().find(|known| known.case == *case);
        if let Some(known) = known {
            return Ok(known);
        }
        let (n, made) = (self.fresh_number().await?, self.world.clock.now_ms());
        Ok(CaseState::new(n, *case, self.world.net, identity.institution, made, None))
    }

    /// Takes over the case of a request: waits for the institution's offer, checks it, accepts it,
    /// and follows the case until the institution's letter has given every root it had. Repeating it
    /// goes on where it stopped.
    /// Errors: [`ClientError::Waited`] when the offer or the letter does not come in time;
    /// [`ClientError::Refused`] when the case has moved on since the request was made.
    pub async fn accept_claim(&self, n: u32) -> Result<Claimed, ClientError> {
        let mut case = self.book.case(n).await?.ok_or_else(|| ClientError::not_found(format!("case {n}")))?;
        let request = self.book.claim(n).await?;
        let request =
            request.ok_or_else(|| ClientError::not_found(format!("a claim request of case {n}")))?;
        self.settle(&case).await?;
        let epoch = request.offer.card.epoch;
        let change = self.holder_change(&case.case, n, case.key, epoch, false)?;
        let accepted = match self.standing(&case, &request).await? {
            Standing::Ours => None,
            Standing::Held => {
                self.wait_for_offer(&case, &request).await?;
                self.keep_change(&change).await?;
                let prefix = self.network.params().prefix.as_str();
                let recovery = request.recovery.as_ref();
                let accept = registrar::ExecuteMsg::accept_claim(prefix, &request.offer, recovery)
                    .map_err(ClientError::protocol)?;
                let msg = Msg::execute(self.network.contracts().registrar, &accept)?;
                Some(self.send(&case, vec![msg]).await?)
            }
        };
        self.adopt(&mut case, &change).await?;
        self.tell_authors(&case).await?;
        let followed = self.wait_for_roots(&case).await?;
        let mut batch = Batch::new();
        batch.delete_claim(n);
        self.book.commit(batch).await?;
        Ok(Claimed { accepted, followed })
    }

    /// Where the case is between the institution and this patient.
    async fn standing(&self, case: &CaseState, request: &ClaimRequest) -> Result<Standing, ClientError> {
        let identity = self.network.identity(&case.case).await?;
        let identity = identity.ok_or_else(|| ClientError::not_found(format!("case {}", case.case)))?;
        let card = &request.offer.card;
        if (identity.holder, identity.kem, identity.epoch) == (card.holder, card.kem, card.epoch) {
            return Ok(Standing::Ours);
        }
        if identity.custodial && identity.epoch.checked_add(1) == Some(card.epoch) {
            return Ok(Standing::Held);
        }
        Err(ClientError::Refused {
            what: format!(
                "case {} has another holder or key than when the request was made; make a new one",
                case.n
            ),
        })
    }

    /// Waits until the chain says that the case is offered to the request's account.
    async fn wait_for_offer(&self, case: &CaseState, request: &ClaimRequest) -> Result<(), ClientError> {
        let deadline = self.world.clock.now_ms() + CLAIM_WAIT * 1000;
        let prefix = self.network.params().prefix.as_str();
        let own = account::encode(prefix, &request.offer.card.holder).map_err(ClientError::protocol)?;
        loop {
            let now = self.network.chain.tip().await?.time_ms;
            if now >= request.expires {
                let what = format!("the claim request of case {} has expired; make a new one", case.n);
                return Err(ClientError::Refused { what });
            }
            let query = registrar::QueryMsg::claim(&case.case);
            let offered: Option<registrar::ClaimInfo> =
                self.network.chain.query(&self.network.contracts().registrar, &query, None).await?;
            if offered.is_some_and(|offered| offered.holder == own && now < offered.until.u64()) {
                return Ok(());
            }
            if self.world.clock.now_ms() >= deadline {
                let what = "the institution's offer of this case; has it taken the claim request in?".into();
                return Err(ClientError::Waited { what, seconds: CLAIM_WAIT });
            }
            self.tell(0, None, "waiting for the institution's offer");
            self.world.clock.sleep_ms(POLL_MS).await;
        }
    }

    /// Follows the case until every lane of its custodian is readable: its agent hands the roots over
    /// when it has seen the block.
    async fn wait_for_roots(&self, case: &CaseState) -> Result<Followed, ClientError> {
        let deadline = self.world.clock.now_ms() + CLAIM_WAIT * 1000;
        loop {
            let followed = self.follow(case.n).await?;
            let own = Party::Institution(case.institution);
            let lanes = followed.lanes.iter().filter(|lane| lane.record.author == own);
            if lanes.clone().all(|lane| lane.readable) {
                return Ok(followed);
            }
            if self.world.clock.now_ms() >= deadline {
                let why = followed.trouble().map(|trouble| format!(" ({trouble})")).unwrap_or_default();
                let what = format!("the institution's letter with the keys of this case{why}");
                return Err(ClientError::Waited { what, seconds: CLAIM_WAIT });
            }
            self.tell(0, None, "waiting for the institution's letter");
            self.world.clock.sleep_ms(POLL_MS).await;
        }
    }
}

/// Who holds a case whose claim was requested.
enum Standing {
    /// This patient.
    Ours,
    /// Still the institution.
    Held,
}

/// The request of a new holder, signed whole.
fn sign(key: &AccountKey, offer: RotateOffer, recovery: Option<Address>, expires: u64) -> ClaimRequest {
    let mut request = ClaimRequest { version: V1, offer, recovery, expires, signature: [0; 64] };
    request.signature = key.sign_message(&request.message());
    request
}

/// The bytes of a claim request's file.
pub fn write(request: &ClaimRequest) -> Vec<u8> {
    encode(request)
}

/// Reads a claim request's file and checks its keys and signatures; whether it is for the right case
/// and still valid is for the reader to see.
/// Errors: [`ClientError::Integrity`].
pub fn read(bytes: &[u8]) -> Result<ClaimRequest, ClientError> {
    let refuse = |why: &dyn ToString| ClientError::integrity("the claim request", why.to_string());
    if bytes.len() > MAX_REQUEST {
        return Err(refuse(&"it is longer than a claim request can be"));
    }
    let request: ClaimRequest = decode(bytes).map_err(|error| refuse(&error))?;
    request.check().map_err(|error| refuse(&error))?;
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;
    use casewise_ledger::RotateCard;

    fn request(n: u32) -> ClaimRequest {
        let phrase = Phrase::generate().unwrap();
        let (key, kem) = (phrase.account(n).unwrap(), phrase.kem_secret(n).unwrap().public());
        let case = CaseId([9; 32]);
        let card = RotateCard { version: V1, case, epoch: 1, holder: key.address(), kem: kem.hash() };
        let signature = key.sign_message(&card.message());
        let offer =
            RotateOffer { version: V1, card, kem_key: *kem.as_bytes(), key: key.public().0, signature };
        sign(&key, offer, Some(Address([7; 20])), 1_800_000_000_000)
    }

    #[test]
    fn a_request_comes_back_and_its_length_has_an_end() {
        let made = request(4);
        let bytes = write(&made);
        assert_eq!(read(&bytes).unwrap(), made);
        assert_eq!((made.offer.card.case, made.offer.card.epoch), (CaseId([9; 32]), 1));
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(read(&longer).is_err());
        assert!(read(&[bytes, vec![0; MAX_REQUEST]].concat()).unwrap_err().to_string().contains("longer"));
    }

    #[test]
    fn a_changed_request_is_refused() {
        let whole = write(&request(0));
        // version, case, epoch, holder, encryption key's ends, key, signature, recovery, end, signature
        for at in
            [0, 1, 2, 34, 40, 60, 95, 1300, 1310, 1345, whole.len() - 80, whole.len() - 70, whole.len() - 1]
        {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert!(read(&changed).is_err(), "byte {at}");
        }
    }
}
