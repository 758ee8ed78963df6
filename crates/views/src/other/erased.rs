//! Folds and rows of other crates behind one form, so that everything else here handles them without knowing their types.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use muster_proto::v1::Envelope;
use serde_json::Value;

use super::{Rows, ViewFold, ViewRow};
use crate::fold::RowChange;
use crate::view::{Row, Ties, View};

type Loaded = Result<Box<dyn ErasedFold>, postcard::Error>;
type Decoded = Result<Arc<dyn ErasedRow>, prost::DecodeError>;

/// What a type that is a [`ViewFold`] says of itself.
struct Definition {
    name: &'static str,
    version: u32,
    about_persons: bool,
    shown_texts: &'static [&'static str],
    fold: fn() -> Box<dyn ErasedFold>,
    load: fn(&[u8]) -> Loaded,
    decode: fn(&[u8]) -> Decoded,
    /// The JSON of an empty row.
    sample: fn() -> Option<Value>,
}

/// The view of a [`ViewFold`]; two are the same when their names are.
#[derive(Clone, Copy)]
pub struct Registered(&'static Definition);

/// Carries the definition of a fold as a constant.
struct Of<F>(std::marker::PhantomData<F>);

impl<F: ViewFold> Of<F> {
    const DEFINITION: &'static Definition = &Definition {
        name: F::NAME,
        version: F::VERSION,
        about_persons: F::ABOUT_PERSONS,
        shown_texts: F::SHOWN_TEXTS,
        fold: || Box::new(Other::<F> { fold: F::default(), rows: Rows::default() }),
        load: |bytes| Ok(Box::new(Other::<F>::load(bytes)?)),
        decode: |bytes| Ok(Arc::new(<F::Row as prost::Message>::decode(bytes)?)),
        sample: || serde_json::to_value(F::Row::default()).ok(),
    };
}

impl Registered {
    pub(crate) const fn of<F: ViewFold>() -> Self {
        Self(Of::<F>::DEFINITION)
    }

    /// See [`ViewFold::NAME`].
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0.name
    }

    /// See [`ViewFold::VERSION`].
    #[must_use]
    pub const fn version(self) -> u32 {
        self.0.version
    }

    pub(crate) const fn is_about_persons(self) -> bool {
        self.0.about_persons
    }

    pub(crate) const fn shown_texts(self) -> &'static [&'static str] {
        self.0.shown_texts
    }

    pub(crate) fn fold(self) -> Box<dyn ErasedFold> {
        (self.0.fold)()
    }

    pub(crate) fn load(self, bytes: &[u8]) -> Loaded {
        (self.0.load)(bytes)
    }

    pub(crate) fn decode(self, bytes: &[u8]) -> Result<OtherRow, prost::DecodeError> {
        Ok(OtherRow { view: self, row: (self.0.decode)(bytes)? })
    }

    pub(super) fn sample(self) -> Option<Value> {
        (self.0.sample)()
    }
}

impl fmt::Debug for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Registered").field(&self.name()).finish()
    }
}

impl PartialEq for Registered {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Registered {}

impl PartialOrd for Registered {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Registered {
    fn cmp(&self, other: &Self) -> Ordering {
        self.name().cmp(other.name())
    }
}

impl Hash for Registered {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

/// A fold with its rows.
pub(crate) trait ErasedFold: Send {
    fn apply(&mut self, record: &Envelope);
    fn dirty(&self) -> usize;
    fn drain(&mut self, each: &mut dyn FnMut(RowChange));
    fn save(&self) -> Result<Vec<u8>, postcard::Error>;
}

struct Other<F: ViewFold> {
    fold: F,
    rows: Rows<F::Row>,
}

impl<F: ViewFold> Other<F> {
    fn load(bytes: &[u8]) -> Result<Self, postcard::Error> {
        let (fold, (rows, touched)): (F, (Vec<Vec<u8>>, _)) = postcard::from_bytes(bytes)?;
        let rows = Rows::load(&rows, touched).map_err(|_| postcard::Error::SerdeDeCustom)?;
        Ok(Self { fold, rows })
    }
}

impl<F: ViewFold> ErasedFold for Other<F> {
    fn apply(&mut self, record: &Envelope) {
        self.fold.apply(record, &mut self.rows);
    }

    fn dirty(&self) -> usize {
        self.rows.touched()
    }

    fn drain(&mut self, each: &mut dyn FnMut(RowChange)) {
        let registered = Registered::of::<F>();
        for ((realm, id), row) in self.rows.take_touched() {
            each(match row {
                Some(row) => RowChange::Put(Row::Other(OtherRow { view: registered, row: Arc::new(row.clone()) })),
                None => RowChange::Delete { view: View::Other(registered), realm, id },
            });
        }
    }

    fn save(&self) -> Result<Vec<u8>, postcard::Error> {
        postcard::to_stdvec(&(&self.fold, self.rows.save()))
    }
}

/// A row whose type another crate knows.
#[derive(Clone)]
pub struct OtherRow {
    view: Registered,
    row: Arc<dyn ErasedRow>,
}

impl OtherRow {
    pub(crate) const fn view(&self) -> View {
        View::Other(self.view)
    }

    pub(crate) fn inner(&self) -> &dyn ErasedRow {
        &*self.row
    }
}

impl fmt::Debug for OtherRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.row.fmt(f)
    }
}

/// Rows are what their canonical bytes are.
impl PartialEq for OtherRow {
    fn eq(&self, other: &Self) -> bool {
        self.view == other.view && self.row.bytes() == other.row.bytes()
    }
}

/// What everything else asks of a row.
pub(crate) trait ErasedRow: fmt::Debug + Send + Sync {
    fn realm(&self) -> &str;
    fn id(&self) -> String;
    fn area_id(&self) -> &str;
    fn also_area_id(&self) -> &str;
    fn ties(&self) -> Ties<'_>;
    fn position(&self) -> u64;
    fn bytes(&self) -> Vec<u8>;
    fn json(&self) -> Value;
}

impl<R: ViewRow> ErasedRow for R {
    fn realm(&self) -> &str {
        ViewRow::realm(self)
    }

    fn id(&self) -> String {
        ViewRow::id(self)
    }

    fn area_id(&self) -> &str {
        ViewRow::area_id(self)
    }

    fn also_area_id(&self) -> &str {
        ViewRow::also_area_id(self)
    }

    fn ties(&self) -> Ties<'_> {
        ViewRow::ties(self)
    }

    fn position(&self) -> u64 {
        ViewRow::position(self)
    }

    fn bytes(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    fn json(&self) -> Value {
        // The catalogue takes only views whose rows can be written.
        serde_json::to_value(self).unwrap_or_default()
    }
}
