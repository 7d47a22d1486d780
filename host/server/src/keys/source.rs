//! Where the key-encryption keys come from: a file, the environment, or a command's output, so that a KMS can serve.
//!
//! Must never keep the text longer than it takes to read it, and never show any of it.

use super::{KeyError, command};
use crate::config::Settings;
use std::fmt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

/// Where the keys come from.
#[derive(Clone)]
pub enum KeySource {
    /// A file of mode 0600: a key a line, the newest first.
    File(PathBuf),
    /// The text of the setting `keys.text`, which only the environment gives: keys with commas between them.
    Environment(Zeroizing<String>),
    /// What a command prints.
    Command {
        /// The program and its arguments.
        words: Vec<String>,
        /// How long it may take.
        within: Duration,
        /// Environment variables that are none of its business.
        without: Vec<String>,
    },
}

impl KeySource {
    /// What the settings say: the command, or else the environment, or else the file.
    pub fn of(settings: &Settings) -> Self {
        if let Some(command) = &settings.keys_command.0 {
            return Self::Command {
                words: command.split_whitespace().map(str::to_owned).collect(),
                within: settings.keys_command_timeout.duration(),
                without: Settings::variables(),
            };
        }
        match settings.keys_text.text() {
            Some(text) => Self::Environment(Zeroizing::new(text.to_owned())),
            None => Self::File(settings.keys_file.clone()),
        }
    }

    /// The file, when it is one.
    ///
    /// # Errors
    /// [`KeyError::NotAFile`].
    pub fn file(&self) -> Result<&Path, KeyError> {
        match self {
            Self::File(path) => Ok(path),
            Self::Environment(_) | Self::Command { .. } => Err(KeyError::NotAFile { place: self.to_string() }),
        }
    }

    /// The text of the keys, a key a line.
    pub(super) fn read(&self) -> Result<Zeroizing<String>, KeyError> {
        match self {
            Self::File(path) => read_file(path),
            Self::Environment(text) => Ok(Zeroizing::new(text.replace(',', "\n"))),
            Self::Command { words, within, without } => command::output(words, *within, without),
        }
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the key file {}", path.display()),
            Self::Environment(_) => f.write_str("the environment variable DAVY_KEYS_TEXT"),
            Self::Command { .. } => f.write_str("the output of `keys.command`"),
        }
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn read_file(path: &Path) -> Result<Zeroizing<String>, KeyError> {
    let file = |source| KeyError::File { path: path.to_owned(), source };
    let metadata = std::fs::metadata(path).map_err(file)?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode != 0o600 {
        return Err(KeyError::Mode { path: path.to_owned(), mode });
    }
    // The process's own files belong to its effective user; root reads whatever it is given.
    let user = std::fs::metadata("/proc/self").map_err(file)?.uid();
    if metadata.uid() != user && user != 0 {
        return Err(KeyError::Owner { path: path.to_owned(), owner: metadata.uid(), expected: user });
    }
    std::fs::read_to_string(path).map(Zeroizing::new).map_err(file)
}
