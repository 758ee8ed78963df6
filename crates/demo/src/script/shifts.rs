//! Shifts 班次: a site's day and night laid out, a shift swapped by consent, one handed over by name, one held until somebody signs that it
//! may close. Owns the site `site-shift`; must never be needed by what follows, for a stage with a real clock opens no shift by itself.

use muster_proto::Event;
use serde_json::json;

use super::agenda::Guard;
use super::whistles::{Blow, thing};
use super::{Director, MINUTE_MS, OUTBREAK, Observer, PlayError};
use crate::command::{ScriptCommand, Voice};
use crate::scale::OUTBREAK_COUNTY;
use crate::stage::Stage;

const SITE: &str = "site-shift";
/// From now until the day shift begins: its people are called an hour before.
const LEAD_MINUTES: i64 = 75;
const SHIFT_MINUTES: i64 = 4 * 60;
/// Local time, east of UTC.
const OFFSET_MINUTES: i64 = 8 * 60;
const DAY_MINUTES: i64 = 24 * 60;
/// The unplanned shift after the day shift.
const EXTRA_MINUTES: i64 = 60;

fn office() -> Voice {
    Voice::office(OUTBREAK_COUNTY, "区指挥部值班长")
}

impl<S: Stage, O: Observer> Director<'_, S, O> {
    /// Who worked the day shift and is not rested when it ends; nobody where the county has too few free people.
    pub(super) async fn shifts(&mut self) -> Result<Option<String>, PlayError> {
        self.enter("疫情：排班、换班、交接班、待接班", "Outbreak: shifts, swaps, a handover, a shift held");
        let free = self.free_in_county(3);
        let [first, night, swapped] = &free[..] else { return Ok(None) };
        let (_, asked) = self.outbreak_villages();
        let village = asked.last().cloned().unwrap_or_else(|| OUTBREAK_COUNTY.to_owned());
        self.open_shift_site(&village).await?;
        let begin_ms = (self.now_ms / MINUTE_MS + LEAD_MINUTES) * MINUTE_MS;
        self.schedule(begin_ms, first, night).await?;
        // They live in several villages of the county, so that its office moves them.
        let swap = |id: &str, shift: u32, from: &str, to: &str| {
            let body = json!({"shift_id": format!("{SITE}~{shift}"), "responder_id": from, "other_responder_id": to});
            office().by_telephone("换班申请").says("SwapShift", id, body)
        };
        self.attempt(vec![swap("swap-day", 1, first, swapped), swap("swap-night", 2, night, swapped)]).await?;
        self.run(5).await?;
        let end_ms = begin_ms + SHIFT_MINUTES * MINUTE_MS;
        self.run_to(end_ms - 40 * MINUTE_MS).await?;
        let extra = json!({
            "site_id": SITE,
            "shift": "白班",
            "from_ms": end_ms.to_string(),
            "until_ms": (end_ms + EXTRA_MINUTES * MINUTE_MS).to_string(),
            "minimum": 2,
            "lines": [{"seat_id": "a", "responder_id": first}],
        });
        self.attempt(vec![office().by_telephone("加开一班").says("OpenShift", "shift-extra", extra)]).await?;
        self.run_to(end_ms - 2 * MINUTE_MS).await?;
        self.hand_over(&village, swapped, night).await?;
        // Two are asked for, and one has come: the shift is held until somebody answers for it.
        self.run_to(end_ms + (EXTRA_MINUTES + 10) * MINUTE_MS).await?;
        let close = |id: &str, voice: Voice, reason: &str| {
            voice.says("CloseShift", id, json!({"shift_id": format!("{SITE}~3"), "waiver_reason": reason}))
        };
        let signed = office().by_document("霞防指〔2026〕15号");
        self.attempt(vec![close("close-extra", office(), ""), close("close-extra-signed", signed, "夜间人流减少，减岗")]).await?;
        self.run(10).await?;
        let count = |event| self.mirror.count(event);
        let (swaps, handed, held) = (count("ShiftsSwapped"), count("HandedOver"), count("ShiftHeld"));
        self.observer.note(
            &format!("换班 {swaps}，交接 {handed}，待接班 {held} 次，凭文件减岗关班"),
            &format!("{swaps} swaps, {handed} handovers, a shift held {held} times and closed on a document"),
        );
        Ok(Some(swapped.clone()))
    }

    async fn run_to(&mut self, at_ms: i64) -> Result<(), PlayError> {
        self.run((at_ms - self.now_ms) / MINUTE_MS).await
    }

    async fn open_shift_site(&mut self, village: &str) -> Result<(), PlayError> {
        let seat = |id: &str, shift: &str| json!({"seat_id": id, "shift": shift, "duty_desk": id == "a" || id == "b"});
        let site = json!({
            "site_id": SITE,
            "incident_id": OUTBREAK,
            "kind": "SITE_KIND_ISOLATION_POINT",
            "name": "社区值班点",
            "area_id": village,
            "seats": [seat("a", "白班"), seat("a2", "白班"), seat("b", "夜班"), seat("b2", "夜班")],
        });
        self.must(office().by_document("霞防指〔2026〕14号").says("OpenSite", "open-shift-site", site)).await?;
        let needs = vec![thing("n1", muster_proto::v1::NeedKind::Supply, "帐篷", 10, "顶")];
        let (place, text, severity) = ("社区值班点", "值班点缺帐篷", muster_proto::v1::Severity::Moderate);
        let blow = Blow { id: "w-shift", incident: OUTBREAK, area: village, severity, life_threatening: false, place, text, needs };
        self.blow(blow).await?;
        self.acknowledge_from("w-shift", muster_proto::v1::AreaLevel::Village, 2);
        Ok(())
    }

    async fn schedule(&mut self, begin_ms: i64, day: &str, night: &str) -> Result<(), PlayError> {
        let minute = (begin_ms / MINUTE_MS + OFFSET_MINUTES).rem_euclid(DAY_MINUTES);
        let pattern = |shift: &str, start: i64, minimum: u32| json!({"shift": shift, "start_minute": start.rem_euclid(DAY_MINUTES), "minutes": SHIFT_MINUTES, "minimum": minimum});
        let crew = |seat: &str, person: &str| json!({"lines": [{"seat_id": seat, "responder_id": person}]});
        let body = json!({
            "site_id": SITE,
            "from_ms": begin_ms.to_string(),
            "until_ms": (begin_ms + 2 * SHIFT_MINUTES * MINUTE_MS).to_string(),
            "utc_offset_minutes": OFFSET_MINUTES,
            "pattern": [pattern("白班", minute, 1), pattern("夜班", minute + SHIFT_MINUTES, 2)],
            "crews": [crew("a", day), crew("b", night)],
        });
        self.must(office().by_document("值班表第1号").says("ScheduleShifts", "schedule-shifts", body)).await
    }

    /// Who is asked twice takes the day shift over, and would rather not have the night as well.
    pub(super) fn react_to_swap(&mut self, event: &Event) {
        let Event::SwapProposed(body) = event else { return };
        let consent = body.shift_id.ends_with("~1");
        let answer = json!({"swap_id": body.swap_id, "responder_id": body.other_responder_id, "consent": consent});
        let voice = Voice::responder(&body.other_responder_id);
        self.later(3, Guard::Always, voice.says("AnswerSwap", format!("swap-answer-{}", body.swap_id), answer));
    }

    /// First without naming what is open, which is refused; then with it.
    async fn hand_over(&mut self, village: &str, from: &str, to: &str) -> Result<(), PlayError> {
        let calls = self.mirror.call_at(SITE, from).zip(self.mirror.call_at(SITE, to));
        let Some((from_call, to_call)) = calls else { return Ok(()) };
        let ours = self.mirror.whistles.iter().filter(|(_, whistle)| whistle.open && whistle.responsible == village);
        let open: Vec<&String> = ours.map(|(id, _)| id).collect();
        let hand_over = |id: &str, whistles: &[&String]| -> ScriptCommand {
            let body = json!({
                "from_call_id": from_call,
                "to_call_id": to_call,
                "whistle_ids": whistles,
                "note": "帐篷未到，夜班续盯",
            });
            Voice::responder(from).says("HandOver", id, body)
        };
        let commands = vec![hand_over("hand-over-short", &[]), hand_over("hand-over", &open)];
        self.attempt(commands).await?;
        self.pull().await
    }
}
