//! AES-GCM-SIV does not commit to its key: one ciphertext can open under two keys, to two contents.
//! An entry must open under one only.

mod common;

use aes::{
    Aes256,
    cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit as _},
};
use aes_gcm_siv::{AeadInOut, Aes256GcmSiv};
use casewise_ledger::{Class, Data, data::join};
use casewise_seal::{ListedEntry, Reason, SealError, accept_entry};
use common::{anchor_entry, entry_header, key, lane_header, okm, pattern};

type Block = [u8; 16];

/// A known one: nonce of zeros, no associated data, keys 0x11… and 0x22….
const TWO_KEY_CIPHERTEXT: &str = "3094ad0cc1b5eb5ce7dacddb73659c53cd8a8f4b77e06d203851ed1ca49f321e\
    98bca5658ef4476d12f68d9b3fe6f070ad9027d0b8cad29a5865767a85ebf2f5b07670eb940bd5335f973daad8619b91";

fn bare_open(key: &[u8; 32], nonce: [u8; 12], sealed: &[u8]) -> Option<Vec<u8>> {
    let (data, tag) = sealed.split_last_chunk::<16>()?;
    let mut data = data.to_vec();
    Aes256GcmSiv::new(key.into())
        .decrypt_inout_detached(&nonce.into(), b"", data.as_mut_slice().into(), tag.into())
        .ok()?;
    Some(data)
}

#[test]
fn the_bare_cipher_opens_one_ciphertext_under_two_keys() {
    let sealed = hex::decode(TWO_KEY_CIPHERTEXT).unwrap();
    let first = bare_open(&[0x11; 32], [0; 12], &sealed).unwrap();
    let second = bare_open(&[0x22; 32], [0; 12], &sealed).unwrap();
    assert_eq!(&first[..16], b"ALLERGY: NONE   ");
    assert_eq!(&second[16..32], b"ALLERGY: PENICIL");
}

#[test]
fn an_entry_refuses_that_ciphertext_under_either_key() {
    let lane = lane_header(Class::Content, 64);
    let header = entry_header(&lane, 5);
    let body = hex::decode(TWO_KEY_CIPHERTEXT).unwrap();
    for bytes in [[0x11; 32], [0x22; 32]] {
        let key = casewise_keytree::OneTimeKey::from_bytes(&bytes);
        let other = casewise_keytree::OneTimeKey::from_bytes(&[bytes[0] ^ 0x33; 32]);
        let entry = ListedEntry {
            header: header.clone(),
            commitment: okm(&key, &header)[32..].try_into().unwrap(),
            body_length: body.len() as u64,
            body_sha256: casewise_ledger::sha256(&[&body]),
        };
        let case = anchor_entry(&lane, entry, body.clone(), 9);
        let accepted = accept_entry(&case.lane, &case.head, case.position, &case.entry, &case.proof).unwrap();
        assert_eq!(accepted.open(&other, &body), Err(SealError::Rejected(Reason::Commitment)));
        assert_eq!(accepted.open(&key, &body), Err(SealError::Rejected(Reason::Chunk)));
    }
}

/// The attack against this very format: a body made for two one-time keys at once. Its only chunk is
/// authentic under both sealing keys and opens to an honest record under the first; the commitment
/// alone keeps the second out.
#[test]
fn a_body_made_for_two_keys_opens_only_under_the_committed_one() {
    let lane = lane_header(Class::Content, 1024);
    let header = entry_header(&lane, 5);
    let (first, second) = (key(5), key(6));
    let (okm1, okm2) = (okm(&first, &header), okm(&second, &header));
    let nonce = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

    let data = join("application/octet-stream", &pattern(975)).unwrap();
    assert_eq!(data.len(), 1000);
    let mut plain = 1000u64.to_be_bytes().to_vec();
    plain.extend_from_slice(&data);
    plain.resize(1024, 0);
    let keys = [okm1[..32].try_into().unwrap(), okm2[..32].try_into().unwrap()];
    let body = for_two_keys(&keys, nonce, &plain, [30, 31]);
    for key in &keys {
        assert!(bare_open(key, nonce, &body).is_some(), "authentic under both");
    }

    let entry = ListedEntry {
        header,
        commitment: okm1[32..].try_into().unwrap(),
        body_length: body.len() as u64,
        body_sha256: casewise_ledger::sha256(&[&body]),
    };
    let case = anchor_entry(&lane, entry, body, 9);
    let accepted = accept_entry(&case.lane, &case.head, case.position, &case.entry, &case.proof).unwrap();
    assert!(matches!(accepted.open(&first, &case.body), Ok(Data::Content { .. })));
    assert_eq!(accepted.open(&second, &case.body), Err(SealError::Rejected(Reason::Commitment)));
}

