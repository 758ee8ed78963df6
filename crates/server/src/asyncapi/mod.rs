//! The AsyncAPI 3.0 document: subjects, keys, streams of server-sent events and the messages on them, made from the descriptors of `proto/`
//! and the names that the feed uses. It must never name a subject, header or field that the server does not send: the tests compare it with
//! what comes over a real nats-server.

mod channels;
mod messages;

use serde_json::{Value, json};

use crate::descriptors::Descriptors;
use crate::openapi;

/// The whole document.
#[must_use]
pub fn document(descriptors: &Descriptors) -> Value {
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Muster 应急动员引擎",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
            "description": "What Muster says without being asked, and commands over NATS. Events are protobuf messages `muster.v1.Envelope` of `proto/`, \
                the very bytes of the log; rows, commands and answers are JSON: snake_case names, 64-bit numbers as decimal strings, times as Unix \
                milliseconds in fields that end in `_ms`; a field with its default value (0, false, empty) may be left out. \
                A place is `epoch.position`; another epoch means that everything remembered starts anew. \
                Tokens of subjects and keys are ids in which every byte but letters, digits, `-` and `_` is `=` and two hexadecimal digits; \
                a level that is not reached or skipped is `_`."
        },
        "defaultContentType": "application/json",
        "servers": {
            "nats": {"host": "localhost:4222", "protocol": "nats", "description": "NATS with JetStream, 2.10 or newer."},
            "http": {"host": "localhost:8080", "protocol": "http", "description": "The server's own interface; `/openapi.json` tells the rest of it."}
        },
        "channels": channels::channels(),
        "operations": channels::operations(),
        "components": {
            "messages": messages::messages(),
            "schemas": openapi::schemas(descriptors),
        },
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use super::*;
    use crate::openapi::tests::references;

    #[test]
    fn every_reference_leads_somewhere_and_every_message_is_used() {
        let document = document(&Descriptors::read());
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        for target in &found {
            assert!(document.pointer(target.strip_prefix('#').unwrap()).is_some(), "{target}");
        }
        for name in document["components"]["messages"].as_object().unwrap().keys() {
            assert!(found.contains(&format!("#/components/messages/{name}")), "{name} is on no channel");
        }
    }

    /// Readers without a server find both documents in `docs/`; `MUSTER_WRITE_CONTRACT=1` writes them.
    #[test]
    fn the_published_documents_are_those_that_are_served() {
        let descriptors = Descriptors::read();
        for (file, document) in [("asyncapi.json", document(&descriptors)), ("openapi.json", crate::openapi::document(&descriptors))] {
            let path: std::path::PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", "..", "docs", file].iter().collect();
            let text = format!("{}\n", serde_json::to_string_pretty(&document).unwrap());
            if std::env::var_os("MUSTER_WRITE_CONTRACT").is_some() {
                std::fs::write(&path, &text).unwrap();
            }
            let published = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                published == text,
                "docs/{file} is not what is served; MUSTER_WRITE_CONTRACT=1 cargo test -p muster-server --lib asyncapi writes it"
            );
        }
    }

    #[test]
    fn an_operation_speaks_of_messages_of_its_channel_only() {
        let document = document(&Descriptors::read());
        for (name, operation) in document["operations"].as_object().unwrap() {
            let channel = operation["channel"]["$ref"].as_str().unwrap();
            for message in operation["messages"].as_array().unwrap() {
                assert!(message["$ref"].as_str().unwrap().starts_with(&format!("{channel}/messages/")), "{name}");
            }
        }
    }

    #[test]
    fn every_parameter_of_an_address_is_told_of() {
        let document = document(&Descriptors::read());
        for (name, channel) in document["channels"].as_object().unwrap() {
            // An inbox has no address of its own.
            let Some(address) = channel["address"].as_str() else { continue };
            let named: BTreeSet<&str> = address.split('{').skip(1).map(|rest| rest.split_once('}').unwrap().0).collect();
            let told: BTreeSet<&str> =
                channel["parameters"].as_object().map(|all| all.keys().map(String::as_str).collect()).unwrap_or_default();
            assert_eq!(named, told, "{name}");
        }
    }
}
