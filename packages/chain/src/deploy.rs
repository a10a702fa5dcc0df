//! Deploys the three contracts.
//!
//! Responsible for a network whose codes only the operator instantiates, whose summary nobody can
//! migrate, and for the manifest that describes it. Must never deploy wasm that is not the one
//! `checksums.txt` names.

use std::{
    fs,
    io::{Read, Write},
    path::Path,
};

use casewise_ledger::{Hash, account::AccountKey, sha256};
use casewise_protocol::{ppr, registrar, summary};
use cosmrs::proto::cosmwasm::wasm::v1::MsgInstantiateContract;
use flate2::{Compression, write::GzEncoder};
use serde::Serialize;
use tendermint_proto::{Protobuf, v0_38::types::SignedHeader as RawSignedHeader};

use crate::{
    Chain, ChainError, ChainExt, ChainParams, Code, Codes, ContractAddress, Contracts, Included, Manifest,
    Msg, SubmitOptions, Trust, account_to_bech32, submit_and_wait,
};

/// Largest wasm read, bytes; ours stay below 500 kB.
pub const MAX_WASM: u64 = 2 << 20;

/// The names of the contracts, in the order of their deployment.
pub const CONTRACTS: [&str; 3] = ["registrar", "ppr", "summary"];

/// How to deploy.
pub struct DeployOptions<'a> {
    /// RPC URLs for the manifest.
    pub endpoints: Vec<String>,
    /// The consortium's account, bech32 (it can be a group's): authority of the registrar and admin
    /// of registrar and ppr. `None` = the operator, and then the contracts are connected too;
    /// another's must be, with [`connection`].
    pub authority: Option<String>,
    /// How long a recovery waits, seconds; `None` = the contract's default. For networks made for
    /// tests.
    pub recovery_delay: Option<u32>,
    /// What an earlier deployment made; what is still right of it is kept.
    pub previous: Option<Manifest>,
    /// How to send each transaction.
    pub submit: SubmitOptions<'a>,
    /// Told before each step.
    pub progress: Option<&'a (dyn Fn(DeployStep) + Send + Sync)>,
}

