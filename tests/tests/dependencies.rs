//! Which crate may use which, held over `cargo metadata`: the table is the architecture, and a new edge or crate is a
//! change of it. It must never be widened to make a build pass without a reason in ARCHITECTURE.md.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cargo_metadata::{CargoOpt, DependencyKind, Metadata, MetadataCommand, PackageId};

/// What each crate may use of ours; `None` is all but the tests. The same holds for dev- and build-dependencies.
const ALLOWED: &[(&str, Option<&[&str]>)] = &[
    ("muster-proto", Some(&[])),
    ("muster-domain", Some(&["muster-proto"])),
    ("muster-access", Some(&["muster-proto"])),
    ("muster-log", Some(&[])),
    ("muster-vault", Some(&[])),
    ("muster-views", Some(&["muster-proto", "muster-log"])),
    ("muster-delivery", Some(&["muster-proto"])),
    ("muster-feed", Some(&["muster-proto", "muster-log", "muster-views"])),
    ("muster-engine", Some(&["muster-proto", "muster-domain", "muster-log"])),
    ("muster-demo", Some(&["muster-proto"])),
    ("muster-server", None),
    ("muster-bench", None),
    // What somebody needs who adds a view of their own.
    ("muster-example-view", Some(&["muster-proto", "muster-views", "muster-server"])),
    ("muster-tests", None),
];

/// Crates that only these may use: the binary and its benchmarks stand at the top, and the demo is no part of a service.
const USED_ONLY_BY: &[(&str, &[&str])] = &[
    ("muster-demo", &["muster-server", "muster-bench", "muster-tests"]),
    ("muster-server", &["muster-bench", "muster-example-view", "muster-tests"]),
    ("muster-bench", &["muster-tests"]),
    ("muster-tests", &[]),
    ("muster-example-view", &[]),
];

/// What would bring a clock, randomness, IO or waiting into the pure domain.
const IMPURE: &[&str] = &[
    "async-nats",
    "axum",
    "chrono",
    "fastrand",
    "getrandom",
    "hyper",
    "jiff",
    "mio",
    "parking_lot",
    "rand",
    "rand_core",
    "reqwest",
    "rocksdb",
    "socket2",
    "tempfile",
    "time",
    "tokio",
    "tracing",
    "uuid",
];

/// From a crate to what it uses of ours.
type Edges = BTreeMap<String, BTreeSet<String>>;

fn metadata() -> Metadata {
    let mut command = MetadataCommand::new();
    command.manifest_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml"));
    command.features(CargoOpt::AllFeatures);
    // Only what this machine builds is asked for: the rest may not even be downloaded.
    command.other_options(vec!["--filter-platform".to_owned(), host(), "--locked".to_owned()]);
    command.exec().unwrap()
}

fn host() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = std::process::Command::new(rustc).arg("-vV").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned()
}

fn edges_of(metadata: &Metadata) -> Edges {
    let packages = metadata.workspace_packages();
    let ours: BTreeSet<String> = packages.iter().map(|package| package.name.to_string()).collect();
    let uses = |package: &cargo_metadata::Package| -> BTreeSet<String> {
        let names = package.dependencies.iter().map(|dependency| dependency.name.clone());
        names.filter(|name| ours.contains(name)).collect()
    };
    packages.iter().map(|package| (package.name.to_string(), uses(package))).collect()
}

/// Every edge and crate that the tables do not allow, as a sentence each.
fn violations(edges: &Edges) -> Vec<String> {
    let allowed: BTreeMap<&str, Option<&[&str]>> = ALLOWED.iter().copied().collect();
    let used_only_by: BTreeMap<&str, &[&str]> = USED_ONLY_BY.iter().copied().collect();
    let mut found = Vec::new();
    for (user, uses) in edges {
        let Some(may_use) = allowed.get(user.as_str()) else {
            found.push(format!("{user} is not in the table"));
            continue;
        };
        for used in uses {
            let by_user = may_use.is_none_or(|names| names.contains(&used.as_str()));
            let by_used = used_only_by.get(used.as_str()).is_none_or(|names| names.contains(&user.as_str()));
            if !by_user || !by_used {
                found.push(format!("{user} must not use {used}"));
            }
        }
    }
    found
}

