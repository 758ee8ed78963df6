//! Who uses NATS: a TOML file with names and grants, and the nkeys they prove themselves with. The configuration holds public
//! keys alone; a seed stands in its user's own file, which nobody else can read, and is never printed.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use muster_access::Grant;
use nkeys::{KeyPair, KeyPairType};
use serde::Deserialize;

/// The server's own account and user: relay, buckets, commands.
pub const SERVER_USER: &str = "muster";
/// Who looks after the nats-server itself.
pub const SYSTEM_USER: &str = "sys";

/// Longest name: names of consumers begin with it, and JetStream advises fewer than 32 characters.
const NAME_CHARS_MAX: usize = 24;

/// One who uses NATS.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NatsUser {
    /// Its account, and what its consumers and inboxes begin with: letters, digits, `-` and `_`.
    pub name: String,
    /// What it was granted, as tokens have it: `township@area:440802001`.
    pub grants: Vec<Grant>,
    /// Its public nkey; empty until one is made.
    #[serde(default)]
    pub nkey: String,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Users {
    /// The server's public nkey; empty until one is made.
    #[serde(default)]
    pub muster: String,
    /// The public nkey of whoever looks after the nats-server; empty until one is made.
    #[serde(default)]
    pub sys: String,
    /// The users.
    #[serde(default, rename = "user")]
    pub users: Vec<NatsUser>,
}

/// Why the users cannot be taken as they are.
#[derive(Debug, thiserror::Error)]
pub enum UsersFault {
    /// The file is no TOML, has an unknown key or a grant that is none; says where.
    #[error("{detail}")]
    Form {
        /// What the reader says.
        detail: String,
    },
    /// A name that cannot stand in a subject, or is one of ours.
    #[error("user {name:?}: a name is 1 to {NAME_CHARS_MAX} letters, digits, - and _, and not {SERVER_USER} or {SYSTEM_USER}")]
    Name {
        /// The name.
        name: String,
    },
    /// Two users of one name or one key.
    #[error("user {name:?} is there twice, or its nkey is another's too")]
    Twice {
        /// The name.
        name: String,
    },
    /// No public nkey of a user.
    #[error("user {name:?}: {nkey:?} is no public nkey of a user; one begins with U")]
    Nkey {
        /// The name.
        name: String,
        /// What was given.
        nkey: String,
    },
    /// A file of a seed cannot be used.
    #[error("{path}: {source}")]
    Seed {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
}

impl Users {
    /// Reads the file's text.
    ///
    /// # Errors
    /// See [`UsersFault`].
    pub fn read(text: &str) -> Result<Self, UsersFault> {
        let users: Self = toml::from_str(text).map_err(|error| UsersFault::Form { detail: error.to_string().trim().to_owned() })?;
        for user in &users.users {
            let fits = user.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
            let reserved = [SERVER_USER, SYSTEM_USER].iter().any(|own| user.name.eq_ignore_ascii_case(own));
            if user.name.is_empty() || user.name.len() > NAME_CHARS_MAX || !fits || reserved {
                return Err(UsersFault::Name { name: user.name.clone() });
            }
        }
        Ok(users)
    }

    /// All names with their keys, the server's and the system's first.
    fn named(&mut self) -> impl Iterator<Item = (&str, &mut String)> {
        let own = [(SERVER_USER, &mut self.muster), (SYSTEM_USER, &mut self.sys)];
        own.into_iter().chain(self.users.iter_mut().map(|user| (user.name.as_str(), &mut user.nkey)))
    }

    /// Sees that keys are public nkeys of users, and no two are alike.
    fn check(&mut self) -> Result<(), UsersFault> {
        let (mut names, mut keys) = (Vec::new(), Vec::new());
        for (name, nkey) in self.named() {
            let is_user = KeyPair::from_public_key(nkey).is_ok_and(|pair| matches!(pair.key_pair_type(), KeyPairType::User));
            if !is_user {
                return Err(UsersFault::Nkey { name: name.to_owned(), nkey: nkey.clone() });
            }
            // Names differ as names of accounts and of files, whatever the file system thinks of capitals.
            let folded = name.to_ascii_lowercase();
            if names.contains(&folded) || keys.contains(nkey) {
                return Err(UsersFault::Twice { name: name.to_owned() });
            }
            names.push(folded);
            keys.push(nkey.clone());
        }
        Ok(())
    }
}

/// Gives everybody a key who has none: the one in `NAME.nk` of the folder, else a new one, whose seed is written there. Tells
/// the files that were made.
///
/// # Errors
/// See [`UsersFault`].
pub fn keys(users: &mut Users, folder: &Path) -> Result<Vec<String>, UsersFault> {
    let mut made = Vec::new();
    for (name, nkey) in users.named().filter(|(_, nkey)| nkey.is_empty()) {
        let path = folder.join(format!("{name}.nk"));
        let failed = |source| UsersFault::Seed { path: path.display().to_string(), source };
        let pair = match fs::read_to_string(&path) {
            Ok(seed) => KeyPair::from_seed(seed.trim()).map_err(|_| failed(io::Error::other("it holds no seed of an nkey")))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let pair = KeyPair::new_user();
                let seed = pair.seed().map_err(|error| failed(io::Error::other(error.to_string())))?;
                let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
                file.write_all(seed.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
                made.push(path.display().to_string());
                pair
            }
            Err(error) => return Err(failed(error)),
        };
        *nkey = pair.public_key();
    }
    users.check()?;
    Ok(made)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn user(name: &str) -> String {
        format!("[[user]]\nname = \"{name}\"\ngrants = [\"township@area:t\"]\n")
    }

    #[test]
    fn what_is_wrong_with_the_file_is_named() {
        let fault = |text: &str| Users::read(text).unwrap_err().to_string();
        assert!(fault("[[user]]\nname = \"a\"\ngrants = [\"king@area:t\"]\n").contains("king"));
        assert!(fault("[[user]]\nname = \"a\"\ngrants = []\nrole = 1\n").contains("role"));
        for name in ["", "a.b", "a b", "镇", "Muster", "sys", &"x".repeat(25)] {
            assert!(fault(&user(name)).contains("1 to 24 letters"), "{name}");
        }
    }

    #[test]
    fn keys_are_made_once_and_kept_to_their_owner() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let read = || Users::read(&(user("a") + &user("b"))).unwrap();
        let (mut first, mut second) = (read(), read());
        assert_eq!(keys(&mut first, folder.path()).unwrap().len(), 4);
        assert_eq!(keys(&mut second, folder.path()).unwrap(), Vec::<String>::new());
        assert_eq!(first, second);
        let seed = folder.path().join("a.nk");
        assert_eq!(fs::metadata(&seed).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(fs::read_to_string(&seed).unwrap().starts_with("SU"));
        fs::write(&seed, "nonsense").unwrap();
        assert!(keys(&mut read(), folder.path()).unwrap_err().to_string().contains("a.nk"));
    }

    #[test]
    fn no_two_are_alike() {
        let folder = tempfile::tempdir().unwrap();
        let mut twice = Users::read(&(user("a") + &user("A"))).unwrap();
        assert!(matches!(keys(&mut twice, folder.path()), Err(UsersFault::Twice { .. })));
        let mut foreign = Users::read(&user("c")).unwrap();
        foreign.users[0].nkey = KeyPair::new_account().public_key();
        assert!(matches!(keys(&mut foreign, folder.path()), Err(UsersFault::Nkey { .. })));
    }
}
