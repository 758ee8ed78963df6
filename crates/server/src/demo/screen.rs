//! What a person sees while the demo plays: phase, figures, a progress bar on anything long, and a table of the counties that
//! follows the views. Everything goes to stderr; it must never slow the play down by more than a few milliseconds a step.

use std::time::{Duration, Instant};

use comfy_table::{Cell, CellAlignment, Table, presets};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use muster_demo::script::{Observer, Phase, Unwatched};
use muster_demo::{City, CityFigures};
use muster_proto::ACTUAL;
use muster_proto::v1::{AreaLevel, CoverageRow};
use muster_views::{Filter, Page, Row, View, ViewsHandle};

use crate::words::Lang;

/// The table is drawn at most this often: the views move faster than anybody reads.
const DRAW_PERIOD: Duration = Duration::from_millis(400);
const BAR: &str = "{msg} {wide_bar} {pos}/{len}";

/// The demo's screen.
pub(super) struct Screen {
    lang: Lang,
    live: bool,
    counties: Vec<String>,
    views: ViewsHandle,
    lines: MultiProgress,
    bar: Option<(String, ProgressBar)>,
    table: Vec<ProgressBar>,
    phase: String,
    clock: String,
    drawn: Instant,
}

impl Screen {
    /// `live` shows the table; without it only lines and bars.
    pub(super) fn new(lang: Lang, live: bool, city: &City, views: ViewsHandle) -> Self {
        let tree = &city.tree;
        let rows = tree.of_level(AreaLevel::City).chain(tree.of_level(AreaLevel::County));
        Self {
            lang,
            live,
            counties: rows.map(|area| area.id.clone()).collect(),
            views,
            lines: MultiProgress::new(),
            bar: None,
            table: Vec::new(),
            phase: String::new(),
            clock: String::new(),
            drawn: Instant::now(),
        }
    }

    fn say<'a>(&self, zh: &'a str, en: &'a str) -> &'a str {
        match self.lang {
            Lang::Zh => zh,
            Lang::En => en,
        }
    }

    /// A line above bars and table. Where stderr is no terminal, bars are not drawn, and lines are all there is.
    fn line(&self, text: &str) {
        if self.lines.is_hidden() {
            use std::io::Write as _;
            drop(writeln!(std::io::stderr().lock(), "{text}"));
        } else {
            drop(self.lines.println(text));
        }
    }

    pub(super) fn figures(&self, figures: &CityFigures) {
        let CityFigures { areas, grids, organizations, responders, plans, posts } = figures;
        let zh = format!("辖区 {areas}（网格 {grids}）、单位 {organizations}、报到人员 {responders}、预案 {plans}（岗位 {posts}）");
        let en =
            format!("{areas} areas ({grids} grids), {organizations} organizations, {responders} responders, {plans} plans ({posts} posts)");
        self.line(self.say(&zh, &en));
    }

    /// A part of the verification begins.
    pub(super) fn verifying(&mut self, zh: &str, en: &str) {
        self.end_bar();
        let text = self.say(zh, en).to_owned();
        if self.lines.is_hidden() {
            return self.line(&format!("核验 · {text}"));
        }
        let spinner = self.lines.add(ProgressBar::new_spinner().with_message(text.clone()));
        spinner.enable_steady_tick(Duration::from_millis(120));
        self.bar = Some((text, spinner));
    }

    /// Nothing is under way any more.
    pub(super) fn over(&mut self) {
        self.end_bar();
        self.draw_table();
        for line in self.table.drain(..) {
            line.finish();
        }
    }

    /// An observer for a play that nobody needs to see again.
    pub(super) fn quiet(&self) -> Unwatched {
        Unwatched
    }

    fn end_bar(&mut self) {
        if let Some((text, bar)) = self.bar.take() {
            let took = bar.elapsed();
            bar.finish_and_clear();
            self.line(&format!("  ✓ {text}（{:.1} s）", took.as_secs_f64()));
        }
    }

