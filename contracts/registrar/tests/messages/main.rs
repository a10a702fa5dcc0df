//! The registrar's messages and queries on a chain in process: one file per message.

mod accept_claim;
mod attest_recovery;
mod authority;
mod authority_transfer;
mod cancel_recovery;
mod enrol;
mod enrol_custodial;
mod finish_recovery;
mod migrate;
mod offer_claim;
mod operators;
mod pause;
mod practitioners;
mod queries;
mod register;
mod rotate;
mod rotate_kem;
mod set_ppr;
mod start;
mod start_recovery;
mod status;
mod update;
mod veto_recovery;

use casewise_ledger::{
    case::{kem_hash, KEM_KEY_LEN},
    CaseId, RotateOffer,
};
use casewise_protocol::registrar::{ExecuteMsg, InstitutionInfo, QueryMsg, RecoveryInfo};
use casewise_testkit::contracts::{addr, high_s, key, Institution, Patient, Suite};
use cosmwasm_std::{Addr, Binary, HexBinary};

const NO_IDENTITY: &str = "case: no identity is enrolled for it; enrol the case at the registrar first";
const NOT_HOLDER: &str = "sender: not the holder of this case; send this from the case's own account";
const NOT_RECOVERY: &str = "sender: not the recovery account of this case; send this from that account";
const NO_RECOVERY: &str = "case: no recovery is running; start one first";
const NO_PPR: &str = "ppr: not set; the consortium must send set_ppr first";
const SUSPENDED: &str = "sender: institution 1 is suspended; ask the consortium to resume it";
const NO_OPERATOR: &str = "sender: operates no institution; have an institution add the account as operator";
/// How long a recovery waits on this chain, ms.
const DELAY_MS: u64 = casewise_protocol::registrar::DEFAULT_RECOVERY_DELAY as u64 * 1000;

/// An institution as registrar has it.
fn institution(suite: &Suite, number: u32) -> InstitutionInfo {
    let found: Option<InstitutionInfo> = suite.ask_registrar(&QueryMsg::Institution { number }).unwrap();
    found.expect("the institution exists")
}

/// The account of the key `name`.
fn account(name: &str) -> Addr {
    addr(&key(name).address())
}

/// All that the contracts store.
fn state(suite: &Suite) -> Vec<Vec<(Vec<u8>, Vec<u8>)>> {
    [&suite.registrar, &suite.ppr, &suite.summary].map(|contract| suite.dump(contract)).to_vec()
}

/// The message is refused with these words and leaves no trace.
fn refused(suite: &mut Suite, sender: &Addr, msg: &ExecuteMsg, words: &str) {
    let before = state(suite);
    assert_eq!(suite.registrar(sender, msg).unwrap_err(), words, "{msg:?} from {sender}");
    assert_eq!(state(suite), before, "a refused message leaves no trace: {msg:?}");
}

/// The message is taken and changes nothing.
fn nothing(suite: &mut Suite, sender: &Addr, msg: &ExecuteMsg) {
    let before = state(suite);
    assert_eq!(suite.registrar(sender, msg).unwrap().events(), [], "{msg:?} from {sender}");
    assert_eq!(state(suite), before, "{msg:?}");
}

/// A case of `p` that `recovery` may recover, with its institution.
fn recoverable(suite: &mut Suite) -> (Institution, Patient) {
    let a = suite.admit("A");
    let patient = suite.enrol_recoverable(&a, "p", "recovery");
    (a, patient)
}

/// The recovery account starts to put `name` in the holder's place.
fn start_recovery(suite: &mut Suite, case: &CaseId, name: &str) {
    let msg = ExecuteMsg::start_recovery(&suite.rotation(case, name));
    suite.registrar(&account("recovery"), &msg).unwrap();
}

/// The recovery that is running.
fn recovery(suite: &Suite, case: &CaseId) -> Option<RecoveryInfo> {
    suite.ask_registrar(&QueryMsg::recovery(case)).unwrap()
}

/// The relationship of an institution with a case comes into force.
fn relate(suite: &mut Suite, institution: &Institution, holder: &Addr, case: &CaseId) {
    use casewise_protocol::ppr::ExecuteMsg as Ppr;
    let policy = casewise_testkit::contracts::POLICY;
    suite.ppr(&institution.addr(), &Ppr::propose(case, Some(&policy))).unwrap();
    suite.ppr(holder, &Ppr::accept(case, institution.number)).unwrap();
}

/// Advances so that the next message's block has exactly this time, Unix ms.
fn advance_to(suite: &mut Suite, time: u64) {
    suite.advance(time - suite.now() - casewise_testkit::contracts::BLOCK_MS);
}

/// What is wrong with a signed card, and the words. `good`: a card that would be taken; `msg`: the
/// message that carries it.
fn wrong_cards(
    good: &RotateOffer,
    holder: &str,
    msg: &dyn Fn(&RotateOffer) -> ExecuteMsg,
) -> Vec<(ExecuteMsg, &'static str)> {
    let key_words = "key: its account is not the card's holder; send the holder's compressed key";
    let signature = "signature: not the new holder's over this card with low s; sign anew";
    let malformed = "card: not the canonical borsh encoding; send the bytes exactly as FORMAT.md gives them";
    let with = |change: &dyn Fn(&mut RotateOffer)| {
        let mut offer = good.clone();
        change(&mut offer);
        msg(&offer)
    };
    let signed = |change: &dyn Fn(&mut RotateOffer)| {
        let mut offer = good.clone();
        change(&mut offer);
        offer.signature = key(holder).sign_message(&offer.card.message());
        msg(&offer)
    };
    let raw = |change: &dyn Fn(&mut Binary, &mut HexBinary, &mut HexBinary)| {
        let mut msg = msg(good);
        match &mut msg {
            ExecuteMsg::Rotate { card, key, signature }
            | ExecuteMsg::StartRecovery { card, key, signature }
            | ExecuteMsg::AcceptClaim { card, key, signature, .. } => change(card, key, signature),
            other => panic!("{other:?} carries no card"),
        }
        msg
    };
    let other = key("other");
    vec![
        // another case, or another network: its case ids are others
        (signed(&|o| o.card.case.0[0] ^= 1), NO_IDENTITY),
        (with(&|o| o.card.case.0[0] ^= 1), signature),
        (with(&|o| o.card.epoch += 1), signature),
        (with(&|o| o.card.kem = kem_hash(&[1; KEM_KEY_LEN])), signature),
        (with(&|o| o.card.holder = other.address()), key_words),
        (with(&|o| o.key = other.public().0), key_words),
        (with(&|o| o.signature[3] ^= 1), signature),
        (with(&|o| o.signature = [0; 64]), signature),
        (with(&|o| o.signature = high_s(&o.signature)), signature),
        (with(&|o| o.signature = other.sign_message(&o.card.message())), signature),
        (raw(&|card, _, _| *card = Binary::default()), malformed),
        (raw(&|card, _, _| *card = [card.as_slice(), &[0]].concat().into()), malformed),
        (raw(&|card, _, _| *card = card[1..].to_vec().into()), malformed),
        (raw(&|card, _, _| *card = [&[2], &card[1..]].concat().into()), malformed),
        (
            raw(&|_, key, _| *key = HexBinary::from(&key[1..])),
            "key: expected 33 bytes, got 32; send the whole value in hexadecimal",
        ),
        (
            raw(&|_, _, signature| *signature = HexBinary::from(&signature[1..])),
            "signature: expected 64 bytes, got 63; send the whole value in hexadecimal",
        ),
    ]
}
