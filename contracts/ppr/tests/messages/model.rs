//! Random messages against a model of maps: what the contract holds is what the model holds, and
//! what its events tell.

use std::collections::{BTreeMap, BTreeSet};

use casewise_ledger::{grant::DAY_MS, CaseId, Commitment};
use casewise_protocol::{
    convert::{EmergencyReason, GrantStatus, RelationshipStatus, ReviewOutcome},
    ppr::{
        EmergenciesResponse, EmergencyInfo, ExecuteMsg, NewGrant, Power, QueryMsg, RelationshipInfo,
        MAX_EMERGENCY_MS, REVIEW_MS,
    },
    registrar, Event,
};
use casewise_testkit::contracts::{addr, commitment, key, Institution, Suite, BLOCK_MS, POLICY};
use cosmwasm_std::Addr;
use proptest::prelude::*;

use crate::{acks, delegates, grant_status, invited, person, relationship, rev, unreviewed};

/// Lengths of the emergency accesses that are tried.
const AHEAD: [u64; 4] = [0, 1_000, MAX_EMERGENCY_MS, MAX_EMERGENCY_MS + 1];

/// A message. `bool`: by the holder, else by its delegate; with End, else by the institution.
#[derive(Clone, Debug)]
enum Step {
    Propose(usize),
    Accept(usize, bool),
    Decline(usize, bool),
    Suspend(usize, bool),
    Resume(usize, bool),
    Invite(usize, bool),
    Withdraw(usize, bool),
    End(usize, bool),
    Grant(u8, u32, u32, bool),
    Revoke(u8, u8, bool),
    Expire(u8),
    Ack(usize, u32),
    Delegate(u16),
    Remove(bool),
    Open(usize),
    Stop(u32, Ender),
    Review(u32, bool),
    Rotate,
    Institution(usize, bool),
    Days(u64),
}

/// Who ends an emergency access.
#[derive(Clone, Copy, Debug)]
enum Ender {
    Holder,
    Delegate,
    Doctor,
    /// Operator of an institution; B is the doctor's.
    Operator(usize),
    Authority,
}

fn ender() -> impl Strategy<Value = Ender> {
    prop_oneof![
        Just(Ender::Holder),
        Just(Ender::Delegate),
        Just(Ender::Doctor),
        (0usize..2).prop_map(Ender::Operator),
        Just(Ender::Authority),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let who = || 0usize..2;
    let acting = || (who(), any::<bool>());
    let id = 0u8..4;
    let relationships = prop_oneof![
        3 => who().prop_map(Step::Propose),
        3 => acting().prop_map(|(who, holder)| Step::Accept(who, holder)),
        1 => acting().prop_map(|(who, holder)| Step::Decline(who, holder)),
        2 => acting().prop_map(|(who, holder)| Step::Suspend(who, holder)),
        2 => acting().prop_map(|(who, holder)| Step::Resume(who, holder)),
        2 => acting().prop_map(|(who, holder)| Step::Invite(who, holder)),
        1 => acting().prop_map(|(who, holder)| Step::Withdraw(who, holder)),
        1 => acting().prop_map(|(who, holder)| Step::End(who, holder)),
        1 => acting().prop_map(|(who, active)| Step::Institution(who, active)),
    ];
    let grants = prop_oneof![
        (id.clone(), 0u32..3, 0u32..3, any::<bool>())
            .prop_map(|(id, first, last, holder)| Step::Grant(id, first, last, holder)),
        (id.clone(), id.clone(), any::<bool>()).prop_map(|(one, two, holder)| Step::Revoke(one, two, holder)),
        id.prop_map(Step::Expire),
        (who(), 0u32..5).prop_map(|(who, rev)| Step::Ack(who, rev)),
    ];
    let people = prop_oneof![
        3 => (1u16..64).prop_map(Step::Delegate),
        1 => any::<bool>().prop_map(Step::Remove),
        1 => Just(Step::Rotate),
    ];
    let emergencies = prop_oneof![
        2 => (0..AHEAD.len()).prop_map(Step::Open),
        1 => (0u32..4, ender()).prop_map(|(number, ender)| Step::Stop(number, ender)),
        1 => (0u32..4, any::<bool>()).prop_map(|(number, justified)| Step::Review(number, justified)),
    ];
    prop_oneof![
        5 => relationships,
        4 => grants,
        2 => people,
        3 => emergencies,
        2 => (0u64..2).prop_map(Step::Days),
    ]
}

#[derive(Clone, Debug, PartialEq)]
struct Access {
    until: u64,
    justified: Option<bool>,
}

/// What should be so.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    relationships: BTreeMap<u32, RelationshipStatus>,
    /// Epoch of the holder who invited.
    invited: BTreeMap<u32, u32>,
    grants: BTreeMap<u8, (GrantStatus, u32, u32)>,
    /// Powers and epoch of the holder who named it.
    delegate: Option<(u16, u32)>,
    /// From number 1 on.
    accesses: Vec<Access>,
    acked: BTreeMap<u32, u32>,
    suspended: BTreeSet<u32>,
    epoch: u32,
    rev: u32,
}

