//! What goes out, and what happens when it is not taken.

use std::sync::atomic::Ordering;

use muster_delivery::{Resent, Secret, limits, verify};
use muster_proto::v1::{DeliveryChannel, DeliveryOutcome};

use crate::support::{Memory, Receiver, Reply, SECRET, channel, now_ms, start, until, within};

use DeliveryChannel::{App, Sms, Voice};
use DeliveryOutcome::{Failed, Sent};

fn outcome(number: u64, channel: DeliveryChannel, outcome: DeliveryOutcome) -> (String, DeliveryChannel, DeliveryOutcome) {
    (format!("c{number}"), channel, outcome)
}

#[tokio::test]
async fn a_call_is_sent_signed_and_taken_down() {
    let (folder, desk, receiver) = (tempfile::tempdir().unwrap(), Memory::new(1), Receiver::start().await);
    let other = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let rotating = format!("secret = [\"{other}\", \"{SECRET}\"]");
    let deliveries = start(folder.path(), &channel("app", &receiver.url, "\"app\"", &rotating), &desk);
    let position = desk.call(1);
    let seen = receiver.has_seen(1).await.remove(0);
    assert_eq!((seen.path.as_str(), seen.id()), ("/calls", format!("msg_abababab_1_{position}_0_app").as_str()));
    assert_eq!((seen.json()["type"].as_str(), seen.json()["data"]["call_id"].as_str()), (Some("muster.call"), Some("c1")));
    // The receiver may hold either secret while one takes over from the other.
    for secret in [other, SECRET] {
        let secret = [Secret::webhook(secret).unwrap()];
        let (time, signatures) = (seen.header("webhook-timestamp"), seen.header("webhook-signature"));
        assert_eq!(verify(&secret, seen.id(), time, &seen.body, signatures, now_ms() / 1_000), Ok(()));
    }
    until(&deliveries, || desk.outcomes() == [outcome(1, App, Sent)]).await;
    within(deliveries.shutdown()).await;
    assert_eq!(receiver.seen().len(), 1);
}

#[tokio::test]
async fn what_fails_for_now_is_sent_again_under_its_own_id() {
    let (folder, desk, receiver) = (tempfile::tempdir().unwrap(), Memory::new(1), Receiver::start().await);
    receiver.answers([Reply::Status(500), Reply::Status(503)]);
    let deliveries = start(folder.path(), &channel("app", &receiver.url, "\"app\"", ""), &desk);
    desk.call(1);
    let seen = receiver.has_seen(3).await;
    assert!(seen.iter().all(|one| one.id() == seen[0].id() && one.body == seen[0].body), "the same id and body");
    until(&deliveries, || desk.outcomes() == [outcome(1, App, Sent)]).await;
    let status = deliveries.statuses().remove(0);
    assert_eq!((status.sent, status.failed, status.dead, status.last_failure), (1, 2, 0, "server_error"));
    until(&deliveries, || deliveries.statuses()[0].lag_positions == 0).await;
    within(deliveries.shutdown()).await;
}

#[tokio::test]
async fn a_channel_that_asks_for_time_gets_it_for_all_its_messages() {
    let (folder, desk, receiver) = (tempfile::tempdir().unwrap(), Memory::new(1), Receiver::start().await);
    receiver.answers([Reply::RetryAfter(2)]);
    let one_by_one = channel("app", &receiver.url, "\"app\"", "concurrency = 1");
    let deliveries = start(folder.path(), &one_by_one, &desk);
    let begun = std::time::Instant::now();
    for number in 1..=3 {
        desk.call(number);
    }
    receiver.has_seen(4).await;
    assert!(begun.elapsed().as_secs() >= 2, "nothing was sent before the time was over: {:?}", begun.elapsed());
    until(&deliveries, || desk.outcomes().len() == 3).await;
    within(deliveries.shutdown()).await;
}

#[tokio::test]
async fn who_asks_for_more_time_than_there_is_gives_way_to_the_next_channel() {
    let (folder, desk, receiver) = (tempfile::tempdir().unwrap(), Memory::new(1), Receiver::start().await);
    receiver.usually(Reply::RetryAfter(3_600));
    let deliveries = start(folder.path(), &channel("app", &receiver.url, "\"app\"", ""), &desk);
    desk.call(1);
    until(&deliveries, || desk.outcomes() == [outcome(1, App, Failed)]).await;
    until(&deliveries, || deliveries.dead(10).len() == 1).await;
    assert_eq!(deliveries.dead(10)[0].reason, "too_many_requests");
    within(deliveries.shutdown()).await;
}

