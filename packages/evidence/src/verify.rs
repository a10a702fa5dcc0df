//! The checks in their order.

use crate::model::{Evidence, TrustAnchor, VERSION};
use crate::reason::{ReasonCode, Refusal, require};
use crate::verdict::{ASSUMPTIONS, Verdict, not_checked};
use crate::{blocks, entries, records};

/// Reads and verifies a file.
///
/// # Errors
/// The first check that fails; nothing of the file may be relied on then.
pub fn verify_bytes(file: &[u8], anchor: &TrustAnchor) -> Result<Verdict, Refusal> {
    verify(&Evidence::from_json(file)?, anchor)
}

/// Verifies evidence that was read.
///
/// # Errors
/// The first check that fails; nothing of the file may be relied on then.
pub fn verify(file: &Evidence, anchor: &TrustAnchor) -> Result<Verdict, Refusal> {
    require(file.v == VERSION, ReasonCode::Version, || format!("the file is of version {}", file.v))?;
    let chain = blocks::follow(file, anchor)?;
    let proven = records::check(file, anchor, &chain.header)?;
    let entries = entries::check(file, &proven, &chain)?;
    let (record, header) = (proven.record, &chain.header);
    Ok(Verdict {
        chain_id: anchor.chain_id.clone(),
        case: record.case,
        lane: proven.lane.id(),
        class: record.class,
        lane_status: record.status,
        author: proven.author,
        size: record.size,
        seen: record.seen,
        anchored_height: record.height,
        anchored_time: record.time,
        height: file.state.height,
        header_time: header.time_ms,
        header_hash: hex::encode(header.hash),
        signed_power: header.signed_power,
        total_power: header.total_power,
        anchor_height: anchor.height,
        links: file.links.len(),
        not_checked: not_checked(&entries),
        entries,
        assumptions: ASSUMPTIONS,
    })
}
