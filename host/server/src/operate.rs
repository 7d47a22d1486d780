//! What HTTP may ask of ingest: orders, people's answers to alarms, and the live state that the shards hold in memory.
//!
//! The seam is a trait so that neither side knows how the other works. Nothing here decides anything about gas.

use davy_domain::alarm::{Alarm, AlarmEvent};
use davy_domain::command::{Cause, Command};
use davy_domain::interlock::RejectReason;
use davy_domain::{
    AlarmId, ConditionSet, DeviceId, InterlockId, Quantity, QuarantineId, Reading, TenantId, Timestamp, ValveState,
};
use davy_store::DeviceCredentials;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// An answer that arrives when the change is durable.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, OperateError>> + Send + 'a>>;

/// A running ingest, shared by everything that asks it something.
pub type SharedOperate = Arc<dyn Operate>;

/// Why ingest did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum OperateError {
    /// The fold refused.
    #[error(transparent)]
    Refused {
        /// What stands against it and what to do.
        reason: RejectReason,
    },
    /// No shard has the interlock, device or alarm; it may be newer than the last start.
    #[error("no shard has {what}: it may have been provisioned after the last start, so restart the server")]
    Unknown {
        /// Its id, with its kind.
        what: String,
    },
    /// State is still being rebuilt after a start.
    #[error("the platform is still rebuilding its state after a start: try again in a few seconds")]
    NotReady,
    /// The shard's queue is full.
    #[error("the shard's queue is full: try again in a second")]
    Overloaded,
    /// The server is shutting down.
    #[error("the server is shutting down: try again in a minute")]
    Stopping,
    /// Devices that were provisioned could not be taken in; after a restart they are, or the start says what stands against it.
    #[error("the new devices are stored and could not be taken in: {reason}. Restart the server")]
    NotLearnt {
        /// What stands against it.
        reason: String,
    },
    /// The change could not be made durable, so it counts as not made.
    #[error("the change could not be stored: {reason}")]
    NotStored {
        /// The store's words.
        reason: String,
    },
}

/// One device as its shard sees it now.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceView {
    /// Its own valve as far as proven; `Unknown` for a device without one.
    pub valve: ValveState,
    /// When its last uplink arrived (the platform's clock).
    pub last_seen: Option<Timestamp>,
    /// The newest value of each quantity, in the order of the quantities' codes.
    pub latest: Vec<Reading>,
    /// Conditions with an active alarm.
    pub active: ConditionSet,
}

/// A message that was set aside, to be read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// Its number.
    pub id: QuarantineId,
    /// Who sent it.
    pub device: DeviceId,
    /// When it arrived.
    pub received_at: Timestamp,
    /// The content-format that it came with.
    pub format: u16,
    /// The message, byte for byte.
    pub raw: Vec<u8>,
}

/// What came of reading a message again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Again {
    /// It was read, and its readings count.
    Read {
        /// How many.
        readings: usize,
    },
    /// The driver that is in force cannot read it either.
    Unread {
        /// SHA-256 of the driver's component.
        driver: [u8; 32],
        /// The version of its settings.
        settings_version: u32,
        /// Why.
        reason: String,
    },
    /// No driver of the device's model is in force.
    NoDriver,
}

/// Live operations on the shards.
pub trait Operate: Send + Sync + 'static {
    /// Orders the device's own valve to close. Gives the close that is under way when there is one, a new one otherwise,
    /// and none when the valve is proven closed.
    fn close(&self, interlock: InterlockId, device: DeviceId, cause: Cause) -> Answer<'_, Vec<Command>>;

    /// A person acknowledges or resets an alarm. `fresh_low_readings` of a reset is filled in by the shard, which knows.
    fn person(&self, interlock: InterlockId, alarm: AlarmId, event: AlarmEvent) -> Answer<'_, Alarm>;

    /// Reads a message that was set aside with the driver that is in force.
    fn read_again(&self, interlock: InterlockId, message: SetAside) -> Answer<'_, Again>;

    /// The device as it is now; none when no shard has it.
    fn device_view(&self, device: DeviceId) -> Option<DeviceView>;

    /// Readings held in memory with `from <= at < to`, in the order of time.
    fn recent(&self, device: DeviceId, quantity: Quantity, from: Timestamp, to: Timestamp) -> Vec<Reading>;

    /// Takes in the devices with higher ids than `after` that were provisioned while the server runs: from then on they can speak. Returns
    /// how many there were.
    fn learn(&self, after: Option<DeviceId>) -> Answer<'_, usize>;

    /// From when it is answered, the device speaks under this key alone, with whether it sleeps, or not at all. The key must be stored already.
    fn rekey(&self, tenant: TenantId, device: DeviceId, key: Option<(DeviceCredentials, bool)>) -> Answer<'_, ()>;

    /// Whether every shard has rebuilt its state and takes uplinks.
    fn ready(&self) -> bool;

    /// Cancelled when ingest cannot go on: the process should end and start anew from what is durable.
    fn failed(&self) -> CancellationToken;

    /// Stops taking uplinks, drains the shards and the committer. When it is done, everything acknowledged is durable.
    fn shutdown(&self) -> Answer<'_, ()>;
}
