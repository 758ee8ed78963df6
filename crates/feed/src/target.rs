//! What an address of NATS says: where the servers are, who we are, whom we trust.
//!
//! `tls://a:4222,b:4222?nkey=/etc/muster/muster.nk&ca=/etc/muster/ca.pem&inbox=_INBOX_muster`. It stands in one text, so that
//! relay, buckets, service and workers get in alike wherever the address is given. It must never put a secret into a message:
//! a password may stand in front of a host, the seed of an nkey stands in a file of its own.

use std::path::PathBuf;

use async_nats::ServerAddr;
use nkeys::KeyPair;

use crate::link::percent_decode;

/// What all inboxes begin with: an answer to anything else is not given, see [`crate::service`].
pub(crate) const INBOX_PREFIX: &str = "_INBOX";

/// What may stand behind the `?`.
const OPTIONS: [&str; 3] = ["nkey", "ca", "inbox"];

/// An address, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) addresses: Vec<ServerAddr>,
    /// The file with the seed of our nkey.
    pub(crate) nkey: Option<PathBuf>,
    /// The certificates that we trust, as PEM; those of the system if none.
    pub(crate) ca: Option<PathBuf>,
    /// What our inboxes begin with.
    pub(crate) inbox: Option<String>,
}

impl Target {
    pub(crate) fn read(url: &str) -> Result<Self, String> {
        let (hosts, options) = url.split_once('?').unwrap_or((url, ""));
        // What the parser says may hold what it was given.
        let parse = |part: &str| part.trim().parse::<ServerAddr>().map_err(|_| "the address of a server cannot be read".to_owned());
        let mut target = Self { addresses: hosts.split(',').map(parse).collect::<Result<_, _>>()?, ..Self::default() };
        for (at, option) in options.split('&').enumerate().filter(|(_, option)| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let value = percent_decode(value);
            // An option that is not known may be the end of a password with a `?` in it: it is named by its place.
            if !OPTIONS.contains(&name) {
                return Err(format!("number {} behind the ? is no option of an address; nkey, ca and inbox are", at + 1));
            }
            if value.is_empty() {
                return Err(format!("{name} has no value"));
            }
            match name {
                "nkey" => target.nkey = Some(value.into()),
                "ca" => target.ca = Some(value.into()),
                "inbox" if value.starts_with(INBOX_PREFIX) && !value.contains(['*', '>', ' ']) => target.inbox = Some(value),
                _ => return Err(format!("inbox begins with {INBOX_PREFIX} and has no wildcard")),
            }
        }
        Ok(target)
    }

    /// The seed of our nkey, if we have one.
    pub(crate) async fn seed(&self) -> Result<Option<String>, String> {
        let Some(path) = &self.nkey else { return Ok(None) };
        let failed = |detail: String| format!("{}: {detail}", path.display());
        let text = tokio::fs::read_to_string(path).await.map_err(|error| failed(error.to_string()))?;
        let seed = text.trim().to_owned();
        KeyPair::from_seed(&seed).map_err(|_| failed("it holds no seed of an nkey".to_owned()))?;
        Ok(Some(seed))
    }
}

/// The servers of an address, without who we are. Of an address that cannot be read it shows what is behind the last `@` alone: a password may
/// hold any character.
#[must_use]
pub fn without_secrets(url: &str) -> String {
    let (hosts, options) = url.split_once('?').unwrap_or((url, ""));
    let is_known = |option: &str| option.is_empty() || option.split_once('=').is_some_and(|(name, _)| OPTIONS.contains(&name));
    let parts = || hosts.split(',').map(str::trim);
    if !options.split('&').all(is_known) || parts().any(|part| part.parse::<ServerAddr>().is_err()) {
        let shown = url.rsplit_once('@').map_or("…", |(_, behind)| behind);
        return shown.split_once('?').map_or(shown, |(hosts, _)| hosts).to_owned();
    }
    let strip = |part: &str| match (part.split_once("://"), part.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        (None, Some((_, host))) => host.to_owned(),
        _ => part.to_owned(),
    };
    parts().map(strip).collect::<Vec<_>>().join(",")
}

/// Says what is wrong with an address, before anything is connected to.
///
/// # Errors
/// What is wrong, in words that name the part.
pub fn check_address(url: &str) -> Result<(), String> {
    Target::read(url).map(drop)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_address_says_where_who_and_whom_to_trust() {
        let target = Target::read("tls://a:4222, nats://u:p@b?nkey=/etc/m%26s/k.nk&ca=ca.pem&inbox=_INBOX_muster").unwrap();
        assert_eq!(target.addresses.iter().map(ServerAddr::host).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(target.nkey, Some("/etc/m&s/k.nk".into()));
        assert_eq!((target.ca, target.inbox), (Some("ca.pem".into()), Some("_INBOX_muster".to_owned())));
        assert_eq!(Target::read("127.0.0.1:4222").unwrap().nkey, None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (url, named) in
            [("a?ca=x&nkeys=x", "number 2"), ("a?ca=", "ca"), ("a?inbox=reply", "_INBOX"), ("a?inbox=_INBOX.>", "wildcard"), ("a?ca", "ca")]
        {
            assert!(check_address(url).unwrap_err().contains(named), "{url}");
        }
    }

    #[test]
    fn no_fault_of_an_address_tells_a_password() {
        let url = "nats://u:p?zz@host:4222?tls=1";
        for url in [url, "nats://u:p?zz", "u:p?zz=1", "nats://u:p zz@host:x", "//u:p[zz@"] {
            let (told, shown) = (check_address(url).err().unwrap_or_default(), without_secrets(url));
            assert!(!told.contains("zz") && !shown.contains("zz"), "{url}: {told} {shown}");
        }
        for (url, shown) in [
            ("nats://u:p@a:4222, tls://b:4223", "nats://a:4222,tls://b:4223"),
            ("u:p@a?nkey=/etc/muster@1.nk", "a"),
            ("127.0.0.1:4222", "127.0.0.1:4222"),
            ("nats://u:12?34@host:4222?tls=1", "host:4222"),
            ("nats://u:p,w@host", "host"),
        ] {
            assert_eq!(without_secrets(url), shown, "{url}");
        }
    }

    #[tokio::test]
    async fn a_seed_is_read_from_its_file_and_never_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k.nk");
        let target = Target { nkey: Some(path.clone()), ..Target::default() };
        assert!(target.seed().await.unwrap_err().contains("k.nk"));
        std::fs::write(&path, "SUsecret\n").unwrap();
        let told = target.seed().await.unwrap_err();
        assert!(told.contains("k.nk") && !told.contains("secret"), "{told}");
        let seed = KeyPair::new_user().seed().unwrap();
        std::fs::write(&path, format!("{seed}\n")).unwrap();
        assert_eq!(target.seed().await.unwrap(), Some(seed));
    }
}
