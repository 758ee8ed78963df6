//! What a command touches: the areas where it takes effect, and the organizations, people, units and calls it speaks of.
//!
//! It answers whoever checks rights, from the very state that the command is decided against. It must never refuse
//! anything: what is not known is left out, and the decision names it.

mod moved;

use std::collections::BTreeSet;

use muster_proto::v1;
use muster_proto::{Command, Touched, TouchedHome, TouchedOffice, TouchedPerson, TouchedUnit, UnitLine};

use crate::decide::grounded;
use crate::ids::{
    AreaRef, CallRef, IncidentRef, OrganizationCallRef, RequestRef, ResponderRef, ShiftRef, SiteRef, SwapRef, UnitRef, WhistleRef,
};
use crate::state::{Place, State, Unit};

impl State {
    /// What the command touches, and the office and ground that its context claims.
    #[must_use]
    pub fn touches(&self, context: &v1::Context, command: &Command) -> Touched {
        let mut found = Touches::nothing(self);
        found.command(context, command);
        let mut touched = found.done();
        touched.office = context.actor_office.as_ref().map(|office| TouchedOffice {
            area_id: office.area_id.clone(),
            area: self.path_of(&office.area_id),
            organization: office.organization_id.clone(),
            organization_area: self.organization_home(&office.organization_id).map(|area| self.area_path(Some(area))),
        });
        touched.grounded = grounded(context);
        touched
    }

    fn organization_home(&self, id: &str) -> Option<AreaRef> {
        self.base.organizations.find(id).and_then(|key| self.base.organizations.get(key).area)
    }

    /// What somebody touches who wants to reach a person: the person at home, then at each present duty. Each is enough.
    #[must_use]
    pub fn touches_person(&self, responder_id: &str) -> Vec<Touched> {
        let Some(person) = self.base.responders.find(responder_id) else { return Vec::new() };
        let mut home = Touches::nothing(self);
        home.person_at_home(responder_id);
        let duties = self.ops.realms.iter().flat_map(|(realm, _)| self.ops.duties(realm, person)).map(|call| {
            let mut duty = Touches::nothing(self);
            duty.call(&call.text());
            duty.done()
        });
        std::iter::once(home.done()).chain(duties).collect()
    }

    /// What a call touches, by its outside id.
    #[must_use]
    pub fn touches_call(&self, call_id: &str) -> Touched {
        let mut found = Touches::nothing(self);
        found.call(call_id);
        found.done()
    }

    /// The path to an area, if there is one of that id; retired ones too.
    #[must_use]
    pub fn path_of(&self, area_id: &str) -> Option<v1::AreaPath> {
        self.base.areas.find(area_id).map(|key| self.area_path(Some(key)))
    }
}

struct Touches<'a> {
    state: &'a State,
    touched: Touched,
    /// Homes of people who are moved, and what for. A proposal names thousands of people of few areas.
    homes: BTreeSet<(AreaRef, Option<IncidentRef>)>,
}

impl<'a> Touches<'a> {
    fn nothing(state: &'a State) -> Self {
        Self { state, touched: Touched::default(), homes: BTreeSet::new() }
    }

    fn done(self) -> Touched {
        let Self { state, mut touched, homes } = self;
        let home = |(area, incident): (AreaRef, Option<IncidentRef>)| TouchedHome {
            area: state.area_path(Some(area)),
            incident: incident.map(|key| state.ops.incidents.id(key).to_owned()).unwrap_or_default(),
        };
        touched.homes = homes.into_iter().map(home).collect();
        touched
    }

