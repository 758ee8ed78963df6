//! The messages of `proto/` as data: fields, types and comments, read once from the descriptors that the contract crate
//! carries. Whatever is said about a command's shape (personal fields, OpenAPI) comes from here and is never listed by hand.

use std::collections::BTreeMap;

use muster_proto::DESCRIPTORS;
use prost::Message as _;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::source_code_info::Location;
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet};

/// The message that seals a personal field.
pub const SEALED: &str = "Sealed";

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// Text.
    Text,
    /// True or false.
    Bool,
    /// A number of at most 32 bits; a JSON number.
    Int {
        /// Whether it can be negative.
        signed: bool,
    },
    /// A number of 64 bits; a decimal string in JSON.
    Long {
        /// Whether it can be negative.
        signed: bool,
    },
    /// A floating-point number.
    Float,
    /// Bytes; base64 in JSON.
    Bytes,
    /// Another message, by its short name.
    Message(String),
    /// An enumeration, by its short name.
    Enum(String),
}

/// One field of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// As in `proto/`, snake_case.
    pub name: String,
    /// The spelling in camelCase, which the JSON reader takes as well.
    pub json_name: String,
    /// The field number.
    pub number: i32,
    /// What it holds.
    pub of: FieldType,
    /// Whether it is a list.
    pub repeated: bool,
    /// Whether it is a member of a oneof.
    pub in_oneof: bool,
    /// The comment in `proto/`.
    pub comment: String,
}

/// A message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The comment in `proto/`.
    pub comment: String,
    /// Its fields as declared.
    pub fields: Vec<Field>,
}

/// An enumeration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Enumeration {
    /// The comment in `proto/`.
    pub comment: String,
    /// Names and comments of its values.
    pub values: Vec<(String, String)>,
}

/// All messages and enumerations by their short names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Descriptors {
    /// By name.
    pub messages: BTreeMap<String, Message>,
    /// By name.
    pub enumerations: BTreeMap<String, Enumeration>,
}

impl Descriptors {
    /// Reads the contract's descriptors.
    #[must_use]
    pub fn read() -> Self {
        let set = FileDescriptorSet::decode(DESCRIPTORS).expect("the build wrote these bytes");
        let mut all = Self::default();
        for file in &set.file {
            let comments = Comments::of(file);
            for (index, message) in file.message_type.iter().enumerate() {
                all.messages.insert(message.name().to_owned(), read_message(message, &comments, index_of(index)));
            }
            for (index, enumeration) in file.enum_type.iter().enumerate() {
                all.enumerations.insert(enumeration.name().to_owned(), read_enumeration(enumeration, &comments, index_of(index)));
            }
        }
        all
    }

    /// A message by its short name.
    #[must_use]
    pub fn message(&self, name: &str) -> Option<&Message> {
        self.messages.get(name)
    }
}

fn index_of(index: usize) -> i32 {
    i32::try_from(index).expect("a file has few declarations")
}

/// Comments of one file by the path of the declaration they stand at.
struct Comments<'a>(BTreeMap<&'a [i32], &'a Location>);

impl<'a> Comments<'a> {
    fn of(file: &'a FileDescriptorProto) -> Self {
        let locations = file.source_code_info.as_ref().map(|info| info.location.as_slice()).unwrap_or_default();
        Self(locations.iter().map(|location| (location.path.as_slice(), location)).collect())
    }

    fn at(&self, path: &[i32]) -> String {
        let Some(location) = self.0.get(path) else { return String::new() };
        let text = match location.leading_comments() {
            "" => location.trailing_comments(),
            leading => leading,
        };
        text.lines().map(str::trim).collect::<Vec<_>>().join("\n").trim().to_owned()
    }
}

fn read_message(message: &DescriptorProto, comments: &Comments<'_>, index: i32) -> Message {
    const MESSAGE_TYPE: i32 = 4;
    const FIELD: i32 = 2;
    let fields =
        message.field.iter().enumerate().map(|(at, field)| read_field(field, comments.at(&[MESSAGE_TYPE, index, FIELD, index_of(at)])));
    Message { comment: comments.at(&[MESSAGE_TYPE, index]), fields: fields.collect() }
}

fn read_field(field: &FieldDescriptorProto, comment: String) -> Field {
    let short = || field.type_name().rsplit('.').next().unwrap_or_default().to_owned();
    let of = match field.r#type() {
        Type::String => FieldType::Text,
        Type::Bool => FieldType::Bool,
        Type::Int32 | Type::Sint32 | Type::Sfixed32 => FieldType::Int { signed: true },
        Type::Uint32 | Type::Fixed32 => FieldType::Int { signed: false },
        Type::Int64 | Type::Sint64 | Type::Sfixed64 => FieldType::Long { signed: true },
        Type::Uint64 | Type::Fixed64 => FieldType::Long { signed: false },
        Type::Float | Type::Double => FieldType::Float,
        Type::Bytes => FieldType::Bytes,
        Type::Message | Type::Group => FieldType::Message(short()),
        Type::Enum => FieldType::Enum(short()),
    };
    Field {
        name: field.name().to_owned(),
        json_name: camel_case(field.name()),
        number: field.number(),
        of,
        repeated: field.label() == Label::Repeated,
        in_oneof: field.oneof_index.is_some(),
        comment,
    }
}

fn read_enumeration(enumeration: &EnumDescriptorProto, comments: &Comments<'_>, index: i32) -> Enumeration {
    const ENUM_TYPE: i32 = 5;
    const VALUE: i32 = 2;
    let values = enumeration.value.iter().enumerate();
    let values = values.map(|(at, value)| (value.name().to_owned(), comments.at(&[ENUM_TYPE, index, VALUE, index_of(at)])));
    Enumeration { comment: comments.at(&[ENUM_TYPE, index]), values: values.collect() }
}

/// The proto3 JSON spelling: `area_id` → `areaId`.
fn camel_case(name: &str) -> String {
    let mut upper = false;
    let mut out = String::with_capacity(name.len());
    for letter in name.chars() {
        match letter {
            '_' => upper = true,
            letter if upper => {
                out.extend(letter.to_uppercase());
                upper = false;
            }
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use muster_proto::COMMAND_NAMES;

    #[test]
    fn every_command_is_described_with_fields_and_comments() {
        let all = Descriptors::read();
        for (_, name, _) in COMMAND_NAMES {
            assert!(!all.message(name).unwrap().fields.is_empty(), "{name}");
        }
        let enroll = all.message("EnrollResponder").unwrap();
        assert_eq!(enroll.fields[1].of, FieldType::Message(SEALED.to_owned()));
        assert!(enroll.fields[1].comment.contains("gateway"), "{:?}", enroll.fields[1]);
        assert_eq!(all.message("DefineArea").unwrap().fields[4].json_name, "officialCode");
        let level = &all.enumerations["AreaLevel"];
        assert_eq!(level.values[1], ("AREA_LEVEL_CITY".to_owned(), "市".to_owned()));
    }
}
