//! summary's messages.

use casewise_ledger::{
    Address, AnchorBatch, AnchorItem, CaseId, Class, ConflictProof, HeadGiven, LaneHeader, LaneId, Party,
    RotateBatch, V1,
    account::PublicKey,
    encode,
    lane::{DEVICE_MINIMUM, MINIMUM},
    merkle,
    records::{
        CaseRecord, CaseStatus, CompromiseRecord, ConflictRecord, DisputeRecord, InstitutionStatus,
        LaneRecord, LaneStatus, RelationshipStatus, close_digest,
    },
};
use casewise_protocol::{
    convert::{self, DisputeCode},
    ppr::Power,
    rules::LaneFault,
    summary::{ExecuteMsg, MAX_CASE_LANES, MAX_CLOSE_OVERDUE, MAX_OPEN, MAX_SEEN, SeenItem},
};
use cosmwasm_std::{Binary, HexBinary};
use ed25519_zebra::{Signature, VerificationKey};

use super::{At, Model, Verdict, case_of, demand, hash_of, object};

type Done = Result<(), &'static str>;
type Faults = Vec<(u32, LaneFault)>;

/// Content lanes of one author in a case that may be open at once.
const MAX_OF_AUTHOR: usize = 16;
/// Seconds, for a case without a policy.
const GRACE: u32 = 86_400;
const COMPLETION: u32 = 7 * 86_400;

impl Model {
    pub(super) fn summary(&mut self, sender: &[u8], msg: &ExecuteMsg, at: At) -> Verdict {
        let none = |()| Vec::new();
        match msg {
            ExecuteMsg::Open { headers } => self.open(sender, headers, at).map(none),
            ExecuteMsg::Anchor { blob } => {
                self.items(sender, blob, at, |model, item, at| model.anchor(item, at))
            }
            ExecuteMsg::Close { blob } => {
                self.items(sender, blob, at, |model, item, at| model.close(item, at))
            }
            ExecuteMsg::Rotate { blob } => self.rotate(sender, blob, at),
            ExecuteMsg::Closing { case, institution } => {
                let case = case_of(case)?;
                let relationship = self.state.relationships.get(&(case, *institution));
                let over = relationship.is_some_and(|relationship| {
                    use RelationshipStatus::{Ended, Suspended};
                    matches!(relationship.status, Suspended | Ended)
                });
                demand(over || self.network.ppr == sender, "not ppr")?;
                self.start_closing(&case, Some(*institution), at);
                Ok(Vec::new())
            }
            ExecuteMsg::CloseOverdue { lanes } => self.close_overdue(lanes, at),
            ExecuteMsg::WindUp { case } => self.wind_up(sender, case_of(case)?, at).map(none),
            ExecuteMsg::ProposeCompletion { case, digest } => {
                self.propose_completion(sender, case_of(case)?, digest, at).map(none)
            }
            ExecuteMsg::ApproveCompletion { case, digest } => {
                let case = case_of(case)?;
                self.acts_freely(&case, sender, Power::Completion, at.now)?;
                self.complete(case, digest, at, false).map(none)
            }
            ExecuteMsg::FinishCompletion { case, digest } => {
                self.complete(case_of(case)?, digest, at, true).map(none)
            }
            ExecuteMsg::ObjectCompletion { case, digest } => {
                self.object(sender, case_of(case)?, digest, at).map(none)
            }
            ExecuteMsg::Compromised { lane, index } => {
                self.compromise(sender, LaneId(hash_of(lane)?), *index, at).map(none)
            }
            ExecuteMsg::Dispute { lane, index, code } => {
                self.dispute(sender, LaneId(hash_of(lane)?), *index, *code, at).map(none)
            }
            ExecuteMsg::WithdrawDispute { lane, index } => {
                let lane = LaneId(hash_of(lane)?);
                let case = self.state.lanes.get(&lane).ok_or("no lane")?.case;
                self.acts_freely(&case, sender, Power::Disputes, at.now)?;
                self.state.disputes.remove(&(case, lane, *index));
                Ok(Vec::new())
            }
            ExecuteMsg::ProveConflict { proof } => self.prove(proof, at).map(none),
            ExecuteMsg::Seen { case, items } => self.seen(sender, case_of(case)?, items, at).map(none),
        }
    }

