//! summary's messages, with the logs of the lanes' authors.

use casewise_ledger::{
    Address, AnchorItem, CaseId, Class, ConflictProof, ConflictSide, DeviceSignature, HeadGiven, LaneId,
    Party, RotateItem, V1,
    lane::DEVICE_MINIMUM,
    merkle::{self, NodeId, ProofPlan},
    records::{CaseStatus, LaneStatus, RelationshipStatus},
};
use casewise_protocol::{
    convert::{self, DisputeCode},
    summary::ExecuteMsg as S,
};
use cosmwasm_std::{Binary, HexBinary};
use rand::RngExt;

use super::{Log, World};
use crate::{
    contracts::{Institution, Lane, anchors, key, rotations},
    model::{cast::device_key, reference::Model},
};

impl World {
    pub(super) fn summary(&mut self, kind: &str, model: &Model, now: u64) -> (Option<Vec<u8>>, S) {
        let state = &model.state;
        let bytes = |account: Option<Address>| account.map(|account| account.0.to_vec());
        match kind {
            "summary.open" => self.opening(model),
            "summary.anchor" => {
                let (right, items) = self.batch(model, now);
                (right, S::anchor(&anchors(items)))
            }
            "summary.close" => {
                let (right, items) = self.batch(model, now);
                (right, S::close(&anchors(items)))
            }
            "summary.rotate" => self.rotation(model, now),
            "summary.closing" => {
                let (case, institution) = self.relationship(model, RelationshipStatus::Active);
                (Some(model.network.ppr.clone()), S::closing(&case, institution))
            }
            "summary.close_overdue" => {
                let closing = state.lanes.iter().filter(|(_, lane)| lane.status == LaneStatus::Closing);
                let closing: Vec<LaneId> = closing.map(|(id, _)| *id).collect();
                let all: Vec<LaneId> = state.lanes.keys().copied().collect();
                let mut lanes = Vec::new();
                for _ in 0..self.rng.random_range(1..4) {
                    let from = if self.chance(80) && !closing.is_empty() { &closing } else { &all };
                    lanes.extend(self.pick(from));
                }
                if self.chance(15) {
                    lanes.clear();
                }
                (None, S::close_overdue(&lanes))
            }
            "summary.compromised" => {
                let devices = state.lanes.iter().filter(|(_, lane)| lane.signer.is_some());
                let devices: Vec<LaneId> = devices.map(|(id, _)| *id).collect();
                let lane = self.pick(&devices).filter(|_| self.chance(85)).or_else(|| self.lane(model));
                let lane = lane.unwrap_or(LaneId([9; 32]));
                let (size, author) = match state.lanes.get(&lane) {
                    Some(found) => (found.size, Some(found.author)),
                    None => (0, None),
                };
                let right = author.and_then(|author| self.author_account(model, &author));
                let index = size.saturating_sub(self.rng.random_range(0..3)) + u32::from(self.chance(5));
                (bytes(right), S::Compromised { lane: convert::hex(&lane.0), index })
            }
            "summary.dispute" | "summary.withdraw_dispute" => self.dispute(kind, model),
            "summary.prove_conflict" => (None, self.conflict(model, now)),
            "summary.seen" => {
                let case = self.case();
                let own: Vec<_> = state.lanes.iter().filter(|(_, lane)| lane.case == case).collect();
                let own: Vec<_> = own.into_iter().map(|(id, lane)| (*id, lane.size)).collect();
                let mut items = Vec::new();
                for _ in 0..self.rng.random_range(1..3) {
                    let Some((id, size)) = self.pick(&own) else { break };
                    items.push((id, self.rng.random_range(0..=size) + u32::from(self.chance(3))));
                }
                (bytes(self.holders_side(model, &case)), S::seen(&case, &items))
            }
            _ => self.case_message(kind, model),
        }
    }

    fn case_message(&mut self, kind: &str, model: &Model) -> (Option<Vec<u8>>, S) {
        let wanted = match kind {
            "summary.wind_up" => CaseStatus::Open,
            "summary.propose_completion" => CaseStatus::Closing,
            _ => CaseStatus::Proposed,
        };
        let ready = model.state.cases.iter().filter(|(_, case)| case.status == wanted);
        let ready: Vec<_> = ready.map(|(id, _)| *id).collect();
        let id = self.pick(&ready).filter(|_| self.chance(90)).unwrap_or_else(|| self.case());
        let case = convert::hex(&id.0);
        let digest = model.state.cases.get(&id).map_or([0; 32], |found| found.digest);
        let digest = if self.chance(96) { convert::hex(&digest) } else { HexBinary::from([3; 32]) };
        let in_force = model.state.relationships.iter();
        let in_force =
            in_force.filter(|((of, _), found)| *of == id && found.status == RelationshipStatus::Active);
        let numbers: Vec<u32> = in_force.map(|((_, number), _)| *number).collect();
        let right = match self.pick(&numbers).filter(|_| self.chance(40)) {
            Some(number) if kind != "summary.approve_completion" => self.operator(model, number),
            _ => self.holders_side(model, &id),
        };
        let msg = match kind {
            // not every case is to end soon
            "summary.wind_up" => S::WindUp { case },
            "summary.propose_completion" => S::ProposeCompletion { case, digest },
            "summary.approve_completion" => S::ApproveCompletion { case, digest },
            "summary.object_completion" => S::ObjectCompletion { case, digest },
            "summary.finish_completion" => S::FinishCompletion { case, digest },
            other => panic!("{other} is not generated"),
        };
        (right.map(|account| account.0.to_vec()), msg)
    }

