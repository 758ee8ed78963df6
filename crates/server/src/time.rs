//! Times as people write them: RFC 3339 in, China Standard Time out. It must never read a clock.

use std::fmt::Write as _;

use muster_proto::calendar::{date_of, days_of};

const CHINA_OFFSET_S: i64 = 8 * 3600;
const DAY_S: i64 = 86_400;

/// Unix milliseconds as `11-24 10:05:09` in China Standard Time.
#[must_use]
pub fn in_china(ms: i64) -> String {
    let seconds = ms.div_euclid(1000) + CHINA_OFFSET_S;
    let (days, second) = (seconds.div_euclid(DAY_S), seconds.rem_euclid(DAY_S));
    let (_, month, day) = date_of(days);
    let mut text = String::with_capacity(14);
    write!(text, "{month:02}-{day:02} {:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60).expect("a String takes it");
    text
}

/// A number of days since 1970-01-01 as `2026-07-31`.
#[must_use]
pub fn day(days: i64) -> String {
    let (year, month, day) = date_of(days);
    format!("{year:04}-{month:02}-{day:02}")
}

/// RFC 3339 (`2026-07-31T08:00:00+08:00`, with or without a fraction) as Unix milliseconds. A space may stand for the `T`.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    let (date, rest) = (text.get(..10)?, text.get(11..)?);
    if !matches!(text.as_bytes()[10], b'T' | b't' | b' ') {
        return None;
    }
    let [year, month, day] = numbers(date, '-')?;
    let (clock, offset_s) = match rest.strip_suffix(['Z', 'z']) {
        Some(clock) => (clock, 0),
        None => {
            let at = rest.rfind(['+', '-'])?;
            let [hours, minutes] = numbers(&rest[at + 1..], ':')?;
            let offset_s = hours * 3600 + minutes * 60;
            (&rest[..at], if rest.as_bytes()[at] == b'-' { -offset_s } else { offset_s })
        }
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let [hour, minute, second] = numbers(clock, ':')?;
    let valid = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    if !valid || fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let ms: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let seconds = days_of(year, month, day) * DAY_S + hour * 3600 + minute * 60 + second - offset_s;
    // A 31st of a month that has none falls on another day, which is seen by going back.
    (date_of(days_of(year, month, day)) == (year, month, day)).then_some(seconds * 1000 + ms)
}

/// Exactly `N` decimal numbers between separators.
fn numbers<const N: usize>(text: &str, separator: char) -> Option<[i64; N]> {
    let mut found = [0; N];
    let mut parts = text.split(separator);
    for slot in &mut found {
        let part = parts.next().filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()))?;
        *slot = part.parse().ok()?;
    }
    parts.next().is_none().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_shown() {
        assert_eq!(in_china(1_700_000_000_000), "11-15 06:13:20");
        assert_eq!(parse_rfc3339("2023-11-15T06:13:20+08:00"), Some(1_700_000_000_000));
        assert_eq!(parse_rfc3339("2023-11-14T22:13:20Z"), Some(1_700_000_000_000));
        assert_eq!(parse_rfc3339("2023-11-14 22:13:20.5Z"), Some(1_700_000_000_500));
        assert_eq!(parse_rfc3339("1969-12-31T23:59:59-00:00"), Some(-1_000));
        for wrong in [
            "",
            "2023-11-14",
            "2023-13-14T00:00:00Z",
            "2023-02-30T00:00:00Z",
            "2023-11-14T22:13:20",
            "2023-11-14T22:13Z",
            "湛江市人民政府应急",
        ] {
            assert_eq!(parse_rfc3339(wrong), None, "{wrong}");
        }
    }
}
