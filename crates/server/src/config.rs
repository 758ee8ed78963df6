//! Configuration of `muster serve`: defaults, then the TOML file, then environment and flags. A key that is not known is
//! an error that names it, for a misspelled limit must never be taken for a default.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use muster_delivery::{Delivery, Settings};
use serde::Deserialize;

use crate::access::{AccessOptions, Expected, IssuerOptions, KeySource};
use crate::nightly::Nightly;
use crate::telemetry::LogFormat;
use crate::words::Words;

/// Where the server listens unless told otherwise.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:8080";

/// When every published plan is rehearsed unless told otherwise: when nobody waits for anything else.
pub const DEFAULT_REHEARSAL_AT: &str = "03:00";

/// China Standard Time.
pub const DEFAULT_UTC_OFFSET_MINUTES: i16 = 480;

/// As far as local time is ahead of UTC, or behind it, anywhere.
pub(crate) const UTC_OFFSET_MINUTES_MAX: i16 = 14 * 60;

const NATS_EXPECTED: &str = "nats://HOST:PORT / tls://HOST:PORT?nkey=FILE&ca=FILE / off";

/// Whether and where events are published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Nats {
    /// No relay runs.
    #[default]
    Off,
    /// The URL of a nats-server with JetStream; behind a `?` it may name the files of an nkey and of the certificates trusted.
    Url(String),
}

impl std::str::FromStr for Nats {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => Ok(Self::Off),
            "" => Err(NATS_EXPECTED.to_owned()),
            url => match muster_feed::check_address(url) {
                Ok(()) => Ok(Self::Url(url.to_owned())),
                Err(detail) => Err(format!("{NATS_EXPECTED} ({detail})")),
            },
        }
    }
}

/// The configuration as one file or one command line gives it: what is absent is left to the next source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partial {
    /// The data folder.
    pub data: Option<PathBuf>,
    /// Address and port, e.g. `0.0.0.0:8080`; port 0 lets the system choose.
    pub listen: Option<SocketAddr>,
    /// URL or `off`.
    pub nats: Option<String>,
    /// Whether commands are taken over NATS as well; only from who has a token.
    pub nats_commands: Option<bool>,
    /// Whether the views are published to NATS KV as well, where there is a NATS.
    pub kv: Option<bool>,
    /// `text` or `json`.
    pub log_format: Option<LogFormat>,
    /// The filter of traces, as `tracing` writes it, e.g. `info,muster_feed=debug`.
    pub log_filter: Option<String>,
    /// Records between two snapshots of the state.
    pub snapshot_every: Option<u64>,
    /// Listen to everybody although nobody has to prove who they are: a proxy in front does that.
    pub open: Option<bool>,
    /// An identity provider, and how people reach the server.
    pub auth: Option<Auth>,
    /// When every published plan is rehearsed, local time: `03:00`, or `off`.
    pub rehearsal_at: Option<String>,
    /// Minutes that local time is ahead of UTC; China has 480.
    pub utc_offset_minutes: Option<i16>,
    /// The channels over which calls are delivered.
    pub delivery: Option<Settings>,
}

/// `[auth]`: an OpenID Connect provider whose tokens are taken beside local ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// `iss` of its tokens.
    pub issuer: Option<String>,
    /// `aud` that they must have.
    pub audience: Option<String>,
    /// A file with its keys, as a JWK set.
    pub jwks_file: Option<PathBuf>,
    /// Or where it publishes them.
    pub jwks_url: Option<String>,
    /// The claim that lists grants such as `township@area:440802001`; `muster_grants` when absent.
    pub roles_claim: Option<String>,
    /// What one-time links begin with, e.g. `https://muster.example.gov.cn`.
    pub public_url: Option<String>,
}

/// The claim that lists the grants, unless told otherwise.
const DEFAULT_ROLES_CLAIM: &str = "muster_grants";

/// The whole configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The data folder.
    pub data: PathBuf,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where to publish.
    pub nats: Nats,
    /// Whether commands are taken over NATS as well.
    pub nats_commands: bool,
    /// Whether the views are published there too.
    pub kv: bool,
    /// How traces are written.
    pub log_format: LogFormat,
    /// Which traces are written.
    pub log_filter: String,
    /// Records between two snapshots of the state; `None` for the engine's own default.
    pub snapshot_every: Option<u64>,
    /// Who may come in.
    pub access: AccessOptions,
    /// When every published plan is rehearsed; `None` for never.
    pub nightly: Option<Nightly>,
    /// The channels over which calls are delivered.
    pub delivery: Delivery,
    /// Minutes that local time is ahead of UTC.
    pub utc_offset_minutes: i16,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file has a key that is not known, a value of another type, or is no TOML.
    #[error("{}: {detail}", .path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Where and what, as the reader says it; names the key.
        detail: String,
    },
    /// A value cannot be used.
    #[error("{key}: {value:?} is not usable: {expected}")]
    BadValue {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// What would be.
        expected: String,
    },
    /// A channel of delivery cannot be used.
    #[error(transparent)]
    Delivery(#[from] muster_delivery::Fault),
    /// The data folder was not given.
    #[error("no data folder was given")]
    NoData,
}

