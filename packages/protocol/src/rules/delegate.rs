//! Who is named to act for a holder, and for how long. What a delegate then may do is in
//! [`super::acts_for_holder`].

use casewise_ledger::{
    V1,
    records::{DelegateRecord, IdentityRecord},
};

use super::{Change, Refusal, delegate_live};
use crate::ppr::{MAX_DELEGATES, Power};

/// Naming a delegate at `now` (Unix ms), or giving one other powers. `existing`: its record, of
/// whichever holder; `until`: its end, exclusive.
pub fn set_delegate(
    existing: Option<&DelegateRecord>,
    powers: &[Power],
    until: Option<u64>,
    identity: &IdentityRecord,
    now: u64,
) -> Result<Change<DelegateRecord>, Refusal> {
    if !powers.windows(2).all(|pair| pair[0] < pair[1]) {
        return Err(Refusal::PowersOrder);
    }
    // 0 means no end in a record, so it must not come in as one
    if until == Some(0) {
        return Err(Refusal::UntilOver);
    }
    let wanted = DelegateRecord {
        version: V1,
        powers: Power::bits(powers),
        until: until.unwrap_or_default(),
        epoch: identity.epoch,
    };
    if existing == Some(&wanted) {
        return Ok(Change::Same);
    }
    match until {
        Some(until) if until <= now => Err(Refusal::UntilOver),
        _ => Ok(Change::To(wanted)),
    }
}

/// Which of a case's other delegates leave so that one more fits in at `now` (Unix ms): none while
/// there is room, else all that are over. A case keeps at most [`MAX_DELEGATES`] records.
pub fn make_room<'a, K>(
    others: &'a [(K, DelegateRecord)],
    identity: &IdentityRecord,
    now: u64,
) -> Result<Vec<&'a K>, Refusal> {
    if others.len() < MAX_DELEGATES {
        return Ok(Vec::new());
    }
    let over = others.iter().filter(|(_, record)| !delegate_live(record, identity, now));
    let leaving: Vec<_> = over.map(|(account, _)| account).collect();
    if leaving.is_empty() { Err(Refusal::TooManyDelegates) } else { Ok(leaving) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Power::{Disputes, Grants, Relationships};
    use casewise_ledger::Address;

    fn identity(epoch: u32) -> IdentityRecord {
        IdentityRecord {
            version: V1,
            holder: Address([1; 20]),
            kem: [0; 32],
            epoch,
            institution: 1,
            custodial: false,
            since: 0,
        }
    }

    fn record(powers: &[Power], until: u64, epoch: u32) -> DelegateRecord {
        DelegateRecord { version: V1, powers: Power::bits(powers), until, epoch }
    }

    #[test]
    fn powers_ascend_and_the_end_is_ahead() {
        let set = |powers: &[Power], until| set_delegate(None, powers, until, &identity(3), 9);
        assert_eq!(set(&[Grants], None), Ok(Change::To(record(&[Grants], 0, 3))));
        assert_eq!(set(&Power::ALL, Some(10)), Ok(Change::To(record(&Power::ALL, 10, 3))));
        for over in [0, 8, 9] {
            assert_eq!(set(&[Grants], Some(over)), Err(Refusal::UntilOver));
        }
        for wrong in [[Grants, Relationships], [Grants, Grants], [Disputes, Grants]] {
            assert_eq!(set(&wrong, None), Err(Refusal::PowersOrder));
        }
    }

    #[test]
    fn the_same_again_changes_nothing_also_after_its_end() {
        let stored = record(&[Grants], 10, 3);
        let set = |until, epoch, now| set_delegate(Some(&stored), &[Grants], until, &identity(epoch), now);
        assert_eq!(set(Some(10), 3, 9), Ok(Change::Same));
        assert_eq!(set(Some(10), 3, 10), Ok(Change::Same));
        assert_eq!(set(Some(11), 3, 10), Ok(Change::To(record(&[Grants], 11, 3))));
        // named by the holder before: another holder names it anew
        assert_eq!(set(Some(10), 4, 9), Ok(Change::To(record(&[Grants], 10, 4))));
        assert_eq!(set(Some(10), 4, 10), Err(Refusal::UntilOver));
        // the moment 0 is over, though it reads as no end
        let endless = record(&[Grants], 0, 3);
        assert_eq!(
            set_delegate(Some(&endless), &[Grants], Some(0), &identity(3), 9),
            Err(Refusal::UntilOver)
        );
    }

    #[test]
    fn those_that_are_over_make_room() {
        let others = |over: usize, live: usize| -> Vec<(usize, DelegateRecord)> {
            let records = (0..over).map(|n| if n % 2 == 0 { (9, 3) } else { (0, 2) });
            let all = records.chain((0..live).map(|_| (10, 3))).enumerate();
            all.map(|(n, (until, epoch))| (n, record(&[Grants], until, epoch))).collect()
        };
        let leaving = |over, live| {
            make_room(&others(over, live), &identity(3), 9)
                .map(|keys| keys.into_iter().copied().collect::<Vec<_>>())
        };
        assert_eq!(leaving(0, MAX_DELEGATES - 1), Ok(vec![]));
        assert_eq!(leaving(3, MAX_DELEGATES - 4), Ok(vec![]));
        assert_eq!(leaving(3, MAX_DELEGATES - 3), Ok(vec![0, 1, 2]));
        assert_eq!(leaving(0, MAX_DELEGATES), Err(Refusal::TooManyDelegates));
        assert!(Refusal::TooManyDelegates.to_string().contains(&MAX_DELEGATES.to_string()));
    }
}
