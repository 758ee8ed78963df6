//! 跨区增援, asked of the records alone: nobody was called away from home by an office that may not, unless the home area or one above it let
//! them go. Keeps its own tree, homes and agreements; must never ask the domain.

use std::collections::{BTreeMap, BTreeSet};

use muster_proto::Event;
use muster_proto::v1::{AgreementScope, AgreementSigned, CallReason, Envelope, ResponderCalled};

/// A call that nobody was entitled to make.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, serde::Serialize)]
#[error("call {call} at {position} takes {responder} away from {home} without a release")]
pub struct Unreleased {
    /// The call.
    pub call: String,
    /// Its record.
    pub position: u64,
    /// Who was called.
    pub responder: String,
    /// Where they are at home.
    pub home: String,
}

/// What was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Moved {
    /// Calls that an office or the Fill policy made; those of plans, shifts and organizations rest on what was agreed before.
    pub asked: u64,
    /// Of these, people whom another area let go.
    pub released: u64,
    /// Of these, people who came under an agreement.
    pub shared: u64,
}

/// Takes all records from position 1 on, in order.
#[derive(Default)]
pub struct MovingChecker {
    moved: Moved,
    first: Option<Unreleased>,
    parents: BTreeMap<String, String>,
    seats: BTreeMap<String, String>,
    homes: BTreeMap<String, String>,
    employers: BTreeMap<String, String>,
    /// Areas where the Fill policy may dispatch by itself.
    automatic: BTreeSet<String>,
    agreements: BTreeMap<String, AgreementSigned>,
    /// By joint committee: the agreement, and the incident that it was invoked for.
    invoked: BTreeMap<String, (String, String)>,
}

impl MovingChecker {
    /// Takes the next record.
    pub fn note(&mut self, record: &Envelope) {
        match &record.event {
            Some(Event::AreaDefined(body)) => drop(self.parents.insert(body.area_id.clone(), body.parent_id.clone())),
            Some(Event::AreaReparented(body)) => drop(self.parents.insert(body.area_id.clone(), body.parent_id.clone())),
            Some(Event::OrganizationRegistered(body)) => drop(self.seats.insert(body.organization_id.clone(), body.area_id.clone())),
            Some(Event::ResponderEnrolled(body)) => {
                self.homes.insert(body.responder_id.clone(), body.area_id.clone());
                self.employers.insert(body.responder_id.clone(), body.organization_id.clone());
            }
            Some(Event::ResponderReportedToCommunity(body)) => drop(self.homes.insert(body.responder_id.clone(), body.area_id.clone())),
            Some(Event::ResponderTransferred(body)) => {
                self.employers.insert(body.responder_id.clone(), body.organization_id.clone());
            }
            Some(Event::AutoFillSwitched(body)) if body.enabled => drop(self.automatic.insert(body.area_id.clone())),
            Some(Event::AutoFillSwitched(body)) => drop(self.automatic.remove(&body.area_id)),
            Some(Event::ResponderCalled(body)) => self.call(record, body),
            _ => self.note_agreement(record),
        }
    }

    fn note_agreement(&mut self, record: &Envelope) {
        match &record.event {
            Some(Event::AgreementSigned(body)) => drop(self.agreements.insert(body.agreement_id.clone(), body.clone())),
            Some(Event::AgreementInvoked(body)) => {
                self.invoked.insert(body.unit_id.clone(), (body.agreement_id.clone(), body.incident_id.clone()));
            }
            Some(Event::UnitDissolved(body)) => drop(self.invoked.remove(&body.unit_id)),
            Some(Event::IncidentClosed(body)) => self.invoked.retain(|_, (_, incident)| *incident != body.incident_id),
            Some(Event::AgreementEnded(body)) => self.invoked.retain(|_, (agreement, _)| *agreement != body.agreement_id),
            _ => {}
        }
    }

    /// After the last record.
    ///
    /// # Errors
    /// The first call that nobody was entitled to make.
    pub fn finish(self) -> Result<Moved, Unreleased> {
        self.first.map_or(Ok(self.moved), Err)
    }

