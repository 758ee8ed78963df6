//! The shape of a sealed field as it stands in records, and what opening one gives. Owns no keys and does no
//! cryptography.

/// The cipher that sealed a field or wrapped a key. The numbers are stored in the log for good: never reuse one.
/// Number 2 is kept for SM4-GCM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u32)]
pub enum Algorithm {
    /// XChaCha20-Poly1305: 24-byte nonce, 16-byte tag after the ciphertext.
    XChaCha20Poly1305 = 1,
}

/// A number that names no algorithm known to this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("seal algorithm {number} is not known to this version")]
pub struct UnknownAlgorithm {
    /// The number as it was stored.
    pub number: u32,
}

impl Algorithm {
    /// The stored number.
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// Nonce length in bytes.
    pub const fn nonce_bytes(self) -> usize {
        match self {
            Self::XChaCha20Poly1305 => 24,
        }
    }

    /// What the ciphertext is longer than the plain text, in bytes.
    pub const fn tag_bytes(self) -> usize {
        match self {
            Self::XChaCha20Poly1305 => 16,
        }
    }
}

impl TryFrom<u32> for Algorithm {
    type Error = UnknownAlgorithm;

    fn try_from(number: u32) -> Result<Self, UnknownAlgorithm> {
        match number {
            1 => Ok(Self::XChaCha20Poly1305),
            _ => Err(UnknownAlgorithm { number }),
        }
    }
}

/// One personal field, sealed. Safe to store, publish and print: without the key it tells only whose it is and about how
/// long it is. The field's name is not inside; it is bound to the seal and must be given to open it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SealedField {
    /// Whose key sealed it: the id of the person or record. Never personal data itself.
    pub key_id: String,
    /// How it was sealed.
    pub algorithm: Algorithm,
    /// The nonce, as long as the algorithm asks.
    pub nonce: Vec<u8>,
    /// Ciphertext followed by the tag.
    pub bytes: Vec<u8>,
}

/// What a sealed field holds today.
#[derive(Clone, PartialEq, Eq)]
pub enum Opened {
    /// The plain text.
    Plain(String),
    /// The key was erased: the text is gone for good, as it was asked for. Not an error.
    Erased,
}

impl Opened {
    /// The plain text, or `None` where it was erased.
    pub fn into_plain(self) -> Option<String> {
        match self {
            Self::Plain(text) => Some(text),
            Self::Erased => None,
        }
    }
}

// Written by hand so that no trace or test output prints personal data by accident.
impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Plain(text) => write!(f, "Plain({} bytes)", text.len()),
            Self::Erased => f.write_str("Erased"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_numbers_do_not_move() {
        assert_eq!(Algorithm::XChaCha20Poly1305.number(), 1);
        assert_eq!(Algorithm::try_from(1), Ok(Algorithm::XChaCha20Poly1305));
        assert_eq!(Algorithm::try_from(2), Err(UnknownAlgorithm { number: 2 }));
        assert_eq!(Algorithm::try_from(0), Err(UnknownAlgorithm { number: 0 }));
    }

    #[test]
    fn debug_output_never_shows_the_plain_text() {
        let shown = format!("{:?}", Opened::Plain("secret-name".into()));
        assert_eq!(shown, "Plain(11 bytes)");
    }
}
