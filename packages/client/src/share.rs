//! Sharing and revoking: grants on chain, letters to readers, openings to authors.
//!
//! Responsible for: a reader gets the tree nodes of exactly the granted ranges and no other key;
//! nothing is delivered before its grant is in a block; what has to be delivered survives the end of
//! the program. Must never send a root to a reader of less than a whole lane.

use std::collections::BTreeMap;

use borsh::BorshSerialize;
use casewise_api::ProblemKind;
use casewise_api::header::check_purpose;
use casewise_api::limits::MAX_LETTER;
use casewise_chain::{ChainError, Included, Msg};
use casewise_keytree::KeySet;
use casewise_ledger::entry::MAX_INDEX;
use casewise_ledger::grant::DAY_MS;
use casewise_ledger::records::{GrantRecord, GrantStatus, LaneStatus};
use casewise_ledger::{Address, Class, Commitment, LaneId, Opening, OpeningItem, Party, V1};
use casewise_protocol::ppr;
use casewise_seal::{KemPublic, LaneKeys, Letter, LetterKind, Payload};
use zeroize::Zeroizing;

use crate::agent::Agent;
use crate::book::{CaseState, ShareState};
use crate::follow::{Followed, LaneView};
use crate::ports::Institution;
use crate::store::Batch;
use crate::{ClientError, Patient, integrity};

/// Most labels of a grant.
pub const MAX_LABELS: usize = 16;
/// Longest label, bytes of UTF-8.
pub const MAX_LABEL: usize = 128;
/// Longest life of a grant, ms: a hundred years.
pub const MAX_GRANT_MS: u64 = 36_525 * DAY_MS;

/// A lane, or a part of it, to be shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pick {
    /// The lane.
    pub lane: LaneId,
    /// First and last index; `None` for the whole lane and every lane that goes on from it.
    pub range: Option<(u32, u32)>,
}

/// What is to be shared, with whom, for how long, and why.
#[derive(Clone, Debug)]
pub struct ShareRequest {
    /// Number of the institution that may read.
    pub reader: u32,
    /// One practitioner of it, or all.
    pub practitioner: Option<Address>,
    /// HL7 PurposeOfUse code.
    pub purpose: String,
    /// Words for people.
    pub labels: Vec<String>,
    /// First moment, Unix ms.
    pub not_before: u64,
    /// Last moment, Unix ms, exclusive.
    pub not_after: u64,
    /// When the reader must have erased its copy, Unix ms; 0 none.
    pub erase_by: u64,
    /// What; empty for every content lane of every author.
    pub picks: Vec<Pick>,
}

/// A share before it is signed: one grant per author.
#[derive(Clone, Debug)]
pub struct SharePlan {
    /// Who may read.
    pub reader: Institution,
    /// What each grant says.
    pub openings: Vec<Opening>,
}

/// A share as it stands.
#[derive(Clone, Debug)]
pub struct ShareView {
    /// The grant.
    pub grant: Commitment,
    /// What is kept of it.
    pub share: ShareState,
    /// What the chain says; `None` when the grant is not there.
    pub record: Option<GrantRecord>,
}

