//! Taking in: what a hospital's system posts becomes an entry of the case's content lane.
//!
//! Responsible for: refusing what is not what it says it is before anything is stored, and answering
//! a repeated request with the entry it made. Must never store anything of a refused request.

use casewise_api::{
    Hex, Problem, ProblemKind,
    body::{EntryAccepted, IngestKind, IngestQuery, SignedHead},
};
use casewise_ledger::{CaseId, Class, EntryRef, Hash, Kind, LedgerError, data, encode};

use crate::{
    AgentError, App,
    append::{Append, Appended, append},
    fhir::{ShapeCheck, ShapeError, is_fhir_json},
    input::{Input, Intake, MAX_BODY},
    keys::{KeyedHash, Use},
    store::{IdempotencyRow, Refusal},
};

/// A request whose body is still to come.
pub struct Reception<'a> {
    app: &'a App,
    case: CaseId,
    kind: Kind,
    prev: Option<EntryRef>,
    /// The data's length byte and media type.
    prefix: Vec<u8>,
    key: Option<Hash>,
    intake: Intake,
    request: KeyedHash,
    shape: Option<ShapeCheck>,
    length: u64,
}

fn malformed(field: &str, happened: &str) -> Problem {
    Problem::new(ProblemKind::Malformed, happened).field(field)
}

/// Checks everything of a request but its body.
pub async fn receive<'a>(
    app: &'a App,
    query: &IngestQuery,
    media_type: Option<&str>,
    idempotency_key: Option<&str>,
) -> Result<Reception<'a>, AgentError> {
    app.writing()?;
    let kind = Kind::from(query.kind);
    let prefix = prefix(query.kind, media_type)?;
    let case = resolve(app, query).await?;
    let prev = query.prev.map(|name| name.0);
    check_prev(app, query.kind, prev, &case).await?;
    if let Some(key) = idempotency_key {
        casewise_api::header::check_idempotency_key(key)
            .map_err(|error| malformed("Idempotency-Key", &format!("{error}.")))?;
    }
    let mut request = app.keys.hasher(Use::Request);
    request.field(&case.0);
    request.field(&encode(&(kind, prev)));
    request.field(&prefix);
    let fhir = kind.has_media_type() && media_type.is_some_and(is_fhir_json);
    Ok(Reception {
        app,
        case,
        kind,
        prev,
        prefix,
        key: idempotency_key.map(|key| app.keys.hash(Use::IdempotencyKey, key.as_bytes())),
        intake: Intake::default(),
        request,
        shape: fhir.then(ShapeCheck::default),
        length: 0,
    })
}

fn prefix(kind: IngestKind, media_type: Option<&str>) -> Result<Vec<u8>, Problem> {
    match (kind, media_type) {
        (IngestKind::Beat, _) => Ok(vec![0]),
        (_, None) => {
            Err(Problem::new(ProblemKind::MediaType, "There is no Content-Type.").field("Content-Type"))
        }
        (_, Some(media_type)) => data::join(media_type, b"").map_err(|_: LedgerError| {
            Problem::new(ProblemKind::MediaType, "The Content-Type is malformed.").field("Content-Type")
        }),
    }
}

async fn resolve(app: &App, query: &IngestQuery) -> Result<CaseId, AgentError> {
    let case = match (&query.case, &query.identifier) {
        (Some(case), None) => *case,
        (None, Some(identifier)) => {
            let hash = app.keys.hash(Use::Identifier, identifier.as_str().as_bytes());
            let linked = app.store.linked(&hash).await?;
            linked.ok_or_else(|| Problem::from(ProblemKind::UnknownIdentifier).field("identifier"))?
        }
        _ => return Err(malformed("case", "Exactly one of case and identifier must be given.").into()),
    };
    match app.store.case(&case).await? {
        Some(_) => Ok(case),
        None => Err(Problem::from(ProblemKind::UnknownCase).field("case").into()),
    }
}

