//! One story that every store must pass: batches whole or not at all, states as the writes expect
//! them, and all of it still there after the store is opened again.
#![allow(missing_docs)]

use casewise_agent::{
    adapters::sqlite::SqliteStore,
    store::{
        Action, Batch, CaseRow, CaseState, Change, CoreStore, Cursor, CustodyRow, CustodyWrite, EndReason,
        EntryRow, HolderStore, HolderWrite, IdempotencyRow, LaneRow, LaneState, LaneView, LetterRow, Owner,
        Refusal, RelationshipView, RestoreState, RevView, SponsorRow, Store, StoreError, TxRow, TxState,
        WrappedKeys, Write,
    },
};
use casewise_ledger::{
    Address, Beacon, CaseCard, CaseId, CaseOffer, ClaimRequest, Class, EntryHeader, Hash, Head, Kind,
    LaneHeader, LaneId, Party, RotateCard, RotateOffer, V1,
    entry::SUITE_GCM_SIV,
    lane::MINIMUM,
    merkle::{self, Frontier, NodeId},
    records::{LaneRecord, LaneStatus, Policy, RelationshipRecord, RelationshipStatus},
};

fn case_row(seed: u8) -> CaseRow {
    let card =
        CaseCard { version: V1, net: [1; 32], holder: Address([seed; 20]), kem: [2; 32], salt: [seed; 32] };
    let offer = CaseOffer {
        version: V1,
        kem_key: [3; 1216],
        recovery: None,
        institution: 1,
        expires: 9,
        key: [4; 33],
        signature: [5; 64],
        card,
    };
    let policy = Policy { cadence: 1, lateness: 2, grace: 3, completion: 4, amends: None };
    CaseRow { case: offer.card.id(), offer, policy, state: CaseState::Offered, error: None }
}

fn lane(case: CaseId, seed: u8, class: Class) -> LaneRow {
    let header = LaneHeader {
        version: V1,
        case,
        author: Party::Institution(1),
        class,
        minimum: MINIMUM,
        epoch: 0,
        root: [seed; 32],
        signer: None,
        predecessor: None,
        nonce: [seed; 16],
    };
    LaneRow {
        lane: header.id(),
        header,
        state: LaneState::Opening,
        reason: None,
        head: Head::empty(),
        rev: 0,
        successor: None,
    }
}

fn keys(lane: LaneId, epoch: u32, byte: u8) -> WrappedKeys {
    WrappedKeys { lane, epoch, wrapped: vec![byte; 60] }
}

fn view(row: &LaneRow, head: Head, status: LaneStatus) -> LaneView {
    let record = LaneRecord {
        version: V1,
        status,
        class: row.header.class,
        case: row.header.case,
        author: row.header.author,
        signer: None,
        size: head.size,
        root: head.root,
        height: 1,
        time: 2,
        seen: 0,
    };
    LaneView { lane: row.lane, header: row.header.clone(), record, changed: 3 }
}

/// A lane's leaves and the writes that add the next one.
#[derive(Default)]
struct Grown {
    frontier: Frontier,
    leaves: Vec<Hash>,
}

impl Grown {
    fn append(&mut self, lane: LaneId, key: Option<Hash>) -> Write {
        let index = self.frontier.size();
        let header = EntryHeader {
            version: V1,
            suite: SUITE_GCM_SIV,
            lane,
            index,
            kind: Kind::Record,
            time: 1000 + u64::from(index),
            beacon: Beacon::default(),
            prev: None,
        };
        let (commitment, body_length, body_sha256) = ([6; 32], 1040, [index as u8; 32]);
        let leaf = header.leaf(&commitment, body_length, &body_sha256);
        let nodes = self.frontier.push(leaf).unwrap();
        self.leaves.push(leaf);
        let head = Head { size: self.frontier.size(), root: self.frontier.root() };
        let entry = EntryRow { header, leaf, commitment, body_length, body_sha256 };
        let idempotency = key.map(|key| IdempotencyRow { key, request: [8; 32], lane, index });
        Write::Append { entry, head, nodes, keys: keys(lane, 1, 10 + index as u8), idempotency }
    }
}

async fn commit(store: &dyn Store, batch: Batch) -> Option<Refusal> {
    store.commit(&[batch]).await.unwrap().refused[0]
}

