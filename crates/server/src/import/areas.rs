//! Areas 辖区: one row an area. Owns the tree's checks; parents come before their children in the commands.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::cells::{Cells, IdShape, duplicate_of};
use super::choices::{self, AREA_LEVELS};
use super::faults::Faults;
use super::table::{Column, Table};
use super::{ExistingRow, ImportKind, Known, Outcome, command};
use crate::words::Words;

const AREA_ID: Column = Column {
    en: "area_id",
    zh: "编码",
    aliases: &["code", "id", "编号", "代码", "辖区编码", "辖区编号", "区划代码", "行政区划代码", "网格编码", "网格编号"],
    required: true,
};
const NAME: Column = Column { en: "name", zh: "名称", aliases: &["辖区名称", "网格名称", "辖区"], required: true };
const LEVEL: Column = Column { en: "level", zh: "层级", aliases: &["级别", "辖区层级"], required: true };
const PARENT: Column = Column {
    en: "parent_id",
    zh: "上级编码",
    aliases: &["parent", "parent_code", "上级", "上级辖区", "上级代码", "上级编号", "上级辖区编码", "父级编码"],
    required: true,
};
const OFFICIAL_CODE: Column =
    Column { en: "official_code", zh: "官方代码", aliases: &["统计用区划代码", "民政代码"], required: false };
const LATITUDE: Column = Column { en: "latitude", zh: "纬度", aliases: &["lat"], required: false };
const LONGITUDE: Column = Column { en: "longitude", zh: "经度", aliases: &["lon", "lng"], required: false };
const TAGS: Column = Column { en: "tags", zh: "标签", aliases: &["tag"], required: false };

/// Older code systems, each a column of its own.
const CODE_SCHEMES: &[(&str, Column)] = &[
    ("zongzhi", Column { en: "zongzhi_code", zh: "综治编码", aliases: &["综治网格编码"], required: false }),
    ("dangjian", Column { en: "dangjian_code", zh: "党建编码", aliases: &["党建网格编码"], required: false }),
    ("fangyi", Column { en: "fangyi_code", zh: "防疫编码", aliases: &["防疫网格编码"], required: false }),
    ("chuangwen", Column { en: "chuangwen_code", zh: "创文编码", aliases: &["创文网格编码"], required: false }),
    ("yingji", Column { en: "yingji_code", zh: "应急编码", aliases: &["应急网格编码"], required: false }),
];

pub(super) const COLUMNS: &[Column] = &[
    AREA_ID,
    NAME,
    LEVEL,
    PARENT,
    OFFICIAL_CODE,
    TAGS,
    LATITUDE,
    LONGITUDE,
    CODE_SCHEMES[0].1,
    CODE_SCHEMES[1].1,
    CODE_SCHEMES[2].1,
    CODE_SCHEMES[3].1,
    CODE_SCHEMES[4].1,
];

/// A row that is sound by itself.
struct Area {
    line: u64,
    level: &'static str,
    parent: String,
    body: Value,
}

pub(super) fn commands(table: &Table, known: &dyn Known, faults: &mut Faults) -> Outcome {
    // Ids of unsound rows count as present: their children have no fault of their own.
    let mut lines: HashMap<String, u64> = HashMap::new();
    let mut areas: HashMap<String, Area> = HashMap::new();
    let mut order: Vec<String> = Vec::new();
    for row in &table.rows {
        let cells = Cells::new(table, row, faults);
        let id = cells.id(&AREA_ID, IdShape::Area);
        let area = read(&cells, &id);
        if !id.is_empty() {
            if let Some(first) = lines.get(&id) {
                cells.fault(&AREA_ID, &id, duplicate_of(*first));
                continue;
            }
            lines.insert(id.clone(), row.line);
        }
        if cells.are_sound() {
            order.push(id.clone());
            areas.insert(id, area);
        }
    }
    check_roots(&order, &areas, faults);
    for id in &order {
        check_parent(id, &areas, &lines, known, faults);
    }
    check_cycles(&order, &areas, faults);
    if !faults.is_empty() {
        return Outcome::default();
    }
    let existing = order.iter().filter(|id| known.area(id).is_some());
    let existing = existing.map(|id| ExistingRow { line: areas[id].line, id: id.clone() }).collect();
    let define = |id: &str| command(ImportKind::Areas, "DefineArea", areas[id].line, areas[id].body.clone(), &[]);
    Outcome { commands: parents_first(&order, &areas).into_iter().map(define).collect(), existing }
}

