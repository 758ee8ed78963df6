//! The report of one incident: the views `calls` and `whistles` of its realm, and the few records that no row tells of. What a figure means is
//! said in `report.proto`. It must never mix realms.

mod duties;

use std::collections::{BTreeMap, BTreeSet};

use muster_log::{Log, Position, Record};
use muster_proto::v1::{
    CallPhase, CallRow, DeliveryChannel, DeliveryOutcome, Durations, GapCount, IncidentReport, OverdueOrganization, ReleaseReason,
    ReportedWhistle, WhistleRow,
};
use muster_proto::{ACTUAL, Event};

use crate::errors::ReplayError;
use crate::fact::FactError;
use crate::fold::RowChange;
use crate::limits;
use crate::pass::Pass;
use crate::view::{Row, View};

use duties::Tally;

/// The report of an incident as of the log's watermark; nothing where no record declares such an incident. Folds everything from position 1.
///
/// # Errors
/// See [`ReplayError`].
pub fn report(log: &dyn Log, incident_id: &str) -> Result<Option<IncidentReport>, ReplayError> {
    let end = log.watermark();
    let mut reporter = Reporter::new(incident_id);
    let mut next = Position(1);
    while next <= end {
        let records = log.read(next, limits::READ_BATCH_BYTES, limits::READ_BATCH_RECORDS)?;
        let Some(last) = records.last().map(|record| record.position) else { break };
        for record in records.iter().take_while(|record| record.position <= end) {
            reporter.take(record)?;
        }
        next = last.next();
    }
    Ok(reporter.finish(end.0))
}

struct Reporter {
    pass: Pass,
    report: IncidentReport,
    declared: bool,
    gaps: BTreeMap<i32, i64>,
    /// Recalled area and person; whether safety was confirmed.
    ordered: BTreeMap<(String, String), bool>,
    overdue: Vec<OverdueOrganization>,
    organization_calls: BTreeSet<String>,
    tally: Tally,
}

/// Records that are decoded here: IncidentDeclared, IncidentClosed, of shelter, GapRecorded, OrganizationCalled, OrganizationOverdue, and those of
/// the tally.
const fn concerns_report(event_tag: u32) -> bool {
    matches!(event_tag, 160 | 167..=170 | 172 | 243 | 260 | 264) || duties::concerns_tally(event_tag)
}

impl Reporter {
    fn new(incident_id: &str) -> Self {
        let report = IncidentReport { incident_id: incident_id.to_owned(), ..IncidentReport::default() };
        Self {
            pass: Pass::new(&[View::Calls, View::Whistles]),
            report,
            declared: false,
            gaps: BTreeMap::new(),
            ordered: BTreeMap::new(),
            overdue: Vec::new(),
            organization_calls: BTreeSet::new(),
            tally: Tally::default(),
        }
    }

    fn take(&mut self, record: &Record) -> Result<(), ReplayError> {
        self.pass.take(record)?;
        let fault = |error| FactError { position: record.position, error };
        if concerns_report(muster_proto::peek(&record.bytes).map_err(fault)?.event_tag) {
            let envelope = muster_proto::decode(&record.bytes).map_err(fault)?;
            if let Some(event) = &envelope.event {
                self.note(event, &envelope.realm, envelope.recorded_at_ms);
                if self.declared && envelope.realm == self.report.realm {
                    self.tally.note(event, envelope.index, &mut self.report);
                }
            }
        }
        Ok(())
    }

    fn note(&mut self, event: &Event, realm: &str, recorded_at_ms: i64) {
        if let Event::IncidentDeclared(body) = event {
            if body.incident_id == self.report.incident_id && !self.declared {
                self.declared = true;
                let report = &mut self.report;
                realm.clone_into(&mut report.realm);
                report.exercise = realm != ACTUAL;
                report.incident_type = body.incident_type;
                report.name.clone_from(&body.name);
                report.area_id.clone_from(&body.area_id);
                report.severity = body.severity;
                report.declared_at_ms = recorded_at_ms;
            }
            return;
        }
        if !self.declared || realm != self.report.realm {
            return;
        }
        let incident_id = self.report.incident_id.clone();
        let report = &mut self.report;
        match event {
            Event::IncidentClosed(body) if body.incident_id == incident_id => report.closed_at_ms = recorded_at_ms,
            Event::AreaRecalled(body) if body.incident_id == incident_id => report.recalls += 1,
            Event::ShelterOrdered(body) if body.incident_id == incident_id => {
                report.shelter_ordered += 1;
                self.ordered.insert((body.recalled_area_id.clone(), body.responder_id.clone()), false);
            }
            Event::SafetyConfirmed(body) if body.incident_id == incident_id => {
                let order = self.ordered.get_mut(&(body.recalled_area_id.clone(), body.responder_id.clone()));
                report.shelter_confirmed += i64::from(order.is_some_and(|safe| !std::mem::replace(safe, true)));
            }
            Event::AreaResumed(body) if body.incident_id == incident_id => report.shelter_unaccounted += i64::from(body.unaccounted),
            Event::GapRecorded(body) if body.incident_id == incident_id => *self.gaps.entry(body.reason).or_default() += 1,
            Event::OrganizationCalled(body) if body.incident_id == incident_id => {
                self.organization_calls.insert(body.call_id.clone());
            }
            Event::OrganizationOverdue(body) if self.organization_calls.contains(&body.call_id) => {
                let missing = i64::from(body.missing);
                match self.overdue.iter_mut().find(|known| known.call_id == body.call_id) {
                    Some(known) => known.missing = missing,
                    None => {
                        let known = OverdueOrganization { call_id: body.call_id.clone(), missing, ..OverdueOrganization::default() };
                        self.overdue.push(known);
                    }
                }
            }
            _ => {}
        }
    }

