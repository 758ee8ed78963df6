//! The checks of a played demo. Each compares two things that were made in different ways, says what it compared, and stops at
//! nothing: a check that fails does not keep the next one from being made. It must never repair what it compares.

use std::sync::Arc;
use std::time::{Duration, Instant};

use muster_demo::naive::{Counter, Rows};
use muster_demo::script::Played;
use muster_demo::{Broken, Checked, Checker, City, Moved, MovingChecker, Plain, PlainScanner, Unreleased};
use muster_feed::{RelayStatus, STREAM, verify_stream};
use muster_log::{EpochPosition, Log, Position};
use muster_proto::v1::{self, UnitKind};
use muster_proto::{aggregate_of, decode};
use serde_json::{Value, json};

use super::screen::Screen;
use super::snapshots::{self, Taken};
use super::summary::Summary;
use super::worker::WorkerProcess;
use super::{CliError, Demo, Nats};
use crate::wiring::RunningServer;
use crate::words::Lang;

/// Differences that are printed of each comparison.
const DIFFERENCES_MAX: usize = 3;
/// How long the relay may stand still before it is taken for stuck.
const RELAY_STALL_MAX: Duration = Duration::from_secs(120);
const READ_BYTES: usize = 8 * 1024 * 1024;
const READ_RECORDS: usize = 8_192;

/// What a demo must have shown at least once.
const SHOWN: &[&str] = &[
    "AreaRecalled",
    "ShelterOrdered",
    "SafetyConfirmed",
    "UnaccountedListed",
    "AreaResumed",
    "SiteSuspended",
    "SiteResumed",
    "WarningChanged",
    "GradeChanged",
    "ResponseChanged",
    "AreaConverted",
    "UnitEstablished",
    "SecretaryAppointed",
    "OrganizerAppointed",
    "OrganizerGapOverdue",
    "ResponderAttached",
    "UnitDissolved",
    "SiteOpened",
    "RequirementSet",
    "SiteClosed",
    "WhistleBlown",
    "WhistleAcknowledged",
    "WhistleEscalated",
    "WhistlesMerged",
    "NeedFulfilled",
    "WhistleFilled",
    "WhistleResolved",
    "WhistleWithdrawn",
    "WhistleRated",
    "DispatchProposed",
    "ResponderCalled",
    "ResponderPutOnStandby",
    "StandbyEnded",
    "GapRecorded",
    "CallAcknowledged",
    "CallAccepted",
    "CallDeclined",
    "CallUnanswered",
    "NoShowDeclared",
    "NoShowCorrected",
    "ResponderRecalled",
    "DutyReleased",
    "CheckedIn",
    "CheckedOut",
    "PresenceDisputed",
    "PresenceUnconfirmed",
    "PresenceSettled",
    "OrganizationCalled",
    "OrganizationOverdue",
    "OrganizationAcknowledged",
    "PeopleNominated",
    "OrganizationReportedIn",
    "ShiftsScheduled",
    "ShiftRostered",
    "ShiftOpened",
    "SwapProposed",
    "ShiftsSwapped",
    "SwapDeclined",
    "HandedOver",
    "ShiftHeld",
    "ShiftClosed",
    "ReliefDemanded",
    "FatigueRaised",
    "PastPresenceRecorded",
    "DeliveryRecorded",
    "NextChannelOrdered",
    "TelephoneRequested",
    "GroupCalled",
    "GroupRecalled",
    "FloorSet",
    "ReinforcementRequested",
    "PeopleReleased",
    "ReinforcementRefused",
    "ReinforcementLapsed",
    "PartConfirmed",
    "FillProposed",
    "FillLineDecided",
    "FillLineRefused",
    "AgreementSigned",
    "AgreementInForce",
    "AgreementInvoked",
    "AgreementEnded",
    "RiskSet",
    "BeatSet",
    "ResponsibilityAssigned",
    "ResponsibilityEnded",
    "OfficeHolderNamed",
    "HoldSet",
    "ErasureRequested",
    "PersonalDataErased",
    "PlanRehearsed",
    "ConversionRebased",
    "PlanDrafted",
    "PlanPublished",
    "AvailabilitySet",
    "ResponderTransferred",
    "ResponderWithdrawn",
    "SpecialtiesSet",
];

