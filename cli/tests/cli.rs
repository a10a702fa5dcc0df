//! The command line as people see it: exact help, answers, errors and exit codes.
//!
//! Each snapshot is a file in `tests/snapshots`. `UPDATE_SNAPSHOTS=1` writes them anew; the change
//! is then reviewed like any other.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const CASEWISE: &str = env!("CARGO_BIN_EXE_casewise");
const MANIFEST: &str = include_str!("manifest.json");

/// A folder with a manifest of a network where nobody answers, and a passphrase.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("manifest.json"), MANIFEST).unwrap();
        fs::write(dir.path().join("passphrase"), "correct horse\n").unwrap();
        Self { dir }
    }

    /// With a wallet of a fixed phrase.
    fn with_wallet() -> Self {
        let place = Self::new();
        let words = "abandon ".repeat(23) + "art";
        fs::write(place.path("phrase"), words).unwrap();
        let made = place.run("init --recover --phrase-file [DIR]/phrase");
        assert!(made.status.success(), "{}", text(&made.stderr));
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs `casewise` with nothing from outside but this folder.
    fn run(&self, args: &str) -> Output {
        let home = self.dir.path().to_string_lossy().into_owned();
        Command::new(CASEWISE)
            .args(args.split_whitespace().map(|arg| arg.replace("[DIR]", &home)))
            .current_dir(self.dir.path())
            .env_clear()
            .env("COLUMNS", "100")
            .env("CASEWISE_HOME", self.path("wallet"))
            .env("CASEWISE_MANIFEST", self.path("manifest.json"))
            .env("CASEWISE_PASSPHRASE_FILE", self.path("passphrase"))
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// Runs and compares everything that is seen with the snapshot of this name.
    fn snapshot(&self, name: &str, args: &str) {
        let output = self.run(args);
        let seen = format!(
            "$ casewise {args}\nexit {}\n--- stdout\n{}--- stderr\n{}",
            output.status.code().map_or_else(|| "signal".into(), |code| code.to_string()),
            text(&output.stdout),
            text(&output.stderr)
        );
        compare(name, &seen.replace(&*self.dir.path().to_string_lossy(), "[DIR]"));
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn compare(name: &str, seen: &str) {
    let seen: String = seen.lines().map(|line| line.trim_end().to_owned() + "\n").collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots").join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, &seen).unwrap();
        return;
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == seen, "{name} differs from {}\n{seen}", path.display());
}

#[test]
fn help_of_every_command() {
    let place = Place::new();
    for command in [
        "",
        "init",
        "case",
        "case offer",
        "case list",
        "case show",
        "case accept",
        "case watch",
        "case chain",
        "case rotate",
        "case recover",
        "case recover start",
        "case recover status",
        "case recover finish",
        "case recover cancel",
        "case recover veto",
        "case claim",
        "case claim offer-request",
        "case claim accept",
        "record",
        "record list",
        "record get",
        "share",
        "share status",
        "revoke",
        "log",
        "evidence",
        "evidence export",
        "evidence verify",
        "evidence anchor",
        "practitioner",
        "practitioner add",
        "practitioner suspend",
        "practitioner resume",
        "practitioner list",
        "emergency",
        "emergency open",
        "emergency end",
        "emergency list",
        "emergency review",
        "admin",
        "admin deploy",
        "admin connect",
        "admin upgrade",
        "admin institution",
        "admin institution add",
        "admin institution list",
        "admin institution suspend",
        "admin institution resume",
        "admin authority",
        "admin authority show",
        "admin authority propose",
        "admin authority accept",
        "admin authority admins",
        "admin pause",
        "admin unpause",
        "admin group",
        "admin group create",
        "admin group show",
        "admin proposal",
        "admin proposal list",
        "admin proposal show",
        "admin proposal vote",
        "admin proposal execute",
        "admin validator",
        "admin validator list",
        "admin validator offer",
        "admin validator add",
        "admin validator remove",
        "admin validator leave",
    ] {
        let name = format!("help {command}").trim_end().replace(' ', "-");
        place.snapshot(&name, format!("{command} --help").trim_start());
    }
}

#[test]
fn command_lines_that_cannot_be_used() {
    let place = Place::new();
    fs::write(place.path("words"), "abandon ".repeat(23) + "art").unwrap();
    for (name, args) in [
        ("usage-none", ""),
        ("usage-unknown-command", "records"),
        ("usage-share-without-reader", "share --all --until 2030-01-01"),
        ("usage-share-without-what", "share --to 2 --until 2030-01-01"),
        ("usage-share-two-kinds", "share --to 2 --until 2030-01-01 --all --entry abcd"),
        ("usage-revoke-nothing", "revoke"),
        ("usage-record-get", "record get abcd"),
        ("usage-evidence-two-lanes", "evidence export abcd:1 ef01:2 --out x"),
        (
            "usage-admin-endpoint",
            "admin institution add --name A --endpoint http://a.example --account x --kem y --mnemonic-file [DIR]/passphrase",
        ),
        ("usage-admin-authority-nobody", "admin authority propose --mnemonic-file [DIR]/passphrase"),
        (
            "usage-admin-upgrade-summary",
            "admin upgrade summary --artifacts [DIR] --mnemonic-file [DIR]/passphrase",
        ),
        (
            "usage-admin-upgrade-artifacts",
            "admin upgrade ppr --artifacts [DIR] --mnemonic-file [DIR]/passphrase",
        ),
        (
            "usage-admin-group",
            "admin pause --group wasm1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq4nnjm9 --mnemonic-file [DIR]/words",
        ),
        (
            "usage-admin-validator-days",
            "admin validator offer --group x --days 91 --mnemonic-file [DIR]/words --yes",
        ),
        (
            "usage-admin-validator-key",
            "admin validator add --account x --consensus-key y --mnemonic-file [DIR]/words",
        ),
    ] {
        place.snapshot(name, args);
    }
}

#[test]
fn wallets() {
    let place = Place::new();
    place.snapshot("wallet-absent", "case list");
    place.snapshot("wallet-absent-json", "case list --json");
    fs::write(place.path("short"), "1234567").unwrap();
    place.snapshot("wallet-short-passphrase", "init --passphrase-file [DIR]/short");
    place.snapshot("wallet-no-passphrase-file", "init --passphrase-file [DIR]/nothing");
    fs::write(place.path("words"), "abandon ".repeat(12)).unwrap();
    place.snapshot("wallet-twelve-words", "init --recover --phrase-file [DIR]/words");
    fs::write(place.path("long"), "x".repeat(5000)).unwrap();
    place.snapshot("wallet-long-phrase-file", "init --recover --phrase-file [DIR]/long");
    assert!(!place.path("wallet").exists(), "nothing was made");

    let place = Place::with_wallet();
    place.snapshot("wallet-exists", "init");
    place.snapshot("wallet-list", "case list");
    fs::write(place.path("passphrase"), "wrong horse").unwrap();
    place.snapshot("wallet-wrong-passphrase", "case list");
}

#[test]
fn a_new_phrase_is_shown_once_and_not_kept_in_the_clear() {
    let place = Place::new();
    let made = place.run("init --json");
    assert!(made.status.success());
    let answer: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    let words: Vec<&str> = answer["phrase"].as_str().unwrap().split(' ').collect();
    assert_eq!(words.len(), 24);
    assert!(made.stderr.is_empty(), "programs get no talk");
    let mut files = 0;
    for entry in fs::read_dir(place.path("wallet")).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        let phrase = answer["phrase"].as_str().unwrap().as_bytes();
        assert!(!bytes.windows(phrase.len()).any(|window| window == phrase));
        files += 1;
    }
    assert!(files >= 2);
    assert_eq!(place.run("case list --json").stdout, b"[]\n");
    assert_eq!(place.run("init").status.code(), Some(1));
}

#[test]
fn chains_that_do_not_answer() {
    let place = Place::with_wallet();
    place.snapshot("chain-unreachable-case", "case recover");
    place.snapshot("chain-unreachable-json", "admin institution list --json");
    place.snapshot("case-offer-before-recovery", "case offer --to 1");
    place.snapshot("case-show-none", "case show");
    fs::write(place.path("manifest.json"), MANIFEST.replace("casewise-test-1", "casewise-test-2")).unwrap();
    place.snapshot("manifest-other-chain", "case show");
    fs::write(place.path("manifest.json"), &MANIFEST[..200]).unwrap();
    place.snapshot("manifest-truncated", "case show");
    fs::remove_file(place.path("manifest.json")).unwrap();
    place.snapshot("manifest-absent", "case show");
}

#[test]
fn evidence_is_checked_without_a_wallet_or_a_network() {
    let place = Place::new();
    place.snapshot("evidence-anchor", "evidence anchor");
    place.snapshot("evidence-absent", "evidence verify [DIR]/nothing");
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schema/vectors/evidence.json");
    let vectors: serde_json::Value = serde_json::from_slice(&fs::read(vectors).unwrap()).unwrap();
    let case = &vectors["accepted"][0];
    fs::write(place.path("anchor.json"), case["anchor"].to_string()).unwrap();
    fs::write(place.path("file.evidence"), case["file"].as_str().unwrap()).unwrap();
    place.snapshot("evidence-accepted", "evidence verify [DIR]/file.evidence --trust [DIR]/anchor.json");
    place.snapshot("evidence-other-network", "evidence verify [DIR]/file.evidence");
    place.snapshot("evidence-wrong-anchor", "evidence verify [DIR]/file.evidence --trust [DIR]/passphrase");
    let file = fs::read(place.path("file.evidence")).unwrap();
    fs::write(place.path("short.evidence"), &file[..file.len() / 2]).unwrap();
    place.snapshot("evidence-truncated", "evidence verify [DIR]/short.evidence --trust [DIR]/anchor.json");
    place.snapshot(
        "evidence-truncated-json",
        "evidence verify [DIR]/short.evidence --trust [DIR]/anchor.json --json",
    );
}