    /// Whether the sender is the author, an operator of it or the account.
    pub fn writes(&self, sender: &[u8], author: &Party) -> bool {
        match author {
            Party::Institution(number) => self.operates(sender) == Some(*number),
            Party::Account(account) => account.0 == sender,
        }
    }

    fn open_lanes(&self, case: &CaseId, class: Class) -> impl Iterator<Item = (&LaneId, &LaneRecord)> {
        let case = *case;
        self.state.lanes.iter().filter(move |(_, lane)| {
            lane.case == case && lane.class == class && lane.status != LaneStatus::Closed
        })
    }

    fn open(&mut self, sender: &[u8], headers: &[Binary], at: At) -> Done {
        demand(!headers.is_empty() && headers.len() <= MAX_OPEN, "count")?;
        let headers = headers.iter().map(object).collect::<Result<Vec<LaneHeader>, _>>()?;
        let author = headers[0].author;
        demand(headers.iter().all(|header| header.author == author), "authors differ")?;
        demand(self.writes(sender, &author), "not the author")?;
        for header in &headers {
            shape(header)?;
            demand(header.predecessor.is_none(), "predecessor")?;
        }
        for header in headers {
            if self.state.lanes.contains_key(&header.id()) {
                continue;
            }
            let identity = self.identity(&header.case)?;
            match author {
                Party::Institution(number) => {
                    demand(self.active(number), "suspended")?;
                    let enrolled = identity.institution == number;
                    let in_force = match self.relationship(&header.case, number) {
                        Some(RelationshipStatus::Active) => true,
                        Some(RelationshipStatus::Proposed) => enrolled,
                        _ => false,
                    };
                    demand(in_force, "not in force")?;
                }
                Party::Account(account) => {
                    demand(identity.holder == account, "not the holder")?;
                    demand(!self.recovering(&header.case, at.now), "recovering")?;
                }
            }
            demand(header.epoch == identity.epoch, "epoch")?;
            if header.class == Class::Content {
                let status = self.state.cases.get(&header.case).map(|case| case.status);
                demand(status.is_none_or(|status| status == CaseStatus::Open), "case closed")?;
            }
            self.room(&header)?;
            self.put_lane(&header, at);
        }
        Ok(())
    }

    /// Room for one more lane of its class and author.
    fn room(&self, header: &LaneHeader) -> Done {
        let of_author =
            self.open_lanes(&header.case, header.class).filter(|(_, lane)| lane.author == header.author);
        let (count, max) =
            (of_author.count(), if header.class == Class::Content { MAX_OF_AUTHOR } else { 1 });
        demand(count < max, "too many of the author")?;
        let all = self.open_lanes(&header.case, Class::Content).count();
        demand(header.class == Class::Access || all < MAX_CASE_LANES as usize, "too many of the case")
    }

    fn put_lane(&mut self, header: &LaneHeader, at: At) {
        let lane = LaneRecord {
            version: V1,
            status: LaneStatus::Open,
            class: header.class,
            case: header.case,
            author: header.author,
            signer: header.signer,
            size: 0,
            root: merkle::empty_root(),
            height: at.height,
            time: at.now,
            seen: 0,
        };
        self.state.lanes.insert(header.id(), lane);
        let empty =
            CaseRecord { version: V1, status: CaseStatus::Open, open: 0, digest: [0; 32], height: at.height };
        let case = self.state.cases.entry(header.case).or_insert(empty);
        if header.class == Class::Content {
            case.open += 1;
            case.height = at.height;
        }
    }

    /// The lanes of a batch have one author, who sends it; where all are unknown, any operator does.
    fn batch(&self, sender: &[u8], lanes: &[LaneId]) -> Done {
        demand(!lanes.is_empty() && lanes.len() <= 1024, "count")?;
        demand(lanes.windows(2).all(|pair| pair[0] < pair[1]), "order")?;
        let known: Vec<_> = lanes.iter().filter_map(|lane| self.state.lanes.get(lane)).collect();
        match known.first() {
            None => demand(self.operates(sender).is_some(), "nobody"),
            Some(first) => {
                demand(known.iter().all(|lane| lane.author == first.author), "authors differ")?;
                demand(self.writes(sender, &first.author), "not the author")
            }
        }
    }

