//! What incidents lay over the base: conversions, units, sites, whistles, calls, presence and timers.

use std::collections::{BTreeMap, BTreeSet};

use muster_proto::v1::{
    CallReason, DutyRole, FillChoice, IncidentGrade, IncidentType, NeedKind, ReleaseReason, ResponseLevel, RiskLevel, Severity, SiteKind,
    UnitKind, Urgency, WarningLevel,
};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::hours::Work;
use super::reach::{Deliveries, Reach};
use super::shifts::{Shift, Swap};
use super::{Arrivals, HeadsByArea, PlanVersion, SeatState};
use crate::ids::{
    AgreementRef, AreaRef, CallRef, Dense as _, FillRef, IncidentRef, Numbered, OrganizationCallRef, OrganizationRef, PlanRef, RealmRef,
    RequestRef, ResponderRef, ShiftRef, SiteRef, SwapRef, Table, UnitRef, WhistleRef,
};
use crate::words;

/// The overlay.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Operations {
    pub(crate) realms: Table<RealmRef, Realm>,
    pub(crate) incidents: Table<IncidentRef, Incident>,
    pub(crate) units: Table<UnitRef, Unit>,
    pub(crate) sites: Table<SiteRef, Site>,
    pub(crate) whistles: Table<WhistleRef, Whistle>,
    pub(crate) calls: Numbered<CallRef, Call>,
    pub(crate) organization_calls: Numbered<OrganizationCallRef, OrganizationCall>,
    /// Requests for reinforcement, answered or not.
    pub(crate) requests: Numbered<RequestRef, Request>,
    /// What became of calls on their channels, of those calls alone that a delivery service told of.
    pub(crate) deliveries: BTreeMap<CallRef, Deliveries>,
    /// Calls whose person is being reached: the channel that is waited on.
    pub(crate) reaching: BTreeMap<CallRef, Reach>,
    pub(crate) shifts: Table<ShiftRef, Shift>,
    pub(crate) swaps: Numbered<SwapRef, Swap>,
    pub(crate) fills: Table<FillRef, FillProposal>,
    /// The proposal that stands, by realm and area.
    pub(crate) open_fills: BTreeMap<(RealmRef, AreaRef), FillRef>,
    /// Ordered by when they are due, then by kind and id: the order in which they fire.
    pub(crate) timers: BTreeSet<(i64, Timer)>,
    /// Of realm `actual`: how long people took to come.
    pub(crate) arrivals: Arrivals,
}

impl Operations {
    pub(crate) fn new() -> Self {
        let mut new = Self::default();
        new.realms.insert(muster_proto::ACTUAL, Realm::default());
        new
    }

    /// Real life.
    pub(crate) fn actual(&self) -> RealmRef {
        RealmRef::from_index(0)
    }

    /// The realm of that name, or the id that it will get.
    pub(crate) fn realm_or_next(&self, name: &str) -> RealmRef {
        self.realms.find(name).unwrap_or_else(|| RealmRef::from_index(self.realms.len()))
    }

    /// The calls that hold a person's duties in a realm.
    pub(crate) fn duties(&self, realm: RealmRef, responder: ResponderRef) -> &[CallRef] {
        self.realms.get(realm).duties.get(&responder).map_or(&[], |calls| calls.as_slice())
    }

    /// The duties that would overlap the period, `until_ms` 0 meaning open.
    pub(crate) fn overlapping_duties(
        &self,
        realm: RealmRef,
        responder: ResponderRef,
        from_ms: i64,
        until_ms: i64,
    ) -> impl Iterator<Item = CallRef> + '_ {
        self.duties(realm, responder).iter().copied().filter(move |call| {
            let held = self.calls.get(*call);
            let ends_before = held.until_ms != 0 && held.until_ms <= from_ms;
            let starts_after = until_ms != 0 && held.from_ms >= until_ms;
            !ends_before && !starts_after
        })
    }

    /// Whether the plan's conversion, if there is one, is being taken off.
    pub(crate) fn standing_down(&self, incident: IncidentRef, plan: Option<PlanRef>) -> bool {
        plan.and_then(|plan| self.incidents.get(incident).conversions.get(&plan)).is_some_and(|conversion| conversion.standing_down)
    }
}

