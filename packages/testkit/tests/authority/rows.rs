//! Every message with the roles that may send it and the state in which it succeeds.

use casewise_ledger::{
    ConflictProof, ConflictSide, HeadGiven, LaneId, V1, grant::DAY_MS, merkle, merkle::NodeId,
    merkle::ProofPlan, sha256,
};
use casewise_protocol::{
    convert::{self, DisputeCode, EmergencyReason, PractitionerRole, ReviewOutcome},
    ppr::{self, NewGrant, Power},
    registrar, summary,
};
use casewise_testkit::{
    contracts::{Lane, POLICY, PREFIX, Suite, addr, anchors, commitment, key, rotations},
    messages::Call,
};
use cosmwasm_std::HexBinary;

use crate::world::{
    Role::{self, *},
    World, custodial_enrolment, rotation,
};

/// One line of the table.
pub struct Row {
    pub name: &'static str,
    /// Which form of the message, where there are several.
    pub note: &'static str,
    /// The power of a delegate that it needs.
    pub power: Option<Power>,
    pub allowed: &'static [Role],
    pub make: fn(&mut World) -> Call,
}

const ANYBODY: &[Role] = &Role::ALL;
const HOLDER_SIDE: &[Role] = &[Holder, Delegate];
const HOLDER_OR_AUTHOR: &[Role] = &[Operator, Holder, Delegate];

fn row(name: &'static str, allowed: &'static [Role], make: fn(&mut World) -> Call) -> Row {
    Row { name, note: "", power: None, allowed, make }
}

impl Row {
    fn note(self, note: &'static str) -> Self {
        Self { note, ..self }
    }

    fn power(self, power: Power) -> Self {
        Self { power: Some(power), ..self }
    }
}

/// All of them.
pub fn rows() -> Vec<Row> {
    [registrar_rows(), identity_rows(), ppr_rows(), delegation_rows(), lane_rows(), case_rows()]
        .into_iter()
        .flatten()
        .collect()
}

use registrar::ExecuteMsg as R;

fn text(name: &str) -> String {
    addr(&key(name).address()).into_string()
}

fn registrar_rows() -> Vec<Row> {
    vec![
        row("registrar.register_institution", &[Authority], |_| Suite::admission("C").into()),
        row("registrar.update_institution", &[Authority], |w| {
            R::UpdateInstitution { institution: w.a.number, name: Some("New".into()), endpoint: None }.into()
        })
        .note("its name"),
        row("registrar.update_institution", &[Authority, Operator], |w| {
            let endpoint = Some("https://new.example".into());
            R::UpdateInstitution { institution: w.a.number, name: None, endpoint }.into()
        })
        .note("its endpoint"),
        row("registrar.rotate_kem", &[Operator, OtherOperator, Oversight], |_| {
            R::RotateKem { kem: HexBinary::from([9; 32]) }.into()
        })
        .note("of the sender's institution"),
        row("registrar.add_operator", &[Authority, Operator], |w| {
            R::AddOperator { institution: w.a.number, account: text("more") }.into()
        }),
        row("registrar.remove_operator", &[Authority, Operator], |w| {
            let account = text("more");
            w.must(&w.a.addr(), R::AddOperator { institution: w.a.number, account: account.clone() });
            R::RemoveOperator { institution: w.a.number, account }.into()
        }),
        row("registrar.suspend_institution", &[Authority], |w| {
            R::SuspendInstitution { institution: w.b.number }.into()
        }),
        row("registrar.resume_institution", &[Authority], |w| {
            let authority = w.suite.authority.clone();
            w.must(&authority, R::SuspendInstitution { institution: w.b.number });
            R::ResumeInstitution { institution: w.b.number }.into()
        }),
        row("registrar.propose_authority", &[Authority], |_| {
            R::ProposeAuthority { account: Some(text("successor")) }.into()
        }),
        row("registrar.accept_authority", &[Named], |w| {
            let authority = w.suite.authority.clone();
            w.must(&authority, R::ProposeAuthority { account: Some(text("successor")) });
            w.named = Some(addr(&key("successor").address()));
            R::AcceptAuthority {}.into()
        }),
        row("registrar.set_ppr", &[Authority], |w| R::SetPpr { ppr: w.suite.ppr.to_string() }.into()),
        row("registrar.pause_registrations", &[Authority], |_| R::PauseRegistrations { paused: true }.into()),
        row("registrar.register_practitioner", &[Operator, OtherOperator, Oversight], |_| {
            R::RegisterPractitioner { account: text("nurse"), role: PractitionerRole::Nurse }.into()
        })
        .note("of the sender's institution"),
        row("registrar.suspend_practitioner", &[Authority, Operator], |w| {
            R::SuspendPractitioner { account: practitioner(w) }.into()
        }),
        row("registrar.resume_practitioner", &[Authority, Operator], |w| {
            let account = practitioner(w);
            w.must(&w.a.addr(), R::SuspendPractitioner { account: account.clone() });
            R::ResumePractitioner { account }.into()
        })
        .note("suspended by its institution"),
        row("registrar.resume_practitioner", &[Authority], |w| {
            let (account, authority) = (practitioner(w), w.suite.authority.clone());
            w.must(&authority, R::SuspendPractitioner { account: account.clone() });
            R::ResumePractitioner { account }.into()
        })
        .note("barred by the consortium"),
    ]
}

