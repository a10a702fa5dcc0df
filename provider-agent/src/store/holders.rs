//! Reads and writes about holders after the first: their keys, their fee allowances, and the lanes
//! that follow from a change of holder or from a case that may be written again.

use async_trait::async_trait;
use casewise_ledger::{Address, CaseId, LaneId, RotateOffer};

use super::{LaneRow, LaneView, StoreError};

/// Reads about holders.
#[async_trait]
pub trait HolderStore: Send + Sync {
    /// What the holder of this epoch has shown.
    async fn holder_offer(&self, case: &CaseId, epoch: u32) -> Result<Option<RotateOffer>, StoreError>;
    /// Letters of a case with its roots, to its holder, present or former, and all to this key; in order
    /// after `after`.
    async fn holder_letters(
        &self,
        case: &CaseId,
        to: &casewise_ledger::Hash,
        after: u64,
        limit: u32,
    ) -> Result<Vec<super::LetterRow>, StoreError>;
    /// An account that was asked an allowance for.
    async fn sponsored(&self, account: &Address) -> Result<Option<SponsorRow>, StoreError>;
    /// Allowances asked for and not given yet, oldest first.
    async fn to_sponsor(&self, limit: u32) -> Result<Vec<SponsorRow>, StoreError>;
    /// Cases that may be written again, ascending by id after `after`.
    async fn revived(&self, after: Option<&CaseId>, limit: u32) -> Result<Vec<CaseId>, StoreError>;
    /// Lanes of enrolled cases that wait to be opened and go on from no other, ascending by id.
    async fn unopened(&self, limit: u32) -> Result<Vec<LaneRow>, StoreError>;
    /// Lanes that wait to be opened, of enrolled cases, each with the lane it goes on from.
    async fn waiting_lanes(
        &self,
        after: Option<&LaneId>,
        limit: u32,
    ) -> Result<Vec<(LaneRow, Option<LaneId>)>, StoreError>;
    /// Lanes that are closing on chain, ascending by id after `after`.
    async fn closing(
        &self,
        after: Option<&LaneId>,
        limit: u32,
    ) -> Result<Vec<(LaneRow, LaneView)>, StoreError>;
    /// Where a case is in its life on chain; `None` while it has no lane there.
    async fn case_status(
        &self,
        case: &CaseId,
    ) -> Result<Option<casewise_ledger::records::CaseStatus>, StoreError>;
}

/// A write about holders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HolderWrite {
    /// What the holder of an epoch has shown. The same is stored once; another is refused.
    Offer(Box<RotateOffer>),
    /// Asks an allowance for an account; refused when it was asked for before, when the case had
    /// `most` of them since `after`, Unix ms, or when it had `ever` of them in its life.
    Sponsor {
        /// The account.
        row: SponsorRow,
        /// Time from which allowances count.
        after: u64,
        /// Most of them.
        most: u32,
        /// Most allowances of the case at all.
        ever: u32,
    },
    /// The account has its allowance.
    Sponsored(Address),
    /// The case may be written again.
    Revive(CaseId),
    /// Every enrolled case may be written again.
    ReviveAll,
    /// A case that may be written again has what it needs, or may not be written after all.
    Revived(CaseId),
    /// Gives up a lane that can never be opened; refused unless it waits to be opened.
    DropLane(LaneId),
}

/// An account that gets a fee allowance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SponsorRow {
    /// The account.
    pub account: Address,
    /// The case it is for.
    pub case: CaseId,
    /// When it was asked for, Unix ms.
    pub time: u64,
    /// Whether it has been given.
    pub given: bool,
}
