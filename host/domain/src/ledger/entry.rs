//! One entry, and how the next one follows from it.

use super::{Act, Actor};
use crate::id::TenantId;
use crate::time::Timestamp;
use core::fmt;
use core::str::FromStr;
use minicbor::encode::Write;
use minicbor::{Decoder, Encoder, decode, encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

const ENTRY: &[u8] = b"davy-ledger/1";
const FIRST: &[u8] = b"davy-ledger/1 first";

/// Whose chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Chain {
    /// The platform's: what belongs to no company.
    Platform,
    /// A gas company's.
    Tenant(TenantId),
}

impl Chain {
    /// The number it is stored as; the platform's is 0.
    pub const fn raw(self) -> i64 {
        match self {
            Self::Platform => 0,
            Self::Tenant(id) => id.raw(),
        }
    }

    /// From the number it is stored as.
    pub const fn from_raw(raw: i64) -> Self {
        if raw == 0 { Self::Platform } else { Self::Tenant(TenantId::from_raw(raw)) }
    }
}

impl From<Option<TenantId>> for Chain {
    fn from(tenant: Option<TenantId>) -> Self {
        tenant.map_or(Self::Platform, Self::Tenant)
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Platform => f.write_str("platform"),
            Self::Tenant(id) => id.fmt(f),
        }
    }
}

impl FromStr for Chain {
    type Err = crate::id::IdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "platform" { Ok(Self::Platform) } else { text.parse().map(Self::Tenant) }
    }
}

/// Why a text is not 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 64 hexadecimal digits, got something else of {got} bytes")]
pub struct HashError {
    /// How long it was.
    pub got: usize,
}

macro_rules! bytes32 {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// From its bytes.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// Its bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = HashError;

            fn from_str(text: &str) -> Result<Self, HashError> {
                from_hex(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl<C> minicbor::Encode<C> for $name {
            fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
                e.bytes(&self.0)?.ok()
            }
        }

        impl<'b, C> minicbor::Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
                let bytes = d.bytes()?;
                bytes.try_into().map(Self).map_err(|_| decode::Error::message("expected 32 bytes"))
            }
        }
    )*};
}

bytes32! {
    /// A SHA-256; hexadecimal in texts.
    Hash;
    /// The public part of an Ed25519 key; hexadecimal in texts.
    PublicKey;
}

impl Hash {
    /// Of some bytes, such as a text that an entry only names.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

fn from_hex(text: &str) -> Result<[u8; 32], HashError> {
    let text = text.as_bytes();
    let refused = HashError { got: text.len() };
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8).ok_or(refused);
    let mut bytes = [0; 32];
    if text.len() != 64 {
        return Err(refused);
    }
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Ok(bytes)
}

/// Where a chain ends; nothing more is needed to go on with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Which chain.
    pub chain: Chain,
    /// Its last entry; 0 when there is none.
    pub seq: u64,
    /// That entry's hash; without one what the first entry follows.
    pub hash: Hash,
}

impl Head {
    /// Of a chain without an entry.
    pub fn start(chain: Chain) -> Self {
        let mut hash = Sha256::new();
        hash.update(FIRST);
        hash.update(chain.raw().to_be_bytes());
        Self { chain, seq: 0, hash: Hash(hash.finalize().into()) }
    }

    /// The next entry. The chain ends in it.
    pub fn append(&mut self, at: Timestamp, actor: Actor, act: &Act) -> Entry {
        let mut entry = Entry {
            chain: self.chain,
            seq: self.seq + 1,
            at,
            body: body(actor, act),
            previous: self.hash,
            hash: self.hash,
        };
        entry.hash = entry.digest();
        *self = entry.head();
        entry
    }
}

/// Who did what, as it is hashed.
fn body(actor: Actor, act: &Act) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::with_capacity(160));
    let written = encoder.array(2).and_then(|encoder| encoder.encode(actor)?.encode(act));
    debug_assert!(written.is_ok(), "writing to memory cannot fail");
    encoder.into_writer()
}

/// Why a body cannot be read. Its hash may be right all the same: a newer version may have written it.
#[derive(Debug, thiserror::Error)]
#[error("expected an actor and an act that this version knows: {0}")]
pub struct BodyError(#[from] decode::Error);

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// In which chain.
    pub chain: Chain,
    /// Its place, from 1 without a gap.
    pub seq: u64,
    /// When it was done, by the platform's clock. Not always in the order of the places.
    pub at: Timestamp,
    /// CBOR `[actor, act]`.
    pub body: Vec<u8>,
    /// The hash of the entry before.
    pub previous: Hash,
    /// Its own hash.
    pub hash: Hash,
}

impl Entry {
    /// The hash that its content asks for.
    pub fn digest(&self) -> Hash {
        self.digest_at(self.chain, self.seq)
    }

    /// The hash that its content would ask for at another place.
    pub(super) fn digest_at(&self, chain: Chain, seq: u64) -> Hash {
        let mut hash = Sha256::new();
        hash.update(ENTRY);
        hash.update(chain.raw().to_be_bytes());
        hash.update(seq.to_be_bytes());
        hash.update(self.at.as_millis().to_be_bytes());
        hash.update(self.previous.0);
        hash.update(&self.body);
        Hash(hash.finalize().into())
    }

    /// The chain up to here.
    pub const fn head(&self) -> Head {
        Head { chain: self.chain, seq: self.seq, hash: self.hash }
    }

    /// Who did what.
    ///
    /// # Errors
    /// [`BodyError`] when this version does not know the act, or the body was altered.
    pub fn read(&self) -> Result<(Actor, Act), BodyError> {
        let mut decoder = Decoder::new(&self.body);
        let read: (Actor, Act) = decoder.decode()?;
        if decoder.position() != self.body.len() {
            return Err(decode::Error::message("there is more after the act").into());
        }
        Ok(read)
    }
}
