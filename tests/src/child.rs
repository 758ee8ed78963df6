//! One child process: started with its output in files, signalled, killed, and never left behind.
//!
//! It ends processes by their id only, and only those that it started.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::limits::TAIL_LINES;
use crate::wait;

/// A signal that is not a kill; for that see [`ChildProcess::kill9`].
#[derive(Clone, Copy, Debug)]
pub enum Signal {
    /// SIGTERM: end in order.
    Terminate,
    /// SIGINT: what a terminal sends for Ctrl-C.
    Interrupt,
    /// SIGSTOP: stand still with all connections open, as a machine that is starved of time does.
    Stop,
    /// SIGCONT: go on after [`Signal::Stop`].
    Continue,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Signal::Terminate => "TERM",
            Signal::Interrupt => "INT",
            Signal::Stop => "STOP",
            Signal::Continue => "CONT",
        }
    }
}

/// A running or ended child. Dropping it kills it; dropping it while a test panics shows the end of its output.
#[derive(Debug)]
pub struct ChildProcess {
    name: String,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl ChildProcess {
    /// Starts `command` with empty input, its output in `folder/name.out` and `folder/name.err`.
    ///
    /// Files and not pipes: a child never blocks on output that nobody reads, and it can be read again after a kill.
    ///
    /// # Errors
    /// The files cannot be made or the program cannot be started.
    pub fn spawn(name: &str, mut command: Command, folder: &Path) -> Result<Self> {
        let stdout = folder.join(format!("{name}.out"));
        let stderr = folder.join(format!("{name}.err"));
        let out = File::create(&stdout).with_context(|| format!("make {}", stdout.display()))?;
        let err = File::create(&stderr).with_context(|| format!("make {}", stderr.display()))?;
        let child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn().with_context(|| format!("start {name}: {command:?}"))?;
        Ok(Self { name: name.to_owned(), child, stdout, stderr })
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, or `None` while it runs.
    ///
    /// # Errors
    /// The system cannot tell.
    pub fn exit_status(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().with_context(|| format!("ask whether {} has ended", self.name))
    }

    /// Fails with the end of its output if it has ended.
    ///
    /// # Errors
    /// It has ended.
    pub fn check_running(&mut self) -> Result<()> {
        if let Some(status) = self.exit_status()? {
            bail!("{} has ended ({status})\n{}", self.name, self.tail());
        }
        Ok(())
    }

    /// SIGKILL, and waits until it is gone. Nothing happens if it has ended before.
    ///
    /// # Errors
    /// It cannot be waited for.
    pub fn kill9(&mut self) -> Result<ExitStatus> {
        // The only error is that it has ended already, which is what is asked for.
        let _ = self.child.kill();
        self.child.wait().with_context(|| format!("wait for the killed {}", self.name))
    }

    /// Sends a signal by process id.
    ///
    /// # Errors
    /// It has ended, or the signal cannot be sent.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        self.check_running()?;
        // The shell's own `kill`: a small system has no program of that name, and calling the system directly is unsafe.
        let status = Command::new("/bin/sh")
            .args(["-c", "kill -s \"$0\" \"$1\"", signal.name(), &self.id().to_string()])
            .status()
            .with_context(|| format!("send {signal:?} to {}", self.name))?;
        if !status.success() {
            bail!("{signal:?} could not be sent to {}: {status}", self.name);
        }
        Ok(())
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// It still runs after `limit`.
    pub async fn wait_for_end(&mut self, limit: Duration) -> Result<ExitStatus> {
        let what = format!("{} has ended", self.name);
        wait::until(&what, limit, || self.exit_status()).await
    }

    /// Everything it has written to standard output so far; bytes that are no UTF-8 are replaced.
    pub fn stdout(&self) -> String {
        read(&self.stdout)
    }

    /// Everything it has written to standard error so far; bytes that are no UTF-8 are replaced.
    pub fn stderr(&self) -> String {
        read(&self.stderr)
    }

    /// The last lines of both outputs, for a message of failure.
    pub fn tail(&self) -> String {
        format!(
            "--- {} standard output ends:\n{}\n--- {} standard error ends:\n{}",
            self.name,
            last_lines(&self.stdout()),
            self.name,
            last_lines(&self.stderr()),
        )
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        if std::thread::panicking() {
            show(&self.tail());
        }
        // Nothing can be done about an error here, and it means that the process is gone.
        let _ = self.kill9();
    }
}

#[expect(clippy::print_stderr, reason = "the test harness shows it together with the failed test, and only then")]
fn show(text: &str) {
    eprintln!("{text}");
}

fn read(path: &Path) -> String {
    // A file that is gone went with its folder; the message of failure is then without it.
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}
