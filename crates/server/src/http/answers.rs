//! What an answer to a command shows of the events: those that the caller may read, as the caller may read them. Counts and places are told whole. It must
//! never show more than `GET /v1/events` would, but for what the caller's own command recorded, and that without persons.

use muster_access::{Action, Bounds, Reach, reads};
use muster_proto::v1::{AreaPath, Envelope, Origin};
use muster_proto::{Answer, path_is_within};
use muster_views::Areas;
use serde_json::{Map, Value, json};

use super::app::App;
use super::event_json;
use crate::access::Caller;

/// An answer as JSON; without the events where they are not wanted.
pub(super) fn answer_json(app: &App, caller: &Caller, answer: &Answer, with_events: bool) -> Value {
    let counts: Map<_, _> = answer.counts.iter().map(|(name, count)| ((*name).to_owned(), json!(count.to_string()))).collect();
    let mut value = json!({
        "first": answer.first.to_string(),
        "last": answer.last.to_string(),
        "counts": counts,
        "repeated": answer.repeated,
    });
    if with_events {
        value["events"] = Value::Array(events_json(app, caller, answer));
    }
    value
}

/// The events of an answer as the caller is shown them.
pub(super) fn events_json(app: &App, caller: &Caller, answer: &Answer) -> Vec<Value> {
    let shown = caller.reach(Action::Events).unwrap_or_else(|_| Reach::Within(Bounds::default()));
    let named = caller.reach_by(Action::Events, reads::persons_in_events);
    let areas = app.areas().ok();
    let decoded = answer.events.iter().filter_map(|record| muster_proto::decode(record).ok());
    let events = decoded.filter_map(|envelope| {
        let with_persons = concerns(areas.as_ref(), &named, &envelope);
        // Whoever gives a command is told what it became, for instance under which id a swap or a call stands, and may read of no event besides.
        let own = envelope.origin() == Origin::External;
        if !(with_persons || own || concerns(areas.as_ref(), &shown, &envelope)) {
            return None;
        }
        let mut value = event_json(&envelope);
        if !with_persons {
            app.redaction.event(&mut value);
        }
        Some(value)
    });
    events.collect()
}

/// Whether an event takes effect within, or is of concern there.
fn concerns(areas: Option<&Areas>, reach: &Reach, envelope: &Envelope) -> bool {
    let bounds = match reach {
        Reach::Everything => return true,
        Reach::Within(bounds) => &bounds.areas,
    };
    let within = |path: &AreaPath| bounds.iter().any(|area| path_is_within(path, area));
    if bounds.is_empty() || envelope.area_path.as_ref().is_some_and(within) {
        return !bounds.is_empty();
    }
    envelope.other_area_ids.iter().any(|id| bounds.contains(id) || lies_within(areas, id, bounds))
}

/// Whether an area lies within others; where the views cannot say where it is, it lies outside.
fn lies_within(areas: Option<&Areas>, id: &str, bounds: &[String]) -> bool {
    let path = areas.and_then(|areas| areas.path(id));
    path.is_some_and(|path| bounds.iter().any(|area| path_is_within(&path, area)))
}
