//! The caps of imports, each with its reason. Lengths that the domain checks come from the domain.

/// Largest file, in bytes: a roster of a million people is about 100 MB.
pub(crate) const FILE_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Faults listed for one file. Somebody has to read them; a wrong column makes one a row.
pub(crate) const FAULTS_MAX: usize = 1_000;

/// Bytes of a fault's value that are shown.
pub(crate) const SHOWN_VALUE_CHARS_MAX: usize = 60;

/// Hash bytes in a command's id: 16 make 32 digits, and with the prefix the id stays below 64 bytes.
pub(crate) const COMMAND_ID_HASH_BYTES: usize = 16;

/// A person's name, in bytes: 40 Chinese characters, more than the longest transcribed name.
pub(crate) const PERSON_NAME_BYTES_MAX: usize = 120;

/// Digits of a telephone number: short numbers of a town's network to E.164's longest.
pub(crate) const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 5..=15;
