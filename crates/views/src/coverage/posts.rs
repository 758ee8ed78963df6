//! Posts of one realm: seats of sites and what whistles ask for in people.

use muster_proto::v1::{self, NeedKind};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::counts::{Differences, Figure, Slot};
use crate::areas::Node;
use crate::people::Duty;
use crate::symbols::{EMPTY, Sym, Symbols};

/// A post's place in the table.
type PostRef = u32;

/// One seat, or all that one need asks for.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Post {
    area: Node,
    specialty: Sym,
    shift: Sym,
    /// 0 while there is no such seat or need.
    asked: u32,
    /// People present at duties for it.
    present: u32,
    /// A seat that nobody is to take while the area takes shelter.
    suspended: bool,
    /// A seat of a shift that is not open.
    off_shift: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Posts {
    posts: Vec<Post>,
    seats: FxHashMap<(Sym, Sym), PostRef>,
    needs: FxHashMap<(Sym, Sym), PostRef>,
    sites: FxHashMap<Sym, Holder>,
    whistles: FxHashMap<Sym, Holder>,
}

/// An open site or whistle and the posts that it has.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Holder {
    area: Node,
    posts: Vec<PostRef>,
    suspended: bool,
    /// Of the seats that name a shift only those of open shifts are asked for.
    scheduled: bool,
    /// Open shifts with their labels.
    open: Vec<(Sym, Sym)>,
}

impl Holder {
    fn of(area: Node, posts: Vec<PostRef>) -> Self {
        Self { area, posts, suspended: false, scheduled: false, open: Vec::new() }
    }

    fn off_shift(&self, label: Sym) -> bool {
        self.scheduled && label != EMPTY && !self.open.iter().any(|(_, open)| *open == label)
    }
}

impl Posts {
    /// Somebody came to the post of a duty, or left it.
    pub(super) fn present(&mut self, duty: &Duty, by: i32, differences: &mut Differences) {
        let post = if duty.site != EMPTY && duty.seat != EMPTY {
            post(&mut self.posts, &mut self.seats, (duty.site, duty.seat), duty.area)
        } else if duty.whistle != EMPTY && duty.need != EMPTY {
            post(&mut self.posts, &mut self.needs, (duty.whistle, duty.need), duty.area)
        } else {
            return;
        };
        // As `change`, without what stays the same: nothing happens as often as this.
        let post = &mut self.posts[post as usize];
        let before = post.asked.min(post.present);
        post.present = post.present.saturating_add_signed(by);
        if post.suspended || post.off_shift {
            return;
        }
        let filled = i64::from(post.asked.min(post.present)) - i64::from(before);
        differences.add(post.area, Slot::Plain(Figure::Filled), filled);
        differences.add(post.area, Slot::SpecialtyFilled(post.specialty), filled);
        differences.add(post.area, Slot::ShiftFilled(post.shift), filled);
    }

    pub(super) fn site_opened(&mut self, names: &Symbols, site: Sym, area: Node, seats: &[v1::Seat], differences: &mut Differences) {
        self.site_closed(site, differences);
        self.sites.insert(site, Holder::of(area, Vec::new()));
        self.seats_set(names, site, seats, differences);
    }

    /// The full list of a site's seats from now on. Of a closed site nothing is asked.
    pub(super) fn seats_set(&mut self, names: &Symbols, site: Sym, seats: &[v1::Seat], differences: &mut Differences) {
        let Some(mut holder) = self.sites.remove(&site) else { return };
        let Holder { area, suspended, .. } = holder;
        let former = std::mem::take(&mut holder.posts);
        for post in former {
            self.change(post, differences, |post| post.asked = 0);
        }
        let mut posts = Vec::with_capacity(seats.len());
        for seat in seats {
            let (specialty, shift) = (names.known(&seat.specialty), names.known(&seat.shift));
            let key = (site, names.known(&seat.seat_id));
            let post = post(&mut self.posts, &mut self.seats, key, area);
            let off_shift = holder.off_shift(shift);
            self.change(post, differences, |post| {
                *post = Post { area, specialty, shift, asked: 1, present: post.present, suspended, off_shift };
            });
            posts.push(post);
        }
        holder.posts = posts;
        self.sites.insert(site, holder);
    }

    pub(super) fn site_scheduled(&mut self, site: Sym, differences: &mut Differences) {
        self.shifts_changed(site, differences, |holder| holder.scheduled = true);
    }

    pub(super) fn shift_opened(&mut self, site: Sym, shift: Sym, label: Sym, differences: &mut Differences) {
        self.shifts_changed(site, differences, |holder| holder.open.push((shift, label)));
    }

