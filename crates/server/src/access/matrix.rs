#![allow(clippy::unwrap_used)]
//! The matrix of rights over a real state: one command of each kind and more, by each role, from inside its scope, from above and from
//! beside it, through the gate. What the state says that a command touches and what the table says cannot drift apart.

use std::collections::BTreeSet;

use muster_access::{Grant, Principal, Role};
use muster_domain::{Emitted, Meta, Now, State, execute};
use muster_engine::Gate as _;
use muster_proto::v1::{self, Basis, BasisKind, Context, Office};
use muster_proto::{COMMAND_NAMES, Command, Event, Request, command_from_json};
use serde_json::{Value, json};
use written::{Written, written};

use super::{Proof, Session};

#[path = "../../../access/tests/written/mod.rs"]
mod written;

const START_MS: i64 = 1_700_000_000_000;
const HOUR_MS: i64 = 3_600_000;

/// Two villages that are alike: v1 in the township t1, v2 in t2, both in the county k1. What is in a village carries its name.
struct World {
    state: State,
    position: u64,
    /// Calls, organization calls, swaps and requests are numbered by the log: those of v1 and of v2.
    numbered: Vec<Numbered>,
}

#[derive(Clone, Default)]
struct Numbered {
    village: &'static str,
    call: String,
    organization_call: String,
    swap: String,
    request: String,
}

fn office(area_id: &str) -> Context {
    Context { actor: "p".into(), actor_office: Some(Office { area_id: area_id.into(), ..Office::default() }), ..Context::default() }
}

fn command(name: &str, body: Value) -> Command {
    command_from_json(name, body).unwrap_or_else(|error| panic!("{name}: {error:?}"))
}

impl World {
    fn new() -> Self {
        let mut world = Self { state: State::default(), position: 0, numbered: Vec::new() };
        let areas = [
            ("c", "", "CITY"),
            ("k1", "c", "COUNTY"),
            ("k2", "c", "COUNTY"),
            ("t1", "k1", "TOWNSHIP"),
            ("t2", "k1", "TOWNSHIP"),
            ("v1", "t1", "VILLAGE"),
            ("v2", "t2", "VILLAGE"),
            ("g-v1", "v1", "GRID"),
            ("g-v2", "v2", "GRID"),
        ];
        for (id, parent, level) in areas {
            let body = json!({"area_id": id, "name": id, "parent_id": parent, "level": format!("AREA_LEVEL_{level}")});
            world.done("c", "DefineArea", body);
        }
        ["v1", "v2"].into_iter().for_each(|x| world.settle(x));
        world
    }

    fn done(&mut self, by: &str, name: &str, body: Value) -> Vec<Emitted> {
        let context = office(by);
        let now = Now { recorded_at_ms: START_MS, next_position: self.position + 1, context: &context };
        let emitted = execute(&mut self.state, now, &command(name, body)).unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"));
        self.position += emitted.len() as u64;
        emitted
    }

    /// Everything that a command can be about, in one village.
    fn settle(&mut self, x: &'static str) {
        self.found(x);
        self.rise(x);
        let numbered = self.call_up(x);
        self.numbered.push(numbered);
    }

    /// An organization, its people and a plan.
    fn found(&mut self, x: &str) {
        let id = |of: &str| format!("{of}-{x}");
        let organization = json!({"organization_id": id("o"), "name": "单位", "kind": "ORGANIZATION_KIND_ENTERPRISE", "area_id": x});
        self.done(x, "RegisterOrganization", organization);
        for person in ["p", "q", "r"] {
            let (responder_id, organization_id) = (id(person), id("o"));
            let body = json!({"responder_id": responder_id, "name": {}, "kind": "RESPONDER_KIND_MEMBER", "area_id": x, "organization_id": organization_id});
            self.done(x, "EnrollResponder", body);
        }
        let site = json!({"site_key": "k", "kind": "SITE_KIND_CHECKPOINT", "name": "卡口", "area_id": x, "tier": "RESPONSE_LEVEL_IV",
            "seats": [{"seat_key": "1", "tier": "RESPONSE_LEVEL_IV"}]});
        let plan = json!({"plan_id": id("pl"), "area_id": x, "incident_type": "INCIDENT_TYPE_FLOOD", "name": "预案", "sites": [site]});
        self.done(x, "DraftPlan", plan);
        for signer in [x, "k2"] {
            self.done(signer, "SignAgreement", agreement(x, signer));
        }
    }

