//! What may happen: one function for each command, each a pure question to the state.
//!
//! Whatever can refuse a command is asked here, before its first event.

mod agreement;
mod area;
mod call;
mod checks;
mod delivery;
mod erasure;
mod fill;
mod group;
mod incident;
mod moving;
mod next_version;
mod organization;
mod plan;
mod presence;
mod reinforcement;
mod responder;
mod responsibility;
mod shelter;
mod shift;
mod shift_change;
mod site;
mod unit;
mod whistle;
mod zone;

use muster_proto::Command;

pub(crate) use checks::{grounded, set};
pub(crate) use fill::call_for;
pub(crate) use incident::plans_below;
pub(crate) use moving::Donors;
pub(crate) use plan::rehearsable;
pub(crate) use unit::party_organization;
pub(crate) use whistle::escalated;

use crate::execute::{Draft, Now};
use crate::rejection::Rejection;
use crate::state::State;

/// The facts that follow from a command, or why there are none.
pub(crate) type Decision = Result<Vec<Draft>, Rejection>;

pub(crate) fn decide(state: &State, now: &Now<'_>, command: &Command) -> Decision {
    checks::ground(state, now)?;
    match command {
        Command::DefineArea(body) => area::define(state, body),
        Command::ReparentArea(body) => area::reparent(state, body),
        Command::RetireArea(body) => area::retire(state, body),
        Command::SwitchAutoFill(body) => area::switch_auto_fill(state, body),
        Command::SetFloor(body) => area::set_floor(state, now, body),
        Command::RegisterOrganization(body) => organization::register(state, body),
        Command::TieToArea(body) => organization::tie(state, body),
        Command::ReservePeople(body) => organization::reserve(state, body),
        Command::NameOfficeHolder(body) => organization::name_office_holder(state, body),
        Command::EnrollResponder(body) => responder::enroll(state, body),
        Command::ReportToCommunity(body) => responder::report_to_community(state, body),
        Command::TransferResponder(body) => responder::transfer(state, body),
        Command::SetSpecialties(body) => responder::set_specialties(state, body),
        Command::SetAvailability(body) => responder::set_availability(state, now, body),
        Command::WithdrawResponder(body) => responder::withdraw(state, body),
        Command::AssignResponsibility(body) => responsibility::assign(state, now, body),
        Command::EndResponsibility(body) => responsibility::end(state, body),
        Command::ErasePersonalData(body) => erasure::erase(state, now, body),
        Command::SetHold(body) => erasure::set_hold(state, body),
        Command::DraftPlan(body) => plan::draft(state, body),
        Command::DesignatePost(body) => plan::designate(state, body),
        Command::PublishPlan(body) => plan::publish(state, body),
        Command::DraftNextVersion(body) => next_version::draft(state, body),
        Command::RehearsePlan(body) => plan::rehearse(state, body),
        Command::DeclareIncident(body) => incident::declare(state, now, body),
        Command::ConvertArea(body) => incident::convert(state, now, body),
        Command::ChangeResponse(body) => incident::change_response(state, now, body),
        Command::ChangeWarning(body) => incident::change_warning(state, now, body),
        Command::ChangeGrade(body) => incident::change_grade(state, now, body),
        Command::StandDownArea(body) => incident::stand_down(state, now, body),
        Command::CloseIncident(body) => incident::close(state, now, body),
        Command::RecallArea(body) => shelter::recall(state, now, body),
        Command::ConfirmSafe(body) => shelter::confirm(state, body),
        Command::ResumeArea(body) => shelter::resume(state, now, body),
        Command::EstablishUnit(body) => unit::establish(state, now, body),
        Command::AppointSecretary(body) => unit::appoint_secretary(state, now, body),
        Command::AppointOrganizer(body) => unit::appoint_organizer(state, now, body),
        Command::AttachResponder(body) => unit::attach(state, now, body),
        Command::DetachResponder(body) => unit::detach(state, body),
        Command::DissolveUnit(body) => unit::dissolve(state, body),
        Command::OpenSite(body) => site::open(state, now, body),
        Command::SetRequirement(body) => site::set_requirement(state, body),
        Command::CloseSite(body) => site::close(state, body),
        Command::SetRisk(body) => zone::set_risk(state, now, body),
        Command::SetBeat(body) => zone::set_beat(state, now, body),
        Command::SignAgreement(body) => agreement::sign(state, now, body),
        Command::InvokeAgreement(body) => agreement::invoke(state, now, body),
        Command::EndAgreement(body) => agreement::end(state, now, body),
        Command::BlowWhistle(body) => whistle::blow(state, now, body),
        Command::AcknowledgeWhistle(body) => whistle::acknowledge(state, now, body),
        Command::EscalateWhistle(body) => whistle::escalate(state, now, body),
        Command::MergeWhistles(body) => whistle::merge(state, now, body),
        Command::FulfilNeed(body) => whistle::fulfil(state, body),
        Command::ConfirmPart(body) => whistle::confirm_part(state, now, body),
        Command::ResolveWhistle(body) => whistle::resolve(state, now, body),
        Command::WithdrawWhistle(body) => whistle::withdraw(state, now, body),
        Command::RateWhistle(body) => whistle::rate(state, now, body),
        Command::DispatchResponder(body) => call::dispatch(state, now, body),
        Command::CallOrganization(body) => call::call_organization(state, now, body),
        Command::NominatePeople(body) => call::nominate(state, now, body),
        Command::AcknowledgeCall(body) => call::acknowledge(state, body),
        Command::AcceptCall(body) => call::accept(state, body),
        Command::DeclineCall(body) => call::decline(state, body),
        Command::RecallResponder(body) => call::recall(state, now, body),
        Command::RelieveResponder(body) => call::relieve(state, now, body),
        Command::DeclareNoShow(body) => call::declare_no_show(state, body),
        Command::CallGroup(body) => group::call(state, now, body),
        Command::RecallGroup(body) => group::recall(state, now, body),
        Command::ReleasePeople(body) => reinforcement::release(state, now, body),
        Command::RefuseReinforcement(body) => reinforcement::refuse(state, now, body),
        Command::RecordDelivery(body) => delivery::record(state, now, body),
        Command::CheckIn(body) => presence::check_in(state, now, body),
        Command::CheckOut(body) => presence::check_out(state, now, body),
        Command::ScheduleShifts(body) => shift::schedule(state, now, body),
        Command::OpenShift(body) => shift::open(state, now, body),
        Command::CloseShift(body) => shift::close(state, now, body),
        Command::SwapShift(body) => shift_change::propose(state, now, body),
        Command::AnswerSwap(body) => shift_change::answer(state, body),
        Command::HandOver(body) => shift_change::hand_over(state, body),
        Command::SettlePresence(body) => presence::settle(state, now, body),
        Command::ProposeFill(body) => fill::propose(state, now, body),
        Command::DecideFill(body) => fill::decide(state, now, body),
    }
}
