//! How people answer a call: most come at once; one in a hundred each declines, stays silent, does not come, comes late, was
//! offline, checks in twice, or is checked in at two places. Owns the answers; must never answer for a duty that is gone.

use muster_proto::v1::{self, Envelope};
use muster_proto::{ACTUAL, Event};
use serde_json::json;

use super::agenda::Guard;
use super::mirror::Place;
use super::{Director, MINUTE_MS, Observer};
use crate::command::{ScriptCommand, Voice};
use crate::dice::Dice;
use crate::stage::Stage;

/// What one person in a hundred does, by the call's number.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Conduct {
    Prompt,
    Declines,
    Silent,
    NoShow,
    /// Declared absent, though a phone that was offline knows better.
    WronglyNoShow,
    Late,
    Offline,
    Twice,
    TwoPlaces,
}

fn conduct(realm: &str, number: usize) -> Conduct {
    if realm != ACTUAL {
        return Conduct::Prompt;
    }
    match number % 100 {
        7 => Conduct::Declines,
        17 => Conduct::Silent,
        27 => Conduct::WronglyNoShow,
        37 => Conduct::Late,
        47 => Conduct::Offline,
        57 => Conduct::Twice,
        67 => Conduct::TwoPlaces,
        77 => Conduct::NoShow,
        _ => Conduct::Prompt,
    }
}

/// How many minutes after the call a person does what.
struct Minutes {
    acknowledge: i64,
    accept: i64,
    arrival: i64,
}

impl Minutes {
    fn of(seed: u64, call: &v1::ResponderCalled) -> Self {
        let mut dice = Dice::new(seed, &call.call_id);
        let mut roll = |from: i64, to: i64| from + i64::try_from(dice.below(usize::try_from(to - from + 1).unwrap_or(1))).unwrap_or(0);
        if call.whistle_id.is_empty() {
            Self { acknowledge: roll(1, 5), accept: roll(6, 12), arrival: roll(20, 50) }
        } else {
            // For a threat to life the reply is wanted within five minutes.
            Self { acknowledge: 1, accept: roll(2, 4), arrival: roll(8, 20) }
        }
    }
}

pub(super) fn check_in(id: String, person: &str, place: &Place, device_ms: Option<i64>) -> ScriptCommand {
    let (site_id, whistle_id) = place.ids();
    let body = json!({"responder_id": person, "site_id": site_id, "whistle_id": whistle_id});
    let voice = Voice::responder(person);
    device_ms.map_or_else(|| voice.clone(), |at_ms| voice.clone().at_device_time(at_ms)).says("CheckIn", id, body)
}

pub(super) fn check_out(id: String, person: &str, place: &Place) -> ScriptCommand {
    let (site_id, whistle_id) = place.ids();
    let body = json!({"responder_id": person, "site_id": site_id, "whistle_id": whistle_id});
    Voice::responder(person).says("CheckOut", id, body)
}