    /// An incident, its sites, a unit and whistles.
    fn rise(&mut self, x: &str) {
        let id = |of: &str| format!("{of}-{x}");
        let incident = json!({"incident_id": id("i"), "incident_type": "INCIDENT_TYPE_FLOOD", "name": "洪涝", "area_id": x, "severity": "SEVERITY_SEVERE"});
        self.done(x, "DeclareIncident", incident);
        for site in ["s", "z"] {
            self.done(x, "OpenSite", site_of(&id(site), &id("i"), x));
        }
        let unit = json!({"unit_id": id("u"), "incident_id": id("i"), "kind": "UNIT_KIND_VANGUARD_TEAM", "name": "突击队", "area_id": x, "site_id": id("s")});
        self.done(x, "EstablishUnit", unit);
        for person in ["p", "q"] {
            self.done(x, "AttachResponder", json!({"unit_id": id("u"), "responder_id": id(person)}));
        }
        for whistle in ["w", "m"] {
            let needs = json!([{"need_id": "n", "kind": "NEED_KIND_PERSON", "quantity": 3}]);
            let body =
                json!({"whistle_id": id(whistle), "incident_id": id("i"), "area_id": x, "severity": "SEVERITY_SEVERE", "needs": needs});
            self.done(x, "BlowWhistle", body);
        }
    }

    /// Calls, a roster, a swap, a proposal, a request, and shelter.
    fn call_up(&mut self, x: &'static str) -> Numbered {
        let id = |of: &str| format!("{of}-{x}");
        let call = json!({"responder_id": id("p"), "site_id": id("s"), "seat_id": "1", "unit_id": id("u")});
        let call = number(&self.done(x, "DispatchResponder", call));
        let organization_call = json!({"organization_id": id("o"), "site_id": id("s"), "quantity": 1});
        let organization_call = number(&self.done(x, "CallOrganization", organization_call));
        let crews = ["q", "p"].map(|person| json!({"lines": [{"seat_id": "2", "responder_id": id(person)}]}));
        let until_ms = (START_MS + 4 * 24 * HOUR_MS).to_string();
        let pattern = json!([{"minutes": 240, "minimum": 1}]);
        self.done(x, "ScheduleShifts", json!({"site_id": id("s"), "until_ms": until_ms, "pattern": pattern, "crews": crews}));
        let [first, second] = ["~1", "~2"].map(|shift| id("s") + shift);
        let swap = json!({"shift_id": first, "responder_id": id("q"), "other_shift_id": second, "other_responder_id": id("p")});
        let swap = number(&self.done(x, "SwapShift", swap));
        let line = json!({"line_id": "l1", "whistle_id": id("w"), "need_id": "n", "responder_id": id("r")});
        self.done(x, "ProposeFill", json!({"proposal_id": id("f"), "area_id": x, "lines": [line]}));
        self.done(x, "CheckIn", json!({"responder_id": id("p"), "site_id": id("s")}));
        let due_ms = (START_MS + HOUR_MS).to_string();
        self.done(x, "RecallArea", json!({"incident_id": id("i"), "area_id": x, "reason": "洪峰", "due_ms": due_ms}));
        let request = format!("r{}", self.numbered.len() + 1);
        let asked = v1::ReinforcementRequested {
            whistle_id: id("w"),
            need_id: "n".into(),
            from_area_id: x.into(),
            quantity: 1,
            request_id: request.clone(),
            due_ms: START_MS + HOUR_MS,
        };
        self.position += 1;
        let meta = Meta { position: self.position, recorded_at_ms: START_MS, occurred_at_ms: START_MS, realm: "actual" };
        self.state.apply(&meta, &Event::ReinforcementRequested(asked));
        Numbered { village: x, call, organization_call, swap, request }
    }

