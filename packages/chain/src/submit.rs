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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Event, fake::FakeChain};
    use std::sync::Mutex;

    fn key() -> AccountKey {
        AccountKey::from_bytes(&[1; 32]).unwrap()
    }

    fn params() -> ChainParams {
        ChainParams {
            chain_id: "fake".to_owned(),
            prefix: crate::Prefix::default(),
            gas_price: "0.001stake".parse().unwrap(),
        }
    }

    fn msgs() -> Vec<Msg> {
        vec![Msg::BankSend { to: Address([7; 20]), amount: 1, denom: "stake".to_owned() }]
    }

    fn options() -> SubmitOptions<'static> {
        SubmitOptions {
            timeout_blocks: 10,
            poll: Duration::from_millis(1),
            patience: Duration::from_millis(50),
            ..SubmitOptions::default()
        }
    }

    fn rejected(code: u32) -> Broadcast {
        Broadcast::Rejected { code, codespace: "sdk".to_owned(), log: "no".to_owned() }
    }

    #[tokio::test]
    async fn waits_for_the_block_that_has_it() {
        let chain = FakeChain { include_at: Some(3), ..FakeChain::default() };
        let steps = Mutex::new(Vec::new());
        let note = |step| steps.lock().unwrap().push(step);
        let with_progress = SubmitOptions { progress: Some(&note), ..options() };
        let included = submit_and_wait(&chain, &key(), msgs(), &params(), &with_progress).await.unwrap();
        assert_eq!(included.height, FakeChain::TIP + 3);
        assert_eq!(included.tx.events, [Event { kind: "done".to_owned(), attributes: Vec::new() }]);
        let hash = included.tx.hash;
        let timeout_height = FakeChain::TIP + 10;
        let gas = Gas { limit: FakeChain::GAS * 120 / 100, fee: 120 };
        assert_eq!(
            *steps.lock().unwrap(),
            [
                Progress::Priced(gas),
                Progress::Sent(hash),
                Progress::Waiting { height: FakeChain::TIP + 1, timeout_height },
                Progress::Waiting { height: FakeChain::TIP + 2, timeout_height },
                Progress::Included { height: FakeChain::TIP + 3 },
            ]
        );
    }

    #[tokio::test]
    async fn a_failure_in_the_block_has_code_and_log() {
        let chain = FakeChain { include_at: Some(1), code: 5, ..FakeChain::default() };
        let error = submit_and_wait(&chain, &key(), msgs(), &params(), &options()).await.unwrap_err();
        assert!(
            matches!(&error, ChainError::Failed { code: 5, log, .. } if log == "what failed"),
            "{error:?}"
        );
    }

    #[tokio::test]
    async fn a_rejection_ends_it_before_waiting() {
        let chain = FakeChain::answering([Ok(rejected(32))]);
        let error = submit_and_wait(&chain, &key(), msgs(), &params(), &options()).await.unwrap_err();
        assert_eq!(
            error,
            ChainError::Refused { code: 32, codespace: "sdk".to_owned(), log: "no".to_owned() }
        );
        assert_eq!(chain.sent().len(), 1);
    }

    #[tokio::test]
    async fn a_lost_answer_is_not_an_end() {
        let lost = ChainError::Unreachable { endpoint: "node".to_owned(), reason: "gone".to_owned() };
        let mut chain = FakeChain::answering([Err(lost)]);
        chain.include_at = Some(2);
        submit_and_wait(&chain, &key(), msgs(), &params(), &options()).await.unwrap();
        assert_eq!(chain.sent().len(), 1);
    }

    #[tokio::test]
    async fn in_no_block_up_to_its_last_height_it_is_dead_and_only_the_same_bytes_were_sent() {
        let chain = FakeChain { tip_moves_to: FakeChain::TIP + 100, ..FakeChain::default() };
        let error = submit_and_wait(&chain, &key(), msgs(), &params(), &options()).await.unwrap_err();
        assert!(
            matches!(error, ChainError::Expired { timeout_height, .. } if timeout_height == FakeChain::TIP + 10),
            "{error:?}"
        );
        let sent = chain.sent();
        assert_eq!(sent.len(), 3, "at first and after 4 and 8 blocks");
        assert!(sent.iter().all(|bytes| *bytes == sent[0]));
        assert_eq!(chain.last_block_asked(), FakeChain::TIP + 10);
    }

    #[tokio::test]
    async fn a_rejection_of_the_repeated_bytes_decides_nothing() {
        let answers = [Ok(Broadcast::Accepted), Ok(rejected(32))];
        let chain = FakeChain { include_at: Some(6), ..FakeChain::answering(answers) };
        submit_and_wait(&chain, &key(), msgs(), &params(), &options()).await.unwrap();
        assert_eq!(chain.sent().len(), 2);
    }

    #[tokio::test]
    async fn when_blocks_stop_its_fate_is_said_to_be_open() {
        let chain = FakeChain { tip_moves_to: FakeChain::TIP + 2, ..FakeChain::default() };
        let error = submit_and_wait(&chain, &key(), msgs(), &params(), &options()).await.unwrap_err();
        assert!(matches!(error, ChainError::Undecided { .. }), "{error:?}");
    }

    #[tokio::test]
    async fn an_account_that_does_not_exist_is_named() {
        let chain = FakeChain { no_account: true, ..FakeChain::default() };
        let error = submit_and_wait(&chain, &key(), msgs(), &params(), &options()).await.unwrap_err();
        let address = account_to_bech32(&key().address(), chain.prefix());
        assert_eq!(error, ChainError::NoAccount { address });
    }
}
