//! `muster worker`: the views in a process of their own, fed by JetStream, with the same code as in the server; what the stream does
//! not hold comes from a server's log where one is named. Published to NATS KV where that is asked for.

use std::process::ExitCode;
use std::sync::Arc;

use muster_feed::{JetStreamSource, Kv, KvOptions, RemoteLog, SourceOptions};
use muster_views::{Catalogue, RunnerOptions, UnknownView, View, ViewStore};

use super::args::WorkerArgs;
use super::error::CliError;
use super::serve::{EXIT_FATAL, start_tracing};
use super::{print, signal};
use crate::access::Access;
use crate::config::Partial;
use crate::descriptors::Descriptors;
use crate::http::{self, App};
use crate::openfiles;
use crate::remote_log::HttpLog;
use crate::startup::StartError;
use crate::wiring::{Serving, VIEWS_DIR};

pub(super) async fn run(args: WorkerArgs, catalogue: &Catalogue) -> Result<ExitCode, CliError> {
    start_tracing(args.log_format, &args.log_filter)?;
    openfiles::raise();
    let views = views(catalogue, &args.views)?;
    let failed = |error: StartError| CliError::from(&error);
    let (access, open) = access(&args)?;
    if let Some(address) = args.listen.filter(|listen| !listen.ip().is_loopback() && !open && access.is_open()) {
        return Err(failed(StartError::OpenToAll { address }));
    }
    let app = Arc::new(App::worker(&Descriptors::read(), access));
    let serving = match args.listen {
        Some(listen) => Some(Serving::start(listen, http::worker_router(Arc::clone(&app))).await.map_err(failed)?),
        None => None,
    };
    let stop = signal::stop()?;
    tokio::pin!(stop);
    // From here on it answers, if only that it is not ready.
    if let Some(serving) = &serving {
        print::line_now(&format!("listening http://{}", serving.addr));
    }
    let dir = args.data.join(VIEWS_DIR);
    let store = tokio::task::spawn_blocking(move || ViewStore::open(&dir)).await;
    let store = store.map_err(|_| failed(StartError::BrokenOff))?.map_err(|error| failed(error.into()))?;
    let log = remote_log(&args)?;
    let source = tokio::select! {
        // It waits for the stream as long as it takes: a worker may be started before its server.
        source = JetStreamSource::open(SourceOptions::new(&args.nats, consumer_name(&args))) => source,
        () = &mut stop => return Ok(ExitCode::SUCCESS),
    };
    let source = match &log {
        Some(log) => source.fill_gaps_from(Arc::clone(log) as Arc<dyn RemoteLog>),
        None => source,
    };
    app.set_source(source.state(), log);
    // Without a server's log nothing can be folded beside what is shown.
    let options = RunnerOptions { keep_outdated: args.server.is_some(), ..RunnerOptions::default() };
    let handle = muster_views::spawn(&views, store, source, options).map_err(|error| failed(error.into()))?;
    app.set_views(handle.clone());
    http::renew_views(&app);
    let kv = args.kv.then(|| Kv::spawn(&handle, &KvOptions::new(&args.nats, format!("muster {}", consumer_name(&args)))));
    if let Some(kv) = &kv {
        app.set_kv(kv.statuses());
    }
    if serving.is_none() {
        print::line_now("working");
    }
    let mut progress = handle.progress();
    let code = tokio::select! {
        () = &mut stop => ExitCode::SUCCESS,
        _ = progress.wait_for(|now| now.stopped.is_some()) => ExitCode::from(EXIT_FATAL),
    };
    app.stop();
    if let Some(serving) = serving {
        serving.finish().await;
    }
    if let Some(kv) = kv {
        kv.shutdown().await;
    }
    match handle.shutdown().await {
        Ok(()) => Ok(code),
        Err(error) => Err(CliError::new(
            format!("视图已停止：{error}。视图可以重建：删除 {} 下的 views/，再启动。", args.data.display()),
            format!("the views have stopped: {error}. They can be rebuilt: delete views/ in {}, start again.", args.data.display()),
        )
        .with_code(EXIT_FATAL)),
    }
}

/// The log that is asked for what the stream does not hold, where a server is named.
fn remote_log(args: &WorkerArgs) -> Result<Option<Arc<HttpLog>>, CliError> {
    let made = args.server.as_deref().map(|server| HttpLog::new(server, args.token.clone())).transpose();
    let made = made.map_err(|error| CliError::new(format!("--server：{error}"), format!("--server: {error}")))?;
    Ok(made.map(Arc::new))
}

/// Who may read here: the same tokens and the same provider as the server's, where they are named.
fn access(args: &WorkerArgs) -> Result<(Access, bool), CliError> {
    let tokens = args.tokens.clone().unwrap_or_else(|| args.data.clone());
    let file = args.config.as_deref().map_or_else(|| Ok(Partial::default()), Partial::read).map_err(CliError::from)?;
    let given = Partial { data: Some(tokens.clone()), open: file.open, auth: file.auth, ..Partial::default() };
    let config = given.complete().map_err(CliError::from)?;
    let open = args.open || config.access.open;
    Ok((Access::new(&tokens, config.access), open))
}

fn views(catalogue: &Catalogue, names: &[String]) -> Result<Vec<View>, CliError> {
    let parse = |name: &String| catalogue.find(name.trim());
    names.iter().map(parse).collect::<Result<_, _>>().map_err(|error| {
        let UnknownView { name, known } = error;
        CliError::new(format!("没有视图“{name}”；有 {known}"), format!("there is no view {name:?}; there are {known}"))
    })
}

/// The name given, or one that the data folder's path gives: the same worker has the same name after a restart, and two
/// workers with folders of their own have two.
fn consumer_name(args: &WorkerArgs) -> String {
    args.name.clone().unwrap_or_else(|| {
        let dir = std::path::absolute(&args.data).unwrap_or_else(|_| args.data.clone());
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let mut hasher = blake3::Hasher::new();
        hasher.update(host.as_bytes());
        hasher.update(dir.as_os_str().as_encoded_bytes());
        format!("worker-{}", &hasher.finalize().to_hex()[..16])
    })
}
