//! One realm's coverage: its posts, the figures of each area, and which rows have to be written.

use muster_proto::Event;
use muster_proto::v1;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::counts::{Counts, Differences, Figure, Slot};
use super::posts::Posts;
use super::row;
use crate::areas::{AreaTree, Moved, NO_PARENT, Node};
use crate::fact::What;
use crate::fold::RowChange;
use crate::ledger::{Entry, TreeTurn};
use crate::people::{Sight, Standing};
use crate::symbols::{Sym, Symbols};
use crate::view::View;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Realm {
    name: String,
    /// Whether each area that stands has a row, or only those that the realm's records came near.
    everywhere: bool,
    posts: Posts,
    /// 避险: who was called in by which incident and recalled area and has not confirmed, with where they were.
    called_in: FxHashMap<(Sym, Sym, Sym), Node>,
    /// 推演: the last of each plan, with its area, seats and those that could be filled.
    rehearsed: FxHashMap<Sym, (Node, u32, u32)>,
    /// By node, rolled up.
    counts: Vec<Counts>,
    marks: Vec<Mark>,
    dirty: Vec<Node>,
    #[serde(skip)]
    differences: Differences,
}

/// What is remembered of a row.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Mark {
    position: u64,
    dirty: bool,
    /// The area or one below it was named by one of the realm's records.
    near: bool,
}

impl Realm {
    pub(super) fn new(name: &str, everywhere: bool) -> Self {
        Self {
            name: name.to_owned(),
            everywhere,
            posts: Posts::default(),
            called_in: FxHashMap::default(),
            rehearsed: FxHashMap::default(),
            counts: Vec::new(),
            marks: Vec::new(),
            dirty: Vec::new(),
            differences: Differences::default(),
        }
    }

    /// Takes in a record of this realm that is not about the tree.
    pub(super) fn apply(&mut self, entry: &Entry<'_>, position: u64) {
        self.make_room(entry.tree);
        match &entry.turn {
            Some(turn) => {
                self.count(&turn.before, -1);
                self.count(&turn.after, 1);
            }
            None => self.posts_changed(entry),
        }
        let standby = matches!(&entry.fact.what, What::Called(called) if called.standby);
        if let Some(node) = entry.area.filter(|_| !standby) {
            self.come_near(entry.tree, node, position);
        }
        let (marks, dirty) = (&mut self.marks, &mut self.dirty);
        self.differences.roll_up(entry.tree, &mut self.counts, |node| mark(marks, dirty, node, position));
    }

    fn posts_changed(&mut self, entry: &Entry<'_>) {
        let What::Event(event) = &entry.fact.what else { return };
        let (names, differences) = (entry.names, &mut self.differences);
        match &**event {
            Event::SiteOpened(body) => {
                let Some(area) = entry.area else { return };
                self.posts.site_opened(names, names.known(&body.site_id), area, &body.seats, differences);
            }
            Event::RequirementSet(body) => self.posts.seats_set(names, names.known(&body.site_id), &body.seats, differences),
            Event::SiteClosed(body) => self.posts.site_closed(names.known(&body.site_id), differences),
            Event::SiteSuspended(body) => self.posts.site_suspended(names.known(&body.site_id), true, differences),
            Event::SiteResumed(body) => self.posts.site_suspended(names.known(&body.site_id), false, differences),
            Event::ShiftsScheduled(body) => self.posts.site_scheduled(names.known(&body.site_id), differences),
            Event::ShiftOpened(body) => {
                let (shift, label) = (names.known(&body.shift_id), names.known(&body.shift));
                self.posts.shift_opened(names.known(&body.site_id), shift, label, differences);
            }
            Event::ShiftClosed(body) => {
                self.posts.shift_closed(names.known(&body.site_id), names.known(&body.shift_id), differences);
            }
            Event::ShelterOrdered(body) => {
                let Some(area) = entry.area else { return };
                let key = (names.known(&body.incident_id), names.known(&body.recalled_area_id), names.known(&body.responder_id));
                if let Some(former) = self.called_in.insert(key, area) {
                    differences.add(former, Slot::Plain(Figure::Unaccounted), -1);
                }
                differences.add(area, Slot::Plain(Figure::Unaccounted), 1);
            }
            Event::SafetyConfirmed(body) => {
                let key = (names.known(&body.incident_id), names.known(&body.recalled_area_id), names.known(&body.responder_id));
                if let Some(area) = self.called_in.remove(&key) {
                    differences.add(area, Slot::Plain(Figure::Unaccounted), -1);
                }
            }
            Event::AreaResumed(body) => {
                let recall = (names.known(&body.incident_id), names.known(&body.area_id));
                self.called_in.retain(|(incident, recalled, _), area| {
                    let stays = (*incident, *recalled) != recall;
                    if !stays {
                        differences.add(*area, Slot::Plain(Figure::Unaccounted), -1);
                    }
                    stays
                });
            }
            Event::PlanRehearsed(body) => {
                let Some(area) = entry.area else { return };
                let now = (area, body.seats, body.fillable);
                let former = self.rehearsed.insert(names.known(&body.plan_id), now);
                for ((area, seats, fillable), sign) in former.map(|former| (former, -1)).into_iter().chain([(now, 1)]) {
                    differences.add(area, Slot::Plain(Figure::PlanSeats), sign * i64::from(seats));
                    differences.add(area, Slot::Plain(Figure::PlanSeatsFillable), sign * i64::from(fillable));
                }
            }
            Event::WhistleBlown(body) => {
                let Some(area) = entry.area else { return };
                self.posts.whistle_blown(names, names.known(&body.whistle_id), area, &body.needs, differences);
            }
            Event::PartConfirmed(body) => {
                let (whistle, need) = (names.known(&body.whistle_id), names.known(&body.need_id));
                self.posts.part_confirmed(whistle, need, differences);
            }
            Event::NeedFulfilled(body) => {
                let (whistle, need) = (names.known(&body.whistle_id), names.known(&body.need_id));
                self.posts.need_fulfilled(whistle, need, body.quantity, differences);
            }
            Event::WhistlesMerged(v1::WhistlesMerged { whistle_id, .. })
            | Event::WhistleResolved(v1::WhistleResolved { whistle_id, .. })
            | Event::WhistleWithdrawn(v1::WhistleWithdrawn { whistle_id, .. }) => {
                self.posts.whistle_ended(names.known(whistle_id), differences);
            }
            _ => {}
        }
    }

