//! The composition root, as a library: opens the stores, starts engine, views, relay and buckets, serves HTTP, and takes all of it
//! down in order. The binary, the demo, tests and benches start a server here. Only this file knows everything.
//!
//! Order of a start: the address is taken (so that a port in use is said before anything is touched, and health is
//! answered while the server recovers), then the log (it holds the folder), vault, views' store, engine, views, erasures, relay, deliveries, buckets.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use muster_delivery::{Deliveries, Delivery};
use muster_engine::{ClockSource, Engine, EngineHandle, EngineOptions};
use muster_feed::{CommandService, Kv, KvHandle, KvOptions, Relay, RelayHandle, RelayOptions, ServiceHandle, ServiceOptions};
use muster_log::{EpochPosition, Log, LogId, OpenOptions, RocksLog};
use muster_vault::{Entropy, OsEntropy, Vault, VaultOptions};
use muster_views::{Catalogue, HistoryHandle, HistoryStore, LogSource, RunnerOptions, ViewStore, ViewsHandle};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::access::{Access, AccessOptions};
use crate::clockmark;
use crate::config::{self, Nats};
use crate::delivery;
use crate::descriptors::Descriptors;
use crate::erasure::Erasures;
use crate::gateway::Gateway;
use crate::http::{self, App, Node};
use crate::limits;
use crate::nightly::{self, Nightly};
use crate::service::Desk;
use crate::startup::StartError;

/// Where the log lies in the data folder.
pub const LOG_DIR: &str = "log";
/// Where the vault lies.
pub const VAULT_DIR: &str = "vault";
/// Where the views lie; disposable.
pub const VIEWS_DIR: &str = "views";
/// Where the views at earlier moments lie, in the folder of the views; disposable.
pub const HISTORY_DIR: &str = "history";
/// Where snapshots of the state lie; disposable.
pub const STATE_DIR: &str = "state";
/// Who runs on the data folder, and where it listens: `{"listen":"127.0.0.1:8080","pid":1}`. There while the server runs.
pub const SERVER_FILE: &str = "server.json";

/// How a server is started. Use [`ServerOptions::new`] and change what differs.
pub struct ServerOptions {
    /// The data folder; made if it is not there.
    pub data: PathBuf,
    /// Where to listen; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Where to publish.
    pub nats: Nats,
    /// Whether commands are taken over NATS as well.
    pub nats_commands: bool,
    /// The relay's options where they differ from those that `nats` gives.
    pub relay: Option<RelayOptions>,
    /// Whether the views are published to NATS KV, where events are published.
    pub kv: bool,
    /// Where time comes from.
    pub clock: ClockSource,
    /// Where keys and nonces come from; a seeded source for runs from a seed.
    pub entropy: Box<dyn Entropy>,
    /// Identity of a log that is created; random if not given.
    pub log_id: Option<LogId>,
    /// Creation time of a log that is created, Unix milliseconds; the wall clock if not given.
    pub log_created_ms: Option<u64>,
    /// How the log is opened, but for what is above and what it calls when it fails.
    pub log: OpenOptions,
    /// Records between two snapshots of the state; the engine's own default if not given.
    pub snapshot_every: Option<u64>,
    /// Commands that may wait for the engine; the engine's own default if not given.
    pub queue_max: Option<usize>,
    /// How the views are run.
    pub views: RunnerOptions,
    /// Which views there are.
    pub catalogue: Catalogue,
    /// Who may come in.
    pub access: AccessOptions,
    /// When every published plan is rehearsed; never if not given.
    pub nightly: Option<Nightly>,
    /// The channels over which calls are delivered.
    pub delivery: Delivery,
    /// Minutes that local time is ahead of UTC, for the times in messages.
    pub utc_offset_minutes: i16,
}

