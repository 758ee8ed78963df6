//! Writes the configuration: rights as exports and imports of accounts. Equal users give an equal text, byte for byte. It must
//! never import into a user's account what belongs to another user.

use std::fmt::Write as _;

use muster_feed::kv::MARKER;
use muster_feed::{STREAM, area_filter};
use muster_proto::v1::AreaPath;

use super::rights::{Reading, Rights, consumer_names};
use super::users::NatsUser;
use super::{Tree, TreeFault, Users};

/// What a user's requests to JetStream go to unless an import says otherwise: nobody listens there.
///
/// Without it nats-server would import its own JetStream into every account, and answer each request a second time.
const NOWHERE: &str = "muster.none.>";

/// What all users may import at most. No two overlap, so that it is plain which one an import is of.
const EXPORTS: [(&str, bool); 11] = [
    ("$JS.API.STREAM.INFO.*", false),
    ("$JS.API.CONSUMER.CREATE.>", false),
    ("$JS.API.CONSUMER.INFO.>", false),
    ("$JS.API.CONSUMER.DELETE.>", false),
    ("$JS.API.CONSUMER.MSG.NEXT.>", true),
    ("$JS.API.DIRECT.GET.>", false),
    ("$JS.ACK.>", false),
    ("$JS.FC.>", false),
    ("muster.cmd.*", false),
    ("muster.info.*", false),
    ("$SRV.>", true),
];

/// Where things are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Where the nats-server listens.
    pub listen: String,
    /// Its certificate and key, as PEM files.
    pub certificate: (String, String),
    /// Where JetStream stores.
    pub store: String,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            listen: "0.0.0.0:4222".to_owned(),
            certificate: ("server.pem".to_owned(), "server-key.pem".to_owned()),
            store: "jetstream".to_owned(),
        }
    }
}

/// The whole configuration. Everybody has a key by now.
///
/// # Errors
/// [`TreeFault`] where an area of a grant has no path.
pub fn generate(users: &Users, tree: &Tree, layout: &Layout) -> Result<String, TreeFault> {
    let mut text = String::new();
    let put = |text: &mut String, line: std::fmt::Arguments<'_>| writeln!(text, "{line}").expect("a String takes it");
    put(
        &mut text,
        format_args!("# Made by `muster nats config`: change the file of users and make it again. For nats-server 2.10.25 and later."),
    );
    put(&mut text, format_args!("listen: \"{}\"", layout.listen));
    put(&mut text, format_args!("server_name: muster"));
    // A command may have one megabyte, and headers besides.
    put(&mut text, format_args!("max_payload: 2MB"));
    put(&mut text, format_args!("tls {{ cert_file: \"{}\", key_file: \"{}\" }}", layout.certificate.0, layout.certificate.1));
    put(&mut text, format_args!("jetstream {{ store_dir: \"{}\" }}", layout.store));
    put(&mut text, format_args!("system_account: SYS"));
    put(&mut text, format_args!("accounts {{"));
    put(&mut text, format_args!("  SYS {{ users: [{{ nkey: {} }}] }}", users.sys));
    put(&mut text, format_args!("  # The server: stream, buckets, commands. Nobody else is in here."));
    put(&mut text, format_args!("  MUSTER {{"));
    put(&mut text, format_args!("    jetstream: enabled"));
    put(&mut text, format_args!("    users: [{{ nkey: {} }}]", users.muster));
    put(&mut text, format_args!("    exports: ["));
    for (subject, many) in EXPORTS.iter().chain([&(NOWHERE, false)]) {
        let several = if *many { ", response_type: stream" } else { "" };
        put(&mut text, format_args!("      {{ service: \"{subject}\"{several} }}"));
    }
    for user in &users.users {
        put(&mut text, format_args!("      {{ stream: \"{}\", accounts: [\"{}\"] }}", inboxes(user), user.name));
    }
    put(&mut text, format_args!("    ]"));
    put(&mut text, format_args!("  }}"));
    for user in &users.users {
        account(&mut text, user, &Rights::of(&user.grants, tree)?);
    }
    put(&mut text, format_args!("}}"));
    Ok(text)
}

/// Where a watch of the user's has rows pushed to; nobody else has these.
fn inboxes(user: &NatsUser) -> String {
    format!("_INBOX_{}.>", user.name)
}

fn account(text: &mut String, user: &NatsUser, rights: &Rights) {
    let grants = user.grants.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut put = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    put(format!("  # {grants}"));
    put(format!("  \"{}\" {{", user.name));
    put(format!("    users: [{{ nkey: {} }}]", user.nkey));
    put("    imports: [".to_owned());
    put(format!("      {{ service: {{ account: MUSTER, subject: \"{NOWHERE}\" }}, to: \"$JS.API.>\" }}"));
    put(format!("      {{ stream: {{ account: MUSTER, subject: \"{}\" }} }}", inboxes(user)));
    for (subject, to) in imports(user, rights) {
        let to = to.map(|to| format!(", to: \"{to}\"")).unwrap_or_default();
        put(format!("      {{ service: {{ account: MUSTER, subject: \"{subject}\" }}{to} }}"));
    }
    put("    ]".to_owned());
    put("  }".to_owned());
}