fn practitioner(w: &World) -> String {
    addr(&w.practitioner.address()).into_string()
}

/// A recovery of the case by its recovery account, to `heir`.
fn recovery(w: &World) -> R {
    let (card, key, signature) = rotation(&w.case(), 2, &key("heir"));
    R::StartRecovery { card, key, signature }
}

fn start_recovery(w: &mut World) {
    let (sender, msg) = (addr(&w.recovery.address()), recovery(w));
    w.must(&sender, msg);
}

fn offer_claim(w: &World) -> R {
    let until = w.suite.now() + 3_600_000;
    R::OfferClaim { case: convert::hex(&w.custodial.case().0), holder: text("patient"), until: until.into() }
}

fn identity_rows() -> Vec<Row> {
    vec![
        row("registrar.enrol", &[Operator], |w| {
            let patient = w.suite.offer("new patient", w.a.number, None);
            R::enrol(PREFIX, &patient.offer).unwrap().into()
        }),
        row("registrar.enrol_custodial", &[Operator], |w| {
            custodial_enrolment(&w.suite, &w.a, "unconscious").0.into()
        }),
        row("registrar.offer_claim", &[Custodian], |w| offer_claim(w).into()),
        row("registrar.withdraw_claim", &[Custodian], |w| {
            w.must(&w.custodial.addr(), offer_claim(w));
            R::WithdrawClaim { case: convert::hex(&w.custodial.case().0) }.into()
        }),
        row("registrar.accept_claim", &[Named], |w| {
            w.must(&w.custodial.addr(), offer_claim(w));
            w.named = Some(addr(&key("patient").address()));
            let (card, key, signature) = rotation(&w.custodial.case(), 1, &key("patient"));
            R::AcceptClaim { card, recovery: None, key, signature }.into()
        }),
        row("registrar.rotate", &[Holder], |w| {
            let (card, key, signature) = rotation(&w.case(), 2, &key("fresh"));
            R::Rotate { card, key, signature }.into()
        }),
        row("registrar.start_recovery", &[Recovery], |w| recovery(w).into()),
        row("registrar.attest_recovery", &[Operator], |w| {
            start_recovery(w);
            R::AttestRecovery { case: w.case_hex() }.into()
        }),
        row("registrar.veto_recovery", &[Holder], |w| {
            start_recovery(w);
            R::VetoRecovery { case: w.case_hex() }.into()
        }),
        row("registrar.cancel_recovery", &[Recovery], |w| {
            start_recovery(w);
            R::CancelRecovery { case: w.case_hex() }.into()
        }),
        row("registrar.finish_recovery", &[Recovery, Named], |w| {
            start_recovery(w);
            w.named = Some(addr(&key("heir").address()));
            w.suite.advance(u64::from(registrar::DEFAULT_RECOVERY_DELAY) * 1000);
            R::FinishRecovery { case: w.case_hex() }.into()
        }),
    ]
}

