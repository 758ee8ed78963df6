//! Who takes which post of a plan: the one order of asking, for a conversion that happens and for one that is only rehearsed.

use std::collections::BTreeSet;

use muster_proto::v1::{DutyRole, GapReason, ResponseLevel};
use smallvec::SmallVec;

use super::conversion::Converting;
use super::seats::{Before, designated};
use crate::execute::Now;
use crate::ids::{CallRef, IncidentRef, ResponderRef};
use crate::state::{Designation, Seating};

/// What becomes of one post, by its place among the version's designations: first all that have duties, in the order of the plan, then
/// standby, then what nobody is named for.
pub(crate) enum Placed {
    /// Taken, with the duties of lesser incidents that the person is taken from.
    Seated {
        post: usize,
        responder: ResponderRef,
        claimed: SmallVec<[CallRef; 1]>,
    },
    /// Nobody named can come. The reason is the primary's.
    Gap {
        post: usize,
        responder: Option<ResponderRef>,
        reason: GapReason,
        other: Option<IncidentRef>,
    },
    /// The seat's area takes shelter.
    Suspended,
    StandsBy {
        post: usize,
    },
    /// A seat that the plan gives to nobody.
    Undesignated {
        site: u16,
        seat: u16,
    },
}

/// What stands ahead of a plan and is not in the state yet: people taken by this conversion, and people who stand by for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ahead {
    pub(crate) taken: BTreeSet<ResponderRef>,
    pub(crate) standby: BTreeSet<ResponderRef>,
}

/// Goes through the posts of the tiers above `former` up to `response`, and says of each what becomes of it.
pub(crate) fn place(
    converting: &Converting<'_>,
    now: &Now<'_>,
    former: ResponseLevel,
    response: ResponseLevel,
    ahead: &mut Ahead,
    mut say: impl FnMut(Placed),
) {
    let before = Before { version: converting.version, response: former };
    let added = |tier: ResponseLevel| tier > former && tier <= response;
    let designations = || converting.version.designations.iter().enumerate().filter(|(_, designation)| added(designation.tier));
    for (post, designation) in designations().filter(|(_, designation)| designation.role != DutyRole::Standby) {
        // A site closed by hand asks for nobody, nor does one in an area that takes shelter. A unit dissolved by hand leaves its
        // seats, and them empty.
        if designation.site.is_some_and(|site| converting.site_gone(site)) || !to_be_taken(converting, now, before, designation) {
            continue;
        }
        if designation.site.is_some_and(|site| converting.site_waits(site)) {
            say(Placed::Suspended);
            continue;
        }
        match offer(converting, now, designation, &ahead.taken, Whom::LesserToo) {
            Ok((responder, claimed)) => {
                ahead.taken.insert(responder);
                ahead.standby.remove(&responder);
                say(Placed::Seated { post, responder, claimed });
            }
            Err((reason, other)) => say(Placed::Gap { post, responder: Some(designation.responder), reason, other }),
        }
    }
    // Last, for a backup who was needed does not stand by.
    for (post, designation) in designations().filter(|(_, designation)| designation.role == DutyRole::Standby) {
        if may_stand_by(converting, now, designation, ahead) {
            ahead.standby.insert(designation.responder);
            say(Placed::StandsBy { post });
        }
    }
    undesignated(converting, now, before, response, |site, seat| say(Placed::Undesignated { site, seat }));
}

type Chosen = Result<(ResponderRef, SmallVec<[CallRef; 1]>), (GapReason, Option<IncidentRef>)>;

/// Who may be called to a post.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whom {
    /// Whoever has no duty.
    Free,
    /// Whoever a lesser incident has as well.
    LesserToo,
}

/// Whether a post is there to be taken: its seat is on the list once the answer is given, and nobody has it and stays. One without a seat always is.
pub(super) fn to_be_taken(converting: &Converting<'_>, now: &Now<'_>, before: Before<'_>, post: &Designation) -> bool {
    let seat = post.site.zip(post.seat);
    seat.is_none_or(|(at, number)| converting.will_be_listed(before, at, number) && converting.seating(now, at, number) != Seating::Held)
}

/// Who takes a post, as [`choose`]; nobody while somebody still has its seat who will leave it, or has it from a later time on.
pub(super) fn offer(converting: &Converting<'_>, now: &Now<'_>, post: &Designation, taken: &BTreeSet<ResponderRef>, whom: Whom) -> Chosen {
    match post.site.zip(post.seat).map(|(at, number)| converting.seating(now, at, number)) {
        None | Some(Seating::Empty) => choose(converting, now, post, taken, whom),
        Some(_) => Err((GapReason::SeatTaken, None)),
    }
}

/// The first of primary and backups who can come, and the duties of lesser incidents to take them from. The reason is the primary's.
pub(crate) fn choose(
    converting: &Converting<'_>,
    now: &Now<'_>,
    designation: &Designation,
    taken: &BTreeSet<ResponderRef>,
    whom: Whom,
) -> Chosen {
    let mut refused = None;
    for responder in std::iter::once(&designation.responder).chain(&designation.backups) {
        let answer = if taken.contains(responder) {
            Err((GapReason::OnOtherDuty, Some(converting.incident_key)))
        } else {
            converting.claim(now, designation, *responder)
        };
        match answer {
            Ok(claimed) => match claimed.first().filter(|_| whom == Whom::Free) {
                Some(duty) => refused = refused.or(Some((GapReason::OnOtherDuty, converting.state.ops.calls.get(*duty).incident))),
                None => return Ok((*responder, claimed)),
            },
            Err(reason) => refused = refused.or(Some(reason)),
        }
    }
    Err(refused.unwrap_or((GapReason::NoCandidate, None)))
}

pub(crate) fn may_stand_by(converting: &Converting<'_>, now: &Now<'_>, designation: &Designation, ahead: &Ahead) -> bool {
    let responder = designation.responder;
    // Whoever has a duty of any time does not stand by.
    let held = converting.state.ops.duties(converting.incident.realm, responder);
    let busy = ahead.taken.contains(&responder) || !held.is_empty() || converting.claim(now, designation, responder).is_err();
    !busy && !converting.incident.standby.contains_key(&responder) && !ahead.standby.contains(&responder)
}

/// Seats that the plan gives to nobody, or to somebody at a higher level only, and of which it was not said before.
pub(super) fn undesignated(
    converting: &Converting<'_>,
    now: &Now<'_>,
    before: Before<'_>,
    response: ResponseLevel,
    mut say: impl FnMut(u16, u16),
) {
    let version = converting.version;
    for (at, site) in (0_u16..).zip(&version.sites).filter(|(at, _)| !converting.site_gone(*at)) {
        for (number, seat) in (0_u16..).zip(&site.seats) {
            let nobody = seat.tier <= response && !designated(version, response, (at, number));
            let listed = || !before.undesignated(at, site, number) && converting.will_be_listed(before, at, number);
            if nobody && listed() && converting.seating(now, at, number) != Seating::Held {
                say(at, number);
            }
        }
    }
}
