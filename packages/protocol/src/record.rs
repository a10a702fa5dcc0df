//! Records as raw bytes under `u16be len(ns) ‖ ns ‖ id`, the form that evidence proves and other
//! contracts read with a raw query. Never JSON.

use core::marker::PhantomData;

use borsh::{BorshDeserialize, BorshSerialize};
use casewise_ledger::{
    Address, CaseId, decode, encode,
    records::{
        CaseRecord, ClaimRecord, CompromiseRecord, ConflictRecord, DelegateRecord, DisputeRecord,
        EmergencyRecord, GrantRecord, IdentityRecord, InstitutionRecord, LaneRecord, Policy,
        PractitionerRecord, RecoveryRecord, RelationshipRecord, ns, record_key,
    },
};
use cosmwasm_std::{Addr, Order, QuerierWrapper, Storage};

use crate::ProtocolError;

/// registrar: institutions, id u32be number.
pub const INSTITUTION: Record<InstitutionRecord> = Record::new(ns::INSTITUTION);
/// registrar: which institution an account operates, id account.
pub const OPERATOR: Record<Be32> = Record::new(ns::OPERATOR);
/// registrar: virtual identities, id case.
pub const IDENTITY: Record<IdentityRecord> = Record::new(ns::IDENTITY);
/// registrar: the case of a holder, id H(holder).
pub const HOLDER: Record<CaseId> = Record::new(ns::HOLDER);
/// registrar: canonical bytes of the authority's account, no id. Read by ppr.
pub const AUTHORITY: Record<Vec<u8>> = Record::new("authority");
/// registrar: practitioners, id account.
pub const PRACTITIONER: Record<PractitionerRecord> = Record::new(ns::PRACTITIONER);
/// registrar: accounts that may recover, id case.
pub const RECOVERY: Record<Address> = Record::new(ns::RECOVERY);
/// registrar: recoveries that are running, id case. Read by ppr and summary.
pub const RECOVERING: Record<RecoveryRecord> = Record::new(ns::RECOVERING);
/// registrar: claims that are offered, id case.
pub const CLAIM: Record<ClaimRecord> = Record::new(ns::CLAIM);
/// ppr: delegates, id case ‖ account. Read by summary.
pub const DELEGATE: Record<DelegateRecord> = Record::new(ns::DELEGATE);
/// ppr: emergency accesses, id case ‖ u32be number.
pub const EMERGENCY: Record<EmergencyRecord> = Record::new(ns::EMERGENCY);
/// ppr: relationships, id case ‖ u32be institution.
pub const RELATIONSHIP: Record<RelationshipRecord> = Record::new(ns::RELATIONSHIP);
/// ppr: grants, id commitment.
pub const GRANT: Record<GrantRecord> = Record::new(ns::GRANT);
/// ppr: counters of revocations, id case.
pub const REV: Record<Be32> = Record::new(ns::REV);
/// ppr: policies, id case.
pub const POLICY: Record<Policy> = Record::new(ns::POLICY);
/// summary: lanes, id lane.
pub const LANE: Record<LaneRecord> = Record::new(ns::LANE);
/// summary: cases, id case.
pub const CASE: Record<CaseRecord> = Record::new(ns::CASE);
/// summary: disputed entries, id case ‖ lane ‖ u32be index.
pub const DISPUTE: Record<DisputeRecord> = Record::new(ns::DISPUTE);
/// summary: device lanes whose key is in other hands, id lane.
pub const COMPROMISE: Record<CompromiseRecord> = Record::new(ns::COMPROMISE);
/// summary: lanes with two histories, id lane.
pub const CONFLICT: Record<ConflictRecord> = Record::new(ns::CONFLICT);
/// summary: deadlines in Unix ms, id lane or case.
pub const DUE: Record<Be64> = Record::new(ns::DUE);

