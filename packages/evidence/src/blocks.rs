//! From the trust anchor to the header: validators, where they changed, and signatures.
//!
//! At every height one set of validators is trusted. A header that more than 2/3 of its power
//! signed is accepted; where it names other validators for the next height, those are trusted from
//! there on. No clock is read and nothing expires: that the keys of old validators did not leak is
//! an assumption, and the verdict says so.

use casewise_ledger::Hash;
use tendermint::Time;
use tendermint::block::CommitSig;
use tendermint::block::signed_header::SignedHeader;
use tendermint::crypto::default::signature::Verifier as Ed25519;
use tendermint::validator::Set;
use tendermint::vote::{SignedVote, Type, ValidatorIndex, Vote};
use tendermint_light_client_verifier::errors::VerificationErrorDetail as Detail;
use tendermint_light_client_verifier::types::UntrustedBlockState;
use tendermint_light_client_verifier::{ProdVerifier, Verdict};

use crate::canonical::{self, hash_bytes, millis};
use crate::limits::MAX_LINKS;
use crate::model::{Evidence, TrustAnchor};
use crate::reason::{ReasonCode, Refusal, require};

/// A header that is as trustworthy as the anchor.
pub(crate) struct Block {
    pub height: u64,
    pub time: Time,
    pub time_ms: u64,
    pub hash: Hash,
    pub app_hash: Vec<u8>,
    pub next_validators_hash: Hash,
    pub signed_power: u64,
    pub total_power: u64,
    /// The validators that signed it.
    pub set: Set,
}

/// The header of the file, and all validators trusted on the way to it.
pub(crate) struct Chain<'a> {
    anchor: &'a TrustAnchor,
    /// For each set the last height it signs, ascending.
    sets: Vec<(u64, Set)>,
    /// The header.
    pub header: Block,
}

/// What is trusted before a header is looked at.
struct Trusted<'a> {
    anchor: &'a TrustAnchor,
    validators_hash: Hash,
    /// Height and time of the header before; none before the first.
    before: Option<(u64, Time)>,
}

/// Follows the links to the header of the file.
pub(crate) fn follow<'a>(file: &Evidence, anchor: &'a TrustAnchor) -> Result<Chain<'a>, Refusal> {
    require(file.chain_id == anchor.chain_id, ReasonCode::ChainId, || {
        "chain_id is not that of the trust anchor".into()
    })?;
    require(file.links.len() <= MAX_LINKS, ReasonCode::TooLarge, || {
        format!("links: {} of them, at most {MAX_LINKS} are read", file.links.len())
    })?;
    let mut trusted = Trusted { anchor, validators_hash: anchor.validators_hash, before: None };
    let mut sets = Vec::with_capacity(file.links.len() + 1);
    for (number, link) in file.links.iter().enumerate() {
        let field = format!("links[{number}]");
        let block = trusted.accept(&link.header, &link.validators, &field)?;
        require(block.next_validators_hash != trusted.validators_hash, ReasonCode::Link, || {
            format!("{field}: the validators do not change at height {}", block.height)
        })?;
        trusted.validators_hash = block.next_validators_hash;
        trusted.before = Some((block.height, block.time));
        sets.push((block.height, block.set));
    }
    let header = trusted.accept(&file.header, &file.validators, "header")?;
    sets.push((header.height, header.set.clone()));
    Ok(Chain { anchor, sets, header })
}

impl Chain<'_> {
    /// Accepts another header between the anchor and the header of the file.
    pub(crate) fn earlier(&self, bytes: &[u8], field: &str) -> Result<Block, Refusal> {
        let signed = canonical::header(bytes, field)?;
        let height = signed.header.height.value();
        let set = self.sets.iter().find(|(last, _)| height <= *last).map(|(_, set)| set);
        let set =
            set.ok_or_else(|| Refusal::new(ReasonCode::Link, format!("{field}: later than the header")))?;
        let validators_hash = hash_bytes(set.hash());
        let trusted = Trusted { anchor: self.anchor, validators_hash, before: None };
        trusted.check(&signed, set.clone(), field)
    }
}

