//! Which fields of which commands are personal, found from the descriptors: every field of message type `Sealed`. In JSON
//! such a field is a plain string; a `Sealed` object given from outside is refused, for its key could be anybody's.

use std::collections::BTreeMap;

use muster_proto::{COMMAND_NAMES, FieldError, FieldFault, v1};
use muster_vault::PlainField;
use serde_json::{Map, Value};

use crate::descriptors::{Descriptors, FieldType, Message, SEALED};

/// Where the personal fields of one message lie. Messages nest; whose a field is says the nearest message's first field.
#[derive(Debug, Default)]
struct Places {
    /// The message's own id: its field number 1, where that is a text.
    subject: Option<Spelling>,
    sealed: Vec<Spelling>,
    nested: Vec<(Spelling, Places)>,
}

/// The two spellings of a field that the JSON reader takes.
#[derive(Debug, Clone)]
struct Spelling {
    name: String,
    json_name: String,
}

impl Spelling {
    fn key_in(&self, members: &Map<String, Value>) -> Option<&str> {
        [&self.name, &self.json_name].into_iter().find(|key| members.contains_key(*key)).map(String::as_str)
    }
}

/// A step into a JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Member(String),
    Item(usize),
}

/// A personal text taken out of a body, and where it belongs. No `Debug`: it holds plain text.
pub(super) struct PlainSlot {
    steps: Vec<Step>,
    subject: String,
    text: String,
    /// The field's name, under which it is sealed.
    pub(super) field: String,
    /// The field that says whose it is.
    pub(super) subject_field: String,
}

impl PlainSlot {
    pub(super) fn as_field(&self) -> PlainField<'_> {
        PlainField { subject: &self.subject, field: &self.field, text: &self.text }
    }

    pub(super) fn path(&self) -> String {
        path_text(&self.steps)
    }
}

fn path_text(steps: &[Step]) -> String {
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Member(name) if path.is_empty() => path.push_str(name),
            Step::Member(name) => path.extend([".", name]),
            Step::Item(index) => path.push_str(&format!("[{index}]")),
        }
    }
    path
}

/// The personal fields of all commands.
pub(super) struct PersonalFields {
    by_command: BTreeMap<&'static str, Places>,
}

impl PersonalFields {
    pub(super) fn of(descriptors: &Descriptors) -> Self {
        let places = COMMAND_NAMES.iter().filter_map(|(_, name, _)| {
            let message = descriptors.message(name)?;
            Some((*name, places_of(descriptors, message, &mut vec![name])?))
        });
        Self { by_command: places.collect() }
    }

    /// Takes the personal texts out of a body. A text that is empty stays out: there is nothing to seal.
    pub(super) fn take(&self, command: &str, body: &mut Value) -> Result<Vec<PlainSlot>, FieldError> {
        let mut slots = Vec::new();
        if let Some(places) = self.by_command.get(command) {
            take_from(places, body, &mut Vec::new(), None, &mut slots)?;
        }
        Ok(slots)
    }
}

/// `None` where nothing below the message is personal.
fn places_of<'a>(descriptors: &'a Descriptors, message: &'a Message, open: &mut Vec<&'a str>) -> Option<Places> {
    let mut places = Places::default();
    for field in &message.fields {
        let spelling = Spelling { name: field.name.clone(), json_name: field.json_name.clone() };
        match &field.of {
            FieldType::Text if field.number == 1 && !field.repeated => places.subject = Some(spelling),
            FieldType::Message(name) if name == SEALED => places.sealed.push(spelling),
            FieldType::Message(name) if !open.contains(&name.as_str()) => {
                open.push(name);
                if let Some(inner) = descriptors.message(name).and_then(|inner| places_of(descriptors, inner, open)) {
                    places.nested.push((spelling, inner));
                }
                open.pop();
            }
            _ => {}
        }
    }
    (!places.sealed.is_empty() || !places.nested.is_empty()).then_some(places)
}

fn take_from(
    places: &Places,
    value: &mut Value,
    steps: &mut Vec<Step>,
    outer: Option<(&str, &str)>,
    slots: &mut Vec<PlainSlot>,
) -> Result<(), FieldError> {
    let Some(members) = value.as_object_mut() else { return Ok(()) };
    let own = places.subject.as_ref().and_then(|spelling| {
        let key = spelling.key_in(members)?;
        Some((members.get(key)?.as_str()?.to_owned(), spelling.name.clone()))
    });
    let subject = own.as_ref().map(|(id, field)| (id.as_str(), field.as_str())).or(outer);
    for spelling in &places.sealed {
        while let Some(key) = spelling.key_in(members).map(str::to_owned) {
            steps.push(Step::Member(spelling.name.clone()));
            let given = members.remove(&key).unwrap_or_default();
            let text = plain_text(given).map_err(|reason| wrong(steps, reason))?;
            if !text.is_empty() {
                let Some((id, field)) = subject else {
                    return Err(wrong(steps, "a personal field needs the id of whom it is about"));
                };
                slots.push(PlainSlot {
                    steps: steps.clone(),
                    subject: id.to_owned(),
                    text,
                    field: spelling.name.clone(),
                    subject_field: field.to_owned(),
                });
            }
            steps.pop();
        }
    }
    for (spelling, inner) in &places.nested {
        let Some(key) = spelling.key_in(members).map(str::to_owned) else { continue };
        steps.push(Step::Member(key.clone()));
        match members.get_mut(&key) {
            Some(Value::Array(items)) => {
                for (index, item) in items.iter_mut().enumerate() {
                    steps.push(Step::Item(index));
                    take_from(inner, item, steps, subject, slots)?;
                    steps.pop();
                }
            }
            Some(item) => take_from(inner, item, steps, subject, slots)?,
            None => {}
        }
        steps.pop();
    }
    Ok(())
}

/// The reasons never hold the value: it may be personal whatever its type.
fn plain_text(given: Value) -> Result<String, &'static str> {
    match given {
        Value::String(text) => Ok(text),
        Value::Null => Ok(String::new()),
        Value::Object(_) => Err("a personal field is given as a plain string; sealed objects are not taken from outside"),
        _ => Err("a personal field is given as a plain string"),
    }
}

fn wrong(steps: &[Step], reason: &str) -> FieldError {
    FieldError { field: path_text(steps), reason: reason.to_owned(), kind: FieldFault::WrongType }
}

/// The body with the plain texts in the places of the sealed bytes: only for computing the digest.
pub(super) fn with_plain(body: &Value, slots: &[PlainSlot]) -> Value {
    let mut body = body.clone();
    for slot in slots {
        put(&mut body, slot, &v1::Sealed { bytes: slot.text.clone().into_bytes(), ..v1::Sealed::default() });
    }
    body
}

/// Puts a sealed field where its plain text was.
pub(super) fn put(body: &mut Value, slot: &PlainSlot, sealed: &v1::Sealed) {
    let mut at = body;
    for step in &slot.steps {
        at = match step {
            Step::Member(name) => {
                let members = at.as_object_mut().expect("the slot was taken out of an object");
                members.entry(name.clone()).or_insert(Value::Null)
            }
            Step::Item(index) => &mut at.as_array_mut().expect("the slot was taken out of a list")[*index],
        };
    }
    *at = serde_json::to_value(sealed).expect("a sealed field has only string keys");
}
