//! Commands over NATS: `muster.cmd.<Command>` in the form of the NATS services protocol, so that `$SRV.PING`, `INFO` and
//! `STATS` tell of it as of any other service.
//!
//! Owns subscriptions, bounds and the way an answer goes back; what a command is and who may give it is behind [`Commands`].
//! It must never publish to a subject that is not an inbox. A request says itself where its answer goes, and this connection
//! may write where whoever asks may not: an answer to `muster.evt.…` would end up in the stream. For the same reason the
//! protocol's few lines are written here: the client's own service answers anywhere.
//!
//! It also tells how streams stand (`muster.info.<stream>`) without what a request for it may contain: asked with a filter,
//! JetStream lists the subjects of all areas. Accounts that see one area have this in the place of `$JS.API.STREAM.INFO`.

mod micro;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::header::{HeaderMap, NATS_MESSAGE_ID};
use async_nats::{Message, Subject, Subscriber};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{SelectAll, StreamExt as _};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::limits;
use crate::link::{Backoff, Link, LinkOptions};
use crate::stream::STREAM;
use crate::target::INBOX_PREFIX;

use micro::Micro;

/// The service's name.
pub const SERVICE: &str = "muster";
/// What the subjects of commands begin with.
pub const COMMANDS: &str = "muster.cmd";
/// What the subjects begin with on which streams are told of.
pub const INFO: &str = "muster.info";
/// Servers of one group share the requests.
const GROUP: &str = "muster";
/// What the protocol's own subjects begin with.
const VERBS: &str = "$SRV";
/// What a reply begins with that an account's border put in the place of an inbox.
const BORDER_REPLY: &str = "_R_.";

const ERROR: &str = "Nats-Service-Error";
const ERROR_CODE: &str = "Nats-Service-Error-Code";

/// A command as it came in.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The last token of the subject.
    pub name: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// The most that an answer's body may have.
    pub answer_bytes_max: usize,
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// The body.
    pub body: Bytes,
    /// For an answer that says no.
    pub error: Option<Refusal>,
    /// More headers.
    pub headers: Vec<(&'static str, String)>,
}

/// Why an answer says no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// A status as of HTTP.
    pub status: u16,
    /// A word of ours: all that others than the one who asked may see of it.
    pub reason: String,
    /// What the one who asked is told, in one line.
    pub detail: String,
}

/// Whoever carries commands out.
pub trait Commands: Send + Sync + 'static {
    /// All commands; none where only the state of the service is told.
    fn names(&self) -> Vec<&'static str>;
    /// Carries one out; the answer is durable.
    fn carry_out(&self, asked: Asked) -> BoxFuture<'static, Said>;
    /// What is said where too many are under way.
    fn busy(&self) -> Said;
}

/// How to serve. Use [`ServiceOptions::new`] and change what differs.
#[derive(Clone, Debug)]
pub struct ServiceOptions {
    /// Address of the server, or several separated by commas, and how to get in.
    pub url: String,
    /// Commands under way at the same time; what comes beyond is told so at once.
    pub under_way_max: usize,
    /// Answers under way about the service, about streams, and that say that too many commands are; what comes beyond is passed over.
    pub telling_max: usize,
    /// How long a stop waits for the answers to what is under way.
    pub drain: Duration,
}

impl ServiceOptions {
    /// Serves at `url`.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            under_way_max: limits::SERVICE_UNDER_WAY,
            telling_max: limits::SERVICE_TELLING,
            drain: limits::SERVICE_DRAIN,
        }
    }
}

/// Whether requests come in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ServiceState {
    /// Not yet.
    #[default]
    Connecting,
    /// They do.
    Serving,
    /// They do not; it goes on trying.
    Waiting {
        /// Why not.
        reason: String,
    },
    /// No more.
    Stopped,
}

/// Starts the service.
#[derive(Debug)]
pub struct CommandService;

/// A running service.
pub struct ServiceHandle {
    stop: watch::Sender<bool>,
    state: watch::Receiver<ServiceState>,
    task: JoinHandle<()>,
}

impl CommandService {
    /// Serves until it is shut down: it comes back after every loss of the connection, under another instance's id.
    pub fn spawn(options: ServiceOptions, commands: Arc<dyn Commands>) -> ServiceHandle {
        let (stop, stopped) = watch::channel(false);
        let (tell, state) = watch::channel(ServiceState::default());
        let task = tokio::spawn(run(options, commands, stopped, tell));
        ServiceHandle { stop, state, task }
    }
}

impl ServiceHandle {
    /// Whether requests come in, as it changes.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<ServiceState> {
        self.state.clone()
    }

    /// Takes no more requests, answers those that came in, within a bounded time, and ends.
    pub async fn shutdown(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the service of commands did not end in order");
        }
    }
}

