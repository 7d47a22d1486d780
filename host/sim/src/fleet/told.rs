//! The log of what the platform has acknowledged: to be compared with what it holds after a crash.
//!
//! Must never hold a line for an uplink that was not acknowledged with an authentic 2.04.

use crate::credential::Credential;
use sha2::{Digest, Sha256};
use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

/// One line an acknowledged uplink: `context kid serial sent_ms sha256 bytes`, hexadecimal and space-separated. The hash is of the payload
/// before protection, which is what a platform journals.
pub struct ToldLog(BufWriter<File>);

impl ToldLog {
    /// Creates the file, or empties it.
    ///
    /// # Errors
    /// What the file system says.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self(BufWriter::new(File::create(path)?)))
    }

    /// Notes an acknowledged uplink.
    ///
    /// # Errors
    /// What the file system says.
    pub fn told(&mut self, device: &Credential, sent_ms: i64, payload: &[u8]) -> io::Result<()> {
        let (context, kid) = (Hex(&device.id_context), Hex(&device.kid));
        let digest = Sha256::digest(payload);
        writeln!(self.0, "{context} {kid} {} {sent_ms} {} {}", device.serial, Hex(&digest), payload.len())
    }

    /// Hands everything to the operating system.
    ///
    /// # Errors
    /// What the file system says.
    pub fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

struct Hex<'a>(&'a [u8]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
