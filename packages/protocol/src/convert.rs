//! Between the texts of messages and the types of the ledger. Every error names the field.

use borsh::{BorshDeserialize, BorshSerialize};
use casewise_ledger::{Address, CaseId, Class, Commitment, LaneId, Party, records};
use cosmwasm_schema::cw_serde;
use cosmwasm_std::{Addr, Api, Binary, CanonicalAddr, HexBinary};

use crate::ProtocolError;

/// Fixed bytes as a message carries them.
pub fn hex<const N: usize>(bytes: &[u8; N]) -> HexBinary {
    HexBinary::from(bytes.as_slice())
}

/// Fixed bytes out of a message. `field` names them in the error.
pub fn fixed<const N: usize>(field: &'static str, value: &HexBinary) -> Result<[u8; N], ProtocolError> {
    value.as_slice().try_into().map_err(|_| ProtocolError::Length { field, expected: N, got: value.len() })
}

/// A case id out of a message.
pub fn case_id(value: &HexBinary) -> Result<CaseId, ProtocolError> {
    fixed("case", value).map(CaseId)
}

/// A lane id out of a message.
pub fn lane_id(value: &HexBinary) -> Result<LaneId, ProtocolError> {
    fixed("lane", value).map(LaneId)
}

/// A grant's id out of a message.
pub fn commitment(value: &HexBinary) -> Result<Commitment, ProtocolError> {
    fixed("commitment", value).map(Commitment)
}

/// A borsh object as a message carries it.
pub fn blob<T: BorshSerialize>(value: &T) -> Binary {
    Binary::from(casewise_ledger::encode(value))
}

/// A borsh object out of a message. `field` names it in the error.
pub fn object<T: BorshDeserialize>(field: &'static str, value: &Binary) -> Result<T, ProtocolError> {
    casewise_ledger::decode(value.as_slice()).map_err(|_| ProtocolError::Malformed { field })
}

/// Refuses a list that is empty or longer than `max`.
pub fn bounded<T>(field: &'static str, items: &[T], max: usize) -> Result<(), ProtocolError> {
    match items.len() {
        0 => Err(ProtocolError::Empty { field }),
        got if got > max => Err(ProtocolError::TooMany { field, max, got }),
        _ => Ok(()),
    }
}

/// An account out of a message, inside a contract: an address of this network in its one canonical
/// spelling, 20 bytes.
pub fn account(api: &dyn Api, field: &'static str, text: &str) -> Result<Address, ProtocolError> {
    let canonical = canonical(api, text).ok_or(ProtocolError::Account { field })?;
    Address::try_from(canonical.as_slice()).map_err(|_| ProtocolError::Account { field })
}

/// A contract's address out of a message, inside a contract: canonical spelling, 32 bytes.
pub fn contract(api: &dyn Api, field: &'static str, text: &str) -> Result<Addr, ProtocolError> {
    match canonical(api, text) {
        Some(bytes) if bytes.len() == 32 => Ok(Addr::unchecked(text)),
        _ => Err(ProtocolError::Contract { field }),
    }
}

/// The bytes of an address of any length, inside a contract (the authority may be a group).
pub fn any_account(api: &dyn Api, field: &'static str, text: &str) -> Result<CanonicalAddr, ProtocolError> {
    canonical(api, text).ok_or(ProtocolError::Account { field })
}

fn canonical(api: &dyn Api, text: &str) -> Option<CanonicalAddr> {
    let address = api.addr_validate(text).ok()?;
    let canonical = api.addr_canonicalize(address.as_str()).ok()?;
    // addr_validate already refuses other spellings; a host that does not must not open a second one
    (api.addr_humanize(&canonical).ok()?.as_str() == text).then_some(canonical)
}

/// Mirrors an enum of the ledger in JSON, in the event texts and in both directions.
macro_rules! mirror {
    ($(#[$doc:meta])* $name:ident = $ledger:ty { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[cw_serde]
        #[derive(Copy, Eq)]
        #[serde(deny_unknown_fields)]
        #[schemaifier(mute_warnings)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word in JSON and in events.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The value of a word, if it is one.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($text => Some(Self::$variant),)+ _ => None }
            }
        }

        impl From<$ledger> for $name {
            fn from(value: $ledger) -> Self {
                match value { $(<$ledger>::$variant => Self::$variant),+ }
            }
        }

        impl From<$name> for $ledger {
            fn from(value: $name) -> Self {
                match value { $($name::$variant => Self::$variant),+ }
            }
        }
    };
}

