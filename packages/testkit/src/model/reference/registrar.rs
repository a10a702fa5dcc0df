//! The registrar's messages.

use casewise_ledger::{
    Address, CaseCard, CaseId, RotateCard, V1,
    account::PublicKey,
    records::{
        ClaimRecord, IdentityRecord, InstitutionRecord, InstitutionStatus, PractitionerRecord,
        PractitionerStatus, RecoveryRecord, RelationshipStatus,
    },
    sha256,
};
use casewise_protocol::registrar::{
    DEFAULT_RECOVERY_DELAY, ExecuteMsg, MAX_CLAIM_MS, MAX_OPERATORS, RECOVERY_WINDOW_MS,
};
use cosmwasm_std::{Binary, HexBinary};

use super::{At, Model, account_of, case_of, demand, hash_of, object};

type Done = Result<(), &'static str>;

/// Card, key and signature of a message that brings a new holder.
struct Turn<'a> {
    card: &'a Binary,
    key: &'a HexBinary,
    signature: &'a HexBinary,
}

impl Model {
    pub(super) fn registrar(&mut self, sender: &[u8], msg: &ExecuteMsg, at: At) -> Done {
        match msg {
            ExecuteMsg::RegisterInstitution { .. } => self.register_institution(sender, msg, at),
            ExecuteMsg::UpdateInstitution { institution, name, endpoint } => {
                self.update(sender, *institution, name.as_ref(), endpoint.as_ref())
            }
            ExecuteMsg::RotateKem { kem } => {
                let number = self.active_operator(sender)?;
                let kem = hash_of(kem)?;
                let institution = self.state.institutions.get_mut(&number).expect("it has operators");
                if institution.kem != kem {
                    institution.kem = kem;
                    institution.kem_epoch += 1;
                }
                Ok(())
            }
            ExecuteMsg::AddOperator { institution, account } => {
                self.authority_or_operator(sender, *institution)?;
                let account = account_of(account)?;
                match self.state.operators.get(&account) {
                    Some(number) => return demand(number == institution, "operates another"),
                    None => demand(!self.state.practitioners.contains_key(&account), "a practitioner")?,
                }
                let count = self.state.operators.values().filter(|number| *number == institution).count();
                demand(count < MAX_OPERATORS, "too many")?;
                self.state.operators.insert(account, *institution);
                Ok(())
            }
            ExecuteMsg::RemoveOperator { institution, account } => {
                self.authority_or_operator(sender, *institution)?;
                let account = account_of(account)?;
                demand(self.state.institutions[institution].account != account, "main account")?;
                match self.state.operators.get(&account) {
                    None => return Ok(()),
                    Some(number) => demand(number == institution, "operates another")?,
                }
                self.state.operators.remove(&account);
                Ok(())
            }
            ExecuteMsg::SuspendInstitution { institution } => {
                self.set_status(sender, *institution, InstitutionStatus::Suspended, at)
            }
            ExecuteMsg::ResumeInstitution { institution } => {
                self.set_status(sender, *institution, InstitutionStatus::Active, at)
            }
            ExecuteMsg::ProposeAuthority { account } => self.propose_authority(sender, account.as_deref()),
            ExecuteMsg::AcceptAuthority {} => {
                if self.proposed.is_none() && self.state.authority == sender {
                    return Ok(());
                }
                demand(self.proposed.as_deref() == Some(sender), "not proposed")?;
                self.state.authority = sender.to_vec();
                self.proposed = None;
                Ok(())
            }
            ExecuteMsg::SetPpr { ppr } => {
                self.authority(sender)?;
                demand(*ppr == self.network.ppr_text, "no contract")
            }
            ExecuteMsg::PauseRegistrations { paused } => {
                self.authority(sender)?;
                self.paused = *paused;
                Ok(())
            }
            ExecuteMsg::RegisterPractitioner { account, role } => {
                let institution = self.active_operator(sender)?;
                demand(!self.paused, "paused")?;
                let account = account_of(account)?;
                demand(!self.state.operators.contains_key(&account), "an operator")?;
                let role = (*role).into();
                if let Some(known) = self.state.practitioners.get(&account) {
                    return demand((known.institution, known.role) == (institution, role), "another one");
                }
                let record = PractitionerRecord {
                    version: V1,
                    status: PractitionerStatus::Active,
                    role,
                    institution,
                    since: at.now,
                };
                self.state.practitioners.insert(account, record);
                Ok(())
            }
            ExecuteMsg::SuspendPractitioner { account } => self.practitioner(sender, account, false, at),
            ExecuteMsg::ResumePractitioner { account } => self.practitioner(sender, account, true, at),
            ExecuteMsg::Enrol { card, recovery, key, expires, signature } => {
                let recovery = recovery.as_deref().map(account_of).transpose()?;
                let turn = Turn { card, key, signature };
                self.enrol(sender, &turn, recovery, expires.u64(), false, at)
            }
            ExecuteMsg::EnrolCustodial { card, key, expires, signature } => {
                let turn = Turn { card, key, signature };
                self.enrol(sender, &turn, None, expires.u64(), true, at)
            }
            ExecuteMsg::OfferClaim { case, holder, until } => {
                let case = self.custodian(sender, case)?;
                let holder = account_of(holder)?;
                let record = ClaimRecord { version: V1, holder, until: until.u64() };
                if self.state.claims.get(&case) == Some(&record) {
                    return Ok(());
                }
                demand(at.now < until.u64() && until.u64() <= at.now + MAX_CLAIM_MS, "until")?;
                demand(!self.holds(&holder), "holds a case")?;
                self.state.claims.insert(case, record);
                Ok(())
            }
            ExecuteMsg::WithdrawClaim { case } => {
                let case = self.custodian(sender, case)?;
                self.state.claims.remove(&case);
                Ok(())
            }
            ExecuteMsg::AcceptClaim { card, recovery, key, signature } => {
                let turn = Turn { card, key, signature };
                self.accept_claim(sender, &turn, recovery.as_deref(), at)
            }
            ExecuteMsg::Rotate { card, key, signature } => {
                self.rotate_holder(sender, &Turn { card, key, signature }, at)
            }
            ExecuteMsg::StartRecovery { card, key, signature } => {
                self.start_recovery(sender, &Turn { card, key, signature }, at)
            }
            ExecuteMsg::AttestRecovery { case } => {
                let case = case_of(case)?;
                let number = self.active_operator(sender)?;
                self.identity(&case)?;
                demand(self.relationship(&case, number) == Some(RelationshipStatus::Active), "not in force")?;
                demand(self.recovering(&case, at.now), "none runs")?;
                let recovery = self.state.recovering.get_mut(&case).expect("it runs");
                recovery.attested.get_or_insert(number);
                Ok(())
            }
            ExecuteMsg::VetoRecovery { case } => {
                let case = case_of(case)?;
                demand(self.identity(&case)?.holder.0 == sender, "not the holder")?;
                demand(self.recovering(&case, at.now), "none runs")?;
                demand(self.state.recovering[&case].attested.is_none(), "attested")?;
                demand(self.vetoed.insert(case), "used before")?;
                self.state.recovering.remove(&case);
                Ok(())
            }
            ExecuteMsg::CancelRecovery { case } => {
                let case = case_of(case)?;
                demand(self.recovers(&case, sender), "not the recovery account")?;
                if self.recovering(&case, at.now) {
                    self.state.recovering.remove(&case);
                }
                Ok(())
            }
            ExecuteMsg::FinishRecovery { case } => self.finish_recovery(sender, case_of(case)?, at),
        }
    }