impl ServerOptions {
    /// A server on `data` at a port of the system's choice on this machine alone, with the wall clock, without NATS.
    #[must_use]
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            nats: Nats::Off,
            nats_commands: true,
            relay: None,
            kv: true,
            clock: ClockSource::System,
            entropy: Box::new(OsEntropy::new()),
            log_id: None,
            log_created_ms: None,
            log: OpenOptions::default(),
            snapshot_every: None,
            queue_max: None,
            views: RunnerOptions::default(),
            catalogue: Catalogue::built_in(),
            access: AccessOptions::default(),
            nightly: None,
            delivery: Delivery::default(),
            utc_offset_minutes: config::DEFAULT_UTC_OFFSET_MINUTES,
        }
    }

    fn relay(&self) -> Option<RelayOptions> {
        match (&self.relay, &self.nats) {
            (Some(relay), _) => Some(relay.clone()),
            (None, Nats::Url(url)) => Some(RelayOptions::new(url)),
            (None, Nats::Off) => None,
        }
    }

    fn service(&self) -> Option<ServiceOptions> {
        match &self.nats {
            Nats::Url(url) => Some(ServiceOptions::new(url)),
            Nats::Off => None,
        }
    }

    fn kv(&self) -> Option<KvOptions> {
        let relay = self.relay().filter(|_| self.kv)?;
        let name = format!("muster serve {}", std::process::id());
        Some(KvOptions { replicas: relay.replicas, inbox_prefix: relay.inbox_prefix, ..KvOptions::new(relay.url, name) })
    }
}

/// Starts servers.
#[derive(Debug)]
pub struct Server;

/// A running server. Take it down with [`RunningServer::shutdown`]; dropped without, it stops without a last snapshot.
pub struct RunningServer {
    /// Where it listens.
    pub addr: SocketAddr,
    /// Takes commands, moves a manual clock.
    pub engine: EngineHandle,
    /// The log.
    pub log: Arc<dyn Log>,
    /// The views.
    pub views: ViewsHandle,
    /// The views at earlier moments.
    pub history: HistoryHandle,
    /// The vault.
    pub vault: Arc<Vault>,
    /// Makes requests of JSON bodies, as HTTP does.
    pub gateway: Arc<Gateway>,
    /// Destroys the keys of those whose personal data the log erases.
    pub erasures: Erasures,
    /// The relay, if events are published.
    pub relay: Option<RelayHandle>,
    /// The service of commands over NATS, if there is NATS.
    pub service: Option<ServiceHandle>,
    /// The publishers of the views, if they are published.
    pub kv: Option<KvHandle>,
    /// Takes calls to people, over the channels that are configured.
    pub deliveries: Arc<Deliveries>,
    app: Arc<App>,
    data: PathBuf,
    serving: Serving,
    failed: watch::Receiver<bool>,
}

/// The HTTP part of a server or worker: the task, and the way to end it.
pub(crate) struct Serving {
    pub(crate) addr: SocketAddr,
    stop: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Serving {
    /// Listens and serves. Answers what the app can answer from the first moment on.
    pub(crate) async fn start(listen: SocketAddr, router: axum::Router) -> Result<Self, StartError> {
        let failed = |source| StartError::Listen { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let addr = listener.local_addr().map_err(failed)?;
        let (stop, mut stopped) = watch::channel(false);
        let graceful = async move {
            // An error says that the other end is gone, which means the same.
            let _ = stopped.wait_for(|stopped| *stopped).await;
        };
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(graceful).await {
                tracing::error!(%error, "HTTP ended");
            }
        });
        Ok(Self { addr, stop, task: Some(task) })
    }

    /// Takes no more connections and waits for open requests, a bounded time.
    pub(crate) async fn finish(mut self) {
        self.stop.send_replace(true);
        if let Some(task) = &mut self.task
            && tokio::time::timeout(limits::SHUTDOWN_GRACE, task).await.is_err()
        {
            tracing::warn!("requests were still open when the time to finish was over");
        }
    }
}

/// What the blocking part of a start brings up.
struct Opened {
    log: Arc<dyn Log>,
    vault: Arc<Vault>,
    store: ViewStore,
    history: HistoryStore,
    engine: EngineHandle,
}

