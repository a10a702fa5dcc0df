//! Random messages of random senders against a model of what a case is: heads are prefixes of the
//! logs that were written, what is folded from the events is the state, counters and digest follow
//! from the lanes, no index disagrees with a record, and a case goes only where it may.

use std::collections::BTreeMap;

use casewise_ledger::{
    account::AccountKey,
    merkle,
    records::{close_digest, CaseStatus, DisputeCode, LaneRecord, LaneStatus},
    AnchorItem, Class, ConflictProof, ConflictSide, Hash, Head, HeadGiven, LaneHeader, LaneId, Party, V1,
};
use casewise_protocol::{
    convert::PartyInfo,
    ppr::Power,
    rules::CareStatus,
    summary::{ConflictsResponse, DisputesResponse, ExecuteMsg, LanesResponse, MarksResponse, QueryMsg},
    Event,
};
use casewise_testkit::contracts::{
    addr, anchors, key, rotations, Done, Institution, Lane, Patient, Suite, POLICY, PREFIX,
};
use cosmwasm_std::Addr;
use proptest::prelude::*;

use crate::{delegate, device, end, join, of_device, onboarded, own_lane, sign, status, stranger};

/// The key of every device here.
const PEN: u8 = 7;

#[derive(Clone, Copy, Debug)]
enum Who {
    A,
    B,
    Holder,
    /// Named by the first holder.
    Delegate,
    Stranger,
}

#[derive(Clone, Debug)]
enum Step {
    Open(Who, Kind),
    Append(usize, u32),
    Anchor(usize, u32),
    Rotate(usize),
    Close(usize),
    CloseAll,
    Seen(Who, usize, u32),
    End,
    CloseOverdue(usize),
    Wait,
    NewHolder,
    WindUp(Who),
    Propose(Who, bool),
    Approve(Who, bool),
    Object(Who, bool),
    Finish(bool),
    Compromised(usize, u32),
    Dispute(Who, usize, u32, bool),
    Withdraw(Who, usize, u32),
    Conflict(usize),
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Content,
    Access,
    Device,
}

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![
        3 => Just(Who::A),
        2 => Just(Who::B),
        3 => Just(Who::Holder),
        2 => Just(Who::Delegate),
        1 => Just(Who::Stranger),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let which = 0usize..8;
    let kind = prop_oneof![3 => Just(Kind::Content), 1 => Just(Kind::Access), 1 => Just(Kind::Device)];
    let lanes = prop_oneof![
        5 => (who(), kind).prop_map(|(who, kind)| Step::Open(who, kind)),
        5 => (which.clone(), 1u32..4).prop_map(|(which, count)| Step::Append(which, count)),
        6 => (which.clone(), 0u32..3).prop_map(|(which, back)| Step::Anchor(which, back)),
        3 => which.clone().prop_map(Step::Rotate),
        1 => which.clone().prop_map(Step::Close),
        2 => Just(Step::CloseAll),
        4 => (who(), which.clone(), 0u32..8).prop_map(|(who, which, size)| Step::Seen(who, which, size)),
        1 => Just(Step::End),
        1 => which.clone().prop_map(Step::CloseOverdue),
        1 => Just(Step::Wait),
        1 => Just(Step::NewHolder),
    ];
    let good = prop::bool::weighted(0.8);
    let cases = prop_oneof![
        1 => who().prop_map(Step::WindUp),
        3 => (who(), good).prop_map(|(who, good)| Step::Propose(who, good)),
        1 => (who(), good).prop_map(|(who, good)| Step::Approve(who, good)),
        1 => (who(), good).prop_map(|(who, good)| Step::Object(who, good)),
        1 => good.prop_map(Step::Finish),
    ];
    let index = 0u32..6;
    let marks = prop_oneof![
        1 => (which.clone(), index.clone()).prop_map(|(which, index)| Step::Compromised(which, index)),
        3 => (who(), which.clone(), index.clone(), any::<bool>())
            .prop_map(|(who, which, index, code)| Step::Dispute(who, which, index, code)),
        1 => (who(), which.clone(), index).prop_map(|(who, which, index)| Step::Withdraw(who, which, index)),
        1 => which.prop_map(Step::Conflict),
    ];
    prop_oneof![6 => lanes, 2 => cases, 1 => marks]
}

/// A lane and the key that writes it.
struct Written {
    lane: Lane,
    by: AccountKey,
}

