//! The events of the contracts: one typed value each, its form on chain and the parser of that
//! form. An event carries ids, numbers and hashes only: never a host of a case, a name, free text
//! or a guessable hash.
//!
//! On chain the type is `wasm-<name>`, ids and accounts are lower-case hexadecimal, numbers
//! decimal, packed structs base64 of borsh; attribute `v` is the version.

use core::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};
use casewise_ledger::{Address, AnchoredHead, CaseId, Commitment, Hash, Head, LaneHeader, LaneId, records};
use cosmwasm_std::{Binary, HexBinary};

use crate::convert::{
    DisputeCode, EmergencyReason, GrantStatus, InstitutionStatus, PractitionerStatus, RelationshipStatus,
    ReviewOutcome,
};

/// Version of the events, attribute `v`.
pub const VERSION: &str = "1";
/// What the chain puts before the type of a contract's event.
pub const TYPE_PREFIX: &str = "wasm-";
/// Attribute in which the chain names the contract that made the event.
pub const CONTRACT_ATTRIBUTE: &str = "_contract_address";
/// Attribute in which the chain names the message's position in its transaction.
const MESSAGE_ATTRIBUTE: &str = "msg_index";

/// Something that happened on chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// registrar: an institution was admitted.
    InstitutionRegistered {
        /// Its number.
        number: u32,
        /// Its main account.
        account: Address,
    },
    /// registrar: name, endpoint or key of an institution changed.
    InstitutionUpdated {
        /// Its number.
        number: u32,
    },
    /// registrar: an institution was suspended or resumed.
    InstitutionStatus {
        /// Its number.
        number: u32,
        /// The new status.
        status: records::InstitutionStatus,
    },
    /// registrar: an institution got an operator.
    OperatorAdded {
        /// Its number.
        institution: u32,
        /// The operator.
        account: Address,
    },
    /// registrar: an institution lost an operator.
    OperatorRemoved {
        /// Its number.
        institution: u32,
        /// The operator.
        account: Address,
    },
    /// registrar: a case's virtual identity was enrolled.
    IdentityEnrolled {
        /// The case.
        case: CaseId,
        /// Who enrolled it.
        institution: u32,
    },
    /// registrar: an account was proposed as authority, or the proposal taken back.
    AuthorityProposed,
    /// registrar: the proposed account is the authority now.
    AuthorityChanged,
    /// registrar: new registrations were stopped or allowed again.
    RegistrationsPaused {
        /// Stopped.
        paused: bool,
    },
    /// registrar: a practitioner was registered, suspended or resumed.
    PractitionerChanged {
        /// Its account.
        account: Address,
        /// Where it works.
        institution: u32,
        /// The new status.
        status: records::PractitionerStatus,
    },
    /// registrar: a custodial case is offered to its patient.
    ClaimOffered {
        /// The case.
        case: CaseId,
        /// End of the offer, Unix ms.
        until: u64,
    },
    /// registrar: that offer was taken back.
    ClaimWithdrawn {
        /// The case.
        case: CaseId,
    },
    /// registrar: a case has another holder and key.
    IdentityRotated {
        /// The case.
        case: CaseId,
        /// The key's new epoch.
        epoch: u32,
        /// How it came about.
        cause: RotationCause,
    },
    /// registrar: a recovery was started.
    RecoveryStarted {
        /// The case.
        case: CaseId,
        /// When it can be finished, Unix ms.
        ready: u64,
    },
    /// registrar: an institution attested a recovery.
    RecoveryAttested {
        /// The case.
        case: CaseId,
        /// The institution.
        institution: u32,
    },
    /// registrar: a recovery was stopped.
    RecoveryStopped {
        /// The case.
        case: CaseId,
        /// By the holder's veto; else by the recovery account itself.
        vetoed: bool,
    },
    /// ppr: an institution was invited, or the invitation taken back.
    InvitationChanged {
        /// The case.
        case: CaseId,
        /// The institution.
        institution: u32,
        /// It is invited.
        invited: bool,
    },
    /// ppr: a delegate was named, changed or removed.
    DelegateChanged {
        /// The case.
        case: CaseId,
        /// Its account.
        account: Address,
        /// Its powers, a bit each; 0 when removed.
        powers: u16,
        /// End, Unix ms; 0 none.
        until: u64,
    },
    /// ppr: a case was opened in an emergency.
    EmergencyOpened {
        /// The case.
        case: CaseId,
        /// Its number in the case.
        number: u32,
        /// Who.
        practitioner: Address,
        /// Where the practitioner works.
        institution: u32,
        /// Why.
        reason: records::EmergencyReason,
        /// End, Unix ms.
        until: u64,
    },
    /// ppr: an emergency access was ended before its time. The counter went up if the holder's side or
    /// the consortium ended it.
    EmergencyEnded {
        /// The case.
        case: CaseId,
        /// Its number in the case.
        number: u32,
        /// The case's counter after it.
        rev: u32,
    },
    /// ppr: an emergency access was reviewed.
    EmergencyReviewed {
        /// The case.
        case: CaseId,
        /// Its number in the case.
        number: u32,
        /// What the review found.
        outcome: records::ReviewOutcome,
    },
    /// ppr: a case's counter went up because it has another holder.
    RevRaised {
        /// The case.
        case: CaseId,
        /// The counter.
        rev: u32,
    },
    /// summary: a case is wound up.
    CaseClosing {
        /// The case.
        case: CaseId,
        /// Unix ms.
        deadline: u64,
    },
    /// summary: a case's completion was proposed.
    CompletionProposed {
        /// The case.
        case: CaseId,
        /// Its digest.
        digest: Hash,
        /// When anyone may finish it, Unix ms.
        deadline: u64,
    },
    /// summary: a case is completed.
    CaseCompleted {
        /// The case.
        case: CaseId,
        /// Its digest.
        digest: Hash,
    },
    /// summary: a completion was objected to; the case is open again.
    CaseReopened {
        /// The case.
        case: CaseId,
        /// The digest objected to.
        digest: Hash,
    },
    /// summary: a device lane's key was in other hands.
    LaneCompromised {
        /// The lane.
        lane: LaneId,
        /// The first entry in doubt.
        index: u32,
    },
    /// summary: an entry is disputed.
    EntryDisputed {
        /// The case.
        case: CaseId,
        /// The lane.
        lane: LaneId,
        /// Its position.
        index: u32,
        /// What is wrong with it.
        code: records::DisputeCode,
    },
    /// summary: a dispute was taken back.
    DisputeWithdrawn {
        /// The case.
        case: CaseId,
        /// The lane.
        lane: LaneId,
        /// Its position.
        index: u32,
    },
    /// summary: an author was proven to have given two histories of a lane.
    ConflictProven {
        /// The lane.
        lane: LaneId,
        /// The position with two contents.
        index: u32,
    },
    /// ppr: a relationship changed.
    RelationshipChanged {
        /// The case.
        case: CaseId,
        /// The institution.
        institution: u32,
        /// The new status.
        status: records::RelationshipStatus,
    },
    /// ppr: a grant was made.
    GrantMade {
        /// The case.
        case: CaseId,
        /// The grant.
        commitment: Commitment,
        /// First UTC day.
        first: u32,
        /// Last UTC day, inclusive.
        last: u32,
    },
    /// ppr: a grant was revoked, or its expiry made known.
    GrantEnded {
        /// The case.
        case: CaseId,
        /// The grant.
        commitment: Commitment,
        /// The new status.
        status: records::GrantStatus,
        /// The case's counter after it.
        rev: u32,
    },
    /// ppr: an author acknowledged a `rev`.
    Acked {
        /// The case.
        case: CaseId,
        /// The author.
        institution: u32,
        /// The `rev`.
        rev: u32,
    },
    /// summary: a lane was opened.
    LaneOpened {
        /// Its header; the lane id is its hash.
        header: LaneHeader,
    },
    /// summary: heads were anchored; one event per message.
    Anchored {
        /// The heads that changed, in ascending lane.
        heads: Vec<AnchoredHead>,
    },
    /// summary: a lane was closed at its last head and goes on as another.
    LaneRotated {
        /// The last head of the old lane.
        last: AnchoredHead,
        /// Header of the new one.
        next: LaneHeader,
    },
    /// summary: a lane got a deadline.
    LaneClosing {
        /// The lane.
        lane: LaneId,
        /// Unix ms.
        deadline: u64,
    },
    /// summary: a lane was closed without a successor.
    LaneClosed {
        /// The lane.
        lane: LaneId,
        /// Its case.
        case: CaseId,
        /// Its last head.
        head: Head,
    },
    /// summary: the holder acknowledged what it has seen of a lane.
    Seen {
        /// The case.
        case: CaseId,
        /// The lane.
        lane: LaneId,
        /// Entries seen.
        size: u32,
    },
}