/// `actual` or one exercise: duties and presence are held apart.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Realm {
    pub(crate) duties: BTreeMap<ResponderRef, SmallVec<[CallRef; 2]>>,
    pub(crate) presence: BTreeMap<ResponderRef, Presence>,
    /// Duties ended so far, by person: the load that the Fill policy spreads.
    pub(crate) past_duties: BTreeMap<ResponderRef, u32>,
    /// The last call of each person that ended as a no-show: a late fact may correct it.
    pub(crate) no_shows: BTreeMap<ResponderRef, CallRef>,
    /// What was last told of each person, in the order in which it was told: a sheet or a phone may tell it again.
    pub(crate) observed: BTreeMap<ResponderRef, Vec<Observation>>,
    /// Hours on post, of everybody who was ever seen.
    pub(crate) work: BTreeMap<ResponderRef, Work>,
    /// The shifts not closed that somebody is rostered for.
    pub(crate) rosters: BTreeMap<ResponderRef, SmallVec<[ShiftRef; 2]>>,
    /// Of the people counted in `Base::callable`, those with a duty without an end.
    pub(crate) bound: HeadsByArea,
}

/// 应急事件
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Incident {
    #[serde(with = "words::number")]
    pub(crate) incident_type: IncidentType,
    pub(crate) area: AreaRef,
    pub(crate) realm: RealmRef,
    #[serde(with = "words::number")]
    pub(crate) severity: Severity,
    #[serde(with = "words::number")]
    pub(crate) warning: WarningLevel,
    #[serde(with = "words::number")]
    pub(crate) grade: IncidentGrade,
    pub(crate) closed: bool,
    /// The response held by each area for itself; `ResponseLevel` as its number.
    pub(crate) responses: BTreeMap<AreaRef, u8>,
    pub(crate) conversions: BTreeMap<PlanRef, Conversion>,
    /// The one home unit of each person.
    pub(crate) home_units: BTreeMap<ResponderRef, UnitRef>,
    /// 备勤, with the plan that put them there.
    pub(crate) standby: BTreeMap<ResponderRef, PlanRef>,
    /// Open whistles blown within the incident.
    pub(crate) open_whistles: BTreeSet<WhistleRef>,
    /// Units established and sites opened by hand, still standing.
    pub(crate) own_units: BTreeSet<UnitRef>,
    pub(crate) own_sites: BTreeSet<SiteRef>,
    /// People with a duty of this incident.
    pub(crate) duties: BTreeSet<CallRef>,
    /// 避险: the areas that take shelter.
    pub(crate) recalls: BTreeMap<AreaRef, Recall>,
    /// 边界联建: the agreements brought to life for the incident, each with its joint committee.
    pub(crate) invoked: BTreeMap<AgreementRef, UnitRef>,
}

impl Incident {
    /// As it is declared: nothing converted, nobody called.
    pub(crate) fn new(incident_type: IncidentType, area: AreaRef, realm: RealmRef, severity: Severity) -> Self {
        Self {
            incident_type,
            area,
            realm,
            severity,
            warning: WarningLevel::Unspecified,
            grade: IncidentGrade::Unspecified,
            closed: false,
            responses: BTreeMap::new(),
            conversions: BTreeMap::new(),
            home_units: BTreeMap::new(),
            standby: BTreeMap::new(),
            open_whistles: BTreeSet::new(),
            own_units: BTreeSet::new(),
            own_sites: BTreeSet::new(),
            duties: BTreeSet::new(),
            recalls: BTreeMap::new(),
            invoked: BTreeMap::new(),
        }
    }
}

/// One area taking shelter.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Recall {
    /// When the unaccounted are listed, 0 once they were.
    pub(crate) due_ms: i64,
    /// Who was called in and has not confirmed, with the duty and the place they were called in from.
    pub(crate) unaccounted: BTreeMap<ResponderRef, (Option<CallRef>, Place)>,
    /// Who has.
    pub(crate) safe: BTreeSet<ResponderRef>,
}

/// The place of a part that the version converted now does not have.
pub(crate) const NO_PART: u16 = u16::MAX;

