//! Templates: JSON in whose texts `{{name}}` stands for a fact. A text that is nothing but a placeholder takes the fact as it is, a number as
//! a number. What a template names is checked when it is read, so that no message fails for a misspelled word.

use serde_json::Value;

use crate::config::Kind;
use crate::facts::{Fields, PLACEHOLDERS, Values};

/// How a message looks.
#[derive(Clone, Debug, PartialEq)]
pub struct Template(Value);

/// Values of JSON that came from text are equal to themselves: it has no NaN.
impl Eq for Template {}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateFault {
    /// No JSON.
    Json(String),
    /// A placeholder that nothing is known of.
    Unknown(String),
    /// A placeholder that does not end.
    Open,
}

impl TemplateFault {
    /// For people, in Chinese.
    pub(crate) fn zh(&self) -> String {
        match self {
            Self::Json(detail) => format!("模板不是有效的 JSON：{detail}"),
            Self::Unknown(name) => format!("模板中的占位符 {{{{{name}}}}} 不存在；可用：{}", PLACEHOLDERS.join("、")),
            Self::Open => "模板中有没有结束的 {{".to_owned(),
        }
    }

    /// For people, in English.
    pub(crate) fn en(&self) -> String {
        match self {
            Self::Json(detail) => format!("the template is no JSON: {detail}"),
            Self::Unknown(name) => format!("there is no placeholder {{{{{name}}}}}; known are {}", PLACEHOLDERS.join(", ")),
            Self::Open => "a {{ in the template does not end".to_owned(),
        }
    }
}

impl Template {
    /// The template of a kind.
    pub(crate) const fn text_of(kind: Kind) -> &'static str {
        match kind {
            Kind::Webhook => include_str!("../templates/webhook.json"),
            Kind::WecomApp => include_str!("../templates/wecom_app.json"),
            Kind::WecomRobot => include_str!("../templates/wecom_robot.json"),
            Kind::DingtalkNotice => include_str!("../templates/dingtalk_notice.json"),
            Kind::DingtalkRobot => include_str!("../templates/dingtalk_robot.json"),
            Kind::Sms => include_str!("../templates/sms.json"),
            Kind::Voice => include_str!("../templates/voice.json"),
        }
    }

    /// Reads a template.
    ///
    /// # Errors
    /// See [`TemplateFault`].
    pub fn parse(text: &str) -> Result<Self, TemplateFault> {
        let value: Value = serde_json::from_str(text).map_err(|error| TemplateFault::Json(error.to_string()))?;
        let mut fault = None;
        each_text(&value, &mut |text: &str| {
            for part in parts(text) {
                match part {
                    Part::Fact(name) if !PLACEHOLDERS.contains(&name) => fault = Some(TemplateFault::Unknown(name.to_owned())),
                    Part::Open => fault = Some(TemplateFault::Open),
                    _ => {}
                }
            }
        });
        fault.map_or(Ok(Self(value)), Err)
    }

    /// The personal fields that it names. `data` has those that the channel's rule lets leave, and asks for none.
    #[must_use]
    pub fn fields(&self) -> Fields {
        let mut fields = Fields::default();
        each_text(&self.0, &mut |text: &str| {
            for part in parts(text) {
                fields.name |= part == Part::Fact("name");
                fields.phone |= part == Part::Fact("phone");
            }
        });
        fields
    }

    /// The body of a message.
    pub(crate) fn fill(&self, values: &Values) -> Vec<u8> {
        filled(&self.0, values).to_string().into_bytes()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a str),
    Fact(&'a str),
    Open,
}

fn parts(text: &str) -> Vec<Part<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        if !before.is_empty() {
            found.push(Part::Text(before));
        }
        let Some((name, behind)) = after.split_once("}}") else {
            found.push(Part::Open);
            return found;
        };
        found.push(Part::Fact(name.trim()));
        rest = behind;
    }
    if !rest.is_empty() {
        found.push(Part::Text(rest));
    }
    found
}

fn each_text(value: &Value, each: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => each(text),
        Value::Array(items) => items.iter().for_each(|item| each_text(item, each)),
        Value::Object(members) => members.values().for_each(|member| each_text(member, each)),
        _ => {}
    }
}

fn filled(value: &Value, values: &Values) -> Value {
    match value {
        Value::String(text) => filled_text(text, values),
        Value::Array(items) => Value::Array(items.iter().map(|item| filled(item, values)).collect()),
        Value::Object(members) => Value::Object(members.iter().map(|(name, member)| (name.clone(), filled(member, values))).collect()),
        other => other.clone(),
    }
}

fn filled_text(text: &str, values: &Values) -> Value {
    let parts = parts(text);
    if let [Part::Fact(name)] = parts[..] {
        return values.get(name).clone();
    }
    let mut whole = String::with_capacity(text.len());
    for part in parts {
        match part {
            Part::Text(text) => whole.push_str(text),
            Part::Fact(name) => match values.get(name) {
                Value::String(text) => whole.push_str(text),
                other => whole.push_str(&other.to_string()),
            },
            Part::Open => {}
        }
    }
    Value::String(whole)
}

#[cfg(test)]
#[path = "template_tests.rs"]
mod tests;
