//! Looks for secrets where none may be: in databases with their free pages, in blobs, logs and
//! chain data.
//!
//! A needle is searched raw, JSON-escaped, as hexadecimal in both cases, as base64 at its three
//! offsets in both alphabets, and inside every gzip member found in the haystack. Must never
//! report "nothing found" for a place it could not read.

use std::{
    collections::BTreeMap,
    io::{self, Read},
    path::{Path, PathBuf},
};

use aho_corasick::AhoCorasick;
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD, engine::general_purpose::URL_SAFE_NO_PAD};
use flate2::read::MultiGzDecoder;

/// Most bytes taken out of one gzip member.
const MAX_UNPACKED: u64 = 256 << 20;

/// How a needle was written where it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// As it is.
    Plain,
    /// As in a JSON string.
    Json,
    /// Hexadecimal.
    Hex,
    /// Base64 or base64url, at any of three offsets.
    Base64,
}

/// A needle that was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Name of the needle.
    pub needle: String,
    /// How it was written.
    pub form: Form,
    /// Inside a gzip member.
    pub gzip: bool,
    /// The file.
    pub file: PathBuf,
    /// Offset in the file, or in the unpacked member.
    pub at: usize,
}

/// A set of needles, ready to search with.
pub struct Searcher {
    patterns: Vec<(String, Form)>,
    automaton: AhoCorasick,
}

impl Searcher {
    /// Needles by name. Each must be at least 8 bytes, else chance would find it.
    pub fn new<'a>(needles: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut patterns = Vec::new();
        let mut bytes = Vec::new();
        for (name, needle) in needles {
            assert!(needle.len() >= 8, "the needle {name} is shorter than 8 bytes");
            for (form, spelling) in spellings(needle) {
                patterns.push((name.to_string(), form));
                bytes.push(spelling);
            }
        }
        let automaton = AhoCorasick::new(bytes).expect("a few thousand patterns fit an automaton");
        Self { patterns, automaton }
    }

    /// Searches bytes, and every gzip member in them.
    pub fn search(&self, file: &Path, haystack: &[u8]) -> Vec<Finding> {
        let mut found = self.search_plain(file, haystack, false);
        for start in gzip_members(haystack) {
            let mut unpacked = Vec::new();
            // A member may be cut off or false: what came out before the error still counts.
            let _ = MultiGzDecoder::new(&haystack[start..]).take(MAX_UNPACKED).read_to_end(&mut unpacked);
            found.extend(self.search_plain(file, &unpacked, true));
        }
        found
    }

    fn search_plain(&self, file: &Path, haystack: &[u8], gzip: bool) -> Vec<Finding> {
        self.automaton
            .find_overlapping_iter(haystack)
            .map(|hit| {
                let (needle, form) = &self.patterns[hit.pattern().as_usize()];
                let (needle, form) = (needle.clone(), *form);
                Finding { needle, form, gzip, file: file.into(), at: hit.start() }
            })
            .collect()
    }

    /// Searches every file below the paths. Returns the findings and the number of bytes read.
    pub fn search_files<P: AsRef<Path>>(&self, paths: &[P]) -> io::Result<(Vec<Finding>, u64)> {
        let mut found = Vec::new();
        let mut read = 0;
        for file in paths.iter().map(|p| files_below(p.as_ref())).collect::<io::Result<Vec<_>>>()?.concat() {
            let bytes = std::fs::read(&file)?;
            read += bytes.len() as u64;
            found.extend(self.search(&file, &bytes));
        }
        Ok((found, read))
    }
}

/// Every file below a folder, or the file itself. Symbolic links are not followed.
fn files_below(path: &Path) -> io::Result<Vec<PathBuf>> {
    let kind = std::fs::symlink_metadata(path)?.file_type();
    if kind.is_file() {
        return Ok(vec![path.into()]);
    }
    if !kind.is_dir() {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    let mut names: Vec<_> = std::fs::read_dir(path)?.collect::<io::Result<_>>()?;
    names.sort_by_key(std::fs::DirEntry::path);
    for name in names {
        files.extend(files_below(&name.path())?);
    }
    Ok(files)
}

fn gzip_members(haystack: &[u8]) -> impl Iterator<Item = usize> + '_ {
    memchr::memmem::find_iter(haystack, &[0x1f, 0x8b, 0x08])
}

