//! Rotation of the key-encryption key without stopping anything: a new key is added, rows are sealed anew under it in small batches, and an
//! old key goes when no row needs it any longer.
//!
//! Must never hold a write lock for longer than one batch, and never drop a key that a row needs.

use super::{KeyError, KeyRing, KeySource, Purpose, ring};
use crate::clock::Random;
use davy_store::{DeviceCredentials, KeyNeed, SealedDevice, SealedSecret, Store, StoreError};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use zeroize::Zeroizing;

/// Which fact of the database tells the id of the key that seals by now: a running server reads its keys anew when it changes.
pub const NEWEST_KEY: &str = "newest_key";

/// Why rows were not sealed anew. What was done before stays done: to begin again goes on with the rest.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// The keys.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A key, and how many rows need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUse {
    /// Its id.
    pub id: String,
    /// Whether it is among the keys.
    pub is_here: bool,
    /// Whether it seals.
    pub seals: bool,
    /// Rows that only it opens.
    pub rows: u64,
}

impl KeyUse {
    /// Whether it may be taken away.
    pub const fn can_go(&self) -> bool {
        self.is_here && !self.seals && self.rows == 0
    }
}

/// How far sealing anew has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Rows sealed anew so far.
    pub done: u64,
    /// Rows that needed it when it began.
    pub of: u64,
}

/// Every key that is here or that a row needs: those that are here first, in their order.
///
/// # Errors
/// [`StoreError`].
pub async fn uses(store: &Store, keys: &KeyRing) -> Result<Vec<KeyUse>, StoreError> {
    let mut needs = store.key_needs().await?;
    let mut rows = |id: &str| {
        let at = needs.iter().position(|need| need.kek_id == id);
        at.map_or(0, |at| needs.swap_remove(at).rows)
    };
    let mut uses = Vec::new();
    for (at, id) in keys.ids().into_iter().enumerate() {
        uses.push(KeyUse { is_here: true, seals: at == 0, rows: rows(&id), id });
    }
    uses.extend(needs.into_iter().map(|KeyNeed { kek_id, rows }| KeyUse {
        id: kek_id,
        is_here: false,
        seals: false,
        rows,
    }));
    Ok(uses)
}

/// Puts a new key before the others of the key file, and returns its id.
///
/// # Errors
/// [`KeyError::NotAFile`] when the keys come from elsewhere; otherwise what is wrong with the file.
pub fn add(source: &KeySource, random: &dyn Random) -> Result<String, KeyError> {
    let path = source.file()?;
    // What is there must be good before anything is put before it.
    KeyRing::open(path)?;
    let old = source.read()?;
    let new = ring::new_line(random)?;
    let mut text = Zeroizing::new(String::with_capacity(new.len() + old.len()));
    text.push_str(&new);
    text.push_str(&old);
    replace(path, &text)?;
    Ok(KeyRing::open(path)?.newest())
}

/// Takes an old key out of the key file.
///
/// # Errors
/// [`KeyError::Needed`] while a row needs it, [`KeyError::NotDroppable`] for the key that seals and one that is not there.
pub async fn drop_key(store: &Store, source: &KeySource, id: &str) -> Result<(), RotateError> {
    let path = source.file()?;
    let keys = KeyRing::open(path)?;
    let refuse = |why| KeyError::NotDroppable { id: id.to_owned(), why };
    let uses = uses(store, &keys).await?;
    match uses.iter().find(|key| key.id == id) {
        Some(key) if key.can_go() => {}
        Some(key) if key.seals => return Err(refuse("it is the one that seals").into()),
        Some(key) if key.is_here => return Err(KeyError::Needed { id: id.to_owned(), rows: key.rows }.into()),
        Some(_) | None => return Err(refuse("the key file has no such key").into()),
    }
    let old = source.read()?;
    let mut text = Zeroizing::new(String::with_capacity(old.len() + 1));
    for line in old.lines().filter(|line| ring::id_of_line(line).is_none_or(|of| of != id)) {
        text.push_str(line);
        text.push('\n');
    }
    Ok(replace(path, &text)?)
}

/// Replaces the key file as a whole: whoever reads it sees the old one or the new one.
fn replace(path: &Path, text: &str) -> Result<(), KeyError> {
    let failed = |source| KeyError::File { path: path.to_owned(), source };
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = path.with_file_name(name);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)
        .map_err(|source| KeyError::File { path: beside.clone(), source })?;
    let done = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| keep_owner(path, &file))
        .and_then(|()| std::fs::rename(&beside, path));
    if done.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    done.map_err(failed)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

/// Root may rotate a file that the server's user owns and must go on reading.
fn keep_owner(path: &Path, file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let before = std::fs::metadata(path)?;
    let now = file.metadata()?;
    if (before.uid(), before.gid()) == (now.uid(), now.gid()) {
        return Ok(());
    }
    std::os::unix::fs::fchown(file, Some(before.uid()), Some(before.gid()))
}

/// Seals every row anew that is not under the newest key, `batch` at a time, and tells after each batch how far it is. Any number of servers
/// may run meanwhile: what one of them changes is left to it. Returns how many rows were sealed anew.
///
/// # Errors
/// [`RotateError`]; a key that opens some row may be missing.
pub async fn reseal(
    store: &Store,
    keys: &KeyRing,
    random: &dyn Random,
    batch: u32,
    mut tell: impl FnMut(Progress),
) -> Result<u64, RotateError> {
    let newest = keys.newest();
    store.set_meta(NEWEST_KEY, &newest).await?;
    let of = uses(store, keys).await?.iter().filter(|key| key.id != newest).map(|key| key.rows).sum();
    let mut progress = Progress { done: 0, of };
    tell(progress);
    let mut after = None;
    loop {
        let page = store.devices_not_under(&newest, after, batch).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.device);
        let anew = page.into_iter().map(|row| reseal_device(keys, random, row)).collect::<Result<Vec<_>, _>>()?;
        progress.done += store.reseal_devices(&anew).await?;
        tell(progress);
    }
    for purpose in Purpose::ALL {
        let mut after = i64::MIN;
        loop {
            let page = store.secrets_not_under(purpose.name(), &newest, after, batch).await?;
            let Some(last) = page.last() else { break };
            after = last.owner;
            let anew = page.into_iter().map(|row| reseal_secret(keys, random, purpose, row));
            progress.done += store.reseal_secrets(&anew.collect::<Result<Vec<_>, _>>()?).await?;
            tell(progress);
        }
    }
    Ok(progress.done)
}

fn reseal_device(
    keys: &KeyRing,
    random: &dyn Random,
    row: SealedDevice,
) -> Result<(SealedDevice, SealedDevice), KeyError> {
    let secret = keys.unseal(row.tenant, row.device, &row.credentials)?;
    let sealed = keys.seal(row.tenant, row.device, &secret, random)?;
    let credentials = DeviceCredentials {
        key_ciphertext: sealed.ciphertext,
        key_nonce: sealed.nonce,
        key_kek_id: sealed.kek_id,
        ..row.credentials.clone()
    };
    let anew = SealedDevice { credentials, ..row.clone() };
    Ok((row, anew))
}

fn reseal_secret(
    keys: &KeyRing,
    random: &dyn Random,
    purpose: Purpose,
    row: SealedSecret,
) -> Result<(SealedSecret, SealedSecret), KeyError> {
    let plain = keys.unseal_for(purpose, &row)?;
    let anew = keys.seal_for(purpose, (row.tenant, row.owner), &plain, random)?;
    Ok((row, anew))
}

#[cfg(test)]
mod tests;
