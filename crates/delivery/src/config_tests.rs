//! Settings that are right, and every way in which they are not: the fault names the field in both languages.
#![allow(clippy::unwrap_used)]

use super::*;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn check(text: &str) -> Result<Delivery, Fault> {
    toml::from_str::<Settings>(text).unwrap().check()
}

fn channel(name: &str, more: &str) -> String {
    let own = |key: &str, line: String| if more.lines().any(|given| given.starts_with(&format!("{key} ="))) { String::new() } else { line };
    let kind = own("kind", "kind = \"webhook\"\n".to_owned());
    let url = own("url", "url = \"https://hook.example.gov.cn/calls\"\n".to_owned());
    let secret = own("secret", format!("secret = \"{SECRET}\"\n"));
    let serves = own("serves", "serves = [\"app\"]\n".to_owned());
    format!("[[channel]]\nname = \"{name}\"\n{kind}{url}{secret}{serves}{more}\n")
}

#[test]
fn what_is_left_out_has_its_default() {
    let delivery = check(&channel("app", "")).unwrap();
    let channel = &delivery.channels[0];
    assert_eq!(channel.serves, BTreeSet::from([Serves::Person(DeliveryChannel::App)]));
    assert!(channel.realms.allow(ACTUAL) && !channel.realms.allow("drill"));
    assert_eq!(channel.fields, Fields::default());
    assert_eq!((channel.give_up.as_secs(), channel.pace.as_millis(), channel.concurrency), (180, 50, 4));
    assert_eq!((channel.lang, channel.receipt_secrets.len()), (Lang::Zh, 1));
    assert_eq!(check("").unwrap().channels, []);
}

#[test]
fn secrets_may_overlap_and_are_never_shown() {
    let text = channel("app", &format!("secret = [\"{SECRET}\", \"{SECRET}\"]"));
    assert_eq!(check(&text).unwrap().channels[0].secrets.len(), 2);
    assert!(!format!("{:?}", toml::from_str::<Settings>(&text).unwrap()).contains("MfKQ"));
    assert!(!format!("{:?}", check(&text).unwrap()).contains("MfKQ"));
}

#[test]
fn channels_for_other_realms_may_serve_the_same() {
    let drill = channel("drill", "realms = [\"exercises\"]");
    assert_eq!(check(&(channel("app", "") + &drill)).unwrap().channels.len(), 2);
    let fault = check(&(drill.clone() + &channel("one", "realms = [\"actual\", \"drill-2\"]"))).unwrap_err();
    assert_eq!(fault.field, "delivery.channel[one].serves");
    let groups = channel("g1", "serves = [\"office\"]") + &channel("g2", "serves = [\"office\", \"contact\"]");
    assert_eq!(check(&groups).unwrap().channels.len(), 2);
}

#[test]
fn platforms_need_what_they_sign_in_with() {
    let wecom = "kind = \"wecom_app\"\nsecret = \"s\"\naccount = \"ww1\"\nagent_id = 7";
    let channels = check(&channel("wecom", wecom)).unwrap().channels;
    assert_eq!((channels[0].account.as_str(), channels[0].agent_id, channels[0].receipt_secrets.len()), ("ww1", 7, 0));
    let robot = "kind = \"wecom_robot\"\nsecret = []\nserves = [\"contact\"]";
    assert_eq!(check(&channel("robot", robot)).unwrap().channels[0].pace.as_secs(), 3);
}

#[test]
fn each_fault_names_its_field_in_both_languages() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "{\"to\": \"{{nobody}}\"}").unwrap();
    let template = format!("template = {:?}", file.path());
    for (more, field) in [
        ("kind = \"pigeon\"", "kind"),
        ("url = \"http://hook.example.gov.cn/\"", "url"),
        ("url = \"hook\"", "url"),
        ("secret = \"hunter2\"", "secret"),
        ("secret = []", "secret"),
        ("secret = [\"a\", \"b\", \"c\", \"d\", \"e\"]", "secret"),
        ("receipt_secret = [\"a\", \"b\", \"c\", \"d\", \"e\"]", "receipt_secret"),
        ("kind = \"wecom_robot\"\nserves = [\"office\"]\nsecret = \"s\"", "secret"),
        ("kind = \"wecom_robot\"\nsecret = []\nserves = [\"robot\"]", "serves"),
        ("kind = \"dingtalk_robot\"\nsecret = \"s\"\nserves = [\"contact\", \"sms\"]", "serves"),
        ("account = \"k\"", "account"),
        ("kind = \"sms\"\nfields = [\"phone\"]\nagent_id = 7", "agent_id"),
        ("receipt_secret = \"x\"", "receipt_secret"),
        ("serves = []", "serves"),
        ("serves = [\"telex\"]", "serves"),
        ("realms = []", "realms"),
        ("fields = [\"address\"]", "fields"),
        ("kind = \"sms\"", "fields"),
        ("template = \"/nonexistent.json\"", "template"),
        (template.as_str(), "template"),
        ("language = \"fr\"", "language"),
        ("kind = \"wecom_app\"", "account"),
        ("kind = \"dingtalk_notice\"\naccount = \"k\"", "agent_id"),
        ("give_up_after_s = 0", "give_up_after_s"),
        ("per_minute = 0", "per_minute"),
        ("concurrency = 65", "concurrency"),
    ] {
        let fault = check(&channel("app", more)).unwrap_err();
        assert_eq!(fault.field, format!("delivery.channel[app].{field}"), "{more}: {fault}");
        assert!(!fault.zh.is_empty() && !fault.en.is_empty() && !fault.to_string().contains("hunter2"));
    }
    assert_eq!(check(&channel("A", "")).unwrap_err().field, "delivery.channel[0].name");
    assert_eq!(check(&(channel("a", "") + &channel("a", "serves = [\"sms\"]"))).unwrap_err().field, "delivery.channel[a].name");
    assert_eq!(check("language = \"fr\"").unwrap_err().field, "delivery.language");
}

#[test]
fn this_machine_needs_no_tls() {
    for url in ["http://127.0.0.1:9/x", "http://localhost/x", "http://[::1]:9/x", "https://h/x"] {
        assert!(check(&channel("a", &format!("url = \"{url}\""))).is_ok(), "{url}");
    }
}

#[test]
fn authorities_are_read_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let more = format!("ca_file = {:?}", path.to_str().unwrap());
    assert_eq!(check(&channel("app", &more)).unwrap_err().field, "delivery.channel[app].ca_file");
    for bad in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        std::fs::write(&path, bad).unwrap();
        let fault = check(&channel("app", &more)).unwrap_err();
        assert!(
            fault.field == "delivery.channel[app].ca_file" && fault.zh.contains("CA 证书") && fault.en.contains("authorities"),
            "{fault:?}"
        );
    }
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&path, made.cert.pem()).unwrap();
    assert_eq!(check(&channel("app", &more)).unwrap().channels[0].authorities.len(), 1);
}
