//! CheckIn 到岗 and CheckOut 离岗: observations, taken in any order and never refused for being late.

use muster_proto::Event;
use muster_proto::v1;

use super::{Decision, checks};
use crate::execute::{Draft, Now};
use crate::ids::{AreaRef, CallRef, RealmRef, ResponderRef};
use crate::limits;
use crate::rejection::Rejection;
use crate::state::{CallPhase, Observation, Place, State};

struct Spot {
    place: Place,
    realm: RealmRef,
    area: AreaRef,
}

fn spot(state: &State, site_id: &str, whistle_id: &str) -> Result<Spot, Rejection> {
    match (site_id.is_empty(), whistle_id.is_empty()) {
        (false, true) => {
            let key = state.any_site("site_id", site_id)?;
            let site = state.ops.sites.get(key);
            Ok(Spot { place: Place::Site(key), realm: state.ops.incidents.get(site.incident).realm, area: site.area })
        }
        (true, false) => {
            let key = state.any_whistle("whistle_id", whistle_id)?;
            let whistle = state.ops.whistles.get(key);
            Ok(Spot { place: Place::Whistle(key), realm: whistle.realm, area: whistle.area })
        }
        _ => Err(Rejection::PlaceRequired {}),
    }
}

/// Whether anybody can still be there now.
fn still_there(state: &State, spot: &Spot) -> Result<(), Rejection> {
    match spot.place {
        Place::Site(key) if state.ops.sites.get(key).closed => Err(Rejection::SiteIsClosed { id: state.ops.sites.id(key).to_owned() }),
        Place::Whistle(key) => {
            let whistle = state.ops.whistles.get(key);
            let answering = whistle.needs.iter().any(|need| !need.calls.is_empty());
            if whistle.phase.open() || answering {
                Ok(())
            } else {
                Err(Rejection::WhistleEnded { id: state.ops.whistles.id(key).to_owned() })
            }
        }
        Place::Site(_) => Ok(()),
    }
}

/// Whether the very same was told before: person, place, moment and the device's count. Without a moment of its own and without a count
/// it is said now, and two of those are two.
fn known_already(state: &State, now: &Now<'_>, spot: &Spot, responder: ResponderRef, device_sequence: u64, check_out: bool) -> bool {
    let occurred_at_ms = now.occurred_at_ms();
    let told = Observation { place: spot.place, occurred_at_ms, device_sequence, check_out };
    let can_be_told_twice = occurred_at_ms < now.recorded_at_ms || device_sequence != 0;
    can_be_told_twice && state.ops.realms.get(spot.realm).observed.get(&responder).is_some_and(|known| known.contains(&told))
}

/// The person's duty at the place; of several, the one whose period is nearest to the moment.
fn duty_at(state: &State, spot: &Spot, responder: ResponderRef, at_ms: i64) -> Option<CallRef> {
    let here = |key: &CallRef| {
        let call = state.ops.calls.get(*key);
        match spot.place {
            Place::Site(site) => call.site == Some(site),
            Place::Whistle(whistle) => call.whistle == Some(whistle),
        }
    };
    let away_ms = |key: &CallRef| {
        let call = state.ops.calls.get(*key);
        let late_ms = if call.until_ms == 0 { 0 } else { at_ms.saturating_sub(call.until_ms).saturating_add(1) };
        call.from_ms.saturating_sub(at_ms).max(late_ms).max(0)
    };
    state.ops.duties(spot.realm, responder).iter().copied().filter(here).min_by_key(away_ms)
}

fn ids(state: &State, place: Option<Place>) -> (String, String) {
    match place {
        Some(Place::Site(key)) => (state.ops.sites.id(key).to_owned(), String::new()),
        Some(Place::Whistle(key)) => (String::new(), state.ops.whistles.id(key).to_owned()),
        None => (String::new(), String::new()),
    }
}