impl Server {
    /// Starts a server on the current Tokio runtime and returns when it takes commands.
    ///
    /// # Errors
    /// See [`StartError`]; its words are for people.
    pub async fn start(options: ServerOptions) -> Result<RunningServer, StartError> {
        let descriptors = Arc::new(Descriptors::read());
        let (open_on_purpose, access) = (options.access.open, Access::new(&options.data, options.access.clone()));
        if !options.listen.ip().is_loopback() && access.is_open() && !open_on_purpose {
            return Err(StartError::OpenToAll { address: options.listen });
        }
        let app = Arc::new(App::server(&descriptors, access));
        let serving = Serving::start(options.listen, http::router(Arc::clone(&app))).await?;
        let (data, relay_options, kv_options, nightly) = (options.data.clone(), options.relay(), options.kv(), options.nightly);
        let (service_options, nats_commands) = (options.service(), options.nats_commands);
        let (channels, utc_offset_minutes) = (options.delivery.clone(), options.utc_offset_minutes);
        let (views_options, catalogue) = (options.views, options.catalogue.clone());
        let (fail, failed) = watch::channel(false);
        let addr = serving.addr;
        let opened = tokio::task::spawn_blocking(move || open(options, addr, fail)).await.map_err(|_| StartError::BrokenOff)?;
        let Opened { log, vault, store, history, engine } = opened?;
        let views = muster_views::spawn(
            catalogue.views(),
            store,
            LogSource::new(Arc::clone(&log)),
            RunnerOptions { keep_outdated: true, ..views_options },
        )
        .inspect_err(|_| remove_server_file(&data))?;
        let history =
            muster_views::spawn_history(catalogue.views(), history, Arc::clone(&log)).inspect_err(|_| remove_server_file(&data))?;
        let erasures = Erasures::spawn(Arc::clone(&log), Arc::clone(&vault), &data.join(VAULT_DIR));
        let relay = relay_options.map(|options| Relay::spawn(Arc::clone(&log), options));
        let gateway = Arc::new(Gateway::new(Arc::clone(&vault), descriptors));
        let parts = delivery::Parts {
            log: Arc::clone(&log),
            engine: engine.clone(),
            gateway: Arc::clone(&gateway),
            vault: Arc::clone(&vault),
            links: Arc::clone(&app.access.links),
            views: views.clone(),
            enrollments: Arc::clone(&app.enrollments),
            public_url: app.access.public_url.clone(),
            utc_offset_minutes,
        };
        let folder = data.clone();
        let deliveries = tokio::task::spawn_blocking(move || delivery::start(&folder, &channels, parts)).await;
        let deliveries = deliveries.map_err(|_| StartError::BrokenOff).and_then(|started| started.map_err(StartError::from));
        let deliveries = Arc::new(deliveries.inspect_err(|_| remove_server_file(&data))?);
        app.set_views(views.clone());
        let kv = kv_options.map(|options| Kv::spawn(&views, &options));
        if let Some(kv) = &kv {
            app.set_kv(kv.statuses());
        }
        app.set_node(Node {
            gateway: Arc::clone(&gateway),
            port: Arc::new(engine.clone()),
            engine: engine.clone(),
            log: Arc::clone(&log),
            vault: Arc::clone(&vault),
            history: history.clone(),
            relay: relay.as_ref().map(RelayHandle::status),
            deliveries: Arc::clone(&deliveries),
        });
        crate::http::renew_views(&app);
        if let Some(nightly) = nightly {
            // It ends with the streams, when the server stops.
            tokio::spawn(nightly::run(nightly, Arc::clone(&gateway), engine.clone(), app.stopping()));
        }
        let service = service_options.map(|options| CommandService::spawn(options, Arc::new(Desk::new(Arc::clone(&app), nats_commands))));
        tracing::info!(%addr, at = %log.end(), "the server takes commands");
        let running = RunningServer {
            addr,
            engine,
            log,
            views,
            history,
            vault,
            gateway,
            erasures,
            relay,
            service,
            kv,
            deliveries,
            app,
            data,
            serving,
            failed,
        };
        Ok(running)
    }
}

/// Opens the stores and recovers the state. Blocks: it reads what may be many records.
fn open(options: ServerOptions, addr: SocketAddr, fail: watch::Sender<bool>) -> Result<Opened, StartError> {
    let data = options.data;
    std::fs::create_dir_all(&data).map_err(|source| StartError::Io { path: data.clone(), source })?;
    let fail_engine = fail.clone();
    let log_options = OpenOptions {
        new_id: options.log_id.or(options.log.new_id),
        new_created_ms: options.log_created_ms.or(options.log.new_created_ms),
        on_fatal: Some(Box::new(move |_| {
            fail.send_replace(true);
        })),
        ..options.log
    };
    let log: Arc<dyn Log> = Arc::new(RocksLog::open(data.join(LOG_DIR), log_options)?);
    // The log's lock is the folder's: from here on nobody else runs on it.
    write_server_file(&data, addr)?;
    let mut engine = EngineOptions {
        state_dir: Some(data.join(STATE_DIR)),
        clock: options.clock,
        on_fatal: Some(Box::new(move |_| {
            fail_engine.send_replace(true);
        })),
        ..EngineOptions::default()
    };
    if let Some(every) = options.snapshot_every {
        engine.snapshot_every = every;
    }
    if let Some(most) = options.queue_max {
        engine.queue_max = most;
    }
    let opened = open_beside(&data, &log, options.entropy, engine);
    if opened.is_err() {
        log.close();
        remove_server_file(&data);
    }
    opened
}

