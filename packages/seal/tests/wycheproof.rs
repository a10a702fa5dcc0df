//! AES-GCM-SIV against the Wycheproof vectors, which include those of RFC 8452. The file is not part
//! of this repository; without it the test says so and passes.

mod common;

use aes_gcm_siv::{AeadInOut, Aes128GcmSiv, Aes256GcmSiv, KeyInit};
use common::bytes;
use serde_json::Value;

fn opens<C: AeadInOut + KeyInit>(test: &Value) -> Option<Vec<u8>> {
    let cipher = C::new_from_slice(&bytes(&test["key"])).ok()?;
    let mut data = bytes(&test["ct"]);
    let nonce = bytes(&test["iv"]);
    let tag = bytes(&test["tag"]);
    let (nonce, tag) = (nonce.as_slice().try_into().ok()?, tag.as_slice().try_into().ok()?);
    cipher.decrypt_inout_detached(nonce, &bytes(&test["aad"]), data.as_mut_slice().into(), tag).ok()?;
    Some(data)
}

#[test]
fn aes_gcm_siv() {
    let path =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/kat/wycheproof/aes_gcm_siv_test.json");
    let Ok(text) = std::fs::read_to_string(path) else {
        println!("skipped: no Wycheproof vectors beside this repository");
        return;
    };
    let file: Value = serde_json::from_str(&text).unwrap();
    let mut checked = 0;
    for group in file["testGroups"].as_array().unwrap() {
        for test in group["tests"].as_array().unwrap() {
            let opened = match group["keySize"].as_u64().unwrap() {
                128 => opens::<Aes128GcmSiv>(test),
                256 => opens::<Aes256GcmSiv>(test),
                other => panic!("key size {other}"),
            };
            let expected = (test["result"] == "valid").then(|| bytes(&test["msg"]));
            assert_eq!(opened, expected, "test {}", test["tcId"]);
            checked += 1;
        }
    }
    assert_eq!(checked, file["numberOfTests"].as_u64().unwrap());
}
