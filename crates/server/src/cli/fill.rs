//! `muster fill`: the joint proposal for all open needs, as a table with a reason for each line, or as JSON.

use std::process::ExitCode;

use comfy_table::{ContentArrangement, Table, presets};
use reqwest::Method;
use serde_json::{Value, json};

use super::args::FillArgs;
use super::client::Client;
use super::error::CliError;
use super::{fill_words, print, send};
use crate::words::Lang;

pub(super) async fn run(args: FillArgs, lang: Lang) -> Result<ExitCode, CliError> {
    let id = args.id.clone().map_or_else(send::random_id, Ok)?;
    let client = Client::new(&args.server, lang);
    let office = args.office.as_deref().unwrap_or(&args.area);
    let body = json!({"context": {"actor_office": {"area_id": office}}});
    let query = [("area", Some(args.area.as_str())), ("realm", args.realm.as_deref())];
    let request = client.request(Method::POST, "/v1/fill", &query).header("Idempotency-Key", &id).json(&body);
    let answer: Value = client.send(request).await?.json().await.map_err(|error| client.not_muster(&error.to_string()))?;
    if args.json {
        print::line(&serde_json::to_string_pretty(&answer).expect("JSON prints as JSON"));
        return Ok(ExitCode::SUCCESS);
    }
    let proposal = &answer["proposal"];
    let (lines, unfilled) = (rows(&client, proposal, "lines")?, rows(&client, proposal, "unfilled")?);
    if !lines.is_empty() {
        print::line(&lines_table(lines, lang));
    }
    if !unfilled.is_empty() {
        print::line(&unfilled_table(unfilled, lang));
    }
    for refused in rows(&client, proposal, "refused")? {
        print::line(&fill_words::refused(refused, lang));
    }
    print::line(&fill_words::summary(proposal, lines.len(), unfilled.len(), lang));
    Ok(ExitCode::SUCCESS)
}

fn rows<'a>(client: &Client, proposal: &'a Value, name: &str) -> Result<&'a [Value], CliError> {
    proposal[name].as_array().map(Vec::as_slice).ok_or_else(|| client.not_muster(name))
}

fn table(lang: Lang, headings: &[(&str, &str)]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(headings.iter().map(|(zh, en)| if lang == Lang::Zh { *zh } else { *en }));
    table
}

fn text<'a>(row: &'a Value, name: &str) -> &'a str {
    row[name].as_str().unwrap_or_default()
}

fn need(row: &Value) -> String {
    format!("{}#{}", text(row, "whistle_id"), text(row, "need_id"))
}

/// A line's reason is given in both languages, the reader's own first: whoever decides may have to read it out to others.
fn lines_table(lines: &[Value], lang: Lang) -> String {
    let mut table = table(lang, &[("条", "line"), ("需求", "need"), ("人员", "person"), ("理由", "why")]);
    for row in lines {
        let words = fill_words::reason(row);
        let (first, second) = if lang == Lang::Zh { (words.zh, words.en) } else { (words.en, words.zh) };
        table.add_row([text(row, "line_id").to_owned(), need(row), text(row, "responder_id").to_owned(), format!("{first}\n{second}")]);
    }
    table.to_string()
}

fn unfilled_table(unfilled: &[Value], lang: Lang) -> String {
    let mut table = table(lang, &[("未满足的需求", "unfilled need"), ("缺", "missing"), ("原因", "why")]);
    for row in unfilled {
        let words = fill_words::unfilled(row);
        let (first, second) = if lang == Lang::Zh { (words.zh, words.en) } else { (words.en, words.zh) };
        table.add_row([need(row), row["quantity"].as_u64().unwrap_or_default().to_string(), format!("{first}\n{second}")]);
    }
    table.to_string()
}
