//! The `muster` binary as a child process: a server that is started, killed and started again, and one-off commands.
//!
//! It must never reach into the server's memory or files: what a test learns, it learns as a client would.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::binary::muster_binary;
use crate::child::{ChildProcess, Signal};
use crate::limits::{MUSTER_START_MAX, PROBE_MAX};
use crate::nats::wait_for_free_port;
use crate::wait;

/// What the server prints once it listens; the address follows.
const LISTENING: &str = "listening http://";

/// How to start `muster serve`.
#[derive(Clone, Debug, Default)]
pub struct MusterOptions {
    /// `--data`; made by the server if it is not there.
    pub data_dir: PathBuf,
    /// `--nats`; `None` is `off`.
    pub nats: Option<String>,
    /// Further arguments, as they are.
    pub args: Vec<String>,
    /// Further environment variables, as they are.
    pub env: Vec<(String, String)>,
    /// Another program that is Muster with views of its own; `muster` if there is none.
    pub program: Option<PathBuf>,
}

/// A `muster serve` child on a free loopback port. Dropping it kills it.
#[derive(Debug)]
pub struct MusterServer {
    // Before the folder, so that the process is gone when its files go.
    process: ChildProcess,
    options: MusterOptions,
    binary: PathBuf,
    address: SocketAddr,
    scratch: TempDir,
    starts: u32,
}

impl MusterServer {
    /// Starts it and waits until `/readyz` says yes.
    ///
    /// # Errors
    /// The binary cannot be built, or the server ends or is not ready in time; the message ends with its output.
    pub async fn start(options: MusterOptions) -> Result<Self> {
        let binary = match &options.program {
            Some(program) => program.clone(),
            None => muster_binary().await?,
        };
        let scratch = tempfile::Builder::new().prefix("muster-server-").tempdir()?;
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut process = spawn(&binary, &options, any_port, scratch.path(), 1)?;
        let address = wait_until_ready(&mut process).await?;
        Ok(Self { process, options, binary, address, scratch, starts: 1 })
    }

    /// `http://127.0.0.1:PORT`; the same after every restart.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Its data folder.
    pub fn data_dir(&self) -> &Path {
        &self.options.data_dir
    }

    /// The options of the next start; a change holds from the next [`MusterServer::restart`] on.
    pub fn options_mut(&mut self) -> &mut MusterOptions {
        &mut self.options
    }

    /// How it ended, or `None` while it runs.
    ///
    /// # Errors
    /// The system cannot tell.
    pub fn exit_status(&mut self) -> Result<Option<ExitStatus>> {
        self.process.exit_status()
    }

    /// Standard output and standard error since the last start.
    pub fn output(&self) -> (String, String) {
        (self.process.stdout(), self.process.stderr())
    }

    /// SIGKILL, and waits until it is gone.
    ///
    /// # Errors
    /// It cannot be waited for.
    pub fn kill9(&mut self) -> Result<()> {
        self.process.kill9().map(drop)
    }

    /// SIGTERM, and waits until it has ended in order.
    ///
    /// # Errors
    /// It has ended before, or still runs after `limit`.
    pub async fn terminate(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.process.signal(Signal::Terminate)?;
        self.process.wait_for_end(limit).await
    }

    /// Sends a signal, for example to let it stand still.
    ///
    /// # Errors
    /// It has ended, or the signal cannot be sent.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        self.process.signal(signal)
    }

    /// Waits until it ends by itself, as after an error that it must not survive.
    ///
    /// # Errors
    /// It still runs after `limit`.
    pub async fn wait_for_end(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.process.wait_for_end(limit).await
    }

    /// Starts it again on the same address and data folder; a running one is killed first.
    ///
    /// # Errors
    /// As for [`MusterServer::start`].
    pub async fn restart(&mut self) -> Result<()> {
        self.kill9()?;
        wait_for_free_port(self.address.port()).await?;
        self.starts += 1;
        self.process = spawn(&self.binary, &self.options, self.address, self.scratch.path(), self.starts)?;
        let address = wait_until_ready(&mut self.process).await?;
        ensure!(address == self.address, "muster came back on {address}, not {}", self.address);
        Ok(())
    }
}