impl Trusted<'_> {
    fn accept(&self, header: &[u8], validators: &[u8], field: &str) -> Result<Block, Refusal> {
        let signed = canonical::header(header, field)?;
        let set = canonical::validators(validators, &format!("{field}, validators"))?;
        self.check(&signed, set, field)
    }

    fn check(&self, signed: &SignedHeader, set: Set, field: &str) -> Result<Block, Refusal> {
        let header = &signed.header;
        let height = header.height.value();
        require(header.chain_id.as_str() == self.anchor.chain_id, ReasonCode::ChainId, || {
            format!("{field} is of another chain than the trust anchor")
        })?;
        self.check_order(height, header.time, field)?;
        require(
            height != self.anchor.height || hash_bytes(header.hash()) == self.anchor.header_hash,
            ReasonCode::Anchor,
            || format!("{field} is at the height of the trust anchor and is another header"),
        )?;
        let first = self.before.is_none();
        require(
            hash_bytes(header.validators_hash) == self.validators_hash,
            if first { ReasonCode::Anchor } else { ReasonCode::Link },
            || format!("{field}: its validators are not those trusted at height {height}"),
        )?;
        check_commit(signed, &set, field)?;
        let signed_power = check_signatures(signed, &set, field)?;
        Ok(Block {
            height,
            time: header.time,
            time_ms: millis(header.time, field)?,
            hash: hash_bytes(header.hash()),
            app_hash: header.app_hash.as_bytes().to_vec(),
            next_validators_hash: hash_bytes(header.next_validators_hash),
            signed_power,
            total_power: set.total_voting_power().value(),
            set,
        })
    }

    /// Heights and times ascend from the anchor on.
    fn check_order(&self, height: u64, time: Time, field: &str) -> Result<(), Refusal> {
        match self.before {
            None => require(height >= self.anchor.height, ReasonCode::Anchor, || {
                format!("{field} is at height {height}, before the trust anchor's {}", self.anchor.height)
            }),
            Some((before, then)) => require(height > before && time > then, ReasonCode::Link, || {
                format!("{field} is at height {height}, not after the link before it at {before}")
            }),
        }
    }
}

/// The light client's rules: validators as the header says, commit for this header, more than 2/3
/// of the power.
fn check_commit(signed: &SignedHeader, set: &Set, field: &str) -> Result<(), Refusal> {
    let untrusted = UntrustedBlockState { signed_header: signed, validators: set, next_validators: None };
    let verifier = ProdVerifier::default();
    for verdict in [verifier.verify_validator_sets(&untrusted), verifier.verify_commit(&untrusted)] {
        match verdict {
            Verdict::Success => {}
            Verdict::NotEnoughTrust(tally) => {
                return Err(Refusal::new(ReasonCode::Power, format!("{field}: {tally}")));
            }
            Verdict::Invalid(detail) => return Err(refusal(&detail, field)),
        }
    }
    Ok(())
}

fn refusal(detail: &Detail, field: &str) -> Refusal {
    let (code, what) = match detail {
        Detail::InvalidValidatorSet(_) => {
            (ReasonCode::Validators, "the validators are not those of the header".into())
        }
        Detail::NoSignatureForCommit(_) => (ReasonCode::Power, "nobody signed".into()),
        Detail::InsufficientSignersOverlap(short) => {
            let (tallied, total) = (short.tally.tallied, short.tally.total);
            (ReasonCode::Power, format!("signed by {tallied} of {total} of the voting power"))
        }
        Detail::InvalidSignature(_) | Detail::MissingSignature(_) => {
            (ReasonCode::Signature, "a signature does not verify".into())
        }
        Detail::InvalidCommitValue(_) => (ReasonCode::Commit, "the commit is for another header".into()),
        other => (ReasonCode::Commit, other.to_string()),
    };
    Refusal::new(code, format!("{field}: {what}"))
}

/// Every signature in the file must be true, not only as many as are needed: so no byte is free.
/// Returns the power that signed.
fn check_signatures(signed: &SignedHeader, set: &Set, field: &str) -> Result<u64, Refusal> {
    let mut power = 0;
    for (index, (vote, validator)) in signed.commit.signatures.iter().zip(set.validators()).enumerate() {
        let CommitSig::BlockIdFlagCommit { validator_address, timestamp, signature } = vote else { continue };
        require(*validator_address == validator.address, ReasonCode::Commit, || {
            format!("{field}: vote {index} is not at its validator's place")
        })?;
        let vote = Vote {
            vote_type: Type::Precommit,
            height: signed.commit.height,
            round: signed.commit.round,
            block_id: Some(signed.commit.block_id),
            timestamp: Some(*timestamp),
            validator_address: *validator_address,
            validator_index: ValidatorIndex::try_from(index)
                .map_err(|_| canonical::encoding(field, "too many votes"))?,
            signature: signature.clone(),
            extension: Vec::new(),
            extension_signature: None,
        };
        let vote = SignedVote::from_vote(vote, signed.header.chain_id.clone());
        let holds = vote.is_some_and(|vote| {
            validator.verify_signature::<Ed25519>(&vote.sign_bytes(), vote.signature()).is_ok()
        });
        require(holds, ReasonCode::Signature, || format!("{field}: signature {index} does not verify"))?;
        power += validator.power();
    }
    Ok(power)
}