/// What a watcher knows from the events alone.
struct Folded {
    status: CaseStatus,
    due: Option<u64>,
    digest: Hash,
    disputes: BTreeMap<(LaneId, u32), DisputeCode>,
    compromised: BTreeMap<LaneId, u32>,
    conflicts: BTreeMap<LaneId, u32>,
    headers: BTreeMap<LaneId, LaneHeader>,
}

struct World {
    suite: Suite,
    a: Institution,
    b: Institution,
    patient: Patient,
    holder: AccountKey,
    delegate: Addr,
    lanes: Vec<Written>,
    folded: Folded,
    records: BTreeMap<LaneId, LaneRecord>,
}

impl World {
    fn new() -> Self {
        let (mut suite, a, patient) = onboarded();
        let b = join(&mut suite, &patient, "B");
        let powers = [Power::Acknowledgements, Power::Completion, Power::Disputes];
        let delegate = delegate(&mut suite, &patient, "d", &powers);
        let folded = Folded {
            status: CaseStatus::Open,
            due: None,
            digest: [0; 32],
            disputes: BTreeMap::new(),
            compromised: BTreeMap::new(),
            conflicts: BTreeMap::new(),
            headers: BTreeMap::new(),
        };
        let holder = patient.key.clone();
        Self { suite, a, b, patient, holder, delegate, lanes: Vec::new(), folded, records: BTreeMap::new() }
    }

    fn sender(&self, who: Who) -> Addr {
        match who {
            Who::A => self.a.addr(),
            Who::B => self.b.addr(),
            Who::Holder => addr(&self.holder.address()),
            Who::Delegate => self.delegate.clone(),
            Who::Stranger => stranger(),
        }
    }

    fn pick(&self, which: usize) -> Option<usize> {
        (!self.lanes.is_empty()).then(|| which % self.lanes.len())
    }

    fn id(&self, which: usize) -> Option<LaneId> {
        self.pick(which).map(|at| self.lanes[at].lane.id())
    }

    fn stored(&self, at: usize) -> u32 {
        self.suite.lane(&self.lanes[at].lane.id()).size
    }

    fn digest(&self, good: bool) -> Hash {
        if good {
            self.folded.digest
        } else {
            [9; 32]
        }
    }

    fn apply(&mut self, step: &Step) {
        let case = self.patient.case();
        let sent = match *step {
            Step::Open(who, kind) => return self.open(who, kind),
            Step::End => {
                let patient = self.patient_now();
                return end(&mut self.suite, &patient);
            }
            Step::Wait => return self.suite.advance(u64::from(POLICY.grace) * 500),
            Step::Append(which, count) => {
                if let Some(at) = self.pick(which) {
                    self.lanes[at].lane.append(count);
                }
                return;
            }
            Step::NewHolder => {
                let name = format!("holder {}", self.suite.height());
                self.holder = self.suite.rotate(&case, &name);
                return;
            }
            Step::Anchor(which, back) => return self.extend(which, back, ExecuteMsg::anchor),
            Step::Close(which) => return self.extend(which, 0, ExecuteMsg::close),
            Step::CloseAll => return self.close_all(),
            Step::Rotate(which) => return self.rotate(which),
            Step::Seen(who, which, size) => {
                self.id(which).map(|id| (self.sender(who), ExecuteMsg::seen(&case, &[(id, size)])))
            }
            Step::CloseOverdue(which) => {
                self.id(which).map(|id| (stranger(), ExecuteMsg::close_overdue(&[id])))
            }
            Step::WindUp(who) => Some((self.sender(who), ExecuteMsg::wind_up(&case))),
            Step::Propose(who, good) => {
                Some((self.sender(who), ExecuteMsg::propose_completion(&case, &self.digest(good))))
            }
            Step::Approve(who, good) => {
                Some((self.sender(who), ExecuteMsg::approve_completion(&case, &self.digest(good))))
            }
            Step::Object(who, good) => {
                Some((self.sender(who), ExecuteMsg::object_completion(&case, &self.digest(good))))
            }
            Step::Finish(good) => {
                Some((stranger(), ExecuteMsg::finish_completion(&case, &self.digest(good))))
            }
            Step::Compromised(which, index) => self.pick(which).map(|at| {
                let Written { lane, by } = &self.lanes[at];
                (addr(&by.address()), ExecuteMsg::compromised(&lane.id(), index))
            }),
            Step::Dispute(who, which, index, code) => {
                let code = if code { DisputeCode::Incorrect } else { DisputeCode::Untimely };
                self.id(which).map(|id| (self.sender(who), ExecuteMsg::dispute(&id, index, code)))
            }
            Step::Withdraw(who, which, index) => {
                self.id(which).map(|id| (self.sender(who), ExecuteMsg::withdraw_dispute(&id, index)))
            }
            Step::Conflict(which) => {
                self.pick(which).and_then(|at| self.conflict(at)).map(|msg| (stranger(), msg))
            }
        };
        if let Some((sender, msg)) = sent {
            self.send(&sender, &msg);
        }
    }