/// What a finished command left.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
}

/// Runs `muster ARGS…` to its end with empty input, for example `muster view coverage --json` or a start that fails.
///
/// # Errors
/// The binary cannot be built or started, or it still runs after `limit` and is killed.
pub async fn run_muster(args: &[&str], limit: Duration) -> Result<Finished> {
    run_program(&muster_binary().await?, args, limit).await
}

/// Runs another program with Muster in it as [`run_muster`] does.
///
/// # Errors
/// The program cannot be started, or it still runs after `limit` and is killed.
pub async fn run_program(binary: &Path, args: &[&str], limit: Duration) -> Result<Finished> {
    let mut process = spawn_program(binary, args, &[])?;
    let status = process.child.wait_for_end(limit).await.with_context(|| process.child.tail())?;
    Ok(Finished { status, stdout: process.child.stdout(), stderr: process.child.stderr() })
}

/// A `muster ARGS…` that runs beside the test, for example a `muster worker`. Dropping it kills it.
#[derive(Debug)]
pub struct MusterProcess {
    /// The process, with its output.
    pub child: ChildProcess,
    // Goes after the process that writes into it.
    _scratch: TempDir,
}

/// Starts `muster ARGS…` and does not wait for anything.
///
/// # Errors
/// The binary cannot be built or started.
pub async fn spawn_muster(args: &[&str]) -> Result<MusterProcess> {
    spawn_program(&muster_binary().await?, args, &[])
}

/// Starts another program with Muster in it, with further environment variables, and does not wait for anything.
///
/// # Errors
/// The program cannot be started.
pub fn spawn_program(binary: &Path, args: &[&str], env: &[(String, String)]) -> Result<MusterProcess> {
    let scratch = tempfile::Builder::new().prefix("muster-").tempdir()?;
    let mut command = Command::new(binary);
    command.args(args).envs(env.iter().cloned());
    let name = format!("muster-{}", args.first().copied().unwrap_or("bare"));
    let child = ChildProcess::spawn(&name, command, scratch.path())?;
    Ok(MusterProcess { child, _scratch: scratch })
}

fn spawn(binary: &Path, options: &MusterOptions, address: SocketAddr, folder: &Path, start: u32) -> Result<ChildProcess> {
    let mut command = Command::new(binary);
    command.arg("serve").arg("--data").arg(&options.data_dir);
    command.args(["--listen", &address.to_string()]);
    command.args(["--nats", options.nats.as_deref().unwrap_or("off")]);
    command.args(&options.args).envs(options.env.iter().cloned());
    ChildProcess::spawn(&format!("muster-serve-{start}"), command, folder)
}

async fn wait_until_ready(process: &mut ChildProcess) -> Result<SocketAddr> {
    let address = wait::until("muster prints its address", MUSTER_START_MAX, || {
        let address = listening_in(&process.stdout());
        if address.is_none() {
            process.check_running()?;
        }
        Ok(address)
    })
    .await
    .with_context(|| process.tail())?;
    let client = reqwest::Client::builder().timeout(PROBE_MAX).build()?;
    let ready = format!("http://{address}/readyz");
    let waited = wait::until_async("muster is ready", MUSTER_START_MAX, || {
        let running = process.check_running();
        let asked = client.get(&ready).send();
        async {
            running?;
            // Not reachable yet, or busy with its start: asked again.
            Ok(asked.await.is_ok_and(|answer| answer.status().is_success()).then_some(()))
        }
    })
    .await;
    waited.with_context(|| process.tail())?;
    Ok(address)
}

fn listening_in(stdout: &str) -> Option<SocketAddr> {
    // A line that is only half written does not count: its port would be cut short.
    let complete = stdout.rsplit_once('\n')?.0;
    complete.lines().find_map(|line| line.strip_prefix(LISTENING)?.trim().parse().ok())
}
