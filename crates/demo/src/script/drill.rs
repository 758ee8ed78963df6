//! An exercise in its own realm beside the real outbreak: the same people are called again, and nobody is kept from anything.

use serde_json::json;

use super::{DRILL, DRILL_REALM, Director, Observer, PlayError};
use crate::command::Voice;
use crate::scale::OUTBREAK_COUNTY;
use crate::stage::Stage;

impl<S: Stage, O: Observer> Director<'_, S, O> {
    pub(super) async fn drill(&mut self) -> Result<(), PlayError> {
        self.enter("演练：同一批人，另一个场景", "Exercise: the same people in a realm of its own");
        let township = self.city.tree.children_of(OUTBREAK_COUNTY).next().map_or_else(String::new, |area| area.id.clone());
        let office = || Voice::office(&township, "街道书记").by_document("演练方案〔2026〕1号");
        let declare = json!({
            "incident_id": DRILL,
            "incident_type": "INCIDENT_TYPE_OUTBREAK",
            "name": "疫情防控应急演练",
            "area_id": township,
            "realm": DRILL_REALM,
            "severity": "SEVERITY_MINOR",
        });
        self.must(office().says("DeclareIncident", "declare-drill", declare)).await?;
        let convert = json!({"incident_id": DRILL, "area_id": township, "response": "RESPONSE_LEVEL_IV"});
        self.must(office().says("ConvertArea", "convert-drill", convert)).await?;
        self.run(30).await?;
        let called = self.mirror.calls_of.get(DRILL).copied().unwrap_or(0);
        self.observer.note(
            &format!("演练征调 {called} 人，实战岗位不受影响"),
            &format!("{called} people called in the exercise, their actual duties untouched"),
        );
        Ok(())
    }
}