    /// The patient as holder of its case now.
    fn patient_now(&self) -> Patient {
        Patient { key: self.holder.clone(), offer: self.patient.offer.clone() }
    }

    fn open(&mut self, who: Who, kind: Kind) {
        let (case, name) = (self.patient.case(), format!("{}", self.lanes.len()));
        let (mut lane, by) = match who {
            Who::A => (Lane::content(&case, &self.a, &name), self.a.key.clone()),
            Who::B => (Lane::content(&case, &self.b, &name), self.b.key.clone()),
            Who::Holder => (own_lane(&case, &self.holder.address(), &name), self.holder.clone()),
            Who::Delegate => (own_lane(&case, &key("d").address(), &name), key("d")),
            Who::Stranger => (own_lane(&case, &key("stranger").address(), &name), key("stranger")),
        };
        lane.header.epoch = self.suite.identity(&case).epoch;
        match kind {
            Kind::Content => {}
            Kind::Access => lane.header.class = Class::Access,
            Kind::Device => lane = of_device(lane, &device(PEN)),
        }
        let msg = ExecuteMsg::open(std::slice::from_ref(&lane.header));
        if self.send(&addr(&by.address()), &msg) {
            assert!(!matches!(who, Who::Delegate | Who::Stranger), "only the holder and institutions write");
            self.lanes.push(Written { lane, by });
        }
    }

    fn signed(lane: &Lane, item: AnchorItem) -> AnchorItem {
        if lane.header.signer.is_some() {
            sign(item, &device(PEN), 1)
        } else {
            item
        }
    }

    /// Posts all entries but the last `back`, with the proof from what the chain has.
    fn extend(&mut self, which: usize, back: u32, msg: fn(&casewise_ledger::AnchorBatch) -> ExecuteMsg) {
        let Some(at) = self.pick(which) else { return };
        let stored = self.stored(at);
        let Written { lane, by } = &self.lanes[at];
        let to = (lane.leaves.len() as u32).saturating_sub(back);
        let item = Self::signed(lane, lane.item(stored.min(to), to));
        let sender = addr(&by.address());
        self.send(&sender, &msg(&anchors(vec![item])));
    }

    fn close_all(&mut self) {
        for at in 0..self.lanes.len() {
            let stored = self.stored(at);
            let Written { lane, by } = &self.lanes[at];
            let (sender, item) = (addr(&by.address()), lane.item(stored, stored));
            self.send(&sender, &ExecuteMsg::close(&anchors(vec![item])));
        }
    }

    fn rotate(&mut self, which: usize) {
        let Some(at) = self.pick(which) else { return };
        let stored = self.stored(at);
        let Written { lane, by } = &self.lanes[at];
        let mut next = lane.successor(&format!("{}", self.lanes.len()));
        next.header.epoch = self.suite.identity(&self.patient.case()).epoch;
        let last = Self::signed(lane, lane.item(stored, lane.leaves.len() as u32));
        let item = casewise_ledger::RotateItem { last, next: next.header.clone() };
        let (by, before) = (by.clone(), self.records.len());
        self.send(&addr(&by.address()), &rotations(vec![item]));
        if self.records.len() > before {
            self.lanes.push(Written { lane: next, by });
        }
    }

    /// Two heads of size 1 that the author signed, with different leaves.
    fn conflict(&self, at: usize) -> Option<ExecuteMsg> {
        let Written { lane, by } = &self.lanes[at];
        let id = lane.id();
        let side = |leaf: Hash| {
            let head = Head { size: 1, root: merkle::root(&[leaf]) };
            let sig = by.sign(&head.operator_digest(&id, 3));
            let given = HeadGiven::Account { time: 3, key: by.public().0, sig };
            ConflictSide { size: 1, root: head.root, leaf, path: Vec::new(), given }
        };
        let sides = [side(*lane.leaves.first()?), side([8; 32])];
        Some(ExecuteMsg::prove_conflict(&ConflictProof { version: V1, lane: id, index: 0, sides }))
    }

    fn send(&mut self, sender: &Addr, msg: &ExecuteMsg) -> bool {
        let before = self.suite.dump(&self.suite.summary);
        match self.suite.summary(sender, msg) {
            Ok(done) => {
                self.take(&done);
                true
            }
            Err(_) => {
                assert_eq!(self.suite.dump(&self.suite.summary), before, "nothing is written on error");
                false
            }
        }
    }