    fn finish(mut self, end: u64) -> Option<IncidentReport> {
        if !self.declared {
            return None;
        }
        let (mut calls, mut whistles) = (Vec::new(), Vec::new());
        let own = |realm: &str, incident: &str| realm == self.report.realm && incident == self.report.incident_id;
        for change in self.pass.drain() {
            match change {
                RowChange::Put(Row::Call(row)) if own(&row.realm, &row.incident_id) => calls.push(*row),
                RowChange::Put(Row::Whistle(row)) if own(&row.realm, &row.incident_id) => whistles.push(row),
                _ => {}
            }
        }
        let (people, organizations): (Vec<_>, Vec<_>) = calls.into_iter().partition(|row| !row.responder_id.is_empty());
        for known in &mut self.overdue {
            if let Some(row) = organizations.iter().find(|row| row.call_id == known.call_id) {
                known.organization_id.clone_from(&row.organization_id);
                known.phase = row.phase;
            }
        }
        let report = &mut self.report;
        report.position = end;
        report.organizations_overdue = self.overdue;
        report.gaps = self.gaps.into_iter().map(|(reason, count)| GapCount { reason, count }).collect();
        count_people(report, &people);
        count_organizations(report, &organizations);
        whistles.sort_by(|one, other| (one.blown_at_ms, &one.whistle_id).cmp(&(other.blown_at_ms, &other.whistle_id)));
        report.whistles = whistles.into_iter().map(whistle).collect();
        report.escalations = report.whistles.iter().map(|whistle| whistle.escalations).sum();
        Some(self.report)
    }
}

fn many(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn count_people(report: &mut IncidentReport, rows: &[CallRow]) {
    let count = |holds: fn(&CallRow) -> bool| many(rows.iter().filter(|row| holds(row)).count());
    let people = |rows: &mut dyn Iterator<Item = &CallRow>| many(rows.map(|row| row.responder_id.clone()).collect::<BTreeSet<_>>().len());
    report.calls = many(rows.len());
    report.people_called = people(&mut rows.iter());
    report.accepted = count(|row| row.accepted_at_ms != 0);
    report.declined = count(was_declined);
    report.unanswered = count(|row| row.unanswered);
    report.no_shows = count(|row| row.no_show);
    report.on_post = count(|row| row.arrived_at_ms != 0);
    report.people_on_post = people(&mut rows.iter().filter(|row| row.arrived_at_ms != 0));
    report.to_reply = Some(durations(rows.iter().filter_map(|row| {
        let declined = if was_declined(row) { row.released_at_ms } else { 0 };
        let replies = [row.accepted_at_ms, declined, row.arrived_at_ms];
        replies.into_iter().filter(|at_ms| *at_ms != 0).min().map(|at_ms| at_ms - row.called_at_ms)
    })));
    let deliveries = || rows.iter().flat_map(|row| &row.deliveries);
    report.deliveries = many(deliveries().count());
    report.deliveries_failed = many(deliveries().filter(|told| told.outcome() == DeliveryOutcome::Failed).count());
    report.calls_to_telephone = count(|row| row.channel() == DeliveryChannel::NamedContact);
    let arrived = rows.iter().filter(|row| row.arrived_at_ms != 0);
    report.to_on_post = Some(durations(arrived.map(|row| row.arrived_at_ms - row.called_at_ms)));
}

fn was_declined(row: &CallRow) -> bool {
    row.release_reason() == ReleaseReason::Declined
}

fn count_organizations(report: &mut IncidentReport, rows: &[CallRow]) {
    report.organizations_called = many(rows.len());
    report.organizations_reported_in = many(rows.iter().filter(|row| row.arrived_at_ms != 0).count());
    report.organizations_declined = many(rows.iter().filter(|row| row.phase() == CallPhase::Declined).count());
}

fn whistle(row: WhistleRow) -> ReportedWhistle {
    // Each escalation closed a level, and so did the end.
    let ended = i64::from(row.ended_at_ms != 0);
    ReportedWhistle {
        escalations: many(row.level_times.len()) - ended,
        whistle_id: row.whistle_id,
        area_id: row.area_id,
        severity: row.severity,
        status: row.status,
        blown_at_ms: row.blown_at_ms,
        acknowledged_at_ms: row.acknowledged_at_ms,
        filled_at_ms: row.filled_at_ms,
        ended_at_ms: row.ended_at_ms,
        level_times: row.level_times,
    }
}

fn durations(cases: impl Iterator<Item = i64>) -> Durations {
    let mut cases: Vec<i64> = cases.map(|took_ms| took_ms.max(0)).collect();
    cases.sort_unstable();
    let rank = |percent: usize| cases.get((cases.len() * percent).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default();
    Durations { count: many(cases.len()), median_ms: rank(50), p90_ms: rank(90) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_cases_that_were_there() {
        let of = |cases: &[i64]| {
            let found = durations(cases.iter().copied());
            (found.count, found.median_ms, found.p90_ms)
        };
        assert_eq!(of(&[]), (0, 0, 0));
        assert_eq!(of(&[7]), (1, 7, 7));
        assert_eq!(of(&[4, 1, 3, 2]), (4, 2, 4));
        assert_eq!(of(&[10, 9, 8, 7, 6, 5, 4, 3, 2, 1]), (10, 5, 9));
        assert_eq!(of(&[-5, 20]), (2, 0, 20));
    }
}
