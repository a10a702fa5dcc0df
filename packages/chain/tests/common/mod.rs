//! A running network for the tests, if there is one.

use std::{
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use casewise_chain::{
    Chain, ChainError, Included, Manifest, Msg, SubmitOptions, TxStatus, WasmdClient, key_from_mnemonic,
    submit_and_wait,
};
use casewise_ledger::{Hash, account::AccountKey, sha256};
use tendermint::block::signed_header::SignedHeader;
use tendermint_proto::{Protobuf, v0_38::types as pb};
use tokio::sync::Mutex;

/// Coins a test's own account gets.
pub const FUNDS: u128 = 5_000_000;

/// Longest wait for a condition.
const DEADLINE: Duration = Duration::from_secs(30);

/// The operator's key sends one transaction at a time, whatever tests run.
pub static OPERATOR: Mutex<()> = Mutex::const_new(());

/// A network: manifest, a client, the operator's key.
pub struct Localnet {
    pub manifest: Manifest,
    pub client: WasmdClient,
    pub operator: AccountKey,
}

impl Localnet {
    /// The network of `CASEWISE_LOCALNET`; without it a line is printed and the test ends.
    pub fn open(test: &str) -> Option<Self> {
        let Some(dir) = std::env::var_os("CASEWISE_LOCALNET") else {
            println!("{test}: skipped, CASEWISE_LOCALNET names no network");
            return None;
        };
        let dir = Path::new(&dir);
        let manifest =
            Manifest::load(&dir.join("manifest.json")).expect("manifest.json of CASEWISE_LOCALNET");
        let phrase = std::fs::read_to_string(dir.join("operator.mnemonic")).expect("operator.mnemonic");
        let operator = key_from_mnemonic(&phrase, 0).expect("the operator's phrase");
        install_tls();
        let client = manifest.client().expect("a client");
        Some(Self { manifest, client, operator })
    }

    pub fn chain_id(&self) -> &str {
        self.client.chain_id()
    }

    pub fn denom(&self) -> &str {
        self.manifest.params.gas_price.denom()
    }

    /// A key no run has used before.
    pub fn fresh_key(&self, name: &str) -> AccountKey {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let seed = sha256(&[name.as_bytes(), &now.to_be_bytes(), &count.to_be_bytes()]);
        AccountKey::from_bytes(&seed).expect("a key")
    }

    /// Messages from the operator.
    pub async fn send(&self, msgs: Vec<Msg>) -> Included {
        self.try_send(msgs).await.expect("a transaction of the operator")
    }

    /// Messages from the operator that may be refused.
    pub async fn try_send(&self, msgs: Vec<Msg>) -> Result<Included, ChainError> {
        let _one_at_a_time = OPERATOR.lock().await;
        submit_and_wait(&self.client, &self.operator, msgs, &self.manifest.params, &SubmitOptions::default())
            .await
    }

    /// Coins for a test's own account.
    pub async fn fund(&self, key: &AccountKey) -> Included {
        self.send(vec![Msg::BankSend { to: key.address(), amount: FUNDS, denom: self.denom().to_owned() }])
            .await
    }
}

/// What a program's `main` does; needed only when another crate of the build switches https on.
pub fn install_tls() {
    // The first test installs it, the others find it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// The header of a height, as soon as it is there.
pub async fn header(client: &WasmdClient, height: u64) -> SignedHeader {
    let bytes = poll(async || match client.signed_header(height).await {
        Ok(bytes) => Some(bytes),
        Err(ChainError::NotYet { .. }) => None,
        Err(error) => panic!("{error}"),
    });
    <SignedHeader as Protobuf<pb::SignedHeader>>::decode_vec(&bytes.await).expect("a signed header")
}

/// A transaction in the node's index, which is written after the block.
pub async fn indexed(client: &WasmdClient, hash: &Hash) -> TxStatus {
    poll(async || client.tx(hash).await.expect("an answer")).await
}

async fn poll<T>(condition: impl AsyncFn() -> Option<T>) -> T {
    let until = tokio::time::Instant::now() + DEADLINE;
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(tokio::time::Instant::now() < until, "no change within {} s", DEADLINE.as_secs());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
