//! Whistles: what is asked for, who answers, how they end. Owns the blowing and the offices' part; people answer their calls as
//! they answer any other.

use muster_proto::v1::{self, AreaLevel, Envelope, NeedKind};
use muster_proto::{ACTUAL, Command, Event, command_to_json};
use serde_json::json;

use super::agenda::Guard;
use super::{Director, MINUTE_MS, Observer, PlayError};
use crate::command::{ScriptCommand, Voice};
use crate::stage::Stage;
use crate::tree::CITY;

/// People that a department has free beyond those it is asked for: some are called elsewhere while it is slow.
const SPARE_PEOPLE: u32 = 3;
/// People whom a neighbour lets go at a time.
const RELEASED_MAX: usize = 2;
/// The whistle whose needs are beyond its own area: neighbours are asked one after the other.
pub(super) const BRIDGE: &str = "w-bridge";
/// More than any township has free, at every scale.
const BRIDGE_PEOPLE: u32 = 2_000;

/// One whistle to be blown.
pub(super) struct Blow<'a> {
    pub(super) id: &'a str,
    pub(super) incident: &'a str,
    pub(super) area: &'a str,
    pub(super) severity: v1::Severity,
    pub(super) life_threatening: bool,
    pub(super) place: &'a str,
    pub(super) text: &'a str,
    pub(super) needs: Vec<v1::Need>,
}

pub(super) fn people(need_id: &str, quantity: u32, specialty: &str) -> v1::Need {
    v1::Need {
        need_id: need_id.to_owned(),
        kind: NeedKind::Person.into(),
        specialty: specialty.to_owned(),
        quantity,
        unit: "人".to_owned(),
        ..v1::Need::default()
    }
}

pub(super) fn thing(need_id: &str, kind: NeedKind, item: &str, quantity: u32, unit: &str) -> v1::Need {
    let (item, specialty) = if kind == NeedKind::Organization { ("", item) } else { (item, "") };
    v1::Need {
        need_id: need_id.to_owned(),
        kind: kind.into(),
        specialty: specialty.to_owned(),
        item: item.to_owned(),
        quantity,
        unit: unit.to_owned(),
        deadline_ms: 0,
    }
}

