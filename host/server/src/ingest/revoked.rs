//! Devices whose keys were revoked and that speak all the same: noticed by the identity in the clear, which anybody could repeat, so that
//! somebody looks for them.
//!
//! Must never let such a message do anything, and never pass on more than one notice of a device in an hour.

use super::route::ContextKey;
use crate::clock::SharedClock;
use davy_coap::Peek;
use davy_domain::{DeviceId, TenantId};
use davy_store::{RevokedDevice, Store, StoreError, Tenant};
use metrics::counter;
use parking_lot::{Mutex, RwLock};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// A device is passed on no more often.
const TELL_EVERY: Duration = Duration::from_hours(1);
/// Notices that wait for the database; one that finds no room comes again within the hour after.
const QUEUE: usize = 1_024;

/// Whose identity it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speaker {
    /// The company.
    pub tenant: TenantId,
    /// The device.
    pub device: DeviceId,
}

/// The revoked identities.
pub struct Revoked {
    known: RwLock<HashMap<ContextKey, Speaker>>,
    any: AtomicBool,
    told: Mutex<HashMap<DeviceId, Instant>>,
    notices: mpsc::Sender<Speaker>,
}

impl Revoked {
    /// Those that are revoked at the start, and where notices come out.
    pub fn new(known: HashMap<ContextKey, Speaker>) -> (Self, mpsc::Receiver<Speaker>) {
        let (notices, receiver) = mpsc::channel(QUEUE);
        let any = AtomicBool::new(!known.is_empty());
        (Self { known: RwLock::new(known), any, told: Mutex::default(), notices }, receiver)
    }

    /// The same with those that the database has.
    pub async fn gather(store: &Store, tenants: &[Tenant]) -> Result<(Self, mpsc::Receiver<Speaker>), StoreError> {
        let mut known = HashMap::new();
        for RevokedDevice { tenant, device, kid } in store.revoked_devices().await? {
            let context = tenants.iter().find(|each| each.id == tenant).map(|each| each.context_id.as_slice());
            let key = ContextKey::new(context.unwrap_or_default(), &kid);
            known.extend(key.map(|key| (key, Speaker { tenant, device })));
        }
        Ok(Self::new(known))
    }

    /// The identity has no key from now on.
    pub fn add(&self, context: ContextKey, speaker: Speaker) {
        self.known.write().insert(context, speaker);
        self.any.store(true, Ordering::Release);
    }

    /// The device has a key again.
    pub fn remove(&self, device: DeviceId) {
        self.known.write().retain(|_, speaker| speaker.device != device);
        self.told.lock().remove(&device);
    }

    /// Looks at a datagram. Costs one load while nothing is revoked.
    pub fn look(&self, peek: Option<&Peek<'_>>, now: impl FnOnce() -> Instant) {
        if !self.any.load(Ordering::Acquire) {
            return;
        }
        let context = peek.and_then(|peek| ContextKey::new(peek.kid_context.unwrap_or_default(), peek.kid?));
        let Some(speaker) = context.and_then(|context| self.known.read().get(&context).copied()) else { return };
        counter!("davy_revoked_datagrams_total").increment(1);
        let now = now();
        let mut told = self.told.lock();
        if told.get(&speaker.device).is_some_and(|at| now.saturating_duration_since(*at) < TELL_EVERY) {
            return;
        }
        if self.notices.try_send(speaker).is_ok() {
            told.insert(speaker.device, now);
        }
    }
}

/// Stores what comes out, until told to stop.
pub async fn note(mut notices: mpsc::Receiver<Speaker>, store: Store, clock: SharedClock, stop: CancellationToken) {
    loop {
        let speaker = tokio::select! {
            () = stop.cancelled() => return,
            speaker = notices.recv() => speaker,
        };
        let Some(Speaker { tenant, device }) = speaker else { return };
        match store.tenant(tenant).note_revoked_spoke(device, clock.now()).await {
            Ok(true) => tracing::warn!(tenant.id = %tenant, device.id = %device, "a revoked device still speaks"),
            Ok(false) => {}
            Err(error) => {
                tracing::error!(%error, device.id = %device, "it could not be noted that a revoked device speaks");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A confirmable POST with an OSCORE option (RFC 8613 §6.1): context `c`, this kid.
    fn datagram(kid: u8) -> Vec<u8> {
        vec![0x40, 0x02, 0, 1, 0x95, 0x19, 7, 1, b'c', kid, 0xff, 1]
    }

    #[test]
    fn a_revoked_identity_is_passed_on_once_an_hour_and_no_other_ever() {
        let speaker = Speaker { tenant: TenantId::from_raw(1), device: DeviceId::from_raw(2) };
        let key = ContextKey::new(b"c", b"1").unwrap();
        let (revoked, mut notices) = Revoked::new(HashMap::new());
        let now = Instant::now();
        let look = |kid: u8, after: u64| {
            revoked.look(davy_coap::peek(&datagram(kid)).as_ref(), || now + Duration::from_secs(after));
        };
        look(b'1', 0);
        assert!(notices.try_recv().is_err(), "it has its key");
        revoked.add(key, speaker);
        for second in 0..100 {
            look(b'1', second);
            look(b'2', second);
        }
        assert_eq!(notices.try_recv(), Ok(speaker));
        assert!(notices.try_recv().is_err());
        look(b'1', 3_600);
        assert_eq!(notices.try_recv(), Ok(speaker));
        revoked.remove(speaker.device);
        look(b'1', 9_000);
        assert!(notices.try_recv().is_err(), "it has a key again");
    }
}
