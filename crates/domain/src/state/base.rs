//! Peacetime: the tree of areas, organizations, the roster and the conversion plans.

use std::collections::{BTreeMap, BTreeSet};

use muster_proto::v1::{
    AgreementScope, AreaLevel, Availability, DutyRole, IncidentType, OrganizationKind, ResponderKind, ResponseLevel, SiteKind, UnitKind,
};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::ids::{AgreementRef, AreaRef, Dense as _, LabelRef, OrganizationRef, PlanRef, ResponderRef, Table};
use crate::state::{HeadsByArea, Point};
use crate::words;

/// The peacetime facts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Base {
    pub(crate) areas: Table<AreaRef, Area>,
    pub(crate) organizations: Table<OrganizationRef, Organization>,
    pub(crate) responders: Table<ResponderRef, Responder>,
    pub(crate) plans: Table<PlanRef, Plan>,
    /// Specialties, functions and shifts that peacetime facts use.
    pub(crate) labels: Table<LabelRef, ()>,
    /// Whose primary post at which tier stands in which plan: one for each person, incident type and tier.
    pub(crate) primaries: BTreeMap<(ResponderRef, u8, u8), PlanRef>,
    /// 包干: who answers for which area, by area, kind (`ResponsibilityKind` as its number) and person, with the period; `until` 0 means
    /// until ended.
    pub(crate) responsibilities: BTreeMap<(AreaRef, u8, ResponderRef), (i64, i64)>,
    pub(crate) agreements: Table<AgreementRef, Agreement>,
    /// Whose data is kept for a reason, which is the value.
    pub(crate) holds: BTreeMap<ResponderRef, Box<str>>,
    pub(crate) erasures: BTreeMap<ResponderRef, Erasure>,
    /// People at home in each area and below it who are not kept back.
    pub(crate) callable: HeadsByArea,
}

/// 边界联建协议
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Agreement {
    pub(crate) name: Box<str>,
    pub(crate) sides: Vec<Side>,
    /// `AgreementScope`s as their numbers.
    pub(crate) shared: SmallVec<[u8; 4]>,
    pub(crate) joint_committee: Box<str>,
    pub(crate) in_force: bool,
    pub(crate) ended: bool,
}

/// One side of an agreement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Side {
    /// `None` for a jurisdiction outside the tree.
    pub(crate) area: Option<AreaRef>,
    pub(crate) external_code: Box<str>,
    pub(crate) external_name: Box<str>,
    /// The document that it signed with, empty until then.
    pub(crate) document_no: Box<str>,
}

impl Agreement {
    /// Whether it can be invoked, and what was invoked under it holds.
    pub(crate) fn stands(&self) -> bool {
        self.in_force && !self.ended
    }

    pub(crate) fn areas(&self) -> impl Iterator<Item = AreaRef> + '_ {
        self.sides.iter().filter_map(|side| side.area)
    }

    pub(crate) fn shares(&self, scope: AgreementScope) -> bool {
        self.shared.iter().any(|number| i32::from(*number) == i32::from(scope))
    }
}

/// How far the erasure of a person's data is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Erasure {
    /// One person asked: who it was.
    Requested(Box<str>),
    Erased,
}

/// 辖区
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Area {
    #[serde(with = "words::number")]
    pub(crate) level: AreaLevel,
    pub(crate) parent: Option<AreaRef>,
    pub(crate) children: Vec<AreaRef>,
    pub(crate) retired: bool,
    pub(crate) auto_fill: bool,
    pub(crate) name: Box<str>,
    /// 留守: how many of the people at home here stay free when others are called away, 0 for none.
    pub(crate) floor: u32,
    /// People whose home area this is, in the order they came.
    pub(crate) residents: Vec<ResponderRef>,
    pub(crate) plans: Vec<PlanRef>,
    /// Where its seat is, where known.
    pub(crate) location: Option<Point>,
}

/// 单位
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Organization {
    #[serde(with = "words::number")]
    pub(crate) kind: OrganizationKind,
    pub(crate) area: Option<AreaRef>,
    pub(crate) functions: Vec<LabelRef>,
    pub(crate) ties: Vec<AreaRef>,
    pub(crate) reserved: Vec<ResponderRef>,
    /// Who belongs to it, whoever has withdrawn included.
    pub(crate) members: BTreeSet<ResponderRef>,
    /// Offices and who holds them, in the order they were first filled.
    pub(crate) holders: Vec<(Box<str>, ResponderRef)>,
}

