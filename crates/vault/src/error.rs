//! The errors of the vault, one enum per operation. Owns their words; never holds plain text or key bytes.

use std::io;
use std::path::PathBuf;

use crate::entropy::EntropyError;

/// Why a vault could not be opened. Nothing was changed, except that an interrupted first opening may have left files
/// that the next one completes.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another `Vault` of this process, holds the folder. Stop it, or choose another folder.
    #[error("vault {} is in use by another process", dir.display())]
    InUse {
        /// The vault's folder.
        dir: PathBuf,
    },
    /// Written by a later version. Run that version; this one does not touch it.
    #[error("vault {} has format {found}, this version reads up to {supported}", dir.display())]
    NewerFormat {
        /// The vault's folder.
        dir: PathBuf,
        /// The format that the folder names.
        found: u32,
        /// The newest format this version reads.
        supported: u32,
    },
    /// The content is not what was written. Stop and restore a backup; do not go on with what is left.
    #[error("vault {} is damaged: {what}", dir.display())]
    Damaged {
        /// The vault's folder.
        dir: PathBuf,
        /// What is wrong, and with which file or record.
        what: String,
        /// The store's own error, where there is one.
        source: Option<rocksdb::Error>,
    },
    /// The vault exists, its `master.key` is gone and none was given. Put the file back, or give the key.
    #[error("vault {} has no master key: {} is missing and none was given", dir.display(), file.display())]
    MasterKeyMissing {
        /// The vault's folder.
        dir: PathBuf,
        /// Where the key was looked for.
        file: PathBuf,
    },
    /// The master key is well formed, but another vault's.
    #[error("the master key given does not belong to vault {}", dir.display())]
    WrongMasterKey {
        /// The vault's folder.
        dir: PathBuf,
    },
    /// `master.key` does not hold 64 hexadecimal digits.
    #[error("{} is not a master key (64 hexadecimal digits expected)", file.display())]
    BadMasterKeyFile {
        /// The file.
        file: PathBuf,
    },
    /// No random bytes for the keys of a new vault.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The file system refused.
    #[error("vault file {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the file system answered.
        source: io::Error,
    },
    /// The first records of a new vault could not be written.
    #[error(transparent)]
    FirstWrite {
        /// What the store answered.
        source: WriteError,
    },
    /// The store could not be opened for a reason other than damage (disk full, permissions).
    #[error("vault store {}: {source}", dir.display())]
    Store {
        /// The vault's folder.
        dir: PathBuf,
        /// What the store answered.
        source: rocksdb::Error,
    },
}

/// Why nothing was sealed. No sealed field was made by the call; new keys may already be stored, unused.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The key was erased; for this subject nothing can be sealed ever again.
    #[error("the personal data of {subject} was erased for good")]
    Erased {
        /// The subject.
        subject: String,
    },
    /// The subject's id is empty or too long.
    #[error("subject id of {bytes} bytes, 1 to {bytes_max} allowed")]
    BadSubject {
        /// Its length in bytes.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The field's name is empty or too long.
    #[error("field name of {bytes} bytes, 1 to {bytes_max} allowed")]
    BadField {
        /// Its length in bytes.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The text is too long.
    #[error("field {field} of {subject} has {bytes} bytes, {bytes_max} allowed")]
    TooLong {
        /// The subject.
        subject: String,
        /// The field's name.
        field: String,
        /// The text's length in bytes.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The new keys could not be made durable; the vault takes no more writes until it is opened again.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// A write to the vault's store failed. Reading goes on; every later write is refused until the vault is opened again,
/// because what reached the disk is not known.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// This write failed.
    #[error("the vault could not be written: {source}")]
    Failed {
        /// What the store answered.
        source: rocksdb::Error,
    },
    /// An earlier write failed.
    #[error("the vault takes no more writes since an earlier one failed")]
    Stopped,
}

/// Why a sealed field could not be opened. An erased key is none of these, see [`crate::Opened::Erased`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenFieldError {
    /// This vault never held the key: the field comes from another vault, or the vault was restored from too old a backup.
    #[error("no key for {key_id} in this vault")]
    UnknownKey {
        /// The key id that the field names.
        key_id: String,
    },
    /// The seal does not fit: altered bytes, another field's name, or another key id.
    #[error("the sealed field {field} of {key_id} was altered or is not that field")]
    Tampered {
        /// The key id that the field names.
        key_id: String,
        /// The field name that it was opened as.
        field: String,
    },
}

/// Why an erasure is not complete.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// The subject's id is empty or too long.
    #[error("subject id of {bytes} bytes, 1 to {bytes_max} allowed")]
    BadSubject {
        /// Its length in bytes.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The tombstone could not be written: nothing is erased.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The key is unusable from now on and its tombstone durable, but the old bytes may still lie in a file. Call again,
    /// or open the vault again, to finish.
    #[error("erased, but the old key bytes may still be in {}", file.display())]
    BytesRemain {
        /// A file that should be gone, or the folder where it is not known which.
        file: PathBuf,
    },
}

/// Why no backup was made.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The target already holds a backup; a backup never overwrites another.
    #[error("{} already holds a backup", dir.display())]
    Occupied {
        /// The target folder.
        dir: PathBuf,
    },
    /// The file system refused.
    #[error("backup file {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the file system answered.
        source: io::Error,
    },
    /// The vault's store could not be read.
    #[error("the vault could not be read: {source}")]
    Store {
        /// What the store answered.
        source: rocksdb::Error,
    },
    /// A record of the vault is not what was written.
    #[error("the vault is damaged: {what}")]
    Damaged {
        /// Which record.
        what: String,
    },
}

/// Why nothing, or with `Write` only a part, was restored. A restore can be run again.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The file system refused.
    #[error("backup file {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the file system answered.
        source: io::Error,
    },
    /// Written by a later version.
    #[error("backup {} has format {found}, this version reads up to {supported}", dir.display())]
    NewerFormat {
        /// The backup's folder.
        dir: PathBuf,
        /// The format it names.
        found: u32,
        /// The newest format this version reads.
        supported: u32,
    },
    /// The backup is not what was written.
    #[error("backup {} is damaged: {what}", dir.display())]
    Damaged {
        /// The backup's folder.
        dir: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The backup's keys are wrapped by a master key that is neither this vault's nor beside the backup.
    #[error("backup {} needs its own master key: put it there as master.key", dir.display())]
    MasterKeyMissing {
        /// The backup's folder.
        dir: PathBuf,
    },
    /// This vault already holds keys of its own and is not the one the backup was made of.
    #[error("backup {} is of another vault, and this one already holds keys", dir.display())]
    OtherVault {
        /// The backup's folder.
        dir: PathBuf,
    },
    /// The same key id has another key here than in the backup.
    #[error("the key of {key_id} differs between vault and backup")]
    KeyConflict {
        /// The key id.
        key_id: String,
    },
    /// No random bytes to wrap the keys again.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The vault could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The keys of erased people are unusable, but old bytes may still lie in a file.
    #[error(transparent)]
    Erase(#[from] EraseError),
}
