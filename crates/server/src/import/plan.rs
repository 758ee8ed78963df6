//! Conversion plans 转换预案: rows brought together, checked against each other, and turned into a draft, its posts and its
//! publication. Every command's id rests on the whole plan, so that a changed plan becomes its next version as a whole.

use std::collections::HashMap;

use muster_domain::limits as domain;
use serde_json::{Map, Value, json};

use super::cells::{Cells, IdShape, duplicate_of, must_not_be_empty, too_many};
use super::choices::response_rank;
use super::faults::{Faults, cycle_path, cycles};
use super::plan_rows::{
    self, AREA_ID, BACKUP_IDS, CARD_KEY, CardRow, KEY, PARENT_UNIT_KEY, PLAN_ID, PlanFileRow, PlanRow, PostRow, RESPONDER_ID, SEAT_KEY,
    SITE_KEY, SUPERIOR, SeatRow, SiteRow, TIER, UNIT_KEY, UnitRow, note_duplicate,
};
use super::table::{Column, Table};
use super::{ImportKind, Known, Outcome, command_within, hash_value};
use crate::words::Words;

/// The rows of one plan.
#[derive(Default)]
struct Plan {
    first_line: u64,
    head: Option<PlanRow>,
    sites: Vec<SiteRow>,
    seats: Vec<SeatRow>,
    units: Vec<UnitRow>,
    cards: Vec<CardRow>,
    posts: Vec<PostRow>,
    /// Kind of row and key (for a seat with its site's) to line.
    keys: HashMap<(&'static str, String, String), u64>,
}

pub(super) fn commands(table: &Table, known: &dyn Known, faults: &mut Faults) -> Outcome {
    let mut order: Vec<String> = Vec::new();
    let mut plans: HashMap<String, Plan> = HashMap::new();
    for row in &table.rows {
        let cells = Cells::new(table, row, faults);
        let plan_id = cells.id(&PLAN_ID, IdShape::Key);
        let Some(read) = plan_rows::read(&cells) else { continue };
        if plan_id.is_empty() {
            continue;
        }
        let plan = plans.entry(plan_id.clone()).or_insert_with(|| {
            order.push(plan_id);
            Plan { first_line: row.line, ..Plan::default() }
        });
        check_references(&read, &cells, known);
        plan.add(read, &cells);
    }
    let mut primaries = HashMap::new();
    for plan_id in &order {
        let plan = &plans[plan_id];
        plan.check(plan_id, known, faults);
        check_primaries(plan, &mut primaries, faults);
    }
    let mut outcome = Outcome::default();
    if faults.is_empty() {
        for plan_id in &order {
            outcome.commands.extend(plans[plan_id].commands(plan_id));
        }
    }
    outcome
}

/// What a row says of areas, organizations and people must be there.
fn check_references(row: &PlanFileRow, cells: &Cells<'_, '_>, known: &dyn Known) {
    let area = |id: &str| cells.check_exists(&AREA_ID, id, known.area(id).is_some(), ("辖区", "area"));
    let person = |column: &Column, id: &str| cells.check_exists(column, id, known.has_responder(id), ("人员", "responder"));
    match row {
        PlanFileRow::Plan(row) => area(&row.area_id),
        PlanFileRow::Site(row) => area(&row.area_id),
        PlanFileRow::Unit(row) => {
            area(&row.area_id);
            cells.check_exists(&SUPERIOR, &row.superior, known.has_organization(&row.superior), ("单位", "organization"));
        }
        PlanFileRow::Post(row) => {
            person(&RESPONDER_ID, &row.responder_id);
            row.backup_ids.iter().for_each(|id| person(&BACKUP_IDS, id));
        }
        PlanFileRow::Seat(_) | PlanFileRow::Card(_) => {}
    }
}

/// One primary post per person, incident type and tier, over all plans of the file.
fn check_primaries(plan: &Plan, primaries: &mut HashMap<(String, &'static str, &'static str), u64>, faults: &mut Faults) {
    let incident_type = plan.head.as_ref().map_or("", |head| head.incident_type);
    for post in plan.posts.iter().filter(|post| !post.responder_id.is_empty() && !post.tier.is_empty()) {
        let first = *primaries.entry((post.responder_id.clone(), incident_type, post.tier)).or_insert(post.line);
        if first != post.line {
            let reason = Words::new(
                format!("此人在同类事件的同一级别已有岗位（第 {first} 行）；每人每级只能有一个主岗"),
                format!("the person already has a post for this type and tier (line {first}); one primary post each"),
            );
            faults.cell(post.line, &RESPONDER_ID, &post.responder_id, reason);
        }
    }
}

impl Plan {
    fn add(&mut self, row: PlanFileRow, cells: &Cells<'_, '_>) {
        let mut note = |kind: &'static str, site: &str, key: &str, column: &Column| {
            note_duplicate(&mut self.keys, (kind, site.to_owned(), key.to_owned()), key, cells, column);
        };
        match row {
            PlanFileRow::Plan(row) => match &self.head {
                Some(first) => cells.fault(&PLAN_ID, cells.raw(&PLAN_ID), duplicate_of(first.line)),
                None => self.head = Some(row),
            },
            PlanFileRow::Site(row) => {
                note("site", "", &row.key, &KEY);
                self.sites.push(row);
            }
            PlanFileRow::Seat(row) => {
                note("seat", &row.site_key, &row.key, &KEY);
                self.seats.push(row);
            }
            PlanFileRow::Unit(row) => {
                note("unit", "", &row.key, &KEY);
                self.units.push(row);
            }
            PlanFileRow::Card(row) => {
                note("card", "", &row.key, &KEY);
                self.cards.push(row);
            }
            PlanFileRow::Post(row) => {
                if !row.site_key.is_empty() {
                    note("post", &row.site_key, &row.seat_key, &SEAT_KEY);
                }
                self.posts.push(row);
            }
        }
    }

