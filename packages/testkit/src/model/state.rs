//! All frozen records of the three contracts as plain maps.
//!
//! Responsible for: reading them from a full scan of the raw state. Must never ask a query: the
//! queries are compared with what is read here.

use std::collections::BTreeMap;

use casewise_ledger::{
    Address, CaseId, Commitment, Hash, LaneId, decode,
    records::{
        CaseRecord, ClaimRecord, CompromiseRecord, ConflictRecord, DelegateRecord, DisputeRecord,
        EmergencyRecord, GrantRecord, IdentityRecord, InstitutionRecord, LaneRecord, Policy,
        PractitionerRecord, RecoveryRecord, RelationshipRecord, ns,
    },
};

use crate::contracts::Suite;

/// The records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Canonical bytes of the consortium's account.
    pub authority: Vec<u8>,
    pub institutions: BTreeMap<u32, InstitutionRecord>,
    pub operators: BTreeMap<Address, u32>,
    pub practitioners: BTreeMap<Address, PractitionerRecord>,
    pub identities: BTreeMap<CaseId, IdentityRecord>,
    /// H(holder) to case.
    pub holders: BTreeMap<Hash, CaseId>,
    pub recovery: BTreeMap<CaseId, Address>,
    pub recovering: BTreeMap<CaseId, RecoveryRecord>,
    pub claims: BTreeMap<CaseId, ClaimRecord>,
    pub policies: BTreeMap<CaseId, Policy>,
    pub relationships: BTreeMap<(CaseId, u32), RelationshipRecord>,
    pub delegates: BTreeMap<(CaseId, Address), DelegateRecord>,
    pub emergencies: BTreeMap<(CaseId, u32), EmergencyRecord>,
    pub grants: BTreeMap<Commitment, GrantRecord>,
    pub rev: BTreeMap<CaseId, u32>,
    pub lanes: BTreeMap<LaneId, LaneRecord>,
    pub cases: BTreeMap<CaseId, CaseRecord>,
    /// Deadlines of lanes and cases.
    pub due: BTreeMap<Hash, u64>,
    pub disputes: BTreeMap<(CaseId, LaneId, u32), DisputeRecord>,
    pub compromised: BTreeMap<LaneId, CompromiseRecord>,
    pub conflicts: BTreeMap<LaneId, ConflictRecord>,
    /// Authors that gave two histories of a lane, borsh, with the lane.
    pub blamed: BTreeMap<(Vec<u8>, LaneId), bool>,
}

impl State {
    /// By a full scan.
    pub fn read(suite: &Suite) -> Self {
        let mut state = Self::default();
        for contract in [&suite.registrar, &suite.ppr, &suite.summary] {
            for (key, value) in suite.dump(contract) {
                state.take(&key, &value);
            }
        }
        state
    }

    fn take(&mut self, key: &[u8], value: &[u8]) {
        let Some((namespace, id)) = split(key) else { return };
        match namespace {
            "authority" => self.authority = parse(value),
            ns::INSTITUTION => put(&mut self.institutions, number(id), parse(value)),
            ns::OPERATOR => put(&mut self.operators, address(id), number(value)),
            ns::PRACTITIONER => put(&mut self.practitioners, address(id), parse(value)),
            ns::IDENTITY => put(&mut self.identities, CaseId(hash(id)), parse(value)),
            ns::HOLDER => put(&mut self.holders, hash(id), CaseId(hash(value))),
            ns::RECOVERY => put(&mut self.recovery, CaseId(hash(id)), address(value)),
            ns::RECOVERING => put(&mut self.recovering, CaseId(hash(id)), parse(value)),
            ns::CLAIM => put(&mut self.claims, CaseId(hash(id)), parse(value)),
            ns::POLICY => put(&mut self.policies, CaseId(hash(id)), parse(value)),
            ns::RELATIONSHIP => put(&mut self.relationships, numbered(id), parse(value)),
            ns::DELEGATE => {
                put(&mut self.delegates, (CaseId(hash(&id[..32])), address(&id[32..])), parse(value))
            }
            ns::EMERGENCY => put(&mut self.emergencies, numbered(id), parse(value)),
            ns::GRANT => put(&mut self.grants, Commitment(hash(id)), parse(value)),
            ns::REV => put(&mut self.rev, CaseId(hash(id)), number(value)),
            ns::LANE => put(&mut self.lanes, LaneId(hash(id)), parse(value)),
            ns::CASE => put(&mut self.cases, CaseId(hash(id)), parse(value)),
            ns::DUE => {
                put(&mut self.due, hash(id), u64::from_be_bytes(value.try_into().expect("a deadline")))
            }
            ns::DISPUTE => {
                let entry = (CaseId(hash(&id[..32])), LaneId(hash(&id[32..64])), number(&id[64..]));
                put(&mut self.disputes, entry, parse(value));
            }
            ns::COMPROMISE => put(&mut self.compromised, LaneId(hash(id)), parse(value)),
            ns::CONFLICT => put(&mut self.conflicts, LaneId(hash(id)), parse(value)),
            "authorconflict" => {
                let (author, lane) = id.split_at(id.len() - 32);
                put(&mut self.blamed, (author.to_vec(), LaneId(hash(lane))), parse(value));
            }
            // indices and settings of the contract's own
            _ => {}
        }
    }

    /// Names the first map in which two states differ, and how.
    pub fn difference(&self, other: &Self) -> Option<String> {
        macro_rules! compare {
            ($($field:ident),+) => {$(
                for (key, value) in &self.$field {
                    match other.$field.get(key) {
                        Some(same) if same == value => {}
                        found => return Some(format!(
                            "{}[{key:?}]: {value:?} against {found:?}", stringify!($field)
                        )),
                    }
                }
                if let Some(key) = other.$field.keys().find(|key| !self.$field.contains_key(*key)) {
                    return Some(format!("{}[{key:?}]: absent against {:?}", stringify!($field), other.$field[key]));
                }
            )+};
        }
        if self.authority != other.authority {
            return Some(format!("authority: {:?} against {:?}", self.authority, other.authority));
        }
        compare!(
            institutions,
            operators,
            practitioners,
            identities,
            holders,
            recovery,
            recovering,
            claims,
            policies,
            relationships,
            delegates,
            emergencies,
            grants,
            rev,
            lanes,
            cases,
            due,
            disputes,
            compromised,
            conflicts,
            blamed
        );
        None
    }
}

fn put<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: V) {
    map.insert(key, value);
}

/// `u16be length ‖ namespace ‖ id`; `None` for a key of another form, as cw2 has.
fn split(key: &[u8]) -> Option<(&str, &[u8])> {
    let length = usize::from(u16::from_be_bytes(key.get(..2)?.try_into().ok()?));
    let namespace = core::str::from_utf8(key.get(2..2 + length)?).ok()?;
    Some((namespace, &key[2 + length..]))
}

fn parse<T: borsh::BorshDeserialize>(value: &[u8]) -> T {
    decode(value).expect("a record of its form")
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.try_into().expect("a number of 4 bytes"))
}

fn hash(bytes: &[u8]) -> Hash {
    bytes.try_into().expect("an id of 32 bytes")
}

fn address(bytes: &[u8]) -> Address {
    Address::try_from(bytes).expect("an account of 20 bytes")
}

fn numbered(id: &[u8]) -> (CaseId, u32) {
    (CaseId(hash(&id[..32])), number(&id[32..]))
}