impl Patient<'_> {
    /// Works out the grants of a share and checks that they can be made.
    /// Errors: [`ClientError::Input`] naming what to change; [`ClientError::NotFound`].
    pub async fn plan_share(
        &self,
        followed: &Followed,
        request: &ShareRequest,
    ) -> Result<SharePlan, ClientError> {
        check_request(request, self.world.clock.now_ms())?;
        let reader = self.world.directory.institution(request.reader).await?;
        let reader =
            reader.ok_or_else(|| ClientError::not_found(format!("institution {}", request.reader)))?;
        if !reader.active {
            return Err(ClientError::input("--to", format!("institution {} is suspended", reader.number)));
        }
        let mut openings = Vec::new();
        for (author, items) in select(followed, request)? {
            let opening = Opening {
                version: V1,
                case: followed.case.case,
                grantee: Party::Institution(request.reader),
                practitioner: request.practitioner,
                author,
                purpose: request.purpose.clone(),
                labels: request.labels.clone(),
                items,
                not_before: request.not_before,
                not_after: request.not_after,
                erase_by: request.erase_by,
                salt: self.world.random()?,
            };
            opening.check().map_err(|_| {
                ClientError::input("--entry", "two ranges of one lane overlap; give each index once")
            })?;
            openings.push(opening);
        }
        Ok(SharePlan { reader, openings })
    }

    /// Makes the grants of a plan, in one transaction, and delivers letters and openings. What could
    /// not be delivered now is delivered by later commands; see [`ShareView`].
    pub async fn share(
        &self,
        case: &CaseState,
        plan: &SharePlan,
    ) -> Result<(Included, Vec<ShareView>), ClientError> {
        let key = self.key(case)?;
        let agent = Agent::new(self.world, plan.reader.clone(), &key)?;
        let to = reader_key(&agent).await?;
        let (mut batch, mut grants) = (Batch::new(), Vec::new());
        for opening in &plan.openings {
            let share = self.new_share(case, opening, &to).await?;
            grants.push(ppr::NewGrant::new(&opening.commitment(), opening.days()));
            batch.put_share(case.n, &share);
        }
        self.book.commit(batch).await?;
        let mut msgs = Vec::new();
        for part in grants.chunks(ppr::MAX_GRANTS) {
            let message = ppr::ExecuteMsg::grant(&case.case, part.to_vec());
            msgs.push(Msg::execute(self.network.contracts().ppr, &message)?);
        }
        let included = match self.send(case, msgs).await {
            Ok(included) => included,
            Err(error) => {
                if !matches!(error, ClientError::Chain(ChainError::Undecided { .. })) {
                    self.drop_shares(case, plan).await?;
                }
                return Err(error);
            }
        };
        self.deliver(case).await?;
        let views = self.shares(case).await?;
        let made: Vec<Commitment> = plan.openings.iter().map(Opening::commitment).collect();
        Ok((included, views.into_iter().filter(|view| made.contains(&view.grant)).collect()))
    }

    async fn new_share(
        &self,
        case: &CaseState,
        opening: &Opening,
        to: &KemPublic,
    ) -> Result<ShareState, ClientError> {
        let letter = self.grant_letter(case, opening, to).await?;
        if letter.len() > MAX_LETTER {
            return Err(ClientError::input(
                "--entry",
                format!(
                    "the letter has {} bytes, an agent takes {MAX_LETTER}; share fewer ranges at once",
                    letter.len()
                ),
            ));
        }
        Ok(ShareState {
            version: V1,
            opening: opening.clone(),
            made: self.world.clock.now_ms(),
            letter,
            letter_delivered: false,
            opening_delivered: false,
            attempts: 0,
            trouble: None,
        })
    }

    /// The letter of a grant: exactly the nodes of its ranges.
    async fn grant_letter(
        &self,
        case: &CaseState,
        opening: &Opening,
        to: &KemPublic,
    ) -> Result<Vec<u8>, ClientError> {
        let mut ranges: BTreeMap<LaneId, Vec<&OpeningItem>> = BTreeMap::new();
        for item in &opening.items {
            ranges.entry(item.lane).or_default().push(item);
        }
        let mut keys = Vec::with_capacity(ranges.len());
        for (lane, items) in ranges {
            let state = self.book.lane(case.n, &lane).await?;
            let state = state.ok_or_else(|| ClientError::not_found(format!("lane {lane}")))?;
            let root = self.key_set(case.n, &state.header).await?;
            let root =
                root.ok_or_else(|| ClientError::not_found(format!("the root letter of lane {lane}")))?;
            keys.push(LaneKeys { lane, nodes: restrict(&root, &items)? });
        }
        let payload = Payload { opening: Some(opening.clone()), ..Payload::of_keys(keys) };
        Letter::seal(LetterKind::Grant, opening.case, opening.commitment().0, to, &payload)
            .map(|letter| letter.encode())
            .map_err(|error| integrity::seal("the letter", error))
    }

    async fn drop_shares(&self, case: &CaseState, plan: &SharePlan) -> Result<(), ClientError> {
        let mut batch = Batch::new();
        for opening in &plan.openings {
            batch.delete_share(case.n, &opening.commitment());
        }
        self.book.commit(batch).await
    }

    /// Delivers what waits for delivery and whose grant is live in a block. What fails is noted and
    /// tried again next time.
    pub(crate) async fn deliver(&self, case: &CaseState) -> Result<(), ClientError> {
        for mut share in self.book.shares(case.n).await? {
            if share.delivered() {
                continue;
            }
            let record = self.network.grant(&share.opening.commitment()).await?;
            if record.is_none_or(|record| record.status != GrantStatus::Live) {
                continue;
            }
            share.trouble = None;
            for outcome in
                [self.deliver_letter(case, &mut share).await, self.deliver_opening(case, &mut share).await]
            {
                match outcome {
                    Ok(()) => {}
                    Err(error @ ClientError::Store { .. }) => return Err(error),
                    Err(error) => share.trouble = Some(error.to_string()),
                }
            }
            if share.trouble.is_some() {
                share.attempts = share.attempts.saturating_add(1);
            }
            self.keep_share(case, &share).await?;
        }
        Ok(())
    }

    async fn deliver_letter(&self, case: &CaseState, share: &mut ShareState) -> Result<(), ClientError> {
        let Party::Institution(reader) = share.opening.grantee else { return Ok(()) };
        if share.letter_delivered {
            return Ok(());
        }
        let key = self.key(case)?;
        let agent = self.agent(reader, &key).await?;
        let letter =
            Letter::decode(&share.letter).map_err(|error| ClientError::integrity("a kept letter", error))?;
        if letter.to != agent.institution().kem {
            self.seal_again(case, &agent, share).await?;
        }
        match agent.deliver(&share.letter).await {
            Ok(_) => {}
            // its key may have changed in the meantime: the letter is sealed to the new one next time
            Err(ClientError::AgentRefused { problem, .. })
                if problem.problem_kind() == Some(ProblemKind::LetterRefused) =>
            {
                self.seal_again(case, &agent, share).await?;
                agent.deliver(&share.letter).await?;
            }
            Err(error) => return Err(error),
        }
        share.letter_delivered = true;
        self.keep_share(case, share).await
    }

    async fn seal_again(
        &self,
        case: &CaseState,
        agent: &Agent<'_>,
        share: &mut ShareState,
    ) -> Result<(), ClientError> {
        let to = reader_key(agent).await?;
        share.letter = self.grant_letter(case, &share.opening, &to).await?;
        Ok(())
    }

    async fn deliver_opening(&self, case: &CaseState, share: &mut ShareState) -> Result<(), ClientError> {
        let Party::Institution(author) = share.opening.author else { return Ok(()) };
        if share.opening_delivered {
            return Ok(());
        }
        let key = self.key(case)?;
        let agent = self.agent(author, &key).await?;
        agent.put_opening(&share.opening.commitment(), &share.opening).await?;
        share.opening_delivered = true;
        self.keep_share(case, share).await
    }

    async fn keep_share(&self, case: &CaseState, share: &ShareState) -> Result<(), ClientError> {
        let mut batch = Batch::new();
        batch.put_share(case.n, share);
        self.book.commit(batch).await
    }

    /// Every share made here, the newest first.
    pub async fn shares(&self, case: &CaseState) -> Result<Vec<ShareView>, ClientError> {
        let mut views = Vec::new();
        for share in self.book.shares(case.n).await? {
            let grant = share.opening.commitment();
            views.push(ShareView { grant, record: self.network.grant(&grant).await?, share });
        }
        views.sort_by_key(|view| (std::cmp::Reverse(view.share.made), view.grant));
        Ok(views)
    }

    /// Takes grants back. What was read or copied until then stays read and copied.
    pub async fn revoke(&self, case: &CaseState, grants: &[Commitment]) -> Result<Included, ClientError> {
        let mut msgs = Vec::new();
        for part in grants.chunks(ppr::MAX_GRANTS) {
            let message = ppr::ExecuteMsg::revoke(&case.case, part);
            msgs.push(Msg::execute(self.network.contracts().ppr, &message)?);
        }
        if msgs.is_empty() {
            return Err(ClientError::input("grant", "name at least one grant"));
        }
        self.send(case, msgs).await
    }
}

