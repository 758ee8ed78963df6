//! Answers from the versions: who stood in an area's subtree at a position, and what their rows were. It must never show anything of a later record.

use std::sync::Arc;

use muster_log::Position;
use rustc_hash::FxHashMap;

use super::keys;
use super::store::{Frozen, Versions, damaged, number};
use crate::areas::{AreaTree, Node};
use crate::errors::{QueryError, StoreError};
use crate::filter::Filter;
use crate::live::{Page, PlacedRow};
use crate::places::{AreaLine, Path};
use crate::view::{Row, View};

/// Rows that may be on a page, in its order: realm, id and number.
pub(super) type Candidate = (String, String, u32);

/// One moment as a filter shows it.
pub(super) struct Moment<'a> {
    view: View,
    filter: &'a Filter,
    position: Position,
    tree: Arc<AreaTree>,
    /// Which nodes are in the filter's subtree; everything without an area.
    within: Option<Vec<bool>>,
    nodes: Vec<Node>,
    lines: FxHashMap<Node, Arc<AreaLine>>,
}

impl<'a> Moment<'a> {
    pub(super) fn new(view: View, filter: &'a Filter, position: Position, tree: Arc<AreaTree>) -> Self {
        let nodes = filter.area.as_ref().map(|area| tree.find(area).map(|node| tree.subtree(node)).unwrap_or_default());
        let within = nodes.as_ref().map(|nodes| {
            let mut within = vec![false; tree.len()];
            nodes.iter().for_each(|node| within[*node as usize] = true);
            within
        });
        Self { view, filter, position, tree, within, nodes: nodes.unwrap_or_default(), lines: FxHashMap::default() }
    }

    pub(super) const fn position(&self) -> Position {
        self.position
    }

    /// Whether asking area by area is worth it.
    fn is_narrow(&self) -> bool {
        self.within.is_some() && self.tree.is_narrow(self.nodes.len())
    }

    /// The row of these bytes with its path, if the filter shows it. No bytes are no row.
    pub(super) fn place(&mut self, (realm, id): (&str, &str), bytes: &[u8]) -> Result<Option<PlacedRow>, StoreError> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let row = Row::decode(self.view, bytes).map_err(|error| damaged(self.view, realm, id, &error.to_string()))?;
        let find = |area_id: &str| if area_id.is_empty() { None } else { self.tree.find(area_id) };
        let (at, also) = (find(row.area_id()), find(row.also_area_id()));
        if let Some((area, within)) = self.filter.area.as_ref().zip(self.within.as_ref()) {
            // An area that no record has defined is in no tree, and holds itself.
            let named = [row.area_id(), row.also_area_id()].contains(&area.as_str()) && !area.is_empty();
            if !named && !at.into_iter().chain(also).any(|node| within[node as usize]) {
                return Ok(None);
            }
        }
        let line = self.line(at, row.area_id());
        let has_other = !row.also_area_id().is_empty() && row.also_area_id() != row.area_id();
        let other = has_other.then(|| self.line(also, row.also_area_id()));
        let placed = PlacedRow::new(Arc::new(row), Path::of_areas(line, other));
        Ok(Some(placed).filter(|placed| self.filter.takes(placed)))
    }

    fn line(&mut self, node: Option<Node>, area_id: &str) -> Arc<AreaLine> {
        let Some(node) = node else { return Arc::new(AreaLine::outside(area_id)) };
        let tree = &self.tree;
        Arc::clone(self.lines.entry(node).or_insert_with(|| Arc::new(AreaLine::new(tree, node))))
    }
}

/// The rows that may be seen at one of the moments, which are of one filter, after a cursor and in order. Among them are some that are not.
pub(super) fn candidates<'a>(
    frozen: &'a Frozen<'_>,
    moments: &[&Moment<'_>],
    page: &Page,
) -> Result<Box<dyn Iterator<Item = Result<Candidate, StoreError>> + 'a>, QueryError> {
    let Moment { view, filter, .. } = moments[0];
    let after = page.after.as_ref().map(|cursor| {
        let parts = cursor.split_once('/').map(|(realm, id)| (realm.to_owned(), id.to_owned()));
        parts.ok_or_else(|| QueryError::BadCursor { cursor: cursor.clone() })
    });
    let after = after.transpose()?;
    if moments.iter().all(|moment| moment.is_narrow()) {
        let mut areas: Vec<&str> = moments.iter().flat_map(|moment| moment.nodes.iter().map(|node| moment.tree.id(*node))).collect();
        areas.extend(filter.area.as_deref());
        areas.sort_unstable();
        areas.dedup();
        let found = listed(frozen, *view, filter.realm.as_deref(), &areas, after.as_ref())?;
        return Ok(Box::new(found.into_iter().map(Ok)));
    }
    let (mut from, to) = (Vec::new(), keys::rows(*view).1);
    let start = after.clone().or_else(|| filter.realm.clone().map(|realm| (realm, String::new())));
    match &start {
        Some((realm, id)) => keys::row(&mut from, *view, realm, id),
        None => from.extend_from_slice(&keys::rows(*view).0),
    }
    let (view, wanted) = (*view, filter.realm.clone());
    let rows = frozen.list(&from, &to).map(move |entry| {
        let (key, value) = entry.map_err(|error| frozen.store.failed("read", &error))?;
        let parts = keys::split_row(&key).zip(number(&value));
        let ((realm, id), number) = parts.ok_or_else(|| damaged(view, "", &String::from_utf8_lossy(&key), "its key"))?;
        Ok((realm.to_owned(), id.to_owned(), number))
    });
    let of_realm = rows.take_while(move |row: &Result<Candidate, StoreError>| match (row, &wanted) {
        (Ok((realm, ..)), Some(wanted)) => realm <= wanted,
        _ => true,
    });
    let passed = move |row: &Result<Candidate, StoreError>| match (row, &after) {
        (Ok((realm, id, _)), Some((last_realm, last_id))) => (realm, id) > (last_realm, last_id),
        _ => true,
    };
    let realm = filter.realm.clone();
    let of_realm = of_realm.filter(move |row| match (row, &realm) {
        (Ok((found, ..)), Some(realm)) => found == realm,
        _ => true,
    });
    Ok(Box::new(of_realm.filter(passed)))
}

