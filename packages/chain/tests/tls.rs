//! https without a rustls provider is an error, not a panic. Alone in its file: a provider, once
//! installed, stays for the process.
#![cfg(feature = "tls")]

use casewise_chain::{ChainError, Prefix, WasmdClient};

#[test]
fn a_program_without_provider_is_told_so() {
    let url = "https://node.example".to_owned();
    let make = || WasmdClient::new(std::slice::from_ref(&url), "chain-1", Prefix::default());
    assert!(matches!(make().unwrap_err(), ChainError::Invalid { field: "tls", .. }));
    rustls::crypto::ring::default_provider().install_default().unwrap();
    make().unwrap();
}