mirror!(
    /// What an institution is.
    InstitutionKind = records::InstitutionKind {
        /// Gives care.
        Provider = "provider",
        /// Does research.
        Research = "research",
        /// Watches over the others.
        Oversight = "oversight",
    }
);
mirror!(
    /// Whether an institution may act.
    InstitutionStatus = records::InstitutionStatus {
        /// May act.
        Active = "active",
        /// May only anchor, until `since` + grace.
        Suspended = "suspended",
    }
);
mirror!(
    /// Where a relationship is in its life.
    RelationshipStatus = records::RelationshipStatus {
        /// Waits for the holder.
        Proposed = "proposed",
        /// In force while the institution is active.
        Active = "active",
        /// Paused.
        Suspended = "suspended",
        /// Over.
        Ended = "ended",
    }
);
mirror!(
    /// Where a grant is in its life.
    GrantStatus = records::GrantStatus {
        /// In force on its days.
        Live = "live",
        /// Taken back.
        Revoked = "revoked",
        /// Its last day is over and that was made known.
        Expired = "expired",
    }
);
mirror!(
    /// Where a lane is in its life.
    LaneStatus = records::LaneStatus {
        /// Takes anchors.
        Open = "open",
        /// Takes anchors until its deadline.
        Closing = "closing",
        /// Takes nothing.
        Closed = "closed",
    }
);
mirror!(
    /// Where a case is in its life.
    CaseStatus = records::CaseStatus {
        /// Lanes may be opened.
        Open = "open",
        /// Winding up.
        Closing = "closing",
        /// Completion proposed.
        Proposed = "proposed",
        /// Nothing is added any more.
        Completed = "completed",
    }
);
mirror!(
    /// Whether a practitioner may act.
    PractitionerStatus = records::PractitionerStatus {
        /// May act.
        Active = "active",
        /// Not now: its institution says so.
        Suspended = "suspended",
        /// Not now: the consortium says so, and only it can lift that.
        Barred = "barred",
    }
);
mirror!(
    /// What a practitioner is.
    PractitionerRole = records::PractitionerRole {
        /// Physician.
        Doctor = "doctor",
        /// Nurse.
        Nurse = "nurse",
        /// Midwife.
        Midwife = "midwife",
        /// Dentist.
        Dentist = "dentist",
        /// Pharmacist.
        Pharmacist = "pharmacist",
        /// Ambulance and emergency staff.
        Paramedic = "paramedic",
        /// Physiotherapist, psychologist and other therapists.
        Therapist = "therapist",
        /// Researcher.
        Researcher = "researcher",
        /// Looks after privacy and reviews emergency access.
        Auditor = "auditor",
    }
);
mirror!(
    /// Why a case is opened in an emergency.
    EmergencyReason = records::EmergencyReason {
        /// HL7 ETREAT: emergency treatment.
        Treatment = "treatment",
        /// HL7 BTG: break the glass.
        BreakTheGlass = "break_the_glass",
        /// HL7 DISASTER: mass casualty.
        Disaster = "disaster",
    }
);
mirror!(
    /// What a review of an emergency access found.
    ReviewOutcome = records::ReviewOutcome {
        /// It was needed.
        Justified = "justified",
        /// It was not.
        Unjustified = "unjustified",
    }
);
mirror!(
    /// What is wrong with an entry.
    DisputeCode = records::DisputeCode {
        /// Its key or body does not open it.
        Unreadable = "unreadable",
        /// It belongs to somebody else.
        WrongPatient = "wrong_patient",
        /// Its content is false.
        Incorrect = "incorrect",
        /// It leaves out what belongs to it.
        Incomplete = "incomplete",
        /// Its claimed time is not the true one.
        Untimely = "untimely",
        /// An access that no grant covers.
        Unauthorised = "unauthorised",
    }
);
mirror!(
    /// What a lane holds.
    LaneClass = Class {
        /// Records, amendments, beats.
        Content = "content",
        /// Reads by third parties.
        Access = "access",
    }
);

/// Who writes, serves or reads.
#[cw_serde]
#[derive(Eq)]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub enum PartyInfo {
    /// An institution's number at the registrar.
    Institution(u32),
    /// An account, bech32.
    Account(String),
}

impl PartyInfo {
    /// Out of the ledger's type, inside a contract.
    pub fn from_party(api: &dyn Api, party: &Party) -> Result<Self, ProtocolError> {
        match party {
            Party::Institution(number) => Ok(Self::Institution(*number)),
            Party::Account(account) => humanize(api, account).map(Self::Account),
        }
    }

    /// Into the ledger's type, inside a contract. `field` names the account in the error.
    pub fn into_party(&self, api: &dyn Api, field: &'static str) -> Result<Party, ProtocolError> {
        match self {
            Self::Institution(number) => Ok(Party::Institution(*number)),
            Self::Account(text) => account(api, field, text).map(Party::Account),
        }
    }

    /// Out of the ledger's type, outside the chain. `prefix` is the network's bech32 prefix.
    pub fn new(prefix: &str, party: &Party) -> Result<Self, ProtocolError> {
        match party {
            Party::Institution(number) => Ok(Self::Institution(*number)),
            Party::Account(account) => crate::account::encode(prefix, account).map(Self::Account),
        }
    }

    /// Into the ledger's type, outside the chain.
    pub fn party(&self) -> Result<Party, ProtocolError> {
        match self {
            Self::Institution(number) => Ok(Party::Institution(*number)),
            Self::Account(text) => crate::account::decode("account", text).map(Party::Account),
        }
    }
}

/// Bech32 of an account, inside a contract.
pub fn humanize(api: &dyn Api, account: &Address) -> Result<String, ProtocolError> {
    let canonical = CanonicalAddr::from(account.0.as_slice());
    let address = api.addr_humanize(&canonical).map_err(|_| ProtocolError::Account { field: "account" })?;
    Ok(address.into_string())
}
