//! Names the field that a body has and its command has not, with the whole path and the names that would fit. It decides
//! nothing: the JSON reader refuses, this only says where.

use muster_proto::{FieldError, FieldFault};
use serde_json::Value;

use crate::descriptors::{Descriptors, FieldType};

/// The first unknown field of `value` as message `name`, in the order of the members.
pub(super) fn unknown_field(descriptors: &Descriptors, name: &str, value: &Value) -> Option<FieldError> {
    find(descriptors, name, value, "")
}

fn find(descriptors: &Descriptors, name: &str, value: &Value, path: &str) -> Option<FieldError> {
    let (message, members) = (descriptors.message(name)?, value.as_object()?);
    members.iter().find_map(|(key, value)| {
        // Only built where it is needed: this runs for every command, and nearly none has an unknown field.
        let here = || if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let Some(field) = message.fields.iter().find(|field| field.name == *key || field.json_name == *key) else {
            let known: Vec<_> = message.fields.iter().map(|field| field.name.as_str()).collect();
            let reason = format!("{name} has no field {key:?}; it has {}", known.join(", "));
            return Some(FieldError { field: here(), reason, kind: FieldFault::UnknownField });
        };
        let FieldType::Message(inner) = &field.of else { return None };
        match value {
            Value::Array(items) => {
                items.iter().enumerate().find_map(|(index, item)| find(descriptors, inner, item, &format!("{}[{index}]", here())))
            }
            item => find(descriptors, inner, item, &here()),
        }
    })
}
