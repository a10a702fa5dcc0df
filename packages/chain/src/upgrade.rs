//! Another code under registrar or ppr.
//!
//! Responsible for the code being the one its checksum names, and usable by the contract's admin
//! alone. Must never touch summary: what happened must stay what happened, so it has no admin, and
//! a new version of it is a new instance.

use casewise_ledger::{Hash, account::AccountKey, sha256};
use casewise_protocol::{ppr, registrar};
use cosmrs::proto::cosmwasm::wasm::v1::{
    AccessConfig, AccessType, MsgStoreCode, MsgUpdateAdmin, QueryCodesRequest, QueryCodesResponse,
    QueryPinnedCodesRequest, QueryPinnedCodesResponse,
};

use crate::{
    ChainError, ChainParams, Code, ContractAddress, Msg, Prefix, SubmitOptions, WasmdClient,
    address::account_to_bech32,
    deploy::{event_value, gzip},
    proto, submit_and_wait,
};

/// The contracts that can be upgraded.
pub const UPGRADABLE: [&str; 2] = ["registrar", "ppr"];

/// The newest code with this checksum that `admin` (bech32) may put under a contract.
pub async fn find_code(
    client: &WasmdClient,
    checksum: &Hash,
    admin: &str,
) -> Result<Option<Code>, ChainError> {
    let codes = proto::all(
        client,
        "/cosmwasm.wasm.v1.Query/Codes",
        |page| QueryCodesRequest { pagination: Some(page) },
        |answer: QueryCodesResponse| (answer.code_infos, answer.pagination),
    );
    let usable = |permission: &AccessConfig| permission.addresses.iter().any(|account| account == admin);
    let found = codes.await?.into_iter().filter(|code| {
        code.data_hash == checksum && code.instantiate_permission.as_ref().is_some_and(usable)
    });
    Ok(found.map(|code| code.code_id).max().map(|id| Code { id, checksum: *checksum }))
}

/// Stores a code that only `admin` (bech32) may use.
pub async fn store_code(
    client: &WasmdClient,
    key: &AccountKey,
    wasm: &[u8],
    admin: &str,
    params: &ChainParams,
    options: &SubmitOptions<'_>,
) -> Result<Code, ChainError> {
    let checksum = sha256(&[wasm]);
    let message = Msg::raw(&MsgStoreCode {
        sender: account_to_bech32(&key.address(), &params.prefix),
        wasm_byte_code: gzip(wasm).map_err(|e| ChainError::invalid("wasm", e))?,
        instantiate_permission: Some(AccessConfig {
            permission: AccessType::AnyOfAddresses.into(),
            addresses: vec![admin.to_owned()],
        }),
    });
    let included = submit_and_wait(client, key, vec![message], params, options).await?;
    if event_value(&included, "store_code", "code_checksum")? != hex::encode(checksum) {
        return Err(ChainError::malformed("the chain stored another code"));
    }
    let id = event_value(&included, "store_code", "code_id")?;
    let id = id.parse().map_err(|_| ChainError::malformed("a code id that is no number"))?;
    Ok(Code { id, checksum })
}

/// The message by which the admin of a contract (bech32) makes `new` (bech32) its admin.
pub fn update_admin(admin: &str, contract: &ContractAddress, new: &str, prefix: &Prefix) -> Msg {
    Msg::raw(&MsgUpdateAdmin {
        sender: admin.to_owned(),
        new_admin: new.to_owned(),
        contract: contract.to_bech32(prefix),
    })
}

/// The codes that the validators have pinned.
pub async fn pinned_codes(client: &WasmdClient) -> Result<Vec<u64>, ChainError> {
    proto::all(
        client,
        "/cosmwasm.wasm.v1.Query/PinnedCodes",
        |page| QueryPinnedCodesRequest { pagination: Some(page) },
        |answer: QueryPinnedCodesResponse| (answer.code_ids, answer.pagination),
    )
    .await
}

/// The message by which its admin puts a code under a contract of this name.
pub fn migrate(name: &str, contract: ContractAddress, code: &Code) -> Result<Msg, ChainError> {
    let msg = match name {
        "registrar" => serde_json::to_vec(&registrar::MigrateMsg { recovery_delay: None }),
        "ppr" => serde_json::to_vec(&ppr::MigrateMsg {}),
        _ => {
            let reason = format!("{name} has no admin: a new version of it is a new instance");
            return Err(ChainError::invalid("contract", reason));
        }
    };
    let msg = msg.map_err(|e| ChainError::invalid("message", e))?;
    Ok(Msg::Migrate { contract, code_id: code.id, msg })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_registrar_and_ppr_are_upgraded() {
        let code = Code { id: 7, checksum: [1; 32] };
        for name in UPGRADABLE {
            let msg = migrate(name, ContractAddress([2; 32]), &code).unwrap();
            assert!(matches!(msg, Msg::Migrate { code_id: 7, .. }), "{name}");
        }
        let error = migrate("summary", ContractAddress([2; 32]), &code).unwrap_err();
        assert!(error.to_string().contains("new instance"), "{error}");
    }
}