    fn command(&mut self, context: &v1::Context, command: &Command) {
        match command {
            Command::DefineArea(body) => self.areas([&body.area_id, &body.parent_id]),
            Command::ReparentArea(body) => self.areas([&body.area_id, &body.parent_id]),
            Command::RetireArea(body) => self.areas([&body.area_id]),
            Command::SwitchAutoFill(body) => self.areas([&body.area_id]),
            Command::SetFloor(body) => self.areas([&body.area_id]),
            Command::RegisterOrganization(body) => {
                self.organization_at_home(&body.organization_id);
                self.areas([&body.area_id]);
            }
            Command::TieToArea(body) => {
                self.organization(&body.organization_id);
                self.areas([&body.area_id]);
            }
            Command::NameOfficeHolder(body) => self.organization_at_home(&body.organization_id),
            Command::ReservePeople(body) => self.organization_at_home(&body.organization_id),
            Command::EnrollResponder(body) => self.enroll(body),
            Command::ReportToCommunity(body) => {
                self.person_at_home(&body.responder_id);
                self.areas([&body.area_id]);
            }
            Command::TransferResponder(body) => {
                self.person_at_home(&body.responder_id);
                self.organization(&body.organization_id);
            }
            Command::SetSpecialties(body) => self.person_at_home(&body.responder_id),
            Command::SetAvailability(body) => self.person_at_home(&body.responder_id),
            Command::WithdrawResponder(body) => self.person_at_home(&body.responder_id),
            Command::AssignResponsibility(body) => {
                self.person_at_home(&body.responder_id);
                self.areas([&body.area_id]);
            }
            Command::EndResponsibility(body) => {
                self.person(&body.responder_id);
                self.areas([&body.area_id]);
            }
            Command::ErasePersonalData(body) => self.person_at_home(&body.responder_id),
            Command::SetHold(body) => self.person_at_home(&body.responder_id),
            Command::SignAgreement(body) if body.area_id.is_empty() => self.sides_of(context, &body.agreement_id, &body.sides),
            Command::SignAgreement(body) => self.areas([&body.area_id]),
            Command::InvokeAgreement(body) if body.area_id.is_empty() => self.sides_of(context, &body.agreement_id, &[]),
            Command::InvokeAgreement(body) => self.areas([&body.area_id]),
            Command::EndAgreement(body) => self.sides_of(context, &body.agreement_id, &[]),
            Command::DraftPlan(body) => {
                self.plan(&body.plan_id);
                self.areas([&body.area_id]);
            }
            Command::DesignatePost(body) => {
                self.plan(&body.plan_id);
                // A conversion calls them without a further word.
                std::iter::once(&body.responder_id).chain(&body.backup_ids).for_each(|id| self.person_at_home(id));
            }
            Command::PublishPlan(body) => self.plan(&body.plan_id),
            Command::RehearsePlan(body) => self.plan(&body.plan_id),
            Command::DraftNextVersion(body) => self.next_version(body),
            Command::DeclareIncident(body) => self.areas([&body.area_id]),
            Command::ConvertArea(body) => self.areas([&body.area_id]),
            Command::ChangeResponse(body) => self.areas([&body.area_id]),
            Command::ChangeWarning(body) => self.incident(&body.incident_id),
            Command::ChangeGrade(body) => self.incident(&body.incident_id),
            Command::StandDownArea(body) => self.areas([&body.area_id]),
            Command::CloseIncident(body) => self.incident(&body.incident_id),
            Command::RecallArea(body) => self.areas([&body.area_id]),
            Command::ConfirmSafe(body) => self.confirm_safe(body),
            Command::ResumeArea(body) => self.areas([&body.area_id]),
            Command::EstablishUnit(body) => {
                self.unit(&body.parent_unit_id);
                self.areas([&body.area_id]);
                self.site(&body.site_id);
            }
            Command::AppointSecretary(body) => self.unit_and_person(&body.unit_id, &body.responder_id),
            Command::AppointOrganizer(body) => self.unit_and_person(&body.unit_id, &body.responder_id),
            Command::AttachResponder(body) => {
                self.unit_in_place(&body.unit_id);
                self.moved(&body.responder_id, "", self.incident_of_unit(&body.unit_id));
            }
            Command::DetachResponder(body) => self.unit_and_person(&body.unit_id, &body.responder_id),
            Command::DissolveUnit(body) => self.unit_in_place(&body.unit_id),
            Command::OpenSite(body) => self.areas([&body.area_id]),
            Command::SetRequirement(body) => self.site(&body.site_id),
            Command::CloseSite(body) => self.site(&body.site_id),
            Command::SetRisk(body) => self.site(&body.site_id),
            Command::SetBeat(body) => self.site(&body.site_id),
            Command::ScheduleShifts(body) => self.rostered(&body.site_id, body.crews.iter().flat_map(|crew| &crew.lines)),
            Command::OpenShift(body) => {
                self.rostered(&body.site_id, &body.lines);
                self.shift_and_crew(&body.shift_id);
            }
            Command::SwapShift(body) => self.swap(body),
            Command::AnswerSwap(body) => self.answer_swap(body),
            Command::HandOver(body) => self.call(&body.from_call_id),
            Command::CloseShift(body) => self.shift_and_crew(&body.shift_id),
            Command::BlowWhistle(body) => self.blow(body),
            Command::AcknowledgeWhistle(body) => self.whistle(&body.whistle_id),
            Command::EscalateWhistle(body) => self.whistle(&body.whistle_id),
            Command::MergeWhistles(body) => {
                self.whistle(&body.whistle_id);
                self.whistle(&body.into_whistle_id);
            }
            Command::FulfilNeed(body) => {
                self.whistle(&body.whistle_id);
                self.organization(&body.organization_id);
            }
            Command::ResolveWhistle(body) => self.blowing_side(&body.whistle_id),
            Command::WithdrawWhistle(body) => self.blowing_side(&body.whistle_id),
            Command::RateWhistle(body) => self.blowing_side(&body.whistle_id),
            Command::ConfirmPart(body) => self.blowing_side(&body.whistle_id),
            Command::DispatchResponder(body) => self.dispatch(body),
            Command::CallGroup(body) => self.call_group(body),
            Command::RecallGroup(body) => self.recall_group(body),
            Command::ReleasePeople(body) => self.release(body),
            Command::RefuseReinforcement(body) => self.request(&body.request_id),
            Command::RecordDelivery(body) => self.call(&body.call_id),
            Command::CallOrganization(body) => {
                self.site_or_whistle(&body.site_id, &body.whistle_id);
                self.organization(&body.organization_id);
            }
            Command::NominatePeople(body) => {
                self.call(&body.call_id);
                let incident = self.incident_of_organization_call(&body.call_id);
                body.responder_ids.iter().for_each(|id| self.moved(id, "", incident));
            }
            Command::AcknowledgeCall(body) => self.call(&body.call_id),
            Command::AcceptCall(body) => self.call(&body.call_id),
            Command::DeclineCall(body) => self.call(&body.call_id),
            Command::RecallResponder(body) => self.call(&body.call_id),
            Command::RelieveResponder(body) => {
                self.call(&body.call_id);
                self.moved(&body.by_responder_id, "", self.incident_of_call(&body.call_id));
            }
            Command::DeclareNoShow(body) => self.call(&body.call_id),
            Command::CheckIn(body) => self.observed(&body.responder_id, &body.site_id, &body.whistle_id),
            Command::CheckOut(body) => self.observed(&body.responder_id, &body.site_id, &body.whistle_id),
            Command::SettlePresence(body) => self.settle(body),
            Command::ProposeFill(body) => self.propose_fill(body),
            Command::DecideFill(body) => self.decide_fill(body),
        }
    }

