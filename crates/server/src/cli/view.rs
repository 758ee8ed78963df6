//! `muster view`: the rows of a view as a table, or as JSON; now, as of a moment, or as two moments differ.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::args::ViewArgs;
use super::client::Client;
use super::error::CliError;
use super::{print, table};
use crate::limits;
use crate::words::Lang;

pub(super) async fn run(args: ViewArgs, lang: Lang) -> Result<ExitCode, CliError> {
    let client = Client::new(&args.server, lang);
    if let Some(to) = &args.compare {
        return compare(&args, to, &client, lang).await;
    }
    let query = [("as_of", args.as_of.as_deref()), ("true_time", args.true_time.as_deref())];
    let (rows, page) = all_rows(&client, &args, &format!("/v1/views/{}", args.name), &query).await?;
    let at = page["at"].as_str().unwrap_or_default();
    if args.json {
        print::line(&json!({"view": args.name, "at": at, "rows": rows}).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    print::line(&table::render(&table::columns(&args.name, &rows), &rows, lang));
    let count = rows.len();
    print::line(&match lang {
        Lang::Zh => format!("{count} 行，截至位置 {at}；时间为北京时间"),
        Lang::En => format!("{count} rows as of position {at}; times are UTC+8"),
    });
    Ok(ExitCode::SUCCESS)
}

/// The rows of all pages, and the last page without them.
async fn all_rows(client: &Client, args: &ViewArgs, path: &str, own: &[(&str, Option<&str>)]) -> Result<(Vec<Value>, Value), CliError> {
    let limit = limits::VIEW_PAGE_ROWS_MAX.to_string();
    let (mut rows, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let mut query = vec![
            ("area", args.area.as_deref()),
            ("realm", args.realm.as_deref()),
            ("cursor", cursor.as_deref()),
            ("limit", Some(limit.as_str())),
        ];
        query.extend_from_slice(own);
        let mut page = client.get_json(path, &query).await?;
        match page["rows"].take() {
            Value::Array(more) => rows.extend(more),
            _ => return Err(client.not_muster("rows")),
        }
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            return Ok((rows, page));
        }
    }
}

/// `--compare end` stands for now.
async fn compare(args: &ViewArgs, to: &str, client: &Client, lang: Lang) -> Result<ExitCode, CliError> {
    let query = [("from", args.as_of.as_deref()), ("to", Some(to).filter(|to| *to != "end"))];
    let (rows, page) = all_rows(client, args, &format!("/v1/views/{}/compare", args.name), &query).await?;
    let [from, to] = ["from", "to"].map(|member| page[member].as_str().unwrap_or_default());
    if args.json {
        print::line(&json!({"view": args.name, "from": from, "to": to, "rows": rows}).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let forms: Vec<Value> = rows.iter().flat_map(forms).collect();
    print::line(&table::render(&table::compared(&table::columns(&args.name, &forms)), &forms, lang));
    let count = rows.len();
    print::line(&match lang {
        Lang::Zh => format!("{count} 行不同：− 为位置 {from} 时，＋ 为位置 {to} 时；时间为北京时间"),
        Lang::En => format!("{count} rows differ: − as of position {from}, ＋ as of position {to}; times are UTC+8"),
    });
    Ok(ExitCode::SUCCESS)
}

/// A row as it was and as it is, as far as it is there.
fn forms(row: &Value) -> Vec<Value> {
    let form = |(member, mark): (&str, &str)| {
        let mut form = row.get(member)?.clone();
        form["change"] = json!(mark);
        Some(form)
    };
    [("from", "−"), ("to", "＋")].into_iter().filter_map(form).collect()
}
