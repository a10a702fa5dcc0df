//! A third party's read: ask for a release, check it, countersign it, fetch, accept, open.
//!
//! Used by an institution that was given a grant's letter. Responsible for: nothing is countersigned
//! that is not exactly what was asked for, under a head that is anchored, and nothing is returned
//! that did not pass every acceptance check. Must never sign a release for another reader, case or
//! grant, nor keep what it opened.

use casewise_api::body::{Countersignature, EntryListing, ReleaseAnswer, ReleaseRequest};
use casewise_api::limits::{CLOCK_SKEW, MAX_RELEASE_ENTRIES, MAX_RELEASE_ITEMS};
use casewise_api::{Hex, Packed};
use casewise_keytree::{KeySet, OneTimeKey};
use casewise_ledger::account::{AccountKey, PublicKey};
use casewise_ledger::{
    Address, AnchoredHead, CaseId, Class, Commitment, Data, EntryRef, Hash, Head, LaneHeader, LaneId,
    Opening, Party, Receipt, Release, ReleaseItem, grant::MAX_RELEASE_MS, sha256,
};
use casewise_seal::{KemSecret, LaneKeys, Letter, LetterKind, ListedEntry, accept_entry};

use crate::agent::{Agent, World};
use crate::{ClientError, integrity};

/// A letter of kind grant, opened: what is granted, and keys.
#[derive(Debug)]
pub struct HeldLetter {
    /// The case.
    pub case: CaseId,
    /// The grant.
    pub commitment: Commitment,
    /// What the grant says: present in the patient's letter, absent in an author's letter about a
    /// successor lane. That its hash is the commitment has been checked.
    pub opening: Option<Opening>,
    /// Keys. That they fit is checked entry by entry.
    pub keys: Vec<LaneKeys>,
}

/// Opens a letter of kind grant. That the grant is on chain and in force is the author's to decide.
/// Errors: [`ClientError::Integrity`] for anything but a letter of this kind to this key.
pub fn open_letter(bytes: &[u8], secret: &KemSecret) -> Result<HeldLetter, ClientError> {
    let letter = Letter::decode(bytes).map_err(|error| ClientError::integrity("the letter", error))?;
    if letter.kind != LetterKind::Grant {
        return Err(ClientError::integrity("the letter", "it is not of the kind grant"));
    }
    let payload = letter.open(secret).map_err(|error| integrity::seal("the letter", error))?;
    Ok(HeldLetter {
        case: letter.case,
        commitment: Commitment(letter.subject),
        opening: payload.opening,
        keys: payload.keys,
    })
}

/// The released part of a lane.
#[derive(Clone, Debug)]
struct ReleasedLane {
    header: LaneHeader,
    anchored: AnchoredHead,
}

/// A release that was checked and not yet countersigned.
#[derive(Clone, Debug)]
pub struct Offered {
    release: Release,
    server_key: PublicKey,
    server_sig: [u8; 64],
    lanes: Vec<ReleasedLane>,
    entries: Vec<ListedEntry>,
}

impl Offered {
    /// What would be handed over.
    pub fn release(&self) -> &Release {
        &self.release
    }

    /// The entries, in the order of the release's items: headers, lengths, hashes.
    pub fn entries(&self) -> &[ListedEntry] {
        &self.entries
    }

    /// The header of a lane of the release.
    pub fn lane(&self, lane: &LaneId) -> Option<&LaneHeader> {
        self.lanes.iter().map(|lane| &lane.header).find(|header| header.id() == *lane)
    }
}

/// A release signed by both sides, from which entries can be fetched until it expires.
#[derive(Clone, Debug)]
pub struct Released {
    offered: Offered,
    receipt: Receipt,
    access: EntryRef,
}

impl Released {
    /// The receipt.
    pub fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// Where the author wrote the access entry.
    pub fn access(&self) -> EntryRef {
        self.access
    }

    /// The entries that can be fetched.
    pub fn entries(&self) -> &[ListedEntry] {
        self.offered.entries()
    }
}

/// An entry that passed every check.
#[derive(Debug)]
pub struct OpenedEntry {
    /// The entry without its body.
    pub entry: ListedEntry,
    /// Its content.
    pub data: Data,
}

/// An institution that reads at others.
pub struct Reader<'a> {
    world: World<'a>,
    institution: u32,
    key: &'a AccountKey,
}

impl<'a> Reader<'a> {
    /// `institution` is the reader's own number, `key` one of its operators.
    pub fn new(world: World<'a>, institution: u32, key: &'a AccountKey) -> Self {
        Self { world, institution, key }
    }