    fn numbered(&self, x: &str) -> Numbered {
        self.numbered.iter().find(|numbered| numbered.village == x).cloned().unwrap()
    }

    /// What the gate says to somebody with this grant.
    fn says(&self, grant: &str, context: &Context, asked: &Command) -> &'static str {
        let grants = vec![grant.parse::<Grant>().unwrap()];
        let principal = Principal { id: "token:1".into(), person: "p".into(), grants, expires_at_ms: None };
        let request =
            Request { principal: "token:1".into(), id: "1".into(), digest: [0; 32], context: context.clone(), command: asked.clone() };
        let session = Session { principal, proof: Proof::Signed };
        session.admit(&self.state, &request).map_or_else(|refusal| refusal.code, |()| "granted")
    }
}

/// The number that the log gave to what was asked for.
fn number(emitted: &[Emitted]) -> String {
    let number = |record: &Emitted| match &record.event {
        Event::ResponderCalled(body) => Some(body.call_id.clone()),
        Event::OrganizationCalled(body) => Some(body.call_id.clone()),
        Event::SwapProposed(body) => Some(body.swap_id.clone()),
        _ => None,
    };
    emitted.iter().find_map(number).unwrap()
}

fn site_of(site_id: &str, incident_id: &str, area_id: &str) -> Value {
    let seats = ["1", "2", "3"].map(|seat| json!({"seat_id": seat}));
    json!({"site_id": site_id, "incident_id": incident_id, "kind": "SITE_KIND_CHECKPOINT", "name": "卡口", "area_id": area_id, "seats": seats})
}

fn agreement(x: &str, signer: &str) -> Value {
    json!({"agreement_id": format!("a-{x}"), "name": "协议", "area_id": signer, "sides": [{"area_id": x}, {"area_id": "k2"}],
        "shared": ["AGREEMENT_SCOPE_PEOPLE"], "joint_committee_name": "联合党委", "document_no": "联〔2026〕1号"})
}

/// Commands about what is in the village and nothing else: of each kind one at least.
fn within(world: &World, x: &str) -> Vec<(&'static str, Value)> {
    let mut commands = base_within(x);
    commands.extend(operations_within(x));
    commands.extend(duties_within(world, x));
    commands
}

fn base_within(x: &str) -> Vec<(&'static str, Value)> {
    let id = |of: &str| format!("{of}-{x}");
    let (person, area, plan) = (json!({"responder_id": id("p")}), json!({"area_id": x}), json!({"plan_id": id("pl")}));
    let at = json!({"responder_id": id("p"), "area_id": x});
    vec![
        ("DefineArea", json!({"area_id": "new", "parent_id": x})),
        ("ReparentArea", json!({"area_id": id("g"), "parent_id": x})),
        ("RetireArea", json!({"area_id": id("g")})),
        ("SwitchAutoFill", area.clone()),
        ("SetFloor", area),
        ("RegisterOrganization", json!({"organization_id": "new", "area_id": x})),
        ("TieToArea", json!({"organization_id": id("o"), "area_id": x})),
        ("ReservePeople", json!({"organization_id": id("o"), "responder_ids": [id("p")]})),
        ("NameOfficeHolder", json!({"organization_id": id("o"), "responder_id": id("p")})),
        ("EnrollResponder", json!({"responder_id": "new", "organization_id": id("o"), "area_id": x})),
        ("EnrollResponder", json!({"responder_id": "new", "organization_id": id("o")})),
        ("ReportToCommunity", at.clone()),
        ("TransferResponder", json!({"responder_id": id("p"), "organization_id": id("o")})),
        ("SetSpecialties", person.clone()),
        ("SetAvailability", person.clone()),
        ("WithdrawResponder", person.clone()),
        ("AssignResponsibility", at.clone()),
        ("EndResponsibility", at),
        ("ErasePersonalData", person.clone()),
        ("SetHold", person),
        ("DraftPlan", json!({"plan_id": "new", "area_id": x})),
        ("DesignatePost", plan.clone()),
        ("PublishPlan", plan.clone()),
        ("RehearsePlan", plan.clone()),
        ("DraftNextVersion", plan),
    ]
}

