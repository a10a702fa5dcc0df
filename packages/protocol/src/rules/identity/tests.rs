//! Each rule at its limits, and what no sequence of messages may do.

use super::*;
use casewise_ledger::CaseId;
use proptest::prelude::*;

const HOLDER: Address = Address([1; 20]);
const RECOVERY: Address = Address([2; 20]);
const NEXT: Address = Address([3; 20]);
const STRANGER: Address = Address([9; 20]);
const NOW: u64 = 1_000_000;
const DELAY: u32 = 10;
const READY: u64 = NOW + 10_000;

fn identity() -> Identity {
    let record = IdentityRecord {
        version: V1,
        holder: HOLDER,
        kem: [1; 32],
        epoch: 4,
        institution: 1,
        custodial: false,
        since: 7,
    };
    Identity::enrolled(record, Some(RECOVERY))
}

fn custodial() -> Identity {
    let record = IdentityRecord { custodial: true, ..identity().record };
    Identity::enrolled(record, None)
}

fn card(epoch: u32, holder: Address) -> RotateCard {
    RotateCard { version: V1, case: CaseId([5; 32]), epoch, holder, kem: [holder.0[0]; 32] }
}

fn claim(until: u64) -> ClaimRecord {
    ClaimRecord { version: V1, holder: NEXT, until }
}

fn offered() -> Identity {
    Identity { claim: Some(claim(NOW + 1)), ..custodial() }
}

fn started() -> Identity {
    start_recovery(&identity(), &card(5, NEXT), &RECOVERY.0, false, DELAY, NOW).unwrap().changed().unwrap()
}

fn succession(before: &IdentityRecord) -> IdentityRecord {
    IdentityRecord { holder: NEXT, kem: [3; 32], epoch: 5, since: NOW, ..before.clone() }
}

#[test]
fn rotating() {
    let go = |identity: &Identity, card: &RotateCard, sender: Address, taken| {
        rotate(identity, card, &sender.0, taken, NOW)
    };
    let (before, wanted) = (identity(), card(5, NEXT));
    let after = Identity { record: succession(&before.record), ..before.clone() };
    assert_eq!(go(&before, &wanted, HOLDER, false), Ok(Change::To(after.clone())));
    // again, by whoever sends it, even when the account holds the case by now
    for sender in [HOLDER, NEXT, STRANGER] {
        assert_eq!(go(&after, &wanted, sender, true), Ok(Change::Same));
    }
    for sender in [RECOVERY, NEXT, STRANGER] {
        assert_eq!(go(&before, &wanted, sender, false), Err(Refusal::NotHolder));
    }
    for epoch in [0, 3, 4, 6, u32::MAX] {
        assert_eq!(go(&before, &card(epoch, NEXT), HOLDER, false), Err(Refusal::CardEpoch { epoch: 4 }));
    }
    assert_eq!(go(&before, &card(5, HOLDER), HOLDER, true), Err(Refusal::SameHolder));
    assert_eq!(go(&before, &card(5, RECOVERY), HOLDER, false), Err(Refusal::HolderRecovers));
    assert_eq!(go(&before, &wanted, HOLDER, true), Err(Refusal::HolderUsed));
    let last = Identity { record: IdentityRecord { epoch: u32::MAX, ..before.record.clone() }, ..before };
    assert_eq!(go(&last, &card(0, NEXT), HOLDER, false), Err(Refusal::CardEpoch { epoch: u32::MAX }));
}

#[test]
fn rotating_keeps_what_is_the_case_s_and_drops_what_was_pending() {
    let custodial = offered();
    let after = rotate(&custodial, &card(5, NEXT), &HOLDER.0, false, NOW).unwrap().changed().unwrap();
    assert!(after.record.custodial && after.claim.is_none());
    let vetoed = Identity { vetoed: true, ..identity() };
    let after = rotate(&vetoed, &card(5, NEXT), &HOLDER.0, false, NOW).unwrap().changed().unwrap();
    assert!(after.vetoed && after.recovery == Some(RECOVERY));
    // not while a recovery runs; one that has lapsed is cleared away
    let started = started();
    let lapses = started.recovering.as_ref().unwrap().lapses;
    let go = |now| rotate(&started, &card(5, Address([4; 20])), &HOLDER.0, false, now);
    assert_eq!(go(NOW), Err(Refusal::Recovering));
    assert_eq!(go(lapses - 1), Err(Refusal::Recovering));
    assert_eq!(go(lapses).unwrap().changed().unwrap().recovering, None);
}