    fn authority(&self, sender: &[u8]) -> Done {
        demand(self.state.authority == sender, "not the authority")
    }

    fn authority_or_operator(&self, sender: &[u8], number: u32) -> Done {
        demand(self.state.institutions.contains_key(&number), "no institution")?;
        let operator = self.operates(sender) == Some(number) && self.active(number);
        demand(self.state.authority == sender || operator, "not an operator")
    }

    fn register_institution(&mut self, sender: &[u8], msg: &ExecuteMsg, at: At) -> Done {
        let ExecuteMsg::RegisterInstitution { kind, account, name, endpoint, kem, operators } = msg else {
            return Err("another message");
        };
        self.authority(sender)?;
        demand(!self.paused, "paused")?;
        let account = account_of(account)?;
        let mut all = vec![account];
        for operator in operators {
            let operator = account_of(operator)?;
            if !all.contains(&operator) {
                all.push(operator);
            }
        }
        demand(!name.is_empty(), "name")?;
        let record = InstitutionRecord {
            version: V1,
            status: InstitutionStatus::Active,
            kind: (*kind).into(),
            account,
            kem: hash_of(kem)?,
            kem_epoch: 0,
            since: at.now,
            name: name.clone(),
        };
        if let Some(number) = self.state.operators.get(&account) {
            let known = &self.state.institutions[number];
            let facts = |of: &InstitutionRecord| (of.kind, of.account, of.kem, of.name.clone());
            let operate = all.iter().all(|operator| self.state.operators.get(operator) == Some(number));
            let same = facts(known) == facts(&record) && self.endpoints.get(number) == Some(endpoint);
            return demand(same && operate, "registered otherwise");
        }
        let taken = |operator| {
            self.state.operators.contains_key(operator) || self.state.practitioners.contains_key(operator)
        };
        demand(!all.iter().any(taken), "operates another")?;
        let number = self.state.institutions.len() as u32 + 1;
        self.state.institutions.insert(number, record);
        self.endpoints.insert(number, endpoint.clone());
        self.state.operators.extend(all.into_iter().map(|operator| (operator, number)));
        Ok(())
    }

