//! The service as the server holds it: starts a lane for each channel, tells how they are, takes receipts, and sends dead letters again.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use muster_proto::v1::DeliveryOutcome;
use parking_lot::Mutex;
use ring::digest;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::attempt::Trying;
use crate::config::{Channel, Delivery};
use crate::desk::{Desk, Gone, LogPlace};
use crate::lane::{Gauges, Lane, Order};
use crate::letter::{Letter, MessageId};
use crate::outcome::Report;
use crate::routes::Routes;
use crate::sign::{self, Unsigned};
use crate::store::{Dead, DeadLetters, PlaceError, Store};
use crate::token::AccessToken;
use crate::transport::Transport;
use crate::underway::Underway;

/// Orders that wait for one lane; whoever gives more waits.
const ORDERS_MAX: usize = 16;

struct Handle {
    orders: mpsc::Sender<Order>,
    dead: Arc<DeadLetters>,
    gauges: Arc<Gauges>,
}

/// The running service.
pub struct Deliveries {
    desk: Arc<dyn Desk>,
    routes: Arc<Routes>,
    log: LogPlace,
    handles: Vec<Handle>,
    turns: watch::Sender<()>,
    stop: watch::Sender<bool>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

/// How a channel is. Counts are since the start; as JSON they are decimal texts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChannelStatus {
    /// Its name.
    pub name: String,
    /// Its kind, by its name in the configuration.
    pub kind: &'static str,
    /// `running`, `gone` after the other end answered 410, `stopped` when the log cannot be read.
    pub state: &'static str,
    /// Messages on their way, tried or not.
    #[serde(serialize_with = "decimal")]
    pub waiting: u64,
    /// Messages sent.
    #[serde(serialize_with = "decimal")]
    pub sent: u64,
    /// Tries that failed.
    #[serde(serialize_with = "decimal")]
    pub failed: u64,
    /// Messages that had become pointless, or were known to be sent.
    #[serde(serialize_with = "decimal")]
    pub pointless: u64,
    /// Dead letters.
    #[serde(serialize_with = "decimal")]
    pub dead: u64,
    /// Records of the log after the last before which everything is finished.
    #[serde(serialize_with = "decimal")]
    pub lag_positions: u64,
    /// For how long the oldest message is on its way, in milliseconds.
    #[serde(serialize_with = "decimal")]
    pub oldest_waiting_ms: u64,
    /// Why the last try failed, empty for none.
    pub last_failure: &'static str,
}

fn decimal<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}

/// A number, or a decimal text of it, as everything else here writes it.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a number or a decimal text is expected")]
    enum Written {
        Number(i64),
        Text(String),
    }
    match Written::deserialize(deserializer)? {
        Written::Number(number) => Ok(number),
        Written::Text(text) => text.parse().map_err(serde::de::Error::custom),
    }
}

/// Why a receipt is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiptFault {
    /// There is no such message of this log.
    Unknown,
    /// The channel takes no receipts: no secret is configured for them.
    NotTaken,
    /// The signature or the time is not good.
    Unsigned(Unsigned),
    /// `webhook-id` is of another message.
    OtherMessage,
    /// The body is no receipt.
    Form(String),
    /// It cannot be taken down now.
    Later,
}

/// What became of an order to send a dead letter again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resent {
    /// It is on its way.
    OnItsWay,
    /// There is no dead letter of that id.
    Unknown,
    /// It cannot be sent now: too much is on its way, the disk does not take it, or the channel has ended.
    Later,
}

/// A receipt's body.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Receipt {
    outcome: ReceiptOutcome,
    #[serde(default, deserialize_with = "number")]
    at_ms: i64,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ReceiptOutcome {
    Delivered,
    Read,
    Answered,
    Failed,
}