/// A step of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeployStep {
    /// A code is stored.
    Store(&'static str),
    /// The chain has the code already.
    Keep(&'static str),
    /// An instance is made.
    Instantiate(&'static str),
    /// registrar is told of ppr, and ppr of summary.
    Connect,
    /// A header to trust is read.
    Anchor,
}

/// Stores, instantiates and connects the contracts of `artifacts` (`casewise_*.wasm` and
/// `checksums.txt`) with the operator's `key`, and describes the result.
///
/// A second run with the first one's manifest as `previous` and the same artifacts changes nothing
/// on the chain.
pub async fn deploy(
    chain: &dyn Chain,
    key: &AccountKey,
    params: &ChainParams,
    artifacts: &Path,
    options: &DeployOptions<'_>,
) -> Result<Manifest, ChainError> {
    let deployment = Deployment { chain, key, params, options };
    let mut codes = [Code { id: 0, checksum: [0; 32] }; 3];
    let mut all_kept = true;
    for (name, code) in CONTRACTS.into_iter().zip(&mut codes) {
        let wasm = read_wasm(artifacts, name)?;
        let kept = deployment.kept_code(name, &sha256(&[&wasm])).await?;
        all_kept &= kept.is_some();
        *code = match kept {
            Some(code) => {
                deployment.tell(DeployStep::Keep(name));
                code
            }
            None => deployment.store(name, &wasm).await?,
        };
    }
    let [registrar, ppr, summary] = codes;
    let codes = Codes { registrar, ppr, summary };
    let kept = if all_kept { deployment.kept_contracts(&codes).await? } else { None };
    let contracts = match kept {
        Some(contracts) => contracts,
        None => deployment.instantiate_all(&codes).await?,
    };
    deployment.tell(DeployStep::Anchor);
    let height = chain.tip().await?.height;
    let trust = trust_anchor(chain, height.saturating_sub(1).max(1)).await?;
    Ok(Manifest { params: params.clone(), endpoints: options.endpoints.clone(), codes, contracts, trust })
}

/// The header of a height as a trust anchor. Believes the node: only for a chain one runs oneself.
pub async fn trust_anchor(chain: &dyn Chain, height: u64) -> Result<Trust, ChainError> {
    let bytes = chain.signed_header(height).await?;
    let signed =
        <tendermint::block::signed_header::SignedHeader as Protobuf<RawSignedHeader>>::decode_vec(&bytes)
            .map_err(ChainError::malformed)?;
    let hash = |hash: tendermint::Hash, what: &str| -> Result<Hash, ChainError> {
        hash.as_bytes().try_into().map_err(|_| ChainError::malformed(format!("a header without {what}")))
    };
    let header_hash = hash(signed.header.hash(), "hash")?;
    if hash(signed.commit.block_id.hash, "commit")? != header_hash {
        return Err(ChainError::malformed("a commit of another header"));
    }
    Ok(Trust { height, header_hash, validators_hash: hash(signed.header.validators_hash, "validators")? })
}

/// What the authority must still send so that the contracts know each other; empty: nothing.
pub async fn connection(chain: &dyn Chain, contracts: &Contracts) -> Result<Vec<Msg>, ChainError> {
    let text = |contract: &ContractAddress| contract.to_bech32(chain.prefix());
    let (summary, ppr) = (text(&contracts.summary), text(&contracts.ppr));
    let mut messages = Vec::new();
    let config: ppr::ConfigResponse = chain.query(&contracts.ppr, &ppr::QueryMsg::Config {}, None).await?;
    if config.summary.as_ref() != Some(&summary) {
        messages.push(Msg::execute(contracts.ppr, &ppr::ExecuteMsg::SetSummary { summary })?);
    }
    let config: registrar::ConfigResponse =
        chain.query(&contracts.registrar, &registrar::QueryMsg::Config {}, None).await?;
    if config.ppr.as_ref() != Some(&ppr) {
        messages.push(Msg::execute(contracts.registrar, &registrar::ExecuteMsg::SetPpr { ppr })?);
    }
    Ok(messages)
}

struct Deployment<'a> {
    chain: &'a dyn Chain,
    key: &'a AccountKey,
    params: &'a ChainParams,
    options: &'a DeployOptions<'a>,
}

impl Deployment<'_> {
    fn tell(&self, step: DeployStep) {
        if let Some(progress) = self.options.progress {
            progress(step);
        }
    }

    async fn send(&self, msgs: Vec<Msg>) -> Result<Included, ChainError> {
        submit_and_wait(self.chain, self.key, msgs, self.params, &self.options.submit).await
    }

    /// The code of the previous manifest, if the chain has it with this checksum from this operator.
    async fn kept_code(&self, name: &str, checksum: &Hash) -> Result<Option<Code>, ChainError> {
        let Some(previous) = self.previous() else { return Ok(None) };
        let code = match name {
            "registrar" => previous.codes.registrar,
            "ppr" => previous.codes.ppr,
            _ => previous.codes.summary,
        };
        let on_chain = self.chain.code(code.id).await?;
        let same = on_chain.is_some_and(|c| c.checksum == *checksum && c.creator == self.key.address());
        Ok((same && code.checksum == *checksum).then_some(code))
    }

    /// The previous contracts, if the chain still has all of them with these codes.
    async fn kept_contracts(&self, codes: &Codes) -> Result<Option<Contracts>, ChainError> {
        let Some(previous) = self.previous() else { return Ok(None) };
        let contracts = previous.contracts;
        let pairs = [
            (contracts.registrar, codes.registrar),
            (contracts.ppr, codes.ppr),
            (contracts.summary, codes.summary),
        ];
        for (address, code) in pairs {
            if self.chain.contract(&address).await?.is_none_or(|info| info.code_id != code.id) {
                return Ok(None);
            }
        }
        Ok(Some(contracts))
    }

    fn previous(&self) -> Option<&Manifest> {
        self.options.previous.as_ref().filter(|previous| previous.params.chain_id == self.params.chain_id)
    }

    async fn store(&self, name: &'static str, wasm: &[u8]) -> Result<Code, ChainError> {
        self.tell(DeployStep::Store(name));
        let checksum = sha256(&[wasm]);
        let wasm = gzip(wasm).map_err(|e| ChainError::invalid("wasm", e))?;
        let included =
            self.send(vec![Msg::StoreCode { wasm, instantiate_by: vec![self.key.address()] }]).await?;
        if event_value(&included, "store_code", "code_checksum")? != hex::encode(checksum) {
            return Err(ChainError::malformed("the chain stored another code"));
        }
        let id = event_value(&included, "store_code", "code_id")?;
        let id = id.parse().map_err(|_| ChainError::malformed("a code id that is no number"))?;
        Ok(Code { id, checksum })
    }

    async fn instantiate_all(&self, codes: &Codes) -> Result<Contracts, ChainError> {
        let authority = self.authority();
        let registrar_msg =
            registrar::InstantiateMsg { authority, recovery_delay: self.options.recovery_delay };
        let registrar = self.instantiate("registrar", &codes.registrar, &registrar_msg).await?;
        let text = |contract: &ContractAddress| contract.to_bech32(&self.params.prefix);
        let ppr_msg = ppr::InstantiateMsg { registrar: text(&registrar) };
        let ppr = self.instantiate("ppr", &codes.ppr, &ppr_msg).await?;
        let summary_msg = summary::InstantiateMsg { registrar: text(&registrar), ppr: text(&ppr) };
        let summary = self.instantiate("summary", &codes.summary, &summary_msg).await?;
        self.tell(DeployStep::Connect);
        let contracts = Contracts { registrar, ppr, summary };
        // Only the authority may.
        if self.options.authority.is_none() {
            let messages = connection(self.chain, &contracts).await?;
            submit_and_wait(self.chain, self.key, messages, self.params, &self.options.submit).await?;
        }
        Ok(contracts)
    }

    fn authority(&self) -> String {
        let operator = || account_to_bech32(&self.key.address(), &self.params.prefix);
        self.options.authority.clone().unwrap_or_else(operator)
    }

    async fn instantiate<T: Serialize>(
        &self,
        name: &'static str,
        code: &Code,
        msg: &T,
    ) -> Result<ContractAddress, ChainError> {
        self.tell(DeployStep::Instantiate(name));
        let msg = serde_json::to_vec(msg).map_err(|e| ChainError::invalid("message", e))?;
        // What happened must stay what happened: summary has no admin.
        let admin = if name == "summary" { String::new() } else { self.authority() };
        let message = Msg::raw(&MsgInstantiateContract {
            sender: account_to_bech32(&self.key.address(), &self.params.prefix),
            admin,
            code_id: code.id,
            label: format!("casewise {name}"),
            msg,
            funds: Vec::new(),
        });
        let included = self.send(vec![message]).await?;
        let address = event_value(&included, "instantiate", "_contract_address")?;
        ContractAddress::from_bech32(address, &self.params.prefix)
    }
}