    fn update(
        &mut self,
        sender: &[u8],
        number: u32,
        name: Option<&String>,
        endpoint: Option<&String>,
    ) -> Done {
        self.authority_or_operator(sender, number)?;
        demand(name.is_some() || endpoint.is_some(), "nothing")?;
        if let Some(name) = name {
            self.authority(sender)?;
            demand(!name.is_empty(), "name")?;
            self.state.institutions.get_mut(&number).expect("checked above").name = name.clone();
        }
        if let Some(endpoint) = endpoint {
            self.endpoints.insert(number, endpoint.clone());
        }
        Ok(())
    }

    fn set_status(&mut self, sender: &[u8], number: u32, status: InstitutionStatus, at: At) -> Done {
        self.authority(sender)?;
        let institution = self.state.institutions.get_mut(&number).ok_or("no institution")?;
        if institution.status != status {
            institution.status = status;
            institution.since = at.now;
        }
        Ok(())
    }

    fn propose_authority(&mut self, sender: &[u8], account: Option<&str>) -> Done {
        self.authority(sender)?;
        let account = account.map(account_of).transpose()?.map(|account| account.0.to_vec());
        demand(account.as_ref() != Some(&self.state.authority), "is the authority")?;
        self.proposed = account;
        Ok(())
    }

    fn practitioner(&mut self, sender: &[u8], account: &str, resume: bool, at: At) -> Done {
        use PractitionerStatus::{Active, Barred, Suspended};
        let account = account_of(account)?;
        let consortium = self.state.authority == sender;
        let known = self.state.practitioners.get(&account).ok_or("no practitioner")?;
        if !consortium {
            demand(self.active_operator(sender)? == known.institution, "not its operator")?;
        }
        let next = match (resume, consortium, known.status) {
            (false, true, _) => Barred,
            (false, false, Active) => Suspended,
            (false, false, status) => status,
            (true, false, Barred) => return Err("barred"),
            (true, ..) => Active,
        };
        let known = self.state.practitioners.get_mut(&account).expect("found above");
        if known.status != next {
            (known.status, known.since) = (next, at.now);
        }
        Ok(())
    }