async fn done(store: &dyn Store, batch: Batch) {
    assert_eq!(commit(store, batch).await, None);
}

async fn story(store: &dyn Store) {
    batches_are_whole(store).await;
    let rows = lanes_and_entries(store).await;
    transactions(store).await;
    the_view_and_its_cursor(store, &rows).await;
    custody(store).await;
    endings(store, rows).await;
    holders(store).await;
}

async fn batches_are_whole(store: &dyn Store) {
    assert_eq!(store.commit_number().await.unwrap(), 0);
    assert_eq!(store.owner().await.unwrap(), None);
    let owner = Owner { chain_id: "c".into(), net: [1; 32], institution: 1, baseline: 5 };
    let (one, two) = (case_row(1), case_row(2));
    let committed = store
        .commit(&[
            vec![Write::Owner(owner.clone()), Write::NewCase(one.clone())],
            // refused at its second write: its first is undone
            vec![Write::NewCase(two.clone()), Write::Owner(owner.clone())],
            vec![Write::Link { identifier: [1; 32], case: one.case }],
        ])
        .await
        .unwrap();
    assert_eq!((committed.number, committed.refused), (1, vec![None, Some(Refusal::Exists), None]));
    assert_eq!(store.owner().await.unwrap(), Some(owner));
    assert_eq!(store.case(&one.case).await.unwrap(), Some(one.clone()));
    assert_eq!(store.case(&two.case).await.unwrap(), None, "undone");
    assert_eq!(store.linked(&[1; 32]).await.unwrap(), Some(one.case));
    done(store, vec![Write::Link { identifier: [1; 32], case: two.case }]).await;
    assert_eq!(store.linked(&[1; 32]).await.unwrap(), Some(two.case), "replaced");
    assert_eq!(commit(store, vec![Write::NewCase(one.clone())]).await, Some(Refusal::Exists));
    assert_eq!(commit(store, vec![Write::Reoffer(one.clone())]).await, Some(Refusal::Missing), "not refused");
    let refuse = |case| Write::CaseState { case, state: CaseState::Refused, error: Some("why".into()) };
    done(store, vec![refuse(one.case)]).await;
    assert_eq!(store.cases_in(CaseState::Refused, 9).await.unwrap()[0].error.as_deref(), Some("why"));
    done(store, vec![Write::CaseAllowed(one.case)]).await;
    assert_eq!(store.cases_in(CaseState::Allowed, 9).await.unwrap(), [], "only an offered one");
    done(store, vec![Write::Reoffer(one.clone()), Write::CaseAllowed(one.case)]).await;
    assert_eq!(store.cases_in(CaseState::Allowed, 9).await.unwrap().len(), 1);
    assert_eq!(commit(store, vec![refuse(two.case)]).await, Some(Refusal::Missing));
    let letter = LetterRow {
        seq: 0,
        case: one.case,
        kind: 0,
        subject: [1; 32],
        to: [2; 32],
        bytes: b"letter".to_vec(),
    };
    let other = LetterRow { bytes: b"another".to_vec(), ..letter.clone() };
    done(store, vec![Write::Letter(letter.clone()), Write::Letter(letter.clone()), Write::Letter(other)])
        .await;
    let letters = store.letters(&one.case, &[2; 32], 0, 9).await.unwrap();
    assert_eq!(letters.len(), 2, "the same letter once");
    assert_eq!(store.letters(&one.case, &[2; 32], letters[0].seq, 9).await.unwrap(), letters[1..]);
    assert_eq!(store.letters(&one.case, &[3; 32], 0, 9).await.unwrap(), []);
}

