//! The rows of a plan file: each row is a plan, a site, a seat, a unit, a card or a post, and says so. Owns the columns and
//! which of them a row of each kind uses; what rows say about each other is checked in [`super::plan`].

use super::cells::{Cells, IdShape, duplicate_of};
use super::choices::{self, Choice, DUTY_ROLES, INCIDENT_TYPES, RESPONSE_LEVELS, SITE_KINDS, UNIT_KINDS, YES_NO};
use super::table::Column;
use crate::words::Words;

const fn column(en: &'static str, zh: &'static str, aliases: &'static [&'static str]) -> Column {
    Column { en, zh, aliases, required: false }
}

pub(super) const RECORD: Column = Column { en: "record", zh: "记录", aliases: &["记录类型", "行类型"], required: true };
pub(super) const PLAN_ID: Column = Column { en: "plan_id", zh: "预案编号", aliases: &["预案编码"], required: true };
pub(super) const KEY: Column = column("key", "标识", &["编号", "标识号"]);
pub(super) const NAME: Column = column("name", "名称", &[]);
pub(super) const KIND: Column = column("kind", "类别", &["类型"]);
pub(super) const AREA_ID: Column = column("area_id", "辖区编码", &["area", "辖区"]);
pub(super) const TIER: Column = column("tier", "响应级别", &["响应等级", "级别"]);
pub(super) const INCIDENT_TYPE: Column = column("incident_type", "事件类型", &["事件"]);
pub(super) const SITE_KEY: Column = column("site_key", "点位标识", &["点位"]);
pub(super) const SEAT_KEY: Column = column("seat_key", "席位标识", &["席位"]);
pub(super) const UNIT_KEY: Column = column("unit_key", "编组标识", &["编组"]);
pub(super) const PARENT_UNIT_KEY: Column = column("parent_unit_key", "上级编组标识", &["上级编组"]);
pub(super) const SUPERIOR: Column = column("superior_organization_id", "批准单位编码", &["上级党组织编码", "批准单位"]);
pub(super) const SPECIALTY: Column = column("specialty", "特长", &["专长"]);
pub(super) const SHIFT: Column = column("shift", "班次", &[]);
pub(super) const DUTY_DESK: Column = column("duty_desk", "值班席", &[]);
pub(super) const ROLE: Column = column("role", "职务", &["角色"]);
pub(super) const RESPONDER_ID: Column = column("responder_id", "人员编号", &["人员"]);
pub(super) const BACKUP_IDS: Column = column("backup_ids", "后备人员编号", &["后备人员", "后备"]);
pub(super) const PEACETIME_POST: Column = column("peacetime_post", "平时岗", &["平时岗位"]);
pub(super) const EMERGENCY_POST: Column = column("emergency_post", "急时岗", &["急时岗位"]);
pub(super) const CARD_KEY: Column = column("card_key", "岗位说明书标识", &["岗位说明书"]);
pub(super) const WHERE: Column = column("where", "地点", &[]);
pub(super) const REPORT_TO: Column = column("report_to", "向谁报到", &["报到对象"]);
pub(super) const TASK: Column = column("task", "任务", &["职责"]);
pub(super) const BRING: Column = column("bring", "携带物品", &["携带"]);
pub(super) const UNTIL: Column = column("until", "截止", &["截止时间"]);

pub(super) const COLUMNS: &[Column] = &[
    RECORD,
    PLAN_ID,
    KEY,
    NAME,
    KIND,
    AREA_ID,
    TIER,
    INCIDENT_TYPE,
    SITE_KEY,
    SEAT_KEY,
    UNIT_KEY,
    PARENT_UNIT_KEY,
    SUPERIOR,
    SPECIALTY,
    SHIFT,
    DUTY_DESK,
    ROLE,
    RESPONDER_ID,
    BACKUP_IDS,
    PEACETIME_POST,
    EMERGENCY_POST,
    CARD_KEY,
    WHERE,
    REPORT_TO,
    TASK,
    BRING,
    UNTIL,
];

