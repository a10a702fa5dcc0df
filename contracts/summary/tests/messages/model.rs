//! Random messages against a model of what a case is: heads are prefixes of the logs that were
//! written, counters and digest follow from the lanes, and no index disagrees with a record.

use std::collections::BTreeMap;

use casewise_ledger::{
    records::{close_digest, LaneRecord, LaneStatus},
    Class, Hash, LaneId,
};
use casewise_protocol::{
    rules::CareStatus,
    summary::{ExecuteMsg, LanesResponse, QueryMsg},
    Event,
};
use casewise_testkit::contracts::{anchors, rotations, Done, Institution, Lane, Patient, Suite, POLICY};
use proptest::prelude::*;

use crate::{end, onboarded, status};

#[derive(Clone, Debug)]
enum Step {
    Open(bool),
    Append(usize, u32),
    Anchor(usize, u32),
    Rotate(usize),
    Close(usize),
    Seen(usize, u32),
    End,
    CloseOverdue(usize),
    Wait,
}

fn step() -> impl Strategy<Value = Step> {
    let which = 0usize..8;
    prop_oneof![
        3 => any::<bool>().prop_map(Step::Open),
        5 => (which.clone(), 1u32..4).prop_map(|(which, count)| Step::Append(which, count)),
        6 => (which.clone(), 0u32..3).prop_map(|(which, back)| Step::Anchor(which, back)),
        3 => which.clone().prop_map(Step::Rotate),
        1 => which.clone().prop_map(Step::Close),
        4 => (which.clone(), 0u32..8).prop_map(|(which, size)| Step::Seen(which, size)),
        1 => Just(Step::End),
        1 => which.prop_map(Step::CloseOverdue),
        1 => Just(Step::Wait),
    ]
}

struct World {
    suite: Suite,
    a: Institution,
    patient: Patient,
    lanes: Vec<Lane>,
    /// Digest and lanes closed so far, from the events alone.
    digest: Hash,
    records: BTreeMap<LaneId, LaneRecord>,
}

impl World {
    fn new() -> Self {
        let (suite, a, patient) = onboarded();
        Self { suite, a, patient, lanes: Vec::new(), digest: [0; 32], records: BTreeMap::new() }
    }

    fn pick(&self, which: usize) -> Option<usize> {
        (!self.lanes.is_empty()).then(|| which % self.lanes.len())
    }

    fn apply(&mut self, step: &Step) {
        let case = self.patient.case();
        match *step {
            Step::Open(access) => {
                let name = format!("{}", self.lanes.len());
                let lane = if access {
                    Lane::access(&case, &self.a, &name)
                } else {
                    Lane::content(&case, &self.a, &name)
                };
                let msg = ExecuteMsg::open(std::slice::from_ref(&lane.header));
                if self.send_as_author(&msg) {
                    self.lanes.push(lane);
                }
            }
            Step::End => end(&mut self.suite, &self.patient),
            Step::Wait => self.suite.advance(u64::from(POLICY.grace) * 500),
            Step::Append(which, count) => {
                if let Some(at) = self.pick(which) {
                    self.lanes[at].append(count);
                }
            }
            Step::Anchor(which, back) => self.extend(which, back, ExecuteMsg::anchor),
            Step::Close(which) => self.extend(which, 0, ExecuteMsg::close),
            Step::Rotate(which) => self.rotate(which),
            Step::Seen(which, size) => {
                if let Some(at) = self.pick(which) {
                    let msg = ExecuteMsg::seen(&case, &[(self.lanes[at].id(), size)]);
                    let holder = self.patient.addr();
                    let sent = self.suite.summary(&holder, &msg);
                    self.take(sent);
                }
            }
            Step::CloseOverdue(which) => {
                if let Some(at) = self.pick(which) {
                    let msg = ExecuteMsg::close_overdue(&[self.lanes[at].id()]);
                    self.send_as_author(&msg);
                }
            }
        }
    }

