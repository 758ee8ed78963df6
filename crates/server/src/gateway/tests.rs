//! The gateway with a real vault in a folder of its own.
#![allow(clippy::unwrap_used)]

use muster_vault::{Opened, SeededEntropy, VaultOptions};
use serde_json::json;

use super::*;

struct Place {
    gateway: Gateway,
    vault: Arc<Vault>,
    _folder: tempfile::TempDir,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::open(&folder.path().join("vault"), VaultOptions::new(Box::new(SeededEntropy::new(1)))).unwrap();
    let vault = Arc::new(vault);
    let gateway = Gateway::new(Arc::clone(&vault), Arc::new(Descriptors::read()));
    Place { gateway, vault, _folder: folder }
}

impl Place {
    fn request(&self, name: &str, body: Value) -> Result<Request, CommandError> {
        let prepared = self.gateway.prepare(Principal::default(), CommandId::new("1").unwrap(), name, body)?;
        self.gateway.seal(prepared)
    }
}

fn fault(error: CommandError) -> (String, FieldFault, String) {
    match error {
        CommandError::Malformed(FieldError { field, reason, kind }) => (field, kind, reason),
        other => panic!("{other}"),
    }
}

#[test]
fn personal_fields_are_sealed_and_open_again() {
    let place = place();
    let body = json!({"responder_id": "r-1", "name": "陈秀英", "phone": "13800138000", "kind": "RESPONDER_KIND_MEMBER"});
    let request = place.request("EnrollResponder", body).unwrap();
    let Command::EnrollResponder(enroll) = &request.command else { panic!("{:?}", request.command) };
    let name = enroll.name.clone().unwrap();
    assert_eq!((name.key_id.as_str(), name.algorithm, name.nonce.len()), ("r-1", 1, 24));
    let sealed =
        SealedField { key_id: name.key_id, algorithm: muster_vault::Algorithm::XChaCha20Poly1305, nonce: name.nonce, bytes: name.bytes };
    assert_eq!(place.vault.open_field(&sealed, "name").unwrap(), Opened::Plain("陈秀英".into()));
    let stored = v1::Command { kind: Some(request.command.clone()) }.encode_to_vec();
    assert!(!stored.windows(11).any(|window| window == b"13800138000"));
}

#[test]
fn a_retry_has_the_same_digest_and_other_bytes() {
    let place = place();
    let body = json!({"responder_id": "r-1", "name": "陈秀英", "phone": "13800138000"});
    let first = place.request("EnrollResponder", body.clone()).unwrap();
    let again = place.request("EnrollResponder", body).unwrap();
    assert_eq!(first.digest, again.digest);
    assert_ne!(first.command, again.command);
    let respelled = json!({"responderId": "r-1", "phone": "13800138000", "name": "陈秀英", "kind": "RESPONDER_KIND_UNSPECIFIED"});
    assert_eq!(place.request("EnrollResponder", respelled).unwrap().digest, first.digest);
    let other = json!({"responder_id": "r-1", "name": "陈秀兰", "phone": "13800138000"});
    assert_ne!(place.request("EnrollResponder", other).unwrap().digest, first.digest);
    let swapped = json!({"responder_id": "r-1", "name": "13800138000", "phone": "陈秀英"});
    assert_ne!(place.request("EnrollResponder", swapped).unwrap().digest, first.digest);
}

#[test]
fn the_context_belongs_to_the_body() {
    let place = place();
    let body = json!({"area_id": "4408", "context": {"actor": "p-1", "occurred_at_ms": "1700000000000"}});
    let request = place.request("RetireArea", body).unwrap();
    assert_eq!(request.context.actor, "p-1");
    assert_eq!(request.context.occurred_at_source, i32::from(v1::OccurredAtSource::Stated));
    assert_eq!(request.context.channel.unwrap().kind, i32::from(v1::ChannelKind::Http));
    let bare = place.request("RetireArea", json!({"area_id": "4408"})).unwrap();
    assert_eq!(bare.context.actor, DEFAULT_PRINCIPAL);
    assert_ne!(bare.digest, request.digest);
    let (field, kind, _) = fault(place.request("RetireArea", json!({"context": {"basis": {"kind": 99.5}}})).unwrap_err());
    assert_eq!((field.as_str(), kind), ("context.basis.kind", FieldFault::WrongType));
}

#[test]
fn a_sealed_object_from_outside_is_refused_and_never_repeated() {
    let place = place();
    for key in ["name", "phone"] {
        let body = json!({"responder_id": "r-1", key: {"key_id": "r-2", "bytes": "AAAA"}});
        let (field, kind, _) = fault(place.request("EnrollResponder", body).unwrap_err());
        assert_eq!((field.as_str(), kind), (key, FieldFault::WrongType));
    }
    let (_, _, reason) = fault(place.request("EnrollResponder", json!({"responder_id": "r-1", "phone": 13_800_138_000_u64})).unwrap_err());
    assert!(!reason.contains("138"), "{reason}");
    let (field, ..) = fault(place.request("EnrollResponder", json!({"name": "陈秀英"})).unwrap_err());
    assert_eq!(field, "name");
}

#[test]
fn unknown_fields_are_named_with_their_path() {
    let place = place();
    let (field, kind, reason) = fault(place.request("BlowWhistle", json!({"needs": [{}, {"amount": 2}]})).unwrap_err());
    assert_eq!((field.as_str(), kind), ("needs[1].amount", FieldFault::UnknownField));
    assert!(reason.contains("quantity"), "{reason}");
    let (field, kind, _) = fault(place.request("BlowWhistle", json!([])).unwrap_err());
    assert_eq!((field.as_str(), kind), ("", FieldFault::WrongType));
    let (_, kind, _) = fault(place.request("BlowWhistl", json!({})).unwrap_err());
    assert_eq!(kind, FieldFault::UnknownCommand);
}

#[test]
fn an_erased_person_is_refused_and_the_others_are_not() {
    let place = place();
    place.vault.erase("r-1").unwrap();
    let prepared = ["r-0", "r-1", "r-2"].map(|id| {
        let body = json!({"responder_id": id, "name": "甲"});
        place.gateway.prepare(Principal::default(), CommandId::new(id).unwrap(), "EnrollResponder", body).unwrap()
    });
    let answers = place.gateway.seal_many(prepared.into());
    assert!(answers[0].is_ok() && answers[2].is_ok());
    match &answers[1] {
        Err(CommandError::Refused(refusal)) => assert_eq!((refusal.code, refusal.field.as_str()), ("personal_data_erased", "responder_id")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn ids_and_principals_have_limits() {
    assert_eq!(CommandId::new("").unwrap_err().code, "missing_idempotency_key");
    assert_eq!(CommandId::new(&"x".repeat(65)).unwrap_err().code, "bad_idempotency_key");
    assert_eq!(CommandId::new("a\u{7}").unwrap_err().code, "bad_idempotency_key");
    assert!(CommandId::new(&"x".repeat(64)).is_ok());
    assert_eq!(Principal::new("").unwrap_err().code, "bad_principal");
    assert_eq!(Principal::new("a\0b").unwrap_err().code, "bad_principal");
}
