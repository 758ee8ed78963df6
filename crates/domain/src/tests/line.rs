//! Events as one line each: enough to tell what happened, short enough to read.

use muster_proto::Event;
use muster_proto::v1;

fn place(site_id: &str, seat_id: &str, whistle_id: &str, need_id: &str) -> String {
    match (site_id, whistle_id) {
        ("", "") => "-".to_owned(),
        ("", whistle) => join(whistle, need_id),
        (site, _) => join(site, seat_id),
    }
}

fn join(whole: &str, part: &str) -> String {
    if part.is_empty() { whole.to_owned() } else { format!("{whole}#{part}") }
}

fn spot(site_id: &str, whistle_id: &str) -> String {
    place(site_id, "", whistle_id, "")
}

fn level(number: i32) -> &'static str {
    ["0", "IV", "III", "II", "I"][usize::try_from(number).expect("a level is not negative")]
}

fn seats(seats: &[v1::Seat]) -> String {
    seats.iter().map(|seat| seat.seat_id.as_str()).collect::<Vec<_>>().join(",")
}

/// `Name subject …`.
pub(super) fn of(event: &Event) -> String {
    let name = event.name();
    let rest = peacetime(event)
        .or_else(|| incident(event))
        .or_else(|| whistle(event))
        .or_else(|| call(event))
        .or_else(|| presence(event))
        .or_else(|| shift(event));
    match rest {
        Some(rest) if !rest.is_empty() => format!("{name} {rest}"),
        _ => name.to_owned(),
    }
}

fn peacetime(event: &Event) -> Option<String> {
    Some(match event {
        Event::AreaDefined(body) => body.area_id.clone(),
        Event::AreaReparented(body) => format!("{} {} -> {}", body.area_id, body.former_parent_id, body.parent_id),
        Event::AreaRetired(body) => body.area_id.clone(),
        Event::FloorSet(body) => format!("{} {}", body.area_id, body.minimum),
        Event::OrganizationRegistered(body) => body.organization_id.clone(),
        Event::OrganizationTiedToArea(body) => format!("{} {}", body.organization_id, body.area_id),
        Event::PeopleReserved(body) => format!("{} {}", body.organization_id, body.responder_ids.join(",")),
        Event::OfficeHolderNamed(body) => {
            format!("{} {} {} -> {}", body.organization_id, body.title, body.former_responder_id, body.responder_id)
        }
        Event::ResponderEnrolled(body) => body.responder_id.clone(),
        Event::ResponderReportedToCommunity(body) => format!("{} {} -> {}", body.responder_id, body.former_area_id, body.area_id),
        Event::ResponderTransferred(body) => {
            format!("{} {} -> {}", body.responder_id, body.former_organization_id, body.organization_id)
        }
        Event::SpecialtiesSet(body) => format!("{} {}", body.responder_id, body.specialties.join(",")),
        Event::AvailabilitySet(body) => format!("{} {:?}", body.responder_id, body.availability()),
        Event::ResponderWithdrawn(body) => body.responder_id.clone(),
        Event::ResponsibilityAssigned(body) => format!("{} {} {:?}", body.responder_id, body.area_id, body.kind()),
        Event::ResponsibilityEnded(body) => format!("{} {} {:?}", body.responder_id, body.area_id, body.kind()),
        Event::ErasureRequested(body) => format!("{} by {}", body.responder_id, body.requested_by),
        Event::PersonalDataErased(body) => format!("{} by {} and {}", body.responder_id, body.requested_by, body.confirmed_by),
        Event::HoldSet(body) => format!("{} {}", body.responder_id, if body.held { "held" } else { "free" }),
        Event::AgreementSigned(body) => format!("{} {}{}", body.agreement_id, body.area_id, body.external_code),
        Event::AgreementInForce(body) => body.agreement_id.clone(),
        Event::AgreementInvoked(body) => format!("{} {} {}", body.agreement_id, body.area_id, body.unit_id),
        Event::AgreementEnded(body) => format!("{} by {}", body.agreement_id, body.area_id),
        Event::PlanDrafted(body) => format!("{}@{}", body.plan_id, body.version),
        Event::PostDesignated(body) => format!("{}@{} {}", body.plan_id, body.version, body.responder_id),
        Event::PlanRehearsed(body) => {
            format!(
                "{}@{} {} {}/{} single {}",
                body.plan_id,
                body.version,
                level(body.response),
                body.fillable,
                body.seats,
                body.single_points
            )
        }
        Event::PlanPublished(body) => format!("{}@{} {}", body.plan_id, body.version, body.designations),
        _ => return None,
    })
}