/// Who ever stood in one of the areas.
fn listed(
    frozen: &Frozen<'_>,
    view: View,
    realm: Option<&str>,
    areas: &[&str],
    after: Option<&(String, String)>,
) -> Result<Vec<Candidate>, StoreError> {
    let (mut found, mut prefix, mut cursor) = (Vec::new(), Vec::new(), frozen.cursor());
    for area_id in areas {
        keys::places_of(&mut prefix, view, area_id, realm);
        cursor.seek(&prefix);
        while let Some((key, value)) = cursor.item() {
            let Some(rest) = key.strip_prefix(prefix.as_slice()) else { break };
            let rest = std::str::from_utf8(rest).ok();
            let parts = match realm {
                Some(realm) => rest.map(|id| (realm, id)),
                None => rest.and_then(|rest| rest.split_once('\0')),
            };
            let parts = parts.zip(number(value));
            let ((realm, id), number) = parts.ok_or_else(|| damaged(view, "", &String::from_utf8_lossy(key), "its place"))?;
            if after.is_none_or(|(last_realm, last_id)| (realm, id) > (last_realm.as_str(), last_id.as_str())) {
                found.push((realm.to_owned(), id.to_owned(), number));
            }
            cursor.next();
        }
        cursor.status().map_err(|error| frozen.store.failed("read", &error))?;
    }
    // A row that moved, or has two areas, is met under each.
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// One page as of a moment, and the cursor of the next.
pub(super) fn page(
    frozen: &Frozen<'_>,
    moment: &mut Moment<'_>,
    page: &Page,
    rows_max: usize,
) -> Result<(Vec<PlacedRow>, Option<String>), QueryError> {
    let mut versions = frozen.versions();
    let mut rows: Vec<PlacedRow> = Vec::new();
    let position = moment.position();
    for candidate in candidates(frozen, &[moment], page)? {
        let (realm, id, number) = candidate?;
        let Some((_, bytes)) = versions.at(number, position)? else { continue };
        let Some(placed) = moment.place((&realm, &id), bytes)? else { continue };
        if rows.len() == rows_max {
            let last = rows.last().map(|last| format!("{}/{}", last.row.realm(), last.row.id()));
            return Ok((rows, last));
        }
        rows.push(placed);
    }
    Ok((rows, None))
}

/// A row at two moments.
#[derive(Clone, Debug, PartialEq)]
pub struct RowPair {
    /// Its realm.
    pub realm: String,
    /// Its id within view and realm.
    pub id: String,
    /// As it was at the first moment, if it was there and the filter showed it.
    pub from: Option<PlacedRow>,
    /// The same at the second moment.
    pub to: Option<PlacedRow>,
}

/// One page of the rows that differ between two moments, and the cursor of the next.
pub(super) fn differences(
    frozen: &Frozen<'_>,
    [from, to]: [&mut Moment<'_>; 2],
    page: &Page,
    rows_max: usize,
) -> Result<(Vec<RowPair>, Option<String>), QueryError> {
    let mut versions: Versions<'_> = frozen.versions();
    let mut pairs: Vec<RowPair> = Vec::new();
    let [early, late] = if from.position() <= to.position() { [from.position(), to.position()] } else { [to.position(), from.position()] };
    // Where no area moved, a row whose version is the same is seen at both moments or at none.
    let same_tree = Arc::ptr_eq(&from.tree, &to.tree);
    for candidate in candidates(frozen, &[from, to], page)? {
        let (realm, id, number) = candidate?;
        let Some((changed_at, bytes)) = versions.at(number, late)? else { continue };
        let unchanged = changed_at <= early;
        if unchanged && (same_tree || (from.within.is_none() && from.filter.any_of.is_none())) {
            continue;
        }
        let bytes = bytes.to_vec();
        let former =
            if unchanged { bytes.clone() } else { versions.at(number, early)?.map(|(_, bytes)| bytes.to_vec()).unwrap_or_default() };
        let (at_from, at_to) = if from.position() == early { (&former, &bytes) } else { (&bytes, &former) };
        let (was, is) = (from.place((&realm, &id), at_from)?, to.place((&realm, &id), at_to)?);
        if was.as_ref().map(|placed| &placed.row) == is.as_ref().map(|placed| &placed.row) {
            continue;
        }
        if pairs.len() == rows_max {
            let last = pairs.last().map(|last| format!("{}/{}", last.realm, last.id));
            return Ok((pairs, last));
        }
        pairs.push(RowPair { realm, id, from: was, to: is });
    }
    Ok((pairs, None))
}