fn read(cells: &Cells<'_, '_>, id: &str) -> Area {
    let name = cells.name(&NAME);
    let level = cells.choice(&LEVEL, AREA_LEVELS);
    let parent = cells.optional_id(&PARENT, IdShape::Area);
    let mut body = Map::new();
    body.insert("area_id".into(), json!(id));
    body.insert("name".into(), json!(name));
    body.insert("level".into(), json!(level));
    if !parent.is_empty() {
        body.insert("parent_id".into(), json!(parent));
    }
    let written = cells.optional_id(&OFFICIAL_CODE, IdShape::Key);
    let official = if written.is_empty() && is_official_code(id, level) { id } else { &written };
    if !official.is_empty() {
        body.insert("official_code".into(), json!(official));
    }
    let codes: Vec<Value> = CODE_SCHEMES
        .iter()
        .map(|(scheme, column)| (scheme, cells.optional_id(column, IdShape::Key)))
        .filter(|(_, code)| !code.is_empty())
        .map(|(scheme, code)| json!({"scheme": scheme, "code": code}))
        .collect();
    if !codes.is_empty() {
        body.insert("codes".into(), Value::Array(codes));
    }
    let tags = cells.labels(&TAGS, true);
    if !tags.is_empty() {
        body.insert("tags".into(), json!(tags));
    }
    match (cells.degrees(&LATITUDE, 90), cells.degrees(&LONGITUDE, 180)) {
        (Some(latitude), Some(longitude)) => {
            body.insert("location".into(), json!({"latitude_e7": latitude, "longitude_e7": longitude}));
        }
        (None, None) => {}
        (given, _) => {
            let missing = if given.is_none() { &LATITUDE } else { &LONGITUDE };
            if cells.raw(missing).is_empty() {
                cells.fault(missing, "", Words::new("经度和纬度要同时填写", "latitude and longitude come together"));
            }
        }
    }
    Area { line: cells.line(), level, parent, body: Value::Object(body) }
}

/// Whether an id is the statistical division code of its level: 4, 6, 9 and 12 digits from the city down. A grid has none.
fn is_official_code(id: &str, level: &str) -> bool {
    let digits = match level {
        "AREA_LEVEL_CITY" => 4,
        "AREA_LEVEL_COUNTY" => 6,
        "AREA_LEVEL_TOWNSHIP" => 9,
        "AREA_LEVEL_VILLAGE" => 12,
        _ => return false,
    };
    id.len() == digits && id.bytes().all(|byte| byte.is_ascii_digit())
}

/// The tree has one root. It is the highest area without a parent, of those the first; each other one lacks its parent.
fn check_roots(order: &[String], areas: &HashMap<String, Area>, faults: &mut Faults) {
    let roots = || order.iter().map(|id| &areas[id]).filter(|area| area.parent.is_empty());
    let Some(root) = roots().min_by_key(|area| (choices::level_rank(area.level), area.line)) else { return };
    for area in roots().filter(|area| area.line != root.line) {
        let reason = Words::new(
            format!("不能为空：只有最高一级没有上级，即第 {} 行", root.line),
            format!("must not be empty: only the topmost area has no parent, and that is line {}", root.line),
        );
        faults.cell(area.line, &PARENT, "", reason);
    }
}

fn check_parent(id: &str, areas: &HashMap<String, Area>, lines: &HashMap<String, u64>, known: &dyn Known, faults: &mut Faults) {
    let area = &areas[id];
    if area.parent.is_empty() || area.parent == id {
        return;
    }
    let parent_level = match (areas.get(&area.parent), lines.contains_key(&area.parent)) {
        (Some(parent), _) => parent.level.to_owned(),
        // The parent's row has faults of its own.
        (None, true) => return,
        (None, false) => match known.area(&area.parent) {
            Some(parent) => parent.level,
            None => {
                let reason =
                    Words::new("上级辖区不存在：既不在本文件中，也未录入系统", "no such parent: neither in this file nor on the server");
                faults.cell(area.line, &PARENT, &area.parent, reason);
                return;
            }
        },
    };
    let Some(parent_rank) = choices::level_rank(&parent_level) else { return };
    if Some(parent_rank) >= choices::level_rank(area.level) {
        let (above, own) = (choices::words_of(AREA_LEVELS, &parent_level), choices::words_of(AREA_LEVELS, area.level));
        let reason = Words::new(
            format!("上级辖区的层级（{}）必须高于本辖区（{}）", above.zh, own.zh),
            format!("the parent's level ({}) must be above the area's own ({})", above.en, own.en),
        );
        faults.cell(area.line, &PARENT, &area.parent, reason);
    }
}

/// Names each cycle once, at its first row in the file.
fn check_cycles(order: &[String], areas: &HashMap<String, Area>, faults: &mut Faults) {
    let edges = |id: &str| areas.get(id).map(|area| area.parent.clone()).filter(|parent| areas.contains_key(parent));
    for cycle in super::faults::cycles(order, edges) {
        let path = super::faults::cycle_path(&cycle);
        let area = &areas[&cycle[0]];
        let reason = Words::new(format!("上级关系成环：{path}"), format!("the parents form a cycle: {path}"));
        faults.cell(area.line, &PARENT, &area.parent, reason);
    }
}

/// The ids by depth, and within a depth as in the file. There is no cycle.
fn parents_first<'a>(order: &'a [String], areas: &HashMap<String, Area>) -> Vec<&'a str> {
    let depth_of = |id: &str| {
        let mut depth = 0;
        let mut at = &areas[id].parent;
        while let Some(area) = areas.get(at) {
            depth += 1;
            at = &area.parent;
        }
        depth
    };
    let mut ids: Vec<(usize, &str)> = order.iter().map(|id| (depth_of(id), id.as_str())).collect();
    ids.sort_by_key(|(depth, _)| *depth);
    ids.into_iter().map(|(_, id)| id).collect()
}