    fn holds(&self, account: &Address) -> bool {
        self.state.holders.contains_key(&sha256(&[&account.0]))
    }

    fn enrol(
        &mut self,
        sender: &[u8],
        turn: &Turn<'_>,
        recovery: Option<Address>,
        expires: u64,
        custodial: bool,
        at: At,
    ) -> Done {
        let institution = self.active_operator(sender)?;
        demand(!self.paused, "paused")?;
        let card: CaseCard = object(turn.card)?;
        demand(card.net == self.network.net, "net")?;
        demand(recovery != Some(card.holder), "recovery")?;
        signed(turn, &card.holder, &card.open_message(recovery, institution, expires))?;
        let case = card.id();
        if let Some(known) = self.state.identities.get(&case) {
            let same = known.institution == institution
                && self.state.recovery.get(&case).copied() == recovery
                && known.custodial == custodial;
            return demand(same, "enrolled otherwise");
        }
        demand(at.now < expires, "expired")?;
        demand(!self.holds(&card.holder), "holds a case")?;
        let record = IdentityRecord {
            version: V1,
            holder: card.holder,
            kem: card.kem,
            epoch: 0,
            institution,
            custodial,
            since: at.now,
        };
        self.state.holders.insert(sha256(&[&card.holder.0]), case);
        self.state.identities.insert(case, record);
        if let Some(recovery) = recovery {
            self.state.recovery.insert(case, recovery);
        }
        Ok(())
    }

