//! A run: episodes of random messages, each on a new chain, with every invariant checked after
//! every message.
//!
//! Responsible for: a run being the same again from its seed, and a failure naming the invariant,
//! the step and how to see it again. Must never go on after an invariant broke.

use std::collections::BTreeMap;

use casewise_protocol::rules::LaneFault;
use cosmwasm_std::Api;
use cw_multi_test::MockApiBech32;

use super::{
    generator::World,
    invariants::{Invariant, Memory, Step},
    reference::{At, Model, Network},
    state::State,
};
use crate::{
    contracts::{Code, Outcome, PREFIX, Suite},
    messages::{self, Call},
};

/// Steps of an episode: long enough for a case's whole life, short enough for a small state.
pub const EPISODE: u64 = 500;
/// Steps between two walks of all queries.
const WALK: u64 = 25;

/// What to run.
#[derive(Clone, Copy)]
pub struct Config {
    /// Messages in all.
    pub steps: u64,
    /// The same seed gives the same run.
    pub seed: u64,
    /// The contracts' code.
    pub code: Code,
    /// Only this invariant is checked, and the reference follows the chain: for wrong code.
    pub only: Option<Invariant>,
}

/// An invariant that broke.
#[derive(Clone, Debug)]
pub struct Broken {
    /// Which.
    pub invariant: Invariant,
    /// How.
    pub words: String,
    /// At which message, from 1.
    pub step: u64,
    /// The message.
    pub message: String,
}

/// Messages by kind: accepted and refused.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Steps done.
    pub steps: u64,
    /// By kind.
    pub kinds: BTreeMap<&'static str, (u64, u64)>,
    /// Items of batches that failed alone.
    pub faults: BTreeMap<String, u64>,
}

impl Tally {
    /// Kinds that were never accepted, or never refused.
    pub fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        for name in messages::all() {
            let (accepted, refused) = self.kinds.get(name).copied().unwrap_or_default();
            for (count, word) in [(accepted, "accepted"), (refused, "refused")] {
                if count == 0 {
                    missing.push(format!("{name} never {word}"));
                }
            }
        }
        missing
    }
}

/// Runs; `progress` is told the steps done so far.
pub fn run(config: Config, mut progress: impl FnMut(&Tally)) -> Result<Tally, Broken> {
    let mut tally = Tally::default();
    let mut episode = 0u64;
    while tally.steps < config.steps {
        let steps = EPISODE.min(config.steps - tally.steps);
        // a seed and its neighbours share no episode
        let seed = config.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(episode);
        Episode::new(seed, config).run(steps, &mut tally)?;
        episode += 1;
        progress(&tally);
    }
    Ok(tally)
}

/// One chain from its beginning.
struct Episode {
    suite: Suite,
    world: World,
    model: Model,
    memory: Memory,
    before: State,
    only: Option<Invariant>,
}

impl Episode {
    fn new(seed: u64, config: Config) -> Self {
        let suite = Suite::with_code(config.code);
        let before = State::read(&suite);
        let canonical = |contract: &cosmwasm_std::Addr| {
            let bytes = MockApiBech32::new(PREFIX).addr_canonicalize(contract.as_str());
            bytes.expect("a contract's address").to_vec()
        };
        let network = Network {
            net: suite.net(),
            registrar: canonical(&suite.registrar),
            ppr: canonical(&suite.ppr),
            ppr_text: suite.ppr.to_string(),
            summary_text: suite.summary.to_string(),
        };
        let model = Model::new(network, before.clone());
        Self { suite, world: World::new(seed), model, memory: Memory::default(), before, only: config.only }
    }

    fn run(&mut self, steps: u64, tally: &mut Tally) -> Result<(), Broken> {
        for step in 1..=steps {
            tally.steps += 1;
            self.step(step, tally)?;
        }
        Ok(())
    }

    fn step(&mut self, step: u64, tally: &mut Tally) -> Result<(), Broken> {
        if let Some(ms) = self.world.wait(&self.model, self.suite.now()) {
            self.suite.advance(ms);
        }
        let sent = self.world.next(&self.suite, &self.model);
        let at = At { height: self.suite.height(), now: self.suite.now() };
        let outcome = match &sent.call {
            Call::Registrar(msg) => self.suite.send_now(&sent.sender, &self.suite.registrar.clone(), msg),
            Call::Ppr(msg) => self.suite.send_now(&sent.sender, &self.suite.ppr.clone(), msg),
            Call::Summary(msg) => self.suite.send_now(&sent.sender, &self.suite.summary.clone(), msg),
        };
        let verdict = self.model.apply(&sent.canonical, &sent.call, at);
        let after = State::read(&self.suite);
        count(tally, sent.call.name(), &outcome);
        let agreement = agreement(&outcome, &verdict, &self.model.state, &after);
        if self.only.is_some() {
            // the reference goes where wrong code leads, so that the run goes on
            self.model.state = after.clone();
        }
        self.world.accepted(&self.model);
        let this = Step {
            suite: &self.suite,
            world: &self.world,
            model: &self.model,
            before: &self.before,
            after: &after,
            sent: &sent,
            outcome: &outcome,
            at,
            walk: step.is_multiple_of(WALK),
        };
        for invariant in Invariant::ALL {
            if self.only.is_some_and(|only| only != invariant) {
                continue;
            }
            let checked = match invariant {
                Invariant::ReferenceAgrees => agreement.clone(),
                _ => this.check(invariant, &mut self.memory),
            };
            checked.map_err(|words| Broken {
                invariant,
                words,
                step: tally.steps,
                message: format!("{:?} from {} at {at:?}", sent.call, sent.sender),
            })?;
        }
        self.before = after;
        Ok(())
    }
}

fn count(tally: &mut Tally, name: &'static str, outcome: &Outcome) {
    let (accepted, refused) = tally.kinds.entry(name).or_default();
    match outcome {
        Err(_) => *refused += 1,
        Ok(done) => {
            *accepted += 1;
            if done.response.data.is_some() {
                for failure in done.failed() {
                    *tally.faults.entry(format!("{:?}", failure.code)).or_default() += 1;
                }
            }
        }
    }
}

/// Whether chain and reference said the same and ended in the same state.
fn agreement(
    outcome: &Outcome,
    verdict: &Result<Vec<(u32, LaneFault)>, &'static str>,
    expected: &State,
    after: &State,
) -> Result<(), String> {
    match (outcome, verdict) {
        (Err(_), Err(_)) => {}
        (Ok(done), Ok(faults)) => {
            let failed = match done.response.data {
                Some(_) => done.failed().iter().map(|failure| (failure.position, failure.code)).collect(),
                None => Vec::new(),
            };
            if failed != *faults {
                return Err(format!("the contract fails {failed:?}, the reference {faults:?}"));
            }
        }
        (Ok(_), Err(refusal)) => return Err(format!("accepted, the reference refuses: {refusal}")),
        (Err(words), Ok(_)) => return Err(format!("refused ({words}), the reference accepts")),
    }
    match after.difference(expected) {
        None => Ok(()),
        Some(difference) => Err(format!("state against reference: {difference}")),
    }
}
