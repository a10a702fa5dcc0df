//! Starting and stopping the agent: the one place where its parts meet.
//!
//! Responsible for: opening everything, judging whether the database is an older copy before anything
//! runs, removing what a crash left half done, starting the tasks, and stopping when one of them
//! stops. The only module besides `main.rs` and the adapters that starts tasks.
#![allow(clippy::disallowed_methods)] // starts the tasks

use std::{fs, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use casewise_chain::Manifest;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use zeroize::Zeroizing;

use crate::{
    AgentError, App,
    adapters::{SystemClock, SystemRandom, blobs::FileBlobs, epoch::DiskEpochFile, sqlite::SqliteStore},
    app::{Gate, Parts},
    committer,
    config::Config,
    custody,
    epoch::{self, Epoch, Judgement},
    housekeeping, keyfile,
    keys::Keys,
    peers::Peers,
    ports::{Blobs, Chain, Clock, EpochFile, Random},
    private, public, restore,
    serving::Serving,
    shared::{self, Shared},
    store::{CoreStore, Store, Write},
    submitter, watcher,
};

/// How often it is looked whether the epoch key is due, ms.
const EPOCH_CHECK_MS: u64 = 60_000;
/// Longest time for requests under way to end at a stop, ms.
const DRAIN_MS: u64 = 10_000;
/// Largest token file, bytes.
const MAX_TOKEN: usize = 1024;

/// Makes the data directory and the epoch file of a new agent. `restored`: the database was put back
/// from a backup, or the epoch file is lost; what is missing is made, and the agent will go on in new
/// lanes.
pub async fn init(config: &Config, restored: bool) -> Result<()> {
    let database = SqliteStore::path(&config.data_dir);
    let (has_data, has_epoch) = (database.exists(), config.epoch_file.exists());
    if has_data && has_epoch {
        bail!("{} and {} are there already", database.display(), config.epoch_file.display());
    }
    if (has_data || has_epoch) && !restored {
        let (there, missing) = match has_data {
            true => (database, config.epoch_file.clone()),
            false => (config.epoch_file.clone(), database),
        };
        bail!(
            "{} is there, {} is not. If it is only elsewhere, correct the configuration. If it is lost, run \
             init --restored: no existing lane will be written again, each gets a successor, and entries that \
             are anchored but not in the database are named in the status",
            there.display(),
            missing.display()
        );
    }
    let random = SystemRandom;
    let mut life = [0; 16];
    random.fill(&mut life)?;
    let store = SqliteStore::open(&config.data_dir).await?;
    FileBlobs::open(&config.data_dir.join(BLOBS))?;
    if !has_data && !has_epoch {
        store.commit(&[vec![Write::Life(life)]]).await?;
    }
    if !has_epoch {
        // A database that was there before is of another life than this file: the agent will see it.
        let mut record = epoch::first_record(&random, life, SystemClock::default().now())?;
        record.counter = store.commit_number().await?;
        if let Some(parent) = config.epoch_file.parent() {
            fs::create_dir_all(parent)?;
        }
        DiskEpochFile::create(&config.epoch_file, &record)?;
    }
    Ok(())
}

const BLOBS: &str = "bodies";
/// What the names of the tasks that listen end with.
const LISTENER: &str = "listener";

/// Running tasks: each answers with its name and how it ended.
type Tasks = JoinSet<(&'static str, Result<()>)>;

/// An agent whose parts are open and whose tasks are not running yet.
pub struct Opened {
    /// The agent.
    pub app: Arc<App>,
    /// For [`committer::run`], without which nothing is written.
    pub queue: committer::Queue,
}

/// What an agent is given from outside its own files.
pub struct Outside {
    /// The network.
    pub manifest: Manifest,
    /// The secrets.
    pub keys: Keys,
    /// The chain.
    pub chain: Arc<dyn Chain>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub random: Arc<dyn Random>,
}

/// Opens everything a configuration names. With `write`, judges the database and cleans up.
pub async fn open(config: Config, write: bool) -> Result<Opened> {
    let manifest = Manifest::load(&config.manifest)?;
    let passphrase = keyfile::read_passphrase(&config.passphrase_file)?;
    let keys = keyfile::open(&config.key_file, &passphrase)?;
    let chain: Arc<dyn Chain> = Arc::new(manifest.client()?);
    let (clock, random) = (Arc::new(SystemClock::default()), Arc::new(SystemRandom));
    assemble(config, Outside { manifest, keys, chain, clock, random }, write).await
}

/// Opens the agent's own files and puts them together with the rest.
pub async fn assemble(config: Config, outside: Outside, write: bool) -> Result<Opened> {
    let database = SqliteStore::path(&config.data_dir);
    if !database.exists() || !config.epoch_file.exists() {
        bail!("{} or {} is not there; run init first", database.display(), config.epoch_file.display());
    }
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&config.data_dir).await?);
    let blobs: Arc<dyn Blobs> = Arc::new(FileBlobs::open(&config.data_dir.join(BLOBS))?);
    let file: Arc<dyn EpochFile> = Arc::new(DiskEpochFile::open(&config.epoch_file)?);
    let epoch = Arc::new(Epoch::open(file).await?);
    let (committer, queue) = committer::queue();
    let Outside { manifest, keys, chain, clock, random } = outside;
    let parts = Parts { config, manifest, keys, store, blobs, chain, clock, random, epoch, committer };
    let app = Arc::new(App::new(parts));
    watcher::owned(&app).await?;
    if write {
        judge(&app).await?;
        clean(&app).await?;
    }
    Ok(Opened { app, queue })
}