/// 报到人员. Names and telephone numbers are not kept here, not even sealed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Responder {
    #[serde(with = "words::number")]
    pub(crate) kind: ResponderKind,
    pub(crate) organization: Option<OrganizationRef>,
    pub(crate) area: Option<AreaRef>,
    pub(crate) specialties: SmallVec<[LabelRef; 2]>,
    #[serde(with = "words::number")]
    pub(crate) availability: Availability,
    pub(crate) availability_from_ms: i64,
    pub(crate) availability_until_ms: i64,
    /// When an absence that is still to come begins, 0 when none is waited for.
    pub(crate) absence_due_ms: i64,
    pub(crate) withdrawn: bool,
    /// Kept back by the own organization.
    pub(crate) reserved: bool,
}

impl Responder {
    /// The kind of absence at `at_ms`, if any.
    pub(crate) fn absence(&self, at_ms: i64) -> Option<Availability> {
        let within = at_ms >= self.availability_from_ms && (self.availability_until_ms == 0 || at_ms < self.availability_until_ms);
        match self.availability {
            Availability::Available | Availability::Unspecified => None,
            kind => within.then_some(kind),
        }
    }

    /// The absence that speaks against a duty, and that one is given up for: at its beginning or now, and anywhere within one that is still to
    /// come and has an end.
    pub(crate) fn away(&self, now_ms: i64, from_ms: i64, until_ms: i64) -> Option<Availability> {
        let within = from_ms > now_ms && until_ms != 0 && self.absent_during(from_ms, until_ms);
        self.absence(from_ms.max(now_ms)).or(within.then_some(self.availability))
    }

    /// Whether an absence touches the period.
    pub(crate) fn absent_during(&self, from_ms: i64, until_ms: i64) -> bool {
        let absent = !matches!(self.availability, Availability::Available | Availability::Unspecified);
        let over = self.availability_until_ms != 0 && self.availability_until_ms <= from_ms;
        absent && self.availability_from_ms < until_ms && !over
    }
}

/// 转换预案: all published versions, and the draft of the next.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) area: AreaRef,
    #[serde(with = "words::number")]
    pub(crate) incident_type: IncidentType,
    pub(crate) published: Vec<PlanVersion>,
    pub(crate) draft: Option<PlanVersion>,
}

impl Plan {
    pub(crate) fn current(&self) -> Option<&PlanVersion> {
        self.published.last()
    }

    pub(crate) fn version(&self, version: u32) -> Option<&PlanVersion> {
        self.published.iter().find(|candidate| candidate.version == version)
    }

    pub(crate) fn next_version(&self) -> u32 {
        self.published.last().map_or(1, |last| last.version + 1)
    }
}

/// One version of a plan: immutable once published.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PlanVersion {
    pub(crate) version: u32,
    pub(crate) sites: Vec<PlanSite>,
    pub(crate) units: Vec<PlanUnit>,
    pub(crate) name: Box<str>,
    pub(crate) cards: Vec<Box<str>>,
    /// What the cards say, in the order of their keys; the next version is drafted from it.
    pub(crate) card_texts: Vec<CardText>,
    pub(crate) designations: Vec<Designation>,
    /// `(person, tier)` of the designations; a draft checks against it.
    pub(crate) primaries: BTreeSet<(ResponderRef, u8)>,
    /// The designation of each `(site, seat)` that is given to somebody.
    pub(crate) seated: BTreeMap<(u16, u16), u32>,
    /// The other designations, by whom they name, backups too.
    pub(crate) unseated: BTreeMap<ResponderRef, SmallVec<[u32; 1]>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PlanSite {
    pub(crate) key: Box<str>,
    #[serde(with = "words::number")]
    pub(crate) kind: SiteKind,
    pub(crate) name: Box<str>,
    pub(crate) area: AreaRef,
    #[serde(with = "words::number")]
    pub(crate) tier: ResponseLevel,
    pub(crate) seats: Vec<PlanSeat>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PlanSeat {
    pub(crate) key: Box<str>,
    pub(crate) specialty: Option<LabelRef>,
    pub(crate) shift: Option<LabelRef>,
    pub(crate) duty_desk: bool,
    #[serde(with = "words::number")]
    pub(crate) tier: ResponseLevel,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PlanUnit {
    pub(crate) key: Box<str>,
    #[serde(with = "words::number")]
    pub(crate) kind: UnitKind,
    pub(crate) name: Box<str>,
    pub(crate) parent: Option<u16>,
    pub(crate) site: Option<u16>,
    pub(crate) area: AreaRef,
    #[serde(with = "words::number")]
    pub(crate) tier: ResponseLevel,
    pub(crate) superior: Option<OrganizationRef>,
}

/// 岗位: who takes which post at which tier, and who steps in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Designation {
    #[serde(with = "words::number")]
    pub(crate) tier: ResponseLevel,
    #[serde(with = "words::number")]
    pub(crate) role: DutyRole,
    pub(crate) unit: Option<u16>,
    pub(crate) site: Option<u16>,
    pub(crate) seat: Option<u16>,
    pub(crate) responder: ResponderRef,
    pub(crate) backups: SmallVec<[ResponderRef; 2]>,
    pub(crate) card: Option<u16>,
    pub(crate) peacetime_post: Option<LabelRef>,
    pub(crate) emergency_post: Option<LabelRef>,
}

/// 岗位说明书 without its key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CardText {
    pub(crate) place: Box<str>,
    pub(crate) report_to: Box<str>,
    pub(crate) task: Box<str>,
    pub(crate) bring: Box<str>,
    pub(crate) until: Box<str>,
}

