//! Receipts come back signed, late, doubled, forged.

use muster_delivery::{ReceiptFault, Secret, Unsigned, sign};
use muster_proto::v1::{DeliveryChannel, DeliveryOutcome};

use crate::support::{Memory, Receiver, SECRET, channel, now_ms, start, until, within};

#[tokio::test]
async fn a_signed_receipt_is_taken_down_once_and_anything_else_is_refused() {
    let (folder, desk, receiver) = (tempfile::tempdir().unwrap(), Memory::new(1), Receiver::start().await);
    let robot = channel("group", &receiver.url, "\"contact\"", "kind = \"wecom_robot\"\nsecret = []");
    let deliveries = start(folder.path(), &(channel("sms", &receiver.url, "\"sms\"", "") + &robot), &desk);
    let position = desk.call(1);
    until(&deliveries, || desk.outcomes().len() == 1).await;
    let id = receiver.seen()[0].id().to_owned();
    let (secret, now_s) = ([Secret::webhook(SECRET).unwrap()], now_ms() / 1_000);
    let body = br#"{"outcome": "delivered", "at_ms": 5}"#;
    let send = async |id: &str, time: i64, signed: &[u8], body: &[u8]| {
        let own_id = format!("{id}.1");
        let signature = sign(&secret, &own_id, time, signed);
        deliveries.receipt(id, (&own_id, &time.to_string(), &signature), body).await
    };
    // What was signed for one message is proof of no other.
    let elsewhere = sign(&secret, "another.1", now_s, body);
    let refused = deliveries.receipt(&id, ("another.1", &now_s.to_string(), &elsewhere), body).await;
    assert_eq!(refused, Err(ReceiptFault::OtherMessage));
    assert_eq!(send(&id, now_s, body, body).await, Ok(true));
    assert_eq!(send(&id, now_s, body, body).await, Ok(true));
    let delivered = ("c1".to_owned(), DeliveryChannel::Sms, DeliveryOutcome::Delivered);
    assert_eq!(desk.outcomes()[1..], [delivered], "once");
    assert_eq!(desk.reports.lock().unwrap()[1].at_ms, 5);
    let answered = br#"{"outcome": "answered", "at_ms": "1785456000000"}"#;
    assert_eq!(send(&id, now_s, answered, answered).await, Ok(true), "a number may be written as a text, as everywhere else");
    assert_eq!(desk.reports.lock().unwrap()[2].at_ms, 1_785_456_000_000);
    let soon = br#"{"outcome": "read", "at_ms": "soon"}"#;
    assert!(matches!(send(&id, now_s, soon, soon).await, Err(ReceiptFault::Form(_))));
    let read = br#"{"outcome": "read"}"#;
    assert_eq!(send(&id, now_s, body, read).await, Err(ReceiptFault::Unsigned(Unsigned::Signature)));
    assert_eq!(send(&id, now_s - 301, body, body).await, Err(ReceiptFault::Unsigned(Unsigned::Time)));
    let lost = br#"{"outcome": "lost"}"#;
    assert!(matches!(send(&id, now_s, lost, lost).await, Err(ReceiptFault::Form(_))));
    for unknown in
        ["msg_1", &format!("msg_abababab_2_{position}_0_sms"), "msg_abababab_1_99_0_sms", &format!("msg_abababab_1_{position}_0_fax")]
    {
        assert_eq!(send(unknown, now_s, body, body).await, Err(ReceiptFault::Unknown), "{unknown}");
    }
    let group = format!("msg_abababab_1_{position}_0_group");
    assert_eq!(send(&group, now_s, body, body).await, Err(ReceiptFault::NotTaken));
    within(deliveries.shutdown()).await;
}