impl Model {
    /// Whether the holder or its delegate may do what takes this power.
    fn acts(&self, holder: bool, power: Power) -> bool {
        holder
            || self
                .delegate
                .is_some_and(|(powers, epoch)| epoch == self.epoch && Power::of_bits(powers).contains(&power))
    }

    /// A change of the holder's to a relationship, from some statuses to one.
    fn turn(&mut self, number: u32, from: &[RelationshipStatus], to: RelationshipStatus) -> bool {
        match self.relationships.get_mut(&number) {
            Some(status) if from.contains(status) => {
                *status = to;
                true
            }
            status => status.is_some_and(|status| *status == to),
        }
    }

    fn propose(&mut self, who: usize, numbers: &[u32]) -> bool {
        use RelationshipStatus::{Active, Ended, Proposed};
        let number = numbers[who];
        if self.suspended.contains(&number) {
            return false;
        }
        // B waits for the policy that A brings
        if who == 1 && !self.relationships.contains_key(&numbers[0]) {
            return false;
        }
        match self.relationships.get(&number) {
            Some(status) => *status != Ended,
            None => {
                let counts = self.invited.remove(&number) == Some(self.epoch);
                self.relationships.insert(number, if counts { Active } else { Proposed });
                if counts {
                    self.acked.insert(number, self.rev);
                }
                true
            }
        }
    }

    fn open(&mut self, until: u64, now: u64, institution: u32) -> bool {
        if self.suspended.contains(&institution) {
            return false;
        }
        if let Some(running) = self.accesses.last().filter(|access| now < access.until) {
            return running.until == until;
        }
        let overdue = |access: &Access| access.justified.is_none() && now >= access.until + REVIEW_MS;
        let waiting = self.accesses.iter().filter(|access| access.justified.is_none()).count();
        if until <= now
            || until > now + MAX_EMERGENCY_MS
            || self.accesses.iter().any(overdue)
            || waiting >= 16
        {
            return false;
        }
        self.accesses.push(Access { until, justified: None });
        true
    }

    fn access(&mut self, number: u32) -> Option<&mut Access> {
        self.accesses.get_mut((number as usize).checked_sub(1)?)
    }

