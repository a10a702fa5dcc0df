//! The unconscious patient: cases whose holder's keys this institution makes, and keeps until the
//! patient claims them.
//!
//! `enrol` makes such a case, `holder` acts for it on chain, `claim` takes the patient's request,
//! `finish` hands over: in one database transaction the letter with every root goes to the patient
//! and the keys are destroyed. Each case has keys of its own. They lie in the database sealed under a
//! key of the key file, never in clear, so a backup of the database together with the key file keeps
//! the claim possible: whoever loses either has lost the case for its patient. They open what was
//! written before the claim and nothing that is written after it.
//!
//! Must never use a custodial key for anything but accepting this institution and handing over, nor
//! show one in an error, a log or `Debug`.

mod claim;
mod enrol;
mod finish;
mod holder;
mod keys;

pub use claim::{show, take};
pub use enrol::{OFFER_LIFE_MS, enrol};
pub use finish::{MAX_CLAIM_LANES, finish};
pub use holder::{Custodian, PATIENCE_BLOCKS, run};
pub use keys::{CustodyKeys, open, seal};

use casewise_ledger::CaseId;

use crate::{AgentError, App, store::StoreError};

/// Custodial cases read at once.
const PAGE: u32 = 64;

/// Every case whose keys are held.
async fn held(app: &App) -> Result<Vec<CaseId>, AgentError> {
    let mut all: Vec<CaseId> = Vec::new();
    loop {
        let page = app.store.custodies(all.last(), PAGE).await?;
        let last = page.len() < PAGE as usize;
        all.extend(page);
        if last {
            return Ok(all);
        }
    }
}

/// Whether a fault concerns one case only: keys or letters that do not open, a row that does not
/// decode. Everything else, the database above all, concerns all of them.
fn of_one_case(error: &AgentError) -> bool {
    matches!(error, AgentError::Broken(_) | AgentError::Store(StoreError::Damaged { .. }))
}
