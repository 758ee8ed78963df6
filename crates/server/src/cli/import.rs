//! `muster import`: checks a table, then sends its commands in batches. Nothing is sent while one row is wrong; what was
//! sent before a connection broke is not done twice, for every row's command has an id of its own.

use std::process::ExitCode;

use futures::StreamExt as _;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Method;
use serde_json::{Value, json};

use super::args::ImportArgs;
use super::client::Client;
use super::error::CliError;
use super::print;
use crate::import::{self, AskedIds, Import, ImportCommand, ImportKind, KnownArea, KnownIds};
use crate::limits;
use crate::words::Lang;

/// What became of the commands of one import.
#[derive(Debug, Default)]
struct Tally {
    done: u64,
    repeated: u64,
    refused: Vec<(u64, Value)>,
}

pub(super) async fn run(args: ImportArgs, lang: Lang) -> Result<ExitCode, CliError> {
    let bytes = std::fs::read(&args.file).map_err(|error| CliError::io(&args.file.display().to_string(), &error))?;
    let client = Client::new(&args.server, lang);
    let parsed = parse(args.kind, &bytes, &client).await?;
    let Import { encoding, rows, commands, existing } = parsed;
    let encoding = encoding.name();
    say(
        lang,
        &format!("{rows} 行，编码 {encoding}，{} 条命令", commands.len()),
        &format!("{rows} rows, encoding {encoding}, {} commands", commands.len()),
    );
    if !existing.is_empty() {
        let count = existing.len();
        say(
            lang,
            &format!("其中 {count} 行的编号服务器已有；内容相同则不重复执行"),
            &format!("{count} rows have ids that the server has already; equal ones are not done twice"),
        );
    }
    if args.dry_run {
        say(lang, "检查通过；没有发送任何内容", "the file is in order; nothing was sent");
        return Ok(ExitCode::SUCCESS);
    }
    let tally = send_all(&client, &args, &commands).await?;
    report(&tally, lang)
}

fn say(lang: Lang, zh: &str, en: &str) {
    print::line(if lang == Lang::Zh { zh } else { en });
}

fn say_error(lang: Lang, zh: &str, en: &str) {
    print::to_stderr(if lang == Lang::Zh { zh } else { en });
}

/// Parses the file twice: first to learn which ids it relies on, then with what the server says of them.
async fn parse(kind: ImportKind, bytes: &[u8], client: &Client) -> Result<Import, CliError> {
    let asked = AskedIds::default();
    let first = import::parse(kind, bytes, &asked);
    match (known_ids(client, &asked).await, first) {
        // All faults at once: those of the file itself and those against what the server has.
        (Ok(known), _) => import::parse(kind, bytes, &known).map_err(|faults| faults_error(&faults)),
        (Err(_), Err(faults)) => Err(faults_error(&faults)),
        (Err(error), Ok(_)) => Err(error),
    }
}

fn faults_error(faults: &[import::RowError]) -> CliError {
    let list = |lang| faults.iter().map(|fault| fault.describe(lang)).collect::<Vec<_>>().join("\n");
    let (zh, en) = (list(Lang::Zh), list(Lang::En));
    CliError::new(format!("文件有误，没有导入任何内容：\n{zh}"), format!("the file has faults, nothing was imported:\n{en}"))
}

/// What the server has of the ids that the file names.
async fn known_ids(client: &Client, asked: &AskedIds) -> Result<KnownIds, CliError> {
    let mut known = KnownIds::default();
    let (areas, organizations, responders) =
        (asked.areas.borrow().clone(), asked.organizations.borrow().clone(), asked.responders.borrow().clone());
    let mut types = Vec::new();
    if !areas.is_empty() {
        types.extend(["AreaDefined", "AreaReparented", "AreaRetired"]);
    }
    if !organizations.is_empty() {
        types.push("OrganizationRegistered");
    }
    if !responders.is_empty() {
        types.push("ResponderEnrolled");
    }
    if types.is_empty() {
        return Ok(known);
    }
    let types = types.join(",");
    let response = client.send(client.request(Method::GET, "/v1/events", &[("type", Some(&types))])).await?;
    let mut answers = JsonLines::new(response);
    while let Some(record) = answers.next(client).await? {
        let event = &record["event"];
        let id = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        match record["type"].as_str().unwrap_or_default() {
            "AreaDefined" if areas.contains(&id("area_id")) => {
                known.areas.insert(id("area_id"), KnownArea { level: id("level"), parent_id: Some(id("parent_id")) });
            }
            "AreaReparented" => {
                if let Some(area) = known.areas.get_mut(&id("area_id")) {
                    area.parent_id = Some(id("parent_id"));
                }
            }
            "AreaRetired" => drop(known.areas.remove(&id("area_id"))),
            "OrganizationRegistered" if organizations.contains(&id("organization_id")) => {
                known.organizations.insert(id("organization_id"));
            }
            "ResponderEnrolled" if responders.contains(&id("responder_id")) => {
                known.responders.insert(id("responder_id"));
            }
            _ => {}
        }
    }
    Ok(known)
}