use ppr::ExecuteMsg as P;

/// B proposes its relationship.
fn proposed(w: &mut World) {
    w.must(&w.b.addr(), P::propose(&w.case(), None));
}

fn invite(w: &World) -> P {
    P::Invite { case: w.case_hex(), institution: w.b.number }
}

fn made_grant(w: &mut World) -> P {
    let today = (w.suite.now() / DAY_MS) as u32;
    P::grant(&w.case(), vec![NewGrant::new(&commitment("grant"), (today, today))])
}

fn ppr_rows() -> Vec<Row> {
    vec![
        row("ppr.set_summary", &[Authority], |w| {
            P::SetSummary { summary: w.suite.summary.to_string() }.into()
        }),
        row("ppr.propose", &[Operator], |w| {
            let patient = w.suite.enrol(&w.a.clone(), "another case");
            P::propose(&patient.case(), Some(&POLICY)).into()
        })
        .note("first, with the policy"),
        row("ppr.propose", &[Operator, OtherOperator, Oversight], |w| P::propose(&w.case(), None).into())
            .note("later ones, of the sender's institution"),
        row("ppr.accept", HOLDER_SIDE, |w| {
            proposed(w);
            P::accept(&w.case(), w.b.number).into()
        })
        .power(Power::Relationships),
        row("ppr.decline", HOLDER_SIDE, |w| {
            proposed(w);
            P::decline(&w.case(), w.b.number).into()
        })
        .power(Power::Relationships),
        row("ppr.invite", HOLDER_SIDE, |w| invite(w).into()).power(Power::Relationships),
        row("ppr.withdraw_invitation", HOLDER_SIDE, |w| {
            w.must(&w.holder_addr(), invite(w));
            P::WithdrawInvitation { case: w.case_hex(), institution: w.b.number }.into()
        })
        .power(Power::Relationships),
        row("ppr.suspend", HOLDER_SIDE, |w| {
            P::Suspend { case: w.case_hex(), institution: w.a.number }.into()
        })
        .power(Power::Relationships),
        row("ppr.resume", HOLDER_SIDE, |w| {
            w.must(&w.holder_addr(), P::Suspend { case: w.case_hex(), institution: w.a.number });
            P::Resume { case: w.case_hex(), institution: w.a.number }.into()
        })
        .power(Power::Relationships),
        row("ppr.end", &[Operator, Suspended, Holder, Delegate], |w| P::end(&w.case(), w.a.number).into())
            .power(Power::Relationships),
        row("ppr.grant", HOLDER_SIDE, |w| made_grant(w).into()).power(Power::Grants),
        row("ppr.revoke", HOLDER_SIDE, |w| {
            let grant = made_grant(w);
            w.must(&w.holder_addr(), grant);
            P::revoke(&w.case(), &[commitment("grant")]).into()
        })
        .power(Power::Revocations),
        row("ppr.expire", &[Operator, Suspended, Holder], |w| {
            let grant = made_grant(w);
            w.must(&w.holder_addr(), grant);
            w.suite.advance(DAY_MS);
            P::expire(&commitment("grant")).into()
        }),
        row("ppr.ack", &[Operator, Suspended], |w| P::ack(&w.case(), 1).into()),
    ]
}

fn open_emergency(w: &World) -> P {
    let until = w.suite.now() + 3_600_000;
    P::OpenEmergency { case: w.case_hex(), reason: EmergencyReason::Treatment, until: until.into() }
}

fn emergency(w: &mut World) {
    let (sender, msg) = (addr(&w.practitioner.address()), open_emergency(w));
    w.must(&sender, msg);
}

