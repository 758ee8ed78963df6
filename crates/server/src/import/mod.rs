//! Import of tables: a CSV file becomes commands, or a list of every fault in it. Owns the columns, their Chinese and
//! English headings and all checks that need no state but the ids that exist; it must never send anything. All rows are
//! checked before the first command is given out, so a file with a fault imports nothing.
//!
//! Personal fields (`name`, `phone` of a person) stand in the bodies as plain strings; the gateway seals them. They take
//! no part in a command's id, for ids stand in the log, where a digest of a name could be guessed.

mod areas;
mod cells;
mod choices;
mod decode;
mod faults;
pub(crate) mod limits;
mod organizations;
mod plan;
mod plan_rows;
mod roster;
mod table;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;
use std::str::FromStr;

use serde_json::Value;

pub use decode::Encoding;
pub use faults::RowError;

use faults::Faults;
use table::{Column, Table};

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ImportKind {
    /// The tree 辖区: one row an area.
    Areas,
    /// 单位: one row an organization, with the communities it is tied to.
    Organizations,
    /// 花名册: one row a responder.
    Roster,
    /// 转换预案: rows for plans, their sites, seats, units, cards and posts.
    Plan,
}

impl ImportKind {
    /// The word on the command line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Areas => "areas",
            Self::Organizations => "organizations",
            Self::Roster => "roster",
            Self::Plan => "plan",
        }
    }

    fn columns(self) -> &'static [Column] {
        match self {
            Self::Areas => areas::COLUMNS,
            Self::Organizations => organizations::COLUMNS,
            Self::Roster => roster::COLUMNS,
            Self::Plan => plan_rows::COLUMNS,
        }
    }

    /// The headings of a file of this kind as `(Chinese, English, required)`, for help texts and empty templates.
    pub fn headings(self) -> impl Iterator<Item = (&'static str, &'static str, bool)> {
        self.columns().iter().map(|column| (column.zh, column.en, column.required))
    }
}

impl FromStr for ImportKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Areas, Self::Organizations, Self::Roster, Self::Plan]
            .into_iter()
            .find(|kind| kind.word() == text)
            .ok_or_else(|| format!("{text}: areas / organizations / roster / plan"))
    }
}

/// One command of an import, ready to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportCommand {
    /// The command's name, e.g. `DefineArea`.
    pub name: &'static str,
    /// The idempotency key, made of the kind and the content without personal fields: the same row imported twice is done once.
    pub id: String,
    /// The command's JSON body.
    pub body: Value,
    /// The line of the file that it comes from, for naming the row if the server refuses it.
    pub line: u64,
}

/// A file that is in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Import {
    /// How the file was written.
    pub encoding: Encoding,
    /// Rows with content, without the heading.
    pub rows: usize,
    /// In the order in which they must be sent: what others refer to comes first.
    pub commands: Vec<ImportCommand>,
    /// Rows whose own id the server has already. Where such a row is what was imported before, its command has the same id
    /// and is done; where it differs, the server will refuse it, for an import defines and never changes.
    pub existing: Vec<ExistingRow>,
}

/// A row of something that the server has already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExistingRow {
    /// The row's line, from 1.
    pub line: u64,
    /// The id.
    pub id: String,
}

/// What the rows of one kind become.
#[derive(Default)]
struct Outcome {
    commands: Vec<ImportCommand>,
    existing: Vec<ExistingRow>,
}

/// What is known of an area that the server has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownArea {
    /// Its level as the name of the contract's enumeration (`AREA_LEVEL_COUNTY`); empty where that is not known.
    pub level: String,
    /// Its parent, empty for the root; `None` where that is not known.
    pub parent_id: Option<String>,
}

/// What the server already has. A file may refer to it without holding it.
pub trait Known {
    /// The area, if it exists.
    fn area(&self, area_id: &str) -> Option<KnownArea>;
    /// Whether the organization exists.
    fn has_organization(&self, organization_id: &str) -> bool;
    /// Whether the responder exists.
    fn has_responder(&self, responder_id: &str) -> bool;
}

/// Ids held in memory.
#[derive(Clone, Debug, Default)]
pub struct KnownIds {
    /// Areas.
    pub areas: HashMap<String, KnownArea>,
    /// Organizations.
    pub organizations: HashSet<String>,
    /// Responders.
    pub responders: HashSet<String>,
}

