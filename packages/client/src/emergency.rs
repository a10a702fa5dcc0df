//! Emergency accesses to a case: what the chain says of them, and ending one as the holder.

use casewise_chain::{ChainExt, Included, Msg};
use casewise_ledger::CaseId;
use casewise_protocol::{page, ppr};

use crate::book::CaseState;
use crate::{ClientError, Network, Patient};

impl Network<'_> {
    /// Every emergency access of a case, in the order in which they were opened.
    pub async fn emergencies(&self, case: &CaseId) -> Result<Vec<ppr::EmergencyInfo>, ClientError> {
        let mut all: Vec<ppr::EmergencyInfo> = Vec::new();
        loop {
            let after = all.last().map(|last| last.number);
            let query = ppr::QueryMsg::emergencies(case, after, Some(page::MAX_LIMIT));
            let answer: ppr::EmergenciesResponse =
                self.chain.query(&self.contracts().ppr, &query, None).await?;
            let Some(first) = answer.emergencies.first() else { return Ok(all) };
            if after.is_some_and(|after| first.number <= after) {
                return Err(ClientError::integrity("a page of ppr", "it does not go on"));
            }
            all.extend(answer.emergencies);
        }
    }
}

impl Patient<'_> {
    /// Ends an emergency access to a case, as its holder.
    pub async fn end_emergency(&self, case: &CaseState, number: u32) -> Result<Included, ClientError> {
        let message = ppr::ExecuteMsg::end_emergency(&case.case, number);
        self.send(case, vec![Msg::execute(self.network.contracts().ppr, &message)?]).await
    }
}
