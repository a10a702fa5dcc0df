//! The heads a lane has had, and what proves them.
//!
//! summary's record of a lane names the height of its last head. So the head before it is the record
//! of the height before, and the heads of a lane are read backwards from state: one question per
//! head, whatever lies between them. A node that has forgotten that height ends the walk; the gap is
//! kept and filled when an archive node is asked.

use casewise_chain::{Chain, ChainError, ContractAddress, StateProof};
use casewise_ledger::records::{LaneRecord, ns, record_key};
use casewise_ledger::{CaseBlock, LaneId, Party, V1, block, encode};

use crate::book::{CaseState, KeptHead, KeptProof, KeptRecord};
use crate::ports::Directory as _;
use crate::store::Batch;
use crate::{ClientError, Patient};

/// How long the header after a head is waited for, ms.
const HEADER_WAIT_MS: u64 = 10_000;
/// Pause between two looks, ms.
const POLL_MS: u64 = 200;

impl Patient<'_> {
    /// Keeps the heads of a lane from `record` back to the newest one known, and further back over
    /// gaps when `fill` is set. Returns the heads known now, by height.
    pub(crate) async fn walk_heads(
        &self,
        lane: &LaneId,
        record: &LaneRecord,
        fill: bool,
    ) -> Result<Vec<KeptHead>, ClientError> {
        let mut known = self.book.heads(lane).await?;
        let mut at = Some(kept(record));
        let (mut batch, mut asked) = (Batch::new(), 0);
        while let Some(mut head) = at.take().filter(|head| head.size > 0) {
            let place = known.iter().position(|kept| kept.height == head.height);
            if let Some(place) = place {
                let same = known[place].head() == head.head();
                if !same {
                    return Err(ClientError::integrity(
                        format!("a head of lane {lane}"),
                        "it was another before",
                    ));
                }
                let Some(gap) = known[..=place].iter().rfind(|kept| kept.gap).filter(|_| fill) else { break };
                head = gap.clone();
            }
            asked += 1;
            self.tell(asked, None, "reading the lane's heads");
            let before = match self.network.lane(lane, Some(head.height - 1)).await {
                Ok(before) => before,
                Err(ClientError::Chain(ChainError::Pruned { .. })) => {
                    keep(&mut known, &mut batch, lane, head);
                    break;
                }
                Err(error) => return Err(error),
            };
            if before.as_ref().is_some_and(|b| b.size >= head.size || b.height >= head.height) {
                return Err(ClientError::integrity(
                    format!("the heads of lane {lane}"),
                    "they do not ascend",
                ));
            }
            head.gap = false;
            keep(&mut known, &mut batch, lane, head);
            at = before.as_ref().map(kept);
        }
        self.book.commit(batch).await?;
        Ok(known)
    }

    /// Keeps what proves the head in `record`: the record's and the author's state proof and the
    /// header after. Waits a moment for that header.
    pub(crate) async fn keep_proof(&self, lane: &LaneId, record: &LaneRecord) -> Result<(), ClientError> {
        if record.size == 0 || self.book.proof(lane, record.height).await?.is_some() {
            return Ok(());
        }
        let proof = self.fetch_proof(lane, &record.author, record.height).await?;
        let mut batch = Batch::new();
        batch.put_proof(lane, record.height, &proof);
        self.book.commit(batch).await
    }

    /// What proves the state of a lane at the end of block `height`.
    pub(crate) async fn fetch_proof(
        &self,
        lane: &LaneId,
        author: &Party,
        height: u64,
    ) -> Result<KeptProof, ClientError> {
        let Party::Institution(number) = author else {
            return Err(ClientError::Refused { what: format!("lane {lane} is not an institution's") });
        };
        let chain = self.network.chain;
        let contracts = self.network.contracts();
        self.wait_for_block(height + 1).await?;
        let inst = record_key(ns::INSTITUTION, &number.to_be_bytes());
        Ok(KeptProof {
            lane: proven(chain, &contracts.summary, &record_key(ns::LANE, &lane.0), height).await?,
            author: proven(chain, &contracts.registrar, &inst, height).await?,
            header: chain.signed_header(height + 1).await?,
            validators: chain.validators(height + 1).await?,
        })
    }

    async fn wait_for_block(&self, height: u64) -> Result<(), ClientError> {
        let deadline = self.world.clock.now_ms() + HEADER_WAIT_MS;
        while self.network.chain.block(height).await?.is_none() {
            if self.world.clock.now_ms() >= deadline {
                return Err(ClientError::Waited {
                    what: format!("block {height}"),
                    seconds: HEADER_WAIT_MS / 1000,
                });
            }
            self.world.clock.sleep_ms(POLL_MS).await;
        }
        Ok(())
    }

    /// The case chain: the case's anchors in height order, each naming the one before by its hash.
    /// Errors: [`ClientError::NotFound`] before the case is enrolled, [`ChainError::Pruned`] when no
    /// node asked knows the oldest heads.
    pub async fn case_chain(&self, case: &CaseState) -> Result<Vec<CaseBlock>, ClientError> {
        let policy = self.network.policy(&case.case).await?;
        let policy =
            policy.ok_or_else(|| ClientError::not_found(format!("the policy of case {}", case.n)))?;
        let mut heads: Vec<(KeptHead, LaneId)> = Vec::new();
        for (lane, record) in self.network.lanes(&case.case).await? {
            let known = self.walk_heads(&lane, &record, true).await?;
            if let Some(gap) = known.iter().find(|head| head.gap) {
                let earliest = self.network.chain.earliest_height().await?;
                return Err(ChainError::Pruned { height: gap.height - 1, earliest }.into());
            }
            heads.extend(known.into_iter().map(|head| (head, lane)));
        }
        heads.sort_by_key(|(head, lane)| (head.height, *lane));
        let mut prev = block::genesis(&case.case, &policy);
        let mut chain: Vec<CaseBlock> = Vec::new();
        for same_height in heads.chunk_by(|a, b| a.0.height == b.0.height) {
            let (height, time) = (same_height[0].0.height, same_height[0].0.time);
            let heads = same_height.iter().map(|(head, lane)| anchored(head, lane)).collect();
            let block = CaseBlock { version: V1, case: case.case, prev, height, time, heads };
            prev = block.hash();
            chain.push(block);
        }
        Ok(chain)
    }
}

