//! The subjects of the stream: `muster.evt.<realm>.<city>.<county>.<township>.<village>.<grid>.<aggregate>.<event>`.
//!
//! Owns how an id becomes a token and how a subtree of areas becomes a filter. Each subject has the same ten tokens,
//! is ASCII, and is shorter than 256 characters whatever the ids are. It must never map two ids to one token.

use std::fmt::Write as _;

use muster_proto::v1::{AreaPath, Envelope};
use muster_proto::{DecodeError, aggregate_of};

use crate::limits::TOKEN_CHARS_MAX;
use crate::record::{LEVELS, RecordHead, names_of};

/// What all subjects begin with.
pub const PREFIX: &str = "muster.evt";

/// The token of a level that is not reached or skipped.
const NO_LEVEL: &str = "_";

/// The subject of a record.
///
/// # Errors
/// [`DecodeError::Missing`] or [`DecodeError::UnknownEvent`] for an envelope without realm or event, which
/// [`muster_proto::decode`] lets nobody have.
pub fn subject(envelope: &Envelope) -> Result<String, DecodeError> {
    let event = envelope.event.as_ref().ok_or(DecodeError::UnknownEvent)?;
    if envelope.realm.is_empty() {
        return Err(DecodeError::Missing("realm"));
    }
    let none = AreaPath::default();
    let path = levels(envelope.area_path.as_ref().unwrap_or(&none));
    build(&envelope.realm, &path, event.tag())
}

pub(crate) fn subject_of(head: &RecordHead<'_>) -> Result<String, DecodeError> {
    build(head.realm, &head.path, head.event_tag)
}

fn build(realm: &str, path: &[&str; LEVELS], event_tag: u32) -> Result<String, DecodeError> {
    let (_, event) = names_of(event_tag).ok_or(DecodeError::UnknownEvent)?;
    let mut subject = String::with_capacity(128);
    subject.push_str(PREFIX);
    push_token(&mut subject, realm);
    for id in path {
        push_token(&mut subject, id);
    }
    for name in [aggregate_of(event_tag).as_str(), event] {
        subject.push('.');
        subject.push_str(name);
    }
    Ok(subject)
}

/// The filter of everything that takes effect in an area and below it: the path is the area's own, `realm` is one
/// realm or none for all. An empty path stands for every area, and for what has no area at all.
#[must_use]
pub fn area_filter(realm: Option<&str>, path: &AreaPath) -> String {
    let mut filter = PREFIX.to_owned();
    match realm {
        Some(realm) => push_token(&mut filter, realm),
        None => filter.push_str(".*"),
    }
    let levels = levels(path);
    let depth = levels.iter().rposition(|id| !id.is_empty()).map_or(0, |last| last + 1);
    for id in &levels[..depth] {
        push_token(&mut filter, id);
    }
    filter.push_str(".>");
    filter
}

/// As [`area_filter`], narrowed to one aggregate (`whistle`) and, within it, to one event (`whistle_blown`). Every
/// subject has the same number of tokens, so that one filter takes the whole subtree.
#[must_use]
pub fn event_filter(realm: Option<&str>, path: &AreaPath, aggregate: &str, event: Option<&str>) -> String {
    let mut filter = area_filter(realm, path);
    filter.truncate(filter.len() - 2);
    let tokens = filter.split('.').count();
    for _ in tokens..PREFIX.split('.').count() + 1 + LEVELS {
        filter.push_str(".*");
    }
    push_token(&mut filter, aggregate);
    match event {
        Some(event) => push_token(&mut filter, event),
        None => filter.push_str(".*"),
    }
    filter
}

pub(crate) fn levels(path: &AreaPath) -> [&str; LEVELS] {
    [&path.city, &path.county, &path.township, &path.village, &path.grid]
}

fn push_token(subject: &mut String, id: &str) {
    subject.push('.');
    push_token_of(subject, id, TOKEN_CHARS_MAX);
}

