//! The keys of rows: `<realm>.<city>.<county>.<township>.<village>.<grid>.<row id>`, each token as in the subjects of the
//! stream. It must never map two rows to one key, nor hold a character that a key may not have.

use muster_proto::v1::AreaPath;
use muster_views::{PlacedRow, View};

use crate::limits::KV_ROW_ID_CHARS_MAX;
use crate::subject::{self, levels, push_token_of};

/// The key of what is said of a whole bucket. No realm is the token `_`, so that no row has it.
pub const MARKER: &str = "_.at";

/// A view's bucket.
#[must_use]
pub fn bucket_name(view: View) -> String {
    format!("muster_{view}")
}

/// The key of a row: where it stands in the tree, and its id. A row that is seen in two areas stands under the first, the home
/// of a person, so that it is one key.
#[must_use]
pub fn row_key(realm: &str, path: &AreaPath, id: &str) -> String {
    let mut key = String::with_capacity(96);
    for token in std::iter::once(&realm).chain(&levels(path)) {
        push_token_of(&mut key, token, crate::limits::TOKEN_CHARS_MAX);
        key.push('.');
    }
    push_token_of(&mut key, id, KV_ROW_ID_CHARS_MAX);
    key
}

pub(super) fn key_of(placed: &PlacedRow) -> String {
    row_key(placed.row.realm(), &placed.path, &placed.row.id())
}

/// The keys of everything in an area and below it: the path is the area's own, `realm` is one realm or none for all. An empty
/// path stands for every area.
#[must_use]
pub fn area_keys(realm: Option<&str>, path: &AreaPath) -> String {
    let filter = subject::area_filter(realm, path);
    filter[subject::PREFIX.len() + 1..].to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn path(ids: [&str; 5]) -> AreaPath {
        let [city, county, township, village, grid] = ids.map(str::to_owned);
        AreaPath { city, county, township, village, grid }
    }

    #[test]
    fn a_key_has_the_realm_five_levels_and_the_id() {
        let township = path(["440800", "440802", "440802001", "", ""]);
        assert_eq!(row_key("actual", &township, "440802001"), "actual.440800.440802.440802001._._.440802001");
        assert_eq!(row_key("actual", &AreaPath::default(), "a"), "actual._._._._._.a");
        assert_eq!(row_key("drill", &township, "site-1/night"), "drill.440800.440802.440802001._._.site-1=2Fnight");
        let uuid = "0b9d0e1c-2f5c-4f0e-9d3a-3d6f7e1f2a4b";
        assert!(row_key("actual", &township, uuid).ends_with(uuid), "an id of the usual lengths can be read");
        assert_eq!(bucket_name(View::Coverage), "muster_coverage");
    }

    /// What every client library takes: `^[-/_=.a-zA-Z0-9]+$`, no dot at the ends, no empty token.
    #[test]
    fn every_key_is_one_that_clients_take() {
        let long = "坡头区".repeat(30);
        let mut keys = HashSet::new();
        for id in
            [&long, &"坡头区".repeat(31), "a.b", "a b", "*", ">", "_", "", "_x", "\u{7f}", "s/", "s", &"x".repeat(64), &"x".repeat(65)]
        {
            let key = row_key(id, &path([id; 5]), id);
            assert!(key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-/_=.".contains(&byte)), "{key}");
            assert_eq!(key.split('.').filter(|token| !token.is_empty()).count(), 7, "{key}");
            assert!(key.len() < 300, "{key}");
            assert!(keys.insert(key.clone()), "{id:?} gives {key} again");
            assert_ne!(key, MARKER);
        }
    }

    #[test]
    fn a_subtree_is_one_filter() {
        let county = path(["440800", "440802", "", "", ""]);
        assert_eq!(area_keys(Some("actual"), &county), "actual.440800.440802.>");
        assert_eq!(area_keys(None, &county), "*.440800.440802.>");
        assert_eq!(area_keys(Some("actual"), &AreaPath::default()), "actual.>");
    }
}