const RECORDS: &[Choice] = &[
    Choice { value: "plan", en: "plan", zh: &["预案", "转换预案"] },
    Choice { value: "site", en: "site", zh: &["点位"] },
    Choice { value: "seat", en: "seat", zh: &["席位"] },
    Choice { value: "unit", en: "unit", zh: &["编组"] },
    Choice { value: "card", en: "card", zh: &["岗位说明书", "说明书"] },
    Choice { value: "post", en: "post", zh: &["岗位", "人员"] },
];

/// A plan's own row.
pub(super) struct PlanRow {
    pub(super) line: u64,
    pub(super) name: String,
    pub(super) area_id: String,
    pub(super) incident_type: &'static str,
}

pub(super) struct SiteRow {
    pub(super) line: u64,
    pub(super) key: String,
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) area_id: String,
    pub(super) tier: &'static str,
}

pub(super) struct SeatRow {
    pub(super) line: u64,
    pub(super) site_key: String,
    pub(super) key: String,
    pub(super) specialty: String,
    pub(super) shift: String,
    pub(super) duty_desk: bool,
    /// Empty for the site's.
    pub(super) tier: &'static str,
}

pub(super) struct UnitRow {
    pub(super) line: u64,
    pub(super) key: String,
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) parent_key: String,
    pub(super) site_key: String,
    pub(super) area_id: String,
    pub(super) tier: &'static str,
    pub(super) superior: String,
}

