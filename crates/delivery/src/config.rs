//! `[delivery]` of the configuration: which channels there are, whom they serve, and what may leave by them. Everything is checked at the start:
//! a message that cannot be made is found before anybody is called. It must never show a secret.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use hyper::Uri;
use muster_proto::ACTUAL;
use muster_proto::v1::DeliveryChannel;
use serde::Deserialize;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;

use crate::facts::Fields;
use crate::limits;
use crate::sign::{Secret, SecretFault};
use crate::template::Template;
use crate::words::Lang;

/// `[delivery]` as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The language of texts, `zh-CN` when absent.
    pub language: Option<String>,
    /// `[[delivery.channel]]`.
    #[serde(default)]
    pub channel: Vec<ChannelSettings>,
}

/// `[[delivery.channel]]` as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelSettings {
    /// Small letters, digits and `-`; it stands in every message id, so it stays as it is.
    pub name: String,
    /// See [`Kind`].
    pub kind: String,
    /// Where to send.
    pub url: String,
    /// One secret, or several while one takes over from the other: `whsec_…`, or what the platform gave out.
    #[serde(default)]
    pub secret: Secrets,
    /// Of a platform's channel: with what its receipts are signed, `whsec_…`.
    #[serde(default)]
    pub receipt_secret: Secrets,
    /// What it is for: `app`, `sms`, `voice`, `robot`, `contact`, `office`.
    #[serde(default)]
    pub serves: Vec<String>,
    /// Realms: `actual`, `exercises` for all of them, or one exercise by its name; `actual` when absent.
    pub realms: Option<Vec<String>>,
    /// Personal fields that may leave by it: `name`, `phone`; none when absent.
    #[serde(default)]
    pub fields: Vec<String>,
    /// A file with a template; the kind's own when absent.
    pub template: Option<PathBuf>,
    /// A PEM file with the authorities that vouch for the other end; those that the machine trusts when absent.
    pub ca_file: Option<PathBuf>,
    /// The language of its texts.
    pub language: Option<String>,
    /// The platform's id of whoever sends: `corpid` of WeCom, `appkey` of DingTalk.
    pub account: Option<String>,
    /// The platform's id of the application.
    pub agent_id: Option<u64>,
    /// How long one message is tried.
    pub give_up_after_s: Option<u64>,
    /// Messages a minute.
    pub per_minute: Option<u32>,
    /// Requests at the same time.
    pub concurrency: Option<usize>,
}

/// One text or several. They are shown to nobody.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Secrets {
    /// Not given.
    #[default]
    None,
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secrets", self.texts().len())
    }
}

impl Secrets {
    fn texts(&self) -> &[String] {
        match self {
            Self::None => &[],
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(texts) => texts,
        }
    }
}

/// What is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any receiver of Standard Webhooks.
    Webhook,
    /// 企业微信应用消息
    WecomApp,
    /// 企业微信群机器人
    WecomRobot,
    /// 钉钉工作通知
    DingtalkNotice,
    /// 钉钉群机器人
    DingtalkRobot,
    /// A gateway that sends short messages; signed as a webhook.
    Sms,
    /// A gateway that rings people up and reads to them; signed as a webhook.
    Voice,
}

impl Kind {
    /// Every kind with its name in the configuration.
    pub const ALL: [(&'static str, Self); 7] = [
        ("webhook", Self::Webhook),
        ("wecom_app", Self::WecomApp),
        ("wecom_robot", Self::WecomRobot),
        ("dingtalk_notice", Self::DingtalkNotice),
        ("dingtalk_robot", Self::DingtalkRobot),
        ("sms", Self::Sms),
        ("voice", Self::Voice),
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }

    /// Whether its requests are signed as Standard Webhooks are.
    #[must_use]
    pub const fn is_signed(self) -> bool {
        matches!(self, Self::Webhook | Self::Sms | Self::Voice)
    }

    /// Whether an access token is asked for first.
    pub(crate) const fn needs_token(self) -> bool {
        matches!(self, Self::WecomApp | Self::DingtalkNotice)
    }

    /// Whether everybody in a group reads it.
    const fn is_robot(self) -> bool {
        matches!(self, Self::WecomRobot | Self::DingtalkRobot)
    }
}

/// What a channel is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Serves {
    /// A channel on which the domain seeks a person.
    Person(DeliveryChannel),
    /// People and offices who can telephone.
    Contact,
    /// Calls to organizations, and demands for relief.
    Office,
}

