//! The nightly silent rehearsal 每夜推演: one `RehearsePlan` for each published plan, worked out by the planner one after the other, so that each area's
//! share of seats that could be filled is known in the morning. The command's id is made of the day and the plan: a restart, or a second server's impatience, repeats none.

use std::sync::Arc;
use std::time::Duration;

use muster_engine::EngineHandle;
use muster_proto::CommandError;
use serde_json::json;
use tokio::sync::watch;

use crate::config::UTC_OFFSET_MINUTES_MAX;
use crate::gateway::{CommandId, Gateway, Principal};
use crate::limits;
use crate::time;

/// Who is answerable for the nightly commands.
pub const PRINCIPAL: &str = "muster:nightly";

/// The code of a rehearsal that was overtaken by what was recorded before it was.
const OUTDATED: &str = "rehearsal_outdated";

/// When in the day it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nightly {
    /// Minutes since midnight, local time.
    pub minute: u16,
    /// Minutes that local time is ahead of UTC.
    pub offset_minutes: i16,
}

impl Nightly {
    /// Reads `03:00`, a time of the day.
    #[must_use]
    pub fn parse(text: &str, offset_minutes: i16) -> Option<Self> {
        let (hours, minutes) = text.split_once(':')?;
        let number = |text: &str| (text.len() == 2).then(|| text.parse::<u16>().ok()).flatten();
        let (hours, minutes) = (number(hours)?, number(minutes)?);
        (hours < 24 && minutes < 60 && offset_minutes.abs() <= UTC_OFFSET_MINUTES_MAX)
            .then_some(Self { minute: hours * 60 + minutes, offset_minutes })
    }

    /// The local day whose rehearsal was due last at `now_ms`, as days since 1970-01-01.
    #[must_use]
    pub fn last_due(&self, now_ms: i64) -> i64 {
        let local_minutes = now_ms.div_euclid(60_000) + i64::from(self.offset_minutes) - i64::from(self.minute);
        local_minutes.div_euclid(24 * 60)
    }
}

/// Rehearses every published plan for the day, one after the other. How many there were.
///
/// # Errors
/// The first command that was not carried out; the rest of the day's can be asked for again.
pub async fn rehearse_all(gateway: &Gateway, engine: &EngineHandle, day: i64) -> Result<usize, CommandError> {
    let plans = engine.published_plans().await?;
    let mut outdated = None;
    let principal = Principal::new(PRINCIPAL).expect("the principal is visible text");
    for plan_id in &plans {
        let digest = blake3::hash(plan_id.as_bytes()).to_hex();
        let id = CommandId::new(&format!("rehearse-{}-{}", time::day(day), &digest[..16])).expect("it is short and visible");
        // Every tier of the plan: what it asks for at its highest level.
        let body = json!({"plan_id": plan_id, "response": "RESPONSE_LEVEL_I"});
        let request = gateway.seal(gateway.prepare(principal.clone(), id, "RehearsePlan", body)?)?;
        match engine.submit_waiting(request).await {
            // What was recorded meanwhile speaks against no plan: it is tried again, after the others.
            Err(CommandError::Refused(refusal)) if refusal.code == OUTDATED => outdated = Some(CommandError::Refused(refusal)),
            // What speaks against one plan is no reason to leave out the others.
            Err(CommandError::Refused(refusal)) => tracing::warn!(plan = %plan_id, code = refusal.code, "a plan was not rehearsed"),
            done => drop(done?),
        }
    }
    outdated.map_or(Ok(plans.len()), Err)
}

/// Runs until it is told to stop. What was due while no server ran is made up for at the start.
pub(crate) async fn run(nightly: Nightly, gateway: Arc<Gateway>, engine: EngineHandle, mut stopping: watch::Receiver<bool>) {
    let mut done = None;
    loop {
        let day = nightly.last_due(crate::http::wall_ms());
        if done != Some(day) {
            match rehearse_all(&gateway, &engine, day).await {
                Ok(plans) => {
                    tracing::info!(plans, day = %time::day(day), "every published plan was rehearsed");
                    done = Some(day);
                }
                Err(error) => tracing::warn!(%error, "the nightly rehearsal was broken off and is tried again"),
            }
        }
        let wait = tokio::time::sleep(Duration::from_secs(limits::NIGHTLY_CHECK_SECONDS));
        tokio::select! {
            () = wait => {}
            _ = stopping.wait_for(|stopping| *stopping) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_time_of_the_day_is_read_or_refused() {
        assert_eq!(Nightly::parse("03:00", 480), Some(Nightly { minute: 180, offset_minutes: 480 }));
        for bad in ["3:00", "24:00", "03:60", "03", "", "aa:bb", "03:000"] {
            assert_eq!(Nightly::parse(bad, 480), None, "{bad:?}");
        }
        assert_eq!(Nightly::parse("03:00", 15 * 60), None);
    }

    #[test]
    fn the_day_turns_at_its_own_hour() {
        let nightly = Nightly::parse("03:00", 480).unwrap();
        let at = |text: &str| nightly.last_due(time::parse_rfc3339(text).unwrap());
        let before = at("2026-07-31T02:59:59+08:00");
        assert_eq!(at("2026-07-31T03:00:00+08:00"), before + 1);
        assert_eq!(at("2026-08-01T02:59:00+08:00"), before + 1);
        assert_eq!(time::day(at("2026-07-31T03:00:00+08:00")), "2026-07-31");
    }
}
