//! Settings of a load, and why one cannot run.
//!
//! Must never read the clock: what time it is at the start is a setting.

use crate::fleet::FleetError;
use davy_coap::oscore::OscoreError;
use davy_domain::Timestamp;
use nix::errno::Errno;
use std::{net::SocketAddr, str::FromStr, time::Duration};

/// Why a load cannot run.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Credentials or sockets failed.
    #[error(transparent)]
    Fleet(#[from] FleetError),
    /// The operating system refuses to send or to receive.
    #[error("sending and receiving failed: {0}")]
    Network(#[from] Errno),
    /// An uplink cannot be protected.
    #[error("an uplink cannot be protected: {0}")]
    Oscore(#[from] OscoreError),
    /// Nobody to speak.
    #[error(
        "no device is left to send the load: {devices} speak for themselves, {probe} premises are set aside for leaks"
    )]
    NoDevices {
        /// Devices with keys of their own.
        devices: usize,
        /// Premises that were to be set aside.
        probe: usize,
    },
    /// A window of none, or of more than a token can tell apart.
    #[error("the window must be 1 to 65535 uplinks, got {0}")]
    Window(usize),
    /// The thread of the probe died.
    #[error("the thread that runs the leaks died")]
    Probe,
}

/// How fast to send.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// As fast as the window allows.
    Max,
    /// So many uplinks a second.
    PerSecond(f64),
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.parse::<f64>()) {
            ("max", _) => Ok(Self::Max),
            (_, Ok(rate)) if rate.is_finite() && rate > 0.0 => Ok(Self::PerSecond(rate)),
            _ => Err(format!("expected uplinks a second above 0, or `max`, got `{text}`")),
        }
    }
}

/// Settings of a load.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadConfig {
    /// Where the platform listens.
    pub server: SocketAddr,
    /// How fast to send.
    pub rate: Rate,
    /// How long to send before measuring.
    pub warm_up: Duration,
    /// How long to measure.
    pub measures_for: Duration,
    /// How many uplinks may be without an answer, 1 to 65535.
    pub window: usize,
    /// Readings in each uplink, 1 to 16.
    pub readings: usize,
    /// Sockets to send from, at least 1.
    pub sockets: usize,
    /// What time it is at the start.
    pub start: Timestamp,
    /// Premises that are set aside to leak while the load runs.
    pub probe_leaks: usize,
}
