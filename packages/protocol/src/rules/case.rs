//! What a case knows of its lanes: which are open, what was closed, and where an institution
//! stands in the holder's eyes.

use borsh::{BorshDeserialize, BorshSerialize};
use casewise_ledger::{
    Class, Hash, Head, LaneId, V1,
    records::{CaseRecord, CaseStatus, RelationshipStatus, close_digest},
};
use cosmwasm_schema::cw_serde;

use super::{MAX_OPEN_LANES, Refusal};

/// The lanes of an author in a case that are not closed, and how many closed ones the holder has
/// not seen to their end.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct OpenLanes {
    /// Content lanes, at most [`MAX_OPEN_LANES`].
    pub content: Vec<LaneId>,
    /// The access lane.
    pub access: Option<LaneId>,
    /// Closed content lanes with seen < size.
    pub unseen: u32,
}

impl OpenLanes {
    /// Takes up a new lane.
    pub fn add(&mut self, class: Class, lane: LaneId) -> Result<(), Refusal> {
        match class {
            Class::Content if self.content.len() >= MAX_OPEN_LANES => Err(Refusal::TooManyLanes),
            Class::Content => {
                self.content.push(lane);
                Ok(())
            }
            Class::Access if self.access.is_some() => Err(Refusal::SecondAccessLane),
            Class::Access => {
                self.access = Some(lane);
                Ok(())
            }
        }
    }

    /// Lets go of a lane that closes; `unseen`: the holder has not seen all of it.
    pub fn remove(&mut self, class: Class, lane: &LaneId, unseen: bool) {
        match class {
            Class::Content => {
                self.content.retain(|open| open != lane);
                self.unseen = self.unseen.saturating_add(u32::from(unseen));
            }
            Class::Access => self.access = self.access.filter(|open| open != lane),
        }
    }
}

/// A case without lanes at `height`.
pub(super) fn empty(height: u64) -> CaseRecord {
    CaseRecord { version: V1, status: CaseStatus::Open, open: 0, digest: Hash::default(), height }
}

/// The case after a content lane closed at `head`.
pub fn close_in_case(case: &CaseRecord, lane: &LaneId, head: &Head, height: u64) -> CaseRecord {
    CaseRecord {
        open: case.open.saturating_sub(1),
        digest: close_digest(&case.digest, lane, head),
        height,
        ..case.clone()
    }
}

/// Where an institution stands with a case: MedRec's three words, and the others that occur.
#[cw_serde]
#[derive(Copy, Eq)]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub enum CareStatus {
    /// No relationship.
    None,
    /// Proposed: waits for the holder.
    New,
    /// In force, and there are entries the holder has not seen.
    UpdatePending,
    /// In force, and the holder has seen everything.
    Accepted,
    /// Suspended, itself or with its institution.
    Suspended,
    /// Over.
    Ended,
}

/// The word. `active`: the institution is; `unseen`: a content lane of its has seen < size.
pub fn care_status(relationship: Option<RelationshipStatus>, active: bool, unseen: bool) -> CareStatus {
    match relationship {
        None => CareStatus::None,
        Some(RelationshipStatus::Ended) => CareStatus::Ended,
        Some(RelationshipStatus::Proposed) => CareStatus::New,
        Some(RelationshipStatus::Suspended) => CareStatus::Suspended,
        Some(RelationshipStatus::Active) if !active => CareStatus::Suspended,
        Some(RelationshipStatus::Active) if unseen => CareStatus::UpdatePending,
        Some(RelationshipStatus::Active) => CareStatus::Accepted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_words_and_the_rest() {
        use RelationshipStatus::*;
        for (relationship, active, unseen, word) in [
            (None, true, true, CareStatus::None),
            (Some(Proposed), true, true, CareStatus::New),
            (Some(Proposed), true, false, CareStatus::New),
            (Some(Active), true, true, CareStatus::UpdatePending),
            (Some(Active), true, false, CareStatus::Accepted),
            (Some(Active), false, true, CareStatus::Suspended),
            (Some(Suspended), true, false, CareStatus::Suspended),
            (Some(Ended), true, true, CareStatus::Ended),
        ] {
            assert_eq!(care_status(relationship, active, unseen), word);
        }
    }

    #[test]
    fn sixteen_content_lanes_and_one_access_lane() {
        let mut open = OpenLanes::default();
        for n in 0..MAX_OPEN_LANES as u8 {
            open.add(Class::Content, LaneId([n; 32])).unwrap();
        }
        assert_eq!(open.add(Class::Content, LaneId([99; 32])), Err(Refusal::TooManyLanes));
        open.remove(Class::Content, &LaneId([3; 32]), true);
        assert_eq!((open.content.len(), open.unseen), (MAX_OPEN_LANES - 1, 1));
        open.add(Class::Content, LaneId([99; 32])).unwrap();
        open.add(Class::Access, LaneId([50; 32])).unwrap();
        assert_eq!(open.add(Class::Access, LaneId([51; 32])), Err(Refusal::SecondAccessLane));
        open.remove(Class::Access, &LaneId([51; 32]), true);
        assert_eq!((open.access, open.unseen), (Some(LaneId([50; 32])), 1));
        open.remove(Class::Access, &LaneId([50; 32]), true);
        assert_eq!((open.access, open.unseen), (None, 1));
    }

    #[test]
    fn the_digest_goes_on_from_zeros() {
        let head = Head { size: 2, root: [7; 32] };
        let case = CaseRecord { open: 2, ..empty(5) };
        let once = close_in_case(&case, &LaneId([1; 32]), &head, 6);
        assert_eq!((once.open, once.height), (1, 6));
        assert_eq!(once.digest, close_digest(&[0; 32], &LaneId([1; 32]), &head));
        let twice = close_in_case(&once, &LaneId([2; 32]), &head, 7);
        assert_eq!(twice.digest, close_digest(&once.digest, &LaneId([2; 32]), &head));
    }
}
