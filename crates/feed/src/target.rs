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
        let parse = |part: &str| part.trim().parse::<ServerAddr>().map_err(|error| error.to_string());
        let mut target = Self { addresses: hosts.split(',').map(parse).collect::<Result<_, _>>()?, ..Self::default() };
        for option in options.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let value = percent_decode(value);
            if value.is_empty() {
                return Err(format!("{name} has no value"));
            }
            match name {
                "nkey" => target.nkey = Some(value.into()),
                "ca" => target.ca = Some(value.into()),
                "inbox" if value.starts_with(INBOX_PREFIX) && !value.contains(['*', '>', ' ']) => target.inbox = Some(value),
                "inbox" => return Err(format!("inbox begins with {INBOX_PREFIX} and has no wildcard")),
                _ => return Err(format!("{name} is no option of an address; nkey, ca and inbox are")),
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
            [("a?nkeys=x", "nkeys"), ("a?ca=", "ca"), ("a?inbox=reply", "_INBOX"), ("a?inbox=_INBOX.>", "wildcard"), ("a?ca", "ca")]
        {
            assert!(check_address(url).unwrap_err().contains(named), "{url}");
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