/// The reader's key, as its agent serves and the registrar confirms it.
async fn reader_key(agent: &Agent<'_>) -> Result<KemPublic, ClientError> {
    let info = agent.info().await?;
    let what = format!("the key that {} serves", agent.endpoint());
    let bytes = info.kem_key.to_array().map_err(|error| ClientError::integrity(&what, error))?;
    KemPublic::from_bytes(&bytes).map_err(|error| integrity::seal(&what, error))
}

/// The nodes of several ranges of one lane, which are ascending and disjoint.
fn restrict(root: &KeySet, items: &[&OpeningItem]) -> Result<KeySet, ClientError> {
    let failed = |error: &dyn ToString| ClientError::input("--entry", error.to_string());
    let (mut count, mut nodes) = (0u32, Zeroizing::new(Vec::with_capacity(37 * 64 * items.len())));
    for item in items {
        // the last leaf is never used, so a range up to the last index is the whole rest of the tree
        let last = if item.last == MAX_INDEX { u32::MAX } else { item.last };
        let part = root.restrict(item.first, last).map_err(|error| failed(&error))?;
        for node in part.nodes() {
            count += 1;
            node.start().serialize(&mut *nodes).map_err(|error| failed(&error))?;
            node.depth().serialize(&mut *nodes).map_err(|error| failed(&error))?;
            nodes.extend_from_slice(node.expose_secret());
        }
    }
    let mut set = Zeroizing::new(Vec::with_capacity(4 + nodes.len()));
    count.serialize(&mut *set).map_err(|error| failed(&error))?;
    set.extend_from_slice(&nodes);
    borsh::from_slice(&set).map_err(|error| failed(&error))
}

