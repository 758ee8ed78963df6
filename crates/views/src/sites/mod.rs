//! 点位: seats and people of each site by shift. What a figure means is said in `views.proto`.

mod arrivals;
mod site;

use std::collections::BTreeMap;

use muster_proto::Event;
use muster_proto::v1;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::fact::{Fact, What};
use crate::fold::{Fold, RowChange};
use crate::ledger::{Entry, Ledger};
use crate::people::{CallKey, Sight, Standing, Turn};
use crate::symbols::{EMPTY, Sym, Symbols};
use crate::view::{Row, View};
use arrivals::{Arrivals, Pace};
use site::{Figures, Site};

/// The fold of [`View::Sites`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct SitesFold {
    /// By the ledger's places.
    realms: Vec<Realm>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Realm {
    sites: Vec<Site>,
    by_id: FxHashMap<Sym, SiteRef>,
    /// The site of each call that was declared a no-show and not corrected.
    no_shows: FxHashMap<CallKey, SiteRef>,
    /// How long people took to sites of each kind.
    arrivals: BTreeMap<i32, Arrivals>,
    /// Rows to write: the site and the place of the shift in it.
    dirty: Vec<(SiteRef, u32)>,
}

type SiteRef = u32;

/// The figures of some sites as they were before a record.
type Before = SmallVec<[(SiteRef, SmallVec<[Figures; 3]>); 2]>;

impl Fold for SitesFold {
    const VIEW: View = View::Sites;

    fn interested(event_tag: u32) -> bool {
        matches!(event_tag, 200..=206 | 248 | 249 | 290 | 291 | 295..=297)
    }

    fn apply(&mut self, entry: &Entry<'_>) {
        while self.realms.len() <= entry.realm {
            self.realms.push(Realm::default());
        }
        self.realms[entry.realm].apply(entry);
    }

    fn dirty(&self) -> usize {
        self.realms.iter().map(|realm| realm.dirty.len()).sum()
    }

    fn drain(&mut self, ledger: &Ledger, each: &mut dyn FnMut(RowChange)) {
        for realm in &mut self.realms {
            realm.drain(&ledger.names, each);
        }
    }
}

impl Realm {
    fn apply(&mut self, entry: &Entry<'_>) {
        if let Some(turn) = &entry.turn {
            return self.people_moved(turn, entry.fact);
        }
        let What::Event(event) = &entry.fact.what else { return };
        let (names, fact) = (entry.names, entry.fact);
        match &**event {
            Event::SiteOpened(body) => self.opened(body, entry),
            Event::RequirementSet(body) => {
                let site = self.site(names.known(&body.site_id));
                let before = self.figures(&[site]);
                self.set_seats(entry, site, &body.seats);
                self.settle(before, fact);
            }
            Event::SiteClosed(body) => {
                let site = self.site(names.known(&body.site_id));
                let before = self.figures(&[site]);
                self.sites[site as usize].close();
                self.settle(before, fact);
            }
            Event::SiteSuspended(body) => self.suspend(names.known(&body.site_id), true, fact),
            Event::SiteResumed(body) => self.suspend(names.known(&body.site_id), false, fact),
            Event::RiskSet(body) => self.zone(names.known(&body.site_id), fact, |zone| body.clone_into(zone)),
            Event::BeatSet(body) => self.zone(names.known(&body.site_id), fact, |zone| body.grid_ids.clone_into(&mut zone.grid_ids)),
            Event::ShiftsScheduled(body) => self.shifts(names.known(&body.site_id), fact, |site| site.schedule()),
            Event::ShiftOpened(body) => {
                let (shift, label) = (names.known(&body.shift_id), names.known(&body.shift));
                self.shifts(names.known(&body.site_id), fact, |site| site.shift_opened(shift, label, body));
            }
            Event::ShiftHeld(body) => {
                let shift = names.known(&body.shift_id);
                self.shifts(names.known(&body.site_id), fact, |site| site.shift_held(shift));
            }
            Event::ShiftClosed(body) => {
                let shift = names.known(&body.shift_id);
                self.shifts(names.known(&body.site_id), fact, |site| site.shift_closed(shift));
            }
            Event::HandedOver(body) => {
                let (label, at_ms) = (names.known(&body.shift), fact.recorded_at_ms);
                self.shifts(names.known(&body.site_id), fact, |site| site.handed_over(label, at_ms));
            }
            Event::NoShowDeclared(body) => self.no_show(CallKey::find(&body.call_id, names), entry),
            Event::NoShowCorrected(body) => {
                let call = CallKey::find(&body.call_id, names);
                let Some(site) = self.no_shows.remove(&call) else { return };
                let before = self.figures(&[site]);
                self.sites[site as usize].take_back_no_show(call);
                self.settle(before, fact);
            }
            _ => {}
        }
    }