#[test]
fn offering_a_claim() {
    let go = |identity: &Identity, until, sender: Address, taken| {
        offer_claim(identity, claim(until), &sender.0, taken, NOW)
    };
    let with = |until| Ok(Change::To(Identity { claim: Some(claim(until)), ..custodial() }));
    assert_eq!(go(&custodial(), NOW + 1, HOLDER, false), with(NOW + 1));
    assert_eq!(go(&custodial(), NOW + MAX_CLAIM_MS, HOLDER, false), with(NOW + MAX_CLAIM_MS));
    for until in [0, NOW, NOW + MAX_CLAIM_MS + 1, u64::MAX] {
        assert_eq!(go(&custodial(), until, HOLDER, false), Err(Refusal::ClaimEnd));
    }
    // the same again, even when it is over; another takes its place
    let over = Identity { claim: Some(claim(NOW)), ..custodial() };
    assert_eq!(go(&over, NOW, HOLDER, true), Ok(Change::Same));
    assert_eq!(go(&over, NOW + 1, HOLDER, false), with(NOW + 1));
    assert_eq!(go(&custodial(), NOW + 1, STRANGER, false), Err(Refusal::NotHolder));
    assert_eq!(go(&identity(), NOW + 1, HOLDER, false), Err(Refusal::NotCustodial));
    assert_eq!(go(&custodial(), NOW + 1, HOLDER, true), Err(Refusal::ClaimantUsed));
    let to_itself = ClaimRecord { holder: HOLDER, ..claim(NOW + 1) };
    assert_eq!(offer_claim(&custodial(), to_itself, &HOLDER.0, false, NOW), Err(Refusal::ClaimantUsed));
}

#[test]
fn withdrawing_a_claim() {
    assert_eq!(withdraw_claim(&offered(), &HOLDER.0), Ok(Change::To(custodial())));
    assert_eq!(withdraw_claim(&custodial(), &HOLDER.0), Ok(Change::Same));
    assert_eq!(withdraw_claim(&offered(), &NEXT.0), Err(Refusal::NotHolder));
    assert_eq!(withdraw_claim(&identity(), &HOLDER.0), Err(Refusal::NotCustodial));
}

#[test]
fn accepting_a_claim() {
    let go = |identity: &Identity, card: &RotateCard, recovery, sender: Address, taken, now| {
        accept_claim(identity, card, recovery, &sender.0, taken, now)
    };
    let (before, wanted) = (Identity { vetoed: true, ..offered() }, card(5, NEXT));
    let record = IdentityRecord { custodial: false, ..succession(&before.record) };
    let after = Identity::enrolled(record, Some(RECOVERY));
    assert_eq!(go(&before, &wanted, Some(RECOVERY), NEXT, false, NOW), Ok(Change::To(after.clone())));
    assert_eq!(go(&after, &wanted, Some(RECOVERY), NEXT, true, NOW), Ok(Change::Same));
    // it does not serve to change the recovery account
    assert_eq!(go(&after, &wanted, None, NEXT, true, NOW), Err(Refusal::NoClaim));
    for sender in [HOLDER, RECOVERY, STRANGER] {
        assert_eq!(go(&before, &wanted, None, sender, false, NOW), Err(Refusal::NoClaim));
    }
    assert_eq!(go(&custodial(), &wanted, None, NEXT, false, NOW), Err(Refusal::NoClaim));
    assert_eq!(go(&before, &wanted, None, NEXT, false, NOW + 1), Err(Refusal::ClaimOver));
    assert_eq!(go(&before, &card(5, STRANGER), None, NEXT, false, NOW), Err(Refusal::ClaimCard));
    assert_eq!(go(&before, &card(6, NEXT), None, NEXT, false, NOW), Err(Refusal::CardEpoch { epoch: 4 }));
    assert_eq!(go(&before, &wanted, Some(NEXT), NEXT, false, NOW), Err(Refusal::HolderRecovers));
    assert_eq!(go(&before, &wanted, None, NEXT, true, NOW), Err(Refusal::HolderUsed));
}

