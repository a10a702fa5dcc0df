//! The plaintext of an entry: media type and content, or the typed content of the other kinds.

use alloc::{boxed::Box, string::String, vec::Vec};

use crate::{EntryRef, Kind, LaneId, LedgerError, Receipt, decode, encode};

/// Longest media type, bytes.
pub const MAX_MEDIA_TYPE: usize = 255;

/// What stands in an entry, by kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// Kinds 0, 3 and 5.
    Content {
        /// Lower-case ASCII `type/subtype`, parameters allowed.
        media_type: String,
        /// The bytes.
        content: Vec<u8>,
    },
    /// Kind 1.
    Access(Box<Receipt>),
    /// Kind 2.
    Beat,
    /// Kind 4.
    Erasure(Vec<EntryRef>),
    /// Kind 6: the lane that goes on from this one.
    Close(Option<LaneId>),
}

impl Data {
    /// The bytes that are sealed.
    pub fn encode(&self) -> Result<Vec<u8>, LedgerError> {
        let (media_type, content): (&str, Vec<u8>) = match self {
            Self::Content { media_type, content } => return join(media_type, content),
            Self::Access(receipt) => ("", encode(&**receipt)),
            Self::Beat => ("", Vec::new()),
            Self::Erasure(entries) => ("", encode(entries)),
            Self::Close(successor) => ("", encode(successor)),
        };
        let mut out = Vec::with_capacity(1 + content.len());
        out.push(media_type.len() as u8);
        out.extend_from_slice(&content);
        Ok(out)
    }

    /// Reads opened bytes as the content of an entry of this kind.
    pub fn decode(kind: Kind, data: &[u8]) -> Result<Self, LedgerError> {
        let (&length, rest) = data.split_first().ok_or(LedgerError::Malformed)?;
        if rest.len() < length as usize {
            return Err(LedgerError::MediaType);
        }
        let (media_type, content) = rest.split_at(length as usize);
        if kind.has_media_type() {
            let media_type = core::str::from_utf8(media_type).map_err(|_| LedgerError::MediaType)?;
            check_media_type(media_type)?;
            return Ok(Self::Content { media_type: media_type.into(), content: content.into() });
        }
        if length != 0 {
            return Err(LedgerError::MediaType);
        }
        match kind {
            Kind::Access => decode(content).map(|receipt| Self::Access(Box::new(receipt))),
            Kind::Erasure => decode(content).map(Self::Erasure),
            Kind::Close => decode(content).map(Self::Close),
            _ if content.is_empty() => Ok(Self::Beat),
            _ => Err(LedgerError::Malformed),
        }
    }
}

/// The bytes of content with a media type, without taking the content into a [`Data`].
pub fn join(media_type: &str, content: &[u8]) -> Result<Vec<u8>, LedgerError> {
    check_media_type(media_type)?;
    let mut out = Vec::with_capacity(1 + media_type.len() + content.len());
    out.push(media_type.len() as u8);
    out.extend_from_slice(media_type.as_bytes());
    out.extend_from_slice(content);
    Ok(out)
}

/// Lower-case printable ASCII with exactly one `/` before any parameter, 3 to 255 bytes.
pub fn check_media_type(media_type: &str) -> Result<(), LedgerError> {
    let essence = media_type.split(';').next().unwrap_or_default();
    let token = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"!#$&-^_.+".contains(&b))
    };
    let essence_fits = match essence.split_once('/') {
        Some((kind, subtype)) => token(kind) && token(subtype.trim_end()),
        None => false,
    };
    let all_lower =
        media_type.bytes().all(|b| (b == b' ' || b.is_ascii_graphic()) && !b.is_ascii_uppercase());
    if essence_fits && all_lower && media_type.len() <= MAX_MEDIA_TYPE {
        Ok(())
    } else {
        Err(LedgerError::MediaType)
    }
}
