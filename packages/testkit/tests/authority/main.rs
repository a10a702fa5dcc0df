//! `docs/AUTHORITY.md`: every message of the three contracts from every role, each on a fresh copy of
//! a state in which an authorised sender succeeds.
//!
//! Responsible for: who may is written down twice, in [`rows`] and in the document, and both must
//! be what the contracts do. `UPDATE_DOCS=1` writes the document anew. Must never leave a message
//! out: the list of names comes from an exhaustive match.

mod rows;
mod world;

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use casewise_testkit::{
    contracts::Outcome,
    messages::{self, Call},
};
use rows::{Row, rows};
use world::{Role, World};

/// Refusals in the order in which they first appear, numbered from 1.
#[derive(Default)]
struct Legend(Vec<String>);

impl Legend {
    fn code(&mut self, words: &str) -> usize {
        if let Some(at) = self.0.iter().position(|known| known == words) {
            return at + 1;
        }
        self.0.push(words.to_string());
        self.0.len()
    }
}

/// What became of a message: a batch whose only item failed alone was not allowed either.
fn verdict(outcome: Outcome) -> Result<(), String> {
    let done = outcome?;
    match done.response.data {
        Some(_) => match done.failed().first() {
            Some(failure) => Err(format!("(the lane alone) {:?}", failure.code)),
            None => Ok(()),
        },
        None => Ok(()),
    }
}

/// A row of the document: the verdict of each role, `None` where the row has nobody in it.
fn run(world: &mut World, row: &Row, wrong: &mut Vec<String>) -> Vec<Option<Result<(), String>>> {
    world.begin(row.power);
    let call: Call = (row.make)(world);
    assert_eq!(call.name(), row.name, "the row makes another message");
    let prepared = world.suite.snapshot();
    let mut cells = Vec::new();
    for role in Role::ALL {
        world.suite.restore(&prepared);
        let Some(sender) = world.sender(role) else {
            cells.push(None);
            continue;
        };
        world.enter(role);
        let before = world.suite.snapshot();
        let verdict = verdict(world.send(&sender, &call));
        let allowed = row.allowed.contains(&role);
        if verdict.is_ok() != allowed {
            wrong.push(format!("{} {} by {role:?}: {verdict:?}", row.name, row.note));
        }
        if verdict.is_err() {
            let unchanged = world.suite.snapshot().same_state(&before);
            assert!(unchanged, "{} by {role:?}: refused, yet something is stored", row.name);
        }
        cells.push(Some(verdict));
    }
    cells
}

const HEAD: &str = "# Who may send what

Made by a test that sends every message of the three contracts from every role; do not edit. After a
change: `UPDATE_DOCS=1 cargo test -p casewise-testkit --test authority`.

Each cell is one message on a fresh copy of a state in which an authorised sender succeeds. ✓ allowed;
a number is the refusal listed at the end; · nobody is in that role there. A refused message stores
nothing. What a message means and which other conditions it has is said in `packages/protocol`.

";

fn document(table: &[(Row, Vec<Option<Result<(), String>>>)]) -> String {
    let mut legend = Legend::default();
    let mut text = HEAD.to_string();
    text.push_str("| Role | Who |\n|---|---|\n");
    for role in Role::ALL {
        writeln!(text, "| {} | {} |", role.short(), role.who()).unwrap();
    }
    for contract in ["registrar", "ppr", "summary"] {
        write!(text, "\n## {contract}\n\n| Message |").unwrap();
        Role::ALL.iter().for_each(|role| write!(text, " {} |", role.short()).unwrap());
        write!(text, "\n|---|{}\n", ":-:|".repeat(Role::ALL.len())).unwrap();
        for (row, cells) in table {
            let (of, message) = row.name.split_once('.').unwrap();
            if of == contract {
                line(&mut text, &mut legend, message, row.note, cells);
            }
        }
    }
    text.push_str("\n## Refusals\n\n");
    for (at, words) in legend.0.iter().enumerate() {
        writeln!(text, "{}. {words}", at + 1).unwrap();
    }
    text
}

fn line(
    text: &mut String,
    legend: &mut Legend,
    message: &str,
    note: &str,
    cells: &[Option<Result<(), String>>],
) {
    let note = if note.is_empty() { String::new() } else { format!(" ({note})") };
    write!(text, "| `{message}`{note} |").unwrap();
    for cell in cells {
        match cell {
            None => text.push_str(" · |"),
            Some(Ok(())) => text.push_str(" ✓ |"),
            Some(Err(words)) => write!(text, " {} |", legend.code(words)).unwrap(),
        }
    }
    text.push('\n');
}

#[test]
fn every_message_from_every_role() {
    let mut world = World::new();
    let fresh = world.suite.snapshot();
    let mut seen: BTreeMap<&str, usize> = messages::all().map(|name| (name, 0)).collect();
    let (mut table, mut wrong) = (Vec::new(), Vec::new());
    for row in rows() {
        world.suite.restore(&fresh);
        world.named = None;
        *seen.get_mut(row.name).unwrap_or_else(|| panic!("{} is no message", row.name)) += 1;
        let cells = run(&mut world, &row, &mut wrong);
        let somebody = cells.iter().flatten().any(Result::is_ok);
        assert!(somebody, "{} {}: nobody may, so the state is not prepared", row.name, row.note);
        table.push((row, cells));
    }
    assert!(wrong.is_empty(), "not as the rows say:\n{}", wrong.join("\n"));
    let left: Vec<_> = seen.iter().filter(|(_, rows)| **rows == 0).map(|(name, _)| name).collect();
    assert!(left.is_empty(), "messages without a row: {left:?}");
    compare(&document(&table));
}

fn compare(made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/AUTHORITY.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, made).unwrap();
        return;
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    let differs = kept.lines().zip(made.lines()).find(|(kept, made)| kept != made);
    assert!(
        kept == made,
        "docs/AUTHORITY.md is stale; look at the change, then run with UPDATE_DOCS=1: {differs:?}"
    );
}
