//! What must never be, each as a check of its own over one step.
//!
//! Responsible for: naming what broke. Must never lean on the reference's verdict: each check looks
//! at the records before and after the message.

mod pages;
mod steps;
mod times;

use std::collections::{BTreeMap, BTreeSet};

use casewise_ledger::{CaseId, Commitment, Hash, LaneId};

use super::{
    events::Folded, generator::Sent, generator::World, reference::At, reference::Model, state::State,
};
use crate::contracts::{Outcome, Suite};

/// The invariants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// A lane never shrinks, forks or loses its prefix.
    LaneGrows,
    /// No index is anchored twice.
    IndexOnce,
    /// A completed case's content never grows.
    CompletedStays,
    /// An entry acknowledged before closing can still be anchored within the grace.
    GraceAnchors,
    /// No effectively active relationship without an active institution.
    ForceNeedsActive,
    /// A revoked grant is never live again.
    RevokedStays,
    /// `rev` never falls.
    RevRises,
    /// A delegate never exceeds the holder.
    DelegateBound,
    /// A stolen holder key cannot defeat recovery.
    RecoveryWins,
    /// Time bounds are exactly as documented.
    TimeBounds,
    /// Every walk through a query's pages is the full scan.
    PagesAreState,
    /// What is folded from the events is the state.
    EventsAreState,
    /// The contracts accept and refuse what the reference does, and end in its state.
    ReferenceAgrees,
}

impl Invariant {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::LaneGrows,
        Self::IndexOnce,
        Self::CompletedStays,
        Self::GraceAnchors,
        Self::ForceNeedsActive,
        Self::RevokedStays,
        Self::RevRises,
        Self::DelegateBound,
        Self::RecoveryWins,
        Self::TimeBounds,
        Self::PagesAreState,
        Self::EventsAreState,
        Self::ReferenceAgrees,
    ];

    /// Its sentence.
    pub fn words(self) -> &'static str {
        match self {
            Self::LaneGrows => "a lane never shrinks, forks or loses its prefix",
            Self::IndexOnce => "no index is anchored twice",
            Self::CompletedStays => "a completed case's content never grows",
            Self::GraceAnchors => {
                "an entry acknowledged before closing can still be anchored within the grace"
            }
            Self::ForceNeedsActive => "no effectively active relationship without an active institution",
            Self::RevokedStays => "a revoked grant is never live again",
            Self::RevRises => "rev never falls",
            Self::DelegateBound => "a delegate never exceeds the holder",
            Self::RecoveryWins => "a stolen holder key cannot defeat recovery",
            Self::TimeBounds => "time bounds are exactly as documented",
            Self::PagesAreState => "every walk through a query's pages is the full scan",
            Self::EventsAreState => "what is folded from the events is the state",
            Self::ReferenceAgrees => "the contracts do what the reference does",
        }
    }
}

/// What the checks remember of the steps before.
#[derive(Default)]
pub struct Memory {
    /// Every root that was anchored at a size of a lane.
    pub heads: BTreeMap<(LaneId, u32), Hash>,
    /// Grants that were over.
    pub over: BTreeSet<Commitment>,
    /// Cases whose holder has used its veto.
    pub vetoed: BTreeSet<CaseId>,
    /// What the events told.
    pub folded: Folded,
}

/// One message with what was before and after it.
pub struct Step<'a> {
    pub suite: &'a Suite,
    pub world: &'a World,
    /// The reference after it.
    pub model: &'a Model,
    pub before: &'a State,
    pub after: &'a State,
    pub sent: &'a Sent,
    pub outcome: &'a Outcome,
    pub at: At,
    /// The queries are walked in this step.
    pub walk: bool,
}

/// What broke, in words.
pub type Check = Result<(), String>;

impl Step<'_> {
    fn accepted(&self) -> bool {
        self.outcome.is_ok()
    }

    fn changed(&self) -> bool {
        self.accepted() && self.before != self.after
    }

    /// One of the checks that look at two states; [`Invariant::ReferenceAgrees`] is the run's own.
    pub fn check(&self, invariant: Invariant, memory: &mut Memory) -> Check {
        match invariant {
            Invariant::LaneGrows => self.lane_grows(),
            Invariant::IndexOnce => self.index_once(memory),
            Invariant::CompletedStays => self.completed_stays(),
            Invariant::GraceAnchors => self.grace_anchors(),
            Invariant::ForceNeedsActive => self.force_needs_active(),
            Invariant::RevokedStays => self.revoked_stays(memory),
            Invariant::RevRises => self.rev_rises(),
            Invariant::DelegateBound => self.delegate_bound(),
            Invariant::RecoveryWins => self.recovery_wins(memory),
            Invariant::TimeBounds => self.time_bounds(),
            Invariant::PagesAreState => {
                if self.walk {
                    self.pages_are_state()
                } else {
                    Ok(())
                }
            }
            Invariant::EventsAreState => self.events_are_state(memory),
            Invariant::ReferenceAgrees => Ok(()),
        }
    }
}

fn ensure(met: bool, broken: impl FnOnce() -> String) -> Check {
    if met { Ok(()) } else { Err(broken()) }
}
