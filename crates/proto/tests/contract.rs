//! The messages of `proto/` are a promise to programs that this project does not know: old records keep reading, and so do consumers built
//! against an earlier version. `proto/contract.lock` holds every field, number, type and enumeration value ever promised, one a line.
//!
//! A line that is no longer true is a breaking change and fails. What is new fails until it is written down, which
//! `MUSTER_WRITE_CONTRACT=1 cargo test -p muster-proto --test contract` does; it never writes down a break. A field may go only if its number and
//! name are reserved, so that nobody gives them out again; its line then stays.

#![allow(clippy::unwrap_used, reason = "a test may end at the first surprise")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use muster_proto::DESCRIPTORS;
use prost::Message as _;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet};

/// What the messages promise now.
#[derive(Default)]
struct Contract {
    /// What a number means, by `message#number` or `enumeration#number`.
    lines: BTreeMap<String, String>,
    /// Numbers and names that are not given out again: `message#number`, `message.name`.
    reserved: BTreeSet<String>,
}

impl Contract {
    fn of(set: &FileDescriptorSet) -> Self {
        let mut contract = Self::default();
        for file in set.file.iter().filter(|file| file.package().starts_with("muster.")) {
            file.message_type.iter().for_each(|message| contract.message(file.package(), message));
            file.enum_type.iter().for_each(|enumeration| contract.enumeration(file.package(), enumeration));
        }
        contract
    }

    fn message(&mut self, scope: &str, message: &DescriptorProto) {
        let name = format!("{scope}.{}", message.name());
        for field in &message.field {
            self.lines.insert(format!("{name}#{}", field.number()), format!("{} {}", field.name(), what(message, field)));
        }
        for range in &message.reserved_range {
            self.reserved.extend((range.start()..range.end()).map(|number| format!("{name}#{number}")));
        }
        self.reserved.extend(message.reserved_name.iter().map(|field| format!("{name}.{field}")));
        message.nested_type.iter().for_each(|nested| self.message(&name, nested));
        message.enum_type.iter().for_each(|nested| self.enumeration(&name, nested));
    }

    fn enumeration(&mut self, scope: &str, enumeration: &EnumDescriptorProto) {
        let name = format!("{scope}.{}", enumeration.name());
        for value in &enumeration.value {
            self.lines.insert(format!("{name}#{}", value.number()), value.name().to_owned());
        }
        for range in &enumeration.reserved_range {
            // In enumerations the end belongs to the range.
            self.reserved.extend((range.start()..=range.end()).map(|number| format!("{name}#{number}")));
        }
        self.reserved.extend(enumeration.reserved_name.iter().map(|value| format!("{name}.{value}")));
    }

    /// The promises that are broken, each in words.
    fn broken(&self, promised: &BTreeMap<String, String>) -> Vec<String> {
        let broken = |(number, before): (&String, &String)| match self.lines.get(number) {
            Some(now) if now == before => None,
            Some(now) => Some(format!("{number} was `{before}` and is `{now}`")),
            None if self.is_reserved(number, before) => None,
            None => Some(format!("{number} was `{before}` and is gone; reserve its number and its name")),
        };
        promised.iter().filter_map(broken).collect()
    }

    fn is_reserved(&self, number: &str, line: &str) -> bool {
        let (owner, _) = number.split_once('#').unwrap();
        let name = line.split(' ').next().unwrap();
        self.reserved.contains(number) && self.reserved.contains(&format!("{owner}.{name}"))
    }
}

/// Whatever of a field makes bytes or JSON read otherwise: type, cardinality, presence, the oneof it is in.
fn what(message: &DescriptorProto, field: &FieldDescriptorProto) -> String {
    let of = match field.r#type() {
        Type::Message | Type::Enum | Type::Group => field.type_name().trim_start_matches('.').to_owned(),
        scalar => scalar.as_str_name().trim_start_matches("TYPE_").to_lowercase(),
    };
    let cardinality = if field.label() == Label::Repeated { "repeated " } else { "" };
    let presence = if field.proto3_optional() { " optional" } else { "" };
    let oneof = field.oneof_index.filter(|_| !field.proto3_optional()).and_then(|index| usize::try_from(index).ok());
    let oneof = oneof.map_or_else(String::new, |index| format!(" in {}", message.oneof_decl[index].name()));
    format!("{cardinality}{of}{presence}{oneof}")
}

fn lock_file() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "..", "proto", "contract.lock"].iter().collect()
}

