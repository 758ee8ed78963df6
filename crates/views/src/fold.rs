//! What a view fold is, and the set of folds that one pass over the records feeds.

use muster_log::Position;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::fact::{Batch, Fact};
use crate::ledger::{Entry, Ledger};
use crate::other::{ErasedFold, Registered};
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

/// A pure fold from records to the rows of one view. It holds whatever its figures need by itself, each realm apart, and shares with the others
/// only the ledger, which is made from the same records; it never asks the domain. The same fold serves the server, the worker, a rebuild and as-of.
pub(crate) trait Fold: Default + Clone + Serialize + DeserializeOwned + Send + 'static {
    /// Which view it is.
    const VIEW: View;

    /// Raised whenever rows or state change their form or their meaning: what an earlier version made is then replaced.
    const VERSION: u32 = 1;

    /// Whether a record with this event tag, beyond those of people and the tree, can change a row.
    fn interested(event_tag: u32) -> bool;

    /// Takes in the next record. Rows that it changes are remembered, with the record's position, until they are drained.
    fn apply(&mut self, entry: &Entry<'_>);

    /// How many rows the next drain hands out, nearly.
    fn dirty(&self) -> usize;

    /// Hands out each row that changed since the last call, once, as it is now.
    fn drain(&mut self, ledger: &Ledger, each: &mut dyn FnMut(RowChange));
}

/// The folds of one pass, all at one position, and the ledger they share.
pub(crate) struct Folds {
    pub(crate) ledger: Ledger,
    pub(crate) folds: Vec<AnyFold>,
    /// The last record taken in.
    pub(crate) position: Position,
}

macro_rules! any_fold {
    ($($name:ident($fold:ty)),* $(,)?) => {
        /// One of the folds.
        pub(crate) enum AnyFold {
            $($name(Box<$fold>),)*
            Other(Registered, Box<dyn ErasedFold>),
        }

        impl View {
            /// The version of its fold.
            #[must_use]
            pub fn version(self) -> u32 {
                $(if self == <$fold>::VIEW { return <$fold>::VERSION; })*
                match self {
                    Self::Other(registered) => registered.version(),
                    _ => unreachable!("every view has a fold"),
                }
            }
        }

        impl AnyFold {
            /// The fold of a view that has seen nothing.
            pub(crate) fn new(view: View) -> Self {
                $(if view == <$fold>::VIEW { return Self::$name(Box::default()); })*
                match view {
                    View::Other(registered) => Self::Other(registered, registered.fold()),
                    _ => unreachable!("every view has a fold"),
                }
            }

            pub(crate) fn view(&self) -> View {
                match self {
                    $(Self::$name(_) => <$fold>::VIEW,)*
                    Self::Other(registered, _) => View::Other(*registered),
                }
            }

            fn interested(&self, event_tag: u32) -> bool {
                match self {
                    $(Self::$name(_) => <$fold>::interested(event_tag),)*
                    // It is shown records whole.
                    Self::Other(..) => false,
                }
            }

            fn apply(&mut self, entry: &Entry<'_>) {
                match self {
                    $(Self::$name(fold) => fold.apply(entry),)*
                    Self::Other(_, fold) => entry.fact.whole.iter().for_each(|record| fold.apply(record)),
                }
            }

            fn dirty(&self) -> usize {
                match self {
                    $(Self::$name(fold) => fold.dirty(),)*
                    Self::Other(_, fold) => fold.dirty(),
                }
            }

            fn drain(&mut self, ledger: &Ledger, each: &mut dyn FnMut(RowChange)) {
                match self {
                    $(Self::$name(fold) => fold.drain(ledger, each),)*
                    Self::Other(_, fold) => fold.drain(each),
                }
            }

            /// Its whole memory, dirty rows included.
            pub(crate) fn save(&self) -> Result<Vec<u8>, postcard::Error> {
                match self {
                    $(Self::$name(fold) => postcard::to_stdvec(fold),)*
                    Self::Other(_, fold) => fold.save(),
                }
            }

            pub(crate) fn load(view: View, bytes: &[u8]) -> Result<Self, postcard::Error> {
                $(if view == <$fold>::VIEW { return postcard::from_bytes(bytes).map(|fold| Self::$name(Box::new(fold))); })*
                match view {
                    View::Other(registered) => Ok(Self::Other(registered, registered.load(bytes)?)),
                    _ => unreachable!("every view has a fold"),
                }
            }
        }
    };
}

any_fold! {
    Coverage(crate::coverage::CoverageFold),
    Units(crate::units::UnitsFold),
    Sites(crate::sites::SitesFold),
    Whistles(crate::whistles::WhistlesFold),
    Calls(crate::calls::CallsFold),
    Responders(crate::responders::RespondersFold),
}

/// Event tags are below this.
const TAGS_MAX: u32 = 512;

impl Folds {
    /// Folds of these views that have seen nothing.
    pub(crate) fn fresh(views: &[View]) -> Self {
        Self { ledger: Ledger::default(), folds: views.iter().map(|view| AnyFold::new(*view)).collect(), position: Position::ZERO }
    }

    /// Which event tags have to be decoded: what any fold wants, and what the ledger is made of.
    pub(crate) fn interest(&self) -> Interest {
        let wants = |tag| concerns_people(tag) || concerns_tree(tag) || self.folds.iter().any(|fold| fold.interested(tag));
        let whole = self.folds.iter().any(|fold| matches!(fold, AnyFold::Other(..)));
        Interest { wanted: (0..TAGS_MAX).map(wants).collect(), whole }
    }

    /// Takes in the facts among the records up to `last`. `each` sees them as well.
    pub(crate) fn apply(&mut self, batch: &Batch, last: Position, mut each: impl FnMut(&Fact)) {
        self.ledger.learn(&batch.names);
        for fact in &batch.facts {
            let entry = self.ledger.enter(fact);
            for fold in &mut self.folds {
                fold.apply(&entry);
            }
            each(fact);
        }
        self.position = last;
    }

    /// How many rows changed since they were last drained, nearly.
    pub(crate) fn dirty(&self) -> usize {
        self.folds.iter().map(AnyFold::dirty).sum()
    }

    /// Hands out the rows that changed since they were last drained, one after the other, so that those of a city need not lie in memory together.
    pub(crate) fn drain(&mut self, mut each: impl FnMut(RowChange)) {
        for fold in &mut self.folds {
            fold.drain(&self.ledger, &mut each);
        }
    }
}

/// Which event tags are decoded.
#[derive(Clone)]
pub(crate) struct Interest {
    wanted: Vec<bool>,
    /// Somebody is shown every record as it is.
    whole: bool,
}

impl Interest {
    pub(crate) fn wants(&self, event_tag: u32) -> bool {
        self.wanted.get(event_tag as usize).copied().unwrap_or_default()
    }

    pub(crate) const fn wants_whole(&self) -> bool {
        self.whole
    }
}

/// Calls, replies, releases and presence.
const fn concerns_people(event_tag: u32) -> bool {
    matches!(event_tag, 240 | 244 | 245 | 251..=255 | 257)
}

const fn concerns_tree(event_tag: u32) -> bool {
    matches!(event_tag, 100..=102)
}
