//! Keys of the store: one byte for the kind, then what it is of. A row's key does not hold its area, so a row that moves keeps its key. A view has a
//! tag: one byte for Muster's own, and for another crate's a byte that none of these has, the name and a zero byte. So a tag follows from the view
//! alone, whatever was registered beside it and in which order.

use crate::view::View;

const ROW: u8 = 1;
const CHECKPOINT: u8 = 2;
const STATE: u8 = 3;
const VERSION: u8 = 4;

/// What the tags of other crates' views begin with.
const OTHER: u8 = 0x80;

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

/// Puts kind and view at the end of a key.
pub(crate) fn put_view(key: &mut Vec<u8>, kind: u8, view: View) {
    let tag = match view {
        View::Coverage => 1,
        View::Units => 2,
        View::Sites => 3,
        View::Whistles => 4,
        View::Calls => 5,
        View::Responders => 6,
        View::Other(_) => OTHER,
    };
    key.extend_from_slice(&[kind, tag]);
    if tag == OTHER {
        key.extend_from_slice(view.name().as_bytes());
        key.push(0);
    }
}

/// Kind and view.
pub(crate) fn of_view(kind: u8, view: View) -> Vec<u8> {
    let mut key = Vec::with_capacity(2);
    put_view(&mut key, kind, view);
    key
}

/// What comes right after all keys that begin with kind and view.
pub(crate) fn after_view(kind: u8, view: View) -> Vec<u8> {
    let mut key = of_view(kind, view);
    // Neither a tag nor the zero byte behind a name is the last byte there is.
    *key.last_mut().expect("a key has a kind") += 1;
    key
}

/// What follows on kind and view, both being there.
pub(crate) fn behind_view(key: &[u8]) -> Option<&[u8]> {
    match key.get(1)? {
        &OTHER => key.get(2..)?.splitn(2, |byte| *byte == 0).nth(1),
        _ => key.get(2..),
    }
}

/// Kind, view, realm, a zero byte, id: realms never hold a zero byte, so the order is by realm, then id.
pub(crate) fn row_key(view: View, realm: &str, id: &str) -> Vec<u8> {
    let mut key = of_view(ROW, view);
    key.reserve(realm.len() + 1 + id.len());
    key.extend_from_slice(realm.as_bytes());
    key.push(0);
    key.extend_from_slice(id.as_bytes());
    key
}

/// Realm and id of a row's key.
pub(super) fn split(key: &[u8]) -> Option<(&str, &str)> {
    std::str::from_utf8(behind_view(key)?).ok()?.split_once('\0')
}

/// The rows of a view: from the first to before the second.
pub(super) fn rows(view: View) -> (Vec<u8>, Vec<u8>) {
    (of_view(ROW, view), after_view(ROW, view))
}

pub(super) fn checkpoint(view: View) -> Vec<u8> {
    of_view(CHECKPOINT, view)
}

/// The checkpoints of all views, whoever wrote them.
pub(super) const CHECKPOINTS: (&[u8], &[u8]) = (&[CHECKPOINT], &[CHECKPOINT + 1]);

/// By which version of its fold the rows of a view were made.
pub(super) fn version(view: View) -> Vec<u8> {
    of_view(VERSION, view)
}

pub(super) fn state(part: Part) -> Vec<u8> {
    match part {
        Part::Fold(view) => of_view(STATE, view),
        Part::Ledger => vec![STATE, 0],
    }
}
