//! `muster demo`: starts a server in this process on the demo's clock, plays the scenario on it, shows coverage live, and with
//! `--check` verifies what was played. Owns the play's stage and screen; it must never reach past the doors that any other caller
//! uses, except to verify.

mod base;
mod buckets;
mod files;
mod moments;
mod screen;
mod snapshots;
mod stage;
mod subscribers;
mod summary;
mod verify;
mod worker;

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use muster_demo::script::{self, Observer, Played};
use muster_demo::{City, START_MS, Scale, Stage as _};
use muster_engine::ClockSource;
use muster_log::LogId;
use muster_vault::SeededEntropy;
use muster_views::Catalogue;
use tokio::signal::unix::{SignalKind, signal};

use crate::access::AccessOptions;
use crate::cli::{CliError, DemoArgs, DemoScale};
use crate::config::Nats;
use crate::openfiles;
use crate::telemetry::{self, LogFormat};
use crate::wiring::{RunningServer, Server, ServerOptions};
use crate::words::Lang;
use screen::Screen;
use snapshots::Snapshots;
use stage::LocalStage;
use subscribers::Subscribers;
use summary::Summary;
use worker::WorkerProcess;

/// Where the server's data lies below the demo's folder; the second run and the worker have theirs beside it.
const CITY_DIR: &str = "city";
const AGAIN_DIR: &str = "again";
const WORKER_DIR: &str = "worker";
/// How often the clock moves once the play is over and the server stays.
const IDLE_TICK: Duration = Duration::from_secs(1);
/// Traces stand on the screen beside the table: only what a person must look at.
const TRACE_FILTER: &str = "warn";

/// Plays the demo.
///
/// # Errors
/// The server does not start, or the play cannot go on. With `--check`, a check that does not hold is no error but exit code 1.
pub async fn run(args: DemoArgs, catalogue: &Catalogue, lang: Lang) -> Result<ExitCode, CliError> {
    // A second start in one process, as tests do, keeps the tracing of the first.
    drop(telemetry::init_tracing(LogFormat::Text, &std::env::var("MUSTER_LOG").unwrap_or_else(|_| TRACE_FILTER.to_owned())));
    openfiles::raise();
    let nats = args.nats().map_err(|reason| CliError::new(format!("NATS 地址无效：{reason}"), format!("bad URL of NATS: {reason}")))?;
    let folder = Folder::prepare(args.data.as_deref())?;
    let mut stop = Stop::listen()?;
    let (city, catalogue) = (City::generate(args.seed, scale(args.scale)), catalogue.clone());
    let demo = Demo { city, nats, folder: folder.path.clone(), lang, args, catalogue };
    let code = tokio::select! {
        code = demo.run() => code,
        () = stop.asked() => Ok(ExitCode::SUCCESS),
    };
    folder.remove();
    code
}

fn scale(scale: DemoScale) -> Scale {
    match scale {
        DemoScale::City => Scale::City,
        DemoScale::County => Scale::County,
        DemoScale::Stress => Scale::Stress,
        DemoScale::Small => Scale::Small,
    }
}

/// The demo's folder: a given one is kept, one of our own is removed at the end.
struct Folder {
    path: PathBuf,
    own: bool,
}

impl Folder {
    fn prepare(given: Option<&Path>) -> Result<Self, CliError> {
        let own = given.is_none();
        let path = given.map_or_else(|| std::env::temp_dir().join(format!("muster-demo-{}", std::process::id())), Path::to_path_buf);
        let city = path.join(CITY_DIR);
        if city.exists() {
            let shown = city.display();
            return Err(CliError::new(
                format!("演示数据目录已有数据：{shown}。演示每次从空目录开始，请另选目录，或删除它。"),
                format!("the demo's folder holds data already: {shown}. A demo begins with an empty folder: choose another, or delete it."),
            ));
        }
        std::fs::create_dir_all(&path).map_err(|error| CliError::io(&path.display().to_string(), &error))?;
        Ok(Self { path, own })
    }

    fn remove(&self) {
        if self.own {
            drop(std::fs::remove_dir_all(&self.path));
        }
    }
}