    fn items(
        &mut self,
        sender: &[u8],
        blob: &Binary,
        at: At,
        act: fn(&mut Self, &AnchorItem, At) -> Result<(), LaneFault>,
    ) -> Verdict {
        let batch: AnchorBatch = object(blob)?;
        let lanes: Vec<_> = batch.items.iter().map(|item| item.lane).collect();
        self.batch(sender, &lanes)?;
        let mut faults = Faults::new();
        for (position, item) in batch.items.iter().enumerate() {
            if let Err(fault) = act(self, item, at) {
                faults.push((position as u32, fault));
            }
        }
        Ok(faults)
    }

    fn grace_ms(&self, case: &CaseId) -> u64 {
        u64::from(self.state.policies.get(case).map_or(GRACE, |policy| policy.grace)) * 1000
    }

    /// Whether the author may still write the lane, which is not closed.
    fn writable(&self, id: &LaneId, lane: &LaneRecord, at: At) -> Result<(), LaneFault> {
        let over = |due: &u64| *due <= at.now;
        if lane.status == LaneStatus::Closing && self.state.due.get(&id.0).is_some_and(over) {
            return Err(LaneFault::Overdue);
        }
        match lane.author {
            Party::Institution(number) => {
                let institution = &self.state.institutions[&number];
                let until = institution.since + self.grace_ms(&lane.case);
                let suspended = institution.status == InstitutionStatus::Suspended;
                if suspended && until <= at.now { Err(LaneFault::Suspended) } else { Ok(()) }
            }
            Party::Account(account) => {
                if self.state.identities[&lane.case].holder == account {
                    Ok(())
                } else {
                    Err(LaneFault::NotHolder)
                }
            }
        }
    }

    fn extended(&self, lane: &LaneRecord, item: &AnchorItem, at: At) -> Result<LaneRecord, LaneFault> {
        if self.state.compromised.contains_key(&item.lane) {
            return Err(LaneFault::Compromised);
        }
        if item.size < lane.size {
            return Err(LaneFault::Stale);
        }
        merkle::verify_consistency(lane.size, &lane.root, item.size, &item.root, &item.proof)
            .map_err(|_| LaneFault::Proof)?;
        if item.size == lane.size {
            return Err(LaneFault::Proof);
        }
        let signed = match (&lane.signer, &item.device) {
            (None, None) => true,
            (Some(key), Some(device)) => {
                ed25519(key, &item.head().message(&item.lane, device.time), &device.sig)
            }
            _ => false,
        };
        if !signed {
            return Err(LaneFault::Device);
        }
        let (size, root) = (item.size, item.root);
        Ok(LaneRecord { size, root, height: at.height, time: at.now, ..lane.clone() })
    }

    fn anchor(&mut self, item: &AnchorItem, at: At) -> Result<(), LaneFault> {
        let lane = self.state.lanes.get(&item.lane).ok_or(LaneFault::Unknown)?;
        if lane.head() == item.head() {
            return Ok(());
        }
        if lane.status == LaneStatus::Closed {
            return Err(LaneFault::Closed);
        }
        self.writable(&item.lane, lane, at)?;
        let next = self.extended(lane, item, at)?;
        self.state.lanes.insert(item.lane, next);
        Ok(())
    }

    fn close(&mut self, item: &AnchorItem, at: At) -> Result<(), LaneFault> {
        let lane = self.state.lanes.get(&item.lane).ok_or(LaneFault::Unknown)?;
        let same = lane.head() == item.head();
        if lane.status == LaneStatus::Closed {
            return if same { Ok(()) } else { Err(LaneFault::Closed) };
        }
        self.writable(&item.lane, lane, at)?;
        let next = if same { lane.clone() } else { self.extended(lane, item, at)? };
        self.end_lane(item.lane, next, at);
        Ok(())
    }

