//! The master key, which wraps all others: its file `master.key` and its text form. Never stores it anywhere else, never
//! prints it.

use std::fmt;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use zeroize::{Zeroize, Zeroizing};

use crate::cipher::{KEY_BYTES, Key, derive};
use crate::entropy::{Entropy, EntropyError};
use crate::files;

/// Bytes by which a master key is recognised without giving it away.
pub(crate) const CHECK_BYTES: usize = 16;

/// The key that wraps every other key of a vault.
#[derive(Clone)]
pub struct MasterKey(Key);

/// A text that is not a master key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a master key is written as 64 hexadecimal digits")]
pub struct BadMasterKey;

impl MasterKey {
    /// Reads 64 hexadecimal digits; white space around them is allowed.
    pub fn from_hex(text: &str) -> Result<Self, BadMasterKey> {
        let digits = text.trim().as_bytes();
        if digits.len() != 2 * KEY_BYTES {
            return Err(BadMasterKey);
        }
        let mut key: Key = Zeroizing::new([0; KEY_BYTES]);
        for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
            let (high, low) = (hex_digit(pair[0])?, hex_digit(pair[1])?);
            *byte = high << 4 | low;
        }
        Ok(Self(key))
    }

    /// The key of these bytes.
    pub fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub(crate) fn generate(entropy: &mut dyn Entropy) -> Result<Self, EntropyError> {
        let mut key: Key = Zeroizing::new([0; KEY_BYTES]);
        entropy.fill(&mut key[..])?;
        Ok(Self(key))
    }

    /// The key that wraps the vault's other keys.
    pub(crate) fn wrapping_key(&self) -> Key {
        derive("muster-vault 1 key wrapping", &self.0)
    }

    /// By these bytes a vault recognises its master key.
    pub(crate) fn check(&self) -> [u8; CHECK_BYTES] {
        let mut check = [0; CHECK_BYTES];
        check.copy_from_slice(&derive("muster-vault 1 master key check", &self.0)[..CHECK_BYTES]);
        check
    }

    /// The content of `master.key`.
    pub(crate) fn to_file(&self) -> Zeroizing<String> {
        use fmt::Write;
        let mut text = Zeroizing::new(String::with_capacity(2 * KEY_BYTES + 1));
        for byte in self.0.iter() {
            write!(text, "{byte:02x}").expect("a string takes all that is written");
        }
        text.push('\n');
        text
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

fn hex_digit(digit: u8) -> Result<u8, BadMasterKey> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok()).ok_or(BadMasterKey)
}

/// What `master.key` holds.
pub(crate) enum KeyFile {
    Absent,
    Malformed,
    Present(MasterKey),
}

/// Reads a key file. One that others may read is used, and reported: refusing to start would keep the people from being
/// called.
pub(crate) fn read_file(path: &Path) -> io::Result<KeyFile> {
    let Some(bytes) = files::read_if_present(path)? else {
        return Ok(KeyFile::Absent);
    };
    let mode = std::fs::metadata(path)?.permissions().mode();
    if mode & 0o077 != 0 {
        tracing::warn!(
            file = %path.display(),
            mode = format!("{:o}", mode & 0o777),
            "the vault's master key can be read by other users: chmod 600"
        );
    }
    let mut bytes = Zeroizing::new(bytes);
    let parsed = std::str::from_utf8(&bytes).ok().and_then(|text| MasterKey::from_hex(text).ok());
    bytes.zeroize();
    Ok(parsed.map_or(KeyFile::Malformed, KeyFile::Present))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn text_form_goes_both_ways_and_nothing_else_is_taken() {
        let key = MasterKey::from_bytes([0xab; 32]);
        let text = key.to_file();
        assert_eq!(&text[..], format!("{}\n", "ab".repeat(32)));
        assert_eq!(MasterKey::from_hex(&text).unwrap().check(), key.check());
        for bad in ["", "ab", &"g0".repeat(32), &"ab".repeat(33), &"é".repeat(32)] {
            assert_eq!(MasterKey::from_hex(bad).unwrap_err(), BadMasterKey);
        }
        assert_eq!(format!("{key:?}"), "MasterKey(..)");
    }
}