/// Refusals that are asked for on purpose: a demo must have shown each at least once.
const REFUSED: &[&str] = &[
    "agreement_invoked",
    "agreement_text_differs",
    "floor_reached",
    "items_not_handed_over",
    "not_the_authority",
    "responder_already_on_duty",
    "responder_not_withdrawn",
    "rest_required",
    "risk_not_lifted",
    "second_person_needed",
    "shift_below_minimum",
    "under_hold",
];

/// The play was the one that was written: the published figures, and everything shown.
pub(super) fn scenario(summary: &mut Summary, city: &City, played: &Played) {
    let wanted = city.size.outbreak;
    let units = |kind: UnitKind| played.outbreak_units.get(kind.as_str_name()).copied().unwrap_or(0);
    let found =
        [played.outbreak_called, units(UnitKind::TemporaryCommittee), units(UnitKind::TemporaryBranch), units(UnitKind::VanguardTeam)];
    let expected = [wanted.people, wanted.committees, wanted.branches, wanted.teams].map(|count| count as u64);
    let missing: Vec<&str> = SHOWN.iter().copied().filter(|event| played.events.get(event).copied().unwrap_or(0) == 0).collect();
    let unrefused: Vec<&str> = REFUSED.iter().copied().filter(|code| !played.refusals.contains_key(*code)).collect();
    let closed = played.events.get("IncidentClosed") == played.events.get("IncidentDeclared");
    let claimed = played.held_by_other_incident > 0 && played.outranked > 0 && played.typhoon_raised.iter().all(|raised| *raised > 0);
    let figures = json!({
        "outbreak_people_committees_branches_teams": found,
        "expected": expected,
        "outbreak_grids": city.size.outbreak_grids,
        "typhoon_called": played.typhoon_called,
        "typhoon_standby": played.typhoon_standby,
        "typhoon_raised_iii_ii": played.typhoon_raised,
        "held_by_other_incident": played.held_by_other_incident,
        "outranked": played.outranked,
        "sheltered": played.sheltered,
        "unaccounted": played.unaccounted,
        "missing_events": missing,
        "missing_refusals": unrefused,
        "refused": played.refused,
    });
    summary.add(
        "scenario",
        found == expected
            && missing.is_empty()
            && unrefused.is_empty()
            && closed
            && claimed
            && played.sheltered > 0
            && played.unaccounted == 0,
        figures,
    );
    let (rehearsed, lessons) = (&played.rehearsed, played.lessons_taken);
    let same = !rehearsed.is_empty() && rehearsed.iter().all(|plan| plan.rehearsed == plan.converted && plan.rehearsed[0] > 0);
    let figures = json!({"seats_filled_empty": rehearsed, "lessons_taken": lessons});
    summary.add("rehearsal_equals_conversion", same, figures);
}

/// Stream, worker, rebuild, naive count and the rules over all records.
pub(super) async fn server(
    summary: &mut Summary,
    screen: &mut Screen,
    demo: &Demo,
    server: &RunningServer,
    worker: Option<Result<Arc<WorkerProcess>, CliError>>,
    snapshots: Vec<Taken>,
) {
    let end = server.log.end();
    summary.figures.events = end.position.0;
    screen.verifying("逐条比对日志与 JetStream", "comparing the log with JetStream, message by message");
    stream(summary, &demo.nats, server, end).await;
    let rows = match server.views.wait_for(end.position).await {
        Ok(_) => snapshots::rows(&server.views),
        Err(error) => Err(error.to_string()),
    };
    screen.verifying("比对视图进程的视图", "comparing with the worker's views");
    let mut taken = snapshots;
    taken.push(Taken { at: end, server: rows, worker: None });
    match worker {
        Some(worker) => with_worker(summary, &mut taken, worker).await,
        None => summary.failed("views_equal_worker", "there is no NATS"),
    }
    screen.verifying("从第 1 条重建视图", "rebuilding the views from position 1");
    with_rebuild(summary, taken.last(), server).await;
    screen.verifying("逐一回看 100 个位置", "looking back at 100 positions");
    super::moments::as_of(summary, demo.city.seed, server).await;
    screen.verifying("独立清点视图", "counting the views independently");
    over_records(summary, taken, &demo.city, server).await;
}

