//! A case for a patient who cannot act: keys of its own, an offer signed with them, and from there
//! the way of every case.

use casewise_api::{
    Problem, ProblemKind,
    body::{CaseOpened, PolicyBody},
    custody::NewCustodialCase,
};
use casewise_ledger::{CaseCard, CaseOffer, Hash, V1, case::kem_hash, records::Policy};
use casewise_protocol::rules;

use super::keys::{self, CustodyKeys};
use crate::{
    AgentError, App,
    keys::Use,
    onboard,
    store::{Batch, CaseRow, CaseState, CustodyRow, CustodyWrite, Write},
};

/// How long the offer is valid that a custodial holder makes to its own institution, ms: a week.
pub const OFFER_LIFE_MS: u64 = 7 * 86_400_000;

/// Makes a custodial case. The flag says whether it is new; the same request again changes nothing,
/// but for a case that the chain refused: it is tried again.
pub async fn enrol(
    app: &App,
    request: &NewCustodialCase,
    idempotency_key: Option<&str>,
) -> Result<(bool, CaseOpened), AgentError> {
    app.writing()?;
    let asked = Asked::read(app, request, idempotency_key)?;
    if let Some(row) = app.store.custody_of_request(&asked.key).await? {
        return again(app, &asked, &row).await;
    }
    let keys = CustodyKeys::draw(&*app.random)?;
    let offer = offer(app, &keys)?;
    let case = offer.card.id();
    let sealed = Some(keys::seal(&app.keys, &case, &keys, &*app.random)?);
    let custody = CustodyRow { case, request_key: asked.key, request: asked.request, sealed, claim: None };
    let mut more: Batch = vec![Write::Custody(CustodyWrite::New(Box::new(custody)))];
    more.extend(asked.identifier.map(|identifier| Write::Link { identifier, case }));
    let row = CaseRow { case, offer, policy: asked.policy.clone(), state: CaseState::Offered, error: None };
    onboard::store(app, row, false, more).await?;
    app.work.notify_one();
    // The same request may have come twice at once: what was stored first is answered.
    match app.store.custody_of_request(&asked.key).await? {
        Some(row) if row.case == case => Ok((true, onboard::opened(app, &case).await?)),
        Some(row) => again(app, &asked, &row).await,
        None => Err(AgentError::broken("a custodial case could not be stored")),
    }
}

/// What a request says, checked.
struct Asked {
    policy: Policy,
    /// Keyed hash of the identifier to be linked.
    identifier: Option<Hash>,
    /// Keyed hash of the idempotency key.
    key: Hash,
    /// Keyed hash of the rest.
    request: Hash,
}

impl Asked {
    fn read(app: &App, request: &NewCustodialCase, key: Option<&str>) -> Result<Self, Problem> {
        let malformed =
            |field: &str, happened: String| Problem::new(ProblemKind::Malformed, &happened).field(field);
        let key = key.ok_or_else(|| {
            let why = "This request makes a case, so it needs the header Idempotency-Key.";
            malformed("Idempotency-Key", why.into())
        })?;
        casewise_api::header::check_idempotency_key(key)
            .map_err(|error| malformed("Idempotency-Key", format!("{error}.")))?;
        let PolicyBody { cadence, lateness, grace, completion } = request.policy;
        let policy = Policy::from(request.policy);
        rules::policy_limits(&policy).map_err(|refusal| malformed("policy", format!("{refusal}.")))?;
        let identifier =
            request.link.as_ref().map(|link| link.identifier()).transpose().map_err(|error| {
                let system =
                    request.link.as_ref().is_some_and(|l| l.system.is_empty() || l.system.contains('|'));
                malformed(if system { "link.system" } else { "link.value" }, format!("{error}."))
            })?;
        let identifier =
            identifier.map(|identifier| app.keys.hash(Use::Identifier, identifier.as_str().as_bytes()));
        let mut hashed_key = app.keys.hasher(Use::IdempotencyKey);
        hashed_key.field(b"custodial");
        hashed_key.field(key.as_bytes());
        let mut said = app.keys.hasher(Use::Request);
        said.field(b"custodial");
        for number in [cadence, lateness, grace, completion] {
            said.field(&number.to_be_bytes());
        }
        said.field(identifier.as_ref().map_or(&[][..], |identifier| identifier));
        Ok(Self { policy, identifier, key: hashed_key.finish(), request: said.finish() })
    }
}

/// A request that came before.
async fn again(app: &App, asked: &Asked, row: &CustodyRow) -> Result<(bool, CaseOpened), AgentError> {
    if row.request != asked.request {
        return Err(Problem::from(ProblemKind::IdempotencyConflict).field("Idempotency-Key").into());
    }
    let known = app.store.case(&row.case).await?;
    let known = known.ok_or_else(|| AgentError::broken("a custodial case has no row of its own"))?;
    if let (CaseState::Refused, Some(sealed)) = (known.state, &row.sealed) {
        let keys = keys::open(&app.keys, &row.case, sealed)?;
        let offer = sign(known.offer.card, &keys, app.config.institution, app.clock.now() + OFFER_LIFE_MS);
        let row = CaseRow { offer, state: CaseState::Offered, error: None, ..known };
        onboard::store(app, row, true, Batch::new()).await?;
        app.work.notify_one();
    }
    Ok((false, onboard::opened(app, &row.case).await?))
}

/// The offer that the new holder makes to this institution. It has no recovery account: whoever
/// claims the case names one.
fn offer(app: &App, keys: &CustodyKeys) -> Result<CaseOffer, AgentError> {
    let mut salt = [0; 32];
    app.random.fill(&mut salt)?;
    let kem = kem_hash(keys.kem.public().as_bytes());
    let card = CaseCard { version: V1, net: app.net, holder: keys.holder.address(), kem, salt };
    Ok(sign(card, keys, app.config.institution, app.clock.now() + OFFER_LIFE_MS))
}

fn sign(card: CaseCard, keys: &CustodyKeys, institution: u32, expires: u64) -> CaseOffer {
    let signature = keys.holder.sign_message(&card.open_message(None, institution, expires));
    CaseOffer {
        version: V1,
        card,
        kem_key: *keys.kem.public().as_bytes(),
        recovery: None,
        institution,
        expires,
        key: keys.holder.public().0,
        signature,
    }
}
