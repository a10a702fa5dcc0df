//! Recovery of a case by the account of a second phrase.
//!
//! Responsible for: the account of the second phrase that the registrar names, found by its number;
//! the new holder is an account of this wallet's own phrase, so that the second one stays unused
//! again; what each side may do, and until when, as the chain says it. Must never keep the second
//! phrase or a key of it.

use casewise_chain::{Included, Msg};
use casewise_ledger::account::AccountKey;
use casewise_ledger::records::{IdentityRecord, RecoveryRecord};
use casewise_ledger::{Address, CaseId};
use casewise_protocol::registrar;

use crate::book::{CaseState, HolderChange};
use crate::tx::Sender;
use crate::{ClientError, Patient, Phrase};

/// Numbers of a phrase that are looked at to find an account.
pub const MAX_NUMBERS: u32 = 1024;
/// Transactions of a case's recovery account are kept under its number from here on: case numbers
/// are smaller.
const RECOVERY_SLOT: u32 = 1 << 31;

/// How a recovery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecoveryStand {
    /// It waits for a veto.
    Waiting,
    /// It can be finished.
    Ready,
    /// It was not finished in time and counts no more.
    Lapsed,
}

/// A case's recovery as the chain says it.
#[derive(Clone, Debug)]
pub struct Recovery {
    /// The case.
    pub case: CaseId,
    /// Its virtual identity.
    pub identity: IdentityRecord,
    /// The account that may recover it; none: nobody can.
    pub account: Option<Address>,
    /// What was started.
    pub running: Option<RecoveryRecord>,
    /// Block time, Unix ms.
    pub now: u64,
}

impl Recovery {
    /// How it stands.
    pub fn stand(&self) -> Option<RecoveryStand> {
        self.running.as_ref().map(|running| match self.now {
            now if now >= running.lapses => RecoveryStand::Lapsed,
            now if now >= running.ready => RecoveryStand::Ready,
            _ => RecoveryStand::Waiting,
        })
    }

    /// What was started and still counts.
    fn counts(&self) -> Option<&RecoveryRecord> {
        self.running.as_ref().filter(|running| self.now < running.lapses)
    }
}

fn refused(what: impl Into<String>) -> ClientError {
    ClientError::Refused { what: what.into() }
}

