//! Random messages against a model of maps: what the contract holds is what the model holds.

use std::collections::BTreeMap;

use casewise_ledger::{grant::DAY_MS, CaseId};
use casewise_protocol::{
    convert::{GrantStatus, RelationshipStatus},
    ppr::{ExecuteMsg, NewGrant},
};
use casewise_testkit::contracts::{commitment, Institution, Patient, Suite};
use proptest::prelude::*;

use crate::{acks, grant_status, relationship, rev, today};

#[derive(Clone, Debug)]
enum Step {
    Propose(usize),
    Accept(usize),
    Decline(usize),
    End(usize, bool),
    Grant(u8, u32, u32),
    Revoke(u8, u8),
    Expire(u8),
    Ack(usize, u32),
    Days(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0usize..2;
    let id = 0u8..4;
    prop_oneof![
        who.clone().prop_map(Step::Propose),
        who.clone().prop_map(Step::Accept),
        who.clone().prop_map(Step::Decline),
        (who.clone(), any::<bool>()).prop_map(|(who, holder)| Step::End(who, holder)),
        (id.clone(), 0u32..3, 0u32..3).prop_map(|(id, first, last)| Step::Grant(id, first, last)),
        (id.clone(), id.clone()).prop_map(|(one, two)| Step::Revoke(one, two)),
        id.prop_map(Step::Expire),
        (who, 0u32..5).prop_map(|(who, rev)| Step::Ack(who, rev)),
        (0u64..2).prop_map(Step::Days),
    ]
}

/// What should be so.
#[derive(Default)]
struct Model {
    relationships: BTreeMap<u32, RelationshipStatus>,
    grants: BTreeMap<u8, (GrantStatus, u32, u32)>,
    acked: BTreeMap<u32, u32>,
    rev: u32,
}

impl Model {
    /// Applies a message; false if it must be refused.
    fn apply(&mut self, step: &Step, numbers: &[u32], day: u32) -> bool {
        use RelationshipStatus::{Active, Ended, Proposed};
        let status = |model: &Self, who: usize| model.relationships.get(&numbers[who]).copied();
        match *step {
            Step::Propose(who) => match status(self, who) {
                Some(Ended) => false,
                Some(_) => true,
                // B waits for the policy that A brings
                None if who == 1 && status(self, 0).is_none() => false,
                None => {
                    self.relationships.insert(numbers[who], Proposed);
                    true
                }
            },
            Step::Accept(who) => match status(self, who) {
                Some(Proposed) => {
                    self.relationships.insert(numbers[who], Active);
                    self.acked.insert(numbers[who], self.rev);
                    true
                }
                Some(Active) => true,
                _ => false,
            },
            Step::Decline(who) => match status(self, who) {
                Some(Proposed | Ended) => {
                    self.relationships.insert(numbers[who], Ended);
                    true
                }
                _ => false,
            },
            Step::End(who, _) => match status(self, who) {
                Some(_) => {
                    self.relationships.insert(numbers[who], Ended);
                    true
                }
                None => false,
            },
            Step::Grant(id, first, last) => {
                let (first, last) = (day + first, day + last);
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
            Step::Revoke(one, two) => {
                if !self.grants.contains_key(&one) || !self.grants.contains_key(&two) {
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
                if status(self, who).is_none() || wanted > self.rev {
                    return false;
                }
                let acked = self.acked.entry(numbers[who]).or_default();
                *acked = wanted.max(*acked);
                true
            }
            Step::Days(_) => true,
        }
    }
}

fn send(suite: &mut Suite, step: &Step, institutions: &[Institution], patient: &Patient) -> bool {
    let case = patient.case();
    let id = |id: u8| commitment(&format!("{id}"));
    let day = today(suite);
    let (sender, msg) = match *step {
        Step::Days(days) => {
            suite.advance(days * DAY_MS);
            return true;
        }
        Step::Propose(who) => {
            let policy = (who == 0).then_some(&casewise_testkit::contracts::POLICY);
            (institutions[who].addr(), ExecuteMsg::propose(&case, policy))
        }
        Step::Accept(who) => (patient.addr(), ExecuteMsg::accept(&case, institutions[who].number)),
        Step::Decline(who) => (patient.addr(), ExecuteMsg::decline(&case, institutions[who].number)),
        Step::End(who, holder) => {
            let sender = if holder { patient.addr() } else { institutions[who].addr() };
            (sender, ExecuteMsg::end(&case, institutions[who].number))
        }
        Step::Grant(name, first, last) => {
            let grant = NewGrant::new(&id(name), (day + first, day + last));
            (patient.addr(), ExecuteMsg::grant(&case, vec![grant]))
        }
        Step::Revoke(one, two) => (patient.addr(), ExecuteMsg::revoke(&case, &[id(one), id(two)])),
        Step::Expire(name) => (patient.addr(), ExecuteMsg::expire(&id(name))),
        Step::Ack(who, rev) => (institutions[who].addr(), ExecuteMsg::ack(&case, rev)),
    };
    suite.ppr(&sender, &msg).is_ok()
}

fn check(suite: &Suite, case: &CaseId, model: &Model, numbers: &[u32]) {
    for number in numbers {
        assert_eq!(relationship(suite, case, *number), model.relationships.get(number).copied());
    }
    for name in 0..4u8 {
        let expected = model.grants.get(&name).map(|grant| grant.0);
        assert_eq!(grant_status(suite, &commitment(&format!("{name}"))), expected);
    }
    assert_eq!(rev(suite, case), model.rev);
    for ack in acks(suite, case) {
        assert_eq!(ack.acked, model.acked.get(&ack.institution).copied().unwrap_or_default());
        assert!(ack.acked <= model.rev);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn the_contract_is_the_model(steps in proptest::collection::vec(step(), 1..40)) {
        let mut suite = Suite::new();
        let institutions = [suite.admit("A"), suite.admit("B")];
        let numbers = [institutions[0].number, institutions[1].number];
        let patient = suite.enrol(&institutions[0], "p");
        let mut model = Model::default();
        for step in steps {
            let expected = model.apply(&step, &numbers, today(&suite));
            prop_assert_eq!(send(&mut suite, &step, &institutions, &patient), expected, "{:?}", step);
            check(&suite, &patient.case(), &model, &numbers);
        }
    }
}