    fn end_lane(&mut self, id: LaneId, last: LaneRecord, at: At) {
        if last.class == Class::Content {
            let case = self.state.cases.get_mut(&last.case).expect("it had a lane");
            case.open -= 1;
            case.digest = close_digest(&case.digest, &id, &last.head());
            case.height = at.height;
        }
        self.state.due.remove(&id.0);
        self.state.lanes.insert(id, LaneRecord { status: LaneStatus::Closed, ..last });
    }

    fn rotate(&mut self, sender: &[u8], blob: &Binary, at: At) -> Verdict {
        let batch: RotateBatch = object(blob)?;
        let lanes: Vec<_> = batch.items.iter().map(|item| item.last.lane).collect();
        let named = batch.items.iter().all(|item| item.next.predecessor == Some(item.last.lane));
        demand(named, "predecessor")?;
        self.batch(sender, &lanes)?;
        for item in &batch.items {
            let Some(lane) = self.state.lanes.get(&item.last.lane) else { continue };
            if let Party::Institution(number) = lane.author {
                demand(self.active(number), "suspended")?;
            }
            shape(&item.next)?;
            let next = (item.next.case, item.next.author, item.next.class);
            demand(next == (lane.case, lane.author, lane.class), "no successor")?;
            if matches!(lane.author, Party::Account(_)) {
                demand(!self.recovering(&lane.case, at.now), "recovering")?;
            }
        }
        let mut faults = Faults::new();
        for (position, item) in batch.items.iter().enumerate() {
            if let Err(fault) = self.rotate_one(&item.last, &item.next, at) {
                faults.push((position as u32, fault));
            }
        }
        Ok(faults)
    }

    fn rotate_one(&mut self, last: &AnchorItem, next: &LaneHeader, at: At) -> Result<(), LaneFault> {
        let lane = self.state.lanes.get(&last.lane).ok_or(LaneFault::Unknown)?;
        if lane.status == LaneStatus::Closed {
            let done = lane.head() == last.head() && self.state.lanes.contains_key(&next.id());
            return if done { Ok(()) } else { Err(LaneFault::Closed) };
        }
        if lane.class == Class::Content {
            if lane.status == LaneStatus::Closing {
                return Err(LaneFault::Closing);
            }
            if self.state.cases[&lane.case].status != CaseStatus::Open {
                return Err(LaneFault::CaseClosed);
            }
        }
        if next.epoch != self.state.identities[&lane.case].epoch {
            return Err(LaneFault::Epoch);
        }
        self.writable(&last.lane, lane, at)?;
        let closed = if lane.head() == last.head() { lane.clone() } else { self.extended(lane, last, at)? };
        self.end_lane(last.lane, closed, at);
        self.put_lane(next, at);
        Ok(())
    }

    /// Gives the open content lanes of an institution, or of everybody, their deadline.
    pub(super) fn start_closing(&mut self, case: &CaseId, institution: Option<u32>, at: At) {
        let due = at.now + self.grace_ms(case);
        let holder = self.state.identities.get(case).map(|identity| identity.holder);
        for (id, lane) in &mut self.state.lanes {
            // a former holder writes no more: its lanes need no deadline
            let writes = match lane.author {
                Party::Institution(_) => true,
                Party::Account(account) => Some(account) == holder,
            };
            let theirs = match institution {
                Some(number) => lane.author == Party::Institution(number),
                None => writes,
            };
            let open = lane.class == Class::Content && lane.status == LaneStatus::Open;
            if lane.case == *case && theirs && open {
                lane.status = LaneStatus::Closing;
                self.state.due.insert(id.0, due);
            }
        }
    }

    fn close_overdue(&mut self, lanes: &[HexBinary], at: At) -> Verdict {
        demand(!lanes.is_empty() && lanes.len() <= MAX_CLOSE_OVERDUE, "count")?;
        let mut faults = Faults::new();
        for (position, lane) in lanes.iter().enumerate() {
            if let Err(fault) = self.close_one_overdue(LaneId(hash_of(lane)?), at) {
                faults.push((position as u32, fault));
            }
        }
        Ok(faults)
    }