fn delegation_rows() -> Vec<Row> {
    vec![
        row("ppr.set_delegate", &[Holder], |w| {
            let powers = vec![Power::Grants];
            P::SetDelegate { case: w.case_hex(), account: text("proxy"), powers, until: None }.into()
        }),
        row("ppr.remove_delegate", &[Holder, Delegate], |w| {
            let account = addr(&w.delegate.address()).into_string();
            P::RemoveDelegate { case: w.case_hex(), account }.into()
        })
        .note("the delegate with every power"),
        row("ppr.open_emergency", &[Practitioner], |w| open_emergency(w).into()),
        row("ppr.end_emergency", &[Authority, Operator, Suspended, Practitioner, Holder, Delegate], |w| {
            emergency(w);
            P::EndEmergency { case: w.case_hex(), number: 1 }.into()
        })
        .power(Power::Revocations),
        row("ppr.review_emergency", &[Operator, Oversight], |w| {
            emergency(w);
            w.must(&addr(&w.practitioner.address()), P::EndEmergency { case: w.case_hex(), number: 1 });
            P::ReviewEmergency { case: w.case_hex(), number: 1, outcome: ReviewOutcome::Justified }.into()
        }),
        row("ppr.holder_changed", &[Registrar], |w| P::HolderChanged { case: w.case_hex() }.into()),
    ]
}

use summary::ExecuteMsg as S;

/// A further content lane of A.
fn new_lane(w: &World) -> Lane {
    let mut lane = Lane::content(&w.case(), &w.a, "new lane");
    lane.header.epoch = 1;
    lane
}

fn held(w: &mut World) -> Lane {
    let lane = w.holder_lane();
    w.must(&w.holder_addr(), S::open(std::slice::from_ref(&lane.header)));
    lane
}

fn lane_rows() -> Vec<Row> {
    let mut rows = author_rows();
    rows.extend(holder_author_rows());
    rows.extend([
        row("summary.closing", &[Ppr], |w| S::closing(&w.case(), w.a.number).into()),
        row("summary.closing", ANYBODY, |w| {
            w.must(&w.holder_addr(), P::end(&w.case(), w.a.number));
            S::closing(&w.case(), w.a.number).into()
        })
        .note("the relationship is over"),
        row("summary.close_overdue", ANYBODY, |w| {
            w.must(&w.holder_addr(), P::end(&w.case(), w.a.number));
            w.suite.advance(u64::from(POLICY.grace) * 1000);
            S::close_overdue(&[w.lane.id()]).into()
        }),
        row("summary.compromised", &[Operator, Suspended], |w| {
            let lane = w.device_lane();
            S::Compromised { lane: convert::hex(&lane.id().0), index: 0 }.into()
        }),
        row("summary.dispute", HOLDER_SIDE, |w| dispute(&w.lane.id()).into()).power(Power::Disputes),
        row("summary.withdraw_dispute", HOLDER_SIDE, |w| {
            w.must(&w.holder_addr(), dispute(&w.lane.id()));
            S::WithdrawDispute { lane: convert::hex(&w.lane.id().0), index: 0 }.into()
        })
        .power(Power::Disputes),
        row("summary.prove_conflict", ANYBODY, |w| conflict(w).into()),
        row("summary.seen", HOLDER_SIDE, |w| S::seen(&w.case(), &[(w.lane.id(), 2)]).into())
            .power(Power::Acknowledgements),
    ]);
    rows
}

fn author_rows() -> Vec<Row> {
    vec![
        row("summary.open", &[Operator], |w| S::open(&[new_lane(w).header]).into())
            .note("lane of an institution"),
        row("summary.anchor", &[Operator, Suspended], |w| {
            S::anchor(&anchors(vec![w.lane.item(3, 5)])).into()
        })
        .note("lane of an institution"),
        row("summary.rotate", &[Operator], |w| {
            let mut lane = w.lane.clone();
            let next = lane.successor("next");
            rotations(vec![lane.rotation(&next)]).into()
        })
        .note("lane of an institution"),
        row("summary.close", &[Operator, Suspended], |w| S::close(&anchors(vec![w.lane.item(3, 5)])).into())
            .note("lane of an institution"),
    ]
}

