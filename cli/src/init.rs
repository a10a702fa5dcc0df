//! `casewise init`: a phrase, and its encrypted file.

use std::path::PathBuf;

use casewise_client::book::Book;
use casewise_client::sqlite::SqliteStore;
use casewise_client::store::Batch;
use casewise_client::vault::{self, Cost};
use casewise_client::{ClientError, Phrase};
use clap::Args;
use serde_json::json;

use crate::context::{Context, read_phrase};
use crate::exit::Failure;

/// `init`
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Enter the 24 words of an existing phrase instead of making a new one
    #[arg(long)]
    recover: bool,
    /// File with the 24 words; without it they are typed, or piped in
    #[arg(long, value_name = "FILE", requires = "recover")]
    phrase_file: Option<PathBuf>,
}

/// Runs the command.
pub async fn run(context: &Context, args: &InitArgs) -> Result<(), Failure> {
    let home = context.home()?;
    if home.join(vault::PHRASE_FILE).exists() {
        return Err(ClientError::WalletExists { path: home }.into());
    }
    let passphrase = context.passphrase(true)?;
    vault::check_passphrase(&passphrase)?;
    let phrase = match args.recover {
        true => read_phrase(args.phrase_file.as_deref(), "Phrase")?,
        false => Phrase::generate()?,
    };
    vault::create(&home, &phrase, &passphrase, Cost::default())?;
    let store = SqliteStore::open(&home, &phrase).await?;
    if args.recover {
        let mut batch = Batch::new();
        batch.set_scan_needed(true);
        Book::new(&store).commit(batch).await?;
    }
    store.close().await;
    let place = home.display().to_string();
    if args.recover {
        return context.output.answer(&json!({"home": place, "recovered": true}), || {
            format!("The wallet is at {place}. Now find its cases: casewise case recover")
        });
    }
    context.output.say(
        "These 24 words are your keys. Write them down on paper, in order, and show them to nobody.\n\
         They are shown this once. Whoever has them can read your records; without them and without\n\
         the wallet your records cannot be read again.\n",
    );
    let words = phrase.expose_words();
    context.output.answer(&json!({"home": place, "phrase": words.as_str()}), || numbered(&words))?;
    context.output.say(format!("\nThe wallet is at {place}."));
    Ok(())
}

/// The words in four columns, numbered downwards.
fn numbered(words: &str) -> String {
    let words: Vec<&str> = words.split(' ').collect();
    let rows = words.len().div_ceil(4);
    let mut out = String::with_capacity(words.len() * 16);
    for row in 0..rows {
        for column in 0..4 {
            let place = column * rows + row;
            if let Some(word) = words.get(place) {
                out.push_str(&format!("{:>4}  {word:<10}", place + 1));
            }
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_once_with_its_number() {
        let words: Vec<String> = (1..=24).map(|n| format!("word{n}x")).collect();
        let text = numbered(&words.join(" "));
        assert_eq!(text.lines().count(), 6);
        for n in 1..=24 {
            assert_eq!(text.matches(&format!("{n:>4}  word{n}x")).count(), 1, "{text}");
        }
    }
}
