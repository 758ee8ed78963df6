//! `muster report`: the report of one incident, as a page for people or as JSON. Its first line says whether it tells of real life or of an
//! exercise, and so does its last.

use std::fmt::Write as _;
use std::process::ExitCode;

use serde_json::Value;

use super::args::ReportArgs;
use super::client::Client;
use super::error::CliError;
use super::{print, table};
use crate::descriptors::Descriptors;
use crate::words::Lang;

pub(super) async fn run(args: ReportArgs, lang: Lang) -> Result<ExitCode, CliError> {
    let client = Client::new(&args.server, lang);
    let report = client.get_json(&format!("/v1/incidents/{}/report", args.incident), &[]).await?;
    if args.json {
        print::line(&report.to_string());
    } else {
        print::line(page(&Descriptors::read(), &report, lang).trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

/// 演练 or 实战, with the realm: nobody may take the one for the other.
pub(super) fn mark(realm: &str) -> String {
    if realm == muster_proto::ACTUAL { "【实战 ACTUAL】".to_owned() } else { format!("【演练 EXERCISE · {realm}】") }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn count<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or("0")
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Headings and labels stand in both languages, values in the one asked for.
fn page(descriptors: &Descriptors, report: &Value, lang: Lang) -> String {
    let mut page = String::new();
    let mut line = |text: &str| writeln!(page, "{text}").expect("a String takes it");
    let word = |of: &str, name: &str| table::word(descriptors, of, name, lang);
    let mark = mark(text(report, "realm"));
    line(&format!("{mark} 应急事件报告 · Incident report"));
    line(&format!("{}  {}", text(report, "incident_id"), text(report, "name")));
    line(&format!(
        "类型 type {}  辖区 area {}  程度 severity {}  宣布 declared {}  关闭 closed {}",
        word("IncidentType", text(report, "incident_type")),
        text(report, "area_id"),
        word("Severity", text(report, "severity")),
        table::time(count(report, "declared_at_ms")),
        table::time(count(report, "closed_at_ms")),
    ));
    line("");
    line("征调 · Calls to people");
    let figures = [
        ("征调", "calls", "calls"),
        ("人数", "people", "people_called"),
        ("应召", "accepted", "accepted"),
        ("谢绝", "declined", "declined"),
        ("未答复", "unanswered", "unanswered"),
        ("未到岗", "no-shows", "no_shows"),
        ("到岗", "on post", "on_post"),
        ("到岗人数", "people on post", "people_on_post"),
    ];
    line(&labelled(report, &figures));
    let figures = [
        ("送达尝试", "deliveries", "deliveries"),
        ("送达失败", "failed", "deliveries_failed"),
        ("转电话联系", "to telephone", "calls_to_telephone"),
        ("成组征调", "groups", "groups_called"),
        ("成组人次", "called in groups", "group_calls"),
    ];
    line(&labelled(report, &figures));
    line(&took("征调到答复 · call to reply", &report["to_reply"]));
    line(&took("征调到到岗 · call to on post", &report["to_on_post"]));
    line("");
    line("缺口 · Gaps by reason");
    let gaps = list(report, "gaps");
    gaps.iter().for_each(|gap| line(&format!("  {}  {}", word("GapReason", text(gap, "reason")), count(gap, "count"))));
    none(gaps, &mut line);
    line("");
    line(&format!("吹哨 · Whistles  提级 escalations {}", count(report, "escalations")));
    let whistles = list(report, "whistles");
    whistles.iter().for_each(|whistle| line(&whistle_line(whistle, &word)));
    none(whistles, &mut line);
    line("");
    line("部门报到 · Organizations");
    let figures = [
        ("通知", "called", "organizations_called"),
        ("已报到", "reported in", "organizations_reported_in"),
        ("谢绝", "declined", "organizations_declined"),
    ];
    line(&labelled(report, &figures));
    let overdue = list(report, "organizations_overdue");
    for known in overdue {
        let phase = word("CallPhase", text(known, "phase"));
        let (organization, call) = (text(known, "organization_id"), text(known, "call_id"));
        line(&format!("  逾期 overdue  {organization}  {call}  缺 missing {}  {phase}", count(known, "missing")));
    }
    line("");
    duties(report, &mut line);
    line("");
    line("避险 · Shelter");
    let figures = [
        ("召回", "recalls", "recalls"),
        ("召回人次", "called in", "shelter_ordered"),
        ("确认安全", "confirmed safe", "shelter_confirmed"),
        ("始终未确认", "never confirmed", "shelter_unaccounted"),
    ];
    line(&labelled(report, &figures));
    line("");
    line(&format!("{mark} 截至位置 as of position {}；北京时间 times are UTC+8", count(report, "position")));
    page
}

fn duties(report: &Value, line: &mut impl FnMut(&str)) {
    line("跨区增援 · Reinforcement");
    let figures = [
        ("请求", "requested", "reinforcements_requested"),
        ("同意", "granted", "reinforcements_granted"),
        ("放行人数", "people", "reinforcement_people"),
        ("拒绝", "refused", "reinforcements_refused"),
        ("逾期未答", "lapsed", "reinforcements_lapsed"),
        ("上提一级", "one level up", "reinforcements_raised"),
    ];
    line(&labelled(report, &figures));
    line("");
    line("班次 · Shifts");
    line(&labelled(report, &[("延留", "held", "shifts_held"), ("豁免关闭", "closed by waiver", "shifts_waived")]));
}

fn labelled(report: &Value, figures: &[(&str, &str, &str)]) -> String {
    let one = |(zh, en, key): &(&str, &str, &str)| format!("{zh} {en} {}", count(report, key));
    format!("  {}", figures.iter().map(one).collect::<Vec<_>>().join("  "))
}

fn took(label: &str, durations: &Value) -> String {
    let (median, p90) = (span(count(durations, "median_ms")), span(count(durations, "p90_ms")));
    format!("  {label}：中位 median {median}  九成以内 p90 {p90}  （{}）", count(durations, "count"))
}

/// `1:02:03` of milliseconds.
fn span(ms: &str) -> String {
    let seconds = ms.parse::<i64>().unwrap_or_default() / 1_000;
    format!("{}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

fn none(items: &[Value], line: &mut impl FnMut(&str)) {
    if items.is_empty() {
        line("  无 none");
    }
}

fn whistle_line(whistle: &Value, word: &impl Fn(&str, &str) -> String) -> String {
    let spell = |spell: &Value| {
        let seconds = count(spell, "seconds").parse::<i64>().unwrap_or_default();
        format!("{} {}", word("AreaLevel", text(spell, "level")), span(&(seconds * 1_000).to_string()))
    };
    let levels = list(whistle, "level_times").iter().map(spell).collect::<Vec<_>>().join(" → ");
    format!(
        "  {}  {}  {}  {}  吹哨 blown {}  到齐 filled {}  {levels}",
        text(whistle, "whistle_id"),
        text(whistle, "area_id"),
        word("Severity", text(whistle, "severity")),
        word("WhistleStatus", text(whistle, "status")),
        table::time(count(whistle, "blown_at_ms")),
        table::time(count(whistle, "filled_at_ms")),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_and_the_last_line_say_what_it_is_of() {
        let of = |realm: &str| page(&Descriptors::read(), &json!({"realm": realm, "incident_id": "i", "position": "7"}), Lang::Zh);
        for (realm, mark) in [("actual", "【实战 ACTUAL】"), ("drill-1", "【演练 EXERCISE · drill-1】")] {
            let page = of(realm);
            let marked: Vec<_> = page.lines().filter(|line| line.starts_with(mark)).collect();
            assert_eq!((marked.len(), page.lines().next().map(|line| line.starts_with(mark))), (2, Some(true)), "{page}");
            assert_eq!(page.contains("演练"), realm != "actual", "{page}");
        }
    }

    #[test]
    fn figures_stand_with_their_labels_and_spans_read_as_time() {
        let report = json!({
            "realm": "actual", "calls": "12", "to_reply": {"count": "9", "median_ms": "61000", "p90_ms": "3723000"},
            "gaps": [{"reason": "GAP_REASON_DECLINED", "count": "2"}],
            "whistles": [{"whistle_id": "w1", "level_times": [{"level": "AREA_LEVEL_VILLAGE", "seconds": "90"}]}],
        });
        let page = page(&Descriptors::read(), &report, Lang::Zh);
        for part in ["征调 calls 12", "中位 median 0:01:01  九成以内 p90 1:02:03", "村社区 0:01:30", "谢绝  2"] {
            assert!(page.contains(part), "{part}: {page}");
        }
    }
}
