//! Messages and queries of a custodial case and its claim, from the ledger's objects.

use casewise_ledger::{Address, CaseCard, CaseId, CaseOffer, RotateCard, RotateOffer};

use crate::{
    ProtocolError, account, convert,
    registrar::{ExecuteMsg, QueryMsg},
};

impl ExecuteMsg {
    /// Enrols the case of an offer whose holder's key the enrolling institution made. Such an offer
    /// has no recovery account.
    pub fn enrol_custodial(offer: &CaseOffer) -> Self {
        Self::EnrolCustodial {
            card: convert::blob::<CaseCard>(&offer.card),
            key: convert::hex(&offer.key),
            expires: offer.expires.into(),
            signature: convert::hex(&offer.signature),
        }
    }

    /// Offers a custodial case to an account until a time (Unix ms, exclusive). `prefix` is the
    /// network's bech32 prefix.
    pub fn offer_claim(
        prefix: &str,
        case: &CaseId,
        holder: &Address,
        until: u64,
    ) -> Result<Self, ProtocolError> {
        let holder = account::encode(prefix, holder)?;
        Ok(Self::OfferClaim { case: convert::hex(&case.0), holder, until: until.into() })
    }

    /// Takes over a custodial case.
    pub fn accept_claim(
        prefix: &str,
        offer: &RotateOffer,
        recovery: Option<&Address>,
    ) -> Result<Self, ProtocolError> {
        Ok(Self::AcceptClaim {
            card: convert::blob::<RotateCard>(&offer.card),
            recovery: recovery.map(|recovery| account::encode(prefix, recovery)).transpose()?,
            key: convert::hex(&offer.key),
            signature: convert::hex(&offer.signature),
        })
    }
}

impl QueryMsg {
    /// Asks to whom a custodial case is offered.
    pub fn claim(case: &CaseId) -> Self {
        Self::Claim { case: convert::hex(&case.0) }
    }
}
