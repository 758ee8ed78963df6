//! The bytes of the vault's stored records: the meta record, wrapped keys and tombstones. Every record starts with its
//! version and carries its own check (a seal's tag, or a checksum). Numbers here are stored for good and never reused.

use crate::cipher::{self, Key, NONCE_BYTES, Nonce, WRAPPED_BYTES};
use crate::master::{CHECK_BYTES, MasterKey};
use crate::sealed::Algorithm;

/// Version of each record; a reader of this version knows no other.
const RECORD_VERSION: u8 = 1;
const KIND_WRAPPED_KEY: u8 = 1;
const KIND_TOMBSTONE: u8 = 2;
const CHECKSUM_BYTES: usize = 8;
/// Bytes of a vault's id.
pub(crate) const VAULT_ID_BYTES: usize = 16;

/// What is stored under a key id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stored {
    /// The key, wrapped.
    WrappedKey {
        /// Of the wrapping.
        nonce: Nonce,
        /// The wrapped key and its tag.
        wrapped: [u8; WRAPPED_BYTES],
    },
    /// The key was erased; the record stays for good.
    Tombstone,
}

/// A key id and what is stored under it.
pub(crate) type SubjectRecord = (Box<str>, Stored);

impl Stored {
    /// The record's bytes, as stored under `key_id`.
    pub(crate) fn encode(&self, key_id: &str) -> Vec<u8> {
        match self {
            Self::WrappedKey { nonce, wrapped } => {
                let mut bytes = vec![RECORD_VERSION, KIND_WRAPPED_KEY, stored_algorithm()];
                bytes.extend_from_slice(nonce);
                bytes.extend_from_slice(wrapped);
                bytes
            }
            Self::Tombstone => {
                let mut bytes = vec![RECORD_VERSION, KIND_TOMBSTONE];
                bytes.extend_from_slice(&tombstone_checksum(key_id));
                bytes
            }
        }
    }

    /// Reads a record; the error says what is wrong with it.
    pub(crate) fn decode(key_id: &str, bytes: &[u8]) -> Result<Self, String> {
        match bytes {
            [RECORD_VERSION, KIND_WRAPPED_KEY, algorithm, rest @ ..] if *algorithm == stored_algorithm() => {
                let (nonce, wrapped) = rest.split_at_checked(NONCE_BYTES).ok_or("wrapped key cut short")?;
                Ok(Self::WrappedKey {
                    nonce: nonce.try_into().map_err(|_| "wrapped key cut short")?,
                    wrapped: wrapped.try_into().map_err(|_| "wrapped key of a wrong length")?,
                })
            }
            [RECORD_VERSION, KIND_TOMBSTONE, checksum @ ..] if *checksum == tombstone_checksum(key_id) => Ok(Self::Tombstone),
            [RECORD_VERSION, KIND_TOMBSTONE, ..] => Err("tombstone with a wrong checksum".into()),
            _ => Err("record of an unknown kind".into()),
        }
    }
}

/// Everything that a vault knows about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) vault_id: [u8; VAULT_ID_BYTES],
    pub(crate) master_check: [u8; CHECK_BYTES],
    nonce: Nonce,
    wrapped_secret: [u8; WRAPPED_BYTES],
}

/// What a meta record and a master key do together.
pub(crate) enum Unlocked {
    Secret(Key),
    /// The master key is another one.
    WrongMasterKey,
    /// The right master key does not open the record.
    Damaged,
}

impl Meta {
    const BYTES: usize = 1 + VAULT_ID_BYTES + CHECK_BYTES + NONCE_BYTES + WRAPPED_BYTES + CHECKSUM_BYTES;

    /// The meta record of vault `vault_id`, whose secret is wrapped by `master`.
    pub(crate) fn new(vault_id: [u8; VAULT_ID_BYTES], master: &MasterKey, secret: &Key, nonce: Nonce) -> Self {
        let wrapped = cipher::encrypt(&master.wrapping_key(), &nonce, &Self::bound(&vault_id), &secret[..]);
        Self { vault_id, master_check: master.check(), nonce, wrapped_secret: wrapped.try_into().expect("a wrapped key has one length") }
    }