#[test]
fn starting_a_recovery() {
    let go = |identity: &Identity, card: &RotateCard, sender: Address, taken, now| {
        start_recovery(identity, card, &sender.0, taken, DELAY, now)
    };
    let running = started();
    let record = running.recovering.clone().unwrap();
    assert_eq!((record.ready, record.lapses), (READY, READY + RECOVERY_WINDOW_MS));
    assert_eq!((record.holder, record.kem, record.attested), (NEXT, [3; 32], None));
    let wanted = card(5, NEXT);
    assert_eq!(go(&running, &wanted, RECOVERY, true, NOW + 1), Ok(Change::Same));
    assert_eq!(go(&running, &card(6, NEXT), RECOVERY, true, NOW), Ok(Change::Same), "of a later epoch");
    for other in [card(5, STRANGER), RotateCard { kem: [0; 32], ..wanted.clone() }] {
        assert_eq!(go(&running, &other, RECOVERY, false, NOW), Err(Refusal::RecoveryConflict));
    }
    // one that has lapsed does not stand in the way, nor is it started by the same card
    let again = go(&running, &wanted, RECOVERY, false, record.lapses).unwrap().changed().unwrap();
    assert_eq!(again.recovering.unwrap().ready, record.lapses + 10_000);
    for sender in [HOLDER, NEXT, STRANGER] {
        assert_eq!(go(&identity(), &wanted, sender, false, NOW), Err(Refusal::NotRecovery));
    }
    let without = Identity { recovery: None, ..identity() };
    assert_eq!(go(&without, &wanted, RECOVERY, false, NOW), Err(Refusal::NotRecovery));
    for epoch in [0, 4, 6 + MAX_EPOCHS_AHEAD, u32::MAX] {
        let answer = go(&identity(), &card(epoch, NEXT), RECOVERY, false, NOW);
        assert_eq!(answer, Err(Refusal::RecoveryEpoch { epoch: 4 }));
    }
    for epoch in [5, 5 + MAX_EPOCHS_AHEAD] {
        assert!(go(&identity(), &card(epoch, NEXT), RECOVERY, false, NOW).is_ok());
    }
    assert_eq!(go(&identity(), &card(5, HOLDER), RECOVERY, true, NOW), Err(Refusal::SameHolder));
    assert_eq!(go(&identity(), &card(5, RECOVERY), RECOVERY, false, NOW), Err(Refusal::HolderRecovers));
    assert_eq!(go(&identity(), &wanted, RECOVERY, true, NOW), Err(Refusal::HolderUsed));
    let finished = finish_recovery(&running, &RECOVERY.0, false, READY).unwrap();
    assert_eq!(go(&finished, &wanted, RECOVERY, true, READY), Ok(Change::Same));
}

#[test]
fn attesting_a_recovery() {
    let relationship = |status| RelationshipRecord { version: V1, status, since: 0 };
    let active = relationship(RelationshipStatus::Active);
    let go =
        |identity: &Identity, institution, now| attest_recovery(identity, institution, Some(&active), now);
    let running = started();
    let lapses = running.recovering.as_ref().unwrap().lapses;
    let attested = go(&running, 2, lapses - 1).unwrap().changed().unwrap();
    assert_eq!(attested.recovering.as_ref().unwrap().attested, Some(2));
    for institution in [2, 3] {
        assert_eq!(go(&attested, institution, NOW), Ok(Change::Same));
    }
    assert_eq!(go(&running, 2, lapses), Err(Refusal::NoRecovery));
    assert_eq!(go(&identity(), 2, NOW), Err(Refusal::NoRecovery));
    let refused = Err(Refusal::NotInForce { institution: 2 });
    assert_eq!(attest_recovery(&running, 2, None, NOW), refused);
    for status in [RelationshipStatus::Proposed, RelationshipStatus::Suspended, RelationshipStatus::Ended] {
        assert_eq!(attest_recovery(&running, 2, Some(&relationship(status)), NOW), refused);
    }
    // attested in time, vetoed no more
    let refused = Err(Refusal::RecoveryAttested { institution: 2 });
    assert_eq!(veto_recovery(&attested, &HOLDER.0, NOW), refused);
}