    /// Applies a message at `now`, Unix ms; false if it must be refused.
    fn apply(&mut self, step: &Step, numbers: &[u32], now: u64) -> bool {
        use RelationshipStatus::{Active, Ended, Proposed, Suspended};
        let day = (now / DAY_MS) as u32;
        let related = Power::Relationships;
        match *step {
            Step::Propose(who) => self.propose(who, numbers),
            Step::Accept(who, holder) => {
                let number = numbers[who];
                if !self.acts(holder, related) {
                    return false;
                }
                if self.relationships.get(&number) == Some(&Proposed) {
                    self.acked.insert(number, self.rev);
                }
                self.turn(number, &[Proposed], Active)
            }
            Step::Decline(who, holder) => {
                self.acts(holder, related) && self.turn(numbers[who], &[Proposed], Ended)
            }
            Step::Suspend(who, holder) => {
                self.acts(holder, related) && self.turn(numbers[who], &[Active], Suspended)
            }
            Step::Resume(who, holder) => {
                self.acts(holder, related) && self.turn(numbers[who], &[Suspended], Active)
            }
            Step::End(who, _) => self.turn(numbers[who], &[Proposed, Active, Suspended], Ended),
            Step::Invite(who, holder) => {
                let number = numbers[who];
                if !self.acts(holder, related) || self.relationships.contains_key(&number) {
                    return false;
                }
                if self.invited.get(&number) == Some(&self.epoch) {
                    return true;
                }
                if self.suspended.contains(&number) {
                    return false;
                }
                self.invited.insert(number, self.epoch);
                true
            }
            Step::Withdraw(who, holder) => {
                let acts = self.acts(holder, related);
                if acts {
                    self.invited.remove(&numbers[who]);
                }
                acts
            }
            Step::Grant(id, first, last, holder) => {
                let (first, last) = (day + first, day + last);
                if !self.acts(holder, Power::Grants) {
                    return false;
                }
                match self.grants.get(&id) {
                    Some((GrantStatus::Live, f, l)) => (*f, *l) == (first, last),
                    Some(_) => false,
                    None if last < first => false,
                    None => {
                        self.grants.insert(id, (GrantStatus::Live, first, last));
                        true
                    }
                }
            }
            Step::Revoke(one, two, holder) => {
                let known = self.grants.contains_key(&one) && self.grants.contains_key(&two);
                if !known || !self.acts(holder, Power::Revocations) {
                    return false;
                }
                let mut any = false;
                for id in [one, two] {
                    let grant = self.grants.get_mut(&id).expect("checked above");
                    if grant.0 == GrantStatus::Live {
                        grant.0 = GrantStatus::Revoked;
                        any = true;
                    }
                }
                self.rev += u32::from(any);
                true
            }
            Step::Expire(id) => match self.grants.get_mut(&id) {
                None => false,
                Some((GrantStatus::Live, _, last)) if *last >= day => false,
                Some(grant) => {
                    if grant.0 == GrantStatus::Live {
                        grant.0 = GrantStatus::Expired;
                        self.rev += 1;
                    }
                    true
                }
            },
            Step::Ack(who, wanted) => {
                if !self.relationships.contains_key(&numbers[who]) || wanted > self.rev {
                    return false;
                }
                let acked = self.acked.entry(numbers[who]).or_default();
                *acked = wanted.max(*acked);
                true
            }
            Step::Delegate(powers) => {
                self.delegate = Some((powers, self.epoch));
                true
            }
            Step::Remove(_) => {
                self.delegate = None;
                true
            }
            Step::Open(ahead) => self.open(now + AHEAD[ahead], now, numbers[1]),
            Step::Stop(number, ender) => {
                let (acts, raises) = match ender {
                    Ender::Holder | Ender::Authority => (true, true),
                    Ender::Delegate => (self.acts(false, Power::Revocations), true),
                    Ender::Doctor => (true, false),
                    Ender::Operator(who) => (who == 1, false),
                };
                match self.access(number) {
                    None => false,
                    Some(_) if !acts => false,
                    Some(access) => {
                        let running = now < access.until;
                        access.until = access.until.min(now);
                        self.rev += u32::from(running && raises);
                        true
                    }
                }
            }
            Step::Review(number, justified) => {
                let suspended = self.suspended.contains(&numbers[1]);
                match self.access(number) {
                    None => false,
                    Some(_) if suspended => false,
                    Some(access) if now < access.until => false,
                    Some(access) => *access.justified.get_or_insert(justified) == justified,
                }
            }
            Step::Rotate => {
                self.epoch += 1;
                self.rev += 1;
                true
            }
            Step::Institution(who, active) => {
                if active {
                    self.suspended.remove(&numbers[who]);
                } else {
                    self.suspended.insert(numbers[who]);
                }
                true
            }
            Step::Days(_) => true,
        }
    }

    /// Takes up what an event tells, so far as events tell it.
    fn fold(&mut self, event: &Event, names: &BTreeMap<Commitment, u8>, now: u64) {
        match event {
            Event::RelationshipChanged { institution, status, .. } => {
                self.invited.remove(institution);
                self.relationships.insert(*institution, (*status).into());
            }
            Event::InvitationChanged { institution, invited: true, .. } => {
                self.invited.insert(*institution, self.epoch);
            }
            Event::InvitationChanged { institution, .. } => {
                self.invited.remove(institution);
            }
            Event::GrantMade { commitment, first, last, .. } => {
                self.grants.insert(names[commitment], (GrantStatus::Live, *first, *last));
            }
            Event::GrantEnded { commitment, status, rev, .. } => {
                let grant = self.grants.get_mut(&names[commitment]).expect("it was made");
                grant.0 = (*status).into();
                self.rev = *rev;
            }
            Event::DelegateChanged { powers: 0, .. } => self.delegate = None,
            Event::DelegateChanged { powers, .. } => self.delegate = Some((*powers, self.epoch)),
            Event::EmergencyOpened { until, .. } => {
                self.accesses.push(Access { until: *until, justified: None });
            }
            Event::EmergencyEnded { number, rev, .. } => {
                self.access(*number).expect("it was opened").until = now;
                self.rev = *rev;
            }
            Event::EmergencyReviewed { number, outcome, .. } => {
                let justified = ReviewOutcome::from(*outcome) == ReviewOutcome::Justified;
                self.access(*number).expect("it was opened").justified = Some(justified);
            }
            Event::IdentityRotated { epoch, .. } => self.epoch = *epoch,
            Event::RevRaised { rev, .. } => self.rev = *rev,
            _ => {}
        }
    }
}

