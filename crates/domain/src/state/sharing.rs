//! What agreements between areas let each side see and do: while in force, and invoked for an incident that is open.

use muster_proto::v1::AgreementScope;

use super::{Agreement, State};
use crate::ids::{AgreementRef, AreaRef, IncidentRef};

/// One area that another may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedArea {
    /// The other side; what is shared covers everything below it.
    pub area_id: String,
    /// What of it.
    pub shared: Vec<AgreementScope>,
    /// Under which agreement.
    pub agreement_id: String,
    /// For which incident, and only for that one.
    pub incident_id: String,
    /// The realm of that incident.
    pub realm: String,
}

impl State {
    /// What is shared with an area: the other sides of each agreement of which the area, or one below it, is a side, once for each incident
    /// that the agreement is invoked for. Empty for an unknown area.
    pub fn shared_with(&self, area_id: &str) -> Vec<SharedArea> {
        let Some(top) = self.base.areas.find(area_id) else { return Vec::new() };
        let mut shared = Vec::new();
        for (key, incident) in self.ops.incidents.iter() {
            for (agreement_key, agreement) in self.invoked(key) {
                if !agreement.areas().any(|side| self.base.within(side, top)) {
                    continue;
                }
                let scopes = agreement.shared.iter().filter_map(|number| AgreementScope::try_from(i32::from(*number)).ok());
                let scopes: Vec<_> = scopes.collect();
                shared.extend(agreement.areas().filter(|side| !self.base.within(*side, top)).map(|side| SharedArea {
                    area_id: self.base.areas.id(side).to_owned(),
                    shared: scopes.clone(),
                    agreement_id: self.base.agreements.id(agreement_key).to_owned(),
                    incident_id: self.ops.incidents.id(key).to_owned(),
                    realm: self.ops.realms.id(incident.realm).to_owned(),
                }));
            }
        }
        shared
    }

    /// The agreements invoked for an incident that hold.
    pub(crate) fn invoked(&self, incident: IncidentRef) -> impl Iterator<Item = (AgreementRef, &Agreement)> {
        let incident = self.ops.incidents.get(incident);
        let invoked = incident.invoked.keys().filter(|_| !incident.closed);
        invoked.map(|key| (*key, self.base.agreements.get(*key))).filter(|(_, agreement)| agreement.stands())
    }

    /// Whether an office may call somebody of `home` to a post of the incident as of its own, for both are of sides that share their
    /// people: the office is one side or above it, the home lies in another, and the post in one of them.
    pub(crate) fn people_shared(&self, incident: IncidentRef, office: AreaRef, home: AreaRef, post: AreaRef) -> bool {
        self.invoked(incident).any(|(_, agreement)| {
            let donor = agreement.areas().find(|side| self.base.within(home, *side));
            let Some(donor) = donor.filter(|_| agreement.shares(AgreementScope::People)) else { return false };
            let acts = agreement.areas().any(|side| side != donor && self.base.within(side, office));
            acts && agreement.areas().any(|side| self.base.within(post, side))
        })
    }
}
