//! The vault: personal fields (a name, a phone number, free text about a person) are sealed before they enter the log,
//! and opened only for those whom a rule permits.
//!
//! Owns: one random key per person or record, wrapped by a master key; the tombstones of erased keys; the vault's backup;
//! the keyed digest of command bodies; an index of names in memory. The log cannot be changed, so what must be erasable
//! lives here: [`Vault::erase`] removes a key, and every copy of what it sealed, in any record, stream or backup of the
//! log, becomes unreadable for good.
//!
//! Must never: write plain text or an unwrapped key to disk, put either in an error or a trace, use a key before it is
//! durable, or make a new key where a tombstone stands.
//!
//! What it does not give: a backup of the vault made before an erasure still holds the key. [`Vault::restore`] into a
//! vault that knows the tombstone does not revive it; where the vault was lost as well, call [`Vault::erase_many`] with
//! the erasures that the log names. Keep vault backups no longer than erasure was promised.
//!
//! ```
//! use muster_vault::{Opened, OsEntropy, Vault, VaultOptions};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let vault = Vault::open(&folder.path().join("vault"), VaultOptions::new(Box::new(OsEntropy::new())))?;
//! let sealed = vault.seal("r-000001", "name", "陈秀英")?;
//! assert_eq!(vault.open_field(&sealed, "name")?, Opened::Plain("陈秀英".into()));
//! vault.erase("r-000001")?;
//! assert_eq!(vault.open_field(&sealed, "name")?, Opened::Erased);
//! # Ok(())
//! # }
//! ```

mod backup;
mod cipher;
mod entropy;
mod error;
mod files;
pub mod limits;
mod master;
mod names;
mod opening;
mod record;
mod sealed;
mod store;
mod vault;

pub use backup::{BackupContent, RestoreSummary};
pub use entropy::{Entropy, EntropyError, OsEntropy, SeededEntropy};
pub use error::{BackupError, EraseError, OpenError, OpenFieldError, RestoreError, SealError, WriteError};
pub use master::{BadMasterKey, MasterKey};
pub use names::NameIndex;
pub use opening::{FORMAT_VERSION, VaultOptions};
pub use sealed::{Algorithm, Opened, SealedField, UnknownAlgorithm};
pub use vault::{Erasure, PlainField, Vault};
