//! Identifiers: 32-byte ids, 20-byte accounts, parties.

use alloc::string::String;
use borsh::{BorshDeserialize, BorshSerialize, io};
use core::{fmt, str::FromStr};

use crate::LedgerError;

/// A SHA-256 hash.
pub type Hash = [u8; 32];

macro_rules! bytes_id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, BorshSerialize, BorshDeserialize)]
        pub struct $name(pub [u8; $len]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                for byte in self.0 {
                    write!(f, "{byte:02x}")?;
                }
                Ok(())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = LedgerError;
            /// Takes lower-case hexadecimal only.
            fn from_str(text: &str) -> Result<Self, LedgerError> {
                let error = LedgerError::Hex { expected: $len };
                if text.bytes().any(|b| b.is_ascii_uppercase()) {
                    return Err(error);
                }
                let mut out = [0u8; $len];
                hex::decode_to_slice(text, &mut out).map_err(|_| error)?;
                Ok(Self(out))
            }
        }

        impl From<[u8; $len]> for $name {
            fn from(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = LedgerError;
            fn try_from(bytes: &[u8]) -> Result<Self, LedgerError> {
                bytes.try_into().map(Self).map_err(|_| LedgerError::Hex { expected: $len })
            }
        }

        impl $name {
            /// Lower-case hexadecimal.
            pub fn to_hex(&self) -> String {
                hex::encode(self.0)
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        #[cfg(feature = "serde")]
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

bytes_id!(
    /// A case: `H("casewise/case/v1" ‖ borsh(CaseCard))`. Never changes.
    CaseId, 32
);
bytes_id!(
    /// A lane: `H("casewise/lane/v1" ‖ borsh(LaneHeader))`.
    LaneId, 32
);
bytes_id!(
    /// A grant's id: the commitment to its [`Opening`](crate::Opening).
    Commitment, 32
);
bytes_id!(
    /// An account: `RIPEMD-160(SHA-256(compressed secp256k1 key))`.
    Address, 20
);

#[cfg(feature = "address")]
impl Address {
    /// The account of a compressed secp256k1 key. The bytes are not checked to be a point.
    pub fn of_key(key: &[u8; 33]) -> Self {
        use ripemd::digest::Digest as _;
        Self(ripemd::Ripemd160::digest(crate::sha256(&[key])).into())
    }
}

/// Who writes, serves or reads: an institution by its registrar number, or an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Party {
    /// Number at the registrar.
    Institution(u32),
    /// A virtual identity, delegate or device account.
    Account(Address),
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Institution(number) => write!(f, "institution {number}"),
            Self::Account(account) => write!(f, "account {account}"),
        }
    }
}

/// The version byte of a struct: 1; decoding refuses any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct V1;

impl BorshSerialize for V1 {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(&[1])
    }
}

impl BorshDeserialize for V1 {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        match u8::deserialize_reader(reader)? {
            1 => Ok(Self),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "version")),
        }
    }
}
