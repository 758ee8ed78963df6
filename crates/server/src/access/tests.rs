#![allow(clippy::unwrap_used)]
//! Tokens as they come in: local ones, those of a provider, and what is wrong with them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::*;

const ISSUER: &str = "https://id.example.gov.cn";

/// A provider's key pair.
enum Pair {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
}

impl Pair {
    fn es256() -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        Self::Es256(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap())
    }

    fn ed_dsa() -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::EdDsa(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap())
    }

    fn alg(&self) -> &'static str {
        match self {
            Self::Es256(_) => "ES256",
            Self::EdDsa(_) => "EdDSA",
        }
    }

    fn jwk(&self, kid: &str) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Es256(pair) => {
                let point = pair.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "x": text(&point[1..33]), "y": text(&point[33..])})
            }
            Self::EdDsa(pair) => json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": text(pair.public_key().as_ref())}),
        }
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = match self {
            Self::Es256(pair) => pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap().as_ref().to_vec(),
            Self::EdDsa(pair) => pair.sign(signed.as_bytes()).as_ref().to_vec(),
        };
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn claims(now_s: i64) -> Value {
    json!({
        "iss": ISSUER, "sub": "zhang.san", "aud": ["other", "muster"], "exp": now_s + 300, "iat": now_s,
        "muster_grants": ["township@area:440802001", "wiki-editor"],
    })
}

fn expected() -> Expected {
    Expected { issuer: ISSUER.to_owned(), audience: "muster".to_owned(), roles_claim: "muster_grants".to_owned() }
}

fn checked(pair: &Pair, kid: &str, header: Value, claims: &Value, now_s: i64) -> Result<Principal, JwtFault> {
    let keys =
        jwt::read_keys(json!({"keys": [pair.jwk(kid), {"kty": "RSA", "kid": "rsa", "n": "AQAB", "e": "AQAB"}]}).to_string().as_bytes())
            .unwrap();
    jwt::verify(&pair.sign(&header, claims), &keys, &expected(), now_s * 1_000)
}

#[test]
fn both_algorithms_prove_who_it_is() {
    for pair in [Pair::es256(), Pair::ed_dsa()] {
        let principal = checked(&pair, "k1", json!({"alg": pair.alg(), "kid": "k1"}), &claims(1_000), 1_000).unwrap();
        assert_eq!((principal.id.as_str(), principal.person.as_str()), ("oidc:zhang.san", "zhang.san"));
        assert_eq!(principal.grants, ["township@area:440802001".parse().unwrap()]);
        assert_eq!(principal.expires_at_ms, Some((1_300 + crate::limits::JWT_SKEW_SECONDS) * 1_000));
    }
}

#[test]
fn a_token_does_not_choose_how_it_is_checked() {
    let (pair, other) = (Pair::es256(), Pair::ed_dsa());
    let fault = |header: Value| checked(&pair, "k1", header, &claims(1_000), 1_000).unwrap_err();
    assert_eq!(fault(json!({"alg": "none", "kid": "k1"})), JwtFault::Algorithm("none".into()));
    assert_eq!(fault(json!({"alg": "HS256", "kid": "k1"})), JwtFault::Algorithm("HS256".into()));
    assert_eq!(fault(json!({"alg": "EdDSA", "kid": "k1"})), JwtFault::Algorithm("EdDSA".into()));
    assert_eq!(fault(json!({"alg": "ES256", "kid": "k2"})), JwtFault::UnknownKey("k2".into()));
    assert_eq!(fault(json!({"alg": "ES256", "kid": "k1", "crit": ["b64"]})), JwtFault::Form("crit"));
    let keys = jwt::read_keys(json!({"keys": [pair.jwk("k1")]}).to_string().as_bytes()).unwrap();
    // Signed with another key that claims the same id.
    let forged = Pair::es256().sign(&json!({"alg": "ES256", "kid": "k1"}), &claims(1_000));
    assert_eq!(jwt::verify(&forged, &keys, &expected(), 1_000_000), Err(JwtFault::Signature));
    let forged = other.sign(&json!({"alg": "ES256", "kid": "k1"}), &claims(1_000));
    assert_eq!(jwt::verify(&forged, &keys, &expected(), 1_000_000), Err(JwtFault::Signature));
    // Without a signature, and with the claims changed after signing.
    let good = pair.sign(&json!({"alg": "ES256", "kid": "k1"}), &claims(1_000));
    let (signed, signature) = good.rsplit_once('.').unwrap();
    assert_eq!(jwt::verify(&format!("{signed}."), &keys, &expected(), 1_000_000), Err(JwtFault::Signature));
    let mut more = claims(1_000);
    more["muster_grants"] = json!(["headquarters@everything"]);
    let changed = format!("{}.{}.{signature}", signed.split_once('.').unwrap().0, URL_SAFE_NO_PAD.encode(more.to_string()));
    assert_eq!(jwt::verify(&changed, &keys, &expected(), 1_000_000), Err(JwtFault::Signature));
    for text in ["", "a", "a.b", "a.b.c.d", "!.b.c"] {
        assert!(matches!(jwt::verify(text, &keys, &expected(), 1_000_000), Err(JwtFault::Form(_))), "{text}");
    }
    let long = format!("{}.b.c", "a".repeat(crate::limits::TOKEN_BYTES_MAX));
    assert_eq!(jwt::verify(&long, &keys, &expected(), 0), Err(JwtFault::Form("length")));
}

