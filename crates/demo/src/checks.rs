//! Questions to the records that need no view: whole positions, whole commands, one duty a person, nothing plain. They know the
//! records alone; they must never ask the domain.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use muster_proto::Event;
use muster_proto::v1::{DutyRole, Envelope};

use crate::city::City;

/// A record that breaks what must hold for every log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A position is not the one after the last.
    #[error("position {found} stands where {expected} belongs")]
    Position {
        /// What belongs there.
        expected: u64,
        /// What stands there.
        found: u64,
    },
    /// The records of a command are not whole: index, count or command differ from what the first one promised.
    #[error("the command of record {position} is not whole: index {index} of {count} where {expected} belongs")]
    Command {
        /// The record.
        position: u64,
        /// Its index.
        index: u32,
        /// Its count.
        count: u32,
        /// The index that belongs there.
        expected: u32,
    },
    /// Two commands have one idempotency key.
    #[error("the command id {id:?} of {principal:?} was carried out twice, again at {position}")]
    CommandTwice {
        /// Whose.
        principal: String,
        /// Which.
        id: String,
        /// The second time's first record.
        position: u64,
    },
    /// Two calls have one id.
    #[error("the call id {id} was given twice, again at {position}")]
    CallTwice {
        /// Which.
        id: String,
        /// The second call's record.
        position: u64,
    },
    /// A person holds two duties at once in one realm.
    #[error("{responder} holds {held} and, from {position} on, {given} in realm {realm}")]
    TwoDuties {
        /// Where.
        realm: String,
        /// Who.
        responder: String,
        /// The duty held.
        held: String,
        /// The duty given besides.
        given: String,
        /// The second duty's record.
        position: u64,
    },
}

/// What was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Checked {
    /// Records.
    pub records: u64,
    /// Commands with an id of their own.
    pub commands: u64,
    /// Calls to people and organizations.
    pub calls: u64,
    /// Duties given.
    pub duties: u64,
}

/// Checks all records from position 1 on, in order.
///
/// # Errors
/// The first record that breaks a rule.
pub fn check_records<'a>(records: impl IntoIterator<Item = &'a Envelope>) -> Result<Checked, Broken> {
    let mut checker = Checker::default();
    records.into_iter().try_for_each(|record| checker.note(record))?;
    checker.finish()
}

/// A duty's call, and its period: from and until, Unix milliseconds.
type HeldDuty = (String, i64, i64);

/// The same checks for records that come one after the other.
#[derive(Default)]
pub struct Checker {
    checked: Checked,
    /// The next index and the count of a command whose records have not all come.
    open: Option<(u32, u32)>,
    commands: BTreeSet<(String, String)>,
    calls: BTreeSet<String>,
    /// What each person holds in each realm.
    held: BTreeMap<(String, String), Vec<HeldDuty>>,
}

