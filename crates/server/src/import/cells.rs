//! Cells to values: ids, texts, words of an enumeration, lists. Owns what each may look like; every fault is noted and
//! the reading goes on, so that one look at a row finds all that is wrong with it.

use std::cell::RefCell;

use muster_domain::limits as domain;

use super::choices::{self, Choice};
use super::faults::Faults;
use super::limits::{PERSON_NAME_BYTES_MAX, PHONE_DIGITS};
use super::table::{Column, Row, Table};
use crate::words::Words;

/// What an id may look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IdShape {
    /// A subject token: letters, digits, `-` and `_`.
    Area,
    /// A key: also `.` and `:`.
    Key,
}

/// The cells of one row.
pub(super) struct Cells<'t, 'f> {
    table: &'t Table,
    row: &'t Row,
    faults: RefCell<&'f mut Faults>,
    faults_before: usize,
}

impl<'t, 'f> Cells<'t, 'f> {
    pub(super) fn new(table: &'t Table, row: &'t Row, faults: &'f mut Faults) -> Self {
        let faults_before = faults.count();
        Self { table, row, faults: RefCell::new(faults), faults_before }
    }

    pub(super) fn line(&self) -> u64 {
        self.row.line
    }

    /// Whether nothing is wrong with the row so far.
    pub(super) fn are_sound(&self) -> bool {
        self.faults.borrow().count() == self.faults_before
    }

