//! Signed tokens of an identity provider (RFC 7519): ES256 and EdDSA, checked against its published keys.
//!
//! It must never let a token choose how it is checked: the key says which algorithm it is for, and a token that names
//! another one is refused.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use muster_access::{Grant, Principal};
use ring::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::Value;

use crate::limits;

/// What tokens are checked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// `iss`.
    pub issuer: String,
    /// One of `aud`.
    pub audience: String,
    /// The claim that lists the grants.
    pub roles_claim: String,
}

/// The algorithms that are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Es256,
    EdDsa,
}

/// One published key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    kid: String,
    algorithm: Algorithm,
    public: Vec<u8>,
}

impl Key {
    /// Whether it is the key of that id.
    #[must_use]
    pub fn is(&self, kid: &str) -> bool {
        self.kid == kid
    }
}

/// Why a token is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwtFault {
    /// It is no signed token at all.
    #[error("it is no signed token: {0}")]
    Form(&'static str),
    /// Its algorithm is not taken, or is not the key's.
    #[error("its algorithm {0:?} is not taken; ES256 and EdDSA are")]
    Algorithm(String),
    /// No key of that id is published.
    #[error("its key {0:?} is not published by the issuer")]
    UnknownKey(String),
    /// The signature is not the key's.
    #[error("its signature is wrong")]
    Signature,
    /// It was issued by somebody else.
    #[error("its issuer is {0:?}")]
    Issuer(String),
    /// It is meant for somebody else.
    #[error("it is meant for another audience")]
    Audience,
    /// Its time is over.
    #[error("it has expired")]
    Expired,
    /// Its time has not begun.
    #[error("it is not valid yet")]
    NotYet,
    /// The claim with the grants is not usable.
    #[error("its grants are not usable: {0}")]
    Grants(String),
}

#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: String,
    crit: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: OneOrMany,
    exp: i64,
    nbf: Option<i64>,
    iat: Option<i64>,
    #[serde(flatten)]
    rest: serde_json::Map<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn contains(&self, text: &str) -> bool {
        match self {
            Self::One(one) => one == text,
            Self::Many(many) => many.iter().any(|one| one == text),
        }
    }
}

#[derive(Debug, Deserialize)]
struct KeySet {
    keys: Vec<PublishedKey>,
}

#[derive(Debug, Deserialize)]
struct PublishedKey {
    kty: String,
    #[serde(default)]
    kid: String,
    #[serde(default)]
    crv: String,
    #[serde(default)]
    x: String,
    #[serde(default)]
    y: String,
    r#use: Option<String>,
}

/// The keys of a JWK set (RFC 7517) that are of use here; others are passed over.
///
/// # Errors
/// The text is no key set.
pub(super) fn read_keys(text: &[u8]) -> Result<Vec<Key>, serde_json::Error> {
    let set: KeySet = serde_json::from_slice(text)?;
    Ok(set.keys.into_iter().filter_map(usable).collect())
}

fn usable(key: PublishedKey) -> Option<Key> {
    if key.r#use.as_deref().is_some_and(|purpose| purpose != "sig") {
        return None;
    }
    let coordinate = |text: &str| URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() == 32);
    let x = coordinate(&key.x)?;
    match (key.kty.as_str(), key.crv.as_str()) {
        ("EC", "P-256") => {
            // The uncompressed point of SEC 1: 4, then both coordinates.
            let public = [&[4][..], &x, &coordinate(&key.y)?].concat();
            Some(Key { kid: key.kid, algorithm: Algorithm::Es256, public })
        }
        ("OKP", "Ed25519") => Some(Key { kid: key.kid, algorithm: Algorithm::EdDsa, public: x }),
        _ => None,
    }
}

/// The key id that a token names, to know whether the keys are to be asked for anew.
///
/// # Errors
/// The token is none, or asks for an algorithm that is not taken.
pub(super) fn key_id(token: &str) -> Result<String, JwtFault> {
    Ok(read_header(token)?.0.kid)
}