fn operations_within(x: &str) -> Vec<(&'static str, Value)> {
    let id = |of: &str| format!("{of}-{x}");
    let (incident, area) = (json!({"incident_id": id("i")}), json!({"incident_id": id("i"), "area_id": x}));
    let (site, whistle) = (json!({"site_id": id("s")}), json!({"whistle_id": id("w")}));
    let member = |person: &str| json!({"unit_id": id("u"), "responder_id": id(person)});
    vec![
        ("DeclareIncident", json!({"incident_id": "new", "area_id": x})),
        ("ConvertArea", area.clone()),
        ("ChangeResponse", area.clone()),
        ("ChangeWarning", incident.clone()),
        ("ChangeGrade", incident.clone()),
        ("StandDownArea", area.clone()),
        ("CloseIncident", incident),
        ("RecallArea", area.clone()),
        ("ConfirmSafe", json!({"incident_id": id("i"), "responder_ids": [id("p")]})),
        ("ResumeArea", area),
        ("EstablishUnit", json!({"unit_id": "new", "incident_id": id("i"), "parent_unit_id": id("u"), "area_id": x, "site_id": id("z")})),
        ("AppointSecretary", member("p")),
        ("AppointOrganizer", member("p")),
        ("AttachResponder", member("r")),
        ("DetachResponder", member("q")),
        ("DissolveUnit", json!({"unit_id": id("u")})),
        ("OpenSite", json!({"site_id": "new", "incident_id": id("i"), "area_id": x})),
        ("SetRequirement", site.clone()),
        ("CloseSite", site.clone()),
        ("SetRisk", site.clone()),
        ("SetBeat", site),
        ("BlowWhistle", json!({"whistle_id": "new", "incident_id": id("i"), "area_id": x})),
        ("BlowWhistle", json!({"whistle_id": "new", "area_id": x})),
        ("AcknowledgeWhistle", whistle.clone()),
        ("EscalateWhistle", whistle.clone()),
        ("MergeWhistles", json!({"whistle_id": id("w"), "into_whistle_id": id("m")})),
        ("FulfilNeed", json!({"whistle_id": id("w"), "need_id": "n", "organization_id": id("o")})),
        ("ResolveWhistle", whistle.clone()),
        ("WithdrawWhistle", whistle.clone()),
        ("RateWhistle", whistle),
        ("ConfirmPart", json!({"whistle_id": id("w"), "need_id": "n"})),
        ("SignAgreement", agreement(x, x)),
        ("InvokeAgreement", json!({"agreement_id": id("a"), "incident_id": id("i"), "area_id": x})),
        ("EndAgreement", json!({"agreement_id": id("a")})),
    ]
}