/// A ciphertext and tag that are authentic under both keys and, under the first, open to `plain`
/// everywhere but in the two blocks `free`. The tag is chosen first; each key then asks for one value
/// of POLYVAL, which is linear in the blocks: two equations, two free blocks.
fn for_two_keys(keys: &[[u8; 32]; 2], nonce: [u8; 12], plain: &[u8], free: [usize; 2]) -> Vec<u8> {
    let count = plain.len() / 16;
    let [one, two] = keys.map(|key| MessageKeys::derive(&key, nonce));
    let tag = (0u128..)
        .map(u128::to_le_bytes)
        .find(|tag| [&one, &two].iter().all(|keys| keys.decrypt(*tag)[15] & 0x80 == 0))
        .unwrap();

    let mut blocks: Vec<u128> = (0..count)
        .map(|j| u128::from_le_bytes(plain[16 * j..16 * j + 16].try_into().unwrap()) ^ one.stream(tag, j))
        .collect();
    let [a, b] = free;
    (blocks[a], blocks[b]) = (0, 0);
    let wanted = [&one, &two].map(|keys| {
        let mut nonce_block = [0; 16];
        nonce_block[..12].copy_from_slice(&nonce);
        let sum = u128::from_le_bytes(keys.decrypt(tag)) ^ u128::from_le_bytes(nonce_block);
        let opened = (0..count).map(|j| blocks[j] ^ keys.stream(tag, j));
        let lengths = u128::from(plain.len() as u64 * 8) << 64;
        opened
            .chain([lengths])
            .zip((1..=count as u32 + 1).rev())
            .fold(sum, |sum, (block, power)| sum ^ mul(block, keys.power(power)))
    });
    let power = |keys: &MessageKeys, block: usize| keys.power((count + 1 - block) as u32);
    let [[pa, pb], [qa, qb]] = [[power(&one, a), power(&one, b)], [power(&two, a), power(&two, b)]];
    let inverse = invert(mul(pa, qb) ^ mul(pb, qa));
    blocks[a] = mul(inverse, mul(wanted[0], qb) ^ mul(wanted[1], pb));
    blocks[b] = mul(inverse, mul(wanted[0], qa) ^ mul(wanted[1], pa));

    let mut body: Vec<u8> = blocks.into_iter().flat_map(u128::to_le_bytes).collect();
    body.extend_from_slice(&tag);
    body
}

/// RFC 8452 section 4: the keys of one message.
struct MessageKeys {
    /// The authentication key times x^−128, so that POLYVAL becomes a plain polynomial in it.
    hash: u128,
    cipher: Aes256,
}

impl MessageKeys {
    fn derive(key: &[u8; 32], nonce: [u8; 12]) -> Self {
        let generator = Aes256::new(key.into());
        let mut out = Vec::new();
        for counter in 0..6u32 {
            let mut block = [0; 16];
            block[..4].copy_from_slice(&counter.to_le_bytes());
            block[4..].copy_from_slice(&nonce);
            let mut block = block.into();
            generator.encrypt_block(&mut block);
            out.extend_from_slice(&block[..8]);
        }
        let cipher = Aes256::new_from_slice(&out[16..]).unwrap();
        let x_minus_128 = 1 << 127 | 1 << 124 | 1 << 121 | 1 << 114 | 1;
        Self { hash: mul(u128::from_le_bytes(out[..16].try_into().unwrap()), x_minus_128), cipher }
    }

    fn decrypt(&self, block: Block) -> Block {
        let mut block = block.into();
        self.cipher.decrypt_block(&mut block);
        block.into()
    }

    /// Key stream of block `j`.
    fn stream(&self, tag: Block, j: usize) -> u128 {
        let mut counter = tag;
        counter[15] |= 0x80;
        let start = u32::from_le_bytes(counter[..4].try_into().unwrap());
        counter[..4].copy_from_slice(&start.wrapping_add(j as u32).to_le_bytes());
        let mut block = counter.into();
        self.cipher.encrypt_block(&mut block);
        u128::from_le_bytes(block.into())
    }

    fn power(&self, exponent: u32) -> u128 {
        (0..exponent).fold(1, |product, _| mul(product, self.hash))
    }
}

/// Product in GF(2^128) modulo x^128 + x^127 + x^126 + x^121 + 1; bit i stands for x^i.
fn mul(a: u128, b: u128) -> u128 {
    (0..128).rev().fold(0u128, |product, bit| {
        let carry = (product >> 127) * (1 << 127 | 1 << 126 | 1 << 121 | 1);
        (product << 1) ^ carry ^ if a >> bit & 1 == 1 { b } else { 0 }
    })
}

/// `a^(2^128 − 2)`.
fn invert(a: u128) -> u128 {
    let mut result = 1;
    let mut square = a;
    for _ in 1..128 {
        square = mul(square, square);
        result = mul(result, square);
    }
    result
}