fn incident(event: &Event) -> Option<String> {
    Some(match event {
        Event::IncidentDeclared(body) => format!("{} {}", body.incident_id, body.realm),
        Event::AreaConverted(body) => {
            format!("{}@{} {} -> {}", body.plan_id, body.plan_version, level(body.former_response), level(body.response))
        }
        Event::ConversionRebased(body) => format!("{}@{} -> {}", body.plan_id, body.former_version, body.version),
        Event::ResponseChanged(body) => format!("{} {} -> {}", body.area_id, level(body.former_response), level(body.response)),
        Event::StandDownOrdered(body) => body.area_id.clone(),
        Event::AreaStoodDown(body) => body.plan_id.clone(),
        Event::AreaRecalled(body) => body.area_id.clone(),
        Event::ShelterOrdered(body) => format!("{} {}", body.responder_id, spot(&body.site_id, &body.whistle_id)),
        Event::SafetyConfirmed(body) => format!("{} {}", body.recalled_area_id, body.responder_id),
        Event::UnaccountedListed(body) => {
            let names: Vec<_> = body.people.iter().map(|person| person.responder_id.as_str()).collect();
            format!("{} {}: {}", body.recalled_area_id, body.total, names.join(","))
        }
        Event::AreaResumed(body) => format!("{} without {}", body.area_id, body.unaccounted),
        Event::SiteSuspended(body) => body.site_id.clone(),
        Event::SiteResumed(body) => body.site_id.clone(),
        Event::IncidentClosed(body) => body.incident_id.clone(),
        Event::UnitEstablished(body) => {
            let below = if body.parent_unit_id.is_empty() { String::new() } else { format!(" below {}", body.parent_unit_id) };
            format!("{}{below}", body.unit_id)
        }
        Event::SecretaryAppointed(body) => format!("{} {}", body.unit_id, body.responder_id),
        Event::OrganizerAppointed(body) => format!("{} {}", body.unit_id, body.responder_id),
        Event::OrganizerGapOverdue(body) => body.unit_id.clone(),
        Event::ResponderAttached(body) => {
            format!("{} {}{}", body.unit_id, body.responder_id, if body.extra_seat { " extra" } else { "" })
        }
        Event::ResponderDetached(body) => format!("{} {}", body.unit_id, body.responder_id),
        Event::UnitDissolved(body) => body.unit_id.clone(),
        Event::SiteOpened(body) => format!("{} [{}]", body.site_id, seats(&body.seats)),
        Event::RequirementSet(body) => format!("{} [{}]", body.site_id, seats(&body.seats)),
        Event::SiteClosed(body) => body.site_id.clone(),
        Event::RiskSet(body) => {
            format!("{} {:?} -> {:?} [{}]", body.site_id, body.former_risk(), body.risk(), body.grid_ids.join(","))
        }
        Event::BeatSet(body) => format!("{} [{}]", body.site_id, body.grid_ids.join(",")),
        _ => return None,
    })
}

