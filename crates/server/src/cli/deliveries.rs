//! `muster deliveries`: how the channels are and what could not be delivered; sends it again, and uses a channel again that had been gone.

use std::process::ExitCode;

use comfy_table::{ContentArrangement, Table, presets};
use reqwest::Method;
use serde_json::Value;

use super::args::{DeliveriesArgs, DeliveriesCommand};
use super::client::Client;
use super::error::CliError;
use super::print;
use crate::time::in_china;
use crate::words::Lang;

pub(super) async fn run(args: DeliveriesArgs, lang: Lang) -> Result<ExitCode, CliError> {
    let client = Client::new(&args.server, lang);
    let order = |path: String| client.request(Method::POST, &path, &[]);
    match &args.command {
        None => return list(&client, args.json, lang).await,
        Some(DeliveriesCommand::Resend { message_id }) => client.send(order(format!("/v1/deliveries/{message_id}/resend"))).await?,
        Some(DeliveriesCommand::Enable { channel }) => client.send(order(format!("/v1/deliveries/channels/{channel}/enable"))).await?,
    };
    print::line(if lang == Lang::Zh { "已执行" } else { "done" });
    Ok(ExitCode::SUCCESS)
}

async fn list(client: &Client, json: bool, lang: Lang) -> Result<ExitCode, CliError> {
    let status = client.get_json("/v1/status", &[]).await?;
    let dead = client.get_json("/v1/deliveries/dead", &[]).await?;
    let (channels, letters) = (rows(&status["delivery"]), rows(&dead["dead"]));
    if json {
        print::line(&serde_json::json!({"channels": channels, "dead": letters}).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let channel_columns = [
        ("渠道", "channel", "name"),
        ("类型", "kind", "kind"),
        ("状态", "state", "state"),
        ("待发", "waiting", "waiting"),
        ("已发", "sent", "sent"),
        ("失败次数", "failed tries", "failed"),
        ("未送达", "dead", "dead"),
        ("落后记录", "behind", "lag_positions"),
        ("最近失败", "last failure", "last_failure"),
    ];
    print::line(&table(channels, &channel_columns, lang));
    if !letters.is_empty() {
        let letter_columns = [
            ("消息", "message", "message_id"),
            ("内容", "kind", "kind"),
            ("征调", "call", "call_id"),
            ("原因", "reason", "reason"),
            ("次数", "tries", "tries"),
            ("时间", "at", "at_ms"),
        ];
        print::line(&table(letters, &letter_columns, lang));
    }
    Ok(ExitCode::SUCCESS)
}

fn rows(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn table(rows: &[Value], columns: &[(&str, &str, &str)], lang: Lang) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(columns.iter().map(|(zh, en, _)| if lang == Lang::Zh { *zh } else { *en }));
    for row in rows {
        table.add_row(columns.iter().map(|(_, _, member)| match &row[*member] {
            Value::String(ms) if *member == "at_ms" => ms.parse().map_or_else(|_| ms.clone(), in_china),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }));
    }
    table.to_string()
}
