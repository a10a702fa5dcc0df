//! One institution with its agent: the real program, started, killed and asked as an operator would.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Output, Stdio},
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use casewise_api::body::{CaseOpened, Status};
use casewise_chain::account_from_bech32;
use casewise_ledger::{Address, CaseOffer, encode};
use serde_json::json;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::{
    files,
    http::Answer,
    network::{Net, free_port},
    wait_for,
};

/// How long an agent may take to serve.
pub const READY_WITHIN: Duration = Duration::from_secs(90);
/// What every case here asks of its authors.
const POLICY: (u32, u32, u32, u32) = (86_400, 3_600, 3_600, 86_400);
/// The program built with the tests.
const PROGRAM: &str = env!("CARGO_BIN_EXE_casewise-agent");
/// Names another program to be tested, such as one that a build of something else does not replace.
const PROGRAM_VARIABLE: &str = "CASEWISE_AGENT_BIN";

/// An institution and its agent.
pub struct Agent {
    /// Number at the registrar.
    pub number: u32,
    /// Its operator account.
    pub account: Address,
    /// Port of the public listener.
    pub public: u16,
    /// Port of the private listener.
    pub private: u16,
    /// The private listener's bearer token.
    pub token: String,
    manifest: PathBuf,
    dir: Option<TempDir>,
    child: Mutex<Option<Child>>,
    variables: Vec<(String, String)>,
    http: reqwest::Client,
}

impl Agent {
    /// Makes keys, has the institution admitted, and starts its agent.
    pub async fn found(net: &Net) -> Self {
        let agent = Self::admitted(net).await;
        agent.start().await;
        agent
    }

    /// Makes keys and has the institution admitted. Nothing is started.
    pub async fn admitted(net: &Net) -> Self {
        let dir = tempfile::Builder::new().prefix("casewise-agent-").tempdir().expect("a directory");
        let token = format!("{:032x}", rand::random::<u128>());
        secret(&dir.path().join("token"), &token);
        secret(&dir.path().join("passphrase"), &format!("{:032x}", rand::random::<u128>()));
        // A build that runs at the same time may replace the program; this one stays.
        let program = dir.path().join("casewise-agent");
        let built = std::env::var(PROGRAM_VARIABLE).unwrap_or_else(|_| PROGRAM.into());
        if fs::hard_link(&built, &program).is_err() {
            fs::copy(&built, &program).expect("a copy of the program");
        }
        let made = Command::new(&program)
            .args(["keys", "new", "--out"])
            .arg(dir.path().join("keys"))
            .arg("--passphrase-file")
            .arg(dir.path().join("passphrase"))
            .output();
        let made = made.await.expect("the agent's program");
        assert!(made.status.success(), "keys new: {}", String::from_utf8_lossy(&made.stderr));
        let said = String::from_utf8(made.stdout).expect("text");
        let text = |field: &str| {
            let line = said.lines().find_map(|line| line.strip_prefix(field));
            let word = line.and_then(|rest| rest.split_whitespace().next());
            word.unwrap_or_else(|| panic!("keys new names no {field}: {said}"))
        };
        let account = account_from_bech32(text("account"), &net.manifest.params.prefix).expect("an account");
        let kem = hex::decode(text("kem")).expect("hex").try_into().expect("32 bytes");
        let public = free_port(2);
        let number = net.admit("Test hospital", account, kem, &format!("http://127.0.0.1:{public}")).await;
        let agent = Self {
            number,
            account,
            public,
            private: public + 1,
            token,
            manifest: net.manifest_file(),
            dir: Some(dir),
            child: Mutex::default(),
            variables: Vec::new(),
            http: reqwest::Client::new(),
        };
        agent.init(&[]).await;
        agent
    }

    /// Makes the data directory and the epoch file, as far as they are not there.
    pub async fn init(&self, flags: &[&str]) {
        let made = self.command("init").args(flags).output().await.expect("the agent's program");
        assert!(made.status.success(), "init: {}", String::from_utf8_lossy(&made.stderr));
    }

    fn dir(&self) -> &Path {
        self.dir.as_ref().expect("kept as long as the agent").path()
    }