fn duties_within(world: &World, x: &str) -> Vec<(&'static str, Value)> {
    let id = |of: &str| format!("{of}-{x}");
    let Numbered { call, organization_call, swap, request, .. } = world.numbered(x);
    let call = json!({"call_id": call});
    let line = |person: &str| json!({"seat_id": "2", "responder_id": id(person)});
    let group = |selection: Value| json!({"selection": selection, "site_id": id("s")});
    let seen = json!({"responder_id": id("p"), "site_id": id("s")});
    let swapping =
        json!({"shift_id": id("s") + "~2", "responder_id": id("p"), "other_shift_id": id("s") + "~1", "other_responder_id": id("q")});
    vec![
        ("ScheduleShifts", json!({"site_id": id("s"), "crews": [{"lines": [line("p")]}, {"lines": [line("q")]}]})),
        ("OpenShift", json!({"site_id": id("s"), "lines": [line("q")]})),
        ("OpenShift", json!({"site_id": id("s"), "shift_id": id("s") + "~1"})),
        ("CloseShift", json!({"shift_id": id("s") + "~1"})),
        ("SwapShift", swapping),
        ("AnswerSwap", json!({"swap_id": swap, "responder_id": id("p")})),
        ("HandOver", json!({"from_call_id": call["call_id"]})),
        ("DispatchResponder", json!({"responder_id": id("r"), "site_id": id("s"), "seat_id": "3"})),
        ("DispatchResponder", json!({"responder_id": id("r"), "whistle_id": id("w"), "need_id": "n", "unit_id": id("u")})),
        ("CallGroup", group(json!({"responder_ids": [id("r"), id("q")]}))),
        ("CallGroup", group(json!({"area_id": x, "organization_id": id("o")}))),
        ("CallGroup", group(json!({"organization_id": id("o")}))),
        ("CallGroup", group(json!({"unit_id": id("u")}))),
        ("RecallGroup", json!({"site_id": id("s")})),
        ("RecallGroup", json!({"incident_id": id("i"), "selection": {"responder_ids": [id("p")]}})),
        ("RecallGroup", json!({"whistle_id": id("w")})),
        ("CallOrganization", json!({"organization_id": id("o"), "site_id": id("s")})),
        ("NominatePeople", json!({"call_id": organization_call, "responder_ids": [id("r")]})),
        ("AcknowledgeCall", call.clone()),
        ("AcceptCall", call.clone()),
        ("DeclineCall", call.clone()),
        ("RecallResponder", call.clone()),
        ("RelieveResponder", json!({"call_id": call["call_id"], "by_responder_id": id("q")})),
        ("DeclareNoShow", call.clone()),
        ("RecordDelivery", call),
        ("CheckIn", seen.clone()),
        ("CheckOut", seen.clone()),
        ("SettlePresence", seen),
        ("ProposeFill", json!({"area_id": x, "lines": [{"line_id": "l1", "whistle_id": id("w"), "responder_id": id("r")}]})),
        ("DecideFill", json!({"proposal_id": id("f"), "decisions": [{"line_id": "l1"}]})),
        ("ReleasePeople", json!({"request_id": request, "responder_ids": [id("r")]})),
        ("RefuseReinforcement", json!({"request_id": request})),
    ]
}