/// Who takes part.
struct Cast {
    institutions: [Institution; 2],
    case: CaseId,
    doctor: Addr,
    delegate: Addr,
    authority: Addr,
}

impl Cast {
    fn holder(&self, epoch: u32) -> Addr {
        if epoch == 0 {
            person("p")
        } else {
            addr(&key(&format!("p{epoch}")).address())
        }
    }

    fn message(&self, step: &Step, model: &Model, now: u64) -> (Addr, ExecuteMsg) {
        let case = self.case;
        let id = |id: u8| commitment(&format!("{id}"));
        let day = (now / DAY_MS) as u32;
        let number = |who: usize| self.institutions[who].number;
        let acting = |holder| if holder { self.holder(model.epoch) } else { self.delegate.clone() };
        match *step {
            Step::Propose(who) => {
                let policy = (who == 0).then_some(&POLICY);
                (self.institutions[who].addr(), ExecuteMsg::propose(&case, policy))
            }
            Step::Accept(who, holder) => (acting(holder), ExecuteMsg::accept(&case, number(who))),
            Step::Decline(who, holder) => (acting(holder), ExecuteMsg::decline(&case, number(who))),
            Step::Suspend(who, holder) => (acting(holder), ExecuteMsg::suspend(&case, number(who))),
            Step::Resume(who, holder) => (acting(holder), ExecuteMsg::resume(&case, number(who))),
            Step::Invite(who, holder) => (acting(holder), ExecuteMsg::invite(&case, number(who))),
            Step::Withdraw(who, holder) => {
                (acting(holder), ExecuteMsg::withdraw_invitation(&case, number(who)))
            }
            Step::End(who, holder) => {
                let sender = if holder { acting(true) } else { self.institutions[who].addr() };
                (sender, ExecuteMsg::end(&case, number(who)))
            }
            Step::Grant(name, first, last, holder) => {
                let grant = NewGrant::new(&id(name), (day + first, day + last));
                (acting(holder), ExecuteMsg::grant(&case, vec![grant]))
            }
            Step::Revoke(one, two, holder) => {
                (acting(holder), ExecuteMsg::revoke(&case, &[id(one), id(two)]))
            }
            Step::Expire(name) => (acting(true), ExecuteMsg::expire(&id(name))),
            Step::Ack(who, rev) => (self.institutions[who].addr(), ExecuteMsg::ack(&case, rev)),
            Step::Delegate(powers) => {
                let powers = Power::of_bits(powers);
                (acting(true), ExecuteMsg::set_delegate(&case, self.delegate.as_str(), &powers, None))
            }
            Step::Remove(holder) => {
                (acting(holder), ExecuteMsg::remove_delegate(&case, self.delegate.as_str()))
            }
            Step::Open(ahead) => {
                let reason = EmergencyReason::Treatment;
                (self.doctor.clone(), ExecuteMsg::open_emergency(&case, reason, now + AHEAD[ahead]))
            }
            Step::Stop(number, ender) => {
                let sender = match ender {
                    Ender::Holder => acting(true),
                    Ender::Delegate => acting(false),
                    Ender::Doctor => self.doctor.clone(),
                    Ender::Operator(who) => self.institutions[who].addr(),
                    Ender::Authority => self.authority.clone(),
                };
                (sender, ExecuteMsg::end_emergency(&case, number))
            }
            Step::Review(number, justified) => {
                let outcome = if justified { ReviewOutcome::Justified } else { ReviewOutcome::Unjustified };
                (self.institutions[1].addr(), ExecuteMsg::review_emergency(&case, number, outcome))
            }
            Step::Rotate | Step::Institution(..) | Step::Days(_) => unreachable!("not a message of ppr"),
        }
    }

    /// Sends it; the events, or none if it was refused.
    fn send(&self, suite: &mut Suite, step: &Step, model: &Model) -> Option<Vec<Event>> {
        match *step {
            Step::Days(days) => {
                suite.advance(days * DAY_MS + BLOCK_MS);
                Some(Vec::new())
            }
            Step::Rotate => {
                let next = suite.rotation(&self.case, &format!("p{}", model.epoch + 1));
                let rotate = registrar::ExecuteMsg::rotate(&next);
                Some(suite.registrar(&self.holder(model.epoch), &rotate).unwrap().events())
            }
            Step::Institution(who, active) => {
                let institution = self.institutions[who].number;
                let msg = if active {
                    registrar::ExecuteMsg::ResumeInstitution { institution }
                } else {
                    registrar::ExecuteMsg::SuspendInstitution { institution }
                };
                let authority = suite.authority.clone();
                Some(suite.registrar(&authority, &msg).unwrap().events())
            }
            _ => {
                let (sender, msg) = self.message(step, model, suite.now() + BLOCK_MS);
                let before = suite.dump(&suite.ppr);
                let sent = suite.ppr(&sender, &msg);
                if sent.is_err() {
                    assert_eq!(suite.dump(&suite.ppr), before, "refused, and yet something was stored");
                }
                sent.ok().map(|done| done.events())
            }
        }
    }
}

