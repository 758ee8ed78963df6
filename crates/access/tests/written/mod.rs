//! The table of rights as it is written out by hand in `rights.txt`. It must never look at the table in `src/table.rs`.

use std::collections::BTreeMap;

use muster_access::Role;

/// What the hand-written table says of one role and command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    No,
    Own,
    Ground,
}

pub(crate) fn role_of(short: &str) -> Role {
    match short {
        "hq" => Role::Headquarters,
        "od" => Role::OrganizationDepartment,
        "tw" => Role::Township,
        "co" => Role::Community,
        "de" => Role::Department,
        "se" => Role::Secretary,
        "or" => Role::Organizer,
        "re" => Role::Responder,
        "au" => Role::Auditor,
        "an" => Role::Analyst,
        "cs" => Role::Console,
        other => panic!("rights.txt names {other:?}"),
    }
}

/// Before the name of a view in `rights.txt`.
pub(crate) const VIEW: &str = "view ";

pub(crate) fn lines() -> impl Iterator<Item = &'static str> {
    include_str!("../rights.txt").lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

pub(crate) fn written() -> BTreeMap<String, BTreeMap<Role, Written>> {
    lines()
        .filter(|line| !line.starts_with(VIEW))
        .map(|line| {
            let (name, rights) = line.split_once(':').unwrap();
            let (own, ground) = rights.split_once('|').unwrap_or((rights, ""));
            let own = own.split_whitespace().map(|short| (role_of(short), Written::Own));
            let ground = ground.split_whitespace().map(|short| (role_of(short), Written::Ground));
            (name.to_owned(), own.chain(ground).collect())
        })
        .collect()
}