/// A server that asks for quiet is not asked once for each message that waits: what cannot be sent in time goes to the next channel.
#[tokio::test]
async fn who_asks_for_more_time_than_there_is_is_left_alone() {
    let (folder, desk, receiver) = (tempfile::tempdir().unwrap(), Memory::new(1), Receiver::start().await);
    receiver.usually(Reply::RetryAfter(3_600));
    let one_by_one = channel("app", &receiver.url, "\"app\"", "concurrency = 1");
    let deliveries = start(folder.path(), &one_by_one, &desk);
    for number in 1..=20 {
        desk.call(number);
    }
    until(&deliveries, || deliveries.dead(100).len() == 20).await;
    assert!(desk.outcomes().iter().all(|(_, on, outcome)| (*on, *outcome) == (App, Failed)));
    assert!(deliveries.dead(100).iter().all(|dead| dead.reason == "too_many_requests"));
    assert_eq!(receiver.seen().len(), 1);
    // Whoever enables the channel knows better.
    receiver.open();
    assert!(deliveries.enable("app").await);
    desk.call(21);
    until(&deliveries, || desk.outcomes().contains(&outcome(21, App, Sent))).await;
    within(deliveries.shutdown()).await;
}

/// Its message stayed marked as tried until the next start: nobody was told, and no other channel was asked for.
#[tokio::test]
async fn a_try_that_breaks_off_is_tried_again_and_given_up_like_any() {
    let (folder, desk, receiver) = (tempfile::tempdir().unwrap(), Memory::new(1), Receiver::start().await);
    let deliveries = start(folder.path(), &channel("app", &receiver.url, "\"app\"", "give_up_after_s = 2"), &desk);
    desk.faults.store(1, Ordering::Relaxed);
    desk.call(1);
    until(&deliveries, || desk.outcomes() == [outcome(1, App, Sent)]).await;
    desk.faults.store(u32::MAX, Ordering::Relaxed);
    desk.call(2);
    until(&deliveries, || deliveries.dead(10).len() == 1).await;
    assert_eq!(desk.outcomes(), [outcome(1, App, Sent), outcome(2, App, Failed)]);
    assert_eq!((deliveries.dead(10)[0].reason.as_str(), receiver.seen().len()), ("internal_fault", 1));
    within(deliveries.shutdown()).await;
}

#[tokio::test]
async fn a_log_that_cannot_be_read_for_a_while_is_read_again() {
    let (folder, desk, receiver) = (tempfile::tempdir().unwrap(), Memory::new(1), Receiver::start().await);
    let deliveries = start(folder.path(), &channel("app", &receiver.url, "\"app\"", ""), &desk);
    desk.unreadable.store(true, Ordering::Relaxed);
    desk.call(1);
    until(&deliveries, || deliveries.statuses()[0].state == "stopped").await;
    desk.unreadable.store(false, Ordering::Relaxed);
    until(&deliveries, || desk.outcomes() == [outcome(1, App, Sent)]).await;
    assert_eq!(deliveries.statuses()[0].state, "running");
    within(deliveries.shutdown()).await;
}

/// The log has it that the message failed, and the next channel was ordered: it must not go out on this one as well.
#[tokio::test]
async fn what_the_disk_does_not_take_is_written_again_and_not_sent_again() {
    let (folder, desk, receiver) = (tempfile::tempdir().unwrap(), Memory::new(1), Receiver::start().await);
    receiver.answers([Reply::Status(400)]);
    let deliveries = start(folder.path(), &channel("app", &receiver.url, "\"app\"", ""), &desk);
    let dead_file = folder.path().join("app.dead");
    std::fs::create_dir(&dead_file).unwrap();
    desk.call(1);
    until(&deliveries, || desk.outcomes() == [outcome(1, App, Failed)]).await;
    // The second is sent after the first could not be buried.
    desk.call(2);
    until(&deliveries, || desk.outcomes().contains(&outcome(2, App, Sent))).await;
    assert_eq!((deliveries.dead(10).len(), deliveries.statuses()[0].dead), (0, 0), "it is not on the disk");
    std::fs::remove_dir(&dead_file).unwrap();
    until(&deliveries, || deliveries.dead(10).len() == 1).await;
    until(&deliveries, || deliveries.statuses()[0].lag_positions == 0).await;
    within(deliveries.shutdown()).await;
    assert_eq!(receiver.seen().len(), 2);
    assert_eq!(std::fs::read_to_string(dead_file).unwrap().lines().count(), 1);
}

