//! Who acts for a case: its holder, and the delegates that this holder named. While a recovery of
//! the case is running both only revoke, for the key may be stolen.

use casewise_ledger::records::{DelegateRecord, IdentityRecord, RecoveryRecord};

use super::Refusal;
use crate::ppr::Power;

impl Power {
    /// Every power, in the order of their bits.
    pub const ALL: [Self; 6] = [
        Self::Relationships,
        Self::Grants,
        Self::Revocations,
        Self::Acknowledgements,
        Self::Completion,
        Self::Disputes,
    ];

    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Relationships => "relationships",
            Self::Grants => "grants",
            Self::Revocations => "revocations",
            Self::Acknowledgements => "acknowledgements",
            Self::Completion => "completion",
            Self::Disputes => "disputes",
        }
    }

    /// Its bit in a delegate's record.
    pub fn bit(self) -> u16 {
        1 << self as u16
    }

    /// The bits of powers.
    pub fn bits(powers: &[Self]) -> u16 {
        powers.iter().fold(0, |bits, power| bits | power.bit())
    }

    /// The powers of bits, ascending.
    pub fn of_bits(bits: u16) -> Vec<Self> {
        Self::ALL.into_iter().filter(|power| bits & power.bit() != 0).collect()
    }
}

/// Whether a recovery counts at `now` (block time, Unix ms).
pub fn recovering(recovery: Option<&RecoveryRecord>, now: u64) -> bool {
    recovery.is_some_and(|recovery| now < recovery.lapses)
}

/// Whether a delegate may act at `now` (Unix ms): its end is not reached, and who named it is still
/// the holder.
pub fn delegate_live(delegate: &DelegateRecord, identity: &IdentityRecord, now: u64) -> bool {
    delegate.epoch == identity.epoch && (delegate.until == 0 || now < delegate.until)
}

/// Refuses everybody but the holder and its live delegates with this power. `delegate`: the
/// sender's record in this case, if it has one.
pub fn acts_for_holder(
    identity: &IdentityRecord,
    delegate: Option<&DelegateRecord>,
    sender: &[u8],
    power: Power,
    now: u64,
) -> Result<(), Refusal> {
    if identity.holder.0 == sender {
        return Ok(());
    }
    match delegate.filter(|delegate| delegate_live(delegate, identity, now)) {
        None => Err(Refusal::NotHolder),
        Some(delegate) if delegate.powers & power.bit() == 0 => Err(Refusal::PowerMissing { power }),
        Some(_) => Ok(()),
    }
}

/// Refuses, while a recovery of the case is running, all that is not a revocation.
pub fn not_recovering(recovery: Option<&RecoveryRecord>, now: u64) -> Result<(), Refusal> {
    if recovering(recovery, now) { Err(Refusal::Recovering) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use casewise_ledger::{Address, V1};

    const HOLDER: Address = Address([1; 20]);
    const OTHER: Address = Address([2; 20]);

    fn identity() -> IdentityRecord {
        IdentityRecord {
            version: V1,
            holder: HOLDER,
            kem: [0; 32],
            epoch: 3,
            institution: 1,
            custodial: false,
            since: 0,
        }
    }

    fn delegate(powers: &[Power], until: u64, epoch: u32) -> DelegateRecord {
        DelegateRecord { version: V1, powers: Power::bits(powers), until, epoch }
    }

    #[test]
    fn bits_and_powers() {
        for power in Power::ALL {
            assert_eq!(Power::of_bits(power.bit()), [power]);
        }
        assert_eq!(Power::of_bits(Power::bits(&Power::ALL)), Power::ALL);
        assert_eq!(Power::bits(&[Power::Relationships, Power::Disputes]), 0b10_0001);
    }

    #[test]
    fn holder_and_delegates() {
        let acts = |delegate: Option<&DelegateRecord>, sender: Address, now| {
            acts_for_holder(&identity(), delegate, &sender.0, Power::Grants, now)
        };
        assert_eq!(acts(None, HOLDER, 9), Ok(()));
        assert_eq!(acts(None, OTHER, 9), Err(Refusal::NotHolder));
        let grants = delegate(&[Power::Grants], 10, 3);
        assert_eq!(acts(Some(&grants), OTHER, 9), Ok(()));
        assert_eq!(acts(Some(&grants), OTHER, 10), Err(Refusal::NotHolder));
        assert_eq!(acts(Some(&delegate(&[Power::Grants], 0, 3)), OTHER, u64::MAX), Ok(()));
        // named by the holder before
        assert_eq!(acts(Some(&delegate(&[Power::Grants], 0, 2)), OTHER, 9), Err(Refusal::NotHolder));
        let other = delegate(&[Power::Revocations, Power::Disputes], 0, 3);
        assert_eq!(acts(Some(&other), OTHER, 9), Err(Refusal::PowerMissing { power: Power::Grants }));
    }

    #[test]
    fn a_recovery_counts_until_it_lapses() {
        let recovery =
            RecoveryRecord { version: V1, holder: OTHER, kem: [0; 32], ready: 5, lapses: 9, attested: None };
        assert_eq!(not_recovering(None, 0), Ok(()));
        assert_eq!(not_recovering(Some(&recovery), 8), Err(Refusal::Recovering));
        assert_eq!(not_recovering(Some(&recovery), 9), Ok(()));
    }
}
