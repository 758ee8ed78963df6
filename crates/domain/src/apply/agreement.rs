//! Facts of agreements between areas applied.

use muster_proto::Event;
use muster_proto::v1;

use crate::state::{Agreement, Side, State};

pub(super) fn apply(state: &mut State, event: &Event) -> Option<()> {
    match event {
        Event::AgreementSigned(body) => signed(state, body)?,
        Event::AgreementInForce(body) => {
            let key = state.base.agreements.find(&body.agreement_id)?;
            state.base.agreements.get_mut(key).in_force = true;
        }
        Event::AgreementInvoked(body) => {
            let (key, incident) = (state.base.agreements.find(&body.agreement_id)?, state.ops.incidents.find(&body.incident_id)?);
            let unit = state.ops.units.find(&body.unit_id)?;
            state.ops.incidents.get_mut(incident).invoked.insert(key, unit);
        }
        Event::AgreementEnded(body) => {
            let key = state.base.agreements.find(&body.agreement_id)?;
            state.base.agreements.get_mut(key).ended = true;
            // Exercises are not asked; what they made of it ends with it.
            for incident in state.ops.incidents.values_mut() {
                incident.invoked.remove(&key);
            }
        }
        _ => {}
    }
    Some(())
}

fn signed(state: &mut State, body: &v1::AgreementSigned) -> Option<()> {
    let areas = &state.base.areas;
    let side = |side: &v1::AgreementSide| Side {
        area: areas.find(&side.area_id),
        external_code: side.external_code.as_str().into(),
        external_name: side.external_name.as_str().into(),
        document_no: Box::default(),
    };
    let signer = areas.find(&body.area_id);
    let sides = body.sides.iter().map(side).collect();
    let key = match state.base.agreements.find(&body.agreement_id) {
        Some(key) => key,
        None => {
            let value = Agreement {
                name: body.name.as_str().into(),
                sides,
                shared: body.shared.iter().filter_map(|scope| u8::try_from(*scope).ok()).collect(),
                joint_committee: body.joint_committee_name.as_str().into(),
                in_force: false,
                ended: false,
            };
            state.base.agreements.insert(&body.agreement_id, value)
        }
    };
    let sides = &mut state.base.agreements.get_mut(key).sides;
    let side = sides.iter_mut().find(|side| side.area == signer && *side.external_code == *body.external_code)?;
    side.document_no = body.document_no.as_str().into();
    Some(())
}
