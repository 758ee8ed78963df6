//! Faults of a file: which line, which column, which value, and why, in both languages. Owns their words and order; must
//! never stop at the first one.

use std::collections::{HashMap, HashSet};

use super::limits::{FAULTS_MAX, SHOWN_VALUE_CHARS_MAX};
use super::table::Column;
use crate::words::{Lang, Words};

/// One fault of a file. The value is shown to whoever holds the file; it must not go into a trace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowError {
    /// The line in the file, from 1; 0 for the file as a whole. A quoted cell may span lines: its row's first one.
    pub line: u64,
    /// The column's English heading; empty where no column is at fault.
    pub column_en: String,
    /// The column's Chinese heading.
    pub column_zh: String,
    /// The value at fault, shortened; empty where none is.
    pub value: String,
    /// Why, in Chinese.
    pub reason_zh: String,
    /// Why, in English.
    pub reason_en: String,
}

impl RowError {
    /// The whole fault in one language, on one line.
    #[must_use]
    pub fn describe(&self, lang: Lang) -> String {
        let mut text = String::new();
        match lang {
            Lang::Zh => {
                if self.line > 0 {
                    text += &format!("第 {} 行", self.line);
                }
                if !self.column_zh.is_empty() {
                    text += &format!("“{}”列（{}）", self.column_zh, self.column_en);
                }
                if !self.value.is_empty() {
                    text += &format!("“{}”", self.value);
                }
                text += if text.is_empty() { "" } else { "：" };
                text += &self.reason_zh;
            }
            Lang::En => {
                if self.line > 0 {
                    text += &format!("line {}", self.line);
                }
                if !self.column_en.is_empty() {
                    text += &format!(", column {} ({})", self.column_en, self.column_zh);
                }
                if !self.value.is_empty() {
                    text += &format!(", {:?}", self.value);
                }
                text = text.trim_start_matches(", ").to_owned();
                text += if text.is_empty() { "" } else { ": " };
                text += &self.reason_en;
            }
        }
        text
    }
}

/// The faults found so far.
#[derive(Debug, Default)]
pub(super) struct Faults {
    list: Vec<RowError>,
    beyond: usize,
}

impl Faults {
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn count(&self) -> usize {
        self.list.len() + self.beyond
    }

    /// A fault of one cell.
    pub(super) fn cell(&mut self, line: u64, column: &Column, value: &str, reason: Words) {
        self.push(RowError {
            line,
            column_en: column.en.to_owned(),
            column_zh: column.zh.to_owned(),
            value: shown(value),
            reason_zh: reason.zh,
            reason_en: reason.en,
        });
    }

    /// A fault of a row, or with line 0 of the file.
    pub(super) fn row(&mut self, line: u64, value: &str, reason: Words) {
        self.push(RowError {
            line,
            column_en: String::new(),
            column_zh: String::new(),
            value: shown(value),
            reason_zh: reason.zh,
            reason_en: reason.en,
        });
    }

    fn push(&mut self, fault: RowError) {
        if self.list.len() < FAULTS_MAX {
            self.list.push(fault);
        } else {
            self.beyond += 1;
        }
    }

    /// All of them by line.
    pub(super) fn into_list(self) -> Vec<RowError> {
        let mut list = self.list;
        list.sort();
        if self.beyond > 0 {
            list.push(RowError {
                line: 0,
                column_en: String::new(),
                column_zh: String::new(),
                value: String::new(),
                reason_zh: format!("另有 {} 处错误未列出", self.beyond),
                reason_en: format!("and {} more faults", self.beyond),
            });
        }
        list
    }
}

fn shown(value: &str) -> String {
    let mut shown: String = value.chars().take(SHOWN_VALUE_CHARS_MAX).map(|c| if c.is_control() { '␤' } else { c }).collect();
    if value.chars().nth(SHOWN_VALUE_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// The cycles among `order`, each once, from its member that stands first. `next` leads from a member to at most one.
pub(super) fn cycles(order: &[String], next: impl Fn(&str) -> Option<String>) -> Vec<Vec<String>> {
    let places: HashMap<&str, usize> = order.iter().enumerate().rev().map(|(place, id)| (id.as_str(), place)).collect();
    let mut settled: HashSet<String> = HashSet::new();
    let mut found = Vec::new();
    for start in order {
        let mut path: Vec<String> = Vec::new();
        let mut on_path: HashMap<String, usize> = HashMap::new();
        let mut at = Some(start.clone());
        while let Some(id) = at.filter(|id| !settled.contains(id)) {
            if let Some(entry) = on_path.get(&id) {
                let cycle = &path[*entry..];
                let first = (0..cycle.len()).min_by_key(|member| places.get(cycle[*member].as_str())).unwrap_or(0);
                found.push(cycle[first..].iter().chain(&cycle[..first]).cloned().collect());
                break;
            }
            on_path.insert(id.clone(), path.len());
            at = next(&id);
            path.push(id);
        }
        settled.extend(path);
    }
    found
}

/// `a → b → a`, shortened in the middle.
pub(super) fn cycle_path(cycle: &[String]) -> String {
    const SHOWN: usize = 8;
    let mut names: Vec<&str> = cycle.iter().take(SHOWN).map(String::as_str).collect();
    if cycle.len() > SHOWN {
        names.push("…");
    }
    names.push(&cycle[0]);
    names.join(" → ")
}
