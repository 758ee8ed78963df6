//! What all folds need to know, kept once for them: names, the tree of areas, and duties and presence of people, each realm apart. It knows
//! nothing but records, and no view's figures.

use muster_proto::{ACTUAL, Event};
use serde::{Deserialize, Serialize};

use crate::areas::{AreaTree, Moved, Node, turned};
use crate::fact::{Fact, What};
use crate::people::{People, Turn};
use crate::symbols::{EMPTY, Sym, Symbols};

/// See the module.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Ledger {
    pub(crate) names: Symbols,
    pub(crate) tree: AreaTree,
    realms: Vec<Realm>,
    /// Nodes of areas by the number of their name, as far as they were asked for.
    #[serde(skip)]
    nodes: Vec<Option<Node>>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Realm {
    name: String,
    people: People,
}

/// A realm's place in tables: realms get theirs in the order in which their first records come.
pub(crate) type RealmRef = usize;
/// The place of `actual`.
pub(crate) const ACTUAL_REALM: RealmRef = 0;

/// An area is another than before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TreeTurn {
    pub(crate) node: Node,
    /// Whether its name, level or parent changed, or it began or ceased to stand.
    pub(crate) changed: bool,
    pub(crate) moved: Option<Moved>,
}

/// A record with what it means for people and the tree: all that a fold is shown.
pub(crate) struct Entry<'a> {
    pub(crate) fact: &'a Fact,
    pub(crate) realm: RealmRef,
    pub(crate) names: &'a Symbols,
    pub(crate) tree: &'a AreaTree,
    pub(crate) people: &'a People,
    realms: &'a [Realm],
    pub(crate) turn: Option<Turn>,
    pub(crate) tree_turn: Option<TreeTurn>,
    /// The area that the record names as its place.
    pub(crate) area: Option<Node>,
}

impl Entry<'_> {
    /// The people of any realm that a record named so far.
    pub(crate) fn people_of(&self, realm: RealmRef) -> &People {
        &self.realms[realm].people
    }
}

impl Default for Ledger {
    fn default() -> Self {
        let actual = Realm { name: ACTUAL.to_owned(), people: People::default() };
        Self { names: Symbols::default(), tree: AreaTree::default(), realms: vec![actual], nodes: Vec::new() }
    }
}

impl Ledger {
    /// Takes the new names of a batch, before its facts.
    pub(crate) fn learn(&mut self, names: &[Box<str>]) {
        for name in names {
            self.names.intern(name);
        }
    }

    /// Takes in a record.
    pub(crate) fn enter<'a>(&'a mut self, fact: &'a Fact) -> Entry<'a> {
        let realm = self.realm(&fact.realm);
        let area = self.area_of(&fact.what);
        let mut tree_turn = None;
        let mut turn = None;
        match &fact.what {
            What::Event(event) => tree_turn = self.tree_changed(event),
            What::Unread => {}
            what => turn = self.realms[realm].people.apply(what, area.unwrap_or_default(), fact.recorded_at_ms),
        }
        let Self { names, tree, realms, .. } = self;
        Entry { fact, realm, names, tree, people: &realms[realm].people, realms, turn, tree_turn, area }
    }

    /// A realm's name and people.
    pub(crate) fn realm_of(&self, realm: RealmRef) -> (&str, &People) {
        let Realm { name, people } = &self.realms[realm];
        (name, people)
    }

    /// The realm's place, made now if it is new. Few enough to look through.
    fn realm(&mut self, name: &str) -> RealmRef {
        self.realms.iter().position(|realm| realm.name == name).unwrap_or_else(|| {
            self.realms.push(Realm { name: name.to_owned(), people: People::default() });
            self.realms.len() - 1
        })
    }

    fn area_of(&mut self, what: &What) -> Option<Node> {
        let area = match what {
            What::Called(called) => called.area,
            What::Seen(seen) => seen.area,
            What::Left { area, .. } | What::Disputed { area, .. } => *area,
            What::Acknowledged { .. } | What::Accepted { .. } | What::Released { .. } | What::Unread => return None,
            What::Event(event) => {
                let area_id = match &**event {
                    Event::IncidentDeclared(body) => &body.area_id,
                    Event::PlanRehearsed(body) => &body.area_id,
                    Event::SiteOpened(body) => &body.area_id,
                    Event::WhistleBlown(body) => &body.area_id,
                    Event::ShelterOrdered(body) => &body.area_id,
                    _ => return None,
                };
                self.names.known(area_id)
            }
        };
        (area != EMPTY).then(|| self.node(area))
    }

    fn node(&mut self, name: Sym) -> Node {
        let at = name as usize;
        if self.nodes.len() <= at {
            self.nodes.resize(self.names.len().max(at + 1), None);
        }
        *self.nodes[at].get_or_insert_with(|| self.tree.node(self.names.name(name)))
    }

    fn tree_changed(&mut self, event: &Event) -> Option<TreeTurn> {
        let node = self.tree.node(turned(event)?);
        let before = self.tree.area(node).clone();
        let (_, moved) = self.tree.take(event)?;
        let changed = !self.tree.area(node).looks_like(&before);
        Some(TreeTurn { node, changed, moved })
    }
}
