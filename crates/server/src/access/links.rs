//! One-time links: a responder answers a call without an account. The link carries what it is for, signed with a secret of
//! the access store; that a final answer is given once is the command index's work, for the link's key is its own.

use std::fs;
use std::io;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use muster_access::{Grant, Principal, Role, Scope};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::tokens::{hex, make_private_dir, random, write_private};

const KEY_FILE: &str = "link.key";
const FORMAT_VERSION: u8 = 1;
/// Bytes of the signature: a keyed BLAKE3, cut to what still cannot be guessed, so that the link fits into one SMS.
const SIGNATURE_BYTES: usize = 16;

/// What a link is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The call, `c1`.
    pub call_id: String,
    /// Who is called.
    pub responder_id: String,
    /// When it ends, Unix milliseconds.
    pub expires_at_ms: i64,
    /// Tells one link of a call from another.
    nonce: u64,
}

/// Why a link cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkFault {
    /// It was not made here, or was changed.
    Invalid,
    /// Its time is over.
    Expired,
}

impl Link {
    /// Who answers through it.
    #[must_use]
    pub fn principal(&self) -> Principal {
        let grant = Grant::new(Role::Responder, Scope::Call(self.call_id.clone())).expect("a link names its call");
        Principal {
            id: format!("link:{}", self.call_id),
            person: self.responder_id.clone(),
            grants: vec![grant],
            expires_at_ms: Some(self.expires_at_ms),
        }
    }

    /// The command id of its final answer: the same for acceptance and refusal, so that only one of them can be stored.
    #[must_use]
    pub fn answer_id(&self) -> String {
        format!("answer:{}", hex(&self.nonce.to_be_bytes()))
    }

    /// The command id of its acknowledgement, which is no final answer.
    #[must_use]
    pub fn acknowledge_id(&self) -> String {
        format!("acknowledge:{}", hex(&self.nonce.to_be_bytes()))
    }
}

/// Compared in constant time, as the hash compares, for the address is open to everybody.
fn same(one: &[u8; SIGNATURE_BYTES], other: &[u8; SIGNATURE_BYTES]) -> bool {
    let whole = |part: &[u8; SIGNATURE_BYTES]| {
        let mut bytes = [0; 32];
        bytes[..SIGNATURE_BYTES].copy_from_slice(part);
        blake3::Hash::from_bytes(bytes)
    };
    whole(one) == whole(other)
}

/// Makes and reads links.
pub struct Links {
    dir: PathBuf,
    key: Mutex<Option<[u8; 32]>>,
}