/// Commands about the village `x` that reach for somebody or something of `y`.
fn reaching_over(world: &World, x: &str, y: &str) -> Vec<(&'static str, Value)> {
    let (here, there) = (|of: &str| format!("{of}-{x}"), |of: &str| format!("{of}-{y}"));
    let line = json!({"seat_id": "2", "responder_id": there("r")});
    let group = |selection: Value| json!({"selection": selection, "site_id": here("s")});
    let dispatch =
        |released_by: &str| json!({"responder_id": there("r"), "site_id": here("s"), "seat_id": "3", "released_by_area_id": released_by});
    let proposed = |who: &str, next: &str| {
        let line = json!({"line_id": "l1", "whistle_id": here("w"), "responder_id": who, "runner_up_responder_id": next});
        json!({"area_id": x, "lines": [line]})
    };
    let decision = json!({"line_id": "l1", "choice": "FILL_CHOICE_CHANGE", "responder_id": there("r")});
    vec![
        ("ReportToCommunity", json!({"responder_id": there("r"), "area_id": x})),
        ("EnrollResponder", json!({"responder_id": there("r"), "organization_id": here("o"), "area_id": x})),
        ("TransferResponder", json!({"responder_id": there("r"), "organization_id": here("o")})),
        (
            "EstablishUnit",
            json!({"unit_id": "new", "incident_id": here("i"), "parent_unit_id": here("u"), "area_id": x, "site_id": there("z")}),
        ),
        ("EstablishUnit", json!({"unit_id": "new", "incident_id": here("i"), "parent_unit_id": here("u"), "area_id": y})),
        ("AttachResponder", json!({"unit_id": here("u"), "responder_id": there("r")})),
        ("ScheduleShifts", json!({"site_id": here("s"), "crews": [{"lines": [line.clone()]}]})),
        ("OpenShift", json!({"site_id": here("s"), "lines": [line]})),
        ("OpenShift", json!({"site_id": here("s"), "shift_id": there("s") + "~1"})),
        ("SwapShift", json!({"shift_id": here("s") + "~2", "responder_id": here("p"), "other_responder_id": there("r")})),
        ("DispatchResponder", dispatch("")),
        ("DispatchResponder", dispatch(y)),
        ("DispatchResponder", dispatch(x)),
        ("CallGroup", group(json!({"responder_ids": [here("r"), there("r")]}))),
        ("CallGroup", group(json!({"area_id": y}))),
        ("CallGroup", group(json!({"organization_id": there("o")}))),
        ("CallGroup", group(json!({"unit_id": there("u")}))),
        ("CallGroup", json!({"selection": {"area_id": y}, "site_id": here("s"), "released_by_area_id": y})),
        ("RelieveResponder", json!({"call_id": world.numbered(x).call, "by_responder_id": there("r")})),
        ("ProposeFill", proposed(&there("r"), "")),
        ("ProposeFill", proposed(&here("r"), &there("r"))),
        ("DecideFill", json!({"proposal_id": here("f"), "decisions": [decision]})),
        ("MergeWhistles", json!({"whistle_id": here("w"), "into_whistle_id": there("w")})),
    ]
}

/// Each role where it is usual, in a village; and the office that it speaks in, if it has one of its own.
fn seat(role: Role, x: &str) -> (String, Option<String>) {
    match role {
        Role::Department => (format!("{role}@organization:o-{x}"), None),
        Role::Secretary | Role::Organizer => (format!("{role}@unit:u-{x}"), Some(x.to_owned())),
        Role::Responder => (format!("{role}@responder:p-{x}"), None),
        _ => (format!("{role}@area:{x}"), Some(x.to_owned())),
    }
}

fn grounded(context: Context) -> Context {
    Context { basis: Some(Basis { kind: BasisKind::Telephone.into(), reference: "电〔2026〕7号".into() }), ..context }
}

#[test]
fn what_the_state_touches_and_what_is_written_agree() {
    let (world, written) = (World::new(), written());
    let commands = within(&world, "v1");
    let names: BTreeSet<_> = commands.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, COMMAND_NAMES.iter().map(|(_, name, _)| *name).collect(), "a command of each kind");
    for (name, body) in commands {
        let asked = command(name, body);
        for role in Role::ALL {
            let right = written[name].get(&role).copied().unwrap_or(Written::No);
            let (grant, area) = seat(role, "v1");
            let context = area.as_deref().map(office).unwrap_or_default();
            let expected = if right == Written::No { "role_may_not" } else { "granted" };
            assert_eq!(world.says(&grant, &context, &asked), expected, "{asked:?} by {grant}");
            let (foreign, _) = seat(role, "v2");
            let expected = if right == Written::No { "role_may_not" } else { "outside_scope" };
            for context in [Context::default(), grounded(Context::default())] {
                assert_eq!(world.says(&foreign, &context, &asked), expected, "{asked:?} by {foreign}");
            }
            if !matches!(grant.parse::<Grant>().unwrap().scope(), muster_access::Scope::Area(_)) {
                continue;
            }
            let above = format!("{role}@area:t1");
            let (alone, with_ground) = match right {
                Written::No => ("role_may_not", "role_may_not"),
                Written::Own => ("granted", "granted"),
                Written::Ground => ("ground_required", "granted"),
            };
            assert_eq!(world.says(&above, &office("t1"), &asked), alone, "{asked:?} by {above}");
            assert_eq!(world.says(&above, &grounded(office("t1")), &asked), with_ground, "{asked:?} by {above} with a ground");
        }
    }
}

