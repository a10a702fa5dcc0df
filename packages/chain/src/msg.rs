//! Messages of a transaction.

use casewise_ledger::Address;
use cosmrs::{
    Any,
    proto::{
        cosmos::{bank::v1beta1::MsgSend, base::v1beta1::Coin, feegrant::v1beta1::MsgGrantAllowance},
        cosmwasm::wasm::v1::{
            AccessConfig, AccessType, MsgExecuteContract, MsgInstantiateContract, MsgMigrateContract,
            MsgStoreCode,
        },
        prost::{Message, Name},
    },
};

use crate::{
    ChainError, ContractAddress, Prefix,
    address::account_to_bech32,
    allowance::{self, PeriodicLimit, any},
    gas::check_denom,
};

/// Longest label of a contract, bytes; the chain's limit.
pub const MAX_LABEL: usize = 128;

/// One message. Its sender is who signs the transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Msg {
    /// Calls a contract.
    Execute {
        /// The contract.
        contract: ContractAddress,
        /// The message, JSON.
        msg: Vec<u8>,
    },
    /// Sends coins.
    BankSend {
        /// To whom.
        to: Address,
        /// How much.
        amount: u128,
        /// Of which coin.
        denom: String,
    },
    /// Lets an account spend the sender's coins on fees of contract messages. Creates the account
    /// if it does not exist; refused if an allowance between the two exists.
    GrantAllowance {
        /// Who may spend.
        grantee: Address,
        /// How much.
        limit: PeriodicLimit,
        /// Of which coin.
        denom: String,
    },
    /// Stores a contract's code.
    StoreCode {
        /// Wasm, plain or gzip.
        wasm: Vec<u8>,
        /// Who may make instances of it, and nobody else.
        instantiate_by: Vec<Address>,
    },
    /// Makes an instance.
    Instantiate {
        /// The code.
        code_id: u64,
        /// A name for people.
        label: String,
        /// Who may migrate it; `None` = nobody, for ever.
        admin: Option<Address>,
        /// The instantiate message, JSON.
        msg: Vec<u8>,
    },
    /// Puts another code under an instance. Only its admin may.
    Migrate {
        /// The instance.
        contract: ContractAddress,
        /// The new code.
        code_id: u64,
        /// The migrate message, JSON.
        msg: Vec<u8>,
    },
    /// Any other message, as protobuf; it names its sender itself.
    Raw {
        /// Its type, beginning with `/`.
        type_url: String,
        /// Its bytes.
        value: Vec<u8>,
    },
}

impl Msg {
    /// A call of a contract with a message that serialises to JSON.
    pub fn execute<T: serde::Serialize>(contract: ContractAddress, msg: &T) -> Result<Self, ChainError> {
        Ok(Self::Execute {
            contract,
            msg: serde_json::to_vec(msg).map_err(|e| ChainError::invalid("message", e))?,
        })
    }

    /// A message that is protobuf already.
    pub(crate) fn raw<M: Message + Name>(message: &M) -> Self {
        let Any { type_url, value } = any(message);
        Self::Raw { type_url, value }
    }

    /// As its protobuf, sent by `sender`: an account or a group's account, bech32.
    pub(crate) fn to_any(&self, sender: &str, prefix: &Prefix) -> Result<Any, ChainError> {
        let account = |address: &Address| account_to_bech32(address, prefix);
        let sender = || sender.to_owned();
        Ok(match self {
            Self::Execute { contract, msg } => any(&MsgExecuteContract {
                sender: sender(),
                contract: contract.to_bech32(prefix),
                msg: msg.clone(),
                funds: Vec::new(),
            }),
            Self::BankSend { to, amount, denom } => {
                check_denom(denom)?;
                let amount = vec![Coin { denom: denom.clone(), amount: amount.to_string() }];
                any(&MsgSend { from_address: sender(), to_address: account(to), amount })
            }
            Self::GrantAllowance { grantee, limit, denom } => {
                check_denom(denom)?;
                any(&MsgGrantAllowance {
                    granter: sender(),
                    grantee: account(grantee),
                    allowance: Some(allowance::encode(limit, denom)?),
                })
            }
            Self::StoreCode { wasm, instantiate_by } => any(&MsgStoreCode {
                sender: sender(),
                wasm_byte_code: wasm.clone(),
                instantiate_permission: Some(AccessConfig {
                    permission: AccessType::AnyOfAddresses.into(),
                    addresses: instantiate_by.iter().map(account).collect(),
                }),
            }),
            Self::Instantiate { code_id, label, admin, msg } => {
                if label.is_empty() || label.len() > MAX_LABEL {
                    return Err(ChainError::invalid("label", format!("give 1 to {MAX_LABEL} bytes")));
                }
                any(&MsgInstantiateContract {
                    sender: sender(),
                    admin: admin.as_ref().map(account).unwrap_or_default(),
                    code_id: *code_id,
                    label: label.clone(),
                    msg: msg.clone(),
                    funds: Vec::new(),
                })
            }
            Self::Migrate { contract, code_id, msg } => any(&MsgMigrateContract {
                sender: sender(),
                contract: contract.to_bech32(prefix),
                code_id: *code_id,
                msg: msg.clone(),
            }),
            Self::Raw { type_url, value } => Any { type_url: type_url.clone(), value: value.clone() },
        })
    }
}