impl Links {
    /// Links signed with the secret in a folder; it is made with the first link.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), key: Mutex::new(None) }
    }

    /// A link to answer a call, as the text that stands in its address.
    ///
    /// # Errors
    /// The secret can be neither read nor made.
    pub fn make(&self, call_id: &str, responder_id: &str, expires_at_ms: i64) -> io::Result<(Link, String)> {
        let nonce = u64::from_be_bytes(random()?);
        self.write(Link { call_id: call_id.to_owned(), responder_id: responder_id.to_owned(), expires_at_ms, nonce })
    }

    /// The link that goes out with the messages about a call: the same on every channel and after any restart, so that only one final answer
    /// is taken however many messages there were.
    ///
    /// # Errors
    /// The secret can be neither read nor made.
    pub fn of_messages(&self, call_id: &str, responder_id: &str, expires_at_ms: i64) -> io::Result<String> {
        let name = serde_json::to_vec(&("messages", call_id, responder_id))?;
        let drawn = self.sign(&name, true)?.ok_or_else(|| io::Error::other("no secret"))?;
        let nonce = u64::from_be_bytes(*drawn.first_chunk().ok_or_else(|| io::Error::other("no secret"))?);
        let link = Link { call_id: call_id.to_owned(), responder_id: responder_id.to_owned(), expires_at_ms, nonce };
        Ok(self.write(link)?.1)
    }

    fn write(&self, link: Link) -> io::Result<(Link, String)> {
        let mut bytes = vec![FORMAT_VERSION];
        serde_json::to_writer(&mut bytes, &(&link.call_id, &link.responder_id, link.expires_at_ms, link.nonce))?;
        let signature = self.sign(&bytes, true)?.ok_or_else(|| io::Error::other("no secret"))?;
        bytes.extend_from_slice(&signature);
        Ok((link, URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Reads a link.
    ///
    /// # Errors
    /// Why it cannot be used. A secret that cannot be read makes every link invalid.
    pub fn read(&self, text: &str, now_ms: i64) -> Result<Link, LinkFault> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| LinkFault::Invalid)?;
        let (signed, signature) = bytes.split_last_chunk::<SIGNATURE_BYTES>().ok_or(LinkFault::Invalid)?;
        let expected = self.sign(signed, false).ok().flatten().ok_or(LinkFault::Invalid)?;
        if !same(&expected, signature) || signed.first() != Some(&FORMAT_VERSION) {
            return Err(LinkFault::Invalid);
        }
        let (call_id, responder_id, expires_at_ms, nonce) = serde_json::from_slice(&signed[1..]).map_err(|_| LinkFault::Invalid)?;
        let link = Link { call_id, responder_id, expires_at_ms, nonce };
        if link.expires_at_ms <= now_ms { Err(LinkFault::Expired) } else { Ok(link) }
    }

    fn sign(&self, bytes: &[u8], make: bool) -> io::Result<Option<[u8; SIGNATURE_BYTES]>> {
        let Some(key) = self.key(make)? else { return Ok(None) };
        let whole = blake3::keyed_hash(&key, bytes);
        Ok(whole.as_bytes().first_chunk().copied())
    }

    fn key(&self, make: bool) -> io::Result<Option<[u8; 32]>> {
        let mut known = self.key.lock();
        if known.is_none() {
            *known = match fs::read(self.dir.join(KEY_FILE)) {
                Ok(bytes) => Some(bytes.try_into().map_err(|_| io::Error::other("link.key has another length"))?),
                Err(error) if error.kind() == io::ErrorKind::NotFound && !make => None,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let key = random()?;
                    make_private_dir(&self.dir)?;
                    write_private(&self.dir, KEY_FILE, &key)?;
                    Some(key)
                }
                Err(error) => return Err(error),
            };
        }
        Ok(*known)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_link_is_good_until_its_time_and_survives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let (link, text) = Links::new(folder.path()).make("c7", "r-1", 10_000).unwrap();
        let later = Links::new(folder.path());
        assert_eq!(later.read(&text, 9_999), Ok(link.clone()));
        assert_eq!(later.read(&text, 10_000), Err(LinkFault::Expired));
        assert!(text.len() < 120, "{} bytes do not fit into an SMS", text.len());
        assert_ne!(link.answer_id(), Links::new(folder.path()).make("c7", "r-1", 10_000).unwrap().0.answer_id());
    }

    #[test]
    fn messages_about_a_call_have_one_link_between_them() {
        let folder = tempfile::tempdir().unwrap();
        let read = |responder: &str, expires_at_ms| {
            let links = Links::new(folder.path());
            links.read(&links.of_messages("c7", responder, expires_at_ms).unwrap(), 0).unwrap()
        };
        assert_eq!(read("r-1", 10_000).answer_id(), read("r-1", 20_000).answer_id());
        assert_ne!(read("r-1", 10_000).answer_id(), read("r-2", 10_000).answer_id());
        assert_eq!((read("r-1", 10_000).call_id, read("r-1", 10_000).expires_at_ms), ("c7".to_owned(), 10_000));
    }

    #[test]
    fn a_link_that_was_changed_or_made_elsewhere_is_invalid() {
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let links = Links::new(folder.path());
        assert_eq!(links.read("AAAA", 0), Err(LinkFault::Invalid));
        let (_, text) = links.make("c7", "r-1", 10_000).unwrap();
        let (_, foreign) = Links::new(elsewhere.path()).make("c7", "r-1", 10_000).unwrap();
        assert_eq!(links.read(&foreign, 0), Err(LinkFault::Invalid));
        let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(links.read(&URL_SAFE_NO_PAD.encode(changed), 0), Err(LinkFault::Invalid), "byte {at}");
        }
    }
}