/// How a case came to another holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RotationCause {
    /// The holder did it.
    Rotation,
    /// The patient claimed a custodial case.
    Claim,
    /// By the recovery account.
    Recovery,
}

impl RotationCause {
    /// Every value.
    pub const ALL: [Self; 3] = [Self::Rotation, Self::Claim, Self::Recovery];

    /// The word in events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rotation => "rotation",
            Self::Claim => "claim",
            Self::Recovery => "recovery",
        }
    }

    /// The value of a word, if it is one.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == word)
    }
}

/// Why an event of ours was not understood. The reader must stop, not skip it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// An attribute is absent.
    #[error("event {event}: attribute {key} is missing; this program and the contract differ in version")]
    Missing {
        /// The event's name.
        event: &'static str,
        /// The attribute.
        key: &'static str,
    },
    /// An attribute does not parse.
    #[error("event {event}: attribute {key} does not parse; this program and the contract differ in version")]
    Invalid {
        /// The event's name.
        event: &'static str,
        /// The attribute.
        key: &'static str,
    },
    /// An attribute occurs twice or is not one of this version.
    #[error(
        "event {event}: an attribute is unknown or occurs twice; this program and the contract differ in version"
    )]
    Unexpected {
        /// The event's name.
        event: &'static str,
    },
    /// The event is of a version this program does not know.
    #[error("event {event}: not version 1; update this program")]
    Version {
        /// The event's name.
        event: &'static str,
    },
}