impl Serves {
    const NAMES: [(&'static str, Self); 6] = [
        ("app", Self::Person(DeliveryChannel::App)),
        ("sms", Self::Person(DeliveryChannel::Sms)),
        ("voice", Self::Person(DeliveryChannel::Voice)),
        ("robot", Self::Person(DeliveryChannel::Robot)),
        ("contact", Self::Contact),
        ("office", Self::Office),
    ];
}

/// For which realms a channel is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Realms(BTreeSet<String>);

/// Every exercise.
const EXERCISES: &str = "exercises";

impl Realms {
    /// Whether messages of a realm may go out by it.
    #[must_use]
    pub fn allow(&self, realm: &str) -> bool {
        self.0.contains(realm) || (realm != ACTUAL && self.0.contains(EXERCISES))
    }

    fn meet(&self, other: &Self) -> bool {
        let in_both =
            |one: &Self, two: &Self| one.0.iter().any(|realm| if realm == EXERCISES { two.has_exercise() } else { two.allow(realm) });
        in_both(self, other) || in_both(other, self)
    }

    fn has_exercise(&self) -> bool {
        self.0.iter().any(|realm| realm != ACTUAL)
    }
}

/// A channel that is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Its name.
    pub name: String,
    /// What is at the other end.
    pub kind: Kind,
    /// Where.
    pub url: Uri,
    /// What requests are signed with, the new one first.
    pub secrets: Vec<Secret>,
    /// What receipts may be signed with; none takes no receipts.
    pub receipt_secrets: Vec<Secret>,
    /// What it is for.
    pub serves: BTreeSet<Serves>,
    /// For which realms.
    pub realms: Realms,
    /// Personal fields that may leave.
    pub fields: Fields,
    /// The authorities that vouch for the other end; none for those that the machine trusts.
    pub authorities: Vec<CertificateDer<'static>>,
    /// How a message looks.
    pub template: Template,
    /// The language of texts.
    pub lang: Lang,
    /// The platform's id of whoever sends.
    pub account: String,
    /// The platform's id of the application.
    pub agent_id: u64,
    /// How long one message is tried.
    pub give_up: Duration,
    /// The time between two messages.
    pub pace: Duration,
    /// Requests at the same time.
    pub concurrency: usize,
}

/// The whole configuration of the service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// The channels, in their order in the file.
    pub channels: Vec<Channel>,
}

/// What is wrong with the configuration, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {en}")]
pub struct Fault {
    /// The setting, e.g. `delivery.channel[sms].url`.
    pub field: String,
    /// Why, in Chinese.
    pub zh: String,
    /// Why, in English.
    pub en: String,
}

impl Fault {
    fn new(field: impl Into<String>, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { field: field.into(), zh: zh.into(), en: en.into() }
    }
}

/// Whether an address may be sent to: what leaves names calls and maybe people, so without TLS it stays on this machine.
fn is_trustworthy(url: &Uri) -> bool {
    let host = url.host().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    let own = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    url.scheme_str() == Some("https") || (url.scheme_str() == Some("http") && own)
}

