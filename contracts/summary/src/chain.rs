//! What summary reads of the other contracts.

use casewise_ledger::{
    records::{IdentityRecord, InstitutionRecord, Policy, RelationshipRecord},
    CaseId,
};
use casewise_protocol::{
    remote::{self, Ppr, Registrar},
    rules::{self, Refusal},
    ProtocolError,
};
use cosmwasm_std::{Addr, Api, QuerierWrapper, Storage};

use crate::{state::CONFIG, ContractError};

/// The other contracts.
pub struct Chain<'a> {
    api: &'a dyn Api,
    querier: QuerierWrapper<'a>,
    registrar: Addr,
    /// The ppr contract's address.
    pub ppr: Addr,
}

impl<'a> Chain<'a> {
    /// As configured. Keeps no hold on the storage, so that it can be written meanwhile.
    pub fn new(
        storage: &dyn Storage,
        api: &'a dyn Api,
        querier: QuerierWrapper<'a>,
    ) -> Result<Self, ProtocolError> {
        let config = CONFIG.load(storage, &[])?;
        Ok(Self {
            api,
            querier,
            registrar: Addr::unchecked(config.registrar),
            ppr: Addr::unchecked(config.ppr),
        })
    }

    fn registrar(&self) -> Registrar<'_> {
        Registrar::new(self.querier, &self.registrar)
    }

    fn ppr(&self) -> Ppr<'_> {
        Ppr::new(self.querier, &self.ppr)
    }

    /// Institution `number`, of which the sender must be an operator.
    pub fn operator_of(&self, sender: &Addr, number: u32) -> Result<InstitutionRecord, ContractError> {
        let sender = self.api.addr_canonicalize(sender.as_str())?;
        Ok(remote::operator_of(&self.registrar(), sender.as_slice(), number)??)
    }

    /// The sender must be an operator of some institution.
    pub fn operator(&self, sender: &Addr) -> Result<u32, ContractError> {
        let sender = self.api.addr_canonicalize(sender.as_str())?;
        Ok(self.registrar().operator(sender.as_slice())?.ok_or(Refusal::NoOperator)?)
    }

    /// The case's identity, for its holder only.
    pub fn holder(&self, sender: &Addr, case: &CaseId) -> Result<(), ContractError> {
        let sender = self.api.addr_canonicalize(sender.as_str())?;
        Ok(rules::holder(&self.identity(case)?, sender.as_slice())?)
    }

    /// The case's identity, which must exist.
    pub fn identity(&self, case: &CaseId) -> Result<IdentityRecord, ContractError> {
        Ok(self.registrar().identity(case)?.ok_or(Refusal::NoIdentity)?)
    }

    /// An institution.
    pub fn institution(&self, number: u32) -> Result<Option<InstitutionRecord>, ProtocolError> {
        self.registrar().institution(number)
    }

    /// A relationship.
    pub fn relationship(
        &self,
        case: &CaseId,
        number: u32,
    ) -> Result<Option<RelationshipRecord>, ProtocolError> {
        self.ppr().relationship(case, number)
    }

    /// A case's policy.
    pub fn policy(&self, case: &CaseId) -> Result<Option<Policy>, ProtocolError> {
        self.ppr().policy(case)
    }

    /// Until when an institution may anchor in a case. Reads the policy only of a suspended one.
    pub fn until(
        &self,
        institution: &InstitutionRecord,
        case: &CaseId,
    ) -> Result<Option<u64>, ProtocolError> {
        if rules::anchors_until(institution, None).is_none() {
            return Ok(None);
        }
        Ok(rules::anchors_until(institution, self.policy(case)?.as_ref()))
    }
}
