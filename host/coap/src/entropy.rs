//! Everything unpredictable, drawn from the seed: message ids, tokens, jitter, hash keys and Echo values.
//!
//! Must never be seeded twice with the same bytes in production: Echo values would repeat and tokens could be guessed.

use std::{
    hash::{BuildHasher, Hash, Hasher},
    net::SocketAddr,
    time::Duration,
};

use sha2::{Digest, Sha256};
use siphasher::sip::{SipHasher13, SipHasher24};
use zeroize::Zeroizing;

use crate::event::ContextId;

/// A stream of bytes: SHA-256 over the seed and a counter.
pub(crate) struct Entropy {
    seed: Zeroizing<[u8; 32]>,
    counter: u64,
    block: [u8; 32],
    used: usize,
}

impl Entropy {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self { seed: Zeroizing::new(seed), counter: 0, block: [0; 32], used: 32 }
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| {
            if self.used == self.block.len() {
                let mut hash = Sha256::new();
                hash.update(*self.seed);
                hash.update(self.counter.to_be_bytes());
                self.block = hash.finalize().into();
                self.counter += 1;
                self.used = 0;
            }
            self.used += 1;
            self.block[self.used - 1]
        })
    }

    pub(crate) fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.bytes())
    }

    pub(crate) fn key(&mut self) -> (u64, u64) {
        (u64::from_be_bytes(self.bytes()), u64::from_be_bytes(self.bytes()))
    }

    /// A duration from `base` to `base × factor`.
    pub(crate) fn jitter(&mut self, base: Duration, factor: f32) -> Duration {
        let share = f32::from(self.u16()) / f32::from(u16::MAX);
        // `max` also turns a NaN into 1.
        base.mul_f32(1.0 + (factor.max(1.0) - 1.0).min(100.0) * share)
    }
}

/// Keyed hashing for maps whose keys a peer chooses: no peer can aim at a bucket.
#[derive(Clone, Copy)]
pub(crate) struct KeyedHash(u64, u64);

impl KeyedHash {
    pub(crate) fn new(entropy: &mut Entropy) -> Self {
        let (k0, k1) = entropy.key();
        Self(k0, k1)
    }

    pub(crate) fn bytes(&self, bytes: &[u8]) -> u64 {
        SipHasher13::new_with_keys(self.0, self.1).hash(bytes)
    }
}

impl BuildHasher for KeyedHash {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.0, self.1)
    }
}

/// Whose state something is: bound to the keys when the exchange is protected, else to the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Principal {
    Context(ContextId),
    Address(SocketAddr),
}

/// Makes and checks Echo values (RFC 9175 §2) without keeping any: seconds since the endpoint began, and a MAC over them and whom the
/// value was given to.
pub(crate) struct EchoMint {
    key: (u64, u64),
}

/// An Echo value.
pub(crate) type EchoValue = [u8; 12];

impl EchoMint {
    pub(crate) fn new(entropy: &mut Entropy) -> Self {
        Self { key: entropy.key() }
    }

    /// The value for `principal` at `elapsed` since the endpoint began.
    pub(crate) fn make(&self, principal: Principal, elapsed: Duration) -> EchoValue {
        let seconds = elapsed.as_secs() as u32;
        let mut value = [0; 12];
        value[..4].copy_from_slice(&seconds.to_be_bytes());
        value[4..].copy_from_slice(&self.mac(principal, seconds).to_be_bytes());
        value
    }

    /// Whether `value` was made for `principal` at most `lifetime` ago.
    pub(crate) fn is_fresh(&self, value: &[u8], principal: Principal, elapsed: Duration, lifetime: Duration) -> bool {
        let Ok(value) = <&EchoValue>::try_from(value) else { return false };
        let [a, b, c, d, mac @ ..] = value;
        let seconds = u32::from_be_bytes([*a, *b, *c, *d]);
        let age = (elapsed.as_secs() as u32).wrapping_sub(seconds);
        // Compared as whole integers: no byte-wise early exit to time.
        u64::from_be_bytes(*mac) == self.mac(principal, seconds) && u64::from(age) <= lifetime.as_secs()
    }

    fn mac(&self, principal: Principal, seconds: u32) -> u64 {
        let mut mac = SipHasher24::new_with_keys(self.key.0, self.key.1);
        principal.hash(&mut mac);
        seconds.hash(&mut mac);
        mac.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_stream_and_another_seed_another() {
        let draw = |seed| Entropy::new([seed; 32]).bytes::<100>();
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn jitter_stays_between_the_base_and_its_factor() {
        let mut entropy = Entropy::new([3; 32]);
        let base = Duration::from_secs(2);
        let drawn: Vec<_> = (0..500).map(|_| entropy.jitter(base, 1.5)).collect();
        assert!(drawn.iter().all(|&d| d >= base && d <= Duration::from_secs(3)));
        assert!(drawn.iter().max().unwrap().as_secs_f32() - drawn.iter().min().unwrap().as_secs_f32() > 0.9);
        assert_eq!(entropy.jitter(base, f32::NAN), base);
    }

    #[test]
    fn an_echo_value_is_good_for_its_principal_until_it_is_old() {
        let mint = EchoMint::new(&mut Entropy::new([4; 32]));
        let (alice, bob) = (Principal::Context(ContextId(1)), Principal::Context(ContextId(2)));
        let (at, lifetime) = (Duration::from_secs(100), Duration::from_mins(1));
        let value = mint.make(alice, at);
        assert!(mint.is_fresh(&value, alice, at + lifetime, lifetime));
        assert!(!mint.is_fresh(&value, bob, at, lifetime));
        assert!(!mint.is_fresh(&value, alice, at + lifetime + Duration::from_secs(1), lifetime));
        assert!(!mint.is_fresh(&value, alice, Duration::from_secs(99), lifetime), "from the future");
        assert!(!mint.is_fresh(&value[..11], alice, at, lifetime));
        let mut forged = value;
        forged[3] += 1;
        assert!(!mint.is_fresh(&forged, alice, at, lifetime));
    }
}