    fn close_one_overdue(&mut self, id: LaneId, at: At) -> Result<(), LaneFault> {
        let lane = self.state.lanes.get(&id).ok_or(LaneFault::Unknown)?;
        if lane.class == Class::Access {
            return Err(LaneFault::NotDue);
        }
        if lane.status == LaneStatus::Closed {
            return Ok(());
        }
        if self.writable(&id, lane, at).is_ok() {
            return Err(LaneFault::NotDue);
        }
        self.end_lane(id, lane.clone(), at);
        Ok(())
    }

    /// The holder's side, or an active institution whose relationship is in force.
    fn involved(&self, case: &CaseId, sender: &[u8], at: At) -> Done {
        let identity = self.identity(case)?;
        if self.acts(case, sender, Power::Completion, at.now) && !self.recovering(case, at.now) {
            return Ok(());
        }
        demand(identity.holder.0 != sender, "recovering")?;
        let number = self.active_operator(sender)?;
        demand(self.relationship(case, number) == Some(RelationshipStatus::Active), "not in force")
    }

    fn wind_up(&mut self, sender: &[u8], case: CaseId, at: At) -> Done {
        self.involved(&case, sender, at)?;
        let due = at.now + self.grace_ms(&case);
        let record = self.state.cases.get_mut(&case).ok_or("no lanes")?;
        if record.status == CaseStatus::Open {
            record.status = CaseStatus::Closing;
            record.height = at.height;
            self.state.due.insert(case.0, due);
            self.start_closing(&case, None, at);
        }
        Ok(())
    }

    fn propose_completion(&mut self, sender: &[u8], case: CaseId, digest: &HexBinary, at: At) -> Done {
        self.involved(&case, sender, at)?;
        let digest = hash_of(digest)?;
        let seconds = self.state.policies.get(&case).map_or(COMPLETION, |policy| policy.completion);
        let record = self.state.cases.get_mut(&case).ok_or("no lanes")?;
        demand(record.status != CaseStatus::Open, "not closing")?;
        demand(record.digest == digest && record.open == 0, "digest, or lanes open")?;
        if record.status == CaseStatus::Closing {
            record.status = CaseStatus::Proposed;
            record.height = at.height;
            self.state.due.insert(case.0, at.now + u64::from(seconds) * 1000);
        }
        Ok(())
    }

    fn complete(&mut self, case: CaseId, digest: &HexBinary, at: At, timed: bool) -> Done {
        let digest = hash_of(digest)?;
        let recovering = self.recovering(&case, at.now);
        let since = self.state.identities.get(&case).map_or(0, |identity| identity.since);
        let seconds = self.state.policies.get(&case).map_or(COMPLETION, |policy| policy.completion);
        let whole = since + u64::from(seconds) * 1000;
        let record = self.state.cases.get_mut(&case).ok_or("no lanes")?;
        demand(matches!(record.status, CaseStatus::Proposed | CaseStatus::Completed), "not proposed")?;
        demand(record.digest == digest, "digest")?;
        if record.status == CaseStatus::Proposed {
            demand(!timed || self.state.due[&case.0] <= at.now, "objections open")?;
            // its patient cannot object then
            demand(!timed || !recovering, "recovering")?;
            demand(!timed || whole <= at.now, "a new holder's objections open")?;
            record.status = CaseStatus::Completed;
            record.height = at.height;
            self.state.due.remove(&case.0);
        }
        Ok(())
    }

    fn object(&mut self, sender: &[u8], case: CaseId, digest: &HexBinary, at: At) -> Done {
        self.involved(&case, sender, at)?;
        let digest = hash_of(digest)?;
        let record = self.state.cases.get_mut(&case).ok_or("no lanes")?;
        demand(record.digest == digest, "digest")?;
        match record.status {
            // it was objected to before
            CaseStatus::Open => Ok(()),
            CaseStatus::Proposed => {
                record.status = CaseStatus::Open;
                record.height = at.height;
                self.state.due.remove(&case.0);
                Ok(())
            }
            CaseStatus::Closing | CaseStatus::Completed => Err("not proposed"),
        }
    }

