//! What people and programs see: data on standard output, talk on standard error, progress where
//! something takes long.
//!
//! Must never let a text that others wrote steer the terminal or pass for the program's own words.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use comfy_table::{ContentArrangement, Table, TableComponent, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::exit::Failure;

/// Where and how to write.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// One JSON value on standard output, and no talk.
    pub json: bool,
}

impl Output {
    /// Writes the answer of a command: `value` for programs, `text` for people.
    pub fn answer(&self, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), Failure> {
        let text = if self.json {
            let json =
                serde_json::to_string_pretty(value).map_err(|error| Failure::other(error.to_string(), ""))?;
            clean_json(&json)
        } else {
            clean_lines(&text())
        };
        self.bytes(format!("{}\n", text.trim_end()).as_bytes())
    }

    /// Writes bytes to standard output. A reader that has gone away is no failure.
    pub fn bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        match out.write_all(bytes).and_then(|()| out.flush()) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(Failure::other(format!("standard output: {error}"), "Write to another place."))
            }
            _ => Ok(()),
        }
    }

    /// Says something that is not data.
    pub fn say(&self, text: impl AsRef<str>) {
        if !self.json {
            eprintln!("{}", clean_lines(text.as_ref()));
        }
    }

    /// A bar over `length` steps, or a spinner when the length is not known. Silent where nobody
    /// watches.
    pub fn progress(&self, length: Option<u64>, what: &str) -> ProgressBar {
        if self.json || !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = match length {
            Some(length) => ProgressBar::new(length),
            None => ProgressBar::new_spinner(),
        };
        let style = match length {
            Some(_) => "{msg} [{bar:32}] {pos}/{len} {eta}",
            None => "{spinner} {msg} {elapsed}",
        };
        bar.set_style(ProgressStyle::with_template(style).expect("a fixed template"));
        bar.set_message(clean(what));
        bar.enable_steady_tick(Duration::from_millis(100));
        bar
    }
}

/// A table for people.
pub fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    for inner in [TableComponent::HorizontalLines, TableComponent::MiddleIntersections] {
        table.remove_style(inner);
    }
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header);
    table
}

/// A text that others wrote, as part of a line: no character of it steers the terminal, begins a line
/// or turns the direction of what follows.
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// The same for a text whose lines are the program's own.
pub fn clean_lines(text: &str) -> String {
    text.split('\n').map(clean).collect::<Vec<_>>().join("\n")
}

/// The same for JSON, which stays JSON and says the same.
pub fn clean_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        // JSON has a line end between its values only, and what else steers within strings only.
        if steers(c) && c != '\n' {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// Control characters, and those by which Unicode sets lines and directions or shows nothing.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}'
                | '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
        )
}

/// The first 12 characters of an id: enough to tell things apart.
pub fn short(id: impl ToString) -> String {
    id.to_string().chars().take(12).collect()
}

/// Unix ms as UTC, to the second.
pub fn time(ms: u64) -> String {
    let (days, seconds) = (ms / 86_400_000, ms / 1000 % 86_400);
    let (year, month, day) = civil(days);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}Z",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// Days since 1970-01-01 as a UTC date.
pub fn date(days: u64) -> String {
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Year, month, day of a day since 1970-01-01 (proleptic Gregorian calendar).
fn civil(days: u64) -> (u64, u64, u64) {
    // Counted from 0000-03-01, so that the leap day is the last of its year.
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

/// Days since 1970-01-01 of a date `YYYY-MM-DD`; `None` when it is not one.
pub fn parse_date(text: &str) -> Option<u64> {
    let mut parts = text.split('-');
    let mut number = |digits: usize| {
        let part = parts.next()?;
        (part.len() == digits && part.bytes().all(|b| b.is_ascii_digit()))
            .then(|| part.parse::<u64>().ok())?
    };
    let (year, month, day) = (number(4)?, number(2)?, number(2)?);
    if parts.next().is_some() || year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (shifted_year, shifted_month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let year_of_era = shifted_year % 400;
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = shifted_year / 400 * 146_097 + day_of_era - 719_468;
    (civil(days) == (year, month, day)).then_some(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_close_under_their_header() {
        let mut rows = table(["lane", "size"]);
        rows.add_row(["a", "1"]);
        rows.add_row(["b", "22"]);
        let lines: Vec<String> = rows.lines().map(|line| line.trim_end().to_owned()).collect();
        assert_eq!(lines.len(), 6, "{rows}");
        assert_eq!(
            (lines[1].as_str(), lines[3].as_str(), lines[4].as_str()),
            (" lane   size", " a      1", " b      22")
        );
    }

    #[test]
    fn what_others_wrote_steers_nothing() {
        for (text, shown) in [
            ("Hôpital St-Louis \\ 東京", "Hôpital St-Louis \\ 東京"),
            ("a\x1b[2Jb", "a\\u{1b}[2Jb"),
            ("a\nState\r\t", "a\\nState\\r\\t"),
            ("\u{9b}1A\u{7f}", "\\u{9b}1A\\u{7f}"),
            ("\u{202e}x\u{2069}\u{2028}", "\\u{202e}x\\u{2069}\\u{2028}"),
        ] {
            assert_eq!(clean(text), shown);
        }
        assert_eq!(clean_lines("a\n\x1bb\n"), "a\n\\u{1b}b\n");
    }

    #[test]
    fn json_without_steering_characters_says_the_same() {
        let value = serde_json::json!({"a\u{9b}": "x\x1b\n\u{7f}\u{202e}\u{feff}é\\"});
        let text = clean_json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!text.chars().any(|c| steers(c) && c != '\n'), "{text:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }

    #[test]
    fn dates_both_ways() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(time(1_767_225_600_000), "2026-01-01 00:00:00Z");
        assert_eq!(time(951_782_399_999), "2000-02-28 23:59:59Z");
        assert_eq!(date(11_016), "2000-02-29");
        for days in (0..200_000).step_by(7).chain(11_010..11_025) {
            assert_eq!(parse_date(&date(days)), Some(days));
        }
    }

    #[test]
    fn what_is_no_date() {
        for text in [
            "",
            "2026",
            "2026-13-01",
            "2026-00-01",
            "2026-02-30",
            "2025-02-29",
            "1969-12-31",
            "2026-1-01",
            "2026-01-01-01",
            "2026-01-0a",
            "+026-01-01",
        ] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }
}
