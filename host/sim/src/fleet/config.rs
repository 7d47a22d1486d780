//! Settings of a fleet, and why one cannot run.
//!
//! Must never read the clock: what time it is at the start is a setting.

use crate::{credential::CredentialError, world::WorldConfig};
use davy_domain::Timestamp;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::{io, net::SocketAddr, time::Duration};

/// Files that are open beside the devices' sockets.
const OTHER_FILES: u64 = 64;

/// Why a fleet cannot run.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// The credentials cannot be used.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// No socket for a device.
    #[error("no UDP socket for device {serial}: {source}")]
    Socket {
        /// Which device.
        serial: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// More devices than the process may have sockets.
    #[error(
        "{devices} devices need as many sockets, but this process may open {limit} files; raise `ulimit -n` or split the fleet"
    )]
    TooManyDevices {
        /// Devices that speak for themselves.
        devices: usize,
        /// The hard limit.
        limit: u64,
    },
    /// The operating system refuses to wait for sockets.
    #[error("waiting for sockets failed: {0}")]
    Wait(#[from] nix::Error),
    /// The log of acknowledged uplinks cannot be written.
    #[error("the log of acknowledged uplinks cannot be written: {0}")]
    Log(#[from] io::Error),
}

/// Settings of a fleet.
#[derive(Clone, Debug, PartialEq)]
pub struct FleetConfig {
    /// Where the platform listens.
    pub server: SocketAddr,
    /// The world.
    pub world: WorldConfig,
    /// What time it is at the start.
    pub start: Timestamp,
    /// How long it runs; none until it is stopped.
    pub runs_for: Option<Duration>,
    /// A leak at a random premises so often; none only on command.
    pub leak_every: Option<Duration>,
    /// When the first of these leaks begins, after the start: devices must have reported once.
    pub first_leak_after: Duration,
    /// No more leaks in this time before the end, so that the last one can be closed.
    pub settle: Duration,
    /// Share of these leaks that are slow, 0 to 1.
    pub slow_share: f64,
    /// Share of datagrams that the radio loses, each way, 0 to 1.
    pub radio_loss: f64,
    /// How long to wait at the end for the answers that are on the way.
    pub drain: Duration,
}

impl FleetConfig {
    /// A fleet against `server`, from `start` on, with everything else as in life.
    pub fn new(server: SocketAddr, start: Timestamp) -> Self {
        Self {
            server,
            world: WorldConfig::default(),
            start,
            runs_for: None,
            leak_every: None,
            first_leak_after: Duration::from_secs(5),
            settle: Duration::from_secs(25),
            slow_share: 0.0,
            radio_loss: 0.0,
            drain: Duration::from_secs(10),
        }
    }
}

/// The sequence number that a device starts at when nothing is known of earlier runs: it follows the clock at two numbers a millisecond,
/// so that a later run starts above everything an earlier one used, until 2042.
pub fn first_sequence(start: Timestamp) -> u64 {
    /// 2025-01-01T00:00:00Z.
    const EPOCH_MS: i64 = 1_735_689_600_000;
    ((start.as_millis() - EPOCH_MS).max(0) as u64).saturating_mul(2)
}

/// Raises the soft limit of open files to the hard one, if `sockets` need it.
///
/// # Errors
/// [`FleetError::TooManyDevices`] when even the hard limit is too low.
pub fn raise_file_limit(sockets: usize) -> Result<(), FleetError> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let needed = sockets as u64 + OTHER_FILES;
    if needed > hard {
        return Err(FleetError::TooManyDevices { devices: sockets, limit: hard });
    }
    if needed > soft {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(())
}
