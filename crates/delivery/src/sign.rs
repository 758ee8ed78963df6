//! Signatures: Standard Webhooks 1.0 (`spec/standard-webhooks.md` of github.com/standard-webhooks/standard-webhooks) in both directions, and the
//! one of DingTalk's group robots. It must never show a secret.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

use crate::limits;

/// What the text form of a secret begins with.
const SECRET_PREFIX: &str = "whsec_";

/// A secret: bytes to sign with. It shows nothing of itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Why a text is no secret of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretFault {
    /// It does not begin as one.
    #[error("a secret begins with whsec_")]
    Prefix,
    /// What follows is no base64.
    #[error("after whsec_ comes base64")]
    Base64,
    /// Too short or too long.
    #[error("a secret has 24 to 64 bytes before base64")]
    Length,
}

impl Secret {
    /// Reads `whsec_` and base64.
    ///
    /// # Errors
    /// See [`SecretFault`].
    pub fn webhook(text: &str) -> Result<Self, SecretFault> {
        let encoded = text.strip_prefix(SECRET_PREFIX).ok_or(SecretFault::Prefix)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| SecretFault::Base64)?;
        let fits = (limits::SECRET_BYTES_MIN..=limits::SECRET_BYTES_MAX).contains(&bytes.len());
        if fits { Ok(Self(bytes)) } else { Err(SecretFault::Length) }
    }

    /// A platform's own secret, as it stands.
    #[must_use]
    pub fn plain(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }

    /// The text of a platform's own secret.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    fn mac(&self, parts: &[&[u8]]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &self.0));
        parts.iter().for_each(|part| context.update(part));
        context.sign()
    }
}

/// The header `webhook-signature`: one signature for each secret, so that receivers may change theirs one after the other.
#[must_use]
pub fn sign(secrets: &[Secret], id: &str, timestamp_s: i64, body: &[u8]) -> String {
    let time = timestamp_s.to_string();
    let parts = [id.as_bytes(), b".", time.as_bytes(), b".", body];
    let signatures = secrets.iter().map(|secret| format!("v1,{}", STANDARD.encode(secret.mac(&parts))));
    signatures.collect::<Vec<_>>().join(" ")
}

/// Why a signed message is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsigned {
    /// No secret made any of its signatures.
    Signature,
    /// The time is no number, or too far from now.
    Time,
}

/// Checks a message that somebody else signed: any secret will do, and any of the signatures.
///
/// # Errors
/// See [`Unsigned`]. Signatures are compared in constant time, and the time is looked at first, for it costs nothing.
pub fn verify(secrets: &[Secret], id: &str, timestamp: &str, body: &[u8], signatures: &str, now_s: i64) -> Result<(), Unsigned> {
    let timestamp_s: i64 = timestamp.parse().map_err(|_| Unsigned::Time)?;
    if now_s.abs_diff(timestamp_s) > limits::TIMESTAMP_TOLERANCE_SECONDS.unsigned_abs() {
        return Err(Unsigned::Time);
    }
    let given: Vec<Vec<u8>> =
        signatures.split(' ').filter_map(|one| STANDARD.decode(one.strip_prefix("v1,")?).ok()).take(2 * limits::SECRETS_MAX).collect();
    let signed = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat();
    let good = secrets.iter().any(|secret| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret.0);
        given.iter().any(|signature| hmac::verify(&key, &signed, signature).is_ok())
    });
    if good { Ok(()) } else { Err(Unsigned::Signature) }
}

/// 加签 of a DingTalk group robot: the HMAC of the time and the secret, keyed with the secret, as two parameters of the address.
/// Source: open.dingtalk.com, 自定义机器人安全设置 (custom robot security settings).
#[must_use]
pub fn dingtalk_query(secret: &Secret, now_ms: i64) -> String {
    let time = now_ms.to_string();
    let signature = STANDARD.encode(secret.mac(&[time.as_bytes(), b"\n", &secret.0]));
    format!("timestamp={time}&sign={}", percent(&signature))
}

/// A text as the value of a parameter.
pub(crate) fn percent(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The vector that the reference libraries of Standard Webhooks are tested with.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const TIME: i64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn other() -> Secret {
        Secret::webhook(&format!("whsec_{}", STANDARD.encode([7; 32]))).unwrap()
    }

    #[test]
    fn the_published_vector_is_signed_and_verified() {
        let secret = [Secret::webhook(SECRET).unwrap()];
        assert_eq!(sign(&secret, ID, TIME, BODY), SIGNATURE);
        assert_eq!(verify(&secret, ID, &TIME.to_string(), BODY, SIGNATURE, TIME), Ok(()));
    }

    #[test]
    fn any_of_several_signatures_and_secrets_is_enough() {
        let both = [other(), Secret::webhook(SECRET).unwrap()];
        let signatures = sign(&both, ID, TIME, BODY);
        assert_eq!(signatures.split(' ').count(), 2);
        assert!(signatures.ends_with(SIGNATURE));
        let check = |secrets: &[Secret], given: &str| verify(secrets, ID, &TIME.to_string(), BODY, given, TIME);
        assert_eq!(check(&both[..1], &signatures), Ok(()));
        assert_eq!(check(&both, SIGNATURE), Ok(()));
        assert_eq!(check(&both[..1], SIGNATURE), Err(Unsigned::Signature));
        for bad in ["", "v1,", "v1a,AAAA", "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", "v1,g0hM"] {
            assert_eq!(check(&both, bad), Err(Unsigned::Signature), "{bad}");
        }
    }

    #[test]
    fn whatever_was_changed_is_refused() {
        let secret = [Secret::webhook(SECRET).unwrap()];
        let time = TIME.to_string();
        assert_eq!(verify(&secret, "msg_2", &time, BODY, SIGNATURE, TIME), Err(Unsigned::Signature));
        assert_eq!(verify(&secret, ID, &time, b"{}", SIGNATURE, TIME), Err(Unsigned::Signature));
        assert_eq!(verify(&secret, ID, &(TIME + 1).to_string(), BODY, SIGNATURE, TIME), Err(Unsigned::Signature));
        for (now_s, good) in [(TIME + 300, true), (TIME - 300, true), (TIME + 301, false), (TIME - 301, false)] {
            assert_eq!(verify(&secret, ID, &time, BODY, SIGNATURE, now_s).is_ok(), good, "{now_s}");
        }
        assert_eq!(verify(&secret, ID, "soon", BODY, SIGNATURE, TIME), Err(Unsigned::Time));
    }

    #[test]
    fn a_secret_is_checked_and_never_shown() {
        assert_eq!(Secret::webhook("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), Err(SecretFault::Prefix));
        assert_eq!(Secret::webhook("whsec_%%"), Err(SecretFault::Base64));
        assert_eq!(Secret::webhook("whsec_AAAA"), Err(SecretFault::Length));
        assert_eq!(format!("{:?}", other()), "Secret");
    }

    /// The documented computation with its documented secret, at a fixed time.
    #[test]
    fn a_robot_signs_the_time_in_its_address() {
        let query = dingtalk_query(&Secret::plain("this is secret"), 1_577_262_236_757);
        assert_eq!(query, "timestamp=1577262236757&sign=hmPWwU%2B7lVdm3ZZz0r9tSfx0L4Q26jWOZr9%2BGs6EZQM%3D");
    }
}
