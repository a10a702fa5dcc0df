//! Admitting and listing institutions.

use casewise_ledger::{Address, Hash};
use casewise_protocol::{
    convert::{self, InstitutionKind},
    registrar::{ExecuteMsg, InstitutionInfo, InstitutionsResponse, QueryMsg},
};

use crate::{Chain, ChainError, ChainExt, ContractAddress, Msg, Prefix, address::account_to_bech32};

/// An institution to be admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewInstitution {
    /// What it is.
    pub kind: InstitutionKind,
    /// Its main account.
    pub account: Address,
    /// Its public name.
    pub name: String,
    /// Public URL of its agent.
    pub endpoint: String,
    /// Hash of its X-Wing public key.
    pub kem: Hash,
    /// More operator accounts.
    pub operators: Vec<Address>,
}

impl NewInstitution {
    /// The message by which the registrar's authority admits it.
    pub fn register(&self, registrar: ContractAddress, prefix: &Prefix) -> Result<Msg, ChainError> {
        let message = ExecuteMsg::RegisterInstitution {
            kind: self.kind,
            account: account_to_bech32(&self.account, prefix),
            name: self.name.clone(),
            endpoint: self.endpoint.clone(),
            kem: convert::hex(&self.kem),
            operators: self.operators.iter().map(|o| account_to_bech32(o, prefix)).collect(),
        };
        Msg::execute(registrar, &message)
    }
}

/// All institutions, page by page, as of one height (`None`: the last block's).
pub async fn institutions(
    chain: &dyn Chain,
    registrar: &ContractAddress,
    height: Option<u64>,
) -> Result<Vec<InstitutionInfo>, ChainError> {
    // One height for all pages, so that no page is of another moment.
    let height = match height {
        Some(height) => height,
        None => last_committed(chain).await?,
    };
    let mut all: Vec<InstitutionInfo> = Vec::new();
    loop {
        let start_after = all.last().map(|institution| institution.number);
        let query = QueryMsg::Institutions { start_after, limit: None };
        let page: InstitutionsResponse = chain.query(registrar, &query, Some(height)).await?;
        let first = page.institutions.first().map(|institution| institution.number);
        if first.is_none() {
            return Ok(all);
        }
        if first <= start_after {
            return Err(ChainError::malformed("a page of institutions that does not go on"));
        }
        all.extend(page.institutions);
    }
}

/// The last height whose state can be read.
async fn last_committed(chain: &dyn Chain) -> Result<u64, ChainError> {
    let tip = chain.tip().await?.height;
    // A block is known a moment before its state.
    Ok(if chain.block(tip).await?.is_some() { tip } else { tip.saturating_sub(1).max(1) })
}
