//! The live bus: ingest publishes what it has just committed, every open event stream takes what its viewer may see.
//!
//! Never waits for a reader: one that is too slow loses events and is told so. Nothing is published before its commit.

use davy_domain::alarm::Alarm;
use davy_domain::command::Command;
use davy_domain::{DeviceId, PremisesId, Reading, TenantId, ValveState};
use davy_store::DivisionCode;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::broadcast;

/// Something that has been committed, with all that is needed to tell who may know of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Committed {
    /// The gas company.
    pub tenant: TenantId,
    /// The division that supervises the device, if known.
    pub division: Option<DivisionCode>,
    /// The device's premises, if it is in one.
    pub premises: Option<PremisesId>,
    /// The device.
    pub device: DeviceId,
    /// What changed.
    pub change: Change,
}

/// What changed.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// An alarm was raised or moved on.
    Alarm(Alarm),
    /// A command was born or moved on.
    Command(Command),
    /// A valve's proven position.
    Valve(ValveState),
    /// New readings of a watched device.
    Readings(Vec<Reading>),
}

struct Inner {
    sender: broadcast::Sender<Arc<Committed>>,
    watched: RwLock<HashMap<DeviceId, usize>>,
    watched_count: AtomicUsize,
}

/// The bus; clones share it.
#[derive(Clone)]
pub struct LiveBus {
    inner: Arc<Inner>,
}

impl LiveBus {
    /// A bus on which a reader may fall behind by `queue` events (at least 1) before it loses some.
    pub fn new(queue: usize) -> Self {
        Self {
            inner: Arc::new(Inner {
                sender: broadcast::channel(queue.max(1)).0,
                watched: RwLock::default(),
                watched_count: AtomicUsize::new(0),
            }),
        }
    }

    /// Publishes a change; without a reader it costs next to nothing.
    pub fn publish(&self, committed: Committed) {
        if self.inner.sender.receiver_count() > 0 {
            // An error means that the last reader has just gone.
            let _ = self.inner.sender.send(Arc::new(committed));
        }
    }

    /// A reader of everything published from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Committed>> {
        self.inner.sender.subscribe()
    }

    /// How many readers there are.
    pub fn readers(&self) -> usize {
        self.inner.sender.receiver_count()
    }

    /// Whether somebody looks at the device, so that its readings are worth publishing. One atomic load when nobody looks at any.
    pub fn watches(&self, device: DeviceId) -> bool {
        self.inner.watched_count.load(Ordering::Relaxed) > 0
            && self.inner.watched.read().unwrap_or_else(PoisonError::into_inner).contains_key(&device)
    }

    /// Asks for the readings of `devices` until the watch is dropped.
    pub fn watch(&self, devices: Vec<DeviceId>) -> Watch {
        let mut watched = self.inner.watched.write().unwrap_or_else(PoisonError::into_inner);
        for device in &devices {
            *watched.entry(*device).or_default() += 1;
        }
        self.inner.watched_count.store(watched.len(), Ordering::Relaxed);
        drop(watched);
        Watch { bus: self.clone(), devices }
    }
}

/// Keeps the readings of some devices coming while it lives.
pub struct Watch {
    bus: LiveBus,
    devices: Vec<DeviceId>,
}

impl Watch {
    /// Whether this watch asked for the device.
    pub fn covers(&self, device: DeviceId) -> bool {
        self.devices.contains(&device)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watched = self.bus.inner.watched.write().unwrap_or_else(PoisonError::into_inner);
        for device in &self.devices {
            if let Some(count) = watched.get_mut(device) {
                *count -= 1;
                if *count == 0 {
                    watched.remove(device);
                }
            }
        }
        self.bus.inner.watched_count.store(watched.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_watched_until_the_last_watch_is_dropped() {
        let bus = LiveBus::new(4);
        let device = DeviceId::from_raw(7);
        assert!(!bus.watches(device));
        let first = bus.watch(vec![device]);
        let second = bus.watch(vec![device, DeviceId::from_raw(8)]);
        drop(first);
        assert!(bus.watches(device));
        drop(second);
        assert!(!bus.watches(device));
        assert_eq!(bus.inner.watched_count.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_slow_reader_loses_events_and_is_told_so_while_the_publisher_never_waits() {
        let bus = LiveBus::new(2);
        let mut reader = bus.subscribe();
        for raw in 0..10 {
            bus.publish(Committed {
                tenant: TenantId::from_raw(1),
                division: None,
                premises: None,
                device: DeviceId::from_raw(raw),
                change: Change::Valve(ValveState::Open),
            });
        }
        assert!(matches!(reader.recv().await, Err(broadcast::error::RecvError::Lagged(8))));
        assert_eq!(reader.recv().await.unwrap().device, DeviceId::from_raw(8));
    }
}