    /// Follows the events as a watcher would.
    fn take(&mut self, done: &Done) {
        for event in done.events() {
            match event {
                Event::LaneOpened { header } => self.remember(header),
                Event::LaneRotated { last, next } => {
                    self.closed(last.lane, &Head { size: last.size, root: last.root });
                    self.remember(next);
                }
                Event::LaneClosed { lane, head, .. } => self.closed(lane, &head),
                Event::Anchored { heads } => heads.iter().for_each(|head| self.grew(&head.lane)),
                other => self.fold(other),
            }
        }
    }

    fn fold(&mut self, event: Event) {
        let case = self.patient.case();
        let folded = &mut self.folded;
        let mut go = |from: CaseStatus, to: CaseStatus, due: Option<u64>| {
            assert_eq!(folded.status, from, "{to:?} comes after {from:?} only");
            (folded.status, folded.due) = (to, due);
        };
        match event {
            Event::CaseClosing { deadline, .. } => {
                go(CaseStatus::Open, CaseStatus::Closing, Some(deadline));
            }
            Event::CompletionProposed { deadline, digest, .. } => {
                go(CaseStatus::Closing, CaseStatus::Proposed, Some(deadline));
                assert_eq!(digest, folded.digest);
                assert_eq!(self.suite.case(&case).open, 0, "no content lane is open");
            }
            Event::CaseReopened { digest, .. } => {
                go(CaseStatus::Proposed, CaseStatus::Open, None);
                assert_eq!(digest, folded.digest);
            }
            Event::CaseCompleted { digest, .. } => {
                go(CaseStatus::Proposed, CaseStatus::Completed, None);
                assert_eq!(digest, folded.digest);
            }
            Event::LaneCompromised { lane, index } => {
                let before = folded.compromised.insert(lane, index);
                assert!(before.is_none_or(|before| index < before), "only an earlier entry");
            }
            Event::EntryDisputed { lane, index, code, .. } => {
                assert_eq!(folded.disputes.insert((lane, index), code), None);
            }
            Event::DisputeWithdrawn { lane, index, .. } => {
                assert!(folded.disputes.remove(&(lane, index)).is_some());
            }
            Event::ConflictProven { lane, index } => {
                assert_eq!(folded.conflicts.insert(lane, index), None);
            }
            _ => {}
        }
    }

    fn remember(&mut self, header: LaneHeader) {
        if header.class == Class::Content {
            assert_eq!(self.folded.status, CaseStatus::Open, "a new content lane");
        }
        let lane = header.id();
        let record = self.suite.lane(&lane).record().unwrap().1;
        self.records.insert(lane, record);
        self.folded.headers.insert(lane, header);
    }

    /// A lane grows only while its author may write it.
    fn grew(&mut self, lane: &LaneId) {
        assert!(!self.folded.compromised.contains_key(lane), "a lane in doubt takes nothing");
        let header = &self.folded.headers[lane];
        if let Party::Account(account) = header.author {
            assert_eq!(account, self.holder.address(), "a former holder writes nothing");
        }
        if header.class == Class::Content {
            assert!(!matches!(self.folded.status, CaseStatus::Proposed | CaseStatus::Completed));
        }
    }

    fn closed(&mut self, lane: LaneId, head: &Head) {
        if head.size > self.records[&lane].size {
            self.grew(&lane);
        }
        if self.records[&lane].class == Class::Content {
            self.folded.digest = close_digest(&self.folded.digest, &lane, head);
        }
    }

    fn check(&mut self) {
        self.check_lanes();
        self.check_case();
        self.check_marks();
    }

