//! What a world asks of the network, what the network tells it, and what is true of it for whoever keeps the books.
//!
//! Must never carry a byte of the wire: reports and outcomes are still values here.

use super::{leak::LeakKind, leak::LeakSite, valve::Arrival};
use crate::device::report::Report;
use davy_domain::{Action as Order, CommandId, Span, Timestamp, wire::OutcomeReport, wire::PendingCommand};

/// A device's place in the list that the world was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceIndex(pub u32);

/// A premises or a well, by its place in the world's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlaceIndex(pub u32);

/// What is to be done on the network, in order; and, in between, what has become true.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// `POST /u`, confirmable. Ends as [`Received::Acknowledged`], [`Received::TurnedAway`], [`Received::Refused`] or [`Received::Lost`].
    Uplink {
        /// Who speaks.
        device: DeviceIndex,
        /// Comes back with the result.
        ticket: u64,
        /// What it says.
        report: Report,
    },
    /// `POST /c/{command}`, confirmable. Nothing is expected back.
    Outcome {
        /// Who speaks.
        device: DeviceIndex,
        /// The command.
        command: CommandId,
        /// What to say.
        report: OutcomeReport,
    },
    /// `GET /c` with Observe. Ends as [`Received::ObservationEnded`]; notifications come as [`Received::Commands`].
    Observe {
        /// Who listens.
        device: DeviceIndex,
    },
    /// From now on datagrams reach the device, or do not.
    Radio {
        /// Whose.
        device: DeviceIndex,
        /// On or off.
        on: bool,
    },
    /// The device lost its memory: tokens, message ids and observations are gone, its keys and its sequence's ceiling are not.
    Reboot {
        /// Which.
        device: DeviceIndex,
    },
    /// Something became true.
    Fact(Fact),
}

/// What became true, for the books; no device knows it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fact {
    /// Gas or carbon monoxide began to escape.
    HazardBegan {
        /// Where.
        place: PlaceIndex,
        /// How; none for carbon monoxide.
        leak: Option<(LeakKind, LeakSite)>,
        /// When.
        at: Timestamp,
    },
    /// What is in the air at the sensor reached the statutory level.
    FloorReached {
        /// Where.
        place: PlaceIndex,
        /// When it was first seen to.
        at: Timestamp,
    },
    /// A command reached a device, for the first time or again.
    Ordered {
        /// Which device.
        device: DeviceIndex,
        /// What it is to do.
        order: Order,
        /// When.
        at: Timestamp,
    },
    /// A valve arrived somewhere.
    Moved {
        /// Which device's.
        device: DeviceIndex,
        /// Where it is now.
        arrival: Arrival,
        /// When.
        at: Timestamp,
    },
    /// A person mended the cause.
    Repaired {
        /// Where.
        place: PlaceIndex,
        /// When.
        at: Timestamp,
    },
}

/// What the network tells a device.
#[derive(Clone, Debug, PartialEq)]
pub enum Received {
    /// The uplink was acknowledged as stored (2.04), perhaps with commands.
    Acknowledged {
        /// Of the uplink.
        ticket: u64,
        /// What came with it.
        commands: Vec<PendingCommand>,
    },
    /// The uplink was turned away for now (5.03, 4.29).
    TurnedAway {
        /// Of the uplink.
        ticket: u64,
        /// How long to wait.
        wait: Option<Span>,
    },
    /// The uplink was refused for good (any other 4.xx).
    Refused {
        /// Of the uplink.
        ticket: u64,
    },
    /// No answer.
    Lost {
        /// Of the uplink.
        ticket: u64,
    },
    /// A notification of `/c`, or the answer to the registration.
    Commands(Vec<PendingCommand>),
    /// The observation ended or was never established.
    ObservationEnded,
}

/// What may be done to the world from outside.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// Gas begins to leak.
    Leak(PlaceIndex, LeakKind, LeakSite),
    /// A flue is blocked.
    CarbonMonoxide(PlaceIndex),
    /// A valve will jam from now on.
    Jam(DeviceIndex),
    /// A device loses power.
    Reboot(DeviceIndex),
    /// A person mends the leak, the flue and the valves of a place.
    Repair(PlaceIndex),
}
