//! Organizations 单位: one row an organization and the communities it is tied to.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::cells::{Cells, IdShape, duplicate_of};
use super::choices::ORGANIZATION_KINDS;
use super::faults::Faults;
use super::table::{Column, Table};
use super::{ExistingRow, ImportKind, Known, Outcome, command};

const ORGANIZATION_ID: Column = Column {
    en: "organization_id",
    zh: "单位编码",
    aliases: &["id", "code", "编码", "单位编号", "单位代码", "统一社会信用代码"],
    required: true,
};
const NAME: Column = Column { en: "name", zh: "单位名称", aliases: &["名称", "单位"], required: true };
const KIND: Column =
    Column { en: "kind", zh: "单位类型", aliases: &["类型", "类别", "单位类别", "单位性质"], required: true };
const AREA_ID: Column =
    Column {
        en: "area_id", zh: "所在辖区编码", aliases: &["area", "辖区编码", "所在辖区", "所属辖区", "所属辖区编码"], required: true
    };
const FUNCTIONS: Column =
    Column { en: "functions", zh: "职能", aliases: &["可承担职能", "征调职能", "业务职能"], required: false };
const TIED_AREAS: Column = Column {
    en: "tied_area_ids",
    zh: "挂点社区编码",
    aliases: &["tied_areas", "挂点社区", "联建社区", "联建社区编码", "挂点联建", "报到社区编码", "报到社区"],
    required: false,
};

pub(super) const COLUMNS: &[Column] = &[ORGANIZATION_ID, NAME, KIND, AREA_ID, FUNCTIONS, TIED_AREAS];

const AREA: (&str, &str) = ("辖区", "area");

pub(super) fn commands(table: &Table, known: &dyn Known, faults: &mut Faults) -> Outcome {
    let mut lines: HashMap<String, u64> = HashMap::new();
    let mut outcome = Outcome::default();
    let mut ties = Vec::new();
    for row in &table.rows {
        let cells = Cells::new(table, row, faults);
        let id = cells.id(&ORGANIZATION_ID, IdShape::Key);
        match lines.get(&id) {
            Some(first) => cells.fault(&ORGANIZATION_ID, &id, duplicate_of(*first)),
            None if id.is_empty() => {}
            None => {
                lines.insert(id.clone(), row.line);
            }
        }
        let body = read(&cells, &id, known);
        let tied = cells.ids(&TIED_AREAS, IdShape::Area);
        for area_id in &tied {
            cells.check_exists(&TIED_AREAS, area_id, known.area(area_id).is_some(), AREA);
        }
        if known.has_organization(&id) {
            outcome.existing.push(ExistingRow { line: row.line, id: id.clone() });
        }
        outcome.commands.push(command(ImportKind::Organizations, "RegisterOrganization", row.line, body, &[]));
        for area_id in tied {
            let body = json!({"organization_id": id, "area_id": area_id});
            ties.push(command(ImportKind::Organizations, "TieToArea", row.line, body, &[]));
        }
    }
    outcome.commands.extend(ties);
    outcome
}

fn read(cells: &Cells<'_, '_>, id: &str, known: &dyn Known) -> Value {
    let mut body = Map::new();
    body.insert("organization_id".into(), json!(id));
    body.insert("name".into(), json!(cells.name(&NAME)));
    body.insert("kind".into(), json!(cells.choice(&KIND, ORGANIZATION_KINDS)));
    let area_id = cells.id(&AREA_ID, IdShape::Area);
    cells.check_exists(&AREA_ID, &area_id, known.area(&area_id).is_some(), AREA);
    body.insert("area_id".into(), json!(area_id));
    let functions = cells.labels(&FUNCTIONS, true);
    if !functions.is_empty() {
        body.insert("functions".into(), json!(functions));
    }
    Value::Object(body)
}