impl Settings {
    /// Checks everything and reads the template files.
    ///
    /// # Errors
    /// The first fault, with the field.
    pub fn check(&self) -> Result<Delivery, Fault> {
        let lang = language("delivery.language", self.language.as_deref())?.unwrap_or_default();
        let mut channels: Vec<Channel> = Vec::new();
        for (at, settings) in self.channel.iter().enumerate() {
            let channel = settings.check(at, lang)?;
            let at = |field: &str| format!("delivery.channel[{}].{field}", channel.name);
            if channels.iter().any(|other| other.name == channel.name) {
                return Err(Fault::new(at("name"), "此名称已被另一个渠道使用", "another channel has this name"));
            }
            let shared = |other: &&Channel| {
                let people =
                    |channel: &Channel| channel.serves.iter().filter(|serves| matches!(serves, Serves::Person(_))).copied().collect();
                let (one, two): (BTreeSet<_>, BTreeSet<_>) = (people(other), people(&channel));
                other.realms.meet(&channel.realms) && !one.is_disjoint(&two)
            };
            if let Some(other) = channels.iter().find(shared) {
                return Err(Fault::new(
                    at("serves"),
                    format!("渠道 {} 已在同一范围承担此类送达；同一类送达只能由一个渠道承担", other.name),
                    format!("the channel {} serves the same for the same realms; one channel alone may", other.name),
                ));
            }
            channels.push(channel);
        }
        Ok(Delivery { channels })
    }
}

impl ChannelSettings {
    fn check(&self, index: usize, lang: Lang) -> Result<Channel, Fault> {
        let name_fits = (1..=limits::NAME_BYTES_MAX).contains(&self.name.len())
            && self.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !name_fits {
            let field = format!("delivery.channel[{index}].name");
            return Err(Fault::new(
                field,
                "应为 1 至 32 个小写字母、数字或连字符",
                "1 to 32 small letters, digits or hyphens are expected",
            ));
        }
        let at = |field: &str| format!("delivery.channel[{}].{field}", self.name);
        let kind = Kind::ALL.iter().find(|(name, _)| *name == self.kind).map(|(_, kind)| *kind).ok_or_else(|| {
            let known = Kind::ALL.map(|(name, _)| name).join(" / ");
            Fault::new(
                at("kind"),
                format!("“{}”无效：应为 {known}", self.kind),
                format!("{:?} is not usable: {known} is expected", self.kind),
            )
        })?;
        let url: Uri = self.url.parse().ok().filter(is_trustworthy).ok_or_else(|| {
            // The value is left out: robots have their key in it.
            let zh = "应为 https:// 开头的完整地址；仅本机可用 http://";
            Fault::new(at("url"), zh, "a whole https:// address is expected; http:// is for this machine alone")
        })?;
        let fields = self.fields(&at)?;
        let lang = language(&at("language"), self.language.as_deref())?.unwrap_or(lang);
        let (template, authorities) = (self.template(kind, fields, &at)?, self.authorities(&at)?);
        let (secrets, receipt_secrets) = self.secrets(kind, &at)?;
        let (account, agent_id) = self.application(kind, &at)?;
        let (give_up, pace, concurrency) = self.bounds(kind, &at)?;
        let (serves, realms) = (self.serves(kind, &at)?, self.realms(&at)?);
        let name = self.name.clone();
        Ok(Channel {
            name,
            kind,
            url,
            secrets,
            receipt_secrets,
            serves,
            realms,
            fields,
            authorities,
            template,
            lang,
            account,
            agent_id,
            give_up,
            pace,
            concurrency,
        })
    }

    fn fields(&self, at: &dyn Fn(&str) -> String) -> Result<Fields, Fault> {
        let mut fields = Fields::default();
        for field in &self.fields {
            match field.as_str() {
                "name" => fields.name = true,
                "phone" => fields.phone = true,
                other => {
                    let zh = format!("“{other}”无效：应为 name 或 phone");
                    return Err(Fault::new(at("fields"), zh, format!("{other:?} is not usable: name or phone is expected")));
                }
            }
        }
        Ok(fields)
    }

