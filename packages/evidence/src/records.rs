//! From the header to the contracts' records: app hash, store, record, and what must be in it.

use casewise_ledger::records::{IdentityRecord, InstitutionRecord, LaneRecord, ns, store_key};
use casewise_ledger::{LaneHeader, Party};
use ics23::{HostFunctionsManager, iavl_spec, tendermint_spec, verify_membership};

use crate::blocks::Block;
use crate::canonical;
use crate::model::{Evidence, StateProof, TrustAnchor};
use crate::reason::{ReasonCode, Refusal, require};
use crate::verdict::Author;

/// Name of the contracts' store.
const STORE: &[u8] = b"wasm";

/// The lane as the chain had it.
pub(crate) struct Proven {
    pub lane: LaneHeader,
    pub record: LaneRecord,
    pub author: Author,
}

/// Checks the two records of a file under its header.
pub(crate) fn check(file: &Evidence, anchor: &TrustAnchor, header: &Block) -> Result<Proven, Refusal> {
    for (field, height) in [("state", file.state.height), ("author", file.author.height)] {
        require(height.checked_add(1) == Some(header.height), ReasonCode::Height, || {
            format!("{field} is of height {height}, the header of {}", header.height)
        })?;
    }
    prove(&file.state, header, "state", (ReasonCode::AppHash, ReasonCode::Store))?;
    let lane: LaneHeader = canonical::borsh(&file.lane_header)
        .map_err(|_| canonical::encoding("lane_header", "not a lane header"))?;
    let record = lane_record(file, anchor, &lane)?;
    prove(&file.author, header, "author", (ReasonCode::AuthorProof, ReasonCode::AuthorProof))?;
    let author = author(file, anchor, &lane)?;
    Ok(Proven { lane, record, author })
}

/// Store's root under the app hash, then key and value under the store's root.
fn prove(
    state: &StateProof,
    header: &Block,
    field: &str,
    codes: (ReasonCode, ReasonCode),
) -> Result<(), Refusal> {
    let store_field = format!("{field}.store");
    let store = canonical::proof(&state.store, &store_field)?;
    let root = canonical::existence(&store, &store_field)?.value.clone();
    let held =
        verify_membership::<HostFunctionsManager>(&store, &tendermint_spec(), &header.app_hash, STORE, &root);
    require(held, codes.0, || {
        format!("{store_field} does not lead to the app hash of height {}", header.height)
    })?;
    let iavl = canonical::proof(&state.iavl, &format!("{field}.iavl"))?;
    let held =
        verify_membership::<HostFunctionsManager>(&iavl, &iavl_spec(), &root, &state.key, &state.value);
    require(held, codes.1, || format!("{field}.iavl does not prove key and value in the store"))
}

fn lane_record(file: &Evidence, anchor: &TrustAnchor, lane: &LaneHeader) -> Result<LaneRecord, Refusal> {
    let summary = anchor.summary.iter().find(|summary| summary.address == file.contract);
    let summary = summary
        .ok_or_else(|| Refusal::new(ReasonCode::Contract, "contract is not a summary of the trust anchor"))?;
    require(summary.code_checksum == file.code_checksum, ReasonCode::CodeChecksum, || {
        "code_checksum is not that of the trust anchor".into()
    })?;
    let key = store_key(&summary.address, ns::LANE, &lane.id().0);
    require(file.state.key == key, ReasonCode::StateKey, || {
        format!("state.key is not the record of lane {}", lane.id())
    })?;
    let record: LaneRecord = canonical::borsh(&file.state.value)
        .map_err(|_| Refusal::new(ReasonCode::StateValue, "state.value is not a lane record"))?;
    require(record.case == lane.case, ReasonCode::Case, || format!("the record is of case {}", record.case))?;
    require(record.author == lane.author, ReasonCode::Author, || {
        format!("the record names {}", record.author)
    })?;
    require(record.class == lane.class && record.signer == lane.signer, ReasonCode::Lane, || {
        "class or signer of the record are not those of the lane header".into()
    })?;
    Ok(record)
}

/// The registrar's record of the author: an institution by its number, an account as the holder of
/// the case.
fn author(file: &Evidence, anchor: &TrustAnchor, lane: &LaneHeader) -> Result<Author, Refusal> {
    let unreadable = |_| Refusal::new(ReasonCode::AuthorValue, "author.value is not a record of the author");
    let key_of = |namespace, id: &[u8]| {
        require(file.author.key == store_key(&anchor.registrar, namespace, id), ReasonCode::AuthorKey, || {
            format!("author.key is not the record of {}", lane.author)
        })
    };
    match lane.author {
        Party::Institution(number) => {
            key_of(ns::INSTITUTION, &number.to_be_bytes())?;
            let record: InstitutionRecord = canonical::borsh(&file.author.value).map_err(unreadable)?;
            Ok(Author::Institution { number, name: record.name, status: record.status })
        }
        Party::Account(account) => {
            key_of(ns::IDENTITY, &lane.case.0)?;
            let record: IdentityRecord = canonical::borsh(&file.author.value).map_err(unreadable)?;
            require(record.holder == account, ReasonCode::AuthorKey, || {
                format!("the registrar names another holder than {account}")
            })?;
            Ok(Author::Holder { account })
        }
    }
}
