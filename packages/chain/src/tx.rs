//! Transactions: draft → priced → signed.
//!
//! Responsible for the bytes that are signed and for the hash by which a block names them. A
//! [`SignedTx`] is what an outbox stores before the first broadcast and sends again, unchanged,
//! until its last height. Must never change or re-sign one.

use casewise_ledger::{
    Address, Hash,
    account::{AccountKey, PublicKey},
    sha256,
};
use cosmrs::proto::{
    cosmos::{
        base::v1beta1::Coin,
        crypto::secp256k1::PubKey,
        tx::{
            signing::v1beta1::SignMode,
            v1beta1::{AuthInfo, Fee, ModeInfo, SignDoc, SignerInfo, TxBody, TxRaw, mode_info},
        },
    },
    prost::Message,
};

use crate::{
    Account, Chain, ChainError, Gas, GasPrice, Msg, Prefix, address::account_to_bech32, allowance::any,
};

/// Largest transaction a node takes by default, bytes. Its `rpc.max_body_bytes` must be four times
/// that: requests carry it in base64, simulations in hexadecimal.
pub const MAX_TX_BYTES: usize = 1 << 20;

/// Gas whose fee a simulated transaction names: the use does not depend on it.
const SIMULATED_LIMIT: u64 = 1_000_000;

/// What every transaction of a network needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainParams {
    /// The chain's id; part of what is signed.
    pub chain_id: String,
    /// The prefix of its addresses.
    pub prefix: Prefix,
    /// The price of gas.
    pub gas_price: GasPrice,
}

/// What a transaction shall do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxDraft {
    /// Messages, all or none of which take effect.
    pub msgs: Vec<Msg>,
    /// Who pays the fee under an allowance; `None` = the signer.
    pub fee_granter: Option<Address>,
    /// Last height at which it may be included. Never 0: a transaction without end could not be
    /// given up.
    pub timeout_height: u64,
    /// A public remark; keep it empty.
    pub memo: String,
}

impl TxDraft {
    /// A draft without granter and memo.
    pub fn new(msgs: Vec<Msg>, timeout_height: u64) -> Self {
        Self { msgs, fee_granter: None, timeout_height, memo: String::new() }
    }

    /// Asks the chain what it would use; the limit is that times `percent` / 100 (at least 100).
    /// A message that would fail is refused here, with the contract's words.
    pub async fn estimate(
        &self,
        chain: &dyn Chain,
        signer: &PublicKey,
        account: Account,
        params: &ChainParams,
        percent: u32,
    ) -> Result<Gas, ChainError> {
        let used = chain.simulate(&self.unsigned(signer, account, params)?).await?;
        let limit = u128::from(used) * u128::from(percent.max(100)) / 100;
        let limit = u64::try_from(limit).map_err(|_| ChainError::malformed("gas beyond 64 bits"))?;
        Ok(Gas { limit, fee: params.gas_price.fee(limit) })
    }

    /// The bytes to simulate it with.
    pub(crate) fn unsigned(
        &self,
        signer: &PublicKey,
        account: Account,
        params: &ChainParams,
    ) -> Result<Vec<u8>, ChainError> {
        let provisional = Gas { limit: SIMULATED_LIMIT, fee: params.gas_price.fee(SIMULATED_LIMIT) };
        let (body, auth) = self.parts(signer, account.sequence, provisional, params)?;
        // A signature of the right length, so that the bytes are paid for.
        let bytes = raw(body, auth, [0; 64]);
        check_size(&bytes)?;
        Ok(bytes)
    }

    /// Signs it (SIGN_MODE_DIRECT). The same input gives the same bytes.
    pub fn sign(
        &self,
        key: &AccountKey,
        account: Account,
        gas: Gas,
        params: &ChainParams,
    ) -> Result<SignedTx, ChainError> {
        let (body_bytes, auth_info_bytes) = self.parts(&key.public(), account.sequence, gas, params)?;
        let doc = SignDoc {
            body_bytes,
            auth_info_bytes,
            chain_id: params.chain_id.clone(),
            account_number: account.number,
        };
        let signature = key.sign_message(&doc.encode_to_vec());
        let bytes = raw(doc.body_bytes, doc.auth_info_bytes, signature);
        check_size(&bytes)?;
        let hash = sha256(&[&bytes]);
        Ok(SignedTx { bytes, hash, sequence: account.sequence, timeout_height: self.timeout_height })
    }