    fn lane(&mut self, model: &Model) -> Option<LaneId> {
        let all: Vec<LaneId> = model.state.lanes.keys().copied().collect();
        self.pick(&all)
    }

    fn author_account(&mut self, model: &Model, author: &Party) -> Option<Address> {
        match author {
            Party::Institution(number) => self.operator(model, *number),
            Party::Account(account) => Some(*account),
        }
    }

    fn opening(&mut self, model: &Model) -> (Option<Vec<u8>>, S) {
        let (mut case, mut number) = self.relationship(model, RelationshipStatus::Active);
        if self.chance(15) {
            (case, number) = self.relationship(model, RelationshipStatus::Proposed);
        }
        let own = self.chance(20).then(|| self.holder(model, &case)).flatten();
        let author = own.map_or(Party::Institution(number), Party::Account);
        let mut headers = Vec::new();
        for _ in 0..self.rng.random_range(1..3) {
            let log = self.new_log(model, case, author);
            headers.push(log.lane.header.clone());
            self.pending.push(log);
        }
        let right = self.author_account(model, &author);
        (right.map(|account| account.0.to_vec()), S::open(&headers))
    }

    fn new_log(&mut self, model: &Model, case: CaseId, author: Party) -> Log {
        let name = self.fresh();
        let place = Institution { number: 1, key: key("A") };
        let mut lane = if self.chance(75) {
            Lane::content(&case, &place, &name)
        } else {
            Lane::access(&case, &place, &name)
        };
        let epoch = model.state.identities.get(&case).map_or(0, |identity| identity.epoch);
        lane.header.epoch = epoch + u32::from(self.chance(3));
        lane.header.author = author;
        let device =
            (lane.header.class == Class::Content && self.chance(30)).then(|| self.rng.random_range(1..4));
        if let Some(seed) = device {
            lane.header.signer = Some(device_key(seed));
            lane.header.minimum = DEVICE_MINIMUM;
        }
        Log { lane, device }
    }

    /// Some lanes of one author, and an account that may write them.
    fn lanes_of_one(&mut self, model: &Model) -> (Option<Vec<u8>>, Vec<LaneId>) {
        let live = model.state.lanes.iter().filter(|(_, lane)| lane.status != LaneStatus::Closed);
        let live: Vec<LaneId> = live.map(|(id, _)| *id).collect();
        let closing = model.state.lanes.iter().filter(|(_, lane)| lane.status == LaneStatus::Closing);
        let closing: Vec<LaneId> = closing.map(|(id, _)| *id).collect();
        let closing = self.pick(&closing).filter(|_| self.chance(30));
        let live = self.pick(&live).filter(|_| self.chance(85));
        let first = closing.or(live).or_else(|| self.lane(model));
        let Some(first) = first else { return (None, vec![LaneId([1; 32])]) };
        let author = model.state.lanes[&first].author;
        let theirs = model.state.lanes.iter().filter(|(id, lane)| lane.author == author && **id != first);
        let theirs: Vec<LaneId> = theirs.map(|(id, _)| *id).collect();
        let mut lanes = vec![first];
        for _ in 0..self.rng.random_range(0..3) {
            lanes.extend(self.pick(&theirs));
        }
        lanes.sort();
        lanes.dedup();
        if self.chance(2) {
            lanes.extend(self.lane(model));
        }
        let right = self.author_account(model, &author);
        (right.map(|account| account.0.to_vec()), lanes)
    }

    fn batch(&mut self, model: &Model, now: u64) -> (Option<Vec<u8>>, Vec<AnchorItem>) {
        let (right, lanes) = self.lanes_of_one(model);
        self.honest = lanes.windows(2).all(|pair| pair[0] < pair[1]);
        let items = lanes.iter().filter_map(|lane| self.item(model, lane, now)).collect();
        (right, items)
    }

