//! What those see who are bound to organizations, units, persons or another's area for one incident: pages, changes and as-of equal a naive filter
//! that looks at every row.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use muster_log::Log;
use muster_proto::Event;
use muster_proto::v1;
use muster_views::{Bound, ChangeKind, Filter, Form, Live, Page, PlacedRow, Row, RunnerOptions, Start, View, ViewsHandle, as_of, limits};
use support::live::*;
use support::world::history;
use support::*;

fn enrolled(responder_id: &str, organization_id: &str, area_id: &str) -> Event {
    Event::ResponderEnrolled(v1::ResponderEnrolled {
        responder_id: responder_id.into(),
        organization_id: organization_id.into(),
        area_id: area_id.into(),
        ..Default::default()
    })
}

fn transferred(responder_id: &str, organization_id: &str) -> Event {
    let (responder_id, organization_id) = (responder_id.into(), organization_id.into());
    Event::ResponderTransferred(v1::ResponderTransferred { responder_id, organization_id, ..Default::default() })
}

fn established(unit_id: &str, parent_unit_id: &str, site_id: &str, area_id: &str) -> Event {
    Event::UnitEstablished(v1::UnitEstablished {
        unit_id: unit_id.into(),
        incident_id: "i".into(),
        kind: v1::UnitKind::VanguardTeam.into(),
        parent_unit_id: parent_unit_id.into(),
        site_id: site_id.into(),
        area_id: area_id.into(),
        ..Default::default()
    })
}

const PEOPLE: usize = 900;
const AREAS: [&str; 4] = ["g1", "g2", "t1", "k2"];

/// Nine hundred people of seven organizations, forty units in a tree with a site each, and a call for two of three people; some of it in an exercise.
fn city() -> Vec<Happening> {
    let mut happenings = small_city();
    let area = |n: usize| AREAS[n % AREAS.len()];
    for n in 0..PEOPLE {
        happenings.push(actual(enrolled(&format!("p{n}"), &format!("o{}", n % 7), area(n / 3))));
    }
    for realm in ["actual", "drill"] {
        for n in 0..40 {
            let parent = if n == 0 || n % 13 == 0 { String::new() } else { format!("u{}", n / 3) };
            happenings.push(in_realm(realm, site_opened(&format!("s{n}"), area(n), &[])));
            happenings.push(in_realm(realm, established(&format!("u{n}"), &parent, &format!("s{n}"), area(n + 1))));
        }
        happenings.push(in_realm(realm, whistle_blown("w", "g2", &[])));
    }
    for n in (0..PEOPLE).filter(|n| n % 3 != 0) {
        let call = called(&format!("c{}", n + 1), &format!("p{n}"), &format!("s{}", n % 40), "", area(n));
        let unit_id = if n % 5 == 0 { String::new() } else { format!("u{}", n % 40) };
        let realm = if n % 4 == 0 { "drill" } else { "actual" };
        happenings.push(in_realm(realm, Event::ResponderCalled(v1::ResponderCalled { unit_id, ..call })));
    }
    happenings
}

fn filters() -> Vec<Filter> {
    let text = str::to_owned;
    let share = |incident: &str| Bound::Share { area: text("k2"), realm: text("actual"), incident: text(incident) };
    let bounds = [
        vec![Bound::Organization(text("o3"))],
        vec![Bound::Unit(text("u1"))],
        vec![Bound::Unit(text("u13")), Bound::Unit(text("u2"))],
        vec![Bound::Responder(text("p101"))],
        vec![Bound::Responder(text("p3")), Bound::Organization(text("o2")), Bound::Unit(text("u5")), Bound::Area(text("g1"))],
        vec![share("i")],
        vec![share("other"), Bound::Responder(text("p4"))],
        vec![Bound::Organization(text("")), Bound::Unit(text("")), Bound::Responder(text("")), Bound::Organization(text("nobody"))],
        vec![],
    ];
    let places = [(None, None), (Some("k2"), None), (Some("t1"), Some("actual")), (None, Some("drill")), (Some("nowhere"), None)];
    let filter = |(area, realm): (Option<&str>, Option<&str>), bounds: &[Bound]| Filter {
        area: area.map(text),
        realm: realm.map(text),
        any_of: Some(bounds.into()),
    };
    bounds.iter().flat_map(|bounds| places.iter().map(move |place| filter(*place, bounds))).collect()
}

/// Who is above whom, told from the rows of all units: `realm/unit` to the parent's id, and to the site's.
struct Units {
    parents: BTreeMap<(String, String), String>,
    sites: BTreeMap<(String, String), BTreeSet<String>>,
}