/// Names of the events, without [`TYPE_PREFIX`].
mod name {
    pub const INSTITUTION_REGISTERED: &str = "institution_registered";
    pub const INSTITUTION_UPDATED: &str = "institution_updated";
    pub const INSTITUTION_STATUS: &str = "institution_status";
    pub const OPERATOR_ADDED: &str = "operator_added";
    pub const OPERATOR_REMOVED: &str = "operator_removed";
    pub const IDENTITY_ENROLLED: &str = "identity_enrolled";
    pub const RELATIONSHIP_CHANGED: &str = "relationship_changed";
    pub const GRANT_MADE: &str = "grant_made";
    pub const GRANT_ENDED: &str = "grant_ended";
    pub const ACKED: &str = "acked";
    pub const LANE_OPENED: &str = "lane_opened";
    pub const ANCHORED: &str = "anchored";
    pub const LANE_ROTATED: &str = "lane_rotated";
    pub const LANE_CLOSING: &str = "lane_closing";
    pub const LANE_CLOSED: &str = "lane_closed";
    pub const SEEN: &str = "seen";
    pub const AUTHORITY_PROPOSED: &str = "authority_proposed";
    pub const AUTHORITY_CHANGED: &str = "authority_changed";
    pub const REGISTRATIONS_PAUSED: &str = "registrations_paused";
    pub const PRACTITIONER_CHANGED: &str = "practitioner_changed";
    pub const CLAIM_OFFERED: &str = "claim_offered";
    pub const CLAIM_WITHDRAWN: &str = "claim_withdrawn";
    pub const IDENTITY_ROTATED: &str = "identity_rotated";
    pub const RECOVERY_STARTED: &str = "recovery_started";
    pub const RECOVERY_ATTESTED: &str = "recovery_attested";
    pub const RECOVERY_STOPPED: &str = "recovery_stopped";
    pub const INVITATION_CHANGED: &str = "invitation_changed";
    pub const DELEGATE_CHANGED: &str = "delegate_changed";
    pub const EMERGENCY_OPENED: &str = "emergency_opened";
    pub const EMERGENCY_ENDED: &str = "emergency_ended";
    pub const EMERGENCY_REVIEWED: &str = "emergency_reviewed";
    pub const REV_RAISED: &str = "rev_raised";
    pub const CASE_CLOSING: &str = "case_closing";
    pub const COMPLETION_PROPOSED: &str = "completion_proposed";
    pub const CASE_COMPLETED: &str = "case_completed";
    pub const CASE_REOPENED: &str = "case_reopened";
    pub const LANE_COMPROMISED: &str = "lane_compromised";
    pub const ENTRY_DISPUTED: &str = "entry_disputed";
    pub const DISPUTE_WITHDRAWN: &str = "dispute_withdrawn";
    pub const CONFLICT_PROVEN: &str = "conflict_proven";

