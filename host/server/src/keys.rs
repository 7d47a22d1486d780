//! Device keys at rest: sealed with AES-256-GCM under a key-encryption key that lives in a file of its own.
//!
//! A sealed key opens only for the tenant and device that it was sealed for (they are the associated data). Nothing here
//! logs, prints or returns key bytes except to who unseals them; buffers are wiped when they are dropped.

use crate::clock::Random;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use davy_domain::{DeviceId, TenantId};
use davy_store::DeviceCredentials;
use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Bytes of an OSCORE master secret.
pub const SECRET_BYTES: usize = 16;
/// Bytes of an OSCORE master salt.
pub const SALT_BYTES: usize = 8;
const KEK_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;

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
    /// The file's content is not a key.
    #[error("line {line} of the key file {} is no key: expected 64 hexadecimal digits, got {got} characters", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The line, from 1; 1 when the file is empty.
        line: usize,
        /// How many characters came; never the characters.
        got: usize,
    },
    /// No randomness.
    #[error("the operating system gave no random bytes: {0}")]
    Random(#[source] std::io::Error),
    /// The key that sealed it is not in the file.
    #[error(
        "sealed under key {wanted}, and the key file has {have}: add the old key as a further line of the key file"
    )]
    UnknownKey {
        /// The key's id.
        wanted: String,
        /// The ids of the file's keys.
        have: String,
    },
    /// The sealed bytes were altered, or belong to another device.
    #[error("the sealed key of {device} does not open: it was altered, or was sealed for another device")]
    Altered {
        /// The device.
        device: DeviceId,
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

/// What sealing gives, as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Ciphertext with its tag.
    pub ciphertext: Vec<u8>,
    /// The nonce, never used twice under one key.
    pub nonce: Vec<u8>,
    /// The key that sealed it.
    pub kek_id: String,
}

struct Kek {
    id: String,
    cipher: Aes256Gcm,
    compiled_rules: Zeroizing<[u8; 32]>,
}

/// The key-encryption keys: the first seals, all of them open. A key is rotated by putting a new line before the old ones.
pub struct KeyRing {
    keys: Vec<Kek>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({})", self.ids())
    }
}

impl KeyRing {
    /// Reads a key file: one key of 64 hexadecimal digits a line, the newest first, mode 0600.
    ///
    /// # Errors
    /// [`KeyError`] says what to mend.
    pub fn open(path: &Path) -> Result<Self, KeyError> {
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
        let text = Zeroizing::new(std::fs::read_to_string(path).map_err(file)?);
        let mut keys = Vec::new();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let refuse =
                || KeyError::Content { path: path.to_owned(), line: index + 1, got: line.trim().chars().count() };
            let bytes =
                Zeroizing::new(from_hex(line.trim()).filter(|bytes| bytes.len() == KEK_BYTES).ok_or_else(refuse)?);
            let cipher = Aes256Gcm::new_from_slice(&bytes).map_err(|_| refuse())?;
            let mut hash = Sha256::new();
            hash.update(b"davy key-encryption key id\0");
            hash.update(&*bytes);
            let mut compiled_rules = Zeroizing::new([0; 32]);
            // 32 bytes are below HKDF's limit of 255 hashes.
            Hkdf::<Sha256>::new(None, &bytes)
                .expand(b"davy compiled rules", &mut *compiled_rules)
                .map_err(|_| refuse())?;
            keys.push(Kek { id: to_hex(&hash.finalize()[..8]), cipher, compiled_rules });
        }
        if keys.is_empty() {
            return Err(KeyError::Content { path: path.to_owned(), line: 1, got: 0 });
        }
        Ok(Self { keys })
    }

    /// Creates a key file with a new key and mode 0600. Never overwrites one.
    ///
    /// # Errors
    /// [`KeyError::File`] also when there is a file already.
    pub fn create(path: &Path, random: &dyn Random) -> Result<(), KeyError> {
        let failed = |source| KeyError::File { path: path.to_owned(), source };
        let mut key = Zeroizing::new([0_u8; KEK_BYTES]);
        random.fill(&mut *key).map_err(KeyError::Random)?;
        let mut file =
            std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
        let mut line = Zeroizing::new(to_hex(&*key));
        line.push('\n');
        file.write_all(line.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
    }

    /// Seals a device's secret for this tenant and device.
    ///
    /// # Errors
    /// [`KeyError::Random`] when there is no nonce to be had.
    pub fn seal(
        &self,
        tenant: TenantId,
        device: DeviceId,
        secret: &DeviceSecret,
        random: &dyn Random,
    ) -> Result<Sealed, KeyError> {
        let mut nonce = [0_u8; NONCE_BYTES];
        random.fill(&mut nonce).map_err(KeyError::Random)?;
        let mut plain = Zeroizing::new([0_u8; SECRET_BYTES + SALT_BYTES]);
        plain[..SECRET_BYTES].copy_from_slice(&secret.master_secret);
        plain[SECRET_BYTES..].copy_from_slice(&secret.master_salt);
        let aad = associated(tenant, device);
        let ciphertext = self.keys[0]
            .cipher
            .encrypt(&Nonce::from(nonce), Payload { msg: &*plain, aad: &aad })
            .map_err(|_| KeyError::Altered { device })?;
        Ok(Sealed { ciphertext, nonce: nonce.to_vec(), kek_id: self.keys[0].id.clone() })
    }

    /// Opens what was sealed for this tenant and device.
    ///
    /// # Errors
    /// [`KeyError::UnknownKey`] or [`KeyError::Altered`].
    pub fn unseal(
        &self,
        tenant: TenantId,
        device: DeviceId,
        sealed: &DeviceCredentials,
    ) -> Result<DeviceSecret, KeyError> {
        let key = self
            .keys
            .iter()
            .find(|key| key.id == sealed.key_kek_id)
            .ok_or_else(|| KeyError::UnknownKey { wanted: sealed.key_kek_id.clone(), have: self.ids() })?;
        let altered = || KeyError::Altered { device };
        let nonce: [u8; NONCE_BYTES] = sealed.key_nonce.as_slice().try_into().map_err(|_| altered())?;
        let aad = associated(tenant, device);
        let payload = Payload { msg: &sealed.key_ciphertext, aad: &aad };
        let plain = Zeroizing::new(key.cipher.decrypt(&Nonce::from(nonce), payload).map_err(|_| altered())?);
        let (secret, salt) = plain.split_at_checked(SECRET_BYTES).ok_or_else(altered)?;
        Ok(DeviceSecret {
            master_secret: secret.try_into().map_err(|_| altered())?,
            master_salt: salt.try_into().map_err(|_| altered())?,
        })
    }

    /// The key that proves that compiled rules on disk were made by this installation. Another one after a rotation: what was
    /// compiled before is compiled anew.
    pub fn compiled_rules(&self) -> &[u8; 32] {
        &self.keys[0].compiled_rules
    }

    fn ids(&self) -> String {
        self.keys.iter().map(|key| key.id.as_str()).collect::<Vec<_>>().join(", ")
    }
}

