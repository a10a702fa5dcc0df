//! Evidence: packing what was kept when a head was first seen, and what archive nodes still serve,
//! into a file that somebody else can verify offline.
//!
//! Responsible for: the file holds exactly what was asked for, keys only on request, and passes the
//! verifier before it is handed out. Must never put a lane's root, or the key of another entry, into
//! a file.

use casewise_chain::{ChainError, Manifest};
use casewise_evidence::{
    DisclosedKey, Entry, Evidence, HeaderFacts, Inclusion, Link, MAX_ENTRIES, Refusal, StateProof, Summary,
    TrustAnchor, Verdict, header_facts, pack_header, pack_proof, pack_validators, verify,
};
use casewise_ledger::records::LaneRecord;
use casewise_ledger::{Beacon, LaneId, decode, encode};
use zeroize::Zeroizing;

use crate::agent::Agent;
use crate::book::{CaseState, KeptHead, KeptProof, KeptRecord};
use crate::ports::Directory as _;
use crate::records::LaneTree;
use crate::{ClientError, Patient};

/// How much of an entry a file shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disclosure {
    /// That it stood there: neither body nor key.
    Existence,
    /// Also the sealed body.
    Sealed,
    /// Body and key: whoever has the file reads the entry, and no other.
    Content,
}

/// What is exported.
#[derive(Clone, Debug)]
pub struct Export {
    /// The lane.
    pub lane: LaneId,
    /// Indices, ascending.
    pub indices: Vec<u32>,
    /// How much of each.
    pub disclosure: Disclosure,
}

/// An evidence file that passed the verifier.
#[derive(Debug)]
pub struct Exported {
    /// The file.
    pub file: Vec<u8>,
    /// What it shows.
    pub verdict: Verdict,
    /// Height of the first block that covers the entries; the file proves a later head when this is
    /// below the verdict's height.
    pub first_covered: Option<u64>,
}

/// The trust anchor in a network's manifest. Whoever relies on evidence takes the manifest from a
/// source of their own.
pub fn trust_anchor(manifest: &Manifest) -> TrustAnchor {
    TrustAnchor {
        chain_id: manifest.params.chain_id.clone(),
        height: manifest.trust.height,
        header_hash: manifest.trust.header_hash,
        validators_hash: manifest.trust.validators_hash,
        registrar: manifest.contracts.registrar.0,
        summary: vec![Summary {
            address: manifest.contracts.summary.0,
            code_checksum: manifest.codes.summary.checksum,
        }],
    }
}

