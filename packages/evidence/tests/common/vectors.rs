//! The file of known answers: evidence that every verifier must accept, and changes of it that
//! every verifier must refuse for the same reason.

use casewise_evidence::{Evidence, TrustAnchor};
use serde_json::{Map, Value, json};

use super::{Story, mutants};

/// The vectors of a seed, as the text of `evidence.json`.
pub fn make(seed: u64) -> String {
    let story = Story::new(seed);
    let holder = Story::of_holder(seed.wrapping_add(1));
    let mut of_holder = holder.evidence();
    of_holder.beacon_header = None;
    let (file, anchor) = (value(&story.evidence()), value(&story.anchor()));
    let refused: Vec<Value> = mutants::all(&story)
        .iter()
        .map(|mutant| {
            json!({
                "name": mutant.name,
                "code": mutant.code,
                "file": changes(&file, &value(&mutant.file)),
                "anchor": changes(&anchor, &value(&mutant.anchor)),
            })
        })
        .collect();
    let vectors = json!({
        "format": "FORMATS.md Evidence",
        "note": "file is the exact text; refused: fields of the first accepted file and its anchor to \
                 replace (null: remove), and the reason",
        "accepted": [
            accepted("an institution's lane, validators changed once", &story.evidence(), &story.anchor()),
            accepted("a lane of the case's holder", &of_holder, &holder.anchor()),
        ],
        "refused": refused,
    });
    serde_json::to_string_pretty(&vectors).unwrap() + "\n"
}

fn accepted(name: &str, file: &Evidence, anchor: &TrustAnchor) -> Value {
    let text = String::from_utf8(file.to_json()).unwrap();
    json!({ "name": name, "anchor": anchor, "file": text })
}

fn value(object: &impl serde::Serialize) -> Value {
    serde_json::to_value(object).unwrap()
}

/// The fields in which two objects differ.
fn changes(from: &Value, to: &Value) -> Value {
    let (from, to) = (from.as_object().unwrap(), to.as_object().unwrap());
    let mut out = Map::new();
    for name in from.keys().chain(to.keys()) {
        let (old, new) = (from.get(name), to.get(name));
        if old != new {
            out.insert(name.clone(), new.cloned().unwrap_or(Value::Null));
        }
    }
    out.into()
}

/// The object with changed fields.
pub fn apply(object: &Value, changes: &Value) -> Value {
    let mut out = object.as_object().unwrap().clone();
    for (name, new) in changes.as_object().unwrap() {
        if new.is_null() {
            out.remove(name);
        } else {
            out.insert(name.clone(), new.clone());
        }
    }
    out.into()
}
