//! The three contracts against the reference for some thousand messages, and each invariant against
//! the bug that breaks it. `scripts/invariants` does the same for longer.

use casewise_testkit::{
    contracts::Code,
    model::{Config, Invariant, planted, run},
};

const SEED: u64 = 1;
const STEPS: u64 = 4_000;
/// Within how many messages a planted bug must be noticed.
const BOUND: u64 = 6_000;

#[test]
fn the_contracts_are_the_reference() {
    let config = Config { steps: STEPS, seed: SEED, code: Code::default(), only: None };
    let tally = match run(config, |_| {}) {
        Ok(tally) => tally,
        Err(broken) => {
            panic!("{:?} at step {}: {}\n{}", broken.invariant, broken.step, broken.words, broken.message)
        }
    };
    assert_eq!(tally.steps, STEPS);
    assert_eq!(tally.missing(), Vec::<String>::new());
}

/// The invariant alone, first with the real code and then with the wrong one: what is noticed is
/// the bug, and nothing else.
fn bites(invariant: Invariant) {
    let wrong = Config { steps: BOUND, seed: SEED, code: planted::code(invariant), only: Some(invariant) };
    let broken = run(wrong, |_| {}).err().expect("the planted bug is not noticed");
    assert_eq!(broken.invariant, invariant, "{}", broken.words);
    let real = Config { steps: broken.step, code: Code::default(), ..wrong };
    run(real, |_| {}).expect("the real code keeps it");
}

macro_rules! planted {
    ($($name:ident: $invariant:ident),+ $(,)?) => {
        $(#[test] fn $name() { bites(Invariant::$invariant); })+

        #[test]
        fn every_invariant_has_a_planted_bug() {
            assert_eq!([$(Invariant::$invariant),+], Invariant::ALL);
        }
    };
}

planted!(
    a_lane_that_shrinks_is_noticed: LaneGrows,
    an_index_anchored_twice_is_noticed: IndexOnce,
    a_completed_case_that_grows_is_noticed: CompletedStays,
    a_grace_without_anchors_is_noticed: GraceAnchors,
    force_without_an_active_institution_is_noticed: ForceNeedsActive,
    a_revoked_grant_that_lives_again_is_noticed: RevokedStays,
    a_rev_that_falls_is_noticed: RevRises,
    a_delegate_beyond_its_powers_is_noticed: DelegateBound,
    a_stolen_key_that_stops_a_recovery_is_noticed: RecoveryWins,
    a_bound_missed_by_a_day_is_noticed: TimeBounds,
    a_page_that_leaves_something_out_is_noticed: PagesAreState,
    a_silent_change_is_noticed: EventsAreState,
    a_pause_without_effect_is_noticed: ReferenceAgrees,
);
