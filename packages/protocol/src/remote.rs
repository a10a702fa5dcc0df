//! Reads across contracts, each one raw query on a frozen record: cheap, and independent of the
//! other contract's code.

use casewise_ledger::{
    Address, CaseId,
    records::{
        DelegateRecord, IdentityRecord, InstitutionRecord, Policy, PractitionerRecord, RecoveryRecord,
        RelationshipRecord, delegate_id, relationship_id,
    },
};
use cosmwasm_std::{Addr, QuerierWrapper};

use crate::{
    ProtocolError,
    record::{self, Be32},
    rules::Refusal,
};

/// What ppr and summary read of the registrar.
pub struct Registrar<'a> {
    querier: QuerierWrapper<'a>,
    address: &'a Addr,
}

impl<'a> Registrar<'a> {
    /// The registrar at an address.
    pub fn new(querier: QuerierWrapper<'a>, address: &'a Addr) -> Self {
        Self { querier, address }
    }

    /// Canonical bytes of the consortium's account.
    pub fn authority(&self) -> Result<Vec<u8>, ProtocolError> {
        let missing = ProtocolError::Query { namespace: "authority" };
        record::AUTHORITY.query(&self.querier, self.address, &[])?.ok_or(missing)
    }

    /// An institution.
    pub fn institution(&self, number: u32) -> Result<Option<InstitutionRecord>, ProtocolError> {
        record::INSTITUTION.query(&self.querier, self.address, &number.to_be_bytes())
    }

    /// The institution that an account operates.
    pub fn operator(&self, account: &[u8]) -> Result<Option<u32>, ProtocolError> {
        let number = record::OPERATOR.query(&self.querier, self.address, account)?;
        Ok(number.map(|Be32(number)| number))
    }

    /// A recovery of a case, lapsed or not.
    pub fn recovery(&self, case: &CaseId) -> Result<Option<RecoveryRecord>, ProtocolError> {
        record::RECOVERING.query(&self.querier, self.address, &case.0)
    }

    /// A practitioner.
    pub fn practitioner(&self, account: &[u8]) -> Result<Option<PractitionerRecord>, ProtocolError> {
        record::PRACTITIONER.query(&self.querier, self.address, account)
    }

    /// A case's virtual identity.
    pub fn identity(&self, case: &CaseId) -> Result<Option<IdentityRecord>, ProtocolError> {
        record::IDENTITY.query(&self.querier, self.address, &case.0)
    }
}

/// What summary reads of ppr.
pub struct Ppr<'a> {
    querier: QuerierWrapper<'a>,
    address: &'a Addr,
}

impl<'a> Ppr<'a> {
    /// The ppr contract at an address.
    pub fn new(querier: QuerierWrapper<'a>, address: &'a Addr) -> Self {
        Self { querier, address }
    }

    /// A relationship.
    pub fn relationship(
        &self,
        case: &CaseId,
        institution: u32,
    ) -> Result<Option<RelationshipRecord>, ProtocolError> {
        record::RELATIONSHIP.query(&self.querier, self.address, &relationship_id(case, institution))
    }

    /// A case's delegate, live or not.
    pub fn delegate(
        &self,
        case: &CaseId,
        account: &Address,
    ) -> Result<Option<DelegateRecord>, ProtocolError> {
        record::DELEGATE.query(&self.querier, self.address, &delegate_id(case, account))
    }

    /// A case's policy.
    pub fn policy(&self, case: &CaseId) -> Result<Option<Policy>, ProtocolError> {
        record::POLICY.query(&self.querier, self.address, &case.0)
    }
}

/// The sender as an operator of `number`: one raw read when it is the institution's main account,
/// two for the others. Returns the institution, suspended or not.
pub fn operator_of(
    registrar: &Registrar<'_>,
    sender: &[u8],
    number: u32,
) -> Result<Result<InstitutionRecord, Refusal>, ProtocolError> {
    let refused = Refusal::NotOperator { institution: number };
    let Some(institution) = registrar.institution(number)? else {
        return Ok(Err(refused));
    };
    let operates = institution.account.0 == sender || registrar.operator(sender)? == Some(number);
    Ok(if operates { Ok(institution) } else { Err(refused) })
}
