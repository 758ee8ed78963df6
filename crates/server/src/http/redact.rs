//! Events for those who count and must not know persons: without who acted, without sealed fields, without free text.
//! Ids of people stay, for without them nothing could be counted; what an id stands for is in the vault alone.

use serde_json::Value;

/// Members of the envelope that tell who acted, and where it was said.
const WHO: &[&str] = &["actor", "on_behalf_of", "actor_office", "principal", "command_id", "body_digest", "source", "channel", "basis"];

/// Members that hold what somebody wrote.
const FREE_TEXT: &[&str] = &["reason", "note", "text", "place", "rest_override_reason", "waiver_reason"];

/// Members of a row that name persons, or by which one is known: whom to report to, who can telephone, who overrode a rest, who answers for an area.
const PERSONS: &[&str] = &["secretary_id", "organizer_id", "responder_id", "card", "contacts", "rest_override", "responsibilities"];

/// Takes out of an event's JSON what is about persons.
pub(super) fn redact(event: &mut Value) {
    if let Some(members) = event.as_object_mut() {
        members.retain(|name, _| !WHO.contains(&name.as_str()));
    }
    strip(event);
}

/// Takes out of a view's row what is about persons: who leads a unit, and what somebody wrote.
pub(super) fn redact_row(row: &mut Value) {
    if let Some(members) = row.as_object_mut() {
        members.retain(|name, _| !PERSONS.contains(&name.as_str()));
    }
    strip(row);
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, value| !FREE_TEXT.contains(&name.as_str()) && !is_sealed(value));
            members.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

fn is_sealed(value: &Value) -> bool {
    value.get("key_id").is_some() && value.get("algorithm").is_some()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_about_persons_is_gone_at_every_depth() {
        let mut event = json!({
            "position": "7", "actor": "陈秀英", "principal": "token:1", "type": "ResponderEnrolled",
            "event": {
                "responder_id": "r-1",
                "name": {"key_id": "k", "algorithm": 1, "nonce": "", "bytes": ""},
                "lines": [{"reason": "生病", "whistle_id": "w"}],
            },
        });
        redact(&mut event);
        let left = json!({"position": "7", "type": "ResponderEnrolled", "event": {"responder_id": "r-1", "lines": [{"whistle_id": "w"}]}});
        assert_eq!(event, left);
    }

    #[test]
    fn a_row_is_left_with_its_figures() {
        let mut row =
            json!({"unit_id": "u", "secretary_id": "r-1", "organizer_id": "r-2", "strength": "3", "text": "王家有人", "place": "三栋"});
        redact_row(&mut row);
        assert_eq!(row, json!({"unit_id": "u", "strength": "3"}));
    }
}
