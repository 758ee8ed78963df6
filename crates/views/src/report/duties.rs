//! What no row tells of the duties of an incident: shifts held and waived, reinforcements, groups.

use std::collections::BTreeSet;

use muster_proto::Event;
use muster_proto::v1::IncidentReport;

/// The incident's sites and whistles, and what was counted of them once.
#[derive(Default)]
pub(super) struct Tally {
    sites: BTreeSet<String>,
    whistles: BTreeSet<String>,
    held: BTreeSet<String>,
}

/// SiteOpened, WhistleBlown, of reinforcement, ShiftClosed, ShiftHeld, GroupCalled.
pub(super) const fn concerns_tally(event_tag: u32) -> bool {
    matches!(event_tag, 200 | 220 | 230 | 296 | 297 | 323 | 340..=342)
}

impl Tally {
    /// Takes in a record of the incident's realm; `index` is its place within its command.
    pub(super) fn note(&mut self, event: &Event, index: u32, report: &mut IncidentReport) {
        let of_incident = |incident_id: &str| incident_id == report.incident_id;
        match event {
            Event::SiteOpened(body) if of_incident(&body.incident_id) => drop(self.sites.insert(body.site_id.clone())),
            Event::WhistleBlown(body) if of_incident(&body.incident_id) => drop(self.whistles.insert(body.whistle_id.clone())),
            Event::ShiftHeld(body) if self.sites.contains(&body.site_id) => {
                report.shifts_held += i64::from(self.held.insert(body.shift_id.clone()));
            }
            Event::ShiftClosed(body) if self.sites.contains(&body.site_id) => {
                report.shifts_waived += i64::from(!body.waiver_reason.is_empty());
            }
            Event::ReinforcementRequested(body) if self.whistles.contains(&body.whistle_id) => {
                let asked = !body.request_id.is_empty();
                report.reinforcements_requested += i64::from(asked);
                report.reinforcements_raised += i64::from(!asked);
            }
            Event::PeopleReleased(body) if self.whistles.contains(&body.whistle_id) => {
                report.reinforcements_granted += 1;
                report.reinforcement_people += super::many(body.responder_ids.len());
            }
            Event::ReinforcementRefused(body) if self.whistles.contains(&body.whistle_id) => report.reinforcements_refused += 1,
            Event::ReinforcementLapsed(body) if self.whistles.contains(&body.whistle_id) => report.reinforcements_lapsed += 1,
            // The parts of one group repeat its count; the first one is the command's first record.
            Event::GroupCalled(body) if index == 0 && of_incident(&body.incident_id) => {
                report.groups_called += 1;
                report.group_calls += i64::from(body.called);
            }
            _ => {}
        }
    }
}