/// Checks a token whole. Who presents it.
///
/// # Errors
/// [`JwtFault`]; nothing of the token may be used then.
pub(super) fn verify(token: &str, keys: &[Key], expected: &Expected, now_ms: i64) -> Result<Principal, JwtFault> {
    let (header, algorithm) = read_header(token)?;
    let (signed, signature) = token.rsplit_once('.').ok_or(JwtFault::Form("parts"))?;
    let payload = signed.split_once('.').ok_or(JwtFault::Form("parts"))?.1;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| JwtFault::Form("signature"))?;
    let named = keys.iter().filter(|key| key.kid == header.kid);
    let mut known = false;
    let mut fits = None;
    for key in named {
        known = true;
        if key.algorithm == algorithm {
            fits = Some(key);
        }
    }
    let key = match fits {
        Some(key) => key,
        None if known => return Err(JwtFault::Algorithm(header.alg)),
        None => return Err(JwtFault::UnknownKey(header.kid)),
    };
    let checked = match key.algorithm {
        Algorithm::Es256 => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &key.public).verify(signed.as_bytes(), &signature),
        Algorithm::EdDsa => UnparsedPublicKey::new(&ED25519, &key.public).verify(signed.as_bytes(), &signature),
    };
    checked.map_err(|_| JwtFault::Signature)?;
    let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| JwtFault::Form("claims"))?;
    let claims: Claims = serde_json::from_slice(&payload).map_err(|_| JwtFault::Form("claims"))?;
    check_claims(claims, expected, now_ms)
}

fn read_header(token: &str) -> Result<(Header, Algorithm), JwtFault> {
    if token.len() > limits::TOKEN_BYTES_MAX {
        return Err(JwtFault::Form("length"));
    }
    let mut parts = token.split('.');
    let (Some(header), Some(_), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(JwtFault::Form("parts"));
    };
    let header = URL_SAFE_NO_PAD.decode(header).map_err(|_| JwtFault::Form("header"))?;
    let header: Header = serde_json::from_slice(&header).map_err(|_| JwtFault::Form("header"))?;
    // An extension that must be understood is not.
    if header.crit.is_some() {
        return Err(JwtFault::Form("crit"));
    }
    let algorithm = match header.alg.as_str() {
        "ES256" => Algorithm::Es256,
        "EdDSA" => Algorithm::EdDsa,
        _ => return Err(JwtFault::Algorithm(header.alg)),
    };
    Ok((header, algorithm))
}

fn check_claims(claims: Claims, expected: &Expected, now_ms: i64) -> Result<Principal, JwtFault> {
    let (now_s, skew_s) = (now_ms.div_euclid(1_000), limits::JWT_SKEW_SECONDS);
    if claims.iss != expected.issuer {
        return Err(JwtFault::Issuer(claims.iss));
    }
    if !claims.aud.contains(&expected.audience) {
        return Err(JwtFault::Audience);
    }
    if claims.exp.saturating_add(skew_s) <= now_s {
        return Err(JwtFault::Expired);
    }
    if claims.nbf.max(claims.iat).is_some_and(|from_s| from_s > now_s.saturating_add(skew_s)) {
        return Err(JwtFault::NotYet);
    }
    if claims.sub.is_empty() || claims.sub.len() > limits::SUBJECT_BYTES_MAX || claims.sub.chars().any(char::is_control) {
        return Err(JwtFault::Form("sub"));
    }
    let grants = read_grants(claims.rest.get(&expected.roles_claim))?;
    Ok(Principal {
        id: format!("oidc:{}", claims.sub),
        person: claims.sub,
        grants,
        expires_at_ms: Some(claims.exp.saturating_add(skew_s).saturating_mul(1_000)),
    })
}

/// `"township@area:440802001"`, or a list of such. Who has none is known, and may do nothing.
fn read_grants(claim: Option<&Value>) -> Result<Vec<Grant>, JwtFault> {
    let texts = match claim {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(many)) => {
            many.iter().map(|one| one.as_str().ok_or_else(|| JwtFault::Grants("a grant is a text".to_owned()))).collect::<Result<_, _>>()?
        }
        Some(_) => return Err(JwtFault::Grants("a text or a list of texts is expected".to_owned())),
    };
    // What other services' roles are called is not known here; only what is written as a grant must be one.
    texts
        .into_iter()
        .filter(|text| text.contains('@'))
        .map(|text| text.parse().map_err(|fault| JwtFault::Grants(format!("{fault}"))))
        .collect()
}