    fn has(&self, kind: &'static str, site: &str, key: &str) -> bool {
        self.keys.contains_key(&(kind, site.to_owned(), key.to_owned()))
    }

    fn check(&self, plan_id: &str, known: &dyn Known, faults: &mut Faults) {
        match &self.head {
            None => {
                let reason = Words::new("缺少该预案的“预案”行", "the file has no plan row for this plan");
                faults.cell(self.first_line, &PLAN_ID, plan_id, reason);
            }
            Some(head) => {
                self.check_sizes(head.line, plan_id, faults);
                self.check_areas(head, known, faults);
            }
        }
        self.check_seats(faults);
        self.check_units(faults);
        for post in &self.posts {
            self.check_post(post, faults);
        }
    }

    fn check_sizes(&self, line: u64, plan_id: &str, faults: &mut Faults) {
        let fullest = self.sites.iter().map(|site| self.seats_of(&site.key).count()).max().unwrap_or(0);
        for (count, count_max, zh, en) in [
            (self.sites.len(), domain::PLAN_PARTS_MAX, "点位", "sites"),
            (self.units.len(), domain::PLAN_PARTS_MAX, "编组", "units"),
            (self.seats.len(), domain::PLAN_SEATS_MAX, "席位", "seats"),
            (fullest, domain::SEATS_MAX, "单个点位的席位", "seats of one site"),
            (self.cards.len(), domain::LABELS_MAX, "岗位说明书", "cards"),
        ] {
            if count > count_max {
                let reason = too_many(count, count_max);
                let reason = Words::new(format!("{zh}{}", reason.zh), format!("{en}: {}", reason.en));
                faults.cell(line, &PLAN_ID, plan_id, reason);
            }
        }
    }

    /// Sites and units lie at or below the plan's area, as far as the tree is known.
    fn check_areas(&self, head: &PlanRow, known: &dyn Known, faults: &mut Faults) {
        let places = self.sites.iter().map(|site| (site.line, &site.area_id));
        let places = places.chain(self.units.iter().map(|unit| (unit.line, &unit.area_id)));
        for (line, area_id) in places {
            if !head.area_id.is_empty() && is_outside(area_id, &head.area_id, known) {
                let reason = Words::new(
                    format!("不在预案的辖区 {} 之内", head.area_id),
                    format!("not at or below the plan's area {}", head.area_id),
                );
                faults.cell(line, &AREA_ID, area_id, reason);
            }
        }
    }

    fn check_seats(&self, faults: &mut Faults) {
        for seat in self.seats.iter().filter(|seat| !seat.site_key.is_empty()) {
            match self.sites.iter().find(|site| site.key == seat.site_key) {
                None => faults.cell(seat.line, &SITE_KEY, &seat.site_key, not_in_plan("点位", "site")),
                Some(site) if !seat.tier.is_empty() && starts_before(seat.tier, site.tier) => {
                    let reason = Words::new("席位不能早于其点位启用", "a seat cannot be asked for before its site opens");
                    faults.cell(seat.line, &TIER, seat.tier, reason);
                }
                Some(_) => {}
            }
        }
    }

