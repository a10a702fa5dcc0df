//! The folder, programs, network and people of one run.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use casewise_ledger::{CaseId, Commitment, LaneId};

use crate::{
    network::Network,
    people::{Hospital, Patient},
};

/// The chain id of the demo; the second network of the evidence step bears the same.
pub const CHAIN_ID: &str = "casewise-demo";

/// What the last table tells.
#[derive(Default)]
pub struct Facts {
    /// Records taken in and acknowledged.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Entries in anchored heads, access entries included.
    pub anchored: u64,
    /// Transactions in blocks.
    pub transactions: u64,
    /// Gas they used.
    pub gas: u64,
}

/// The two grants of step 4, and an entry that both cover.
#[derive(Clone)]
pub struct Shared {
    /// B's grant.
    pub b: Commitment,
    /// C's grant.
    pub c: Commitment,
    /// A's lane.
    pub lane: LaneId,
    /// The entry.
    pub index: u32,
    /// The lane that goes on from A's lane after the revocation.
    pub successor: Option<LaneId>,
}

/// One run of the demo.
pub struct World {
    /// Where everything is.
    pub dir: PathBuf,
    /// Removes the folder at the end, unless it is kept.
    _temporary: Option<tempfile::TempDir>,
    /// The repository.
    pub repository: PathBuf,
    /// The command line.
    pub casewise: PathBuf,
    /// The agent.
    pub agent: PathBuf,
    /// First port.
    pub base_port: u16,
    /// The network.
    pub network: Network,
    /// A, B and C.
    pub hospitals: Vec<Hospital>,
    /// The patient.
    pub patient: Option<Patient>,
    /// What A took in in step 2.
    pub records: Vec<Vec<u8>>,
    /// The grants of step 4.
    pub shared: Option<Shared>,
    /// The case of the unconscious patient.
    pub custodial: Option<CaseId>,
    /// For the last table.
    pub facts: Facts,
}

impl World {
    /// Prepares the folder; nothing is started.
    pub fn new(keep: Option<PathBuf>, base_port: u16) -> Result<Self> {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
        let (dir, temporary) = match keep {
            Some(dir) => (fresh(dir)?, None),
            None => {
                let temporary = tempfile::Builder::new().prefix("casewise-demo-").tempdir()?;
                (temporary.path().to_path_buf(), Some(temporary))
            }
        };
        let binaries = std::env::current_exe()?.parent().context("no folder of programs")?.to_path_buf();
        let network = Network::new(&repository, dir.join("network"), base_port, CHAIN_ID);
        Ok(Self {
            casewise: program(&binaries, "casewise")?,
            agent: program(&binaries, "casewise-agent")?,
            _temporary: temporary,
            hospitals: Vec::new(),
            patient: None,
            records: Vec::new(),
            shared: None,
            custodial: None,
            facts: Facts::default(),
            dir,
            repository,
            base_port,
            network,
        })
    }

    /// The patient, once there is one.
    pub fn patient(&self) -> Result<&Patient> {
        self.patient.as_ref().context("there is no patient yet")
    }

    /// Prints the end of every log, for somebody who has to find out what went wrong.
    pub fn show_logs(&self) {
        for hospital in &self.hospitals {
            let log = std::fs::read_to_string(hospital.log_file()).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            eprintln!("\n--- end of the log of {}:", hospital.name);
            for line in &lines[lines.len().saturating_sub(15)..] {
                eprintln!("{line}");
            }
        }
    }

    /// Stops whatever runs.
    pub async fn shut_down(&mut self) {
        for hospital in &mut self.hospitals {
            hospital.stop().await;
        }
        let _ = self.network.down().await;
    }
}

fn fresh(dir: PathBuf) -> Result<PathBuf> {
    std::fs::create_dir_all(&dir)?;
    if std::fs::read_dir(&dir)?.next().is_some() {
        bail!("{} is not empty; name another folder, or empty it", dir.display());
    }
    Ok(dir.canonicalize()?)
}

fn program(binaries: &Path, name: &str) -> Result<PathBuf> {
    let path = binaries.join(name);
    if path.is_file() { Ok(path) } else { bail!("{name} is not built; run scripts/demo") }
}