async fn lanes_and_entries(store: &dyn Store) -> [LaneRow; 2] {
    let case = case_row(1).case;
    let (content, access) = (lane(case, 1, Class::Content), lane(case, 2, Class::Access));
    let id = content.lane;
    let new = |row: &LaneRow| Write::NewLane { row: row.clone(), keys: keys(row.lane, 1, 1) };
    done(store, vec![new(&content), new(&access)]).await;
    assert_eq!(commit(store, vec![new(&content)]).await, Some(Refusal::Exists));
    let mut grown = Grown::default();
    let first = grown.append(id, Some([1; 32]));
    assert_eq!(commit(store, vec![first.clone()]).await, Some(Refusal::Lane), "not live yet");
    done(store, vec![Write::LaneOpened(id)]).await;
    done(store, vec![first.clone()]).await;
    assert_eq!(commit(store, vec![first]).await, Some(Refusal::Lane), "an index is used once");
    let second = grown.append(id, Some([1; 32]));
    assert_eq!(commit(store, vec![second.clone()]).await, Some(Refusal::Idempotency));
    assert_eq!(store.lane(&id).await.unwrap().unwrap().head.size, 1, "undone");
    let Write::Append { idempotency, .. } = second else { unreachable!() };
    assert_eq!(store.idempotency(&[1; 32]).await.unwrap().unwrap().index, 0);
    assert_eq!(idempotency.unwrap().index, 1);
    let mut grown = Grown::default();
    grown.append(id, None);
    for _ in 1..20 {
        let write = grown.append(id, None);
        done(store, vec![write]).await;
    }
    let row = store.lane(&id).await.unwrap().unwrap();
    assert_eq!(row.head, Head { size: 20, root: merkle::root(&grown.leaves) });
    let entries = store.entries(&id, 3, 4).await.unwrap();
    let leaves: Vec<_> = entries.iter().map(|entry| entry.leaf).collect();
    assert_eq!(leaves, grown.leaves[3..7]);
    let peaks = store.nodes(&id, &Frontier::peak_ids(20)).await.unwrap();
    let peaks = peaks.into_iter().collect::<Option<Vec<_>>>().unwrap();
    assert_eq!(Frontier::from_peaks(20, peaks).unwrap().root(), row.head.root);
    assert_eq!(store.nodes(&id, &[NodeId { level: 9, index: 0 }]).await.unwrap(), [None]);
    assert!(store.blob_used(&[19; 32]).await.unwrap());
    assert!(!store.blob_used(&[20; 32]).await.unwrap());
    let stored = store.keys(&id).await.unwrap().unwrap();
    assert_eq!(stored, keys(id, 1, 29));
    let rewrap = |before: &WrappedKeys, byte| Write::Rewrap {
        before: before.wrapped.clone(),
        after: keys(id, 2, byte),
    };
    assert_eq!(
        commit(store, vec![rewrap(&keys(id, 1, 28), 99)]).await,
        Some(Refusal::Missing),
        "changed meanwhile"
    );
    done(store, vec![rewrap(&stored, 99)]).await;
    assert_eq!(store.keys_not_under(2, 9).await.unwrap(), [keys(access.lane, 1, 1)]);
    assert_eq!(store.lanes_of(&case).await.unwrap().len(), 2);
    [row, access]
}

async fn transactions(store: &dyn Store) {
    let tx = |byte: u8| TxRow {
        hash: [byte; 32],
        sequence: 5,
        bytes: vec![byte; 9],
        timeout_height: 30,
        state: TxState::Sent,
        height: None,
        error: None,
        actions: vec![Action::Ack { case: CaseId([1; 32]), rev: 2 }],
    };
    let settle = |byte: u8, state| Write::SettleTx { hash: [byte; 32], state, height: Some(7), error: None };
    done(store, vec![Write::NewTx(tx(1))]).await;
    assert_eq!(store.tx_in_flight().await.unwrap(), Some(tx(1)));
    assert_eq!(commit(store, vec![Write::NewTx(tx(2))]).await, Some(Refusal::Exists), "one at a time");
    assert_eq!(commit(store, vec![settle(2, TxState::Included)]).await, Some(Refusal::Missing));
    done(store, vec![settle(1, TxState::Included)]).await;
    assert_eq!(commit(store, vec![settle(1, TxState::Failed)]).await, Some(Refusal::Missing), "settled once");
    assert_eq!(store.tx_in_flight().await.unwrap(), None);
    done(store, vec![Write::NewTx(tx(2))]).await;
    done(store, vec![settle(2, TxState::Expired)]).await;
    assert_eq!(store.last_tx().await.unwrap().unwrap().hash, [2; 32]);
    let counts = store.tx_counts().await.unwrap();
    assert_eq!((counts.sent, counts.included, counts.failed, counts.expired), (0, 1, 0, 1));
}