impl Base {
    /// The area and all areas above it, nearest first.
    pub(crate) fn ancestry(&self, area: AreaRef) -> impl Iterator<Item = AreaRef> + '_ {
        std::iter::successors(Some(area), |key| self.areas.get(*key).parent)
    }

    /// Whether `area` is `top` or lies below it.
    pub(crate) fn within(&self, area: AreaRef, top: AreaRef) -> bool {
        self.ancestry(area).any(|key| key == top)
    }

    /// The area and everything below it, parents before children, in the order of definition.
    pub(crate) fn subtree(&self, top: AreaRef) -> Vec<AreaRef> {
        let mut found = vec![top];
        let mut cursor = 0;
        while cursor < found.len() {
            found.extend_from_slice(&self.areas.get(found[cursor]).children);
            cursor += 1;
        }
        found
    }

    /// Where an area is on the map: its own place, else that of the nearest area above that has one.
    pub(crate) fn location_of(&self, area: AreaRef) -> Option<Point> {
        self.ancestry(area).find_map(|key| self.areas.get(key).location)
    }

    /// Metres between two areas as the crow flies; `None` where the map knows one of them not at all.
    pub(crate) fn metres_between(&self, one: AreaRef, other: AreaRef) -> Option<u32> {
        Some(self.location_of(one)?.metres_to(self.location_of(other)?))
    }

    /// Whether the person has a specialty; whatever asks for none suits everybody.
    pub(crate) fn has_specialty(&self, responder: ResponderRef, wanted: &str) -> bool {
        let has = |label: LabelRef| self.responders.get(responder).specialties.contains(&label);
        wanted.is_empty() || self.labels.find(wanted).is_some_and(has)
    }

    /// Where a person or organization is at home: the own home area, else the organization's.
    pub(crate) fn home_of(&self, responder: ResponderRef) -> Option<AreaRef> {
        let person = self.responders.get(responder);
        person.area.or_else(|| person.organization.and_then(|key| self.organizations.get(key).area))
    }

    /// Whose release would do for somebody from `home`: the highest area around it that does not hold `near`; the home itself where that does.
    pub(crate) fn donor(&self, home: AreaRef, near: AreaRef) -> AreaRef {
        self.ancestry(home).take_while(|around| !self.within(near, *around)).last().unwrap_or(home)
    }

    /// Who answers for an area at a time, kind by kind.
    pub(crate) fn responsible(&self, area: AreaRef, at_ms: i64) -> impl Iterator<Item = (u8, ResponderRef)> + '_ {
        let first = (area, 0, ResponderRef::from_index(0));
        let listed = self.responsibilities.range(first..).take_while(move |((at, _, _), _)| *at == area);
        let stands = move |from_ms: i64, until_ms: i64| from_ms <= at_ms && (until_ms == 0 || at_ms < until_ms);
        listed.filter(move |(_, (from_ms, until_ms))| stands(*from_ms, *until_ms)).map(|((_, kind, who), _)| (*kind, *who))
    }

    /// Whoever withdraws answers for nothing and holds no office any more.
    pub(crate) fn leave_offices(&mut self, responder: ResponderRef) {
        self.responsibilities.retain(|(_, _, who), _| *who != responder);
        for organization in self.organizations.values_mut() {
            organization.holders.retain(|(_, holder)| *holder != responder);
        }
    }

    pub(crate) fn label(&self, key: Option<LabelRef>) -> String {
        key.map(|key| self.labels.id(key).to_owned()).unwrap_or_default()
    }

    pub(crate) fn intern_optional(&mut self, name: &str) -> Option<LabelRef> {
        (!name.is_empty()).then(|| self.labels.intern(name))
    }

    pub(crate) fn canonical(&self) -> Vec<u8> {
        words::canonical_bytes(self)
    }
}
