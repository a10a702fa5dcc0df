//! The people and the state that every row starts from.
//!
//! Responsible for: one case with everybody in it who could send something. Must never put anything
//! into a contract's state but by messages of those who may send them.

use casewise_ledger::{
    Address, CaseId, LaneHeader, Party, RotateCard, V1,
    account::AccountKey,
    lane::{DEVICE_MINIMUM, root_commitment},
    sha256,
};
use casewise_protocol::{
    convert::{self, InstitutionKind, PractitionerRole},
    ppr::{self, Power},
    registrar,
};
use casewise_testkit::{
    contracts::{Institution, Lane, Outcome, POLICY, PREFIX, Patient, Suite, addr, key},
    messages::Call,
};
use cosmwasm_std::{Addr, HexBinary};
use ed25519_zebra::{SigningKey, VerificationKey};

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Authority,
    Operator,
    OtherOperator,
    Oversight,
    Suspended,
    Practitioner,
    Holder,
    FormerHolder,
    Delegate,
    WeakDelegate,
    Recovery,
    Custodian,
    Named,
    Stranger,
    Registrar,
    Ppr,
    Summary,
}

impl Role {
    pub const ALL: [Self; 17] = [
        Self::Authority,
        Self::Operator,
        Self::OtherOperator,
        Self::Oversight,
        Self::Suspended,
        Self::Practitioner,
        Self::Holder,
        Self::FormerHolder,
        Self::Delegate,
        Self::WeakDelegate,
        Self::Recovery,
        Self::Custodian,
        Self::Named,
        Self::Stranger,
        Self::Registrar,
        Self::Ppr,
        Self::Summary,
    ];

    /// Head of its column.
    pub fn short(self) -> &'static str {
        match self {
            Self::Authority => "auth",
            Self::Operator => "op",
            Self::OtherOperator => "other",
            Self::Oversight => "over",
            Self::Suspended => "susp",
            Self::Practitioner => "prac",
            Self::Holder => "holder",
            Self::FormerHolder => "former",
            Self::Delegate => "del",
            Self::WeakDelegate => "weak",
            Self::Recovery => "rec",
            Self::Custodian => "cust",
            Self::Named => "named",
            Self::Stranger => "any",
            Self::Registrar => "reg",
            Self::Ppr => "ppr",
            Self::Summary => "sum",
        }
    }

    /// What it is.
    pub fn who(self) -> &'static str {
        match self {
            Self::Authority => "the consortium's account",
            Self::Operator => {
                "operator of this institution: it enrolled the case, writes in it, its relationship is in force"
            }
            Self::OtherOperator => "operator of another institution",
            Self::Oversight => "operator of an oversight institution",
            Self::Suspended => "operator of this institution while the consortium has suspended it",
            Self::Practitioner => "practitioner of this institution",
            Self::Holder => "the case's holder",
            Self::FormerHolder => "holder of the case before the present one",
            Self::Delegate => "the holder's delegate with every power",
            Self::WeakDelegate => "the holder's delegate with every power but the one for this message",
            Self::Recovery => "the case's recovery account",
            Self::Custodian => "holder of a custodial case",
            Self::Named => "the account that an earlier message named for this one",
            Self::Stranger => "an account known to nobody",
            Self::Registrar => "the registrar contract",
            Self::Ppr => "the ppr contract",
            Self::Summary => "the summary contract",
        }
    }
}

/// A chain with one case that has everything.
pub struct World {
    pub suite: Suite,
    pub a: Institution,
    pub b: Institution,
    pub oversight: Institution,
    /// The case, with the key of its first holder.
    pub first: Patient,
    pub holder: AccountKey,
    pub recovery: AccountKey,
    pub delegate: AccountKey,
    pub weak: AccountKey,
    pub practitioner: AccountKey,
    /// A custodial case with the key of its custodian.
    pub custodial: Patient,
    /// A content lane of A with 5 entries, of which 3 are anchored.
    pub lane: Lane,
    /// The account that the prepared state names for the message.
    pub named: Option<Addr>,
}