    pub const ALL: [&str; 40] = [
        INSTITUTION_REGISTERED,
        INSTITUTION_UPDATED,
        INSTITUTION_STATUS,
        OPERATOR_ADDED,
        OPERATOR_REMOVED,
        IDENTITY_ENROLLED,
        RELATIONSHIP_CHANGED,
        GRANT_MADE,
        GRANT_ENDED,
        ACKED,
        LANE_OPENED,
        ANCHORED,
        LANE_ROTATED,
        LANE_CLOSING,
        LANE_CLOSED,
        SEEN,
        AUTHORITY_PROPOSED,
        AUTHORITY_CHANGED,
        REGISTRATIONS_PAUSED,
        PRACTITIONER_CHANGED,
        CLAIM_OFFERED,
        CLAIM_WITHDRAWN,
        IDENTITY_ROTATED,
        RECOVERY_STARTED,
        RECOVERY_ATTESTED,
        RECOVERY_STOPPED,
        INVITATION_CHANGED,
        DELEGATE_CHANGED,
        EMERGENCY_OPENED,
        EMERGENCY_ENDED,
        EMERGENCY_REVIEWED,
        REV_RAISED,
        CASE_CLOSING,
        COMPLETION_PROPOSED,
        CASE_COMPLETED,
        CASE_REOPENED,
        LANE_COMPROMISED,
        ENTRY_DISPUTED,
        DISPUTE_WITHDRAWN,
        CONFLICT_PROVEN,
    ];
}

/// An attribute's value before it becomes text.
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Word(&'static str),
    Packed(Vec<u8>),
}

impl Value<'_> {
    fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Bytes(bytes) => HexBinary::from(*bytes).to_hex(),
            Self::Word(word) => (*word).to_string(),
            Self::Packed(bytes) => Binary::from(bytes.as_slice()).to_base64(),
        }
    }
}

fn number(value: u32) -> Value<'static> {
    Value::Number(u64::from(value))
}

/// The words of false and true.
const TRUTH: [&str; 2] = ["false", "true"];

fn truth(value: bool) -> Value<'static> {
    Value::Word(TRUTH[usize::from(value)])
}

fn packed<T: BorshSerialize>(value: &T) -> Value<'static> {
    Value::Packed(casewise_ledger::encode(value))
}

/// Name and attributes of an event.
type Parts<'a> = (&'static str, Vec<(&'static str, Value<'a>)>);

/// Attributes being read.
struct Reader<'a> {
    event: &'static str,
    attributes: &'a [(String, String)],
    taken: usize,
}

impl<'a> Reader<'a> {
    /// Refuses another version.
    fn new(event: &'static str, attributes: &'a [(String, String)]) -> Result<Self, EventError> {
        let mut reader = Self { event, attributes, taken: 0 };
        if reader.text("v")? == VERSION { Ok(reader) } else { Err(EventError::Version { event }) }
    }

