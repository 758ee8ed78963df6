//! The result as a table for people, on a terminal or in a file. Only ASCII and a few signs of one column, so that it lines up
//! everywhere.

use std::fmt::Write as _;

use crate::row::{AimOf, Row};

const HEAD: [&str; 8] = ["row", "value", "min–max", "reference", "min–max", "ratio", "aim", "met"];

/// The table, with what each row was measured beside below it.
pub(crate) fn render(rows: &[Row]) -> String {
    let lines: Vec<[String; 8]> = std::iter::once(HEAD.map(str::to_owned)).chain(rows.iter().map(cells)).collect();
    let widths: Vec<usize> =
        (0..HEAD.len()).map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            let gap = " ".repeat(width - cell.chars().count());
            let cell = if column == 0 { format!("{cell}{gap}") } else { format!("  {gap}{cell}") };
            text.push_str(&cell);
        }
        text.push('\n');
        if number == 0 {
            let _ = writeln!(text, "{}", "─".repeat(widths.iter().sum::<usize>() + 2 * (HEAD.len() - 1)));
        }
    }
    text.push('\n');
    for row in rows {
        let _ = writeln!(
            text,
            "{}: beside {}. {}. {} rounds, ratios {:.2}–{:.2}.",
            row.name, row.reference, row.detail, row.rounds, row.ratio_min, row.ratio_max
        );
    }
    text
}

fn cells(row: &Row) -> [String; 8] {
    let aim = match (row.aim_of, row.aim) {
        (Some(AimOf::RatioAtLeast), Some(aim)) => format!("ratio ≥ {aim}"),
        (Some(AimOf::ValueAtMost), Some(aim)) => format!("≤ {aim} {}", row.unit),
        _ => "–".to_owned(),
    };
    let met = row.met.map_or("–", |met| if met { "yes" } else { "NO" });
    [
        row.name.to_owned(),
        format!("{} {}", figure(row.value), row.unit),
        format!("{}–{}", figure(row.value_min), figure(row.value_max)),
        figure(row.reference_value),
        format!("{}–{}", figure(row.reference_min), figure(row.reference_max)),
        format!("{:.2}", row.ratio),
        aim,
        met.to_owned(),
    ]
}

/// Four digits that matter; rates with their thousands apart.
fn figure(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.3}");
    }
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::{Better, Measured, Pair};

    #[test]
    fn figures_can_be_read() {
        assert_eq!([0.1234, 12.3456, 999.4, 1_234.0, 1_234_567.8].map(figure), ["0.123", "12.346", "999", "1 234", "1 234 568"]);
    }

    #[test]
    fn every_row_is_in_the_table_and_lines_up() {
        let row = |name, aim| {
            let pairs = &[Pair { value: 1_000.0, reference: 4_000.0 }];
            Measured { name, unit: "u/s", better: Better::Higher, reference: "r", aim, pairs, detail: "d".to_owned() }.row()
        };
        let text = render(&[row("one", Some((AimOf::RatioAtLeast, 0.5))), row("another", None)]);
        let lines: Vec<&str> = text.lines().collect();
        let width = lines[0].chars().count();
        assert!(lines[..4].iter().all(|line| line.chars().count() == width), "{text}");
        assert!(lines[2].starts_with("one") && lines[2].ends_with("NO"), "{text}");
        assert!(lines[3].starts_with("another") && lines[3].ends_with('–'), "{text}");
    }
}