fn check_request(request: &ShareRequest, now: u64) -> Result<(), ClientError> {
    check_purpose(&request.purpose).map_err(|error| ClientError::input("--purpose", error.to_string()))?;
    if request.labels.len() > MAX_LABELS || request.labels.iter().any(|label| label.len() > MAX_LABEL) {
        return Err(ClientError::input("--label", format!("at most {MAX_LABELS} of {MAX_LABEL} bytes each")));
    }
    if request.not_after <= request.not_before {
        return Err(ClientError::input("--until", "it ends before it begins; give a later day"));
    }
    if request.not_after <= now {
        return Err(ClientError::input("--until", "this day is over; give a later one"));
    }
    if request.not_after - request.not_before > MAX_GRANT_MS {
        return Err(ClientError::input(
            "--until",
            "a grant lasts a hundred years at most; give an earlier day",
        ));
    }
    if request.erase_by != 0 && request.erase_by < request.not_after {
        return Err(ClientError::input("--erase-by", "it is before the end of the grant; give a later day"));
    }
    Ok(())
}

/// The granted ranges by author. Access lanes, and lanes of the reader itself, are not shared.
fn select(
    followed: &Followed,
    request: &ShareRequest,
) -> Result<BTreeMap<Party, Vec<OpeningItem>>, ClientError> {
    let reader = Party::Institution(request.reader);
    let mut out: BTreeMap<Party, Vec<OpeningItem>> = BTreeMap::new();
    if request.picks.is_empty() {
        for lane in &followed.lanes {
            if lane.record.class == Class::Content && lane.record.author != reader && lane.readable {
                out.entry(lane.record.author).or_default().extend(whole(lane));
            }
        }
    }
    for pick in &request.picks {
        let lane = followed.lanes.iter().find(|lane| lane.lane == pick.lane);
        let lane = lane.ok_or_else(|| ClientError::not_found(format!("lane {}", pick.lane)))?;
        if lane.record.class != Class::Content || lane.record.author == reader {
            let why =
                format!("lane {} holds reads, or is the reader's own; share content of others", pick.lane);
            return Err(ClientError::input("--entry", why));
        }
        if !lane.readable {
            return Err(ClientError::not_found(format!("the root letter of lane {}", pick.lane)));
        }
        out.entry(lane.record.author).or_default().extend(part(lane, pick.range)?);
    }
    for items in out.values_mut() {
        items.sort_by_key(|item| (item.lane, item.first));
    }
    out.retain(|_, items| !items.is_empty());
    if out.is_empty() {
        return Err(ClientError::not_found("anything to share in this case"));
    }
    Ok(out)
}