impl Units {
    fn of(rows: &[PlacedRow]) -> Self {
        let mut units = Self { parents: BTreeMap::new(), sites: BTreeMap::new() };
        for placed in rows {
            let Row::Unit(row) = &*placed.row else { continue };
            units.parents.insert((row.realm.clone(), row.unit_id.clone()), row.parent_unit_id.clone());
            units.sites.entry((row.realm.clone(), row.site_id.clone())).or_default().insert(row.unit_id.clone());
        }
        units
    }

    fn is_below(&self, realm: &str, unit: &str, top: &str) -> bool {
        let (mut at, mut steps) = (unit.to_owned(), 0);
        while !at.is_empty() && steps < 100 {
            if at == top {
                return true;
            }
            at = self.parents.get(&(realm.to_owned(), at)).cloned().unwrap_or_default();
            steps += 1;
        }
        false
    }

    fn naive(&self, filter: &Filter, placed: &PlacedRow) -> bool {
        let row = &*placed.row;
        let paths: Vec<&v1::AreaPath> = vec![&placed.path];
        let within = |area: &str| {
            let levels = |path: &v1::AreaPath| [&path.city, &path.county, &path.township, &path.village, &path.grid].map(String::clone);
            let also = AREAS_ABOVE.iter().find(|(id, _)| *id == row.also_area_id()).map(|(_, above)| above.contains(&area));
            paths.iter().any(|path| levels(path).iter().any(|level| level == area)) || also == Some(true)
        };
        let (organization, person, unit, incident) = match row {
            Row::Call(row) => (row.organization_id.as_str(), row.responder_id.as_str(), row.unit_id.as_str(), ""),
            Row::Responder(row) => (row.organization_id.as_str(), row.responder_id.as_str(), row.unit_id.as_str(), ""),
            Row::Unit(row) => ("", "", row.unit_id.as_str(), ""),
            Row::Site(row) => ("", "", "", row.incident_id.as_str()),
            Row::Whistle(row) => ("", "", "", row.incident_id.as_str()),
            Row::Coverage(_) => ("", "", "", "any"),
            Row::Other(_) => ("", "", "", ""),
        };
        let of_unit = |top: &str| match row {
            Row::Site(site) => {
                let units = self.sites.get(&(site.realm.clone(), site.site_id.clone()));
                units.into_iter().flatten().any(|unit| self.is_below(&site.realm, unit, top))
            }
            _ => self.is_below(row.realm(), unit, top),
        };
        let held = |bound: &Bound| match bound {
            Bound::Area(area) => within(area),
            Bound::Organization(id) => !id.is_empty() && id == organization,
            Bound::Responder(id) => !id.is_empty() && id == person,
            Bound::Unit(id) => !id.is_empty() && of_unit(id),
            Bound::Share { area, realm, incident: of } => within(area) && row.realm() == realm && (incident == of || incident == "any"),
        };
        filter.realm.as_ref().is_none_or(|realm| realm == row.realm())
            && filter.area.as_ref().is_none_or(|area| within(area))
            && filter.any_of.as_ref().is_none_or(|bounds| bounds.iter().any(held))
    }
}

/// The small city, as it is drawn up.
const AREAS_ABOVE: [(&str, &[&str]); 4] =
    [("g1", &["g1", "t1", "k1", "c"]), ("g2", &["g2", "t2", "k2", "c"]), ("t1", &["t1", "k1", "c"]), ("k2", &["k2", "c"])];

fn all(views: &ViewsHandle, view: View, filter: &Filter) -> Vec<PlacedRow> {
    views.snapshot(view, filter, &Page { after: None, rows_max: None }).unwrap().rows
}