#[tokio::test]
async fn a_dead_letter_is_sent_again_only_once_it_is_kept_that_it_is_and_there_is_room() {
    let (folder, desk, receiver) = (tempfile::tempdir().unwrap(), Memory::new(1), Receiver::start().await);
    receiver.answers([Reply::Status(400)]);
    receiver.usually(Reply::Hold);
    let deliveries = start(folder.path(), &channel("app", &receiver.url, "\"app\"", ""), &desk);
    desk.call(1);
    until(&deliveries, || deliveries.dead(10).len() == 1).await;
    let dead = deliveries.dead(10).remove(0).id;
    // The place cannot be written: if it were sent now and the server killed, it would be nowhere.
    let partial = folder.path().join("app.json.partial");
    while std::fs::create_dir(&partial).is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(deliveries.resend(&dead).await, Resent::Later);
    assert_eq!(deliveries.dead(10).len(), 1);
    std::fs::remove_dir(&partial).unwrap();
    for number in 2..=limits::WINDOW_MAX as u64 + 1 {
        desk.call(number);
    }
    until(&deliveries, || deliveries.statuses()[0].waiting == limits::WINDOW_MAX as u64).await;
    assert_eq!(deliveries.resend(&dead).await, Resent::Later);
    receiver.open();
    until(&deliveries, || deliveries.statuses()[0].waiting == 0).await;
    assert_eq!(deliveries.resend(&dead).await, Resent::OnItsWay);
    until(&deliveries, || desk.outcomes().contains(&outcome(1, App, Sent))).await;
    assert!(deliveries.dead(10).is_empty());
    within(deliveries.shutdown()).await;
    assert_eq!(deliveries.resend(&dead).await, Resent::Later, "the channel has ended");
}

#[tokio::test]
async fn what_is_not_taken_in_time_is_a_dead_letter_and_can_be_sent_again() {
    let (folder, desk, receiver) = (tempfile::tempdir().unwrap(), Memory::new(1), Receiver::start().await);
    receiver.usually(Reply::Status(500));
    let deliveries = start(folder.path(), &channel("app", &receiver.url, "\"app\"", "give_up_after_s = 2"), &desk);
    desk.call(1);
    until(&deliveries, || deliveries.dead(10).len() == 1).await;
    let dead = deliveries.dead(10).remove(0);
    assert_eq!((dead.kind.as_str(), dead.call_id.as_str(), dead.reason.as_str()), ("call", "c1", "server_error"));
    assert_eq!(desk.outcomes(), [outcome(1, App, Failed)]);
    receiver.open();
    assert_eq!(deliveries.resend("msg_abababab_1_999_0_app").await, Resent::Unknown);
    assert_eq!(deliveries.resend(&dead.id).await, Resent::OnItsWay);
    until(&deliveries, || desk.outcomes() == [outcome(1, App, Failed), outcome(1, App, Sent)]).await;
    assert!(deliveries.dead(10).is_empty());
    assert!(receiver.seen().iter().all(|seen| seen.id() == dead.id));
    within(deliveries.shutdown()).await;
}

/// A body that will never be taken, or a redirect: nothing is gained by trying again.
#[tokio::test]
async fn what_is_refused_is_not_tried_again_and_no_redirect_is_followed() {
    let (folder, desk, receiver) = (tempfile::tempdir().unwrap(), Memory::new(1), Receiver::start().await);
    receiver.answers([Reply::Status(400), Reply::Redirect(format!("{}/elsewhere", receiver.url))]);
    let deliveries = start(folder.path(), &channel("app", &receiver.url, "\"app\"", "concurrency = 1"), &desk);
    desk.call(1);
    desk.call(2);
    until(&deliveries, || deliveries.dead(10).len() == 2).await;
    let reasons: Vec<_> = deliveries.dead(10).into_iter().map(|dead| dead.reason).collect();
    assert!(reasons.contains(&"refused".to_owned()) && reasons.contains(&"redirected".to_owned()), "{reasons:?}");
    assert_eq!(receiver.seen().iter().map(|seen| seen.path.as_str()).collect::<Vec<_>>(), ["/calls", "/calls"]);
    within(deliveries.shutdown()).await;
}