/// What a plan's conversion brought to life.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Conversion {
    pub(crate) version: u32,
    /// The highest tier called so far.
    #[serde(with = "words::number")]
    pub(crate) response: ResponseLevel,
    /// 1 for the first conversion; a later one after a stand-down counts on, so that ids stay unique.
    pub(crate) round: u32,
    pub(crate) standing_down: bool,
    pub(crate) stood_down: bool,
    /// By place in the plan.
    pub(crate) sites: Vec<Option<SiteRef>>,
    pub(crate) units: Vec<Option<UnitRef>>,
    /// Duties this conversion gave and that still stand.
    pub(crate) duties: BTreeSet<CallRef>,
    /// Parts of a former version that the present one has no more, while somebody is still there; none that was closed or dissolved since.
    pub(crate) former_sites: BTreeSet<SiteRef>,
    pub(crate) former_units: BTreeSet<UnitRef>,
    /// A version took the place of another while it was converted.
    pub(crate) rebased: bool,
    /// All calls for its posts, by whomever they were given, with the seat's id, empty for none: what is learnt from it afterwards.
    pub(crate) given: Vec<(CallRef, Box<str>)>,
    /// Who came to its sites without a call, and the record of the first time.
    pub(crate) walk_ins: BTreeMap<(SiteRef, ResponderRef), u64>,
}

impl Conversion {
    /// The first or a later round of a plan's version, with nothing brought to life yet.
    pub(crate) fn new(version: &PlanVersion, response: ResponseLevel, round: u32) -> Self {
        Self {
            version: version.version,
            response,
            round,
            standing_down: false,
            stood_down: false,
            sites: vec![None; version.sites.len()],
            units: vec![None; version.units.len()],
            duties: BTreeSet::new(),
            former_sites: BTreeSet::new(),
            former_units: BTreeSet::new(),
            rebased: false,
            given: Vec::new(),
            walk_ins: BTreeMap::new(),
        }
    }
}

/// 编组
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Unit {
    pub(crate) incident: IncidentRef,
    #[serde(with = "words::number")]
    pub(crate) kind: UnitKind,
    pub(crate) parent: Option<UnitRef>,
    pub(crate) children: u32,
    pub(crate) area: AreaRef,
    pub(crate) site: Option<SiteRef>,
    pub(crate) plan: Option<PlanRef>,
    /// The place in the plan, where there is one; [`NO_PART`] once the plan has it no more.
    pub(crate) part: u16,
    pub(crate) approved: bool,
    pub(crate) dissolved: bool,
    pub(crate) secretary: Option<ResponderRef>,
    pub(crate) organizer: Option<ResponderRef>,
    /// When the chase for an organizer is due, 0 when none is needed.
    pub(crate) organizer_due_ms: i64,
    pub(crate) members: BTreeSet<ResponderRef>,
    pub(crate) extra_seats: BTreeSet<ResponderRef>,
    /// Duties that name the unit; their holders are members.
    pub(crate) duties: u32,
}

/// 点位
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Site {
    pub(crate) incident: IncidentRef,
    #[serde(with = "words::number")]
    pub(crate) kind: SiteKind,
    pub(crate) name: Box<str>,
    pub(crate) area: AreaRef,
    pub(crate) plan: Option<PlanRef>,
    /// The place in the plan, where there is one; [`NO_PART`] once the plan has it no more.
    pub(crate) part: u16,
    pub(crate) closed: bool,
    /// The area takes shelter: seats are not asked for.
    pub(crate) suspended: bool,
    pub(crate) seats: Vec<SeatState>,
    /// People present, walk-ins included.
    pub(crate) present: u32,
    /// Duties for the site, seated or not.
    pub(crate) duties: u32,
    /// Organizations called to the site whose call is not over.
    pub(crate) organization_calls: Vec<OrganizationCallRef>,
    /// Of a risk zone.
    #[serde(with = "words::number")]
    pub(crate) risk: RiskLevel,
    /// The grids of a risk zone, the beat of a mobile patrol.
    pub(crate) grids: Vec<AreaRef>,
    /// Every shift it ever had, in the order of their numbers.
    pub(crate) shifts: Vec<ShiftRef>,
}

/// Whether people at such a site stand in the open. Headquarters, isolation points, shelters and muster points have a roof.
pub(crate) fn outdoors(kind: SiteKind) -> bool {
    !matches!(kind, SiteKind::Headquarters | SiteKind::IsolationPoint | SiteKind::Shelter | SiteKind::MusterPoint)
}

