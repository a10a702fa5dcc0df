//! The manifest: what a network is, in one JSON file that agents, command line and tests read.
//!
//! Responsible for checking that its parts fit together. Must never hold a secret.

use std::{fs, io, path::Path};

use casewise_ledger::{Hash, case};
use serde::{Deserialize, Serialize};

use crate::{
    ChainError, ChainParams, ContractAddress, Contracts, GasPrice, Prefix, WasmdClient, gas::check_denom,
    wasmd::check_endpoints,
};

/// Largest manifest read, bytes.
pub const MAX_MANIFEST: u64 = 64 << 10;

/// A network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "File", into = "File")]
pub struct Manifest {
    /// Chain id, prefix and gas price.
    pub params: ChainParams,
    /// RPC URLs of its nodes.
    pub endpoints: Vec<String>,
    /// The stored codes.
    pub codes: Codes,
    /// The instances.
    pub contracts: Contracts,
    /// Where a verifier begins to trust. Whoever relies on evidence takes it from a source of
    /// their own.
    pub trust: Trust,
}

/// The codes of the three contracts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Codes {
    /// registrar.
    pub registrar: Code,
    /// ppr.
    pub ppr: Code,
    /// summary.
    pub summary: Code,
}

/// A stored code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Code {
    /// Its number on this chain.
    pub id: u64,
    /// SHA-256 of the wasm.
    #[serde(with = "hex::serde")]
    pub checksum: Hash,
}

/// A header that is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trust {
    /// Its height.
    pub height: u64,
    /// Its hash.
    #[serde(with = "hex::serde")]
    pub header_hash: Hash,
    /// Hash of the validators that signed it.
    #[serde(with = "hex::serde")]
    pub validators_hash: Hash,
}

/// The file as it is written.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    chain_id: String,
    #[serde(with = "hex::serde")]
    net: Hash,
    endpoints: Vec<String>,
    prefix: String,
    denom: String,
    gas_price: String,
    codes: Codes,
    contracts: Addresses,
    trust: Trust,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Addresses {
    registrar: String,
    ppr: String,
    summary: String,
}

impl TryFrom<File> for Manifest {
    type Error = ChainError;

    fn try_from(file: File) -> Result<Self, ChainError> {
        let prefix: Prefix = file.prefix.parse()?;
        let gas_price: GasPrice = file.gas_price.parse()?;
        check_denom(&file.denom)?;
        if gas_price.denom() != file.denom {
            let reason = format!("in {}, but denom is {}; fees have one coin", gas_price.denom(), file.denom);
            return Err(ChainError::invalid("gas_price", reason));
        }
        let contract = |text: &str| ContractAddress::from_bech32(text, &prefix);
        let contracts = Contracts {
            registrar: contract(&file.contracts.registrar)?,
            ppr: contract(&file.contracts.ppr)?,
            summary: contract(&file.contracts.summary)?,
        };
        if case::net(&file.chain_id, &contracts.registrar.0) != file.net {
            return Err(ChainError::invalid(
                "net",
                "is not the id of this chain_id and registrar; take the file anew",
            ));
        }
        if file.trust.height == 0 {
            return Err(ChainError::invalid("trust", "height 0 has no header"));
        }
        check_endpoints(&file.endpoints, &file.chain_id)?;
        let params = ChainParams { chain_id: file.chain_id, prefix, gas_price };
        Ok(Self { params, endpoints: file.endpoints, codes: file.codes, contracts, trust: file.trust })
    }
}

impl From<Manifest> for File {
    fn from(manifest: Manifest) -> Self {
        let net = manifest.net();
        let ChainParams { chain_id, prefix, gas_price } = manifest.params;
        let Contracts { registrar, ppr, summary } = manifest.contracts;
        Self {
            net,
            contracts: Addresses {
                registrar: registrar.to_bech32(&prefix),
                ppr: ppr.to_bech32(&prefix),
                summary: summary.to_bech32(&prefix),
            },
            chain_id,
            endpoints: manifest.endpoints,
            prefix: prefix.to_string(),
            denom: gas_price.denom().to_owned(),
            gas_price: gas_price.to_string(),
            codes: manifest.codes,
            trust: manifest.trust,
        }
    }
}

impl Manifest {
    /// From a JSON file. Unknown fields are refused, and parts that do not fit together.
    pub fn load(path: &Path) -> Result<Self, ChainError> {
        let wrong = |why: String| ChainError::invalid("manifest", format!("{}: {why}", path.display()));
        let size = fs::metadata(path).map_err(|e| wrong(e.to_string()))?.len();
        if size > MAX_MANIFEST {
            return Err(wrong(format!("{size} bytes, at most {MAX_MANIFEST} are read")));
        }
        let text = fs::read(path).map_err(|e| wrong(e.to_string()))?;
        serde_json::from_slice(&text).map_err(|e| wrong(e.to_string()))
    }

