//! The errors of this crate.

use casewise_ledger::Hash;

/// Longest text taken over from a node, characters.
pub const MAX_LOG: usize = 2_000;

/// Why the chain did not give what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// No node answered. The same question may be asked again; after a broadcast the fate of the
    /// transaction is unknown, so only the same bytes may be sent again.
    #[error("no node answers ({endpoint}: {reason}); check that it runs and try again")]
    Unreachable {
        /// Host and port of the last node asked.
        endpoint: String,
        /// What went wrong on the way.
        reason: String,
    },
    /// The height is not committed yet.
    #[error("height {height} is not committed yet, the node is at {tip}")]
    NotYet {
        /// Height asked for.
        height: u64,
        /// Last height the node has committed.
        tip: u64,
    },
    /// The node no longer keeps this height.
    #[error("height {height} is pruned on this node (it keeps blocks from {earliest}); ask an archive node")]
    Pruned {
        /// Height asked for.
        height: u64,
        /// First block the node keeps; its state may begin later.
        earliest: u64,
    },
    /// The node follows another chain.
    #[error("the node follows chain {found:?}, not {expected:?}; correct the endpoint or the manifest")]
    WrongChain {
        /// Chain id configured.
        expected: String,
        /// Chain id the node gave.
        found: String,
    },
    /// The node, the chain's rules or a contract refused. Asking again gives the same answer.
    #[error("refused with code {code} of {codespace}: {log}")]
    Refused {
        /// ABCI code within the codespace; 0 when the node itself refused the request.
        code: u32,
        /// Which module's code it is.
        codespace: String,
        /// The chain's words, shortened.
        log: String,
    },
    /// A transaction is in a block and failed there. Its fee is spent.
    #[error("transaction {} failed in block {height} with code {code} of {codespace}: {log}", hex::encode(.hash))]
    Failed {
        /// The transaction.
        hash: Hash,
        /// Its block.
        height: u64,
        /// ABCI code.
        code: u32,
        /// Which module's code it is.
        codespace: String,
        /// The chain's words, shortened.
        log: String,
    },
    /// A transaction is certainly dead: its last height passed and it is in no block.
    #[error("transaction {} was in no block up to its last height {timeout_height}; sign and send it anew", hex::encode(.hash))]
    Expired {
        /// The transaction.
        hash: Hash,
        /// The last height it was valid for.
        timeout_height: u64,
    },
    /// Waiting ended while the transaction can still get into a block.
    #[error(
        "the fate of transaction {} is open until height {timeout_height}: {reason}; do not sign it anew before",
        hex::encode(.hash)
    )]
    Undecided {
        /// The transaction.
        hash: Hash,
        /// The last height it is valid for.
        timeout_height: u64,
        /// Why waiting ended.
        reason: String,
    },
    /// The account does not exist on the chain.
    #[error("account {address} does not exist on the chain; send it coins or give it a fee allowance")]
    NoAccount {
        /// The account, bech32.
        address: String,
    },
    /// The node's answer is not what its protocol says.
    #[error("unexpected answer from the node: {0}")]
    Malformed(String),
    /// A value given by the caller, a file or the configuration cannot be used.
    #[error("{field}: {reason}")]
    Invalid {
        /// Which value.
        field: &'static str,
        /// What is wrong with it and what to do.
        reason: String,
    },
}

impl ChainError {
    /// May the same request be repeated as it is?
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::NotYet { .. })
    }

    pub(crate) fn malformed(what: impl std::fmt::Display) -> Self {
        Self::Malformed(shorten(&what.to_string()))
    }

    pub(crate) fn invalid(field: &'static str, reason: impl std::fmt::Display) -> Self {
        Self::Invalid { field, reason: reason.to_string() }
    }

    pub(crate) fn refused(code: u32, codespace: &str, log: &str) -> Self {
        Self::Refused { code, codespace: shorten(codespace), log: shorten(log) }
    }
}

/// At most [`MAX_LOG`] characters, without control characters (logs can hold raw bytes).
pub(crate) fn shorten(text: &str) -> String {
    let mut out: String = text
        .chars()
        .take(MAX_LOG)
        .map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c })
        .collect();
    if text.chars().nth(MAX_LOG).is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_cut_only_past_the_limit() {
        let at = "x".repeat(MAX_LOG);
        assert_eq!(shorten(&at), at);
        assert_eq!(shorten(&(at.clone() + "y")), at + "…");
        assert_eq!(shorten("a\u{1b}[31mb\nc"), "a\u{fffd}[31mb\nc");
    }
}
