//! A person's data is erased: the log decides, the vault's key goes, and nothing in between loses it.

use std::path::Path;

use muster_log::Position;
use muster_server::wiring::VAULT_DIR;
use muster_vault::{Algorithm, Opened, SealedField};
use serde_json::{Value, json};

use crate::common::{Place, within};

/// The sealed name of somebody, as the log's answer shows it.
fn sealed_name(answer: &Value) -> SealedField {
    let enrolled = &answer["events"][0]["event"];
    let sealed: muster_proto::v1::ResponderEnrolled = serde_json::from_value(enrolled.clone()).unwrap();
    let name = sealed.name.unwrap();
    SealedField { key_id: name.key_id, algorithm: Algorithm::XChaCha20Poly1305, nonce: name.nonce, bytes: name.bytes }
}

async fn enroll(place: &Place, id: &str) -> SealedField {
    let body = json!({"responder_id": id, "name": "欧阳清婉", "kind": "RESPONDER_KIND_MEMBER", "area_id": "440802001001"});
    sealed_name(&place.done("EnrollResponder", &format!("enroll-{id}"), body).await)
}

fn erase(id: &str, actor: &str) -> Value {
    json!({"responder_id": id, "reason": "本人要求", "context": {"actor": actor}})
}

/// Withdrawn, and asked for by the first person.
async fn asked_for(place: &Place, id: &str) -> SealedField {
    let name = enroll(place, id).await;
    place.done("WithdrawResponder", &format!("withdraw-{id}"), json!({"responder_id": id, "reason": "迁出"})).await;
    let answer = place.done("ErasePersonalData", &format!("ask-{id}"), erase(id, "甲")).await;
    assert_eq!(answer["events"][0]["type"], "ErasureRequested");
    name
}

/// Agreed to by the second; the position of the event.
async fn agreed(place: &Place, id: &str) -> Position {
    let answer = place.done("ErasePersonalData", &format!("agree-{id}"), erase(id, "乙")).await;
    assert_eq!(answer["events"][0]["type"], "PersonalDataErased");
    answer["last"].as_str().unwrap().parse().unwrap()
}

fn name_of(place: &Place, sealed: &SealedField) -> Opened {
    place.server().vault.open_field(sealed, "name").unwrap()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_goes_with_the_second_person_and_never_comes_back() {
    let place = Place::with_base().await;
    let name = asked_for(&place, "r-20").await;
    let (status, refused) = place.send("ErasePersonalData", "again", &erase("r-20", "甲")).await;
    assert_eq!((status, refused["code"].as_str()), (409, Some("second_person_needed")));
    assert_eq!(name_of(&place, &name), Opened::Plain("欧阳清婉".into()), "one person alone erases nothing");
    let at = agreed(&place, "r-20").await;
    within(place.server().erasures.wait_for(at)).await;
    assert_eq!(name_of(&place, &name), Opened::Erased);
    let body = json!({"responder_id": "r-20", "name": "司徒远航", "kind": "RESPONDER_KIND_MEMBER", "area_id": "440802001001"});
    let (status, refused) = place.send("EnrollResponder", "anew", &body).await;
    assert!((400..500).contains(&status), "nobody is enrolled under an erased id: {refused}");
    assert_eq!(place.server().vault.counts().1, 1, "nobody else lost a key");
}

/// The process ends between the event and the erasure: the log has the event, the vault still the key. The next start carries it out.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_the_event_and_the_erasure_loses_nothing() {
    let mut place = Place::with_base().await;
    let name = asked_for(&place, "r-20").await;
    place.stop().await;
    let (vault, before) = (place.folder.path().join(VAULT_DIR), place.folder.path().join("before"));
    copy(&vault, &before);
    place.start().await.unwrap();
    let at = agreed(&place, "r-20").await;
    within(place.server().erasures.wait_for(at)).await;
    place.stop().await;
    // The vault as it was when the event became durable.
    std::fs::remove_dir_all(&vault).unwrap();
    std::fs::rename(&before, &vault).unwrap();
    place.start().await.unwrap();
    within(place.server().erasures.wait_for(at)).await;
    assert_eq!(name_of(&place, &name), Opened::Erased);
}

/// A vault whose place is lost, or tells of another log, is followed from the beginning.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_place_means_from_the_beginning() {
    let mut place = Place::with_base().await;
    let name = asked_for(&place, "r-20").await;
    place.stop().await;
    let (vault, before) = (place.folder.path().join(VAULT_DIR), place.folder.path().join("before"));
    copy(&vault, &before);
    place.start().await.unwrap();
    let at = agreed(&place, "r-20").await;
    let later = agreed_and_more(&place).await;
    place.stop().await;
    let kept = std::fs::read_to_string(vault.join("erased-up-to")).unwrap();
    assert!(kept.trim().ends_with(&format!(".{later}")), "a stop keeps the place: {kept}");
    for other in ["", "nonsense", "00000000000000000000000000000000 1.999"] {
        std::fs::remove_dir_all(&vault).unwrap();
        copy(&before, &vault);
        std::fs::write(vault.join("erased-up-to"), other).unwrap();
        place.start().await.unwrap();
        within(place.server().erasures.wait_for(at)).await;
        assert_eq!(name_of(&place, &name), Opened::Erased, "{other:?}");
        place.stop().await;
    }
}

/// One more record, which erases nobody.
async fn agreed_and_more(place: &Place) -> Position {
    let answer = place.define("440802002", "寸金街道", "TOWNSHIP", "440802").await;
    let at = answer["last"].as_str().unwrap().parse().unwrap();
    within(place.server().erasures.wait_for(at)).await;
    at
}