    fn authorities(&self, at: &dyn Fn(&str) -> String) -> Result<Vec<CertificateDer<'static>>, Fault> {
        let Some(path) = &self.ca_file else { return Ok(Vec::new()) };
        let unusable = |why: &dyn fmt::Display| {
            let zh = format!("无法从 {} 读取 PEM 格式的 CA 证书：{why}", path.display());
            Fault::new(at("ca_file"), zh, format!("no certificates of authorities (PEM) can be read from {}: {why}", path.display()))
        };
        let text = std::fs::read(path).map_err(|error| unusable(&error))?;
        let found: Vec<_> = CertificateDer::pem_slice_iter(&text).collect::<Result<_, _>>().map_err(|error| unusable(&error))?;
        let mut roots = RootCertStore::empty();
        for certificate in &found {
            roots.add(certificate.clone()).map_err(|error| unusable(&error))?;
        }
        if found.is_empty() { Err(unusable(&"0")) } else { Ok(found) }
    }

    fn template(&self, kind: Kind, fields: Fields, at: &dyn Fn(&str) -> String) -> Result<Template, Fault> {
        let text = match &self.template {
            None => Template::text_of(kind).to_owned(),
            Some(path) => std::fs::read_to_string(path).map_err(|error| {
                let zh = format!("无法读取 {}：{error}", path.display());
                Fault::new(at("template"), zh, format!("{} cannot be read: {error}", path.display()))
            })?,
        };
        let template = Template::parse(&text).map_err(|fault| Fault::new(at("template"), fault.zh(), fault.en()))?;
        let asks = template.fields();
        if (asks.name && !fields.name) || (asks.phone && !fields.phone) {
            let zh = "模板用到姓名或电话，但 fields 没有列出；个人信息只按 fields 明确允许的发出";
            return Err(Fault::new(
                at("fields"),
                zh,
                "the template has the name or phone, which fields does not list; personal fields leave only by name",
            ));
        }
        Ok(template)
    }

    fn secrets(&self, kind: Kind, at: &dyn Fn(&str) -> String) -> Result<(Vec<Secret>, Vec<Secret>), Fault> {
        let webhook = |field: &str, secrets: &Secrets| -> Result<Vec<Secret>, Fault> {
            let bad = |error: SecretFault| {
                let zh = "应为 whsec_ 加 base64，编码前 24 至 64 字节";
                Fault::new(at(field), zh, format!("whsec_ and base64 of 24 to 64 bytes is expected: {error}"))
            };
            secrets.texts().iter().map(|text| Secret::webhook(text)).collect::<Result<_, _>>().map_err(bad)
        };
        for (field, given) in [("secret", &self.secret), ("receipt_secret", &self.receipt_secret)] {
            if given.texts().len() > limits::SECRETS_MAX {
                return Err(Fault::new(at(field), "最多 4 个", "four at most"));
            }
        }
        if kind == Kind::WecomRobot && !self.secret.texts().is_empty() {
            return Err(Fault::new(at("secret"), "企业微信群机器人没有密钥", "a WeCom robot has none"));
        }
        let secrets = if kind.is_signed() {
            webhook("secret", &self.secret)?
        } else {
            self.secret.texts().iter().map(|text| Secret::plain(text)).collect()
        };
        let needed = kind != Kind::WecomRobot;
        if needed && (secrets.is_empty() || self.secret.texts().iter().any(String::is_empty)) {
            return Err(Fault::new(at("secret"), "缺少密钥", "a secret is needed"));
        }
        let receipts = webhook("receipt_secret", &self.receipt_secret)?;
        let receipts = if receipts.is_empty() && kind.is_signed() { secrets.clone() } else { receipts };
        Ok((secrets, receipts))
    }

    fn application(&self, kind: Kind, at: &dyn Fn(&str) -> String) -> Result<(String, u64), Fault> {
        let account = self.account.clone().unwrap_or_default();
        if kind.needs_token() && account.is_empty() {
            return Err(Fault::new(
                at("account"),
                "缺少 corpid（企业微信）或 appkey（钉钉）",
                "corpid (WeCom) or appkey (DingTalk) is needed",
            ));
        }
        if kind.needs_token() && self.agent_id.is_none() {
            return Err(Fault::new(at("agent_id"), "缺少应用的 agentid", "the application's agentid is needed"));
        }
        for (field, is_given) in [("account", self.account.is_some()), ("agent_id", self.agent_id.is_some())] {
            if is_given && !kind.needs_token() {
                let zh = "只用于 wecom_app 和 dingtalk_notice";
                return Err(Fault::new(at(field), zh, "it is for wecom_app and dingtalk_notice alone"));
            }
        }
        Ok((account, self.agent_id.unwrap_or_default()))
    }

    fn bounds(&self, kind: Kind, at: &dyn Fn(&str) -> String) -> Result<(Duration, Duration, usize), Fault> {
        let outside = |field: &str, most: u64| Fault::new(at(field), format!("应为 1 至 {most}"), format!("1 to {most} is expected"));
        let give_up_s = self.give_up_after_s.unwrap_or(limits::GIVE_UP_SECONDS);
        if !(1..=limits::GIVE_UP_SECONDS_MAX).contains(&give_up_s) {
            return Err(outside("give_up_after_s", limits::GIVE_UP_SECONDS_MAX));
        }
        let usual = if kind.is_robot() { limits::ROBOT_PER_MINUTE } else { limits::PER_MINUTE };
        let per_minute = self.per_minute.unwrap_or(usual);
        if !(1..=limits::PER_MINUTE_MAX).contains(&per_minute) {
            return Err(outside("per_minute", u64::from(limits::PER_MINUTE_MAX)));
        }
        let concurrency = self.concurrency.unwrap_or(limits::CONCURRENCY);
        if !(1..=limits::CONCURRENCY_MAX).contains(&concurrency) {
            return Err(outside("concurrency", limits::CONCURRENCY_MAX as u64));
        }
        Ok((Duration::from_secs(give_up_s), Duration::from_secs(60) / per_minute, concurrency))
    }

    fn serves(&self, kind: Kind, at: &dyn Fn(&str) -> String) -> Result<BTreeSet<Serves>, Fault> {
        let known = Serves::NAMES.map(|(name, _)| name).join(" / ");
        let bad = |zh: String, en: String| Fault::new(at("serves"), zh, en);
        if self.serves.is_empty() {
            return Err(bad(format!("缺少：应为 {known} 中的一个或几个"), format!("one or more of {known} is needed")));
        }
        let one = |text: &String| {
            let found = Serves::NAMES.iter().find(|(name, _)| name == text).map(|(_, serves)| *serves);
            found.ok_or_else(|| bad(format!("“{text}”无效：应为 {known}"), format!("{text:?} is not usable: {known} is expected")))
        };
        let serves: BTreeSet<Serves> = self.serves.iter().map(one).collect::<Result<_, _>>()?;
        // The link answers for one person, and everybody in the group would have it.
        if kind.is_robot() && serves.iter().any(|serves| matches!(serves, Serves::Person(_))) {
            let zh = "群机器人的消息全群可见，只能用于 contact 和 office".to_owned();
            return Err(bad(zh, "everybody in the group reads what a robot says: it serves contact and office alone".to_owned()));
        }
        Ok(serves)
    }

    fn realms(&self, at: &dyn Fn(&str) -> String) -> Result<Realms, Fault> {
        let realms = self.realms.clone().unwrap_or_else(|| vec![ACTUAL.to_owned()]);
        if realms.is_empty() || realms.iter().any(String::is_empty) {
            let zh = "应为 actual、exercises 或演练的名称";
            return Err(Fault::new(at("realms"), zh, "actual, exercises or the name of an exercise is expected"));
        }
        Ok(Realms(realms.into_iter().collect()))
    }
}

fn language(field: &str, text: Option<&str>) -> Result<Option<Lang>, Fault> {
    match text {
        None => Ok(None),
        Some("zh-CN" | "zh") => Ok(Some(Lang::Zh)),
        Some("en") => Ok(Some(Lang::En)),
        Some(other) => {
            Err(Fault::new(field, format!("“{other}”无效：应为 zh-CN 或 en"), format!("{other:?} is not usable: zh-CN or en is expected")))
        }
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
