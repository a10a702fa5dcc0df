//! The life of a practitioner's registration: active ⇄ suspended by its institution; barred by the
//! consortium, which alone lifts that.

use casewise_ledger::records::{PractitionerRecord, PractitionerStatus};

use super::{Change, Refusal};

/// Who changes the status of a practitioner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Superior {
    /// An operator of the practitioner's institution.
    Institution,
    /// The consortium.
    Authority,
}

/// Registering an account as practitioner. The same again changes nothing, whatever the status.
pub fn register_practitioner(
    existing: Option<&PractitionerRecord>,
    wanted: PractitionerRecord,
) -> Result<Change<PractitionerRecord>, Refusal> {
    let Some(existing) = existing else { return Ok(Change::To(wanted)) };
    if (existing.institution, existing.role) == (wanted.institution, wanted.role) {
        Ok(Change::Same)
    } else {
        Err(Refusal::PractitionerConflict { institution: existing.institution })
    }
}

/// Stopping a practitioner at `now` (block time, Unix ms). The consortium's word stands above the
/// institution's, so an institution's suspension of a barred one changes nothing.
pub fn suspend_practitioner(
    existing: &PractitionerRecord,
    by: Superior,
    now: u64,
) -> Change<PractitionerRecord> {
    match (existing.status, by) {
        (PractitionerStatus::Active, Superior::Institution) => {
            become_status(existing, PractitionerStatus::Suspended, now)
        }
        (PractitionerStatus::Suspended | PractitionerStatus::Barred, Superior::Institution) => Change::Same,
        (_, Superior::Authority) => become_status(existing, PractitionerStatus::Barred, now),
    }
}

/// Letting a practitioner act again at `now` (block time, Unix ms).
pub fn resume_practitioner(
    existing: &PractitionerRecord,
    by: Superior,
    now: u64,
) -> Result<Change<PractitionerRecord>, Refusal> {
    match (existing.status, by) {
        (PractitionerStatus::Barred, Superior::Institution) => Err(Refusal::Barred),
        _ => Ok(become_status(existing, PractitionerStatus::Active, now)),
    }
}

/// `since` does not move when the status stays.
fn become_status(
    existing: &PractitionerRecord,
    status: PractitionerStatus,
    now: u64,
) -> Change<PractitionerRecord> {
    if existing.status == status {
        Change::Same
    } else {
        Change::To(PractitionerRecord { status, since: now, ..existing.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use casewise_ledger::{V1, records::PractitionerRole};
    use proptest::prelude::*;

    const ALL: [PractitionerStatus; 3] =
        [PractitionerStatus::Active, PractitionerStatus::Suspended, PractitionerStatus::Barred];

    fn record(status: PractitionerStatus) -> PractitionerRecord {
        PractitionerRecord { version: V1, status, role: PractitionerRole::Nurse, institution: 2, since: 5 }
    }

    #[test]
    fn registering() {
        let fresh = PractitionerRecord { since: 9, ..record(PractitionerStatus::Active) };
        assert_eq!(register_practitioner(None, fresh.clone()), Ok(Change::To(fresh.clone())));
        for status in ALL {
            assert_eq!(register_practitioner(Some(&record(status)), fresh.clone()), Ok(Change::Same));
        }
        let conflict = Err(Refusal::PractitionerConflict { institution: 2 });
        let stored = record(PractitionerStatus::Active);
        let other = PractitionerRecord { role: PractitionerRole::Doctor, ..fresh.clone() };
        assert_eq!(register_practitioner(Some(&stored), other), conflict);
        let other = PractitionerRecord { institution: 3, ..fresh };
        assert_eq!(register_practitioner(Some(&stored), other), conflict);
    }

    #[test]
    fn every_status_and_superior() {
        use PractitionerStatus::{Active, Barred, Suspended};
        let to = |status| Change::To(PractitionerRecord { since: 9, ..record(status) });
        for (status, by, suspended, resumed) in [
            (Active, Superior::Institution, to(Suspended), Ok(Change::Same)),
            (Suspended, Superior::Institution, Change::Same, Ok(to(Active))),
            (Barred, Superior::Institution, Change::Same, Err(Refusal::Barred)),
            (Active, Superior::Authority, to(Barred), Ok(Change::Same)),
            (Suspended, Superior::Authority, to(Barred), Ok(to(Active))),
            (Barred, Superior::Authority, Change::Same, Ok(to(Active))),
        ] {
            assert_eq!(suspend_practitioner(&record(status), by, 9), suspended, "{status:?} {by:?}");
            assert_eq!(resume_practitioner(&record(status), by, 9), resumed, "{status:?} {by:?}");
        }
    }

    proptest! {
        #[test]
        fn an_institution_never_lifts_a_bar(steps in proptest::collection::vec(any::<(bool, bool)>(), 0..40)) {
            let mut stored = record(PractitionerStatus::Active);
            for (now, (suspend, authority)) in (10..).zip(steps) {
                let by = if authority { Superior::Authority } else { Superior::Institution };
                let change = if suspend {
                    Ok(suspend_practitioner(&stored, by, now))
                } else {
                    resume_practitioner(&stored, by, now)
                };
                let before = stored.status;
                if let Ok(Change::To(next)) = change {
                    prop_assert_eq!(next.since, now);
                    stored = next;
                }
                if before == PractitionerStatus::Barred && stored.status != before {
                    prop_assert!(authority && !suspend);
                }
                if suspend {
                    prop_assert_ne!(stored.status, PractitionerStatus::Active);
                }
            }
        }
    }
}