    fn place(&mut self, area: AreaRef) {
        let path = self.state.area_path(Some(area));
        if !self.touched.places.contains(&path) {
            self.touched.places.push(path);
        }
    }

    fn areas<const N: usize>(&mut self, ids: [&str; N]) {
        for key in ids.into_iter().filter_map(|id| self.state.base.areas.find(id)) {
            self.place(key);
        }
    }

    fn organization(&mut self, id: &str) {
        if !id.is_empty() && !self.touched.organizations.iter().any(|known| known == id) {
            self.touched.organizations.push(id.to_owned());
        }
    }

    /// The organization, and its own area as a place: what is said of it takes effect there.
    fn organization_at_home(&mut self, id: &str) {
        self.organization(id);
        self.state.organization_home(id).into_iter().for_each(|area| self.place(area));
    }

    fn person(&mut self, id: &str) {
        match self.state.base.responders.find(id) {
            Some(key) => self.known_person(key),
            // Whoever does not exist is still spoken of, and is nobody's own.
            None if !id.is_empty() => self.touched.people.push(TouchedPerson { id: id.to_owned(), ..TouchedPerson::default() }),
            None => {}
        }
    }

    fn known_person(&mut self, key: ResponderRef) {
        let state = self.state;
        let organization = state.base.responders.get(key).organization;
        let homes =
            state.ops.incidents.iter().filter(|(_, incident)| !incident.closed).filter_map(|(_, incident)| incident.home_units.get(&key));
        self.touched.people.push(TouchedPerson {
            id: state.base.responders.id(key).to_owned(),
            organization: organization.map(|key| state.base.organizations.id(key).to_owned()).unwrap_or_default(),
            units: homes.map(|unit| state.unit_line(*unit)).collect(),
        });
    }

