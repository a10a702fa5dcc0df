//! Hospitals with their agents, and patients with their command line.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use casewise_ledger::{CaseId, account::AccountKey};
use serde_json::Value;
use tokio::{process::Child, time::Instant};

use crate::{command, network::Network};

/// How long an agent may take to be ready.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Between two looks at a condition.
const GLANCE: Duration = Duration::from_millis(50);

/// A hospital: its place, its agent, its number at the registrar.
pub struct Hospital {
    /// For people.
    pub name: String,
    /// Number at the registrar.
    pub number: u32,
    /// Its folder. The database and bodies are in `data`, the epoch file in `epoch`.
    pub dir: PathBuf,
    /// Port of the public listener.
    pub public: u16,
    /// Port of the private listener.
    pub private: u16,
    /// The private listener's bearer token.
    pub token: String,
    agent: PathBuf,
    child: Option<Child>,
}

impl Hospital {
    /// Makes keys and configuration, has the consortium admit it, starts its agent.
    pub async fn found(
        name: &str,
        dir: PathBuf,
        ports: (u16, u16),
        programs: (&Path, &Path),
        network: &Network,
    ) -> Result<Self> {
        let (casewise, agent) = programs;
        std::fs::create_dir_all(&dir)?;
        let secret = |what: &str| -> Result<PathBuf> {
            let file = dir.join(what);
            write_private(&file, &format!("{:032x}\n", rand::random::<u128>()))?;
            Ok(file)
        };
        let (passphrase, token_file) = (secret("passphrase")?, secret("token")?);
        let key_file = dir.join("keys");
        let keys = command::succeed(
            agent,
            &[
                "keys".as_ref(),
                "new".as_ref(),
                "--out".as_ref(),
                key_file.as_os_str(),
                "--passphrase-file".as_ref(),
                passphrase.as_os_str(),
            ],
        )
        .await?;
        let (public, private) = ports;
        let number = admit(casewise, network, name, &keys, public).await?;
        let token = std::fs::read_to_string(&token_file)?.trim().to_string();
        let mut hospital =
            Self { name: name.into(), number, dir, public, private, token, agent: agent.into(), child: None };
        hospital.write_config(network)?;
        let config = hospital.config_file();
        command::succeed(agent, &["init".as_ref(), "--config".as_ref(), config.as_os_str()]).await?;
        hospital.start().await?;
        Ok(hospital)
    }

    fn write_config(&self, network: &Network) -> Result<()> {
        let at = |name: &str| self.dir.join(name);
        let text = format!(
            "institution = {}\nmanifest = {:?}\ndata_dir = {:?}\nepoch_file = {:?}\nkey_file = {:?}\n\
             passphrase_file = {:?}\nlisten_public = \"127.0.0.1:{}\"\nlisten_private = \"127.0.0.1:{}\"\n\
             public_name = \"127.0.0.1:{}\"\ntoken_file = {:?}\n",
            self.number,
            network.manifest_file(),
            at("data"),
            at("epoch"),
            at("keys"),
            at("passphrase"),
            self.public,
            self.private,
            self.public,
            at("token"),
        );
        std::fs::write(self.config_file(), text)?;
        Ok(())
    }

    /// The agent's configuration.
    pub fn config_file(&self) -> PathBuf {
        self.dir.join("agent.toml")
    }

    /// The agent's log.
    pub fn log_file(&self) -> PathBuf {
        self.dir.join("log")
    }

    /// Starts the agent and waits until it is ready.
    pub async fn start(&mut self) -> Result<()> {
        self.start_unready()?;
        self.wait_ready().await
    }

    /// Starts the agent and does not wait.
    pub fn start_unready(&mut self) -> Result<()> {
        let log = File::options().create(true).append(true).open(self.log_file())?;
        let child = tokio::process::Command::new(&self.agent)
            .args(["serve".as_ref(), "--config".as_ref(), self.config_file().as_os_str()])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting the agent of {}", self.name))?;
        self.child = Some(child);
        Ok(())
    }

    /// Waits until the agent says that it serves.
    pub async fn wait_ready(&mut self) -> Result<()> {
        let url = format!("http://127.0.0.1:{}/readyz", self.public);
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            if let Ok(answer) = reqwest::get(&url).await
                && answer.status().is_success()
            {
                return Ok(());
            }
            if let Some(child) = &mut self.child
                && let Some(status) = child.try_wait()?
            {
                bail!("the agent of {} ended with {status}; see {}", self.name, self.log_file().display());
            }
            if Instant::now() > deadline {
                bail!("the agent of {} is not ready; see {}", self.name, self.log_file().display());
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// Kills the agent with signal 9.
    pub async fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill().await.context("killing the agent")?;
        }
        Ok(())
    }

