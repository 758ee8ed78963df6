//! One realm's coverage: its people and posts, the figures of each area, and which rows have to be written.

use muster_proto::Event;
use muster_proto::v1;
use serde::{Deserialize, Serialize};

use super::counts::{Counts, Differences, Figure, Slot};
use super::posts::{PostRef, Posts};
use super::row;
use crate::areas::{AreaTree, Moved, NO_PARENT, Node};
use crate::fold::RowChange;
use crate::people::{Ground, People, Sight, Standing};
use crate::symbols::{Sym, Symbols};
use crate::view::View;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Realm {
    name: String,
    /// Whether each area that stands has a row, or only those that the realm's records came near.
    everywhere: bool,
    people: People,
    posts: Posts,
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

struct CoverageGround<'a> {
    tree: &'a mut AreaTree,
    posts: &'a mut Posts,
}

impl Ground for CoverageGround<'_> {
    fn area(&mut self, area_id: &str) -> u32 {
        self.tree.node(area_id)
    }

    fn slot(&mut self, called: &v1::ResponderCalled, site: Sym, whistle: Sym, names: &mut Symbols) -> Option<PostRef> {
        let area = self.tree.node(&called.area_id);
        Some(self.posts.of_duty(called, site, whistle, area, names))
    }

    fn follows(&self, _site_id: &str, _whistle_id: &str) -> bool {
        true
    }
}

impl Realm {
    pub(super) fn new(name: &str, everywhere: bool) -> Self {
        Self {
            name: name.to_owned(),
            everywhere,
            people: People::default(),
            posts: Posts::default(),
            counts: Vec::new(),
            marks: Vec::new(),
            dirty: Vec::new(),
            differences: Differences::default(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Takes in a record of this realm that is not about the tree.
    pub(super) fn apply(&mut self, tree: &mut AreaTree, names: &mut Symbols, event: &Event, position: u64) {
        match event {
            Event::SiteOpened(body) => {
                let (site, area) = (names.intern(&body.site_id), tree.node(&body.area_id));
                self.posts.site_opened(names, site, area, &body.seats, &mut self.differences);
            }
            Event::RequirementSet(body) => {
                let site = names.intern(&body.site_id);
                self.posts.seats_set(names, site, &body.seats, &mut self.differences);
            }
            Event::SiteClosed(body) => self.posts.site_closed(names.intern(&body.site_id), &mut self.differences),
            Event::WhistleBlown(body) => {
                let (whistle, area) = (names.intern(&body.whistle_id), tree.node(&body.area_id));
                self.posts.whistle_blown(names, whistle, area, &body.needs, &mut self.differences);
            }
            Event::NeedFulfilled(body) => {
                let (whistle, need) = (names.intern(&body.whistle_id), names.intern(&body.need_id));
                self.posts.need_fulfilled(whistle, need, body.quantity, &mut self.differences);
            }
            Event::WhistlesMerged(v1::WhistlesMerged { whistle_id, .. })
            | Event::WhistleResolved(v1::WhistleResolved { whistle_id, .. })
            | Event::WhistleWithdrawn(v1::WhistleWithdrawn { whistle_id, .. }) => {
                self.posts.whistle_ended(names.intern(whistle_id), &mut self.differences);
            }
            event => self.people_moved(tree, names, event),
        }
        self.make_room(tree);
        if let Some(area_id) = named_area(event) {
            let node = tree.node(area_id);
            self.make_room(tree);
            self.come_near(tree, node, position);
        }
        let (marks, dirty) = (&mut self.marks, &mut self.dirty);
        self.differences.roll_up(tree, &mut self.counts, |node| mark(marks, dirty, node, position));
    }

    fn people_moved(&mut self, tree: &mut AreaTree, names: &mut Symbols, event: &Event) {
        let mut ground = CoverageGround { tree, posts: &mut self.posts };
        let Some(turn) = self.people.apply(names, &mut ground, event) else { return };
        self.count(&turn.before, -1);
        self.count(&turn.after, 1);
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
                self.posts.present(duty.slot, sign, &mut self.differences);
            }
        }
        if let Some(spot) = &sight.walk_in {
            self.differences.add(spot.area, Slot::Plain(Figure::WalkIn), i64::from(sign));
        }
        if let Some(dispute) = &sight.dispute {
            self.differences.add(dispute.area, Slot::Plain(Figure::Unconfirmed), i64::from(sign));
        }
    }

    /// A subtree hangs elsewhere now, and takes its figures along.
    pub(super) fn moved(&mut self, tree: &AreaTree, moved: Moved, position: u64) {
        self.make_room(tree);
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

    /// An area has another name, level or parent, or began or ceased to stand.
    pub(super) fn area_changed(&mut self, node: Node, position: u64) {
        if self.marks.len() <= node as usize {
            self.marks.resize(node as usize + 1, Mark::default());
            self.counts.resize(node as usize + 1, Counts::default());
        }
        mark(&mut self.marks, &mut self.dirty, node, position);
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

    pub(super) fn drain(&mut self, tree: &AreaTree, names: &Symbols, changes: &mut Vec<RowChange>) {
        self.dirty.sort_unstable();
        for node in self.dirty.drain(..) {
            let known = &mut self.marks[node as usize];
            known.dirty = false;
            if !self.everywhere && !known.near {
                continue;
            }
            changes.push(if tree.stands(node) {
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

/// The area that a record brings the realm near to.
fn named_area(event: &Event) -> Option<&str> {
    match event {
        Event::IncidentDeclared(body) => Some(&body.area_id),
        Event::SiteOpened(body) => Some(&body.area_id),
        Event::WhistleBlown(body) => Some(&body.area_id),
        Event::ResponderCalled(body) if body.role() != v1::DutyRole::Standby => Some(&body.area_id),
        Event::CheckedIn(body) => Some(&body.area_id),
        Event::PresenceDisputed(body) => Some(&body.area_id),
        Event::PresenceSettled(body) => Some(&body.area_id),
        _ => None,
    }
    .map(String::as_str)
    .filter(|area_id| !area_id.is_empty())
}