    fn person_at_home(&mut self, id: &str) {
        self.person(id);
        let home = self.state.base.responders.find(id).and_then(|key| self.state.base.home_of(key));
        home.into_iter().for_each(|area| self.place(area));
    }

    /// A new person belongs where and to whom the command says; one who is there already is also where they are.
    fn enroll(&mut self, body: &v1::EnrollResponder) {
        self.organization(&body.organization_id);
        if self.state.base.responders.find(&body.responder_id).is_some() {
            self.person_at_home(&body.responder_id);
        }
        self.areas([&body.area_id]);
        if body.area_id.is_empty() {
            self.organization_at_home(&body.organization_id);
        }
    }

    /// The sides of an agreement for which the office that is claimed speaks; all of them, if it speaks for none.
    fn sides_of(&mut self, context: &v1::Context, id: &str, said: &[v1::AgreementSide]) {
        let base = &self.state.base;
        let known = base.agreements.find(id).map(|key| base.agreements.get(key).areas().collect::<Vec<_>>());
        let sides = known.unwrap_or_else(|| said.iter().filter_map(|side| base.areas.find(&side.area_id)).collect());
        let office = context.actor_office.as_ref().and_then(|office| base.areas.find(&office.area_id));
        let own: Vec<_> = sides.iter().copied().filter(|side| office.is_some_and(|office| base.within(*side, office))).collect();
        for side in if own.is_empty() { sides } else { own } {
            self.place(side);
        }
    }

    fn plan(&mut self, id: &str) {
        let area = self.state.base.plans.find(id).map(|key| self.state.base.plans.get(key).area);
        area.into_iter().for_each(|area| self.place(area));
    }

    fn incident(&mut self, id: &str) {
        let area = self.state.ops.incidents.find(id).map(|key| self.state.ops.incidents.get(key).area);
        area.into_iter().for_each(|area| self.place(area));
    }

    /// The areas whose shelter waits for these people, or has heard of them.
    fn confirm_safe(&mut self, body: &v1::ConfirmSafe) {
        let state = self.state;
        let incident = state.ops.incidents.find(&body.incident_id).map(|key| state.ops.incidents.get(key));
        for id in &body.responder_ids {
            self.person(id);
            let (Some(incident), Some(person)) = (incident, state.base.responders.find(id)) else { continue };
            for (area, recall) in &incident.recalls {
                if recall.unaccounted.contains_key(&person) || recall.safe.contains(&person) {
                    self.place(*area);
                }
            }
        }
    }

