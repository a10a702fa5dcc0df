//! A case's change of holder: another account and key of the same phrase, told to every author.
//!
//! Responsible for: a fresh number for the new keys; the new holder's fees are paid before the old one
//! gives up; the change is kept from before it is signed until every author has the new key; letters
//! to earlier keys stay readable. Must never use a number twice, nor take a change for done that the
//! registrar does not name.

use std::collections::BTreeMap;

use casewise_chain::{Included, Msg};
use casewise_ledger::account::AccountKey;
use casewise_ledger::records::IdentityRecord;
use casewise_ledger::{Address, CaseId, Hash, RotateCard, RotateOffer, V1};
use casewise_protocol::registrar;
use casewise_seal::KemSecret;

use crate::agent::Agent;
use crate::book::{CaseState, HolderChange, SeenRecovery};
use crate::store::Batch;
use crate::tx::Sender;
use crate::{ClientError, Patient};

/// Most numbers below a case's own that are tried for a letter to an unknown key.
pub const MAX_EARLIER: u32 = 256;

/// The X-Wing secrets of a case: the present one, and those of before.
pub(crate) struct KeyRing<'a> {
    patient: &'a Patient<'a>,
    secrets: BTreeMap<Hash, KemSecret>,
    /// Numbers not tried yet.
    rest: Vec<u32>,
}

impl KeyRing<'_> {
    /// The secret that opens letters to this key; `None`: it is not of this phrase.
    pub(crate) fn secret(&mut self, to: &Hash) -> Result<Option<&KemSecret>, ClientError> {
        while !self.secrets.contains_key(to) {
            let Some(n) = self.rest.pop() else { return Ok(None) };
            let secret = self.patient.phrase.kem_secret(n)?;
            self.secrets.insert(secret.public().hash(), secret);
        }
        Ok(self.secrets.get(to))
    }
}

