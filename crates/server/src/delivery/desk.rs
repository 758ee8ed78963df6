//! Answers what the delivery service asks: everything is looked up when a message is sent, so that nothing stale or erased goes out, and
//! personal fields are opened for the one request that a channel's rule lets them leave in.

use std::sync::Arc;

use bytes::Bytes;
use muster_delivery::{
    Boxed, Channel, Delivery, Desk, Facts, Gone, Letter, LetterKind, LogPlace, MessageId, Raw, Recipient, Report, Routes, Told,
};
use muster_domain::{CallNotice, CallStanding, State};
use muster_log::{Health, Position};
use muster_proto::v1::PostCard;
use muster_proto::{ACTUAL, CommandError, Event};
use muster_views::{Row, View};
use serde_json::json;

use super::{PRINCIPAL, Parts};
use crate::gateway::{CommandId, Principal};
use crate::http::{Contact, wall_ms};
use crate::limits;

/// The desk.
pub(super) struct ServerDesk {
    parts: Parts,
    routes: Routes,
}

/// What the state says of a letter.
struct Standing {
    notice: Option<CallNotice>,
    area: String,
    recipient: String,
    is_erased: bool,
    is_in_exercise: bool,
    organization_stands: bool,
    /// What the record ordered or demanded is still asked for; so for every record that does neither.
    event_stands: bool,
}

impl ServerDesk {
    pub(super) fn new(parts: Parts, delivery: &Delivery) -> Self {
        Self { parts, routes: Routes::new(delivery) }
    }

    async fn standing(&self, letter: &Letter) -> Result<Standing, Gone> {
        let (call_id, realm, recipient) = (letter.call_id.clone(), letter.realm.clone(), letter.recipient.clone());
        let (area_id, event) = (area_of(&letter.event).to_owned(), letter.event.clone());
        let question = move |state: &State| {
            let notice = state.call_notice(&call_id);
            let recipient = match recipient {
                Recipient::Person(id) => id,
                Recipient::Called => notice.as_ref().map(|notice| notice.call.responder_id.clone()).unwrap_or_default(),
                Recipient::Organization(_) | Recipient::Area(_) => String::new(),
            };
            Standing {
                area: state.area_name(&area_id).to_owned(),
                is_erased: state.is_erased(&recipient),
                is_in_exercise: state.serves_in(&recipient, &realm),
                organization_stands: state.organization_call_stands(&call_id),
                event_stands: match &event {
                    Event::ShelterOrdered(order) => state.shelter_stands(order),
                    Event::ReliefDemanded(demand) => state.relief_stands(&realm, demand),
                    _ => true,
                },
                notice,
                recipient,
            }
        };
        self.parts.engine.ask(question).await.0.map_err(|_| Gone)
    }

    async fn tell(&self, letter: &Letter, id: &MessageId, channel: &Channel, may_be_told: bool) -> Result<Told, Gone> {
        let standing = self.standing(letter).await?;
        if let Some(answer) = over(&self.routes, letter, &standing, may_be_told) {
            return Ok(answer);
        }
        let mut facts = Facts {
            area: standing.area,
            area_id: area_of(&letter.event).to_owned(),
            receipts: format!("{}/v1/deliveries/{id}/receipts", self.parts.public_url),
            utc_offset_minutes: self.parts.utc_offset_minutes,
            ..Facts::default()
        };
        if let Some(notice) = standing.notice {
            facts.card = self.card_of(letter).await;
            of_call(&mut facts, notice);
        }
        of_event(&mut facts, &letter.event);
        if letter.kind == LetterKind::Call {
            let expires_at_ms = letter.recorded_at_ms + i64::try_from(limits::LINK_SECONDS * 1_000).expect("a day of milliseconds fits");
            let link = self.parts.links.of_messages(&letter.call_id, &facts.responder_id, expires_at_ms).map_err(|error| {
                tracing::error!(%error, "the secret of the links cannot be used");
                Gone
            })?;
            facts.link = format!("{}/answer/{link}", self.parts.public_url);
        }
        self.with_person(facts, &standing.recipient, channel).await
    }

    /// Puts in the personal fields that the channel's rule names.
    async fn with_person(&self, mut facts: Facts, recipient: &str, channel: &Channel) -> Result<Told, Gone> {
        let rule = channel.fields;
        if (rule.name || rule.phone) && !recipient.is_empty() {
            match self.contact(recipient).await? {
                Contact::Erased => return Ok(Told::Pointless("erased")),
                Contact::Known { name, phone } => {
                    facts.name = if rule.name { name } else { String::new() };
                    facts.phone = if rule.phone { phone } else { String::new() };
                }
                Contact::Unknown => {}
            }
        }
        if channel.template.fields().phone && facts.phone.is_empty() {
            return Ok(Told::Impossible("no_phone"));
        }
        Ok(Told::Send(Box::new(facts)))
    }