    pub(super) fn shift_closed(&mut self, site: Sym, shift: Sym, differences: &mut Differences) {
        self.shifts_changed(site, differences, |holder| holder.open.retain(|(open, _)| *open != shift));
    }

    fn shifts_changed(&mut self, site: Sym, differences: &mut Differences, change: impl FnOnce(&mut Holder)) {
        let Some(mut holder) = self.sites.remove(&site) else { return };
        change(&mut holder);
        for post in &holder.posts {
            let off_shift = holder.off_shift(self.posts[*post as usize].shift);
            self.change(*post, differences, |post| post.off_shift = off_shift);
        }
        self.sites.insert(site, holder);
    }

    /// The site's seats are not asked for, or are again.
    pub(super) fn site_suspended(&mut self, site: Sym, suspended: bool, differences: &mut Differences) {
        let Some(holder) = self.sites.get_mut(&site) else { return };
        holder.suspended = suspended;
        for post in holder.posts.clone() {
            self.change(post, differences, |post| post.suspended = suspended);
        }
    }

    pub(super) fn site_closed(&mut self, site: Sym, differences: &mut Differences) {
        for post in self.sites.remove(&site).map(|holder| holder.posts).unwrap_or_default() {
            self.change(post, differences, |post| post.asked = 0);
        }
    }

    pub(super) fn whistle_blown(&mut self, names: &Symbols, whistle: Sym, area: Node, needs: &[v1::Need], differences: &mut Differences) {
        self.whistle_ended(whistle, differences);
        let mut posts = Vec::new();
        for need in needs.iter().filter(|need| need.kind() == NeedKind::Person) {
            let specialty = names.known(&need.specialty);
            let key = (whistle, names.known(&need.need_id));
            let post = post(&mut self.posts, &mut self.needs, key, area);
            self.change(post, differences, |post| {
                *post =
                    Post { area, specialty, shift: EMPTY, asked: need.quantity, present: post.present, suspended: false, off_shift: false }
            });
            posts.push(post);
        }
        self.whistles.insert(whistle, Holder::of(area, posts));
        differences.add(area, Slot::Plain(Figure::OpenWhistles), 1);
    }

    pub(super) fn need_fulfilled(&mut self, whistle: Sym, need: Sym, quantity: u32, differences: &mut Differences) {
        let Some(post) = self.needs.get(&(whistle, need)).copied() else { return };
        if self.whistles.get(&whistle).is_some_and(|holder| holder.posts.contains(&post)) {
            self.change(post, differences, |post| post.asked = post.asked.saturating_sub(quantity));
        }
    }

    /// Nobody is asked for any more, whatever is brought later.
    pub(super) fn part_confirmed(&mut self, whistle: Sym, need: Sym, differences: &mut Differences) {
        self.need_fulfilled(whistle, need, u32::MAX, differences);
    }

    pub(super) fn whistle_ended(&mut self, whistle: Sym, differences: &mut Differences) {
        let Some(holder) = self.whistles.remove(&whistle) else { return };
        differences.add(holder.area, Slot::Plain(Figure::OpenWhistles), -1);
        for post in holder.posts {
            self.change(post, differences, |post| post.asked = 0);
        }
    }

    fn change(&mut self, post: PostRef, differences: &mut Differences, change: impl FnOnce(&mut Post)) {
        let post = &mut self.posts[post as usize];
        post.differences(-1, differences);
        change(post);
        post.differences(1, differences);
    }
}

impl Post {
    fn differences(&self, sign: i64, into: &mut Differences) {
        if self.asked == 0 || self.off_shift {
            return;
        }
        let asked = sign * i64::from(self.asked);
        if self.suspended {
            return into.add(self.area, Slot::Plain(Figure::Suspended), asked);
        }
        let filled = sign * i64::from(self.asked.min(self.present));
        into.add(self.area, Slot::Plain(Figure::Required), asked);
        into.add(self.area, Slot::SpecialtyRequired(self.specialty), asked);
        into.add(self.area, Slot::ShiftRequired(self.shift), asked);
        into.add(self.area, Slot::Plain(Figure::Filled), filled);
        into.add(self.area, Slot::SpecialtyFilled(self.specialty), filled);
        into.add(self.area, Slot::ShiftFilled(self.shift), filled);
    }
}

/// The post of a key, noted now with nothing asked if it is new.
fn post(posts: &mut Vec<Post>, table: &mut FxHashMap<(Sym, Sym), PostRef>, key: (Sym, Sym), area: Node) -> PostRef {
    *table.entry(key).or_insert_with(|| {
        posts.push(Post { area, specialty: EMPTY, shift: EMPTY, asked: 0, present: 0, suspended: false, off_shift: false });
        PostRef::try_from(posts.len() - 1).expect("four thousand million posts do not fit into memory")
    })
}
