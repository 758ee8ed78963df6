//! Of random histories: cards, deliveries, what is told late, and who answers for an area.

use muster_proto::Event;
use muster_proto::v1;

use super::{CARDS, World, pick};

impl World {
    pub(super) fn card(key: &str, choice: u16) -> v1::PostCard {
        v1::PostCard { card_key: key.into(), task: format!("第 {choice} 组"), until: "天亮".into(), ..Default::default() }
    }

    /// A plan's version is drafted anew now and then, also with fewer cards.
    pub(super) fn drafted(b: u16, c: u16) -> Event {
        let cards = CARDS[1..].iter().take(usize::from(c % 3)).map(|key| Self::card(key, b)).collect();
        Event::PlanDrafted(v1::PlanDrafted { plan_id: "plan".into(), version: 1 + u32::from(b % 2), cards, ..Default::default() })
    }

    /// What a delivery service tells, in any order and also when the duty is over.
    pub(super) fn delivery(&mut self, realm: usize, a: u16, b: u16, c: u16) -> Option<Event> {
        let realm = &self.realms[realm];
        let over = pick(&realm.released, a).filter(|_| b % 11 == 0);
        let call_id = over.or_else(|| pick(&realm.duties, a).map(|(call_id, ..)| call_id))?;
        let (channel, former_channel) = (1 + i32::from(b % 5), i32::from(b % 5));
        Some(match c % 6 {
            0 => Event::NextChannelOrdered(v1::NextChannelOrdered { call_id, channel, former_channel, ..Default::default() }),
            1 => {
                let contact = |n| v1::TelephoneContact { kind: 2, responder_id: Self::person(n), ..Default::default() };
                Event::TelephoneRequested(v1::TelephoneRequested {
                    call_id,
                    contacts: (0..b % 3).map(contact).collect(),
                    ..Default::default()
                })
            }
            outcome => Event::DeliveryRecorded(v1::DeliveryRecorded {
                call_id,
                channel,
                outcome: i32::from(outcome),
                attempted_at_ms: i64::from(a),
                ..Default::default()
            }),
        })
    }

    pub(super) fn responsibility(&mut self, a: u16, b: u16, c: u16) -> Option<Event> {
        let (area_id, _) = pick(&self.areas[..self.areas.len().min(3)], b)?;
        let (responder_id, kind) = (Self::person(a), 1 + i32::from(c % 2));
        let (from_ms, until_ms) = (i64::from(a), i64::from(c));
        Some(if c / 2 % 3 == 0 {
            Event::ResponsibilityEnded(v1::ResponsibilityEnded { responder_id, area_id, kind })
        } else {
            Event::ResponsibilityAssigned(v1::ResponsibilityAssigned { responder_id, area_id, kind, from_ms, until_ms })
        })
    }

    pub(super) fn past(&mut self, realm: usize, a: u16, b: u16, c: u16) -> Option<Event> {
        let responder_id = Self::person(a);
        if c % 5 == 0 {
            let (whistle_id, ..) = pick(&self.realms[realm].whistles, b)?;
            return Some(Event::PastPresenceRecorded(v1::PastPresenceRecorded { responder_id, whistle_id, ..Default::default() }));
        }
        // Mostly where the person is now, as when a phone tells what came before.
        let here = self.realms[realm].present.get(&responder_id).map(|(site, _)| site.clone()).filter(|_| c % 5 < 3);
        let site_id = here.filter(|site| !site.is_empty()).or_else(|| Some(pick(&self.realms[realm].sites, b)?.0))?;
        Some(Event::PastPresenceRecorded(v1::PastPresenceRecorded { responder_id, site_id, check_out: b % 2 == 0, ..Default::default() }))
    }
}
