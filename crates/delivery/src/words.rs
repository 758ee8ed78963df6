//! The texts of messages, in Chinese and English. An exercise says so before anything else. It must never hold a personal field.

use std::fmt::Write as _;

use muster_proto::ACTUAL;
use muster_proto::calendar::{date_of, days_of};

use crate::facts::{Facts, is_answered};
use crate::letter::{Letter, LetterKind};
use crate::limits;

/// The language of a channel's texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lang {
    /// Simplified Chinese.
    #[default]
    Zh,
    /// English.
    En,
}

/// Title and text of a message, which is no longer than [`limits::TEXT_BYTES_MAX`].
pub(crate) fn compose(lang: Lang, letter: &Letter, facts: &Facts) -> (String, String) {
    let pick = |zh: &'static str, en: &'static str| if lang == Lang::Zh { zh } else { en };
    let (title, lead) = match letter.kind {
        LetterKind::Call => (pick("征调通知", "Call to duty"), pick("请按时到岗，并尽快答复。", "Please come in time, and answer soon.")),
        LetterKind::Released => {
            (pick("征调取消", "Call withdrawn"), pick("此征调已结束，您不必到岗。", "The call is over; you need not come."))
        }
        LetterKind::Recalled => {
            (pick("撤岗通知", "Come off post"), pick("请交接后离岗，并登记离岗。", "Please hand over, leave the post and check out."))
        }
        LetterKind::Shelter => (
            pick("紧急避险", "Take shelter"),
            pick("立即停止作业，到安全地点避险，并报平安。", "Stop work now, go to a safe place, and confirm that you are safe."),
        ),
        LetterKind::Telephone => (
            pick("请电话联系", "Please telephone"),
            pick(
                "此人各渠道均未答复，请打电话或上门通知。",
                "This person did not answer on any channel: please ring up or call at the door.",
            ),
        ),
        LetterKind::OrganizationCall => (
            pick("单位出动通知", "Call to an organization"),
            pick("请确认收到，并按时报送到岗人员。", "Please acknowledge, and name the people who will come."),
        ),
        LetterKind::Relief => (pick("要求换班", "Relief demanded"), pick("请安排人员接替。", "Please send somebody to take over.")),
        LetterKind::Unserved => ("", ""),
    };
    let mark = if letter.realm == ACTUAL { "" } else { pick("【演练】", "[EXERCISE] ") };
    let colon = pick("：", ": ");
    let mut text = format!("{mark}{title}{colon}{lead}");
    let mut lines = details(lang, letter, facts);
    let labels: usize = lines.iter().map(|line| 1 + line.label.len() + colon.len()).sum();
    shorten(&mut lines, limits::TEXT_BYTES_MAX.saturating_sub(text.len() + labels));
    for Line { label, value, .. } in &lines {
        write!(text, "\n{label}{colon}{value}").expect("a String takes any text");
    }
    (format!("{mark}{title}"), text)
}

/// A detail of a message.
struct Line {
    label: &'static str,
    value: String,
    /// It is of use as a whole alone: a time, a number, a link.
    is_whole: bool,
}

/// Shortens the longest details until everything has room: whoever is called must find the hours and the link, however long the task is.
fn shorten(lines: &mut [Line], room: usize) {
    let bytes =
        |cap: usize| -> usize { lines.iter().map(|line| if line.is_whole { line.value.len() } else { line.value.len().min(cap) }).sum() };
    if bytes(usize::MAX) <= room {
        return;
    }
    let cap = (0..=room).rev().find(|cap| bytes(*cap) <= room).unwrap_or(0);
    lines.iter_mut().filter(|line| !line.is_whole).for_each(|line| cut(&mut line.value, cap));
}

/// Ends a text that is longer where a letter ends.
fn cut(text: &mut String, bytes_max: usize) {
    if text.len() > bytes_max {
        let mut end = bytes_max.saturating_sub('…'.len_utf8());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str(if bytes_max < '…'.len_utf8() { "" } else { "…" });
    }
}