impl Patient<'_> {
    /// The secrets of a case, the present one first. A case found by its phrase alone may have had
    /// any smaller number.
    pub(crate) fn key_ring(&self, case: &CaseState) -> Result<KeyRing<'_>, ClientError> {
        let mut rest: Vec<u32> = (case.key.saturating_sub(MAX_EARLIER)..case.key).collect();
        rest.extend(case.earlier.iter().copied().chain([case.key]));
        Ok(KeyRing { patient: self, secrets: BTreeMap::new(), rest })
    }

    /// The institutions that have to do with a case, the one that enrolled it first.
    pub(crate) async fn institutions_of(&self, case: &CaseId, first: u32) -> Result<Vec<u32>, ClientError> {
        let related = self.network.relationships(case).await?;
        let others = related.iter().map(|related| related.institution).filter(|number| *number != first);
        Ok([first].into_iter().chain(others).collect())
    }

    /// What makes the keys of number `key` the holder of a case, at this epoch.
    pub(crate) fn holder_change(
        &self,
        case: &CaseId,
        n: u32,
        key: u32,
        epoch: u32,
        done: bool,
    ) -> Result<HolderChange, ClientError> {
        let (account, kem) = (self.phrase.account(key)?, self.phrase.kem_secret(key)?.public());
        let card = RotateCard { version: V1, case: *case, epoch, holder: account.address(), kem: kem.hash() };
        let signature = account.sign_message(&card.message());
        let kem_key = *kem.as_bytes();
        let offer = RotateOffer { version: V1, card, kem_key, key: account.public().0, signature };
        let made = self.world.clock.now_ms();
        Ok(HolderChange { version: V1, n, key, offer, made, done, told: Vec::new(), trouble: None })
    }

    /// Prepares a rotation, to be shown before it is signed; the same again until it is done.
    /// Errors: [`ClientError::Refused`] when this wallet does not hold the case, or while a recovery
    /// of it is running.
    pub async fn plan_rotation(&self, n: u32) -> Result<(CaseState, HolderChange), ClientError> {
        let mut case = self.book.case(n).await?.ok_or_else(|| ClientError::not_found(format!("case {n}")))?;
        self.settle(&case).await?;
        let identity = self.network.identity(&case.case).await?;
        let identity = identity.ok_or_else(|| ClientError::Refused {
            what: format!("case {n} is not enrolled: there is no holder to change"),
        })?;
        self.settle_holder(&mut case, &identity).await?;
        self.check_identity(&case, &identity)?;
        self.note_identity(&mut case, &identity).await?;
        if case.recovering.is_some() {
            let what = format!(
                "a recovery of case {n} is running: `casewise case recover status` says until when; \
                 veto it, or let it end, before you rotate"
            );
            return Err(ClientError::Refused { what });
        }
        let key = match self.book.begun_change(n).await? {
            Some(known) => known.key,
            None => self.fresh_number().await?,
        };
        let change = self.holder_change(&case.case, n, key, identity.epoch.saturating_add(1), false)?;
        Ok((case, change))
    }

    /// Rotates a case as planned: the new account's fees first, then the registrar, then every
    /// author. What could not be told is told by later commands; see [`HolderChange::told`].
    pub async fn rotate(
        &self,
        case: &CaseState,
        change: &HolderChange,
    ) -> Result<(Included, HolderChange), ClientError> {
        self.keep_change(change).await?;
        let key = self.key(case)?;
        self.sponsor(&case.case, case.institution, &key, &change.offer.card.holder).await?;
        let new = self.phrase.account(change.key)?;
        let sender = Sender { slot: case.n, key: &new, case: &case.case, institution: case.institution };
        self.wait_for_allowance(&sender).await?;
        let message = registrar::ExecuteMsg::rotate(&change.offer);
        let included =
            self.send(case, vec![Msg::execute(self.network.contracts().registrar, &message)?]).await?;
        let mut case = case.clone();
        self.adopt(&mut case, change).await?;
        let change = self.tell_authors(&case).await?.unwrap_or_else(|| change.clone());
        Ok((included, change))
    }

    /// Asks the institutions of a case, one after the other, to pay an account's fees. `key`: the
    /// holder's, or that of the recovery account.
    pub(crate) async fn sponsor(
        &self,
        case: &CaseId,
        institution: u32,
        key: &AccountKey,
        account: &Address,
    ) -> Result<(), ClientError> {
        let mut reasons = Vec::new();
        for number in self.institutions_of(case, institution).await? {
            if let Some(granter) = self.network.institution_account(number).await?
                && self.network.chain.allowance(&granter, account).await?.is_some()
            {
                return Ok(());
            }
            let asked = async { self.agent(number, key).await?.sponsor(case, *account).await };
            match asked.await {
                Ok(_) => return Ok(()),
                Err(error @ (ClientError::Store { .. } | ClientError::Chain(_))) => return Err(error),
                Err(error) => reasons.push(format!("institution {number}: {error}")),
            }
        }
        let what = format!(
            "no institution of this case pays the fees of the new account, so nothing was changed ({})",
            reasons.join("; ")
        );
        Err(ClientError::Refused { what })
    }

    /// Takes the new keys over once the registrar names the new holder.
    pub(crate) async fn settle_holder(
        &self,
        case: &mut CaseState,
        identity: &IdentityRecord,
    ) -> Result<(), ClientError> {
        let Some(change) = self.book.begun_change(case.n).await? else { return Ok(()) };
        let card = &change.offer.card;
        let named = (card.holder, card.kem, card.epoch) == (identity.holder, identity.kem, identity.epoch);
        if named {
            self.adopt(case, &change).await?;
        }
        Ok(())
    }

    /// The case under its new keys, and what remains to be told.
    pub(crate) async fn adopt(&self, case: &mut CaseState, change: &HolderChange) -> Result<(), ClientError> {
        if case.key != change.key {
            case.earlier.push(case.key);
            case.key = change.key;
        }
        (case.epoch, case.recovering) = (change.offer.card.epoch, None);
        let mut batch = Batch::new();
        batch.put_case(case).delete_begun_change(case.n);
        // authors who do not know the key of before never need it: this one takes its place
        batch.put_holder_change(&HolderChange { done: true, ..change.clone() });
        self.book.commit(batch).await
    }

    /// Shows the new key to every institution of the case that has not taken it. What fails is noted
    /// and tried again next time; when all have it, the change is forgotten. Returns it as it stands.
    pub(crate) async fn tell_authors(&self, case: &CaseState) -> Result<Option<HolderChange>, ClientError> {
        let Some(mut change) = self.book.holder_change(case.n).await? else { return Ok(None) };
        let key = self.key(case)?;
        let institutions = self.institutions_of(&case.case, case.institution).await?;
        change.trouble = None;
        for number in &institutions {
            if change.told.contains(number) {
                continue;
            }
            match self.tell_author(*number, &key, &change).await {
                Ok(()) => {
                    change.told.push(*number);
                    self.keep_change(&change).await?;
                }
                Err(error @ ClientError::Store { .. }) => return Err(error),
                Err(error) => change.trouble = Some(format!("institution {number}: {error}")),
            }
        }
        if institutions.iter().all(|number| change.told.contains(number)) {
            let mut batch = Batch::new();
            batch.delete_holder_change(case.n);
            self.book.commit(batch).await?;
        } else {
            self.keep_change(&change).await?;
        }
        Ok(Some(change))
    }

    async fn tell_author(
        &self,
        number: u32,
        key: &AccountKey,
        change: &HolderChange,
    ) -> Result<(), ClientError> {
        let agent: Agent<'_> = self.agent(number, key).await?;
        agent.put_holder(&change.offer).await
    }

    pub(crate) async fn keep_change(&self, change: &HolderChange) -> Result<(), ClientError> {
        let mut batch = Batch::new();
        batch.put_holder_change(change);
        self.book.commit(batch).await
    }

    /// Notes the epoch and a running recovery.
    pub(crate) async fn note_identity(
        &self,
        case: &mut CaseState,
        identity: &IdentityRecord,
    ) -> Result<(), ClientError> {
        let now = self.now().await?;
        let running = self.network.recovery(&case.case).await?.filter(|recovery| now < recovery.lapses);
        let seen = running.map(|recovery| SeenRecovery {
            ready: recovery.ready,
            lapses: recovery.lapses,
            attested: recovery.attested,
        });
        if (case.epoch, case.recovering) == (identity.epoch, seen) {
            return Ok(());
        }
        (case.epoch, case.recovering) = (identity.epoch, seen);
        let mut batch = Batch::new();
        batch.put_case(case);
        self.book.commit(batch).await
    }
}
