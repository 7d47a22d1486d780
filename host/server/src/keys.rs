//! Device keys and other secrets at rest: sealed with AES-256-GCM under a key-encryption key that the database never sees.
//!
//! A sealed key opens only for the tenant and device that it was sealed for, a sealed secret only for its purpose and owner (they are the
//! associated data). Nothing here logs, prints or returns key bytes except to who unseals them; buffers are wiped when they are dropped.

mod command;
mod ring;
pub mod rotate;
mod source;

pub use ring::{KeyRing, Purpose, Sealed};
pub use source::KeySource;

use crate::clock::Random;
use davy_domain::DeviceId;
use std::fmt::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Bytes of an OSCORE master secret.
pub const SECRET_BYTES: usize = 16;
/// Bytes of an OSCORE master salt.
pub const SALT_BYTES: usize = 8;

/// Why keys cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("cannot use the key file {}: {source}. Create one with `davy keygen`, or set `keys.file` to the right path", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Others may read the file.
    #[error("the key file {} has mode {mode:04o}, expected 0600: run `chmod 600 {}`", path.display(), path.display())]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Somebody else owns the file.
    #[error("the key file {} belongs to user {owner}, expected {expected}: run the server as its owner, or `chown` it", path.display())]
    Owner {
        /// The file.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Who runs this.
        expected: u32,
    },
    /// The command of `keys.command` gave no keys. What it printed is never shown.
    #[error(
        "`keys.command` gave no key: `{program}` {fault}; run it by hand to see why (what it prints is never shown here)"
    )]
    Command {
        /// The program, without its arguments.
        program: String,
        /// What became of it.
        fault: CommandFault,
    },
    /// What came is no key.
    #[error("line {line} of {place} is no key: expected 64 hexadecimal digits, got {got} characters")]
    Content {
        /// Where it came from.
        place: String,
        /// The line, from 1; 1 when there is none.
        line: usize,
        /// How many characters came; never the characters.
        got: usize,
    },
    /// The same key is there twice.
    #[error("{place} has key {id} twice: remove one of the lines")]
    Twice {
        /// Where they came from.
        place: String,
        /// The key's id.
        id: String,
    },
    /// Keys that come from elsewhere are changed there.
    #[error(
        "the keys come from {place}, which only its owner can change: put the new key before the old one there, or remove the old one there"
    )]
    NotAFile {
        /// Where they come from.
        place: String,
    },
    /// A key that is still needed.
    #[error("key {id} is still needed by {rows} row(s): run `davy keys reseal` first")]
    Needed {
        /// The key's id.
        id: String,
        /// How many.
        rows: u64,
    },
    /// A key that is not there, or seals.
    #[error("key {id} cannot be dropped: {why}. `davy keys status` lists the keys")]
    NotDroppable {
        /// The key's id.
        id: String,
        /// Why.
        why: &'static str,
    },
    /// No randomness.
    #[error("the operating system gave no random bytes: {0}")]
    Random(#[source] std::io::Error),
    /// The key that sealed it is not in the ring.
    #[error("sealed under key {wanted}, and there is {have}: add the old key as a further line behind the new one")]
    UnknownKey {
        /// The key's id.
        wanted: String,
        /// The ids of the keys that are there.
        have: String,
    },
    /// The sealed bytes were altered, or belong to another device.
    #[error("the sealed key of {device} does not open: it was altered, or was sealed for another device")]
    Altered {
        /// The device.
        device: DeviceId,
    },
    /// The sealed bytes were altered, or belong to somebody else.
    #[error("the sealed {what} does not open: it was altered, or was sealed for another owner")]
    AlteredSecret {
        /// What it is.
        what: &'static str,
    },
}

/// What became of the command that gives the keys.
#[derive(Debug, thiserror::Error)]
pub enum CommandFault {
    /// It cannot be started.
    #[error("cannot be started ({0})")]
    Start(std::io::ErrorKind),
    /// It took too long.
    #[error("took longer than {} ms and was ended", .0.as_millis())]
    TooSlow(Duration),
    /// It failed.
    #[error("ended with {0}")]
    Status(std::process::ExitStatus),
    /// It printed too much, or no text.
    #[error("printed more than {most} bytes, or no UTF-8")]
    Output {
        /// The most that is read.
        most: u64,
    },
}

/// A device's OSCORE master secret and salt. Wiped when dropped; `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct DeviceSecret {
    /// Master Secret (RFC 8613 §3.2).
    pub master_secret: [u8; SECRET_BYTES],
    /// Master Salt.
    pub master_salt: [u8; SALT_BYTES],
}

impl DeviceSecret {
    /// A new one that nobody can guess.
    ///
    /// # Errors
    /// [`KeyError::Random`].
    pub fn generate(random: &dyn Random) -> Result<Self, KeyError> {
        let mut secret = Self { master_secret: [0; SECRET_BYTES], master_salt: [0; SALT_BYTES] };
        random.fill(&mut secret.master_secret).map_err(KeyError::Random)?;
        random.fill(&mut secret.master_salt).map_err(KeyError::Random)?;
        Ok(secret)
    }
}

impl fmt::Debug for DeviceSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceSecret(…)")
    }
}

/// Lower-case hexadecimal digits.
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Bytes of hexadecimal digits in either case; none when the text is anything else.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_show_in_debug_output() {
        let secret = DeviceSecret { master_secret: [0x5a; SECRET_BYTES], master_salt: [0x5a; SALT_BYTES] };
        assert_eq!(format!("{secret:?}"), "DeviceSecret(…)");
    }
}