    fn custodian(&self, sender: &[u8], case: &HexBinary) -> Result<CaseId, &'static str> {
        let case = case_of(case)?;
        let identity = self.identity(&case)?;
        demand(identity.holder.0 == sender, "not the holder")?;
        demand(identity.custodial, "not custodial")?;
        Ok(case)
    }

    /// A well-made card for the next epoch of its case.
    fn next_holder(&self, turn: &Turn<'_>) -> Result<RotateCard, &'static str> {
        let card: RotateCard = object(turn.card)?;
        let identity = self.identity(&card.case)?;
        demand(card.epoch == identity.epoch + 1, "epoch")?;
        signed(turn, &card.holder, &card.message())?;
        demand(!self.holds(&card.holder), "holds a case")?;
        Ok(card)
    }

    /// The card took effect before.
    fn has(&self, card: &RotateCard) -> bool {
        self.state.identities.get(&card.case).is_some_and(|identity| {
            (identity.holder, identity.kem, identity.epoch) == (card.holder, card.kem, card.epoch)
        })
    }

    fn accept_claim(&mut self, sender: &[u8], turn: &Turn<'_>, recovery: Option<&str>, at: At) -> Done {
        let card: RotateCard = object(turn.card)?;
        signed(turn, &card.holder, &card.message())?;
        if self.has(&card) && card.holder.0 == sender {
            let recovery = recovery.map(account_of).transpose()?;
            let claimed = !self.state.identities[&card.case].custodial;
            let same = self.state.recovery.get(&card.case).copied() == recovery;
            return demand(claimed && same, "no claim");
        }
        let card = self.next_holder(turn)?;
        let claim = self.state.claims.get(&card.case).ok_or("no claim")?;
        demand(at.now < claim.until, "over")?;
        demand(claim.holder.0 == sender && card.holder == claim.holder, "not the one offered")?;
        let recovery = recovery.map(account_of).transpose()?;
        demand(recovery != Some(card.holder), "recovery")?;
        match recovery {
            Some(recovery) => self.state.recovery.insert(card.case, recovery),
            None => self.state.recovery.remove(&card.case),
        };
        self.vetoed.remove(&card.case);
        self.put_holder(&card, at);
        self.state.identities.get_mut(&card.case).expect("it was claimed").custodial = false;
        Ok(())
    }

    /// `rev` goes up with it.
    fn put_holder(&mut self, card: &RotateCard, at: At) {
        let identity = self.state.identities.get_mut(&card.case).expect("checked by the caller");
        self.state.holders.remove(&sha256(&[&identity.holder.0]));
        self.state.holders.insert(sha256(&[&card.holder.0]), card.case);
        identity.holder = card.holder;
        identity.kem = card.kem;
        identity.epoch = card.epoch;
        identity.since = at.now;
        self.state.claims.remove(&card.case);
        // one that has lapsed was for the holder before
        self.state.recovering.remove(&card.case);
        self.raise(card.case, at);
    }

    fn rotate_holder(&mut self, sender: &[u8], turn: &Turn<'_>, at: At) -> Done {
        let card: RotateCard = object(turn.card)?;
        let identity = self.identity(&card.case)?.clone();
        if self.has(&card) {
            return signed(turn, &card.holder, &card.message());
        }
        demand(identity.holder.0 == sender, "not the holder")?;
        demand(!self.recovering(&card.case, at.now), "recovering")?;
        let card = self.next_holder(turn)?;
        demand(self.state.recovery.get(&card.case) != Some(&card.holder), "is the recovery account")?;
        self.put_holder(&card, at);
        Ok(())
    }

    fn recovers(&self, case: &CaseId, sender: &[u8]) -> bool {
        self.state.recovery.get(case).is_some_and(|account| account.0 == sender)
    }

    fn start_recovery(&mut self, sender: &[u8], turn: &Turn<'_>, at: At) -> Done {
        let card: RotateCard = object(turn.card)?;
        signed(turn, &card.holder, &card.message())?;
        let epoch = self.identity(&card.case)?.epoch;
        demand(self.recovers(&card.case, sender), "not the recovery account")?;
        if self.has(&card) {
            return Ok(());
        }
        if self.recovering(&card.case, at.now) {
            let running = &self.state.recovering[&card.case];
            let same = (running.holder, running.kem, epoch + 1) == (card.holder, card.kem, card.epoch);
            return demand(same, "another runs");
        }
        let card = self.next_holder(turn)?;
        demand(self.state.recovery.get(&card.case) != Some(&card.holder), "is the recovery account")?;
        let ready = at.now + u64::from(DEFAULT_RECOVERY_DELAY) * 1000;
        let record = RecoveryRecord {
            version: V1,
            holder: card.holder,
            kem: card.kem,
            ready,
            lapses: ready + RECOVERY_WINDOW_MS,
            attested: None,
        };
        self.state.recovering.insert(card.case, record);
        Ok(())
    }

    fn finish_recovery(&mut self, sender: &[u8], case: CaseId, at: At) -> Done {
        let epoch = self.identity(&case)?.epoch;
        let recovery = self.state.recovering.get(&case).ok_or("none runs")?.clone();
        demand(self.recovers(&case, sender) || recovery.holder.0 == sender, "not a party")?;
        demand(recovery.ready <= at.now && at.now < recovery.lapses, "not now")?;
        demand(!self.holds(&recovery.holder), "holds a case")?;
        let card =
            RotateCard { version: V1, case, epoch: epoch + 1, holder: recovery.holder, kem: recovery.kem };
        self.state.recovering.remove(&case);
        self.vetoed.remove(&case);
        self.put_holder(&card, at);
        Ok(())
    }
}

/// The key is the account's and its signature over the message verifies.
fn signed(turn: &Turn<'_>, account: &Address, message: &[u8]) -> Done {
    let key: [u8; 33] = turn.key.as_slice().try_into().map_err(|_| "length")?;
    let signature: [u8; 64] = turn.signature.as_slice().try_into().map_err(|_| "length")?;
    demand(PublicKey(key).address() == *account, "key")?;
    PublicKey(key).verify_message(message, &signature).map_err(|_| "signature")
}