macro_rules! big_endian {
    ($(#[$doc:meta])* $name:ident, $int:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(pub $int);

        impl BorshSerialize for $name {
            fn serialize<W: borsh::io::Write>(&self, writer: &mut W) -> borsh::io::Result<()> {
                writer.write_all(&self.0.to_be_bytes())
            }
        }

        impl BorshDeserialize for $name {
            fn deserialize_reader<R: borsh::io::Read>(reader: &mut R) -> borsh::io::Result<Self> {
                BorshDeserialize::deserialize_reader(reader).map(<$int>::from_be_bytes).map(Self)
            }
        }
    };
}

big_endian!(
    /// A record that is one big-endian u32.
    Be32,
    u32
);
big_endian!(
    /// A record that is one big-endian u64.
    Be64,
    u64
);

/// All records of one kind.
pub struct Record<T> {
    namespace: &'static str,
    value: PhantomData<T>,
}

impl<T: BorshSerialize + BorshDeserialize> Record<T> {
    /// The records of a namespace.
    pub const fn new(namespace: &'static str) -> Self {
        Self { namespace, value: PhantomData }
    }

    /// The key of a record inside its contract.
    pub fn key(&self, id: &[u8]) -> Vec<u8> {
        record_key(self.namespace, id)
    }

    /// Decodes a stored value.
    pub fn parse(&self, bytes: &[u8]) -> Result<T, ProtocolError> {
        decode(bytes).map_err(|_| ProtocolError::Record { namespace: self.namespace })
    }

    /// Whether there is such a record.
    pub fn has(&self, storage: &dyn Storage, id: &[u8]) -> bool {
        storage.get(&self.key(id)).is_some()
    }

    /// A record of this contract.
    pub fn may_load(&self, storage: &dyn Storage, id: &[u8]) -> Result<Option<T>, ProtocolError> {
        storage.get(&self.key(id)).map(|bytes| self.parse(&bytes)).transpose()
    }

    /// A record of this contract that cannot be absent in undamaged state.
    pub fn load(&self, storage: &dyn Storage, id: &[u8]) -> Result<T, ProtocolError> {
        self.may_load(storage, id)?.ok_or(ProtocolError::Record { namespace: self.namespace })
    }

    /// Stores a record of this contract.
    pub fn save(&self, storage: &mut dyn Storage, id: &[u8], value: &T) {
        storage.set(&self.key(id), &encode(value));
    }

    /// Removes a record of this contract.
    pub fn remove(&self, storage: &mut dyn Storage, id: &[u8]) {
        storage.remove(&self.key(id));
    }

    /// A record of another contract, by one raw query.
    pub fn query(
        &self,
        querier: &QuerierWrapper<'_>,
        contract: &Addr,
        id: &[u8],
    ) -> Result<Option<T>, ProtocolError> {
        let bytes = querier
            .query_wasm_raw(contract.as_str(), self.key(id))
            .map_err(|_| ProtocolError::Query { namespace: self.namespace })?;
        bytes.map(|bytes| self.parse(&bytes)).transpose()
    }

    /// Records of this contract whose id begins with `prefix`, in ascending id, after
    /// `prefix ‖ start_after`. Yields the rest of each id.
    pub fn page(
        &self,
        storage: &dyn Storage,
        prefix: &[u8],
        start_after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, T)>, ProtocolError> {
        let base = self.key(prefix);
        let start = match start_after {
            // the smallest key after `rest` is `rest ‖ 0`
            Some(rest) => [base.as_slice(), rest, &[0]].concat(),
            None => base.clone(),
        };
        let end = after_prefix(&base);
        storage
            .range(Some(&start), end.as_deref(), Order::Ascending)
            .take(limit)
            .map(|(key, value)| Ok((key[base.len()..].to_vec(), self.parse(&value)?)))
            .collect()
    }
}

/// The smallest key greater than every key that begins with `prefix`; `None` if there is none.
fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let keep = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=keep].to_vec();
    end[keep] += 1;
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cosmwasm_std::testing::MockStorage;
    use proptest::prelude::*;

    const NUMBERS: Record<Be32> = Record::new("n");

    #[test]
    fn stored_raw_under_the_frozen_key() {
        let mut storage = MockStorage::new();
        REV.save(&mut storage, &[9; 32], &Be32(258));
        let key = [&[0, 3][..], b"rev", &[9; 32]].concat();
        assert_eq!(storage.get(&key), Some(vec![0, 0, 1, 2]));
        assert_eq!(REV.load(&storage, &[9; 32]), Ok(Be32(258)));
        HOLDER.save(&mut storage, &[1; 32], &CaseId([2; 32]));
        assert_eq!(storage.get(&HOLDER.key(&[1; 32])), Some(vec![2; 32]));
        DUE.save(&mut storage, &[1; 32], &Be64(1));
        assert_eq!(storage.get(&DUE.key(&[1; 32])), Some(vec![0, 0, 0, 0, 0, 0, 0, 1]));
    }

    #[test]
    fn absent_removed_and_damaged() {
        let mut storage = MockStorage::new();
        assert_eq!(NUMBERS.may_load(&storage, b"a"), Ok(None));
        assert_eq!(NUMBERS.load(&storage, b"a"), Err(ProtocolError::Record { namespace: "n" }));
        NUMBERS.save(&mut storage, b"a", &Be32(1));
        assert!(NUMBERS.has(&storage, b"a"));
        NUMBERS.remove(&mut storage, b"a");
        assert!(!NUMBERS.has(&storage, b"a"));
        storage.set(&NUMBERS.key(b"a"), &[0, 0, 0, 1, 0]);
        assert_eq!(NUMBERS.may_load(&storage, b"a"), Err(ProtocolError::Record { namespace: "n" }));
    }

    proptest! {
        #[test]
        fn pages_cover_exactly_the_prefix(
            ids in proptest::collection::btree_map(
                proptest::collection::vec(prop_oneof![Just(0u8), Just(254), Just(255), any::<u8>()], 0..4),
                any::<u32>(),
                0..40,
            ),
            prefix in proptest::collection::vec(prop_oneof![Just(0u8), Just(255)], 0..3),
            limit in 1usize..5,
        ) {
            let mut storage = MockStorage::new();
            for (id, value) in &ids {
                NUMBERS.save(&mut storage, id, &Be32(*value));
            }
            // neighbours in other namespaces must not show up
            Record::<Be32>::new("m").save(&mut storage, &[255; 4], &Be32(0));
            Record::<Be32>::new("o").save(&mut storage, &[], &Be32(0));
            let mut found = Vec::new();
            let mut after: Option<Vec<u8>> = None;
            loop {
                let page = NUMBERS.page(&storage, &prefix, after.as_deref(), limit).unwrap();
                if page.is_empty() {
                    break;
                }
                after = page.last().map(|(id, _)| id.clone());
                found.extend(page);
            }
            let expected: Vec<_> = ids
                .iter()
                .filter(|(id, _)| id.starts_with(&prefix))
                .map(|(id, value)| (id[prefix.len()..].to_vec(), Be32(*value)))
                .collect();
            prop_assert_eq!(found, expected);
        }
    }
}