    fn rows(&self) -> Vec<CoverageRow> {
        let mut found = vec![None; self.counties.len()];
        let filter = Filter { realm: Some(ACTUAL.to_owned()), area: None, any_of: None };
        let mut after = None;
        // While the views come back, the last table stands.
        while let Ok(snapshot) = self.views.snapshot(View::Coverage, &filter, &Page { after, rows_max: None }) {
            for placed in &snapshot.rows {
                if let Row::Coverage(row) = &*placed.row
                    && let Some(place) = self.counties.iter().position(|id| *id == row.area_id)
                {
                    found[place] = Some(row.clone());
                }
            }
            after = snapshot.next;
            if after.is_none() {
                break;
            }
        }
        found.into_iter().flatten().collect()
    }

    fn draw_table(&mut self) {
        if !self.live || self.lines.is_hidden() {
            return;
        }
        let text = table(self.lang, &self.rows());
        let head = format!("{}  {}", self.clock, self.phase);
        let lines: Vec<&str> = std::iter::once(head.as_str()).chain(text.lines()).collect();
        while self.table.len() < lines.len() {
            let line = ProgressBar::new_spinner()
                .with_style(ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()));
            self.table.push(self.lines.add(line));
        }
        for (place, bar) in self.table.iter().enumerate() {
            bar.set_message(lines.get(place).copied().unwrap_or_default().to_owned());
            bar.tick();
        }
        self.drawn = Instant::now();
    }
}

/// The counties' coverage as text; columns line up whatever the script, for the table measures what it prints.
fn table(lang: Lang, rows: &[CoverageRow]) -> String {
    let heads = match lang {
        Lang::Zh => ["辖区", "需要", "已派", "在途", "在岗", "缺口", "待核实", "未结哨"],
        Lang::En => ["area", "required", "dispatched", "en route", "on post", "gap", "unconfirmed", "whistles"],
    };
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(heads);
    for row in rows {
        let counts = [row.required, row.dispatched, row.en_route, row.on_post, row.gap, row.unconfirmed, row.open_whistles];
        let cells = counts.map(|count| Cell::new(count).set_alignment(CellAlignment::Right));
        table.add_row(std::iter::once(Cell::new(&row.name)).chain(cells));
    }
    table.to_string()
}

impl Observer for Screen {
    fn phase(&mut self, phase: Phase) {
        self.end_bar();
        let text = self.say(phase.zh, phase.en);
        self.phase = format!("【{}】{text}", phase.number);
        self.line(&self.phase);
        self.draw_table();
    }

    fn progress(&mut self, zh: &str, en: &str, done: usize, total: usize) {
        let text = self.say(zh, en);
        if self.bar.as_ref().is_none_or(|(known, _)| known != text) {
            let text = text.to_owned();
            self.end_bar();
            let style = ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::new(total as u64).with_style(style).with_message(text.clone());
            self.bar = Some((text, self.lines.add(bar)));
        }
        if let Some((_, bar)) = &self.bar {
            bar.set_position(done as u64);
        }
        if done == total {
            self.end_bar();
        }
    }

    fn note(&mut self, zh: &str, en: &str) {
        self.line(&format!("  · {}", self.say(zh, en)));
        self.draw_table();
    }

    fn tick(&mut self, now_ms: i64) {
        if self.drawn.elapsed() >= DRAW_PERIOD {
            self.clock = crate::time::in_china(now_ms);
            self.draw_table();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use unicode_width::UnicodeWidthStr as _;

    #[test]
    fn columns_line_up_in_both_languages() {
        let row = |name: &str, required| CoverageRow { name: name.to_owned(), required, ..CoverageRow::default() };
        let rows = [row("湛江市", 41_000), row("霞山区", 6_800), row("Haidong", 7)];
        for lang in [Lang::Zh, Lang::En] {
            let text = table(lang, &rows);
            let widths: Vec<usize> = text.lines().map(|line| line.width()).collect();
            assert!(widths.iter().all(|width| *width == widths[0]), "{text}");
            assert!(text.contains("41000") && text.contains("霞山区"));
        }
    }
}
