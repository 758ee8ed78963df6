//! Records as the folds see them: when, where in the log, in which realm, what, with names as numbers. Who did it, on what ground and by which
//! command never reaches a fold, so it is not decoded. Fields are checked as `muster_proto::decode` checks them.

use std::sync::Arc;

use muster_log::{Position, Record};
use muster_proto::v1::{self, DutyRole, Envelope};
use muster_proto::{DecodeError, Event, SCHEMA_VERSION};
use prost::encoding::{DecodeContext, WireType};

use crate::fold::Interest;
use crate::people::CallKey;
use crate::symbols::{EMPTY, Sym, Symbols};
use crate::wire::{Fields, Value, malformed};

/// One record.
#[derive(Debug)]
pub(crate) struct Fact {
    pub(crate) position: Position,
    /// The log's time, Unix milliseconds.
    pub(crate) recorded_at_ms: i64,
    /// When it happened, Unix milliseconds.
    pub(crate) occurred_at_ms: i64,
    /// `actual` or the exercise's name.
    pub(crate) realm: Arc<str>,
    pub(crate) what: What,
    /// The record as it is, where somebody wants it so.
    pub(crate) whole: Option<Box<Envelope>>,
}

/// What happened.
#[derive(Debug)]
pub(crate) enum What {
    /// ResponderCalled.
    Called(Called),
    /// CallAcknowledged.
    Acknowledged { call: CallKey },
    /// CallAccepted.
    Accepted { call: CallKey, arrival_ms: i64 },
    /// DutyReleased.
    Released {
        call: CallKey,
        /// `ReleaseReason` as its number.
        reason: i32,
    },
    /// CheckedIn, or PresenceSettled somewhere.
    Seen(Seen),
    /// CheckedOut, or PresenceSettled nowhere, which names an area.
    Left { person: Sym, area: Sym, checked_out: bool },
    /// PresenceDisputed, or PresenceUnconfirmed at its one site.
    Disputed {
        person: Sym,
        sites: [Sym; 2],
        area: Sym,
        /// Of PresenceUnconfirmed: when the period ended.
        until_ms: Option<i64>,
    },
    /// Everything rarer. The names in it that folds look up have numbers.
    Event(Box<Event>),
    /// What concerns only those who want the record whole.
    Unread,
}

/// A call to a person.
#[derive(Debug)]
pub(crate) struct Called {
    pub(crate) call: CallKey,
    pub(crate) person: Sym,
    /// `DutyRole` as its number.
    pub(crate) role: i32,
    pub(crate) standby: bool,
    pub(crate) incident: Sym,
    pub(crate) unit: Sym,
    pub(crate) site: Sym,
    pub(crate) seat: Sym,
    pub(crate) whistle: Sym,
    pub(crate) need: Sym,
    pub(crate) area: Sym,
    pub(crate) terms: Box<Terms>,
}

/// What else a call says: apart, for the facts that make up nearly all of a log must stay small.
#[derive(Debug)]
pub(crate) struct Terms {
    /// `ResponseLevel` and `CallReason` as their numbers.
    pub(crate) tier: i32,
    pub(crate) reason: i32,
    pub(crate) from_ms: i64,
    pub(crate) until_ms: i64,
    pub(crate) reply_due_ms: i64,
    pub(crate) plan: Sym,
    pub(crate) plan_version: u32,
    /// [`EMPTY`] for none.
    pub(crate) card_key: Sym,
    pub(crate) organization_call: CallKey,
    pub(crate) released_by: Sym,
    pub(crate) shift: Sym,
    /// What few calls say.
    pub(crate) rare: Option<Box<RareTerms>>,
}

/// A card that is not a plan's, and why somebody was called in spite of the rest due or by a proposal.
#[derive(Debug, Default)]
pub(crate) struct RareTerms {
    pub(crate) card: Option<v1::PostCard>,
    pub(crate) rest_override: Option<v1::RestOverride>,
    pub(crate) fill_proposal_id: String,
    pub(crate) fill_line_id: String,
}

/// A person observed somewhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) person: Sym,
    pub(crate) call: CallKey,
    pub(crate) site: Sym,
    pub(crate) whistle: Sym,
    pub(crate) area: Sym,
    pub(crate) checked_in: bool,
}

/// A record that cannot be read. Corrupt: nothing after it may be folded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {position} cannot be read: {error}")]
pub struct FactError {
    /// Where it is.
    pub position: Position,
    /// What is wrong with it.
    pub error: DecodeError,
}