    fn parts(
        &self,
        signer: &PublicKey,
        sequence: u64,
        gas: Gas,
        params: &ChainParams,
    ) -> Result<(Vec<u8>, Vec<u8>), ChainError> {
        if self.msgs.is_empty() {
            return Err(ChainError::invalid("messages", "a transaction needs at least one"));
        }
        if self.timeout_height == 0 {
            return Err(ChainError::invalid("timeout_height", "0 would be valid for ever"));
        }
        let sender = account_to_bech32(&signer.address(), &params.prefix);
        let messages =
            self.msgs.iter().map(|msg| msg.to_any(&sender, &params.prefix)).collect::<Result<_, _>>()?;
        let body = TxBody {
            messages,
            memo: self.memo.clone(),
            timeout_height: self.timeout_height,
            ..Default::default()
        };
        let single = mode_info::Single { mode: SignMode::Direct.into() };
        let signer_info = SignerInfo {
            public_key: Some(any(&PubKey { key: signer.0.to_vec() })),
            mode_info: Some(ModeInfo { sum: Some(mode_info::Sum::Single(single)) }),
            sequence,
        };
        let amount = match gas.fee {
            0 => Vec::new(),
            fee => vec![Coin { denom: params.gas_price.denom().to_owned(), amount: fee.to_string() }],
        };
        let granter =
            self.fee_granter.as_ref().map(|g| account_to_bech32(g, &params.prefix)).unwrap_or_default();
        let fee = Fee { amount, gas_limit: gas.limit, payer: String::new(), granter };
        let auth = AuthInfo { signer_infos: vec![signer_info], fee: Some(fee), ..Default::default() };
        Ok((body.encode_to_vec(), auth.encode_to_vec()))
    }
}

/// A signed transaction: nothing about it changes any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedTx {
    bytes: Vec<u8>,
    hash: Hash,
    sequence: u64,
    timeout_height: u64,
}

impl SignedTx {
    /// From the bytes an outbox stored. Refuses what [`TxDraft::sign`] cannot have made.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, ChainError> {
        let wrong = |what: &str| ChainError::invalid("stored transaction", what);
        check_size(&bytes)?;
        let raw = TxRaw::decode(bytes.as_slice()).map_err(|_| wrong("its bytes are not a transaction"))?;
        let body =
            TxBody::decode(raw.body_bytes.as_slice()).map_err(|_| wrong("its body does not decode"))?;
        let auth = AuthInfo::decode(raw.auth_info_bytes.as_slice())
            .map_err(|_| wrong("its signer does not decode"))?;
        let ([signer], [signature]) = (auth.signer_infos.as_slice(), raw.signatures.as_slice()) else {
            return Err(wrong("it has not exactly one signer"));
        };
        if signature.len() != 64 || body.timeout_height == 0 {
            return Err(wrong("it has no last height or no signature"));
        }
        let hash = sha256(&[&bytes]);
        Ok(Self { hash, sequence: signer.sequence, timeout_height: body.timeout_height, bytes })
    }

    /// The bytes to broadcast.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The hash by which blocks name it: SHA-256 of the bytes.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// The account's sequence it uses.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The last height at which it may be included.
    pub fn timeout_height(&self) -> u64 {
        self.timeout_height
    }
}

fn raw(body_bytes: Vec<u8>, auth_info_bytes: Vec<u8>, signature: [u8; 64]) -> Vec<u8> {
    TxRaw { body_bytes, auth_info_bytes, signatures: vec![signature.to_vec()] }.encode_to_vec()
}