fn holder_author_rows() -> Vec<Row> {
    vec![
        row("summary.open", &[Holder], |w| S::open(&[w.holder_lane().header]).into())
            .note("lane of the holder"),
        row("summary.anchor", &[Holder], |w| {
            let mut lane = held(w);
            lane.append(1);
            S::anchor(&anchors(vec![lane.item(0, 1)])).into()
        })
        .note("lane of the holder"),
        row("summary.rotate", &[Holder], |w| {
            let mut lane = held(w);
            let next = lane.successor("next of holder");
            rotations(vec![lane.rotation(&next)]).into()
        })
        .note("lane of the holder"),
        row("summary.close", &[Holder], |w| {
            let lane = held(w);
            S::close(&anchors(vec![lane.item(0, 0)])).into()
        })
        .note("lane of the holder"),
    ]
}

fn dispute(lane: &LaneId) -> S {
    S::Dispute { lane: convert::hex(&lane.0), index: 0, code: DisputeCode::Incorrect }
}

/// Two contents of entry 4 of the lane: one anchored, one in a head that A's operator signed.
fn conflict(w: &mut World) -> S {
    let lane = w.lane.clone();
    w.must(&w.a.addr(), S::anchor(&anchors(vec![lane.item(3, 5)])));
    let mut other = lane.clone();
    other.leaves[4] = sha256(&[b"another leaf"]);
    let digest = other.head(5).operator_digest(&lane.id(), 77);
    let given = HeadGiven::Account { time: 77, key: w.a.key.public().0, sig: w.a.key.sign(&digest) };
    let sides = [side(&lane, HeadGiven::Anchored), side(&other, given)];
    let proof = ConflictProof { version: V1, lane: lane.id(), index: 4, sides };
    S::ProveConflict { proof: convert::blob(&proof) }
}

fn side(lane: &Lane, given: HeadGiven) -> ConflictSide {
    let plan = ProofPlan::inclusion(4, 5).unwrap();
    let subtree = |NodeId { level, index }: NodeId| {
        let start = (index as usize) << level;
        lane.leaves.get(start..start + (1 << level)).map(merkle::root)
    };
    let path = plan.assemble(subtree).unwrap();
    let head = lane.head(5);
    ConflictSide { size: head.size, root: head.root, leaf: lane.leaves[4], path, given }
}

fn wound_up(w: &mut World) {
    w.must(&w.holder_addr(), S::WindUp { case: w.case_hex() });
    w.must(&w.a.addr(), S::close(&anchors(vec![w.lane.item(3, 5)])));
}

fn digest(w: &World) -> HexBinary {
    w.suite.case(&w.case()).digest
}

fn propose_completion(w: &World) -> S {
    S::ProposeCompletion { case: w.case_hex(), digest: digest(w) }
}

/// The case's completion is proposed by A.
fn completing(w: &mut World) -> (HexBinary, HexBinary) {
    wound_up(w);
    w.must(&w.a.addr(), propose_completion(w));
    (w.case_hex(), digest(w))
}

fn case_rows() -> Vec<Row> {
    vec![
        row("summary.wind_up", HOLDER_OR_AUTHOR, |w| S::WindUp { case: w.case_hex() }.into())
            .power(Power::Completion),
        row("summary.propose_completion", HOLDER_OR_AUTHOR, |w| {
            wound_up(w);
            propose_completion(w).into()
        })
        .power(Power::Completion),
        row("summary.approve_completion", HOLDER_SIDE, |w| {
            let (case, digest) = completing(w);
            S::ApproveCompletion { case, digest }.into()
        })
        .power(Power::Completion),
        row("summary.object_completion", HOLDER_OR_AUTHOR, |w| {
            let (case, digest) = completing(w);
            S::ObjectCompletion { case, digest }.into()
        })
        .power(Power::Completion),
        row("summary.finish_completion", ANYBODY, |w| {
            let (case, digest) = completing(w);
            w.suite.advance(u64::from(POLICY.completion) * 1000);
            S::FinishCompletion { case, digest }.into()
        }),
    ]
}
