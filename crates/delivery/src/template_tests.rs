//! What each kind sends, byte by byte, against the files of `tests/golden`; and what a template may not say.
#![allow(clippy::unwrap_used)]

use muster_proto::Event;
use muster_proto::v1::{DeliveryChannel, PostCard, ResponderCalled};

use super::*;
use crate::config::Settings;
use crate::facts::Facts;
use crate::letter::{Letter, LetterKind, Recipient};

fn letter(realm: &str, kind: LetterKind) -> Letter {
    Letter {
        position: 42,
        n: 0,
        recorded_at_ms: 1_785_456_000_000,
        realm: realm.into(),
        kind,
        call_id: "c7".into(),
        recipient: Recipient::Person("r-1".into()),
        reach: Some(DeliveryChannel::App),
        on: Some(DeliveryChannel::App),
        event: Event::ResponderCalled(ResponderCalled::default()),
    }
}

fn facts() -> Facts {
    Facts {
        responder_id: "r-1".into(),
        area_id: "440802001001".into(),
        area: "光复社区".into(),
        site_id: "s-1".into(),
        place: "一号卡口 \"北\"".into(),
        seat_id: "1".into(),
        role: "DUTY_ROLE_MEMBER".into(),
        from_ms: 1_785_456_000_000,
        until_ms: 1_785_484_800_000,
        reply_due_ms: 1_785_456_600_000,
        card: PostCard {
            r#where: "光复社区 一号卡口".into(), report_to: "指挥部".into(), bring: "身份证".into(), ..PostCard::default()
        },
        link: "https://muster.example.gov.cn/answer/T".into(),
        receipts: "https://muster.example.gov.cn/v1/deliveries/M/receipts".into(),
        name: "陈秀英".into(),
        phone: "13800138000".into(),
        utc_offset_minutes: 480,
        ..Facts::default()
    }
}

fn body(kind: &str, language: &str, letter: &Letter) -> Value {
    let application = if ["wecom_app", "dingtalk_notice"].contains(&kind) { "account = \"ww1\"\nagent_id = 1000002\n" } else { "" };
    let secret = if kind == "wecom_robot" { "" } else { "secret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\n" };
    let settings = format!(
        "language = \"{language}\"\n[[channel]]\nname = \"a\"\nkind = \"{kind}\"\nurl = \"https://h/\"\nserves = [\"office\"]\nrealms = [\"actual\"]\n\
         {secret}{application}fields = [\"name\", \"phone\"]\n"
    );
    let delivery = toml::from_str::<Settings>(&settings).unwrap().check().unwrap();
    let channel = &delivery.channels[0];
    serde_json::from_slice(&channel.template.fill(&Values::of("msg_00ff00ff_1_42_0_a", letter, &facts(), channel))).unwrap()
}

/// Set `MUSTER_GOLDEN=write` to write them anew, and read what changed.
fn golden(name: &str, found: &Value) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let text = serde_json::to_string_pretty(found).unwrap() + "\n";
    if std::env::var("MUSTER_GOLDEN").is_ok_and(|wish| wish == "write") {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&path).unwrap(), "{}", path.display());
}

#[test]
fn each_kind_sends_what_its_platform_documents() {
    let call = letter("actual", LetterKind::Call);
    for (kind, _) in Kind::ALL {
        golden(&format!("{kind}.json"), &body(kind, "zh-CN", &call));
    }
    golden("webhook.en.json", &body("webhook", "en", &call));
}

#[test]
fn every_kind_of_letter_has_words_and_an_exercise_says_so_first() {
    for kind in [
        LetterKind::Call,
        LetterKind::Released,
        LetterKind::Recalled,
        LetterKind::Shelter,
        LetterKind::Telephone,
        LetterKind::OrganizationCall,
        LetterKind::Relief,
    ] {
        golden(&format!("drill.{}.json", kind.name()), &body("wecom_robot", "zh-CN", &letter("drill", kind)));
        for (language, mark) in [("zh-CN", "【演练】"), ("en", "[EXERCISE] ")] {
            let drill = body("webhook", language, &letter("drill", kind));
            for text in [&drill["data"]["text"], &drill["data"]["title"]] {
                assert!(text.as_str().unwrap().starts_with(mark), "{text}");
            }
            let real = body("webhook", language, &letter("actual", kind));
            assert!(!real["data"]["text"].as_str().unwrap().contains(mark.trim()) && real["data"]["exercise"] == false);
        }
    }
}