/// Everything that a package brings along in a normal build, build scripts left out: those run elsewhere.
fn brought_along(metadata: &Metadata, package: &str) -> BTreeSet<String> {
    let resolve = metadata.resolve.as_ref().unwrap();
    let root = metadata.workspace_packages().into_iter().find(|it| it.name.as_str() == package).unwrap();
    let mut seen: BTreeSet<&PackageId> = BTreeSet::new();
    let mut waiting = vec![&root.id];
    while let Some(id) = waiting.pop() {
        if !seen.insert(id) {
            continue;
        }
        let node = resolve.nodes.iter().find(|node| node.id == *id).unwrap();
        let normal = node.deps.iter().filter(|dependency| dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal));
        // A procedural macro runs in the compiler; neither it nor what it uses is part of the crate.
        waiting.extend(
            normal.map(|dependency| &dependency.pkg).filter(|id| !metadata[*id].targets.iter().any(cargo_metadata::Target::is_proc_macro)),
        );
    }
    seen.into_iter().map(|id| metadata[id].name.to_string()).collect()
}

fn impure(names: &BTreeSet<String>) -> Vec<&str> {
    IMPURE.iter().copied().filter(|name| names.contains(*name)).collect()
}

/// What a crate's manifest lacks of what every crate of ours has.
fn missing_in_manifest(manifest: &toml::Table) -> Vec<&'static str> {
    let inherits = |table: &str, key: Option<&str>| -> bool {
        let value = manifest.get(table).and_then(|table| match key {
            Some(key) => table.get(key),
            None => Some(table),
        });
        value.and_then(|value| value.get("workspace")).and_then(toml::Value::as_bool) == Some(true)
    };
    let mut missing = Vec::new();
    if !inherits("lints", None) {
        missing.push("[lints] workspace = true");
    }
    for (key, sentence) in [
        ("license", "license.workspace = true"),
        ("edition", "edition.workspace = true"),
        ("rust-version", "rust-version.workspace = true"),
        ("publish", "publish.workspace = true"),
    ] {
        if !inherits("package", Some(key)) {
            missing.push(sentence);
        }
    }
    missing
}

#[test]
fn crates_use_only_what_the_table_allows() {
    let edges = edges_of(&metadata());
    assert!(edges["muster-server"].contains("muster-engine"), "no edges were found: {edges:?}");
    assert_eq!(violations(&edges), Vec::<String>::new());
}

#[test]
fn the_table_names_no_crate_that_is_gone() {
    let edges = edges_of(&metadata());
    let gone: Vec<_> = ALLOWED.iter().filter(|(name, _)| !edges.contains_key(*name)).collect();
    assert!(gone.is_empty(), "{gone:?}");
}

#[test]
fn a_forbidden_edge_is_found() {
    let graph = |user: &str, used: &str| -> Edges { [(user.to_owned(), [used.to_owned()].into_iter().collect())].into_iter().collect() };
    for (user, used) in [
        ("muster-domain", "muster-log"),
        ("muster-proto", "muster-domain"),
        ("muster-log", "muster-proto"),
        ("muster-views", "muster-engine"),
        ("muster-feed", "muster-domain"),
        ("muster-engine", "muster-demo"),
        ("muster-server", "muster-tests"),
        ("muster-server", "muster-bench"),
    ] {
        assert_eq!(violations(&graph(user, used)), [format!("{user} must not use {used}")]);
    }
    assert_eq!(violations(&graph("muster-new", "muster-log")), ["muster-new is not in the table"]);
    assert!(violations(&graph("muster-engine", "muster-log")).is_empty());
}

#[test]
fn the_domain_brings_no_clock_randomness_or_io_along() {
    let metadata = metadata();
    let names = brought_along(&metadata, "muster-domain");
    assert!(names.contains("prost"), "the walk found too little: {names:?}");
    assert_eq!(impure(&names), Vec::<&str>::new());
}

#[test]
fn an_impure_dependency_is_found() {
    let names = brought_along(&metadata(), "muster-log");
    assert!(impure(&names).contains(&"rocksdb"), "{names:?}");
    assert!(impure(&names).contains(&"tokio"), "{names:?}");
}

#[test]
fn every_crate_has_the_workspace_lints_and_licence() {
    let metadata = metadata();
    for package in metadata.workspace_packages() {
        let text = std::fs::read_to_string(&package.manifest_path).unwrap();
        let missing = missing_in_manifest(&text.parse().unwrap());
        assert!(missing.is_empty(), "{} lacks {missing:?}", package.manifest_path);
        assert_eq!(package.license.as_deref(), Some("Apache-2.0"), "{}", package.name);
    }
}

#[test]
fn a_manifest_without_lints_or_with_its_own_licence_is_found() {
    let bare = "[package]\nname = \"x\"\nlicense = \"MIT\"\nedition.workspace = true\n".parse().unwrap();
    assert_eq!(
        missing_in_manifest(&bare),
        ["[lints] workspace = true", "license.workspace = true", "rust-version.workspace = true", "publish.workspace = true",]
    );
}
