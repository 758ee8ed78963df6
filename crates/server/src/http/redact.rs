//! Events and rows for those who count and must not know persons: without ids of persons, without who acted, without sealed fields and without what
//! somebody wrote. It is a list of what is shown: a field that nobody has thought about is left out, at whatever depth it stands.

use std::collections::HashMap;

use muster_views::View;
use serde_json::{Map, Value};

use crate::descriptors::{Descriptors, FieldType, Message, SEALED};
use crate::openapi::VIEW_ROWS;

/// Fields of text that are shown: ids of what is no person, names of places and organizations, labels and codes. Numbers, times and enumerations are shown
/// as well, for they say nothing of somebody who is not named.
const SHOWN_TEXTS: &[&str] = &[
    // Where: areas, sites, seats, and the levels of an area's path.
    "realm",
    "city",
    "county",
    "township",
    "village",
    "grid",
    "area_id",
    "by_area_id",
    "donor_area_id",
    "former_area_id",
    "from_area_id",
    "home_area_id",
    "other_area_ids",
    "post_area_id",
    "recalled_area_id",
    "released_by_area_id",
    "responsible_area_id",
    "to_area_id",
    "parent_id",
    "former_parent_id",
    "grid_ids",
    "site_id",
    "other_site_id",
    "present_site_id",
    "site_key",
    "seat_id",
    "added_seat_ids",
    "seat_key",
    // Which incident, plan, whistle, call, shift, agreement, unit and organization.
    "incident_id",
    "other_incident_id",
    "standby_incident_ids",
    "plan_id",
    "card_key",
    "whistle_id",
    "into_whistle_id",
    "merged_into_id",
    "other_whistle_id",
    "present_whistle_id",
    "whistle_ids",
    "need_id",
    "proposal_id",
    "replaces_proposal_id",
    "fill_proposal_id",
    "fill_line_id",
    "line_id",
    "request_id",
    "call_id",
    "first_call_id",
    "from_call_id",
    "to_call_id",
    "organization_call_id",
    "organization_call_ids",
    "shift_id",
    "other_shift_id",
    "swap_id",
    "agreement_id",
    "unit_id",
    "parent_unit_id",
    "unit_key",
    "parent_unit_key",
    "organization_id",
    "former_organization_id",
    "superior_organization_id",
    // Names of places, units, organizations, plans and incidents; a person's name is sealed.
    "name",
    "joint_committee_name",
    "external_name",
    // Labels and codes.
    "official_code",
    "external_code",
    "scheme",
    "code",
    "tags",
    "functions",
    "specialty",
    "specialties",
    "lost_specialties",
    "shift",
    "key",
    "item",
    "unit",
    "policy",
    "step",
];

/// Messages that are about somebody or hold what somebody wrote, and are left out whole: personal fields, who acted and through what, whom to telephone,
/// who answers for an area, what a person called is told.
const LEFT_OUT: &[&str] =
    &[SEALED, "Office", "Basis", "Channel", "Source", "PostCard", "RestOverride", "TelephoneContact", "ResponsibilityRow"];

/// What is shown of each message.
pub(crate) struct Redaction {
    messages: HashMap<String, HashMap<String, Member>>,
}

/// How a member is shown.
enum Member {
    AsItIs,
    /// As far as this message is shown.
    Inside(String),
}

impl Redaction {
    pub(crate) fn new(descriptors: &Descriptors) -> Self {
        Self { messages: descriptors.messages.iter().map(|(name, message)| (name.clone(), members(message))).collect() }
    }

    /// Takes out of an event's JSON what is about persons.
    pub(super) fn event(&self, event: &mut Value) {
        let Some(members) = event.as_object_mut() else { return };
        let kind = members.remove("type").unwrap_or_default();
        let mut body = members.remove("event").unwrap_or_default();
        self.strip("Envelope", members);
        self.message(kind.as_str().unwrap_or_default(), &mut body);
        members.insert("type".to_owned(), kind);
        members.insert("event".to_owned(), body);
    }

    /// Takes out of a view's row what is about persons.
    pub(super) fn row(&self, view: View, row: &mut Value) {
        if let View::Other(_) = view {
            return strip_other(view.shown_texts(), row);
        }
        let message = VIEW_ROWS.iter().find(|(name, _)| *name == view.name()).map_or("", |(_, message)| *message);
        self.message(message, row);
    }

    fn message(&self, name: &str, value: &mut Value) {
        match value {
            Value::Object(members) => self.strip(name, members),
            Value::Array(items) => items.iter_mut().for_each(|item| self.message(name, item)),
            _ => *value = Value::Null,
        }
    }

    fn strip(&self, name: &str, members: &mut Map<String, Value>) {
        let Some(shown) = self.messages.get(name) else { return members.clear() };
        members.retain(|member, value| match shown.get(member) {
            Some(Member::AsItIs) => true,
            Some(Member::Inside(message)) => {
                self.message(message, value);
                true
            }
            None => false,
        });
    }
}

