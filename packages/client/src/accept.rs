//! Accepting institutions and acknowledging what was seen.

use casewise_chain::{Included, Msg};
use casewise_ledger::LaneId;
use casewise_ledger::records::RelationshipStatus;
use casewise_protocol::{ppr, summary};

use crate::follow::{Followed, unseen};
use crate::{ClientError, Patient};

/// What an acceptance would say, before it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// Institutions whose proposed relationship is accepted.
    pub institutions: Vec<u32>,
    /// Lanes with the number of entries seen.
    pub seen: Vec<(LaneId, u32)>,
}

impl Acceptance {
    /// What there is to accept in a case, of one institution or of all. Lanes with trouble are left
    /// out: what does not fit is not acknowledged.
    pub fn of(followed: &Followed, institution: Option<u32>) -> Self {
        let wanted = |number: u32| institution.is_none_or(|only| only == number);
        let institutions = followed
            .institutions
            .iter()
            .filter(|view| view.relationship == RelationshipStatus::Proposed && wanted(view.number))
            .map(|view| view.number)
            .collect();
        let seen = followed
            .lanes
            .iter()
            .filter(|lane| unseen(lane) && lane.trouble.is_none() && lane.readable)
            .filter(|lane| match lane.record.author {
                casewise_ledger::Party::Institution(number) => wanted(number),
                casewise_ledger::Party::Account(_) => institution.is_none(),
            })
            .map(|lane| (lane.lane, lane.verified.min(lane.record.size)))
            .collect();
        Self { institutions, seen }
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.institutions.is_empty() && self.seen.is_empty()
    }
}

impl Patient<'_> {
    /// Signs and sends an acceptance, in one transaction; `None` when there is nothing to say.
    pub async fn accept(
        &self,
        followed: &Followed,
        acceptance: &Acceptance,
    ) -> Result<Option<Included>, ClientError> {
        let (case, contracts) = (&followed.case, self.network.contracts());
        let mut msgs = Vec::new();
        for institution in &acceptance.institutions {
            msgs.push(Msg::execute(contracts.ppr, &ppr::ExecuteMsg::accept(&case.case, *institution))?);
        }
        for items in acceptance.seen.chunks(summary::MAX_SEEN) {
            msgs.push(Msg::execute(contracts.summary, &summary::ExecuteMsg::seen(&case.case, items))?);
        }
        if msgs.is_empty() {
            return Ok(None);
        }
        self.send(case, msgs).await.map(Some)
    }
}