fn whistle(event: &Event) -> Option<String> {
    Some(match event {
        Event::WhistleBlown(body) => body.whistle_id.clone(),
        Event::WhistleAcknowledged(body) => format!("{} by {}", body.whistle_id, body.by_area_id),
        Event::WhistleEscalated(body) => format!("{} {} -> {}", body.whistle_id, body.from_area_id, body.to_area_id),
        Event::WhistlesMerged(body) => format!("{} -> {}", body.whistle_id, body.into_whistle_id),
        Event::NeedFulfilled(body) => format!("{}#{} {}", body.whistle_id, body.need_id, body.quantity),
        Event::WhistleFilled(body) => body.whistle_id.clone(),
        Event::WhistleResolved(body) => body.whistle_id.clone(),
        Event::WhistleWithdrawn(body) => body.whistle_id.clone(),
        Event::WhistleRated(body) => format!("{} {:?}", body.whistle_id, body.rating()),
        Event::DispatchProposed(body) => {
            let names: Vec<_> = body.candidates.iter().map(|candidate| candidate.responder_id.as_str()).collect();
            let (place, part) = if body.site_id.is_empty() { (&body.whistle_id, &body.need_id) } else { (&body.site_id, &body.seat_id) };
            format!("{place}#{part} {}: {}", body.quantity, names.join(","))
        }
        Event::ReinforcementRequested(body) => {
            let request = if body.request_id.is_empty() { String::new() } else { format!(" {}", body.request_id) };
            format!("{}#{} {} from {}{request}", body.whistle_id, body.need_id, body.quantity, body.from_area_id)
        }
        Event::PeopleReleased(body) => format!("{} {}", body.request_id, body.responder_ids.join(",")),
        Event::ReinforcementRefused(body) => format!("{} {}", body.request_id, body.from_area_id),
        Event::ReinforcementLapsed(body) => format!("{} {}", body.request_id, body.from_area_id),
        Event::PartConfirmed(body) => format!("{}#{} by {}", body.whistle_id, body.need_id, body.by_area_id),
        Event::FillProposed(body) => {
            let line = |line: &v1::FillLine| format!("{}#{}={}", line.whistle_id, line.need_id, line.responder_id);
            let lines: Vec<_> = body.lines.iter().map(line).collect();
            let open: u32 = body.unfilled.iter().map(|need| need.quantity).sum();
            format!("{} {}/{} [{}] {open} open", body.proposal_id, body.part, body.parts, lines.join(" "))
        }
        Event::FillLineDecided(body) => format!("{}#{} {} {:?}", body.proposal_id, body.line_id, body.responder_id, body.choice()),
        Event::FillLineRefused(body) => format!("{}#{} {} {}", body.proposal_id, body.line_id, body.responder_id, body.code),
        Event::PolicyStepRefused(body) => format!("{} {} {}", body.policy, body.subject_id, body.code),
        _ => return None,
    })
}

fn call(event: &Event) -> Option<String> {
    Some(match event {
        Event::ResponderCalled(body) => {
            let place = place(&body.site_id, &body.seat_id, &body.whistle_id, &body.need_id);
            format!("{} {} {place} {:?}", body.call_id, body.responder_id, body.reason())
        }
        Event::ResponderPutOnStandby(body) => body.responder_id.clone(),
        Event::StandbyEnded(body) => body.responder_id.clone(),
        Event::GapRecorded(body) => {
            let place = place(&body.site_id, &body.seat_id, "", "");
            let who = if body.responder_id.is_empty() { "nobody" } else { &body.responder_id };
            let place = if place == "-" { &body.unit_id } else { &place };
            let other = if body.other_incident_id.is_empty() { String::new() } else { format!(" {}", body.other_incident_id) };
            format!("{place} {who} {:?}{other}", body.reason())
        }
        Event::CallAcknowledged(body) => body.call_id.clone(),
        Event::CallAccepted(body) => body.call_id.clone(),
        Event::CallDeclined(body) => body.call_id.clone(),
        Event::CallUnanswered(body) => body.call_id.clone(),
        Event::NoShowDeclared(body) => body.call_id.clone(),
        Event::NoShowCorrected(body) => body.call_id.clone(),
        Event::ResponderRecalled(body) => body.call_id.clone(),
        Event::DutyReleased(body) => format!("{} {:?}", body.call_id, body.reason()),
        Event::OrganizationCalled(body) => {
            let place = place(&body.site_id, "", &body.whistle_id, &body.need_id);
            format!("{} {} {place} {}", body.call_id, body.organization_id, body.quantity)
        }
        Event::OrganizationAcknowledged(body) => body.call_id.clone(),
        Event::PeopleNominated(body) => format!("{} {}", body.call_id, body.responder_ids.join(",")),
        Event::OrganizationReportedIn(body) => format!("{} {}", body.call_id, body.quantity),
        Event::OrganizationOverdue(body) => format!("{} {} missing", body.call_id, body.missing),
        Event::OrganizationCallDeclined(body) => body.call_id.clone(),
        Event::OrganizationCallEnded(body) => body.call_id.clone(),
        Event::DeliveryRecorded(body) => format!("{} {:?} {:?}", body.call_id, body.channel(), body.outcome()),
        Event::NextChannelOrdered(body) => format!("{} {:?} -> {:?}", body.call_id, body.former_channel(), body.channel()),
        Event::TelephoneRequested(body) => {
            let who = |contact: &v1::TelephoneContact| {
                let names = [&contact.responder_id, &contact.organization_id, &contact.area_id];
                let name = names.into_iter().find(|name| !name.is_empty()).cloned().unwrap_or_default();
                format!("{:?}:{name}", contact.kind())
            };
            format!("{} {}", body.call_id, body.contacts.iter().map(who).collect::<Vec<_>>().join(","))
        }
        Event::GroupCalled(body) => {
            format!("{} called{}", body.called, passed(&body.passed_over, body.passed_over_total))
        }
        Event::GroupRecalled(body) => {
            format!("{} recalled {} released{}", body.recalled, body.released, passed(&body.passed_over, body.passed_over_total))
        }
        _ => return None,
    })
}

