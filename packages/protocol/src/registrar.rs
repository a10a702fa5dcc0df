//! registrar: who takes part. Institutions with their operators, and the virtual identities of
//! patients, one per case.

use casewise_ledger::{Address, CaseCard, CaseId, CaseOffer, Hash, V1, records};
use cosmwasm_schema::{QueryResponses, cw_serde};
use cosmwasm_std::{Binary, HexBinary, Uint64};

use crate::{
    ProtocolError, account,
    convert::{self, InstitutionKind, InstitutionStatus},
};

/// Longest name of an institution, bytes of UTF-8.
pub const MAX_NAME: usize = 64;
/// Longest endpoint URL, bytes.
pub const MAX_ENDPOINT: usize = 256;
/// Most operator accounts of an institution, its main account included.
pub const MAX_OPERATORS: usize = 64;

/// What the contract starts with.
#[cw_serde]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct InstantiateMsg {
    /// Account of the consortium: admits institutions. May be a group's.
    pub authority: String,
}

/// What a new version of the code is started with.
#[cw_serde]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct MigrateMsg {}

/// What can be done.
#[cw_serde]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub enum ExecuteMsg {
    /// The authority admits an institution; it gets the next number, from 1.
    RegisterInstitution {
        /// What it is.
        kind: InstitutionKind,
        /// Its main account, always one of its operators.
        account: String,
        /// Its public name.
        name: String,
        /// Public URL of its agent.
        endpoint: String,
        /// Hash of its X-Wing public key, 32 bytes.
        kem: HexBinary,
        /// More operator accounts.
        operators: Vec<String>,
    },
    /// The authority changes the name or endpoint, an operator the endpoint of its institution.
    UpdateInstitution {
        /// Its number.
        institution: u32,
        /// New name.
        name: Option<String>,
        /// New endpoint.
        endpoint: Option<String>,
    },
    /// An operator gives its institution a new X-Wing key; the epoch goes up by one.
    RotateKem {
        /// Hash of the new key, 32 bytes.
        kem: HexBinary,
    },
    /// The authority or an operator of the institution adds an operator account.
    AddOperator {
        /// Its number.
        institution: u32,
        /// The account.
        account: String,
    },
    /// The authority or an operator of the institution removes an operator account.
    RemoveOperator {
        /// Its number.
        institution: u32,
        /// The account.
        account: String,
    },
    /// The authority suspends an institution.
    SuspendInstitution {
        /// Its number.
        institution: u32,
    },
    /// The authority lifts a suspension.
    ResumeInstitution {
        /// Its number.
        institution: u32,
    },
    /// An operator enrols a case's virtual identity with the holder's signature.
    Enrol {
        /// Borsh `CaseCard`.
        card: Binary,
        /// Account that may recover the case.
        recovery: Option<String>,
        /// The holder's compressed secp256k1 key, 33 bytes.
        key: HexBinary,
        /// End of the offer, Unix ms, exclusive.
        expires: Uint64,
        /// Over SHA-256 of the card's open message, `r ‖ s` with low s, 64 bytes.
        signature: HexBinary,
    },
}

/// What can be asked.
#[cw_serde]
#[derive(QueryResponses)]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub enum QueryMsg {
    /// The contract's settings.
    #[returns(ConfigResponse)]
    Config {},
    /// An institution.
    #[returns(Option<InstitutionInfo>)]
    Institution {
        /// Its number.
        number: u32,
    },
    /// Institutions in ascending number.
    #[returns(InstitutionsResponse)]
    Institutions {
        /// Number after which to start.
        start_after: Option<u32>,
        /// Items of the page.
        limit: Option<u32>,
    },
    /// Which institution an account operates.
    #[returns(Option<u32>)]
    Operator {
        /// The account.
        account: String,
    },
    /// A case's virtual identity.
    #[returns(Option<IdentityInfo>)]
    Identity {
        /// The case, 32 bytes.
        case: HexBinary,
    },
    /// Cases by the first byte of H(holder), so that who recovers its cases does not tell the node
    /// which are its own.
    #[returns(BucketResponse)]
    Bucket {
        /// First byte.
        prefix: u8,
        /// H(holder) after which to start, 32 bytes.
        start_after: Option<HexBinary>,
        /// Items of the page.
        limit: Option<u32>,
    },
}