#[test]
fn what_a_rule_does_not_name_is_in_no_message() {
    let bare = Facts { name: String::new(), phone: String::new(), ..facts() };
    let settings = "[[channel]]\nname = \"a\"\nkind = \"webhook\"\nurl = \"https://h/\"\nserves = [\"app\"]\nsecret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\n";
    let delivery = toml::from_str::<Settings>(settings).unwrap().check().unwrap();
    let values = Values::of("m", &letter("actual", LetterKind::Call), &bare, &delivery.channels[0]);
    let body: Value = serde_json::from_slice(&delivery.channels[0].template.fill(&values)).unwrap();
    assert!(body["data"].get("name").is_none() && body["data"].get("phone").is_none(), "{body}");
    assert_eq!(body["data"]["responder_id"], "r-1");
}

#[test]
fn what_is_misspelled_is_found_when_it_is_read() {
    assert_eq!(Template::parse("{\"a\": \"{{phon}}\"}"), Err(TemplateFault::Unknown("phon".into())));
    assert_eq!(Template::parse("{\"a\": [\"x {{text\"]}"), Err(TemplateFault::Open));
    assert!(matches!(Template::parse("{a}"), Err(TemplateFault::Json(_))));
    let template = Template::parse("{\"a\": [{\"b\": \"{{ name }}：{{text}}\"}], \"n\": 3}").unwrap();
    assert_eq!(template.fields(), Fields { name: true, phone: false });
}

fn text_of(letter: &Letter, facts: &Facts, language: &str) -> String {
    let settings = format!(
        "language = \"{language}\"\n[[channel]]\nname = \"a\"\nkind = \"sms\"\nurl = \"https://h/\"\nserves = [\"sms\"]\nfields = [\"phone\"]\n\
         secret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\n"
    );
    let delivery = toml::from_str::<Settings>(&settings).unwrap().check().unwrap();
    Values::of("m", letter, facts, &delivery.channels[0]).get("text").as_str().unwrap().to_owned()
}

/// The link was the last line, and a long task cut it off: nobody could answer, on any channel.
#[test]
fn the_longest_card_leaves_the_hours_and_the_link() {
    let mut long = facts();
    long.link = format!("https://muster.example.gov.cn/answer/{}", "T".repeat(160));
    for task_bytes in (0..=6_000).step_by(75) {
        long.card.task = "查".repeat(task_bytes / 3);
        for (field_bytes, language) in [(30, "zh-CN"), (600, "zh-CN"), (600, "en")] {
            let field = "岗".repeat(field_bytes / 3);
            long.card =
                PostCard { r#where: field.clone(), report_to: field.clone(), bring: field.clone(), until: field, ..long.card.clone() };
            let text = text_of(&letter("actual", LetterKind::Call), &long, language);
            assert!(text.len() <= crate::limits::TEXT_BYTES_MAX, "{}", text.len());
            assert!(text.ends_with(&long.link) && text.contains("07-31 08:00") && text.contains("07-31 16:00") && text.contains("08:10"));
            assert!(field_bytes == 600 || text.contains(&long.card.bring), "what is short stays whole");
        }
    }
}

#[test]
fn a_long_text_is_cut_where_a_letter_ends() {
    let mut long = facts();
    long.card.task = "查".repeat(3_000);
    let text = text_of(&letter("actual", LetterKind::Telephone), &long, "zh-CN");
    assert!(text.contains("查…\n携带：身份证\n") && (1_990..=2_000).contains(&text.len()), "{}", text.len());
}
