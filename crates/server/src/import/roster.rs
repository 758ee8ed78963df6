//! The roster 花名册: one row a responder. Must keep names and telephone numbers out of command ids.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::cells::{Cells, IdShape, duplicate_of};
use super::choices::{AFFILIATIONS, RESPONDER_KINDS};
use super::faults::Faults;
use super::table::{Column, Table};
use super::{ExistingRow, ImportKind, Known, Outcome, command};
use crate::words::Words;

const RESPONDER_ID: Column =
    Column { en: "responder_id", zh: "人员编号", aliases: &["id", "编号", "人员编码", "编码", "报到编号"], required: true };
const NAME: Column = Column { en: "name", zh: "姓名", aliases: &["人员姓名"], required: true };
const PHONE: Column = Column {
    en: "phone",
    zh: "手机号",
    aliases: &["mobile", "telephone", "电话", "手机", "联系电话", "手机号码", "联系方式"],
    required: false,
};
const KIND: Column = Column { en: "kind", zh: "人员类别", aliases: &["类别", "类型", "人员类型", "身份"], required: true };
const ORGANIZATION_ID: Column = Column {
    en: "organization_id",
    zh: "单位编码",
    aliases: &["organization", "单位编号", "所在单位编码", "工作单位编码"],
    required: false,
};
const AREA_ID: Column = Column {
    en: "area_id",
    zh: "报到社区编码",
    aliases: &["area", "community", "辖区编码", "社区编码", "居住社区编码", "报到社区", "所属社区编码"],
    required: false,
};
const AFFILIATION: Column = Column { en: "affiliation", zh: "政治面貌", aliases: &[], required: false };
const SPECIALTIES: Column = Column { en: "specialties", zh: "特长", aliases: &["specialty", "专长", "技能"], required: false };

pub(super) const COLUMNS: &[Column] = &[RESPONDER_ID, NAME, PHONE, KIND, ORGANIZATION_ID, AREA_ID, AFFILIATION, SPECIALTIES];

pub(super) fn commands(table: &Table, known: &dyn Known, faults: &mut Faults) -> Outcome {
    let mut lines: HashMap<&str, u64> = HashMap::new();
    let mut outcome = Outcome::default();
    for row in &table.rows {
        let cells = Cells::new(table, row, faults);
        let body = read(&cells, known);
        let written = cells.raw(&RESPONDER_ID);
        match lines.get(written) {
            Some(first) => cells.fault(&RESPONDER_ID, written, duplicate_of(*first)),
            None if written.is_empty() => {}
            None => {
                lines.insert(written, row.line);
            }
        }
        if known.has_responder(written) {
            outcome.existing.push(ExistingRow { line: row.line, id: written.to_owned() });
        }
        outcome.commands.push(command(ImportKind::Roster, "EnrollResponder", row.line, body, &["name", "phone"]));
    }
    outcome
}

fn read(cells: &Cells<'_, '_>, known: &dyn Known) -> Value {
    let mut body = Map::new();
    body.insert("responder_id".into(), json!(cells.id(&RESPONDER_ID, IdShape::Key)));
    body.insert("name".into(), json!(cells.person_name(&NAME)));
    body.insert("kind".into(), json!(cells.choice(&KIND, RESPONDER_KINDS)));
    let phone = cells.phone(&PHONE);
    if !phone.is_empty() {
        body.insert("phone".into(), json!(phone));
    }
    let organization_id = cells.optional_id(&ORGANIZATION_ID, IdShape::Key);
    if !organization_id.is_empty() {
        cells.check_exists(&ORGANIZATION_ID, &organization_id, known.has_organization(&organization_id), ("单位", "organization"));
        body.insert("organization_id".into(), json!(organization_id));
    }
    let area_id = cells.optional_id(&AREA_ID, IdShape::Area);
    if !area_id.is_empty() {
        cells.check_exists(&AREA_ID, &area_id, known.area(&area_id).is_some(), ("社区", "area"));
        body.insert("area_id".into(), json!(area_id));
    }
    if cells.raw(&ORGANIZATION_ID).is_empty() && cells.raw(&AREA_ID).is_empty() {
        let reason = Words::new("单位编码和报到社区编码至少填一项", "an organization or a home community must be given");
        cells.fault(&AREA_ID, "", reason);
    }
    let affiliation = cells.optional_choice(&AFFILIATION, AFFILIATIONS);
    if !affiliation.is_empty() {
        body.insert("affiliation".into(), json!(affiliation));
    }
    let specialties = cells.labels(&SPECIALTIES, true);
    if !specialties.is_empty() {
        body.insert("specialties".into(), json!(specialties));
    }
    Value::Object(body)
}