impl World {
    pub fn new() -> Self {
        let mut suite = Suite::new();
        let (a, b) = (suite.admit("A"), suite.admit("B"));
        let oversight = oversight(&mut suite);
        let practitioner = key("practitioner");
        let msg = registrar::ExecuteMsg::RegisterPractitioner {
            account: addr(&practitioner.address()).into_string(),
            role: PractitionerRole::Doctor,
        };
        suite.registrar(&a.addr(), &msg).unwrap();
        let recovery = key("recovery");
        let first = suite.offer("first", a.number, Some(recovery.address()));
        suite.registrar(&a.addr(), &registrar::ExecuteMsg::enrol(PREFIX, &first.offer).unwrap()).unwrap();
        suite.ppr(&a.addr(), &ppr::ExecuteMsg::propose(&first.case(), Some(&POLICY))).unwrap();
        suite.ppr(&first.addr(), &ppr::ExecuteMsg::accept(&first.case(), a.number)).unwrap();
        let custodial = custodial(&mut suite, &a, "custodial");
        let holder = key("holder");
        let (card, key_bytes, signature) = rotation(&first.case(), 1, &holder);
        let msg = registrar::ExecuteMsg::Rotate { card, key: key_bytes, signature };
        suite.registrar(&first.addr(), &msg).unwrap();
        let lane = Lane::content(&first.case(), &a, "lane");
        let mut world = Self {
            suite,
            a,
            b,
            oversight,
            first,
            holder,
            recovery,
            delegate: key("delegate"),
            weak: key("weak"),
            practitioner,
            custodial,
            lane,
            named: None,
        };
        world.lane.header.epoch = 1;
        let mut lane = world.lane.clone();
        world.open(&lane.clone());
        lane.append(3);
        world.suite.anchor(&world.a.clone(), &mut [&mut lane]).unwrap();
        lane.append(2);
        world.lane = lane;
        world.set_delegate(&world.delegate.address(), &Power::ALL);
        world
    }

    pub fn case(&self) -> CaseId {
        self.first.case()
    }

    pub fn case_hex(&self) -> HexBinary {
        convert::hex(&self.case().0)
    }

    pub fn holder_addr(&self) -> Addr {
        addr(&self.holder.address())
    }

    /// Opens a lane of A.
    pub fn open(&mut self, lane: &Lane) {
        self.suite.open(&self.a.clone(), lane);
    }

    /// A content lane whose author is the holder.
    pub fn holder_lane(&mut self) -> Lane {
        let mut lane = Lane::content(&self.case(), &self.a, "holder's lane");
        lane.header.epoch = 1;
        lane.header.author = Party::Account(self.holder.address());
        lane
    }

    /// A device lane of A, opened.
    pub fn device_lane(&mut self) -> Lane {
        let mut lane = Lane::content(&self.case(), &self.a, "device lane");
        let signer: [u8; 32] = VerificationKey::from(&SigningKey::from([7; 32])).into();
        lane.header =
            LaneHeader { epoch: 1, minimum: DEVICE_MINIMUM, signer: Some(signer), ..lane.header.clone() };
        self.open(&lane);
        lane
    }

    pub fn set_delegate(&mut self, account: &Address, powers: &[Power]) {
        let msg = ppr::ExecuteMsg::SetDelegate {
            case: self.case_hex(),
            account: addr(account).into_string(),
            powers: powers.to_vec(),
            until: None,
        };
        let holder = self.holder_addr();
        self.suite.ppr(&holder, &msg).unwrap();
    }

    /// Gives the weak delegate every power but this one.
    pub fn begin(&mut self, power: Option<Power>) {
        let but = power.unwrap_or(Power::Disputes);
        let powers: Vec<_> = Power::ALL.into_iter().filter(|power| *power != but).collect();
        self.set_delegate(&self.weak.address(), &powers);
    }