    fn check_lanes(&mut self) {
        let case = self.patient.case();
        let (mut open, mut of_a, mut unseen) = (0, Vec::new(), 0);
        for Written { lane, .. } in &self.lanes {
            let record = self.suite.lane(&lane.id()).record().unwrap().1;
            let before = self.records.insert(lane.id(), record.clone()).expect("every lane was announced");
            assert_eq!(record.head(), lane.head(record.size), "a head is a prefix of the log");
            assert!(record.size >= before.size && record.seen >= before.seen && record.seen <= record.size);
            assert!(record.status as u8 >= before.status as u8);
            if record.class == Class::Content {
                let of = record.author == Party::Institution(self.a.number);
                if record.status == LaneStatus::Closed {
                    unseen += u32::from(of && record.seen < record.size);
                } else {
                    open += 1;
                    of_a.extend(of.then_some(lane.id()));
                }
            }
        }
        let page: LanesResponse = self.suite.ask_summary(&QueryMsg::lanes(&case, None, Some(30))).unwrap();
        let listed: Vec<LaneId> = page.lanes.iter().map(|lane| lane.record().unwrap().0).collect();
        let known: Vec<LaneId> = self.records.keys().copied().take(30).collect();
        assert_eq!(listed, known, "the index is the lanes");
        let word = status(&self.suite, &case, self.a.number);
        let mut of_word: Vec<LaneId> = word.lanes.iter().map(|lane| lane.lane_id().unwrap()).collect();
        of_word.sort();
        of_a.sort();
        assert_eq!((of_word, word.closed_unseen), (of_a, unseen));
        if word.status != CareStatus::Ended {
            let pending = unseen > 0 || word.lanes.iter().any(|lane| lane.seen < lane.size);
            assert_eq!(word.status == CareStatus::UpdatePending, pending);
        }
        if !self.lanes.is_empty() {
            assert_eq!(self.suite.case(&case).open, open);
        }
    }

    fn check_case(&self) {
        if self.lanes.is_empty() {
            return;
        }
        let (case, folded) = (self.suite.case(&self.patient.case()), &self.folded);
        let record = case.record().unwrap();
        let due = case.due.map(|due| due.u64());
        assert_eq!((record.status, record.digest, due), (folded.status, folded.digest, folded.due));
        assert_eq!(due.is_some(), matches!(record.status, CaseStatus::Closing | CaseStatus::Proposed));
    }

    fn check_marks(&self) {
        let case = self.patient.case();
        let mut found = BTreeMap::new();
        let mut after: Option<(LaneId, u32)> = None;
        loop {
            let ask = QueryMsg::disputes(&case, after.as_ref().map(|(lane, index)| (lane, *index)), Some(3));
            let page: DisputesResponse = self.suite.ask_summary(&ask).unwrap();
            let Some(last) = page.disputes.last() else { break };
            after = Some(last.record().unwrap().0);
            found.extend(page.disputes.iter().map(|dispute| {
                let (place, record) = dispute.record().unwrap();
                (place, record.code)
            }));
        }
        assert_eq!(found, self.folded.disputes);
        let mut by_author: BTreeMap<Party, Vec<LaneId>> = BTreeMap::new();
        for (lane, record) in &self.records {
            let marks: MarksResponse = self.suite.ask_summary(&QueryMsg::marks(lane)).unwrap();
            let index = |marked: &BTreeMap<LaneId, u32>| marked.get(lane).copied();
            assert_eq!(marks.compromised.map(|mark| mark.index), index(&self.folded.compromised));
            assert_eq!(marks.conflict.map(|mark| mark.index), index(&self.folded.conflicts));
            let of = by_author.entry(record.author).or_default();
            of.extend(self.folded.conflicts.contains_key(lane).then_some(*lane));
        }
        for (author, lanes) in by_author {
            let author = PartyInfo::new(PREFIX, &author).unwrap();
            let page: ConflictsResponse =
                self.suite.ask_summary(&QueryMsg::conflicts(author, None, Some(30))).unwrap();
            let found: Vec<&[u8]> = page.lanes.iter().map(|lane| lane.as_slice()).collect();
            assert_eq!(found, lanes.iter().take(30).map(|lane| &lane.0[..]).collect::<Vec<_>>());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_contract_is_the_model(steps in proptest::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in steps {
            world.apply(&step);
            world.check();
        }
    }
}

/// The random walk reaches what it is there to watch.
#[test]
fn the_walk_goes_everywhere() {
    use proptest::{
        strategy::ValueTree,
        test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let (mut completed, mut reopened, mut disputed, mut doubted, mut doubled) = (0, 0, 0, 0, 0);
    for _ in 0..60 {
        let mut world = World::new();
        for _ in 0..60 {
            let before = world.folded.status;
            world.apply(&step().new_tree(&mut runner).unwrap().current());
            reopened += u32::from(before == CaseStatus::Proposed && world.folded.status == CaseStatus::Open);
        }
        completed += u32::from(world.folded.status == CaseStatus::Completed);
        disputed += world.folded.disputes.len();
        doubted += world.folded.compromised.len();
        doubled += world.folded.conflicts.len();
    }
    let reached = (completed, reopened, disputed, doubted, doubled);
    assert!(completed > 0 && reopened > 0 && disputed > 0 && doubted > 0 && doubled > 0, "{reached:?}");
}
