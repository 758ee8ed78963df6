//! The OpenAPI 3.1 document, made from the descriptors of `proto/` and the table of routes. It must never name a route
//! that the server has not, nor a field that the contract has not: the tests compare it with both.

mod access;
mod deliveries;
mod paths;
mod planning;
mod schema;
mod upkeep;

pub(crate) use schema::schemas;

use serde_json::{Value, json};

use crate::descriptors::Descriptors;

/// The views and the messages of their rows.
pub const VIEW_ROWS: [(&str, &str); 6] = [
    ("coverage", "CoverageRow"),
    ("units", "UnitRow"),
    ("sites", "SiteRow"),
    ("whistles", "WhistleRow"),
    ("calls", "CallRow"),
    ("responders", "ResponderRow"),
];

/// The whole document.
#[must_use]
pub fn document(descriptors: &Descriptors) -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Muster 应急动员引擎",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "Event-sourced emergency mobilization. Names are snake_case; 64-bit numbers are decimal strings, times are \
                Unix milliseconds in fields that end in `_ms`; a field with its default value (0, false, empty) may be left out. \
                Personal fields are given as plain strings and never come back in plain text. \
                Errors are `application/problem+json` with a stable `code` and words in Chinese and English."
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": "commands", "description": "命令: what people decide. Carried out once per principal and Idempotency-Key."},
            {"name": "planning", "description": "推演与复盘: what a conversion would be now, and what an incident teaches about a plan."},
            {"name": "views", "description": "视图: live projections of the log."},
            {"name": "events", "description": "事件: the log itself, in order."},
            {"name": "access", "description": "权限: one-time links, and contacts of people."},
            {"name": "delivery", "description": "送达: what could not be delivered, and receipts of what was."},
            {"name": "operation", "description": "运行: health, metrics, status."}
        ],
        "security": access::security(),
        "paths": paths::paths(descriptors),
        "components": {
            "schemas": schema::schemas(descriptors),
            "parameters": paths::parameters(),
            "responses": paths::responses(),
            "securitySchemes": access::security_schemes(),
        },
    })
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use muster_proto::COMMAND_NAMES;

    use super::*;

    /// Everything that a document refers to.
    pub(crate) fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                for (key, value) in members {
                    match value.as_str() {
                        Some(target) if key == "$ref" => drop(found.insert(target.to_owned())),
                        _ => references(value, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document(&Descriptors::read());
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        assert!(found.len() > COMMAND_NAMES.len());
        for target in found {
            let pointer = target.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{target}");
        }
    }

    #[test]
    fn operation_ids_are_unique_and_every_command_has_one() {
        let document = document(&Descriptors::read());
        let paths = document["paths"].as_object().unwrap();
        let operations = paths.values().flat_map(|path| path.as_object().unwrap().values());
        let ids: Vec<_> = operations.map(|operation| operation["operationId"].as_str().unwrap()).collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
        for (_, name, _) in COMMAND_NAMES {
            assert!(ids.contains(name), "{name}");
            assert!(paths.contains_key(&format!("/v1/commands/{name}")));
        }
    }

    #[test]
    fn personal_fields_are_plain_strings_and_numbers_have_their_form() {
        let document = document(&Descriptors::read());
        let enroll = &document["components"]["schemas"]["EnrollResponder"];
        assert_eq!(enroll["properties"]["name"]["type"], "string");
        assert!(enroll["properties"]["context"]["$ref"].is_string());
        assert_eq!(enroll["additionalProperties"], false);
        let enrolled = &document["components"]["schemas"]["ResponderEnrolled"];
        assert_eq!(enrolled["properties"]["name"]["$ref"], "#/components/schemas/Sealed");
        let check_in = &document["components"]["schemas"]["CheckIn"];
        assert_eq!(check_in["properties"]["device_sequence"]["type"], json!("string"));
        assert_eq!(document["components"]["schemas"]["AreaLevel"]["enum"][1], "AREA_LEVEL_CITY");
    }
}
