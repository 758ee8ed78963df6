//! `muster views`: how the views of a server or worker stand, folding them anew from the log, and comparing them with it.

use std::process::ExitCode;

use comfy_table::{ContentArrangement, Table, presets};
use reqwest::Method;
use serde_json::Value;

use super::args::{UpkeepArgs, ViewsArgs, ViewsCommand};
use super::client::Client;
use super::error::CliError;
use super::print;
use crate::words::Lang;

/// Rows were found that differ from what the log says.
const EXIT_DIFFERENT: u8 = 3;

pub(super) async fn run(args: ViewsArgs, lang: Lang) -> Result<ExitCode, CliError> {
    match &args.command {
        ViewsCommand::Status(args) => status(args, lang).await,
        ViewsCommand::Rebuild(args) => fold_anew(args, "/v1/views:rebuild", lang).await,
        ViewsCommand::Verify(args) => fold_anew(args, "/v1/views:verify", lang).await,
    }
}

async fn status(args: &UpkeepArgs, lang: Lang) -> Result<ExitCode, CliError> {
    let client = Client::new(&args.server, lang);
    let found = client.get_json("/v1/views", &[]).await?;
    if args.json {
        print::line(&found.to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let Some(rows) = found["views"].as_array() else { return Err(client.not_muster("views")) };
    let columns = [
        ("视图", "view", "view"),
        ("代", "generation", "generation"),
        ("版本", "version", "version"),
        ("状态", "state", "state"),
        ("位置", "position", "at"),
        ("落后记录", "behind", "lag_positions"),
        ("落后秒", "behind s", "lag_s"),
        ("行数", "rows", "rows"),
        ("进度 %", "progress %", "progress_percent"),
        ("剩余秒", "left s", "remaining_s"),
    ];
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(columns.iter().map(|(zh, en, _)| if lang == Lang::Zh { *zh } else { *en }));
    for row in rows {
        table.add_row(columns.iter().map(|(_, _, member)| cell(member, &row[*member], lang)));
    }
    print::line(&table.to_string());
    found["renewed"].as_array().into_iter().flatten().for_each(|renewed| print::line(&made_anew(renewed, lang)));
    if let Some(state) = found["source"]["state"].as_str() {
        let reason = found["source"]["reason"].as_str().map(|reason| format!("：{reason}")).unwrap_or_default();
        print::line(&match lang {
            Lang::Zh => format!("数据来源 {state}{reason}"),
            Lang::En => format!("source {state}{}", reason.replacen('：', ": ", 1)),
        });
    }
    if let Some(error) = found["stopped"].as_str() {
        print::line(&match lang {
            Lang::Zh => format!("视图已停止：{error}"),
            Lang::En => format!("the views have stopped: {error}"),
        });
    }
    Ok(ExitCode::SUCCESS)
}

/// A view whose rows another version of its fold made when the process started.
fn made_anew(renewed: &Value, lang: Lang) -> String {
    let text = |member: &str| renewed[member].as_str().unwrap_or_default();
    let (view, at, rows, version) = (text("view"), text("at"), text("rows"), &renewed["version"]);
    match (lang, &renewed["former_version"]) {
        (Lang::Zh, Value::Null) => format!("{view}：截至位置 {at} 由版本 {version} 首次构建，{rows} 行"),
        (Lang::En, Value::Null) => format!("{view}: built for the first time by version {version} as of {at}, {rows} rows"),
        (Lang::Zh, former) => {
            format!("{view}：截至位置 {at} 由版本 {former} 换为版本 {version}，{rows} 行；与旧版本有 {} 行不同", text("rows_differing"))
        }
        (Lang::En, former) => {
            let differing = text("rows_differing");
            format!(
                "{view}: version {version} took the place of version {former} as of {at}, {rows} rows; {differing} differ from the former ones"
            )
        }
    }
}

fn cell(member: &str, value: &Value, lang: Lang) -> String {
    match value {
        Value::String(state) if member == "state" && lang == Lang::Zh => in_chinese(state).to_owned(),
        Value::String(text) => text.clone(),
        Value::Null => "–".to_owned(),
        number => number
            .as_f64()
            .filter(|_| !["generation", "version"].contains(&member))
            .map_or_else(|| number.to_string(), |number| format!("{number:.1}")),
    }
}

fn in_chinese(state: &str) -> &str {
    match state {
        "live" => "实时",
        "catching_up" => "追赶中",
        "coming_back" => "恢复中",
        "stopped" => "已停止",
        "rebuilding" => "重建中",
        "verifying" => "核对中",
        "outdated" => "旧版本",
        "building" => "首次构建中",
        other => other,
    }
}

async fn fold_anew(args: &UpkeepArgs, path: &str, lang: Lang) -> Result<ExitCode, CliError> {
    let client = Client::new(&args.server, lang);
    let response = client.send(client.request(Method::POST, path, &[])).await?;
    let text = response.text().await.map_err(|error| client.unreachable(&error))?;
    let report: Value = serde_json::from_str(&text).map_err(|error| client.not_muster(&error.to_string()))?;
    let text = |member: &str| report[member].as_str().unwrap_or_default();
    let found: u64 = text("differences_found").parse().map_err(|_| client.not_muster("differences_found"))?;
    let code = if found == 0 { ExitCode::SUCCESS } else { ExitCode::from(EXIT_DIFFERENT) };
    if args.json {
        print::line(&report.to_string());
        return Ok(code);
    }
    let differences = report["differences"].as_array().map(Vec::as_slice).unwrap_or_default();
    for difference in differences {
        print::line(&told(difference, lang));
    }
    let rows = |view: &Value| view["rows"].as_str().and_then(|rows| rows.parse::<u64>().ok());
    let rows: u64 = report["views"].as_array().into_iter().flatten().filter_map(rows).sum();
    let (at, generation, replaced) = (text("at"), &report["generation"], report["replaced"] == true);
    print::line(&match (lang, replaced) {
        (Lang::Zh, true) => format!("截至位置 {at} 重建了 {rows} 行，现为第 {generation} 代；与原有的有 {found} 行不同"),
        (Lang::Zh, false) => format!("截至位置 {at} 核对了 {rows} 行；与现有的有 {found} 行不同"),
        (Lang::En, true) => {
            format!("{rows} rows rebuilt as of {at}, now generation {generation}; {found} rows differed from the former ones")
        }
        (Lang::En, false) => format!("{rows} rows verified as of {at}; {found} rows differ from the present ones"),
    });
    Ok(code)
}

fn told(difference: &Value, lang: Lang) -> String {
    let form = |member: &str, none: &str| if difference[member].is_null() { none.to_owned() } else { difference[member].to_string() };
    let [view, key] = ["view", "key"].map(|member| difference[member].as_str().unwrap_or_default());
    match lang {
        Lang::Zh => format!("{view} {key}：视图中为 {}，按日志应为 {}", form("found", "无此行"), form("expected", "无此行")),
        Lang::En => format!("{view} {key}: found {}, by the log {}", form("found", "no row"), form("expected", "no row")),
    }
}
