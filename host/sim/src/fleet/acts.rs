//! What goes out: a world's actions as requests, and its facts as entries in the books.
//!
//! Must never tell the platform a fact: it hears what devices report.

use super::{
    Fleet, FleetError,
    port::{Purpose, Uplink},
};
use crate::{
    device::report::Report,
    senml,
    world::{Action, DeviceIndex, Fact, Received, valve::Arrival},
};
use davy_coap::Request;
use davy_domain::{Action as Order, Quantity, wire};
use std::time::Instant;

/// Content-Format application/cbor (RFC 8949 §9.5).
const CBOR: u16 = 60;
impl Fleet<'_> {
    /// Carries out one action; says which port is to be attended to.
    pub(super) fn act(&mut self, action: Action, now: Instant) -> Result<Option<usize>, FleetError> {
        let touched = match action {
            Action::Uplink { device, ticket, report } => {
                self.uplink(device, ticket, &report, now);
                device
            }
            Action::Outcome { device, command, report } => {
                let request = Request::post(&format!("c/{}", command.raw()), CBOR, wire::encode_outcome(&report));
                if let Some(port) = self.ports[device.0 as usize].as_mut()
                    && port.request(now, request, Purpose::Outcome)
                {
                    self.book.totals.outcomes_sent += 1;
                }
                device
            }
            Action::Observe { device } => {
                let request = Request::observe("c");
                if let Some(port) = self.ports[device.0 as usize].as_mut() {
                    port.tidy(&self.credentials[device.0 as usize])?;
                    self.book.totals.observations += u64::from(port.request(now, request, Purpose::Observe));
                }
                device
            }
            Action::Radio { device, on } => {
                if let Some(port) = self.ports[device.0 as usize].as_mut() {
                    port.radio = on;
                }
                return Ok(None);
            }
            Action::Reboot { device } => {
                self.book.totals.reboots += 1;
                if let Some(port) = self.ports[device.0 as usize].as_mut() {
                    let cut_off = port.reboot(&self.credentials[device.0 as usize])?;
                    self.book.totals.uplinks_given_up += cut_off as u64;
                }
                device
            }
            Action::Fact(fact) => {
                self.note(fact, now);
                return Ok(None);
            }
        };
        Ok(Some(touched.0 as usize))
    }

    fn uplink(&mut self, device: DeviceIndex, ticket: u64, report: &Report, now: Instant) {
        let config = &self.config.world;
        let mut closed = Vec::new();
        let mut leaking = Vec::new();
        for part in &report.parts {
            let child = |serial: &String| self.children.get(&(device, serial.as_str())).copied();
            let of = part.child.as_ref().map_or(Some(device), child);
            let Some(of) = of else { continue };
            let at_floor =
                |quantity, level: f64| part.samples.iter().any(|s| s.quantity == quantity && s.value >= level);
            if at_floor(Quantity::Valve, 1.0) {
                closed.push(of);
            }
            if at_floor(Quantity::Gas, config.floor_lel) || at_floor(Quantity::Co, config.floor_co_ppm) {
                leaking.extend(self.world.place_of(of));
            }
        }
        let payload = senml::encode(report);
        let request = Request::post("u", senml::CONTENT_FORMAT, payload.clone());
        let Some(port) = self.ports[device.0 as usize].as_mut() else { return };
        let sent = Instant::now();
        let purpose = Purpose::Uplink(Box::new(Uplink { ticket, sent, payload, closed }));
        if port.request(now, request, purpose) {
            self.book.totals.uplinks_sent += 1;
            port.flush();
            for place in leaking {
                self.book.leak_told(place, sent);
            }
        } else {
            self.tell(device.0 as usize, Received::Lost { ticket }, now);
        }
    }

    fn note(&mut self, fact: Fact, now: Instant) {
        match fact {
            Fact::HazardBegan { place, leak, .. } => {
                let premises = self.premises_name(place);
                let valves =
                    self.world.valves_of(place).iter().map(|device| {
                        (*device, self.credentials.get(device.0 as usize).is_some_and(|each| each.sleepy))
                    });
                self.book.leak_began(place, premises, leak, valves, now);
            }
            Fact::FloorReached { place, .. } => self.book.floor_reached(place, now),
            Fact::Ordered { device, order, .. } => match order {
                Order::Close => {
                    if let Some(place) = self.world.place_of(device) {
                        self.book.close_ordered(place, device, self.read_at);
                    }
                }
                Order::Arm => self.book.totals.arm_commands += 1,
            },
            Fact::Moved { device, arrival, at } => {
                let Some(place) = self.world.place_of(device) else { return };
                match arrival {
                    Arrival::Closed => self.book.closed(place, device, self.wall_time(at)),
                    Arrival::Jammed => self.book.jammed(place, device),
                    Arrival::Opened => {}
                }
            }
            Fact::Repaired { place, .. } => self.book.repaired(place),
        }
    }
}
