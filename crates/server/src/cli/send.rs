//! `muster send`: one command to a server; the answer as JSON on stdout.

use std::io::Read as _;
use std::process::ExitCode;

use reqwest::Method;
use serde_json::{Value, json};

use super::args::SendArgs;
use super::client::Client;
use super::error::CliError;
use super::print;
use crate::words::Lang;

pub(super) async fn run(args: SendArgs, lang: Lang) -> Result<ExitCode, CliError> {
    let body = body(args.json.as_deref())?;
    let id = args.id.clone().map_or_else(random_id, Ok)?;
    let client = Client::new(&args.server, lang);
    let path = format!("/v1/commands/{}", args.command);
    let query = [("dry_run", args.dry_run.then_some("true"))];
    let request = client.request(Method::POST, &path, &query).header("Idempotency-Key", &id).json(&body);
    let answer = match client.send(request).await {
        Ok(response) => response.json::<Value>().await.map_err(|error| client.not_muster(&error.to_string()))?,
        Err(mut error) if args.id.is_none() && !args.dry_run => {
            // Whether it was carried out may not be known: only the same id makes a retry safe.
            error.words.zh.push_str(&format!("\n重试同一意图请加 --id {id}"));
            error.words.en.push_str(&format!("\nto retry the same intent, add --id {id}"));
            return Err(error);
        }
        Err(error) => return Err(error),
    };
    print::line(&serde_json::to_string_pretty(&answer).expect("JSON prints as JSON"));
    Ok(ExitCode::SUCCESS)
}

fn body(json: Option<&str>) -> Result<Value, CliError> {
    let (name, text) = match json {
        None => return Ok(json!({})),
        Some("-") => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map_err(|error| CliError::io("stdin", &error))?;
            ("stdin".to_owned(), text)
        }
        Some(path) => (path.to_owned(), std::fs::read_to_string(path).map_err(|error| CliError::io(path, &error))?),
    };
    serde_json::from_str(&text).map_err(|error| {
        let place = format!("{}:{}", error.line(), error.column());
        CliError::new(format!("{name} 不是有效的 JSON（{place}）：{error}"), format!("{name} is not valid JSON ({place}): {error}"))
    })
}

/// An id that nobody has used.
pub(super) fn random_id() -> Result<String, CliError> {
    let mut bytes = [0_u8; 12];
    getrandom::fill(&mut bytes).map_err(|error| CliError::new(format!("系统没有随机数：{error}"), format!("no random bytes: {error}")))?;
    Ok(bytes.iter().fold("cli-".to_owned(), |id, byte| format!("{id}{byte:02x}")))
}