    /// Posts all entries but the last `back`, with the proof from what the chain has.
    fn extend(&mut self, which: usize, back: u32, msg: fn(&casewise_ledger::AnchorBatch) -> ExecuteMsg) {
        let Some(at) = self.pick(which) else { return };
        let lane = &self.lanes[at];
        let stored = self.suite.lane(&lane.id()).size;
        let to = (lane.leaves.len() as u32).saturating_sub(back);
        let item = lane.item(stored.min(to), to);
        self.send_as_author(&msg(&anchors(vec![item])));
    }

    fn rotate(&mut self, which: usize) {
        let Some(at) = self.pick(which) else { return };
        let lane = &self.lanes[at];
        let next = lane.successor(&format!("{}", self.lanes.len()));
        let stored = self.suite.lane(&lane.id()).size;
        let last = lane.item(stored, lane.leaves.len() as u32);
        let item = casewise_ledger::RotateItem { last, next: next.header.clone() };
        let before = self.records.len();
        self.send_as_author(&rotations(vec![item]));
        if self.records.len() > before {
            self.lanes.push(next);
        }
    }

    fn send_as_author(&mut self, msg: &ExecuteMsg) -> bool {
        let author = self.a.addr();
        let sent = self.suite.summary(&author, msg);
        self.take(sent)
    }

    /// Follows the events as a watcher would.
    fn take(&mut self, sent: Result<Done, String>) -> bool {
        let Ok(done) = sent else { return false };
        for event in done.events() {
            match event {
                Event::LaneOpened { header } => self.remember(header.id()),
                Event::LaneRotated { last, next } => {
                    let head = casewise_ledger::Head { size: last.size, root: last.root };
                    self.closed(last.lane, &head);
                    self.remember(next.id());
                }
                Event::LaneClosed { lane, head, .. } => self.closed(lane, &head),
                _ => {}
            }
        }
        true
    }

    fn remember(&mut self, lane: LaneId) {
        let record = self.suite.lane(&lane).record().unwrap().1;
        self.records.insert(lane, record);
    }

    fn closed(&mut self, lane: LaneId, head: &casewise_ledger::Head) {
        if self.records[&lane].class == Class::Content {
            self.digest = close_digest(&self.digest, &lane, head);
        }
    }

    fn check(&mut self) {
        let case = self.patient.case();
        let (mut open, mut open_content, mut unseen) = (0, Vec::new(), 0);
        for lane in &self.lanes {
            let record = self.suite.lane(&lane.id()).record().unwrap().1;
            let before = self.records.insert(lane.id(), record.clone()).expect("every lane was announced");
            assert_eq!(record.head(), lane.head(record.size), "a head is a prefix of the log");
            assert!(record.size >= before.size && record.seen >= before.seen && record.seen <= record.size);
            assert!(record.status as u8 >= before.status as u8);
            if record.class == Class::Content {
                if record.status == LaneStatus::Closed {
                    unseen += u32::from(record.seen < record.size);
                } else {
                    open += 1;
                    open_content.push(lane.id());
                }
            }
        }
        let page: LanesResponse = self.suite.ask_summary(&QueryMsg::lanes(&case, None, Some(30))).unwrap();
        let listed: Vec<LaneId> = page.lanes.iter().map(|lane| lane.record().unwrap().0).collect();
        assert_eq!(
            listed,
            self.records.keys().copied().take(30).collect::<Vec<_>>(),
            "the index is the lanes"
        );
        let word = status(&self.suite, &case, 1);
        let mut of_word: Vec<LaneId> = word.lanes.iter().map(|lane| lane.lane_id().unwrap()).collect();
        of_word.sort();
        open_content.sort();
        assert_eq!((of_word, word.closed_unseen), (open_content, unseen));
        if word.status != CareStatus::Ended {
            let pending = unseen > 0 || word.lanes.iter().any(|lane| lane.seen < lane.size);
            assert_eq!(word.status == CareStatus::UpdatePending, pending);
        }
        if !self.lanes.is_empty() {
            let record = self.suite.case(&case).record().unwrap();
            assert_eq!((record.open, record.digest), (open, self.digest));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_contract_is_the_model(steps in proptest::collection::vec(step(), 1..50)) {
        let mut world = World::new();
        for step in steps {
            world.apply(&step);
            world.check();
        }
    }
}