impl ConfigError {
    /// For people, with what to do about it.
    #[must_use]
    pub fn words(&self) -> Words {
        match self {
            Self::Unreadable { path, source } => Words::new(
                format!("无法读取配置文件 {}：{source}。请检查路径和权限。", path.display()),
                format!("the configuration file {} cannot be read: {source}. Check the path and its permissions.", path.display()),
            ),
            Self::Invalid { path, detail } => Words::new(
                format!("配置文件 {} 有误：{detail}。请改正后重试。", path.display()),
                format!("the configuration file {} is wrong: {detail}. Correct it and try again.", path.display()),
            ),
            Self::BadValue { key, value, expected } => Words::new(
                format!("配置项 {key} 的值“{value}”无效：应为 {expected}。"),
                format!("the setting {key} cannot be {value:?}: {expected} is expected."),
            ),
            Self::Delivery(fault) => Words::new(
                format!("配置项 {} 无效：{}。", fault.field, fault.zh),
                format!("the setting {} is not usable: {}.", fault.field, fault.en),
            ),
            Self::NoData => Words::new(
                "没有指定数据目录。请用 --data DIR、环境变量 MUSTER_DATA 或配置文件中的 data 指定。",
                "no data folder was given. Give it with --data DIR, the variable MUSTER_DATA, or `data` in the configuration file.",
            ),
        }
    }
}

impl Partial {
    /// Reads a TOML file.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        toml::from_str(&text).map_err(|error| ConfigError::Invalid { path: path.to_owned(), detail: error.to_string().trim().to_owned() })
    }

    /// These settings, and `other` for those that are absent.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            data: self.data.or(other.data),
            listen: self.listen.or(other.listen),
            nats: self.nats.or(other.nats),
            nats_commands: self.nats_commands.or(other.nats_commands),
            kv: self.kv.or(other.kv),
            log_format: self.log_format.or(other.log_format),
            log_filter: self.log_filter.or(other.log_filter),
            snapshot_every: self.snapshot_every.or(other.snapshot_every),
            open: self.open.or(other.open),
            auth: self.auth.or(other.auth),
            rehearsal_at: self.rehearsal_at.or(other.rehearsal_at),
            utc_offset_minutes: self.utc_offset_minutes.or(other.utc_offset_minutes),
            delivery: self.delivery.or(other.delivery),
        }
    }

    /// The whole configuration, defaults for what is absent.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn complete(self) -> Result<Config, ConfigError> {
        let bad = |key, value: &str, expected: &str| ConfigError::BadValue { key, value: value.to_owned(), expected: expected.to_owned() };
        if self.snapshot_every == Some(0) {
            return Err(bad("snapshot_every", "0", "1 or more"));
        }
        let offset_minutes = self.utc_offset_minutes.unwrap_or(DEFAULT_UTC_OFFSET_MINUTES);
        if !(-UTC_OFFSET_MINUTES_MAX..=UTC_OFFSET_MINUTES_MAX).contains(&offset_minutes) {
            return Err(bad("utc_offset_minutes", &offset_minutes.to_string(), "-840..840"));
        }
        let nightly = match self.rehearsal_at.as_deref().unwrap_or(DEFAULT_REHEARSAL_AT) {
            "off" => None,
            text => {
                let bad_time = || bad("rehearsal_at", text, "HH:MM / off");
                Some(Nightly::parse(text, offset_minutes).ok_or_else(bad_time)?)
            }
        };
        // A password may stand in front of a server.
        let bad_address = |text: &str, expected: String| bad("nats", &muster_feed::without_secrets(text), &expected);
        let nats = self.nats.as_deref().map_or(Ok(Nats::Off), |text| text.parse().map_err(|expected| bad_address(text, expected)))?;
        let access = access(self.auth.unwrap_or_default(), self.open.unwrap_or(false))?;
        let delivery = self.delivery.unwrap_or_default().check()?;
        let public_url = access.public_url.as_deref().unwrap_or_default();
        let opens = reqwest::Url::parse(public_url).is_ok_and(|url| url.has_host() && matches!(url.scheme(), "https" | "http"));
        if !opens && (!delivery.channels.is_empty() || !public_url.is_empty()) {
            return Err(bad("auth.public_url", public_url, "the https://HOST at which people reach the server: messages have links to it"));
        }
        Ok(Config {
            data: self.data.ok_or(ConfigError::NoData)?,
            listen: self.listen.unwrap_or_else(|| DEFAULT_LISTEN.parse().expect("the default is an address")),
            nats,
            nats_commands: self.nats_commands.unwrap_or(true),
            kv: self.kv.unwrap_or(true),
            log_format: self.log_format.unwrap_or_default(),
            log_filter: self.log_filter.unwrap_or_else(|| crate::telemetry::DEFAULT_FILTER.to_owned()),
            snapshot_every: self.snapshot_every,
            access,
            nightly,
            delivery,
            utc_offset_minutes: offset_minutes,
        })
    }
}

