//! Times as people write them: RFC 3339 in, China Standard Time out. Owns the calendar; it must never read a clock.

use std::fmt::Write as _;

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

/// Year, month and day of a number of days since 1970-01-01, in the proleptic Gregorian calendar.
fn date_of(days: i64) -> (i64, i64, i64) {
    // Counted from 0000-03-01, so that the leap day is the last of its year; 146,097 days are 400 years.
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// The reverse of [`date_of`].
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let month_from_march = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_go_both_ways() {
        for (days, date) in [(0, (1970, 1, 1)), (-1, (1969, 12, 31)), (19_782, (2024, 2, 29)), (20_088, (2024, 12, 31))] {
            assert_eq!(date_of(days), date);
            assert_eq!(days_of(date.0, date.1, date.2), days);
        }
    }

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