    /// 岗位说明书, as the views have it. A call without it is better than none: where they are far behind, it stands behind the link.
    async fn card_of(&self, letter: &Letter) -> PostCard {
        let _ = tokio::time::timeout(limits::CARD_WAIT, self.parts.views.wait_for(Position(letter.position))).await;
        let (views, realm, call_id) = (self.parts.views.clone(), letter.realm.clone(), letter.call_id.clone());
        let found = tokio::task::spawn_blocking(move || views.row(View::Calls, &realm, &call_id)).await;
        match found {
            Ok(Ok(Some(Row::Call(row)))) => row.card.unwrap_or_default(),
            Ok(Ok(_)) => PostCard::default(),
            Ok(Err(error)) => {
                tracing::debug!(%error, "the views do not have the card of a call");
                PostCard::default()
            }
            Err(_) => PostCard::default(),
        }
    }

    async fn contact(&self, responder_id: &str) -> Result<Contact, Gone> {
        let (enrollments, log, vault) = (Arc::clone(&self.parts.enrollments), Arc::clone(&self.parts.log), Arc::clone(&self.parts.vault));
        let id = responder_id.to_owned();
        tokio::task::spawn_blocking(move || Contact::look_up(&enrollments, &*log, &vault, &id)).await.map_err(|_| Gone)?.map_err(|_| Gone)
    }

    async fn take_down(&self, report: &Report) -> Result<(), Gone> {
        let key = format!("{}|{}", report.id, report.outcome.as_str_name());
        let id = format!("delivery:{}", &blake3::hash(key.as_bytes()).to_hex()[..40]);
        let body = json!({
            "call_id": report.call_id,
            "channel": report.channel.as_str_name(),
            "outcome": report.outcome.as_str_name(),
            "reference": report.id.to_string(),
            "attempted_at_ms": report.at_ms.to_string(),
        });
        let principal = Principal::new(PRINCIPAL).expect("the principal is visible text");
        let id = CommandId::new(&id).expect("it is short and visible");
        let gateway = &self.parts.gateway;
        let request = gateway.prepare(principal, id, "RecordDelivery", body).and_then(|prepared| gateway.seal(prepared));
        let done = match request {
            Ok(request) => self.parts.engine.submit_waiting(request).await,
            Err(error) => Err(error),
        };
        match done {
            // The same was taken down before, at another moment of trying.
            Ok(_) | Err(CommandError::IdReused { .. }) => Ok(()),
            Err(CommandError::Unavailable { .. }) => Err(Gone),
            Err(error) => {
                tracing::error!(%error, id = %report.id, "what became of a message is not taken down");
                Ok(())
            }
        }
    }
}

/// Why nothing is to be sent any more.
fn over(routes: &Routes, letter: &Letter, standing: &Standing, may_be_told: bool) -> Option<Told> {
    let pointless = |why| Some(Told::Pointless(why));
    let exercise = letter.realm != ACTUAL;
    let notice = standing.notice.as_ref();
    if standing.is_erased {
        return pointless("erased");
    }
    match letter.kind {
        LetterKind::Call => match notice {
            None => pointless("unknown_call"),
            Some(notice) if letter.reach.is_some_and(|on| notice.sent.contains(&on)) => Some(Told::Sent),
            Some(notice) if !notice.is_unanswered => pointless("answered"),
            Some(_) => None,
        },
        // Whoever was called by one channel is told by the same; whom none reached, by all of them.
        LetterKind::Released | LetterKind::Recalled if notice.is_some_and(|notice| went_elsewhere(routes, letter, notice)) => {
            pointless("called_by_another_channel")
        }
        LetterKind::Released => {
            let told = may_be_told || notice.is_some_and(|notice| notice.was_told);
            (!told).then_some(Told::Pointless("never_told"))
        }
        LetterKind::Recalled => {
            notice.is_none_or(|notice| notice.call.phase != CallStanding::Recalled).then_some(Told::Pointless("not_recalled"))
        }
        LetterKind::Telephone if notice.is_none_or(|notice| !notice.is_unanswered) => pointless("answered"),
        // Whoever can telephone was not called in the exercise: it is played to those who are in it and to nobody else.
        LetterKind::Telephone => (exercise && !standing.is_in_exercise).then_some(Told::Pointless("not_in_exercise")),
        LetterKind::OrganizationCall => (!standing.organization_stands).then_some(Told::Pointless("answered")),
        LetterKind::Shelter => (!standing.event_stands).then_some(Told::Pointless("resumed_or_safe")),
        LetterKind::Relief => (!standing.event_stands).then_some(Told::Pointless("relieved")),
        LetterKind::Unserved => None,
    }
}