impl Deliveries {
    /// Starts a lane for each channel, with its files in `dir`. Call it on a Tokio runtime, where it may block: it reads what was unfinished.
    ///
    /// # Errors
    /// See [`PlaceError`]; nothing was started.
    pub fn start(dir: &Path, delivery: &Delivery, desk: Arc<dyn Desk>) -> Result<Self, PlaceError> {
        let (routes, log) = (Arc::new(Routes::new(delivery)), desk.place());
        let (stop, stopping) = watch::channel(false);
        let turns = watch::Sender::default();
        let underway = Arc::<Underway>::default();
        let (mut handles, mut lanes) = (Vec::new(), Vec::new());
        crate::store::forget_others(dir, |name| routes.channels().iter().any(|channel| channel.name == name))?;
        for (index, channel) in routes.channels().iter().enumerate() {
            let store = Store::open(dir, &channel.name)?;
            let place = store.place(&log, desk.end(), &channel.name)?;
            let is_ours = |dead: &Dead| dead.id.parse().is_ok_and(|id: MessageId| id.is_of(&log) && id.channel == channel.name);
            let dead = Arc::new(store.dead(is_ours)?);
            let (orders, taken) = mpsc::channel(ORDERS_MAX);
            let gauges = Arc::new(Gauges { turns: turns.clone(), ..Gauges::default() });
            let trying = Arc::new(Trying {
                index,
                routes: Arc::clone(&routes),
                desk: Arc::clone(&desk),
                log: log.clone(),
                transport: Transport::new(channel.authorities.clone()),
                token: AccessToken::default(),
                gauges: Arc::clone(&gauges),
                underway: Arc::clone(&underway),
                stopping: stopping.clone(),
                quiet: Mutex::default(),
            });
            trying.remember(place.unfinished.iter().map(|(key, ..)| *key));
            lanes.push(Lane::new(trying, (store, Arc::clone(&dead)), &place, taken, address_of(channel)));
            handles.push(Handle { orders, dead, gauges });
        }
        let tasks = Mutex::new(lanes.into_iter().map(|lane| tokio::spawn(lane.run())).collect());
        Ok(Self { desk, routes, log, handles, turns, stop, tasks })
    }

    /// Moves whenever a channel has done something: what it did is in the log, and its figures and dead letters are up to date.
    #[must_use]
    pub fn turns(&self) -> watch::Receiver<()> {
        self.turns.subscribe()
    }

    /// How each channel is.
    #[must_use]
    pub fn statuses(&self) -> Vec<ChannelStatus> {
        let (end, now_ms) = (self.desk.end(), self.desk.now_ms());
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let status = |(channel, handle): (&Channel, &Handle)| {
            let gauges = &handle.gauges;
            let oldest_ms = count(&gauges.oldest_ms);
            ChannelStatus {
                name: channel.name.clone(),
                kind: channel.kind.name(),
                state: match (gauges.stopped.load(Ordering::Relaxed), gauges.is_gone()) {
                    (true, _) => "stopped",
                    (false, true) => "gone",
                    (false, false) => "running",
                },
                waiting: count(&gauges.waiting),
                sent: count(&gauges.sent),
                failed: count(&gauges.failed),
                pointless: count(&gauges.pointless),
                dead: handle.dead.len() as u64,
                lag_positions: end.saturating_sub(count(&gauges.finished)),
                oldest_waiting_ms: if oldest_ms == 0 { 0 } else { u64::try_from(now_ms).unwrap_or(0).saturating_sub(oldest_ms) },
                last_failure: *gauges.last_failure.lock(),
            }
        };
        self.routes.channels().iter().zip(&self.handles).map(status).collect()
    }

    /// Dead letters of all channels, the newest first.
    #[must_use]
    pub fn dead(&self, most: usize) -> Vec<Dead> {
        let mut letters: Vec<Dead> = self.handles.iter().flat_map(|handle| handle.dead.newest(most)).collect();
        letters.sort_by(|one, other| (other.at_ms, &other.id).cmp(&(one.at_ms, &one.id)));
        letters.truncate(most);
        letters
    }

    /// Sends a dead letter again, under its own id.
    pub async fn resend(&self, id: &str) -> Resent {
        let Some((id, handle)) = self.find(id) else { return Resent::Unknown };
        let (reply, answer) = oneshot::channel();
        if handle.orders.send(Order::Resend((id.position, id.n), reply)).await.is_err() {
            return Resent::Later;
        }
        answer.await.unwrap_or(Resent::Later)
    }

