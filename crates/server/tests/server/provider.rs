//! Tokens of an identity provider, end to end: its keys from a file and from its address, changed while the server runs.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use muster_server::access::{AccessOptions, Expected, IssuerOptions, KeySource};
use muster_server::wiring::{RunningServer, Server, ServerOptions};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

use crate::common::{answer, code, options, within};

const ISSUER: &str = "https://id.example.gov.cn";

/// A provider with one key.
struct Provider {
    kid: &'static str,
    pair: EcdsaKeyPair,
}

impl Provider {
    fn new(kid: &'static str) -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        Self { kid, pair: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap() }
    }

    fn keys(&self) -> String {
        let point = self.pair.public_key().as_ref();
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let key = json!({"kty": "EC", "crv": "P-256", "kid": self.kid, "use": "sig", "x": text(&point[1..33]), "y": text(&point[33..])});
        json!({"keys": [key]}).to_string()
    }

    fn token(&self, change: impl FnOnce(&mut Value)) -> String {
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let mut claims = json!({"iss": ISSUER, "sub": "zhang.san", "aud": "muster", "exp": now_s + 300, "iat": now_s,
            "muster_grants": ["headquarters@everything", "wiki-editor"]});
        change(&mut claims);
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({"alg": "ES256", "kid": self.kid})), part(&claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}

async fn serve(data: &Path, keys: KeySource) -> RunningServer {
    let expected = Expected { issuer: ISSUER.into(), audience: "muster".into(), roles_claim: "muster_grants".into() };
    let access = AccessOptions { issuer: Some(IssuerOptions { expected, keys }), ..AccessOptions::default() };
    within(Server::start(ServerOptions { access, ..options(data) })).await.unwrap()
}

async fn get(server: &RunningServer, token: &str, path: &str) -> (u16, Value) {
    answer(reqwest::Client::new().get(format!("{}{path}", server.url())).bearer_auth(token)).await
}

/// What holds wherever the keys are.
async fn lets_in_whom_the_provider_names(server: &RunningServer, provider: &Provider) {
    let good = provider.token(|_| ());
    assert_eq!(get(server, &good, "/v1/status").await.0, 200);
    let area = json!({"area_id": "4408", "name": "湛江市", "level": "AREA_LEVEL_CITY"});
    let send = |token: &str, id: &str| {
        let request = reqwest::Client::new().post(format!("{}/v1/commands/DefineArea", server.url())).bearer_auth(token.to_owned());
        request.header("Idempotency-Key", id).json(&area)
    };
    let (status, done) = answer(send(&good, "city")).await;
    assert_eq!(status, 200, "{done}");
    let event = &done["events"][0];
    assert_eq!((&event["actor"], &event["principal"]), (&json!("zhang.san"), &json!("oidc:zhang.san")));
    let township = provider.token(|claims| claims["muster_grants"] = json!("township@area:440802001"));
    assert_eq!(code(&answer(send(&township, "again")).await), (403, "outside_scope"));
    assert_eq!(get(server, &township, "/v1/status").await.0, 403);
    let nobody = provider.token(|claims| claims["muster_grants"] = json!([]));
    assert_eq!(code(&get(server, &nobody, "/v1/views/coverage").await), (403, "nothing_granted"));
    for (token, expected) in [
        (provider.token(|claims| claims["exp"] = json!(1_000)), "token_expired"),
        (provider.token(|claims| claims["iss"] = json!("https://elsewhere")), "token_invalid"),
        (provider.token(|claims| claims["aud"] = json!("wiki")), "token_invalid"),
        (Provider::new("stranger").token(|_| ()), "token_invalid"),
        // The same key id, and another key.
        (Provider::new(provider.kid).token(|_| ()), "token_invalid"),
        ("mt_0_0".to_owned(), "token_unknown"),
    ] {
        assert_eq!(code(&get(server, &token, "/v1/status").await), (401, expected));
    }
    let without = answer(reqwest::Client::new().get(format!("{}/v1/status", server.url()))).await;
    assert_eq!(code(&without), (401, "token_required"), "a provider closes the server");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_may_be_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let (provider, file) = (Provider::new("k1"), folder.path().join("keys.json"));
    std::fs::write(&file, provider.keys()).unwrap();
    let server = serve(folder.path(), KeySource::File(file)).await;
    lets_in_whom_the_provider_names(&server, &provider).await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_may_be_at_an_address_that_is_asked_seldom() {
    let (provider, asked) = (Provider::new("k1"), Arc::new(AtomicUsize::new(0)));
    let (text, count) = (provider.keys(), Arc::clone(&asked));
    let keys = move || async move {
        count.fetch_add(1, Ordering::SeqCst);
        text
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let published = tokio::spawn(async move {
        let router = axum::Router::new().route("/keys", axum::routing::get(keys));
        axum::serve(listener, router).await.unwrap();
    });
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path(), KeySource::Url(format!("http://{address}/keys").parse().unwrap())).await;
    lets_in_whom_the_provider_names(&server, &provider).await;
    assert_eq!(asked.load(Ordering::SeqCst), 1, "strangers' tokens do not make it ask again at once");
    // Without an answer of the provider the known keys stay.
    published.abort();
    assert_eq!(get(&server, &provider.token(|_| ()), "/v1/status").await.0, 200);
    server.shutdown().await;
}
