//! Where a channel begins and goes on: after a restart, in another epoch, after a stop in the middle.

use crate::support::{Memory, Receiver, Reply, channel, start, until, within};

fn ids(receiver: &Receiver) -> Vec<String> {
    receiver.seen().iter().map(|seen| seen.json()["data"]["call_id"].as_str().unwrap().to_owned()).collect()
}

/// Whoever turns delivery on in a city that has run for a year must not ring everybody up once more.
#[tokio::test]
async fn the_first_start_begins_at_the_end() {
    let (folder, desk, receiver) = (tempfile::tempdir().unwrap(), Memory::new(1), Receiver::start().await);
    for number in 1..=50 {
        desk.call(number);
    }
    let deliveries = start(folder.path(), &channel("app", &receiver.url, "\"app\"", ""), &desk);
    assert_eq!(desk.call(51), 51);
    receiver.has_seen(1).await;
    until(&deliveries, || deliveries.statuses()[0].lag_positions == 0).await;
    within(deliveries.shutdown()).await;
    assert_eq!(ids(&receiver), ["c51"]);
}

#[tokio::test]
async fn what_came_while_nobody_ran_and_what_was_unfinished_is_sent_after_the_start() {
    let (folder, desk, receiver) = (tempfile::tempdir().unwrap(), Memory::new(1), Receiver::start().await);
    let channels = channel("app", &receiver.url, "\"app\"", "");
    receiver.usually(Reply::Status(500));
    let deliveries = start(folder.path(), &channels, &desk);
    desk.call(1);
    receiver.has_seen(1).await;
    within(deliveries.shutdown()).await;
    let first = receiver.seen()[0].id().to_owned();
    desk.call(2);
    receiver.open();
    let deliveries = start(folder.path(), &channels, &desk);
    until(&deliveries, || desk.outcomes().len() == 2).await;
    within(deliveries.shutdown()).await;
    let again: Vec<_> = receiver.seen().into_iter().filter(|seen| seen.id() == first).collect();
    assert!(again.len() >= 2 && again.iter().all(|seen| seen.body == again[0].body), "the same message");
    // Everything is finished: another start sends nothing.
    let count = receiver.seen().len();
    let deliveries = start(folder.path(), &channels, &desk);
    until(&deliveries, || deliveries.statuses()[0].lag_positions == 0).await;
    within(deliveries.shutdown()).await;
    assert_eq!(receiver.seen().len(), count);
}

/// After an accepted loss the same positions hold other records: nothing old is sent for them, nor taken for them.
#[tokio::test]
async fn another_epoch_begins_at_its_end() {
    let (folder, desk, receiver) = (tempfile::tempdir().unwrap(), Memory::new(1), Receiver::start().await);
    let channels = channel("app", &receiver.url, "\"app\"", "give_up_after_s = 1");
    receiver.usually(Reply::Status(500));
    let deliveries = start(folder.path(), &channels, &desk);
    desk.call(1);
    until(&deliveries, || deliveries.dead(10).len() == 1).await;
    let old = deliveries.dead(10).remove(0).id;
    desk.call(2);
    within(deliveries.shutdown()).await;
    let later = Memory::new(2);
    later.call(1);
    receiver.open();
    let before = receiver.seen().len();
    let deliveries = start(folder.path(), &channels, &later);
    assert!(deliveries.dead(10).is_empty());
    assert_eq!(deliveries.resend(&old).await, muster_delivery::Resent::Unknown);
    later.call(9);
    receiver.has_seen(before + 1).await;
    until(&deliveries, || deliveries.statuses()[0].lag_positions == 0).await;
    within(deliveries.shutdown()).await;
    assert_eq!(ids(&receiver)[before..], ["c9"]);
}
