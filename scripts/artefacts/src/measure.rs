//! Figures of a run, their snapshot, and what may not change.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// How much a figure may differ from the snapshot, percent.
pub const TOLERANCE_PERCENT: u64 = 2;

/// What one message cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// Gas used in its block, without what the fee took.
    pub gas: u64,
    /// Bytes of the transaction.
    pub transaction: u64,
    /// Bytes beyond a transaction with an empty message.
    pub beyond: u64,
    /// Bytes of keys and values it added to the contracts' state; below 0: it removed more.
    pub state: i64,
    /// Records it added.
    pub records: i64,
}

impl Figures {
    /// Both together.
    pub fn plus(self, other: Self) -> Self {
        Self {
            gas: self.gas + other.gas,
            transaction: self.transaction + other.transaction,
            beyond: self.beyond + other.beyond,
            state: self.state + other.state,
            records: self.records + other.records,
        }
    }
}

/// What a run found.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// Gas that a fee takes, paid by the sender.
    pub fee: u64,
    /// Gas that a fee takes, paid by an allowance.
    pub allowance: u64,
    /// Bytes of each contract's wasm.
    pub wasm: BTreeMap<String, u64>,
    /// By message, `contract.name` or `contract.name: circumstance`.
    pub messages: BTreeMap<String, Figures>,
    /// Messages that only a contract sends: in which messages they were seen.
    pub inside: BTreeMap<String, Vec<String>>,
}

impl Snapshot {
    /// Of a file.
    pub fn load(file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("{}: write it with scripts/gas --update", file.display()))?;
        serde_json::from_str(&text).with_context(|| file.display().to_string())
    }

    /// Into a file.
    pub fn save(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        std::fs::write(file, text).with_context(|| file.display().to_string())
    }

    /// How a later run differs by more than [`TOLERANCE_PERCENT`], one line for each figure.
    pub fn changes(&self, later: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        for (name, old) in &self.messages {
            let Some(new) = later.messages.get(name) else {
                changes.push(format!("{name}: not sent any more"));
                continue;
            };
            for (what, old, new) in [
                ("gas", signed(old.gas), signed(new.gas)),
                ("bytes beyond the envelope", signed(old.beyond), signed(new.beyond)),
                ("bytes of state", old.state, new.state),
            ] {
                if differs(old, new) {
                    changes.push(format!("{name}: {what} {old} → {new}"));
                }
            }
        }
        let added = later.messages.keys().filter(|name| !self.messages.contains_key(*name));
        changes.extend(added.map(|name| format!("{name}: not in the snapshot")));
        if self.inside != later.inside {
            changes.push(format!("sent by contracts: {:?} → {:?}", self.inside, later.inside));
        }
        changes
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn differs(old: i64, new: i64) -> bool {
    new.abs_diff(old) * 100 > old.unsigned_abs() * TOLERANCE_PERCENT
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(gas: u64, state: i64) -> Snapshot {
        let figures = Figures { gas, transaction: 900, beyond: 500, state, records: 2 };
        Snapshot { messages: [("ppr.accept".to_owned(), figures)].into(), ..Snapshot::default() }
    }

    #[test]
    fn two_percent_and_a_little_more() {
        let old = snapshot(50_000, -200);
        for (gas, state) in [(50_000, -200), (51_000, -204), (49_000, -196)] {
            assert_eq!(old.changes(&snapshot(gas, state)), [""; 0], "{gas} {state}");
        }
        assert_eq!(old.changes(&snapshot(51_001, -200)), ["ppr.accept: gas 50000 → 51001"]);
        assert_eq!(old.changes(&snapshot(48_999, -200)), ["ppr.accept: gas 50000 → 48999"]);
        assert_eq!(old.changes(&snapshot(50_000, -205)), ["ppr.accept: bytes of state -200 → -205"]);
        assert_eq!(snapshot(1, 0).changes(&snapshot(1, 1)), ["ppr.accept: bytes of state 0 → 1"]);
    }

    #[test]
    fn messages_and_what_contracts_send_do_not_come_or_go_unnoticed() {
        let (one, none) = (snapshot(1, 1), Snapshot::default());
        assert_eq!(one.changes(&none), ["ppr.accept: not sent any more"]);
        assert_eq!(none.changes(&one), ["ppr.accept: not in the snapshot"]);
        let inside = Snapshot { inside: [("a".to_owned(), vec!["b".to_owned()])].into(), ..none.clone() };
        assert_eq!(none.changes(&inside).len(), 1);
    }

    #[test]
    fn a_file_gives_back_what_was_saved() {
        let file = tempfile::tempdir().unwrap();
        let file = file.path().join("snapshot.json");
        snapshot(7, -3).save(&file).unwrap();
        assert_eq!(Snapshot::load(&file).unwrap(), snapshot(7, -3));
        assert!(Snapshot::load(Path::new("/nonexistent")).is_err());
    }
}