/// The services of a user, each with what it is called in the user's account where that differs.
fn imports(user: &NatsUser, rights: &Rights) -> Vec<(String, Option<String>)> {
    let mut all = Imports::default();
    if rights.commands {
        all.same("muster.cmd.*");
        all.same("$SRV.>");
    }
    if rights.events.is_something() {
        all.info(STREAM, &rights.events);
        for name in consumer_names(&user.name) {
            all.consumer(STREAM, &name, &rights.events, |path| area_filter(None, path));
            for call in ["CONSUMER.INFO", "CONSUMER.DELETE", "CONSUMER.MSG.NEXT"] {
                all.same(format!("$JS.API.{call}.{STREAM}.{name}"));
            }
            all.same(format!("$JS.ACK.{STREAM}.{name}.>"));
            all.same(format!("$JS.FC.{STREAM}.{name}.>"));
        }
        all.messages(STREAM, &rights.events, |path| area_filter(None, path));
    }
    for (view, reading) in rights.rows.iter().filter(|(_, reading)| reading.is_something()) {
        let (bucket, stream) = (format!("muster_{view}"), format!("KV_muster_{view}"));
        let keys = |path: &AreaPath| format!("$KV.{bucket}.{}", tail(&area_filter(None, path)));
        all.info(&stream, reading);
        // Clients draw the name of a watch at random. It is no secret that matters: a filter that is not in the subject is
        // refused, and what is pushed goes to an inbox of this account or nowhere.
        all.consumer(&stream, "*", reading, keys);
        all.messages(&stream, reading, keys);
        if *reading != Reading::Everything {
            // Everybody who reads of a bucket reads up to where it is in step.
            let marker = format!("$KV.{bucket}.{MARKER}");
            all.same(format!("$JS.API.CONSUMER.CREATE.{stream}.*.{marker}"));
            all.same(format!("$JS.API.DIRECT.GET.{stream}.{marker}"));
        }
        all.same(format!("$JS.FC.{stream}.>"));
    }
    all.list
}

/// What stands behind the two tokens of `muster.evt`.
fn tail(filter: &str) -> &str {
    filter.splitn(3, '.').nth(2).unwrap_or_default()
}

#[derive(Default)]
struct Imports {
    list: Vec<(String, Option<String>)>,
}

impl Imports {
    fn same(&mut self, subject: impl Into<String>) {
        self.list.push((subject.into(), None));
    }

    /// How a stream stands. Asked with a filter JetStream lists its subjects, those of all areas: who reads one area has the
    /// server's answer, which takes no filter.
    fn info(&mut self, stream: &str, reading: &Reading) {
        let ask = format!("$JS.API.STREAM.INFO.{stream}");
        match reading {
            Reading::Everything => self.same(ask),
            Reading::Areas(_) => self.list.push((format!("muster.info.{stream}"), Some(ask))),
        }
    }

    /// Making a consumer whose filter is in the subject, where JetStream holds it to the body's.
    fn consumer(&mut self, stream: &str, name: &str, reading: &Reading, filter: impl Fn(&AreaPath) -> String) {
        let create = format!("$JS.API.CONSUMER.CREATE.{stream}");
        match reading {
            Reading::Everything if name == "*" => {
                self.same(create.clone());
                self.same(format!("{create}.>"));
            }
            Reading::Everything => {
                self.same(format!("{create}.{name}"));
                self.same(format!("{create}.{name}.>"));
            }
            Reading::Areas(areas) => areas.iter().for_each(|area| self.same(format!("{create}.{name}.{}", filter(area)))),
        }
    }

    /// The last message of a subject; by number only for who reads everything.
    fn messages(&mut self, stream: &str, reading: &Reading, filter: impl Fn(&AreaPath) -> String) {
        let get = format!("$JS.API.DIRECT.GET.{stream}");
        match reading {
            Reading::Everything => {
                self.same(get.clone());
                self.same(format!("{get}.>"));
            }
            Reading::Areas(areas) => areas.iter().for_each(|area| self.same(format!("{get}.{}", filter(area)))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn text(grants: &[&str]) -> String {
        let mut tree = Tree::default();
        for (id, level, parent) in [("c", "CITY", ""), ("d", "COUNTY", "c"), ("t.1", "TOWNSHIP", "d")] {
            tree.add(&json!({"area_id": id, "level": format!("AREA_LEVEL_{level}"), "parent_id": parent}));
        }
        let grants = grants.iter().map(|grant| grant.parse().unwrap()).collect();
        let users = Users { muster: "UM".into(), sys: "US".into(), users: vec![NatsUser { name: "a".into(), grants, nkey: "UA".into() }] };
        generate(&users, &tree, &Layout::default()).unwrap()
    }

    #[test]
    fn an_area_is_written_as_the_subjects_have_it() {
        let text = text(&["township@area:t.1"]);
        for subject in [
            "$JS.API.CONSUMER.CREATE.MUSTER_EVENTS.a-4.muster.evt.*.c.d.t=2E1.>",
            "$JS.API.CONSUMER.CREATE.KV_muster_calls.*.$KV.muster_calls.*.c.d.t=2E1.>",
            "$JS.API.DIRECT.GET.KV_muster_calls.$KV.muster_calls._.at",
        ] {
            assert!(text.contains(&format!("subject: \"{subject}\"")), "{subject}\n{text}");
        }
        assert!(text.contains("subject: \"muster.info.MUSTER_EVENTS\" }, to: \"$JS.API.STREAM.INFO.MUSTER_EVENTS\""));
        assert!(!text.contains("subject: \"$JS.API.STREAM.INFO"), "it would list the subjects of all areas");
    }

    /// Overlapping exports leave open which of them an import is of.
    #[test]
    fn every_import_is_of_one_export() {
        for grants in [&["headquarters@everything"][..], &["township@area:t.1", "console@area:d"], &["department@organization:o"]] {
            let text = text(grants);
            for line in text.lines().filter(|line| line.contains("{ service: { account:")) {
                let subject = line.split('"').nth(1).unwrap();
                let of = |export: &str| subject == export || subject.starts_with(export.trim_end_matches(['>', '*']));
                assert_eq!(EXPORTS.iter().chain([&(NOWHERE, false)]).filter(|(export, _)| of(export)).count(), 1, "{subject}");
            }
        }
    }
}