/// An NDJSON answer, line by line.
struct JsonLines {
    stream: std::pin::Pin<Box<dyn futures::Stream<Item = reqwest::Result<bytes::Bytes>> + Send>>,
    buffer: bytes::BytesMut,
    ended: bool,
}

impl JsonLines {
    fn new(response: reqwest::Response) -> Self {
        Self { stream: Box::pin(response.bytes_stream()), buffer: bytes::BytesMut::new(), ended: false }
    }

    async fn next(&mut self, client: &Client) -> Result<Option<Value>, CliError> {
        loop {
            let end = self.buffer.iter().position(|byte| *byte == b'\n');
            if let Some(end) = end.or_else(|| (self.ended && !self.buffer.is_empty()).then_some(self.buffer.len())) {
                let line = self.buffer.split_to(end);
                let rest = self.buffer.len().min(1);
                drop(self.buffer.split_to(rest));
                if line.trim_ascii().is_empty() {
                    continue;
                }
                return serde_json::from_slice(&line).map(Some).map_err(|error| client.not_muster(&error.to_string()));
            }
            if self.ended {
                return Ok(None);
            }
            match self.stream.next().await {
                Some(chunk) => self.buffer.extend_from_slice(&chunk.map_err(|error| client.unreachable(&error))?),
                None => self.ended = true,
            }
        }
    }
}

/// Sends the commands in their order, and stops after the batch in which one was refused: what comes later may rest on it.
async fn send_all(client: &Client, args: &ImportArgs, commands: &[ImportCommand]) -> Result<Tally, CliError> {
    let bar = ProgressBar::new(commands.len() as u64);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} {per_sec} {eta}").expect("the template is one that indicatif reads"));
    let sheet = args.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut tally = Tally::default();
    for batch in commands.chunks(limits::IMPORT_BATCH_LINES) {
        let lines: String = batch.iter().map(|command| line(command, &sheet)).collect();
        let request = client.request(Method::POST, "/v1/commands:batch", &[("events", Some("false"))]);
        let response = client.send(request.header("Content-Type", "application/x-ndjson").body(lines)).await?;
        let mut answers = JsonLines::new(response);
        let mut answered = 0;
        while let Some(answer) = answers.next(client).await? {
            let Some(command) = batch.get(answered) else { return Err(client.not_muster("lines")) };
            answered += 1;
            bar.inc(1);
            match answer["status"].as_u64() {
                Some(200) if answer["answer"]["repeated"] == json!(true) => tally.repeated += 1,
                Some(200) => tally.done += 1,
                _ => tally.refused.push((command.line, answer["problem"].clone())),
            }
        }
        if answered < batch.len() {
            bar.abandon();
            return Err(CliError::new(
                "与服务器的连接中断，导入没有完成。请再次运行同一命令：已导入的行不会重复。",
                "the connection to the server broke before the end. Run the same command again: rows that are in are not done twice.",
            ));
        }
        if !tally.refused.is_empty() {
            break;
        }
    }
    bar.finish();
    Ok(tally)
}

fn line(command: &ImportCommand, sheet: &str) -> String {
    let context = json!({"channel": {"kind": "CHANNEL_KIND_IMPORT", "reference": sheet}});
    let mut line = json!({"command": command.name, "id": command.id, "body": command.body, "context": context}).to_string();
    line.push('\n');
    line
}

fn report(tally: &Tally, lang: Lang) -> Result<ExitCode, CliError> {
    let Tally { done, repeated, refused } = tally;
    say(
        lang,
        &format!("完成 {done}，此前已导入 {repeated}，被拒绝 {}", refused.len()),
        &format!("{done} done, {repeated} done before, {} refused", refused.len()),
    );
    if refused.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    for (line, problem) in refused {
        let error = CliError::from_problem(problem);
        say_error(lang, &format!("第 {line} 行：{}", error.words.zh), &format!("line {line}: {}", error.words.en));
    }
    Err(CliError::new(
        "服务器拒绝了上列各行，其后的批次没有发送。请改正后再次导入：已导入的行不会重复。",
        "the server refused the rows above, and later batches were not sent. Correct them and import again: rows that are in are not done twice.",
    ))
}
