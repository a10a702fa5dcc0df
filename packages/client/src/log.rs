//! Who read what: the receipts in the authors' access lanes, opened and checked.
//!
//! Responsible for: each read shown says which checks its receipt passed and which it did not. Must
//! never leave a read out because a check failed.

use casewise_chain::{ChainError, ChainExt as _};
use casewise_ledger::account::PublicKey;
use casewise_ledger::records::{GrantRecord, GrantStatus, ns};
use casewise_ledger::{
    Address, Class, Commitment, Data, Kind, LaneId, Opening, Party, Receipt, ReleaseItem, sha256,
};
use casewise_seal::ListedEntry;

use crate::book::{CaseState, LaneState, ShareState};
use crate::heads::covering;
use crate::{ClientError, Patient};

/// One read.
#[derive(Clone, Debug)]
pub struct ReadEvent {
    /// Where its author wrote it.
    pub lane: LaneId,
    /// Its index there.
    pub index: u32,
    /// When, by the author's clock, Unix ms.
    pub time: u64,
    /// Height and time of the first block that covers it.
    pub anchored: Option<(u64, u64)>,
    /// Who served.
    pub server: Party,
    /// Who read.
    pub reader: Party,
    /// The person.
    pub practitioner: Option<Address>,
    /// What.
    pub items: Vec<ReleaseItem>,
    /// Under which grant.
    pub grant: Commitment,
    /// Why: the grant's purpose; `None` when its opening is not in this wallet.
    pub purpose: Option<String>,
    /// The grant's words for people.
    pub labels: Vec<String>,
    /// Height at which it was decided.
    pub decided: u64,
    /// Checks that the receipt failed; empty when it passed them all.
    pub faults: Vec<String>,
}