    fn compromise(&mut self, sender: &[u8], id: LaneId, index: u32, at: At) -> Done {
        let lane = self.state.lanes.get(&id).ok_or("no lane")?;
        demand(self.writes(sender, &lane.author), "not the author")?;
        demand(lane.signer.is_some(), "no device")?;
        demand(index <= lane.size, "ahead")?;
        let (height, time) = (at.height, at.now);
        let first = CompromiseRecord { version: V1, index, height, time };
        let known = self.state.compromised.entry(id).or_insert(first);
        demand(index <= known.index, "later")?;
        known.index = index;
        Ok(())
    }

    fn dispute(&mut self, sender: &[u8], id: LaneId, index: u32, code: DisputeCode, at: At) -> Done {
        let lane = self.state.lanes.get(&id).ok_or("no lane")?;
        let (case, size) = (lane.case, lane.size);
        self.acts_freely(&case, sender, Power::Disputes, at.now)?;
        demand(index < size, "ahead")?;
        let record = DisputeRecord { version: V1, code: code.into(), since: at.now };
        let known = self.state.disputes.entry((case, id, index)).or_insert(record);
        demand(known.code == code.into(), "another code")
    }

    fn prove(&mut self, proof: &Binary, at: At) -> Done {
        let proof: ConflictProof = object(proof)?;
        let lane = self.state.lanes.get(&proof.lane).ok_or("no lane")?;
        for side in &proof.sides {
            demand(side.path.len() <= 32, "path")?;
            merkle::verify_inclusion(&side.leaf, proof.index, side.size, &side.path, &side.root)
                .map_err(|_| "path")?;
            demand(self.gave(lane, &proof.lane, side.head(), &side.given), "not the author's head")?;
        }
        demand(proof.sides[0].leaf != proof.sides[1].leaf, "one content")?;
        let device = proof.sides.iter().any(|side| matches!(side.given, HeadGiven::Device { .. }));
        let doubt = self.state.compromised.get(&proof.lane);
        demand(!device || doubt.is_none_or(|doubt| proof.index < doubt.index), "a device in doubt")?;
        if !device {
            let blamed = (encode(&lane.author), proof.lane);
            self.state.blamed.insert(blamed, true);
        }
        let record = ConflictRecord { version: V1, index: proof.index, height: at.height, time: at.now };
        let known = self.state.conflicts.entry(proof.lane).or_insert(record);
        known.index = known.index.min(proof.index);
        Ok(())
    }

    fn gave(&self, lane: &LaneRecord, id: &LaneId, head: casewise_ledger::Head, given: &HeadGiven) -> bool {
        match given {
            HeadGiven::Anchored => lane.head() == head,
            HeadGiven::Account { time, key, sig } => {
                let account: Address = PublicKey(*key).address();
                let holds = || self.state.identities[&lane.case].holder == account;
                let theirs = self.writes(&account.0, &lane.author)
                    && (matches!(lane.author, Party::Institution(_)) || holds());
                theirs && PublicKey(*key).verify(&head.operator_digest(id, *time), sig).is_ok()
            }
            HeadGiven::Device { time, sig } => {
                lane.signer.is_some_and(|key| ed25519(&key, &head.message(id, *time), sig))
            }
        }
    }

    fn seen(&mut self, sender: &[u8], case: CaseId, items: &[SeenItem], at: At) -> Done {
        self.acts_freely(&case, sender, Power::Acknowledgements, at.now)?;
        demand(!items.is_empty() && items.len() <= MAX_SEEN, "count")?;
        for item in items {
            let lane = convert::lane_id(&item.lane).map_err(|_| "length")?;
            let lane = self.state.lanes.get_mut(&lane).filter(|lane| lane.case == case).ok_or("no lane")?;
            demand(item.size <= lane.size, "ahead")?;
            lane.seen = lane.seen.max(item.size);
        }
        Ok(())
    }
}

fn shape(header: &LaneHeader) -> Done {
    let minimum = if header.signer.is_some() { DEVICE_MINIMUM } else { MINIMUM };
    demand(header.minimum == minimum, "minimum")
}

fn ed25519(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    VerificationKey::try_from(*key).is_ok_and(|key| key.verify(&Signature::from(*signature), message).is_ok())
}