fn check_size(bytes: &[u8]) -> Result<(), ChainError> {
    if bytes.len() > MAX_TX_BYTES {
        return Err(ChainError::invalid(
            "transaction",
            format!("{} bytes, a node takes {MAX_TX_BYTES}; split its messages", bytes.len()),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ContractAddress, PeriodicLimit, key_from_mnemonic};
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    fn key(account: u32) -> AccountKey {
        key_from_mnemonic(&format!("{}art", "abandon ".repeat(23)), account).unwrap()
    }

    fn params() -> ChainParams {
        ChainParams {
            chain_id: "casewise-known".to_owned(),
            prefix: Prefix::default(),
            gas_price: "0.001stake".parse().unwrap(),
        }
    }

    fn sign(draft: &TxDraft) -> Result<SignedTx, ChainError> {
        let gas = Gas { limit: 123_456, fee: params().gas_price.fee(123_456) };
        draft.sign(&key(0), Account { number: 5, sequence: 9 }, gas, &params())
    }

    /// What `wasmd tx sign` makes of the same input, byte for byte (the data say how).
    #[test]
    fn the_same_bytes_as_wasmd() {
        let (own, other) = (key(0).address(), key(7).address());
        let denom = "stake".to_owned();
        let limit = PeriodicLimit { period_s: 3600, limit: 500, expires_ms: Some(1_893_553_445_000) };
        let instantiate = |admin| Msg::Instantiate {
            code_id: 3,
            label: "casewise x".to_owned(),
            admin,
            msg: br#"{"a":1}"#.to_vec(),
        };
        // "\0asm", version 1, as that tool compresses it
        let wasm = STANDARD.decode("H4sIAAAAAAAA/2JILM5lZGBgAAQAAP//zjNLHAgAAAA=").unwrap();
        let known: serde_json::Value =
            serde_json::from_str(include_str!("../tests/data/transactions.json")).unwrap();
        let known = known["transactions"].as_object().unwrap();
        let cases = [
            ("send", Msg::BankSend { to: other, amount: 1000, denom: denom.clone() }, None),
            (
                "execute",
                Msg::Execute {
                    contract: ContractAddress([1; 32]),
                    msg: br#"{"register":{"name":"x"}}"#.to_vec(),
                },
                Some(other),
            ),
            ("grant", Msg::GrantAllowance { grantee: other, limit, denom }, None),
            ("store", Msg::StoreCode { wasm, instantiate_by: vec![own] }, None),
            ("instantiate", instantiate(Some(other)), None),
            ("noadmin", instantiate(None), None),
        ];
        assert_eq!(cases.len(), known.len());
        for (name, msg, fee_granter) in cases {
            let tx = sign(&TxDraft { fee_granter, ..TxDraft::new(vec![msg], 77) }).unwrap();
            assert_eq!(STANDARD.encode(tx.bytes()), known[name].as_str().unwrap(), "{name}");
            assert_eq!(tx.hash(), sha256(&[tx.bytes()]));
        }
    }

    fn send(amount: u128) -> Msg {
        Msg::BankSend { to: Address([7; 20]), amount, denom: "stake".to_owned() }
    }

    #[test]
    fn a_stored_transaction_is_the_signed_one() {
        let tx = sign(&TxDraft::new(vec![send(1), send(2)], 77)).unwrap();
        let stored = SignedTx::from_bytes(tx.bytes().to_vec()).unwrap();
        assert_eq!(stored, tx);
        assert_eq!((stored.sequence(), stored.timeout_height()), (9, 77));
        assert_eq!(sign(&TxDraft::new(vec![send(1), send(2)], 77)).unwrap(), tx, "signing is deterministic");

        for cut in [0, 1, tx.bytes().len() / 2, tx.bytes().len() - 1] {
            assert!(SignedTx::from_bytes(tx.bytes()[..cut].to_vec()).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn what_could_not_be_given_up_or_does_nothing_is_refused() {
        for (draft, field) in
            [(TxDraft::new(vec![send(1)], 0), "timeout_height"), (TxDraft::new(Vec::new(), 77), "messages")]
        {
            let error = sign(&draft).unwrap_err();
            assert!(matches!(error, ChainError::Invalid { field: f, .. } if f == field), "{error}");
        }
        let label =
            |len| Msg::Instantiate { code_id: 1, label: "x".repeat(len), admin: None, msg: Vec::new() };
        assert!(sign(&TxDraft::new(vec![label(crate::MAX_LABEL)], 77)).is_ok());
        for len in [0, crate::MAX_LABEL + 1] {
            assert!(sign(&TxDraft::new(vec![label(len)], 77)).is_err(), "label of {len}");
        }
        let nothing = PeriodicLimit { period_s: 1, limit: 0, expires_ms: None };
        let no_time = PeriodicLimit { period_s: 0, limit: 1, expires_ms: None };
        for limit in [nothing, no_time] {
            let grant = Msg::GrantAllowance { grantee: Address([1; 20]), limit, denom: "stake".to_owned() };
            assert!(sign(&TxDraft::new(vec![grant], 77)).is_err());
        }
    }

    #[test]
    fn the_largest_transaction_and_one_byte_more() {
        let of =
            |len| TxDraft::new(vec![Msg::StoreCode { wasm: vec![0; len], instantiate_by: Vec::new() }], 77);
        let overhead = sign(&of(1 << 19)).unwrap().bytes().len() - (1 << 19);
        let most = MAX_TX_BYTES - overhead;
        assert_eq!(sign(&of(most)).unwrap().bytes().len(), MAX_TX_BYTES);
        let error = sign(&of(most + 1)).unwrap_err();
        assert!(matches!(error, ChainError::Invalid { field: "transaction", .. }), "{error}");
    }
}