/// All accesses, two at a time.
fn walk(suite: &Suite, case: &CaseId) -> Vec<EmergencyInfo> {
    let mut all: Vec<EmergencyInfo> = Vec::new();
    loop {
        let after = all.last().map(|access| access.number);
        let page: EmergenciesResponse = suite.ask_ppr(&QueryMsg::emergencies(case, after, Some(2))).unwrap();
        if page.emergencies.is_empty() {
            return all;
        }
        all.extend(page.emergencies);
    }
}

fn check(suite: &Suite, cast: &Cast, model: &Model) {
    let (case, now) = (&cast.case, suite.now());
    for Institution { number, .. } in &cast.institutions {
        let status = model.relationships.get(number).copied();
        assert_eq!(relationship(suite, case, *number), status);
        let info: Option<RelationshipInfo> = suite.ask_ppr(&QueryMsg::relationship(case, *number)).unwrap();
        let effective = status == Some(RelationshipStatus::Active) && !model.suspended.contains(number);
        assert_eq!(info.is_some_and(|info| info.effective), effective);
        assert_eq!(invited(suite, case, *number), model.invited.get(number) == Some(&model.epoch));
    }
    for name in 0..4u8 {
        let expected = model.grants.get(&name).map(|grant| grant.0);
        assert_eq!(grant_status(suite, &commitment(&format!("{name}"))), expected);
    }
    let found: Vec<_> =
        delegates(suite, case).into_iter().map(|found| (Power::bits(&found.powers), found.live)).collect();
    let expected = model.delegate.map(|(powers, epoch)| (powers, epoch == model.epoch));
    assert_eq!(found, Vec::from_iter(expected));
    let overdue = |access: &Access| access.justified.is_none() && now >= access.until + REVIEW_MS;
    let found: Vec<_> = walk(suite, case)
        .into_iter()
        .map(|info| {
            let justified = info.review.map(|review| review.outcome == ReviewOutcome::Justified);
            (Access { until: info.until.u64(), justified }, info.overdue)
        })
        .collect();
    let expected: Vec<_> = model.accesses.iter().map(|access| (access.clone(), overdue(access))).collect();
    assert_eq!(found, expected);
    let waiting = unreviewed(suite, &cast.doctor);
    let dues: Vec<_> = waiting.accesses.iter().map(|access| access.due.u64() - REVIEW_MS).collect();
    let expected = model.accesses.iter().filter(|access| access.justified.is_none());
    assert_eq!(dues, expected.map(|access| access.until).collect::<Vec<_>>());
    assert_eq!(waiting.blocked, model.accesses.iter().any(overdue));
    assert_eq!(rev(suite, case), model.rev);
    for ack in acks(suite, case) {
        assert_eq!(ack.acked, model.acked.get(&ack.institution).copied().unwrap_or_default());
        assert!(ack.acked <= model.rev);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn the_contract_is_the_model(steps in proptest::collection::vec(step(), 1..60)) {
        let mut suite = Suite::new();
        let institutions = [suite.admit("A"), suite.admit("B")];
        let numbers = [institutions[0].number, institutions[1].number];
        let case = suite.enrol(&institutions[0], "p").case();
        let doctor = suite.practitioner(&institutions[1], "doctor");
        let authority = suite.authority.clone();
        let cast = Cast { institutions, case, doctor, delegate: person("delegate"), authority };
        let names: BTreeMap<_, _> = (0..4u8).map(|name| (commitment(&format!("{name}")), name)).collect();
        let (mut model, mut told) = (Model::default(), Model::default());
        for step in steps {
            let before = model.clone();
            let expected = model.apply(&step, &numbers, suite.now() + BLOCK_MS);
            if !expected {
                prop_assert_eq!(&model, &before);
            }
            let events = cast.send(&mut suite, &step, &before);
            prop_assert_eq!(events.is_some(), expected, "{:?}", step);
            for event in events.iter().flatten() {
                told.fold(event, &names, suite.now());
            }
            check(&suite, &cast, &model);
            // neither is told by events of ppr's: acceptances start at rev, registrar suspends
            (told.acked, told.suspended) = (model.acked.clone(), model.suspended.clone());
            prop_assert_eq!(&told, &model);
        }
    }
}