/// Before anything runs: is this the newest database?
async fn judge(app: &App) -> Result<()> {
    match app.epoch.judge(&*app.store).await? {
        Judgement::Newest => {}
        Judgement::OneAhead => {
            tracing::info!("the process ended between a commit and its count; the count is put right");
            app.epoch.count(app.store.commit_number().await?).await?;
        }
        Judgement::Restored(reason) => restore::retire(app, reason).await?,
    }
    Ok(())
}

/// Publishes committed bodies, removes those no entry names.
async fn clean(app: &App) -> Result<()> {
    for name in app.blobs.staged().await? {
        if app.store.blob_used(&name).await? {
            app.blobs.publish(&name).await?;
        } else {
            app.blobs.discard(&name).await?;
        }
    }
    Ok(())
}

/// Runs until a signal or a fault.
pub async fn serve(config: Config) -> Result<()> {
    let token = read_token(&config.token_file)?;
    let public_listener = listen("listen_public", config.listen_public).await?;
    let private_listener = listen("listen_private", config.listen_private).await?;
    let Opened { app, queue } = open(config, true).await?;
    let (stop, stopping) = watch::channel(false);
    let serving = Arc::new(Serving::new(app.clone()));
    let peers = Arc::new(Peers::new(app.clone(), Arc::new(casewise_client::http::ReqwestHttp::new()?)));
    let shared = Arc::new(Shared::new(serving.clone(), peers.clone()));

    let mut tasks = Tasks::new();
    {
        let (store, blobs, epoch) = (app.store.clone(), app.blobs.clone(), app.epoch.clone());
        tasks.spawn(async move {
            ("committer", committer::run(queue, store, blobs, epoch).await.map_err(Into::into))
        });
    }
    let at = app.clone();
    tasks.spawn(async move { ("watcher", halted(&at, watcher::run(&at).await).await) });
    let at = app.clone();
    tasks.spawn(async move { ("submitter", halted(&at, submitter::run(&at).await).await) });
    let at = app.clone();
    tasks.spawn(async move {
        custody::run(&at).await;
        ("custodial holders", Ok(()))
    });
    let at = app.clone();
    tasks.spawn(async move { ("epoch keys", keep_epoch(&at).await) });
    let (at, others) = (serving.clone(), peers);
    tasks.spawn(async move {
        housekeeping::run(&at, &others).await;
        ("housekeeping", Ok(()))
    });
    let router = private::router(app.clone(), token, shared::router(shared));
    tasks.spawn(http("private listener", private_listener, router, stopping.clone()));
    tasks.spawn(http("public listener", public_listener, public::router(serving), stopping));
    tracing::info!(
        public = %app.config.listen_public,
        private = %app.config.listen_private,
        "the agent runs"
    );

    let ended = tokio::select! {
        ended = tasks.join_next() => Some(ended.context("no tasks")?.context("a task panicked")?),
        signal = signal() => {
            signal?;
            None
        }
    };
    let _ = stop.send(true);
    let result = match ended {
        None => Ok(()),
        Some((name, Ok(()))) => Err(anyhow::anyhow!("the {name} ended")),
        Some((name, Err(error))) => Err(error.context(format!("the {name} stopped"))),
    };
    let listeners = match &result {
        Err(error) if error.to_string().contains(LISTENER) => 1,
        _ => 2,
    };
    drain(tasks, listeners).await;
    result
}

/// A halted task keeps the process running: nothing is written any more, the status says why, and no
/// supervisor starts it again before somebody has looked.
async fn halted(app: &App, result: Result<(), AgentError>) -> Result<()> {
    match result {
        Err(AgentError::Halted(reason)) => {
            app.halt(reason);
            std::future::pending().await
        }
        result => result.map_err(Into::into),
    }
}

/// Replaces the epoch key when it is due.
async fn keep_epoch(app: &App) -> Result<()> {
    loop {
        if *app.gate.borrow() == Gate::Open && app.epoch.due() <= app.clock.now() {
            let epoch = epoch::replace(app).await?;
            tracing::info!(epoch, "the epoch key is replaced");
        }
        app.clock.sleep(EPOCH_CHECK_MS).await;
    }
}

async fn listen(field: &str, address: std::net::SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("{field}: cannot listen on {address}"))
}

async fn http(
    name: &'static str,
    listener: TcpListener,
    router: axum::Router,
    mut stopping: watch::Receiver<bool>,
) -> (&'static str, Result<()>) {
    let stop = async move {
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    (name, axum::serve(listener, router).with_graceful_shutdown(stop).await.map_err(Into::into))
}

async fn signal() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut term, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Lets requests under way end; the other tasks stop where they are, which a crash may do too.
async fn drain(mut tasks: Tasks, mut listeners: usize) {
    let ended = async {
        while listeners > 0 {
            match tasks.join_next().await {
                Some(Ok((name, _))) if name.ends_with(LISTENER) => listeners -= 1,
                Some(_) => {}
                None => break,
            }
        }
    };
    if tokio::time::timeout(Duration::from_millis(DRAIN_MS), ended).await.is_err() {
        tracing::warn!("requests were still under way at the stop");
    }
}

/// Reads the bearer token.
pub fn read_token(path: &Path) -> Result<Zeroizing<String>> {
    let text =
        fs::read_to_string(path).with_context(|| format!("token_file: cannot read {}", path.display()))?;
    let text = Zeroizing::new(text);
    let token = text.trim_end_matches(['\n', '\r']);
    let fits = (16..=MAX_TOKEN).contains(&token.len()) && token.bytes().all(|b| b.is_ascii_graphic());
    if !fits {
        bail!(
            "token_file: {} must hold one line of 16 to {MAX_TOKEN} visible ASCII characters",
            path.display()
        );
    }
    Ok(Zeroizing::new(token.to_owned()))
}
