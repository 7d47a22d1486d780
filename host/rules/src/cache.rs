//! Compiled rules kept on disk, so that a restart does not compile every tenant's rule again.
//!
//! A compiled artifact is machine code that is run as it is: one flipped bit can be anything. So only artifacts that this
//! installation made itself are ever loaded: each carries a MAC (HMAC-SHA-256) under a key of the installation over the rule's
//! digest, the engine's configuration, the description and the code. What does not verify is treated as absent, compiled anew
//! through the whole admission, and replaced. An artifact must never be accepted from anywhere else.

use crate::admission::{Admitted, AnyAdmitted, Description, LocalizedText, Refusal};
use crate::config::Tier;
use crate::digest::RuleDigest;
use crate::driver::AboutDriver;
use crate::engine::Engine;
use crate::world::{Linked, World};
use davy_rules_sdk::schema::Schema;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, fs, io};
use wasmtime::component::Component;

const MAGIC: &[u8; 8] = b"DAVYRUL2";
const MAC_BYTES: usize = 32;
const HEAD: usize = MAGIC.len() + MAC_BYTES + 4;

/// Where compiled rules are kept, and the key that proves that this installation made them.
#[derive(Clone)]
pub struct CompileCache {
    folder: PathBuf,
    key: [u8; 32],
}

impl fmt::Debug for CompileCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompileCache").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl CompileCache {
    /// A cache in a folder, which is made if it is not there. The key must be secret and random; a new key empties the cache.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(folder: &Path, key: [u8; 32]) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self { folder: folder.into(), key })
    }

    fn file(&self, digest: RuleDigest, engine: u64) -> PathBuf {
        let name = digest.to_string();
        self.folder.join(format!("{}-{engine:016x}.rule", name.trim_start_matches("sha256:")))
    }

    fn mac(&self, digest: RuleDigest, engine: u64, body: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        for part in [MAGIC, &digest.as_bytes()[..], &engine.to_le_bytes(), body] {
            mac.update(part);
        }
        Some(mac)
    }

    fn read(&self, engine: &Engine, digest: RuleDigest) -> Option<(Component, Description)> {
        let identity = engine.identity();
        let bytes = fs::read(self.file(digest, identity)).ok()?;
        let (head, _) = bytes.split_at_checked(HEAD)?;
        let (magic, mac) = head.split_at(MAGIC.len());
        let body = &bytes[MAGIC.len() + MAC_BYTES..];
        self.mac(digest, identity, body)?.verify_slice(&mac[..MAC_BYTES]).ok()?;
        if magic != MAGIC {
            return None;
        }
        let (length, rest) = body.split_first_chunk::<4>()?;
        let (description, code) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        let description = parse_description(serde_json::from_slice(description).ok()?)?;
        // SAFETY: the MAC proves that these bytes are what `Component::serialize` gave this installation for this engine.
        #[allow(unsafe_code)]
        let component = unsafe { Component::deserialize(&engine.inner().wasmtime, code) }.ok()?;
        Some((component, description))
    }

    pub(crate) fn write<W: World>(&self, engine: &Engine, admitted: &Admitted<W>) -> Option<()> {
        let identity = engine.identity();
        let description = serde_json::to_vec(&*admitted.description).ok()?;
        let code = <W as Linked>::linked(&admitted.pre).component().serialize().ok()?;
        let mut body = u32::try_from(description.len()).ok()?.to_le_bytes().to_vec();
        body.extend_from_slice(&description);
        body.extend_from_slice(&code);
        let mac = self.mac(admitted.digest, identity, &body)?.finalize().into_bytes();
        // Written beside and renamed: a reader sees the whole file or none.
        let file = self.file(admitted.digest, identity);
        let beside = file.with_extension(format!("{}.new", std::process::id()));
        let written = fs::File::create(&beside).and_then(|mut out| {
            [&MAGIC[..], &mac, &body].into_iter().try_for_each(|part| out.write_all(part))?;
            fs::rename(&beside, &file)
        });
        if written.is_err() {
            // A half-written file is no use to anyone; that it cannot be removed either costs nothing but room.
            let _ = fs::remove_file(&beside);
        }
        written.ok()
    }

    /// Keeps what was admitted. That it cannot be kept costs time later, nothing else.
    pub(crate) fn keep(&self, engine: &Engine, admitted: &AnyAdmitted) {
        let _kept = match admitted {
            AnyAdmitted::Alarm(admitted) => self.write(engine, admitted),
            AnyAdmitted::Billing(admitted) => self.write(engine, admitted),
            AnyAdmitted::Notification(admitted) => self.write(engine, admitted),
            AnyAdmitted::Driver(admitted) => self.write(engine, admitted),
        };
    }
}

/// A description as it was stored or sent; its schema is read anew.
pub(crate) fn parse_description(json: serde_json::Value) -> Option<Description> {
    #[derive(serde::Deserialize)]
    struct Stored {
        name: String,
        version: String,
        summary: LocalizedText,
        settings_schema: String,
        texts: Vec<(u16, LocalizedText)>,
        #[serde(default)]
        driver: Option<AboutDriver>,
    }
    let stored: Stored = serde_json::from_value(json).ok()?;
    let schema = Schema::parse(&stored.settings_schema).ok()?;
    Some(Description {
        name: stored.name,
        version: stored.version,
        summary: stored.summary,
        settings_schema: stored.settings_schema,
        texts: stored.texts,
        driver: stored.driver,
        schema,
    })
}

impl Engine {
    /// As [`Engine::admit`], but takes the compiled code from the cache when it holds it, and keeps it there when not.
    ///
    /// A cache that cannot be read or written costs time, never an answer.
    ///
    /// # Errors
    /// As [`Engine::admit`].
    pub fn admit_cached(&self, component: &[u8], cache: &CompileCache) -> Result<Admitted, Refusal> {
        self.admit_as_cached(component, cache)
    }

    /// As [`Engine::admit_cached`], for a component of another world.
    ///
    /// # Errors
    /// As [`Engine::admit_as`].
    pub fn admit_as_cached<W: World>(&self, component: &[u8], cache: &CompileCache) -> Result<Admitted<W>, Refusal> {
        if let Some(cached) = self.cached(component, Tier::Standard, cache) {
            return Ok(cached);
        }
        let admitted = self.admit_as(component)?;
        cache.write(self, &admitted);
        Ok(admitted)
    }

    /// What the cache holds of a component, if it is of this world.
    pub(crate) fn cached<W: World>(&self, component: &[u8], tier: Tier, cache: &CompileCache) -> Option<Admitted<W>> {
        let digest = RuleDigest::of(component);
        let (compiled, description) = cache.read(self, digest)?;
        let pre = self.inner().linker.instantiate_pre(&compiled).ok()?;
        let pre = <W as Linked>::link(pre).ok()?;
        Some(Admitted { pre, digest, description: Arc::new(description), size: component.len(), tier })
    }
}
