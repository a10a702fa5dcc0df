//! What the figures must not pass.

use anyhow::{Context, Result};

use crate::{
    kinds::Contract,
    measure::{Figures, Snapshot},
};

/// Bytes of state that opening a case takes.
const OPENING_STATE: u64 = 1_500;
/// Gas of anchoring one lane with a proof of 10 hashes, without what its fee takes.
const ANCHOR_GAS: u64 = 62_000;
/// Bytes beyond the envelope of that.
const ANCHOR_BYTES: u64 = 560;
/// Bytes beyond the envelope of anchoring one lane with a proof of 3 hashes.
const SHORT_ANCHOR_BYTES: u64 = 300;
/// Gas of one more lane, of 50.
const MARGINAL_GAS: u64 = 16_000;
/// Bytes of one more lane, of 50.
const MARGINAL_BYTES: u64 = 545;
/// Bytes of a contract's wasm.
const WASM: u64 = 500_000;

/// The messages that open a case: identity, relationship, content and access lane.
pub const OPENING: [&str; 4] =
    ["registrar.enrol", "ppr.propose", "ppr.accept", "summary.open: a content and an access lane"];
/// Anchoring one lane, proof of 10 hashes.
const ONE: &str = "summary.anchor: 1 lane, 10 hashes";
/// Anchoring one lane, proof of 3 hashes.
const SHORT: &str = "summary.anchor: 1 lane, 3 hashes";
/// Anchoring 50 lanes, proofs of 10 hashes.
const FIFTY: &str = "summary.anchor: 50 lanes, 10 hashes each";
/// Lanes more in [`FIFTY`] than in [`ONE`].
const MORE: u64 = 49;

/// A demand and how it was met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// What is limited.
    pub what: String,
    /// What was found.
    pub found: u64,
    /// The most that is allowed.
    pub most: u64,
}

impl Demand {
    /// Whether it is reached.
    pub fn reached(&self) -> bool {
        self.found <= self.most
    }
}

/// All messages that open a case, together.
pub fn opening(snapshot: &Snapshot) -> Result<Figures> {
    let mut sum: Option<Figures> = None;
    for name in OPENING {
        let figures = *of(snapshot, name)?;
        sum = Some(sum.map_or(figures, |sum| sum.plus(figures)));
    }
    sum.context("no message opens a case")
}

/// Every demand with what was found.
pub fn demands(snapshot: &Snapshot) -> Result<Vec<Demand>> {
    let (one, short, fifty) = (of(snapshot, ONE)?, of(snapshot, SHORT)?, of(snapshot, FIFTY)?);
    // Rounded up: a demand is not reached by a fraction.
    let marginal = |fifty: u64, one: u64| fifty.saturating_sub(one).div_ceil(MORE);
    let state = u64::try_from(opening(snapshot)?.state).context("opening a case takes state away")?;
    let mut demands = vec![
        demand(
            "bytes of state to open a case: identity, relationship, content and access lane",
            state,
            OPENING_STATE,
        ),
        demand("gas to anchor one lane with a proof of 10 hashes", one.gas, ANCHOR_GAS),
        demand("bytes of that beyond the envelope", one.beyond, ANCHOR_BYTES),
        demand(
            "bytes beyond the envelope to anchor one lane with a proof of 3 hashes",
            short.beyond,
            SHORT_ANCHOR_BYTES,
        ),
        demand("gas of one more lane, of 50", marginal(fifty.gas, one.gas), MARGINAL_GAS),
        demand("bytes of one more lane, of 50", marginal(fifty.transaction, one.transaction), MARGINAL_BYTES),
    ];
    for contract in Contract::ALL {
        let found = snapshot.wasm.get(contract.name()).context("a contract without wasm")?;
        demands.push(demand(&format!("bytes of wasm of {}", contract.name()), *found, WASM));
    }
    Ok(demands)
}

fn demand(what: &str, found: u64, most: u64) -> Demand {
    Demand { what: what.to_owned(), found, most }
}

fn of<'a>(snapshot: &'a Snapshot, name: &str) -> Result<&'a Figures> {
    snapshot.messages.get(name).with_context(|| format!("{name} was not measured"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_the_limit_and_one_past_it() {
        assert!(demand("x", WASM, WASM).reached());
        assert!(!demand("x", WASM + 1, WASM).reached());
    }

    #[test]
    fn sums_and_margins() {
        let figures = |gas, bytes| Figures { gas, transaction: bytes, beyond: bytes, state: 100, records: 1 };
        let mut snapshot = Snapshot::default();
        assert!(demands(&snapshot).is_err(), "nothing measured");
        for name in OPENING {
            snapshot.messages.insert(name.to_owned(), figures(10, 10));
        }
        snapshot.messages.insert(ONE.to_owned(), figures(1_000, 100));
        snapshot.messages.insert(SHORT.to_owned(), figures(900, 50));
        snapshot.messages.insert(FIFTY.to_owned(), figures(1_000 + 49 * 20 + 1, 100 + 49 * 3));
        assert!(demands(&snapshot).is_err(), "no wasm");
        snapshot.wasm = Contract::ALL.map(|contract| (contract.name().to_owned(), 5)).into();
        let found: Vec<u64> = demands(&snapshot).unwrap().iter().map(|demand| demand.found).collect();
        assert_eq!(found, [400, 1_000, 100, 50, 21, 3, 5, 5, 5]);
        assert_eq!(
            opening(&snapshot).unwrap(),
            Figures { gas: 40, transaction: 40, beyond: 40, state: 400, records: 4 }
        );
    }
}
