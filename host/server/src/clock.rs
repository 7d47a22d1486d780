//! The clock and the random source as parameters. `main` passes the real ones, tests pass their own.

use davy_domain::Timestamp;
use std::sync::Arc;
use std::time::Instant;

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;

    /// Now on a clock that never steps, for time-outs.
    fn instant(&self) -> Instant;
}

/// Fills buffers with bytes that nobody can guess.
pub trait Random: Send + Sync + 'static {
    /// Fills all of `buffer`.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    fn fill(&self, buffer: &mut [u8]) -> std::io::Result<()>;
}

/// A clock that several parts share.
pub type SharedClock = Arc<dyn Clock>;

/// A random source that several parts share.
pub type SharedRandom = Arc<dyn Random>;

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn instant(&self) -> Instant {
        Instant::now()
    }
}

/// The operating system's random source.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, buffer: &mut [u8]) -> std::io::Result<()> {
        getrandom::fill(buffer).map_err(|error| std::io::Error::other(error.to_string()))
    }
}
