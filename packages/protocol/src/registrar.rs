//! registrar: who takes part. Institutions with their operators, and the virtual identities of
//! patients, one per case.

use casewise_ledger::{Address, CaseCard, CaseId, CaseOffer, Hash, RotateCard, RotateOffer, V1, records};
use cosmwasm_schema::{QueryResponses, cw_serde};
use cosmwasm_std::{Binary, HexBinary, Uint64};

use crate::{
    ProtocolError, account,
    convert::{self, InstitutionKind, InstitutionStatus, PractitionerRole, PractitionerStatus},
};

/// Longest name of an institution, bytes of UTF-8.
pub const MAX_NAME: usize = 64;
/// Longest endpoint URL, bytes.
pub const MAX_ENDPOINT: usize = 256;
/// Most operator accounts of an institution, its main account included.
pub const MAX_OPERATORS: usize = 64;
/// How long a recovery waits for a veto unless the network says otherwise, seconds: 3 days.
pub const DEFAULT_RECOVERY_DELAY: u32 = 3 * 86_400;
/// Shortest delay of a recovery, seconds: for networks made for tests.
pub const MIN_RECOVERY_DELAY: u32 = 1;
/// Longest delay of a recovery, seconds: 30 days.
pub const MAX_RECOVERY_DELAY: u32 = 30 * 86_400;
/// How long a recovery can be finished once it is ready, ms: 30 days; then it counts no more.
pub const RECOVERY_WINDOW_MS: u64 = 30 * 86_400_000;
/// How far ahead of the case's next epoch the card of a recovery may be. Who has the holder's key
/// can rotate before a card for exactly the next epoch arrives, again and again.
pub const MAX_EPOCHS_AHEAD: u32 = 1_024;
/// Longest offer of a claim, ms: 30 days.
pub const MAX_CLAIM_MS: u64 = 30 * 86_400_000;

/// What the contract starts with.
#[cw_serde]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct InstantiateMsg {
    /// Account of the consortium: admits institutions. May be a group's.
    pub authority: String,
    /// How long a recovery waits, seconds: [`MIN_RECOVERY_DELAY`] to [`MAX_RECOVERY_DELAY`]; none
    /// is [`DEFAULT_RECOVERY_DELAY`].
    pub recovery_delay: Option<u32>,
}

