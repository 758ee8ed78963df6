//! Keys of the history: one byte for the kind, then what it is of. A row has a number, so that its versions have short keys of one length: number,
//! then the position upside down, so that the first key at or after a position's own is the version that held there.

use muster_log::Position;

use crate::store::{after_view, behind_view, of_view, put_view};
use crate::view::View;

/// Where the format's version stands, which views by which versions of their folds are kept, and how far the versions of rows are.
pub(super) const FORMAT: &[u8] = &[0];
pub(super) const VIEWS: &[u8] = &[0, 1];
pub(super) const CHECKPOINT: &[u8] = &[1];

const ROW: u8 = 2;
const PLACE: u8 = 3;
const VERSION: u8 = 4;
const TREE: u8 = 5;

/// Kind and number: what all versions of a row begin with.
pub(super) const VERSION_PREFIX_BYTES: usize = 5;

/// Everything but the format.
pub(super) const ALL: (&[u8], &[u8]) = (CHECKPOINT, &[TREE + 1]);

/// Kind, view, realm, a zero byte, id: in the order of a listing.
pub(super) fn row(key: &mut Vec<u8>, view: View, realm: &str, id: &str) {
    key.clear();
    put_view(key, ROW, view);
    key.extend_from_slice(realm.as_bytes());
    key.push(0);
    key.extend_from_slice(id.as_bytes());
}

/// The rows of a view: from the first to before the second.
pub(super) fn rows(view: View) -> (Vec<u8>, Vec<u8>) {
    (of_view(ROW, view), after_view(ROW, view))
}

/// All rows, all places, all events of the tree.
pub(super) const ROWS: (&[u8], &[u8]) = (&[ROW], &[ROW + 1]);
pub(super) const PLACES: (&[u8], &[u8]) = (&[PLACE], &[PLACE + 1]);
pub(super) const TREES: (&[u8], &[u8]) = (&[TREE], &[TREE + 1]);

/// Realm and id of a row's key.
pub(super) fn split_row(key: &[u8]) -> Option<(&str, &str)> {
    std::str::from_utf8(behind_view(key)?).ok()?.split_once('\0')
}

/// Kind, view, area, a zero byte, realm, a zero byte, id: who ever stood in an area.
pub(super) fn place(key: &mut Vec<u8>, view: View, area_id: &str, realm: &str, id: &str) {
    places_of(key, view, area_id, Some(realm));
    key.extend_from_slice(id.as_bytes());
}

/// What the keys begin with of those who ever stood in an area, in one realm or in every.
pub(super) fn places_of(key: &mut Vec<u8>, view: View, area_id: &str, realm: Option<&str>) {
    key.clear();
    put_view(key, PLACE, view);
    key.extend_from_slice(area_id.as_bytes());
    key.push(0);
    if let Some(realm) = realm {
        key.extend_from_slice(realm.as_bytes());
        key.push(0);
    }
}

/// A place's area, and the key of the row that stood there.
pub(super) fn split_place(key: &[u8]) -> Option<(&str, Vec<u8>)> {
    let behind = behind_view(key)?;
    let (area_id, row) = std::str::from_utf8(behind).ok()?.split_once('\0')?;
    let view = &key[1..key.len() - behind.len()];
    Some((area_id, [&[ROW], view, row.as_bytes()].concat()))
}

pub(super) fn version(number: u32, position: Position) -> [u8; 13] {
    let mut key = [VERSION; 13];
    key[1..5].copy_from_slice(&number.to_be_bytes());
    key[5..].copy_from_slice(&(!position.0).to_be_bytes());
    key
}

/// Number and position of a version's key.
pub(super) fn split_version(key: &[u8]) -> Option<(u32, Position)> {
    let (number, position) = key.get(1..)?.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*number), Position(!u64::from_be_bytes(position.try_into().ok()?))))
}

pub(super) fn tree(position: Position) -> [u8; 9] {
    let mut key = [TREE; 9];
    key[1..].copy_from_slice(&position.0.to_be_bytes());
    key
}

/// The position of an event of the tree.
pub(super) fn split_tree(key: &[u8]) -> Option<Position> {
    Some(Position(u64::from_be_bytes(key.get(1..)?.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn later_versions_come_first_and_keys_say_what_they_are_of() {
        let [early, late, other] = [version(7, Position(3)), version(7, Position(300)), version(8, Position(1))];
        assert!(late < early && early < other);
        assert_eq!(split_version(&late), Some((7, Position(300))));
        assert_eq!(split_tree(&tree(Position(9))), Some(Position(9)));
        let (mut row_key, mut key) = (Vec::new(), Vec::new());
        row(&mut row_key, View::Sites, "actual", "s-1/night");
        assert_eq!(split_row(&row_key), Some(("actual", "s-1/night")));
        place(&mut key, View::Sites, "g-1", "actual", "s-1/night");
        assert_eq!(split_place(&key), Some(("g-1", row_key)));
    }
}