fn anchored(head: &KeptHead, lane: &LaneId) -> casewise_ledger::AnchoredHead {
    casewise_ledger::AnchoredHead { lane: *lane, size: head.size, root: head.root }
}

fn kept(record: &LaneRecord) -> KeptHead {
    KeptHead { height: record.height, time: record.time, size: record.size, root: record.root, gap: true }
}

fn keep(known: &mut Vec<KeptHead>, batch: &mut Batch, lane: &LaneId, head: KeptHead) {
    batch.put_head(lane, &head);
    match known.binary_search_by_key(&head.height, |kept| kept.height) {
        Ok(place) => known[place] = head,
        Err(place) => known.insert(place, head),
    }
}

/// The first head that covers an entry; `None` when it is not anchored, or that head is not known.
pub fn covering(heads: &[KeptHead], index: u32) -> Option<&KeptHead> {
    heads.iter().find(|head| index < head.size).filter(|head| !head.gap)
}

async fn proven(
    chain: &dyn Chain,
    contract: &ContractAddress,
    key: &[u8],
    height: u64,
) -> Result<KeptRecord, ClientError> {
    let StateProof { key, value, iavl, store, .. } = chain.proof(contract, key, height).await?;
    let value = value.ok_or_else(|| ClientError::not_found(format!("the record at height {height}")))?;
    Ok(KeptRecord { key, value, iavl, store })
}

/// Bytes of a case chain's blocks, for programs that keep it.
pub fn encode_chain(chain: &[CaseBlock]) -> Vec<Vec<u8>> {
    chain.iter().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(height: u64, size: u32, gap: bool) -> KeptHead {
        KeptHead { height, time: height, size, root: [size as u8; 32], gap }
    }

    #[test]
    fn the_first_head_that_covers_an_entry() {
        let heads = [head(5, 1, false), head(9, 4, false), head(20, 5, false)];
        assert_eq!(covering(&heads, 0), Some(&heads[0]));
        assert_eq!(covering(&heads, 1), Some(&heads[1]));
        assert_eq!(covering(&heads, 3), Some(&heads[1]));
        assert_eq!(covering(&heads, 4), Some(&heads[2]));
        assert_eq!(covering(&heads, 5), None);
        // before the gap another head may have covered it
        assert_eq!(covering(&[head(9, 4, true), head(20, 5, false)], 0), None);
        assert_eq!(covering(&[head(9, 4, true), head(20, 5, false)], 4).unwrap().height, 20);
    }
}