    /// A head that goes on from the anchored one, or something wrong.
    fn item(&mut self, model: &Model, id: &LaneId, now: u64) -> Option<AnchorItem> {
        let size = model.state.lanes.get(id)?.size;
        let more = self.rng.random_range(0..4);
        let log = self.logs.get_mut(id)?;
        if log.lane.leaves.len() < 60 {
            log.lane.append(more);
        }
        let log = log.clone();
        let end = log.lane.leaves.len() as u32;
        if !self.chance(12) {
            let to = if self.chance(70) { end } else { self.rng.random_range(size..=end) };
            return Some(log.sign(log.lane.item(size, to), now));
        }
        self.honest = false;
        Some(match self.rng.random_range(0..4) {
            0 if size > 0 => {
                let to = self.rng.random_range(0..size);
                log.sign(log.lane.item(to, to), now)
            }
            1 if size > 0 => {
                let fork = log.fork(self.rng.random_range(0..size));
                fork.sign(fork.lane.item(size, end), now)
            }
            2 => {
                let mut item = log.sign(log.lane.item(size, end), now);
                item.proof.push([7; 32]);
                item
            }
            _ => {
                let mut item = log.sign(log.lane.item(size, end), now);
                item.device = match item.device {
                    Some(mut device) => {
                        device.sig[5] ^= 1;
                        self.chance(50).then_some(device)
                    }
                    None => Some(DeviceSignature { time: now, sig: [1; 64] }),
                };
                item
            }
        })
    }

    fn rotation(&mut self, model: &Model, now: u64) -> (Option<Vec<u8>>, S) {
        let (right, lanes) = self.lanes_of_one(model);
        let mut items = Vec::new();
        for id in lanes {
            let Some(last) = self.item(model, &id, now) else { continue };
            let log = self.logs[&id].clone();
            let mut lane = log.lane.successor(&self.fresh());
            let epoch = model.state.identities.get(&lane.header.case).map_or(0, |identity| identity.epoch);
            lane.header.epoch = epoch + u32::from(self.chance(4));
            if self.chance(2) {
                lane.header.case = CaseId([8; 32]);
            }
            items.push(RotateItem { last, next: lane.header.clone() });
            self.pending.push(Log { lane, device: log.device });
        }
        (right, rotations(items))
    }

    fn dispute(&mut self, kind: &str, model: &Model) -> (Option<Vec<u8>>, S) {
        let disputed: Vec<_> = model.state.disputes.keys().copied().collect();
        let withdraw = kind == "summary.withdraw_dispute";
        let known = self.pick(&disputed).filter(|_| withdraw);
        let sized: Vec<_> =
            model.state.lanes.iter().filter(|(_, lane)| lane.size > 0).map(|(id, _)| *id).collect();
        let (lane, index) = match known {
            Some((_, lane, index)) => (lane, index),
            None => {
                let lane = self.pick(&sized).or_else(|| self.lane(model)).unwrap_or(LaneId([9; 32]));
                let size = model.state.lanes.get(&lane).map_or(0, |found| found.size);
                let past = u32::from(self.chance(10));
                (lane, self.rng.random_range(0..=size.saturating_sub(1) + past))
            }
        };
        let case = model.state.lanes.get(&lane).map_or(CaseId([0; 32]), |found| found.case);
        let right = self.holders_side(model, &case).map(|account| account.0.to_vec());
        let lane = convert::hex(&lane.0);
        if withdraw {
            return (right, S::WithdrawDispute { lane, index });
        }
        let code = self.pick(&DisputeCode::ALL[..2]).expect("two codes");
        (right, S::Dispute { lane, index, code })
    }

    /// Two histories of a lane, or a proof that is none.
    fn conflict(&mut self, model: &Model, now: u64) -> S {
        let sized = model.state.lanes.iter().filter(|(_, lane)| lane.size > 0);
        let sized: Vec<_> = sized.map(|(id, lane)| (*id, lane.clone())).collect();
        let Some((id, lane)) = self.pick(&sized) else {
            return S::ProveConflict { proof: Binary::from([1, 2]) };
        };
        let log = self.logs[&id].clone();
        let index = self.rng.random_range(0..lane.size);
        let from = if self.chance(90) { index } else { (index + 1).min(lane.size - 1) };
        let fork = log.fork(from);
        let head = fork.lane.head(lane.size);
        let given = match log.device {
            Some(_) if self.chance(70) => {
                let sig = fork.sign(fork.lane.item(lane.size, lane.size), now).device.expect("a device").sig;
                HeadGiven::Device { time: now, sig }
            }
            _ => {
                let account = self.author_account(model, &lane.author);
                let account =
                    account.filter(|_| self.chance(90)).unwrap_or_else(|| self.cast.account("stranger"));
                let key = self.cast.key(&account);
                let sig = key.sign(&head.operator_digest(&id, now));
                HeadGiven::Account { time: now, key: key.public().0, sig }
            }
        };
        let sides = [side(&log, index, lane.size, HeadGiven::Anchored), side(&fork, index, lane.size, given)];
        S::ProveConflict { proof: convert::blob(&ConflictProof { version: V1, lane: id, index, sides }) }
    }
}

fn side(log: &Log, index: u32, size: u32, given: HeadGiven) -> ConflictSide {
    let leaves = &log.lane.leaves[..size as usize];
    let plan = ProofPlan::inclusion(index, size).expect("the index is below the size");
    let subtree = |NodeId { level, index }: NodeId| {
        let start = (index as usize) << level;
        leaves.get(start..start + (1 << level)).map(merkle::root)
    };
    let path = plan.assemble(subtree).expect("all leaves are at hand");
    ConflictSide { size, root: merkle::root(leaves), leaf: leaves[index as usize], path, given }
}