/// An amendment names an entry of this institution in this case; so does a record that continues one.
async fn check_prev(
    app: &App,
    kind: IngestKind,
    prev: Option<EntryRef>,
    case: &CaseId,
) -> Result<(), AgentError> {
    let Some(prev) = prev else {
        return match kind {
            IngestKind::Amendment => {
                Err(malformed("prev", "An amendment names the entry it corrects.").into())
            }
            _ => Ok(()),
        };
    };
    if kind == IngestKind::Beat {
        return Err(malformed("prev", "A beat continues nothing.").into());
    }
    let lane = app.store.lane(&prev.lane).await?;
    let view = app.store.lane_view(&prev.lane).await?;
    let size = view.map_or(0, |view| view.record.size).max(lane.as_ref().map_or(0, |lane| lane.head.size));
    let known = lane.is_some_and(|lane| {
        lane.header.case == *case && lane.header.class == Class::Content && prev.index < size
    });
    if known { Ok(()) } else { Err(malformed("prev", "There is no such entry here in this case.").into()) }
}

impl Reception<'_> {
    /// Takes a part of the body.
    pub async fn push(&mut self, bytes: &[u8]) -> Result<(), AgentError> {
        self.length += bytes.len() as u64;
        if !self.kind.has_media_type() && self.length > 0 {
            return Err(malformed("body", "A beat has no content.").into());
        }
        if let Some(shape) = &mut self.shape {
            shape.push(bytes).map_err(content)?;
        }
        self.request.update(bytes);
        match self.intake.push(&*self.app.blobs, &*self.app.random, bytes).await? {
            Ok(()) => Ok(()),
            Err(_) => {
                let why = format!("The content is longer than {MAX_BODY} bytes.");
                Err(Problem::new(ProblemKind::TooLarge, &why).field("body").into())
            }
        }
    }

    /// The body is whole: makes the entry, or finds the one that this request made before. The flag
    /// says whether it is new.
    pub async fn finish(mut self) -> Result<(bool, EntryAccepted), AgentError> {
        if let Some(shape) = self.shape.take() {
            shape.finish().map_err(content)?;
        }
        let Self { app, case, kind, prev, prefix, key, intake, request, .. } = self;
        let request = request.finish();
        if let Some(done) = repeated(app, key.as_ref(), &request).await? {
            return Ok((false, accepted_before(app, &case, &done).await?));
        }
        let mut content: Input = intake.finish().await?;
        let idempotency = key.map(|key| (key, request));
        let class = Class::Content;
        let what = Append { case, class, kind, prev, prefix, content: &mut content, idempotency };
        match append(app, what).await? {
            Ok(done) => Ok((true, accepted(app, &case, &done))),
            // The same request came twice at once, and the other one was first.
            Err(Refusal::Idempotency) => match repeated(app, key.as_ref(), &request).await? {
                Some(done) => Ok((false, accepted_before(app, &case, &done).await?)),
                None => Err(AgentError::broken("an idempotency key without its row")),
            },
            Err(refusal) => Err(AgentError::broken(refusal)),
        }
    }
}

fn content(error: ShapeError) -> Problem {
    let happened = format!("{} {}.", error.element, error.reason);
    Problem::new(ProblemKind::Content, &happened).field(error.element)
}

/// The entry that a request with this key made. Refused when that was another request.
async fn repeated(
    app: &App,
    key: Option<&Hash>,
    request: &Hash,
) -> Result<Option<IdempotencyRow>, AgentError> {
    let Some(key) = key else { return Ok(None) };
    match app.store.idempotency(key).await? {
        Some(row) if row.request != *request => {
            Err(Problem::from(ProblemKind::IdempotencyConflict).field("Idempotency-Key").into())
        }
        found => Ok(found),
    }
}

fn accepted(app: &App, case: &CaseId, done: &Appended) -> EntryAccepted {
    EntryAccepted {
        case: *case,
        lane: done.entry.header.lane,
        index: done.entry.header.index,
        leaf: Hex(done.entry.leaf),
        body_length: done.entry.body_length,
        head: done.signed_head(app),
    }
}

async fn accepted_before(
    app: &App,
    case: &CaseId,
    row: &IdempotencyRow,
) -> Result<EntryAccepted, AgentError> {
    let lost = || AgentError::broken("an idempotency key without its entry");
    let lane = app.store.lane(&row.lane).await?.ok_or_else(lost)?;
    let entry = app.store.entries(&row.lane, row.index, 1).await?.pop().ok_or_else(lost)?;
    // The head just read may be of a commit that a restore could not be told from yet.
    app.committer.settled().await?;
    Ok(EntryAccepted {
        case: *case,
        lane: row.lane,
        index: row.index,
        leaf: Hex(entry.leaf),
        body_length: entry.body_length,
        head: SignedHead::sign(row.lane, &lane.head, app.clock.now(), &app.keys.operator),
    })
}
