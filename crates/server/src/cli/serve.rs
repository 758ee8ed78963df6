//! `muster serve`: reads the configuration, starts the server, and ends it on a signal or when its log has stopped.

use std::process::ExitCode;

use muster_views::Catalogue;

use super::args::ServeArgs;
use super::error::CliError;
use super::print;
use super::signal;
use crate::config::{Config, Partial};
use crate::limits;
use crate::openfiles;
use crate::startup::StartError;
use crate::telemetry;
use crate::wiring::{Server, ServerOptions};

/// The log or the engine stopped: a person must look (`EX_SOFTWARE`).
pub(super) const EXIT_FATAL: u8 = 70;

pub(super) async fn run(args: ServeArgs, catalogue: &Catalogue) -> Result<ExitCode, CliError> {
    let config = config(&args)?;
    start_tracing(config.log_format, &config.log_filter)?;
    openfiles::raise();
    let options = ServerOptions {
        listen: config.listen,
        nats: config.nats.clone(),
        nats_commands: config.nats_commands,
        kv: config.kv,
        snapshot_every: config.snapshot_every,
        access: config.access.clone(),
        nightly: config.nightly,
        delivery: config.delivery.clone(),
        utc_offset_minutes: config.utc_offset_minutes,
        catalogue: catalogue.clone(),
        ..ServerOptions::new(&config.data)
    };
    let signal = signal::stop()?;
    let server = Server::start(options).await.map_err(|error| CliError::from(&error))?;
    print::line_now(&format!("listening http://{}", server.addr));
    tokio::select! {
        () = signal => {
            tracing::info!("a stop was asked for");
            server.shutdown().await;
            Ok(ExitCode::SUCCESS)
        }
        () = server.failed() => {
            // Health says so from this moment on; a probe gets the time to see it.
            tokio::time::sleep(limits::FATAL_LINGER).await;
            server.shutdown().await;
            let error = CliError::new(
                "日志已停止写入，进程退出。请检查磁盘空间与硬件（详情见上面的日志），然后重新启动；已确认的内容没有丢失。",
                "the log stopped and the process ends. Check disk space and hardware (the trace above has the details), then start again; nothing acknowledged was lost.",
            );
            Err(error.with_code(EXIT_FATAL))
        }
    }
}

fn config(args: &ServeArgs) -> Result<Config, CliError> {
    let file = args.config.as_deref().map(Partial::read).transpose()?.unwrap_or_default();
    Ok(args.partial().or(file).complete()?)
}

pub(super) fn start_tracing(format: telemetry::LogFormat, filter: &str) -> Result<(), CliError> {
    telemetry::init_tracing(format, filter).map_err(|detail| {
        CliError::new(format!("日志过滤“{filter}”无效：{detail}"), format!("the filter of traces {filter:?} is not usable: {detail}"))
    })
}

impl From<&StartError> for CliError {
    fn from(error: &StartError) -> Self {
        Self { words: error.words(), exit_code: super::error::EXIT_FAILED }
    }
}