/// ` without 2: a1 responder_withdrawn, …`
fn passed(lines: &[v1::PassedOver], total: u32) -> String {
    let lines: Vec<_> = lines.iter().map(|line| format!("{} {}", line.responder_id, line.code)).collect();
    if total == 0 { String::new() } else { format!(" without {total}: {}", lines.join(", ")) }
}

fn shift(event: &Event) -> Option<String> {
    Some(match event {
        Event::ShiftsScheduled(body) => {
            let shifts: Vec<_> = body.shifts.iter().map(|entry| entry.shift_id.as_str()).collect();
            format!("{} {}", body.site_id, shifts.join(","))
        }
        Event::ShiftRostered(body) => {
            let lines: Vec<_> = body.lines.iter().map(|line| format!("{}={}", line.seat_id, line.responder_id)).collect();
            format!("{} {}", body.shift_id, lines.join(","))
        }
        Event::ShiftOpened(body) => body.shift_id.clone(),
        Event::SwapProposed(body) => {
            format!("{} {}@{} {}@{}", body.swap_id, body.responder_id, body.shift_id, body.other_responder_id, body.other_shift_id)
        }
        Event::ShiftsSwapped(body) => body.swap_id.clone(),
        Event::SwapDeclined(body) => body.swap_id.clone(),
        Event::HandedOver(body) => {
            let timers: Vec<_> = body.timers.iter().map(|timer| timer.name.as_str()).collect();
            let items = [&body.whistle_ids[..], &body.organization_call_ids[..]].concat();
            format!("{} -> {} [{}] [{}]", body.from_call_id, body.to_call_id, items.join(","), timers.join(","))
        }
        Event::ShiftClosed(body) => {
            let how = if body.handed_over {
                " handed over"
            } else if body.waiver_reason.is_empty() {
                ""
            } else {
                " waived"
            };
            format!("{} {}/{}{how}", body.shift_id, body.on_post, body.minimum)
        }
        Event::ShiftHeld(body) => format!("{} {}/{}", body.shift_id, body.on_post, body.minimum),
        Event::FatigueRaised(body) => format!("{} {:?} {} min", body.responder_id, body.level(), body.worked_ms / super::MINUTE_MS),
        Event::ReliefDemanded(body) => format!("{}{} {:?}", body.responder_id, body.shift_id, body.reason()),
        _ => return None,
    })
}

fn presence(event: &Event) -> Option<String> {
    Some(match event {
        Event::CheckedIn(body) => {
            let how = if body.walk_in { "walk-in" } else { &body.call_id };
            let late = if body.recorded_late { " late" } else { "" };
            format!("{} {} {how}{late}", body.responder_id, spot(&body.site_id, &body.whistle_id))
        }
        Event::CheckedOut(body) => format!("{} {}", body.responder_id, spot(&body.site_id, &body.whistle_id)),
        Event::PresenceDisputed(body) => {
            let (here, there) = (spot(&body.site_id, &body.whistle_id), spot(&body.other_site_id, &body.other_whistle_id));
            format!("{} {here} or {there}", body.responder_id)
        }
        Event::PresenceUnconfirmed(body) => format!("{} {} {}", body.responder_id, spot(&body.site_id, &body.whistle_id), body.call_id),
        Event::PresenceSettled(body) => format!("{} {}", body.responder_id, spot(&body.site_id, &body.whistle_id)),
        Event::PastPresenceRecorded(body) => {
            let way = if body.check_out { "out" } else { "in" };
            format!("{} {} {way}", body.responder_id, spot(&body.site_id, &body.whistle_id))
        }
        _ => return None,
    })
}