pub(crate) fn event_value<'a>(included: &'a Included, kind: &str, key: &str) -> Result<&'a str, ChainError> {
    let event = included.tx.events.iter().find(|event| event.kind == kind);
    event
        .and_then(|event| event.attribute(key))
        .ok_or_else(|| ChainError::malformed(format!("no event {kind} with {key}")))
}

/// The wasm of a contract, if it is the one `checksums.txt` names.
pub fn read_wasm(artifacts: &Path, name: &str) -> Result<Vec<u8>, ChainError> {
    let file = format!("casewise_{name}.wasm");
    let wrong = |why: String| {
        ChainError::invalid(
            "artifacts",
            format!("{}: {why}; build them with scripts/contracts", artifacts.display()),
        )
    };
    let sums = artifacts.join("checksums.txt");
    let sums = fs::read_to_string(sums).map_err(|e| wrong(format!("checksums.txt: {e}")))?;
    let named = sums.lines().filter_map(|line| line.split_once(char::is_whitespace));
    let named = named.map(|(sum, file)| (sum, file.trim_start_matches([' ', '*'])));
    let mut named = named.filter(|(_, f)| *f == file);
    let (Some((expected, _)), None) = (named.next(), named.next()) else {
        return Err(wrong(format!("checksums.txt does not name {file} exactly once")));
    };
    let reader = fs::File::open(artifacts.join(&file)).map_err(|e| wrong(format!("{file}: {e}")))?;
    let mut wasm = Vec::new();
    reader.take(MAX_WASM + 1).read_to_end(&mut wasm).map_err(|e| wrong(format!("{file}: {e}")))?;
    if wasm.len() as u64 > MAX_WASM {
        return Err(wrong(format!("{file} has more than {MAX_WASM} bytes")));
    }
    if hex::encode(sha256(&[&wasm])) != expected {
        return Err(wrong(format!("{file} is not the file checksums.txt names")));
    }
    Ok(wasm)
}

pub(crate) fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifacts(wasm: &[u8], sums: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("casewise_ppr.wasm"), wasm).unwrap();
        fs::write(dir.path().join("checksums.txt"), sums).unwrap();
        dir
    }

    #[test]
    fn only_the_wasm_that_the_checksums_name() {
        let sum = hex::encode(sha256(&[b"wasm"]));
        let line = format!("{sum}  casewise_ppr.wasm\n");
        for sums in [line.clone(), format!("00  other.wasm\n{sum} *casewise_ppr.wasm")] {
            assert_eq!(read_wasm(artifacts(b"wasm", &sums).path(), "ppr").unwrap(), b"wasm");
        }
        let twice = line.repeat(2);
        let none = line.replace("ppr", "other");
        for (wasm, sums) in
            [(b"wasM".as_slice(), line.as_str()), (b"wasm", &twice), (b"wasm", &none), (b"wasm", "")]
        {
            let error = read_wasm(artifacts(wasm, sums).path(), "ppr").unwrap_err().to_string();
            assert!(error.contains("scripts/contracts"), "{error}");
        }
        assert!(read_wasm(artifacts(b"wasm", &line).path(), "summary").is_err());
        assert!(read_wasm(Path::new("/nonexistent"), "ppr").is_err());
    }

    #[test]
    fn the_largest_wasm_and_one_byte_more() {
        for (size, good) in [(MAX_WASM, true), (MAX_WASM + 1, false)] {
            let wasm = vec![0; size as usize];
            let line = format!("{}  casewise_ppr.wasm", hex::encode(sha256(&[&wasm])));
            assert_eq!(read_wasm(artifacts(&wasm, &line).path(), "ppr").is_ok(), good, "{size}");
        }
    }

    #[test]
    fn compressed_wasm_is_the_same_wasm_and_the_same_bytes_each_time() {
        let wasm = b"\0asm".repeat(1000);
        let packed = gzip(&wasm).unwrap();
        assert!(packed.len() < wasm.len() / 10);
        assert_eq!(packed, gzip(&wasm).unwrap());
        let mut back = Vec::new();
        flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut back).unwrap();
        assert_eq!(back, wasm);
    }
}