fn names(rows: &[PlacedRow]) -> Vec<String> {
    rows.iter().map(|placed| format!("{}/{}", placed.row.realm(), placed.row.id())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_by_organization_unit_and_person_equal_a_naive_filter() {
    let log = memory_log(&city());
    let dir = tempfile::tempdir().unwrap();
    let views = start(&log, dir.path(), quick());
    caught_up(&views, &log).await;
    let units = Units::of(&all(&views, View::Units, &Filter::default()));
    let mut found = 0;
    for view in View::ALL {
        let every = all(&views, view, &Filter::default());
        for filter in filters() {
            let naive: Vec<_> = every.iter().filter(|placed| units.naive(&filter, placed)).cloned().collect();
            let (mut rows, mut after) = (Vec::new(), None);
            loop {
                let page = views.snapshot(view, &filter, &Page { after, rows_max: Some(17) }).unwrap();
                assert!(page.rows.len() == 17 || page.next.is_none(), "no page is shorter than the last");
                rows.extend(page.rows);
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(names(&rows), names(&naive), "{view} {filter:?}");
            assert_eq!(rows, naive);
            assert!(every.iter().all(|placed| filter.takes(placed) == naive.contains(placed)), "{view} {filter:?}");
            found += rows.len();
        }
    }
    assert!(found > 3_000, "the filters take something: {found}");
    // The index is made again from the rows at a restart, and as of a position from the log alone.
    views.shutdown().await.unwrap();
    let views = start(&log, dir.path(), quick());
    caught_up(&views, &log).await;
    for (view, filter) in View::ALL.into_iter().flat_map(|view| filters().into_iter().step_by(4).map(move |filter| (view, filter))) {
        let naive: Vec<_> = all(&views, view, &Filter::default()).into_iter().filter(|placed| units.naive(&filter, placed)).collect();
        assert_eq!(all(&views, view, &filter), naive, "{view} {filter:?}");
        assert_eq!(as_of(&*log, view, &filter, log.watermark()).unwrap().rows, naive, "{view} {filter:?}");
    }
    views.shutdown().await.unwrap();
}

fn bound(bound: Bound) -> Filter {
    Filter { any_of: Some([bound].into()), ..Filter::default() }
}

/// What the next batch says: ids in order, and whether the rows are there.
async fn told(line: &mut muster_views::Subscription) -> Vec<(String, bool)> {
    let Some(Live::Changes(batch)) = soon("a change", line.next()).await else { panic!("a change") };
    let kind = |change: &muster_views::Change| matches!(change.kind, ChangeKind::Upsert { .. });
    let mut told: Vec<_> = batch.changes.iter().map(|change| (change.id.to_string(), kind(change))).collect();
    told.sort();
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_leaves_is_removed_and_who_never_had_it_hears_nothing() {
    let mut happenings = small_city();
    happenings.extend([enrolled("p", "o1", "g1"), enrolled("q", "o2", "g1"), site_opened("s", "g1", &[])].map(actual));
    happenings.extend([established("u", "", "", "g1"), established("v", "", "", "g1")].map(actual));
    let log = memory_log(&happenings);
    let dir = tempfile::tempdir().unwrap();
    let views = start(&log, dir.path(), quick());
    caught_up(&views, &log).await;
    let open = async |view, filter: Filter| {
        let mut line = views.subscribe(view, filter, None).unwrap().1;
        Held::default().fill(&mut line).await;
        line
    };
    let organization = |id: &str| bound(Bound::Organization(id.into()));
    let (mut old, mut new) = (open(View::Responders, organization("o1")).await, open(View::Responders, organization("o2")).await);
    append(&*log, &[actual(transferred("p", "o2"))]);
    assert_eq!(told(&mut old).await, [("p".to_owned(), false)]);
    assert_eq!(told(&mut new).await, [("p".to_owned(), true)]);
    append(&*log, &[actual(transferred("p", "o3")), actual(transferred("q", "o1"))]);
    caught_up(&views, &log).await;
    // Whether both come at once or one after the other, p is no more than gone for its last organization.
    let mut heard = told(&mut new).await;
    if heard.len() == 1 {
        heard.extend(told(&mut new).await);
        heard.sort();
    }
    assert_eq!(heard, [("p".to_owned(), false), ("q".to_owned(), false)]);
    assert_eq!(told(&mut old).await, [("q".to_owned(), true)], "p is nobody's here any more");

    // A unit that is formed for a site brings the site along, though its row stays as it was; one below brings itself.
    let (mut sites, mut units) =
        (open(View::Sites, bound(Bound::Unit("u".into()))).await, open(View::Units, bound(Bound::Unit("u".into()))).await);
    let mut others = open(View::Sites, bound(Bound::Unit("v".into()))).await;
    append(&*log, &[actual(established("below", "u", "s", "g1"))]);
    assert_eq!(told(&mut sites).await, [("s/".to_owned(), true)]);
    assert_eq!(told(&mut units).await, [("below".to_owned(), true), ("u".to_owned(), true)], "and the one above counts it");
    // Who is released from a unit's call leaves the unit's people.
    let mut people = open(View::Responders, bound(Bound::Unit("u".into()))).await;
    let call = v1::ResponderCalled { unit_id: "below".into(), ..called("c1", "p", "s", "", "g1") };
    append(&*log, &[actual(Event::ResponderCalled(call))]);
    assert_eq!(told(&mut people).await, [("p".to_owned(), true)]);
    append(&*log, &[actual(released("c1", "p"))]);
    assert_eq!(told(&mut people).await, [("p".to_owned(), false)]);
    append(&*log, &[actual(established("aside", "v", "s", "g1"))]);
    assert_eq!(told(&mut others).await, [("s/".to_owned(), true)], "the first it hears of the site");
    views.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_come_page_by_page_while_they_change_and_end_as_the_rows_are() {
    let log = memory_log(&city());
    let dir = tempfile::tempdir().unwrap();
    let views = start(&log, dir.path(), quick());
    caught_up(&views, &log).await;
    const { assert!(PEOPLE > 3 * limits::SUBSCRIBER_PAGE_ROWS, "several pages") };
    let everybody = Filter { realm: Some("actual".into()), ..Filter::default() };
    let half: Arc<[Bound]> = (0..4).map(|n| Bound::Organization(format!("o{n}"))).collect();
    for filter in [everybody.clone(), Filter { any_of: Some(half), ..everybody }] {
        let (_, mut line) = views.subscribe(View::Responders, filter.clone(), None).unwrap();
        let mut held = Held::default();
        let (mut pages, mut round) = (0, 0);
        while line.at().is_none() {
            // Some of these were sent already, some were not.
            let moves = (0..PEOPLE).step_by(90).map(|n| transferred(&format!("p{}", n + round), &format!("o{}", (n + round) % 8)));
            append(&*log, &moves.map(actual).collect::<Vec<_>>());
            caught_up(&views, &log).await;
            round += 1;
            let live = soon("the rows", line.next()).await.unwrap();
            if let Live::Rows(page) = &live {
                assert!(page.rows.len() <= limits::SUBSCRIBER_PAGE_ROWS, "no more than a page is held");
                pages += 1;
            }
            held.take(live);
        }
        assert!(pages > 1, "{pages}");
        let held = read_to_the_end(&views, line, held, View::Responders, &filter).await;
        assert_eq!(held.resets, 0);
    }
    views.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_back_and_who_was_slow_end_as_the_rows_are_for_every_bound() {
    let happenings = history(&choices(31, 2_500));
    let log = memory_log(&happenings[..900]);
    let dir = tempfile::tempdir().unwrap();
    let views = start(&log, dir.path(), RunnerOptions { ring_changes_max: 400, ..quick() });
    caught_up(&views, &log).await;
    let text = str::to_owned;
    let bounds = [
        Bound::Unit(text("u1")),
        Bound::Unit(text("u0")),
        Bound::Organization(text("org1")),
        Bound::Responder(text("p3")),
        Bound::Share { area: text("k1"), realm: text("actual"), incident: text("i") },
    ];
    let mut readers = Vec::new();
    for view in View::ALL {
        for filter in bounds.iter().cloned().map(bound) {
            let (_, mut line) = views.subscribe(view, filter.clone(), None).unwrap();
            let mut held = Held::default();
            held.fill(&mut line).await;
            readers.push((view, filter, held, line));
        }
    }
    // A short absence, which everybody comes back from with a position alone.
    append(&*log, &happenings[900..960]);
    caught_up(&views, &log).await;
    let mut back = Vec::new();
    for (view, filter, held, line) in readers {
        let at = line.at().unwrap();
        drop(line);
        let (begin, line) = views.subscribe(view, filter.clone(), Some(at)).unwrap();
        assert_eq!(begin, Start::Resumed(at));
        let held = read_to_the_end(&views, line, held, view, &filter).await;
        assert_eq!(held.resets, 0);
        let (_, line) = views.subscribe(view, filter.clone(), Some(views.at())).unwrap();
        back.push((view, filter, held, line));
    }
    for part in happenings[960..].chunks(40) {
        append(&*log, part);
        caught_up(&views, &log).await;
    }
    let mut resets = 0;
    for (view, filter, held, line) in back {
        resets += read_to_the_end(&views, line, held, view, &filter).await.resets;
    }
    assert!(resets > 0, "more was changed than is kept");
    assert_rows(&views, &log);
    views.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_of_a_change_is_made_once_for_all_who_see_the_same() {
    let log = memory_log(&small_city());
    let dir = tempfile::tempdir().unwrap();
    let views = start(&log, dir.path(), quick());
    caught_up(&views, &log).await;
    let inside = |area: &str| Filter { area: Some(area.into()), ..Filter::default() };
    let mut lines = ["c", "k1", "g1"].map(|area| views.subscribe(View::Sites, inside(area), None).unwrap().1);
    for line in &mut lines {
        Held::default().fill(line).await;
    }
    append(&*log, &[actual(site_opened("s", "g1", &[]))]);
    let mut made = 0;
    for (line, form) in lines.iter_mut().zip([Form::Whole, Form::WithoutPersons, Form::Whole]) {
        let Some(Live::Changes(batch)) = soon("the site", line.next()).await else { panic!("a change") };
        let bytes = batch.changes[0].frames.get(form, || {
            made += 1;
            format!("{form:?}").into()
        });
        assert_eq!(bytes, format!("{form:?}").as_bytes());
    }
    assert_eq!(made, 2, "one for each form");
    views.shutdown().await.unwrap();
}