    fn text(&mut self, key: &'static str) -> Result<&'a str, EventError> {
        let found = self.attributes.iter().find(|(name, _)| name == key);
        self.taken += 1;
        found.map(|(_, value)| value.as_str()).ok_or(EventError::Missing { event: self.event, key })
    }

    /// Every attribute but the chain's own was read once.
    fn finish(self, event: Event) -> Result<Event, EventError> {
        let ours = |(key, _): &&(String, String)| key != CONTRACT_ATTRIBUTE && key != MESSAGE_ATTRIBUTE;
        if self.attributes.iter().filter(ours).count() == self.taken {
            Ok(event)
        } else {
            Err(EventError::Unexpected { event: self.event })
        }
    }

    fn parse<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, EventError> {
        let event = self.event;
        parse(self.text(key)?).ok_or(EventError::Invalid { event, key })
    }

    /// Decimal, in the one form that printing gives.
    fn number<T: FromStr + ToString>(&mut self, key: &'static str) -> Result<T, EventError> {
        self.parse(key, |text| text.parse().ok().filter(|number: &T| number.to_string() == text))
    }

    /// An id or account: lower-case hexadecimal of its length.
    fn id<T: FromStr>(&mut self, key: &'static str) -> Result<T, EventError> {
        self.parse(key, |text| text.parse().ok())
    }

    fn hash(&mut self, key: &'static str) -> Result<Hash, EventError> {
        self.id::<CaseId>(key).map(|id| id.0)
    }

    fn truth(&mut self, key: &'static str) -> Result<bool, EventError> {
        self.parse(key, |text| TRUTH.iter().position(|word| *word == text).map(|at| at == 1))
    }

    fn packed<T: BorshDeserialize>(&mut self, key: &'static str) -> Result<T, EventError> {
        self.parse(key, |text| {
            let bytes = Binary::from_base64(text).ok()?;
            casewise_ledger::decode(bytes.as_slice()).ok()
        })
    }
}

impl Event {
    /// The form in which a contract emits it.
    pub fn into_cosmwasm(self) -> cosmwasm_std::Event {
        let (name, attributes) = self.parts();
        let event = cosmwasm_std::Event::new(name).add_attribute("v", VERSION);
        attributes.iter().fold(event, |event, (key, value)| event.add_attribute(*key, value.text()))
    }

