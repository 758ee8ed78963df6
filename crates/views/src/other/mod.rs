//! Views that other crates write: a row type and a fold, and nothing else. What is written here is their contract; everything that Muster's own views
//! have, these have without code of theirs. It must keep no list of its own: which views there are is said by a [`Catalogue`] that the program hands on.

mod catalogue;
pub mod decimal;
mod erased;
mod rows;

use std::fmt;

use muster_proto::v1::Envelope;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::view::Ties;
pub use catalogue::{Catalogue, CatalogueError};
pub(crate) use erased::ErasedFold;
pub use erased::{OtherRow, Registered};
pub use rows::Rows;

/// A row of a view: a protobuf message that says where it belongs.
///
/// Its canonical bytes are those of the message, so a field's number is never used for another field. Its JSON, on HTTP, in KV and on the command
/// line, is what `Serialize` makes of it, which must be an object whose keys, at whatever depth, are names of members and never data: snake_case;
/// 64-bit numbers as decimal strings, for which there is [`decimal`]. Names of members are shown to whoever sees the row.
pub trait ViewRow: prost::Message + Clone + fmt::Debug + Default + PartialEq + Serialize + 'static {
    /// `actual` or the exercise's name: that of the records the row is made from.
    fn realm(&self) -> &str;

    /// Its id within view and realm, of any characters but the zero character. It never changes, for another id is another row.
    fn id(&self) -> String;

    /// The area that decides who sees the row: whoever may read the subtree that the area is in. An empty id belongs to no area, and is seen only by
    /// those who read everything, or through [`ViewRow::ties`].
    fn area_id(&self) -> &str;

    /// Another area in whose subtrees the row is seen as well; empty for none.
    fn also_area_id(&self) -> &str {
        ""
    }

    /// To whom the row belongs beside its areas: whoever is bound to this organization, person, unit or site sees it as well.
    fn ties(&self) -> Ties<'_> {
        Ties::default()
    }

    /// The last record that changed it: `record.position` in [`ViewFold::apply`].
    fn position(&self) -> u64;
}

/// A pure fold from the records of the log to the rows of one view.
///
/// It is given every record once, in order, from position 1 on, and the same records must always give the same rows: a server, a worker, a rebuild and
/// a question as of an earlier position each fold for themselves, and are compared with each other byte for byte. So it reads no clock, draws nothing
/// at random, does no IO, keeps nothing outside of itself and iterates over no table without an order.
///
/// What it remembers is itself and the rows that it has put; both are kept in memory, stored together, and come back after a restart. A panic stops
/// all views of the process: what a record does not say is passed over.
pub trait ViewFold: Default + Serialize + DeserializeOwned + Send + 'static {
    /// The name in paths, buckets and on the command line: small letters, digits and `_`, a letter first, 40 characters at most. Stored rows are found
    /// by it, so another name is another view.
    const NAME: &'static str;

    /// From 1 on; raised whenever rows or memory change their form or their meaning. What an earlier version made is then served, marked as outdated,
    /// until everything is folded again beside it.
    const VERSION: u32;

    /// Whether each row is about one person. Then those read it who read Muster's own view `responders`; otherwise those who read `units`. What is not
    /// said is about persons.
    const ABOUT_PERSONS: bool = true;

    /// Members of text, at whatever depth, that are shown of a row to those who may not know persons, beside the ids and names of places and the like
    /// that are shown of every row. Name none that can hold an id of a person or what somebody wrote.
    const SHOWN_TEXTS: &'static [&'static str] = &[];

    /// The rows.
    type Row: ViewRow;

    /// Takes in the next record.
    fn apply(&mut self, record: &Envelope, rows: &mut Rows<Self::Row>);
}