#[test]
fn stopping_a_recovery() {
    let running = started();
    let lapses = running.recovering.as_ref().unwrap().lapses;
    let vetoed = veto_recovery(&running, &HOLDER.0, lapses - 1).unwrap();
    assert_eq!(vetoed, Identity { vetoed: true, ..identity() });
    assert_eq!(veto_recovery(&running, &HOLDER.0, lapses), Err(Refusal::NoRecovery));
    assert_eq!(veto_recovery(&vetoed, &HOLDER.0, NOW), Err(Refusal::NoRecovery));
    let again = Identity { vetoed: true, ..running.clone() };
    assert_eq!(veto_recovery(&again, &HOLDER.0, NOW), Err(Refusal::VetoUsed));
    for sender in [RECOVERY, NEXT, STRANGER] {
        assert_eq!(veto_recovery(&running, &sender.0, NOW), Err(Refusal::NotHolder));
    }
    assert_eq!(cancel_recovery(&running, &RECOVERY.0, NOW), Ok(Change::To(identity())));
    assert_eq!(cancel_recovery(&identity(), &RECOVERY.0, NOW), Ok(Change::Same));
    assert_eq!(cancel_recovery(&running, &RECOVERY.0, lapses), Ok(Change::Same));
    for sender in [HOLDER, NEXT, STRANGER] {
        assert_eq!(cancel_recovery(&running, &sender.0, NOW), Err(Refusal::NotRecovery));
    }
}

#[test]
fn finishing_a_recovery() {
    let running = Identity { vetoed: true, claim: Some(claim(NOW)), ..started() };
    let lapses = running.recovering.as_ref().unwrap().lapses;
    for (sender, now) in [(RECOVERY, READY), (NEXT, lapses - 1)] {
        let record = IdentityRecord { since: now, ..succession(&running.record) };
        let after = Identity::enrolled(record, Some(RECOVERY));
        assert_eq!(finish_recovery(&running, &sender.0, false, now), Ok(after));
    }
    let go = |sender: Address, taken, now| finish_recovery(&running, &sender.0, taken, now);
    assert_eq!(go(RECOVERY, false, READY - 1), Err(Refusal::RecoveryNotReady { ready: READY }));
    assert_eq!(go(RECOVERY, false, lapses), Err(Refusal::RecoveryLapsed));
    assert_eq!(go(NEXT, true, READY), Err(Refusal::HolderUsed));
    for sender in [HOLDER, STRANGER] {
        assert_eq!(go(sender, false, READY), Err(Refusal::NotFinisher));
    }
    assert_eq!(finish_recovery(&identity(), &RECOVERY.0, false, READY), Err(Refusal::NoRecovery));
}

/// What somebody with the holder's key, or somebody else, tries.
#[derive(Clone, Copy, Debug)]
enum Step {
    Wait(u64),
    Rotate,
    Offer,
    Withdraw,
    Accept(bool),
    Start,
    Attest,
    Veto,
    Cancel,
    Finish,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..2 * u64::from(DELAY) * 1000).prop_map(Step::Wait),
        1 => (RECOVERY_WINDOW_MS - 20_000..RECOVERY_WINDOW_MS + 20_000).prop_map(Step::Wait),
        2 => Just(Step::Rotate),
        1 => Just(Step::Offer),
        1 => Just(Step::Withdraw),
        1 => any::<bool>().prop_map(Step::Accept),
        3 => Just(Step::Start),
        1 => Just(Step::Attest),
        2 => Just(Step::Veto),
        1 => Just(Step::Cancel),
        2 => Just(Step::Finish),
    ]
}

/// A case, the clock, and accounts that nobody has used.
struct World {
    identity: Identity,
    now: u64,
    fresh: u16,
}

impl World {
    fn fresh(&mut self) -> Address {
        self.fresh += 1;
        let mut account = [7; 20];
        account[..2].copy_from_slice(&self.fresh.to_be_bytes());
        Address(account)
    }