impl Patient<'_> {
    /// Every read of a case by third parties, by time. Entries that cannot be opened are listed with
    /// the reason as an error.
    pub async fn reads(&self, case: &CaseState) -> Result<(Vec<ReadEvent>, Vec<ClientError>), ClientError> {
        let lanes = self.book.lanes(case.n).await?;
        let shares = self.book.shares(case.n).await?;
        let (mut events, mut failed) = (Vec::new(), Vec::new());
        for state in lanes.iter().filter(|state| state.header.class == Class::Access) {
            let lane = state.header.id();
            let kept = self.book.entries(&lane, 0).await?;
            let reads = kept.iter().filter(|entry| entry.header.kind == Kind::Access);
            let reads: Vec<u32> = reads.map(|entry| entry.header.index).collect();
            if reads.is_empty() {
                continue;
            }
            let heads = self.book.heads(&lane).await?;
            let mut opened = Vec::with_capacity(reads.len());
            let take = &mut |index, entry| opened.push((index, entry));
            if let Err(error) = self.open_entries(case, &lane, &reads, take).await {
                failed.push(error);
            }
            for (index, entry) in opened {
                match entry {
                    Ok((entry, Data::Access(receipt))) => {
                        let mut event = event(state, &entry, &receipt, &shares);
                        event.anchored = covering(&heads, index).map(|head| (head.height, head.time));
                        event.faults = self.check_receipt(case, &lanes, state, &shares, &receipt).await?;
                        events.push(event);
                    }
                    Ok(_) => {
                        let what = format!("read {index} of lane {lane}");
                        failed.push(ClientError::integrity(what, "it holds no receipt"));
                    }
                    Err(error) => failed.push(error),
                }
            }
        }
        events.sort_by_key(|event| (event.time, event.lane, event.index));
        Ok((events, failed))
    }

    async fn check_receipt(
        &self,
        case: &CaseState,
        lanes: &[LaneState],
        access: &LaneState,
        shares: &[ShareState],
        receipt: &Receipt,
    ) -> Result<Vec<String>, ClientError> {
        let mut faults = Vec::new();
        let release = &receipt.release;
        if release.case != case.case {
            faults.push("it is about another case".into());
        }
        if release.server != access.header.author {
            faults.push("its server is not the author of this lane".into());
        }
        let message = release.message();
        for (what, party, key, signature) in [
            ("server", release.server, receipt.server_key, receipt.server_sig),
            ("reader", release.reader, receipt.reader_key, receipt.reader_sig),
        ] {
            let key = PublicKey(key);
            if key.verify_message(&message, &signature).is_err() {
                faults.push(format!("the {what}'s signature does not verify"));
            } else if !self.speaks_for(&key.address(), party, release.height).await? {
                faults.push(format!("the {what}'s key was not an operator of {party}"));
            }
        }
        if let Some(fault) = self.check_leaves(lanes, &release.items, &release.leaves).await? {
            faults.push(fault);
        }
        match shares.iter().find(|share| share.opening.commitment() == release.grant) {
            Some(share) => faults.extend(check_opening(&share.opening, receipt, lanes)),
            None => {
                faults.push("the grant was not made with this wallet, so its terms are not known here".into())
            }
        }
        if let Some(fault) = self.check_live(&release.grant, release.height).await? {
            faults.push(fault);
        }
        Ok(faults)
    }

    /// Whether an account signed for a party at that height.
    async fn speaks_for(&self, account: &Address, party: Party, height: u64) -> Result<bool, ClientError> {
        Ok(match party {
            Party::Account(own) => own == *account,
            Party::Institution(number) => self.network.operator_at(account, height).await? == Some(number),
        })
    }

    /// The leaves that were signed must be those of the entries named.
    async fn check_leaves(
        &self,
        lanes: &[LaneState],
        items: &[ReleaseItem],
        signed: &[u8; 32],
    ) -> Result<Option<String>, ClientError> {
        let mut leaves = Vec::new();
        for item in items {
            let known = lanes.iter().find(|lane| lane.header.id() == item.lane);
            if known.is_none_or(|lane| item.first > item.last || item.last >= lane.size) {
                return Ok(Some("it names entries that are not in this case".into()));
            }
            let entries = self.book.entries(&item.lane, item.first).await?;
            let count = (item.last - item.first) as usize + 1;
            for entry in entries.iter().take(count) {
                leaves.extend_from_slice(&ListedEntry::from(entry).leaf());
            }
        }
        let same = sha256(&[&leaves]) == *signed;
        Ok((!same).then(|| "the entries it names are not those that were signed".into()))
    }

    /// The grant must have been live at the height of the decision.
    async fn check_live(&self, grant: &Commitment, height: u64) -> Result<Option<String>, ClientError> {
        let ppr = &self.network.contracts().ppr;
        let record: Result<Option<GrantRecord>, ChainError> =
            self.network.chain.record(ppr, ns::GRANT, &grant.0, Some(height)).await;
        match record {
            Ok(Some(record)) if record.status == GrantStatus::Live => Ok(None),
            Ok(Some(_)) => Ok(Some(format!("the grant was over at height {height}"))),
            Ok(None) => Ok(Some(format!("there was no such grant at height {height}"))),
            Err(ChainError::Pruned { .. } | ChainError::NotYet { .. }) => {
                Ok(Some(format!("the node no longer knows whether the grant was live at height {height}")))
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn event(access: &LaneState, entry: &ListedEntry, receipt: &Receipt, shares: &[ShareState]) -> ReadEvent {
    let release = &receipt.release;
    let share = shares.iter().find(|share| share.opening.commitment() == release.grant);
    ReadEvent {
        lane: access.header.id(),
        index: entry.header.index,
        time: entry.header.time,
        anchored: None,
        server: release.server,
        reader: release.reader,
        practitioner: release.practitioner,
        items: release.items.clone(),
        grant: release.grant,
        purpose: share.map(|share| share.opening.purpose.clone()),
        labels: share.map(|share| share.opening.labels.clone()).unwrap_or_default(),
        decided: release.height,
        faults: Vec::new(),
    }
}

/// What was released must lie within what was granted.
fn check_opening(opening: &Opening, receipt: &Receipt, lanes: &[LaneState]) -> Vec<String> {
    let release = &receipt.release;
    let mut faults = Vec::new();
    if release.reader != opening.grantee {
        faults.push("the reader is not the one of the grant".into());
    }
    if opening.practitioner.is_some() && release.practitioner != opening.practitioner {
        faults.push("the practitioner is not the one of the grant".into());
    }
    if release.server != opening.author {
        faults.push("the server is not the author of the grant".into());
    }
    if !release.items.iter().all(|item| granted(opening, item, lanes)) {
        faults.push("more was released than the grant covers".into());
    }
    faults
}

/// Whether a range is granted: by an item of its lane, or as a successor of a lane that is followed.
fn granted(opening: &Opening, item: &ReleaseItem, lanes: &[LaneState]) -> bool {
    if covered(opening, item) {
        return true;
    }
    let mut lane = item.lane;
    // a chain of successors is never longer than the lanes there are
    for _ in 0..lanes.len() {
        let state = lanes.iter().find(|state| state.header.id() == lane);
        let Some(predecessor) = state.and_then(|state| state.header.predecessor) else { return false };
        if opening.items.iter().any(|own| own.lane == predecessor && own.follow) {
            return true;
        }
        lane = predecessor;
    }
    false
}

/// Whether the opening's own ranges of the lane, taken together, cover the item.
fn covered(opening: &Opening, item: &ReleaseItem) -> bool {
    let mut next = item.first;
    for own in opening.items.iter().filter(|own| own.lane == item.lane) {
        if own.first <= next && next <= own.last {
            if item.last <= own.last {
                return true;
            }
            next = own.last + 1;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use casewise_ledger::{CaseId, LaneHeader, OpeningItem, V1};

    fn lane(nonce: u8, predecessor: Option<LaneId>) -> LaneState {
        LaneState::new(LaneHeader {
            version: V1,
            case: CaseId([1; 32]),
            author: Party::Institution(1),
            class: Class::Content,
            minimum: 1024,
            epoch: 0,
            root: [nonce; 32],
            signer: None,
            predecessor,
            nonce: [nonce; 16],
        })
    }

    fn opening(items: Vec<OpeningItem>) -> Opening {
        Opening {
            version: V1,
            case: CaseId([1; 32]),
            grantee: Party::Institution(2),
            practitioner: None,
            author: Party::Institution(1),
            purpose: "TREAT".into(),
            labels: Vec::new(),
            items,
            not_before: 0,
            not_after: 1,
            erase_by: 0,
            salt: [0; 32],
        }
    }

    #[test]
    fn ranges_and_successors() {
        let first = lane(1, None);
        let a = first.header.id();
        let second = lane(2, Some(a));
        let b = second.header.id();
        let third = lane(3, Some(b));
        let c = third.header.id();
        let lanes = [first, second, third];
        let item = |lane, first, last| ReleaseItem { lane, first, last };
        let own = |first, last, follow| OpeningItem { lane: a, first, last, follow };

        let plain = opening(vec![own(2, 4, false), own(5, 9, false)]);
        for (range, expected) in [((2, 9), true), ((4, 5), true), ((1, 4), false), ((5, 10), false)] {
            assert_eq!(granted(&plain, &item(a, range.0, range.1), &lanes), expected, "{range:?}");
        }
        assert!(!granted(&plain, &item(b, 0, 0), &lanes));

        let follow = opening(vec![own(2, 4, true)]);
        assert!(granted(&follow, &item(b, 0, 70), &lanes));
        assert!(granted(&follow, &item(c, 0, 70), &lanes));
        assert!(!granted(&follow, &item(a, 5, 5), &lanes), "follow does not widen the lane itself");
        assert!(!granted(&follow, &item(LaneId([9; 32]), 0, 0), &lanes));
    }

    #[test]
    fn a_gap_between_ranges_is_not_granted() {
        let a = LaneId([7; 32]);
        let own = |first, last| OpeningItem { lane: a, first, last, follow: false };
        let split = opening(vec![own(0, 3), own(5, 9)]);
        assert!(!covered(&split, &ReleaseItem { lane: a, first: 3, last: 5 }));
        assert!(covered(&split, &ReleaseItem { lane: a, first: 5, last: 9 }));
        assert!(!covered(&split, &ReleaseItem { lane: a, first: 4, last: 4 }));
    }
}
