//! The `muster` binary under test, built from the sources as they stand.
//!
//! Cargo tells a package's tests where the binaries of the same package are, not those of another, and a binary found
//! in the target folder may be older than the sources. So cargo itself is asked, once a test process: when all is
//! built it answers in well under a second, else it builds, and its answer names the file.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, bail};

/// The path of the binary: `MUSTER_BIN` if that is set, else built in the profile that the tests were built in.
///
/// # Errors
/// `MUSTER_BIN` names no file, or the build fails; cargo's own errors go to standard error.
pub async fn muster_binary() -> Result<PathBuf> {
    tokio::task::spawn_blocking(|| {
        // Tests of one process run side by side: one of them builds, the others wait for its answer.
        static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
        BUILT.get_or_init(|| locate().map_err(|error| format!("{error:#}"))).clone()
    })
    .await?
    .map_err(|error| anyhow!(error))
}

/// The path of an example program of the workspace, built in the profile that the tests were built in.
///
/// # Errors
/// The build fails; cargo's own errors go to standard error.
pub async fn example_binary(name: &'static str) -> Result<PathBuf> {
    tokio::task::spawn_blocking(move || build("--example", name)).await?
}

/// The path of a program of the workspace beside `muster`, built in the profile that the tests were built in.
///
/// # Errors
/// The build fails; cargo's own errors go to standard error.
pub async fn program_binary(name: &'static str) -> Result<PathBuf> {
    tokio::task::spawn_blocking(move || build("--bin", name)).await?
}

fn locate() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("MUSTER_BIN") {
        let path = PathBuf::from(path);
        if !path.is_file() {
            bail!("MUSTER_BIN={} is no file", path.display());
        }
        return Ok(path);
    }
    build("--bin", "muster")
}

fn build(kind: &str, name: &str) -> Result<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .arg("build")
        .arg("--manifest-path")
        .arg(&manifest)
        // All of the workspace, so that the features of shared dependencies are those that are already built.
        .args(["--workspace", kind, name, "--message-format=json-render-diagnostics"])
        .args(["--profile", &profile()?])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("run cargo build {kind} {name}"))?;
    if !output.status.success() {
        bail!("cargo build {kind} {name} failed: {}", output.status);
    }
    executable_in(&output.stdout, name).with_context(|| format!("cargo named no executable of {name}"))
}

/// The profile of the running test: its executable stands in `TARGET/PROFILE/deps`, where `dev` is called `debug`.
fn profile() -> Result<String> {
    let test = std::env::current_exe().context("find the running test's executable")?;
    let folder = test.ancestors().nth(2).and_then(Path::file_name).and_then(|name| name.to_str());
    match folder {
        Some("debug") => Ok("dev".to_owned()),
        Some(profile) => Ok(profile.to_owned()),
        None => bail!("{} does not stand in a cargo target folder", test.display()),
    }
}

fn executable_in(messages: &[u8], name: &str) -> Option<PathBuf> {
    messages
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}