impl Patient<'_> {
    /// The case that is meant: one of this wallet, or any by its whole id.
    pub async fn choose_id(&self, wanted: Option<&str>) -> Result<CaseId, ClientError> {
        match wanted.and_then(|text| text.parse::<CaseId>().ok()) {
            Some(case) => Ok(case),
            None => Ok(self.choose(wanted).await?.case),
        }
    }

    /// Where the recovery of a case stands.
    pub async fn recovery(&self, case: &CaseId) -> Result<Recovery, ClientError> {
        let identity = self.network.identity(case).await?;
        let identity = identity.ok_or_else(|| ClientError::not_found(format!("case {case} on chain")))?;
        Ok(Recovery {
            case: *case,
            identity,
            account: self.network.recovery_account(case).await?,
            running: self.network.recovery(case).await?,
            now: self.network.chain.tip().await?.time_ms,
        })
    }

    /// The key of a case's recovery account, found in the second phrase.
    /// Errors: [`ClientError::Refused`] when nobody can recover the case, or the phrase is another.
    pub fn recovery_key(&self, recovery: &Recovery, second: &Phrase) -> Result<AccountKey, ClientError> {
        let Some(account) = recovery.account else {
            return Err(refused("no recovery account was named for this case, so nobody can recover it"));
        };
        let found = find(second, &account)?;
        let n =
            found.ok_or_else(|| refused("this second phrase is not the one that can recover this case"))?;
        second.account(n)
    }

    /// Prepares the new holder of a case to be recovered: a fresh number of this wallet's phrase, or
    /// the one that a recovery running now was started with.
    pub async fn plan_recovery(&self, recovery: &Recovery) -> Result<HolderChange, ClientError> {
        let epoch = recovery.identity.epoch.saturating_add(1);
        let known = self.wallet_case(&recovery.case).await?.map(|case| case.n);
        if let Some(running) = recovery.counts() {
            let ours = find(self.phrase, &running.holder)?;
            let key = ours.ok_or_else(|| {
                refused("a recovery of this case is running for an account that is not this wallet's; use the wallet it was started with, or cancel it")
            })?;
            return self.holder_change(&recovery.case, known.unwrap_or(key), key, epoch, false);
        }
        let mut begun = self.book.holder_changes().await?.into_iter();
        let begun = begun.rfind(|change| !change.done && change.offer.card.case == recovery.case);
        let key = match begun {
            Some(change) => change.key,
            None => self.fresh_number().await?,
        };
        self.holder_change(&recovery.case, known.unwrap_or(key), key, epoch, false)
    }

    /// Starts a recovery as planned: the fees of both accounts first.
    pub async fn start_recovery(
        &self,
        recovery: &Recovery,
        second: &Phrase,
        change: &HolderChange,
    ) -> Result<Included, ClientError> {
        let key = self.recovery_key(recovery, second)?;
        if change.offer.card.holder == recovery.identity.holder {
            return Err(refused("this wallet holds the case already"));
        }
        self.keep_change(change).await?;
        let institution = recovery.identity.institution;
        for account in [key.address(), change.offer.card.holder] {
            self.sponsor(&recovery.case, institution, &key, &account).await?;
        }
        let message = registrar::ExecuteMsg::start_recovery(&change.offer);
        self.send_recovery(recovery, &key, change.n, &message).await
    }

    /// Takes a recovery back, as the account of the second phrase.
    pub async fn cancel_recovery(
        &self,
        recovery: &Recovery,
        second: &Phrase,
    ) -> Result<Included, ClientError> {
        let key = self.recovery_key(recovery, second)?;
        if recovery.running.is_none() {
            return Err(ClientError::not_found("a recovery of this case"));
        }
        self.sponsor(&recovery.case, recovery.identity.institution, &key, &key.address()).await?;
        let slot = self.wallet_case(&recovery.case).await?.map_or(RECOVERY_SLOT - 1, |case| case.n);
        let message = registrar::ExecuteMsg::cancel_recovery(&recovery.case);
        self.send_recovery(recovery, &key, slot, &message).await
    }

    /// Finishes a recovery as its new holder, takes the case into this wallet, and tells every author
    /// the new key. What could not be told is told by later commands.
    pub async fn finish_recovery(
        &self,
        recovery: &Recovery,
    ) -> Result<(Option<Included>, CaseState, HolderChange), ClientError> {
        if let Some(done) = self.recovered(recovery).await? {
            return Ok(done);
        }
        match recovery.stand() {
            None => return Err(ClientError::not_found("a recovery of this case")),
            Some(RecoveryStand::Ready) => {}
            Some(RecoveryStand::Waiting) => {
                return Err(refused(
                    "the recovery still waits for a veto; `casewise case recover status` says until when",
                ));
            }
            Some(RecoveryStand::Lapsed) => {
                return Err(refused(
                    "the recovery was not finished in time and counts no more; start it anew",
                ));
            }
        }
        let change = self.plan_recovery(recovery).await?;
        self.keep_change(&change).await?;
        let key = self.phrase.account(change.key)?;
        let message = registrar::ExecuteMsg::finish_recovery(&recovery.case);
        let sender = Sender {
            slot: RECOVERY_SLOT + change.n,
            key: &key,
            case: &recovery.case,
            institution: recovery.identity.institution,
        };
        let msgs = vec![Msg::execute(self.network.contracts().registrar, &message)?];
        let included = self.send_as(&sender, msgs).await?;
        let (case, change) = self.take_over(recovery, &change).await?;
        Ok((Some(included), case, change))
    }

    /// A recovery that was finished before, if this wallet's phrase holds the case now.
    async fn recovered(
        &self,
        recovery: &Recovery,
    ) -> Result<Option<(Option<Included>, CaseState, HolderChange)>, ClientError> {
        let begun = self.book.holder_changes().await?.into_iter();
        let mut begun = begun.filter(|change| change.offer.card.case == recovery.case);
        let Some(change) = begun.find(|change| change.offer.card.holder == recovery.identity.holder) else {
            return Ok(None);
        };
        let (case, change) = self.take_over(recovery, &change).await?;
        Ok(Some((None, case, change)))
    }

    /// The case in this wallet under its new keys, told to the authors.
    async fn take_over(
        &self,
        recovery: &Recovery,
        change: &HolderChange,
    ) -> Result<(CaseState, HolderChange), ClientError> {
        let known = self.book.case(change.n).await?.filter(|case| case.case == recovery.case);
        let institution = recovery.identity.institution;
        let made = self.world.clock.now_ms();
        let mut case = known.unwrap_or_else(|| {
            CaseState::new(change.n, recovery.case, self.world.net, institution, made, None)
        });
        self.adopt(&mut case, change).await?;
        let change = self.tell_authors(&case).await?.unwrap_or_else(|| change.clone());
        Ok((case, change))
    }

    /// Stops a recovery as the holder.
    pub async fn veto_recovery(&self, case: &CaseState) -> Result<Included, ClientError> {
        let recovery = self.recovery(&case.case).await?;
        self.check_identity(case, &recovery.identity)?;
        match recovery.counts() {
            None => return Err(ClientError::not_found("a recovery of this case")),
            Some(RecoveryRecord { attested: Some(number), .. }) => {
                return Err(refused(format!(
                    "institution {number} attests that the patient wants this recovery, so it cannot be vetoed; \
                     ask that institution if it was not you"
                )));
            }
            Some(_) => {}
        }
        let message = registrar::ExecuteMsg::veto_recovery(&case.case);
        self.send(case, vec![Msg::execute(self.network.contracts().registrar, &message)?]).await
    }

    async fn send_recovery(
        &self,
        recovery: &Recovery,
        key: &AccountKey,
        n: u32,
        message: &registrar::ExecuteMsg,
    ) -> Result<Included, ClientError> {
        let institution = recovery.identity.institution;
        let sender = Sender { slot: RECOVERY_SLOT + n, key, case: &recovery.case, institution };
        self.send_as(&sender, vec![Msg::execute(self.network.contracts().registrar, message)?]).await
    }

    /// The case of this wallet with this id.
    async fn wallet_case(&self, case: &CaseId) -> Result<Option<CaseState>, ClientError> {
        let net = self.world.net;
        Ok(self.book.cases().await?.into_iter().find(|known| known.case == *case && known.net == net))
    }
}

/// The number of an account in a phrase.
fn find(phrase: &Phrase, account: &Address) -> Result<Option<u32>, ClientError> {
    for n in 0..MAX_NUMBERS {
        if phrase.account(n)?.address() == *account {
            return Ok(Some(n));
        }
    }
    Ok(None)
}
