//! Sends messages and waits for their block: for command lines and tests.
//!
//! Responsible for one transaction from estimate to block. Must never sign a second time while the
//! first can still be included, nor poll the node for a hash. A service keeps an outbox instead.

use std::time::Duration;

use casewise_ledger::{Address, Hash, account::AccountKey};
use tokio::time::Instant;

use crate::{
    Account, Block, Broadcast, Chain, ChainError, ChainParams, Gas, Msg, SignedTx, Tx, TxDraft,
    address::account_to_bech32,
};

/// Blocks without the transaction after which the same bytes are sent again.
const REBROADCAST_BLOCKS: u64 = 4;

/// How to send.
#[derive(Clone)]
pub struct SubmitOptions<'a> {
    /// Who pays under an allowance; `None` = the sender.
    pub fee_granter: Option<Address>,
    /// Gas limit in percent of the simulated use.
    pub gas_percent: u32,
    /// The transaction is valid for this many blocks from the tip.
    pub timeout_blocks: u64,
    /// Pause between two looks for the next block.
    pub poll: Duration,
    /// Longest time without a new block before waiting ends.
    pub patience: Duration,
    /// Told at each step.
    pub progress: Option<&'a (dyn Fn(Progress) + Send + Sync)>,
}

impl Default for SubmitOptions<'_> {
    fn default() -> Self {
        Self {
            fee_granter: None,
            gas_percent: 120,
            timeout_blocks: 30,
            poll: Duration::from_millis(50),
            patience: Duration::from_secs(60),
            progress: None,
        }
    }
}

/// A step of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Its gas is known.
    Priced(Gas),
    /// It is handed to a node; also when it is handed over again.
    Sent(Hash),
    /// A block without it.
    Waiting {
        /// That block.
        height: u64,
        /// The last height it is valid for.
        timeout_height: u64,
    },
    /// It is in a block.
    Included {
        /// That block.
        height: u64,
    },
}

/// A transaction that took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Included {
    /// Its block.
    pub height: u64,
    /// Time of that block, Unix ms.
    pub time_ms: u64,
    /// Gas used, events.
    pub tx: Tx,
}

/// Estimates, signs and sends `msgs` in one transaction and waits until it took effect.
///
/// One at a time for one key: the sequence is read from the chain. Errors: [`ChainError::Refused`]
/// before it was sent or when no node takes it, [`ChainError::Failed`] in a block,
/// [`ChainError::Expired`] in none, [`ChainError::Undecided`] when blocks stop coming.
pub async fn submit_and_wait(
    chain: &dyn Chain,
    key: &AccountKey,
    msgs: Vec<Msg>,
    params: &ChainParams,
    options: &SubmitOptions<'_>,
) -> Result<Included, ChainError> {
    let tip = chain.tip().await?.height;
    let account = account_of(chain, &key.address()).await?;
    let draft = TxDraft {
        msgs,
        fee_granter: options.fee_granter,
        timeout_height: tip + options.timeout_blocks.max(1),
        memo: String::new(),
    };
    let gas = draft.estimate(chain, &key.public(), account, params, options.gas_percent).await?;
    options.tell(Progress::Priced(gas));
    let tx = draft.sign(key, account, gas, params)?;
    send_and_wait(chain, &tx, tip, options).await
}

/// Sends a signed transaction and waits until it took effect, watching blocks after `from`, a
/// height at which it certainly was in no block yet.
pub async fn send_and_wait(
    chain: &dyn Chain,
    tx: &SignedTx,
    from: u64,
    options: &SubmitOptions<'_>,
) -> Result<Included, ChainError> {
    options.tell(Progress::Sent(tx.hash()));
    match chain.broadcast(tx.bytes()).await {
        Ok(Broadcast::Rejected { code, codespace, log }) => {
            return Err(ChainError::Refused { code, codespace, log });
        }
        // Unreachable: it may have been taken; the blocks will tell.
        Ok(_) | Err(ChainError::Unreachable { .. }) => {}
        Err(error) => return Err(error),
    }
    let mut next = from + 1;
    let mut progress_at = Instant::now();
    loop {
        match chain.block(next).await {
            Ok(Some(block)) => {
                if let Some(outcome) = outcome(tx, block) {
                    options.tell(Progress::Included { height: next });
                    return outcome;
                }
                if next >= tx.timeout_height() {
                    return Err(ChainError::Expired { hash: tx.hash(), timeout_height: tx.timeout_height() });
                }
                options.tell(Progress::Waiting { height: next, timeout_height: tx.timeout_height() });
                if (next - from).is_multiple_of(REBROADCAST_BLOCKS) {
                    options.tell(Progress::Sent(tx.hash()));
                    // Whatever the answer: only a block decides.
                    let _ = chain.broadcast(tx.bytes()).await;
                }
                next += 1;
                progress_at = Instant::now();
            }
            Ok(None) | Err(ChainError::Unreachable { .. } | ChainError::NotYet { .. }) => {
                if progress_at.elapsed() > options.patience {
                    return Err(ChainError::Undecided {
                        hash: tx.hash(),
                        timeout_height: tx.timeout_height(),
                        reason: format!("no block {next} within {} s", options.patience.as_secs()),
                    });
                }
                tokio::time::sleep(options.poll).await;
            }
            Err(error) => {
                return Err(ChainError::Undecided {
                    hash: tx.hash(),
                    timeout_height: tx.timeout_height(),
                    reason: error.to_string(),
                });
            }
        }
    }
}

impl SubmitOptions<'_> {
    fn tell(&self, step: Progress) {
        if let Some(progress) = self.progress {
            progress(step);
        }
    }
}

/// An account that must exist.
pub async fn account_of(chain: &dyn Chain, address: &Address) -> Result<Account, ChainError> {
    let account = chain.account(address).await?;
    account.ok_or_else(|| ChainError::NoAccount { address: account_to_bech32(address, chain.prefix()) })
}

fn outcome(tx: &SignedTx, block: Block) -> Option<Result<Included, ChainError>> {
    let found = block.txs.into_iter().find(|candidate| candidate.hash == tx.hash())?;
    Some(if found.is_ok() {
        Ok(Included { height: block.height, time_ms: block.time_ms, tx: found })
    } else {
        Err(ChainError::Failed {
            hash: found.hash,
            height: block.height,
            code: found.code,
            codespace: found.codespace,
            log: found.log,
        })
    })
}
