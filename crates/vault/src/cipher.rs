//! The cryptography of the vault: one AEAD for fields and wrapped keys, keyed BLAKE3 for everything derived. Owns what is
//! bound into each seal; never touches files, locks or the key table.

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::sealed::Algorithm;

/// Bytes of every key in the vault.
pub(crate) const KEY_BYTES: usize = 32;
/// Bytes of every nonce of the present algorithm.
pub(crate) const NONCE_BYTES: usize = Algorithm::XChaCha20Poly1305.nonce_bytes();
/// Bytes of a wrapped key: the key and its tag.
pub(crate) const WRAPPED_BYTES: usize = KEY_BYTES + Algorithm::XChaCha20Poly1305.tag_bytes();

/// A key in memory, wiped when it is dropped.
pub(crate) type Key = Zeroizing<[u8; KEY_BYTES]>;
/// A nonce of the present algorithm.
pub(crate) type Nonce = [u8; NONCE_BYTES];

/// Encrypts `plain` and appends the tag.
pub(crate) fn encrypt(key: &Key, nonce: &Nonce, bound: &[u8], plain: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(plain.len() + Algorithm::XChaCha20Poly1305.tag_bytes());
    bytes.extend_from_slice(plain);
    let cipher = XChaCha20Poly1305::new((&**key).into());
    cipher
        .encrypt_in_place(&XNonce::from(*nonce), bound, &mut bytes)
        .expect("a text far below 256 GiB always encrypts into a growing buffer");
    bytes
}

/// Decrypts and checks the tag; `None` if anything differs from what was sealed.
pub(crate) fn decrypt(key: &Key, nonce: &[u8], bound: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let nonce: Nonce = nonce.try_into().ok()?;
    let mut bytes = sealed.to_vec();
    let cipher = XChaCha20Poly1305::new((&**key).into());
    cipher.decrypt_in_place(&XNonce::from(nonce), bound, &mut bytes).ok()?;
    Some(bytes)
}

/// Decrypts a wrapped key.
pub(crate) fn unwrap_key(key: &Key, nonce: &[u8], bound: &[u8], wrapped: &[u8]) -> Option<Key> {
    let plain = Zeroizing::new(decrypt(key, nonce, bound, wrapped)?);
    let bytes: [u8; KEY_BYTES] = plain.as_slice().try_into().ok()?;
    Some(Zeroizing::new(bytes))
}

/// A key for one purpose, derived from a secret; `purpose` is a constant sentence of this crate.
pub(crate) fn derive(purpose: &str, secret: &Key) -> Key {
    Zeroizing::new(blake3::derive_key(purpose, &secret[..]))
}

/// What a field's seal is bound to: the algorithm, whose it is and which field it is.
pub(crate) fn bound_to_field(bound: &mut Vec<u8>, algorithm: Algorithm, key_id: &str, field: &str) {
    bound.clear();
    bound.extend_from_slice(b"muster-vault field 1");
    bound.extend_from_slice(&algorithm.number().to_le_bytes());
    push_text(bound, key_id);
    push_text(bound, field);
}

/// What a wrapped key is bound to: the vault it lives in and whose it is.
pub(crate) fn bound_to_key(bound: &mut Vec<u8>, vault_id: &[u8], key_id: &str) {
    bound.clear();
    bound.extend_from_slice(b"muster-vault key 1");
    bound.extend_from_slice(vault_id);
    push_text(bound, key_id);
}

/// Length first, so that no two pairs of texts give the same bytes.
fn push_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
}

/// What the vault derives from its own secret.
pub(crate) struct Secrets {
    digest: Key,
    hedge: Key,
}

impl Secrets {
    pub(crate) fn new(secret: &Key) -> Self {
        Self { digest: derive("muster-vault 1 command digest", secret), hedge: derive("muster-vault 1 hedged randomness", secret) }
    }

    /// The keyed digest of a command's body, bound to who sent it.
    pub(crate) fn command_digest(&self, principal: &str, body: &[u8]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.digest);
        hasher.update(&(principal.len() as u64).to_le_bytes());
        hasher.update(principal.as_bytes());
        hasher.update(body);
        *hasher.finalize().as_bytes()
    }

    /// Mixes what is sealed into its nonce. With good randomness this changes nothing; where randomness repeats (a seed
    /// used again after a restart, a cloned virtual machine) two different texts still never share a nonce.
    pub(crate) fn hedge_nonce(&self, random: &Nonce, bound: &[u8], plain: &[u8]) -> Nonce {
        let mut hasher = blake3::Hasher::new_keyed(&self.hedge);
        hasher.update(&[1]);
        hasher.update(random);
        hasher.update(&(bound.len() as u64).to_le_bytes());
        hasher.update(bound);
        hasher.update(plain);
        let mut nonce = [0; NONCE_BYTES];
        nonce.copy_from_slice(&hasher.finalize().as_bytes()[..NONCE_BYTES]);
        nonce
    }

    /// Mixes the key id into a new data key, for the same reason.
    pub(crate) fn hedge_key(&self, random: &Key, key_id: &str) -> Key {
        let mut hasher = blake3::Hasher::new_keyed(&self.hedge);
        hasher.update(&[2]);
        hasher.update(&random[..]);
        hasher.update(key_id.as_bytes());
        Zeroizing::new(*hasher.finalize().as_bytes())
    }
}