/// What a new version of the code is started with.
#[cw_serde]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct MigrateMsg {
    /// How long a recovery waits, seconds; none leaves it, or sets [`DEFAULT_RECOVERY_DELAY`] where
    /// the older version had none.
    pub recovery_delay: Option<u32>,
}

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
    /// The authority names the account that is to follow it; none takes the proposal back.
    ProposeAuthority {
        /// The account. May be a group's.
        account: Option<String>,
    },
    /// The account that was proposed becomes the authority.
    AcceptAuthority {},
    /// The authority names the ppr contract that is told of new holders.
    SetPpr {
        /// Its address.
        ppr: String,
    },
    /// The authority stops new registrations (institutions, practitioners, identities) or allows
    /// them again. What is registered goes on.
    PauseRegistrations {
        /// Stopped or not.
        paused: bool,
    },
    /// An operator registers a practitioner of its institution.
    RegisterPractitioner {
        /// The practitioner's account.
        account: String,
        /// What it is.
        role: PractitionerRole,
    },
    /// An operator of the practitioner's institution suspends it; the authority bars it.
    SuspendPractitioner {
        /// The practitioner's account.
        account: String,
    },
    /// Lifts a suspension; only the authority lifts its own.
    ResumePractitioner {
        /// The practitioner's account.
        account: String,
    },
    /// An operator enrols a case whose holder's key its institution made, for a patient who cannot.
    /// The patient claims it later. It has no recovery account until then.
    EnrolCustodial {
        /// Borsh `CaseCard`.
        card: Binary,
        /// The holder's compressed secp256k1 key, 33 bytes.
        key: HexBinary,
        /// End of the offer, Unix ms, exclusive.
        expires: Uint64,
        /// Over SHA-256 of the card's open message without recovery account, 64 bytes, low s.
        signature: HexBinary,
    },
    /// The holder of a custodial case offers it to the account that the patient has made for it.
    OfferClaim {
        /// The case, 32 bytes.
        case: HexBinary,
        /// The patient's account.
        holder: String,
        /// End of the offer, Unix ms, exclusive, at most [`MAX_CLAIM_MS`] ahead.
        until: Uint64,
    },
    /// The holder of a custodial case takes its offer back.
    WithdrawClaim {
        /// The case, 32 bytes.
        case: HexBinary,
    },
    /// The account to which a custodial case is offered becomes its holder.
    AcceptClaim {
        /// Borsh `RotateCard`.
        card: Binary,
        /// Account that may recover the case from now on.
        recovery: Option<String>,
        /// The new holder's compressed key, 33 bytes.
        key: HexBinary,
        /// Over SHA-256 of the card's message, 64 bytes, low s.
        signature: HexBinary,
    },
    /// The holder puts another account and key of its own in its place.
    Rotate {
        /// Borsh `RotateCard`.
        card: Binary,
        /// The new holder's compressed key, 33 bytes.
        key: HexBinary,
        /// Over SHA-256 of the card's message, 64 bytes, low s.
        signature: HexBinary,
    },
    /// The recovery account starts to put another account in the holder's place. Until it is
    /// finished or stopped, the holder only revokes.
    StartRecovery {
        /// Borsh `RotateCard`.
        card: Binary,
        /// The new holder's compressed key, 33 bytes.
        key: HexBinary,
        /// Over SHA-256 of the card's message, 64 bytes, low s.
        signature: HexBinary,
    },
    /// An operator of an institution with an active relationship attests that the patient wants the
    /// recovery: it cannot be vetoed then.
    AttestRecovery {
        /// The case, 32 bytes.
        case: HexBinary,
    },
    /// The holder stops a recovery. Once in the life of a holder found by claim or recovery:
    /// a stolen key must not stop it for ever.
    VetoRecovery {
        /// The case, 32 bytes.
        case: HexBinary,
    },
    /// The recovery account stops its own recovery.
    CancelRecovery {
        /// The case, 32 bytes.
        case: HexBinary,
    },
    /// The recovery account or the new holder finishes a recovery whose delay is over.
    FinishRecovery {
        /// The case, 32 bytes.
        case: HexBinary,
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
    /// A practitioner.
    #[returns(Option<PractitionerInfo>)]
    Practitioner {
        /// Its account.
        account: String,
    },
    /// Practitioners of an institution in ascending account.
    #[returns(PractitionersResponse)]
    Practitioners {
        /// The institution's number.
        institution: u32,
        /// Account after which to start.
        start_after: Option<String>,
        /// Items of the page.
        limit: Option<u32>,
    },
    /// A recovery that is running.
    #[returns(Option<RecoveryInfo>)]
    Recovery {
        /// The case, 32 bytes.
        case: HexBinary,
    },
    /// A claim that is offered.
    #[returns(Option<ClaimInfo>)]
    Claim {
        /// The case, 32 bytes.
        case: HexBinary,
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
    /// The account that may take over the authority.
    pub proposed: Option<String>,
    /// The ppr contract's address, once set.
    pub ppr: Option<String>,
    /// No new registrations for now.
    pub paused: bool,
    /// How long a recovery waits, seconds.
    pub recovery_delay: u32,
}

/// A practitioner.
#[cw_serde]
#[derive(Eq)]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct PractitionerInfo {
    /// Its account.
    pub account: String,
    /// May it act.
    pub status: PractitionerStatus,
    /// What it is.
    pub role: PractitionerRole,
    /// Where it works.
    pub institution: u32,
    /// When the status began, Unix ms.
    pub since: Uint64,
}

impl PractitionerInfo {
    /// Its account and frozen record.
    pub fn record(&self) -> Result<(Address, records::PractitionerRecord), ProtocolError> {
        let record = records::PractitionerRecord {
            version: V1,
            status: self.status.into(),
            role: self.role.into(),
            institution: self.institution,
            since: self.since.u64(),
        };
        Ok((account::decode("account", &self.account)?, record))
    }
}

/// A page of practitioners.
#[cw_serde]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct PractitionersResponse {
    /// In ascending account.
    pub practitioners: Vec<PractitionerInfo>,
}

/// A recovery that is running.
#[cw_serde]
#[derive(Eq)]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct RecoveryInfo {
    /// The holder to be.
    pub holder: String,
    /// Hash of its X-Wing public key, 32 bytes.
    pub kem: HexBinary,
    /// When it can be finished, Unix ms.
    pub ready: Uint64,
    /// From when on it counts no more, Unix ms.
    pub lapses: Uint64,
    /// The institution that attests it.
    pub attested: Option<u32>,
    /// The holder has used its veto.
    pub vetoed: bool,
}

