//! `casewise log`: who read what, when, why.

use casewise_client::log::ReadEvent;
use casewise_client::{Category, ClientError};
use casewise_ledger::Party;
use serde_json::{Value, json};
use std::collections::BTreeMap;

use crate::case::{CaseArg, trouble};
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{clean, short, table, time};

/// Runs the command.
pub async fn run(context: &Context, args: &CaseArg) -> Result<(), Failure> {
    let (events, failed, names, followed) = context
        .with_patient(async |patient| {
            let case = patient.choose(args.case.as_deref()).await?;
            let followed = patient.follow(case.n).await?;
            let (events, failed) = patient.reads(&case).await?;
            let mut names = BTreeMap::new();
            for event in &events {
                for party in [event.server, event.reader] {
                    if let Party::Institution(number) = party
                        && let std::collections::btree_map::Entry::Vacant(place) = names.entry(number)
                    {
                        let listed = patient.world.directory.institution(number).await?;
                        place.insert(listed.map(|listed| listed.name).unwrap_or_default());
                    }
                }
            }
            Ok((events, failed, names, followed))
        })
        .await?;
    let answer = json!({
        "reads": events.iter().map(|event| value(event, &names)).collect::<Vec<_>>(),
        "unreadable": failed.iter().map(ToString::to_string).collect::<Vec<_>>(),
    });
    context.output.answer(&answer, || {
        let mut rows = table(["when", "who", "read", "of", "why", "receipt"]);
        for event in &events {
            rows.add_row([
                time(event.time),
                who(event, &names),
                items(event),
                party(&event.server, &names),
                why(event),
                if event.faults.is_empty() { "good".into() } else { event.faults.join("; ") },
            ]);
        }
        format!("{rows}\nReads by others: {}", events.len())
    })?;
    for error in &failed {
        context.output.say(format!("A read could not be shown: {error}"));
    }
    if let Some(event) = events.iter().find(|event| !event.faults.is_empty()) {
        let what = format!("the receipt {}:{}", short(event.lane), event.index);
        return Err(ClientError::integrity(what, event.faults.join("; ")).into());
    }
    match failed.into_iter().max_by_key(|error| error.category() == Category::Integrity) {
        Some(error) => Err(error.into()),
        None => trouble(&followed),
    }
}

fn party(party: &Party, names: &BTreeMap<u32, String>) -> String {
    match party {
        Party::Institution(number) => {
            format!("{number} {}", names.get(number).map(|name| clean(name)).unwrap_or_default())
        }
        Party::Account(account) => short(account),
    }
}

fn who(event: &ReadEvent, names: &BTreeMap<u32, String>) -> String {
    match event.practitioner {
        Some(account) => format!("{}\npractitioner {}", party(&event.reader, names), short(account)),
        None => party(&event.reader, names),
    }
}

fn why(event: &ReadEvent) -> String {
    let mut words = vec![event.purpose.as_deref().map(clean).unwrap_or_else(|| "not known here".into())];
    words.extend(event.labels.iter().map(|label| clean(label)));
    words.join("\n")
}

fn items(event: &ReadEvent) -> String {
    let range = |item: &casewise_ledger::ReleaseItem| match item.first == item.last {
        true => format!("{}:{}", short(item.lane), item.first),
        false => format!("{}:{}-{}", short(item.lane), item.first, item.last),
    };
    event.items.iter().map(range).collect::<Vec<_>>().join("\n")
}

fn value(event: &ReadEvent, names: &BTreeMap<u32, String>) -> Value {
    let name = |party: &Party| match party {
        Party::Institution(number) => names.get(number).cloned(),
        Party::Account(_) => None,
    };
    json!({
        "lane": event.lane,
        "index": event.index,
        "time": event.time,
        "anchored_height": event.anchored.map(|(height, _)| height),
        "anchored_time": event.anchored.map(|(_, time)| time),
        "server": event.server,
        "server_name": name(&event.server),
        "reader": event.reader,
        "reader_name": name(&event.reader),
        "practitioner": event.practitioner,
        "items": event.items,
        "grant": event.grant,
        "purpose": event.purpose,
        "labels": event.labels,
        "decision_height": event.decided,
        "verified": event.faults.is_empty(),
        "faults": event.faults,
    })
}