    fn drain(&mut self, names: &Symbols, each: &mut dyn FnMut(RowChange)) {
        self.dirty.sort_unstable();
        for (site, shift) in self.dirty.drain(..) {
            let site = &mut self.sites[site as usize];
            let shift = shift as usize;
            site.shifts[shift].dirty = false;
            if !site.opened {
                continue;
            }
            each(if site.shows(shift) {
                RowChange::Put(Row::Site(site.row(shift, names)))
            } else {
                let id = format!("{}/{}", names.name(site.id), names.name(site.shifts[shift].key));
                RowChange::Delete { view: View::Sites, realm: site.realm().to_owned(), id }
            });
        }
    }

    /// The site of an id. One that no record has opened yet is noted, without a row.
    fn site(&mut self, id: Sym) -> SiteRef {
        *self.by_id.entry(id).or_insert_with(|| {
            self.sites.push(Site::new(id));
            SiteRef::try_from(self.sites.len() - 1).expect("four thousand million sites do not fit into memory")
        })
    }

    fn opened(&mut self, body: &v1::SiteOpened, entry: &Entry<'_>) {
        let fact = entry.fact;
        let site = self.site(entry.names.known(&body.site_id));
        if self.sites[site as usize].opened {
            return;
        }
        let before = self.figures(&[site]);
        self.sites[site as usize].open(&fact.realm, body);
        self.set_seats(entry, site, &body.seats);
        self.settle(before, fact);
        let known = &mut self.sites[site as usize];
        for shift in 0..known.shifts.len() {
            if known.shows(shift) {
                known.shifts[shift].touch(&mut self.dirty, (site, shift as u32), fact.position.0);
            }
        }
    }

    /// The site's seats from now on; whoever holds a duty for one is counted by its new shift.
    fn set_seats(&mut self, entry: &Entry<'_>, site: SiteRef, seats: &[v1::Seat]) {
        let people = entry.people;
        let known = &mut self.sites[site as usize];
        let mut holders = known.holders.clone();
        holders.sort_unstable();
        holders.dedup();
        let sights: Vec<Sight> = holders.iter().map(|person| people.sight(*person)).collect();
        sights.iter().for_each(|sight| known.count(sight, -1));
        known.set_seats(entry.names, seats);
        sights.iter().for_each(|sight| known.count(sight, 1));
    }

    fn suspend(&mut self, id: Sym, suspended: bool, fact: &Fact) {
        let site = self.site(id);
        let before = self.figures(&[site]);
        self.sites[site as usize].suspend(suspended);
        self.settle(before, fact);
    }

    /// What the site covers, shown in the row with the empty shift.
    fn zone(&mut self, id: Sym, fact: &Fact, change: impl FnOnce(&mut v1::RiskSet)) {
        let site = self.site(id);
        let known = &mut self.sites[site as usize];
        if known.cover(change) {
            known.shifts[0].touch(&mut self.dirty, (site, 0), fact.position.0);
        }
    }

    fn shifts(&mut self, id: Sym, fact: &Fact, change: impl FnOnce(&mut Site)) {
        let site = self.site(id);
        let before = self.figures(&[site]);
        change(&mut self.sites[site as usize]);
        self.settle(before, fact);
    }