    /// To a JSON file, replaced at once: a reader sees the old or the new one.
    pub fn save(&self, path: &Path) -> Result<(), ChainError> {
        let wrong = |e: io::Error| ChainError::invalid("manifest", format!("{}: {e}", path.display()));
        let mut text = serde_json::to_vec_pretty(self).map_err(|e| ChainError::invalid("manifest", e))?;
        text.push(b'\n');
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".new");
        fs::write(&temporary, text).map_err(wrong)?;
        fs::rename(&temporary, path).map_err(wrong)
    }

    /// The network's id, which every case card names.
    pub fn net(&self) -> Hash {
        case::net(&self.params.chain_id, &self.contracts.registrar.0)
    }

    /// A client of its nodes.
    pub fn client(&self) -> Result<WasmdClient, ChainError> {
        WasmdClient::new(&self.endpoints, &self.params.chain_id, self.params.prefix.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn manifest() -> Manifest {
        let code = |id| Code { id, checksum: [id as u8; 32] };
        Manifest {
            params: ChainParams {
                chain_id: "casewise-1".to_owned(),
                prefix: Prefix::default(),
                gas_price: "0.001stake".parse().unwrap(),
            },
            endpoints: vec!["http://127.0.0.1:26657".to_owned()],
            codes: Codes { registrar: code(1), ppr: code(2), summary: code(3) },
            contracts: Contracts {
                registrar: ContractAddress([1; 32]),
                ppr: ContractAddress([2; 32]),
                summary: ContractAddress([3; 32]),
            },
            trust: Trust { height: 9, header_hash: [4; 32], validators_hash: [5; 32] },
        }
    }

    #[test]
    fn a_file_and_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("manifest.json");
        manifest().save(&path).unwrap();
        assert_eq!(Manifest::load(&path).unwrap(), manifest());
        let json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(json["denom"], "stake");
        assert_eq!(json["codes"]["ppr"]["checksum"], "02".repeat(32));
        assert_eq!(json["net"], hex::encode(manifest().net()));
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        let good = serde_json::to_value(manifest()).unwrap();
        serde_json::from_value::<Manifest>(good.clone()).unwrap();
        let contract = good["contracts"]["ppr"].clone();
        for (pointer, value, field) in [
            ("/net", json!("00".repeat(32)), "net"),
            ("/chain_id", json!("casewise-2"), "net"),
            ("/contracts/registrar", contract, "net"),
            ("/contracts/summary", json!("wasm1abc"), "contract address"),
            ("/prefix", json!("Wasm"), "prefix"),
            ("/gas_price", json!("0.001other"), "gas_price"),
            ("/gas_price", json!("free"), "gas_price"),
            ("/denom", json!("x"), "denom"),
            ("/endpoints", json!([]), "endpoints"),
            ("/endpoints", json!(["http://example.org:26657"]), "endpoints"),
            ("/endpoints", json!(["ftp://127.0.0.1"]), "endpoints"),
            ("/trust/height", json!(0), "trust"),
            ("/trust/header_hash", json!("00"), "length"),
        ] {
            let mut bad = good.clone();
            *bad.pointer_mut(pointer).unwrap() = value;
            let error = serde_json::from_value::<Manifest>(bad).unwrap_err().to_string();
            assert!(error.contains(field), "{pointer}: {error}");
        }
        for parent in ["", "/codes", "/codes/ppr", "/contracts", "/trust"] {
            let mut bad = good.clone();
            bad.pointer_mut(parent).unwrap()["extra"] = json!(1);
            let error = serde_json::from_value::<Manifest>(bad).unwrap_err().to_string();
            assert!(error.contains("unknown field `extra`"), "{parent}: {error}");
        }
    }

    #[test]
    fn a_file_is_read_up_to_the_limit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("manifest.json");
        manifest().save(&path).unwrap();
        let mut text = fs::read(&path).unwrap();
        text.resize(MAX_MANIFEST as usize, b' ');
        fs::write(&path, &text).unwrap();
        Manifest::load(&path).unwrap();
        text.push(b' ');
        fs::write(&path, &text).unwrap();
        assert!(Manifest::load(&path).unwrap_err().to_string().contains("at most"));
        assert!(Manifest::load(&dir.path().join("none")).unwrap_err().to_string().contains("none"));
    }
}