fn spellings(needle: &[u8]) -> Vec<(Form, Vec<u8>)> {
    let lower = hex::encode(needle);
    let mut all = vec![
        (Form::Plain, needle.to_vec()),
        (Form::Hex, lower.to_uppercase().into_bytes()),
        (Form::Hex, lower.into_bytes()),
    ];
    if let Ok(text) = std::str::from_utf8(needle) {
        let quoted = serde_json::to_string(text).expect("a string is JSON");
        let inner = quoted.as_bytes()[1..quoted.len() - 1].to_vec();
        if inner != needle {
            all.push((Form::Json, inner));
        }
        let ascii: String = text.chars().map(escape_ascii).collect();
        if ascii.as_bytes() != needle {
            all.push((Form::Json, ascii.into_bytes()));
        }
    }
    for offset in 0..3 {
        for spelling in [base64_at(needle, offset, false), base64_at(needle, offset, true)] {
            if !all.iter().any(|(_, seen)| *seen == spelling) {
                all.push((Form::Base64, spelling));
            }
        }
    }
    all
}

/// JSON with every character outside ASCII as `\uXXXX`, as many encoders write it.
fn escape_ascii(c: char) -> String {
    match c {
        '"' => "\\\"".into(),
        '\\' => "\\\\".into(),
        ' '..='~' => c.into(),
        _ => {
            let mut units = [0; 2];
            c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect()
        }
    }
}

/// The characters of base64 that depend on the needle alone when it starts `offset` bytes into a
/// group of three.
fn base64_at(needle: &[u8], offset: usize, url: bool) -> Vec<u8> {
    let mut padded = vec![0; offset];
    padded.extend_from_slice(needle);
    let text = if url { URL_SAFE_NO_PAD.encode(&padded) } else { STANDARD_NO_PAD.encode(&padded) };
    let first = (offset * 8).div_ceil(6);
    let last = padded.len() * 8 / 6;
    text.as_bytes()[first..last].to_vec()
}

/// The same needle written in every form the searcher knows, by name: to plant and find again.
pub fn plants(needle: &[u8]) -> BTreeMap<&'static str, Vec<u8>> {
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&[b"padding ".as_slice(), needle].concat()).expect("writing into memory");
    let at =
        |offset: usize| STANDARD_NO_PAD.encode([&b"xyz"[..offset], needle, b"tail"].concat()).into_bytes();
    let escaped: String = String::from_utf8_lossy(needle).chars().map(escape_ascii).collect();
    BTreeMap::from([
        ("plain", needle.to_vec()),
        ("json", escaped.into_bytes()),
        ("hex", hex::encode(needle).into_bytes()),
        ("gzip", gzip.finish().expect("writing into memory")),
        ("base64 at 0", at(0)),
        ("base64 at 1", at(1)),
        ("base64 at 2", at(2)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDLE: &[u8] = "CANARY \"pénicilline\" 4711".as_bytes();

    #[test]
    fn finds_every_planted_form_and_nothing_else() {
        let searcher = Searcher::new([("canary", NEEDLE)]);
        for (form, planted) in plants(NEEDLE) {
            let hay = [b"before".as_slice(), &planted, b"after"].concat();
            let found = searcher.search(Path::new("x"), &hay);
            assert!(!found.is_empty(), "{form} was not found");
            let mut broken = planted.clone();
            let middle = broken.len() / 2;
            broken[middle] ^= 0x15;
            assert!(searcher.search(Path::new("x"), &broken).is_empty(), "{form} found although altered");
        }
        assert!(searcher.search(Path::new("x"), b"nothing of the kind").is_empty());
    }

    #[test]
    fn reads_every_file_below_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("a")).unwrap();
        std::fs::write(folder.path().join("a/one"), NEEDLE).unwrap();
        std::fs::write(folder.path().join("two"), b"clean").unwrap();
        let (found, read) = Searcher::new([("canary", NEEDLE)]).search_files(&[folder.path()]).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(read as usize, NEEDLE.len() + 5);
        assert!(Searcher::new([("canary", NEEDLE)]).search_files(&["/nowhere/at/all"]).is_err());
    }

    #[test]
    #[should_panic(expected = "shorter than 8 bytes")]
    fn refuses_needles_that_chance_would_find() {
        Searcher::new([("short", &b"1234567"[..])]);
    }
}
