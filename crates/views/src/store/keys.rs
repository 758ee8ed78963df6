//! Keys of the store: one byte for the kind, then what it is of. A row's key does not hold its area, so a row that moves keeps its key.

use crate::view::View;

const ROW: u8 = 1;
const CHECKPOINT: u8 = 2;
const STATE: u8 = 3;

/// Where the format's version stands.
pub(crate) const FORMAT: &[u8] = &[0];

/// What a saved state is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// A view's fold.
    Fold(View),
    /// What all folds share.
    Ledger,
}

/// Kind, view, realm, a zero byte, id: realms never hold a zero byte, so the order is by realm, then id.
pub(crate) fn row_key(view: View, realm: &str, id: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(3 + realm.len() + id.len());
    key.extend_from_slice(&[ROW, view.tag()]);
    key.extend_from_slice(realm.as_bytes());
    key.push(0);
    key.extend_from_slice(id.as_bytes());
    key
}

/// Realm and id of a row's key.
pub(super) fn split(key: &[u8]) -> Option<(&str, &str)> {
    let text = std::str::from_utf8(key.get(2..)?).ok()?;
    text.split_once('\0')
}

pub(super) fn view_prefix(view: View) -> [u8; 2] {
    [ROW, view.tag()]
}

pub(super) fn view_prefix_end(view: View) -> [u8; 2] {
    [ROW, view.tag() + 1]
}

pub(super) fn checkpoint(view: View) -> [u8; 2] {
    [CHECKPOINT, view.tag()]
}

pub(super) fn state(part: Part) -> [u8; 2] {
    match part {
        Part::Fold(view) => [STATE, view.tag()],
        Part::Ledger => [STATE, 0],
    }
}