pub(super) struct CardRow {
    pub(super) key: String,
    pub(super) texts: [(&'static str, String); 5],
}

pub(super) struct PostRow {
    pub(super) line: u64,
    pub(super) tier: &'static str,
    pub(super) role: &'static str,
    pub(super) unit_key: String,
    pub(super) site_key: String,
    pub(super) seat_key: String,
    pub(super) responder_id: String,
    pub(super) backup_ids: Vec<String>,
    pub(super) peacetime_post: String,
    pub(super) emergency_post: String,
    pub(super) card_key: String,
}

/// A row as what it says it is.
pub(super) enum PlanFileRow {
    Plan(PlanRow),
    Site(SiteRow),
    Seat(SeatRow),
    Unit(UnitRow),
    Card(CardRow),
    Post(PostRow),
}

/// Reads a row; `None` where it does not say what it is. Faults of its cells are noted.
pub(super) fn read(cells: &Cells<'_, '_>) -> Option<PlanFileRow> {
    let line = cells.line();
    let record = match cells.choice(&RECORD, RECORDS) {
        "" => return None,
        record => record,
    };
    check_unused(cells, record);
    Some(match record {
        "plan" => PlanFileRow::Plan(PlanRow {
            line,
            name: cells.name(&NAME),
            area_id: cells.id(&AREA_ID, IdShape::Area),
            incident_type: cells.choice(&INCIDENT_TYPE, INCIDENT_TYPES),
        }),
        "site" => PlanFileRow::Site(SiteRow {
            line,
            key: cells.id(&KEY, IdShape::Key),
            kind: cells.choice(&KIND, SITE_KINDS),
            name: cells.name(&NAME),
            area_id: cells.id(&AREA_ID, IdShape::Area),
            tier: cells.choice(&TIER, RESPONSE_LEVELS),
        }),
        "seat" => PlanFileRow::Seat(SeatRow {
            line,
            site_key: cells.id(&SITE_KEY, IdShape::Key),
            key: cells.id(&KEY, IdShape::Key),
            specialty: cells.label(&SPECIALTY),
            shift: cells.label(&SHIFT),
            duty_desk: cells.optional_choice(&DUTY_DESK, YES_NO) == "true",
            tier: cells.optional_choice(&TIER, RESPONSE_LEVELS),
        }),
        "unit" => PlanFileRow::Unit(UnitRow {
            line,
            key: cells.id(&KEY, IdShape::Key),
            kind: cells.choice(&KIND, UNIT_KINDS),
            name: cells.name(&NAME),
            parent_key: cells.optional_id(&PARENT_UNIT_KEY, IdShape::Key),
            site_key: cells.optional_id(&SITE_KEY, IdShape::Key),
            area_id: cells.id(&AREA_ID, IdShape::Area),
            tier: cells.choice(&TIER, RESPONSE_LEVELS),
            superior: cells.optional_id(&SUPERIOR, IdShape::Key),
        }),
        "card" => PlanFileRow::Card(CardRow {
            key: cells.id(&KEY, IdShape::Key),
            texts: [&WHERE, &REPORT_TO, &TASK, &BRING, &UNTIL].map(|column| (column.en, cells.lines(column))),
        }),
        _ => PlanFileRow::Post(read_post(cells)),
    })
}

fn read_post(cells: &Cells<'_, '_>) -> PostRow {
    let responder_id = cells.id(&RESPONDER_ID, IdShape::Key);
    let backup_ids = cells.ids(&BACKUP_IDS, IdShape::Key);
    if backup_ids.contains(&responder_id) {
        let reason = Words::new("不能是本人的后备", "nobody is the own backup");
        cells.fault(&BACKUP_IDS, &responder_id, reason);
    }
    if backup_ids.len() > muster_domain::limits::BACKUPS_MAX {
        let reason = super::cells::too_many(backup_ids.len(), muster_domain::limits::BACKUPS_MAX);
        cells.fault(&BACKUP_IDS, cells.raw(&BACKUP_IDS), reason);
    }
    let role = match cells.raw(&ROLE) {
        "" => "DUTY_ROLE_MEMBER",
        _ => cells.optional_choice(&ROLE, DUTY_ROLES),
    };
    PostRow {
        line: cells.line(),
        tier: cells.choice(&TIER, RESPONSE_LEVELS),
        role,
        unit_key: cells.optional_id(&UNIT_KEY, IdShape::Key),
        site_key: cells.optional_id(&SITE_KEY, IdShape::Key),
        seat_key: cells.optional_id(&SEAT_KEY, IdShape::Key),
        responder_id,
        backup_ids,
        peacetime_post: cells.optional_name(&PEACETIME_POST),
        emergency_post: cells.optional_name(&EMERGENCY_POST),
        card_key: cells.optional_id(&CARD_KEY, IdShape::Key),
    }
}

/// Columns that a row of this kind reads, beside those that every row has.
fn used_by(record: &str) -> &'static [Column] {
    match record {
        "plan" => &[NAME, AREA_ID, INCIDENT_TYPE],
        "site" => &[KEY, NAME, KIND, AREA_ID, TIER],
        "seat" => &[KEY, SITE_KEY, SPECIALTY, SHIFT, DUTY_DESK, TIER],
        "unit" => &[KEY, NAME, KIND, PARENT_UNIT_KEY, SITE_KEY, AREA_ID, TIER, SUPERIOR],
        "card" => &[KEY, WHERE, REPORT_TO, TASK, BRING, UNTIL],
        _ => &[TIER, ROLE, UNIT_KEY, SITE_KEY, SEAT_KEY, RESPONDER_ID, BACKUP_IDS, PEACETIME_POST, EMERGENCY_POST, CARD_KEY],
    }
}

/// A value in a column that the row does not use would be lost without a word.
fn check_unused(cells: &Cells<'_, '_>, record: &str) {
    let used = |column: &Column| [RECORD, PLAN_ID].iter().chain(used_by(record)).any(|candidate| candidate.en == column.en);
    let word = choices::words_of(RECORDS, record);
    for column in COLUMNS.iter().filter(|column| !cells.raw(column).is_empty() && !used(column)) {
        let reason = Words::new(
            format!("“{}”行不使用本列，请清空或改正记录类型", word.zh),
            format!("a {} row does not use this column: clear it or correct the record", word.en),
        );
        cells.fault(column, cells.raw(column), reason);
    }
}

/// Notes a key that stands twice in one plan, with both lines.
pub(super) fn note_duplicate<K: Eq + std::hash::Hash>(
    seen: &mut std::collections::HashMap<K, u64>,
    key: K,
    shown: &str,
    cells: &Cells<'_, '_>,
    column: &Column,
) {
    if shown.is_empty() {
        return;
    }
    match seen.get(&key) {
        Some(first) => cells.fault(column, shown, duplicate_of(*first)),
        None => {
            seen.insert(key, cells.line());
        }
    }
}
