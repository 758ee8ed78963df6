//! Peacetime: the tree, its people and what they answer for, and the counts of who could be called.

use std::collections::BTreeSet;

use crate::ids::Dense as _;
use crate::state::{Erasure, State};
use muster_proto::v1::UnitKind;

pub(super) fn invariant_the_base_is_a_tree_with_people(state: &State) {
    let base = &state.base;
    for (key, area) in base.areas.iter() {
        let id = base.areas.id(key);
        assert_eq!(area.parent.is_none(), key.index() == 0, "{id}: one root");
        if let Some(parent) = area.parent {
            let parent = base.areas.get(parent);
            assert!((parent.level as i32) < area.level as i32, "{id} stands below its parent");
            assert_eq!(parent.children.iter().filter(|child| **child == key).count(), usize::from(!area.retired), "{id} among children");
        }
        assert!(!area.retired || (area.children.is_empty() && area.residents.is_empty() && area.plans.is_empty()), "{id} is in use");
        for resident in &area.residents {
            assert_eq!(base.responders.get(*resident).area, Some(key), "residents of {id} are at home there");
        }
    }
    for (key, person) in base.responders.iter() {
        let listed = base.areas.iter().flat_map(|(_, area)| &area.residents).filter(|resident| **resident == key).count();
        assert_eq!(listed, usize::from(person.area.is_some()), "{} has one home", base.responders.id(key));
        assert!(!person.withdrawn || person.area.is_none());
        let kept = base.organizations.iter().filter(|(_, organization)| organization.reserved.contains(&key)).count();
        assert_eq!(kept, usize::from(person.reserved), "{} is kept back by the own organization", base.responders.id(key));
    }
    for (key, organization) in base.organizations.iter() {
        let id = base.organizations.id(key);
        let titles: BTreeSet<_> = organization.holders.iter().map(|(title, _)| title).collect();
        assert_eq!(titles.len(), organization.holders.len(), "an office of {id} has one holder");
        assert!(organization.holders.iter().all(|(_, holder)| !base.responders.get(*holder).withdrawn), "{id} is led by who has withdrawn");
    }
    for (_, plan) in base.plans.iter() {
        let tiers: BTreeSet<_> = plan.published.iter().map(|version| version.version).collect();
        assert_eq!(tiers.len(), plan.published.len(), "versions are numbered");
    }
}

pub(super) fn invariant_agreements_hold_between_those_who_signed(state: &State) {
    for (key, agreement) in state.base.agreements.iter() {
        let id = state.base.agreements.id(key);
        let signed = agreement.sides.iter().filter(|side| !side.document_no.is_empty()).count();
        assert!(signed > 0 && agreement.sides.len() > 1, "{id} has sides, and one of them has signed");
        assert_eq!(agreement.in_force, signed == agreement.sides.len(), "{id} is in force once all have signed");
        let gone = agreement.areas().any(|area| state.base.areas.get(area).retired);
        assert!(agreement.ended || !gone, "a side of {id} is retired");
    }
    for (key, incident) in state.ops.incidents.iter() {
        assert!(!incident.closed || incident.invoked.is_empty(), "a closed incident shares nothing");
        for (agreement, unit) in &incident.invoked {
            let (id, agreement) = (state.base.agreements.id(*agreement), state.base.agreements.get(*agreement));
            let unit = state.ops.units.get(*unit);
            assert!(agreement.in_force && !agreement.ended, "{id} is invoked and does not hold");
            assert!(!unit.dissolved && unit.incident == key && unit.kind == UnitKind::JointCommittee, "{id} has its joint committee");
            assert!(agreement.areas().any(|side| side == unit.area), "the joint committee of {id} is of a side");
        }
    }
}

pub(super) fn invariant_who_is_gone_answers_for_nothing(state: &State) {
    for ((area, _, who), (from_ms, until_ms)) in &state.base.responsibilities {
        let (area, person) = (state.base.areas.get(*area), state.base.responders.get(*who));
        assert!(!area.retired && !person.withdrawn, "who answers for an area is there, and so is the area");
        assert!(*until_ms == 0 || from_ms < until_ms, "a responsibility ends after it begins");
    }
}

pub(super) fn invariant_nobody_is_erased_who_is_needed(state: &State) {
    let actual = state.ops.actual();
    for (who, erasure) in &state.base.erasures {
        let id = state.base.responders.id(*who);
        assert!(state.base.responders.get(*who).withdrawn, "{id} is to be erased and has not withdrawn");
        if *erasure == Erasure::Erased {
            assert!(!state.base.holds.contains_key(who), "{id} was erased under a hold");
            assert!(state.ops.duties(actual, *who).is_empty(), "{id} was erased and has a duty");
        }
    }
}

/// Who could be called at all, by area, specialty and realm, and who belongs to which organization: counted person by person.
pub(super) fn invariant_callable_people_are_a_naive_count(state: &State) {
    let base = &state.base;
    let specialties: Vec<_> = std::iter::once(None).chain(base.labels.iter().map(|(label, ())| Some(label))).collect();
    for (realm, _) in state.ops.realms.iter() {
        let open = state.ops.calls.iter().map(|(_, call)| call).filter(|call| call.realm == realm && call.phase.open());
        let endless: BTreeSet<_> = open.filter(|call| call.until_ms == 0).map(|call| call.responder).collect();
        for ((area, _), specialty) in base.areas.iter().flat_map(|area| specialties.iter().map(move |specialty| (area, *specialty))) {
            let counts = |who: &crate::ids::ResponderRef| {
                let person = base.responders.get(*who);
                let inside = person.area.is_some_and(|home| base.subtree(area).contains(&home));
                let fits = specialty.is_none_or(|wanted| person.specialties.contains(&wanted));
                inside && fits && !person.withdrawn && !person.reserved && !endless.contains(who)
            };
            let counted = base.responders.iter().map(|(who, _)| who).filter(counts).count();
            assert_eq!(state.idle(realm, area, specialty) as usize, counted, "people to be called in {}", base.areas.id(area));
        }
    }
    for (key, organization) in base.organizations.iter() {
        let members = base.responders.iter().filter(|(_, person)| person.organization == Some(key)).map(|(who, _)| who);
        assert_eq!(organization.members, members.collect(), "members of {}", base.organizations.id(key));
    }
}