/// The same of a row whose message only another crate knows: numbers and flags are shown, and of texts those that are shown of every row and those
/// that the view names. A text that nobody named may be a person's id, and is left out.
fn strip_other(own: &[&str], value: &mut Value) {
    let shown = |member: &str| SHOWN_TEXTS.contains(&member) || own.contains(&member) || member == "position";
    match value {
        Value::Object(members) => members.retain(|member, value| match value {
            Value::String(_) => shown(member),
            // Objects among texts are of no form that could be looked through.
            Value::Array(items) if items.iter().any(Value::is_string) => {
                shown(member) && !items.iter().any(|item| item.is_object() || item.is_array())
            }
            value => {
                strip_other(own, value);
                true
            }
        }),
        Value::Array(items) => {
            items.retain(|item| !item.is_string());
            items.iter_mut().for_each(|item| strip_other(own, item));
        }
        _ => {}
    }
}

fn members(message: &Message) -> HashMap<String, Member> {
    let shown = message.fields.iter().filter_map(|field| {
        let member = match &field.of {
            FieldType::Text if SHOWN_TEXTS.contains(&field.name.as_str()) => Member::AsItIs,
            FieldType::Message(name) if !LEFT_OUT.contains(&name.as_str()) => Member::Inside(name.clone()),
            FieldType::Text | FieldType::Bytes | FieldType::Message(_) => return None,
            FieldType::Bool | FieldType::Int { .. } | FieldType::Long { .. } | FieldType::Float | FieldType::Enum(_) => Member::AsItIs,
        };
        Some((field.name.clone(), member))
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use muster_proto::{ACTUAL, ENVELOPE_NAMES};
    use serde_json::json;

    use super::*;

    /// Fields of text that are not shown.
    const HIDDEN_TEXTS: &[&str] = &[
        // Persons.
        "responder_id",
        "responder_ids",
        "former_responder_id",
        "former_responder_ids",
        "from_responder_id",
        "to_responder_id",
        "other_responder_id",
        "runner_up_responder_id",
        "backup_ids",
        "secretary_id",
        "organizer_id",
        "requested_by",
        "confirmed_by",
        "subject_id",
        // Who acted, and where it was said.
        "actor",
        "on_behalf_of",
        "principal",
        "command_id",
        "body_digest",
        "correlation",
        "document_no",
        "approval_document_no",
        // What somebody wrote. An office's or post's title tells who has it.
        "reason",
        "note",
        "text",
        "place",
        "waiver_reason",
        "reference",
        "title",
        "peacetime_post",
        "emergency_post",
    ];

    fn redaction() -> Redaction {
        Redaction::new(&Descriptors::read())
    }

    /// Every message that can stand in an event or a row, those that are left out whole excepted.
    fn reachable(all: &Descriptors) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut ahead: Vec<String> = ENVELOPE_NAMES.iter().map(|(_, name, _)| (*name).to_owned()).collect();
        ahead.extend(VIEW_ROWS.iter().map(|(_, name)| (*name).to_owned()));
        ahead.push("Envelope".to_owned());
        while let Some(name) = ahead.pop() {
            if LEFT_OUT.contains(&name.as_str()) || found.contains(&name) {
                continue;
            }
            let inner = all.message(&name).unwrap().fields.iter().filter_map(|field| match &field.of {
                FieldType::Message(name) => Some(name.clone()),
                _ => None,
            });
            ahead.extend(inner);
            found.insert(name);
        }
        found
    }

    #[test]
    fn of_a_row_of_another_crate_only_the_texts_are_shown_that_somebody_named() {
        let mut row = json!({
            "realm": "actual", "area_id": "g-1", "position": "7", "on_post": 3, "full": true, "note": "写的话", "phone": "13800000000",
            "people": ["r-1", "r-2"], "deep": [["r-3"], {"who": "r-4", "specialty": "急救", "count": 1}], "what": "x", "sealed": {"bytes": "AA=="},
        });
        strip_other(&["what"], &mut row);
        let shown = json!({
            "realm": "actual", "area_id": "g-1", "position": "7", "on_post": 3, "full": true, "deep": [[], {"specialty": "急救", "count": 1}],
            "what": "x", "sealed": {},
        });
        assert_eq!(row, shown);
    }

    /// A new field of text says here whether it is about a person or written by one; until then it is shown to nobody who only counts.
    #[test]
    fn every_text_of_every_event_and_row_is_classified_once() {
        let all = Descriptors::read();
        let mut met = BTreeSet::new();
        for name in reachable(&all) {
            for field in &all.message(&name).unwrap().fields {
                if !matches!(field.of, FieldType::Text | FieldType::Bytes) {
                    continue;
                }
                let (shown, hidden) = (SHOWN_TEXTS.contains(&field.name.as_str()), HIDDEN_TEXTS.contains(&field.name.as_str()));
                assert!(
                    shown != hidden,
                    "{name}.{} stands in {} of SHOWN_TEXTS and HIDDEN_TEXTS",
                    field.name,
                    if shown { "both" } else { "none" }
                );
                met.insert(field.name.clone());
            }
        }
        for name in SHOWN_TEXTS.iter().chain(HIDDEN_TEXTS) {
            assert!(met.contains(*name), "no event and no row has a text {name}");
        }
        for name in LEFT_OUT {
            assert!(all.message(name).is_some(), "there is no message {name}");
        }
    }

    /// A message with every field set, each text to `SECRET` unless it may be shown, at every depth.
    fn filled(all: &Descriptors, name: &str, inside: bool) -> Value {
        let inside = inside || LEFT_OUT.contains(&name);
        let members = all.message(name).unwrap().fields.iter().filter(|field| !field.in_oneof).map(|field| {
            let value = match &field.of {
                FieldType::Text if !inside && SHOWN_TEXTS.contains(&field.name.as_str()) => json!("shown"),
                FieldType::Text | FieldType::Bytes => json!("SECRET"),
                FieldType::Bool => json!(true),
                FieldType::Int { .. } | FieldType::Float => json!(7),
                FieldType::Long { .. } => json!("7"),
                FieldType::Enum(_) => json!("SOME_VALUE"),
                FieldType::Message(inner) => filled(all, inner, inside),
            };
            (field.name.clone(), if field.repeated { json!([value]) } else { value })
        });
        Value::Object(members.collect())
    }

    #[test]
    fn no_event_and_no_row_keeps_a_person_or_a_free_text_at_any_depth() {
        let (all, redaction) = (Descriptors::read(), redaction());
        for (_, name, _) in ENVELOPE_NAMES {
            let mut event = filled(&all, "Envelope", false);
            event["type"] = json!(name);
            event["event"] = filled(&all, name, false);
            redaction.event(&mut event);
            assert!(!event.to_string().contains("SECRET"), "{event}");
            assert_eq!((&event["type"], &event["position"], &event["realm"]), (&json!(name), &json!("7"), &json!("shown")));
        }
        for view in View::ALL {
            let message = VIEW_ROWS.iter().find(|(name, _)| *name == view.name()).unwrap().1;
            let mut row = filled(&all, message, false);
            redaction.row(view, &mut row);
            assert!(!row.to_string().contains("SECRET"), "{row}");
            assert_eq!(row["position"], "7");
        }
    }

    #[test]
    fn what_is_counted_stays() {
        let mut event = json!({
            "position": "7", "actor": "陈秀英", "principal": "token:1", "realm": ACTUAL, "type": "ResponderCalled",
            "event": {
                "call_id": "c1", "responder_id": "r-1", "area_id": "a", "reason": "CALL_REASON_DISPATCHED", "from_ms": "5",
                "card": {"card_key": "k", "where": "东门", "report_to": "林志强"},
                "rest_override": {"actor": "林志强", "actor_office": {"title": "书记"}, "reason": "无人可换", "rested_at_ms": "9"},
            },
        });
        redaction().event(&mut event);
        let body = json!({"call_id": "c1", "area_id": "a", "reason": "CALL_REASON_DISPATCHED", "from_ms": "5"});
        assert_eq!(event, json!({"position": "7", "realm": ACTUAL, "type": "ResponderCalled", "event": body}));
        let mut list = json!({"type": "GroupCalled", "event": {"called": 1, "passed_over": [{"responder_id": "r-1", "code": "on_duty"}]}});
        redaction().event(&mut list);
        assert_eq!(list["event"], json!({"called": 1, "passed_over": [{"code": "on_duty"}]}));
        let mut unit = json!({"unit_id": "u", "secretary_id": "r-1", "organizer_id": "r-2", "strength": "3"});
        redaction().row(View::Units, &mut unit);
        assert_eq!(unit, json!({"unit_id": "u", "strength": "3"}));
        let mut whistle = json!({"whistle_id": "w", "text": "王家有人", "place": "三栋", "needs": [{"need_id": "n", "item": "沙袋"}]});
        redaction().row(View::Whistles, &mut whistle);
        assert_eq!(whistle, json!({"whistle_id": "w", "needs": [{"need_id": "n", "item": "沙袋"}]}));
    }

    #[test]
    fn what_is_not_known_is_not_shown() {
        let mut event = json!({"type": "SomethingNew", "event": {"area_id": "a", "text": "x"}});
        redaction().event(&mut event);
        assert_eq!(event, json!({"type": "SomethingNew", "event": {}}));
    }
}