fn associated(tenant: TenantId, device: DeviceId) -> [u8; 16] {
    let mut aad = [0; 16];
    aad[..8].copy_from_slice(&tenant.raw().to_be_bytes());
    aad[8..].copy_from_slice(&device.raw().to_be_bytes());
    aad
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
    use crate::clock::SystemRandom;

    const TENANT: TenantId = TenantId::from_raw(3);
    const DEVICE: DeviceId = DeviceId::from_raw(9);

    fn ring() -> (tempfile::TempDir, PathBuf, KeyRing) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("davy.key");
        KeyRing::create(&path, &SystemRandom).unwrap();
        let ring = KeyRing::open(&path).unwrap();
        (folder, path, ring)
    }

    fn stored(sealed: Sealed) -> DeviceCredentials {
        DeviceCredentials {
            kid: vec![1],
            algorithm: 1,
            key_ciphertext: sealed.ciphertext,
            key_nonce: sealed.nonce,
            key_kek_id: sealed.kek_id,
        }
    }

    #[test]
    fn a_sealed_key_opens_for_its_own_tenant_and_device_only() {
        let (_folder, _, ring) = ring();
        let secret = DeviceSecret::generate(&SystemRandom).unwrap();
        let sealed = stored(ring.seal(TENANT, DEVICE, &secret, &SystemRandom).unwrap());
        assert!(ring.unseal(TENANT, DEVICE, &sealed).unwrap() == secret);
        let other = ring.unseal(TenantId::from_raw(4), DEVICE, &sealed);
        assert!(matches!(other, Err(KeyError::Altered { .. })), "{other:?}");
        let other = ring.unseal(TENANT, DeviceId::from_raw(10), &sealed);
        assert!(matches!(other, Err(KeyError::Altered { .. })), "{other:?}");
    }

    #[test]
    fn one_altered_bit_is_found() {
        let (_folder, _, ring) = ring();
        let secret = DeviceSecret::generate(&SystemRandom).unwrap();
        let mut sealed = stored(ring.seal(TENANT, DEVICE, &secret, &SystemRandom).unwrap());
        sealed.key_ciphertext[5] ^= 1;
        assert!(matches!(ring.unseal(TENANT, DEVICE, &sealed), Err(KeyError::Altered { .. })));
    }

    #[test]
    fn after_a_rotation_old_keys_still_open_and_the_new_one_seals() {
        let (_folder, path, ring) = ring();
        let secret = DeviceSecret::generate(&SystemRandom).unwrap();
        let before = stored(ring.seal(TENANT, DEVICE, &secret, &SystemRandom).unwrap());
        let old = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{}\n{old}", "ab".repeat(32))).unwrap();
        let rotated = KeyRing::open(&path).unwrap();
        assert!(rotated.unseal(TENANT, DEVICE, &before).unwrap() == secret);
        let after = stored(rotated.seal(TENANT, DEVICE, &secret, &SystemRandom).unwrap());
        assert_ne!(after.key_kek_id, before.key_kek_id);
        assert!(matches!(ring.unseal(TENANT, DEVICE, &after), Err(KeyError::UnknownKey { .. })));
    }

    #[test]
    fn a_key_file_that_others_may_read_is_refused_with_the_command_that_mends_it() {
        let (_folder, path, _) = ring();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let text = KeyRing::open(&path).unwrap_err().to_string();
        assert!(text.contains("mode 0640, expected 0600: run `chmod 600"), "{text}");
    }

    #[test]
    fn a_key_file_is_never_overwritten_and_its_content_is_never_shown() {
        let (_folder, path, _) = ring();
        assert!(KeyRing::create(&path, &SystemRandom).is_err());
        std::fs::write(&path, "not-a-key-but-secret\n").unwrap();
        let text = KeyRing::open(&path).unwrap_err().to_string();
        assert!(text.contains("line 1") && text.contains("got 20 characters") && !text.contains("secret"), "{text}");
    }

    #[test]
    fn a_secret_does_not_show_in_debug_output() {
        let secret = DeviceSecret { master_secret: [0x5a; SECRET_BYTES], master_salt: [0x5a; SALT_BYTES] };
        assert_eq!(format!("{secret:?}"), "DeviceSecret(…)");
    }
}
