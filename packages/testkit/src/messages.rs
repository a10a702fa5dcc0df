//! Every message of the three contracts by name.
//!
//! Responsible for: one list that a new message cannot be left out of: the match over each
//! `ExecuteMsg` is exhaustive. Must never name a message otherwise than its JSON does.

use casewise_protocol::{ppr, registrar, summary};

/// A message to one of the contracts.
#[derive(Clone, Debug)]
pub enum Call {
    /// To registrar.
    Registrar(registrar::ExecuteMsg),
    /// To ppr.
    Ppr(ppr::ExecuteMsg),
    /// To summary.
    Summary(summary::ExecuteMsg),
}

impl From<registrar::ExecuteMsg> for Call {
    fn from(msg: registrar::ExecuteMsg) -> Self {
        Self::Registrar(msg)
    }
}

impl From<ppr::ExecuteMsg> for Call {
    fn from(msg: ppr::ExecuteMsg) -> Self {
        Self::Ppr(msg)
    }
}

impl From<summary::ExecuteMsg> for Call {
    fn from(msg: summary::ExecuteMsg) -> Self {
        Self::Summary(msg)
    }
}

impl Call {
    /// Contract and message, as in `ppr.grant`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Registrar(msg) => registrar_message(msg),
            Self::Ppr(msg) => ppr_message(msg),
            Self::Summary(msg) => summary_message(msg),
        }
    }
}

macro_rules! messages {
    ($(#[$doc:meta])* $list:ident, $name:ident, $msg:path { $($variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        pub const $list: &[&str] = &[$($text),+];

        fn $name(msg: &$msg) -> &'static str {
            use $msg as Msg;
            // no wildcard: a new message does not compile until it is in the list
            match msg { $(Msg::$variant { .. } => $text),+ }
        }
    };
}

messages!(
    /// Messages of registrar.
    REGISTRAR, registrar_message, registrar::ExecuteMsg {
        RegisterInstitution = "registrar.register_institution",
        UpdateInstitution = "registrar.update_institution",
        RotateKem = "registrar.rotate_kem",
        AddOperator = "registrar.add_operator",
        RemoveOperator = "registrar.remove_operator",
        SuspendInstitution = "registrar.suspend_institution",
        ResumeInstitution = "registrar.resume_institution",
        ProposeAuthority = "registrar.propose_authority",
        AcceptAuthority = "registrar.accept_authority",
        SetPpr = "registrar.set_ppr",
        PauseRegistrations = "registrar.pause_registrations",
        RegisterPractitioner = "registrar.register_practitioner",
        SuspendPractitioner = "registrar.suspend_practitioner",
        ResumePractitioner = "registrar.resume_practitioner",
        Enrol = "registrar.enrol",
        EnrolCustodial = "registrar.enrol_custodial",
        OfferClaim = "registrar.offer_claim",
        WithdrawClaim = "registrar.withdraw_claim",
        AcceptClaim = "registrar.accept_claim",
        Rotate = "registrar.rotate",
        StartRecovery = "registrar.start_recovery",
        AttestRecovery = "registrar.attest_recovery",
        VetoRecovery = "registrar.veto_recovery",
        CancelRecovery = "registrar.cancel_recovery",
        FinishRecovery = "registrar.finish_recovery",
    }
);

messages!(
    /// Messages of ppr.
    PPR, ppr_message, ppr::ExecuteMsg {
        SetSummary = "ppr.set_summary",
        Propose = "ppr.propose",
        Accept = "ppr.accept",
        Decline = "ppr.decline",
        Invite = "ppr.invite",
        WithdrawInvitation = "ppr.withdraw_invitation",
        Suspend = "ppr.suspend",
        Resume = "ppr.resume",
        End = "ppr.end",
        SetDelegate = "ppr.set_delegate",
        RemoveDelegate = "ppr.remove_delegate",
        Grant = "ppr.grant",
        Revoke = "ppr.revoke",
        Expire = "ppr.expire",
        Ack = "ppr.ack",
        OpenEmergency = "ppr.open_emergency",
        EndEmergency = "ppr.end_emergency",
        ReviewEmergency = "ppr.review_emergency",
        HolderChanged = "ppr.holder_changed",
    }
);

messages!(
    /// Messages of summary.
    SUMMARY, summary_message, summary::ExecuteMsg {
        Open = "summary.open",
        Anchor = "summary.anchor",
        Rotate = "summary.rotate",
        Close = "summary.close",
        Closing = "summary.closing",
        CloseOverdue = "summary.close_overdue",
        WindUp = "summary.wind_up",
        ProposeCompletion = "summary.propose_completion",
        ApproveCompletion = "summary.approve_completion",
        ObjectCompletion = "summary.object_completion",
        FinishCompletion = "summary.finish_completion",
        Compromised = "summary.compromised",
        Dispute = "summary.dispute",
        WithdrawDispute = "summary.withdraw_dispute",
        ProveConflict = "summary.prove_conflict",
        Seen = "summary.seen",
    }
);

/// Messages of all three contracts.
pub fn all() -> impl Iterator<Item = &'static str> {
    REGISTRAR.iter().chain(PPR).chain(SUMMARY).copied()
}
