//! Tables for people: columns of Chinese and Latin text line up, enumerations read as words, times as China Standard Time.

use std::borrow::Cow;
use std::collections::BTreeSet;

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use serde_json::Value;

use crate::descriptors::Descriptors;
use crate::words::Lang;

/// One column of a view's table.
#[derive(Clone)]
pub(super) struct Column {
    zh: Cow<'static, str>,
    en: Cow<'static, str>,
    content: Content,
}

#[derive(Clone)]
enum Content {
    /// A member as it is.
    Text(&'static str),
    /// A count.
    Count(&'static str),
    /// A member of this enumeration.
    Word(&'static str, &'static str),
    /// A time in milliseconds.
    Time(&'static str),
    /// Two counts as a fraction.
    Fraction(&'static str, &'static str),
    /// Milliseconds as hours and minutes.
    Hours(&'static str),
    /// Something that is so, or not.
    Flag(&'static str),
    /// One count as a share of another, in percent; nothing where the other is 0.
    Share(&'static str, &'static str),
    /// The needs of a whistle.
    Needs,
    /// Real life or which exercise.
    Realm,
    /// A member as it comes, whatever it is.
    Any(String),
}

const fn column(zh: &'static str, en: &'static str, content: Content) -> Column {
    Column { zh: Cow::Borrowed(zh), en: Cow::Borrowed(en), content }
}

/// Of a comparison: which form of the row it is.
const CHANGE: Column = column("变化", "change", Content::Text("change"));

/// The columns of a view for rows that are told as they were and as they are.
pub(super) fn compared(columns: &[Column]) -> Vec<Column> {
    std::iter::once(CHANGE).chain(columns.iter().cloned()).collect()
}

/// In every table: nobody may take an exercise for real life.
const REALM: Column = column("场景", "realm", Content::Realm);

const COVERAGE: &[Column] = &[
    REALM,
    column("辖区", "area", Content::Text("area_id")),
    column("名称", "name", Content::Text("name")),
    column("层级", "level", Content::Word("level", "AreaLevel")),
    column("需要", "required", Content::Count("required")),
    column("已派", "dispatched", Content::Count("dispatched")),
    column("在途", "en route", Content::Count("en_route")),
    column("在岗", "on post", Content::Count("on_post")),
    column("待核实", "unconfirmed", Content::Count("unconfirmed")),
    column("缺口", "gap", Content::Count("gap")),
    column("未结哨", "whistles", Content::Count("open_whistles")),
    column("避险暂停", "suspended", Content::Count("suspended")),
    column("未确认安全", "unaccounted", Content::Count("unaccounted")),
    column("可转换率", "convertible", Content::Share("plan_seats_fillable", "plan_seats")),
];

const UNITS: &[Column] = &[
    REALM,
    column("编组", "unit", Content::Text("unit_id")),
    column("名称", "name", Content::Text("name")),
    column("类型", "kind", Content::Word("kind", "UnitKind")),
    column("辖区", "area", Content::Text("area_id")),
    column("书记", "secretary", Content::Text("secretary_id")),
    column("组织员", "organizer", Content::Text("organizer_id")),
    column("在岗/编成", "present/strength", Content::Fraction("present", "strength")),
    column("下辖", "units below", Content::Count("subordinates")),
];

const SITES: &[Column] = &[
    REALM,
    column("点位", "site", Content::Text("site_id")),
    column("班次", "shift", Content::Text("shift")),
    column("名称", "name", Content::Text("name")),
    column("类型", "kind", Content::Word("kind", "SiteKind")),
    column("辖区", "area", Content::Text("area_id")),
    column("已派/席位", "filled/seats", Content::Fraction("filled", "seats")),
    column("在岗", "present", Content::Count("present")),
    column("未到", "no-shows", Content::Count("no_shows")),
    column("最近到岗", "last check-in", Content::Time("last_check_in_ms")),
    column("风险", "risk", Content::Word("risk", "RiskLevel")),
    column("预计到齐", "full from", Content::Time("expected_full_from_ms")),
    column("最迟", "to", Content::Time("expected_full_until_ms")),
];

const WHISTLES: &[Column] = &[
    REALM,
    column("哨", "whistle", Content::Text("whistle_id")),
    column("状态", "status", Content::Word("status", "WhistleStatus")),
    column("程度", "severity", Content::Word("severity", "Severity")),
    column("辖区", "area", Content::Text("area_id")),
    column("地点", "place", Content::Text("place")),
    column("需求", "needs", Content::Needs),
    column("责任层级", "level", Content::Word("level", "AreaLevel")),
    column("吹哨时间", "blown at", Content::Time("blown_at_ms")),
];

const CALLS: &[Column] = &[
    REALM,
    column("征调", "call", Content::Text("call_id")),
    column("阶段", "phase", Content::Word("phase", "CallPhase")),
    column("人员", "person", Content::Text("responder_id")),
    column("单位", "organization", Content::Text("organization_id")),
    column("辖区", "area", Content::Text("area_id")),
    column("点位", "site", Content::Text("site_id")),
    column("席位", "seat", Content::Text("seat_id")),
    column("哨", "whistle", Content::Text("whistle_id")),
    column("征调时间", "called at", Content::Time("called_at_ms")),
    column("到岗时间", "arrived at", Content::Time("arrived_at_ms")),
    column("逾期", "overdue", Content::Flag("overdue")),
    column("渠道", "channel", Content::Word("channel", "DeliveryChannel")),
    column("班次", "shift", Content::Text("shift_id")),
    column("本项办结", "part done", Content::Flag("part_confirmed")),
    column("到位/应到", "present/asked", Content::Fraction("present", "quantity")),
];

const RESPONDERS: &[Column] = &[
    REALM,
    column("人员", "person", Content::Text("responder_id")),
    column("状态", "state", Content::Word("state", "ResponderState")),
    column("身份", "kind", Content::Word("kind", "ResponderKind")),
    column("所属辖区", "home area", Content::Text("home_area_id")),
    column("岗位辖区", "post's area", Content::Text("post_area_id")),
    column("单位", "organization", Content::Text("organization_id")),
    column("征调", "call", Content::Text("call_id")),
    column("编组", "unit", Content::Text("unit_id")),
    column("点位", "site", Content::Text("site_id")),
    column("哨", "whistle", Content::Text("whistle_id")),
    column("最近见到", "last seen", Content::Time("last_seen_ms")),
    column("已干时长", "worked", Content::Hours("worked_ms")),
    column("疲劳", "fatigue", Content::Word("fatigue", "FatigueLevel")),
    column("休满时间", "rested at", Content::Time("rested_at_ms")),
    column("未确认安全", "unaccounted", Content::Flag("unaccounted")),
];

/// Words that `proto/` has no comment for.
const WORDS: &[(&str, &str)] = &[
    ("SEVERITY_MINOR", "一般"),
    ("SEVERITY_MODERATE", "较重"),
    ("SEVERITY_SEVERE", "严重"),
    ("SEVERITY_EXTREME", "特别严重"),
    ("WHISTLE_STATUS_BLOWN", "已吹哨"),
    ("WHISTLE_STATUS_ACKNOWLEDGED", "已接哨"),
    ("WHISTLE_STATUS_DISPATCHING", "调度中"),
    ("WHISTLE_STATUS_PARTLY_FILLED", "部分到位"),
    ("WHISTLE_STATUS_RATED", "已评价"),
    ("WHISTLE_STATUS_MERGED", "已并入"),
    ("WHISTLE_STATUS_WITHDRAWN", "已撤回"),
    ("GAP_REASON_NO_DESIGNATION", "预案未定人"),
    ("GAP_REASON_UNAVAILABLE", "请假、病产、出差或隔离"),
    ("GAP_REASON_WITHDRAWN", "已退出"),
    ("GAP_REASON_RESERVED", "单位留用"),
    ("GAP_REASON_ON_OTHER_DUTY", "已有任务"),
    ("GAP_REASON_DECLINED", "谢绝"),
    ("GAP_REASON_NO_SHOW", "未到岗"),
    ("GAP_REASON_UNANSWERED", "未答复"),
    ("GAP_REASON_TAKEN_BY_INCIDENT", "被其他事件征用"),
    ("GAP_REASON_NO_CANDIDATE", "无人可选"),
    ("DELIVERY_CHANNEL_APP", "应用"),
    ("DELIVERY_CHANNEL_SMS", "短信"),
    ("DELIVERY_CHANNEL_NAMED_CONTACT", "托人电话"),
    ("FATIGUE_LEVEL_AMBER", "黄色"),
    ("FATIGUE_LEVEL_RED", "红色"),
];

/// The columns of a view: for one that is not of Muster itself those that its rows have.
pub(super) fn columns(view: &str, rows: &[Value]) -> Vec<Column> {
    own_columns(view).map_or_else(|| columns_of(rows), <[Column]>::to_vec)
}

/// Of a view that another crate wrote: a column for each member that some row has, under its own name, but where the row last changed.
fn columns_of(rows: &[Value]) -> Vec<Column> {
    let members: BTreeSet<&str> = rows.iter().filter_map(Value::as_object).flatten().map(|(name, _)| name.as_str()).collect();
    let own = members.into_iter().filter(|name| !["realm", "position", "change"].contains(name));
    let of = |name: &str| Column { zh: name.to_owned().into(), en: name.to_owned().into(), content: Content::Any(name.to_owned()) };
    std::iter::once(REALM).chain(own.map(of)).collect()
}

fn own_columns(view: &str) -> Option<&'static [Column]> {
    match view {
        "coverage" => Some(COVERAGE),
        "units" => Some(UNITS),
        "sites" => Some(SITES),
        "whistles" => Some(WHISTLES),
        "calls" => Some(CALLS),
        "responders" => Some(RESPONDERS),
        _ => None,
    }
}

/// The rows as a table.
pub(super) fn render(columns: &[Column], rows: &[Value], lang: Lang) -> String {
    let descriptors = Descriptors::read();
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(columns.iter().map(|column| Cell::new(if lang == Lang::Zh { &column.zh } else { &column.en })));
    for row in rows {
        table.add_row(columns.iter().map(|column| cell(&descriptors, column, row, lang)));
    }
    table.to_string()
}

fn cell(descriptors: &Descriptors, column: &Column, row: &Value, lang: Lang) -> Cell {
    let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
    let count = |key: &str| row[key].as_str().unwrap_or("0").to_owned();
    match &column.content {
        Content::Text(key) => Cell::new(text(key)),
        Content::Count(key) => Cell::new(count(key)).set_alignment(CellAlignment::Right),
        Content::Word(key, of) => Cell::new(word(descriptors, of, &text(key), lang)),
        Content::Time(key) => Cell::new(time(&count(key))),
        Content::Fraction(part, whole) => Cell::new(format!("{}/{}", count(part), count(whole))).set_alignment(CellAlignment::Right),
        Content::Hours(key) => Cell::new(hours(&count(key))).set_alignment(CellAlignment::Right),
        Content::Flag(key) if row[key].as_bool().unwrap_or_default() => Cell::new(if lang == Lang::Zh { "是" } else { "yes" }),
        Content::Flag(_) => Cell::new(""),
        Content::Share(part, whole) => Cell::new(share(&count(part), &count(whole))).set_alignment(CellAlignment::Right),
        Content::Needs => Cell::new(needs(row)),
        Content::Realm => Cell::new(realm(&text("realm"), lang)),
        Content::Any(key) => match &row[key] {
            Value::Null => Cell::new(""),
            Value::String(text) => Cell::new(text),
            Value::Number(number) => Cell::new(number).set_alignment(CellAlignment::Right),
            other => Cell::new(other),
        },
    }
}

/// Short, for it stands in every line.
fn realm(realm: &str, lang: Lang) -> String {
    match (realm == muster_proto::ACTUAL, lang) {
        (true, Lang::Zh) => "实战".to_owned(),
        (true, Lang::En) => "actual".to_owned(),
        (false, Lang::Zh) => format!("演练 {realm}"),
        (false, Lang::En) => format!("EXERCISE {realm}"),
    }
}

/// Rounded down, so that 100% means all.
pub(super) fn share(part: &str, whole: &str) -> String {
    match (part.parse::<u64>(), whole.parse::<u64>()) {
        (Ok(part), Ok(whole)) if whole > 0 => format!("{}%", part * 100 / whole),
        _ => "-".to_owned(),
    }
}

/// What a whistle asks for, and what of it is there: `急救 1/2 人、沙袋 0/200 件`.
fn needs(row: &Value) -> String {
    let needs = row["needs"].as_array().map(Vec::as_slice).unwrap_or_default();
    let one = |need: &Value| {
        let text = |key: &str| need[key].as_str().unwrap_or_default();
        let what = if text("item").is_empty() { text("specialty") } else { text("item") };
        let count = |key: &str| need[key].as_str().unwrap_or("0").to_owned();
        format!("{what} {}/{} {}", count("filled"), count("quantity"), text("unit")).trim().to_owned()
    };
    needs.iter().map(one).collect::<Vec<_>>().join("、")
}

/// An enumeration's value as a word: in Chinese the one that `proto/` gives in its comment.
pub(super) fn word(descriptors: &Descriptors, of: &str, name: &str, lang: Lang) -> String {
    let Some(enumeration) = descriptors.enumerations.get(of) else { return name.to_owned() };
    if name.ends_with("_UNSPECIFIED") {
        return String::new();
    }
    let own = WORDS.iter().find(|(known, _)| *known == name).map(|(_, word)| (*word).to_owned());
    let comment = || enumeration.values.iter().find(|(known, _)| known == name).map(|(_, comment)| comment.clone());
    let chinese = |text: &String| text.chars().next().is_some_and(|first| !first.is_ascii());
    match lang {
        Lang::Zh => own.or_else(|| comment().filter(chinese)).unwrap_or_else(|| plain(enumeration, name)),
        Lang::En => plain(enumeration, name),
    }
}

/// `UNIT_KIND_VANGUARD_TEAM` → `vanguard team`.
fn plain(enumeration: &crate::descriptors::Enumeration, name: &str) -> String {
    let prefix = enumeration.values.first().and_then(|(first, _)| first.strip_suffix("UNSPECIFIED")).unwrap_or_default();
    name.strip_prefix(prefix).unwrap_or(name).to_ascii_lowercase().replace('_', " ")
}

/// `8:05` of milliseconds; `-` for none.
fn hours(ms: &str) -> String {
    match ms.parse::<i64>() {
        Ok(ms) if ms != 0 => format!("{}:{:02}", ms / 3_600_000, ms / 60_000 % 60),
        _ => "-".to_owned(),
    }
}

/// Milliseconds as a time in China; `-` for none.
pub(super) fn time(ms: &str) -> String {
    match ms.parse::<i64>() {
        Ok(ms) if ms != 0 => crate::time::in_china(ms),
        _ => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn words_come_from_the_contract() {
        let descriptors = Descriptors::read();
        assert_eq!(word(&descriptors, "UnitKind", "UNIT_KIND_VANGUARD_TEAM", Lang::Zh), "先锋队");
        assert_eq!(word(&descriptors, "UnitKind", "UNIT_KIND_VANGUARD_TEAM", Lang::En), "vanguard team");
        assert_eq!(word(&descriptors, "WhistleStatus", "WHISTLE_STATUS_FILLED", Lang::Zh), "到齐");
        assert_eq!(word(&descriptors, "Severity", "SEVERITY_SEVERE", Lang::Zh), "严重");
        assert_eq!(word(&descriptors, "DeliveryChannel", "DELIVERY_CHANNEL_SMS", Lang::Zh), "短信");
        // Nothing is said of what is not there.
        assert_eq!(word(&descriptors, "FatigueLevel", "FATIGUE_LEVEL_UNSPECIFIED", Lang::Zh), "");
    }

    #[test]
    fn columns_line_up_whatever_the_script() {
        let rows = [json!({"area_id": "4408", "name": "湛江市", "required": "12"}), json!({"area_id": "a", "name": "x"})];
        let table = render(&columns("coverage", &rows), &rows, Lang::Zh);
        let widths: Vec<_> = table.lines().map(unicode_width::UnicodeWidthStr::width).collect();
        assert!(widths.windows(2).all(|pair| pair[0] == pair[1]), "{table}");
        assert!(table.contains("湛江市") && table.contains("缺口"));
    }

    #[test]
    fn a_view_of_another_crate_has_a_column_for_each_member() {
        let rows =
            [json!({"realm": "actual", "position": "7", "area_id": "g-1", "on_post": 3}), json!({"realm": "drill", "specialty": "急救"})];
        let table = render(&columns("elsewhere", &rows), &rows, Lang::En);
        let header: Vec<_> = table.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(header, ["realm", "area_id", "on_post", "specialty"], "{table}");
        assert!(table.contains("g-1") && table.contains('3') && table.contains("EXERCISE drill") && table.contains("急救"), "{table}");
    }

    #[test]
    fn every_column_reads_a_member_that_the_row_has() {
        let descriptors = Descriptors::read();
        for (view, message) in crate::openapi::VIEW_ROWS {
            let message = descriptors.message(message).unwrap();
            let has = |name: &str| assert!(message.fields.iter().any(|field| field.name == name), "{view} has no {name}");
            for column in own_columns(view).unwrap() {
                match &column.content {
                    Content::Text(key)
                    | Content::Count(key)
                    | Content::Time(key)
                    | Content::Hours(key)
                    | Content::Flag(key)
                    | Content::Word(key, _) => has(key),
                    Content::Fraction(part, whole) | Content::Share(part, whole) => [part, whole].into_iter().for_each(|name| has(name)),
                    Content::Needs => has("needs"),
                    Content::Realm => has("realm"),
                    Content::Any(_) => unreachable!("these are of other views"),
                }
            }
        }
    }
}
