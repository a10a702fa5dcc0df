//! The events of the contracts: one typed value each, its form on chain and the parser of that
//! form. An event carries ids, numbers and hashes only: never a host of a case, a name, free text
//! or a guessable hash.
//!
//! On chain the type is `wasm-<name>`, ids and accounts are lower-case hexadecimal, numbers
//! decimal, packed structs base64 of borsh; attribute `v` is the version.

use core::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};
use casewise_ledger::{Address, AnchoredHead, CaseId, Commitment, Head, LaneHeader, LaneId, records};
use cosmwasm_std::{Binary, HexBinary};

use crate::convert::{GrantStatus, InstitutionStatus, RelationshipStatus};

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

    pub const ALL: [&str; 16] = [
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
        // name::ALL holds no other
        _ => Event::Seen { case: r.id("case")?, lane: r.id("lane")?, size: r.number("size")? },
    })
}

#[cfg(test)]
mod tests;