pub(super) fn check_in(state: &State, now: &Now<'_>, body: &v1::CheckIn) -> Decision {
    let responder = state.responder("responder_id", &body.responder_id)?;
    let spot = spot(state, &body.site_id, &body.whistle_id)?;
    let occurred_ms = now.occurred_at_ms();
    let realm = state.ops.realms.get(spot.realm);
    let known = realm.presence.get(&responder);
    let call = duty_at(state, &spot, responder, occurred_ms);
    // A phone that was offline tells of the past; said now, it is a mistake.
    let told_late = occurred_ms < now.recorded_at_ms;
    if known_already(state, now, &spot, responder, body.device_sequence, false) {
        return Ok(Vec::new());
    }
    let mut drafts = Vec::with_capacity(1);
    match known {
        Some(known) if occurred_ms < known.fact_ms || known.disputed_with.is_some() => {
            drafts.push(past(&spot, body, &body.responder_id));
        }
        Some(known) if known.place == Some(spot.place) && !known.unconfirmed && (call.is_none() || known.call == call) => {
            if occurred_ms == known.fact_ms {
                return Ok(Vec::new());
            }
            // Seen there again: nothing changes now, but a late check-out of an earlier hour no longer takes them off post.
            drafts.push(past(&spot, body, &body.responder_id));
        }
        _ if told_late && still_there(state, &spot).is_err() => drafts.push(past(&spot, body, &body.responder_id)),
        Some(known) if known.counts() && known.place != Some(spot.place) => {
            still_there(state, &spot)?;
            let (other_site_id, other_whistle_id) = ids(state, known.place);
            let event = Event::PresenceDisputed(v1::PresenceDisputed {
                responder_id: body.responder_id.clone(),
                site_id: body.site_id.clone(),
                whistle_id: body.whistle_id.clone(),
                area_id: state.base.areas.id(spot.area).to_owned(),
                other_site_id,
                other_whistle_id,
                device_sequence: body.device_sequence,
            });
            drafts.push(Draft::new(event, spot.realm, Some(spot.area)));
        }
        _ => {
            still_there(state, &spot)?;
            let event = Event::CheckedIn(v1::CheckedIn {
                responder_id: body.responder_id.clone(),
                call_id: call.map(CallRef::text).unwrap_or_default(),
                site_id: body.site_id.clone(),
                whistle_id: body.whistle_id.clone(),
                area_id: state.base.areas.id(spot.area).to_owned(),
                walk_in: call.is_none(),
                recorded_late: now.recorded_at_ms - occurred_ms > limits::OFFLINE_GRACE_MS,
                device_sequence: body.device_sequence,
            });
            drafts.push(Draft::new(event, spot.realm, Some(spot.area)));
        }
    }
    drafts.extend(corrected(state, &spot, responder, occurred_ms));
    Ok(drafts)
}

fn past(spot: &Spot, body: &v1::CheckIn, responder_id: &str) -> Draft {
    let event = Event::PastPresenceRecorded(v1::PastPresenceRecorded {
        responder_id: responder_id.to_owned(),
        site_id: body.site_id.clone(),
        whistle_id: body.whistle_id.clone(),
        check_out: false,
        device_sequence: body.device_sequence,
    });
    Draft::new(event, spot.realm, Some(spot.area))
}

/// The person was there before being declared absent: the declaration is corrected, the orders given since stand.
fn corrected(state: &State, spot: &Spot, responder: ResponderRef, occurred_ms: i64) -> Option<Draft> {
    let key = *state.ops.realms.get(spot.realm).no_shows.get(&responder)?;
    let call = state.ops.calls.get(key);
    let same_place = match spot.place {
        Place::Site(site) => call.site == Some(site),
        Place::Whistle(whistle) => call.whistle == Some(whistle),
    };
    if !same_place || call.phase.open() || occurred_ms < call.from_ms || occurred_ms > call.released_at_ms {
        return None;
    }
    let event = Event::NoShowCorrected(v1::NoShowCorrected { call_id: key.text(), arrived_at_ms: occurred_ms });
    Some(Draft::new(event, spot.realm, Some(spot.area)))
}