#[test]
fn nobody_reaches_over_into_another_area() {
    let (world, written) = (World::new(), written());
    for (name, body) in reaching_over(&world, "v1", "v2") {
        let asked = command(name, body);
        for (role, _) in written[name].iter().filter(|(role, _)| !matches!(role, Role::Department | Role::Responder)) {
            let (grant, area) = seat(*role, "v1");
            let context = area.as_deref().map(office).unwrap_or_default();
            for context in [context.clone(), grounded(context)] {
                assert_eq!(world.says(&grant, &context, &asked), "outside_scope", "{asked:?} by {grant}");
            }
            // Whoever leads both can, and only over the heads of both with a ground.
            let both = format!("{role}@area:k1");
            assert_eq!(world.says(&both, &grounded(office("k1")), &asked), "granted", "{asked:?} by {both}");
        }
    }
    let own = command("ReportToCommunity", json!({"responder_id": "p-v2", "area_id": "v1"}));
    assert_eq!(world.says("responder@responder:p-v2", &Context::default(), &own), "granted", "everybody moves themselves");
}

#[test]
fn a_unit_speaks_in_its_own_office_only() {
    let world = World::new();
    let call = &world.numbered("v1").call;
    for (name, body) in [
        ("RecallResponder", json!({"call_id": call})),
        ("RelieveResponder", json!({"call_id": call, "by_responder_id": "q-v1"})),
        ("EstablishUnit", json!({"unit_id": "new", "incident_id": "i-v1", "parent_unit_id": "u-v1", "area_id": "v1"})),
        ("OpenShift", json!({"site_id": "s-v1", "shift_id": "s-v1~1"})),
        ("ScheduleShifts", json!({"site_id": "s-v1", "crews": [{"lines": [{"seat_id": "2", "responder_id": "p-v1"}]}]})),
    ] {
        let asked = command(name, body);
        assert_eq!(world.says("secretary@unit:u-v1", &office("v1"), &asked), "granted", "{name}");
        for claimed in ["g-v1", "t1", "k1", "c", "v2", "nowhere"] {
            assert_eq!(world.says("secretary@unit:u-v1", &office(claimed), &asked), "office_not_held", "{name} in the office of {claimed}");
        }
    }
}

/// Whoever leads a unit knows where its people are, wherever the order to take shelter reached them; of other people it says nothing.
#[test]
fn a_unit_confirms_its_own_people_safe_wherever_they_were_recalled() {
    let mut world = World::new();
    world.done("k1", "CheckIn", json!({"responder_id": "q-v1", "site_id": "z-v2"}));
    world.done("v2", "RecallArea", json!({"incident_id": "i-v2", "area_id": "v2", "reason": "洪峰"}));
    let safe = |people: &[&str]| command("ConfirmSafe", json!({"incident_id": "i-v2", "responder_ids": people}));
    for role in ["secretary", "organizer"] {
        let unit = |of: &str| format!("{role}@unit:u-{of}");
        assert_eq!(world.says(&unit("v1"), &office("v1"), &safe(&["q-v1"])), "granted", "{role}");
        assert_eq!(world.says(&unit("v1"), &office("v2"), &safe(&["q-v1"])), "office_not_held", "{role}");
        assert_eq!(world.says(&unit("v1"), &Context::default(), &safe(&["q-v1", "p-v2"])), "outside_scope", "{role}");
        assert_eq!(world.says(&unit("v1"), &Context::default(), &safe(&["p-v2"])), "outside_scope", "{role}");
        assert_eq!(world.says(&unit("v1"), &Context::default(), &safe(&["nobody"])), "outside_scope", "{role}");
        assert_eq!(world.says(&unit("v2"), &Context::default(), &safe(&["q-v1"])), "outside_scope", "{role}");
    }
    assert_eq!(world.says("community@area:v1", &office("v1"), &safe(&["q-v1"])), "outside_scope", "an area speaks of its own shelters");
    assert_eq!(world.says("community@area:v2", &office("v2"), &safe(&["q-v1"])), "granted");
    let confirmed = world.done("v1", "ConfirmSafe", json!({"incident_id": "i-v2", "responder_ids": ["q-v1"]}));
    assert!(matches!(&confirmed[0].event, Event::SafetyConfirmed(body) if body.recalled_area_id == "v2"), "and it is decided so");
}