    fn unit(&mut self, id: &str) {
        if let Some(key) = self.state.ops.units.find(id) {
            self.touched.units.push(self.state.unit_line(key));
        }
    }

    fn unit_in_place(&mut self, id: &str) {
        self.unit(id);
        let area = self.state.ops.units.find(id).map(|key| self.state.ops.units.get(key).area);
        area.into_iter().for_each(|area| self.place(area));
    }

    fn unit_and_person(&mut self, unit_id: &str, responder_id: &str) {
        self.unit_in_place(unit_id);
        self.person(responder_id);
    }

    fn site(&mut self, id: &str) {
        let area = self.state.ops.sites.find(id).map(|key| self.state.ops.sites.get(key).area);
        area.into_iter().for_each(|area| self.place(area));
    }

    fn shift(&mut self, id: &str) -> Option<ShiftRef> {
        let key = self.state.ops.shifts.find(id)?;
        self.place(self.state.ops.sites.get(self.state.ops.shifts.get(key).site).area);
        Some(key)
    }

    /// A shift with its people: who is in its roster, and who was called for it.
    fn shift_and_crew(&mut self, id: &str) {
        let state = self.state;
        let Some(shift) = self.shift(id).map(|key| state.ops.shifts.get(key)) else { return };
        let called = shift.calls.iter().map(|call| state.ops.calls.get(*call).responder);
        let crew: BTreeSet<_> = shift.roster.iter().map(|(_, who)| *who).chain(called).collect();
        crew.into_iter().for_each(|who| self.known_person(who));
        self.units_at(shift.site);
    }

    /// The units that stand at the site: a shift without people is theirs.
    fn units_at(&mut self, site: SiteRef) {
        self.units_where(|unit| unit.site == Some(site));
    }

    fn units_where(&mut self, wanted: impl Fn(&Unit) -> bool) {
        let state = self.state;
        let standing = state.ops.units.iter().filter(|(_, unit)| !unit.dissolved && wanted(unit));
        for (key, _) in standing {
            let line = state.unit_line(key);
            if !self.touched.around.contains(&line) {
                self.touched.around.push(line);
            }
        }
    }

    /// The units of the incident in whose area the whistle is blown; without an incident, those of every open one.
    fn blow(&mut self, body: &v1::BlowWhistle) {
        self.areas([&body.area_id]);
        let state = self.state;
        let Some(area) = state.base.areas.find(&body.area_id) else { return };
        let of_incident = |unit: &Unit| match state.ops.incidents.find(&body.incident_id) {
            Some(incident) => unit.incident == incident,
            None => body.incident_id.is_empty() && !state.ops.incidents.get(unit.incident).closed,
        };
        self.units_where(|unit| state.base.within(area, unit.area) && of_incident(unit));
    }

    /// The other person speaks for themselves, and both shifts change.
    fn answer_swap(&mut self, body: &v1::AnswerSwap) {
        let state = self.state;
        self.person(&body.responder_id);
        let swap = SwapRef::parse(&body.swap_id).and_then(|key| state.ops.swaps.find(key));
        for shift in swap.iter().flat_map(|swap| std::iter::once(swap.shift).chain(swap.other_shift)) {
            self.place(state.ops.sites.get(state.ops.shifts.get(shift).site).area);
        }
    }

    /// What only the blowing side decides is its own, however high the whistle has risen.
    fn blowing_side(&mut self, id: &str) {
        let area = self.state.ops.whistles.find(id).map(|key| self.state.ops.whistles.get(key).area);
        area.into_iter().for_each(|area| self.place(area));
    }

    fn whistle(&mut self, id: &str) {
        if let Some(key) = self.state.ops.whistles.find(id) {
            self.known_whistle(key);
        }
    }