/// Facts in order, and the names that got their numbers with them.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) names: Vec<Box<str>>,
    pub(crate) facts: Vec<Fact>,
}

/// Reads records into facts and gives names their numbers. The folds keep the same numbers by taking the new names of each batch in order.
pub(crate) struct Scribe {
    interest: Interest,
    names: Symbols,
    /// Names that were handed on.
    told: usize,
    /// Runs of records share it.
    realm: Arc<str>,
}

#[derive(Default)]
struct Head<'a> {
    schema_version: u64,
    recorded_at_ms: i64,
    occurred_at_ms: i64,
    count: u64,
    position: u64,
    realm: &'a [u8],
    path_seen: bool,
}

impl Scribe {
    /// Goes on from names that the folds have already.
    pub(crate) fn new(interest: Interest, names: Symbols) -> Self {
        let told = names.len();
        Self { interest, names, told, realm: Arc::from(muster_proto::ACTUAL) }
    }

    /// Forgets all names: folds that want this start from nothing.
    pub(crate) fn begin(&mut self, interest: Interest) {
        self.interest = interest;
        self.names = Symbols::default();
        self.told = self.names.len();
    }

    /// Takes over names that the folds have, and what these want.
    pub(crate) fn resume(&mut self, names: Symbols, interest: Interest) {
        self.told = names.len();
        self.names = names;
        self.interest = interest;
    }

