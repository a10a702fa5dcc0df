//! What summary reads of the other contracts, and who a sender is by that.

use casewise_ledger::{
    records::{IdentityRecord, InstitutionRecord, LaneRecord, Policy, RecoveryRecord, RelationshipRecord},
    Address, CaseId, Party,
};
use casewise_protocol::{
    ppr::Power,
    remote::{self, Ppr, Registrar},
    rules::{self, Refusal},
    ProtocolError,
};
use cosmwasm_std::{Addr, Api, CanonicalAddr, QuerierWrapper, Storage};

use crate::{state::CONFIG, ContractError};

/// The other contracts.
pub struct Chain<'a> {
    api: &'a dyn Api,
    querier: QuerierWrapper<'a>,
    registrar: Addr,
    /// The ppr contract's address.
    pub ppr: Addr,
}

/// Who writes a lane.
#[derive(Clone, Debug)]
pub enum Author {
    /// An institution, suspended or not.
    Institution(u32, InstitutionRecord),
    /// An account, which is or was the holder.
    Account(Address),
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

    fn canonical(&self, sender: &Addr) -> Result<CanonicalAddr, ContractError> {
        Ok(self.api.addr_canonicalize(sender.as_str())?)
    }

    /// The author of a lane: the sender must be an operator of it, or itself.
    pub fn author(&self, sender: &Addr, author: &Party) -> Result<Author, ContractError> {
        let sender = self.canonical(sender)?;
        match author {
            Party::Institution(number) => {
                let found = remote::operator_of(&self.registrar(), sender.as_slice(), *number)??;
                Ok(Author::Institution(*number, found))
            }
            Party::Account(account) if account.0 == sender.as_slice() => Ok(Author::Account(*account)),
            Party::Account(_) => Err(Refusal::NotAuthor.into()),
        }
    }

    /// The author of a lane, whoever sends. `None`: an institution that does not exist.
    pub fn known_author(&self, author: &Party) -> Result<Option<Author>, ProtocolError> {
        Ok(match author {
            Party::Institution(number) => {
                self.institution(*number)?.map(|found| Author::Institution(*number, found))
            }
            Party::Account(account) => Some(Author::Account(*account)),
        })
    }

    /// Whether an account speaks for a lane's author: a present operator of an institution, suspended
    /// or not, or the author's own account while it is the holder. The key of a former holder may
    /// have been the reason for the change.
    pub fn speaks_for(&self, account: &Address, lane: &LaneRecord) -> Result<bool, ContractError> {
        Ok(match &lane.author {
            Party::Institution(number) => {
                remote::operator_of(&self.registrar(), &account.0, *number)?.is_ok()
            }
            Party::Account(author) => author == account && self.identity(&lane.case)?.holder == *account,
        })
    }

    /// The sender must be an operator of some institution.
    pub fn operator(&self, sender: &Addr) -> Result<u32, ContractError> {
        let sender = self.canonical(sender)?;
        Ok(self.registrar().operator(sender.as_slice())?.ok_or(Refusal::NoOperator)?)
    }

    /// The sender must be the case's holder or a delegate with this power, and no recovery of the
    /// case may be running. `now`: Unix ms.
    pub fn acts_for_holder(
        &self,
        sender: &Addr,
        case: &CaseId,
        power: Power,
        now: u64,
    ) -> Result<(), ContractError> {
        let (identity, sender) = (self.identity(case)?, self.canonical(sender)?);
        self.side_of_holder(&identity, sender.as_slice(), case, power, now)
    }

    fn side_of_holder(
        &self,
        identity: &IdentityRecord,
        sender: &[u8],
        case: &CaseId,
        power: Power,
        now: u64,
    ) -> Result<(), ContractError> {
        // a contract's address is longer than an account's: it is no delegate
        let delegate = match Address::try_from(sender) {
            Ok(account) if account != identity.holder => self.ppr().delegate(case, &account)?,
            _ => None,
        };
        rules::acts_for_holder(identity, delegate.as_ref(), sender, power, now)?;
        Ok(rules::not_recovering(self.recovery(case)?.as_ref(), now)?)
    }

    /// The sender must be an operator of an active institution whose relationship with the case is
    /// active, or act for the holder as in [`Chain::acts_for_holder`].
    pub fn involved(
        &self,
        sender: &Addr,
        case: &CaseId,
        power: Power,
        now: u64,
    ) -> Result<(), ContractError> {
        let (identity, sender) = (self.identity(case)?, self.canonical(sender)?);
        let operates = self.registrar().operator(sender.as_slice())?;
        let in_force = operates.map(|number| self.in_force(number, case)).transpose()?;
        if let Some(Ok(())) = in_force {
            return Ok(());
        }
        let refused = match self.side_of_holder(&identity, sender.as_slice(), case, power, now) {
            Err(ContractError::Refused(Refusal::NotHolder)) => Refusal::NotInvolved,
            other => return other,
        };
        // an operator is told what its institution lacks
        Err(in_force.and_then(Result::err).unwrap_or(refused).into())
    }

    fn in_force(&self, number: u32, case: &CaseId) -> Result<Result<(), Refusal>, ProtocolError> {
        let Some(institution) = self.institution(number)? else {
            return Ok(Err(Refusal::NoOperator));
        };
        let relationship = self.relationship(case, number)?;
        Ok(rules::require_in_force(number, &institution, relationship.as_ref()))
    }

    /// The case's identity, which must exist.
    pub fn identity(&self, case: &CaseId) -> Result<IdentityRecord, ContractError> {
        Ok(self.registrar().identity(case)?.ok_or(Refusal::NoIdentity)?)
    }

    /// A recovery of the case, lapsed or not.
    pub fn recovery(&self, case: &CaseId) -> Result<Option<RecoveryRecord>, ProtocolError> {
        self.registrar().recovery(case)
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

    /// Until when an author may write in a case. Reads the policy only of a suspended institution,
    /// the identity only of an account.
    pub fn until(&self, author: &Author, case: &CaseId) -> Result<Option<u64>, ContractError> {
        match author {
            Author::Account(account) => Ok(rules::holds_until(account, &self.identity(case)?)),
            Author::Institution(_, institution) => {
                if rules::anchors_until(institution, None).is_none() {
                    return Ok(None);
                }
                Ok(rules::anchors_until(institution, self.policy(case)?.as_ref()))
            }
        }
    }
}