fn open_beside(data: &Path, log: &Arc<dyn Log>, entropy: Box<dyn Entropy>, mut options: EngineOptions) -> Result<Opened, StartError> {
    let vault = Arc::new(Vault::open(&data.join(VAULT_DIR), VaultOptions::new(entropy))?);
    let store = ViewStore::open(&data.join(VIEWS_DIR))?;
    if let Some(known) = store.known(log.id())? {
        log.check_not_behind(known, VIEWS_DIR)?;
    }
    let history = HistoryStore::open(data.join(VIEWS_DIR).join(HISTORY_DIR))?;
    if let Some(known) = history.known(log.id())? {
        log.check_not_behind(known, VIEWS_DIR)?;
    }
    options.accept_clock = clockmark::is_set(data);
    let last_recorded_ms = clockmark::last_recorded_ms(&**log).unwrap_or(i64::MAX);
    let engine = Engine::start(Arc::clone(log), options)?;
    clockmark::clear_if_over(data, last_recorded_ms, http::wall_ms());
    Ok(Opened { log: Arc::clone(log), vault, store, history, engine })
}

fn write_server_file(data: &Path, addr: SocketAddr) -> Result<(), StartError> {
    let path = data.join(SERVER_FILE);
    let text = json!({"listen": addr.to_string(), "pid": std::process::id()}).to_string();
    std::fs::write(&path, text).map_err(|source| StartError::Io { path, source })
}

fn remove_server_file(data: &Path) {
    // Left behind, it only says where a server was; the log's lock says whether one is.
    let _ = std::fs::remove_file(data.join(SERVER_FILE));
}

impl RunningServer {
    /// Where clients reach it: `http://127.0.0.1:8080`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Returns when the log or the engine has stopped for good: the process is to end, after health has said so.
    pub async fn failed(&self) {
        let mut failed = self.failed.clone();
        if failed.wait_for(|failed| *failed).await.is_err() {
            // Both have ended in order: there is nothing left that could fail.
            std::future::pending::<()>().await;
        }
    }

    /// Stops in order: no new commands, streams end, what was handed in is decided, durable and answered, the state's
    /// last snapshot is written, the views catch up, buckets, relay and log are closed. The folder is free when this returns.
    pub async fn shutdown(self) {
        let Self { engine, log, views, history, vault, gateway, erasures, relay, service, kv, deliveries, app, data, serving, .. } = self;
        app.stop();
        if let Some(service) = service {
            // While the engine still runs, so that what came in over NATS has its answer.
            service.shutdown().await;
        }
        // Before the engine: what became of the last messages is still taken down.
        deliveries.shutdown().await;
        match engine.shutdown().await {
            Ok(ended) => {
                // Views that are behind go on from their checkpoint at the next start.
                let _ = tokio::time::timeout(limits::SHUTDOWN_VIEWS_GRACE, views.wait_for(ended.end.position)).await;
            }
            Err(error) => tracing::warn!(%error, "the engine did not end in order"),
        }
        serving.finish().await;
        if let Some(kv) = kv {
            // What is not published now is published after the next start.
            let _ = tokio::time::timeout(limits::SHUTDOWN_KV_GRACE, kv.published(views.at())).await;
            kv.shutdown().await;
        }
        if let Err(error) = views.shutdown().await {
            tracing::error!(%error, "the views did not end in order");
        }
        if let Err(error) = history.shutdown().await {
            tracing::error!(%error, "the history of the views did not end in order");
        }
        erasures.finish().await;
        if let Some(relay) = relay {
            relay.shutdown().await;
        }
        drop((engine, vault, gateway, deliveries, app));
        let (log, end) = close(log).await;
        remove_server_file(&data);
        drop(log);
        tracing::info!(at = %end, "the server has stopped");
    }
}

/// Closes the log and waits, a bounded time, until nobody else holds it: only then its folder can be opened again.
async fn close(log: Arc<dyn Log>) -> (Arc<dyn Log>, EpochPosition) {
    let closing = Arc::clone(&log);
    let _ = tokio::task::spawn_blocking(move || closing.close()).await;
    let released = async {
        while Arc::strong_count(&log) > 1 {
            tokio::time::sleep(limits::RELEASE_CHECK).await;
        }
    };
    if tokio::time::timeout(limits::SHUTDOWN_GRACE, released).await.is_err() {
        tracing::warn!("somebody still reads the log; its folder stays locked until the process ends");
    }
    let end = log.end();
    (log, end)
}
