//! `muster view`: the rows of a view as a table, or as JSON.

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
    let path = format!("/v1/views/{}", args.name);
    let limit = limits::VIEW_PAGE_ROWS_MAX.to_string();
    let (mut rows, mut cursor, mut at) = (Vec::new(), None::<String>, String::new());
    loop {
        let query = [
            ("area", args.area.as_deref()),
            ("realm", args.realm.as_deref()),
            ("as_of", args.as_of.as_deref()),
            ("cursor", cursor.as_deref()),
            ("limit", Some(limit.as_str())),
        ];
        let mut page = client.get_json(&path, &query).await?;
        page["at"].as_str().unwrap_or_default().clone_into(&mut at);
        match page["rows"].take() {
            Value::Array(more) => rows.extend(more),
            _ => return Err(client.not_muster("rows")),
        }
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    if args.json {
        print::line(&json!({"view": args.name, "at": at, "rows": rows}).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let columns = table::columns(&args.name).ok_or_else(|| client.not_muster(&args.name))?;
    print::line(&table::render(columns, &rows, lang));
    let count = rows.len();
    print::line(&match lang {
        Lang::Zh => format!("{count} 行，截至位置 {at}；时间为北京时间"),
        Lang::En => format!("{count} rows as of position {at}; times are UTC+8"),
    });
    Ok(ExitCode::SUCCESS)
}
