//! The way of a reading: datagram → CoAP and OSCORE → decode → floor and rule → commit → answer.
//!
//! One thread receives and routes; each shard is a thread that owns its devices' protocol state and fold; one task commits.
//! A device's messages are handled in order by one shard. Nothing is acknowledged before it is durable.

mod commit;
mod crowd;
mod fold;
mod handle;
mod intake;
mod learn;
mod operate;
mod protocol;
pub(crate) mod ration;
mod recover;
mod release;
mod request;
mod reserve;
mod revoked;
mod route;
mod shard;
mod socket;
mod state;
mod tenants;
mod vendor;
mod work;

pub use handle::Ingest;
pub(crate) use recover::SERVER_ID;

use crate::clock::{SharedClock, SharedRandom};
use crate::keys::{KeyError, KeyRing};
use crate::live::LiveBus;
use crate::shares::Shares;
use davy_coap::oscore::OscoreError;
use davy_domain::floor::FloorError;
use davy_domain::interlock::InterlockError;
use davy_domain::{DeviceId, InterlockId, TenantId};
use davy_rules::{Admission, CompileCache, Engine};
use davy_store::{Store, StoreError};
use std::net::SocketAddr;
use std::sync::Arc;

/// Why ingest could not start.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The statutory floor.
    #[error(transparent)]
    Floor(#[from] FloorError),
    /// A device's sealed key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The UDP socket.
    #[error("cannot listen for CoAP on {listen}: {source}; choose another `coap.listen` or stop what uses it")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// A thread could not be started, or the system has no randomness.
    #[error("the system refused {what}: {source}")]
    System {
        /// What.
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// An interlock without its tenant.
    #[error("{tenant} has devices and is not in the table of tenants: restore the table from a backup")]
    NoTenant {
        /// The tenant.
        tenant: TenantId,
    },
    /// Devices that do not fit together.
    #[error("{interlock}: {source}")]
    Interlock {
        /// Which one.
        interlock: InterlockId,
        /// Why.
        source: InterlockError,
    },
    /// An algorithm that is not spoken here.
    #[error("{device} has COSE algorithm {got}; expected 1 (A128GCM) or 10 (AES-CCM-16-64-128)")]
    Algorithm {
        /// Whose.
        device: DeviceId,
        /// What is stored.
        got: i64,
    },
    /// The endpoint refused a device's context.
    #[error("{device}: {source}")]
    Endpoint {
        /// Whose.
        device: DeviceId,
        /// Why.
        source: davy_coap::EndpointError,
    },
    /// A device's OSCORE context cannot be derived.
    #[error("{device}: {source}")]
    Context {
        /// Whose.
        device: DeviceId,
        /// Why.
        source: OscoreError,
    },
}

/// What ingest is started with.
pub struct IngestConfig {
    /// UDP address for CoAP; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Threads that devices are spread over; at least 1.
    pub shards: usize,
    /// How often the journal is compacted.
    pub compact_every: std::time::Duration,
    /// How long an uplink stays in the journal before it may be compacted.
    pub compact_after: davy_domain::Span,
    /// Datagrams a second that each device may send on average; 0 is no limit.
    pub device_rate: u32,
    /// Whether what a rule waits for is honoured; otherwise it is asked about every reading.
    pub wake_conditions: bool,
}

/// What ingest works with.
pub struct IngestParts {
    /// The database, migrated.
    pub store: Store,
    /// The sandbox.
    pub engine: Engine,
    /// Rules that are compiled already.
    pub compiled: Option<CompileCache>,
    /// Compiles the others.
    pub admission: Admission,
    /// Opens the device keys.
    pub keys: KeyRing,
    /// Where changes are published.
    pub live: LiveBus,
    /// Where each company's uplinks are counted.
    pub shares: Arc<Shares>,
    /// The time.
    pub clock: SharedClock,
    /// For the endpoints' seeds.
    pub random: SharedRandom,
}