fn details(lang: Lang, letter: &Letter, facts: &Facts) -> Vec<Line> {
    let local = |ms: i64| if ms == 0 { String::new() } else { clock(ms, facts.utc_offset_minutes) };
    let quantity = if facts.quantity == 0 { String::new() } else { facts.quantity.to_string() };
    let whom = matches!(letter.kind, LetterKind::Telephone | LetterKind::Relief);
    let lines = [
        ("人员", "Person", if whom { facts.responder_id.clone() } else { String::new() }, true),
        ("单位", "Organization", facts.organization_id.clone(), true),
        ("辖区", "Area", facts.area.clone(), false),
        ("地点", "Where", if facts.card.r#where.is_empty() { facts.place.clone() } else { facts.card.r#where.clone() }, false),
        ("席位", "Seat", facts.seat_id.clone(), true),
        ("向谁报到", "Report to", facts.card.report_to.clone(), false),
        ("任务", "Task", facts.card.task.clone(), false),
        ("携带", "Bring", facts.card.bring.clone(), false),
        ("人数", "People", quantity, true),
        ("开始", "From", local(facts.from_ms), true),
        ("结束", "Until", if facts.until_ms == 0 { facts.card.until.clone() } else { local(facts.until_ms) }, facts.until_ms != 0),
        ("答复期限", "Answer by", local(facts.reply_due_ms), true),
        ("答复", "Answer", if is_answered(letter.kind) { facts.link.clone() } else { String::new() }, true),
    ];
    let said = lines.into_iter().filter(|(_, _, value, _)| !value.is_empty());
    said.map(|(zh, en, value, is_whole)| Line { label: if lang == Lang::Zh { zh } else { en }, value, is_whole }).collect()
}

fn parts(ms: i64, offset_minutes: i16) -> ((i64, i64, i64), i64) {
    let seconds = ms.div_euclid(1_000) + i64::from(offset_minutes) * 60;
    (date_of(seconds.div_euclid(86_400)), seconds.rem_euclid(86_400))
}

/// A time as RFC 3339 writes it.
pub(crate) fn rfc3339(ms: i64, offset_minutes: i16) -> String {
    let ((year, month, day), second) = parts(ms, offset_minutes);
    let time = format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60);
    if offset_minutes == 0 {
        return format!("{time}Z");
    }
    let sign = if offset_minutes < 0 { '-' } else { '+' };
    let minutes = offset_minutes.unsigned_abs();
    format!("{time}{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// A time as people read it in a short message.
fn clock(ms: i64, offset_minutes: i16) -> String {
    let ((_, month, day), second) = parts(ms, offset_minutes);
    format!("{month:02}-{day:02} {:02}:{:02}", second / 3_600, second / 60 % 60)
}

/// `Wed, 21 Oct 2015 07:28:00 GMT` as Unix milliseconds.
pub(crate) fn http_date(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut parts = text.strip_suffix(" GMT")?.split_once(", ")?.1.split(' ');
    let number = |text: &str| text.parse::<u8>().ok().map(i64::from);
    let day = number(parts.next()?)?;
    let name = parts.next()?;
    let month = MONTHS.iter().position(|month| *month == name)?;
    let year = i64::from(parts.next().filter(|year| year.len() == 4)?.parse::<u16>().ok()?);
    let clock: Vec<i64> = parts.next()?.split(':').map(number).collect::<Option<_>>()?;
    let [hour, minute, second] = clock[..] else { return None };
    let month = i64::try_from(month).ok()? + 1;
    let days = days_of(year, month, day);
    (date_of(days) == (year, month, day)).then_some((days * 86_400 + hour * 3_600 + minute * 60 + second) * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_local_time() {
        assert_eq!(rfc3339(0, 0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(1_785_456_000_000, 480), "2026-07-31T08:00:00+08:00");
        assert_eq!(rfc3339(1_709_164_800_000, -210), "2024-02-28T20:30:00-03:30");
        assert_eq!(clock(1_785_456_000_000, 480), "07-31 08:00");
    }
    #[test]
    fn dates_of_http_are_read() {
        assert_eq!(http_date("Wed, 21 Oct 2015 07:28:00 GMT"), Some(1_445_412_480_000));
        assert_eq!(http_date("Thu, 29 Feb 2024 00:00:01 GMT"), Some(1_709_164_801_000));
        for bad in [
            "",
            "120",
            "Thu, 30 Feb 2024 00:00:01 GMT",
            "Wed, 21 Oct 15 07:28:00 GMT",
            "Wed, 21 Oct 2015 07:28 GMT",
            "Wed, 9223372036854775807 Oct 2015 07:28:00 GMT",
            "Wed, 21 Oct 2015 9223372036854775807:28:00 GMT",
        ] {
            assert_eq!(http_date(bad), None, "{bad}");
        }
    }
}