    fn parts(&self) -> Parts<'_> {
        use Value::{Bytes, Word};
        match self {
            Self::InstitutionRegistered { number: n, account } => {
                (name::INSTITUTION_REGISTERED, vec![("number", number(*n)), ("account", Bytes(&account.0))])
            }
            Self::InstitutionUpdated { number: n } => {
                (name::INSTITUTION_UPDATED, vec![("number", number(*n))])
            }
            Self::InstitutionStatus { number: n, status } => {
                let status = InstitutionStatus::from(*status).as_str();
                (name::INSTITUTION_STATUS, vec![("number", number(*n)), ("status", Word(status))])
            }
            Self::OperatorAdded { institution, account } => {
                (name::OPERATOR_ADDED, operator(*institution, account))
            }
            Self::OperatorRemoved { institution, account } => {
                (name::OPERATOR_REMOVED, operator(*institution, account))
            }
            Self::IdentityEnrolled { case, institution } => (
                name::IDENTITY_ENROLLED,
                vec![("case", Bytes(&case.0)), ("institution", number(*institution))],
            ),
            Self::RelationshipChanged { case, institution, status } => {
                let status = RelationshipStatus::from(*status).as_str();
                let attributes = vec![
                    ("case", Bytes(&case.0)),
                    ("institution", number(*institution)),
                    ("status", Word(status)),
                ];
                (name::RELATIONSHIP_CHANGED, attributes)
            }
            Self::GrantMade { case, commitment, first, last } => {
                let mut attributes = grant(case, commitment);
                attributes.extend([("first", number(*first)), ("last", number(*last))]);
                (name::GRANT_MADE, attributes)
            }
            Self::GrantEnded { case, commitment, status, rev } => {
                let mut attributes = grant(case, commitment);
                attributes.push(("status", Word(GrantStatus::from(*status).as_str())));
                attributes.push(("rev", number(*rev)));
                (name::GRANT_ENDED, attributes)
            }
            Self::Acked { case, institution, rev } => {
                let attributes = vec![
                    ("case", Bytes(&case.0)),
                    ("institution", number(*institution)),
                    ("rev", number(*rev)),
                ];
                (name::ACKED, attributes)
            }
            Self::AuthorityProposed => (name::AUTHORITY_PROPOSED, Vec::new()),
            Self::AuthorityChanged => (name::AUTHORITY_CHANGED, Vec::new()),
            Self::RegistrationsPaused { paused } => {
                (name::REGISTRATIONS_PAUSED, vec![("paused", truth(*paused))])
            }
            Self::PractitionerChanged { account, institution, status } => (
                name::PRACTITIONER_CHANGED,
                vec![
                    ("account", Bytes(&account.0)),
                    ("institution", number(*institution)),
                    ("status", Word(PractitionerStatus::from(*status).as_str())),
                ],
            ),
            Self::ClaimOffered { case, until } => {
                (name::CLAIM_OFFERED, vec![("case", Bytes(&case.0)), ("until", Value::Number(*until))])
            }
            Self::ClaimWithdrawn { case } => (name::CLAIM_WITHDRAWN, vec![("case", Bytes(&case.0))]),
            Self::IdentityRotated { case, epoch, cause } => (
                name::IDENTITY_ROTATED,
                vec![("case", Bytes(&case.0)), ("epoch", number(*epoch)), ("cause", Word(cause.as_str()))],
            ),
            Self::RecoveryStarted { case, ready } => {
                (name::RECOVERY_STARTED, vec![("case", Bytes(&case.0)), ("ready", Value::Number(*ready))])
            }
            Self::RecoveryAttested { case, institution } => (
                name::RECOVERY_ATTESTED,
                vec![("case", Bytes(&case.0)), ("institution", number(*institution))],
            ),
            Self::RecoveryStopped { case, vetoed } => {
                (name::RECOVERY_STOPPED, vec![("case", Bytes(&case.0)), ("vetoed", truth(*vetoed))])
            }
            Self::InvitationChanged { case, institution, invited } => (
                name::INVITATION_CHANGED,
                vec![
                    ("case", Bytes(&case.0)),
                    ("institution", number(*institution)),
                    ("invited", truth(*invited)),
                ],
            ),
            Self::DelegateChanged { case, account, powers, until } => (
                name::DELEGATE_CHANGED,
                vec![
                    ("case", Bytes(&case.0)),
                    ("account", Bytes(&account.0)),
                    ("powers", number(u32::from(*powers))),
                    ("until", Value::Number(*until)),
                ],
            ),
            Self::EmergencyOpened { case, number: n, practitioner, institution, reason, until } => (
                name::EMERGENCY_OPENED,
                vec![
                    ("case", Bytes(&case.0)),
                    ("number", number(*n)),
                    ("practitioner", Bytes(&practitioner.0)),
                    ("institution", number(*institution)),
                    ("reason", Word(EmergencyReason::from(*reason).as_str())),
                    ("until", Value::Number(*until)),
                ],
            ),
            Self::EmergencyEnded { case, number: n, rev } => (
                name::EMERGENCY_ENDED,
                vec![("case", Bytes(&case.0)), ("number", number(*n)), ("rev", number(*rev))],
            ),
            Self::EmergencyReviewed { case, number: n, outcome } => (
                name::EMERGENCY_REVIEWED,
                vec![
                    ("case", Bytes(&case.0)),
                    ("number", number(*n)),
                    ("outcome", Word(ReviewOutcome::from(*outcome).as_str())),
                ],
            ),
            Self::RevRaised { case, rev } => {
                (name::REV_RAISED, vec![("case", Bytes(&case.0)), ("rev", number(*rev))])
            }
            Self::CaseClosing { case, deadline } => {
                (name::CASE_CLOSING, vec![("case", Bytes(&case.0)), ("deadline", Value::Number(*deadline))])
            }
            Self::CompletionProposed { case, digest, deadline } => (
                name::COMPLETION_PROPOSED,
                vec![
                    ("case", Bytes(&case.0)),
                    ("digest", Bytes(digest)),
                    ("deadline", Value::Number(*deadline)),
                ],
            ),
            Self::CaseCompleted { case, digest } => {
                (name::CASE_COMPLETED, vec![("case", Bytes(&case.0)), ("digest", Bytes(digest))])
            }
            Self::CaseReopened { case, digest } => {
                (name::CASE_REOPENED, vec![("case", Bytes(&case.0)), ("digest", Bytes(digest))])
            }
            Self::LaneCompromised { lane, index } => {
                (name::LANE_COMPROMISED, vec![("lane", Bytes(&lane.0)), ("index", number(*index))])
            }
            Self::EntryDisputed { case, lane, index, code } => (
                name::ENTRY_DISPUTED,
                vec![
                    ("case", Bytes(&case.0)),
                    ("lane", Bytes(&lane.0)),
                    ("index", number(*index)),
                    ("code", Word(DisputeCode::from(*code).as_str())),
                ],
            ),
            Self::DisputeWithdrawn { case, lane, index } => (
                name::DISPUTE_WITHDRAWN,
                vec![("case", Bytes(&case.0)), ("lane", Bytes(&lane.0)), ("index", number(*index))],
            ),
            Self::ConflictProven { lane, index } => {
                (name::CONFLICT_PROVEN, vec![("lane", Bytes(&lane.0)), ("index", number(*index))])
            }
            Self::LaneOpened { header } => (name::LANE_OPENED, vec![("header", packed(header))]),
            Self::Anchored { heads } => (name::ANCHORED, vec![("heads", packed(heads))]),
            Self::LaneRotated { last, next } => {
                (name::LANE_ROTATED, vec![("last", packed(last)), ("next", packed(next))])
            }
            Self::LaneClosing { lane, deadline } => {
                (name::LANE_CLOSING, vec![("lane", Bytes(&lane.0)), ("deadline", Value::Number(*deadline))])
            }
            Self::LaneClosed { lane, case, head } => {
                let attributes =
                    vec![("lane", Bytes(&lane.0)), ("case", Bytes(&case.0)), ("head", packed(head))];
                (name::LANE_CLOSED, attributes)
            }
            Self::Seen { case, lane, size } => (
                name::SEEN,
                vec![("case", Bytes(&case.0)), ("lane", Bytes(&lane.0)), ("size", number(*size))],
            ),
        }
    }

