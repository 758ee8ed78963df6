//! Compiles `proto/` without `protoc`: messages, their JSON form, and the tables of command and event names.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use prost::Message as _;
use prost_types::FileDescriptorSet;

const FILES: [&str; 9] = [
    "muster/v1/common.proto",
    "muster/v1/plan.proto",
    "muster/v1/commands.proto",
    "muster/v1/events.proto",
    "muster/v1/envelope.proto",
    "muster/v1/views.proto",
    "muster/v1/report.proto",
    "muster/v1/rehearsal.proto",
    "muster/v1/lessons.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Asked when the script runs: a clone elsewhere may share the target folder, and with it the built script.
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    println!("cargo:rerun-if-changed={}", root.display());
    let out = PathBuf::from(env::var("OUT_DIR")?);

    let mut compiler = protox::Compiler::new([&root])?;
    compiler.include_source_info(true).include_imports(true);
    compiler.open_files(FILES)?;
    let full = compiler.file_descriptor_set();
    let bytes = full.encode_to_vec();
    fs::write(out.join("descriptors.bin"), &bytes)?;

    prost_build::Config::new().compile_fds(full.clone())?;
    pbjson_build::Builder::new().register_descriptors(&bytes)?.preserve_proto_field_names().build(&[".muster.v1"])?;
    fs::write(out.join("names.rs"), names(&full))?;
    Ok(())
}

/// The name tables of the two oneofs that the outside addresses by name.
fn names(set: &FileDescriptorSet) -> String {
    let mut code = String::new();
    for (message, path) in [("Command", "command::Kind"), ("Envelope", "envelope::Event")] {
        let descriptor = set
            .file
            .iter()
            .flat_map(|file| &file.message_type)
            .find(|candidate| candidate.name() == message)
            .expect("both messages are in proto/");
        let mut members: Vec<_> = descriptor.field.iter().filter(|field| field.oneof_index.is_some()).collect();
        // Tags are searched for; in the file they stand as they were given out.
        members.sort_by_key(|field| field.number());
        writeln!(code, "/// `(tag, TypeName, field_name)` of each member of `{message}`'s oneof, by tag.").expect("a String takes it");
        writeln!(code, "pub const {}_NAMES: &[(u32, &str, &str)] = &[", message.to_uppercase()).expect("a String takes it");
        for field in &members {
            let type_name = field.type_name().rsplit('.').next().expect("a message has a name");
            writeln!(code, "    ({}, \"{}\", \"{}\"),", field.number(), type_name, field.name()).expect("a String takes it");
        }
        writeln!(code, "];").expect("a String takes it");
        writeln!(code, "impl crate::v1::{path} {{").expect("a String takes it");
        writeln!(code, "    /// The message's name, as in `proto/`.\n    pub fn name(&self) -> &'static str {{\n        match self {{")
            .expect("a String takes it");
        for field in &members {
            let type_name = field.type_name().rsplit('.').next().expect("a message has a name");
            writeln!(code, "            Self::{type_name}(_) => \"{type_name}\",").expect("a String takes it");
        }
        writeln!(code, "        }}\n    }}\n    /// The oneof member's field number: the stored discriminant.\n    pub fn tag(&self) -> u32 {{\n        match self {{").expect("a String takes it");
        for field in &members {
            let type_name = field.type_name().rsplit('.').next().expect("a message has a name");
            writeln!(code, "            Self::{type_name}(_) => {},", field.number()).expect("a String takes it");
        }
        writeln!(code, "        }}\n    }}\n}}").expect("a String takes it");
    }
    code
}
