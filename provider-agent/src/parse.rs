//! JSON bodies and query strings of requests, read so that a refusal names the field at fault.
//!
//! Must never quote what was sent: a request to this institution can hold what identifies a person,
//! and a problem goes into logs. Names of fields are quoted, values never.

use axum::extract::Query;
use axum::http::Uri;
use casewise_api::{Problem, ProblemKind};
use serde::de::DeserializeOwned;

/// What a problem names when a body or query as a whole is at fault.
const BODY: &str = "body";
const QUERY: &str = "query";
/// What the messages of our own types begin with. They quote nothing; serde's own messages can.
const OURS: [&str; 3] = ["expected ", "the base64 ", "longer than "];

/// Reads a JSON body.
pub fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut source = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize(&mut source).map_err(|error| {
        let inner = error.inner();
        let place = format!("line {}, column {}", inner.line(), inner.column());
        refusal(&error.path().to_string(), &inner.to_string(), BODY, &place)
    });
    let value = read?;
    source.end().map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        refusal("", "", BODY, &place)
    })?;
    Ok(value)
}

/// Reads the query of a request.
pub fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, Problem> {
    let Query(query) = Query::try_from_uri(uri).map_err(|rejection| {
        let text = rejection.body_text();
        let text = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
        let (path, text) = text.split_once(": ").unwrap_or(("", text));
        refusal(path, text, QUERY, QUERY)
    })?;
    Ok(query)
}

/// Names of fields with dots between them and indexes in brackets.
fn is_path(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.[]".contains(&b)) && text != "."
}

/// The problem of a field. `path` is where serde stopped, `text` what it said, `whole` what is at
/// fault when no field is.
fn refusal(path: &str, text: &str, whole: &str, place: &str) -> Problem {
    let path = Some(path).filter(|path| is_path(path));
    for (start, happened) in [
        ("missing field `", "is missing"),
        ("unknown field `", "is not known here"),
        ("duplicate field `", "stands twice"),
    ] {
        let Some(rest) = text.strip_prefix(start) else { continue };
        let name = rest.split('`').next().filter(|name| is_path(name));
        let field = match (path, name) {
            (Some(path), Some(name)) if path != name && !path.ends_with(&format!(".{name}")) => {
                format!("{path}.{name}")
            }
            (Some(path), Some(_)) => path.into(),
            (None, Some(name)) => name.into(),
            (_, None) => whole.into(),
        };
        let what = if name.is_some() { field.clone() } else { "A field".into() };
        return malformed(field, &format!("{what} {happened} ({place})."));
    }
    let field = path.unwrap_or(whole);
    // serde_json adds the place to the message
    let text = text.split(" at line ").next().unwrap_or_default();
    let happened = match OURS.iter().any(|start| text.starts_with(start)) {
        true => format!("{field} is refused ({place}): {text}."),
        false => format!("{field} is not of its form ({place})."),
    };
    malformed(field.into(), &happened)
}

fn malformed(field: String, happened: &str) -> Problem {
    Problem::new(ProblemKind::Malformed, happened).field(field)
}

#[cfg(test)]
mod tests {
    use super::*;
    use casewise_api::body::{EntriesQuery, Link, NewCase};

    const SECRET: &str = "mrn-4711";

    fn refused<T: DeserializeOwned>(body: &str) -> Problem {
        let problem = json::<T>(body.as_bytes()).err().unwrap_or_else(|| panic!("taken: {body}"));
        assert!(!problem.detail.contains(SECRET), "quoted: {}", problem.detail);
        problem
    }

    #[test]
    fn a_refused_body_names_the_field_and_quotes_nothing() {
        let case = "07".repeat(32);
        for (body, field) in [
            (SECRET.into(), "body"),
            (format!("\"{SECRET}\""), "body"),
            (String::new(), "body"),
            ("{\"system\":".into(), "system"),
            (format!(r#"{{"system":"urn:a","value":"{SECRET}"}}"#), "case"),
            (format!(r#"{{"system":"urn:a","value":"{SECRET}","case":"{SECRET}"}}"#), "case"),
            (format!(r#"{{"system":7,"value":"{SECRET}","case":"{case}"}}"#), "system"),
            (format!(r#"{{"system":"urn:a","value":["{SECRET}"],"case":"{case}"}}"#), "value"),
            (format!(r#"{{"system":"urn:a","value":"{SECRET}","case":"{case}","ward":"{SECRET}"}}"#), "ward"),
            (format!(r#"{{"system":"urn:a","value":"{SECRET}","case":"{case}","{SECRET}":1}}"#), "body"),
            (format!(r#"{{"system":"urn:a","system":"{SECRET}"}}"#), "system"),
            (format!(r#"{{"system":"urn:a","value":"{SECRET}","case":"{case}"}} "{SECRET}""#), "body"),
        ] {
            assert_eq!(refused::<Link>(&body).field.as_deref(), Some(field), "{body}");
        }
        let policy = r#"{"cadence":1,"lateness":1,"grace":-1,"completion":1}"#;
        for (policy, field) in [
            (policy.to_owned(), "policy.grace"),
            (policy.replace("-1", "1,\"grace\":1"), "policy.grace"),
            (policy.replace(",\"lateness\":1", ""), "policy.grace"),
            (r#"{"cadence":1}"#.to_owned(), "policy.lateness"),
            (r#"{"mode":1}"#.to_owned(), "policy.mode"),
        ] {
            let inner = refused::<NewCase>(&format!(r#"{{"policy":{policy}}}"#));
            assert_eq!(inner.field.as_deref(), Some(field), "{policy}: {}", inner.detail);
        }
    }

    #[test]
    fn a_refused_query_names_the_parameter_and_quotes_nothing() {
        for (text, field) in [
            (format!("first={SECRET}"), "first"),
            ("first=1&first=2".into(), "first"),
            (format!("{SECRET}=1"), "query"),
            (format!("a%20{SECRET}%3A%20b=1"), "query"),
            ("limits=1".into(), "limits"),
        ] {
            let uri = format!("/v1/lanes/x/entries?{text}").parse().unwrap();
            let problem = query::<EntriesQuery>(&uri).unwrap_err();
            assert!(!problem.detail.contains(SECRET), "quoted: {}", problem.detail);
            assert_eq!(problem.field.as_deref(), Some(field), "{}", problem.detail);
        }
        let uri = "/v1/lanes/x/entries?first=1".parse().unwrap();
        assert_eq!(query::<EntriesQuery>(&uri).unwrap(), EntriesQuery { first: 1, limit: None });
    }
}