async fn stream(summary: &mut Summary, nats: &Nats, server: &RunningServer, end: EpochPosition) {
    const NAME: &str = "stream_equals_log";
    let (Nats::Url(url), Some(relay)) = (nats, &server.relay) else {
        return summary.failed(NAME, "there is no NATS");
    };
    let status = relayed(relay.status(), end.position).await;
    if status.relayed < end.position {
        return summary.failed(NAME, &format!("the relay stands at {}: {:?}", status.relayed, status.state));
    }
    match verify_stream(Arc::clone(&server.log), url, STREAM).await {
        Ok(report) => {
            let figures = json!({
                "messages": report.messages,
                "equal": report.equal,
                "equal_bytes": report.equal_bytes,
                "unequal": report.unequal,
                "log_last": report.log_last.0,
                "mismatches": report.mismatches.iter().map(ToString::to_string).collect::<Vec<_>>(),
            });
            summary.add(NAME, report.is_whole() && report.log_last == end.position, figures);
        }
        Err(error) => summary.failed(NAME, &error.to_string()),
    }
}

/// Waits until the stream has everything, or the relay is fenced, stopped or stuck.
async fn relayed(mut status: tokio::sync::watch::Receiver<RelayStatus>, position: Position) -> RelayStatus {
    loop {
        let now = status.borrow_and_update().clone();
        let over = matches!(now.state, muster_feed::RelayState::Fenced { .. } | muster_feed::RelayState::Stopped { .. });
        if now.relayed >= position || over {
            return now;
        }
        if !matches!(tokio::time::timeout(RELAY_STALL_MAX, status.changed()).await, Ok(Ok(()))) {
            return now;
        }
    }
}

/// Two counts of one position, or why one of them is not there.
type Pair<'a> = Result<(&'a Rows, &'a Rows), &'a str>;

/// Compares rows that were taken at some positions with others of the same positions: a check of that name.
fn compared(summary: &mut Summary, name: &'static str, pairs: &[(u64, Pair<'_>)]) {
    let (mut ok, mut at) = (!pairs.is_empty(), Vec::new());
    for (position, pair) in pairs {
        at.push(match pair {
            Ok((left, right)) => {
                let differences = left.differences(right, DIFFERENCES_MAX);
                ok &= differences.is_empty() && !left.is_empty();
                json!({"position": position, "rows": left.len(), "rows_compared_with": right.len(), "on_post": on_post(left), "differences": differences})
            }
            Err(reason) => {
                ok = false;
                json!({"position": position, "reason": reason})
            }
        });
    }
    summary.add(name, ok, json!({"compared_at": at}));
}

/// People on post in the whole city, to see that the rows were not all empty.
fn on_post(rows: &Rows) -> i64 {
    let city = (muster_proto::ACTUAL.to_owned(), muster_demo::CITY.to_owned());
    rows.coverage.get(&city).map_or(0, |row| row.on_post)
}

async fn with_worker(summary: &mut Summary, taken: &mut [Taken], worker: Result<Arc<WorkerProcess>, CliError>) {
    const NAME: &str = "views_equal_worker";
    let worker = match worker {
        Ok(worker) => worker,
        Err(error) => return summary.failed(NAME, error.words.get(Lang::En)),
    };
    if let Some(last) = taken.last_mut() {
        last.worker = Some(snapshots::worker_rows(&worker, last.at).await);
    }
    let pairs: Vec<_> = taken
        .iter()
        .map(|taken| {
            let worker = taken.worker.as_ref().map_or(Err("the worker was not asked"), |rows| rows.as_ref().map_err(String::as_str));
            (taken.at.position.0, taken.server.as_ref().map_err(String::as_str).and_then(|server| Ok((server, worker?))))
        })
        .collect();
    compared(summary, NAME, &pairs);
    drop(pairs);
    if let Some(worker) = Arc::into_inner(worker) {
        worker.stop().await;
    }
}

async fn with_rebuild(summary: &mut Summary, end: Option<&Taken>, server: &RunningServer) {
    const NAME: &str = "views_equal_rebuild";
    let Some((at, rows)) = end.and_then(|end| Some((end.at, end.server.as_ref().ok()?))) else {
        return summary.failed(NAME, "the server's rows could not be read");
    };
    let began = Instant::now();
    match server.views.rebuild(Arc::clone(&server.log)).await {
        Ok(rebuilt) => {
            summary.figures.seconds_to_rebuild = began.elapsed().as_secs_f64();
            let after = snapshots::rows(&server.views).unwrap_or_default();
            let differences = rows.differences(&after, DIFFERENCES_MAX);
            let whole = rebuilt.at == at && rebuilt.compared.len() == server.views.views().len() && rebuilt.differences.is_empty();
            let figures = json!({
                "rows": rebuilt.rows.iter().map(|(_, count)| count).sum::<u64>(),
                "views_compared": rebuilt.compared.len(),
                "differences_found_by_the_rebuild": rebuilt.differences.len(),
                "differences": differences,
            });
            summary.add(NAME, whole && differences.is_empty(), figures);
        }
        Err(error) => summary.failed(NAME, &error.to_string()),
    }
}