    /// The database and the bodies.
    pub fn data(&self) -> PathBuf {
        self.dir().join("data")
    }

    /// The epoch file.
    pub fn epoch(&self) -> PathBuf {
        self.dir().join("epoch")
    }

    /// A name of the institution's folder.
    pub fn place(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    /// Everything the agent ever wrote to its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.place("log")).unwrap_or_default()
    }

    /// Uses another manifest from the next start on.
    pub fn use_manifest(&mut self, manifest: PathBuf) {
        self.manifest = manifest;
    }

    /// Sets a variable of the agent's environment from the next start on; an empty value removes it.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.retain(|(known, _)| known != name);
        if !value.is_empty() {
            self.variables.push((name.into(), value.into()));
        }
    }

    /// The dead agent's own comparison of its database with the chain and the bodies, which must find
    /// nothing.
    pub async fn verify(&self) {
        let made = self.command("verify").arg("--bodies").output().await.expect("the agent's program");
        let said =
            String::from_utf8_lossy(&made.stdout).into_owned() + &String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "verify: {said}");
    }

    /// The program with the institution's configuration.
    fn command(&self, what: &str) -> Command {
        let at = |name: &str| self.place(name);
        let config = format!(
            "institution = {}\nmanifest = {:?}\ndata_dir = {:?}\nepoch_file = {:?}\nkey_file = {:?}\n\
             passphrase_file = {:?}\nlisten_public = \"127.0.0.1:{}\"\nlisten_private = \"127.0.0.1:{}\"\n\
             public_name = \"{}\"\ntoken_file = {:?}\n",
            self.number,
            self.manifest,
            self.data(),
            self.epoch(),
            at("keys"),
            at("passphrase"),
            self.public,
            self.private,
            self.authority(),
            at("token"),
        );
        fs::write(at("agent.toml"), config).expect("the configuration");
        let mut command = Command::new(at("casewise-agent"));
        command.arg(what).arg("--config").arg(at("agent.toml")).stdin(Stdio::null()).kill_on_drop(true);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CASEWISE_") {
                command.env_remove(name);
            }
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts the agent and does not wait.
    pub fn launch(&self) {
        assert!(self.child().is_none(), "it runs");
        let log = File::options().create(true).append(true).open(self.place("log")).expect("the log");
        let mut command = self.command("serve");
        command.stdout(log.try_clone().expect("the log")).stderr(log);
        *self.child() = Some(command.spawn().expect("the agent starts"));
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().expect("no panic while it was held")
    }

    /// Starts the agent, which must end by itself without serving. Returns what it said.
    pub async fn refuses_to_start(&self) -> String {
        let mut command = self.command("serve");
        let ended = tokio::time::timeout(READY_WITHIN, command.output()).await;
        let Output { status, stdout, stderr } = ended.expect("it ends").expect("the agent's program");
        let said = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
        assert!(!status.success(), "it served: {said}");
        said
    }

    /// Starts the agent and waits until it serves.
    pub async fn start(&self) {
        self.launch();
        self.wait_ready().await;
    }

    /// Waits until the agent serves.
    pub async fn wait_ready(&self) {
        let deadline = tokio::time::Instant::now() + READY_WITHIN;
        loop {
            if self.ready(self.public).await && self.ready(self.private).await {
                return;
            }
            let ended = self.ended();
            assert!(ended.is_none(), "the agent ended by itself: {}", self.tail());
            assert!(tokio::time::Instant::now() < deadline, "the agent does not serve: {}", self.tail());
            tokio::time::sleep(super::GLANCE).await;
        }
    }

    async fn ready(&self, port: u16) -> bool {
        let answer = self.http.get(format!("http://127.0.0.1:{port}/readyz")).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// How the process ended, if it did.
    pub fn ended(&self) -> Option<ExitStatus> {
        self.child().as_mut().and_then(|child| child.try_wait().expect("the child's state"))
    }

    /// Waits until the process is gone by itself.
    pub async fn wait_ended(&self, within: Duration) {
        wait_for("the agent's end", within, async || self.ended()).await;
        *self.child() = None;
    }

    /// The end of the log.
    pub fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        format!("log of institution {}:\n{}", self.number, lines[lines.len().saturating_sub(40)..].join("\n"))
    }

    /// Ends the process with signal 9 and waits until it is gone.
    pub async fn kill(&self) {
        assert_eq!(self.ended(), None, "it ended by itself: {}", self.tail());
        let mut child = self.child().take().expect("it runs");
        child.kill().await.expect("the kill");
    }

    /// URL on the private listener.
    pub fn url(&self, target: &str) -> String {
        format!("http://127.0.0.1:{}{target}", self.private)
    }

    /// Host and port of the public listener, as signatures name it.
    pub fn authority(&self) -> String {
        format!("127.0.0.1:{}", self.public)
    }

    /// A request on the private listener, with the token.
    pub fn request(&self, method: &str, target: &str) -> reqwest::RequestBuilder {
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        self.http.request(method, self.url(target)).bearer_auth(&self.token)
    }

    /// The status; `None` when the agent does not answer.
    pub async fn status(&self) -> Option<Status> {
        let answer = self.request("GET", "/v1/status").send().await.ok()?;
        if !answer.status().is_success() {
            return None;
        }
        answer.json().await.ok()
    }

    /// The status of an agent that must answer.
    pub async fn status_now(&self) -> Status {
        let text = self.request("GET", "/v1/status").send().await.expect("an answer");
        Answer::of_response(text).await.json()
    }

    /// Shows an offer.
    pub async fn show(&self, offer: &CaseOffer) -> Answer {
        self.show_bytes(&encode(offer)).await
    }

    /// Shows the bytes of an offer.
    pub async fn show_bytes(&self, offer: &[u8]) -> Answer {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let (cadence, lateness, grace, completion) = POLICY;
        let policy =
            json!({ "cadence": cadence, "lateness": lateness, "grace": grace, "completion": completion });
        let body = json!({ "offer": STANDARD.encode(offer), "policy": policy });
        Answer::of(self.request("POST", "/v1/cases").json(&body)).await
    }

    /// Opens a case and waits until its lanes are on chain.
    pub async fn open(&self, net: &Net, offer: &CaseOffer) -> CaseOpened {
        let answer = self.show(offer).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let opened: CaseOpened = answer.json();
        assert_eq!(opened.case, offer.card.id());
        wait_for("the case's lanes on chain", Duration::from_secs(60), async || {
            let lanes = net.lanes(&opened.case).await;
            opened.lanes.iter().all(|lane| lanes.iter().any(|(known, _)| known == lane)).then_some(())
        })
        .await;
        opened
    }

    /// Waits until nothing waits for the chain.
    pub async fn settled(&self, within: Duration) -> Status {
        wait_for("everything to be posted", within, async || {
            let status = self.status().await?;
            (status.outbox.queued == 0 && status.outbox.sent == 0).then_some(status)
        })
        .await
    }

    /// Copies the data directory aside, under a name. The agent must be dead.
    pub fn back_up(&self, name: &str) -> PathBuf {
        assert!(self.child().is_none(), "a copy of a database in use is no copy");
        let copy = self.place(name);
        let _ = fs::remove_dir_all(&copy);
        files::copy_dir(&self.data(), &copy);
        copy
    }

    /// Puts a copy of the data directory in the place of the present one, which goes to `lost`.
    pub fn put_back(&self, copy: &Path, lost: &str) -> PathBuf {
        assert!(self.child().is_none(), "it runs");
        let lost = self.place(lost);
        fs::rename(self.data(), &lost).expect("moved");
        files::copy_dir(copy, &self.data());
        lost
    }
}

impl Drop for Agent {
    /// The folder of a failed test stays.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let tail = self.tail();
        if let Some(dir) = self.dir.take() {
            eprintln!("{tail}\nits files are kept in {}", dir.keep().display());
        }
    }
}

fn secret(file: &Path, text: &str) {
    let mut out = File::options().write(true).create_new(true).mode(0o600).open(file).expect("a new file");
    writeln!(out, "{text}").expect("written");
}