    fn call(&mut self, record: &Envelope, body: &ResponderCalled) {
        let by_policy = match body.reason() {
            CallReason::Dispatched | CallReason::Relief | CallReason::Fill | CallReason::Reinforcement => false,
            CallReason::AutoFill => true,
            _ => return,
        };
        self.moved.asked += 1;
        let home = self.home_of(&body.responder_id);
        if home.is_empty() {
            return;
        }
        let office = record.actor_office.as_ref().map_or("", |office| office.area_id.as_str());
        let own = if by_policy { self.automatic_around(&body.area_id, home) } else { !office.is_empty() && self.within(home, office) };
        let released = !body.released_by_area_id.is_empty() && self.within(home, &body.released_by_area_id);
        let shared = !own && !released && self.is_shared(&body.incident_id, office, home, &body.area_id);
        if !own && !released && !shared {
            let (call, responder, home) = (body.call_id.clone(), body.responder_id.clone(), home.to_owned());
            self.first.get_or_insert(Unreleased { call, position: record.position, responder, home });
        }
        self.moved.released += u64::from(released);
        self.moved.shared += u64::from(shared);
    }

    fn home_of(&self, responder: &str) -> &str {
        let home = self.homes.get(responder).map_or("", String::as_str);
        if !home.is_empty() {
            return home;
        }
        self.employers.get(responder).and_then(|employer| self.seats.get(employer)).map_or("", String::as_str)
    }

    fn path<'a>(&'a self, area: &'a str) -> impl Iterator<Item = &'a str> {
        std::iter::successors(Some(area), |area| self.parents.get(*area).map(String::as_str)).take_while(|area| !area.is_empty())
    }

    fn within(&self, area: &str, above: &str) -> bool {
        self.path(area).any(|found| found == above)
    }

    /// An area around the post that lets the policy dispatch inside it, with the home inside.
    fn automatic_around(&self, post: &str, home: &str) -> bool {
        self.path(post).any(|area| self.automatic.contains(area) && self.within(home, area))
    }

    /// The home is of one side, the office at or above another, the post in one of them.
    fn is_shared(&self, incident: &str, office: &str, home: &str, post: &str) -> bool {
        let standing = self.invoked.values().filter(|(_, of)| of == incident).filter_map(|(agreement, _)| self.agreements.get(agreement));
        let mut people = standing.filter(|agreement| agreement.shared.contains(&AgreementScope::People.into()));
        people.any(|agreement| {
            let sides: Vec<&str> = agreement.sides.iter().map(|side| side.area_id.as_str()).filter(|side| !side.is_empty()).collect();
            let Some(donor) = sides.iter().find(|side| self.within(home, side)) else { return false };
            let acts = sides.iter().any(|side| side != donor && self.within(side, office));
            acts && sides.iter().any(|side| self.within(post, side))
        })
    }
}

#[cfg(test)]
mod tests {
    use muster_proto::v1::{AreaDefined, Office, ResponderEnrolled};

    use super::*;

    fn record(position: u64, office: &str, event: Event) -> Envelope {
        let actor_office = Some(Office { area_id: office.to_owned(), ..Office::default() });
        Envelope { position, actor_office, event: Some(event), ..Envelope::default() }
    }

    fn after(call: ResponderCalled, office: &str) -> Result<Moved, Unreleased> {
        let area = |id: &str, parent: &str| AreaDefined { area_id: id.into(), parent_id: parent.into(), ..AreaDefined::default() };
        let enrolled = ResponderEnrolled { responder_id: "r".into(), area_id: "b1".into(), ..ResponderEnrolled::default() };
        let mut checker = MovingChecker::default();
        let areas = [("top", ""), ("a", "top"), ("b", "top"), ("b1", "b")].map(|(id, parent)| Event::AreaDefined(area(id, parent)));
        let events = areas.into_iter().chain([Event::ResponderEnrolled(enrolled), Event::ResponderCalled(call)]);
        events.zip(1..).for_each(|(event, position)| checker.note(&record(position, office, event)));
        checker.finish()
    }

    #[test]
    fn an_office_moves_its_own_people_and_others_only_when_they_are_let_go() {
        let call = |released: &str| ResponderCalled {
            call_id: "c1".into(),
            responder_id: "r".into(),
            area_id: "a".into(),
            reason: CallReason::Dispatched.into(),
            released_by_area_id: released.into(),
            ..ResponderCalled::default()
        };
        assert_eq!(after(call(""), "b"), Ok(Moved { asked: 1, released: 0, shared: 0 }));
        assert_eq!(after(call("top"), "a"), Ok(Moved { asked: 1, released: 1, shared: 0 }));
        let moved = after(call(""), "a");
        assert_eq!(moved.map_err(|error| (error.position, error.home)), Err((6, "b1".to_owned())));
        assert!(after(call("a"), "a").is_err(), "the side that asks does not let the other's people go");
    }
}