fn read_lock(text: &str) -> BTreeMap<String, String> {
    let entries = text.lines().filter(|line| !line.starts_with("//") && !line.is_empty());
    entries.map(|line| line.split_once(' ').map(|(number, what)| (number.to_owned(), what.to_owned())).unwrap()).collect()
}

fn write_lock(promised: &BTreeMap<String, String>) -> String {
    let mut text =
        "// Every number, name and type that proto/ promises. Lines are added by crates/proto/tests/contract.rs and never changed.\n"
            .to_owned();
    for (number, what) in promised {
        text.push_str(&format!("{number} {what}\n"));
    }
    text
}

#[test]
fn the_messages_keep_what_they_promised() {
    let now = Contract::of(&FileDescriptorSet::decode(DESCRIPTORS).unwrap());
    let text = std::fs::read_to_string(lock_file()).unwrap_or_default();
    let mut promised = read_lock(&text);
    let broken = now.broken(&promised);
    assert!(broken.is_empty(), "breaking changes of proto/:\n{}", broken.join("\n"));

    let new: Vec<_> =
        now.lines.iter().filter(|(number, _)| !promised.contains_key(*number)).map(|(number, what)| format!("{number} {what}")).collect();
    if std::env::var_os("MUSTER_WRITE_CONTRACT").is_some() {
        promised.extend(now.lines.clone());
        std::fs::write(lock_file(), write_lock(&promised)).unwrap();
        return;
    }
    assert!(new.is_empty(), "not in proto/contract.lock yet (MUSTER_WRITE_CONTRACT=1 adds them):\n{}", new.join("\n"));
    assert_eq!(text, write_lock(&promised), "proto/contract.lock is not as this test writes it");
}

/// The smallest set of descriptors with one message and one enumeration, changed by the caller.
fn changed(change: impl FnOnce(&mut DescriptorProto, &mut EnumDescriptorProto)) -> Contract {
    let mut set = FileDescriptorSet::decode(DESCRIPTORS).unwrap();
    let file = set.file.iter_mut().find(|file| file.message_type.iter().any(|message| message.name() == "Envelope")).unwrap();
    file.enum_type.push(EnumDescriptorProto {
        name: Some("Probe".to_owned()),
        value: vec![prost_types::EnumValueDescriptorProto { name: Some("PROBE_NONE".to_owned()), number: Some(0), options: None }],
        ..EnumDescriptorProto::default()
    });
    let envelope = file.message_type.iter_mut().find(|message| message.name() == "Envelope").unwrap();
    change(envelope, file.enum_type.last_mut().unwrap());
    Contract::of(&set)
}

#[test]
fn every_kind_of_break_is_found() {
    let promised = changed(|_, _| ()).lines;
    type Change = fn(&mut DescriptorProto, &mut EnumDescriptorProto);
    let breaks: [(&str, Change); 7] = [
        ("a field is gone", |envelope, _| drop(envelope.field.remove(0))),
        ("a field is renumbered", |envelope, _| envelope.field[0].number = Some(9_999)),
        ("a field is renamed", |envelope, _| envelope.field[0].name = Some("other".to_owned())),
        ("a field has another type", |envelope, _| envelope.field[0].set_type(Type::Bytes)),
        ("a field is a list", |envelope, _| envelope.field[0].set_label(Label::Repeated)),
        ("only the number of a field is reserved", |envelope, _| {
            let gone = envelope.field.remove(0);
            envelope
                .reserved_range
                .push(prost_types::descriptor_proto::ReservedRange { start: gone.number, end: gone.number.map(|number| number + 1) });
        }),
        ("a value of an enumeration is renamed", |_, probe| probe.value[0].name = Some("PROBE_OTHER".to_owned())),
    ];
    for (name, change) in breaks {
        assert!(!changed(change).broken(&promised).is_empty(), "{name} was not found");
    }
}

#[test]
fn what_is_added_or_reserved_breaks_nothing() {
    let promised = changed(|_, _| ()).lines;
    let added = changed(|envelope, _| {
        let mut field = envelope.field[0].clone();
        (field.name, field.number) = (Some("another".to_owned()), Some(9_999));
        envelope.field.push(field);
    });
    assert_eq!(added.broken(&promised), Vec::<String>::new());
    let reserved = changed(|envelope, _| {
        let gone = envelope.field.remove(0);
        envelope.reserved_name.push(gone.name().to_owned());
        envelope
            .reserved_range
            .push(prost_types::descriptor_proto::ReservedRange { start: gone.number, end: gone.number.map(|number| number + 1) });
    });
    assert_eq!(reserved.broken(&promised), Vec::<String>::new());
}
