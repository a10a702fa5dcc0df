//! A patient at work: one phrase, one wallet, one network.
//!
//! Each thing a patient does is a module of its own that adds to [`Patient`].

use casewise_ledger::account::AccountKey;
use casewise_ledger::{LaneId, LedgerError};

use crate::agent::{Agent, World};
use crate::book::{Book, CaseState};
use crate::network::Network;
use crate::{ClientError, Phrase};

/// What is told while something takes long: steps done, steps in all when known, what is done.
pub type Progress<'a> = &'a (dyn Fn(u64, Option<u64>, &str) + Send + Sync);

/// A patient at work.
#[derive(Clone, Copy)]
pub struct Patient<'a> {
    /// The phrase.
    pub phrase: &'a Phrase,
    /// The wallet's records.
    pub book: Book<'a>,
    /// The network.
    pub network: &'a Network<'a>,
    /// HTTP, time, randomness.
    pub world: World<'a>,
    /// Told while something takes long.
    pub progress: Progress<'a>,
}

impl<'a> Patient<'a> {
    /// The case with this number, or whose id begins with this text, or the only one.
    /// Errors: [`ClientError::Input`] also for a case that was made for another network.
    pub async fn choose(&self, wanted: Option<&str>) -> Result<CaseState, ClientError> {
        let case = self.choose_any(wanted).await?;
        if case.net == self.world.net {
            return Ok(case);
        }
        let why = format!("case {} was made for another network; name its manifest with --manifest", case.n);
        Err(ClientError::input("--case", why))
    }

    async fn choose_any(&self, wanted: Option<&str>) -> Result<CaseState, ClientError> {
        let cases = self.book.cases().await?;
        let Some(wanted) = wanted else {
            return match <[CaseState; 1]>::try_from(cases) {
                Ok([case]) => Ok(case),
                Err(cases) if cases.is_empty() => Err(ClientError::not_found("a case in this wallet")),
                Err(_) => {
                    Err(ClientError::input("--case", "there are several cases; name one by its number"))
                }
            };
        };
        let by_number = cases.iter().find(|case| case.n.to_string() == wanted);
        if let Some(case) = by_number {
            return Ok(case.clone());
        }
        let mut by_id =
            cases.iter().filter(|case| wanted.len() >= 4 && case.case.to_hex().starts_with(wanted));
        match (by_id.next(), by_id.next()) {
            (Some(case), None) => Ok(case.clone()),
            (Some(_), Some(_)) => Err(ClientError::input("--case", "several cases begin like this")),
            _ => Err(ClientError::not_found(format!("case {wanted}"))),
        }
    }

    /// The lane of a case whose id begins with this text.
    pub async fn choose_lane(&self, case: &CaseState, wanted: &str) -> Result<LaneId, ClientError> {
        let lanes = self.book.lanes(case.n).await?;
        let mut found = lanes
            .iter()
            .map(|lane| lane.header.id())
            .filter(|lane| wanted.len() >= 4 && lane.to_hex().starts_with(wanted));
        match (found.next(), found.next()) {
            (Some(lane), None) => Ok(lane),
            (Some(_), Some(_)) => {
                Err(ClientError::input("lane", format!("several lanes begin with {wanted}")))
            }
            _ => Err(ClientError::not_found(format!(
                "lane {wanted} (give at least four digits) in case {}",
                case.n
            ))),
        }
    }

    /// The present as the chain sees it: the newest block's time, Unix ms, or this machine's if that
    /// is earlier. A grant that begins now is in force in the next block.
    pub async fn now(&self) -> Result<u64, ClientError> {
        Ok(self.network.chain.tip().await?.time_ms.min(self.world.clock.now_ms()))
    }

    /// The holder's key of a case.
    pub fn key(&self, case: &CaseState) -> Result<AccountKey, ClientError> {
        self.phrase.account(case.key)
    }

    /// An institution's agent, spoken to as the holder.
    pub(crate) async fn agent<'b>(
        &self,
        institution: u32,
        key: &'b AccountKey,
    ) -> Result<Agent<'b>, ClientError>
    where
        'a: 'b,
    {
        Agent::find(self.world, institution, key).await
    }

    pub(crate) fn tell(&self, done: u64, all: Option<u64>, what: &str) {
        (self.progress)(done, all, what);
    }
}

pub(crate) fn ledger(what: &str) -> impl Fn(LedgerError) -> ClientError + '_ {
    move |error| ClientError::integrity(what, error)
}
