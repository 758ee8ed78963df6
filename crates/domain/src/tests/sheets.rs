//! Two clocks: paper sheets and phones without signal tell of the past late, in any order, doubled, and for others on a ground.

use muster_proto::{Command, Event};

use super::Story;
use super::town::{self, dispatch};

/// A line of a sheet: so many minutes ago, the person's number in the line.
#[derive(Clone, Copy, Debug)]
struct Line {
    out: bool,
    minutes_ago: i64,
    sequence: u64,
}

fn tell(story: &mut Story, line: Line) -> Vec<String> {
    let told: Command = if line.out {
        command!(CheckOut { responder_id: "a1", site_id: "s", device_sequence: line.sequence })
    } else {
        command!(CheckIn { responder_id: "a1", site_id: "s", device_sequence: line.sequence })
    };
    let emitted = story.told_late(line.minutes_ago).on_behalf_of("a1").on_a_ground().when(told).events();
    super::lines(&emitted)
}

fn on_duty() -> Story {
    let mut story = Story::given(town::people());
    story.and([town::outbreak(), town::site("s", "out", "v1", &["x"]), dispatch("a1", "s", "x")]);
    story.after_minutes(10).then_nothing();
    story
}

fn orders(lines: &[Line]) -> Vec<Vec<Line>> {
    if lines.is_empty() {
        return vec![Vec::new()];
    }
    let with_first = |at: usize| {
        let mut rest = lines.to_vec();
        let first = rest.remove(at);
        orders(&rest).into_iter().map(move |rest| std::iter::once(first).chain(rest).collect())
    };
    (0..lines.len()).flat_map(with_first).collect()
}

/// Where a1 is, and since when nothing newer is known.
fn presence(story: &Story) -> (bool, i64, u32) {
    let realm = story.state.ops.realms.get(story.state.ops.actual());
    let who = story.state.base.responders.find("a1").expect("a1 is enrolled");
    let site = story.state.ops.sites.find("s").expect("s is open");
    let known = realm.presence.get(&who).expect("something was told of a1");
    (known.place.is_some(), known.fact_ms, story.state.ops.sites.get(site).present)
}

#[test]
fn a_sheets_lines_come_to_the_same_in_any_order_and_doubled() {
    let day = [
        Line { out: false, minutes_ago: 9, sequence: 1 },
        Line { out: true, minutes_ago: 7, sequence: 2 },
        Line { out: false, minutes_ago: 5, sequence: 3 },
        Line { out: true, minutes_ago: 3, sequence: 4 },
        Line { out: false, minutes_ago: 1, sequence: 5 },
    ];
    for (lines, there) in [(&day[..4], false), (&day[..], true)] {
        let all = orders(lines);
        assert_eq!(all.len(), if there { 120 } else { 24 });
        for order in all {
            let mut story = on_duty();
            for (at, line) in order.iter().enumerate() {
                assert_eq!(tell(&mut story, *line).len(), 1, "each line is taken down once: {order:?}");
                // The sheet is keyed in again so far, under other command ids.
                for again in &order[..=at] {
                    assert_eq!(tell(&mut story, *again), Vec::<String>::new(), "{again:?} is known: {order:?}");
                }
            }
            let newest = lines.last().expect("a day has lines").minutes_ago;
            assert_eq!(presence(&story), (there, story.now_ms - newest * super::MINUTE_MS, u32::from(there)), "{order:?}");
        }
    }
}

#[test]
fn two_lines_of_one_minute_are_told_apart_by_their_number() {
    let mut story = on_duty();
    let line = |sequence| Line { out: false, minutes_ago: 5, sequence };
    assert_eq!(tell(&mut story, line(1)), ["CheckedIn a1 s c1"]);
    assert!(tell(&mut story, line(1)).is_empty());
    // Another line says the same of the same minute: nothing is new about where the person is.
    assert!(tell(&mut story, line(2)).is_empty());
    assert_eq!(tell(&mut story, Line { minutes_ago: 6, ..line(1) }), ["PastPresenceRecorded a1 s in"]);
    assert!(tell(&mut story, Line { minutes_ago: 6, ..line(1) }).is_empty());
}

#[test]
fn what_is_said_now_is_said_as_often_as_it_happens() {
    let mut story = on_duty();
    story.when(town::check_in("a1", "s")).then(["CheckedIn a1 s c1"]);
    story.when(town::check_out("a1", "s")).then(["CheckedOut a1 s"]);
    story.when(town::check_in("a1", "s")).then(["CheckedIn a1 s c1"]);
    // A phone counts what it sends, and may send it twice.
    let counted = |sequence: u64| command!(CheckOut { responder_id: "a1", site_id: "s", device_sequence: sequence });
    story.when(counted(7)).then(["CheckedOut a1 s"]);
    story.when(counted(7)).then_nothing();
    story.when(counted(8)).then_rejected("not_on_post");
}

#[test]
fn recording_for_somebody_else_needs_an_office_and_a_ground() {
    let mut story = on_duty();
    let come = || town::check_in("a1", "s");
    story.by("").on_behalf_of("a1").on_a_ground().when(come()).then_rejected("office_required");
    story.by("v1").on_behalf_of("a1").when(come()).then_rejected("ground_required");
    story.by("v1").on_behalf_of("a1").when(town::accept("c1")).then_rejected("ground_required");
    let emitted = story.by("v1").on_behalf_of("a1").on_a_ground().told_late(8).when(come()).then(["CheckedIn a1 s c1 late"]);
    let Event::CheckedIn(body) = &emitted[0].event else { panic!("a check-in is recorded") };
    assert!(body.recorded_late && !body.walk_in);
}

/// What is kept to know a line again is bounded: a line older than the last sixteen is taken down anew, and changes nothing that stands now.
#[test]
fn a_line_older_than_a_days_sheet_is_taken_down_again() {
    let mut story = on_duty();
    story.after_minutes(100).then(["CallUnanswered c1"]);
    let line = |minutes_ago: i64| Line { out: false, minutes_ago, sequence: 1 };
    tell(&mut story, line(1));
    for minutes_ago in 2..18 {
        assert_eq!(tell(&mut story, line(minutes_ago)), ["PastPresenceRecorded a1 s in"]);
    }
    let before = presence(&story);
    assert!(tell(&mut story, line(17)).is_empty());
    tell(&mut story, line(1));
    assert_eq!(presence(&story), before);
}