    /// Asks the agent to end, and waits.
    pub async fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            if let Some(pid) = child.id() {
                let _ = std::process::Command::new("kill").arg(pid.to_string()).status();
            }
            if tokio::time::timeout(Duration::from_secs(20), child.wait()).await.is_err() {
                let _ = child.kill().await;
            }
        }
    }

    /// The agent's operator key, from its key file.
    pub fn operator_key(&self) -> Result<AccountKey> {
        let passphrase = casewise_agent::keyfile::read_passphrase(&self.dir.join("passphrase"))?;
        let keys = casewise_agent::keyfile::open(&self.dir.join("keys"), &passphrase)?;
        Ok(keys.operator.clone())
    }

    /// URL on the private listener.
    pub fn private_url(&self, target: &str) -> String {
        format!("http://127.0.0.1:{}{target}", self.private)
    }

    /// GET on the private listener; the JSON of a 200.
    pub async fn ask(&self, target: &str, headers: &[(&str, &str)]) -> Result<Value> {
        let mut request = reqwest::Client::new().get(self.private_url(target)).bearer_auth(&self.token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        if !status.is_success() {
            bail!("{} answered {status} to {target}: {text}", self.name);
        }
        Ok(serde_json::from_str(&text)?)
    }

    /// Files where nothing may lie in the clear: data, epoch file, log.
    pub fn at_rest(&self) -> Vec<PathBuf> {
        ["data", "epoch", "log"].iter().map(|name| self.dir.join(name)).filter(|p| p.exists()).collect()
    }
}

async fn admit(casewise: &Path, network: &Network, name: &str, keys: &str, public: u16) -> Result<u32> {
    let text = |field: &str| {
        let mut words = keys.lines().map(str::split_whitespace);
        let found = words.find_map(|mut words| (words.next() == Some(field)).then(|| words.next()).flatten());
        found.with_context(|| format!("keys new printed no {field}"))
    };
    let manifest = network.manifest_file();
    let mnemonic = network.operator_mnemonic();
    let endpoint = format!("http://127.0.0.1:{public}");
    let added = command::json(
        casewise,
        &[
            "--json".as_ref(),
            "--manifest".as_ref(),
            manifest.as_os_str(),
            "admin".as_ref(),
            "institution".as_ref(),
            "add".as_ref(),
            "--mnemonic-file".as_ref(),
            mnemonic.as_os_str(),
            "--name".as_ref(),
            name.as_ref(),
            "--endpoint".as_ref(),
            endpoint.as_ref(),
            "--account".as_ref(),
            text("account")?.as_ref(),
            "--kem".as_ref(),
            text("kem")?.as_ref(),
        ],
    )
    .await?;
    added["number"].as_u64().map(|n| n as u32).context("institution add printed no number")
}

/// A patient with a home folder for the command line.
pub struct Patient {
    /// The folder.
    pub home: PathBuf,
    /// The case of the story.
    pub case: Option<CaseId>,
    /// The 24 words, kept here for the search at the end.
    pub phrase: String,
    casewise: PathBuf,
    manifest: PathBuf,
    passphrase: PathBuf,
}

impl Patient {
    /// Makes a phrase.
    pub async fn born(home: PathBuf, casewise: &Path, network: &Network) -> Result<Self> {
        std::fs::create_dir_all(&home)?;
        let passphrase = home.join("passphrase");
        write_private(&passphrase, &format!("{:032x}\n", rand::random::<u128>()))?;
        let mut patient = Self {
            home,
            case: None,
            phrase: String::new(),
            casewise: casewise.into(),
            manifest: network.manifest_file(),
            passphrase,
        };
        let made = patient.says(&["init"]).await?;
        patient.phrase = made["phrase"].as_str().context("init printed no phrase")?.into();
        Ok(patient)
    }

    /// The case of the story, as the command line takes it.
    pub fn case(&self) -> Result<String> {
        self.case.map(|case| case.to_string()).context("the patient has no case yet")
    }

    /// Runs `casewise --json …` for this patient; it must succeed.
    pub async fn says(&self, args: &[&str]) -> Result<Value> {
        command::json(&self.casewise, &self.words(args)).await
    }

    /// Runs `casewise --json …` and returns however it ended.
    pub async fn tries(&self, args: &[&str]) -> Result<command::Said> {
        command::run(&self.casewise, &self.words(args)).await
    }

    /// Runs `casewise …` and prints what the patient would see.
    pub async fn shows(&self, args: &[&str]) -> Result<()> {
        let words: Vec<String> = self.words(args).into_iter().filter(|word| word != "--json").collect();
        let out = command::succeed(&self.casewise, &words).await?;
        for line in out.lines() {
            println!("     {line}");
        }
        Ok(())
    }

    fn words(&self, args: &[&str]) -> Vec<String> {
        let path = |path: &Path| path.to_string_lossy().into_owned();
        let mut words = vec![
            "--json".to_string(),
            "--yes".into(),
            "--manifest".into(),
            path(&self.manifest),
            "--home".into(),
            path(&self.home),
            "--passphrase-file".into(),
            path(&self.passphrase),
        ];
        words.extend(args.iter().map(ToString::to_string));
        words
    }
}

fn write_private(file: &Path, text: &str) -> Result<()> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    let mut out = File::options().write(true).create_new(true).mode(0o600).open(file)?;
    out.write_all(text.as_bytes())?;
    Ok(())
}