    /// Reads an event from its type and attributes as a node gives them. `None`: an event of the
    /// chain's own or another module's. An event of ours that does not parse is an error; the
    /// caller has checked before that the contract (see [`contract`]) is one of the network's.
    pub fn parse(event_type: &str, attributes: &[(String, String)]) -> Result<Option<Self>, EventError> {
        let known = |name: &&&str| event_type.strip_prefix(TYPE_PREFIX) == Some(**name);
        let Some(event) = name::ALL.iter().find(known) else {
            return Ok(None);
        };
        let mut reader = Reader::new(event, attributes)?;
        let parsed = read(&mut reader)?;
        reader.finish(parsed).map(Some)
    }
}

/// Address of the contract that made an event, bech32.
pub fn contract(attributes: &[(String, String)]) -> Option<&str> {
    attributes.iter().find(|(key, _)| key == CONTRACT_ATTRIBUTE).map(|(_, value)| value.as_str())
}

fn operator(institution: u32, account: &Address) -> Vec<(&'static str, Value<'_>)> {
    vec![("institution", number(institution)), ("account", Value::Bytes(&account.0))]
}

fn grant<'a>(case: &'a CaseId, commitment: &'a Commitment) -> Vec<(&'static str, Value<'a>)> {
    vec![("case", Value::Bytes(&case.0)), ("commitment", Value::Bytes(&commitment.0))]
}

