//! What is learnt before and after: two plans rehearsed in the moment before they are converted, and the next version of one drafted from
//! what the outbreak taught. Must never take a rehearsal's figures from anywhere but its record.

use muster_proto::v1::{DutyRole, LessonKind, PlanLessons};
use serde_json::json;

use super::{Director, OUTBREAK, Observer, PlayError, RehearsedThenConverted};
use crate::command::Voice;
use crate::stage::Stage;

impl<S: Stage, O: Observer> Director<'_, S, O> {
    /// The county's own plan, and the first township's, which names people who are away.
    fn rehearsed_plans(&self) -> Vec<(String, String)> {
        let outbreak = self.city.plans.iter().filter(|plan| plan.incident_type == muster_proto::v1::IncidentType::Outbreak);
        outbreak.take(2).map(|plan| (plan.id.clone(), plan.area_id.clone())).collect()
    }

    pub(super) async fn rehearse(&mut self) -> Result<(), PlayError> {
        for (plan, area) in self.rehearsed_plans() {
            let body = json!({"plan_id": plan, "response": "RESPONSE_LEVEL_II"});
            let voice = Voice::office(&area, "应急办主任").by_plan("转换前推演");
            self.must(voice.says("RehearsePlan", format!("rehearse-{plan}"), body)).await?;
        }
        Ok(())
    }

    /// After the conversion: what of each plan came of it.
    pub(super) fn compare_rehearsals(&mut self) {
        for (plan, _) in self.rehearsed_plans() {
            let Some(said) = self.mirror.rehearsals.get(&plan) else { continue };
            let own = format!("{OUTBREAK}/{plan}/");
            let of_plan = self.mirror.sites.iter().filter(|(id, _)| id.starts_with(&own));
            let seats: usize = of_plan.map(|(_, site)| site.seats.len()).sum();
            let seated = self.mirror.calls.values().filter(|call| {
                let body = &call.body;
                body.incident_id == OUTBREAK && body.plan_id == plan && !body.seat_id.is_empty() && body.role() != DutyRole::Standby
            });
            let (seats, seated) = (u32::try_from(seats).unwrap_or(u32::MAX), u32::try_from(seated.count()).unwrap_or(u32::MAX));
            let empty = self.mirror.empty_seats.get(&(OUTBREAK.to_owned(), plan.clone())).copied().unwrap_or(0);
            let rehearsed = [said.seats, said.fillable, said.empty];
            self.played.rehearsed.push(RehearsedThenConverted { plan_id: plan, rehearsed, converted: [seats, seated, empty] });
        }
    }

    /// 复盘: the next version of the first township's plan, and what it takes up, row by row.
    pub(super) async fn learn(&mut self) -> Result<(), PlayError> {
        self.enter("复盘：从实际到岗起草下一版预案", "Lessons: the plan's next version from who really came");
        let Some((plan, area)) = self.rehearsed_plans().pop() else { return Ok(()) };
        let lessons = self.stage.lessons(&plan, OUTBREAK).await?;
        let rows = taken_up(&lessons);
        let voice = || Voice::office(&area, "应急办主任").by_consultation("疫情复盘会");
        let draft = json!({"plan_id": plan, "incident_id": OUTBREAK, "row_ids": rows});
        self.must(voice().says("DraftNextVersion", format!("lessons-{plan}"), draft)).await?;
        self.must(voice().says("PublishPlan", format!("lessons-publish-{plan}"), json!({"plan_id": plan}))).await?;
        self.played.lessons_taken = rows.len() as u64;
        self.observer.note(
            &format!("复盘 {} 条，采纳 {} 条，新版预案已发布", lessons.rows.len(), rows.len()),
            &format!("{} lessons, {} taken up, the next version published", lessons.rows.len(), rows.len()),
        );
        Ok(())
    }
}

/// What has to be, and one backup for each post that somebody came to: rows that say nothing against each other.
fn taken_up(lessons: &PlanLessons) -> Vec<String> {
    let mut posts = std::collections::BTreeSet::new();
    let mut people = std::collections::BTreeSet::new();
    let wanted = |kind| matches!(kind, LessonKind::AddBackup | LessonKind::RemoveBackup | LessonKind::ReplacePrimary);
    let rows = lessons.rows.iter().filter(|row| row.needed || wanted(row.kind()));
    let rows = rows.filter(|row| {
        let new_post = posts.insert((&row.unit_key, &row.site_key, &row.seat_key));
        let new_person = row.to_responder_id.is_empty() || people.insert(&row.to_responder_id);
        row.needed || (new_post && new_person)
    });
    rows.map(|row| row.row_id.clone()).collect()
}
