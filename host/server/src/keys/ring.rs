//! The key-encryption keys: the first seals, all of them open.
//!
//! A ring may be read anew while it is used: every clone of it has the new keys at once.

use super::{DeviceSecret, KeyError, KeySource, SALT_BYTES, SECRET_BYTES, from_hex, to_hex};
use crate::clock::Random;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use arc_swap::ArcSwap;
use davy_domain::{DeviceId, TenantId};
use davy_store::{DeviceCredentials, SealedSecret};
use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use std::fmt;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use zeroize::Zeroizing;

pub(super) const KEK_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;

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

/// What a secret that is no device's key is for: each purpose has a key of its own, derived from the key-encryption key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purpose(&'static str);

impl Purpose {
    /// What provisioning hands out once.
    pub const CREDENTIALS: Self = Self("device-credentials");
    /// The seed of a person's one-time codes; the owner is the person.
    pub const TOTP: Self = Self("totp");
    /// What a letter to a person says until it is sent; the owner is the letter.
    pub const LETTER: Self = Self("letter");
    /// What signs the ledger's checkpoints; the owner is the first eight bytes of the public part.
    pub const LEDGER: Self = Self("ledger-signing");
    /// What the codes on devices' labels are made from; one for the platform, whose owner is 0.
    pub const LABELS: Self = Self("device-labels");
    /// Every purpose, as rotation goes through them.
    pub const ALL: [Self; 5] = [Self::CREDENTIALS, Self::TOTP, Self::LETTER, Self::LEDGER, Self::LABELS];

    /// Its name in the database.
    pub const fn name(self) -> &'static str {
        self.0
    }

    /// The purpose of that name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.0 == name)
    }
}

struct Kek {
    id: String,
    cipher: Aes256Gcm,
    bytes: Zeroizing<[u8; KEK_BYTES]>,
}

impl Kek {
    fn new(bytes: Zeroizing<[u8; KEK_BYTES]>) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"davy key-encryption key id\0");
        hash.update(*bytes);
        Self { id: to_hex(&hash.finalize()[..8]), cipher: Aes256Gcm::new(&(*bytes).into()), bytes }
    }

    fn derive(&self, info: &[&[u8]]) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        // 32 bytes are below HKDF's limit of 255 hashes: this cannot fail.
        let _ = Hkdf::<Sha256>::new(None, &*self.bytes).expand_multi_info(info, &mut *key);
        key
    }

    fn for_purpose(&self, purpose: Purpose) -> Aes256Gcm {
        Aes256Gcm::new(&(*self.derive(&[b"davy sealed secret\0", purpose.0.as_bytes()])).into())
    }
}

/// The key-encryption keys. A key is rotated by putting a new one before the old ones.
#[derive(Clone)]
pub struct KeyRing {
    keys: Arc<ArcSwap<Vec<Kek>>>,
    source: KeySource,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({})", self.ids().join(", "))
    }
}

impl KeyRing {
    /// Reads a key file: one key of 64 hexadecimal digits a line, the newest first, mode 0600.
    ///
    /// # Errors
    /// [`KeyError`] says what to mend.
    pub fn open(path: &Path) -> Result<Self, KeyError> {
        Self::read(KeySource::File(path.to_owned()))
    }

    /// Reads the keys from wherever they come. A command may take as long as its setting says: not for an async thread.
    ///
    /// # Errors
    /// [`KeyError`] says what to mend.
    pub fn read(source: KeySource) -> Result<Self, KeyError> {
        let keys = parse(&source)?;
        Ok(Self { keys: Arc::new(ArcSwap::from_pointee(keys)), source })
    }

    /// Reads them anew, for this ring and all its clones; a ring that cannot be read stays as it was.
    ///
    /// # Errors
    /// [`KeyError`] says what to mend.
    pub fn refresh(&self) -> Result<(), KeyError> {
        self.keys.store(Arc::new(parse(&self.source)?));
        Ok(())
    }