/// What one pass over all records finds.
struct Pass {
    bytes: u64,
    records: u64,
    checked: Result<Checked, Broken>,
    plain: Option<(u64, Plain)>,
    /// The count at each position that was asked for.
    rows: Vec<(u64, Rows)>,
    /// The same of what happened in real life alone.
    actual: Vec<(u64, Rows)>,
    moved: Result<Moved, Unreleased>,
}

fn pass(log: &dyn Log, city: &City, count_at: &[u64]) -> Result<Pass, String> {
    let scanner = PlainScanner::new(city);
    let (mut counter, mut checker, mut broken) = (Counter::default(), Checker::default(), None);
    let (mut alone, mut moving) = (Counter::default(), MovingChecker::default());
    let (mut bytes, mut records, mut plain, mut rows, mut actual) = (0, 0, None, Vec::new(), Vec::new());
    each_record(log, |position, record| {
        let envelope = decode(record).map_err(|error| error.to_string())?;
        counter.note(&envelope);
        moving.note(&envelope);
        if envelope.realm == muster_proto::ACTUAL {
            alone.note(&envelope);
        }
        if broken.is_none() {
            broken = checker.note(&envelope).err();
        }
        plain = plain.or_else(|| scanner.find(record).map(|plain| (position.0, plain)));
        bytes += record.len() as u64;
        records += 1;
        if count_at.contains(&position.0) {
            rows.push((position.0, counter.rows()));
            actual.push((position.0, alone.rows()));
        }
        Ok(())
    })?;
    let checked = broken.map_or_else(|| checker.finish(), Err);
    Ok(Pass { bytes, records, checked, plain, rows, actual, moved: moving.finish() })
}

pub(super) fn each_record(log: &dyn Log, mut take: impl FnMut(Position, &[u8]) -> Result<(), String>) -> Result<(), String> {
    let mut next = Position(1);
    loop {
        let records = log.read(next, READ_BYTES, READ_RECORDS).map_err(|error| error.to_string())?;
        let Some(last) = records.last() else { return Ok(()) };
        next = last.position.next();
        for record in &records {
            take(record.position, &record.bytes)?;
        }
    }
}

/// What one pass over all records answers.
const OVER_RECORDS: [&str; 6] = [
    "views_equal_naive_count",
    "positions_and_commands_whole",
    "one_duty_per_person",
    "nobody_moved_without_release",
    "exercise_never_in_actual",
    "no_plain_personal_field_in_messages",
];

async fn over_records(summary: &mut Summary, taken: Vec<Taken>, city: &City, server: &RunningServer) {
    let (log, city) = (Arc::clone(&server.log), city.clone());
    let count_at: Vec<u64> = taken.iter().map(|taken| taken.at.position.0).collect();
    let passed = tokio::task::spawn_blocking(move || pass(&*log, &city, &count_at)).await;
    let passed = match passed.map_err(|error| error.to_string()).and_then(|passed| passed) {
        Ok(passed) => passed,
        Err(reason) => {
            OVER_RECORDS.iter().for_each(|name| summary.failed(name, &reason));
            return;
        }
    };
    summary.figures.bytes = passed.bytes;
    let served: Vec<_> = taken.into_iter().map(|taken| (taken.at.position.0, taken.server.map(Rows::without_positions))).collect();
    let pairs: Vec<_> = served
        .iter()
        .map(|(position, served)| {
            let counted = passed.rows.iter().find(|(at, _)| at == position).map(|(_, rows)| rows);
            let counted = counted.ok_or("the log ended before");
            (*position, served.as_ref().map_err(String::as_str).and_then(|served| Ok((served, counted?))))
        })
        .collect();
    compared(summary, "views_equal_naive_count", &pairs);
    exercise(summary, &served, &passed.actual);
    rules(summary, &passed.checked);
    match &passed.moved {
        Ok(moved) => summary.add("nobody_moved_without_release", moved.asked > 0 && moved.released > 0, json!(moved)),
        Err(unreleased) => summary.failed("nobody_moved_without_release", &unreleased.to_string()),
    }
    let found = passed.plain.map(|(position, plain)| json!({"position": position, "field": plain.field}));
    let figures = json!({"messages": passed.records, "bytes": passed.bytes, "found": found});
    summary.add("no_plain_personal_field_in_messages", found.is_none() && passed.records > 0, figures);
}

