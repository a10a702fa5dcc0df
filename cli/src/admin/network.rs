//! Options that name a chain before there is a manifest.

use casewise_chain::{ChainParams, GasPrice, Prefix, WasmdClient};
use clap::Args;

use crate::exit::Failure;

/// A chain.
#[derive(Debug, Args)]
pub struct NetworkArgs {
    /// RPC URL of a node; repeat it for more nodes of the same chain
    #[arg(long = "node", value_name = "URL", required = true)]
    pub nodes: Vec<String>,
    /// Id of the chain
    #[arg(long, value_name = "ID")]
    chain_id: String,
    /// Price of gas
    #[arg(long, value_name = "PRICE", default_value = "0.001stake")]
    gas_price: String,
    /// Prefix of the chain's addresses
    #[arg(long, value_name = "PREFIX", default_value = casewise_chain::DEFAULT_PREFIX)]
    prefix: String,
}

impl NetworkArgs {
    /// What transactions need, and a client.
    pub fn open(&self) -> Result<(ChainParams, WasmdClient), Failure> {
        let params = ChainParams {
            chain_id: self.chain_id.clone(),
            prefix: self.prefix.parse::<Prefix>()?,
            gas_price: self.gas_price.parse::<GasPrice>()?,
        };
        let chain = WasmdClient::new(&self.nodes, &params.chain_id, params.prefix.clone())?;
        Ok((params, chain))
    }
}
