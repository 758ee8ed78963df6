//! The nats-server of the system tests does what they rely on: it answers, dies, comes back with its streams on the
//! same port, and loses them when its storage is wiped. Held for the oldest and the current release.

use std::time::Duration;

use anyhow::{Context, Result};
use async_nats::jetstream::{self, stream};
use muster_tests::nats::{NatsOptions, NatsServer, NatsVersion};
use muster_tests::wait;

const MESSAGES: u64 = 100;

async fn connect(server: &NatsServer) -> Result<jetstream::Context> {
    let client = async_nats::connect(server.url()).await.context("connect")?;
    Ok(jetstream::new(client))
}

async fn fill(context: &jetstream::Context) -> Result<()> {
    let config = stream::Config { name: "KEPT".to_owned(), subjects: vec!["kept.>".to_owned()], ..stream::Config::default() };
    context.create_stream(config).await?;
    for number in 1..=MESSAGES {
        let stored = context.publish("kept.one", number.to_string().into()).await?.await?;
        assert_eq!(stored.sequence, number);
    }
    Ok(())
}

async fn survives_a_kill_and_loses_its_storage(version: NatsVersion) -> Result<()> {
    let mut server = NatsServer::start(NatsOptions { version, store_dir: None }).await?;
    let url = server.url();
    fill(&connect(&server).await?).await?;

    server.kill9()?;
    assert!(async_nats::connect(server.url()).await.is_err(), "a killed server answers");
    server.restart().await?;
    assert_eq!(server.url(), url);
    let context = connect(&server).await?;
    let info = context.get_stream("KEPT").await?.get_info().await?;
    assert_eq!((info.state.messages, info.state.last_sequence), (MESSAGES, MESSAGES));

    assert!(server.wipe_storage().is_err(), "the storage of a running server was wiped");
    server.kill9()?;
    server.wipe_storage()?;
    server.restart().await?;
    let context = connect(&server).await?;
    let error = context.get_stream("KEPT").await.expect_err("the stream outlived its storage");
    assert!(error.to_string().contains("not found"), "{error}");
    fill(&context).await
}

#[tokio::test]
async fn the_current_release_survives_a_kill_and_loses_its_storage() -> Result<()> {
    survives_a_kill_and_loses_its_storage(NatsVersion::Current).await
}

#[tokio::test]
async fn the_oldest_release_survives_a_kill_and_loses_its_storage() -> Result<()> {
    survives_a_kill_and_loses_its_storage(NatsVersion::Oldest).await
}

#[tokio::test]
async fn the_two_releases_are_the_ones_meant() -> Result<()> {
    for (version, oldest) in [(NatsVersion::Current, false), (NatsVersion::Oldest, true)] {
        let server = NatsServer::start(NatsOptions { version, store_dir: None }).await?;
        let client = async_nats::connect(server.url()).await?;
        let release = client.server_info().version;
        assert_eq!(release.starts_with("2.10."), oldest, "{version:?} is {release}");
    }
    Ok(())
}

#[tokio::test]
async fn a_client_that_stays_finds_the_restarted_server() -> Result<()> {
    let mut server = NatsServer::start(NatsOptions::default()).await?;
    let context = connect(&server).await?;
    fill(&context).await?;
    server.restart().await?;
    wait::until_async("the client is back", Duration::from_secs(30), || async { Ok(context.get_stream("KEPT").await.ok().map(drop)) }).await
}

#[tokio::test]
async fn a_frozen_server_answers_only_after_it_is_thawed() -> Result<()> {
    let mut server = NatsServer::start(NatsOptions::default()).await?;
    let context = connect(&server).await?;
    server.freeze().await?;
    let asked = tokio::spawn(async move { context.query_account().await.is_ok() });
    let refused = tokio::time::timeout(Duration::from_millis(200), async_nats::connect(server.url()));
    assert!(!matches!(refused.await, Ok(Ok(_))), "a frozen server greeted a client");
    assert!(!asked.is_finished(), "a frozen server answered");
    server.thaw()?;
    assert!(asked.await?, "the question was not answered after the thaw");
    Ok(())
}

#[tokio::test]
async fn dropping_it_ends_the_process_and_an_own_store_stays() -> Result<()> {
    let store = tempfile::tempdir()?;
    let options = NatsOptions { version: NatsVersion::Current, store_dir: Some(store.path().to_owned()) };
    let server = NatsServer::start(options.clone()).await?;
    let process = format!("/proc/{}", server.id());
    assert!(std::path::Path::new(&process).exists());
    fill(&connect(&server).await?).await?;
    drop(server);
    assert!(!std::path::Path::new(&process).exists(), "the process outlived its owner");

    let again = NatsServer::start(options).await?;
    let info = connect(&again).await?.get_stream("KEPT").await?.get_info().await?;
    assert_eq!(info.state.messages, MESSAGES);
    Ok(())
}

/// Tests restart servers from spawned tasks, while clients keep on asking in others.
#[tokio::test]
async fn it_can_be_driven_from_another_task() -> Result<()> {
    let server = tokio::spawn(async {
        let mut server = NatsServer::start(NatsOptions::default()).await?;
        server.restart().await?;
        anyhow::Ok(server)
    });
    connect(&server.await??).await?.query_account().await?;
    Ok(())
}
