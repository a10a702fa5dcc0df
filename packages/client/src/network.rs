//! The network: the chain, its three contracts, and the facts a client asks them.
//!
//! Must never take one height's answer for another's.

use async_trait::async_trait;
use casewise_chain::{
    Account, Chain, ChainError, ChainExt, ChainParams, Contracts, Manifest, Prefix, account_from_bech32,
};
use casewise_ledger::records::{GrantRecord, IdentityRecord, LaneRecord, Policy, RecoveryRecord, ns};
use casewise_ledger::{Address, CaseId, Commitment, LaneId, Net};
use casewise_protocol::record::Be32;
use casewise_protocol::{page, ppr, registrar, summary};

use crate::ClientError;
use crate::ports::{Directory, Institution};

/// A network as the client sees it.
#[derive(Clone, Copy)]
pub struct Network<'a> {
    /// The chain.
    pub chain: &'a dyn Chain,
    /// The manifest: contracts, codes, what to trust.
    pub manifest: &'a Manifest,
}

impl<'a> Network<'a> {
    /// A chain, described by a manifest.
    pub fn new(chain: &'a dyn Chain, manifest: &'a Manifest) -> Self {
        Self { chain, manifest }
    }

    /// Its id.
    pub fn net(&self) -> Net {
        self.manifest.net()
    }

    /// Chain id, prefix and gas price.
    pub fn params(&self) -> &ChainParams {
        &self.manifest.params
    }

    /// The contracts.
    pub fn contracts(&self) -> &Contracts {
        &self.manifest.contracts
    }

    fn prefix(&self) -> &Prefix {
        &self.manifest.params.prefix
    }

    /// The virtual identity of a case, `None` until it is enrolled.
    pub async fn identity(&self, case: &CaseId) -> Result<Option<IdentityRecord>, ClientError> {
        Ok(self.chain.record(&self.contracts().registrar, ns::IDENTITY, &case.0, None).await?)
    }

    /// The account that may recover a case.
    pub async fn recovery_account(&self, case: &CaseId) -> Result<Option<Address>, ClientError> {
        Ok(self.chain.record(&self.contracts().registrar, ns::RECOVERY, &case.0, None).await?)
    }

    /// The recovery of a case that was started, `None` when there is none; one that lapsed may still
    /// be named.
    pub async fn recovery(&self, case: &CaseId) -> Result<Option<RecoveryRecord>, ClientError> {
        Ok(self.chain.record(&self.contracts().registrar, ns::RECOVERING, &case.0, None).await?)
    }

    /// The case of a holder, found among all cases whose holders' hashes begin alike, so that the
    /// node does not learn which one was looked for.
    pub async fn case_of(&self, holder: &Address) -> Result<Option<CaseId>, ClientError> {
        let wanted = registrar::holder_hash(holder);
        let (mut found, mut after) = (None, None);
        loop {
            let query = registrar::QueryMsg::bucket(wanted[0], after.as_ref(), Some(page::MAX_LIMIT));
            let answer: registrar::BucketResponse =
                self.chain.query(&self.contracts().registrar, &query, None).await?;
            let Some(last) = answer.cases.last() else { return Ok(found) };
            let last = last.ids().map_err(ClientError::protocol)?.0;
            if after.is_some_and(|after| last <= after) {
                return Err(ClientError::integrity("a page of the registrar", "it does not go on"));
            }
            for item in &answer.cases {
                let (hash, case) = item.ids().map_err(ClientError::protocol)?;
                // the whole bucket is read even when it was found: the last page shows nothing either
                if hash == wanted {
                    found = Some(case);
                }
            }
            after = Some(last);
        }
    }

    /// The account that answers for an institution and pays fees.
    pub async fn institution_account(&self, number: u32) -> Result<Option<Address>, ClientError> {
        let info = self.institution_info(number).await?;
        let account = info.map(|info| account_from_bech32(&info.account, self.prefix())).transpose()?;
        Ok(account)
    }

    async fn institution_info(&self, number: u32) -> Result<Option<registrar::InstitutionInfo>, ClientError> {
        let query = registrar::QueryMsg::Institution { number };
        let info: Option<registrar::InstitutionInfo> =
            self.chain.query(&self.contracts().registrar, &query, None).await?;
        if info.as_ref().is_some_and(|info| info.number != number) {
            return Err(ClientError::integrity(
                "an answer of the registrar",
                "it is about another institution",
            ));
        }
        Ok(info)
    }

