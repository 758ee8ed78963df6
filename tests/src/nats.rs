//! A real nats-server with JetStream as a child process on a free loopback port.
//!
//! It must never find a server by a fixed port or end one that it did not start.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::child::{ChildProcess, Signal};
use crate::limits::{NATS_START_MAX, PORT_FREE_MAX};
use crate::wait;

/// The oldest version that is supported: what the feed relies on came with 2.10.
const OLDEST: &str = "2.10.25";
/// The version that deploy/setup installs where the machine has none that is new enough.
const CURRENT: &str = "2.15.1";
/// Releases before this one lack stream metadata and first sequences.
const MINIMUM: (u32, u32) = (2, 10);

/// Which nats-server to start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NatsVersion {
    /// `MUSTER_NATS_SERVER`, else one on the PATH from 2.10 on, else the one that deploy/setup installed.
    #[default]
    Current,
    /// `MUSTER_NATS_SERVER_OLDEST`, else the 2.10.25 that `deploy/setup --test` installed.
    Oldest,
}

/// How to start a nats-server.
#[derive(Clone, Debug, Default)]
pub struct NatsOptions {
    /// Which release.
    pub version: NatsVersion,
    /// Where JetStream stores; `None` is a folder that goes with the server.
    pub store_dir: Option<PathBuf>,
}

/// A nats-server child: started, killed, started again on the same port and store. Dropping it kills it.
#[derive(Debug)]
pub struct NatsServer {
    // Before the folder, so that the process is gone when its files go.
    process: ChildProcess,
    binary: PathBuf,
    config: Option<PathBuf>,
    port: u16,
    store_dir: PathBuf,
    scratch: TempDir,
    starts: u32,
}

impl NatsServer {
    /// Starts it and waits until it takes connections.
    ///
    /// # Errors
    /// No such nats-server is installed (the message names the remedy), or it does not come up.
    pub async fn start(options: NatsOptions) -> Result<Self> {
        Self::start_with(options, None).await
    }

    /// Starts it with a configuration, whose address and store are replaced.
    ///
    /// # Errors
    /// As for [`NatsServer::start`].
    pub async fn start_configured(version: NatsVersion, config: impl Into<PathBuf>) -> Result<Self> {
        Self::start_with(NatsOptions { version, ..NatsOptions::default() }, Some(config.into())).await
    }

    async fn start_with(options: NatsOptions, config: Option<PathBuf>) -> Result<Self> {
        let binary = find_binary(options.version)?;
        let scratch = tempfile::Builder::new().prefix("muster-nats-").tempdir()?;
        let store_dir = options.store_dir.unwrap_or_else(|| scratch.path().join("store"));
        std::fs::create_dir_all(&store_dir).with_context(|| format!("make {}", store_dir.display()))?;
        let config = config.map(|config| stored_elsewhere(&config, &store_dir)).transpose()?;
        let mut process = spawn(&binary, config.as_deref(), None, (&store_dir, scratch.path()), 1)?;
        let port = wait_for_port(&mut process, scratch.path()).await?;
        Ok(Self { process, binary, config, port, store_dir, scratch, starts: 1 })
    }