/// Either nothing about a provider is said, or all that is needed: half of it would let the wrong people in.
fn access(auth: Auth, open: bool) -> Result<AccessOptions, ConfigError> {
    let bad = |key, value: &str, expected: &str| ConfigError::BadValue { key, value: value.to_owned(), expected: expected.to_owned() };
    let Auth { issuer, audience, jwks_file, jwks_url, roles_claim, public_url } = auth;
    let named = issuer.is_some() || audience.is_some() || jwks_file.is_some() || jwks_url.is_some() || roles_claim.is_some();
    if !named {
        return Ok(AccessOptions { issuer: None, open, public_url });
    }
    let given = |key, text: Option<String>| text.filter(|text| !text.is_empty()).ok_or_else(|| bad(key, "", "not empty"));
    let keys = match (jwks_file, jwks_url) {
        (Some(path), None) => KeySource::File(path),
        (None, Some(url)) => match reqwest::Url::parse(&url) {
            Ok(parsed) if parsed.has_host() && is_trustworthy(&parsed) => KeySource::Url(parsed),
            _ => return Err(bad("auth.jwks_url", &url, "https://HOST/PATH, http://127.0.0.1:PORT/PATH")),
        },
        _ => return Err(bad("auth.jwks_file", "", "one of jwks_file and jwks_url")),
    };
    let expected = Expected {
        issuer: given("auth.issuer", issuer)?,
        audience: given("auth.audience", audience)?,
        roles_claim: roles_claim.unwrap_or_else(|| DEFAULT_ROLES_CLAIM.to_owned()),
    };
    Ok(AccessOptions { issuer: Some(IssuerOptions { expected, keys }), open, public_url })
}