    /// The agent of the author whose lanes a grant is about.
    pub async fn author(&self, opening: &Opening) -> Result<Agent<'a>, ClientError> {
        match opening.author {
            Party::Institution(number) => Agent::find(self.world, number, self.key).await,
            Party::Account(_) => Err(ClientError::Refused {
                what: "the grant's author is an account, which serves nothing itself".into(),
            }),
        }
    }

    /// The whole read, for callers with nothing to decide in between: release, countersignature,
    /// and every entry opened, in the order of the release. `items` may ask for more than there is
    /// anchored; what there is comes back. `keys` are those of all letters of the grant.
    pub async fn read(
        &self,
        opening: &Opening,
        practitioner: Option<Address>,
        items: &[ReleaseItem],
        keys: &[LaneKeys],
    ) -> Result<(Receipt, Vec<OpenedEntry>), ClientError> {
        let author = self.author(opening).await?;
        let offered = self.request(&author, opening, practitioner, items).await?;
        let released = self.countersign(&author, offered).await?;
        let mut opened = Vec::with_capacity(released.entries().len());
        for entry in released.entries() {
            let (lane, index) = (entry.header.lane, entry.header.index);
            opened.push(self.open(&author, &released, keys, &lane, index).await?);
        }
        Ok((released.receipt, opened))
    }

    /// Asks the author for a release of `items` under a grant, and checks the answer: it is signed by
    /// an operator of the author, says exactly what was asked (or less of it), and its entries belong
    /// to lanes of the case whose anchored heads stand on chain. Shows what there is to read; nothing
    /// is released yet.
    /// Errors: those of the agent; [`ClientError::Integrity`]; [`ClientError::Input`] for too many
    /// items, which [`split`] cuts into several.
    pub async fn request(
        &self,
        author: &Agent<'_>,
        opening: &Opening,
        practitioner: Option<Address>,
        items: &[ReleaseItem],
    ) -> Result<Offered, ClientError> {
        if items.is_empty() || items.len() > MAX_RELEASE_ITEMS {
            let reason = format!("{} ranges; 1 to {MAX_RELEASE_ITEMS} fit in one release", items.len());
            return Err(ClientError::input("items", reason));
        }
        let grant = opening.commitment();
        let answer = author.release(&ReleaseRequest { grant, practitioner, items: items.to_vec() }).await?;
        let expected =
            Expected { opening, practitioner, items, reader: Party::Institution(self.institution) };
        let offered = expected.check(&answer, self.world.clock.now_ms())?;
        self.check_server(author, &offered).await?;
        for lane in &offered.lanes {
            self.check_head(&lane.anchored, offered.release.height).await?;
        }
        Ok(offered)
    }

    /// Signs the release and hands the signature over. After this the author's access lane says that
    /// this institution read.
    pub async fn countersign(&self, author: &Agent<'_>, offered: Offered) -> Result<Released, ClientError> {
        let signature = self.key.sign_message(&offered.release.message());
        let body = Countersignature { reader_key: Hex(self.key.public().0), reader_sig: Hex(signature) };
        let answer = author.countersign(&offered.release.nonce, &body).await?;
        let receipt = Receipt {
            release: offered.release.clone(),
            server_key: offered.server_key.0,
            server_sig: offered.server_sig,
            reader_key: self.key.public().0,
            reader_sig: signature,
        };
        if *answer.receipt != receipt {
            return Err(ClientError::integrity(
                "the receipt",
                "it is not the release that was countersigned",
            ));
        }
        Ok(Released { offered, receipt, access: answer.access })
    }

    /// Fetches one released entry and its inclusion proof, accepts it, and opens it with the keys.
    pub async fn open(
        &self,
        author: &Agent<'_>,
        released: &Released,
        keys: &[LaneKeys],
        lane: &LaneId,
        index: u32,
    ) -> Result<OpenedEntry, ClientError> {
        let Offered { release, lanes, entries, .. } = &released.offered;
        let what = format!("entry {index} of lane {lane}");
        let missing = || ClientError::not_found(format!("{what} in the release"));
        let entry = entries
            .iter()
            .find(|entry| entry.header.lane == *lane && entry.header.index == index)
            .ok_or_else(missing)?;
        let lane = lanes.iter().find(|known| known.anchored.lane == *lane).ok_or_else(missing)?;
        let key = find_key(keys, entry)?;
        let proof =
            author.release_inclusion(&release.nonce, &lane.anchored.lane, index, lane.anchored.size).await?;
        let path: Vec<Hash> = proof.path.iter().map(|hash| hash.0).collect();
        let accepted = accept_entry(&lane.header, &lane.anchored, index, entry, &path)
            .map_err(|error| integrity::seal(&what, error))?;
        let body = author.release_body(&release.nonce, &lane.anchored.lane, index, entry.body_length).await?;
        let data = accepted.open(&key, &body).map_err(|error| integrity::seal(&what, error))?;
        Ok(OpenedEntry { entry: entry.clone(), data })
    }

    async fn check_server(&self, author: &Agent<'_>, offered: &Offered) -> Result<(), ClientError> {
        if author.is_operator(&offered.server_key.address()).await? {
            return Ok(());
        }
        let number = author.institution().number;
        Err(ClientError::integrity(
            "the release",
            format!("it is signed by a key that institution {number} does not list"),
        ))
    }

    /// The head must be the one on chain, now or at the height of the decision.
    async fn check_head(&self, anchored: &AnchoredHead, height: u64) -> Result<(), ClientError> {
        let head = Head { size: anchored.size, root: anchored.root };
        for height in [None, Some(height)] {
            let record = self.world.directory.lane(&anchored.lane, height).await?;
            if record.is_some_and(|record| record.head() == head) {
                return Ok(());
            }
        }
        Err(ClientError::integrity(
            format!("the head of lane {}", anchored.lane),
            "it is not the one anchored on chain",
        ))
    }
}