/// The contract's settings.
#[cw_serde]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct ConfigResponse {
    /// Account of the consortium.
    pub authority: String,
    /// Id of this network, which every case card names, 32 bytes.
    pub net: HexBinary,
    /// Institutions admitted so far: the highest number.
    pub institutions: u32,
}

/// An institution.
#[cw_serde]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct InstitutionInfo {
    /// Its number.
    pub number: u32,
    /// May it act.
    pub status: InstitutionStatus,
    /// What it is.
    pub kind: InstitutionKind,
    /// Its main account.
    pub account: String,
    /// Hash of its X-Wing public key, 32 bytes.
    pub kem: HexBinary,
    /// Epoch of that key.
    pub kem_epoch: u32,
    /// When the status began, Unix ms.
    pub since: Uint64,
    /// Its public name.
    pub name: String,
    /// Public URL of its agent.
    pub endpoint: String,
    /// Operator accounts it has.
    pub operators: u32,
}

impl InstitutionInfo {
    /// The frozen record of this institution.
    pub fn record(&self) -> Result<records::InstitutionRecord, ProtocolError> {
        Ok(records::InstitutionRecord {
            version: V1,
            status: self.status.into(),
            kind: self.kind.into(),
            account: account::decode("account", &self.account)?,
            kem: convert::fixed("kem", &self.kem)?,
            kem_epoch: self.kem_epoch,
            since: self.since.u64(),
            name: self.name.clone(),
        })
    }
}

/// A page of institutions.
#[cw_serde]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct InstitutionsResponse {
    /// In ascending number.
    pub institutions: Vec<InstitutionInfo>,
}

/// A case's virtual identity.
#[cw_serde]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct IdentityInfo {
    /// The case, 32 bytes.
    pub case: HexBinary,
    /// The holder's account.
    pub holder: String,
    /// Hash of the holder's X-Wing public key, 32 bytes.
    pub kem: HexBinary,
    /// Epoch of that key.
    pub epoch: u32,
    /// Who enrolled it.
    pub institution: u32,
    /// The key is the institution's.
    pub custodial: bool,
    /// When the holder became holder, Unix ms.
    pub since: Uint64,
    /// Account that may recover the case.
    pub recovery: Option<String>,
}

impl IdentityInfo {
    /// The case and its frozen record.
    pub fn record(&self) -> Result<(CaseId, records::IdentityRecord), ProtocolError> {
        let record = records::IdentityRecord {
            version: V1,
            holder: account::decode("holder", &self.holder)?,
            kem: convert::fixed("kem", &self.kem)?,
            epoch: self.epoch,
            institution: self.institution,
            custodial: self.custodial,
            since: self.since.u64(),
        };
        Ok((convert::case_id(&self.case)?, record))
    }
}

/// A page of cases of one bucket.
#[cw_serde]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct BucketResponse {
    /// In ascending H(holder).
    pub cases: Vec<BucketItem>,
}

/// A case of a bucket.
#[cw_serde]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct BucketItem {
    /// H(holder), 32 bytes.
    pub holder: HexBinary,
    /// The case, 32 bytes.
    pub case: HexBinary,
}

impl BucketItem {
    /// H(holder) and the case.
    pub fn ids(&self) -> Result<(Hash, CaseId), ProtocolError> {
        Ok((convert::fixed("holder", &self.holder)?, convert::case_id(&self.case)?))
    }
}

/// H(holder): the id under which a holder's case is found.
pub fn holder_hash(holder: &Address) -> Hash {
    casewise_ledger::sha256(&[&holder.0])
}

impl ExecuteMsg {
    /// Enrols the case of an offer. `prefix` is the network's bech32 prefix.
    pub fn enrol(prefix: &str, offer: &CaseOffer) -> Result<Self, ProtocolError> {
        let recovery =
            offer.recovery.as_ref().map(|recovery| account::encode(prefix, recovery)).transpose()?;
        Ok(Self::Enrol {
            card: convert::blob::<CaseCard>(&offer.card),
            recovery,
            key: convert::hex(&offer.key),
            expires: offer.expires.into(),
            signature: convert::hex(&offer.signature),
        })
    }
}

impl QueryMsg {
    /// Asks for a case's virtual identity.
    pub fn identity(case: &CaseId) -> Self {
        Self::Identity { case: convert::hex(&case.0) }
    }

    /// Asks for a page of a bucket.
    pub fn bucket(prefix: u8, start_after: Option<&Hash>, limit: Option<u32>) -> Self {
        Self::Bucket { prefix, start_after: start_after.map(convert::hex), limit }
    }
}