impl Site {
    /// Whether its people stand in the open.
    pub(crate) fn outdoors(&self) -> bool {
        outdoors(self.kind)
    }

    /// A risk zone that keeps its grids under rules: it is lifted before it is closed.
    pub(crate) fn at_risk(&self) -> bool {
        matches!(self.risk, RiskLevel::Low | RiskLevel::Middle | RiskLevel::High)
    }

    pub(crate) fn seat(&self, seat_id: &str) -> Option<usize> {
        self.seats.iter().position(|seat| &*seat.id == seat_id)
    }

    pub(crate) fn seat_mut(&mut self, seat_id: &str) -> Option<&mut SeatState> {
        self.seats.iter_mut().find(|seat| &*seat.id == seat_id)
    }
}

/// Where somebody is: a site, or the place of a whistle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Place {
    Site(SiteRef),
    Whistle(WhistleRef),
}

/// A check-in or check-out as it was told. The same one again is no news.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Observation {
    pub(crate) place: Place,
    pub(crate) occurred_at_ms: i64,
    pub(crate) device_sequence: u64,
    pub(crate) check_out: bool,
}

/// What was last observed of a person.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Presence {
    /// `None`: seen leaving.
    pub(crate) place: Option<Place>,
    /// The other place claimed, while disputed.
    pub(crate) disputed_with: Option<Place>,
    /// 待核实: not seen leaving after the period's end, and counted nowhere.
    pub(crate) unconfirmed: bool,
    pub(crate) call: Option<CallRef>,
    /// When the last fact happened: an earlier fact corrects the past and nothing else.
    pub(crate) fact_ms: i64,
}

impl Presence {
    /// Whether the person counts as present.
    pub(crate) fn counts(&self) -> bool {
        self.place.is_some() && self.disputed_with.is_none() && !self.unconfirmed
    }
}

/// Where a whistle is in its life. Merged, withdrawn and resolved end it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum WhistlePhase {
    Blown,
    Acknowledged,
    Filled,
    Resolved,
    Merged,
    Withdrawn,
}

impl WhistlePhase {
    pub(crate) fn open(self) -> bool {
        matches!(self, Self::Blown | Self::Acknowledged | Self::Filled)
    }
}

/// 哨
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Whistle {
    pub(crate) incident: Option<IncidentRef>,
    pub(crate) realm: RealmRef,
    /// The blowing area.
    pub(crate) area: AreaRef,
    /// Where it is, in the caller's words.
    pub(crate) place: Box<str>,
    /// The area that has to answer now.
    pub(crate) responsible: AreaRef,
    #[serde(with = "words::number")]
    pub(crate) severity: Severity,
    #[serde(with = "words::number")]
    pub(crate) urgency: Urgency,
    pub(crate) life_threatening: bool,
    /// When it was recorded.
    pub(crate) blown_at_ms: i64,
    pub(crate) phase: WhistlePhase,
    pub(crate) acknowledged: bool,
    pub(crate) acknowledge_due_ms: i64,
    pub(crate) needs: Vec<NeedState>,
    pub(crate) rated: bool,
    /// Present at the whistle's place, with or without a duty.
    pub(crate) present: u32,
    /// Organizations called for the whistle whose call is not over.
    pub(crate) organization_calls: Vec<OrganizationCallRef>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct NeedState {
    pub(crate) id: Box<str>,
    #[serde(with = "words::number")]
    pub(crate) kind: NeedKind,
    pub(crate) specialty: Box<str>,
    pub(crate) quantity: u32,
    /// By FulfilNeed and by organizations.
    pub(crate) fulfilled: u32,
    /// Duties held for it.
    pub(crate) calls: Vec<CallRef>,
    /// Called before and gone: not asked again by the policy.
    pub(crate) tried: BTreeSet<ResponderRef>,
    /// How far up the Fill policy has asked for people.
    pub(crate) reach: Option<AreaRef>,
    /// The neighbour that is asked now.
    pub(crate) request: Option<RequestRef>,
    /// Neighbours asked so far.
    pub(crate) asked: BTreeSet<AreaRef>,
    /// 事不完、人不撤: the blowing side said that this part is done.
    pub(crate) confirmed: bool,
}

/// 统筹补位: a proposal for the open needs of an area. Only the one that stands has lines.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FillProposal {
    pub(crate) realm: RealmRef,
    pub(crate) area: AreaRef,
    pub(crate) lines: BTreeMap<Box<str>, FillLineState>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FillLineState {
    pub(crate) whistle: WhistleRef,
    pub(crate) need: u16,
    pub(crate) responder: ResponderRef,
    /// What a person decided, with whom.
    #[serde(with = "words::number")]
    pub(crate) decided: FillChoice,
    pub(crate) decided_for: Option<ResponderRef>,
}

/// Where a call is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum CallPhase {
    Summoned,
    Acknowledged,
    Accepted,
    OnPost,
    /// Told to come off post; ends with the check-out.
    Recalled,
    Released,
}

