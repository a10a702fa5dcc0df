//! Failed checks of other crates as this crate's error, with the stable code of the reason.

use casewise_seal::SealError;

use crate::ClientError;

/// A rejected entry or letter.
pub(crate) fn seal(what: &str, error: SealError) -> ClientError {
    match error.reason() {
        Some(code) => ClientError::integrity(what, format!("{error} ({code})")),
        None => ClientError::integrity(what, error),
    }
}
