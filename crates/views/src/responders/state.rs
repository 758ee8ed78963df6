//! What one person is doing in one realm, and the row that tells it.

use muster_proto::v1::{self, CallPhase, ReleaseReason, ResponderState};
use serde::{Deserialize, Serialize};

use super::hours::{Hours, Work};
use super::member::{Member, Members};
use super::{MemberRef, Rare};
use crate::areas::Node;
use crate::ledger::Ledger;
use crate::people::{CallKey, Duty, Sight, Standing};
use crate::symbols::{EMPTY, Sym};

/// A person in a realm, beside what the ledger knows of them there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Person {
    pub(super) member: MemberRef,
    pub(super) dirty: bool,
    pub(super) position: u64,
    pub(super) last_seen_ms: i64,
    /// Of those who were ever seen.
    pub(super) work: Option<Box<Work>>,
    pub(super) last: Last,
}

/// The last duty released, while its incident goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Last {
    pub(super) call: CallKey,
    /// [`EMPTY`] for no such duty.
    incident: Sym,
    /// `ReleaseReason` as its number; 0 for a no-show that was corrected.
    reason: i32,
    arrived: bool,
}

/// What of a row duties and presence decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Face {
    state: ResponderState,
    call: CallKey,
    incident: Sym,
    unit: Sym,
    area: Node,
    site: Sym,
    whistle: Sym,
}

impl Person {
    pub(super) fn new(member: MemberRef) -> Self {
        Self { member, dirty: false, position: 0, last_seen_ms: 0, work: None, last: Last::NONE }
    }

    /// Notes an observation. Returns whether it is the latest.
    pub(super) fn seen(&mut self, occurred_at_ms: i64) -> bool {
        let later = occurred_at_ms > self.last_seen_ms;
        self.last_seen_ms = self.last_seen_ms.max(occurred_at_ms);
        later
    }

    pub(super) fn work(&mut self) -> &mut Work {
        self.work.get_or_insert_default()
    }

    /// The times of the row.
    pub(super) fn times(&self) -> (i64, Hours, i32) {
        let work = self.work.as_deref();
        (self.last_seen_ms, work.map(Work::hours).unwrap_or_default(), work.map(Work::fatigue).unwrap_or_default())
    }
}

impl Last {
    /// Nobody was released, or nothing of it shows any more.
    pub(super) const NONE: Self = Self { call: CallKey::NONE, incident: EMPTY, reason: 0, arrived: false };

    pub(super) fn of(call: CallKey, duty: &Duty, reason: i32) -> Self {
        if duty.incident == EMPTY { Self::NONE } else { Self { call, incident: duty.incident, reason, arrived: duty.arrived } }
    }

    pub(super) fn is_no_show(&self) -> bool {
        self.reason == ReleaseReason::NoShow as i32
    }

    pub(super) fn is_of(&self, incident: Sym) -> bool {
        self.incident != EMPTY && self.incident == incident
    }

    pub(super) fn correct(&mut self) {
        self.reason = 0;
    }

    fn state(&self) -> ResponderState {
        match ReleaseReason::try_from(self.reason).unwrap_or(ReleaseReason::Unspecified) {
            _ if self.incident == EMPTY => ResponderState::Peacetime,
            ReleaseReason::NoShow => ResponderState::NoShow,
            ReleaseReason::Declined => ResponderState::Declined,
            ReleaseReason::Relieved | ReleaseReason::CheckedOut | ReleaseReason::PeriodOver if self.arrived => ResponderState::Resting,
            _ => ResponderState::Released,
        }
    }
}

fn current(sight: &Sight) -> Option<&(CallKey, Duty, Standing)> {
    sight.duties.iter().find(|(_, _, standing)| *standing == Standing::Present).or(sight.duties.first())
}