impl Patient<'_> {
    /// Makes an evidence file for entries of one lane. The head proven is the first that covers them
    /// all; when neither the wallet nor a node has its proof any more, a later one.
    /// Errors: [`ClientError::Input`], [`ClientError::NotFound`], [`ClientError::Integrity`] when the
    /// file would not pass the verifier.
    pub async fn export(&self, case: &CaseState, export: &Export) -> Result<Exported, ClientError> {
        let ascending = export.indices.windows(2).all(|pair| pair[0] < pair[1]);
        if export.indices.is_empty() || export.indices.len() > MAX_ENTRIES || !ascending {
            let reason = format!("1 to {MAX_ENTRIES} entries of one lane, each once");
            return Err(ClientError::input("ENTRY", reason));
        }
        let tree = self.lane_tree(case, &export.lane).await?;
        let last = export.indices[export.indices.len() - 1];
        let (height, proof, first_covered) = self.head_proof(&tree, &export.lane, last).await?;
        let record: LaneRecord =
            decode(&proof.lane.value).map_err(|error| ClientError::integrity("the lane's record", error))?;
        let mut file = self.frame(&tree, height, &proof).await?;
        let key = self.key(case)?;
        let agent = match export.disclosure {
            Disclosure::Existence => None,
            Disclosure::Sealed | Disclosure::Content => Some(self.author(&tree, &key).await?),
        };
        for index in &export.indices {
            file.entries.push(self.entry(case, &tree, agent.as_ref(), *index, export.disclosure).await?);
            let path = tree.proof(*index, record.size)?.concat();
            file.inclusion.push(Inclusion { index: *index, path, size: record.size });
        }
        let anchor = trust_anchor(self.network.manifest);
        file.beacon_header = self.beacon_header(&tree, export, &anchor).await?;
        let verdict = verify(&file, &anchor).map_err(|refusal| refused("the evidence", &refusal))?;
        Ok(Exported { file: file.to_json(), verdict, first_covered })
    }

    /// The proof of the first head that covers an entry, or of the next one that can still be proven.
    async fn head_proof(
        &self,
        tree: &LaneTree,
        lane: &LaneId,
        index: u32,
    ) -> Result<(u64, KeptProof, Option<u64>), ClientError> {
        let author = tree.state().header.author;
        if index >= tree.state().size {
            return Err(ClientError::not_found(format!("entry {index} of lane {lane}")));
        }
        let record = self.network.lane(lane, None).await?;
        let record = record.ok_or_else(|| ClientError::not_found(format!("lane {lane} on chain")))?;
        let heads = self.walk_heads(lane, &record, true).await?;
        let covering = |head: &&KeptHead| index < head.size && head.size <= tree.state().size;
        let mut pruned = None;
        let mut first_covered = None;
        for head in heads.iter().filter(covering) {
            first_covered = first_covered.or((!head.gap).then_some(head.height));
            if let Some(proof) = self.book.proof(lane, head.height).await? {
                return Ok((head.height, proof, first_covered));
            }
            match self.fetch_proof(lane, &author, head.height).await {
                Ok(proof) => return Ok((head.height, proof, first_covered)),
                Err(error @ ClientError::Chain(ChainError::Pruned { .. })) => pruned = pruned.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        Err(pruned
            .unwrap_or_else(|| ClientError::not_found(format!("an anchored head that covers entry {index}"))))
    }

    /// Everything of a file but its entries.
    async fn frame(&self, tree: &LaneTree, height: u64, proof: &KeptProof) -> Result<Evidence, ClientError> {
        let manifest = self.network.manifest;
        let pack = |error: Refusal| refused("what the node served", &error);
        let facts = header_facts(&proof.header).map_err(pack)?;
        Ok(Evidence {
            author: state(&proof.author, height)?,
            beacon_header: None,
            chain_id: manifest.params.chain_id.clone(),
            code_checksum: manifest.codes.summary.checksum,
            contract: manifest.contracts.summary.0,
            entries: Vec::new(),
            header: pack_header(&proof.header).map_err(pack)?,
            inclusion: Vec::new(),
            lane_header: encode(&tree.state().header),
            links: self.links(&facts).await?,
            state: state(&proof.lane, height)?,
            v: Evidence::VERSION,
            validators: pack_validators(&proof.validators).map_err(pack)?,
        })
    }

    /// The headers at which the validators changed between the trust anchor and `to`.
    async fn links(&self, to: &HeaderFacts) -> Result<Vec<Link>, ClientError> {
        let chain = self.network.chain;
        let trust = &self.network.manifest.trust;
        let (mut links, mut from, mut trusted) = (Vec::new(), trust.height, trust.validators_hash);
        while trusted != to.validators_hash {
            self.tell(links.len() as u64, None, "following the validators");
            let set = trusted;
            let signs = async |height| Ok(facts(&chain.signed_header(height).await?)?.validators_hash == set);
            let height = last_before_change(from, to.height, signs).await?;
            let header = chain.signed_header(height).await?;
            let facts = facts(&header)?;
            let pack = |error: Refusal| refused("what the node served", &error);
            links.push(Link {
                header: pack_header(&header).map_err(pack)?,
                validators: pack_validators(&chain.validators(height).await?).map_err(pack)?,
            });
            if facts.next_validators_hash == trusted {
                return Err(ClientError::integrity(
                    "the chain of validators",
                    "a header names others than it says",
                ));
            }
            (from, trusted) = (height + 1, facts.next_validators_hash);
        }
        Ok(links)
    }

    async fn entry(
        &self,
        case: &CaseState,
        tree: &LaneTree,
        agent: Option<&Agent<'_>>,
        index: u32,
        disclosure: Disclosure,
    ) -> Result<Entry, ClientError> {
        let accepted = tree.accept(index)?;
        let entry = accepted.entry();
        let (mut body, mut one_time_key) = (None, None);
        if let Some(agent) = agent {
            let bytes = agent.body(&tree.state().header.id(), index, entry.body_length).await?;
            let what = format!("entry {index}");
            accepted.check_body(&bytes).map_err(|error| crate::integrity::seal(&what, error))?;
            body = Some(bytes);
        }
        if disclosure == Disclosure::Content {
            let keys = self.key_set(case.n, &tree.state().header).await?;
            let keys = keys.ok_or_else(|| ClientError::not_found("the lane's root letter"))?;
            let key = keys.derive(index).map_err(|error| ClientError::integrity("the key", error))?;
            one_time_key = Some(DisclosedKey(Zeroizing::new(*key.expose_secret())));
        }
        Ok(Entry {
            body,
            body_length: entry.body_length,
            body_sha256: entry.body_sha256,
            commitment: entry.commitment,
            header: encode(&entry.header),
            one_time_key,
        })
    }

    /// The block that the entries name as their beacon, when they name one and the same, after the
    /// trust anchor, and a node still has it.
    async fn beacon_header(
        &self,
        tree: &LaneTree,
        export: &Export,
        anchor: &TrustAnchor,
    ) -> Result<Option<Vec<u8>>, ClientError> {
        let mut beacons = export.indices.iter().filter_map(|index| tree.entries().get(*index as usize));
        let first: Option<Beacon> = beacons.next().map(|entry| entry.header.beacon);
        let Some(beacon) = first.filter(|beacon| beacon.height > 0 && beacon.height >= anchor.height) else {
            return Ok(None);
        };
        if beacons.any(|entry| entry.header.beacon != beacon) {
            return Ok(None);
        }
        match self.network.chain.signed_header(beacon.height).await {
            Ok(header) if facts(&header)?.hash == beacon.hash => {
                pack_header(&header).map(Some).map_err(|error| refused("what the node served", &error))
            }
            // a false beacon is the author's: the file then proves that the entry is there as it is
            Ok(_) | Err(ChainError::Pruned { .. } | ChainError::NotYet { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// A height from `from` on, below `to`, at which `holds` is true while it is false at the next. It
/// is true at `from` and false at `to`; both are not asked again.
async fn last_before_change(
    from: u64,
    to: u64,
    mut holds: impl AsyncFnMut(u64) -> Result<bool, ClientError>,
) -> Result<u64, ClientError> {
    let (mut before, mut after) = (from, to);
    while after - before > 1 {
        let middle = before + (after - before) / 2;
        if holds(middle).await? {
            before = middle;
        } else {
            after = middle;
        }
    }
    Ok(before)
}

fn facts(header: &[u8]) -> Result<HeaderFacts, ClientError> {
    header_facts(header).map_err(|error| refused("a header of the node", &error))
}

fn state(record: &KeptRecord, height: u64) -> Result<StateProof, ClientError> {
    let pack = |error: Refusal| refused("what the node served", &error);
    Ok(StateProof {
        height,
        iavl: pack_proof(&record.iavl).map_err(pack)?,
        key: record.key.clone(),
        store: pack_proof(&record.store).map_err(pack)?,
        value: record.value.clone(),
    })
}

fn refused(what: &str, refusal: &Refusal) -> ClientError {
    ClientError::integrity(what, format!("{refusal} ({})", refusal.code))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of the sets signs a height, for sets that begin at these heights.
    fn set_at(begins: &[u64], height: u64) -> usize {
        begins.iter().filter(|begin| **begin <= height).count()
    }

    #[tokio::test]
    async fn every_change_of_validators_is_found_in_order() {
        for begins in [vec![], vec![2], vec![50], vec![99], vec![7, 8, 9], vec![10, 40, 41, 90]] {
            let (mut at, mut found, end) = (1, Vec::new(), 100);
            while set_at(&begins, at) != set_at(&begins, end) {
                let set = set_at(&begins, at);
                let last =
                    last_before_change(at, end, async |height| Ok(set_at(&begins, height) == set)).await;
                at = last.unwrap() + 1;
                found.push(at);
            }
            assert_eq!(found, begins);
        }
    }

    #[tokio::test]
    async fn a_node_that_fails_ends_the_search() {
        let failed = last_before_change(1, 9, async |_| Err(ClientError::not_found("a header"))).await;
        assert!(matches!(failed, Err(ClientError::NotFound { .. })));
    }
}