/// SIGINT and SIGTERM.
struct Stop {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Stop {
    fn listen() -> Result<Self, CliError> {
        let failed = |error| CliError::io("signal", &error);
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
        })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// One demo and what it was asked for.
struct Demo {
    city: City,
    nats: Nats,
    folder: PathBuf,
    lang: Lang,
    args: DemoArgs,
    /// Which views the servers have.
    catalogue: Catalogue,
}

impl Demo {
    async fn run(&self) -> Result<ExitCode, CliError> {
        if !self.args.check {
            return self.show().await;
        }
        let summary = self.check().await?;
        let line = serde_json::to_string(&summary).map_err(|error| CliError::io("summary", &error.into()))?;
        writeln!(io::stdout().lock(), "{line}").map_err(|error| CliError::io("stdout", &error))?;
        Ok(if summary.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// For people: plays, and stays.
    async fn show(&self) -> Result<ExitCode, CliError> {
        let server = self.start(CITY_DIR, self.nats.clone(), self.args.listen).await?;
        let mut screen = Screen::new(self.lang, true, &self.city, server.views.clone());
        screen.figures(&self.city.figures());
        self.tell_addresses(&server);
        let mut stage = LocalStage::new(&server, self.args.speed);
        self.perform(&mut stage, &mut screen).await?;
        screen.over();
        self.tell_addresses(&server);
        self.stay(&server, stage.now_ms()).await
    }

    /// Without a person: plays and verifies.
    async fn check(&self) -> Result<Summary, CliError> {
        let began = Instant::now();
        let server = self.start(CITY_DIR, self.nats.clone(), self.unattended_listen()).await?;
        let mut screen = Screen::new(self.lang, false, &self.city, server.views.clone());
        screen.figures(&self.city.figures());
        let worker = match &self.nats {
            Nats::Url(url) => Some(WorkerProcess::start(url, &self.folder.join(WORKER_DIR)).await.map(Arc::new)),
            Nats::Off => None,
        };
        let mut stage = LocalStage::new(&server, 0.0);
        let asked = worker.as_ref().and_then(|worker| worker.as_ref().ok()).map(Arc::clone);
        stage.snapshots = Some(Snapshots::new(server.views.clone(), asked));
        stage.subscribers = Some(Subscribers::new(server.url(), server.views.clone(), &self.city));
        let played = self.perform(&mut stage, &mut screen).await?;
        let mut summary = Summary::new(&self.city, &played, &stage);
        summary.figures.seconds_to_play = began.elapsed().as_secs_f64();
        verify::scenario(&mut summary, &self.city, &played);
        if let Some(subscribers) = stage.subscribers.take() {
            subscribers.compare(&mut summary, &mut screen, server.log.end()).await;
        }
        buckets::compare(&mut summary, &mut screen, &self.nats, &server).await;
        let snapshots = stage.snapshots.take().map(Snapshots::taken).unwrap_or_default();
        verify::server(&mut summary, &mut screen, self, &server, worker, snapshots).await;
        base::compare(&mut summary, &mut screen, &self.city, &server, &stage).await;
        self.play_again(&mut summary, &mut screen, &server).await;
        drop(stage);
        server.shutdown().await;
        files::search(&mut summary, &mut screen, &self.city, &self.folder).await;
        screen.over();
        summary.finish();
        Ok(summary)
    }

    async fn perform<O: Observer>(&self, stage: &mut LocalStage, observer: &mut O) -> Result<Played, CliError> {
        script::play(&self.city, stage, observer)
            .await
            .map_err(|error| CliError::new(format!("演示中断：{error}"), format!("the play broke off: {error}")))
    }

    /// A server whose bytes depend on the seed and the script alone.
    async fn start(&self, folder: &str, nats: Nats, listen: SocketAddr) -> Result<RunningServer, CliError> {
        let seed = self.args.seed;
        let mut id = *b"muster-demo\0\0\0\0\0";
        id[11..].copy_from_slice(&seed.to_le_bytes()[..5]);
        let options = ServerOptions {
            // Nobody in the demo is real; who names another address than the own machine's means it.
            access: AccessOptions { open: true, ..AccessOptions::default() },
            listen,
            nats,
            clock: ClockSource::Manual { start_ms: START_MS },
            entropy: Box::new(SeededEntropy::new(seed)),
            log_id: Some(LogId(id)),
            log_created_ms: u64::try_from(START_MS).ok(),
            catalogue: self.catalogue.clone(),
            ..ServerOptions::new(self.folder.join(folder))
        };
        Server::start(options).await.map_err(|error| CliError { words: error.words(), exit_code: 1 })
    }

    /// Nobody knows the address of a check in advance, and several may run at once.
    fn unattended_listen(&self) -> SocketAddr {
        let default = crate::config::DEFAULT_LISTEN.parse() == Ok(self.args.listen);
        if default { SocketAddr::from(([127, 0, 0, 1], 0)) } else { self.args.listen }
    }

    fn tell_addresses(&self, server: &RunningServer) {
        let url = server.url();
        let live = format!("{url}/v1/views/coverage/live?area=4408");
        let text = match self.lang {
            Lang::Zh => {
                format!("打开：{url}/\n覆盖视图：{url}/v1/views/coverage?level=county\n实时变化：{live}\n接口文档：{url}/openapi.json")
            }
            Lang::En => {
                format!("open: {url}/\ncoverage: {url}/v1/views/coverage?level=county\nlive: {live}\ninterface: {url}/openapi.json")
            }
        };
        // A terminal that is gone takes nothing more; the server goes on.
        drop(writeln!(io::stdout().lock(), "{text}"));
    }

    /// The play is over; the server answers until it is ended, and its clock goes on.
    async fn stay(&self, server: &RunningServer, from_ms: i64) -> Result<ExitCode, CliError> {
        let began = Instant::now();
        loop {
            tokio::select! {
                () = tokio::time::sleep(IDLE_TICK) => {
                    let elapsed_ms = i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX);
                    if server.engine.advance_to(from_ms.saturating_add(elapsed_ms)).await.is_err() {
                        break;
                    }
                }
                () = server.failed() => break,
            }
        }
        Err(CliError::new("日志已停止写入，演示结束。", "the log stopped; the demo ends."))
    }

    /// The same seed on the same clock in another folder, without NATS: the same log, byte for byte.
    async fn play_again(&self, summary: &mut Summary, screen: &mut Screen, first: &RunningServer) {
        screen.verifying("同一种子再播放一遍", "playing the seed a second time");
        let again = async {
            let server = self.start(AGAIN_DIR, Nats::Off, SocketAddr::from(([127, 0, 0, 1], 0))).await?;
            let mut stage = LocalStage::new(&server, 0.0);
            self.perform(&mut stage, &mut screen.quiet()).await?;
            Ok::<_, CliError>(server)
        };
        match again.await {
            Ok(second) => {
                verify::same_bytes(summary, first, &second).await;
                second.shutdown().await;
            }
            Err(error) => summary.failed("same_seed_same_bytes", error.words.get(Lang::En)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Everything but what needs a NATS server: those checks must fail, and with them the whole.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_small_demo_holds_without_nats_what_needs_no_nats() {
        let folder = tempfile::tempdir().unwrap();
        let args = DemoArgs {
            nats: None,
            data: Some(folder.path().to_path_buf()),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            scale: DemoScale::Small,
            speed: 0.0,
            seed: 3,
            check: true,
        };
        let city = City::generate(args.seed, Scale::Small);
        let (folder_path, catalogue) = (folder.path().to_path_buf(), Catalogue::built_in());
        let demo = Demo { city, nats: Nats::Off, folder: folder_path, lang: Lang::En, args, catalogue };
        let summary = demo.check().await.unwrap();
        assert!(!summary.ok);
        assert_eq!(summary.checks.len(), summary::CHECKS.len());
        for check in &summary.checks {
            let needs_nats = ["stream_equals_log", "views_equal_worker", "buckets_equal_views"].contains(&check.name);
            assert_eq!(check.ok, !needs_nats, "seed {}: {check:?}", summary.seed);
        }
    }

    #[test]
    fn a_folder_in_use_is_refused_and_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(CITY_DIR)).unwrap();
        let error = Folder::prepare(Some(folder.path())).map(|_| ()).unwrap_err();
        assert!(error.words.get(Lang::En).contains(CITY_DIR), "{error:?}");
    }
}