    /// What makes the sender of this role what it is.
    pub fn enter(&mut self, role: Role) {
        if role == Role::Suspended {
            let msg = registrar::ExecuteMsg::SuspendInstitution { institution: self.a.number };
            let authority = self.suite.authority.clone();
            self.suite.registrar(&authority, &msg).unwrap();
        }
    }

    pub fn sender(&self, role: Role) -> Option<Addr> {
        Some(match role {
            Role::Authority => self.suite.authority.clone(),
            Role::Operator | Role::Suspended => self.a.addr(),
            Role::OtherOperator => self.b.addr(),
            Role::Oversight => self.oversight.addr(),
            Role::Practitioner => addr(&self.practitioner.address()),
            Role::Holder => self.holder_addr(),
            Role::FormerHolder => self.first.addr(),
            Role::Delegate => addr(&self.delegate.address()),
            Role::WeakDelegate => addr(&self.weak.address()),
            Role::Recovery => addr(&self.recovery.address()),
            Role::Custodian => self.custodial.addr(),
            Role::Named => return self.named.clone(),
            Role::Stranger => addr(&key("stranger").address()),
            Role::Registrar => self.suite.registrar.clone(),
            Role::Ppr => self.suite.ppr.clone(),
            Role::Summary => self.suite.summary.clone(),
        })
    }

    pub fn send(&mut self, sender: &Addr, call: &Call) -> Outcome {
        match call {
            Call::Registrar(msg) => self.suite.registrar(sender, msg),
            Call::Ppr(msg) => self.suite.ppr(sender, msg),
            Call::Summary(msg) => self.suite.summary(sender, msg),
        }
    }

    /// Sends what prepares a row.
    pub fn must(&mut self, sender: &Addr, call: impl Into<Call>) {
        let call = call.into();
        let outcome = self.send(sender, &call);
        assert!(outcome.is_ok(), "{call:?}: {outcome:?}");
    }
}

fn oversight(suite: &mut Suite) -> Institution {
    let registrar::ExecuteMsg::RegisterInstitution { account, name, endpoint, kem, operators, .. } =
        Suite::admission("O")
    else {
        unreachable!("an admission registers an institution");
    };
    let kind = InstitutionKind::Oversight;
    let msg = registrar::ExecuteMsg::RegisterInstitution { kind, account, name, endpoint, kem, operators };
    suite.registrar(&suite.authority.clone(), &msg).unwrap();
    Institution { number: 3, key: key("O") }
}

/// The message that enrols a custodial case at A, and its custodian.
pub fn custodial_enrolment(suite: &Suite, a: &Institution, name: &str) -> (registrar::ExecuteMsg, Patient) {
    let patient = suite.offer(name, a.number, None);
    let msg = registrar::ExecuteMsg::EnrolCustodial {
        card: convert::blob(&patient.offer.card),
        key: convert::hex(&patient.offer.key),
        expires: patient.offer.expires.into(),
        signature: convert::hex(&patient.offer.signature),
    };
    (msg, patient)
}

fn custodial(suite: &mut Suite, a: &Institution, name: &str) -> Patient {
    let (msg, patient) = custodial_enrolment(suite, a, name);
    suite.registrar(&a.addr(), &msg).unwrap();
    patient
}

/// Card, key and signature that put `to` in the place of a case's holder.
pub fn rotation(case: &CaseId, epoch: u32, to: &AccountKey) -> (cosmwasm_std::Binary, HexBinary, HexBinary) {
    let kem = root_commitment(&sha256(&[b"kem of ", &to.address().0]));
    let card = RotateCard { version: V1, case: *case, epoch, holder: to.address(), kem };
    let signature = to.sign_message(&card.message());
    (convert::blob(&card), convert::hex(&to.public().0), convert::hex(&signature))
}
