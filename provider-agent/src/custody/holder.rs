//! The custodial holder at work: accepts its institution, and offers the case to the patient's
//! account.
//!
//! What is due is read from database and chain each time, and each message is one that has no second
//! effect when it is repeated. So nothing of it is kept but the height of the last attempt, and no
//! transaction is remembered over a restart. Each account has one message on its way at a time. Must
//! never sign anything else with a custodial key.

use std::collections::BTreeMap;

use casewise_chain::{Broadcast, ChainError, ChainExt, Gas, Msg, TxDraft, account_of};
use casewise_ledger::{CaseId, ClaimRequest, records::RelationshipStatus};
use casewise_protocol::{account, ppr, registrar};

use super::{held, keys, of_one_case};
use crate::{AgentError, App, app::Gate, store::CustodyRow, submitter::TX_TIMEOUT_BLOCKS};

/// Blocks for which an attempt is left alone, whatever became of it.
pub const PATIENCE_BLOCKS: u64 = 5;
/// Gas limit in percent of the simulated use.
const GAS_PERCENT: u32 = 130;
/// Gas added to every limit.
const GAS_FLOOR: u64 = 20_000;
/// Pause between two looks, ms.
const PAUSE_MS: u64 = 500;

/// Acts for custodial holders until the agent stops. Faults are logged and tried again.
pub async fn run(app: &App) {
    let mut custodian = Custodian::default();
    loop {
        if let Err(error) = custodian.step(app).await {
            tracing::warn!(%error, "a custodial holder waits");
        }
        app.clock.sleep(PAUSE_MS).await;
    }
}

/// What is remembered of attempts; losing it costs a repetition that has no effect.
#[derive(Debug, Default)]
pub struct Custodian {
    /// Height of the last attempt.
    tried: BTreeMap<CaseId, u64>,
}

/// The name under which a case's faults stand in the status.
fn name(case: &CaseId) -> String {
    format!("custodial holder of case {case}")
}

impl Custodian {
    /// One look at every case whose keys are held.
    pub async fn step(&mut self, app: &App) -> Result<(), AgentError> {
        if *app.gate.borrow() != Gate::Open {
            return Ok(());
        }
        let Some(height) = app.applied.borrow().map(|applied| applied.cursor.height) else { return Ok(()) };
        self.tried.retain(|_, at| height < *at + PATIENCE_BLOCKS);
        for case in held(app).await? {
            if self.tried.contains_key(&case) {
                continue;
            }
            match self.look(app, &case, height).await {
                Ok(()) => {}
                Err(error) if of_one_case(&error) => {
                    tracing::error!(%case, %error, "a custodial holder cannot act");
                    app.note(|health| {
                        health.refused.insert(name(&case), error.to_string());
                    });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// One look at one case.
    async fn look(&mut self, app: &App, case: &CaseId, height: u64) -> Result<(), AgentError> {
        let Some(row) = app.store.custody(case).await? else { return Ok(()) };
        let Some(msg) = due(app, &row).await? else { return Ok(()) };
        self.tried.insert(*case, height);
        attempt(app, &row, msg).await
    }
}

/// What the holder has to say now.
async fn due(app: &App, row: &CustodyRow) -> Result<Option<Msg>, AgentError> {
    let ours = app.store.relationship(&row.case, app.config.institution).await?;
    let Some(ours) = ours else { return Ok(None) };
    if ours.record.status == RelationshipStatus::Proposed {
        let accept = ppr::ExecuteMsg::accept(&row.case, app.config.institution);
        return Ok(Some(Msg::execute(app.contracts.ppr, &accept)?));
    }
    match &row.claim {
        Some(claim) if app.clock.now() < claim.expires && !offered(app, claim).await? => {
            let card = &claim.offer.card;
            let prefix = app.params.prefix.as_str();
            let offer = registrar::ExecuteMsg::offer_claim(prefix, &card.case, &card.holder, claim.expires)
                .map_err(AgentError::broken)?;
            Ok(Some(Msg::execute(app.contracts.registrar, &offer)?))
        }
        _ => Ok(None),
    }
}

/// Whether the case is offered as the request says, or claimed by whom it says.
async fn offered(app: &App, claim: &ClaimRequest) -> Result<bool, AgentError> {
    let card = &claim.offer.card;
    let identity = app.store.identity(&card.case).await?;
    if identity.is_some_and(|identity| identity.record.holder == card.holder) {
        return Ok(true);
    }
    let query = registrar::QueryMsg::claim(&card.case);
    let known: Option<registrar::ClaimInfo> = app.chain.query(&app.contracts.registrar, &query, None).await?;
    let holder = account::encode(app.params.prefix.as_str(), &card.holder).map_err(AgentError::broken)?;
    Ok(known.is_some_and(|known| known.holder == holder && known.until.u64() == claim.expires))
}

/// Sends one message. What the chain refuses stands in the status until something passes.
async fn attempt(app: &App, row: &CustodyRow, msg: Msg) -> Result<(), AgentError> {
    match send(app, row, msg).await {
        Ok(()) => {
            app.note(|health| {
                health.refused.remove(&name(&row.case));
            });
            Ok(())
        }
        // the fee allowance, which makes the account, is not in a block yet
        Err(AgentError::Chain(ChainError::NoAccount { .. })) => Ok(()),
        Err(AgentError::Chain(error @ ChainError::Refused { .. })) => {
            tracing::warn!(case = %row.case, %error, "the chain refuses a custodial holder");
            app.note(|health| {
                health.refused.insert(name(&row.case), error.to_string());
            });
            Ok(())
        }
        Err(error) => Err(error),
    }
}

async fn send(app: &App, row: &CustodyRow, msg: Msg) -> Result<(), AgentError> {
    let Some(sealed) = &row.sealed else { return Ok(()) };
    let key = keys::open(&app.keys, &row.case, sealed)?.holder;
    let (chain, params) = (&*app.chain, &app.params);
    let account = account_of(chain, &key.address()).await?;
    let timeout = chain.tip().await?.height + TX_TIMEOUT_BLOCKS;
    let mut draft = TxDraft::new(vec![msg], timeout);
    draft.fee_granter = Some(app.keys.operator.address());
    let gas = draft.estimate(chain, &key.public(), account, params, GAS_PERCENT).await?;
    let limit = gas.limit + GAS_FLOOR;
    let tx = draft.sign(&key, account, Gas { limit, fee: params.gas_price.fee(limit) }, params)?;
    match chain.broadcast(tx.bytes()).await? {
        Broadcast::Accepted | Broadcast::AlreadyKnown => Ok(()),
        Broadcast::Rejected { code, codespace, log } => {
            Err(ChainError::Refused { code, codespace, log }.into())
        }
    }
}