impl CallPhase {
    pub(crate) fn open(self) -> bool {
        self != Self::Released
    }
}

/// 征调 of a person, and the duty that it gave.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Call {
    pub(crate) responder: ResponderRef,
    pub(crate) incident: Option<IncidentRef>,
    pub(crate) realm: RealmRef,
    #[serde(with = "words::number")]
    pub(crate) role: DutyRole,
    pub(crate) unit: Option<UnitRef>,
    pub(crate) site: Option<SiteRef>,
    /// The id of the seat, which no other list of seats makes another's; `None` without one, or once it was taken off the list under a duty.
    pub(crate) seat: Option<Box<str>>,
    pub(crate) whistle: Option<WhistleRef>,
    pub(crate) need: Option<u16>,
    pub(crate) area: AreaRef,
    pub(crate) plan: Option<PlanRef>,
    #[serde(with = "words::number")]
    pub(crate) tier: ResponseLevel,
    pub(crate) organization_call: Option<OrganizationCallRef>,
    pub(crate) shift: Option<ShiftRef>,
    pub(crate) phase: CallPhase,
    pub(crate) from_ms: i64,
    pub(crate) until_ms: i64,
    pub(crate) reply_due_ms: i64,
    /// When the end of the period is looked at, 0 when it is open or was.
    pub(crate) period_due_ms: i64,
    pub(crate) no_show: bool,
    pub(crate) called_at_ms: i64,
    /// The first check-in on it, or the call itself for somebody who was there already; 0 for never.
    pub(crate) arrived_at_ms: i64,
    pub(crate) released_at_ms: i64,
    #[serde(with = "words::number")]
    pub(crate) reason: CallReason,
    /// Why the duty ended, unspecified while it stands.
    #[serde(with = "words::number")]
    pub(crate) release: ReleaseReason,
}

/// Where a call to an organization is in its life; the order is that of time. Reported in, declined and ended settle it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum OrganizationCallPhase {
    Called,
    Acknowledged,
    Nominated,
    ReportedIn,
    Declined,
    Ended,
}

/// 部门报到
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OrganizationCall {
    pub(crate) organization: OrganizationRef,
    pub(crate) incident: Option<IncidentRef>,
    pub(crate) realm: RealmRef,
    pub(crate) whistle: Option<WhistleRef>,
    pub(crate) need: Option<u16>,
    pub(crate) site: Option<SiteRef>,
    pub(crate) area: AreaRef,
    pub(crate) quantity: u32,
    pub(crate) deadline_ms: i64,
    /// 牵头单位
    pub(crate) lead: bool,
    pub(crate) phase: OrganizationCallPhase,
    pub(crate) calls: Vec<CallRef>,
}

/// 跨区增援: a neighbouring area asked for people for one need.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) whistle: WhistleRef,
    pub(crate) need: u16,
    pub(crate) from: AreaRef,
    /// When its silence counts as a no; 0 once it is over.
    pub(crate) due_ms: i64,
}

/// What is waited for. The kind and the id make it one timer; the due time stands in the state of its subject too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Timer {
    WhistleAcknowledge(WhistleRef),
    CallReply(CallRef),
    OrganizationDeadline(OrganizationCallRef),
    OrganizerMissing(UnitRef),
    PeriodEnd(CallRef),
    SafetyDue(IncidentRef, AreaRef),
    Reach(CallRef),
    ReinforcementDue(RequestRef),
    Fatigue(RealmRef, ResponderRef),
    ShiftOpens(ShiftRef),
    ShiftEnds(ShiftRef),
    AbsenceBegins(ResponderRef),
}