impl<S: Stage, O: Observer> Director<'_, S, O> {
    pub(super) async fn blow(&mut self, blow: Blow<'_>) -> Result<(), PlayError> {
        let command = Command::BlowWhistle(v1::BlowWhistle {
            whistle_id: blow.id.to_owned(),
            incident_id: blow.incident.to_owned(),
            area_id: blow.area.to_owned(),
            severity: blow.severity.into(),
            urgency: v1::Urgency::Immediate.into(),
            certainty: v1::Certainty::Observed.into(),
            life_threatening: blow.life_threatening,
            place: blow.place.to_owned(),
            text: blow.text.to_owned(),
            needs: blow.needs,
        });
        let voice = Voice::office(blow.area, "社区书记");
        self.must(voice.says("BlowWhistle", format!("blow-{}", blow.id), command_to_json(&command).1)).await
    }

    /// The office that has the responsibility when the level is reached answers after so many minutes.
    pub(super) fn acknowledge_from(&mut self, whistle: &str, level: AreaLevel, minutes: i64) {
        self.acknowledge_at.insert(whistle.to_owned(), level);
        let Some(area) = self.mirror.whistles.get(whistle).map(|whistle| whistle.responsible.clone()) else { return };
        if self.city.tree.get(&area).is_some_and(|area| area.level <= level) {
            self.acknowledge(whistle, &area, minutes);
        }
    }

    fn acknowledge(&mut self, whistle: &str, area: &str, minutes: i64) {
        let voice = Voice::office(area, "值班领导").by_telephone("吹哨台");
        let command = voice.says("AcknowledgeWhistle", format!("ack-{whistle}-{area}"), json!({"whistle_id": whistle}));
        self.later(minutes, Guard::WhistleOpen(whistle.to_owned()), command);
    }

    pub(super) fn react_to_whistle(&mut self, record: &Envelope, event: &Event) {
        if record.realm != ACTUAL {
            return;
        }
        match event {
            Event::WhistleEscalated(body) => {
                let level = self.city.tree.get(&body.to_area_id).map(|area| area.level);
                // The levels' numbers fall upward.
                if level.zip(self.acknowledge_at.get(&body.whistle_id)).is_some_and(|(now, wanted)| now <= *wanted) {
                    self.acknowledge(&body.whistle_id, &body.to_area_id, 2);
                }
            }
            Event::DispatchProposed(body) => self.dispatch(record, body),
            Event::ReinforcementRequested(body) if !body.request_id.is_empty() => self.reinforce(body),
            Event::WhistleFilled(body) => {
                let command = self.resolution(&body.whistle_id);
                self.later(40, Guard::WhistleOpen(body.whistle_id.clone()), command);
            }
            Event::WhistleResolved(body) => self.rate(record, &body.whistle_id),
            Event::OrganizationOverdue(body) => self.slow_organization(&body.call_id),
            _ => {}
        }
    }

    /// The county's organization department dispatches whom the policy proposes; the city releases people of another county.
    fn dispatch(&mut self, record: &Envelope, body: &v1::DispatchProposed) {
        let Some(whistle) = self.mirror.whistles.get(&body.whistle_id) else { return };
        // At the bridge the neighbours are waited for.
        if body.whistle_id == BRIDGE {
            return;
        }
        let area = whistle.body.area_id.clone();
        let voice = self.county_office(&area).by_consultation("调度会商");
        let wanted = usize::try_from(body.quantity).unwrap_or(usize::MAX);
        for candidate in body.candidates.iter().take(wanted) {
            let person = &candidate.responder_id;
            let dispatch = json!({
                "responder_id": person,
                "whistle_id": body.whistle_id,
                "need_id": body.need_id,
                "released_by_area_id": CITY,
            });
            let command = voice.says("DispatchResponder", format!("d-{}-{person}", record.position), dispatch);
            let guard = Guard::NeedShort(body.whistle_id.clone(), body.need_id.clone(), person.clone());
            self.later(4, guard, command);
        }
    }

    /// 跨区增援: the neighbour that is asked lets a few people go. For the bridge the first one says no, and the second is silent.
    fn reinforce(&mut self, body: &v1::ReinforcementRequested) {
        let voice = Voice::office(&body.from_area_id, "值班领导").by_telephone("增援请求");
        let id = format!("{}-{}", body.request_id, body.from_area_id);
        let refusal = || json!({"request_id": body.request_id, "reason": "本辖区同样吃紧"});
        let turn = self.mirror.requests.get(&body.whistle_id).copied().unwrap_or(0);
        let command = match (body.whistle_id.as_str(), turn) {
            (BRIDGE, 2) => return,
            (BRIDGE, 1) => voice.says("RefuseReinforcement", id, refusal()),
            _ => match self.free_people_in(body) {
                people if people.is_empty() => voice.says("RefuseReinforcement", id, refusal()),
                people => {
                    self.promised.extend(people.iter().cloned());
                    voice.says("ReleasePeople", id, json!({"request_id": body.request_id, "responder_ids": people}))
                }
            },
        };
        self.later(1, Guard::WhistleOpen(body.whistle_id.clone()), command);
    }

    /// People at home in the area that is asked who could come, as many as are asked for and few enough to be missed little.
    fn free_people_in(&self, body: &v1::ReinforcementRequested) -> Vec<String> {
        let Some(asked) = self.city.tree.get(&body.from_area_id) else { return Vec::new() };
        let needs = self.mirror.whistles.get(&body.whistle_id).map(|whistle| &whistle.body.needs);
        let need = needs.and_then(|needs| needs.iter().find(|need| need.need_id == body.need_id));
        let specialty = need.map_or("", |need| need.specialty.as_str());
        let home = |area_id: &str| self.city.tree.at_level(area_id, asked.level).is_some_and(|area| area.id == asked.id);
        let fits = |wanted: &[&str]| specialty.is_empty() || wanted.contains(&specialty);
        let free = self.city.responders.iter().filter(|person| {
            person.away.is_none() && fits(&person.specialties) && home(&person.home) && self.mirror.is_free(ACTUAL, &person.id)
        });
        let free = free.map(|person| person.id.clone()).filter(|person| !self.promised.contains(person));
        free.take(usize::try_from(body.quantity).unwrap_or(usize::MAX).min(RELEASED_MAX)).collect()
    }

    /// A bridge is about to give way before any incident is declared, and the township cannot hold it alone.
    pub(super) async fn bridge(&mut self) -> Result<(), PlayError> {
        self.enter("台风前：石桥告急，逐个邻区请求增援", "Before the typhoon: a bridge, and one neighbour asked after the other");
        let by_hand = |village: &&crate::tree::Area| !self.city.auto_fill.contains(&self.above(&village.id, AreaLevel::Township));
        let Some(area) = self.city.tree.of_level(AreaLevel::Village).filter(by_hand).last().map(|village| village.id.clone()) else {
            return Ok(());
        };
        let needs = vec![people("n1", BRIDGE_PEOPLE, "")];
        let (place, text, severity) = ("村口石桥", "石桥将垮，需大批人手轮班加固", v1::Severity::Extreme);
        self.blow(Blow { id: BRIDGE, incident: "", area: &area, severity, life_threatening: true, place, text, needs }).await?;
        self.acknowledge_from(BRIDGE, AreaLevel::Village, 1);
        self.run(30).await?;
        let command = self.resolution(BRIDGE);
        self.attempt(vec![command]).await?;
        self.pull().await?;
        let count = |event| self.mirror.count(event);
        let (asked, released) = (self.mirror.requests.get(BRIDGE).copied().unwrap_or(0), count("PeopleReleased"));
        let (refused, lapsed) = (count("ReinforcementRefused"), count("ReinforcementLapsed"));
        self.observer.note(
            &format!("请求邻区 {asked} 次：放人 {released}，谢绝 {refused}，逾期未答 {lapsed}"),
            &format!("{asked} requests to neighbours: {released} let people go, {refused} said no, {lapsed} were silent"),
        );
        self.run(15).await
    }

    pub(super) fn resolution(&self, whistle_id: &str) -> ScriptCommand {
        let area = self.mirror.whistles.get(whistle_id).map_or(CITY, |whistle| whistle.body.area_id.as_str());
        let body = json!({"whistle_id": whistle_id, "note": "事已办结"});
        Voice::office(area, "社区书记").says("ResolveWhistle", format!("resolve-{whistle_id}"), body)
    }

    fn rate(&mut self, record: &Envelope, whistle_id: &str) {
        let Some(whistle) = self.mirror.whistles.get(whistle_id) else { return };
        let rating = match record.position % 4 {
            0 => v1::Rating::Acceptable,
            1 if whistle.body.needs.len() > 1 => v1::Rating::Dissatisfied,
            // Silence is no grade.
            2 => return,
            _ => v1::Rating::Satisfied,
        };
        let body = json!({"whistle_id": whistle_id, "rating": rating.as_str_name()});
        let command = Voice::office(&whistle.body.area_id, "社区书记").says("RateWhistle", format!("rate-{whistle_id}"), body);
        self.later(10, Guard::Always, command);
    }

    /// A supply or a piece of equipment arrives.
    pub(super) fn deliver(&mut self, minutes: i64, whistle: &str, need: &str, quantity: u32) {
        let area = self.mirror.whistles.get(whistle).map_or(CITY, |whistle| whistle.body.area_id.as_str());
        let body = json!({"whistle_id": whistle, "need_id": need, "quantity": quantity, "note": "物资已送达"});
        let command = self.county_office(area).says("FulfilNeed", format!("deliver-{whistle}-{need}-{minutes}"), body);
        self.later(minutes, Guard::WhistleOpen(whistle.to_owned()), command);
    }

    /// A department is called for a need, and nobody picks up.
    pub(super) async fn call_organization(
        &mut self,
        whistle: &str,
        need: &str,
        organization: &str,
        quantity: u32,
    ) -> Result<(), PlayError> {
        let area = self.mirror.whistles.get(whistle).map_or(CITY, |whistle| whistle.body.area_id.as_str());
        let body = json!({
            "organization_id": organization,
            "whistle_id": whistle,
            "need_id": need,
            "quantity": quantity,
            "deadline_ms": (self.now_ms + 30 * MINUTE_MS).to_string(),
            // 牵头单位: the only one that is called.
            "lead": true,
        });
        let voice = self.county_office(area).by_document("部门报到征调单");
        self.must(voice.says("CallOrganization", format!("call-{whistle}-{need}"), body)).await
    }

    /// Chased, the department acknowledges and names its people.
    fn slow_organization(&mut self, call_id: &str) {
        if !self.organization_calls_answered.insert(call_id.to_owned()) {
            return;
        }
        let Some(call) = self.mirror.organization_calls.get(call_id).cloned() else { return };
        let voice = Voice::organization(&call.organization_id, &call.area_id);
        let acknowledge = voice.says("AcknowledgeCall", format!("ok-{call_id}"), json!({"call_id": call_id}));
        self.later(4, Guard::Always, acknowledge);
        let named = self.free_people_of(&call.organization_id, call.quantity);
        if !named.is_empty() {
            let body = json!({"call_id": call_id, "responder_ids": named});
            self.later(9, Guard::Always, voice.says("NominatePeople", format!("name-{call_id}"), body));
        }
    }

    fn free_people_of(&self, organization_id: &str, quantity: u32) -> Vec<String> {
        // From the roster's end: the Fill policy asks from its beginning, and both are on their way at the same time.
        let own = self.city.responders.iter().rev().filter(|person| person.organization_id == organization_id && person.away.is_none());
        let free = own.filter(|person| self.mirror.is_free(ACTUAL, &person.id)).map(|person| person.id.clone());
        free.take(usize::try_from(quantity).unwrap_or(usize::MAX)).collect()
    }

    /// The organization of the area or above it that has most free people, up to a few more than are asked for: one with this
    /// function, or any where those have too few.
    pub(super) fn organization_for(&self, area_id: &str, function: &str, quantity: u32) -> Option<String> {
        let path: Vec<String> = [AreaLevel::Township, AreaLevel::County, AreaLevel::City].map(|level| self.above(area_id, level)).into();
        let enough = quantity + SPARE_PEOPLE;
        let best = |function: Option<&str>| {
            let near = self.city.organizations.iter().filter(|organization| path.contains(&organization.area_id));
            let able = near.filter(|organization| function.is_none_or(|function| organization.functions.contains(&function)));
            let counted = able.map(|organization| (self.free_people_of(&organization.id, enough).len(), &organization.id));
            // The first of those with the most: a later equal one does not replace it.
            counted.fold(None, |best: Option<(usize, &String)>, next| best.filter(|best| best.0 >= next.0).or(Some(next)))
        };
        let chosen = best(Some(function)).filter(|(free, _)| *free >= enough as usize).or_else(|| best(None));
        chosen.map(|(_, id)| id.clone())
    }

    /// Ends every open whistle of an incident, or those outside any for `None`.
    pub(super) async fn end_whistles(&mut self, incident: &str) -> Result<(), PlayError> {
        let open = self.mirror.whistles.iter().filter(|(_, whistle)| whistle.open && whistle.body.incident_id == incident);
        let commands: Vec<ScriptCommand> = open.map(|(id, _)| self.resolution(id)).collect();
        self.attempt(commands).await?;
        self.pull().await
    }
}