/// Gone is remembered across a restart, and every call goes on to the next channel at once.
#[tokio::test]
async fn gone_turns_a_channel_off_until_somebody_enables_it() {
    let (folder, desk, receiver) = (tempfile::tempdir().unwrap(), Memory::new(1), Receiver::start().await);
    receiver.answers([Reply::Status(410)]);
    let channels = channel("app", &receiver.url, "\"app\"", "");
    let deliveries = start(folder.path(), &channels, &desk);
    desk.call(1);
    until(&deliveries, || deliveries.statuses()[0].state == "gone").await;
    within(deliveries.shutdown()).await;
    let deliveries = start(folder.path(), &channels, &desk);
    desk.call(2);
    until(&deliveries, || deliveries.dead(10).len() == 2).await;
    assert_eq!(desk.outcomes(), [outcome(1, App, Failed), outcome(2, App, Failed)]);
    assert_eq!(receiver.seen().len(), 1, "nothing was sent after it");
    assert!(deliveries.enable("app").await && !deliveries.enable("fax").await);
    desk.call(3);
    until(&deliveries, || desk.outcomes().contains(&outcome(3, App, Sent))).await;
    within(deliveries.shutdown()).await;
}

#[tokio::test]
async fn a_slow_channel_holds_up_nobody_and_its_backlog_stays_in_the_log() {
    const CALLS: u64 = 1_500;
    let (folder, desk) = (tempfile::tempdir().unwrap(), Memory::new(1));
    let (slow, fast) = (Receiver::start().await, Receiver::start().await);
    slow.usually(Reply::Hold);
    let channels = channel("app", &slow.url, "\"app\"", "concurrency = 32") + &channel("sms", &fast.url, "\"sms\"", "");
    let deliveries = start(folder.path(), &channels, &desk);
    for number in 1..=CALLS {
        desk.call(number);
    }
    desk.order(1, Sms);
    until(&deliveries, || desk.outcomes() == [outcome(1, Sms, Sent)]).await;
    let status = deliveries.statuses().remove(0);
    assert!(status.waiting <= limits::WINDOW_MAX as u64 && status.lag_positions > CALLS / 2, "{status:?}");
    slow.open();
    until(&deliveries, || desk.outcomes().len() as u64 == CALLS + 1).await;
    until(&deliveries, || deliveries.statuses()[0].lag_positions == 0).await;
    within(deliveries.shutdown()).await;
}

#[tokio::test]
async fn what_nobody_serves_fails_at_once_and_what_cannot_be_sent_goes_on() {
    let (folder, desk, receiver) = (tempfile::tempdir().unwrap(), Memory::new(1), Receiver::start().await);
    let deliveries = start(folder.path(), &channel("sms", &receiver.url, "\"sms\"", ""), &desk);
    desk.impossible.lock().unwrap().insert("c1".into());
    desk.pointless.lock().unwrap().insert("c2".into());
    desk.call(1);
    desk.call(2);
    desk.order(3, Voice);
    until(&deliveries, || desk.outcomes().len() == 2).await;
    let mut outcomes = desk.outcomes();
    outcomes.sort();
    assert_eq!(outcomes, [outcome(1, Sms, Failed), outcome(3, Voice, Failed)]);
    until(&deliveries, || deliveries.statuses()[0].lag_positions == 0).await;
    assert_eq!((receiver.seen().len(), deliveries.statuses()[0].pointless), (0, 1));
    assert_eq!(deliveries.dead(10)[0].reason, "no_phone");
    within(deliveries.shutdown()).await;
}