/// Whether the call itself went to the person by other channels that are still served, and not by the letter's.
fn went_elsewhere(routes: &Routes, letter: &Letter, notice: &CallNotice) -> bool {
    letter.on.is_some_and(|on| !notice.sent.contains(&on)) && notice.sent.iter().any(|sent| routes.serves(*sent, &letter.realm))
}

fn area_of(event: &Event) -> &str {
    match event {
        Event::ResponderCalled(body) => &body.area_id,
        Event::OrganizationCalled(body) => &body.area_id,
        Event::ReliefDemanded(body) => &body.area_id,
        Event::ShelterOrdered(body) => &body.recalled_area_id,
        _ => "",
    }
}

/// What a call says, as it stands.
fn of_call(facts: &mut Facts, notice: CallNotice) {
    let call = notice.call;
    facts.role = call.role.as_str_name().to_owned();
    facts.responder_id = call.responder_id;
    facts.area_id = call.area_id;
    facts.area = notice.area;
    facts.site_id = call.site_id;
    facts.place = notice.place;
    facts.seat_id = call.seat_id;
    facts.unit_id = call.unit_id;
    facts.from_ms = call.from_ms;
    facts.until_ms = call.until_ms;
    facts.reply_due_ms = notice.reply_due_ms;
}

/// What the record itself says and the state does not.
fn of_event(facts: &mut Facts, event: &Event) {
    match event {
        Event::OrganizationCalled(body) => {
            facts.organization_id.clone_from(&body.organization_id);
            facts.site_id.clone_from(&body.site_id);
            facts.quantity = body.quantity;
            facts.reply_due_ms = body.deadline_ms;
        }
        Event::ReliefDemanded(body) => {
            facts.responder_id.clone_from(&body.responder_id);
            facts.site_id.clone_from(&body.site_id);
            facts.quantity = body.missing;
        }
        Event::ShelterOrdered(body) => facts.responder_id.clone_from(&body.responder_id),
        _ => {}
    }
}

impl Desk for ServerDesk {
    fn place(&self) -> LogPlace {
        LogPlace { id: self.parts.log.id().to_string(), epoch: self.parts.log.epoch().0 }
    }

    fn end(&self) -> u64 {
        self.parts.log.watermark().0
    }

    fn read(&self, from: u64) -> Result<Vec<Raw>, String> {
        let records = self.parts.log.read(Position(from), limits::EVENTS_BATCH_BYTES, limits::EVENTS_BATCH_RECORDS);
        let raw = |record: muster_log::Record| Raw { position: record.position.0, bytes: record.bytes };
        records.map(|records| records.into_iter().map(raw).collect()).map_err(|error| error.to_string())
    }

    fn read_one(&self, position: u64) -> Result<Bytes, String> {
        self.parts.log.read_one(Position(position)).map(|record| record.bytes).map_err(|error| error.to_string())
    }

    fn more_than(&self, position: u64) -> Boxed<'_, bool> {
        Box::pin(async move {
            let mut watermark = self.parts.log.subscribe_watermark();
            loop {
                watermark.mark_unchanged();
                // Asked before the watermark is read: what became durable before the log stopped is still delivered.
                let is_over = self.parts.log.health() != Health::Running;
                if self.parts.log.watermark().0 > position {
                    return true;
                }
                if is_over || watermark.changed().await.is_err() {
                    return false;
                }
            }
        })
    }

    fn facts<'a>(
        &'a self,
        letter: &'a Letter,
        id: &'a MessageId,
        channel: &'a Channel,
        may_be_told: bool,
    ) -> Boxed<'a, Result<Told, Gone>> {
        Box::pin(self.tell(letter, id, channel, may_be_told))
    }

    fn record<'a>(&'a self, report: &'a Report) -> Boxed<'a, Result<(), Gone>> {
        Box::pin(self.take_down(report))
    }

    fn now_ms(&self) -> i64 {
        wall_ms()
    }
}
