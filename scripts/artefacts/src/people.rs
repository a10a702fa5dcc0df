//! Who takes part in the story, with keys made from names: the same in every run.

use casewise_ledger::{
    Address, CaseCard, CaseId, Hash, RotateCard, V1, account::AccountKey, records::Policy, sha256,
};
use casewise_protocol::{
    convert::{self, InstitutionKind},
    ppr, registrar,
};
use casewise_testkit::contracts::{Institution, key};
use cosmwasm_std::{Binary, HexBinary};

/// The ordinary policy.
pub const POLICY: Policy =
    Policy { cadence: 86_400, lateness: 3_600, grace: 86_400, completion: 604_800, amends: None };
/// How long offers are valid, ms.
const DAY_MS: u64 = 86_400_000;

/// Accounts, institutions and the network's id.
pub struct Cast {
    /// The consortium.
    pub authority: AccountKey,
    /// The consortium after it.
    pub next_authority: AccountKey,
    /// Enrols and writes.
    pub one: Institution,
    /// Another provider.
    pub two: Institution,
    /// Oversight.
    pub watch: Institution,
    /// Works at `one`.
    pub practitioner: AccountKey,
    /// May recover.
    pub recovery: AccountKey,
    /// Acts for the holder.
    pub delegate: AccountKey,
    /// Holders who send messages, by name.
    holders: Vec<AccountKey>,
    net: Hash,
}

/// Names of the holders who send messages.
const HOLDERS: [&str; 9] =
    ["ada", "ada again", "ben", "cleo", "dora", "eve's custodian", "eve", "eve again", "finn"];

/// A key of the story.
pub fn person(name: &str) -> AccountKey {
    key(&format!("artefacts: {name}"))
}

impl Cast {
    pub fn new() -> Self {
        let institution = |number, name| Institution { number, key: person(name) };
        Self {
            authority: person("authority"),
            next_authority: person("next authority"),
            one: institution(1, "one"),
            two: institution(2, "two"),
            watch: institution(3, "watch"),
            practitioner: person("practitioner"),
            recovery: person("recovery"),
            delegate: person("delegate"),
            holders: HOLDERS.map(person).to_vec(),
            net: Hash::default(),
        }
    }

    /// The network whose cards are made from now on.
    pub fn join_network(&mut self, net: Hash) {
        self.net = net;
    }

    /// Everybody who sends messages.
    pub fn keys(&self) -> Vec<AccountKey> {
        let institutions = [&self.one, &self.two, &self.watch].map(|institution| institution.key.clone());
        let others =
            [&self.authority, &self.next_authority, &self.practitioner, &self.recovery, &self.delegate];
        [institutions.as_slice(), &others.map(AccountKey::clone), &self.holders].concat()
    }

    /// A case of the holder of this name.
    pub fn case(&self, name: &str) -> Case {
        Case::new(self.net, name)
    }
}

/// A case and its first holder.
pub struct Case {
    /// The holder's key.
    pub key: AccountKey,
    card: CaseCard,
}

impl Case {
    /// A case in a network, of the holder of this name.
    pub fn new(net: Hash, name: &str) -> Self {
        Self::of(net, name, person(name))
    }

    /// A case whose holder has this key.
    pub fn of(net: Hash, name: &str, key: AccountKey) -> Self {
        let card = CaseCard {
            version: V1,
            net,
            holder: key.address(),
            kem: sha256(&[b"kem of ", name.as_bytes()]),
            salt: sha256(&[b"salt of ", name.as_bytes()]),
        };
        Self { key, card }
    }

    /// The case's id.
    pub fn id(&self) -> CaseId {
        self.card.id()
    }

    /// The case's id as a message carries it.
    pub fn hex(&self) -> HexBinary {
        convert::hex(&self.id().0)
    }

    /// What `institution` sends to enrol it. `recovery`: the account, and as text.
    pub fn enrol(
        &self,
        institution: u32,
        recovery: Option<(Address, String)>,
        now: u64,
    ) -> registrar::ExecuteMsg {
        let expires = now + DAY_MS;
        let message =
            self.card.open_message(recovery.as_ref().map(|(account, _)| *account), institution, expires);
        registrar::ExecuteMsg::Enrol {
            card: convert::blob(&self.card),
            recovery: recovery.map(|(_, text)| text),
            key: convert::hex(&self.key.public().0),
            expires: expires.into(),
            signature: convert::hex(&self.key.sign_message(&message)),
        }
    }

    /// What `institution` sends to enrol it with a key of its own.
    pub fn enrol_custodial(&self, institution: u32, now: u64) -> registrar::ExecuteMsg {
        let expires = now + DAY_MS;
        let message = self.card.open_message(None, institution, expires);
        registrar::ExecuteMsg::EnrolCustodial {
            card: convert::blob(&self.card),
            key: convert::hex(&self.key.public().0),
            expires: expires.into(),
            signature: convert::hex(&self.key.sign_message(&message)),
        }
    }

    /// The first proposal, with a policy.
    pub fn propose(&self, policy: &Policy) -> ppr::ExecuteMsg {
        ppr::ExecuteMsg::propose(&self.id(), Some(policy))
    }

    /// Card, key and signature that make another account the holder.
    pub fn handover(&self, epoch: u32, holder: &AccountKey) -> (Binary, HexBinary, HexBinary) {
        let card = RotateCard {
            version: V1,
            case: self.id(),
            epoch,
            holder: holder.address(),
            kem: sha256(&[b"kem of ", &holder.address().0]),
        };
        let signature = holder.sign_message(&card.message());
        (convert::blob(&card), convert::hex(&holder.public().0), convert::hex(&signature))
    }
}

/// The message that admits an institution.
pub fn admission(name: &str, kind: InstitutionKind, account: String) -> registrar::ExecuteMsg {
    registrar::ExecuteMsg::RegisterInstitution {
        kind,
        account,
        name: format!("Hospital {name}"),
        endpoint: format!("https://{name}.hospital.example"),
        kem: convert::hex(&sha256(&[b"kem ", name.as_bytes()])),
        operators: Vec::new(),
    }
}
