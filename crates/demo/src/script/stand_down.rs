//! The end: whistles resolved, areas stood down, everybody off post, incidents closed, and peacetime as it was but for what was
//! changed on purpose.

use muster_proto::ACTUAL;
use serde_json::json;

use super::agenda::Guard;
use super::calls::{check_out, settle};
use super::{DRILL, DRILL_REALM, Director, FLOOD, OUTBREAK, Observer, PlayError, TYPHOON};
use crate::command::{ScriptCommand, Voice};
use crate::scale::OUTBREAK_COUNTY;
use crate::stage::Stage;
use crate::tree::CITY;

/// Rounds of five minutes after which an incident that has not come to its end is a fault of the play.
const ROUNDS_MAX: usize = 60;

impl<S: Stage, O: Observer> Director<'_, S, O> {
    pub(super) async fn end(&mut self) -> Result<(), PlayError> {
        self.enter("解除响应：召回、离岗、撤编、结束", "Stand-down: recall, check-out, dissolve, close");
        self.end_whistles("").await?;
        let area_of_flood = self.declared_area(FLOOD);
        let township = self.declared_area(DRILL);
        for (incident, area, realm) in [
            (FLOOD, area_of_flood, ACTUAL),
            (DRILL, township, DRILL_REALM),
            (TYPHOON, CITY.to_owned(), ACTUAL),
            (OUTBREAK, OUTBREAK_COUNTY.to_owned(), ACTUAL),
        ] {
            if incident == OUTBREAK {
                self.lift_risks().await?;
            }
            self.stand_down(incident, &area, realm).await?;
        }
        self.end_agreement().await?;
        self.drain().await
    }

    /// The area that the incident's script declares it for.
    fn declared_area(&self, incident: &str) -> String {
        match incident {
            FLOOD => {
                let plan = self.city.plans.iter().find(|plan| plan.incident_type == muster_proto::v1::IncidentType::Flood);
                plan.map_or_else(String::new, |plan| plan.area_id.clone())
            }
            _ => self.city.tree.children_of(OUTBREAK_COUNTY).next().map_or_else(String::new, |area| area.id.clone()),
        }
    }

    async fn stand_down(&mut self, incident: &str, area: &str, realm: &str) -> Result<(), PlayError> {
        self.end_whistles(incident).await?;
        let voice = Voice::office(area, "指挥部值班长").by_document("关于终止应急响应的通知");
        let body = json!({"incident_id": incident, "area_id": area});
        self.must(voice.says("StandDownArea", format!("stand-down-{incident}"), body)).await?;
        self.clear_own_parts(incident, &voice).await?;
        for round in 0..ROUNDS_MAX {
            let left = self.mirror.converted.get(incident).map_or(0, std::collections::BTreeSet::len);
            if left == 0 && self.present_of(incident, realm).is_empty() && self.open_calls(incident) == 0 {
                break;
            }
            // Calls bring their own check-outs; after half an hour whoever is still there is sent home.
            if round >= 6 {
                self.send_home(incident, realm, round);
            }
            self.run(5).await?;
        }
        self.clear_own_parts(incident, &voice).await?;
        let left = self.mirror.converted.get(incident).map_or(0, std::collections::BTreeSet::len);
        let present = self.present_of(incident, realm).len();
        if left > 0 || present > 0 {
            return Err(PlayError::NotStoodDown { incident: incident.to_owned(), left, present });
        }
        self.must(voice.says("CloseIncident", format!("close-{incident}"), json!({"incident_id": incident}))).await?;
        self.observer.note(&format!("{incident} 已终止，编组撤销、人员归建"), &format!("{incident} is closed, its units dissolved"));
        Ok(())
    }

    fn open_calls(&self, incident: &str) -> usize {
        self.mirror.calls.values().filter(|call| call.open && call.body.incident_id == incident).count()
    }

    /// Who is present at a place of the incident, by realm and person.
    fn present_of(&self, incident: &str, realm: &str) -> Vec<String> {
        let there =
            self.mirror.presence.iter().filter(|((of, _), presence)| of == realm && self.mirror.incident_of(&presence.place) == incident);
        there.map(|((_, person), _)| person.clone()).collect()
    }

    fn send_home(&mut self, incident: &str, realm: &str, round: usize) {
        for person in self.present_of(incident, realm) {
            let Some(presence) = self.mirror.presence.get(&(realm.to_owned(), person.clone())) else { continue };
            let place = presence.place.clone();
            if presence.disputed {
                let area = self.mirror.area_of(&place).to_owned();
                let command = settle(format!("home-settle-{realm}-{person}-{round}"), realm, &person, None, &area);
                self.later(1, Guard::Disputed(realm.to_owned(), person.clone()), command);
            } else {
                let command = check_out(format!("home-{realm}-{person}-{round}"), &person, &place);
                self.later(1, Guard::Present(realm.to_owned(), person.clone(), place.clone()), command);
            }
        }
    }

    /// What was set up by hand is taken down by hand: duties recalled, units dissolved, sites closed.
    async fn clear_own_parts(&mut self, incident: &str, voice: &Voice) -> Result<(), PlayError> {
        let tag = self.mirror.position;
        let mut commands: Vec<ScriptCommand> = Vec::new();
        for (id, call) in
            self.mirror.calls.iter().filter(|(_, call)| call.open && call.body.incident_id == incident && call.body.plan_id.is_empty())
        {
            let body = json!({"call_id": id, "reason": "解除响应"});
            if call.place.as_ref().is_some_and(|place| self.mirror.is_open(place)) {
                commands.push(voice.says("RecallResponder", format!("recall-{id}-{tag}"), body));
            }
        }
        if commands.is_empty() {
            let own = self.mirror.units.iter().filter(|(_, unit)| unit.body.incident_id == incident && unit.body.plan_id.is_empty());
            for (id, _) in own {
                commands.push(voice.says("DissolveUnit", format!("dissolve-{id}"), json!({"unit_id": id})));
            }
            let own = |id: &String| !id.contains('/');
            for (id, _) in self.mirror.sites.iter().filter(|(id, site)| own(id) && site.open && site.incident == incident) {
                commands.push(voice.says("CloseSite", format!("close-{id}-{tag}"), json!({"site_id": id})));
            }
        }
        self.attempt(commands).await?;
        self.pull().await
    }

    /// Late messages of phones that were offline, and what else is still due.
    async fn drain(&mut self) -> Result<(), PlayError> {
        while self.agenda.len() > 0 {
            self.run(10).await?;
        }
        Ok(())
    }
}