/// The rows of real life, as they are served, against a count that never saw a record of an exercise.
fn exercise(summary: &mut Summary, served: &[(u64, Result<Rows, String>)], alone: &[(u64, Rows)]) {
    let (mut ok, mut at, mut of_exercises) = (!served.is_empty(), Vec::new(), 0);
    for (position, served) in served {
        let counted = alone.iter().find(|(of, _)| of == position).map(|(_, rows)| rows);
        let (Ok(served), Some(counted)) = (served, counted) else {
            ok = false;
            continue;
        };
        let actual = served.of_realm(muster_proto::ACTUAL);
        let differences = actual.differences(counted, DIFFERENCES_MAX);
        ok &= differences.is_empty() && !actual.is_empty();
        of_exercises += served.len() - actual.len();
        at.push(json!({"position": position, "actual_rows": actual.len(), "exercise_rows": served.len() - actual.len(), "differences": differences}));
    }
    summary.add("exercise_never_in_actual", ok && of_exercises > 0, json!({"compared_at": at}));
}

fn rules(summary: &mut Summary, checked: &Result<Checked, Broken>) {
    match checked {
        Ok(checked) => {
            let figures = json!({"records": checked.records, "commands": checked.commands, "calls": checked.calls});
            summary.add("positions_and_commands_whole", checked.records > 0, figures);
            summary.add("one_duty_per_person", checked.duties > 0, json!({"duties": checked.duties}));
        }
        Err(broken) => {
            let duty = matches!(broken, Broken::TwoDuties { .. });
            let (failed, unknown) = ("positions_and_commands_whole", "one_duty_per_person");
            let (failed, unknown) = if duty { (unknown, failed) } else { (failed, unknown) };
            summary.failed(failed, &broken.to_string());
            summary.failed(unknown, "not looked at to the end: another rule was broken before");
        }
    }
}

/// Two logs, record by record.
pub(super) async fn same_bytes(summary: &mut Summary, first: &RunningServer, second: &RunningServer) {
    const NAME: &str = "same_seed_same_bytes";
    let (left, right) = (Arc::clone(&first.log), Arc::clone(&second.log));
    let compared = tokio::task::spawn_blocking(move || {
        let (mut hasher, mut records) = (blake3::Hasher::new(), 0u64);
        let mut ahead = Vec::new();
        let mut difference: Option<Value> = None;
        each_record(&*left, |position, record| {
            if ahead.is_empty() {
                ahead = right.read(position, READ_BYTES, READ_RECORDS).map_err(|error| error.to_string())?;
                ahead.reverse();
            }
            let other = ahead.pop();
            if difference.is_none() && other.as_ref().is_none_or(|other| *other.bytes != *record) {
                difference = Some(describe(position, record, other.as_ref().map(|other| &*other.bytes)));
            }
            hasher.update(record);
            records += 1;
            Ok(())
        })?;
        Ok::<_, String>((records, right.watermark().0, hasher.finalize().to_hex().to_string(), difference))
    });
    match compared.await.map_err(|error| error.to_string()).and_then(|compared| compared) {
        Ok((records, other_records, digest, difference)) => {
            let ok = difference.is_none() && records == other_records && records > 0;
            let figures = json!({"records": records, "other_records": other_records, "digest": digest, "difference": difference});
            summary.add(NAME, ok, figures);
        }
        Err(reason) => summary.failed(NAME, &reason),
    }
}

/// Where two logs part: which events stand there. Personal fields are sealed in both.
fn describe(position: Position, left: &[u8], right: Option<&[u8]>) -> Value {
    let name = |bytes: &[u8]| {
        let envelope: Option<v1::Envelope> = decode(bytes).ok();
        let event = envelope.as_ref().and_then(|envelope| envelope.event.as_ref());
        event.map(|event| format!("{} of {}", event.name(), aggregate_of(event.tag()).as_str()))
    };
    json!({"position": position.0, "left": name(left), "right": right.and_then(name)})
}
