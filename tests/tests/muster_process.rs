//! The muster of the system tests does what they rely on: it is the binary of these sources, says where it listens,
//! dies, comes back on the same address, ends in order, and says why when it cannot start.

use anyhow::{Result, ensure};
use muster_tests::limits::{MUSTER_START_MAX, MUSTER_STOP_MAX};
use muster_tests::process::{MusterOptions, MusterServer, run_muster};

async fn health(server: &MusterServer) -> Result<reqwest::StatusCode> {
    Ok(reqwest::get(format!("{}/healthz", server.url())).await?.status())
}

#[tokio::test]
async fn it_comes_back_on_the_same_address_after_a_kill() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let options = MusterOptions { data_dir: folder.path().join("data"), ..MusterOptions::default() };
    let mut server = MusterServer::start(options).await?;
    let url = server.url();
    assert_eq!(health(&server).await?, 200);

    server.kill9()?;
    assert!(health(&server).await.is_err(), "a killed server answers");
    server.restart().await?;
    assert_eq!(server.url(), url);
    assert_eq!(health(&server).await?, 200);

    let status = server.terminate(MUSTER_STOP_MAX).await?;
    ensure!(status.success(), "{status}: {}", server.output().1);
    Ok(())
}

#[tokio::test]
async fn a_second_one_on_the_same_folder_says_why_it_does_not_start() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data_dir = folder.path().join("data");
    let mut first = MusterServer::start(MusterOptions { data_dir: data_dir.clone(), ..MusterOptions::default() }).await?;

    let data = data_dir.to_string_lossy().into_owned();
    let second = run_muster(&["serve", "--data", &data, "--listen", "127.0.0.1:0", "--nats", "off"], MUSTER_START_MAX).await?;
    assert!(!second.status.success(), "two servers share a data folder");
    assert!(second.stderr.contains(&data), "the folder is not named: {}", second.stderr);

    assert_eq!(health(&first).await?, 200);
    assert!(first.exit_status()?.is_none());
    Ok(())
}

#[tokio::test]
async fn a_start_that_fails_is_an_error_with_its_output() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("no-folder");
    std::fs::write(&file, "a file where a folder should be")?;
    let failed = MusterServer::start(MusterOptions { data_dir: file, ..MusterOptions::default() }).await;
    let message = format!("{:#}", failed.expect_err("a file is no data folder"));
    assert!(message.contains("has ended") && message.contains("no-folder"), "{message}");
    Ok(())
}
