//! What a view fold is, and the set of folds that one pass over the records feeds.

use muster_log::Position;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::fact::Fact;
use crate::view::{Row, View};

/// A row that differs from what was last drained.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "nearly every change is a row")]
pub enum RowChange {
    /// It is so now.
    Put(Row),
    /// It is there no more.
    Delete {
        /// The view.
        view: View,
        /// Its realm.
        realm: String,
        /// Its id within view and realm.
        id: String,
    },
}

/// A pure fold from records to the rows of one view. It holds whatever it needs to know (areas, seats, duties, presence) by itself, each realm
/// apart, and never asks the domain. The same fold serves the server, the worker, a rebuild and as-of.
pub trait Fold: Default + Clone + Serialize + DeserializeOwned + Send + 'static {
    /// Which view it is.
    const VIEW: View;

    /// Whether a record with this event tag can change a row or what the fold knows. The others need not be shown to it.
    fn interested(event_tag: u32) -> bool;

    /// Takes in the next record. Rows that it changes are remembered, with the record's position, until they are drained.
    fn apply(&mut self, fact: &Fact);

    /// Hands out each row that changed since the last call, once, as it is now.
    fn drain(&mut self, changes: &mut Vec<RowChange>);
}

/// The folds of one pass, each at its own position.
pub(crate) struct Folds {
    pub(crate) seats: Vec<FoldSeat>,
    /// By event tag: the seats that want it, one bit each.
    wanted: Vec<u8>,
}

/// A fold and how far it is.
pub(crate) struct FoldSeat {
    pub(crate) fold: AnyFold,
    pub(crate) position: Position,
}

macro_rules! any_fold {
    ($($name:ident($fold:ty)),* $(,)?) => {
        /// One of the folds.
        pub(crate) enum AnyFold {
            $($name(Box<$fold>),)*
        }

        impl AnyFold {
            /// The fold of a view that has seen nothing.
            pub(crate) fn new(view: View) -> Self {
                $(if view == <$fold>::VIEW { return Self::$name(Box::default()); })*
                unreachable!("every view has a fold")
            }

            pub(crate) fn view(&self) -> View {
                match self { $(Self::$name(_) => <$fold>::VIEW,)* }
            }

            pub(crate) fn interested(&self, event_tag: u32) -> bool {
                match self { $(Self::$name(_) => <$fold>::interested(event_tag),)* }
            }

            pub(crate) fn apply(&mut self, fact: &Fact) {
                match self { $(Self::$name(fold) => fold.apply(fact),)* }
            }

            pub(crate) fn drain(&mut self, changes: &mut Vec<RowChange>) {
                match self { $(Self::$name(fold) => fold.drain(changes),)* }
            }

            /// Its whole memory, dirty rows included.
            pub(crate) fn save(&self) -> Result<Vec<u8>, postcard::Error> {
                match self { $(Self::$name(fold) => postcard::to_stdvec(fold),)* }
            }

            pub(crate) fn load(view: View, bytes: &[u8]) -> Result<Self, postcard::Error> {
                $(if view == <$fold>::VIEW { return postcard::from_bytes(bytes).map(|fold| Self::$name(Box::new(fold))); })*
                unreachable!("every view has a fold")
            }
        }
    };
}

any_fold! {
    Coverage(crate::coverage::CoverageFold),
    Units(crate::units::UnitsFold),
    Sites(crate::sites::SitesFold),
    Whistles(crate::whistles::WhistlesFold),
}

/// Event tags are below this.
const TAGS_MAX: u32 = 512;

impl Folds {
    pub(crate) fn new(seats: Vec<FoldSeat>) -> Self {
        let wanted = (0..TAGS_MAX)
            .map(|tag| seats.iter().enumerate().filter(|(_, seat)| seat.fold.interested(tag)).fold(0, |bits, (index, _)| bits | 1 << index))
            .collect();
        Self { seats, wanted }
    }

    /// Folds of these views that have seen nothing.
    pub(crate) fn fresh(views: &[View]) -> Self {
        Self::new(views.iter().map(|view| FoldSeat { fold: AnyFold::new(*view), position: Position::ZERO }).collect())
    }

    /// Which tags have to be decoded: what any fold wants, and what the tree is made of by which rows are found.
    pub(crate) fn interest(&self) -> Interest {
        let of_tree = |tag: usize| matches!(tag, 100 | 101);
        Interest { wanted: self.wanted.iter().enumerate().map(|(tag, bits)| *bits != 0 || of_tree(tag)).collect() }
    }

    /// Shows a record to every fold that has not seen it and wants it.
    pub(crate) fn apply(&mut self, fact: &Fact) {
        let bits = self.wanted.get(fact.event.tag() as usize).copied().unwrap_or_default();
        for (index, seat) in self.seats.iter_mut().enumerate() {
            if bits & (1 << index) != 0 && seat.position < fact.position {
                seat.fold.apply(fact);
            }
        }
    }

    /// Notes that everything up to `position` was shown.
    pub(crate) fn advance(&mut self, position: Position) {
        for seat in &mut self.seats {
            seat.position = seat.position.max(position);
        }
    }

    /// Where the hindmost fold stands.
    pub(crate) fn position(&self) -> Position {
        self.seats.iter().map(|seat| seat.position).min().unwrap_or_default()
    }

    pub(crate) fn drain(&mut self, changes: &mut Vec<RowChange>) {
        for seat in &mut self.seats {
            seat.fold.drain(changes);
        }
    }
}

/// Which event tags are decoded.
#[derive(Clone)]
pub(crate) struct Interest {
    wanted: Vec<bool>,
}

impl Interest {
    pub(crate) fn wants(&self, event_tag: u32) -> bool {
        self.wanted.get(event_tag as usize).copied().unwrap_or_default()
    }
}
