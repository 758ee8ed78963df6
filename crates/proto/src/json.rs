//! JSON in and out, as HTTP, NATS and the command line speak it: snake_case names, 64-bit numbers as strings, enumerations by name.

use serde::Serialize as _;
use serde_json::{Map, Value};

use crate::Command;
use crate::names::{COMMAND_NAMES, command_field};
use crate::v1;

/// A body that does not fit its command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct FieldError {
    /// Where, as a path: `needs[0].quantity`; empty for the whole body.
    pub field: String,
    /// What is wrong, in English; the serving side adds the Chinese words by `kind`.
    pub reason: String,
    /// Which fault it is.
    pub kind: FieldFault,
}

/// The kinds of fault a body can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldFault {
    /// No command has this name.
    UnknownCommand,
    /// The command has no such field.
    UnknownField,
    /// The value has another type or is no member of the enumeration.
    WrongType,
    /// The text is not JSON.
    NotJson,
    /// Larger than the limit.
    TooLarge,
}

/// Reads a command's body.
///
/// # Errors
/// The first field that does not fit, with its path.
pub fn command_from_json(name: &str, body: Value) -> Result<Command, FieldError> {
    let Some(field) = command_field(name) else {
        return Err(FieldError { field: String::new(), reason: format!("unknown command {name:?}"), kind: FieldFault::UnknownCommand });
    };
    let wrapped = Value::Object(Map::from_iter([(field.to_owned(), body)]));
    let command: v1::Command = serde_path_to_error::deserialize(wrapped).map_err(|error| {
        let path = error.path().to_string();
        let reason = error.into_inner().to_string();
        let kind = if reason.starts_with("unknown field") { FieldFault::UnknownField } else { FieldFault::WrongType };
        // The outermost step is the oneof's own field, which the caller never wrote.
        let path = path.strip_prefix(field).unwrap_or(&path).trim_start_matches('.').to_owned();
        FieldError { field: if path == "?" { String::new() } else { path }, reason, kind }
    })?;
    command.kind.ok_or_else(|| FieldError { field: String::new(), reason: "the body is null".to_owned(), kind: FieldFault::WrongType })
}

/// A command's name and body.
pub fn command_to_json(command: &Command) -> (&'static str, Value) {
    let name = command.name();
    let tag = command.tag();
    let message = v1::Command { kind: Some(command.clone()) };
    let value = message.serialize(serde_json::value::Serializer).expect("a message has only string keys");
    let field =
        COMMAND_NAMES.iter().find(|(known, _, _)| *known == tag).map(|(_, _, field)| *field).expect("the table holds every command");
    let body = match value {
        Value::Object(mut members) => members.remove(field).unwrap_or_default(),
        other => other,
    };
    (name, body)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn a_command_survives_json_and_back() {
        let body = json!({"area_id": "4408", "name": "湛江市", "level": "AREA_LEVEL_CITY"});
        let command = command_from_json("DefineArea", body.clone()).unwrap();
        assert_eq!(command_to_json(&command), ("DefineArea", body));
    }

    #[test]
    fn each_fault_is_named_with_its_path() {
        let error = command_from_json("DefinArea", json!({})).unwrap_err();
        assert_eq!(error.kind, FieldFault::UnknownCommand);
        let error = command_from_json("DefineArea", json!({"area": "x"})).unwrap_err();
        assert_eq!(error.kind, FieldFault::UnknownField);
        assert!(error.reason.contains("area"), "{error}");
        let error = command_from_json("DefineArea", json!({"area_id": 7})).unwrap_err();
        assert_eq!((error.kind, error.field.as_str()), (FieldFault::WrongType, "area_id"));
        let error = command_from_json("BlowWhistle", json!({"needs": [{"quantity": "many"}]})).unwrap_err();
        assert_eq!((error.kind, error.field.as_str()), (FieldFault::WrongType, "needs[0].quantity"));
        let error = command_from_json("DefineArea", json!({"level": "AREA_LEVEL_PLANET"})).unwrap_err();
        assert_eq!((error.kind, error.field.as_str()), (FieldFault::WrongType, "level"));
    }
}