impl Known for KnownIds {
    fn area(&self, area_id: &str) -> Option<KnownArea> {
        self.areas.get(area_id).cloned()
    }

    fn has_organization(&self, organization_id: &str) -> bool {
        self.organizations.contains(organization_id)
    }

    fn has_responder(&self, responder_id: &str) -> bool {
        self.responders.contains(responder_id)
    }
}

/// Says yes to everything and remembers what it was asked: parse once with it to learn which ids the server must be asked
/// for, then again with the answers.
#[derive(Debug, Default)]
pub struct AskedIds {
    /// Areas.
    pub areas: RefCell<BTreeSet<String>>,
    /// Organizations.
    pub organizations: RefCell<BTreeSet<String>>,
    /// Responders.
    pub responders: RefCell<BTreeSet<String>>,
}

impl Known for AskedIds {
    fn area(&self, area_id: &str) -> Option<KnownArea> {
        self.areas.borrow_mut().insert(area_id.to_owned());
        Some(KnownArea::default())
    }

    fn has_organization(&self, organization_id: &str) -> bool {
        self.organizations.borrow_mut().insert(organization_id.to_owned());
        true
    }

    fn has_responder(&self, responder_id: &str) -> bool {
        self.responders.borrow_mut().insert(responder_id.to_owned());
        true
    }
}

/// Reads a file and checks all of it.
///
/// # Errors
/// Every fault, by line; at most [`limits::FAULTS_MAX`] and then one that says how many more there are.
pub fn parse(kind: ImportKind, bytes: &[u8], known: &dyn Known) -> Result<Import, Vec<RowError>> {
    let mut faults = Faults::default();
    let Some((table, encoding)) = Table::read(bytes, kind.columns(), &mut faults) else {
        return Err(faults.into_list());
    };
    let Outcome { commands, existing } = match kind {
        ImportKind::Areas => areas::commands(&table, known, &mut faults),
        ImportKind::Organizations => organizations::commands(&table, known, &mut faults),
        ImportKind::Roster => roster::commands(&table, known, &mut faults),
        ImportKind::Plan => plan::commands(&table, known, &mut faults),
    };
    if faults.is_empty() { Ok(Import { encoding, rows: table.rows.len(), commands, existing }) } else { Err(faults.into_list()) }
}

/// A command with the id that its content gives; `personal` names the members of the body that the id leaves out.
fn command(kind: ImportKind, name: &'static str, line: u64, body: Value, personal: &[&str]) -> ImportCommand {
    command_within(kind, &[], name, line, body, personal)
}

/// As [`command`], for a command that means something only as a part of `whole`: the same part of another whole is another
/// command.
fn command_within(kind: ImportKind, whole: &[u8], name: &'static str, line: u64, body: Value, personal: &[&str]) -> ImportCommand {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(whole.len() as u64).to_le_bytes());
    hasher.update(whole);
    hash_text(&mut hasher, kind.word());
    hash_text(&mut hasher, name);
    hash_value(&mut hasher, &body, personal);
    let mut id = format!("import-{}-", kind.word());
    for byte in &hasher.finalize().as_bytes()[..limits::COMMAND_ID_HASH_BYTES] {
        write!(id, "{byte:02x}").expect("a string takes all that is written");
    }
    ImportCommand { name, id, body, line }
}

/// Hashes a value so that equal values, whatever the order of their members, and only those, hash alike.
fn hash_value(hasher: &mut blake3::Hasher, value: &Value, left_out: &[&str]) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().filter(|(name, _)| !left_out.contains(&name.as_str())).collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            hasher.update(b"{");
            hasher.update(&(members.len() as u64).to_le_bytes());
            for (name, member) in members {
                hash_text(hasher, name);
                hash_value(hasher, member, &[]);
            }
        }
        Value::Array(items) => {
            hasher.update(b"[");
            hasher.update(&(items.len() as u64).to_le_bytes());
            for item in items {
                hash_value(hasher, item, &[]);
            }
        }
        other => hash_text(hasher, &other.to_string()),
    }
}

fn hash_text(hasher: &mut blake3::Hasher, text: &str) {
    hasher.update(&(text.len() as u64).to_le_bytes());
    hasher.update(text.as_bytes());
}