async fn the_view_and_its_cursor(store: &dyn Store, [content, access]: &[LaneRow; 2]) {
    let at = |height: u64| Cursor { height, block: [height as u8; 32], time: height * 500 };
    let blocks = |from: Option<u64>, to, changes| Write::Blocks { from: from.map(at), to: at(to), changes };
    assert_eq!(commit(store, vec![blocks(Some(1), 2, vec![])]).await, Some(Refusal::Cursor));
    done(store, vec![blocks(None, 3, vec![])]).await;
    assert_eq!(commit(store, vec![blocks(None, 4, vec![])]).await, Some(Refusal::Cursor));
    let case = content.header.case;
    let opened =
        [content, access].map(|row| Change::Lane(Box::new(view(row, Head::empty(), LaneStatus::Open))));
    let mut changes = opened.to_vec();
    changes.extend([
        Change::Rev { case, rev: 1, height: 4 },
        // told again, a counter keeps the height at which it went up
        Change::Rev { case, rev: 1, height: 5 },
        Change::Acked { case, rev: 0 },
        Change::Operator { account: Address([1; 20]), institution: Some(1) },
    ]);
    // a block is applied whole or not at all
    let undone = vec![
        blocks(Some(3), 4, changes.clone()),
        Write::LaneOpened(access.lane),
        Write::NewTx(TxRow {
            hash: [1; 32],
            sequence: 0,
            bytes: vec![],
            timeout_height: 1,
            state: TxState::Sent,
            height: None,
            error: None,
            actions: vec![],
        }),
    ];
    assert_eq!(commit(store, undone).await, Some(Refusal::Exists));
    assert_eq!(store.cursor().await.unwrap(), Some(at(3)));
    assert_eq!(store.lane_view(&content.lane).await.unwrap(), None);
    done(store, vec![blocks(Some(3), 4, changes)]).await;
    assert_eq!(store.cursor().await.unwrap(), Some(at(4)));
    assert_eq!(store.lane_views(&case).await.unwrap().len(), 2);
    assert_eq!(store.operator(&Address([1; 20])).await.unwrap(), Some(1));
    assert_eq!(store.rev(&case).await.unwrap(), RevView { rev: 1, changed: 4, acked: 0 });
    assert_eq!(store.unacked(1, None, 9).await.unwrap(), [], "no relationship");
    let dirty = store.dirty(9).await.unwrap();
    assert_eq!(dirty.len(), 1);
    assert_eq!((dirty[0].0.head.size, dirty[0].1.record.size), (20, 0));
    let all = Change::Lane(Box::new(view(content, content.head, LaneStatus::Open)));
    let gone = Change::Operator { account: Address([1; 20]), institution: None };
    done(store, vec![blocks(Some(4), 9, vec![all, gone])]).await;
    assert_eq!(store.dirty(9).await.unwrap(), []);
    assert_eq!(store.operator(&Address([1; 20])).await.unwrap(), None);
}