/// Cuts ranges so that each part fits in one release.
pub fn split(items: &[ReleaseItem]) -> Vec<Vec<ReleaseItem>> {
    let (mut out, mut part, mut room) = (Vec::new(), Vec::new(), MAX_RELEASE_ENTRIES);
    for item in items {
        let mut first = item.first;
        loop {
            if room == 0 || part.len() == MAX_RELEASE_ITEMS {
                out.push(std::mem::take(&mut part));
                room = MAX_RELEASE_ENTRIES;
            }
            let last = u64::from(item.last).min(u64::from(first) + room - 1) as u32;
            part.push(ReleaseItem { lane: item.lane, first, last });
            room -= u64::from(last - first) + 1;
            if last >= item.last {
                break;
            }
            first = last + 1;
        }
    }
    if !part.is_empty() {
        out.push(part);
    }
    out
}

/// Whether any of the keys opens an entry.
pub fn has_key(keys: &[LaneKeys], lane: &LaneId, index: u32) -> bool {
    keys.iter().any(|keys| keys.lane == *lane && KeySet::covers(&keys.nodes, index))
}

/// The key of an entry. Several letters may hold keys of its lane, and anybody can write a letter:
/// the one that the entry commits to is taken.
fn find_key(keys: &[LaneKeys], entry: &ListedEntry) -> Result<OneTimeKey, ClientError> {
    let (lane, index) = (entry.header.lane, entry.header.index);
    let what = format!("the key of entry {index} of lane {lane}");
    let mut rejected = None;
    for keys in keys.iter().filter(|keys| keys.lane == lane && keys.nodes.covers(index)) {
        let key = keys.nodes.derive(index).map_err(|error| ClientError::integrity(&what, error))?;
        match entry.check_key(&key) {
            Ok(()) => return Ok(key),
            Err(error) => rejected = Some(integrity::seal(&what, error)),
        }
    }
    Err(rejected.unwrap_or_else(|| ClientError::not_found(what)))
}

/// What an answer is held against.
struct Expected<'a> {
    opening: &'a Opening,
    practitioner: Option<Address>,
    items: &'a [ReleaseItem],
    reader: Party,
}

