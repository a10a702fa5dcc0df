//! RotateKem.

use casewise_protocol::{registrar::ExecuteMsg, Event};
use casewise_testkit::contracts::Suite;
use cosmwasm_std::HexBinary;

use crate::institution;

#[test]
fn the_epoch_goes_up_with_each_new_key() {
    let mut suite = Suite::new();
    let a = suite.admit("A").addr();
    let rotate = |byte| ExecuteMsg::RotateKem { kem: HexBinary::from([byte; 32]) };
    assert_eq!(suite.registrar(&a, &rotate(1)).unwrap().events(), [Event::InstitutionUpdated { number: 1 }]);
    assert_eq!(institution(&suite, 1).kem_epoch, 1);
    // the key in force again changes nothing
    assert_eq!(suite.registrar(&a, &rotate(1)).unwrap().events(), []);
    assert_eq!(institution(&suite, 1).kem_epoch, 1);
    suite.registrar(&a, &rotate(2)).unwrap();
    let now = institution(&suite, 1);
    assert_eq!((now.kem_epoch, now.kem), (2, HexBinary::from([2; 32])));
    let error = suite.registrar(&a, &ExecuteMsg::RotateKem { kem: HexBinary::from([3; 33]) }).unwrap_err();
    assert_eq!(error, "kem: expected 32 bytes, got 33; send the whole value in hexadecimal");
}