    fn count(&mut self, sight: &Sight, sign: i32) {
        for (_, duty, standing) in &sight.duties {
            let figure = match standing {
                Standing::Waiting => Figure::Dispatched,
                Standing::Coming => Figure::EnRoute,
                Standing::Present => Figure::OnPost,
                Standing::Disputed => continue,
            };
            self.differences.add(duty.area, Slot::Plain(figure), i64::from(sign));
            if *standing == Standing::Present {
                self.posts.present(duty, sign, &mut self.differences);
            }
        }
        if let Some(spot) = &sight.walk_in {
            self.differences.add(spot.area, Slot::Plain(Figure::WalkIn), i64::from(sign));
        }
        if let Some(dispute) = &sight.dispute {
            self.differences.add(dispute.area, Slot::Plain(Figure::Unconfirmed), i64::from(sign));
        }
    }

    /// An area is another than before, or hangs elsewhere with all that is below it.
    pub(super) fn tree_changed(&mut self, tree: &AreaTree, turn: TreeTurn, position: u64) {
        self.make_room(tree);
        if let Some(moved) = turn.moved {
            self.moved(tree, moved, position);
        }
        if turn.changed {
            mark(&mut self.marks, &mut self.dirty, turn.node, position);
        }
    }

    /// A subtree takes its figures along.
    fn moved(&mut self, tree: &AreaTree, moved: Moved, position: u64) {
        let counts = &self.counts[moved.node as usize];
        for above in tree.upward(moved.from) {
            counts.differences(above, -1, &mut self.differences);
        }
        for above in tree.upward(moved.to) {
            counts.differences(above, 1, &mut self.differences);
        }
        let (marks, dirty) = (&mut self.marks, &mut self.dirty);
        self.differences.apply(&mut self.counts, |node| mark(marks, dirty, node, position));
        if self.marks[moved.node as usize].near && moved.to != NO_PARENT {
            self.come_near(tree, moved.to, position);
        }
    }

    fn make_room(&mut self, tree: &AreaTree) {
        if self.marks.len() < tree.len() {
            self.marks.resize(tree.len(), Mark::default());
            self.counts.resize(tree.len(), Counts::default());
        }
    }

    /// A record named the area: from now on it and all above have rows here.
    fn come_near(&mut self, tree: &AreaTree, node: Node, position: u64) {
        if self.everywhere {
            return;
        }
        for above in tree.upward(node) {
            let known = &mut self.marks[above as usize];
            if known.near {
                break;
            }
            known.near = true;
            mark(&mut self.marks, &mut self.dirty, above, position);
        }
    }

    pub(super) fn dirty(&self) -> usize {
        self.dirty.len()
    }

    pub(super) fn drain(&mut self, tree: &AreaTree, names: &Symbols, each: &mut dyn FnMut(RowChange)) {
        self.dirty.sort_unstable();
        for node in self.dirty.drain(..) {
            let known = &mut self.marks[node as usize];
            known.dirty = false;
            if !self.everywhere && !known.near {
                continue;
            }
            each(if tree.stands(node) {
                RowChange::Put(row(&self.name, tree, names, node, &self.counts[node as usize], known.position))
            } else {
                RowChange::Delete { view: View::Coverage, realm: self.name.clone(), id: tree.id(node).to_owned() }
            });
        }
    }
}

fn mark(marks: &mut [Mark], dirty: &mut Vec<Node>, node: Node, position: u64) {
    let known = &mut marks[node as usize];
    known.position = position;
    if !known.dirty {
        known.dirty = true;
        dirty.push(node);
    }
}
