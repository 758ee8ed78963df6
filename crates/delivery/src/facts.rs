//! What a message can tell: every fact by the name that a template gives it. Personal fields are in it only where the channel's rule names
//! them, and only for as long as the request lasts.

use muster_proto::ACTUAL;
use muster_proto::v1::PostCard;
use serde_json::{Map, Value, json};

use crate::config::Channel;
use crate::letter::{Letter, LetterKind, Recipient};
use crate::words::{self, Lang};

/// Personal fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// The name.
    pub name: bool,
    /// The telephone number.
    pub phone: bool,
}

/// What the server knows of a letter's call, people and places now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Who is called, or whom it concerns.
    pub responder_id: String,
    /// The organization called.
    pub organization_id: String,
    /// The post's area.
    pub area_id: String,
    /// Its name.
    pub area: String,
    /// The site.
    pub site_id: String,
    /// Its name, or the whistle's place.
    pub place: String,
    /// The seat.
    pub seat_id: String,
    /// The unit.
    pub unit_id: String,
    /// The role, as its name in the protocol.
    pub role: String,
    /// When it begins, Unix milliseconds, 0 for not said; so are the times below.
    pub from_ms: i64,
    /// When it ends.
    pub until_ms: i64,
    /// Until when an answer is wanted.
    pub reply_due_ms: i64,
    /// How many people an organization is asked for.
    pub quantity: u32,
    /// 岗位说明书
    pub card: PostCard,
    /// Where the call is answered without an account, empty where there is nothing to answer.
    pub link: String,
    /// Where receipts go.
    pub receipts: String,
    /// The recipient's name, if the rule lets it leave.
    pub name: String,
    /// The recipient's telephone number, if the rule lets it leave.
    pub phone: String,
    /// Minutes that local time is ahead of UTC.
    pub utc_offset_minutes: i16,
}

/// What a template may name; docs/DELIVERY.md says what each is.
pub(crate) const PLACEHOLDERS: [&str; 36] = [
    "message_id",
    "type",
    "kind",
    "timestamp",
    "realm",
    "exercise",
    "call_id",
    "recipient",
    "recipient_kind",
    "responder_id",
    "organization_id",
    "area_id",
    "area",
    "site_id",
    "place",
    "seat_id",
    "unit_id",
    "role",
    "from",
    "until",
    "reply_due",
    "quantity",
    "card_where",
    "card_report_to",
    "card_task",
    "card_bring",
    "card_until",
    "link",
    "receipts",
    "title",
    "text",
    "language",
    "name",
    "phone",
    "agent_id",
    "data",
];

/// Everything that a template may name, with its value now.
pub(crate) struct Values(Map<String, Value>);

impl Values {
    pub(crate) fn get(&self, name: &str) -> &Value {
        self.0.get(name).unwrap_or(&Value::Null)
    }

    /// The facts of a letter as a channel tells them.
    pub(crate) fn of(message_id: &str, letter: &Letter, facts: &Facts, channel: &Channel) -> Self {
        let exercise = letter.realm != ACTUAL;
        let (recipient_kind, recipient) = match &letter.recipient {
            Recipient::Person(id) => ("person", id.as_str()),
            Recipient::Called => ("person", facts.responder_id.as_str()),
            Recipient::Organization(id) => ("organization", id.as_str()),
            Recipient::Area(id) => ("area", id.as_str()),
        };
        let time = |ms: i64| if ms == 0 { String::new() } else { words::rfc3339(ms, facts.utc_offset_minutes) };
        let (title, text) = words::compose(channel.lang, letter, facts);
        let mut data = Map::new();
        let texts: [(&str, &str); 29] = [
            ("message_id", message_id),
            ("kind", letter.kind.name()),
            ("realm", &letter.realm),
            ("call_id", &letter.call_id),
            ("recipient", recipient),
            ("recipient_kind", recipient_kind),
            ("responder_id", &facts.responder_id),
            ("organization_id", &facts.organization_id),
            ("area_id", &facts.area_id),
            ("area", &facts.area),
            ("site_id", &facts.site_id),
            ("place", &facts.place),
            ("seat_id", &facts.seat_id),
            ("unit_id", &facts.unit_id),
            ("role", &facts.role),
            ("from", &time(facts.from_ms)),
            ("until", &time(facts.until_ms)),
            ("reply_due", &time(facts.reply_due_ms)),
            ("card_where", &facts.card.r#where),
            ("card_report_to", &facts.card.report_to),
            ("card_task", &facts.card.task),
            ("card_bring", &facts.card.bring),
            ("card_until", &facts.card.until),
            ("link", &facts.link),
            ("receipts", &facts.receipts),
            ("title", &title),
            ("text", &text),
            ("name", &facts.name),
            ("phone", &facts.phone),
        ];
        data.extend(texts.map(|(name, text)| (name.to_owned(), json!(text))));
        data.insert("exercise".to_owned(), json!(exercise));
        data.insert("quantity".to_owned(), json!(facts.quantity));
        let mut values = data.clone();
        data.retain(|_, value| *value != json!("") && *value != json!(0));
        let more = [
            ("type", json!(format!("muster.{}", letter.kind.name()))),
            // The moment of the record, not of the try: the same message has the same body.
            ("timestamp", json!(words::rfc3339(letter.recorded_at_ms, 0))),
            ("language", json!(if channel.lang == Lang::Zh { "zh-CN" } else { "en" })),
            ("agent_id", json!(channel.agent_id)),
            ("data", Value::Object(data)),
        ];
        values.extend(more.map(|(name, value)| (name.to_owned(), value)));
        Self(values)
    }
}

/// Whether the recipient must answer a letter of this kind.
pub(crate) const fn is_answered(kind: LetterKind) -> bool {
    matches!(kind, LetterKind::Call)
}