impl<S: Stage, O: Observer> Director<'_, S, O> {
    pub(super) fn react_to_call(&mut self, record: &Envelope, event: &Event) {
        match event {
            Event::ResponderCalled(body) => self.answer(record, body),
            Event::CallUnanswered(body) => self.unanswered(&body.call_id),
            Event::ResponderRecalled(body) => {
                let Some(call) = self.mirror.calls.get(&body.call_id) else { return };
                let minutes = 5 + i64::try_from(record.position % 20).unwrap_or(0);
                let (realm, person, place) = (call.realm.clone(), call.body.responder_id.clone(), call.place.clone());
                self.leave_place(record, minutes, realm, person, place);
            }
            Event::DutyReleased(body) => {
                let Some(call) = self.mirror.calls.get(&body.call_id) else { return };
                let (realm, person, place) = (call.realm.clone(), call.body.responder_id.clone(), call.place.clone());
                // Who was taken away while on post leaves the former place before reaching the next.
                if place.is_some() && self.mirror.where_is(&realm, &person) == place.as_ref() {
                    self.leave_place(record, 2, realm, person, place);
                }
            }
            Event::PresenceDisputed(body) => self.disputed(record, body),
            Event::PresenceUnconfirmed(body) => self.unconfirmed(record, body),
            Event::ShelterOrdered(body) => self.take_shelter(record, body),
            Event::UnaccountedListed(body) => self.ask_after(record, body),
            Event::OrganizerGapOverdue(body) => self.name_organizer(&body.unit_id),
            _ => {}
        }
    }

    fn leave_place(&mut self, record: &Envelope, minutes: i64, realm: String, person: String, place: Option<Place>) {
        if let Some(place) = place {
            let command = check_out(format!("o-{}", record.position), &person, &place);
            self.later(minutes, Guard::Present(realm, person, place), command);
        }
    }

    fn answer(&mut self, record: &Envelope, body: &v1::ResponderCalled) {
        let Some(place) = Place::of(&body.site_id, &body.whistle_id) else { return };
        // Whom a department names has been asked before, and who is on a roster has agreed to it.
        let agreed = matches!(body.reason(), v1::CallReason::Nominated | v1::CallReason::Shift);
        let conduct = if agreed { Conduct::Prompt } else { conduct(&record.realm, self.mirror.calls.len()) };
        let minutes = Minutes::of(self.city.seed, body);
        let call = body.call_id.as_str();
        let person = body.responder_id.as_str();
        let open = || Guard::CallOpen(call.to_owned());
        let voice = Voice::responder(person);
        if conduct == Conduct::Silent {
            self.seek(call);
            return;
        }
        self.later(minutes.acknowledge, open(), voice.says("AcknowledgeCall", format!("k-{call}"), json!({"call_id": call})));
        if conduct == Conduct::Declines {
            let body = json!({"call_id": call, "reason": "照护家人，无法到岗"});
            self.later(minutes.accept, open(), voice.says("DeclineCall", format!("n-{call}"), body));
            return;
        }
        let arrival_ms = self.now_ms + minutes.arrival * MINUTE_MS;
        let accept = json!({"call_id": call, "estimated_arrival_ms": arrival_ms.to_string()});
        self.later(minutes.accept, open(), voice.says("AcceptCall", format!("y-{call}"), accept));
        let arrive = |device_ms| check_in(format!("i-{call}"), person, &place, device_ms);
        match conduct {
            Conduct::NoShow | Conduct::WronglyNoShow => {
                let office = Voice::office(&body.area_id, "带班负责人").by_telephone("点名未到");
                let command = office.says("DeclareNoShow", format!("x-{call}"), json!({"call_id": call}));
                self.later(minutes.arrival + 20, open(), command);
                if conduct == Conduct::WronglyNoShow {
                    let device_ms = arrival_ms + 2 * MINUTE_MS;
                    self.later(minutes.arrival + 60, Guard::PlaceOpen(place.clone()), arrive(Some(device_ms)));
                }
            }
            Conduct::Late => self.later(minutes.arrival + 25, open(), arrive(None)),
            Conduct::Offline => self.later(minutes.arrival + 90, open(), arrive(Some(arrival_ms))),
            Conduct::Twice => {
                self.later(minutes.arrival, open(), arrive(None));
                self.later(minutes.arrival + 1, open(), arrive(None));
                self.later(minutes.arrival + 2, open(), check_in(format!("i2-{call}"), person, &place, None));
            }
            Conduct::TwoPlaces => {
                self.later(minutes.arrival, open(), arrive(None));
                if let Some(other) = self.other_site(&place) {
                    self.later(minutes.arrival + 10, open(), check_in(format!("i3-{call}"), person, &other, None));
                }
            }
            Conduct::Prompt | Conduct::Declines | Conduct::Silent => self.later(minutes.arrival, open(), arrive(None)),
        }
    }

    /// Another open site of the same incident, the next one by id.
    fn other_site(&self, place: &Place) -> Option<Place> {
        let Place::Site(id) = place else { return None };
        let incident = &self.mirror.sites.get(id)?.incident;
        let after = self.mirror.sites.range::<String, _>((std::ops::Bound::Excluded(id), std::ops::Bound::Unbounded));
        let mut others =
            after.chain(self.mirror.sites.iter()).filter(|(other, site)| *other != id && site.open && site.incident == *incident);
        others.next().map(|(other, _)| Place::Site(other.clone()))
    }

    /// Nobody else could be found: somebody telephones, and the person comes after all.
    fn unanswered(&mut self, call_id: &str) {
        let Some(call) = self.mirror.calls.get(call_id).filter(|call| call.open) else { return };
        let (person, area, place) = (call.body.responder_id.clone(), call.body.area_id.clone(), call.place.clone());
        let Some(place) = place else { return };
        let arrival_ms = self.now_ms + 25 * MINUTE_MS;
        let body = json!({"call_id": call_id, "estimated_arrival_ms": arrival_ms.to_string()});
        let voice = Voice::office(&area, "镇街值班员").by_telephone("电话叫应");
        let open = || Guard::CallOpen(call_id.to_owned());
        self.later(6, open(), voice.says("AcceptCall", format!("y2-{call_id}"), body));
        self.later(25, open(), check_in(format!("i4-{call_id}"), &person, &place, None));
    }

    /// The office of the first place settles where the person really is.
    fn disputed(&mut self, record: &Envelope, body: &v1::PresenceDisputed) {
        let Some(place) = Place::of(&body.other_site_id, &body.other_whistle_id) else { return };
        let command = settle(format!("s-{}", record.position), &record.realm, &body.responder_id, Some(&place), &body.area_id);
        self.later(20, Guard::Disputed(record.realm.clone(), body.responder_id.clone()), command);
    }

    /// The secretary asks: the person went home.
    fn unconfirmed(&mut self, record: &Envelope, body: &v1::PresenceUnconfirmed) {
        let command = settle(format!("u-{}", record.position), &record.realm, &body.responder_id, None, &body.area_id);
        self.later(15, Guard::Disputed(record.realm.clone(), body.responder_id.clone()), command);
    }

    /// Most confirm by telephone within minutes; one in forty waits to be asked.
    fn take_shelter(&mut self, record: &Envelope, body: &v1::ShelterOrdered) {
        if record.position.is_multiple_of(40) {
            return;
        }
        let confirm = json!({"incident_id": body.incident_id, "responder_ids": [body.responder_id]});
        let minutes = 2 + i64::try_from(record.position % 20).unwrap_or(0);
        let command = Voice::responder(&body.responder_id).says("ConfirmSafe", format!("safe-{}", record.position), confirm);
        self.later(minutes, Guard::CalledIn(body.incident_id.clone(), body.responder_id.clone()), command);
    }

    /// The secretary telephones down the list of the unaccounted.
    fn ask_after(&mut self, record: &Envelope, body: &v1::UnaccountedListed) {
        let Some(first) = body.people.first() else { return };
        let people: Vec<&str> = body.people.iter().map(|person| person.responder_id.as_str()).collect();
        let confirm = json!({"incident_id": body.incident_id, "responder_ids": people});
        let voice = Voice::office(&body.recalled_area_id, "县三防指挥部").by_telephone("逐一电话核实");
        let command = voice.says("ConfirmSafe", format!("safe-list-{}", record.position), confirm);
        self.later(10, Guard::CalledIn(body.incident_id.clone(), first.responder_id.clone()), command);
    }

    /// A unit without an organizer gets one of a committee's: an organizer may serve several units.
    fn name_organizer(&mut self, unit_id: &str) {
        let Some(unit) = self.mirror.units.get(unit_id) else { return };
        let of_plan = self.mirror.units.values().filter(|other| other.body.plan_id == unit.body.plan_id);
        let Some(organizer) = of_plan.map(|other| &other.organizer).find(|organizer| !organizer.is_empty()).cloned() else { return };
        let voice = self.county_office(&unit.body.area_id).by_document("关于补派组织员的通知");
        let body = json!({"unit_id": unit_id, "responder_id": organizer, "document_no": "组字〔2026〕31号"});
        // Unit ids are longer than a command's id may be.
        let id = format!("org-{}", self.mirror.position);
        self.later(30, Guard::Always, voice.says("AppointOrganizer", id, body));
    }
}

/// Says where a person really is: at a place, or nowhere.
pub(super) fn settle(id: String, realm: &str, person: &str, place: Option<&Place>, area_id: &str) -> ScriptCommand {
    let (site_id, whistle_id) = place.map_or(("", ""), Place::ids);
    let body = json!({"responder_id": person, "realm": realm, "site_id": site_id, "whistle_id": whistle_id, "note": "现场核实"});
    Voice::office(area_id, "带班负责人").by_telephone("点名核实").says("SettlePresence", id, body)
}
