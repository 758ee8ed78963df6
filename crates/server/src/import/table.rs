//! Text to rows: the separator, the heading, the cells. Owns how headings are matched; knows no meaning of a column.

use std::collections::HashMap;

use super::decode::{self, Encoding};
use super::faults::Faults;
use super::limits::FILE_BYTES_MAX;
use crate::words::Words;

/// A column that a kind of file may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    /// The English heading, which is also the name in code.
    pub(super) en: &'static str,
    /// The Chinese heading.
    pub(super) zh: &'static str,
    /// Other headings seen in the field.
    pub(super) aliases: &'static [&'static str],
    /// Whether a file without it is refused.
    pub(super) required: bool,
}

/// A row with content.
#[derive(Debug)]
pub(super) struct Row {
    /// Its first line in the file, from 1.
    pub(super) line: u64,
    cells: Vec<String>,
}

/// A file's rows under recognised columns.
#[derive(Debug)]
pub(super) struct Table {
    places: HashMap<&'static str, usize>,
    pub(super) rows: Vec<Row>,
}

impl Table {
    /// Reads a file; `None` where its rows cannot be told apart, with the reasons in `faults`. A row with the wrong number
    /// of cells is a fault and left out.
    pub(super) fn read(bytes: &[u8], columns: &'static [Column], faults: &mut Faults) -> Option<(Self, Encoding)> {
        if bytes.len() > FILE_BYTES_MAX {
            let reason = Words::new(
                format!("文件超过 {FILE_BYTES_MAX} 字节的上限；请拆分"),
                format!("the file is over the limit of {FILE_BYTES_MAX} bytes; split it"),
            );
            faults.row(0, "", reason);
            return None;
        }
        let (text, encoding) = match decode::decode(bytes) {
            Ok(decoded) => decoded,
            Err(unreadable) => {
                faults.row(unreadable.line, "", unreadable.reason);
                return None;
            }
        };
        let mut records = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(separator(&text))
            .from_reader(text.as_bytes())
            .into_records();
        let heading = match records.next() {
            Some(Ok(heading)) => heading,
            Some(Err(_)) | None => {
                faults.row(0, "", Words::new("文件为空：第一行应为列名", "the file is empty: its first line holds the headings"));
                return None;
            }
        };
        let width = heading.iter().enumerate().filter(|(_, cell)| !cell.trim().is_empty()).last().map_or(0, |(last, _)| last + 1);
        let places = match_heading(&heading, columns, faults)?;
        let mut rows = Vec::new();
        let mut lines = LineCounter { text: text.as_bytes(), at: 0, line: 1 };
        for record in records {
            // Reading text from memory in flexible mode has no other faults than none.
            let Ok(record) = record else { continue };
            let line = lines.line_of(record.position().map_or(0, csv::Position::byte));
            let cells: Vec<String> = record.iter().map(|cell| cell.trim().to_owned()).collect();
            let filled = cells.iter().rposition(|cell| !cell.is_empty()).map_or(0, |last| last + 1);
            if filled == 0 {
                continue;
            }
            if filled > width || cells.len() < width {
                let reason = Words::new(
                    format!("本行有 {} 个单元格，列名有 {width} 个；请检查分隔符和引号", cells.len()),
                    format!("the row has {} cells, the heading {width}; look at separators and quotes", cells.len()),
                );
                faults.row(line, cells.first().map_or("", String::as_str), reason);
                continue;
            }
            rows.push(Row { line, cells });
        }
        if rows.is_empty() && faults.is_empty() {
            faults.row(0, "", Words::new("文件没有数据行", "the file has no rows below its heading"));
        }
        Some((Self { places, rows }, encoding))
    }

    /// A cell's text without white space around it; empty where the column is missing.
    pub(super) fn cell<'a>(&self, row: &'a Row, column: &Column) -> &'a str {
        self.places.get(column.en).and_then(|place| row.cells.get(*place)).map_or("", String::as_str)
    }
}

/// Counts lines up to places that only grow. The reader's own count names the empty lines before a row, not the row.
struct LineCounter<'a> {
    text: &'a [u8],
    at: usize,
    line: u64,
}

impl LineCounter<'_> {
    /// The line of the row that begins at or, after empty lines, behind `byte`.
    fn line_of(&mut self, byte: u64) -> u64 {
        let byte = usize::try_from(byte).unwrap_or(usize::MAX);
        while let Some(next) = self.text.get(self.at) {
            if self.at >= byte && !matches!(next, b'\r' | b'\n') {
                break;
            }
            self.line += u64::from(*next == b'\n');
            self.at += 1;
        }
        self.line
    }
}

/// A heading or an enumeration's word as it is compared: without case, width, white space, marks for "required" and
/// remarks in brackets.
pub(super) fn folded(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let mut depth = 0_usize;
    for character in text.chars() {
        match character {
            '(' | '（' | '[' | '【' => depth += 1,
            ')' | '）' | ']' | '】' => depth = depth.saturating_sub(1),
            '*' | '＊' | '_' | '-' | '－' | '\u{feff}' => {}
            _ if depth > 0 || character.is_whitespace() => {}
            '\u{ff01}'..='\u{ff5e}' => {
                let narrow = char::from_u32(u32::from(character) - 0xfee0).unwrap_or(character);
                folded.extend(narrow.to_lowercase());
            }
            _ => folded.extend(character.to_lowercase()),
        }
    }
    folded
}

/// Comma, unless the first line holds more tabs or semicolons, as spreadsheets of some regions write.
fn separator(text: &str) -> u8 {
    let first = text.lines().next().unwrap_or_default();
    let count = |separator: char| first.matches(separator).count();
    let (commas, tabs, semicolons) = (count(','), count('\t'), count(';'));
    if tabs > commas && tabs >= semicolons {
        b'\t'
    } else if semicolons > commas {
        b';'
    } else {
        b','
    }
}

/// Which place each column has. Unknown, repeated and missing headings are all named; then there is no table.
fn match_heading(heading: &csv::StringRecord, columns: &'static [Column], faults: &mut Faults) -> Option<HashMap<&'static str, usize>> {
    let faults_before = faults.count();
    let mut names: HashMap<String, &'static Column> = HashMap::new();
    for column in columns {
        for name in [column.en, column.zh].into_iter().chain(column.aliases.iter().copied()) {
            names.insert(folded(name), column);
        }
    }
    let mut places: HashMap<&'static str, usize> = HashMap::new();
    for (place, written) in heading.iter().enumerate() {
        let written = written.trim();
        if written.is_empty() {
            continue;
        }
        match names.get(&folded(written)) {
            None => faults.row(1, written, unknown_heading(columns)),
            Some(column) => {
                if let Some(first) = places.insert(column.en, place) {
                    let reason = Words::new(format!("与第 {} 列重复", first + 1), format!("the same column as number {}", first + 1));
                    faults.cell(1, column, written, reason);
                }
            }
        }
    }
    for column in columns.iter().filter(|column| column.required && !places.contains_key(column.en)) {
        faults.cell(1, column, "", Words::new("缺少必填列", "the file lacks this column"));
    }
    (faults.count() == faults_before).then_some(places)
}

fn unknown_heading(columns: &[Column]) -> Words {
    let list = |name: fn(&Column) -> &str, between: &str| columns.iter().map(name).collect::<Vec<_>>().join(between);
    Words::new(
        format!("无法识别的列名；可用：{}", list(|column| column.zh, "、")),
        format!("not a known heading; known are: {}", list(|column| column.en, ", ")),
    )
}