/// One token. Letters, digits, `-` and `_` stay as they are; any other byte becomes `=` and two hexadecimal digits, and
/// so does a lone `_`, which stands for "none". What gets longer than `chars_max` is cut and told apart by a digest behind
/// `==`, which no other token holds. All of it may stand in the key of a bucket too.
pub(crate) fn push_token_of(subject: &mut String, id: &str, chars_max: usize) {
    let start = subject.len();
    match id {
        "" => subject.push_str(NO_LEVEL),
        NO_LEVEL => subject.push_str("=5F"),
        id => {
            for byte in id.bytes() {
                if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
                    subject.push(char::from(byte));
                } else {
                    write!(subject, "={byte:02X}").expect("a String takes it");
                }
            }
        }
    }
    if subject.len() - start > chars_max {
        let digest = blake3::hash(id.as_bytes()).to_hex();
        subject.truncate(start + chars_max - 18);
        subject.push_str("==");
        subject.push_str(&digest[..16]);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::HashSet;

    use muster_proto::{ENVELOPE_NAMES, Event, v1};

    use super::*;

    fn path(ids: [&str; LEVELS]) -> AreaPath {
        let [city, county, township, village, grid] = ids.map(str::to_owned);
        AreaPath { city, county, township, village, grid }
    }

    fn envelope(realm: &str, ids: [&str; LEVELS]) -> Envelope {
        let event = Event::WhistleBlown(v1::WhistleBlown::default());
        Envelope { realm: realm.into(), area_path: Some(path(ids)), event: Some(event), ..Default::default() }
    }

    #[test]
    fn levels_not_reached_or_skipped_are_an_underscore() {
        let whole = subject(&envelope("actual", ["4408", "440802", "440802001", "440802001001", "g1"])).unwrap();
        assert_eq!(whole, "muster.evt.actual.4408.440802.440802001.440802001001.g1.whistle.whistle_blown");
        let skipped = subject(&envelope("drill", ["4408", "", "440802001", "", ""])).unwrap();
        assert_eq!(skipped, "muster.evt.drill.4408._.440802001._._.whistle.whistle_blown");
        let none = subject(&envelope("actual", [""; LEVELS])).unwrap();
        assert_eq!(none, "muster.evt.actual._._._._._.whistle.whistle_blown");
        assert_eq!(subject(&envelope("", [""; LEVELS])), Err(DecodeError::Missing("realm")));
        assert_eq!(subject(&Envelope { realm: "actual".into(), ..Default::default() }), Err(DecodeError::UnknownEvent));
    }

    /// NATS advises fewer than 256 characters and at most 16 tokens, ASCII without blanks and wildcards.
    #[test]
    fn every_subject_keeps_within_the_rules() {
        let long = "坡头区".repeat(30);
        for (tag, _, _) in ENVELOPE_NAMES {
            for id in [long.as_str(), &"x".repeat(32), "a.b", "a b", "*", ">", "_", "_x", "\u{7f}"] {
                let subject = build(id, &[id; LEVELS], *tag).unwrap();
                assert!(subject.len() < 256, "{} characters: {subject}", subject.len());
                assert!(subject.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'*' && byte != b'>'), "{subject}");
                assert_eq!(subject.split('.').count(), 10, "{subject}");
                assert!(subject.split('.').all(|token| !token.is_empty()), "{subject}");
            }
        }
    }

    #[test]
    fn no_two_ids_share_a_token() {
        let long = "坡头区".repeat(30);
        let longer = "坡头区".repeat(31);
        let ids = ["", "_", "=5F", "a.b", "a=2Eb", "a b", "a_b", "a-b", "A-b", "*", ">", "~", &long, &longer, "440802", "440802 "];
        let mut tokens = HashSet::new();
        for id in ids {
            let mut token = String::new();
            push_token(&mut token, id);
            assert!(tokens.insert(token.clone()), "{id:?} gives {token} again");
        }
    }

    /// Matches as a NATS server does.
    fn matches(filter: &str, subject: &str) -> bool {
        let (mut filter, mut subject) = (filter.split('.'), subject.split('.'));
        loop {
            match (filter.next(), subject.next()) {
                (Some(">"), Some(_)) | (None, None) => return true,
                (Some("*"), Some(_)) => {}
                (Some(wanted), Some(token)) if wanted == token => {}
                _ => return false,
            }
        }
    }

    #[test]
    fn a_filter_takes_the_area_and_what_is_below_it() {
        let county = path(["4408", "440802", "", "", ""]);
        let filter = area_filter(Some("actual"), &county);
        assert_eq!(filter, "muster.evt.actual.4408.440802.>");
        let of = |realm: &str, ids| subject(&envelope(realm, ids)).unwrap();
        assert!(matches(&filter, &of("actual", ["4408", "440802", "", "", ""])));
        assert!(matches(&filter, &of("actual", ["4408", "440802", "440802001", "", "g"])));
        assert!(!matches(&filter, &of("actual", ["4408", "440803", "", "", ""])));
        assert!(!matches(&filter, &of("actual", ["4408", "", "", "", ""])));
        assert!(!matches(&filter, &of("drill", ["4408", "440802", "", "", ""])));
        let any = area_filter(None, &county);
        assert!(matches(&any, &of("drill", ["4408", "440802", "", "", ""])));
        assert_eq!(area_filter(Some("actual"), &AreaPath::default()), "muster.evt.actual.>");
        let grid = area_filter(Some("actual"), &path(["4408", "", "t", "v", "g"]));
        assert_eq!(grid, "muster.evt.actual.4408._.t.v.g.>");
    }

    #[test]
    fn an_event_filter_takes_one_kind_of_the_subtree() {
        let county = path(["4408", "440802", "", "", ""]);
        let whistles = event_filter(Some("actual"), &county, "whistle", None);
        assert_eq!(whistles, "muster.evt.actual.4408.440802.*.*.*.whistle.*");
        let subject = subject(&envelope("actual", ["4408", "440802", "t", "", ""])).unwrap();
        assert!(matches(&whistles, &subject));
        assert!(matches(&event_filter(None, &county, "whistle", Some("whistle_blown")), &subject));
        assert!(!matches(&event_filter(None, &county, "whistle", Some("whistle_rated")), &subject));
        assert!(!matches(&event_filter(None, &county, "call", None), &subject));
    }
}