    /// Each message from the one who may send it; a refusal changes nothing.
    fn apply(&mut self, step: Step) {
        let new = self.fresh();
        let identity = &self.identity;
        let holder = identity.record.holder.0;
        let recovery = identity.recovery.map_or([0; 20], |account| account.0);
        let next = card(identity.record.epoch + 1, new);
        let active = RelationshipRecord { version: V1, status: RelationshipStatus::Active, since: 0 };
        let change = match step {
            Step::Wait(ms) => {
                self.now += ms;
                return;
            }
            Step::Rotate => rotate(identity, &next, &holder, false, self.now),
            Step::Offer => {
                let claim = ClaimRecord { version: V1, holder: new, until: self.now + 15_000 };
                offer_claim(identity, claim, &holder, false, self.now)
            }
            Step::Withdraw => withdraw_claim(identity, &holder),
            Step::Accept(recovers) => {
                let Some(claim) = &identity.claim else { return };
                let card = card(next.epoch, claim.holder);
                accept_claim(identity, &card, recovers.then_some(RECOVERY), &claim.holder.0, false, self.now)
            }
            Step::Start => start_recovery(identity, &next, &recovery, false, DELAY, self.now),
            Step::Attest => attest_recovery(identity, 2, Some(&active), self.now),
            Step::Veto => veto_recovery(identity, &holder, self.now).map(Change::To),
            Step::Cancel => cancel_recovery(identity, &recovery, self.now),
            Step::Finish => finish_recovery(identity, &recovery, false, self.now).map(Change::To),
        };
        if let Ok(Change::To(after)) = change {
            self.identity = after;
        }
    }
}

proptest! {
    #[test]
    fn every_history_keeps_to_the_rules(
        held in any::<bool>(),
        steps in proptest::collection::vec(step(), 0..80),
    ) {
        let identity = if held { custodial() } else { identity() };
        let mut world = World { identity, now: NOW, fresh: 0 };
        for step in steps {
            let before = world.identity.clone();
            world.apply(step);
            let after = &world.identity;
            let moved = before.record.holder != after.record.holder;
            // a new holder is a new epoch and a new beginning, and nothing else is
            prop_assert_eq!(after.record.epoch, before.record.epoch + u32::from(moved));
            prop_assert_eq!(after.record.since, if moved { world.now } else { before.record.since });
            if moved {
                prop_assert!(after.claim.is_none() && after.recovering.is_none());
                let (claimed, finished) = (matches!(step, Step::Accept(_)), matches!(step, Step::Finish));
                prop_assert!(claimed || finished || matches!(step, Step::Rotate));
                // while a recovery runs nothing but its end moves the holder
                prop_assert!(finished || before.running(world.now).is_none());
                prop_assert_eq!(before.record.custodial && !after.record.custodial, claimed);
            }
            // the holder's key never touches the recovery account, nor gives its veto back
            let claimed = matches!(step, Step::Accept(_)) && moved;
            prop_assert!(claimed || before.recovery == after.recovery);
            prop_assert!(after.recovery != Some(after.record.holder));
            if before.vetoed && !after.vetoed {
                prop_assert!(moved && !matches!(step, Step::Rotate));
            }
            // what is attested goes on until it is finished, cancelled or over
            let attested = |identity: &Identity| {
                identity.running(world.now).is_some_and(|recovery| recovery.attested.is_some())
            };
            if attested(&before) && !attested(after) {
                prop_assert!(matches!(step, Step::Finish | Step::Cancel));
            }
        }
    }

    #[test]
    fn a_stolen_holder_key_does_not_defeat_recovery(
        earlier in proptest::collection::vec(step(), 0..20),
        thefts in proptest::collection::vec(proptest::collection::vec(0u8..5, 0..8), 2),
    ) {
        let mut world = World { identity: identity(), now: NOW, fresh: 0 };
        for step in earlier {
            world.apply(step);
        }
        world.apply(Step::Cancel);
        // two attempts are enough, whatever the thief sends between start and end
        let mut finished = false;
        for thief in thefts {
            world.apply(Step::Start);
            let wanted = world.identity.running(world.now).map(|recovery| recovery.holder);
            prop_assert!(wanted.is_some());
            for step in thief {
                world.apply([Step::Rotate, Step::Veto, Step::Offer, Step::Withdraw, Step::Accept(true)][step as usize]);
            }
            world.now += u64::from(DELAY) * 1000;
            world.apply(Step::Finish);
            finished = Some(world.identity.record.holder) == wanted;
            if finished {
                break;
            }
        }
        prop_assert!(finished);
    }
}