    /// `nats://127.0.0.1:PORT`; the same after every restart.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where JetStream stores.
    pub fn store_dir(&self) -> &Path {
        &self.store_dir
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// SIGKILL: no goodbye to clients, nothing flushed. What it acknowledged stays in the system's page cache.
    ///
    /// # Errors
    /// It cannot be waited for.
    pub fn kill9(&mut self) -> Result<()> {
        self.process.kill9().map(drop)
    }

    /// Stops its clock with all connections open: clients see a server that is very slow.
    ///
    /// # Errors
    /// It has ended.
    pub async fn freeze(&mut self) -> Result<()> {
        self.process.signal(Signal::Stop)?;
        // The signal is sent when the call returns; each thread stops when it is next looked at.
        let tasks = format!("/proc/{}/task", self.process.id());
        wait::until("every thread of the nats-server stands still", NATS_START_MAX, || Ok(all_stopped(&tasks)?.then_some(()))).await
    }

    /// Lets a frozen one go on.
    ///
    /// # Errors
    /// It has ended.
    pub fn thaw(&mut self) -> Result<()> {
        self.process.signal(Signal::Continue)
    }

    /// Starts it again on the same port and store; a running one is killed first.
    ///
    /// # Errors
    /// The port stays taken, or it does not come up.
    pub async fn restart(&mut self) -> Result<()> {
        self.kill9()?;
        wait_for_free_port(self.port).await?;
        self.starts += 1;
        let folders = (self.store_dir.as_path(), self.scratch.path());
        self.process = spawn(&self.binary, self.config.as_deref(), Some(self.port), folders, self.starts)?;
        let port = wait_for_port(&mut self.process, self.scratch.path()).await?;
        ensure!(port == self.port, "nats-server came back on port {port}, not {}", self.port);
        Ok(())
    }

    /// Removes every stream, consumer and bucket, as a lost disk would; it has to be killed first.
    ///
    /// # Errors
    /// It still runs, or the files cannot be removed.
    pub fn wipe_storage(&mut self) -> Result<()> {
        ensure!(self.process.exit_status()?.is_some(), "the storage of a running nats-server is not wiped: kill it first");
        let store = &self.store_dir;
        std::fs::remove_dir_all(store).with_context(|| format!("remove {}", store.display()))?;
        std::fs::create_dir_all(store).with_context(|| format!("make {}", store.display()))
    }
}

/// Waits until nobody holds the port: after a kill a client that was connecting can hold it for a moment.
pub(crate) async fn wait_for_free_port(port: u16) -> Result<()> {
    wait::until(&format!("port {port} is free"), PORT_FREE_MAX, || Ok(TcpListener::bind(("127.0.0.1", port)).is_ok().then_some(()))).await
}

/// A copy of a configuration beside it, with another store: a flag would name a second one, which nats-server refuses.
fn stored_elsewhere(config: &Path, store_dir: &Path) -> Result<PathBuf> {
    let text = std::fs::read_to_string(config).with_context(|| format!("read {}", config.display()))?;
    let (before, after) = text.split_once("store_dir: \"").context("the configuration names no store")?;
    let (_, after) = after.split_once('"').context("the store's folder is not closed")?;
    let copy = config.with_extension("test.conf");
    std::fs::write(&copy, format!("{before}store_dir: {store_dir:?}{after}"))?;
    Ok(copy)
}

fn spawn(binary: &Path, config: Option<&Path>, port: Option<u16>, folders: (&Path, &Path), start: u32) -> Result<ChildProcess> {
    let (store_dir, folder) = folders;
    let mut command = Command::new(binary);
    match config {
        // It names its certificates beside itself, and its store.
        Some(config) => command.current_dir(config.parent().context("a configuration is in a folder")?).arg("-c").arg(config),
        None => command.arg("-js").arg("-sd").arg(store_dir),
    };
    // -1 lets the system choose, so that no two tests ever meet.
    command.args(["-a", "127.0.0.1", "-p", &port.map_or("-1".to_owned(), |port| port.to_string())]);
    command.arg("--ports_file_dir").arg(folder);
    ChildProcess::spawn(&format!("nats-server-{start}"), command, folder)
}

/// The server writes the file, named by program and process id, once it takes connections.
async fn wait_for_port(process: &mut ChildProcess, folder: &Path) -> Result<u16> {
    let suffix = format!("_{}.ports", process.id());
    wait::until("nats-server takes connections", NATS_START_MAX, || {
        process.check_running()?;
        let named = std::fs::read_dir(folder)?.filter_map(Result::ok).find(|entry| entry.file_name().to_string_lossy().ends_with(&suffix));
        // Half a file is read again at the next look.
        Ok(named.and_then(|entry| std::fs::read(entry.path()).ok()).and_then(|text| port_in(&text)))
    })
    .await
}

fn port_in(text: &[u8]) -> Option<u16> {
    let ports: serde_json::Value = serde_json::from_slice(text).ok()?;
    let url = ports.get("nats")?.as_array()?.first()?.as_str()?;
    url.rsplit_once(':')?.1.parse().ok()
}

fn find_binary(version: NatsVersion) -> Result<PathBuf> {
    let (variable, release) = match version {
        NatsVersion::Current => ("MUSTER_NATS_SERVER", CURRENT),
        NatsVersion::Oldest => ("MUSTER_NATS_SERVER_OLDEST", OLDEST),
    };
    if let Some(path) = std::env::var_os(variable) {
        let path = PathBuf::from(path);
        ensure!(path.is_file(), "{variable}={} is no file", path.display());
        return Ok(path);
    }
    let on_path = PathBuf::from("nats-server");
    if version == NatsVersion::Current && release_of(&on_path).is_some_and(|it| it >= MINIMUM) {
        return Ok(on_path);
    }
    let installed = tools_dir()?.join(format!("nats-server-{release}/nats-server"));
    if !installed.is_file() {
        bail!("no nats-server {release} at {}: run deploy/setup --test, or set {variable}", installed.display());
    }
    Ok(installed)
}

/// Where deploy/setup puts what it installs.
fn tools_dir() -> Result<PathBuf> {
    if let Some(tools) = std::env::var_os("MUSTER_TOOLS") {
        return Ok(PathBuf::from(tools));
    }
    let home = std::env::var_os("HOME").context("neither MUSTER_TOOLS nor HOME is set")?;
    Ok(PathBuf::from(home).join(".cache/muster/tools"))
}

/// Major and minor of `nats-server: v2.15.1`; `None` if it does not run.
fn release_of(binary: &Path) -> Option<(u32, u32)> {
    let output = Command::new(binary).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let number = text.trim().strip_prefix("nats-server: ")?.trim_start_matches('v').to_owned();
    let mut parts = number.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Whether the state in each thread's `stat`, the field after the name in brackets, says that it is stopped.
fn all_stopped(tasks: &str) -> Result<bool> {
    for task in std::fs::read_dir(tasks)? {
        // A thread that has ended meanwhile does nothing either.
        let Ok(stat) = std::fs::read_to_string(task?.path().join("stat")) else { continue };
        let state = stat.rsplit_once(')').map(|(_, rest)| rest.trim_start());
        if !state.is_some_and(|state| state.starts_with('T')) {
            return Ok(false);
        }
    }
    Ok(true)
}
