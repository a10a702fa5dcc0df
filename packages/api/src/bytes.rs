//! Bytes inside JSON: hexadecimal, base64, and Borsh objects in base64.
//!
//! One text for one value: upper-case hex, unpadded or non-canonical base64 and non-canonical
//! Borsh are refused.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use casewise_ledger as ledger;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::ApiError;

/// `N` bytes as lower-case hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hex<const N: usize>(pub [u8; N]);

impl<const N: usize> fmt::Display for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl<const N: usize> fmt::Debug for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<const N: usize> FromStr for Hex<N> {
    type Err = ApiError;
    fn from_str(text: &str) -> Result<Self, ApiError> {
        let mut out = [0; N];
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(ApiError::Hex(N));
        }
        hex::decode_to_slice(text, &mut out).map_err(|_| ApiError::Hex(N))?;
        Ok(Self(out))
    }
}

impl<const N: usize> From<[u8; N]> for Hex<N> {
    fn from(bytes: [u8; N]) -> Self {
        Self(bytes)
    }
}

impl<const N: usize> Serialize for Hex<N> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Hex<N> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}

/// Bytes as standard, padded base64.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Base64(pub Vec<u8>);

impl Base64 {
    /// The bytes as an array of a fixed length, such as an X-Wing key of 1,216.
    pub fn to_array<const N: usize>(&self) -> Result<[u8; N], ApiError> {
        self.0.as_slice().try_into().map_err(|_| ApiError::Base64)
    }
}

impl fmt::Debug for Base64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Base64({} bytes)", self.0.len())
    }
}

impl From<Vec<u8>> for Base64 {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        STANDARD.decode(text).map(Self).map_err(|_| de::Error::custom(ApiError::Base64))
    }
}

/// An object of `casewise-ledger`, in JSON as base64 of its Borsh bytes. Taking one in decodes it
/// whole: malformed, trailing and non-canonical bytes are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed<T>(pub T);

impl<T> Packed<T> {
    /// The object.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Packed<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> From<T> for Packed<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T: borsh::BorshSerialize> fmt::Display for Packed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(ledger::encode(&self.0)))
    }
}

impl<T: borsh::BorshSerialize + borsh::BorshDeserialize> FromStr for Packed<T> {
    type Err = ApiError;
    fn from_str(text: &str) -> Result<Self, ApiError> {
        let bytes = STANDARD.decode(text).map_err(|_| ApiError::Base64)?;
        let value: T = ledger::decode(&bytes).map_err(|_| ApiError::Packed)?;
        if ledger::encode(&value) == bytes { Ok(Self(value)) } else { Err(ApiError::Packed) }
    }
}

impl<T: borsh::BorshSerialize> Serialize for Packed<T> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de, T: borsh::BorshSerialize + borsh::BorshDeserialize> Deserialize<'de> for Packed<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}