async fn run(options: ServiceOptions, commands: Arc<dyn Commands>, mut stop: watch::Receiver<bool>, tell: watch::Sender<ServiceState>) {
    let mut backoff = Backoff::new();
    while !*stop.borrow() {
        let opened = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            opened = Session::open(&options, &commands) => opened,
        };
        let reason = match opened {
            Ok(mut session) => {
                tell.send_replace(ServiceState::Serving);
                backoff.reset();
                session.serve(&mut stop, options.drain).await
            }
            Err(reason) => Some(reason),
        };
        let Some(reason) = reason else { break };
        tracing::warn!(%reason, "the service of commands tries again");
        tell.send_replace(ServiceState::Waiting { reason });
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            () = tokio::time::sleep(backoff.next()) => {}
        }
    }
    tell.send_replace(ServiceState::Stopped);
}

/// One connection, and what is under way on it. When it ends, what the engine has is carried out and the rest is not; whoever
/// asked has no answer, and asks again with the same id.
struct Session {
    link: Link,
    asked: SelectAll<Subscriber>,
    micro: Arc<Micro>,
    commands: Arc<dyn Commands>,
    room: Arc<Semaphore>,
    /// Room for what costs no command its own.
    telling: Arc<Semaphore>,
    under_way: JoinSet<()>,
}

impl Session {
    async fn open(options: &ServiceOptions, commands: &Arc<dyn Commands>) -> Result<Self, String> {
        let link_options = LinkOptions { url: options.url.clone(), name: "muster commands".to_owned(), inbox_prefix: None };
        let link = Link::open(&link_options).await.map_err(|error| error.to_string())?;
        // An inbox's own part is drawn at random, which is what an id of an instance asks for.
        let inbox = link.client.new_inbox();
        let id = inbox.rsplit('.').next().unwrap_or_default().to_owned();
        let names = commands.names();
        let takes_commands = !names.is_empty();
        let micro = Arc::new(Micro::new(id, names));
        let mut asked = SelectAll::new();
        for subject in [format!("{VERBS}.*"), format!("{VERBS}.*.{SERVICE}"), format!("{VERBS}.*.{SERVICE}.{}", micro.id())] {
            asked.push(link.client.subscribe(subject).await.map_err(|error| error.to_string())?);
        }
        let shared = [format!("{INFO}.*")].into_iter().chain(takes_commands.then(|| format!("{COMMANDS}.*")));
        for subject in shared {
            asked.push(link.client.queue_subscribe(subject, GROUP.to_owned()).await.map_err(|error| error.to_string())?);
        }
        // The server has taken the subscriptions, or told why not, once it answers.
        link.client.flush().await.map_err(|error| error.to_string())?;
        let (room, telling) = (Arc::new(Semaphore::new(options.under_way_max)), Arc::new(Semaphore::new(options.telling_max)));
        Ok(Self { link, asked, micro, commands: Arc::clone(commands), room, telling, under_way: JoinSet::new() })
    }

