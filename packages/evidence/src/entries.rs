//! From the proven head to the entries: inclusion, the acceptance rules, key and body, beacon.

use casewise_keytree::OneTimeKey;
use casewise_ledger::{AnchoredHead, Data, EntryHeader, Hash};
use casewise_seal::{AcceptedEntry, ListedEntry, SealError, accept_entry};

use crate::blocks::{Block, Chain};
use crate::canonical;
use crate::limits::MAX_ENTRIES;
use crate::model::{Entry, Evidence, Inclusion};
use crate::reason::{ReasonCode, Refusal, require};
use crate::records::Proven;
use crate::verdict::{BeaconState, BodyState, EntryVerdict};

/// Checks all entries of a file under the proven head.
pub(crate) fn check(
    file: &Evidence,
    proven: &Proven,
    chain: &Chain<'_>,
) -> Result<Vec<EntryVerdict>, Refusal> {
    check_count(file)?;
    let beacon = file.beacon_header.as_ref().map(|bytes| beacon(bytes, chain)).transpose()?;
    let head = AnchoredHead { lane: proven.lane.id(), size: proven.record.size, root: proven.record.root };
    let mut verdicts = Vec::with_capacity(file.entries.len());
    for (number, (entry, inclusion)) in file.entries.iter().zip(&file.inclusion).enumerate() {
        let field = format!("entries[{number}]");
        verdicts.push(check_entry(entry, inclusion, proven, &head, beacon.as_ref(), &field)?);
    }
    let unused =
        beacon.is_some() && verdicts.iter().all(|entry| !matches!(entry.beacon, BeaconState::Proven { .. }));
    require(!unused, ReasonCode::Beacon, || "beacon_header is the beacon of no entry".into())?;
    Ok(verdicts)
}

fn check_count(file: &Evidence) -> Result<(), Refusal> {
    let count = file.entries.len();
    require(count <= MAX_ENTRIES, ReasonCode::TooLarge, || {
        format!("entries: {count} of them, at most {MAX_ENTRIES} are read")
    })?;
    let ascending = file.inclusion.windows(2).all(|pair| pair[0].index < pair[1].index);
    require(count > 0 && count == file.inclusion.len() && ascending, ReasonCode::Entries, || {
        format!("{count} entries and {} inclusion proofs, or not in ascending order", file.inclusion.len())
    })
}

fn check_entry(
    entry: &Entry,
    inclusion: &Inclusion,
    proven: &Proven,
    head: &AnchoredHead,
    beacon: Option<&Block>,
    field: &str,
) -> Result<EntryVerdict, Refusal> {
    require(inclusion.size == head.size, ReasonCode::Head, || {
        format!("{field}: inclusion in a head of size {}, the proven head has {}", inclusion.size, head.size)
    })?;
    let header: EntryHeader = canonical::borsh(&entry.header)
        .map_err(|_| canonical::encoding(field, "header is not an entry header"))?;
    let listed = ListedEntry {
        header,
        commitment: entry.commitment,
        body_length: entry.body_length,
        body_sha256: entry.body_sha256,
    };
    let path = path(&inclusion.path, field)?;
    let accepted = accept_entry(&proven.lane, head, inclusion.index, &listed, &path)
        .map_err(|error| rejected(error, field))?;
    let (body, content) = open(entry, &accepted).map_err(|error| rejected(error, field))?;
    Ok(EntryVerdict::new(&listed, body, content, beacon_state(&listed.header, beacon)))
}

fn path(joined: &[u8], field: &str) -> Result<Vec<Hash>, Refusal> {
    let (hashes, rest) = joined.as_chunks::<32>();
    require(rest.is_empty(), ReasonCode::Encoding, || format!("{field}: path is not a row of hashes"))?;
    Ok(hashes.to_vec())
}

/// Whatever the file holds of key and body is checked, alone or together.
fn open(entry: &Entry, accepted: &AcceptedEntry) -> Result<(BodyState, Option<Data>), SealError> {
    let key = entry.one_time_key.as_ref().map(|key| OneTimeKey::from_bytes(&key.0));
    match (key, &entry.body) {
        (None, None) => Ok((BodyState::Absent, None)),
        (None, Some(body)) => accepted.check_body(body).map(|()| (BodyState::Sealed, None)),
        (Some(key), None) => accepted.entry().check_key(&key).map(|()| (BodyState::KeyOnly, None)),
        (Some(key), Some(body)) => accepted.open(&key, body).map(|data| (BodyState::Opened, Some(data))),
    }
}

fn rejected(error: SealError, field: &str) -> Refusal {
    match error {
        SealError::Rejected(reason) => {
            Refusal::new(ReasonCode::Entry(reason), format!("{field} is rejected ({})", reason.code()))
        }
        other => Refusal::new(ReasonCode::TooLarge, format!("{field}: {other}")),
    }
}

/// The beacon's block, signed by the validators trusted at its height.
fn beacon(bytes: &[u8], chain: &Chain<'_>) -> Result<Block, Refusal> {
    chain.earlier(bytes, "beacon_header").map_err(|refusal| match refusal.code {
        ReasonCode::TooLarge | ReasonCode::Encoding => refusal,
        _ => Refusal::new(ReasonCode::Beacon, refusal.detail),
    })
}

fn beacon_state(header: &EntryHeader, block: Option<&Block>) -> BeaconState {
    let beacon = &header.beacon;
    match block {
        _ if beacon.height == 0 => BeaconState::None,
        Some(block) if block.height == beacon.height && block.hash == beacon.hash => {
            BeaconState::Proven { height: beacon.height, time: block.time_ms }
        }
        _ => BeaconState::Claimed { height: beacon.height },
    }
}
