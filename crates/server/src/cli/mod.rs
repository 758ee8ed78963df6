//! The command line: what can be said, and who carries it out. Errors are for people, in the language of `--lang`; it must
//! never print anything but what was asked for on stdout.

mod args;
mod client;
mod deliveries;
mod doctor;
mod error;
mod events;
mod fill;
mod fill_words;
mod import;
mod nats;
mod planning;
mod print;
mod report;
mod send;
mod serve;
mod signal;
mod table;
mod token;
mod view;
mod views;
mod worker;

use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;
use muster_views::Catalogue;

pub use args::{Cli, Command, DemoArgs, DemoScale};
pub use error::CliError;

use crate::words::{Lang, Words};

/// What went wrong with the arguments, or with the environment.
const EXIT_USAGE: u8 = 2;

/// Reads the arguments of the process and does what they say, with these views.
pub(crate) fn main(catalogue: &Catalogue) -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let lang = cli.lang;
    match run(cli, catalogue) {
        Ok(code) => code,
        Err(error) => {
            error.print(lang);
            ExitCode::from(error.exit_code)
        }
    }
}

fn run(cli: Cli, catalogue: &Catalogue) -> Result<ExitCode, CliError> {
    let lang = cli.lang;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| CliError::io("tokio", &error))?;
    match cli.command {
        Command::Serve(args) => runtime.block_on(serve::run(args, catalogue)),
        Command::Demo(args) => runtime.block_on(crate::demo::run(args, catalogue, lang)),
        Command::Worker(args) => runtime.block_on(worker::run(args, catalogue)),
        Command::Import(args) => runtime.block_on(import::run(args, lang)),
        Command::Send(args) => runtime.block_on(send::run(args, lang)),
        Command::Fill(args) => runtime.block_on(fill::run(args, lang)),
        Command::View(args) => runtime.block_on(view::run(args, lang)),
        Command::Views(args) => runtime.block_on(views::run(args, lang)),
        Command::Report(args) => runtime.block_on(report::run(args, lang)),
        Command::Rehearse(args) => runtime.block_on(planning::rehearse(args, lang)),
        Command::Plan(args) => runtime.block_on(planning::plan(args, lang)),
        Command::Deliveries(args) => runtime.block_on(deliveries::run(args, lang)),
        Command::Events(args) => runtime.block_on(events::run(args, lang)),
        Command::Token(args) => token::run(&args, lang),
        Command::Nats(args) => runtime.block_on(nats::run(args, lang)),
        Command::Doctor(args) => doctor::run(&args, lang),
    }
}

/// The program was put together in a way that cannot be.
pub(crate) fn unusable(words: &Words) -> ExitCode {
    CliError { words: words.clone(), exit_code: EXIT_USAGE }.print(asked_lang());
    ExitCode::from(EXIT_USAGE)
}

/// Clap speaks English; the first line says in Chinese what kind of fault it is.
fn usage(error: &clap::Error) -> ExitCode {
    let zh = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => "参数的值无效",
        ErrorKind::UnknownArgument => "没有这个参数",
        ErrorKind::InvalidSubcommand => "没有这个子命令",
        ErrorKind::MissingRequiredArgument => "缺少必需的参数",
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => "缺少子命令",
        ErrorKind::ArgumentConflict => "参数互相冲突",
        _ => "命令行有误",
    };
    if asked_lang() == Lang::Zh {
        print::to_stderr(&format!("muster：{zh}。详情如下，用法见 muster --help。"));
    }
    let _ = error.print();
    ExitCode::from(EXIT_USAGE)
}

/// The language asked for on a command line that could not be read.
fn asked_lang() -> Lang {
    let args: Vec<_> = std::env::args().collect();
    let given = args.iter().enumerate().find_map(|(at, arg)| match arg.strip_prefix("--lang") {
        Some("") => args.get(at + 1).cloned(),
        Some(value) => value.strip_prefix('=').map(str::to_owned),
        None => None,
    });
    given.or_else(|| std::env::var("MUSTER_LANG").ok()).and_then(|text| text.parse().ok()).unwrap_or_default()
}