#[test]
fn the_claims_must_be_for_here_and_now() {
    let pair = Pair::ed_dsa();
    let skew = crate::limits::JWT_SKEW_SECONDS;
    let at = |change: &dyn Fn(&mut Value), now_s: i64| {
        let mut claims = claims(1_000);
        change(&mut claims);
        checked(&pair, "k1", json!({"alg": "EdDSA", "kid": "k1"}), &claims, now_s)
    };
    let same = |_: &mut Value| {};
    assert_eq!(at(&same, 1_300 + skew), Err(JwtFault::Expired));
    assert!(at(&same, 1_299 + skew).is_ok());
    assert_eq!(at(&same, 999 - skew), Err(JwtFault::NotYet));
    assert!(at(&same, 1_000 - skew).is_ok());
    assert_eq!(at(&|claims| claims["nbf"] = json!(1_100 + skew), 1_000), Err(JwtFault::NotYet));
    assert_eq!(at(&|claims| claims["iss"] = json!("https://elsewhere"), 1_000), Err(JwtFault::Issuer("https://elsewhere".into())));
    assert_eq!(at(&|claims| claims["aud"] = json!("other"), 1_000), Err(JwtFault::Audience));
    assert!(at(&|claims| claims["aud"] = json!("muster"), 1_000).is_ok());
    assert_eq!(at(&|claims| drop(claims.as_object_mut().unwrap().remove("exp")), 1_000), Err(JwtFault::Form("claims")));
    assert_eq!(at(&|claims| claims["sub"] = json!(""), 1_000), Err(JwtFault::Form("sub")));
    assert!(matches!(at(&|claims| claims["muster_grants"] = json!(["king@area:1"]), 1_000), Err(JwtFault::Grants(_))));
    assert!(matches!(at(&|claims| claims["muster_grants"] = json!({"a": 1}), 1_000), Err(JwtFault::Grants(_))));
    let nobody = at(&|claims| drop(claims.as_object_mut().unwrap().remove("muster_grants")), 1_000).unwrap();
    assert!(nobody.grants.is_empty());
}

fn bearer(token: &str) -> HeaderMap {
    HeaderMap::from_iter([(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap())])
}

#[tokio::test]
async fn rotated_keys_are_fetched_once_and_not_for_every_stranger() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let (old, new) = (Pair::ed_dsa(), Pair::es256());
    std::fs::write(&file, json!({"keys": [old.jwk("old")]}).to_string()).unwrap();
    let issuer = IssuerOptions { expected: expected(), keys: KeySource::File(file.clone()) };
    let access = Access::new(folder.path(), AccessOptions { issuer: Some(issuer), ..AccessOptions::default() });
    assert!(!access.is_open(), "a provider closes the server although no token was issued");
    assert_eq!(access.authenticate(&HeaderMap::new()).await.unwrap_err().code, "token_required");
    let now_s = wall_ms() / 1_000;
    let with_old = old.sign(&json!({"alg": "EdDSA", "kid": "old"}), &claims(now_s));
    let with_new = new.sign(&json!({"alg": "ES256", "kid": "new"}), &claims(now_s));
    assert!(access.authenticate(&bearer(&with_old)).await.is_ok());
    std::fs::write(&file, json!({"keys": [old.jwk("old"), new.jwk("new")]}).to_string()).unwrap();
    // Asked a moment ago: a stranger's key id does not make it ask again at once.
    let refused = access.authenticate(&bearer(&with_new)).await.unwrap_err();
    assert_eq!((refused.status.as_u16(), refused.code.as_str()), (401, "token_invalid"));
    access.issuer.as_ref().unwrap().keys.end_pause();
    assert!(access.authenticate(&bearer(&with_new)).await.is_ok());
    assert!(access.authenticate(&bearer(&with_old)).await.is_ok());
}

#[tokio::test]
async fn local_tokens_open_and_close_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let access = Access::new(folder.path(), AccessOptions::default());
    assert!(access.is_open());
    let caller = access.authenticate(&HeaderMap::new()).await.unwrap();
    assert!(matches!(caller, Caller::Open) && caller.gate().is_none() && access.still_good(&caller));
    assert_eq!(access.authenticate(&bearer("mt_made_up")).await.unwrap_err().code, "token_unknown");
    let command_line = TokenStore::new(folder.path().join(ACCESS_DIR));
    let (token, record) = command_line.issue("值班", vec!["township@area:t1".parse().unwrap()], wall_ms(), None).unwrap();
    assert!(!access.is_open() && !access.still_good(&caller), "who came in before tokens were needed is sent out");
    assert_eq!(access.authenticate(&HeaderMap::new()).await.unwrap_err().code, "token_required");
    let basic = HeaderMap::from_iter([(header::AUTHORIZATION, "Basic YTpi".parse().unwrap())]);
    assert_eq!(access.authenticate(&basic).await.unwrap_err().code, "token_required");
    assert_eq!(access.authenticate(&bearer("a.b.c")).await.unwrap_err().code, "token_unknown");
    let known = access.authenticate(&bearer(&token)).await.unwrap();
    assert!(access.still_good(&known));
    command_line.revoke(&record.id, wall_ms()).unwrap();
    assert!(!access.still_good(&known) && !access.is_open(), "a server that once had tokens never opens again");
    assert_eq!(access.authenticate(&bearer(&token)).await.unwrap_err().code, "token_revoked");
    let (short, _) = command_line.issue("", vec!["auditor@everything".parse().unwrap()], 0, Some(1)).unwrap();
    assert_eq!(access.authenticate(&bearer(&short)).await.unwrap_err().code, "token_expired");
    std::fs::write(folder.path().join(ACCESS_DIR).join("tokens.json"), "nonsense").unwrap();
    let refused = access.authenticate(&bearer(&token)).await.unwrap_err();
    assert_eq!((refused.status.as_u16(), refused.code.as_str()), (503, "access_unreadable"));
    assert!(!access.is_open());
}