async fn custody(store: &dyn Store) {
    let [one, two] = [11, 12].map(case_row);
    let row = |case, byte: u8| CustodyRow {
        case,
        request_key: [byte; 32],
        request: [9; 32],
        sealed: Some(vec![byte; 92]),
        claim: None,
    };
    let new = |row: &CustodyRow| Write::Custody(CustodyWrite::New(Box::new(row.clone())));
    let (first, second) = (row(one.case, 1), row(two.case, 2));
    done(store, vec![new(&first)]).await;
    assert_eq!(commit(store, vec![new(&first)]).await, Some(Refusal::Exists));
    let same_request = CustodyRow { request_key: [1; 32], ..second.clone() };
    assert_eq!(
        commit(store, vec![new(&same_request)]).await,
        Some(Refusal::Exists),
        "one case for a request"
    );
    done(store, vec![new(&second)]).await;
    assert_eq!(store.custody(&one.case).await.unwrap(), Some(first.clone()));
    assert_eq!(store.custody_of_request(&[2; 32]).await.unwrap(), Some(second.clone()));
    assert_eq!(store.custody_of_request(&[3; 32]).await.unwrap(), None);
    let mut both = [first.clone(), second.clone()];
    both.sort_by_key(|row| row.case);
    let both = both.map(|row| row.case);
    assert_eq!(store.custodies(None, 9).await.unwrap(), both);
    assert_eq!(store.custodies(Some(&both[0]), 9).await.unwrap(), both[1..]);
    assert_eq!(store.custodies(None, 1).await.unwrap(), both[..1]);
    let request = claim_request(one.case);
    let claim = |case| Write::Custody(CustodyWrite::Claim { case, request: Box::new(request.clone()) });
    assert_eq!(commit(store, vec![claim(CaseId([9; 32]))]).await, Some(Refusal::Missing));
    done(store, vec![claim(one.case)]).await;
    assert_eq!(store.custody(&one.case).await.unwrap().unwrap().claim, Some(request.clone()));
    let letter = |case, to| LetterRow { seq: 0, case, kind: 0, subject: [7; 32], to, bytes: vec![to[0]; 5] };
    let letters = [[4; 32], [5; 32]].map(|to| Write::Letter(letter(one.case, to)));
    done(store, letters.to_vec()).await;
    let destroyed = Write::Custody(CustodyWrite::Destroyed { case: one.case, kem: [4; 32] });
    done(store, vec![destroyed.clone()]).await;
    assert_eq!(store.letters(&one.case, &[4; 32], 0, 9).await.unwrap(), [], "only those keys opened them");
    assert_eq!(store.letters(&one.case, &[5; 32], 0, 9).await.unwrap().len(), 1);
    assert_eq!(store.custodies(None, 9).await.unwrap(), [second.case]);
    let left = store.custody(&one.case).await.unwrap().unwrap();
    assert_eq!((left.sealed, left.claim), (None, Some(request.clone())));
    assert_eq!(commit(store, vec![destroyed]).await, Some(Refusal::Missing), "once");
    assert_eq!(commit(store, vec![claim(one.case)]).await, Some(Refusal::Missing));
}

fn claim_request(case: CaseId) -> ClaimRequest {
    let card = RotateCard { version: V1, case, epoch: 1, holder: Address([6; 20]), kem: [7; 32] };
    let offer = RotateOffer { version: V1, card, kem_key: [8; 1216], key: [2; 33], signature: [3; 64] };
    ClaimRequest { version: V1, offer, recovery: Some(Address([4; 20])), expires: 99, signature: [5; 64] }
}

async fn endings(store: &dyn Store, [content, access]: [LaneRow; 2]) {
    let case = content.header.case;
    let next = LaneRow { rev: 1, ..lane(case, 3, Class::Content) };
    let end = |lane, successor| Write::EndLane { lane, reason: EndReason::Revoked, successor };
    let new = Write::NewLane { row: next.clone(), keys: keys(next.lane, 2, 1) };
    done(store, vec![end(content.lane, Some(next.lane)), new]).await;
    assert_eq!(store.keys(&content.lane).await.unwrap(), None, "its keys are gone");
    assert_eq!(
        commit(store, vec![end(content.lane, Some(access.lane))]).await,
        Some(Refusal::Lane),
        "one heir"
    );
    let rotating = store.rotating(9).await.unwrap();
    assert_eq!(rotating.len(), 1);
    assert_eq!(rotating[0].0.successor, Some(next.lane));
    assert_eq!(store.heirless(None, 9).await.unwrap(), []);
    // the database turns out to be an older copy
    done(store, vec![Write::EndAllLanes, Write::Life([7; 16])]).await;
    assert_eq!(store.life().await.unwrap(), Some([7; 16]));
    assert_eq!(store.restore_state().await.unwrap(), RestoreState::Pending);
    for row in store.lanes_of(&case).await.unwrap() {
        assert_eq!(
            (row.state, row.reason, row.successor),
            (LaneState::Ended, Some(EndReason::Restored), None)
        );
        assert_eq!(store.keys(&row.lane).await.unwrap(), None);
    }
    let heirless: Vec<_> = store.heirless(None, 9).await.unwrap().iter().map(|row| row.lane).collect();
    let mut expected = vec![content.lane, access.lane];
    expected.sort();
    assert_eq!(heirless, expected, "open on chain, of a known case");
    assert_eq!(store.heirless(Some(&expected[0]), 9).await.unwrap()[0].lane, expected[1]);
    let lost = lane(CaseId([9; 32]), 9, Class::Content);
    done(store, vec![Write::LostLane { lane: lost.lane, header: lost.header.clone() }]).await;
    done(store, vec![Write::LaneClosed { lane: content.lane, successor: Some(next.lane) }]).await;
    let row = store.lane(&content.lane).await.unwrap().unwrap();
    assert_eq!((row.state, row.successor), (LaneState::Closed, Some(next.lane)));
    assert_eq!(store.restored().await.unwrap().len(), 4);
    done(store, vec![Write::Restore(RestoreState::Until(40)), Write::Baseline(8)]).await;
    assert_eq!(store.restore_state().await.unwrap(), RestoreState::Until(40));
    assert_eq!(store.owner().await.unwrap().unwrap().baseline, 8);
}