/// The partner's people come for the incident that the agreement is invoked for, to posts of the own area, called by who leads a side.
#[test]
fn an_agreement_opens_homes_for_its_incident_alone() {
    let mut world = World::new();
    world.done("k2", "EnrollResponder", json!({"responder_id": "n", "name": {}, "kind": "RESPONDER_KIND_MEMBER", "area_id": "k2"}));
    world.done(
        "c",
        "DeclareIncident",
        json!({"incident_id": "drill", "incident_type": "INCIDENT_TYPE_FLOOD", "name": "演练", "area_id": "c",
        "severity": "SEVERITY_SEVERE", "realm": "drill-1"}),
    );
    for (site, incident) in [("ds", "drill"), ("far", "i-v1")] {
        world.done("v1", "OpenSite", site_of(site, incident, "v1"));
    }
    let to = |site: &str| command("DispatchResponder", json!({"responder_id": "n", "site_id": site, "seat_id": "1"}));
    let says = |world: &World, grant: &str, asked: &Command| world.says(grant, &office("v1"), asked);
    assert_eq!(says(&world, "community@area:v1", &to("far")), "outside_scope", "in force, and not invoked");
    world.done(
        "v1",
        "InvokeAgreement",
        json!({"agreement_id": "a-v1", "incident_id": "i-v1", "unit_id": "joint", "superior_organization_id": "o-v1",
        "approval_document_no": "组〔2026〕8号", "area_id": "v1"}),
    );
    assert_eq!(says(&world, "community@area:v1", &to("far")), "granted");
    assert_eq!(world.says("township@area:t1", &office("t1"), &to("far")), "granted", "the one above the side");
    assert_eq!(says(&world, "community@area:v1", &to("ds")), "outside_scope", "another incident, and another realm");
    let need = command("DispatchResponder", json!({"responder_id": "n", "whistle_id": "w-v1", "need_id": "n"}));
    assert_eq!(says(&world, "community@area:v1", &need), "granted");
    let released = json!({"responder_id": "n", "site_id": "far", "seat_id": "1", "released_by_area_id": "k2"});
    assert_eq!(says(&world, "community@area:v1", &command("DispatchResponder", released)), "outside_scope", "nobody signs for the partner");
    let foreign = json!({"responder_id": "n", "site_id": "s-v2", "seat_id": "3"});
    assert_eq!(says(&world, "community@area:v1", &command("DispatchResponder", foreign)), "outside_scope", "a post of others");
    let relief = command("RelieveResponder", json!({"call_id": world.numbered("v1").call, "by_responder_id": "n"}));
    assert_eq!(says(&world, "community@area:v1", &relief), "granted");
    assert_eq!(says(&world, "secretary@area:v1", &relief), "outside_scope", "who lets nobody go opens nobody's home");
    let called = world.done("v1", "CallGroup", json!({"selection": {"responder_ids": ["n"]}, "whistle_id": "w-v1", "need_id": "n"}));
    assert!(matches!(&called[1].event, Event::ResponderCalled(body) if body.responder_id == "n"), "and it is decided so: {called:?}");
}
