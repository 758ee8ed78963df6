//! Conversion plans: for each area and incident type what to open, what to form, who takes which seat. Must never give one person
//! two posts in the plans of one incident type.

mod builder;
mod flood;
mod outbreak;
mod typhoon;

use std::collections::{BTreeMap, BTreeSet};

use muster_proto::v1::{AreaLevel, DesignatePost, IncidentType, PlanSite, PlanUnit, PostCard};

use crate::organizations::Organization;
use crate::roster::Responder;
use crate::scale::Size;
use crate::tree::{Area, Tree};

/// One plan, as it is drafted, designated and published.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// `plan-<type>-<area>`.
    pub id: String,
    /// Whose plan it is.
    pub area_id: String,
    /// What it is for.
    pub incident_type: IncidentType,
    /// Its name.
    pub name: String,
    /// To open.
    pub sites: Vec<PlanSite>,
    /// To form.
    pub units: Vec<PlanUnit>,
    /// What people get with their call.
    pub cards: Vec<PostCard>,
    /// Who takes which post.
    pub posts: Vec<DesignatePost>,
}

/// All plans, and the people that the outbreak's plans name although they will be away.
pub(crate) struct Plans {
    pub(crate) plans: Vec<Plan>,
    /// Indices into the roster.
    pub(crate) away: BTreeSet<usize>,
    /// Indices into the roster of everybody whom some plan names, as primary or on standby.
    pub(crate) named: BTreeSet<usize>,
}

/// What every generator of plans looks at.
pub(crate) struct Ground<'a> {
    pub(crate) seed: u64,
    pub(crate) tree: &'a Tree,
    pub(crate) people: &'a [Responder],
    pub(crate) size: &'a Size,
    /// The party organization of each area down to townships.
    superiors: BTreeMap<&'a str, &'a str>,
}

impl<'a> Ground<'a> {
    /// The party organization that approves units of the area.
    pub(crate) fn superior_of(&self, area_id: &str) -> String {
        let found = [AreaLevel::Township, AreaLevel::County, AreaLevel::City]
            .iter()
            .filter_map(|level| self.tree.at_level(area_id, *level))
            .find_map(|area| self.superiors.get(area.id.as_str()));
        found.map_or_else(String::new, |id| (*id).to_owned())
    }

    /// Where a person's post is planned: the township, or the zone that has none.
    pub(crate) fn planning_area(&self, person: usize) -> &'a Area {
        let home = &self.people[person].home;
        self.tree
            .at_level(home, AreaLevel::Township)
            .or_else(|| self.tree.at_level(home, AreaLevel::County))
            .expect("every home lies in a township or a zone")
    }

    /// The county or zone of a person's home.
    pub(crate) fn county(&self, person: usize) -> &'a Area {
        self.tree.at_level(&self.people[person].home, AreaLevel::County).expect("every home lies in a county or a zone")
    }

    /// The grids of a home: a village's, or the one grid that it is itself.
    pub(crate) fn grids_of(&self, home: &str) -> Vec<&'a Area> {
        match self.tree.get(home) {
            Some(area) if area.level == AreaLevel::Grid => vec![area],
            _ => self.tree.children_of(home).collect(),
        }
    }
}

/// Makes all plans.
pub(crate) fn generate(seed: u64, tree: &Tree, organizations: &[Organization], people: &[Responder], size: &Size) -> Plans {
    let party = organizations.iter().filter(|organization| organization.functions == ["organization"]);
    let superiors = party.map(|organization| (organization.area_id.as_str(), organization.id.as_str())).collect();
    let ground = Ground { seed, tree, people, size, superiors };
    let mut named = BTreeSet::new();
    let (mut plans, away) = outbreak::generate(&ground, &mut named);
    let (typhoon, first_called) = typhoon::generate(&ground, &away, &mut named);
    plans.extend(typhoon);
    plans.push(flood::generate(&ground, &first_called));
    Plans { plans, away, named }
}

/// Splits `total` in proportion to the weights, remainders to the largest fractions, ties to the earlier one.
pub(crate) fn apportion(total: usize, weights: &[usize]) -> Vec<usize> {
    let sum: usize = weights.iter().sum::<usize>().max(1);
    let mut shares: Vec<usize> = weights.iter().map(|weight| total * weight / sum).collect();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(total * weights[*index] % sum));
    let missing = total - shares.iter().sum::<usize>();
    for index in order.into_iter().take(missing) {
        shares[index] += 1;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::apportion;

    #[test]
    fn shares_follow_the_weights_and_add_up() {
        assert_eq!(apportion(10, &[1, 1, 1]), [4, 3, 3]);
        assert_eq!(apportion(572, &[100, 300, 810]).iter().sum::<usize>(), 572);
        assert_eq!(apportion(3, &[0, 0]), [1, 1]);
    }
}
