//! Why, in words: one sentence for each line of a fill proposal and each need that stays unfilled, in both languages.

use serde_json::Value;

use crate::words::{Lang, Words};

/// Milliseconds in a minute.
const MINUTE_MS: i64 = 60_000;

fn count(row: &Value, name: &str) -> u64 {
    row[name].as_u64().unwrap_or_default()
}

/// 64-bit numbers are strings in JSON.
fn long(row: &Value, name: &str) -> i64 {
    row[name].as_str().and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn is(row: &Value, name: &str) -> bool {
    row[name].as_bool().unwrap_or_default()
}

/// The sentence of one line.
pub(super) fn reason(row: &Value) -> Words {
    let (mut zh, mut en) = (Vec::new(), Vec::new());
    let mut say = |first: String, second: String| {
        zh.push(first);
        en.push(second);
    };
    let severity = severity(row["severity"].as_str().unwrap_or_default());
    let minutes = long(row, "waited_ms") / MINUTE_MS;
    let life = if is(row, "life_threatening") { ("危及生命，", "threat to life, ") } else { ("", "") };
    say(
        format!("{}{}级哨，已等 {minutes} 分钟", life.0, severity.0),
        format!("{}{} whistle, waiting for {minutes} min", life.1, severity.1),
    );
    if is(row, "specialty_match") {
        say("特长相符".to_owned(), "has the specialty".to_owned());
    }
    match count(row, "distance") {
        0 => say("本辖区".to_owned(), "of the same area".to_owned()),
        levels => say(format!("上溯 {levels} 级辖区"), format!("{levels} level(s) up the tree")),
    }
    if count(row, "meters") > 0 {
        let kilometers = count(row, "meters") as f64 / 1_000.0;
        say(format!("约 {kilometers:.1} 公里"), format!("about {kilometers:.1} km"));
    }
    if is(row, "on_standby") {
        say("在备勤".to_owned(), "stands by".to_owned());
    }
    say(format!("此前任务 {} 次", count(row, "load")), format!("{} duties so far", count(row, "load")));
    if is(row, "release_required") {
        let donor = row["donor_area_id"].as_str().unwrap_or_default();
        say(format!("跨区，须经 {donor} 放行"), format!("of another area: {donor} must release"));
    }
    let (next_zh, next_en) = runner_up(row);
    Words::new(format!("{}；{next_zh}", zh.join("，")), format!("{}; {next_en}", en.join(", ")))
}

fn severity(name: &str) -> (&'static str, &'static str) {
    match name {
        "SEVERITY_EXTREME" => ("特别严重", "extreme"),
        "SEVERITY_SEVERE" => ("严重", "severe"),
        "SEVERITY_MODERATE" => ("中等", "moderate"),
        _ => ("轻微", "minor"),
    }
}

fn runner_up(row: &Value) -> (String, String) {
    let other = row["runner_up_responder_id"].as_str().unwrap_or_default();
    let decided = match row["difference"].as_str().unwrap_or_default() {
        "FILL_DIFFERENCE_NOBODY_ELSE" => return ("没有其他人选".to_owned(), "nobody else could come".to_owned()),
        "FILL_DIFFERENCE_NEEDED_ELSEWHERE" => ("别处更需要", "is needed more elsewhere"),
        "FILL_DIFFERENCE_RELEASE" => ("须跨区放行", "would have to be released by another area"),
        "FILL_DIFFERENCE_DISTANCE" | "FILL_DIFFERENCE_METERS" => ("更远", "is further away"),
        "FILL_DIFFERENCE_STANDBY" => ("不在备勤", "does not stand by"),
        "FILL_DIFFERENCE_LOAD" => ("此前任务更多", "has had more duties"),
        _ => ("条件相同，登记在后", "is equal and was enrolled later"),
    };
    (format!("次选 {other} {}", decided.0), format!("next would be {other}, who {}", decided.1))
}

/// Why a need stays without people, and where people live who could be released.
pub(super) fn unfilled(row: &Value) -> Words {
    let (zh, en) = why_unfilled(row["reason"].as_str().unwrap_or_default());
    let donors = row["donors"].as_array().map(Vec::as_slice).unwrap_or_default();
    let (mut zh, mut en) = (zh.to_owned(), en.to_owned());
    for donor in donors {
        let (area, people) = (donor["area_id"].as_str().unwrap_or_default(), count(donor, "people"));
        zh.push_str(&format!("，{area} 有 {people} 人"));
        en.push_str(&format!(", {people} in {area}"));
    }
    Words::new(zh, en)
}

fn why_unfilled(reason: &str) -> (&'static str, &'static str) {
    match reason {
        "UNFILLED_REASON_NOBODY_WITH_SPECIALTY" => ("名册中没有（更多）符合条件的人", "nobody (else) enrolled has what is asked for"),
        "UNFILLED_REASON_ON_DUTY" => ("符合条件的人都有任务或在岗", "those who fit have duties or are on post"),
        "UNFILLED_REASON_RESTING" => ("符合条件的人须先休息", "those who fit are due a rest"),
        "UNFILLED_REASON_UNAVAILABLE" => ("符合条件的人不可调度或被单位留用", "those who fit are absent or kept back"),
        "UNFILLED_REASON_ASKED_BEFORE" => ("符合条件的人都已问过", "all who fit were asked before"),
        "UNFILLED_REASON_NEEDED_ELSEWHERE" => ("符合条件的人派往更紧急的哨", "those who fit are proposed for graver whistles"),
        "UNFILLED_REASON_RELEASE_REQUIRED" => {
            ("能来的人在外辖区，须先请其放行", "those who could come live in other areas, which must release them first")
        }
        "UNFILLED_REASON_FLOOR" => ("再调人则当地低于留守底数", "their area would fall below its floor"),
        _ => ("一次提名的人数有限，先提更紧急的", "one proposal takes up only so many, the graver came first"),
    }
}

/// A line that the rules spoke against at once.
pub(super) fn refused(row: &Value, lang: Lang) -> String {
    let text = |name: &str| row[name].as_str().unwrap_or_default();
    let (line, who, code) = (text("line_id"), text("responder_id"), text("code"));
    match lang {
        Lang::Zh => format!("{line}：{who} 现在不能来（{code}），请换人"),
        Lang::En => format!("{line}: {who} cannot come now ({code}), choose somebody else"),
    }
}

/// What to do with it.
pub(super) fn summary(proposal: &Value, lines: usize, unfilled: usize, lang: Lang) -> String {
    let text = |name: &str| proposal[name].as_str().unwrap_or_default();
    let (id, realm) = (text("proposal_id"), text("realm"));
    let exercise = if realm == muster_proto::ACTUAL { String::new() } else { format!("【演练 EXERCISE {realm}】") };
    match lang {
        Lang::Zh => format!("{exercise}建议 {id}：{lines} 条，{unfilled} 项需求仍缺人。未调动任何人；用 muster send DecideFill 逐条决定。"),
        Lang::En => {
            format!(
                "{exercise}proposal {id}: {lines} lines, {unfilled} needs still short. Nobody was moved; decide with muster send DecideFill."
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_reason_names_what_was_weighed_and_who_was_next() {
        let row = json!({"severity": "SEVERITY_EXTREME", "life_threatening": true, "waited_ms": "720000", "specialty_match": true, "distance": 2,
            "meters": 3400, "load": 1, "release_required": true, "donor_area_id": "440803", "runner_up_responder_id": "r-2",
            "difference": "FILL_DIFFERENCE_LOAD"});
        let words = reason(&row);
        assert_eq!(
            words.zh,
            "危及生命，特别严重级哨，已等 12 分钟，特长相符，上溯 2 级辖区，约 3.4 公里，此前任务 1 次，跨区，须经 440803 放行；次选 r-2 此前任务更多"
        );
        assert_eq!(
            words.en,
            "threat to life, extreme whistle, waiting for 12 min, has the specialty, 2 level(s) up the tree, about 3.4 km, 1 duties so far, \
             of another area: 440803 must release; next would be r-2, who has had more duties"
        );
    }

    #[test]
    fn who_would_have_to_be_released_is_counted_by_area() {
        let row = json!({"reason": "UNFILLED_REASON_RELEASE_REQUIRED", "donors": [{"area_id": "440803", "people": 2}, {"area_id": "440804", "people": 1}]});
        let words = unfilled(&row);
        assert_eq!(words.zh, "能来的人在外辖区，须先请其放行，440803 有 2 人，440804 有 1 人");
        assert_eq!(words.en, "those who could come live in other areas, which must release them first, 2 in 440803, 1 in 440804");
    }

    /// Every reason that the contract has is said in words of its own.
    #[test]
    fn every_reason_has_words() {
        let mut seen = std::collections::BTreeSet::new();
        for number in 1..=9 {
            let reason = muster_proto::v1::UnfilledReason::try_from(number).expect("the contract has nine");
            assert!(seen.insert(unfilled(&json!({"reason": reason.as_str_name()})).zh), "{reason:?}");
        }
        let mut seen = std::collections::BTreeSet::new();
        for number in 1..=8 {
            let difference = muster_proto::v1::FillDifference::try_from(number).expect("the contract has eight");
            let words = runner_up(&json!({"difference": difference.as_str_name()}));
            assert!(seen.insert(words.1) || difference == muster_proto::v1::FillDifference::Meters, "{difference:?}");
        }
    }
}