    fn no_show(&mut self, call: CallKey, entry: &Entry<'_>) {
        let Some(duty) = entry.people.duty(call).copied().filter(|duty| duty.site != EMPTY) else { return };
        let site = self.site(duty.site);
        if self.no_shows.insert(call, site).is_none() {
            let before = self.figures(&[site]);
            self.sites[site as usize].no_show(call, duty.seat);
            self.settle(before, entry.fact);
        }
    }

    fn people_moved(&mut self, turn: &Turn, fact: &Fact) {
        let checked_in = match &fact.what {
            What::Seen(seen) if seen.checked_in => seen.site,
            _ => EMPTY,
        };
        let mut sites: SmallVec<[SiteRef; 4]> = SmallVec::new();
        for id in named_sites(&turn.before).chain(named_sites(&turn.after)).chain([checked_in]).filter(|id| *id != EMPTY) {
            let site = self.site(id);
            if !sites.contains(&site) {
                sites.push(site);
            }
        }
        let before = self.figures(&sites);
        for site in sites {
            let site = &mut self.sites[site as usize];
            site.count(&turn.before, -1);
            site.count(&turn.after, 1);
            if site.id == checked_in {
                let at = turn.after.duties.iter().find(|(_, duty, standing)| *standing == Standing::Present && duty.site == site.id);
                site.checked_in(at.map_or(EMPTY, |(_, duty, _)| duty.seat), fact.occurred_at_ms);
            }
        }
        self.settle(before, fact);
        self.arrived(turn, fact);
    }

    /// Notes how long somebody took who came to a call's site for the first time. Where that changes what is expected of others on their way,
    /// the rows of all sites of the kind are looked at again: seldom, for only a crossed bound does.
    fn arrived(&mut self, turn: &Turn, fact: &Fact) {
        let was_there = |call: CallKey| turn.before.duties.iter().any(|(held, duty, _)| *held == call && duty.checked_in);
        let came = turn.after.duties.iter().find(|(call, duty, _)| duty.checked_in && !was_there(*call));
        let Some((_, duty, _)) = came.filter(|(_, duty, _)| duty.site != EMPTY) else { return };
        let site = self.site(duty.site);
        if !self.sites[site as usize].opened {
            return;
        }
        let kind = self.sites[site as usize].kind();
        let before = self.pace(kind);
        self.arrivals.entry(kind).or_default().count((fact.occurred_at_ms - duty.called_ms).max(0));
        if self.pace(kind) != before {
            let alike = (0..).zip(&self.sites).filter(|(_, site)| site.opened && site.kind() == kind);
            let alike: Vec<SiteRef> = alike.map(|(at, _)| at).collect();
            self.settle(self.figures(&alike), fact);
        }
    }

    fn pace(&self, kind: i32) -> Option<Pace> {
        self.arrivals.get(&kind).and_then(Arrivals::pace)
    }

    fn figures(&self, sites: &[SiteRef]) -> Before {
        let of = |site: &SiteRef| (*site, self.sites[*site as usize].shifts.iter().map(|shift| shift.figures).collect());
        sites.iter().map(of).collect()
    }

    /// Notes the record on each row that is another than before it.
    fn settle(&mut self, before: Before, fact: &Fact) {
        for (site, figures) in before {
            let pace = self.pace(self.sites[site as usize].kind());
            for (at, shift) in self.sites[site as usize].shifts.iter_mut().enumerate() {
                shift.settle(pace);
                if figures.get(at) != Some(&shift.figures) {
                    shift.touch(&mut self.dirty, (site, at as u32), fact.position.0);
                }
            }
        }
    }
}

/// The sites on whose rows a person may count.
fn named_sites(sight: &Sight) -> impl Iterator<Item = Sym> + '_ {
    let duties = sight.duties.iter().map(|(_, duty, _)| duty.site);
    let walk_in = sight.walk_in.iter().map(|spot| spot.site);
    let disputed = sight.dispute.iter().flat_map(|dispute| dispute.sites);
    duties.chain(walk_in).chain(disputed)
}
