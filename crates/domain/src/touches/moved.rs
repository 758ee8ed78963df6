//! Commands that move people: beside the post they touch each home that nobody is said to have let somebody go from.

use std::collections::BTreeSet;

use muster_proto::v1;

use super::Touches;
use crate::ids::{AreaRef, CallRef, IncidentRef, OrganizationCallRef};
use crate::lessons::lessons;

impl Touches<'_> {
    /// Somebody who is moved for an incident: touched at home, unless an area around the home is said to have let the person go. That area
    /// is touched instead.
    pub(super) fn moved(&mut self, id: &str, released_by_area_id: &str, incident: Option<IncidentRef>) {
        self.person(id);
        self.areas([released_by_area_id]);
        self.home(id, released_by_area_id, incident);
    }

    fn home(&mut self, id: &str, released_by_area_id: &str, incident: Option<IncidentRef>) {
        let home = self.state.base.responders.find(id).and_then(|key| self.state.base.home_of(key));
        home.into_iter().for_each(|home| self.left(home, released_by_area_id, incident));
    }

    /// An area that people leave, and that nobody above is said to have let them leave.
    fn left(&mut self, area: AreaRef, released_by_area_id: &str, incident: Option<IncidentRef>) {
        let base = &self.state.base;
        if !base.areas.find(released_by_area_id).is_some_and(|by| base.within(area, by)) {
            self.homes.insert((area, incident));
        }
    }

    fn incident_of_site(&self, id: &str) -> Option<IncidentRef> {
        self.state.ops.sites.find(id).map(|key| self.state.ops.sites.get(key).incident)
    }

    pub(super) fn incident_of_unit(&self, id: &str) -> Option<IncidentRef> {
        self.state.ops.units.find(id).map(|key| self.state.ops.units.get(key).incident)
    }

    pub(super) fn incident_of_call(&self, id: &str) -> Option<IncidentRef> {
        CallRef::parse(id).and_then(|key| self.state.ops.calls.find(key)?.incident)
    }

    pub(super) fn incident_of_organization_call(&self, id: &str) -> Option<IncidentRef> {
        OrganizationCallRef::parse(id).and_then(|key| self.state.ops.organization_calls.find(key)?.incident)
    }

    /// The plan, and everybody whom a row that is accepted names in it: a conversion calls them without a further word.
    pub(super) fn next_version(&mut self, body: &v1::DraftNextVersion) {
        self.plan(&body.plan_id);
        let Ok(lessons) = lessons(self.state, &body.plan_id, &body.incident_id) else { return };
        let row_ids: BTreeSet<&String> = body.row_ids.iter().collect();
        let accepted = lessons.rows.iter().filter(|row| row_ids.contains(&row.row_id));
        accepted.for_each(|row| self.person_at_home(&row.to_responder_id));
    }

    /// Of the post that somebody is called to.
    fn incident_of_post(&self, site_id: &str, whistle_id: &str) -> Option<IncidentRef> {
        let of_whistle = || self.state.ops.whistles.find(whistle_id).and_then(|key| self.state.ops.whistles.get(key).incident);
        self.incident_of_site(site_id).or_else(of_whistle)
    }

    /// The post, and the person who is moved to it.
    pub(super) fn dispatch(&mut self, body: &v1::DispatchResponder) {
        self.site_or_whistle(&body.site_id, &body.whistle_id);
        self.unit(&body.unit_id);
        let incident = self.incident_of_post(&body.site_id, &body.whistle_id);
        self.moved(&body.responder_id, &body.released_by_area_id, incident);
    }

    /// The post, the area that is said to have let the people go, those who are named, and what the others have in common. Of whoever has
    /// it in common and lives elsewhere only the number is told.
    pub(super) fn call_group(&mut self, body: &v1::CallGroup) {
        self.site_or_whistle(&body.site_id, &body.whistle_id);
        self.unit(&body.unit_id);
        self.areas([&body.released_by_area_id]);
        let Some(selection) = &body.selection else { return };
        let incident = self.incident_of_post(&body.site_id, &body.whistle_id);
        selection.responder_ids.iter().for_each(|id| self.moved(id, &body.released_by_area_id, incident));
        self.unit(&selection.unit_id);
        self.organization(&selection.organization_id);
        let state = self.state;
        let area = state.base.areas.find(&selection.area_id);
        let unit = state.ops.units.find(&selection.unit_id).map(|key| state.ops.units.get(key).area);
        // An area narrows an organization down to its people there.
        let organization = state.organization_home(&selection.organization_id).filter(|_| area.is_none());
        for area in [area, unit, organization].into_iter().flatten() {
            self.left(area, &body.released_by_area_id, incident);
        }
    }

    /// People who are put into a roster of the site.
    pub(super) fn rostered<'b>(&mut self, site_id: &str, lines: impl IntoIterator<Item = &'b v1::ShiftLine>) {
        self.site(site_id);
        let incident = self.incident_of_site(site_id);
        lines.into_iter().for_each(|line| self.moved(&line.responder_id, "", incident));
        self.state.ops.sites.find(site_id).into_iter().for_each(|site| self.units_at(site));
    }

    /// The one who asks speaks of a place in the roster; whoever takes it is moved there from home.
    pub(super) fn swap(&mut self, body: &v1::SwapShift) {
        self.person(&body.responder_id);
        for (shift_id, taker) in [(&body.shift_id, &body.other_responder_id), (&body.other_shift_id, &body.responder_id)] {
            let Some(shift) = self.shift(shift_id) else { continue };
            let site = self.state.ops.shifts.get(shift).site;
            self.home(taker, "", Some(self.state.ops.sites.get(site).incident));
        }
    }

    /// A proposal shows whom it names, at home: also who would have been next.
    pub(super) fn propose_fill(&mut self, body: &v1::ProposeFill) {
        self.areas([&body.area_id]);
        for line in &body.lines {
            let incident = self.incident_of_post("", &line.whistle_id);
            [&line.responder_id, &line.runner_up_responder_id].into_iter().for_each(|id| self.home(id, "", incident));
        }
    }

    /// Each line as the dispatch that it may lead to. One that is refused moves nobody.
    pub(super) fn decide_fill(&mut self, body: &v1::DecideFill) {
        let state = self.state;
        let Some(proposal) = state.ops.fills.find(&body.proposal_id).map(|key| state.ops.fills.get(key)) else { return };
        self.place(proposal.area);
        for decision in &body.decisions {
            let Some(line) = proposal.lines.get(&*decision.line_id) else { continue };
            if decision.choice() == v1::FillChoice::Refuse {
                self.site_or_whistle("", state.ops.whistles.id(line.whistle));
                continue;
            }
            let proposed = state.base.responders.id(line.responder);
            self.dispatch(&v1::DispatchResponder {
                responder_id: if decision.responder_id.is_empty() { proposed.to_owned() } else { decision.responder_id.clone() },
                whistle_id: state.ops.whistles.id(line.whistle).to_owned(),
                released_by_area_id: decision.released_by_area_id.clone(),
                ..v1::DispatchResponder::default()
            });
        }
    }
}