    /// Every relationship of a case.
    pub async fn relationships(&self, case: &CaseId) -> Result<Vec<ppr::RelationshipInfo>, ClientError> {
        let mut all: Vec<ppr::RelationshipInfo> = Vec::new();
        loop {
            let after = all.last().map(|last| last.institution);
            let query = ppr::QueryMsg::relationships(case, after, Some(page::MAX_LIMIT));
            let answer: ppr::RelationshipsResponse =
                self.chain.query(&self.contracts().ppr, &query, None).await?;
            let Some(first) = answer.relationships.first() else { return Ok(all) };
            if after.is_some_and(|after| first.institution <= after) {
                return Err(ClientError::integrity("a page of ppr", "it does not go on"));
            }
            all.extend(answer.relationships);
        }
    }

    /// Where an institution stands with a case.
    pub async fn status(
        &self,
        case: &CaseId,
        institution: u32,
    ) -> Result<summary::StatusResponse, ClientError> {
        let query = summary::QueryMsg::status(case, institution);
        Ok(self.chain.query(&self.contracts().summary, &query, None).await?)
    }

    /// Every lane of a case with its record, by id.
    pub async fn lanes(&self, case: &CaseId) -> Result<Vec<(LaneId, LaneRecord)>, ClientError> {
        let mut all: Vec<(LaneId, LaneRecord)> = Vec::new();
        loop {
            let after = all.last().map(|(lane, _)| *lane);
            let query = summary::QueryMsg::lanes(case, after.as_ref(), Some(page::MAX_LIMIT));
            let answer: summary::LanesResponse =
                self.chain.query(&self.contracts().summary, &query, None).await?;
            if answer.lanes.is_empty() {
                return Ok(all);
            }
            for info in &answer.lanes {
                let (lane, record) = info.record().map_err(ClientError::protocol)?;
                if record.case != *case || all.last().is_some_and(|(last, _)| lane <= *last) {
                    return Err(ClientError::integrity(
                        "a page of summary",
                        "it is of another case, or out of order",
                    ));
                }
                all.push((lane, record));
            }
        }
    }

    /// The policy of a case.
    pub async fn policy(&self, case: &CaseId) -> Result<Option<Policy>, ClientError> {
        Ok(self.chain.record(&self.contracts().ppr, ns::POLICY, &case.0, None).await?)
    }

    /// A grant's record.
    pub async fn grant(&self, grant: &Commitment) -> Result<Option<GrantRecord>, ClientError> {
        Ok(self.chain.record(&self.contracts().ppr, ns::GRANT, &grant.0, None).await?)
    }

    /// How far each institution has acknowledged the case's revocations.
    pub async fn acks(&self, case: &CaseId) -> Result<(u32, Vec<ppr::AckInfo>), ClientError> {
        let mut all: Vec<ppr::AckInfo> = Vec::new();
        loop {
            let after = all.last().map(|last| last.institution);
            let query = ppr::QueryMsg::acks(case, after, Some(page::MAX_LIMIT));
            let answer: ppr::AcksResponse = self.chain.query(&self.contracts().ppr, &query, None).await?;
            let Some(first) = answer.acks.first() else { return Ok((answer.rev, all)) };
            if after.is_some_and(|after| first.institution <= after) {
                return Err(ClientError::integrity("a page of ppr", "it does not go on"));
            }
            all.extend(answer.acks);
        }
    }

    /// Which institution an account operated at the end of block `height`, or operates now when the
    /// node no longer knows that height.
    pub async fn operator_at(&self, account: &Address, height: u64) -> Result<Option<u32>, ClientError> {
        match self.operator(account, Some(height)).await {
            Err(ChainError::Pruned { .. }) => Ok(self.operator(account, None).await?),
            other => Ok(other?),
        }
    }

    async fn operator(&self, account: &Address, height: Option<u64>) -> Result<Option<u32>, ChainError> {
        let number: Option<Be32> =
            self.chain.record(&self.contracts().registrar, ns::OPERATOR, &account.0, height).await?;
        Ok(number.map(|Be32(number)| number))
    }

    /// The account of a holder, once the chain knows it.
    pub async fn account(&self, holder: &Address) -> Result<Option<Account>, ClientError> {
        Ok(self.chain.account(holder).await?)
    }
}

#[async_trait]
impl Directory for Network<'_> {
    async fn institution(&self, number: u32) -> Result<Option<Institution>, ClientError> {
        let Some(info) = self.institution_info(number).await? else { return Ok(None) };
        let record = info.record().map_err(ClientError::protocol)?;
        Ok(Some(Institution {
            number,
            name: info.name,
            endpoint: info.endpoint,
            kem: record.kem,
            kem_epoch: record.kem_epoch,
            active: record.status == casewise_ledger::records::InstitutionStatus::Active,
        }))
    }

    async fn operator(&self, account: &Address) -> Result<Option<u32>, ClientError> {
        Ok(Network::operator(self, account, None).await?)
    }

    async fn lane(&self, lane: &LaneId, height: Option<u64>) -> Result<Option<LaneRecord>, ClientError> {
        Ok(self.chain.record(&self.contracts().summary, ns::LANE, &lane.0, height).await?)
    }
}