pub(super) fn check_out(state: &State, now: &Now<'_>, body: &v1::CheckOut) -> Decision {
    let responder = state.responder("responder_id", &body.responder_id)?;
    let spot = spot(state, &body.site_id, &body.whistle_id)?;
    let occurred_ms = now.occurred_at_ms();
    if known_already(state, now, &spot, responder, body.device_sequence, true) {
        return Ok(Vec::new());
    }
    let known = state.ops.realms.get(spot.realm).presence.get(&responder);
    let here = known.is_some_and(|known| known.place == Some(spot.place) && known.disputed_with.is_none() && occurred_ms >= known.fact_ms);
    if !here {
        // A phone that was offline tells of the past; said now, it is a mistake.
        if occurred_ms == now.recorded_at_ms {
            return Err(Rejection::NotOnPost { id: body.responder_id.clone() });
        }
        let event = Event::PastPresenceRecorded(v1::PastPresenceRecorded {
            responder_id: body.responder_id.clone(),
            site_id: body.site_id.clone(),
            whistle_id: body.whistle_id.clone(),
            check_out: true,
            device_sequence: body.device_sequence,
        });
        return Ok(vec![Draft::new(event, spot.realm, Some(spot.area))]);
    }
    let event = Event::CheckedOut(v1::CheckedOut {
        responder_id: body.responder_id.clone(),
        call_id: known.and_then(|known| known.call).map(CallRef::text).unwrap_or_default(),
        site_id: body.site_id.clone(),
        whistle_id: body.whistle_id.clone(),
        device_sequence: body.device_sequence,
        before_confirmation: known.and_then(|known| known.call).is_some_and(|call| unconfirmed_part(state, call)),
    });
    Ok(vec![Draft::new(event, spot.realm, Some(spot.area))])
}

/// Whether somebody who leaves this duty leaves a part that the blowing side has not confirmed. Who was told to come off leaves nothing undone.
fn unconfirmed_part(state: &State, call: CallRef) -> bool {
    let call = state.ops.calls.get(call);
    let Some((whistle, need)) = call.whistle.zip(call.need) else { return false };
    let whistle = state.ops.whistles.get(whistle);
    whistle.phase.open() && !whistle.needs[usize::from(need)].confirmed && call.phase != CallPhase::Recalled
}

/// A person says where somebody really is. Open to any presence: a forgotten check-out is settled the same way.
pub(super) fn settle(state: &State, now: &Now<'_>, body: &v1::SettlePresence) -> Decision {
    let responder = state.responder("responder_id", &body.responder_id)?;
    let realm_name = if body.realm.is_empty() { muster_proto::ACTUAL } else { &body.realm };
    let realm = state.ops.realms.find(realm_name).ok_or_else(|| Rejection::UnknownRealm { id: body.realm.clone() })?;
    let known = state.ops.realms.get(realm).presence.get(&responder);
    let Some(former) = known.and_then(|known| known.place) else {
        return Err(Rejection::NothingToSettle { id: body.responder_id.clone() });
    };
    checks::short("note", &body.note)?;
    let spot = if body.site_id.is_empty() && body.whistle_id.is_empty() {
        None
    } else {
        let spot = spot(state, &body.site_id, &body.whistle_id)?;
        if spot.realm != realm {
            return Err(Rejection::OtherIncident { field: "site_id", id: format!("{}{}", body.site_id, body.whistle_id) });
        }
        still_there(state, &spot)?;
        Some(spot)
    };
    let former_area = match former {
        Place::Site(key) => state.ops.sites.get(key).area,
        Place::Whistle(key) => state.ops.whistles.get(key).area,
    };
    let area = spot.as_ref().map_or(former_area, |spot| spot.area);
    let call = spot.as_ref().and_then(|spot| duty_at(state, spot, responder, now.recorded_at_ms));
    let event = Event::PresenceSettled(v1::PresenceSettled {
        responder_id: body.responder_id.clone(),
        site_id: body.site_id.clone(),
        whistle_id: body.whistle_id.clone(),
        area_id: state.base.areas.id(area).to_owned(),
        call_id: call.map(CallRef::text).unwrap_or_default(),
        note: body.note.clone(),
    });
    let mut draft = Draft::new(event, realm, Some(area));
    if former_area != area {
        draft.other_area_ids.push(state.base.areas.id(former_area).to_owned());
    }
    Ok(vec![draft])
}