pub(super) fn face(member: &Member, person: &Person, rare: &Rare, sight: &Sight) -> Face {
    let current = current(sight);
    let state = match current {
        _ if sight.dispute.is_some() => ResponderState::Unconfirmed,
        _ if sight.spot.is_some() => ResponderState::OnPost,
        Some((_, duty, standing)) => match duty.phase(*standing) {
            CallPhase::EnRoute => ResponderState::EnRoute,
            CallPhase::Accepted => ResponderState::Accepted,
            CallPhase::Acknowledged => ResponderState::Acknowledged,
            _ => ResponderState::Summoned,
        },
        None if member.withdrawn || member.away => ResponderState::OutOfService,
        None if rare.standby.contains_key(&person.member) => ResponderState::Standby,
        None => person.last.state(),
    };
    let by_last = matches!(state, ResponderState::Resting | ResponderState::Released | ResponderState::Declined | ResponderState::NoShow);
    let incident = match current {
        Some((_, duty, _)) => duty.incident,
        None if by_last => person.last.incident,
        None => EMPTY,
    };
    let unit = current.map(|(_, duty, _)| duty.unit).filter(|unit| *unit != EMPTY);
    let attached = || rare.attached.get(&person.member).and_then(|units| units.last().copied()).unwrap_or(EMPTY);
    let seen = sight.spot.map(|spot| spot.area).or(sight.dispute.map(|dispute| dispute.area));
    Face {
        state,
        call: current.map_or(CallKey::NONE, |(call, _, _)| *call),
        incident,
        unit: unit.unwrap_or_else(attached),
        area: current.map(|(_, duty, _)| duty.area).or(seen).unwrap_or_default(),
        site: sight.spot.map_or(EMPTY, |spot| spot.site),
        whistle: sight.spot.map_or(EMPTY, |spot| spot.whistle),
    }
}

pub(super) fn row(realm: &str, members: &Members, person: &Person, rare: &Rare, sight: &Sight, ledger: &Ledger) -> v1::ResponderRow {
    let member = members.get(person.member);
    let name = |sym: Sym| ledger.names.name(sym).to_owned();
    let face = face(member, person, rare, sight);
    let duty = current(sight).map(|(_, duty, _)| duty);
    let of_duty = |field: fn(&Duty) -> Sym| duty.map(|duty| name(field(duty))).unwrap_or_default();
    let (availability_from_ms, availability_until_ms) = members.period(person.member);
    let (unaccounted, safe) = rare.shelter_of(person.member);
    let standby = rare.standby.get(&person.member);
    let (last_seen_ms, hours, fatigue) = person.times();
    v1::ResponderRow {
        realm: realm.to_owned(),
        responder_id: name(member.name),
        kind: member.kind,
        affiliation: member.affiliation,
        organization_id: name(member.organization),
        home_area_id: name(member.home),
        specialties: members.specialties(member),
        availability: member.availability,
        availability_from_ms,
        availability_until_ms,
        withdrawn: member.withdrawn,
        reserved: members.is_reserved(person.member),
        state: face.state.into(),
        call_id: face.call.text(&ledger.names),
        incident_id: name(face.incident),
        role: duty.map_or(0, |duty| duty.role),
        unit_id: name(face.unit),
        site_id: of_duty(|duty| duty.site),
        seat_id: of_duty(|duty| duty.seat),
        whistle_id: of_duty(|duty| duty.whistle),
        need_id: of_duty(|duty| duty.need),
        post_area_id: ledger.tree.id(face.area).to_owned(),
        present_site_id: name(face.site),
        present_whistle_id: name(face.whistle),
        standby_incident_ids: standby.into_iter().flatten().map(|incident| name(*incident)).collect(),
        unaccounted,
        safe,
        last_seen_ms,
        on_post_since_ms: hours.on_since_ms,
        last_off_post_ms: hours.off_since_ms,
        worked_ms: hours.worked_ms,
        spell_since_ms: hours.spell_since_ms,
        spell_worked_ms: hours.spell_ms,
        rested_at_ms: hours.rested_at_ms(),
        fatigue,
        responsibilities: members.responsibilities(person.member, &ledger.names),
        position: person.position,
    }
}