    /// The facts that a fold wants, in order.
    pub(crate) fn read<'a>(&mut self, records: impl IntoIterator<Item = &'a Record>) -> Result<Batch, FactError> {
        let mut facts = Vec::new();
        for record in records {
            let fault = |error| FactError { position: record.position, error };
            let whole = if self.interest.wants_whole() { whole(&record.bytes).map_err(fault)? } else { None };
            match self.parse(&record.bytes, whole.is_some()).map_err(fault)? {
                Some(fact) if fact.position != record.position => {
                    return Err(fault(DecodeError::Malformed(format!("it says that it is record {}", fact.position))));
                }
                fact => facts.extend(fact.map(|fact| Fact { whole, ..fact })),
            }
        }
        let names = self.names.since(self.told).map(Box::from).collect();
        self.told = self.names.len();
        Ok(Batch { names, facts })
    }

    fn parse(&mut self, bytes: &[u8], any: bool) -> Result<Option<Fact>, DecodeError> {
        let mut head = Head::default();
        let mut fields = Fields { rest: bytes };
        while let Some((tag, value)) = fields.next()? {
            match value {
                // The event is the last field of a record.
                Value::Bytes(body) if tag >= 100 => {
                    if !fields.rest.is_empty() {
                        return Err(DecodeError::Malformed("something follows the event".to_owned()));
                    }
                    head.check()?;
                    let what = match self.interest.wants(tag) {
                        true => self.what(tag, body)?,
                        false if any => What::Unread,
                        false => return Ok(None),
                    };
                    return self.finish(&head, what).map(Some);
                }
                Value::Bytes(realm) if tag == 18 => head.realm = realm,
                Value::Bytes(_) if tag == 19 => head.path_seen = true,
                Value::Bytes(_) => {}
                Value::Number(number) => head.take_number(tag, number),
            }
        }
        Err(DecodeError::UnknownEvent)
    }

    fn finish(&mut self, head: &Head<'_>, what: What) -> Result<Fact, DecodeError> {
        if head.realm != self.realm.as_bytes() {
            self.realm = Arc::from(Value::Bytes(head.realm).text()?);
        }
        Ok(Fact {
            position: Position(head.position),
            recorded_at_ms: head.recorded_at_ms,
            occurred_at_ms: head.occurred_at_ms,
            realm: Arc::clone(&self.realm),
            what,
            whole: None,
        })
    }

    fn what(&mut self, tag: u32, body: &[u8]) -> Result<What, DecodeError> {
        match tag {
            240 => self.called(body),
            244 => {
                let [call] = pick(body, [1])?;
                Ok(What::Acknowledged { call: self.call(call)? })
            }
            245 => {
                let [call, arrival] = pick(body, [1, 2])?;
                Ok(What::Accepted { call: self.call(call)?, arrival_ms: arrival.map_or(Ok(0), Value::number)? })
            }
            251 => {
                let [call, reason] = pick(body, [1, 3])?;
                Ok(What::Released { call: self.call(call)?, reason: enumeration(reason)? })
            }
            252 | 255 => self.seen(tag, body),
            253 => {
                let [person] = pick(body, [1])?;
                Ok(What::Left { person: self.symbol(person)?, area: EMPTY, checked_out: true })
            }
            254 => {
                let [person, site, area, other] = pick(body, [1, 2, 4, 5])?;
                let sites = [self.symbol(site)?, self.symbol(other)?];
                Ok(What::Disputed { person: self.symbol(person)?, sites, area: self.symbol(area)?, until_ms: None })
            }
            257 => {
                let [person, site, area, until] = pick(body, [1, 3, 5, 6])?;
                let until_ms = Some(until.map_or(Ok(0), Value::number)?);
                let sites = [self.symbol(site)?, EMPTY];
                Ok(What::Disputed { person: self.symbol(person)?, sites, area: self.symbol(area)?, until_ms })
            }
            _ => self.event(tag, body),
        }
    }

    fn event(&mut self, tag: u32, body: &[u8]) -> Result<What, DecodeError> {
        let mut framed = Vec::with_capacity(body.len() + 10);
        prost::encoding::encode_varint(body.len() as u64, &mut framed);
        framed.extend_from_slice(body);
        let mut event = None;
        Event::merge(&mut event, tag, WireType::LengthDelimited, &mut framed.as_slice(), DecodeContext::default()).map_err(malformed)?;
        let event = event.ok_or(DecodeError::UnknownEvent)?;
        for_each_name(&event, |name| {
            self.names.intern(name);
        });
        Ok(What::Event(Box::new(event)))
    }

    fn called(&mut self, body: &[u8]) -> Result<What, DecodeError> {
        let fields = by_tag(body)?;
        let role = enumeration(fields[4])?;
        Ok(What::Called(Called {
            call: self.call(fields[1])?,
            person: self.symbol(fields[2])?,
            role,
            standby: role == DutyRole::Standby as i32,
            incident: self.symbol(fields[3])?,
            unit: self.symbol(fields[5])?,
            site: self.symbol(fields[6])?,
            seat: self.symbol(fields[7])?,
            whistle: self.symbol(fields[8])?,
            need: self.symbol(fields[9])?,
            area: self.symbol(fields[10])?,
            terms: Box::new(self.terms(&fields)?),
        }))
    }

    fn terms(&mut self, fields: &CalledFields<'_>) -> Result<Terms, DecodeError> {
        let number = |tag: usize| fields[tag].map_or(Ok(0), Value::number);
        let says_more = [21, 30, 32, 33].iter().any(|tag| fields[*tag].is_some());
        Ok(Terms {
            tier: enumeration(fields[11])?,
            reason: enumeration(fields[12])?,
            from_ms: number(13)?,
            until_ms: number(14)?,
            reply_due_ms: number(15)?,
            plan: self.symbol(fields[16])?,
            plan_version: number(20)?.try_into().unwrap_or_default(),
            card_key: self.symbol(fields[17])?,
            organization_call: self.call(fields[18])?,
            released_by: self.symbol(fields[19])?,
            shift: self.symbol(fields[31])?,
            rare: if says_more { Some(Box::new(rare(fields)?)) } else { None },
        })
    }

    fn seen(&mut self, tag: u32, body: &[u8]) -> Result<What, DecodeError> {
        let checked_in = tag == 252;
        let tags = if checked_in { [1, 2, 3, 4, 5] } else { [1, 5, 2, 3, 4] };
        let [person, call, site, whistle, area] = pick(body, tags)?;
        let (person, site, whistle, area) = (self.symbol(person)?, self.symbol(site)?, self.symbol(whistle)?, self.symbol(area)?);
        if !checked_in && (site, whistle) == (EMPTY, EMPTY) {
            return Ok(What::Left { person, area, checked_out: false });
        }
        Ok(What::Seen(Seen { person, call: self.call(call)?, site, whistle, area, checked_in }))
    }

    fn symbol(&mut self, value: Option<Value<'_>>) -> Result<Sym, DecodeError> {
        value.map_or(Ok(EMPTY), |value| Ok(self.names.intern(value.text()?)))
    }

    fn call(&mut self, value: Option<Value<'_>>) -> Result<CallKey, DecodeError> {
        value.map_or(Ok(CallKey::NONE), |value| Ok(CallKey::of(value.text()?, &mut self.names)))
    }
}