    fn known_whistle(&mut self, key: WhistleRef) {
        let whistle = self.state.ops.whistles.get(key);
        self.place(whistle.area);
        if whistle.responsible != whistle.area {
            self.touched.answerable.push(self.state.area_path(Some(whistle.responsible)));
        }
    }

    fn site_or_whistle(&mut self, site_id: &str, whistle_id: &str) {
        self.site(site_id);
        self.whistle(whistle_id);
    }

    /// The incident's area, and where else its duties are: an area that was moved away keeps the duties that it had.
    fn recall_group(&mut self, body: &v1::RecallGroup) {
        let state = self.state;
        self.site_or_whistle(&body.site_id, &body.whistle_id);
        self.incident(&body.incident_id);
        if let Some(incident) = state.ops.incidents.find(&body.incident_id).map(|key| state.ops.incidents.get(key)) {
            let areas: BTreeSet<_> = incident.duties.iter().map(|call| state.ops.calls.get(*call).area).collect();
            areas.into_iter().filter(|area| !state.base.within(*area, incident.area)).for_each(|area| self.place(area));
        }
        if let Some(selection) = &body.selection {
            selection.responder_ids.iter().for_each(|id| self.person(id));
        }
    }

    /// A request for reinforcement is answered by the area that was asked.
    fn request(&mut self, id: &str) {
        let request = RequestRef::parse(id).and_then(|key| self.state.ops.requests.find(key));
        request.into_iter().for_each(|request| self.place(request.from));
    }

    fn release(&mut self, body: &v1::ReleasePeople) {
        self.request(&body.request_id);
        body.responder_ids.iter().for_each(|id| self.person(id));
    }

    /// A call to a person or to an organization, by its outside id.
    fn call(&mut self, id: &str) {
        let state = self.state;
        if let Some((key, call)) = CallRef::parse(id).and_then(|key| Some((key, state.ops.calls.find(key)?))) {
            self.touched.calls.push(key.text());
            self.known_person(call.responder);
            self.place(call.area);
            call.unit.into_iter().for_each(|unit| self.touched.units.push(state.unit_line(unit)));
        }
        if let Some((key, call)) = OrganizationCallRef::parse(id).and_then(|key| Some((key, state.ops.organization_calls.find(key)?))) {
            self.touched.calls.push(key.text());
            self.organization(state.base.organizations.id(call.organization));
            self.place(call.area);
        }
    }

    fn observed(&mut self, responder_id: &str, site_id: &str, whistle_id: &str) {
        self.person(responder_id);
        self.site_or_whistle(site_id, whistle_id);
    }

    /// Where the person is said to be, and the places that are in dispute; at home if there are none.
    fn settle(&mut self, body: &v1::SettlePresence) {
        let state = self.state;
        self.observed(&body.responder_id, &body.site_id, &body.whistle_id);
        let realm = if body.realm.is_empty() { Some(state.ops.actual()) } else { state.ops.realms.find(&body.realm) };
        let person = state.base.responders.find(&body.responder_id);
        let presence = realm.zip(person).and_then(|(realm, person)| state.ops.realms.get(realm).presence.get(&person));
        for place in presence.iter().flat_map(|presence| presence.place.into_iter().chain(presence.disputed_with)) {
            match place {
                Place::Site(site) => self.place(state.ops.sites.get(site).area),
                Place::Whistle(whistle) => self.place(state.ops.whistles.get(whistle).area),
            }
        }
        if self.touched.places.is_empty() {
            person.and_then(|person| state.base.home_of(person)).into_iter().for_each(|area| self.place(area));
        }
    }
}

impl State {
    /// The unit and those above it, nearest first.
    fn unit_line(&self, unit: UnitRef) -> UnitLine {
        let line = std::iter::successors(Some(unit), |key| self.ops.units.get(*key).parent);
        let touched =
            |key: UnitRef| TouchedUnit { id: self.ops.units.id(key).to_owned(), area: self.area_path(Some(self.ops.units.get(key).area)) };
        line.map(touched).collect()
    }
}
