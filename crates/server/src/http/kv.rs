//! What status and metrics say of the views' buckets in NATS KV.

use muster_feed::kv::KvStatuses;
use muster_feed::{KvState, KvStatus};
use serde_json::{Map, Value, json};

use super::ops::as_f64;
use crate::telemetry::Meters;

pub(super) fn status(kv: &KvStatuses) -> Value {
    let views: Map<String, Value> = kv.iter().map(|(view, status)| (view.name().to_owned(), of_view(&status.borrow()))).collect();
    json!({"state": "on", "views": views})
}

fn of_view(status: &KvStatus) -> Value {
    json!({
        "state": status.state.name(),
        "reason": status.state.reason(),
        "at": status.at.to_string(),
        "lag_positions": status.lag_positions.to_string(),
        "lag_s": status.lag_seconds(),
        "rows": status.rows.to_string(),
        "puts": status.puts.to_string(),
        "deletes": status.deletes.to_string(),
        "compared": status.compared.to_string(),
    })
}

pub(super) fn sample(meters: &Meters, kv: &KvStatuses) {
    for (view, status) in kv {
        let status = status.borrow().clone();
        let gauge = |name, value: f64| meters.gauge(name, &[("view", view.name())]).set(value);
        gauge("muster_kv_position", as_f64(status.at.position.0));
        gauge("muster_kv_lag_positions", as_f64(status.lag_positions));
        gauge("muster_kv_lag_seconds", status.lag_seconds());
        gauge("muster_kv_rows", as_f64(status.rows));
        for state in KvState::NAMES {
            let is = f64::from(u8::from(state == status.state.name()));
            meters.gauge("muster_kv_state", &[("view", view.name()), ("state", state)]).set(is);
        }
    }
}