/// Whoever can change the keys on their way lets in whom they like: without TLS they come from this machine alone.
fn is_trustworthy(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    let own = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    url.scheme() == "https" || (url.scheme() == "http" && own)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn file(text: &str) -> Result<Partial, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("muster.toml");
        fs::write(&path, text).unwrap();
        Partial::read(&path)
    }

    #[test]
    fn flags_come_before_the_file_and_the_file_before_defaults() {
        let given = file("data = \"/var/lib/muster\"\nlisten = \"0.0.0.0:9000\"\nnats = \"nats://localhost:4222\"\n").unwrap();
        let flags = Partial { listen: Some("127.0.0.1:0".parse().unwrap()), ..Partial::default() };
        let config = flags.or(given).complete().unwrap();
        assert_eq!(config.listen.port(), 0);
        assert_eq!(config.data, Path::new("/var/lib/muster"));
        assert_eq!(config.nats, Nats::Url("nats://localhost:4222".into()));
        assert!(config.kv, "where there is a NATS the views are published unless that is switched off");
        assert!(!file("data = \"x\"\nkv = false\n").unwrap().complete().unwrap().kv);
        assert_eq!(config.log_format, LogFormat::Text);
        assert_eq!(config.nightly, Nightly::parse("03:00", 480));
        let off = Partial { data: Some("x".into()), rehearsal_at: Some("off".into()), ..Partial::default() };
        assert_eq!(off.complete().unwrap().nightly, None);
    }

    #[test]
    fn an_unknown_key_is_named() {
        let error = file("data = \"x\"\nlisten_on = \"0.0.0.0:1\"\n").unwrap_err();
        for text in [error.words().zh, error.words().en] {
            assert!(text.contains("listen_on"), "{text}");
        }
        let error = file("listen = 7\n").unwrap_err();
        assert!(error.words().en.contains("listen"), "{error}");
    }

    #[test]
    fn a_provider_is_named_whole_or_not_at_all() {
        let auth = |text: &str| file(&format!("data = \"x\"\n[auth]\n{text}")).unwrap().complete();
        let whole = auth("issuer = \"https://id\"\naudience = \"muster\"\njwks_url = \"https://id/keys\"\n").unwrap().access;
        assert_eq!(whole.issuer.unwrap().expected.roles_claim, DEFAULT_ROLES_CLAIM);
        for url in ["http://127.0.0.1:9/keys", "http://localhost/keys", "http://[::1]:9/keys"] {
            let own = auth(&format!("issuer = \"i\"\naudience = \"m\"\njwks_url = \"{url}\"\n"));
            assert!(own.unwrap().access.issuer.is_some(), "{url}");
        }
        assert_eq!(auth("public_url = \"https://m\"\n").unwrap().access.issuer, None);
        for (text, fault) in [
            ("issuer = \"https://id\"\n", "auth.jwks_file"),
            ("issuer = \"https://id\"\njwks_file = \"k\"\n", "auth.audience"),
            ("audience = \"muster\"\njwks_file = \"k\"\n", "auth.issuer"),
            ("issuer = \"i\"\naudience = \"m\"\njwks_file = \"k\"\njwks_url = \"https://id/keys\"\n", "auth.jwks_file"),
            ("issuer = \"i\"\naudience = \"m\"\njwks_url = \"file:///keys\"\n", "auth.jwks_url"),
            ("issuer = \"i\"\naudience = \"m\"\njwks_url = \"http://id.example.gov.cn/keys\"\n", "auth.jwks_url"),
        ] {
            assert!(matches!(auth(text), Err(ConfigError::BadValue { key, .. }) if key == fault), "{text}");
        }
    }

    #[test]
    fn a_channel_is_checked_and_needs_an_address_for_its_links() {
        let channel = |more: &str| {
            let text = format!(
                "data = \"x\"\n{more}\n[[delivery.channel]]\nname = \"sms\"\nkind = \"sms\"\nurl = \"https://sms.example.gov.cn/\"\nserves = [\"sms\"]\n\
                 fields = [\"phone\"]\nsecret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\n"
            );
            file(&text).unwrap().complete()
        };
        assert!(matches!(channel(""), Err(ConfigError::BadValue { key: "auth.public_url", .. })));
        for url in ["muster.example.gov.cn", "muster.example.gov.cn:8443", "ftp://m", "https://"] {
            let config = channel(&format!("[auth]\npublic_url = \"{url}\""));
            assert!(matches!(config, Err(ConfigError::BadValue { key: "auth.public_url", .. })), "no phone opens {url}");
        }
        assert_eq!(channel("[auth]\npublic_url = \"https://m\"").unwrap().delivery.channels.len(), 1);
        let error = file("[[delivery.channel]]\nname = \"a\"\nkind = \"fax\"\nurl = \"https://h/\"\n").unwrap();
        let words = Partial { data: Some("x".into()), ..error }.complete().unwrap_err().words();
        assert!(words.zh.contains("delivery.channel[a].kind") && words.en.contains("delivery.channel[a].kind") && words.en.contains("fax"));
    }

    #[test]
    fn what_is_missing_or_unusable_is_said() {
        assert!(matches!(Partial::default().complete(), Err(ConfigError::NoData)));
        let partial = Partial { data: Some("x".into()), snapshot_every: Some(0), ..Partial::default() };
        assert!(matches!(partial.complete(), Err(ConfigError::BadValue { key: "snapshot_every", .. })));
        let partial = Partial { data: Some("x".into()), rehearsal_at: Some("3 Uhr".into()), ..Partial::default() };
        assert!(matches!(partial.complete(), Err(ConfigError::BadValue { key: "rehearsal_at", .. })));
        for rehearsal_at in ["off", "03:00"] {
            let given = (Some(rehearsal_at.into()), Some(4_800));
            let partial = Partial { data: Some("x".into()), rehearsal_at: given.0, utc_offset_minutes: given.1, ..Partial::default() };
            assert!(matches!(partial.complete(), Err(ConfigError::BadValue { key: "utc_offset_minutes", .. })));
        }
        let partial = Partial { data: Some("x".into()), nats: Some("nats://muster:hunter2@host:4222?tls=1".into()), ..Partial::default() };
        let words = partial.complete().unwrap_err().words();
        assert!(words.en.contains("host:4222") && !words.en.contains("hunter2") && !words.zh.contains("hunter2"), "{}", words.en);
        let partial = Partial { data: Some("x".into()), nats: Some("tls://a?key=k".into()), ..Partial::default() };
        assert!(matches!(partial.complete(), Err(ConfigError::BadValue { key: "nats", expected, .. }) if expected.contains("nkey")));
        let missing = Partial::read(Path::new("/nonexistent/muster.toml")).unwrap_err();
        assert!(missing.words().zh.contains("/nonexistent/muster.toml"));
    }
}