    /// Uses a channel again whose other end wanted nothing more. Whether there is one of that name.
    pub async fn enable(&self, name: &str) -> bool {
        let Some(at) = self.routes.channels().iter().position(|channel| channel.name == name) else { return false };
        let (reply, answer) = oneshot::channel();
        self.handles[at].orders.send(Order::Enable(reply)).await.is_ok() && answer.await.is_ok()
    }

    /// Takes a receipt: signed by the other end as we sign, for the message that the address names. Durable when this returns; the same again
    /// changes nothing. Whether it was taken down: not for messages whose fate nobody waits for.
    ///
    /// # Errors
    /// See [`ReceiptFault`].
    pub async fn receipt(&self, message_id: &str, signed: (&str, &str, &str), body: &[u8]) -> Result<bool, ReceiptFault> {
        let (id, _) = self.find(message_id).ok_or(ReceiptFault::Unknown)?;
        let channel = self.channel_of(&id).ok_or(ReceiptFault::Unknown)?;
        let secrets = &self.routes.channels()[channel].receipt_secrets;
        if secrets.is_empty() {
            return Err(ReceiptFault::NotTaken);
        }
        let (own_id, timestamp, signatures) = signed;
        // What is signed must say which message it is of: the address is not.
        if own_id != message_id && !own_id.strip_prefix(message_id).is_some_and(|rest| rest.starts_with('.')) {
            return Err(ReceiptFault::OtherMessage);
        }
        sign::verify(secrets, own_id, timestamp, body, signatures, self.desk.now_ms() / 1_000).map_err(ReceiptFault::Unsigned)?;
        let receipt: Receipt = serde_json::from_slice(body).map_err(|error| ReceiptFault::Form(error.to_string()))?;
        let letter = self.letter(channel, &id).await?;
        let Some(reach) = letter.reach else { return Ok(false) };
        let outcome = match receipt.outcome {
            ReceiptOutcome::Delivered => DeliveryOutcome::Delivered,
            ReceiptOutcome::Read => DeliveryOutcome::Read,
            ReceiptOutcome::Answered => DeliveryOutcome::Answered,
            ReceiptOutcome::Failed => DeliveryOutcome::Failed,
        };
        let at_ms = receipt.at_ms.max(0);
        let report = Report { id, call_id: letter.call_id, channel: reach, outcome, at_ms };
        self.desk.record(&report).await.map(|()| true).map_err(|Gone| ReceiptFault::Later)
    }

    /// The message of an id, if it is of this log and one of our channels.
    fn find(&self, id: &str) -> Option<(MessageId, &Handle)> {
        let id: MessageId = id.parse().ok().filter(|id: &MessageId| id.is_of(&self.log))?;
        let at = self.channel_of(&id)?;
        Some((id, &self.handles[at]))
    }

    fn channel_of(&self, id: &MessageId) -> Option<usize> {
        self.routes.channels().iter().position(|channel| channel.name == id.channel)
    }

    async fn letter(&self, channel: usize, id: &MessageId) -> Result<Letter, ReceiptFault> {
        let (position, n) = (id.position, id.n);
        if !(1..=self.desk.end()).contains(&position) {
            return Err(ReceiptFault::Unknown);
        }
        let (desk, routes) = (Arc::clone(&self.desk), Arc::clone(&self.routes));
        let read = move || desk.read_one(position).map(|record| routes.letter(channel, &record, n));
        match tokio::task::spawn_blocking(read).await {
            Ok(Ok(letter)) => letter.ok_or(ReceiptFault::Unknown),
            Ok(Err(error)) => {
                tracing::error!(position, error, "the record of a message cannot be read; its receipt is asked for again");
                Err(ReceiptFault::Later)
            }
            Err(_) => Err(ReceiptFault::Later),
        }
    }

    /// Ends the lanes: open requests finish, a bounded time, and the places are kept.
    pub async fn shutdown(&self) {
        self.stop.send_replace(true);
        let tasks = std::mem::take(&mut *self.tasks.lock());
        for task in tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a channel did not end in order");
            }
        }
    }
}

/// A digest of a channel's address, which may hold a key.
fn address_of(channel: &Channel) -> String {
    let whole = digest::digest(&digest::SHA256, channel.url.to_string().as_bytes());
    whole.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}
