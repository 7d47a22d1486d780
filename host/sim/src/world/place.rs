//! A place that devices are in: a premises or a well.
//!
//! Must never know what its devices report.

use super::{
    action::DeviceIndex,
    home::{Home, Moved},
    leak::Leak,
    room::Room,
    valve::Position,
    well::Well,
};
use crate::device::Senses;
use davy_domain::Timestamp;

enum Kind {
    Home(Box<Home>),
    Well(Well),
}

/// A premises or a well, and who is in it.
pub(super) struct Place {
    kind: Kind,
    pub(super) devices: Vec<DeviceIndex>,
    /// In the order of the premises' valves.
    pub(super) valve_devices: Vec<DeviceIndex>,
    /// Something has been wrong since the last repair.
    pub(super) was_hazardous: bool,
    floor_reached: bool,
}

impl Place {
    pub(super) fn of_home(home: Home) -> Self {
        Self::new(Kind::Home(Box::new(home)))
    }

    pub(super) const fn of_well(well: Well) -> Self {
        Self::new(Kind::Well(well))
    }

    const fn new(kind: Kind) -> Self {
        Self { kind, devices: Vec::new(), valve_devices: Vec::new(), was_hazardous: false, floor_reached: false }
    }

    pub(super) fn home(&self) -> Option<&Home> {
        match &self.kind {
            Kind::Home(home) => Some(home),
            Kind::Well(_) => None,
        }
    }

    pub(super) fn home_mut(&mut self) -> Option<&mut Home> {
        match &mut self.kind {
            Kind::Home(home) => Some(home),
            Kind::Well(_) => None,
        }
    }

    pub(super) fn room(&self) -> &Room {
        match &self.kind {
            Kind::Home(home) => home.room(),
            Kind::Well(well) => well.room(),
        }
    }

    pub(super) fn set_leak(&mut self, leak: Option<Leak>) {
        self.was_hazardous |= leak.is_some();
        match &mut self.kind {
            Kind::Home(home) => home.set_leak(leak),
            Kind::Well(well) => well.set_leak(leak),
        }
    }

    pub(super) fn advance(&mut self, to: Timestamp, moved: &mut Vec<Moved>) {
        match &mut self.kind {
            Kind::Home(home) => home.advance(to, moved),
            Kind::Well(well) => well.advance(to),
        }
    }

    pub(super) fn senses(&self, valve: Option<usize>) -> Senses {
        match &self.kind {
            Kind::Home(home) => Senses {
                gas_lel: home.sensed_lel(),
                co_ppm: home.co_ppm(),
                celsius: home.celsius(),
                flow_m3h: home.flow_m3h(),
                index_m3: home.index_m3(),
                valve_closed: valve
                    .and_then(|valve| home.valves.get(valve))
                    .map(|valve| valve.position() == Position::Closed),
            },
            Kind::Well(well) => Senses { gas_lel: well.gas_lel(), celsius: well.celsius(), ..Senses::default() },
        }
    }

    /// True once when what is truly in the air passes the level, and again only after it has cleared.
    pub(super) fn passes_floor(&mut self, lel: f64, co_ppm: f64) -> bool {
        let (gas, co) = match &self.kind {
            Kind::Home(home) => (home.gas_lel(), home.co_ppm()),
            Kind::Well(well) => (well.gas_lel(), 0.0),
        };
        let above = gas >= lel || co >= co_ppm;
        let passes = above && !self.floor_reached;
        self.floor_reached = above || (self.floor_reached && (gas >= lel / 5.0 || co >= co_ppm / 5.0));
        passes
    }
}
