//! The texts of messages, in Chinese and English. An exercise says so before anything else. It must never hold a personal field.

use std::fmt::Write as _;

use muster_proto::ACTUAL;
use muster_proto::calendar::{date_of, days_of};

use crate::facts::{Facts, is_answered};
use crate::letter::{Letter, LetterKind};

/// The language of a channel's texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lang {
    /// Simplified Chinese.
    #[default]
    Zh,
    /// English.
    En,
}

/// Title and text of a message.
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
    let mut text = format!("{mark}{title}：{lead}");
    if lang == Lang::En {
        text = format!("{mark}{title}: {lead}");
    }
    details(&mut text, lang, letter, facts);
    (format!("{mark}{title}"), text)
}

fn details(text: &mut String, lang: Lang, letter: &Letter, facts: &Facts) {
    let local = |ms: i64| if ms == 0 { String::new() } else { clock(ms, facts.utc_offset_minutes) };
    let quantity = if facts.quantity == 0 { String::new() } else { facts.quantity.to_string() };
    let whom = matches!(letter.kind, LetterKind::Telephone | LetterKind::Relief);
    let lines = [
        ("人员", "Person", if whom { facts.responder_id.clone() } else { String::new() }),
        ("单位", "Organization", facts.organization_id.clone()),
        ("辖区", "Area", facts.area.clone()),
        ("地点", "Where", if facts.card.r#where.is_empty() { facts.place.clone() } else { facts.card.r#where.clone() }),
        ("席位", "Seat", facts.seat_id.clone()),
        ("向谁报到", "Report to", facts.card.report_to.clone()),
        ("任务", "Task", facts.card.task.clone()),
        ("携带", "Bring", facts.card.bring.clone()),
        ("人数", "People", quantity),
        ("开始", "From", local(facts.from_ms)),
        ("结束", "Until", if facts.until_ms == 0 { facts.card.until.clone() } else { local(facts.until_ms) }),
        ("答复期限", "Answer by", local(facts.reply_due_ms)),
        ("答复", "Answer", if is_answered(letter.kind) { facts.link.clone() } else { String::new() }),
    ];
    for (zh, en, value) in lines.into_iter().filter(|(_, _, value)| !value.is_empty()) {
        match lang {
            Lang::Zh => write!(text, "\n{zh}：{value}"),
            Lang::En => write!(text, "\n{en}: {value}"),
        }
        .expect("a String takes any text");
    }
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
    let day: i64 = parts.next()?.parse().ok()?;
    let name = parts.next()?;
    let month = MONTHS.iter().position(|month| *month == name)?;
    let year: i64 = parts.next().filter(|year| year.len() == 4)?.parse().ok()?;
    let clock: Vec<i64> = parts.next()?.split(':').map(str::parse).collect::<Result<_, _>>().ok()?;
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
        for bad in ["", "120", "Thu, 30 Feb 2024 00:00:01 GMT", "Wed, 21 Oct 15 07:28:00 GMT", "Wed, 21 Oct 2015 07:28 GMT"] {
            assert_eq!(http_date(bad), None, "{bad}");
        }
    }
}