    /// Creates a key file with a new key and mode 0600. Never overwrites one.
    ///
    /// # Errors
    /// [`KeyError::File`] also when there is a file already.
    pub fn create(path: &Path, random: &dyn Random) -> Result<(), KeyError> {
        let failed = |source| KeyError::File { path: path.to_owned(), source };
        let line = new_line(random)?;
        let mut file =
            std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
        file.write_all(line.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
    }

    /// Where the keys come from.
    pub fn source(&self) -> &KeySource {
        &self.source
    }

    /// The ids of the keys; the first one seals.
    pub fn ids(&self) -> Vec<String> {
        self.keys.load().iter().map(|key| key.id.clone()).collect()
    }

    /// The id of the key that seals.
    pub fn newest(&self) -> String {
        self.keys.load()[0].id.clone()
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
        let mut plain = Zeroizing::new([0_u8; SECRET_BYTES + SALT_BYTES]);
        plain[..SECRET_BYTES].copy_from_slice(&secret.master_secret);
        plain[SECRET_BYTES..].copy_from_slice(&secret.master_salt);
        let aad = associated(tenant, device);
        let keys = self.keys.load();
        seal_with(&keys[0], &keys[0].cipher, &aad, &*plain, random)?.ok_or(KeyError::Altered { device })
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
        let keys = self.keys.load();
        let key = find(&keys, &sealed.key_kek_id)?;
        let altered = || KeyError::Altered { device };
        let aad = associated(tenant, device);
        let plain = open_with(&key.cipher, &aad, &sealed.key_nonce, &sealed.key_ciphertext).ok_or_else(altered)?;
        let (secret, salt) = plain.split_at_checked(SECRET_BYTES).ok_or_else(altered)?;
        Ok(DeviceSecret {
            master_secret: secret.try_into().map_err(|_| altered())?,
            master_salt: salt.try_into().map_err(|_| altered())?,
        })
    }

    /// Seals any other secret for its purpose and owner; `tenant` is none for what is the platform's own.
    ///
    /// # Errors
    /// [`KeyError::Random`] when there is no nonce to be had.
    pub fn seal_for(
        &self,
        purpose: Purpose,
        (tenant, owner): (Option<TenantId>, i64),
        bytes: &[u8],
        random: &dyn Random,
    ) -> Result<SealedSecret, KeyError> {
        let keys = self.keys.load();
        let sealed = seal_with(&keys[0], &keys[0].for_purpose(purpose), &owned(tenant, owner), bytes, random)?
            .ok_or(KeyError::AlteredSecret { what: purpose.0 })?;
        let Sealed { ciphertext, nonce, kek_id } = sealed;
        Ok(SealedSecret { purpose: purpose.0.to_owned(), tenant, owner, ciphertext, nonce, kek_id })
    }

    /// Opens what was sealed for that purpose and its owner.
    ///
    /// # Errors
    /// [`KeyError::UnknownKey`] or [`KeyError::AlteredSecret`], the latter also when it was sealed for another purpose.
    pub fn unseal_for(&self, purpose: Purpose, sealed: &SealedSecret) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let keys = self.keys.load();
        let cipher = find(&keys, &sealed.kek_id)?.for_purpose(purpose);
        open_with(&cipher, &owned(sealed.tenant, sealed.owner), &sealed.nonce, &sealed.ciphertext)
            .ok_or(KeyError::AlteredSecret { what: purpose.0 })
    }

    /// The key that proves that compiled rules on disk were made by this installation. Another one after a rotation: what was
    /// compiled before is compiled anew.
    pub fn compiled_rules(&self) -> Zeroizing<[u8; 32]> {
        self.keys.load()[0].derive(&[b"davy compiled rules"])
    }
}

/// A new key as a line of a key file.
pub(super) fn new_line(random: &dyn Random) -> Result<Zeroizing<String>, KeyError> {
    let mut key = Zeroizing::new([0_u8; KEK_BYTES]);
    random.fill(&mut *key).map_err(KeyError::Random)?;
    let mut line = Zeroizing::new(String::with_capacity(2 * KEK_BYTES + 1));
    line.push_str(&Zeroizing::new(to_hex(&*key)));
    line.push('\n');
    Ok(line)
}

/// The id of a key as it stands in a line; none when it is no key.
pub(super) fn id_of_line(line: &str) -> Option<String> {
    let bytes = Zeroizing::new(from_hex(line.trim())?);
    Some(Kek::new(Zeroizing::new(bytes.as_slice().try_into().ok()?)).id)
}

fn parse(source: &KeySource) -> Result<Vec<Kek>, KeyError> {
    let text = source.read()?;
    let mut keys: Vec<Kek> = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let refuse =
            || KeyError::Content { place: source.to_string(), line: index + 1, got: line.trim().chars().count() };
        let bytes = Zeroizing::new(from_hex(line.trim()).ok_or_else(refuse)?);
        let key = Kek::new(Zeroizing::new(bytes.as_slice().try_into().map_err(|_| refuse())?));
        if keys.iter().any(|other| other.id == key.id) {
            return Err(KeyError::Twice { place: source.to_string(), id: key.id });
        }
        keys.push(key);
    }
    if keys.is_empty() {
        return Err(KeyError::Content { place: source.to_string(), line: 1, got: 0 });
    }
    Ok(keys)
}

fn find<'a>(keys: &'a [Kek], id: &str) -> Result<&'a Kek, KeyError> {
    let have = || keys.iter().map(|key| key.id.as_str()).collect::<Vec<_>>().join(", ");
    keys.iter().find(|key| key.id == id).ok_or_else(|| KeyError::UnknownKey { wanted: id.to_owned(), have: have() })
}

fn seal_with(
    key: &Kek,
    cipher: &Aes256Gcm,
    aad: &[u8],
    plain: &[u8],
    random: &dyn Random,
) -> Result<Option<Sealed>, KeyError> {
    let mut nonce = [0_u8; NONCE_BYTES];
    random.fill(&mut nonce).map_err(KeyError::Random)?;
    let ciphertext = cipher.encrypt(&Nonce::from(nonce), Payload { msg: plain, aad }).ok();
    Ok(ciphertext.map(|ciphertext| Sealed { ciphertext, nonce: nonce.to_vec(), kek_id: key.id.clone() }))
}

fn open_with(cipher: &Aes256Gcm, aad: &[u8], nonce: &[u8], ciphertext: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let nonce: [u8; NONCE_BYTES] = nonce.try_into().ok()?;
    cipher.decrypt(&Nonce::from(nonce), Payload { msg: ciphertext, aad }).ok().map(Zeroizing::new)
}

fn associated(tenant: TenantId, device: DeviceId) -> [u8; 16] {
    owned(Some(tenant), device.raw())
}

fn owned(tenant: Option<TenantId>, owner: i64) -> [u8; 16] {
    let mut aad = [0; 16];
    aad[..8].copy_from_slice(&tenant.map_or(0, TenantId::raw).to_be_bytes());
    aad[8..].copy_from_slice(&owner.to_be_bytes());
    aad
}

#[cfg(test)]
mod tests;
