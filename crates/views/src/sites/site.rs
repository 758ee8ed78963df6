//! One site: its seats, its shifts and the figures of each.

use std::collections::BTreeMap;

use muster_proto::v1;
use serde::{Deserialize, Serialize};

use crate::people::{CallKey, Duty, Sight, Standing};
use crate::proto_bytes;
use crate::sites::arrivals::Pace;
use crate::symbols::{EMPTY, Sym, Symbols};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Site {
    pub(super) id: Sym,
    pub(super) opened: bool,
    closed: bool,
    suspended: bool,
    scheduled: bool,
    /// Open shifts, in the order in which they were opened.
    open: Vec<OpenShift>,
    /// What all rows of the site share.
    #[serde(with = "proto_bytes")]
    common: v1::SiteRow,
    /// Risk, grids and supplies as of now; of the other fields none is shown.
    #[serde(with = "proto_bytes")]
    zone: v1::RiskSet,
    seats: Vec<Seat>,
    /// The first is the one with the empty key. A shift stays when its last seat goes, for it may come back.
    pub(super) shifts: Vec<Shift>,
    /// The holder of each standing duty for the site.
    pub(super) holders: Vec<Sym>,
    no_shows: Vec<(CallKey, Sym)>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct OpenShift {
    id: Sym,
    label: Sym,
    from_ms: i64,
    until_ms: i64,
    minimum: i64,
    held: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Seat {
    id: Sym,
    /// Place among the shifts.
    shift: usize,
    /// Standing duties for it.
    duties: u32,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Shift {
    pub(super) key: Sym,
    pub(super) figures: Figures,
    /// Duties for its seats whose holder is not present and who may come nobody knows when.
    unknown: u32,
    /// Expected arrivals of the others, with how many.
    arrivals: BTreeMap<i64, u32>,
    /// When all of them were called, with how many.
    called: BTreeMap<i64, u32>,
    position: u64,
    pub(super) dirty: bool,
}

/// What of a row a record can change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Figures {
    seats: i64,
    filled: i64,
    present: i64,
    no_shows: i64,
    unconfirmed: i64,
    walk_in: i64,
    last_check_in_ms: i64,
    full_strength_at_ms: i64,
    expected_full_from_ms: i64,
    expected_full_until_ms: i64,
    closed: bool,
    suspended: bool,
    asked: i64,
    shift: Sym,
    shift_from_ms: i64,
    shift_until_ms: i64,
    minimum: i64,
    held: bool,
    handed_over_at_ms: i64,
}

impl Shift {
    /// Works out the figures that hang on the others, and on how fast people came before.
    pub(super) fn settle(&mut self, pace: Option<Pace>) {
        let figures = &mut self.figures;
        let held = figures.seats > 0 && figures.filled == figures.seats;
        let latest = |times: &BTreeMap<i64, u32>| times.last_key_value().map(|(latest, _)| *latest);
        figures.full_strength_at_ms = if held && self.unknown == 0 { latest(&self.arrivals).unwrap_or(0) } else { 0 };
        let expected = latest(&self.called).filter(|_| held).zip(pace);
        figures.expected_full_from_ms = expected.map_or(0, |(called, pace)| called + pace.half_ms);
        figures.expected_full_until_ms = expected.map_or(0, |(called, pace)| called + pace.most_ms);
    }

    pub(super) fn touch(&mut self, dirty: &mut Vec<(u32, u32)>, at: (u32, u32), position: u64) {
        self.position = position;
        if !self.dirty {
            self.dirty = true;
            dirty.push(at);
        }
    }

    /// Counts a duty for one of the shift's seats whose holder is not there.
    fn awaited(&mut self, duty: &Duty, standing: Standing, sign: i32) {
        count_time(&mut self.called, duty.called_ms, sign);
        if standing != Standing::Coming || duty.arrival_ms <= 0 {
            self.unknown = self.unknown.saturating_add_signed(sign);
            return;
        }
        count_time(&mut self.arrivals, duty.arrival_ms, sign);
    }
}

/// Counts a time in or out.
fn count_time(times: &mut BTreeMap<i64, u32>, at_ms: i64, sign: i32) {
    let many = times.entry(at_ms).or_default();
    *many = many.saturating_add_signed(sign);
    if *many == 0 {
        times.remove(&at_ms);
    }
}

impl Site {
    pub(super) fn new(id: Sym) -> Self {
        Self {
            id,
            opened: false,
            closed: false,
            suspended: false,
            scheduled: false,
            open: Vec::new(),
            common: v1::SiteRow::default(),
            zone: v1::RiskSet::default(),
            seats: Vec::new(),
            shifts: vec![Shift::default()],
            holders: Vec::new(),
            no_shows: Vec::new(),
        }
    }

    pub(super) fn open(&mut self, realm: &str, body: &v1::SiteOpened) {
        self.opened = true;
        self.common = v1::SiteRow {
            realm: realm.to_owned(),
            site_id: body.site_id.clone(),
            incident_id: body.incident_id.clone(),
            kind: body.kind,
            name: body.name.clone(),
            area_id: body.area_id.clone(),
            ..Default::default()
        };
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
        self.open.clear();
        self.shifts_changed();
        for shift in &mut self.shifts {
            shift.figures.closed = true;
        }
        self.suspend(false);
    }

    pub(super) fn suspend(&mut self, suspended: bool) {
        self.suspended = suspended;
        for shift in &mut self.shifts {
            shift.figures.suspended = suspended;
        }
    }

    /// Changes what the site covers. Whether the row shows something else now.
    pub(super) fn cover(&mut self, change: impl FnOnce(&mut v1::RiskSet)) -> bool {
        let before = self.zone.clone();
        change(&mut self.zone);
        let shown = |zone: &v1::RiskSet| (zone.risk, zone.grid_ids.clone(), zone.supplies.clone());
        shown(&before) != shown(&self.zone)
    }

    pub(super) fn schedule(&mut self) {
        self.scheduled = true;
        self.shifts_changed();
    }

    pub(super) fn shift_opened(&mut self, id: Sym, label: Sym, body: &v1::ShiftOpened) {
        let (from_ms, until_ms, minimum) = (body.from_ms, body.until_ms, i64::from(body.minimum));
        self.open.push(OpenShift { id, label, from_ms, until_ms, minimum, held: false });
        self.shifts_changed();
    }

    pub(super) fn shift_held(&mut self, id: Sym) {
        self.open.iter_mut().filter(|open| open.id == id).for_each(|open| open.held = true);
        self.shifts_changed();
    }

    pub(super) fn shift_closed(&mut self, id: Sym) {
        self.open.retain(|open| open.id != id);
        self.shifts_changed();
    }

    pub(super) fn handed_over(&mut self, label: Sym, at_ms: i64) {
        let shift = self.shift(label);
        self.shifts[shift].figures.handed_over_at_ms = at_ms;
    }

    /// Works out what hangs on the open shifts.
    fn shifts_changed(&mut self) {
        for shift in &mut self.shifts {
            let open = self.open.iter().rev().find(|open| open.label == shift.key);
            let figures = &mut shift.figures;
            let off_shift = self.scheduled && shift.key != EMPTY && open.is_none();
            figures.asked = if off_shift { 0 } else { figures.seats };
            figures.shift = open.map_or(EMPTY, |open| open.id);
            figures.shift_from_ms = open.map_or(0, |open| open.from_ms);
            figures.shift_until_ms = open.map_or(0, |open| open.until_ms);
            figures.minimum = open.map_or(0, |open| open.minimum);
            figures.held = open.is_some_and(|open| open.held);
        }
    }

    /// What the site is, as a number; 0 for one that no record has opened yet.
    pub(super) fn kind(&self) -> i32 {
        self.common.kind
    }

    pub(super) fn realm(&self) -> &str {
        &self.common.realm
    }

    /// Whether a shift has a row.
    pub(super) fn shows(&self, shift: usize) -> bool {
        self.opened && (shift == 0 || self.shifts[shift].figures.seats > 0)
    }

    pub(super) fn row(&self, shift: usize, names: &Symbols) -> v1::SiteRow {
        let Shift { key, figures, position, .. } = &self.shifts[shift];
        let zone = if shift == 0 { self.zone.clone() } else { v1::RiskSet::default() };
        v1::SiteRow {
            shift: names.name(*key).to_owned(),
            seats: figures.seats,
            filled: figures.filled,
            present: figures.present,
            no_shows: figures.no_shows,
            unconfirmed: figures.unconfirmed,
            walk_in: figures.walk_in,
            last_check_in_ms: figures.last_check_in_ms,
            full_strength_at_ms: figures.full_strength_at_ms,
            expected_full_from_ms: figures.expected_full_from_ms,
            expected_full_until_ms: figures.expected_full_until_ms,
            closed: figures.closed,
            suspended: figures.suspended,
            asked: figures.asked,
            shift_id: names.name(figures.shift).to_owned(),
            shift_from_ms: figures.shift_from_ms,
            shift_until_ms: figures.shift_until_ms,
            minimum: figures.minimum,
            held: figures.held,
            handed_over_at_ms: figures.handed_over_at_ms,
            position: *position,
            risk: zone.risk,
            grid_ids: zone.grid_ids,
            supplies: zone.supplies,
            ..self.common.clone()
        }
    }

    /// Replaces the list of seats. Duties for them must not be counted at that moment.
    pub(super) fn set_seats(&mut self, names: &Symbols, seats: &[v1::Seat]) {
        for (_, seat) in &self.no_shows {
            let shift = shift_of(&self.seats, *seat);
            self.shifts[shift].figures.no_shows -= 1;
        }
        for shift in &mut self.shifts {
            shift.figures.seats = 0;
        }
        let mut list = Vec::with_capacity(seats.len());
        for seat in seats {
            let shift = self.shift(names.known(&seat.shift));
            self.shifts[shift].figures.seats += 1;
            list.push(Seat { id: names.known(&seat.seat_id), shift, duties: 0 });
        }
        self.seats = list;
        self.shifts_changed();
        for (_, seat) in &self.no_shows {
            let shift = shift_of(&self.seats, *seat);
            self.shifts[shift].figures.no_shows += 1;
        }
    }

    fn shift(&mut self, key: Sym) -> usize {
        self.shifts.iter().position(|shift| shift.key == key).unwrap_or_else(|| {
            let figures = Figures { closed: self.closed, suspended: self.suspended, ..Figures::default() };
            self.shifts.push(Shift { key, figures, ..Shift::default() });
            self.shifts.len() - 1
        })
    }

    /// Counts a person in (1) or out (-1).
    pub(super) fn count(&mut self, sight: &Sight, sign: i32) {
        let (by, id) = (i64::from(sign), self.id);
        for (_, duty, standing) in sight.duties.iter().filter(|(_, duty, _)| duty.site == id) {
            self.count_duty(duty, *standing, sign);
        }
        if sight.walk_in.is_some_and(|spot| spot.site == self.id) {
            self.shifts[0].figures.walk_in += by;
        }
        if sight.dispute.is_some_and(|dispute| dispute.sites.contains(&self.id)) {
            let first = sight.duties.iter().find(|(_, duty, _)| duty.site == self.id);
            let shift = first.map_or(0, |(_, duty, _)| shift_of(&self.seats, duty.seat));
            self.shifts[shift].figures.unconfirmed += by;
        }
    }

    fn count_duty(&mut self, duty: &Duty, standing: Standing, sign: i32) {
        let by = i64::from(sign);
        let seat = seat_of(&self.seats, duty.seat);
        let shift = &mut self.shifts[seat.map_or(0, |seat| self.seats[seat].shift)];
        if standing == Standing::Present {
            shift.figures.present += by;
        }
        if let Some(seat) = seat {
            let seat = &mut self.seats[seat];
            let before = seat.duties > 0;
            seat.duties = seat.duties.saturating_add_signed(sign);
            shift.figures.filled += i64::from(seat.duties > 0) - i64::from(before);
            if standing != Standing::Present {
                shift.awaited(duty, standing, sign);
            }
        }
        if sign > 0 {
            self.holders.push(duty.person);
        } else if let Some(at) = self.holders.iter().position(|person| *person == duty.person) {
            self.holders.swap_remove(at);
        }
    }

    pub(super) fn checked_in(&mut self, seat: Sym, occurred_at_ms: i64) {
        let shift = shift_of(&self.seats, seat);
        let latest = &mut self.shifts[shift].figures.last_check_in_ms;
        *latest = occurred_at_ms.max(*latest);
    }

    pub(super) fn no_show(&mut self, call: CallKey, seat: Sym) {
        self.no_shows.push((call, seat));
        let shift = shift_of(&self.seats, seat);
        self.shifts[shift].figures.no_shows += 1;
    }

    pub(super) fn take_back_no_show(&mut self, call: CallKey) {
        if let Some(at) = self.no_shows.iter().position(|(known, _)| *known == call) {
            let (_, seat) = self.no_shows.swap_remove(at);
            let shift = shift_of(&self.seats, seat);
            self.shifts[shift].figures.no_shows -= 1;
        }
    }
}

/// The place of a seat in the list. A site has a few dozen at most.
fn seat_of(seats: &[Seat], id: Sym) -> Option<usize> {
    if id == EMPTY { None } else { seats.iter().position(|seat| seat.id == id) }
}

fn shift_of(seats: &[Seat], seat: Sym) -> usize {
    seat_of(seats, seat).map_or(0, |at| seats[at].shift)
}