    /// Serves until the connection ends, which is told, or until it is stopped.
    async fn serve(&mut self, stop: &mut watch::Receiver<bool>, drain: Duration) -> Option<String> {
        loop {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                reason = self.link.lost() => return Some(reason),
                message = self.asked.next() => match message {
                    Some(message) => self.take(message),
                    None => return Some("the subscriptions have ended".to_owned()),
                },
                Some(_) = self.under_way.join_next() => {}
            }
        }
        if tokio::time::timeout(drain, self.drain()).await.is_err() {
            tracing::warn!(left = self.under_way.len(), "commands were still under way when the time to answer was over");
        }
        None
    }

    /// What the server handed to us before it knew that we take no more is answered as well.
    async fn drain(&mut self) {
        for subscriber in self.asked.iter_mut() {
            if subscriber.drain().await.is_err() {
                return;
            }
        }
        while let Some(message) = self.asked.next().await {
            self.take(message);
        }
        while self.under_way.join_next().await.is_some() {}
        let _ = self.link.client.flush().await;
    }

    fn take(&mut self, message: Message) {
        let Some(reply) = message.reply.clone().filter(is_inbox) else {
            tracing::debug!(subject = %message.subject, "a request that asks for no answer in an inbox is passed over");
            return;
        };
        let subject = message.subject.clone();
        let client = self.link.client.clone();
        if let Some(rest) = subject.strip_prefix(VERBS) {
            let verb = rest.trim_start_matches('.').split('.').next().unwrap_or_default().to_owned();
            let micro = Arc::clone(&self.micro);
            self.tell(&subject, async move {
                if let Some(told) = micro.tell(&verb) {
                    publish(&client, reply, HeaderMap::new(), told.to_string().into()).await;
                }
            });
        } else if let Some(stream) = subject.strip_prefix(INFO) {
            let stream = stream.trim_start_matches('.').to_owned();
            self.tell(&subject, async move { tell_stream(&client, reply, &stream).await });
        } else if let Some(name) = subject.strip_prefix(COMMANDS) {
            let name = name.trim_start_matches('.').to_owned();
            self.command(name, message, reply);
        }
    }

    /// Answers what is no command, where there is room: nobody waits for it in an emergency.
    fn tell(&mut self, subject: &Subject, telling: impl Future<Output = ()> + Send + 'static) {
        let Ok(room) = Arc::clone(&self.telling).try_acquire_owned() else {
            tracing::debug!(%subject, "too many ask; the request is passed over");
            return;
        };
        self.under_way.spawn(async move {
            telling.await;
            drop(room);
        });
    }

    fn command(&mut self, name: String, message: Message, reply: Subject) {
        let (client, micro, started) = (self.link.client.clone(), Arc::clone(&self.micro), Instant::now());
        let Ok(room) = Arc::clone(&self.room).try_acquire_owned() else {
            let commands = Arc::clone(&self.commands);
            let told = async move { answer(&client, &micro, &name, started, reply, commands.busy()).await };
            return self.tell(&message.subject, told);
        };
        let answer_bytes_max = client.server_info().max_payload.saturating_sub(limits::SERVICE_HEADER_BYTES);
        let asked = Asked { name: name.clone(), headers: message.headers.unwrap_or_default(), body: message.payload, answer_bytes_max };
        let carrying_out = self.commands.carry_out(asked);
        self.under_way.spawn(async move {
            let said = carrying_out.await;
            answer(&client, &micro, &name, started, reply, said).await;
            drop(room);
        });
    }
}

/// A client's inbox, or what the border of its account put in the place of it.
fn is_inbox(reply: &Subject) -> bool {
    reply.starts_with(INBOX_PREFIX) || reply.starts_with(BORDER_REPLY)
}

async fn answer(client: &async_nats::Client, micro: &Micro, name: &str, started: Instant, reply: Subject, said: Said) {
    let Said { body, error, headers: more } = said;
    micro.count(name, started.elapsed(), error.as_ref().map(|refusal| (refusal.status, refusal.reason.as_str())));
    let mut headers = HeaderMap::new();
    for (name, value) in more {
        headers.insert(name, value);
    }
    if let Some(Refusal { status, detail, .. }) = error {
        headers.insert(ERROR_CODE, status.to_string());
        headers.insert(ERROR, one_line(&detail));
    }
    publish(client, reply, headers, body).await;
}

/// Headers end at a line's end.
fn one_line(text: &str) -> String {
    let mut line: String = text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
    while line.len() > limits::SERVICE_ERROR_BYTES {
        line.pop();
    }
    line
}

async fn publish(client: &async_nats::Client, reply: Subject, headers: HeaderMap, body: Bytes) {
    debug_assert!(headers.get(NATS_MESSAGE_ID).is_none(), "an answer is no message of a stream");
    let published =
        if headers.is_empty() { client.publish(reply, body).await } else { client.publish_with_headers(reply, headers, body).await };
    if let Err(error) = published {
        tracing::debug!(%error, "an answer did not go out");
    }
}

/// Asks JetStream with a body of our own, which is none.
async fn tell_stream(client: &async_nats::Client, reply: Subject, stream: &str) {
    if stream != STREAM && !stream.starts_with(limits::BUCKET_STREAMS) {
        return;
    }
    match client.request(format!("$JS.API.STREAM.INFO.{stream}"), Bytes::new()).await {
        Ok(told) => publish(client, reply, HeaderMap::new(), told.payload).await,
        Err(error) => tracing::debug!(%error, stream, "JetStream does not tell of the stream"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_inboxes_are_answered() {
        for reply in ["_INBOX.a.b", "_INBOX_township.x", "_R_.abc.def"] {
            assert!(is_inbox(&Subject::from(reply)), "{reply}");
        }
        for reply in ["muster.evt.actual.x", "$KV.muster_calls.x", "$JS.API.STREAM.DELETE.MUSTER_EVENTS", "muster.cmd.CheckIn", ""] {
            assert!(!is_inbox(&Subject::from(reply)), "{reply}");
        }
    }

    #[test]
    fn an_error_is_one_short_line() {
        assert_eq!(one_line("a\r\nb"), "a  b");
        let long = one_line(&"命".repeat(2_000));
        assert!(long.len() <= limits::SERVICE_ERROR_BYTES && long.starts_with('命'));
    }
}