fn offer(case: CaseId, epoch: u32, byte: u8) -> RotateOffer {
    let card = RotateCard { version: V1, case, epoch, holder: Address([byte; 20]), kem: [byte; 32] };
    RotateOffer { version: V1, card, kem_key: [byte; 1216], key: [byte; 33], signature: [byte; 64] }
}

async fn holders(store: &dyn Store) {
    let row = CaseRow { state: CaseState::Enrolled, ..case_row(40) };
    let case = row.case;
    done(store, vec![Write::NewCase(row)]).await;
    let write = |offer: RotateOffer| vec![Write::Holder(HolderWrite::Offer(Box::new(offer)))];
    done(store, write(offer(case, 1, 1))).await;
    done(store, write(offer(case, 1, 1))).await;
    assert_eq!(commit(store, write(offer(case, 1, 2))).await, Some(Refusal::Exists), "one for each epoch");
    done(store, write(offer(case, 2, 2))).await;
    assert_eq!(store.holder_offer(&case, 1).await.unwrap(), Some(offer(case, 1, 1)));
    assert_eq!(store.holder_offer(&case, 3).await.unwrap(), None);

    let sponsor = |byte: u8, time: u64, after: u64| {
        let row = SponsorRow { account: Address([byte; 20]), case, time, given: false };
        vec![Write::Holder(HolderWrite::Sponsor { row, after, most: 2, ever: 3 })]
    };
    done(store, sponsor(1, 100, 0)).await;
    assert_eq!(commit(store, sponsor(1, 101, 0)).await, Some(Refusal::Exists));
    done(store, sponsor(2, 101, 0)).await;
    assert_eq!(commit(store, sponsor(3, 102, 0)).await, Some(Refusal::Limit), "two since then");
    done(store, sponsor(3, 102, 100)).await;
    assert_eq!(commit(store, sponsor(4, 900, 800)).await, Some(Refusal::Spent), "three in its life");
    assert_eq!(store.sponsored(&Address([4; 20])).await.unwrap(), None);
    done(store, vec![Write::Holder(HolderWrite::Sponsored(Address([1; 20])))]).await;
    let waiting: Vec<_> = store.to_sponsor(9).await.unwrap().iter().map(|row| row.account.0[0]).collect();
    assert_eq!(waiting, [2, 3], "oldest first");
    assert!(store.sponsored(&Address([1; 20])).await.unwrap().unwrap().given);

    let new = lane(case, 41, Class::Content);
    done(store, vec![Write::NewLane { row: new.clone(), keys: keys(new.lane, 1, 1) }]).await;
    let unopened: Vec<_> = store.unopened(9).await.unwrap().iter().map(|row| row.lane).collect();
    assert_eq!(unopened, [new.lane]);
    assert_eq!(store.waiting_lanes(None, 9).await.unwrap(), [(new.clone(), None)]);
    let drop_lane = || vec![Write::Holder(HolderWrite::DropLane(new.lane))];
    done(store, drop_lane()).await;
    assert_eq!(commit(store, drop_lane()).await, Some(Refusal::Lane), "it is gone");
    assert_eq!(store.keys(&new.lane).await.unwrap(), None);
    done(store, vec![Write::NewLane { row: new.clone(), keys: keys(new.lane, 1, 1) }]).await;
    done(store, vec![Write::LaneOpened(new.lane)]).await;
    assert_eq!(commit(store, drop_lane()).await, Some(Refusal::Lane), "it is open");
    assert!(store.unopened(9).await.unwrap().is_empty());

    done(store, vec![Write::Holder(HolderWrite::Revive(case)), Write::Holder(HolderWrite::Revive(case))])
        .await;
    assert_eq!(store.revived(None, 9).await.unwrap(), [case]);
    done(store, vec![Write::Holder(HolderWrite::Revived(case))]).await;
    assert!(store.revived(None, 9).await.unwrap().is_empty());
    done(store, vec![Write::Holder(HolderWrite::ReviveAll)]).await;
    assert!(store.revived(None, 99).await.unwrap().contains(&case), "every enrolled case");
    let letter = |kind, to: u8| LetterRow {
        seq: 0,
        case,
        kind,
        subject: [1; 32],
        to: [to; 32],
        bytes: vec![kind, to],
    };
    done(store, [letter(0, 1), letter(1, 1), letter(0, 2), letter(2, 3)].map(Write::Letter).to_vec()).await;
    let mine = store.holder_letters(&case, &[3; 32], 0, 9).await.unwrap();
    let mine: Vec<_> = mine.iter().map(|letter| (letter.kind, letter.to[0])).collect();
    assert_eq!(mine, [(0, 1), (0, 2), (2, 3)], "all roots, and what is for this key");
}