/// A record as it is; nothing where it tells of something that this program does not know.
fn whole(bytes: &[u8]) -> Result<Option<Box<Envelope>>, DecodeError> {
    match muster_proto::decode(bytes) {
        Ok(record) => Ok(Some(Box::new(record))),
        Err(DecodeError::UnknownEvent) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The fields of a ResponderCalled by their tags.
type CalledFields<'a> = [Option<Value<'a>>; 34];

fn rare(fields: &CalledFields<'_>) -> Result<RareTerms, DecodeError> {
    let text = |tag: usize| fields[tag].map_or(Ok(String::new()), |value| value.text().map(str::to_owned));
    Ok(RareTerms {
        card: fields[21].map(Value::message).transpose()?,
        rest_override: fields[30].map(Value::message).transpose()?,
        fill_proposal_id: text(32)?,
        fill_line_id: text(33)?,
    })
}

/// All fields at once, for a message of which nearly all are wanted.
fn by_tag<const N: usize>(body: &[u8]) -> Result<[Option<Value<'_>>; N], DecodeError> {
    let mut found = [None; N];
    let mut fields = Fields { rest: body };
    while let Some((tag, value)) = fields.next()? {
        if let Some(slot) = found.get_mut(tag as usize) {
            *slot = Some(value);
        }
    }
    Ok(found)
}

/// The values of these fields; nothing for those that are not there.
fn pick<const N: usize>(body: &[u8], tags: [u32; N]) -> Result<[Option<Value<'_>>; N], DecodeError> {
    let mut found = [None; N];
    let mut fields = Fields { rest: body };
    while let Some((tag, value)) = fields.next()? {
        if let Some(at) = tags.iter().position(|wanted| *wanted == tag) {
            found[at] = Some(value);
        }
    }
    Ok(found)
}

/// An enumeration's number; a later version's that does not fit is as good as unknown.
fn enumeration(value: Option<Value<'_>>) -> Result<i32, DecodeError> {
    Ok(value.map_or(Ok(0), Value::number)?.try_into().unwrap_or_default())
}

impl Head<'_> {
    fn take_number(&mut self, tag: u32, value: u64) {
        match tag {
            1 => self.schema_version = value,
            2 => self.recorded_at_ms = value.cast_signed(),
            3 => self.occurred_at_ms = value.cast_signed(),
            15 => self.count = value,
            16 => self.position = value,
            _ => {}
        }
    }

    fn check(&self) -> Result<(), DecodeError> {
        if self.schema_version > u64::from(SCHEMA_VERSION) {
            return Err(DecodeError::NewerSchema { found: u32::try_from(self.schema_version).unwrap_or(u32::MAX) });
        }
        let missing = [
            (self.schema_version == 0, "schema_version"),
            (self.position == 0, "position"),
            (self.recorded_at_ms == 0, "recorded_at_ms"),
            (self.count == 0, "count"),
            (self.realm.is_empty(), "realm"),
            (!self.path_seen, "area_path"),
        ];
        match missing.iter().find(|(is_missing, _)| *is_missing) {
            Some((_, field)) => Err(DecodeError::Missing(field)),
            None => Ok(()),
        }
    }
}

