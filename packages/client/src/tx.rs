//! The holder's transactions: paid by an institution, kept until their fate is known.
//!
//! Responsible for: the signed bytes are in the wallet before the first broadcast, and nothing else
//! is signed for this account while they can still be included. Must never send a transaction that
//! the holder would have to pay.

use std::time::Duration;

use casewise_chain::{
    Chain, ChainError, Included, Msg, SignedTx, SubmitOptions, TxDraft, account_of, send_and_wait,
};
use casewise_ledger::account::AccountKey;
use casewise_ledger::{Address, CaseId};

use crate::book::{CaseState, PendingTx};
use crate::store::Batch;
use crate::{ClientError, Patient};

/// Blocks a transaction is valid for.
const TIMEOUT_BLOCKS: u64 = 30;
/// Gas limit in percent of the simulated use.
const GAS_PERCENT: u32 = 130;
/// Longest time without a new block before waiting ends.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a new holder waits for its fee allowance, seconds.
pub const ALLOWANCE_WAIT: u64 = 60;
/// Pause between two looks, ms.
const POLL_MS: u64 = 250;

/// Who sends, in what case.
pub(crate) struct Sender<'a> {
    /// Where the transaction is kept: the case's number, or that of its recovery account.
    pub slot: u32,
    /// The sender's key.
    pub key: &'a AccountKey,
    /// The case.
    pub case: &'a CaseId,
    /// Who enrolled it.
    pub institution: u32,
}

impl Patient<'_> {
    /// Sends messages in one transaction as the holder of a case, and waits for its block. Waits
    /// before that until an institution pays the holder's fees.
    pub(crate) async fn send(&self, case: &CaseState, msgs: Vec<Msg>) -> Result<Included, ClientError> {
        let key = self.key(case)?;
        let sender = Sender { slot: case.n, key: &key, case: &case.case, institution: case.institution };
        self.send_as(&sender, msgs).await
    }

    /// The same for any account of a case.
    pub(crate) async fn send_as(&self, sender: &Sender<'_>, msgs: Vec<Msg>) -> Result<Included, ClientError> {
        self.settle_slot(sender.slot).await?;
        let granter = self.wait_for_allowance(sender).await?;
        let (tx, from) = self.sign(sender.key, msgs, granter).await?;
        let mut batch = Batch::new();
        batch.put_pending(sender.slot, &PendingTx { bytes: tx.bytes().to_vec(), from });
        self.book.commit(batch).await?;
        self.finish(sender.slot, &tx, from).await
    }

    /// Finds out what became of a transaction whose fate was open when the program ended.
    pub async fn settle(&self, case: &CaseState) -> Result<Option<Included>, ClientError> {
        self.settle_slot(case.n).await
    }

    pub(crate) async fn settle_slot(&self, slot: u32) -> Result<Option<Included>, ClientError> {
        let Some(pending) = self.book.pending(slot).await? else { return Ok(None) };
        let tx = SignedTx::from_bytes(pending.bytes)?;
        let chain = self.network.chain;
        let tip = chain.tip().await?.height;
        for height in pending.from + 1..=tip.min(tx.timeout_height()) {
            match included(chain, &tx, height).await {
                Ok(Some(included)) => {
                    self.forget(slot).await?;
                    return Ok(Some(included));
                }
                Ok(None) | Err(ChainError::Pruned { .. }) => {}
                Err(error @ ChainError::Failed { .. }) => {
                    self.forget(slot).await?;
                    return Err(error.into());
                }
                Err(error) => return Err(error.into()),
            }
        }
        if tip >= tx.timeout_height() {
            self.forget(slot).await?;
            return Ok(None);
        }
        self.finish(slot, &tx, tip).await.map(Some)
    }

    async fn sign(
        &self,
        key: &AccountKey,
        msgs: Vec<Msg>,
        granter: Address,
    ) -> Result<(SignedTx, u64), ClientError> {
        let (chain, params) = (self.network.chain, self.network.params());
        let from = chain.tip().await?.height;
        let account = account_of(chain, &key.address()).await?;
        let mut draft = TxDraft::new(msgs, from + TIMEOUT_BLOCKS);
        draft.fee_granter = Some(granter);
        let gas = draft.estimate(chain, &key.public(), account, params, GAS_PERCENT).await?;
        Ok((draft.sign(key, account, gas, params)?, from))
    }

    async fn finish(&self, slot: u32, tx: &SignedTx, from: u64) -> Result<Included, ClientError> {
        let options = SubmitOptions { patience: PATIENCE, ..SubmitOptions::default() };
        let outcome = send_and_wait(self.network.chain, tx, from, &options).await;
        let decided = matches!(
            outcome,
            Ok(_) | Err(ChainError::Refused { .. } | ChainError::Failed { .. } | ChainError::Expired { .. })
        );
        if decided {
            self.forget(slot).await?;
        }
        Ok(outcome?)
    }

    async fn forget(&self, slot: u32) -> Result<(), ClientError> {
        let mut batch = Batch::new();
        batch.delete_pending(slot);
        self.book.commit(batch).await
    }

    /// The institution's account that pays this sender's fees, once the sender's account exists.
    pub(crate) async fn wait_for_allowance(&self, sender: &Sender<'_>) -> Result<Address, ClientError> {
        let holder = &sender.key.address();
        let deadline = self.world.clock.now_ms() + ALLOWANCE_WAIT * 1000;
        loop {
            if self.network.account(holder).await?.is_some()
                && let Some(granter) = self.granter(sender.case, sender.institution, holder).await?
            {
                return Ok(granter);
            }
            if self.world.clock.now_ms() >= deadline {
                let what = "the fee allowance of an institution for this case".into();
                return Err(ClientError::Waited { what, seconds: ALLOWANCE_WAIT });
            }
            self.tell(0, None, "waiting for the institution's fee allowance");
            self.world.clock.sleep_ms(POLL_MS).await;
        }
    }

    async fn granter(
        &self,
        case: &CaseId,
        institution: u32,
        holder: &Address,
    ) -> Result<Option<Address>, ClientError> {
        for number in self.institutions_of(case, institution).await? {
            let Some(account) = self.network.institution_account(number).await? else { continue };
            if self.network.chain.allowance(&account, holder).await?.is_some() {
                return Ok(Some(account));
            }
        }
        Ok(None)
    }
}

/// The transaction in block `height`, if it is there.
async fn included(chain: &dyn Chain, tx: &SignedTx, height: u64) -> Result<Option<Included>, ChainError> {
    let Some(block) = chain.block(height).await? else { return Ok(None) };
    let (height, time_ms) = (block.height, block.time_ms);
    match block.txs.into_iter().find(|candidate| candidate.hash == tx.hash()) {
        None => Ok(None),
        Some(tx) if tx.is_ok() => Ok(Some(Included { height, time_ms, tx })),
        Some(tx) => {
            let (hash, code, codespace, log) = (tx.hash, tx.code, tx.codespace, tx.log);
            Err(ChainError::Failed { hash, height, code, codespace, log })
        }
    }
}