#[tokio::test]
async fn sqlite() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).await.unwrap();
    story(&store).await;
    assert!(store.scrub().await.unwrap());
    let (number, cursor) = (store.commit_number().await.unwrap(), store.cursor().await.unwrap());
    let refused = SqliteStore::open(dir.path()).await.err().unwrap();
    assert!(matches!(refused, StoreError::Foreign(_)), "one process at a time: {refused}");
    drop(store);
    let store = SqliteStore::open(dir.path()).await.unwrap();
    assert_eq!(store.commit_number().await.unwrap(), number);
    assert_eq!(store.cursor().await.unwrap(), cursor);
    assert_eq!(store.restored().await.unwrap().len(), 4);
}

#[tokio::test]
async fn a_row_that_does_not_decode_is_an_error_and_not_a_default() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).await.unwrap();
    done(&store, vec![Write::NewCase(case_row(1))]).await;
    let path = SqliteStore::path(dir.path());
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let mut other = <sqlx::SqliteConnection as sqlx::Connection>::connect_with(&options).await.unwrap();
    let damage = "UPDATE cases SET policy = x'00'";
    sqlx::query(damage).execute(&mut other).await.unwrap();
    let error = store.case(&case_row(1).case).await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
}

#[tokio::test]
async fn a_page_begins_after_the_case_that_ended_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).await.unwrap();
    let cases: Vec<CaseId> = (1..=5).map(|byte| CaseId([byte; 32])).collect();
    let (mut changes, mut writes) = (Vec::new(), Batch::new());
    for case in cases.iter().rev() {
        let record = RelationshipRecord { version: V1, status: RelationshipStatus::Active, since: 0 };
        changes.push(Change::Relationship(RelationshipView {
            case: *case,
            institution: 1,
            record,
            changed: 1,
        }));
        changes.push(Change::Rev { case: *case, rev: 1, height: 1 });
        writes.push(Write::Holder(HolderWrite::Revive(*case)));
    }
    let to = Cursor { height: 1, block: [1; 32], time: 1 };
    writes.push(Write::Blocks { from: None, to, changes });
    done(&store, writes).await;
    let (mut unacked, mut revived) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let page = store.unacked(1, unacked.last(), 2).await.unwrap();
        unacked.extend(page.into_iter().map(|(case, _)| case));
        let page = store.revived(revived.last(), 2).await.unwrap();
        revived.extend(page);
    }
    assert_eq!(unacked, cases);
    assert_eq!(revived, cases);
    assert!(store.unacked(1, cases.last(), 2).await.unwrap().is_empty());
    assert!(store.revived(cases.last(), 2).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_scrub_that_a_read_prevents_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).await.unwrap();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(SqliteStore::path(dir.path()));
    let mut reader = <sqlx::SqliteConnection as sqlx::Connection>::connect_with(&options).await.unwrap();
    sqlx::query("BEGIN").execute(&mut reader).await.unwrap();
    sqlx::query("SELECT * FROM cases").fetch_all(&mut reader).await.unwrap();
    done(&store, vec![Write::NewCase(case_row(1))]).await;
    assert!(!store.scrub().await.unwrap(), "the read goes on");
    done(&store, vec![Write::NewCase(case_row(2))]).await;
    sqlx::query("COMMIT").execute(&mut reader).await.unwrap();
    assert!(store.scrub().await.unwrap());
}
