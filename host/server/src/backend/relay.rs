//! From committed changes to live events: made once, then handed to every stream whose viewer may see them.

use super::landscape::Place;
use super::{Reach, Service};
use crate::backend::devices::command_item;
use crate::live::{Change, Committed, LiveBus, Watch};
use davy_api::LiveEvent;
use davy_domain::DeviceId;
use std::sync::Arc;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

/// A live event with who may see it, its JSON made once for all.
#[derive(Clone, Debug)]
pub struct Relayed {
    /// None: everybody.
    place: Option<Place>,
    /// The device of readings, which only its watchers get.
    watched: Option<DeviceId>,
    /// The name after `event:`.
    pub name: &'static str,
    /// The JSON after `data:`.
    pub json: Arc<str>,
}

/// Turns the live bus into streams.
#[derive(Clone)]
pub struct Relay {
    bus: LiveBus,
    sender: broadcast::Sender<Arc<Relayed>>,
}

impl Relay {
    /// A relay on which a stream may fall behind by `queue` events.
    pub fn new(bus: LiveBus, queue: usize) -> Self {
        Self { bus, sender: broadcast::channel(queue.max(1)).0 }
    }

    /// Relays until `stopping`.
    pub async fn run(self, service: Arc<Service>, stopping: CancellationToken) {
        let mut committed = self.bus.subscribe();
        loop {
            let next = tokio::select! {
                next = committed.recv() => next,
                () = stopping.cancelled() => return,
            };
            match next {
                Ok(committed) => {
                    for relayed in relay(&service, &committed) {
                        // An error means that nobody listens.
                        let _ = self.sender.send(Arc::new(relayed));
                    }
                }
                Err(broadcast::error::RecvError::Lagged(lost)) => {
                    tracing::warn!(lost, "the relay of live events fell behind; every page is told to load anew");
                    if let Some(lagged) = relayed(None, None, &LiveEvent::Lagged) {
                        let _ = self.sender.send(Arc::new(lagged));
                    }
                }
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    }

    /// The events within `reach`, with the readings of `devices`.
    pub fn stream(&self, reach: Reach, devices: Vec<DeviceId>) -> Stream {
        Stream { reach, receiver: self.sender.subscribe(), watch: self.bus.watch(devices) }
    }
}

/// One viewer's events.
pub struct Stream {
    reach: Reach,
    receiver: broadcast::Receiver<Arc<Relayed>>,
    watch: Watch,
}

/// What a stream gives next.
#[derive(Clone, Debug)]
pub enum Next {
    /// An event that the viewer may see.
    Event(Arc<Relayed>),
    /// The viewer was too slow and lost some.
    Lagged,
    /// There will be no more.
    End,
}

impl Stream {
    /// Waits for the next event that the viewer may see.
    pub async fn next(&mut self) -> Next {
        loop {
            match self.receiver.recv().await {
                Ok(event) => {
                    let asked_for = event.watched.is_none_or(|device| self.watch.covers(device));
                    if asked_for && event.place.is_none_or(|place| self.reach.covers(&place)) {
                        return Next::Event(event);
                    }
                }
                Err(broadcast::error::RecvError::Lagged(_)) => return Next::Lagged,
                Err(broadcast::error::RecvError::Closed) => return Next::End,
            }
        }
    }
}

fn relay(service: &Service, committed: &Committed) -> Vec<Relayed> {
    let place = Some(Place { tenant: committed.tenant, division: committed.division, premises: committed.premises });
    let device = committed.device;
    let (watched, events) = match &committed.change {
        Change::Alarm(alarm) => {
            let alarm = Box::new(service.alarm_item(committed.tenant, alarm));
            (None, vec![LiveEvent::Alarm { alarm }])
        }
        Change::Command(command) => (None, vec![LiveEvent::Command { command: command_item(command) }]),
        Change::Valve(valve) => (None, vec![LiveEvent::Valve { device, valve: *valve }]),
        Change::Readings(readings) => {
            let events = readings.iter().map(|reading| LiveEvent::Reading {
                device,
                quantity: reading.quantity,
                value: reading.value,
                at: reading.at,
            });
            (Some(device), events.collect())
        }
    };
    events.iter().filter_map(|event| relayed(place, watched, event)).collect()
}

fn relayed(place: Option<Place>, watched: Option<DeviceId>, event: &LiveEvent) -> Option<Relayed> {
    let json =
        serde_json::to_string(event).inspect_err(|error| tracing::error!(%error, "a live event is no JSON")).ok()?;
    Some(Relayed { place, watched, name: event.name(), json: json.into() })
}
