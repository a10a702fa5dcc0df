//! `docs/EVENTS.md`, made of one event of every kind and of the words in `events.rs`.
//!
//! Responsible for: failing when the document is stale; `UPDATE_DOCS=1` writes it anew. Must never
//! describe an attribute in words of its own.

use std::{fmt::Write as _, fs, path::Path};

use super::*;

const SOURCE: &str = include_str!("../../events.rs");

const HEAD: &str = "# Events

Made from `packages/protocol/src/events.rs`; do not edit. After a change:
`UPDATE_DOCS=1 cargo test -p casewise-protocol document`.

The type on chain is `wasm-` and the name. Every event also has `v` = `1`, its version, and what the chain
adds: `_contract_address` and `msg_index`. A reader refuses an event of these names with an attribute
missing, twice, unknown or of another form. `hex N`: N bytes in lower-case hexadecimal; `number`:
decimal without leading zeros; `packed T`: base64 of borsh(T), see [FORMAT.md](FORMAT.md); other
attributes are one of the words given. Times are Unix ms, days are UTC days since 1970-01-01.
";

/// What `events.rs` says of a variant: its words, and type and words of each field.
struct Said {
    words: String,
    fields: Vec<(String, String, String)>,
}

/// Reads the declaration of `enum Event`.
fn said(variant: &str) -> Said {
    let body = SOURCE.split_once("pub enum Event {").unwrap().1;
    let body = body.split_once("\n}\n").unwrap().0;
    let (mut words, mut fields) = (Vec::new(), Vec::new());
    let mut inside = false;
    for line in body.lines().map(str::trim) {
        if let Some(word) = line.strip_prefix("///") {
            words.push(word.trim().to_string());
        } else if inside && line == "}," {
            break;
        } else if inside {
            let (name, kind) = line.trim_end_matches(',').split_once(": ").unwrap();
            fields.push((name.to_string(), kind.to_string(), words.join(" ")));
            words.clear();
        } else if line.trim_end_matches([' ', '{', ',']) == variant {
            let words = std::mem::take(&mut words).join(" ");
            fields.push((String::new(), String::new(), words));
            if line.ends_with(',') {
                break;
            }
            inside = true;
        } else {
            words.clear();
        }
    }
    assert!(!fields.is_empty(), "{variant} is not in events.rs");
    Said { words: fields.remove(0).2, fields }
}

fn form(value: &Value<'_>, kind: &str) -> String {
    match value {
        Value::Number(_) => "number".to_string(),
        Value::Bytes(bytes) => format!("hex {}", bytes.len()),
        Value::Word(_) => words(kind).join(", "),
        Value::Packed(_) => format!("packed {}", kind.replace('<', "\\<")),
    }
}

/// The closed list of a field's type.
fn words(kind: &str) -> Vec<&'static str> {
    macro_rules! list {
        ($name:ident) => {
            $name::ALL.iter().map(|word| word.as_str()).collect()
        };
    }
    match kind.trim_start_matches("records::") {
        "bool" => TRUTH.to_vec(),
        "InstitutionStatus" => list!(InstitutionStatus),
        "PractitionerStatus" => list!(PractitionerStatus),
        "RotationCause" => list!(RotationCause),
        "RelationshipStatus" => list!(RelationshipStatus),
        "GrantStatus" => list!(GrantStatus),
        "EmergencyReason" => list!(EmergencyReason),
        "ReviewOutcome" => list!(ReviewOutcome),
        "DisputeCode" => list!(DisputeCode),
        other => panic!("{other} has no list of words"),
    }
}

fn sentence(words: &str) -> String {
    let (first, rest) = words.split_at(1);
    first.to_uppercase() + rest
}

fn section(text: &mut String, event: &Event) {
    let debug = format!("{event:?}");
    let variant = debug.split([' ', '{']).next().unwrap();
    let said = said(variant);
    let (name, attributes) = event.parts();
    write!(text, "\n### {name}\n\n{}\n", sentence(said.words.split_once(": ").unwrap().1)).unwrap();
    if attributes.is_empty() {
        text.push_str("\nNo attributes.\n");
        return;
    }
    text.push_str("\n| Attribute | Form | Meaning | Example |\n|---|---|---|---|\n");
    for (key, value) in &attributes {
        let (_, kind, words) = said
            .fields
            .iter()
            .find(|(name, ..)| name == key)
            .unwrap_or_else(|| panic!("{name} has no field {key}"));
        let form = form(value, kind);
        writeln!(text, "| `{key}` | {form} | {words} | `{}` |", short(&value.text())).unwrap();
    }
}

fn short(text: &str) -> String {
    if text.len() <= 24 { text.to_string() } else { format!("{}…", &text[..24]) }
}

fn contract_of(event: &Event) -> String {
    let debug = format!("{event:?}");
    let words = said(debug.split([' ', '{']).next().unwrap()).words;
    words.split_once(": ").unwrap().0.to_string()
}

fn document() -> String {
    let (mut text, events) = (HEAD.to_string(), all());
    let mut written = 0;
    for contract in ["registrar", "ppr", "summary"] {
        write!(text, "\n## {contract}\n").unwrap();
        for event in events.iter().filter(|event| contract_of(event) == contract) {
            section(&mut text, event);
            written += 1;
        }
    }
    assert_eq!(written, name::ALL.len(), "each event belongs to one contract");
    text
}

#[test]
fn the_document_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/EVENTS.md");
    let made = document();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, made).unwrap();
        return;
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == made, "docs/EVENTS.md is stale; run this test with UPDATE_DOCS=1");
}