    fn check_units(&self, faults: &mut Faults) {
        let order: Vec<String> = self.units.iter().map(|unit| unit.key.clone()).filter(|key| !key.is_empty()).collect();
        for unit in &self.units {
            if !unit.parent_key.is_empty() && !self.has("unit", "", &unit.parent_key) {
                faults.cell(unit.line, &PARENT_UNIT_KEY, &unit.parent_key, not_in_plan("编组", "unit"));
            }
            if !unit.site_key.is_empty() && !self.has("site", "", &unit.site_key) {
                faults.cell(unit.line, &SITE_KEY, &unit.site_key, not_in_plan("点位", "site"));
            }
        }
        let parents: HashMap<&str, &str> = self.units.iter().rev().map(|unit| (unit.key.as_str(), unit.parent_key.as_str())).collect();
        let parent = |key: &str| parents.get(key).filter(|parent| parents.contains_key(**parent)).map(|parent| (*parent).to_owned());
        for cycle in cycles(&order, parent) {
            let path = cycle_path(&cycle);
            let reason = Words::new(format!("上级编组成环：{path}"), format!("the parent units form a cycle: {path}"));
            let line = self.keys.get(&("unit", String::new(), cycle[0].clone())).copied().unwrap_or_default();
            faults.cell(line, &PARENT_UNIT_KEY, parents.get(cycle[0].as_str()).copied().unwrap_or_default(), reason);
        }
    }

    fn check_post(&self, post: &PostRow, faults: &mut Faults) {
        let too_early = || Words::new("启用早于其点位、席位或编组", "asked for before its site, seat or unit is");
        let is_standby = post.role == "DUTY_ROLE_STANDBY";
        let leads = matches!(post.role, "DUTY_ROLE_SECRETARY" | "DUTY_ROLE_ORGANIZER");
        if post.unit_key.is_empty() {
            if leads || (post.site_key.is_empty() && post.seat_key.is_empty() && !is_standby) {
                faults.cell(post.line, &UNIT_KEY, "", must_not_be_empty());
            }
        } else {
            match self.units.iter().find(|unit| unit.key == post.unit_key) {
                None => faults.cell(post.line, &UNIT_KEY, &post.unit_key, not_in_plan("编组", "unit")),
                Some(unit) if starts_before(post.tier, unit.tier) => faults.cell(post.line, &TIER, post.tier, too_early()),
                Some(_) => {}
            }
        }
        if !post.card_key.is_empty() && !self.has("card", "", &post.card_key) {
            faults.cell(post.line, &CARD_KEY, &post.card_key, not_in_plan("岗位说明书", "card"));
        }
        match (post.site_key.is_empty(), post.seat_key.is_empty()) {
            (true, true) => {}
            (true, false) => faults.cell(post.line, &SITE_KEY, "", must_not_be_empty()),
            (false, true) => faults.cell(post.line, &SEAT_KEY, "", must_not_be_empty()),
            (false, false) => match self.seats_of(&post.site_key).find(|seat| seat.key == post.seat_key) {
                None => faults.cell(post.line, &SEAT_KEY, &post.seat_key, not_in_plan("席位", "seat")),
                Some(seat) if starts_before(post.tier, self.tier_of(seat)) => faults.cell(post.line, &TIER, post.tier, too_early()),
                Some(_) => {}
            },
        }
    }

    fn seats_of<'a>(&'a self, site_key: &'a str) -> impl Iterator<Item = &'a SeatRow> {
        self.seats.iter().filter(move |seat| seat.site_key == site_key)
    }

