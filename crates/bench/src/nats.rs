//! A real nats-server with JetStream as a child process on a free loopback port. It must never end a process that it did not
//! start.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};

use crate::limits;

/// The version that the project's setup installs where the machine has none.
const RELEASE: &str = "2.15.1";
/// Names the program to use.
const VARIABLE: &str = "MUSTER_NATS_SERVER";

/// A running nats-server. Dropping it ends it.
pub(crate) struct NatsServer {
    child: Child,
    url: String,
}

impl NatsServer {
    /// Starts one that stores in `dir`.
    pub(crate) fn start(dir: &Path) -> Result<Self> {
        let program = program()?;
        std::fs::create_dir_all(dir)?;
        let mut command = Command::new(&program);
        // -1 lets the system choose the port; the server writes which one it is into a file.
        command.args(["-a", "127.0.0.1", "-p", "-1", "-js", "-sd"]).arg(dir.join("store")).arg("--ports_file_dir").arg(dir);
        let errors = std::fs::File::create(dir.join("nats-server.err"))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors);
        let child = command.spawn().with_context(|| format!("start {}", program.display()))?;
        let mut server = Self { child, url: String::new() };
        server.url = server.wait_for_url(dir)?;
        Ok(server)
    }

    /// Where it takes connections.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    fn wait_for_url(&mut self, dir: &Path) -> Result<String> {
        let suffix = format!("_{}.ports", self.child.id());
        let started = Instant::now();
        while started.elapsed() < limits::NATS_START_MAX {
            if let Some(status) = self.child.try_wait()? {
                let errors = std::fs::read_to_string(dir.join("nats-server.err")).unwrap_or_default();
                bail!("nats-server has ended ({status}): {errors}");
            }
            let file = std::fs::read_dir(dir)?.filter_map(Result::ok).find(|entry| entry.file_name().to_string_lossy().ends_with(&suffix));
            // Half a file is read again at the next look.
            if let Some(url) = file.and_then(|entry| std::fs::read(entry.path()).ok()).and_then(|text| url_in(&text)) {
                return Ok(url);
            }
            std::thread::sleep(limits::NATS_POLL);
        }
        bail!("nats-server did not come up within {} s", limits::NATS_START_MAX.as_secs())
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        // It may have ended by itself, which is what is asked for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn url_in(text: &[u8]) -> Option<String> {
    let ports: serde_json::Value = serde_json::from_slice(text).ok()?;
    Some(ports.get("nats")?.as_array()?.first()?.as_str()?.to_owned())
}

/// The one that the environment names, else one on the PATH, else the one that the project's setup installed.
fn program() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os(VARIABLE) {
        let named = PathBuf::from(named);
        ensure!(named.is_file(), "{VARIABLE}={} is no file", named.display());
        return Ok(named);
    }
    let on_path = PathBuf::from("nats-server");
    if Command::new(&on_path).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
        return Ok(on_path);
    }
    let tools = std::env::var_os("MUSTER_TOOLS").map(PathBuf::from);
    let tools = tools.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/muster/tools")));
    let installed = tools.context("neither MUSTER_TOOLS nor HOME is set")?.join(format!("nats-server-{RELEASE}/nats-server"));
    ensure!(installed.is_file(), "no nats-server at {}: run deploy/setup, or set {VARIABLE}", installed.display());
    Ok(installed)
}
