//! Sheets of paper: what was written down without a network is keyed in hours later by somebody else, backwards, and twice.

use serde_json::json;

use super::agenda::Guard;
use super::calls::check_out;
use super::mirror::Place;
use super::{Director, MINUTE_MS, Observer, PlayError};
use crate::command::{ScriptCommand, Voice};
use crate::scale::OUTBREAK_COUNTY;
use crate::stage::Stage;

const SHEET: &str = "签到表-0007";

/// One line of the sheet.
struct Line<'a> {
    number: u64,
    person: &'a str,
    out: bool,
    minutes_ago: i64,
}

impl<S: Stage, O: Observer> Director<'_, S, O> {
    /// Two people came without a call and went again, by the sheet of this site.
    pub(super) async fn paper_sheets(&mut self, site: &str) -> Result<(), PlayError> {
        let people = self.free_in_county(2);
        let lines = people.iter().enumerate().flat_map(|(place, person)| {
            let number = 2 * place as u64 + 1;
            let early = 55 - 5 * i64::try_from(place).unwrap_or(0);
            [
                Line { number, person, out: false, minutes_ago: early },
                Line { number: number + 1, person, out: true, minutes_ago: early - 30 },
            ]
        });
        let mut lines: Vec<Line<'_>> = lines.collect();
        lines.reverse();
        let now_ms = self.now_ms;
        let keyed_in = |line: &Line<'_>, copy: &str| -> ScriptCommand {
            let body = json!({"responder_id": line.person, "site_id": site, "device_sequence": line.number.to_string()});
            let voice = Voice::office(OUTBREAK_COUNTY, "区指挥部值班长").by_document(SHEET);
            let voice = voice.from_sheet(SHEET, line.person, now_ms - line.minutes_ago * MINUTE_MS);
            let name = if line.out { "CheckOut" } else { "CheckIn" };
            voice.says(name, format!("sheet-7-{}{copy}", line.number), body)
        };
        let first = lines.iter().map(|line| keyed_in(line, ""));
        let second = lines.iter().rev().map(|line| keyed_in(line, "-again"));
        self.attempt(first.chain(second).collect()).await?;
        self.pull().await?;
        // Whoever a sheet without a last line leaves on post goes home like any other.
        let place = Place::Site(site.to_owned());
        for person in people {
            let there = Guard::Present(muster_proto::ACTUAL.to_owned(), person.clone(), place.clone());
            self.later(20, there, check_out(format!("sheet-out-{person}"), &person, &place));
        }
        Ok(())
    }
}