    /// The seat's own tier, else its site's.
    fn tier_of(&self, seat: &SeatRow) -> &'static str {
        match seat.tier {
            "" => self.sites.iter().find(|site| site.key == seat.site_key).map_or("", |site| site.tier),
            tier => tier,
        }
    }

    fn commands(&self, plan_id: &str) -> Vec<super::ImportCommand> {
        let head_line = self.head.as_ref().map_or(self.first_line, |head| head.line);
        let mut parts = vec![("DraftPlan", head_line, self.draft_body(plan_id))];
        parts.extend(self.posts.iter().map(|post| ("DesignatePost", post.line, post_body(plan_id, post))));
        parts.push(("PublishPlan", head_line, json!({"plan_id": plan_id})));
        let mut hasher = blake3::Hasher::new();
        parts.iter().for_each(|(_, _, body)| hash_value(&mut hasher, body, &[]));
        let whole = *hasher.finalize().as_bytes();
        parts.into_iter().map(|(name, line, body)| command_within(ImportKind::Plan, &whole, name, line, body, &[])).collect()
    }

    fn draft_body(&self, plan_id: &str) -> Value {
        let (name, area_id, incident_type) =
            self.head.as_ref().map_or(("", "", ""), |head| (head.name.as_str(), head.area_id.as_str(), head.incident_type));
        let mut seats: HashMap<&str, Vec<Value>> = HashMap::new();
        for seat in &self.seats {
            let mut body = Map::new();
            put(&mut body, &[("seat_key", &seat.key), ("specialty", &seat.specialty), ("shift", &seat.shift), ("tier", seat.tier)]);
            if seat.duty_desk {
                body.insert("duty_desk".into(), json!(true));
            }
            seats.entry(&seat.site_key).or_default().push(Value::Object(body));
        }
        let site = |site: &SiteRow| {
            let mut body = Map::new();
            put(
                &mut body,
                &[("site_key", &site.key), ("kind", site.kind), ("name", &site.name), ("area_id", &site.area_id), ("tier", site.tier)],
            );
            if let Some(seats) = seats.get(site.key.as_str()) {
                body.insert("seats".into(), json!(seats));
            }
            Value::Object(body)
        };
        let card = |card: &CardRow| {
            let mut body = Map::new();
            put(&mut body, &[("card_key", &card.key)]);
            card.texts.iter().for_each(|(name, text)| put(&mut body, &[(*name, text)]));
            Value::Object(body)
        };
        json!({
            "plan_id": plan_id,
            "name": name,
            "area_id": area_id,
            "incident_type": incident_type,
            "sites": self.sites.iter().map(site).collect::<Vec<_>>(),
            "units": self.units_parents_first().into_iter().map(unit_body).collect::<Vec<_>>(),
            "cards": self.cards.iter().map(card).collect::<Vec<_>>(),
        })
    }

    /// By depth, and within a depth as in the file. There is no cycle.
    fn units_parents_first(&self) -> Vec<&UnitRow> {
        let parents: HashMap<&str, &str> = self.units.iter().map(|unit| (unit.key.as_str(), unit.parent_key.as_str())).collect();
        let depth = |unit: &UnitRow| std::iter::successors(parents.get(unit.key.as_str()), |key| parents.get(**key)).count();
        let mut units: Vec<&UnitRow> = self.units.iter().collect();
        units.sort_by_cached_key(|unit| depth(unit));
        units
    }
}

fn unit_body(unit: &UnitRow) -> Value {
    let mut body = Map::new();
    put(
        &mut body,
        &[
            ("unit_key", &unit.key),
            ("kind", unit.kind),
            ("name", &unit.name),
            ("parent_unit_key", &unit.parent_key),
            ("site_key", &unit.site_key),
            ("area_id", &unit.area_id),
            ("tier", unit.tier),
            ("superior_organization_id", &unit.superior),
        ],
    );
    Value::Object(body)
}

fn post_body(plan_id: &str, post: &PostRow) -> Value {
    let mut body = Map::new();
    put(
        &mut body,
        &[
            ("plan_id", plan_id),
            ("tier", post.tier),
            ("role", post.role),
            ("unit_key", &post.unit_key),
            ("site_key", &post.site_key),
            ("seat_key", &post.seat_key),
            ("responder_id", &post.responder_id),
            ("peacetime_post", &post.peacetime_post),
            ("emergency_post", &post.emergency_post),
            ("card_key", &post.card_key),
        ],
    );
    if !post.backup_ids.is_empty() {
        body.insert("backup_ids".into(), json!(post.backup_ids));
    }
    Value::Object(body)
}

/// Puts in the members that are not empty.
fn put(body: &mut Map<String, Value>, members: &[(&str, &str)]) {
    for (name, value) in members.iter().filter(|(_, value)| !value.is_empty()) {
        body.insert((*name).to_owned(), json!(value));
    }
}

/// Whether `area_id` is known to lie outside `top`. Where the tree is not known far enough, the server decides.
fn is_outside(area_id: &str, top: &str, known: &dyn Known) -> bool {
    let mut at = area_id.to_owned();
    // A tree has five levels; more steps would be a circle.
    for _ in 0..8 {
        if at == top {
            return false;
        }
        match known.area(&at).and_then(|area| area.parent_id) {
            None => return false,
            Some(parent) if parent.is_empty() => return true,
            Some(parent) => at = parent,
        }
    }
    false
}

/// Whether something of tier `own` is asked for before that of tier `other`.
fn starts_before(own: &str, other: &str) -> bool {
    matches!((response_rank(own), response_rank(other)), (Some(own), Some(other)) if own < other)
}

fn not_in_plan(zh: &str, en: &str) -> Words {
    Words::new(format!("本预案中没有这个{zh}"), format!("the plan has no such {en}"))
}
