//! The texts of the NATS services protocol (ADR-32): who is there, what is offered, how it goes. Owns the counters of each
//! command; it must never hold what a command said.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use prost_types::Timestamp;
use serde_json::{Value, json};

use super::{COMMANDS, GROUP, SERVICE};

/// What was asked of one command.
#[derive(Clone, Debug, Default)]
struct Counts {
    requests: u64,
    errors: u64,
    last_error: String,
    took: Duration,
}

/// One instance of the service, as it tells of itself.
pub(super) struct Micro {
    id: String,
    started: String,
    names: Vec<&'static str>,
    counts: Mutex<HashMap<&'static str, Counts>>,
}

impl Micro {
    pub(super) fn new(id: String, names: Vec<&'static str>) -> Self {
        let counts = names.iter().map(|name| (*name, Counts::default())).collect();
        Self { id, started: Timestamp::from(SystemTime::now()).to_string(), names, counts: Mutex::new(counts) }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// The answer to `$SRV.<verb>`; none to a verb that is not known.
    pub(super) fn tell(&self, verb: &str) -> Option<Value> {
        let (kind, more) = match verb {
            "PING" => ("ping", json!({})),
            "INFO" => (
                "info",
                json!({"description": "Muster: commands, as POST /v1/commands takes them", "endpoints": self.endpoints(|_| json!({}))}),
            ),
            "STATS" => ("stats", json!({"started": self.started, "endpoints": self.endpoints(stats)})),
            _ => return None,
        };
        let mut told = json!({
            "type": format!("io.nats.micro.v1.{kind}_response"),
            "name": SERVICE,
            "id": self.id,
            "version": env!("CARGO_PKG_VERSION"),
            "metadata": {},
        });
        merge(&mut told, more);
        Some(told)
    }

    fn endpoints(&self, more: impl Fn(&Counts) -> Value) -> Vec<Value> {
        let counts = self.counts.lock();
        let endpoint = |name: &&'static str| {
            let mut endpoint = json!({"name": name, "subject": format!("{COMMANDS}.{name}"), "queue_group": GROUP, "metadata": {}});
            merge(&mut endpoint, more(counts.get(name).unwrap_or(&Counts::default())));
            endpoint
        };
        self.names.iter().map(endpoint).collect()
    }

    /// Counts an answer; `error` is its status and the word for the reason, never what it says: everybody who may ask for the figures sees it.
    pub(super) fn count(&self, name: &str, took: Duration, error: Option<(u16, &str)>) {
        let mut counts = self.counts.lock();
        let Some(counts) = counts.get_mut(name) else { return };
        counts.requests += 1;
        counts.took += took;
        if let Some((status, code)) = error {
            counts.errors += 1;
            counts.last_error = format!("{status}:{code}");
        }
    }
}

fn stats(counts: &Counts) -> Value {
    let nanoseconds = |took: Duration| u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
    json!({
        "num_requests": counts.requests,
        "num_errors": counts.errors,
        "last_error": counts.last_error,
        "processing_time": nanoseconds(counts.took),
        "average_processing_time": nanoseconds(counts.took) / counts.requests.max(1),
    })
}

fn merge(into: &mut Value, more: Value) {
    if let (Value::Object(into), Value::Object(more)) = (into, more) {
        into.extend(more);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_verb_tells_who_and_only_known_commands_are_counted() {
        let micro = Micro::new("i1".into(), vec!["BlowWhistle", "CheckIn"]);
        micro.count("CheckIn", Duration::from_micros(3), None);
        micro.count("CheckIn", Duration::from_micros(1), Some((422, "responder_on_duty")));
        micro.count("Nonsense", Duration::from_micros(1), None);
        for (verb, kind) in [("PING", "ping"), ("INFO", "info"), ("STATS", "stats")] {
            let told = micro.tell(verb).unwrap();
            assert_eq!(told["type"], format!("io.nats.micro.v1.{kind}_response"));
            assert_eq!((told["name"].as_str(), told["id"].as_str()), (Some("muster"), Some("i1")));
        }
        assert_eq!(micro.tell("SCHEMA"), None);
        assert_eq!(micro.tell("INFO").unwrap()["endpoints"][0]["subject"], "muster.cmd.BlowWhistle");
        let stats = micro.tell("STATS").unwrap();
        let check_in = &stats["endpoints"][1];
        assert_eq!((check_in["num_requests"].as_u64(), check_in["num_errors"].as_u64()), (Some(2), Some(1)));
        assert_eq!(
            (check_in["last_error"].as_str(), check_in["average_processing_time"].as_u64()),
            (Some("422:responder_on_duty"), Some(2000))
        );
        assert_eq!(stats["endpoints"][0]["num_requests"], 0);
    }
}