    /// Opens the vault's secret.
    pub(crate) fn unlock(&self, master: &MasterKey) -> Unlocked {
        if master.check() != self.master_check {
            return Unlocked::WrongMasterKey;
        }
        let bound = Self::bound(&self.vault_id);
        cipher::unwrap_key(&master.wrapping_key(), &self.nonce, &bound, &self.wrapped_secret).map_or(Unlocked::Damaged, Unlocked::Secret)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::BYTES);
        bytes.push(RECORD_VERSION);
        bytes.extend_from_slice(&self.vault_id);
        bytes.extend_from_slice(&self.master_check);
        bytes.extend_from_slice(&self.nonce);
        bytes.extend_from_slice(&self.wrapped_secret);
        let checksum = checksum(&[&bytes]);
        bytes.extend_from_slice(&checksum);
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let (body, stored_checksum) = bytes.split_at_checked(Self::BYTES - CHECKSUM_BYTES).ok_or("meta record cut short")?;
        if *stored_checksum != checksum(&[body]) {
            return Err("meta record with a wrong checksum".into());
        }
        if body[0] != RECORD_VERSION {
            return Err(format!("meta record of unknown version {}", body[0]));
        }
        let mut rest = &body[1..];
        Ok(Self { vault_id: take(&mut rest), master_check: take(&mut rest), nonce: take(&mut rest), wrapped_secret: take(&mut rest) })
    }

    fn bound(vault_id: &[u8]) -> Vec<u8> {
        let mut bound = Vec::new();
        // No subject has an empty id, so the secret can never be exchanged for somebody's key.
        cipher::bound_to_key(&mut bound, vault_id, "");
        bound
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let (head, tail) = rest.split_first_chunk().expect("the length was checked as a whole");
    *rest = tail;
    *head
}

fn stored_algorithm() -> u8 {
    u8::try_from(Algorithm::XChaCha20Poly1305.number()).expect("algorithm numbers are small")
}

fn tombstone_checksum(key_id: &str) -> [u8; CHECKSUM_BYTES] {
    checksum(&[b"muster-vault tombstone 1", key_id.as_bytes()])
}

fn checksum(parts: &[&[u8]]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    let mut checksum = [0; CHECKSUM_BYTES];
    checksum.copy_from_slice(&hasher.finalize().as_bytes()[..CHECKSUM_BYTES]);
    checksum
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn records_go_both_ways_and_every_flipped_bit_of_a_checked_record_is_seen() {
        let wrapped = Stored::WrappedKey { nonce: [3; NONCE_BYTES], wrapped: [4; WRAPPED_BYTES] };
        assert_eq!(Stored::decode("r-1", &wrapped.encode("r-1")), Ok(wrapped));

        let tombstone = Stored::Tombstone.encode("r-1");
        assert_eq!(Stored::decode("r-1", &tombstone), Ok(Stored::Tombstone));
        assert!(Stored::decode("r-2", &tombstone).is_err(), "a tombstone names its subject");
        for bit in 0..tombstone.len() * 8 {
            let mut altered = tombstone.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(Stored::decode("r-1", &altered).is_err(), "bit {bit}");
        }

        let master = MasterKey::from_bytes([9; 32]);
        let meta = Meta::new([1; VAULT_ID_BYTES], &master, &cipher::Key::new([7; 32]), [2; NONCE_BYTES]);
        let bytes = meta.encode();
        assert_eq!(Meta::decode(&bytes), Ok(meta));
        for bit in 0..bytes.len() * 8 {
            let mut altered = bytes.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(Meta::decode(&altered).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(Meta::decode(&bytes[..length]).is_err(), "cut at {length}");
        }
    }
}