fn whole(lane: &LaneView) -> Option<OpeningItem> {
    if lane.record.status != LaneStatus::Closed {
        return Some(OpeningItem { lane: lane.lane, first: 0, last: MAX_INDEX, follow: true });
    }
    let last = lane.record.size.checked_sub(1)?;
    Some(OpeningItem { lane: lane.lane, first: 0, last, follow: false })
}

fn part(lane: &LaneView, range: Option<(u32, u32)>) -> Result<Option<OpeningItem>, ClientError> {
    let Some((first, last)) = range else { return Ok(whole(lane)) };
    if first > last || last > MAX_INDEX {
        return Err(ClientError::input("--entry", format!("{first}-{last} is not a range of indices")));
    }
    Ok(Some(OpeningItem { lane: lane.lane, first, last, follow: false }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(first: u32, last: u32) -> OpeningItem {
        OpeningItem { lane: LaneId([1; 32]), first, last, follow: false }
    }

    #[test]
    fn nodes_open_exactly_the_ranges() {
        let root = KeySet::root(&[7; 32]);
        let (a, b, c) = (item(0, 4), item(6, 6), item(8, 1000));
        let set = restrict(&root, &[&a, &b, &c]).unwrap();
        for index in 0..1100 {
            let inside = [&a, &b, &c].iter().any(|item| item.first <= index && index <= item.last);
            assert_eq!(set.covers(index), inside, "{index}");
            if inside {
                assert_eq!(set.derive(index).unwrap(), root.derive(index).unwrap());
            }
        }
    }

    #[test]
    fn a_whole_lane_is_one_node_and_less_is_never_the_root() {
        let root = KeySet::root(&[7; 32]);
        assert_eq!(restrict(&root, &[&item(0, MAX_INDEX)]).unwrap(), root);
        for less in [item(0, MAX_INDEX - 1), item(1, MAX_INDEX)] {
            assert!(restrict(&root, &[&less]).unwrap().expose_root().is_none());
        }
        assert!(restrict(&root, &[&item(5, 4)]).is_err());
        assert!(restrict(&root, &[&item(0, 4), &item(4, 5)]).is_err(), "overlap");
    }

    #[test]
    fn requests_have_limits() {
        let now = 1_800_000_000_000;
        let good = ShareRequest {
            reader: 2,
            practitioner: None,
            purpose: "TREAT".into(),
            labels: vec!["l".repeat(MAX_LABEL); MAX_LABELS],
            not_before: now,
            not_after: now + MAX_GRANT_MS,
            erase_by: now + MAX_GRANT_MS,
            picks: Vec::new(),
        };
        check_request(&good, now).unwrap();
        let refused = |change: &dyn Fn(&mut ShareRequest), field: &str| {
            let mut request = good.clone();
            change(&mut request);
            let error = check_request(&request, now).unwrap_err().to_string();
            assert!(error.starts_with(field), "{error}");
        };
        refused(&|r| r.purpose = "CURIOSITY".into(), "--purpose");
        refused(&|r| r.labels.push(String::new()), "--label");
        refused(&|r| r.labels[0].push('l'), "--label");
        refused(&|r| r.not_after = r.not_before, "--until");
        refused(&|r| (r.not_before, r.not_after) = (now - 2, now), "--until");
        refused(&|r| r.not_after += 1, "--until");
        refused(&|r| r.erase_by = r.not_after - 1, "--erase-by");
    }
}