fn read(r: &mut Reader<'_>) -> Result<Event, EventError> {
    Ok(match r.event {
        name::INSTITUTION_REGISTERED => {
            Event::InstitutionRegistered { number: r.number("number")?, account: r.id("account")? }
        }
        name::INSTITUTION_UPDATED => Event::InstitutionUpdated { number: r.number("number")? },
        name::INSTITUTION_STATUS => Event::InstitutionStatus {
            number: r.number("number")?,
            status: r.parse("status", InstitutionStatus::from_word)?.into(),
        },
        name::OPERATOR_ADDED => {
            Event::OperatorAdded { institution: r.number("institution")?, account: r.id("account")? }
        }
        name::OPERATOR_REMOVED => {
            Event::OperatorRemoved { institution: r.number("institution")?, account: r.id("account")? }
        }
        name::IDENTITY_ENROLLED => {
            Event::IdentityEnrolled { case: r.id("case")?, institution: r.number("institution")? }
        }
        name::RELATIONSHIP_CHANGED => Event::RelationshipChanged {
            case: r.id("case")?,
            institution: r.number("institution")?,
            status: r.parse("status", RelationshipStatus::from_word)?.into(),
        },
        name::GRANT_MADE => Event::GrantMade {
            case: r.id("case")?,
            commitment: r.id("commitment")?,
            first: r.number("first")?,
            last: r.number("last")?,
        },
        name::GRANT_ENDED => Event::GrantEnded {
            case: r.id("case")?,
            commitment: r.id("commitment")?,
            status: r.parse("status", GrantStatus::from_word)?.into(),
            rev: r.number("rev")?,
        },
        name::ACKED => {
            Event::Acked { case: r.id("case")?, institution: r.number("institution")?, rev: r.number("rev")? }
        }
        name::LANE_OPENED => Event::LaneOpened { header: r.packed("header")? },
        name::ANCHORED => Event::Anchored { heads: r.packed("heads")? },
        name::LANE_ROTATED => Event::LaneRotated { last: r.packed("last")?, next: r.packed("next")? },
        name::LANE_CLOSING => Event::LaneClosing { lane: r.id("lane")?, deadline: r.number("deadline")? },
        name::LANE_CLOSED => {
            Event::LaneClosed { lane: r.id("lane")?, case: r.id("case")?, head: r.packed("head")? }
        }
        name::AUTHORITY_PROPOSED => Event::AuthorityProposed,
        name::AUTHORITY_CHANGED => Event::AuthorityChanged,
        name::REGISTRATIONS_PAUSED => Event::RegistrationsPaused { paused: r.truth("paused")? },
        name::PRACTITIONER_CHANGED => Event::PractitionerChanged {
            account: r.id("account")?,
            institution: r.number("institution")?,
            status: r.parse("status", PractitionerStatus::from_word)?.into(),
        },
        name::CLAIM_OFFERED => Event::ClaimOffered { case: r.id("case")?, until: r.number("until")? },
        name::CLAIM_WITHDRAWN => Event::ClaimWithdrawn { case: r.id("case")? },
        name::IDENTITY_ROTATED => Event::IdentityRotated {
            case: r.id("case")?,
            epoch: r.number("epoch")?,
            cause: r.parse("cause", RotationCause::from_word)?,
        },
        name::RECOVERY_STARTED => Event::RecoveryStarted { case: r.id("case")?, ready: r.number("ready")? },
        name::RECOVERY_ATTESTED => {
            Event::RecoveryAttested { case: r.id("case")?, institution: r.number("institution")? }
        }
        name::RECOVERY_STOPPED => Event::RecoveryStopped { case: r.id("case")?, vetoed: r.truth("vetoed")? },
        name::INVITATION_CHANGED => Event::InvitationChanged {
            case: r.id("case")?,
            institution: r.number("institution")?,
            invited: r.truth("invited")?,
        },
        name::DELEGATE_CHANGED => Event::DelegateChanged {
            case: r.id("case")?,
            account: r.id("account")?,
            powers: r.number("powers")?,
            until: r.number("until")?,
        },
        name::EMERGENCY_OPENED => Event::EmergencyOpened {
            case: r.id("case")?,
            number: r.number("number")?,
            practitioner: r.id("practitioner")?,
            institution: r.number("institution")?,
            reason: r.parse("reason", EmergencyReason::from_word)?.into(),
            until: r.number("until")?,
        },
        name::EMERGENCY_ENDED => {
            Event::EmergencyEnded { case: r.id("case")?, number: r.number("number")?, rev: r.number("rev")? }
        }
        name::EMERGENCY_REVIEWED => Event::EmergencyReviewed {
            case: r.id("case")?,
            number: r.number("number")?,
            outcome: r.parse("outcome", ReviewOutcome::from_word)?.into(),
        },
        name::REV_RAISED => Event::RevRaised { case: r.id("case")?, rev: r.number("rev")? },
        name::CASE_CLOSING => Event::CaseClosing { case: r.id("case")?, deadline: r.number("deadline")? },
        name::COMPLETION_PROPOSED => Event::CompletionProposed {
            case: r.id("case")?,
            digest: r.hash("digest")?,
            deadline: r.number("deadline")?,
        },
        name::CASE_COMPLETED => Event::CaseCompleted { case: r.id("case")?, digest: r.hash("digest")? },
        name::CASE_REOPENED => Event::CaseReopened { case: r.id("case")?, digest: r.hash("digest")? },
        name::LANE_COMPROMISED => Event::LaneCompromised { lane: r.id("lane")?, index: r.number("index")? },
        name::ENTRY_DISPUTED => Event::EntryDisputed {
            case: r.id("case")?,
            lane: r.id("lane")?,
            index: r.number("index")?,
            code: r.parse("code", DisputeCode::from_word)?.into(),
        },
        name::DISPUTE_WITHDRAWN => {
            Event::DisputeWithdrawn { case: r.id("case")?, lane: r.id("lane")?, index: r.number("index")? }
        }
        name::CONFLICT_PROVEN => Event::ConflictProven { lane: r.id("lane")?, index: r.number("index")? },
        // name::ALL holds no other
        _ => Event::Seen { case: r.id("case")?, lane: r.id("lane")?, size: r.number("size")? },
    })
}

#[cfg(test)]
mod tests;