impl Checker {
    /// Takes the next record.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn note(&mut self, record: &Envelope) -> Result<(), Broken> {
        self.position(record)?;
        self.command(record)?;
        self.duty(record)?;
        self.checked.records += 1;
        Ok(())
    }

    /// After the last record: what was looked at.
    ///
    /// # Errors
    /// A command whose last records are missing.
    pub fn finish(self) -> Result<Checked, Broken> {
        match self.open {
            Some((expected, count)) => Err(Broken::Command { position: self.checked.records, index: expected, count, expected }),
            None => Ok(self.checked),
        }
    }

    fn position(&mut self, record: &Envelope) -> Result<(), Broken> {
        let expected = self.checked.records + 1;
        if record.position == expected { Ok(()) } else { Err(Broken::Position { expected, found: record.position }) }
    }

    fn command(&mut self, record: &Envelope) -> Result<(), Broken> {
        let (expected, count) = self.open.unwrap_or((0, record.count));
        if record.index != expected || record.count != count {
            return Err(Broken::Command { position: record.position, index: record.index, count: record.count, expected });
        }
        self.open = (expected + 1 < count).then_some((expected + 1, count));
        if expected == 0 && !record.command_id.is_empty() {
            self.checked.commands += 1;
            if !self.commands.insert((record.principal.clone(), record.command_id.clone())) {
                let (principal, id) = (record.principal.clone(), record.command_id.clone());
                return Err(Broken::CommandTwice { principal, id, position: record.position });
            }
        }
        Ok(())
    }

    fn duty(&mut self, record: &Envelope) -> Result<(), Broken> {
        match &record.event {
            Some(Event::OrganizationCalled(body)) => self.call(&body.call_id, record.position),
            Some(Event::ResponderCalled(body)) => {
                self.call(&body.call_id, record.position)?;
                if body.role() == DutyRole::Standby {
                    return Ok(());
                }
                self.checked.duties += 1;
                let key = (record.realm.clone(), body.responder_id.clone());
                let held = self.held.entry(key).or_default();
                let end = |until_ms: i64| if until_ms == 0 { i64::MAX } else { until_ms };
                let overlaps = |(_, from, until): &&(String, i64, i64)| *from < end(body.until_ms) && body.from_ms < *until;
                if let Some((call, ..)) = held.iter().find(overlaps) {
                    return Err(Broken::TwoDuties {
                        realm: record.realm.clone(),
                        responder: body.responder_id.clone(),
                        held: call.clone(),
                        given: body.call_id.clone(),
                        position: record.position,
                    });
                }
                held.push((body.call_id.clone(), body.from_ms, end(body.until_ms)));
                Ok(())
            }
            Some(Event::DutyReleased(body)) => {
                if let Some(held) = self.held.get_mut(&(record.realm.clone(), body.responder_id.clone())) {
                    held.retain(|(call, ..)| *call != body.call_id);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn call(&mut self, id: &str, position: u64) -> Result<(), Broken> {
        self.checked.calls += 1;
        if self.calls.insert(id.to_owned()) { Ok(()) } else { Err(Broken::CallTwice { id: id.to_owned(), position }) }
    }
}

/// Looks for personal fields in bytes of any kind.
pub struct PlainScanner {
    names: HashSet<Vec<u8>>,
    phones: HashSet<Vec<u8>>,
    /// Last two bytes of the characters that names begin with: rejects most places without a lookup.
    first: Vec<bool>,
}

/// A personal field in the clear. The field itself is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Plain {
    /// `name` or `phone`.
    pub field: &'static str,
    /// Where in the bytes.
    pub offset: usize,
}

/// Three characters of three bytes.
const NAME_BYTES: usize = 9;
const PHONE_BYTES: usize = 11;

impl PlainScanner {
    /// How many bytes of the former piece a caller repeats when it scans in pieces: whatever begins with the first of them was whole in that piece.
    pub const OVERLAP: usize = 11;

    /// Knows every name and telephone number of the city.
    pub fn new(city: &City) -> Self {
        let field = |of: fn(&crate::Responder) -> &String| city.responders.iter().map(|person| of(person).clone().into_bytes()).collect();
        let names: HashSet<Vec<u8>> = field(|person| &person.name);
        let mut first = vec![false; 1 << 16];
        for name in &names {
            first[usize::from(name[1]) << 8 | usize::from(name[2])] = true;
        }
        Self { names, phones: field(|person| &person.phone), first }
    }

    /// The first personal field in these bytes, if any.
    pub fn find(&self, bytes: &[u8]) -> Option<Plain> {
        self.find_from(bytes, 0)
    }

    /// The first that begins at `from` or after; what stands before is seen, for the end of a longer number is no telephone number.
    pub fn find_from(&self, bytes: &[u8], from: usize) -> Option<Plain> {
        (from..bytes.len()).find_map(|offset| {
            let rest = &bytes[offset..];
            let within_number = offset > 0 && bytes[offset - 1].is_ascii_digit();
            let field = if self.begins_with_name(rest) {
                "name"
            } else if !within_number && self.begins_with_phone(rest) {
                "phone"
            } else {
                return None;
            };
            Some(Plain { field, offset })
        })
    }

    /// The first name in these bytes. For compressed bytes, where digits of ids are cut and joined until they look like a telephone
    /// number.
    pub fn find_name(&self, bytes: &[u8]) -> Option<Plain> {
        (0..bytes.len()).find(|offset| self.begins_with_name(&bytes[*offset..])).map(|offset| Plain { field: "name", offset })
    }

    fn begins_with_name(&self, bytes: &[u8]) -> bool {
        matches!(bytes, [0xe4..=0xe9, second, third, ..] if self.first[usize::from(*second) << 8 | usize::from(*third)])
            && bytes.get(..NAME_BYTES).is_some_and(|name| self.names.contains(name))
    }

    fn begins_with_phone(&self, bytes: &[u8]) -> bool {
        bytes.starts_with(b"100") && bytes.get(..PHONE_BYTES).is_some_and(|phone| self.phones.contains(phone))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::scale::Scale;
    use muster_proto::v1::{DutyReleased, ResponderCalled};

    fn record(position: u64, event: Event) -> Envelope {
        Envelope {
            position,
            count: 1,
            realm: "actual".to_owned(),
            command_id: format!("c-{position}"),
            event: Some(event),
            ..Default::default()
        }
    }

    fn called(position: u64, call: &str, from_ms: i64, until_ms: i64) -> Envelope {
        let body = ResponderCalled { call_id: call.into(), responder_id: "r-1".into(), from_ms, until_ms, ..Default::default() };
        record(position, Event::ResponderCalled(body))
    }

    fn released(position: u64, call: &str) -> Envelope {
        let body = DutyReleased { call_id: call.into(), responder_id: "r-1".into(), ..Default::default() };
        record(position, Event::DutyReleased(body))
    }

    #[test]
    fn one_duty_after_the_other_is_fine_and_two_at_once_are_not() {
        assert!(check_records(&[called(1, "c1", 5, 0), released(2, "c1"), called(3, "c2", 5, 0)]).is_ok());
        assert!(check_records(&[called(1, "c1", 5, 10), called(2, "c2", 10, 0)]).is_ok());
        let broken = check_records(&[called(1, "c1", 5, 0), called(2, "c2", 10, 0)]);
        assert!(matches!(broken, Err(Broken::TwoDuties { position: 2, .. })), "{broken:?}");
        let mut other_realm = called(2, "c2", 10, 0);
        other_realm.realm = "drill".to_owned();
        assert!(check_records(&[called(1, "c1", 5, 0), other_realm]).is_ok());
    }

    #[test]
    fn gaps_and_torn_commands_are_found() {
        assert!(matches!(check_records(&[released(2, "c1")]), Err(Broken::Position { expected: 1, found: 2 })));
        let mut first = released(1, "c1");
        first.count = 2;
        assert!(matches!(check_records(&[first.clone()]), Err(Broken::Command { .. })));
        assert!(matches!(check_records(&[first, released(2, "c1")]), Err(Broken::Command { position: 2, .. })));
        let (one, mut two) = (released(1, "c1"), released(2, "c1"));
        two.command_id.clone_from(&one.command_id);
        assert!(matches!(check_records(&[one, two]), Err(Broken::CommandTwice { .. })));
        assert!(matches!(check_records(&[called(1, "c1", 1, 2), called(2, "c1", 5, 6)]), Err(Broken::CallTwice { .. })));
    }

    #[test]
    fn plain_fields_are_found_wherever_they_stand() {
        let city = City::generate(2, Scale::Small);
        let scanner = PlainScanner::new(&city);
        let person = &city.responders[17];
        for (field, text) in [("name", &person.name), ("phone", &person.phone)] {
            let bytes = [b"\x00\xe5\xe5\x00".as_slice(), text.as_bytes(), b"\xff"].concat();
            assert_eq!(scanner.find(&bytes), Some(Plain { field, offset: 4 }));
            assert_eq!(scanner.find(&bytes[..bytes.len() - 2]), None);
            assert_eq!(scanner.find_name(&bytes), scanner.find(&bytes).filter(|plain| plain.field == "name"));
        }
        let longer = format!("4408{}", person.phone);
        assert_eq!(scanner.find(longer.as_bytes()), None, "the end of a longer number is none");
        let public = city.peacetime().filter(|command| command.name != "EnrollResponder");
        for command in public {
            assert_eq!(scanner.find(command.body.to_string().as_bytes()), None);
        }
    }
}
