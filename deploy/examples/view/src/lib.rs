//! A view of one's own: which specialties are on post, area by area. `docs/VIEWS.md` walks through it.

// view:imports
use std::collections::BTreeMap;

use muster_proto::v1::Envelope;
use muster_proto::{Event, levels};
use muster_views::{Rows, ViewFold, ViewRow};
use serde::{Deserialize, Serialize};
// view:end

// view:row
/// How many people with a specialty are on post in an area, everything below it included.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
pub struct SpecialtyRow {
    /// `actual`, or the exercise.
    #[prost(string, tag = "1")]
    pub realm: String,
    /// The area.
    #[prost(string, tag = "2")]
    pub area_id: String,
    /// The specialty, as the roster calls it.
    #[prost(string, tag = "3")]
    pub specialty: String,
    /// People on post.
    #[prost(uint32, tag = "4")]
    pub on_post: u32,
    /// The last record that changed the row.
    #[prost(uint64, tag = "5")]
    #[serde(with = "muster_views::decimal")]
    pub position: u64,
}

impl ViewRow for SpecialtyRow {
    fn realm(&self) -> &str {
        &self.realm
    }

    fn id(&self) -> String {
        format!("{}/{}", self.area_id, self.specialty)
    }

    fn area_id(&self) -> &str {
        &self.area_id
    }

    fn position(&self) -> u64 {
        self.position
    }
}
// view:end

// view:fold
/// What has to be remembered beside the rows: what each person can do, and where each was counted last.
#[derive(Default, Serialize, Deserialize)]
pub struct SpecialtiesOnPost {
    /// Specialties by person: peacetime facts, the same for every realm.
    specialties: BTreeMap<String, Vec<String>>,
    /// By realm and person: the areas in which the person counts, and with which specialties.
    counted: BTreeMap<(String, String), Counted>,
}

#[derive(Default, Serialize, Deserialize)]
struct Counted {
    area_ids: Vec<String>,
    specialties: Vec<String>,
}

impl ViewFold for SpecialtiesOnPost {
    const NAME: &'static str = "specialties_on_post";
    const VERSION: u32 = 1;
    // A row counts people and names none.
    const ABOUT_PERSONS: bool = false;
    type Row = SpecialtyRow;

    fn apply(&mut self, record: &Envelope, rows: &mut Rows<SpecialtyRow>) {
        match &record.event {
            Some(Event::ResponderEnrolled(enrolled)) => {
                self.specialties.insert(enrolled.responder_id.clone(), enrolled.specialties.clone());
            }
            Some(Event::SpecialtiesSet(set)) => {
                self.specialties.insert(set.responder_id.clone(), set.specialties.clone());
                self.learns(&set.responder_id, record.position, rows);
            }
            Some(Event::CheckedIn(seen)) => self.moves(&seen.responder_id, true, record, rows),
            Some(Event::CheckedOut(left)) => self.moves(&left.responder_id, false, record, rows),
            // A settled presence is somewhere, or nowhere.
            Some(Event::PresenceSettled(settled)) => {
                let somewhere = !settled.site_id.is_empty() || !settled.whistle_id.is_empty();
                self.moves(&settled.responder_id, somewhere, record, rows);
            }
            _ => {}
        }
    }
}
// view:end

// view:counting
impl SpecialtiesOnPost {
    /// Takes a person off where they were counted, and counts them where the record takes effect.
    fn moves(&mut self, person: &str, on_post: bool, record: &Envelope, rows: &mut Rows<SpecialtyRow>) {
        let key = (record.realm.clone(), person.to_owned());
        if let Some(counted) = self.counted.remove(&key) {
            add(&record.realm, &counted, -1, record.position, rows);
        }
        let Some(path) = record.area_path.as_ref().filter(|_| on_post) else { return };
        let area_ids = levels(path).into_iter().filter(|id| !id.is_empty()).map(str::to_owned).collect();
        let specialties = self.specialties.get(person).cloned().unwrap_or_default();
        let counted = Counted { area_ids, specialties };
        add(&record.realm, &counted, 1, record.position, rows);
        self.counted.insert(key, counted);
    }

    /// Counts a person by other specialties, in each realm in which they stand on post.
    fn learns(&mut self, person: &str, position: u64, rows: &mut Rows<SpecialtyRow>) {
        for ((realm, _), counted) in self.counted.iter_mut().filter(|((_, counted), _)| counted == person) {
            add(realm, counted, -1, position, rows);
            counted.specialties = self.specialties.get(person).cloned().unwrap_or_default();
            add(realm, counted, 1, position, rows);
        }
    }
}

/// Adds to the rows of all areas and specialties. A row that counts nobody goes.
fn add(realm: &str, counted: &Counted, people: i32, position: u64, rows: &mut Rows<SpecialtyRow>) {
    for (area_id, specialty) in counted.area_ids.iter().flat_map(|area| counted.specialties.iter().map(move |specialty| (area, specialty)))
    {
        let row = SpecialtyRow { realm: realm.to_owned(), area_id: area_id.clone(), specialty: specialty.clone(), on_post: 0, position };
        let on_post = rows.get(&row.realm, &row.id()).map_or(0, |row| row.on_post).saturating_add_signed(people);
        if on_post == 0 {
            rows.remove(&row.realm, &row.id());
        } else {
            rows.put(SpecialtyRow { on_post, ..row });
        }
    }
}
// view:end