/// The names in the rarer events that folds look up by number.
fn for_each_name(event: &Event, mut name: impl FnMut(&str)) {
    let mut names = |all: &[&str]| all.iter().for_each(|one| name(one));
    match event {
        Event::PeopleReserved(body) => {
            names(&[&body.organization_id]);
            body.responder_ids.iter().for_each(|id| names(&[id]));
        }
        Event::ResponderEnrolled(body) => names(&[&body.responder_id, &body.organization_id, &body.area_id]),
        Event::ResponderReportedToCommunity(body) => names(&[&body.responder_id, &body.area_id]),
        Event::ResponderTransferred(body) => names(&[&body.responder_id, &body.organization_id]),
        Event::SpecialtiesSet(v1::SpecialtiesSet { responder_id, .. })
        | Event::AvailabilitySet(v1::AvailabilitySet { responder_id, .. })
        | Event::ResponderWithdrawn(v1::ResponderWithdrawn { responder_id, .. })
        | Event::FatigueRaised(v1::FatigueRaised { responder_id, .. }) => names(&[responder_id]),
        Event::PastPresenceRecorded(body) => names(&[&body.responder_id, &body.site_id, &body.whistle_id]),
        Event::ResponsibilityAssigned(v1::ResponsibilityAssigned { responder_id, area_id, .. })
        | Event::ResponsibilityEnded(v1::ResponsibilityEnded { responder_id, area_id, .. }) => names(&[responder_id, area_id]),
        Event::IncidentClosed(body) => names(&[&body.incident_id]),
        Event::ResponderPutOnStandby(v1::ResponderPutOnStandby { incident_id, responder_id, .. })
        | Event::StandbyEnded(v1::StandbyEnded { incident_id, responder_id }) => names(&[incident_id, responder_id]),
        Event::PlanDrafted(body) => {
            names(&[&body.plan_id]);
            body.cards.iter().for_each(|card| names(&[&card.card_key]));
        }
        Event::PlanRehearsed(body) => names(&[&body.plan_id, &body.area_id]),
        Event::IncidentDeclared(body) => names(&[&body.area_id]),
        Event::UnitEstablished(body) => names(&[&body.unit_id]),
        Event::SecretaryAppointed(body) => names(&[&body.unit_id, &body.responder_id]),
        Event::OrganizerAppointed(body) => names(&[&body.unit_id, &body.responder_id]),
        Event::OrganizerGapOverdue(body) => names(&[&body.unit_id]),
        Event::ResponderAttached(body) => names(&[&body.unit_id, &body.responder_id]),
        Event::ResponderDetached(body) => names(&[&body.unit_id, &body.responder_id]),
        Event::UnitDissolved(body) => names(&[&body.unit_id]),
        Event::SiteOpened(body) => {
            names(&[&body.site_id, &body.area_id]);
            body.seats.iter().for_each(|seat| names(&[&seat.seat_id, &seat.specialty, &seat.shift]));
        }
        Event::RequirementSet(body) => {
            names(&[&body.site_id]);
            body.seats.iter().for_each(|seat| names(&[&seat.seat_id, &seat.specialty, &seat.shift]));
        }
        Event::SiteClosed(v1::SiteClosed { site_id })
        | Event::SiteSuspended(v1::SiteSuspended { site_id })
        | Event::SiteResumed(v1::SiteResumed { site_id }) => names(&[site_id]),
        Event::RiskSet(v1::RiskSet { site_id, .. }) | Event::BeatSet(v1::BeatSet { site_id, .. }) => names(&[site_id]),
        Event::ShiftsScheduled(body) => names(&[&body.site_id]),
        Event::ShiftOpened(body) => names(&[&body.site_id, &body.shift_id, &body.shift]),
        Event::ShiftClosed(body) => names(&[&body.site_id, &body.shift_id]),
        Event::ShiftHeld(body) => names(&[&body.site_id, &body.shift_id]),
        Event::HandedOver(body) => names(&[&body.site_id, &body.shift]),
        Event::ShelterOrdered(body) => names(&[&body.incident_id, &body.recalled_area_id, &body.responder_id, &body.area_id]),
        Event::SafetyConfirmed(body) => names(&[&body.incident_id, &body.recalled_area_id, &body.responder_id]),
        Event::AreaResumed(body) => names(&[&body.incident_id, &body.area_id]),
        Event::WhistleBlown(body) => {
            names(&[&body.whistle_id, &body.area_id]);
            body.needs.iter().for_each(|need| names(&[&need.need_id, &need.specialty]));
        }
        Event::WhistleAcknowledged(v1::WhistleAcknowledged { whistle_id, .. })
        | Event::WhistleEscalated(v1::WhistleEscalated { whistle_id, .. })
        | Event::WhistlesMerged(v1::WhistlesMerged { whistle_id, .. })
        | Event::WhistleFilled(v1::WhistleFilled { whistle_id })
        | Event::WhistleResolved(v1::WhistleResolved { whistle_id, .. })
        | Event::WhistleWithdrawn(v1::WhistleWithdrawn { whistle_id, .. })
        | Event::WhistleRated(v1::WhistleRated { whistle_id, .. }) => names(&[whistle_id]),
        Event::NeedFulfilled(body) => names(&[&body.whistle_id, &body.need_id]),
        Event::PartConfirmed(body) => names(&[&body.whistle_id, &body.need_id]),
        Event::OrganizationCalled(body) => {
            names(&[&body.whistle_id, &body.need_id]);
            unnumbered(&body.call_id, names);
        }
        Event::OrganizationCallDeclined(body) => unnumbered(&body.call_id, names),
        Event::OrganizationCallEnded(body) => unnumbered(&body.call_id, names),
        Event::NoShowDeclared(body) => unnumbered(&body.call_id, names),
        Event::NoShowCorrected(body) => unnumbered(&body.call_id, names),
        _ => {}
    }
}

/// Ids of calls that have no number of their own.
fn unnumbered(call_id: &str, mut names: impl FnMut(&[&str])) {
    if CallKey::is_named(call_id) {
        names(&[call_id]);
    }
}
