//! The service of commands under a flood: what is no command has room of its own, and no command waits for it.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;

use async_nats::{Client, HeaderMap};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use muster_feed::{Asked, CommandService, Commands, Refusal, STREAM, Said, ServiceHandle, ServiceOptions, ServiceState};
use support::{Nats, within};
use tokio::sync::watch;

const FLOOD: usize = 1_000;

/// Says yes to everything, when it may.
struct Yes(watch::Receiver<bool>);

impl Commands for Yes {
    fn names(&self) -> Vec<&'static str> {
        vec!["CheckIn"]
    }

    fn carry_out(&self, _: Asked) -> BoxFuture<'static, Said> {
        let mut may = self.0.clone();
        async move {
            may.wait_for(|may| *may).await.unwrap();
            Said { body: "yes".into(), ..Said::default() }
        }
        .boxed()
    }

    fn busy(&self) -> Said {
        Said {
            body: "busy".into(),
            error: Some(Refusal { status: 503, reason: "queue_full".to_owned(), detail: String::new() }),
            ..Said::default()
        }
    }
}

async fn serve(options: ServiceOptions, may: &watch::Sender<bool>) -> ServiceHandle {
    let service = CommandService::spawn(options, Arc::new(Yes(may.subscribe())));
    within("the service serves", service.state().wait_for(|state| *state == ServiceState::Serving)).await.unwrap();
    service
}

async fn flood(client: &Client, subject: &str, inbox: &str) {
    for _ in 0..FLOOD {
        client.publish_with_reply(subject.to_owned(), inbox.to_owned(), Bytes::new()).await.unwrap();
    }
    client.flush().await.unwrap();
}

async fn command(client: &Client) -> Bytes {
    let asked = client.request_with_headers("muster.cmd.CheckIn", HeaderMap::new(), Bytes::new());
    within("an answer to a command", asked).await.unwrap().payload
}

/// JetStream is played by the test, which does not answer: as many requests as there is room for wait for it, and no more.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_questions_about_streams_is_bounded_and_commands_get_through() {
    let nats = Nats::start_without_jetstream();
    let options = ServiceOptions { telling_max: 3, ..ServiceOptions::new(nats.url()) };
    let service = serve(options, &watch::Sender::new(true)).await;
    let client = async_nats::connect(nats.url()).await.unwrap();
    let mut asked = client.subscribe(format!("$JS.API.STREAM.INFO.{STREAM}")).await.unwrap();
    let inbox = client.new_inbox();
    let mut told = client.subscribe(inbox.clone()).await.unwrap();
    flood(&client, &format!("muster.info.{STREAM}"), &inbox).await;
    let mut waiting = Vec::new();
    for _ in 0..3 {
        waiting.push(within("a request to JetStream", asked.next()).await.unwrap());
    }
    assert_eq!(command(&client).await, "yes");
    assert!(asked.next().now_or_never().is_none(), "there was room for three");
    for request in waiting {
        client.publish(request.reply.unwrap(), "so".into()).await.unwrap();
    }
    for _ in 0..3 {
        assert_eq!(within("an answer", told.next()).await.unwrap().payload, "so");
    }
    // There is room again.
    client.publish_with_reply(format!("muster.info.{STREAM}"), inbox, Bytes::new()).await.unwrap();
    let request = within("a request to JetStream", asked.next()).await.unwrap();
    client.publish(request.reply.unwrap(), "so".into()).await.unwrap();
    service.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_questions_about_the_service_lets_commands_through() {
    let nats = Nats::start_without_jetstream();
    let service = serve(ServiceOptions::new(nats.url()), &watch::Sender::new(true)).await;
    let client = async_nats::connect(nats.url()).await.unwrap();
    let inbox = client.new_inbox();
    let mut told = client.subscribe(inbox.clone()).await.unwrap();
    flood(&client, "$SRV.INFO", &inbox).await;
    assert_eq!(command(&client).await, "yes");
    within("an answer about the service", told.next()).await.unwrap();
    service.shutdown().await;
}

/// Commands beyond those under way are told so, and those under way are carried out.
#[tokio::test(flavor = "multi_thread")]
async fn commands_beyond_the_bound_are_told_so() {
    let nats = Nats::start_without_jetstream();
    let may = watch::Sender::new(false);
    let service = serve(ServiceOptions { under_way_max: 2, ..ServiceOptions::new(nats.url()) }, &may).await;
    let client = async_nats::connect(nats.url()).await.unwrap();
    let inbox = client.new_inbox();
    let mut told = client.subscribe(inbox.clone()).await.unwrap();
    flood(&client, "muster.cmd.CheckIn", &inbox).await;
    assert_eq!(within("a refusal", told.next()).await.unwrap().payload, "busy");
    may.send_replace(true);
    let mut carried_out = 0;
    while carried_out < 2 {
        carried_out += usize::from(within("an answer", told.next()).await.unwrap().payload == "yes");
    }
    service.shutdown().await;
}
