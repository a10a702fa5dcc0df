//! The chain as a trait, and the client of a wasmd node.
//!
//! Responsible for: asking a chain exact questions ([`Chain`]), addresses, the network's manifest,
//! making and signing transactions, and deploying the contracts. Must never decide who may do what,
//! hold a secret longer than a call, or take "not known" for "absent".
//!
//! A service sees blocks through [`Chain::block`], in order, and keeps its own outbox of
//! [`SignedTx`]; [`submit_and_wait`] is for command lines and tests.

mod address;
mod allowance;
mod chain;
mod deploy;
mod describe;
mod error;
#[cfg(test)]
mod fake;
mod gas;
mod group;
mod institution;
mod keys;
mod manifest;
mod msg;
mod proto;
mod submit;
mod tx;
mod types;
mod upgrade;
mod validator;
mod wasmd;

pub use address::{
    ContractAddress, Contracts, DEFAULT_PREFIX, MAX_PREFIX, Prefix, account_from_bech32, account_to_bech32,
};
pub use allowance::{EXECUTE_CONTRACT, PeriodicLimit};
pub use chain::{Chain, ChainExt};
pub use deploy::{
    CONTRACTS, DeployOptions, DeployStep, MAX_WASM, connection, deploy, read_wasm, trust_anchor,
};
pub use error::{ChainError, MAX_LOG};
pub use gas::{Gas, GasPrice};
pub use group::{
    CreateGroup, DECISION_WINDOW, Decision, Group, GroupAddress, MAX_MEMBERS, MAX_TITLE, Member, Proposal,
    ProposalState, Vote, balance_of, create_group, execute_proposal, find_group, find_proposal, member_of,
    proposals, propose, send_coins, vote,
};
pub use institution::{NewInstitution, institutions};
pub use keys::{MAX_ACCOUNT, key_from_mnemonic, key_from_seed, seed_from_mnemonic};
pub use manifest::{Code, Codes, MAX_MANIFEST, Manifest, Trust};
pub use msg::{MAX_LABEL, Msg};
pub use submit::{Included, Progress, SubmitOptions, account_of, send_and_wait, submit_and_wait};
pub use tx::{ChainParams, MAX_TX_BYTES, SignedTx, TxDraft};
pub use types::{
    Account, Allowance, Block, Broadcast, CodeInfo, ContractInfo, Event, StateProof, Tip, Tx, TxStatus, code,
    store_key,
};
pub use upgrade::{UPGRADABLE, find_code, migrate, pinned_codes, store_code, update_admin};
pub use validator::{
    ConsensusKey, MAX_MONIKER, NewValidator, POWER_REDUCTION, STAKING_MESSAGES, StakingState, Validator,
    ValidatorStatus, add_validator, back_validator, has_offered, leave_validators, offer_validator,
    release_validator, staking_state,
};
pub use wasmd::{ANSWER_TIMEOUT, CONNECT_TIMEOUT, MAX_ANSWER, MAX_ENDPOINTS, MAX_VALIDATORS, WasmdClient};