#[tokio::test]
async fn a_platforms_token_is_asked_for_once_and_anew_when_it_is_over() {
    let (folder, desk, receiver) = (tempfile::tempdir().unwrap(), Memory::new(1), Receiver::start().await);
    receiver.at("/cgi-bin/gettoken", Reply::Json(r#"{"errcode":0,"access_token":"T","expires_in":18446744073709551615}"#));
    receiver.answers([Reply::Json(r#"{"errcode":42001}"#)]);
    receiver.usually(Reply::Json(r#"{"errcode":0,"errmsg":"ok","msgid":"m1"}"#));
    let wecom = "kind = \"wecom_app\"\nsecret = \"s/1\"\naccount = \"ww1\"\nagent_id = 7\nconcurrency = 1";
    let deliveries = start(folder.path(), &channel("wecom", &receiver.url, "\"app\"", wecom), &desk);
    desk.call(1);
    until(&deliveries, || desk.outcomes().len() == 1).await;
    desk.call(2);
    until(&deliveries, || desk.outcomes().len() == 2).await;
    let paths: Vec<_> = receiver.seen().into_iter().map(|seen| seen.path).collect();
    let token = "/cgi-bin/gettoken?corpid=ww1&corpsecret=s%2F1";
    let send = "/calls?access_token=T";
    assert_eq!(paths, [token, send, token, send, send]);
    let body = receiver.seen()[1].json();
    assert_eq!((body["agentid"].as_u64(), body["touser"].as_str(), body["msgtype"].as_str()), (Some(7), Some("r-1"), Some("text")));
    within(deliveries.shutdown()).await;
}

#[tokio::test]
async fn a_robot_signs_its_address() {
    let (folder, desk, receiver) = (tempfile::tempdir().unwrap(), Memory::new(1), Receiver::start().await);
    receiver.usually(Reply::Json(r#"{"errcode":0,"errmsg":"ok"}"#));
    let robot = "kind = \"dingtalk_robot\"\nsecret = \"SEC1\"";
    let deliveries = start(folder.path(), &channel("group", &receiver.url, "\"contact\"", robot), &desk);
    desk.telephone(1);
    let seen = receiver.has_seen(1).await.remove(0);
    let query = seen.path.strip_prefix("/calls?timestamp=").unwrap();
    let time: i64 = query.split('&').next().unwrap().parse().unwrap();
    assert_eq!(format!("timestamp={query}"), muster_delivery::dingtalk_query(&Secret::plain("SEC1"), time));
    assert_eq!(seen.id(), "", "the platform knows no webhook headers");
    within(deliveries.shutdown()).await;
}

/// Its answer was lost on the way: the person may have been told, and must not come in vain.
#[tokio::test]
async fn who_may_have_been_told_is_told_of_the_release() {
    let (folder, desk, receiver) = (tempfile::tempdir().unwrap(), Memory::new(1), Receiver::start().await);
    let nowhere = Receiver::start().await;
    let channels = channel("app", &receiver.url, "\"app\"", "") + &channel("sms", &nowhere.url, "\"sms\"", "");
    let deliveries = start(folder.path(), &channels, &desk);
    receiver.usually(Reply::Drop);
    desk.call(1);
    receiver.has_seen(1).await;
    receiver.usually(Reply::Status(200));
    desk.release(1);
    until(&deliveries, || deliveries.statuses()[0].lag_positions == 0).await;
    let kinds: Vec<_> = receiver.seen().iter().map(|seen| seen.json()["type"].as_str().unwrap().to_owned()).collect();
    assert_eq!((kinds[0].as_str(), kinds.last().unwrap().as_str()), ("muster.call", "muster.released"));
    // Whoever was never sought is told nothing.
    desk.pointless.lock().unwrap().insert("c2".into());
    desk.call(2);
    desk.release(2);
    until(&deliveries, || deliveries.statuses()[0].lag_positions == 0).await;
    within(deliveries.shutdown()).await;
    assert_eq!(receiver.seen().len(), kinds.len());
}

/// The same over a restart, by whichever channel the person was sought.
#[tokio::test]
async fn who_may_have_been_told_before_a_restart_is_told_of_the_release() {
    let (folder, desk) = (tempfile::tempdir().unwrap(), Memory::new(1));
    let (app, sms) = (Receiver::start().await, Receiver::start().await);
    let channels = channel("app", &app.url, "\"app\"", "") + &channel("sms", &sms.url, "\"sms\"", "");
    let deliveries = start(folder.path(), &channels, &desk);
    sms.usually(Reply::Drop);
    desk.order(1, Sms);
    sms.has_seen(1).await;
    within(deliveries.shutdown()).await;
    let taken = sms.seen().len();
    sms.usually(Reply::Status(200));
    let deliveries = start(folder.path(), &channels, &desk);
    desk.release(1);
    let released = app.has_seen(1).await.remove(0);
    assert_eq!((released.json()["type"].as_str(), released.json()["data"]["call_id"].as_str()), (Some("muster.released"), Some("c1")));
    until(&deliveries, || deliveries.statuses().iter().all(|status| status.lag_positions == 0)).await;
    within(deliveries.shutdown()).await;
    let calls = sms.seen().into_iter().filter(|seen| seen.json()["type"] == "muster.call").count();
    assert!(calls <= taken + 1, "the call is over");
    assert_eq!(desk.outcomes(), [outcome(1, Sms, Failed)], "the log knows that somebody may have been told");
}
