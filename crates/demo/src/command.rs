//! What the script hands to a stage: commands as a caller of the HTTP interface would write them. Must never hold sealed bytes:
//! personal fields stand here as plain strings, and the gateway seals them.

use serde_json::{Value, json};

/// One command of the script.
#[derive(Clone, Debug, PartialEq)]
pub struct ScriptCommand {
    /// The command's name, e.g. `BlowWhistle`.
    pub name: &'static str,
    /// The idempotency key, at most 64 bytes; the same intent has the same id in every run from one seed.
    pub id: String,
    /// The JSON of `muster.v1.Context`.
    pub context: Value,
    /// The JSON of the command's message.
    pub body: Value,
}

/// What became of one command.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Durable.
    Done {
        /// First position of its records, 0 when it changed nothing.
        first: u64,
        /// Last position, 0 when it changed nothing.
        last: u64,
        /// The answer to an earlier request with this id was given again.
        repeated: bool,
    },
    /// A domain fact speaks against it; nothing was stored.
    Refused {
        /// The stable code, e.g. `responder_already_on_duty`.
        code: String,
        /// The words for people.
        message: String,
    },
}

impl Outcome {
    /// Whether the command took effect, now or before.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done { .. })
    }
}

/// Who says it, in which office, on what ground: the demo's offices, as they would sign.
#[derive(Clone, Debug)]
pub struct Voice {
    actor: String,
    area_id: String,
    organization_id: String,
    title: &'static str,
    basis: Option<(&'static str, String)>,
    channel: (&'static str, String),
    occurred: Option<(i64, &'static str)>,
    on_behalf_of: String,
}

impl Voice {
    /// An office of an area, speaking through the console.
    pub fn office(area_id: &str, title: &'static str) -> Self {
        Self {
            actor: format!("office-{area_id}"),
            area_id: area_id.to_owned(),
            organization_id: String::new(),
            title,
            basis: None,
            channel: ("CHANNEL_KIND_HTTP", "console".to_owned()),
            occurred: None,
            on_behalf_of: String::new(),
        }
    }

    /// An office-holder of an organization.
    pub fn organization(organization_id: &str, area_id: &str) -> Self {
        Self {
            actor: format!("office-{organization_id}"),
            area_id: area_id.to_owned(),
            organization_id: organization_id.to_owned(),
            title: "单位联络员",
            basis: None,
            channel: ("CHANNEL_KIND_PHONE", "duty line".to_owned()),
            occurred: None,
            on_behalf_of: String::new(),
        }
    }

    /// A responder with a phone.
    pub fn responder(responder_id: &str) -> Self {
        Self {
            actor: responder_id.to_owned(),
            area_id: String::new(),
            organization_id: String::new(),
            title: "报到人员",
            basis: None,
            channel: ("CHANNEL_KIND_APP", format!("device-{responder_id}")),
            occurred: None,
            on_behalf_of: String::new(),
        }
    }

    /// On the ground of a document 文号.
    pub fn by_document(mut self, reference: impl Into<String>) -> Self {
        self.basis = Some(("BASIS_KIND_DOCUMENT", reference.into()));
        self
    }

    /// On the ground of a consultation 会商.
    pub fn by_consultation(mut self, reference: impl Into<String>) -> Self {
        self.basis = Some(("BASIS_KIND_CONSULTATION", reference.into()));
        self
    }

    /// On a telephone order 电话指令.
    pub fn by_telephone(mut self, reference: impl Into<String>) -> Self {
        self.basis = Some(("BASIS_KIND_TELEPHONE", reference.into()));
        self.channel = ("CHANNEL_KIND_PHONE", "hotline".to_owned());
        self
    }

    /// As the plan says.
    pub fn by_plan(mut self, reference: impl Into<String>) -> Self {
        self.basis = Some(("BASIS_KIND_PLAN", reference.into()));
        self
    }

    /// From a list on paper or in a table.
    pub fn imported(mut self, reference: impl Into<String>) -> Self {
        self.channel = ("CHANNEL_KIND_IMPORT", reference.into());
        self
    }

    /// At the device's time, Unix milliseconds.
    pub fn at_device_time(mut self, occurred_at_ms: i64) -> Self {
        self.occurred = Some((occurred_at_ms, "OCCURRED_AT_SOURCE_DEVICE"));
        self
    }

    /// Taken down for somebody else from a sheet of paper, at the time that is written there, Unix milliseconds.
    pub fn from_sheet(mut self, sheet: impl Into<String>, for_whom: impl Into<String>, stated_at_ms: i64) -> Self {
        self.channel = ("CHANNEL_KIND_PAPER", sheet.into());
        self.on_behalf_of = for_whom.into();
        self.occurred = Some((stated_at_ms, "OCCURRED_AT_SOURCE_STATED"));
        self
    }

    /// The JSON of `muster.v1.Context`.
    pub fn context(&self) -> Value {
        let mut context = json!({
            "actor": self.actor,
            "actor_office": {"area_id": self.area_id, "organization_id": self.organization_id, "title": self.title},
            "channel": {"kind": self.channel.0, "reference": self.channel.1},
        });
        let members = context.as_object_mut().expect("it was made as an object");
        if !self.on_behalf_of.is_empty() {
            members.insert("on_behalf_of".to_owned(), json!(self.on_behalf_of));
        }
        if let Some((kind, reference)) = &self.basis {
            members.insert("basis".to_owned(), json!({"kind": kind, "reference": reference}));
        }
        if let Some((at_ms, source)) = self.occurred {
            members.insert("occurred_at_ms".to_owned(), json!(at_ms.to_string()));
            members.insert("occurred_at_source".to_owned(), json!(source));
        }
        context
    }

    /// The command in this voice.
    pub fn says(&self, name: &'static str, id: impl Into<String>, body: Value) -> ScriptCommand {
        ScriptCommand { name, id: id.into(), context: self.context(), body }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use muster_proto::v1;

    #[test]
    fn a_context_is_the_contracts_context() {
        let voice = Voice::office("440803", "组织部值班员").by_document("湛霞组〔2026〕7号").at_device_time(5);
        let context: v1::Context = serde_json::from_value(voice.context()).unwrap();
        assert_eq!(context.actor, "office-440803");
        assert_eq!(context.basis.unwrap().kind(), v1::BasisKind::Document);
        assert_eq!((context.occurred_at_ms, context.occurred_at_source), (5, v1::OccurredAtSource::Device.into()));
    }
}