    /// The text as it stands.
    pub(super) fn raw(&self, column: &Column) -> &'t str {
        self.table.cell(self.row, column)
    }

    pub(super) fn fault(&self, column: &Column, value: &str, reason: Words) {
        self.faults.borrow_mut().cell(self.row.line, column, value, reason);
    }

    /// An id that must be there.
    pub(super) fn id(&self, column: &Column, shape: IdShape) -> String {
        let written = self.raw(column);
        if written.is_empty() {
            self.fault(column, "", must_not_be_empty());
        }
        self.optional_id(column, shape)
    }

    /// An id, or nothing.
    pub(super) fn optional_id(&self, column: &Column, shape: IdShape) -> String {
        let written = self.raw(column);
        match id_fault(written, shape) {
            Some(reason) => {
                self.fault(column, written, reason);
                String::new()
            }
            None => written.to_owned(),
        }
    }

    /// Several ids in one cell, each once, in their order.
    pub(super) fn ids(&self, column: &Column, shape: IdShape) -> Vec<String> {
        let mut ids: Vec<String> = Vec::new();
        for written in split(self.raw(column)) {
            match id_fault(written, shape) {
                Some(reason) => self.fault(column, written, reason),
                None if ids.iter().any(|id| id == written) => self.fault(column, written, twice_in_cell()),
                None => ids.push(written.to_owned()),
            }
        }
        ids
    }

    /// A short text that must be there: a name, a title.
    pub(super) fn name(&self, column: &Column) -> String {
        self.required_text(column, domain::NAME_BYTES_MAX)
    }

    /// A short text, or nothing.
    pub(super) fn optional_name(&self, column: &Column) -> String {
        self.text(column, domain::NAME_BYTES_MAX)
    }

    /// A person's name, which must be there.
    pub(super) fn person_name(&self, column: &Column) -> String {
        self.required_text(column, PERSON_NAME_BYTES_MAX)
    }

    /// A text of several lines, or nothing.
    pub(super) fn lines(&self, column: &Column) -> String {
        let written = self.raw(column).replace("\r\n", "\n");
        if written.len() > domain::NAME_BYTES_MAX {
            self.fault(column, &written, too_long(&written, domain::NAME_BYTES_MAX));
        }
        written
    }

    fn required_text(&self, column: &Column, bytes_max: usize) -> String {
        if self.raw(column).is_empty() {
            self.fault(column, "", must_not_be_empty());
        }
        self.text(column, bytes_max)
    }

    fn text(&self, column: &Column, bytes_max: usize) -> String {
        let written = self.raw(column);
        if let Some(reason) = text_fault(written, bytes_max) {
            self.fault(column, written, reason);
        }
        written.to_owned()
    }

    /// Degrees such as `21.2707`, as whole 1e-7 degrees, or nothing. Read digit by digit: what is written is what is stored.
    pub(super) fn degrees(&self, column: &Column, most: i32) -> Option<i32> {
        let written = self.raw(column);
        if written.is_empty() {
            return None;
        }
        let found = degrees_e7(written).filter(|found| found.abs() <= most * 10_000_000);
        if found.is_none() {
            let reason = Words::new(
                format!("不是度数：应为 -{most} 至 {most} 之间的十进制度数，例如 21.2707"),
                format!("not degrees: a decimal number between -{most} and {most} expected, such as 21.2707"),
            );
            self.fault(column, written, reason);
        }
        found
    }

    /// A telephone number, or nothing; kept as it was written.
    pub(super) fn phone(&self, column: &Column) -> String {
        let written = self.raw(column);
        if !written.is_empty() {
            let fits = |character: char| character.is_ascii_digit() || matches!(character, '+' | '-' | ' ' | '(' | ')' | '（' | '）');
            let digits = written.chars().filter(char::is_ascii_digit).count();
            if !written.chars().all(fits) || !PHONE_DIGITS.contains(&digits) {
                let reason = looks_scientific(written).then(scientific).unwrap_or_else(|| {
                    Words::new(
                        format!("不是电话号码：应为 {} 至 {} 位数字", PHONE_DIGITS.start(), PHONE_DIGITS.end()),
                        format!("not a telephone number: {} to {} digits expected", PHONE_DIGITS.start(), PHONE_DIGITS.end()),
                    )
                });
                self.fault(column, written, reason);
            }
        }
        written.to_owned()
    }

    /// Labels in one cell, separated by `、`, `；`, `;`, `，`, `,` or `|`; each once.
    pub(super) fn labels(&self, column: &Column, separators_allowed: bool) -> Vec<String> {
        let written = self.raw(column);
        let mut labels: Vec<String> = Vec::new();
        let parts: Vec<&str> = if separators_allowed { split(written).collect() } else { vec![written] };
        for label in parts.into_iter().filter(|label| !label.is_empty()) {
            if let Some(reason) = text_fault(label, domain::ID_BYTES_MAX) {
                self.fault(column, label, reason);
            } else if !labels.iter().any(|known| known == label) {
                labels.push(label.to_owned());
            }
        }
        if labels.len() > domain::LABELS_MAX {
            self.fault(column, written, too_many(labels.len(), domain::LABELS_MAX));
        }
        labels
    }

    /// One label, or nothing.
    pub(super) fn label(&self, column: &Column) -> String {
        self.labels(column, false).pop().unwrap_or_default()
    }

    /// A member of an enumeration that must be there; empty after a fault.
    pub(super) fn choice(&self, column: &Column, choices: &'static [Choice]) -> &'static str {
        if self.raw(column).is_empty() {
            self.fault(column, "", must_not_be_empty());
            return "";
        }
        self.optional_choice(column, choices)
    }

    /// A member of an enumeration, or empty.
    pub(super) fn optional_choice(&self, column: &Column, choices: &'static [Choice]) -> &'static str {
        let written = self.raw(column);
        if written.is_empty() {
            return "";
        }
        choices::find(choices, written).unwrap_or_else(|| {
            self.fault(column, written, choices::not_one_of(choices));
            ""
        })
    }

    /// A reference that must lead somewhere: faults unless `exists`.
    pub(super) fn check_exists(&self, column: &Column, id: &str, exists: bool, what: (&str, &str)) {
        if !id.is_empty() && !exists {
            let reason = Words::new(
                format!("{}不存在：既不在本文件中，也未录入系统", what.0),
                format!("no such {}: neither in this file nor on the server", what.1),
            );
            self.fault(column, id, reason);
        }
    }
}

/// Parts of a cell, without white space and empty ones.
/// Decimal degrees as 1e-7 degrees; digits beyond the seventh are below a centimetre and left out.
fn degrees_e7(written: &str) -> Option<i32> {
    let (sign, digits) = written.strip_prefix('-').map_or((1, written), |digits| (-1, digits));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 3 || !all_digits(whole) || !all_digits(part) {
        return None;
    }
    let part: String = part.chars().chain(std::iter::repeat('0')).take(7).collect();
    format!("{whole}{part}").parse::<i32>().ok().map(|e7| sign * e7)
}

fn split(written: &str) -> impl Iterator<Item = &str> {
    written.split(['、', '；', ';', '，', ',', '|', '\n']).map(str::trim).filter(|part| !part.is_empty())
}

/// What is wrong with an id; nothing is wrong with an empty one.
fn id_fault(written: &str, shape: IdShape) -> Option<Words> {
    let bytes_max = match shape {
        IdShape::Area => domain::TOKEN_BYTES_MAX,
        IdShape::Key => domain::ID_BYTES_MAX,
    };
    let fits = |byte: u8| match byte {
        b'.' | b':' => shape == IdShape::Key,
        _ => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'),
    };
    if looks_scientific(written) {
        return Some(scientific());
    }
    // A lone `_` stands for "no area" in subjects.
    if !written.bytes().all(fits) || written == "_" {
        let (zh, en) = match shape {
            IdShape::Area => ("编码只能含字母、数字、“-”和“_”", "an id holds letters, digits, `-` and `_` only"),
            IdShape::Key => ("编码只能含字母、数字、“.”“:”“-”和“_”", "an id holds letters, digits, `.`, `:`, `-` and `_` only"),
        };
        return Some(Words::new(zh, en));
    }
    (written.len() > bytes_max).then(|| too_long(written, bytes_max))
}

fn text_fault(written: &str, bytes_max: usize) -> Option<Words> {
    if written.chars().any(char::is_control) {
        return Some(Words::new(
            "含有换行或控制字符；如非有意，请检查是否缺少引号",
            "it holds a line break or a control character; unless that is meant, look for a missing quote",
        ));
    }
    (written.len() > bytes_max).then(|| too_long(written, bytes_max))
}

/// `4.40883E+11`: what a spreadsheet makes of a long code.
fn looks_scientific(written: &str) -> bool {
    let Some((mantissa, exponent)) = written.split_once(['E', 'e']) else { return false };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    exponent.strip_prefix('+').is_some_and(digits) && mantissa.split('.').all(digits)
}

fn scientific() -> Words {
    Words::new(
        "被电子表格改成了科学计数法，末位已丢失；请将该列设为文本格式后重新填写",
        "a spreadsheet turned it into a rounded number and lost digits; format the column as text and fill it in again",
    )
}

pub(super) fn must_not_be_empty() -> Words {
    Words::new("不能为空", "must not be empty")
}

fn twice_in_cell() -> Words {
    Words::new("在同一单元格中重复", "stands twice in the cell")
}

fn too_long(written: &str, bytes_max: usize) -> Words {
    Words::new(
        format!("过长：{} 字节，上限 {bytes_max} 字节（一个汉字 3 字节）", written.len()),
        format!("too long: {} bytes, {bytes_max} allowed", written.len()),
    )
}

pub(super) fn too_many(count: usize, count_max: usize) -> Words {
    Words::new(format!("过多：{count} 项，上限 {count_max} 项"), format!("too many: {count}, {count_max} allowed"))
}

/// Why a second row with the same id is refused.
pub(super) fn duplicate_of(line: u64) -> Words {
    Words::new(format!("与第 {line} 行重复"), format!("the same as in line {line}"))
}
