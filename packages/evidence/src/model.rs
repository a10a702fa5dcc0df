//! The evidence file and the trust anchor as JSON.
//!
//! A file has one spelling: fields in alphabetical order, no white space, lower-case hex, padded
//! base64, integers over 32 bits as decimal strings, no field that is null. So every changed byte
//! is refused, also where it would not change the meaning.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::limits::MAX_FILE;
use crate::reason::{ReasonCode, Refusal, require};

/// Version of the format.
pub(crate) const VERSION: u32 = 1;

/// An evidence file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// The registrar's record of the author, at the height of `state`.
    pub author: StateProof,
    /// The block an entry names as its beacon: `SignedHeader`, protobuf.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "option_base64")]
    pub beacon_header: Option<Vec<u8>>,
    /// The chain.
    pub chain_id: String,
    /// SHA-256 of the wasm of `contract`.
    #[serde(with = "hex::serde")]
    pub code_checksum: [u8; 32],
    /// The summary instance that holds the lane's record.
    #[serde(with = "hex::serde")]
    pub contract: [u8; 32],
    /// The entries, in ascending order of index.
    pub entries: Vec<Entry>,
    /// The header of height H + 1 with its signatures: `SignedHeader`, protobuf.
    #[serde(with = "base64_bytes")]
    pub header: Vec<u8>,
    /// For each entry its inclusion proof.
    pub inclusion: Vec<Inclusion>,
    /// The lane's header, Borsh.
    #[serde(with = "base64_bytes")]
    pub lane_header: Vec<u8>,
    /// The headers at which the validators changed, from the trust anchor on.
    pub links: Vec<Link>,
    /// The lane's record at height H.
    pub state: StateProof,
    /// The format's version, 1.
    pub v: u32,
    /// The validators of `header`: `ValidatorSet`, protobuf.
    #[serde(with = "base64_bytes")]
    pub validators: Vec<u8>,
}

/// An entry, with or without its key and body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The sealed body.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "option_base64")]
    pub body: Option<Vec<u8>>,
    /// Its length, bytes.
    #[serde(with = "decimal")]
    pub body_length: u64,
    /// Its SHA-256.
    #[serde(with = "hex::serde")]
    pub body_sha256: [u8; 32],
    /// Commitment to the sealing key.
    #[serde(with = "hex::serde")]
    pub commitment: [u8; 32],
    /// The entry's header, Borsh.
    #[serde(with = "base64_bytes")]
    pub header: Vec<u8>,
    /// The key of this one entry, if its content is to be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one_time_key: Option<DisclosedKey>,
}

/// The one-time key of an entry whose content is disclosed with the evidence. Not shown by `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DisclosedKey(#[serde(with = "secret_hex")] pub Zeroizing<[u8; 32]>);

impl fmt::Debug for DisclosedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DisclosedKey(..)")
    }
}

/// Where an entry stands in the lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inclusion {
    /// Its index.
    pub index: u32,
    /// The hashes of the proof, joined.
    #[serde(with = "base64_bytes")]
    pub path: Vec<u8>,
    /// Size of the tree: that of the proven head.
    pub size: u32,
}

/// A header at which the validators changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// `SignedHeader`, protobuf.
    #[serde(with = "base64_bytes")]
    pub header: Vec<u8>,
    /// The validators that signed it: `ValidatorSet`, protobuf.
    #[serde(with = "base64_bytes")]
    pub validators: Vec<u8>,
}

/// A record of a contract with its proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateProof {
    /// Height of the state.
    #[serde(with = "decimal")]
    pub height: u64,
    /// ICS23 `CommitmentProof` of key and value under the store's root, protobuf.
    #[serde(with = "base64_bytes")]
    pub iavl: Vec<u8>,
    /// Key in the store `wasm`.
    #[serde(with = "base64_bytes")]
    pub key: Vec<u8>,
    /// ICS23 `CommitmentProof` of the store's root under the app hash, protobuf.
    #[serde(with = "base64_bytes")]
    pub store: Vec<u8>,
    /// The record, Borsh.
    #[serde(with = "base64_bytes")]
    pub value: Vec<u8>,
}

impl Evidence {
    /// Version of files written here.
    pub const VERSION: u32 = VERSION;

    /// Reads a file. Refuses unknown, missing and repeated fields, and every spelling but one.
    pub fn from_json(file: &[u8]) -> Result<Self, Refusal> {
        require(file.len() <= MAX_FILE, ReasonCode::TooLarge, || {
            format!("the file has {} bytes, at most {MAX_FILE} are read", file.len())
        })?;
        let evidence: Self = serde_json::from_slice(file)
            .map_err(|error| Refusal::new(ReasonCode::Format, format!("not an evidence file: {error}")))?;
        require(evidence.to_json() == file, ReasonCode::Format, || {
            "the file is not in its canonical spelling".into()
        })?;
        Ok(evidence)
    }

    /// The file's bytes.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("writing JSON into memory")
    }
}

/// What a verifier trusts before it sees any file. Taken from a source of the verifier's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustAnchor {
    /// The chain.
    pub chain_id: String,
    /// Height of a header that is trusted.
    #[serde(with = "decimal")]
    pub height: u64,
    /// That header's hash.
    #[serde(with = "hex::serde")]
    pub header_hash: [u8; 32],
    /// Hash of the validators that signed it.
    #[serde(with = "hex::serde")]
    pub validators_hash: [u8; 32],
    /// Address of the registrar.
    #[serde(with = "hex::serde")]
    pub registrar: [u8; 32],
    /// The instances of summary: a new version is a new instance, old lanes stay in the old one.
    pub summary: Vec<Summary>,
}

/// An instance of the contract summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// Its address.
    #[serde(with = "hex::serde")]
    pub address: [u8; 32],
    /// SHA-256 of its wasm. It has no admin, so its code stays the same.
    #[serde(with = "hex::serde")]
    pub code_checksum: [u8; 32],
}

/// Bytes as padded base64.
mod base64_bytes {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub fn serialize<S: Serializer>(bytes: &[u8], s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&STANDARD.encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(d)?;
        STANDARD.decode(text).map_err(|_| de::Error::custom("expected padded base64"))
    }
}

/// The same for a field that may be left out, but not be null.
mod option_base64 {
    use serde::{Deserializer, Serializer};

    pub fn serialize<S: Serializer>(bytes: &Option<Vec<u8>>, s: S) -> Result<S::Ok, S::Error> {
        super::base64_bytes::serialize(bytes.as_deref().unwrap_or_default(), s)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Vec<u8>>, D::Error> {
        super::base64_bytes::deserialize(d).map(Some)
    }
}

/// An integer over 32 bits as a decimal string without leading zeros.
mod decimal {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub fn serialize<S: Serializer>(number: &u64, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(number)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
        let text = String::deserialize(d)?;
        let number = text.parse::<u64>().ok().filter(|number| number.to_string() == text);
        number.ok_or_else(|| de::Error::custom("expected an integer as a decimal string"))
    }
}

/// 32 secret bytes as hex.
mod secret_hex {
    use serde::{Deserialize, Deserializer, Serializer, de};
    use zeroize::Zeroizing;

    pub fn serialize<S: Serializer>(key: &Zeroizing<[u8; 32]>, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&Zeroizing::new(hex::encode(key.as_slice())))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Zeroizing<[u8; 32]>, D::Error> {
        let text = Zeroizing::new(String::deserialize(d)?);
        let mut key = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.as_bytes(), key.as_mut_slice())
            .map_err(|_| de::Error::custom("expected 32 bytes of hexadecimal"))?;
        Ok(key)
    }
}