impl Expected<'_> {
    fn check(&self, answer: &ReleaseAnswer, now: u64) -> Result<Offered, ClientError> {
        let release = &answer.release.0;
        self.check_terms(release, now)?;
        let server_key = PublicKey(answer.server_key.0);
        server_key
            .verify_message(&release.message(), &answer.server_sig.0)
            .map_err(|error| ClientError::integrity("the release", error))?;
        let lanes = self.check_lanes(answer)?;
        let entries = check_entries(answer, &lanes)?;
        Ok(Offered { release: release.clone(), server_key, server_sig: answer.server_sig.0, lanes, entries })
    }

    fn check_terms(&self, release: &Release, now: u64) -> Result<(), ClientError> {
        let refuse = |why: &str| Err(ClientError::integrity("the release", why));
        if release.case != self.opening.case {
            return refuse("it is about another case");
        }
        if release.grant != self.opening.commitment() {
            return refuse("it is under another grant");
        }
        if release.server != self.opening.author {
            return refuse("its server is not the author of the grant");
        }
        if release.reader != self.reader || release.practitioner != self.practitioner {
            return refuse("it names another reader");
        }
        if release.expires <= now || release.expires > now + MAX_RELEASE_MS + CLOCK_SKEW * 1000 {
            return refuse("it has expired, or is valid for longer than ten minutes");
        }
        let asked = |item: &ReleaseItem| {
            item.first <= item.last
                && self
                    .items
                    .iter()
                    .any(|own| own.lane == item.lane && own.first <= item.first && item.last <= own.last)
        };
        if !release.items.iter().all(asked) {
            return refuse("it names entries that were not asked for");
        }
        Ok(())
    }

    fn check_lanes(&self, answer: &ReleaseAnswer) -> Result<Vec<ReleasedLane>, ClientError> {
        answer
            .lanes
            .iter()
            .map(|lane| {
                let header = lane.header.0.clone();
                let fits = header.id() == lane.lane
                    && header.case == self.opening.case
                    && header.author == self.opening.author
                    && header.class == Class::Content;
                if !fits {
                    let what = format!("the header of lane {}", lane.lane);
                    return Err(ClientError::integrity(
                        what,
                        "it is not a content lane of the grant's author",
                    ));
                }
                let anchored =
                    AnchoredHead { lane: lane.lane, size: lane.anchored.size, root: lane.anchored.root.0 };
                Ok(ReleasedLane { header, anchored })
            })
            .collect()
    }
}

/// The entries must be exactly those of the release's items, in order, and hash to its leaves.
fn check_entries(answer: &ReleaseAnswer, lanes: &[ReleasedLane]) -> Result<Vec<ListedEntry>, ClientError> {
    let refuse = |why: &str| ClientError::integrity("the release", why);
    let release = &answer.release.0;
    if answer.items.len() != release.items.len() {
        return Err(refuse("its entries are not those of its items"));
    }
    let (mut entries, mut leaves) = (Vec::new(), Vec::new());
    for (item, listed) in release.items.iter().zip(&answer.items) {
        let head = lanes
            .iter()
            .find(|lane| lane.anchored.lane == item.lane)
            .ok_or_else(|| refuse("it leaves out the header of a lane"))?;
        let count = u64::from(item.last) - u64::from(item.first) + 1;
        let whole = listed.lane == item.lane
            && listed.entries.len() as u64 == count
            && item.last < head.anchored.size
            && (item.first..=item.last).zip(&listed.entries).all(|(index, entry)| {
                entry.index == index && entry.header.index == index && entry.header.lane == item.lane
            });
        if !whole {
            return Err(refuse("its entries are not those of its items"));
        }
        for entry in listed.entries.iter().map(listed_entry) {
            leaves.extend_from_slice(&entry.leaf());
            entries.push(entry);
        }
    }
    if entries.len() as u64 > MAX_RELEASE_ENTRIES {
        return Err(refuse("it has more entries than one release may have"));
    }
    if sha256(&[&leaves]) != release.leaves {
        return Err(refuse("its entries do not hash to what is signed"));
    }
    Ok(entries)
}

/// An entry of the interface as the acceptance checks take it.
pub(crate) fn listed_entry(listing: &EntryListing) -> ListedEntry {
    let Packed(header) = &listing.header;
    ListedEntry {
        header: header.clone(),
        commitment: listing.commitment.0,
        body_length: listing.body_length,
        body_sha256: listing.body_sha256.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(lane: u8, first: u32, last: u32) -> ReleaseItem {
        ReleaseItem { lane: LaneId([lane; 32]), first, last }
    }

    #[test]
    fn long_ranges_are_cut_at_the_limit() {
        assert!(split(&[]).is_empty());
        assert_eq!(split(&[item(1, 0, 255)]), [[item(1, 0, 255)]]);
        assert_eq!(split(&[item(1, 0, 256)]), [[item(1, 0, 255)], [item(1, 256, 256)]]);
        assert_eq!(
            split(&[item(1, 10, 19), item(2, 0, 300)]),
            [vec![item(1, 10, 19), item(2, 0, 245)], vec![item(2, 246, 300)]]
        );
        let top = u32::MAX - 1;
        assert_eq!(split(&[item(1, top - 1, top)]), [[item(1, top - 1, top)]]);
        let singles: Vec<_> = (0..300).map(|n| item(1, 2 * n, 2 * n)).collect();
        let parts = split(&singles);
        assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [256, 44]);
        assert_eq!(parts.concat(), singles);
    }
}
