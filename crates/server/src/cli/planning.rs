//! `muster rehearse` and `muster plan lessons`: what the planner works out, as tables for people or as JSON.

use std::process::ExitCode;

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use serde_json::Value;

use super::args::{LessonsArgs, PlanArgs, PlanCommand, RehearseArgs};
use super::client::Client;
use super::error::CliError;
use super::{print, table};
use crate::descriptors::Descriptors;
use crate::words::Lang;

/// Areas listed of one level; the JSON has all of them.
const AREAS_SHOWN: usize = 40;
/// Empty posts and single points listed.
const POSTS_SHOWN: usize = 60;

pub(super) async fn rehearse(args: RehearseArgs, lang: Lang) -> Result<ExitCode, CliError> {
    let client = Client::new(&args.server, lang);
    let query = [
        ("area", Some(args.area.as_str())),
        ("incident_type", Some(args.incident_type.as_str())),
        ("response", Some(args.response.as_str())),
        ("detail", Some(args.detail.as_str())),
    ];
    let rehearsal = client.get_json("/v1/rehearsal", &query).await?;
    if args.json {
        print::line(&rehearsal.to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let words = Descriptors::read();
    print::line(&levels(&words, &rehearsal, lang));
    let Some(last) = list(&rehearsal, "levels").last() else { return Ok(ExitCode::SUCCESS) };
    print::line(&areas(&words, last, lang));
    let posts = posts(&words, last, lang);
    if !posts.is_empty() {
        print::line(&posts);
    }
    let position = rehearsal["base_position"].as_str().unwrap_or("0");
    print::line(&match lang {
        Lang::Zh => format!("推演未改动任何内容；截至位置 {position}"),
        Lang::En => format!("nothing was changed by it; as of position {position}"),
    });
    Ok(ExitCode::SUCCESS)
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn count(value: &Value, key: &str) -> String {
    value[key].as_u64().unwrap_or(0).to_string()
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

fn new_table(lang: Lang, columns: &[(&str, &str)]) -> Table {
    let mut made = Table::new();
    made.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    made.set_header(columns.iter().map(|(zh, en)| Cell::new(if lang == Lang::Zh { zh } else { en })));
    made
}

fn right(text: impl Into<String>) -> Cell {
    Cell::new(text.into()).set_alignment(CellAlignment::Right)
}

/// Minutes, rounded up; `?` where there is too little history.
fn minutes(figures: &Value, key: &str) -> String {
    let strength = &figures["full_strength"];
    if strength["too_little_history"].as_bool().unwrap_or(false) {
        return "?".to_owned();
    }
    let ms: u64 = strength[key].as_str().and_then(|text| text.parse().ok()).unwrap_or(0);
    ms.div_ceil(60_000).to_string()
}

fn figures(figures: &Value) -> Vec<Cell> {
    let share = table::share(&count(figures, "seats_filled"), &count(figures, "seats"));
    let fraction = |part: &str, whole: &str| format!("{}/{}", count(figures, part), count(figures, whole));
    vec![
        right(count(figures, "plans")),
        right(count(figures, "sites")),
        right(count(figures, "units")),
        right(fraction("seats_filled", "seats")),
        right(share),
        right(fraction("unseated_filled", "unseated_posts")),
        right(count(figures, "standby")),
        right(count(figures, "single_points")),
        right(count(figures, "contested")),
        right(minutes(figures, "p50_ms")),
        right(minutes(figures, "p90_ms")),
    ]
}

const FIGURES: [(&str, &str); 11] = [
    ("预案", "plans"),
    ("点位", "sites"),
    ("编组", "units"),
    ("可到/席位", "filled/seats"),
    ("可转换率", "convertible"),
    ("无席位岗", "unseated"),
    ("备勤", "standby"),
    ("单点", "single points"),
    ("争用", "contested"),
    ("到齐(分)p50", "full p50 min"),
    ("到齐(分)p90", "full p90 min"),
];

fn levels(words: &Descriptors, rehearsal: &Value, lang: Lang) -> String {
    let columns: Vec<_> = std::iter::once(("响应级别", "response")).chain(FIGURES).collect();
    let mut made = new_table(lang, &columns);
    for level in list(rehearsal, "levels") {
        let response = table::word(words, "ResponseLevel", &text(level, "response"), lang).to_uppercase();
        made.add_row(std::iter::once(Cell::new(response)).chain(figures(&level["total"])));
    }
    made.to_string()
}

fn areas(words: &Descriptors, level: &Value, lang: Lang) -> String {
    let columns: Vec<_> = [("辖区", "area"), ("层级", "level")].into_iter().chain(FIGURES).collect();
    let mut made = new_table(lang, &columns);
    let areas = list(level, "areas");
    for area in areas.iter().take(AREAS_SHOWN) {
        let name = Cell::new(text(area, "area_id"));
        let height = Cell::new(table::word(words, "AreaLevel", &text(area, "level"), lang));
        made.add_row([name, height].into_iter().chain(figures(&area["figures"])));
    }
    cut(made.to_string(), areas.len(), AREAS_SHOWN, lang)
}

fn cut(made: String, there: usize, shown: usize, lang: Lang) -> String {
    match (there > shown, lang) {
        (false, _) => made,
        (true, Lang::Zh) => format!("{made}\n只显示前 {shown} 行，共 {there} 行；全部内容见 --json"),
        (true, Lang::En) => format!("{made}\nshowing the first {shown} of {there}; --json has all"),
    }
}

/// Empty posts with their reasons, single points of failure, and who would stand where.
fn posts(words: &Descriptors, level: &Value, lang: Lang) -> String {
    let columns = [("预案", "plan"), ("点位/席位", "site/seat"), ("编组", "unit"), ("角色", "role"), ("人员", "person"), ("情况", "what")];
    let mut made = new_table(lang, &columns);
    let mut there = 0;
    for plan in list(level, "plans") {
        for (post, what) in rows(words, plan, lang) {
            there += 1;
            if there > POSTS_SHOWN {
                continue;
            }
            let place = format!("{}/{}", text(post, "site_key"), text(post, "seat_key"));
            let role = table::word(words, "DutyRole", &text(post, "role"), lang);
            let cells = [text(plan, "plan_id"), place, text(post, "unit_key"), role, text(post, "responder_id"), what];
            made.add_row(cells);
        }
    }
    if there == 0 { String::new() } else { cut(made.to_string(), there, POSTS_SHOWN, lang) }
}

fn rows<'a>(words: &Descriptors, plan: &'a Value, lang: Lang) -> Vec<(&'a Value, String)> {
    let gap = |gap: &Value| {
        let reason = reason(words, &text(gap, "reason"), lang);
        if lang == Lang::Zh { format!("空岗：{reason}") } else { format!("empty: {reason}") }
    };
    let post = |post: &Value| {
        let backup = post["backup"].as_u64().unwrap_or(0);
        let who = match (backup, lang) {
            (0, Lang::Zh) => "主岗".to_owned(),
            (0, Lang::En) => "primary".to_owned(),
            (at, Lang::Zh) => format!("第 {at} 后备"),
            (at, Lang::En) => format!("backup {at}"),
        };
        match (post["others"].as_u64().unwrap_or(0), lang) {
            (0, Lang::Zh) => format!("{who}，单点：无人可替"),
            (0, Lang::En) => format!("{who}, single point: nobody else could come"),
            _ => who,
        }
    };
    let gaps = list(plan, "gaps").iter().map(|row| (row, gap(row)));
    gaps.chain(list(plan, "posts").iter().map(|row| (row, post(row)))).collect()
}

/// Why a post stays empty, in words.
fn reason(words: &Descriptors, name: &str, lang: Lang) -> String {
    let zh = match name {
        "GAP_REASON_NO_DESIGNATION" => "未定岗",
        "GAP_REASON_UNAVAILABLE" => "不可调度",
        "GAP_REASON_WITHDRAWN" => "已退出",
        "GAP_REASON_RESERVED" => "单位留用",
        "GAP_REASON_ON_OTHER_DUTY" => "另有任务",
        _ => "",
    };
    if lang == Lang::Zh && !zh.is_empty() { zh.to_owned() } else { table::word(words, "GapReason", name, lang) }
}

pub(super) async fn plan(args: PlanArgs, lang: Lang) -> Result<ExitCode, CliError> {
    match args.what {
        PlanCommand::Lessons(args) => lessons(args, lang).await,
    }
}

async fn lessons(args: LessonsArgs, lang: Lang) -> Result<ExitCode, CliError> {
    let client = Client::new(&args.server, lang);
    let path = format!("/v1/plans/{}/lessons", args.plan);
    let lessons = client.get_json(&path, &[("incident", Some(args.incident.as_str()))]).await?;
    if args.json {
        print::line(&lessons.to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let words = Descriptors::read();
    let columns = [("改动", "change"), ("从", "from"), ("到", "to"), ("必须", "needed"), ("依据", "evidence"), ("行号", "row_id")];
    let mut made = new_table(lang, &columns);
    let rows = list(&lessons, "rows");
    for row in rows {
        let evidence: Vec<_> = list(row, "evidence").iter().map(|fact| evidence(&words, fact, lang)).collect();
        let needed = if row["needed"].as_bool().unwrap_or(false) { "✓" } else { "" };
        made.add_row([
            table::word(&words, "LessonKind", &text(row, "kind"), lang),
            text(row, "from_responder_id"),
            text(row, "to_responder_id"),
            needed.to_owned(),
            evidence.join("、"),
            text(row, "row_id"),
        ]);
    }
    print::line(&made.to_string());
    let count = rows.len();
    print::line(&match lang {
        Lang::Zh => format!("{count} 行。采纳：muster send DraftNextVersion，row_ids 填要采纳的行号"),
        Lang::En => format!("{count} rows. To accept: muster send DraftNextVersion with their row_ids"),
    });
    Ok(ExitCode::SUCCESS)
}

fn evidence(words: &Descriptors, fact: &Value, lang: Lang) -> String {
    let call = text(fact, "call_id");
    if call.is_empty() {
        return format!("#{}", fact["position"].as_str().unwrap_or_default());
    }
    let release = table::word(words, "ReleaseReason", &text(fact, "release"), lang);
    format!("{call} {release}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rehearsal_is_read_as_a_table() {
        let strength = json!({"p50_ms": "680000", "p90_ms": "960000", "samples": "40"});
        let figures = json!({"plans": 1, "seats": 3, "seats_filled": 2, "single_points": 1, "full_strength": strength});
        let gap = json!({"site_key": "gate", "seat_key": "n1", "responder_id": "a3", "reason": "GAP_REASON_UNAVAILABLE"});
        let post = json!({"site_key": "hq", "seat_key": "desk", "responder_id": "a1", "backup": 1});
        let plan = json!({"plan_id": "p-1", "figures": figures, "gaps": [gap], "posts": [post]});
        let area = json!({"area_id": "v1", "level": "AREA_LEVEL_VILLAGE", "figures": figures});
        let level = json!({"response": "RESPONSE_LEVEL_III", "total": figures, "areas": [area], "plans": [plan]});
        let words = Descriptors::read();
        let all = levels(&words, &json!({"levels": [level.clone()]}), Lang::Zh);
        assert!(all.contains("III") && all.contains("66%") && all.contains("2/3") && all.contains("12") && all.contains("16"), "{all}");
        assert!(areas(&words, &level, Lang::En).contains("village"));
        let listed = posts(&words, &level, Lang::Zh);
        assert!(listed.contains("空岗：不可调度") && listed.contains("第 1 后备，单点：无人可替"), "{listed}");
        let little = json!({"full_strength": {"too_little_history": true}});
        assert_eq!(minutes(&little, "p50_ms"), "?");
    }
}