impl RecoveryInfo {
    /// The frozen record of this recovery.
    pub fn record(&self) -> Result<records::RecoveryRecord, ProtocolError> {
        Ok(records::RecoveryRecord {
            version: V1,
            holder: account::decode("holder", &self.holder)?,
            kem: convert::fixed("kem", &self.kem)?,
            ready: self.ready.u64(),
            lapses: self.lapses.u64(),
            attested: self.attested,
        })
    }
}

/// A claim that is offered.
#[cw_serde]
#[derive(Eq)]
#[serde(deny_unknown_fields)]
#[schemaifier(mute_warnings)]
pub struct ClaimInfo {
    /// The account that may accept it.
    pub holder: String,
    /// End of the offer, Unix ms, exclusive.
    pub until: Uint64,
}

impl ClaimInfo {
    /// The frozen record of this claim.
    pub fn record(&self) -> Result<records::ClaimRecord, ProtocolError> {
        let holder = account::decode("holder", &self.holder)?;
        Ok(records::ClaimRecord { version: V1, holder, until: self.until.u64() })
    }
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

/// The fields of the messages that carry a signed [`RotateCard`].
fn signed(offer: &RotateOffer) -> (Binary, HexBinary, HexBinary) {
    (convert::blob::<RotateCard>(&offer.card), convert::hex(&offer.key), convert::hex(&offer.signature))
}

/// The messages on a case's identity. `prefix` is the network's bech32 prefix.
impl ExecuteMsg {
    /// Enrols a custodial case. The offer names no recovery account.
    pub fn enrol_custodial(offer: &CaseOffer) -> Self {
        Self::EnrolCustodial {
            card: convert::blob::<CaseCard>(&offer.card),
            key: convert::hex(&offer.key),
            expires: offer.expires.into(),
            signature: convert::hex(&offer.signature),
        }
    }

    /// Offers a custodial case to an account until then, Unix ms.
    pub fn offer_claim(
        prefix: &str,
        case: &CaseId,
        holder: &Address,
        until: u64,
    ) -> Result<Self, ProtocolError> {
        let holder = account::encode(prefix, holder)?;
        Ok(Self::OfferClaim { case: convert::hex(&case.0), holder, until: until.into() })
    }

    /// Takes the offer of a case back.
    pub fn withdraw_claim(case: &CaseId) -> Self {
        Self::WithdrawClaim { case: convert::hex(&case.0) }
    }

    /// Takes a custodial case over.
    pub fn accept_claim(
        prefix: &str,
        offer: &RotateOffer,
        recovery: Option<&Address>,
    ) -> Result<Self, ProtocolError> {
        let recovery = recovery.map(|recovery| account::encode(prefix, recovery)).transpose()?;
        let (card, key, signature) = signed(offer);
        Ok(Self::AcceptClaim { card, recovery, key, signature })
    }

    /// Puts another account in the holder's place.
    pub fn rotate(offer: &RotateOffer) -> Self {
        let (card, key, signature) = signed(offer);
        Self::Rotate { card, key, signature }
    }

    /// Starts a recovery.
    pub fn start_recovery(offer: &RotateOffer) -> Self {
        let (card, key, signature) = signed(offer);
        Self::StartRecovery { card, key, signature }
    }

    /// Attests a case's recovery.
    pub fn attest_recovery(case: &CaseId) -> Self {
        Self::AttestRecovery { case: convert::hex(&case.0) }
    }

    /// Stops a case's recovery as its holder.
    pub fn veto_recovery(case: &CaseId) -> Self {
        Self::VetoRecovery { case: convert::hex(&case.0) }
    }

    /// Stops a case's recovery as its recovery account.
    pub fn cancel_recovery(case: &CaseId) -> Self {
        Self::CancelRecovery { case: convert::hex(&case.0) }
    }

    /// Finishes a case's recovery.
    pub fn finish_recovery(case: &CaseId) -> Self {
        Self::FinishRecovery { case: convert::hex(&case.0) }
    }
}

impl QueryMsg {
    /// Asks for a recovery that is running.
    pub fn recovery(case: &CaseId) -> Self {
        Self::Recovery { case: convert::hex(&case.0) }
    }

    /// Asks for a claim that is offered.
    pub fn claim(case: &CaseId) -> Self {
        Self::Claim { case: convert::hex(&case.0) }
    }

    /// Asks for a case's virtual identity.
    pub fn identity(case: &CaseId) -> Self {
        Self::Identity { case: convert::hex(&case.0) }
    }

    /// Asks for a page of a bucket.
    pub fn bucket(prefix: u8, start_after: Option<&Hash>, limit: Option<u32>) -> Self {
        Self::Bucket { prefix, start_after: start_after.map(convert::hex), limit }
    }
}
