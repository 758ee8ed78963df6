//! Records that no engine of this log wrote, or that stand without those before them: what they name is passed over, and nothing falls.

use muster_proto::v1::{self, AreaLevel, UnitKind};
use muster_proto::{ACTUAL, Event};

use super::Story;
use super::town::{self, dispatch};
use crate::execute::Meta;
use crate::state::State;
use crate::words;

fn apply(state: &mut State, event: Event) {
    let meta = Meta { position: state.position() + 1, recorded_at_ms: super::START_MS, occurred_at_ms: super::START_MS, realm: ACTUAL };
    state.apply(&meta, &event);
}

/// What is left of the state but for the position.
fn bytes(state: &State) -> Vec<u8> {
    let mut state = state.clone();
    state.position = 0;
    words::canonical_bytes(&state)
}

/// A swap that the state does not know made the reader fall.
#[test]
fn what_nobody_knows_changes_nothing() {
    let story = Story::given(town::town());
    let mut state = story.state.clone();
    let unknown = || "none".to_owned();
    for event in [
        Event::ShiftsSwapped(v1::ShiftsSwapped { swap_id: "s7".to_owned(), ..Default::default() }),
        Event::SwapDeclined(v1::SwapDeclined { swap_id: "s7".to_owned(), ..Default::default() }),
        Event::DutyReleased(v1::DutyReleased { call_id: "c7".to_owned(), ..Default::default() }),
        Event::CallAccepted(v1::CallAccepted { call_id: "c7".to_owned(), ..Default::default() }),
        Event::OrganizationCallEnded(v1::OrganizationCallEnded { call_id: "o7".to_owned(), ..Default::default() }),
        Event::ReinforcementLapsed(v1::ReinforcementLapsed { request_id: "r7".to_owned(), ..Default::default() }),
        Event::ShiftOpened(v1::ShiftOpened { shift_id: unknown(), site_id: unknown(), ..Default::default() }),
        Event::ResponderCalled(v1::ResponderCalled { responder_id: "a1".to_owned(), area_id: unknown(), ..Default::default() }),
        Event::UnitDissolved(v1::UnitDissolved { unit_id: unknown(), ..Default::default() }),
        Event::CheckedIn(v1::CheckedIn { responder_id: unknown(), site_id: unknown(), ..Default::default() }),
        Event::PlanPublished(v1::PlanPublished { plan_id: "out-v1".to_owned(), ..Default::default() }),
        // Below itself an area would have no end.
        Event::AreaReparented(v1::AreaReparented { area_id: "k1".to_owned(), parent_id: "v1".to_owned(), ..Default::default() }),
    ] {
        let name = event.name();
        apply(&mut state, event);
        assert!(bytes(&state) == bytes(&story.state), "{name} changed something");
    }
}

#[test]
fn what_ended_once_ends_no_second_time() {
    let mut story = Story::given(town::people());
    story.and([town::outbreak(), town::site("s", "out", "v1", &["x"]), town::unit("team", "out", UnitKind::ServiceTeam, "v1")]);
    story.and([command!(EstablishUnit {
        unit_id: "part",
        incident_id: "out",
        kind: UnitKind::ServiceTeam,
        name: "part",
        area_id: "v1",
        parent_unit_id: "team",
    })]);
    story.and([dispatch("a1", "s", "x")]);
    let mut state = story.state.clone();
    apply(&mut state, Event::DutyReleased(v1::DutyReleased { call_id: "c1".to_owned(), ..Default::default() }));
    apply(&mut state, Event::UnitDissolved(v1::UnitDissolved { unit_id: "part".to_owned(), ..Default::default() }));
    let once = bytes(&state);
    apply(&mut state, Event::DutyReleased(v1::DutyReleased { call_id: "c1".to_owned(), ..Default::default() }));
    apply(&mut state, Event::ResponderRecalled(v1::ResponderRecalled { call_id: "c1".to_owned(), ..Default::default() }));
    apply(&mut state, Event::UnitDissolved(v1::UnitDissolved { unit_id: "part".to_owned(), ..Default::default() }));
    assert!(bytes(&state) == once, "a second end changed something");
}

/// People are counted by area whatever moves: the person, the area, or what keeps the person back.
#[test]
fn an_area_that_moves_takes_its_people_along() {
    let mut story = Story::given(town::people());
    let idle = |story: &Story, area: &str| {
        story.state.idle(story.state.ops.actual(), story.state.base.areas.find(area).expect("it is there"), None)
    };
    story.and([town::whistle_for(1), town::send("a1", "w", "n")]);
    assert_eq!((idle(&story, "k1"), idle(&story, "k2"), idle(&story, "c")), (10, 2, 12));
    story.and([command!(ReparentArea { area_id: "t1", parent_id: "k2" })]);
    assert_eq!((idle(&story, "k1"), idle(&story, "k2"), idle(&story, "c")), (2, 10, 12));
    story.and([town::area("v9", "t1", AreaLevel::Village), town::moves_to("a1", "v9")]);
    story.and([command!(RecallResponder { call_id: "c1" })]);
    assert_eq!((idle(&story, "v9"), idle(&story, "k2")), (1, 11));
}
