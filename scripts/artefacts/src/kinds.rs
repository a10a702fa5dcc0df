//! Every message of the three contracts by name. The matches have no wildcard: a message that is
//! added to a contract does not compile here until it has a name, and fails the run until it is
//! sent.

use casewise_protocol::{ppr, registrar, summary};
use serde::Serialize;

/// One of the three contracts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Contract {
    /// Who takes part.
    Registrar,
    /// Who may.
    Ppr,
    /// What happened.
    Summary,
}

impl Contract {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Registrar, Self::Ppr, Self::Summary];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Registrar => "registrar",
            Self::Ppr => "ppr",
            Self::Summary => "summary",
        }
    }
}

/// A message of a contract.
pub trait Message: Serialize + Sync {
    /// Whose message.
    const CONTRACT: Contract;
    /// The names of all of them.
    const NAMES: &'static [&'static str];
    /// Its name in JSON.
    fn name(&self) -> &'static str;
}

macro_rules! messages {
    ($contract:ident, $message:ty { $($variant:ident => $name:literal),+ $(,)? }) => {
        impl Message for $message {
            const CONTRACT: Contract = Contract::$contract;
            const NAMES: &'static [&'static str] = &[$($name),+];
            fn name(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $name),+ }
            }
        }
    };
}

messages!(Registrar, registrar::ExecuteMsg {
    RegisterInstitution => "register_institution",
    UpdateInstitution => "update_institution",
    RotateKem => "rotate_kem",
    AddOperator => "add_operator",
    RemoveOperator => "remove_operator",
    SuspendInstitution => "suspend_institution",
    ResumeInstitution => "resume_institution",
    ProposeAuthority => "propose_authority",
    AcceptAuthority => "accept_authority",
    SetPpr => "set_ppr",
    PauseRegistrations => "pause_registrations",
    RegisterPractitioner => "register_practitioner",
    SuspendPractitioner => "suspend_practitioner",
    ResumePractitioner => "resume_practitioner",
    EnrolCustodial => "enrol_custodial",
    OfferClaim => "offer_claim",
    WithdrawClaim => "withdraw_claim",
    AcceptClaim => "accept_claim",
    Rotate => "rotate",
    StartRecovery => "start_recovery",
    AttestRecovery => "attest_recovery",
    VetoRecovery => "veto_recovery",
    CancelRecovery => "cancel_recovery",
    FinishRecovery => "finish_recovery",
    Enrol => "enrol",
});

messages!(Ppr, ppr::ExecuteMsg {
    SetSummary => "set_summary",
    Propose => "propose",
    Accept => "accept",
    Decline => "decline",
    Invite => "invite",
    WithdrawInvitation => "withdraw_invitation",
    Suspend => "suspend",
    Resume => "resume",
    SetDelegate => "set_delegate",
    RemoveDelegate => "remove_delegate",
    OpenEmergency => "open_emergency",
    EndEmergency => "end_emergency",
    ReviewEmergency => "review_emergency",
    HolderChanged => "holder_changed",
    End => "end",
    Grant => "grant",
    Revoke => "revoke",
    Expire => "expire",
    Ack => "ack",
});

messages!(Summary, summary::ExecuteMsg {
    Open => "open",
    Anchor => "anchor",
    Rotate => "rotate",
    Close => "close",
    Closing => "closing",
    CloseOverdue => "close_overdue",
    WindUp => "wind_up",
    ProposeCompletion => "propose_completion",
    ApproveCompletion => "approve_completion",
    ObjectCompletion => "object_completion",
    FinishCompletion => "finish_completion",
    Compromised => "compromised",
    Dispute => "dispute",
    WithdrawDispute => "withdraw_dispute",
    ProveConflict => "prove_conflict",
    Seen => "seen",
});

/// Every message as `contract.name`.
pub fn all() -> Vec<String> {
    fn names<M: Message>() -> impl Iterator<Item = String> {
        M::NAMES.iter().map(|name| row::<M>(name))
    }
    names::<registrar::ExecuteMsg>()
        .chain(names::<ppr::ExecuteMsg>())
        .chain(names::<summary::ExecuteMsg>())
        .collect()
}

/// `contract.name`.
pub fn row<M: Message>(name: &str) -> String {
    format!("{}.{name}", M::CONTRACT.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_messages_in_json() {
        fn check<M: Message>(message: &M) {
            let json = serde_json::to_value(message).unwrap();
            assert_eq!(json.as_object().unwrap().keys().collect::<Vec<_>>(), [message.name()]);
            assert!(M::NAMES.contains(&message.name()));
        }
        check(&registrar::ExecuteMsg::AcceptAuthority {});
        check(&ppr::ExecuteMsg::SetSummary { summary: String::new() });
        check(&summary::ExecuteMsg::CloseOverdue { lanes: Vec::new() });
        let all = all();
        let once: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(once.len(), all.len());
    }
}
