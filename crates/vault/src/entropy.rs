//! Where keys and nonces come from. Owns the two sources, the operating system and a seed; never decides what the bytes
//! are used for.

use std::fmt;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::limits::ENTROPY_BUFFER_BYTES;

/// The operating system gave no random bytes. Nothing may be sealed until it does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no random bytes available: {reason}")]
pub struct EntropyError {
    /// What the operating system answered.
    pub reason: String,
}

/// A source of random bytes for keys and nonces.
pub trait Entropy: Send {
    /// Fills the whole slice, or fails without a promise about its content.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), EntropyError>;
}

/// The operating system's generator, read in blocks so that an import does not pay one system call per nonce.
pub struct OsEntropy {
    buffer: Box<[u8; ENTROPY_BUFFER_BYTES]>,
    used: usize,
}

impl OsEntropy {
    /// A source with an empty buffer; nothing is read before the first use.
    pub fn new() -> Self {
        Self { buffer: Box::new([0; ENTROPY_BUFFER_BYTES]), used: ENTROPY_BUFFER_BYTES }
    }
}

impl Default for OsEntropy {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for OsEntropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OsEntropy").finish_non_exhaustive()
    }
}

impl Entropy for OsEntropy {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        for target in bytes.chunks_mut(ENTROPY_BUFFER_BYTES) {
            if self.used + target.len() > ENTROPY_BUFFER_BYTES {
                getrandom::fill(&mut self.buffer[..]).map_err(|error| EntropyError { reason: error.to_string() })?;
                self.used = 0;
            }
            let end = self.used + target.len();
            target.copy_from_slice(&self.buffer[self.used..end]);
            // Bytes that became a key must not stay behind in the buffer.
            self.buffer[self.used..end].fill(0);
            self.used = end;
        }
        Ok(())
    }
}

/// A deterministic source for demos and tests: the bytes are a pure function of the seed and the order of the calls.
/// Whoever knows the seed knows every key, so it must never seal real people's data.
pub struct SeededEntropy {
    stream: ChaCha20Rng,
}

impl SeededEntropy {
    /// The stream of `seed`, from its beginning.
    pub fn new(seed: u64) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("muster-vault 1 seeded entropy");
        hasher.update(&seed.to_le_bytes());
        Self { stream: ChaCha20Rng::from_seed(*hasher.finalize().as_bytes()) }
    }
}

impl fmt::Debug for SeededEntropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeededEntropy").finish_non_exhaustive()
    }
}

impl Entropy for SeededEntropy {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        self.stream.fill_bytes(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_seed_gives_the_same_bytes_and_another_seed_gives_others() {
        let draw = |seed| {
            let mut source = SeededEntropy::new(seed);
            let (mut first, mut second) = ([0_u8; 24], [0_u8; 32]);
            source.fill(&mut first).unwrap();
            source.fill(&mut second).unwrap();
            (first, second)
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn the_operating_system_never_repeats_itself_across_refills() {
        let mut source = OsEntropy::new();
        let mut seen = std::collections::HashSet::new();
        for _ in 0..1000 {
            let mut nonce = [0_u8; 24];
            source.fill(&mut nonce).unwrap();
            assert!(seen.insert(nonce), "a nonce came twice");
        }
        let mut long = vec![0_u8; 3 * ENTROPY_BUFFER_BYTES + 5];
        source.fill(&mut long).unwrap();
        assert!(long.chunks(24).all(|chunk| chunk.len() < 24 || chunk.iter().any(|byte| *byte != 0)));
    }
}
