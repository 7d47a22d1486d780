//! The driver world: a device model's bytes to readings and orders to bytes, with tested blocks for framing.
//!
//! ```
//! use davy_rules_sdk::driver::prelude::*;
//!
//! /// What is entered for a device of this model.
//! #[derive(Settings)]
//! pub struct Link {
//!     /// How many litres one pulse stands for.
//!     #[setting(default = 10, min = 1, max = 1000, unit = "L", zh = "脉冲当量", en = "Litres a pulse")]
//!     pulse_l: u32,
//! }
//!
//! /// A meter that sends four bytes of pulses.
//! pub struct Pulses;
//!
//! #[device_driver(
//!     name = "pulses", version = "1.0.0", zh = "脉冲表", en = "Pulse meter",
//!     vendor("某厂", "A vendor"), models("P-1"), kinds(METER), actions(),
//!     tags(VOLUME(period_s = 3600, resolution = 0.01, zh = "表底数", en = "Index"))
//! )]
//! impl Driver for Pulses {
//!     type Settings = Link;
//!
//!     fn decode(settings: &Link, uplink: &Uplink) -> Result<Decoded, Fault> {
//!         let mut frame = Frame::new(&uplink.payload);
//!         let pulses = frame.u32_be()?;
//!         let mut message = Message::of(uplink);
//!         message.reading(quantity::VOLUME, f64::from(pulses) * f64::from(settings.pulse_l) / 1_000.0);
//!         frame.end()?;
//!         Ok(message.done())
//!     }
//!
//!     fn encode(_: &Link, order: &Order) -> Result<Encoded, Fault> {
//!         Err(unsupported(order))
//!     }
//! }
//!
//! use davy_rules_sdk::harness::Bench;
//! # fn main() {
//! let mut bench = Bench::driver::<Pulses>("{}").unwrap();
//! let decoded = bench.decode(1_000, &[0, 0, 1, 0]).unwrap();
//! assert_eq!(decoded.readings[0].reading.value, 2.56);
//! assert!(bench.decode(1_000, &[0, 0, 1]).is_err(), "a cut message is a fault and no reading");
//! # }
//! ```

pub mod crc;
mod frame;
mod message;

pub use frame::Frame;
pub use message::{FORMAT_OCTETS, Message, encoded, unsupported};

use crate::contract::driver::{Decoded, DriverDescription, Encoded, Order, Tag, Uplink};
use crate::contract::{Extension, Fault};
use crate::policy::{self, World};
use crate::settings::Settings;

/// The world `davy:rules/device-driver`.
#[derive(Clone, Copy, Debug)]
pub enum DeviceDriver {}

impl World for DeviceDriver {
    const NAME: &'static str = "device-driver";
    type Event = Call;
    type Outcome = Answer;
}

/// What a driver is asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Call {
    /// To read a message.
    Decode(Uplink),
    /// To write an order.
    Encode(Order),
}

/// What it answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// What is in the message.
    Decoded(Decoded),
    /// The order's bytes.
    Encoded(Encoded),
}

/// What a driver says of itself beside its settings; [`macro@crate::device_driver`] writes it.
pub trait About {
    /// Lower-case letters, digits and `-`, at most 64.
    const NAME: &'static str;
    /// `MAJOR.MINOR.PATCH`.
    const VERSION: &'static str;
    /// One or two sentences in Chinese and in English.
    const SUMMARY: (&'static str, &'static str);
    /// The maker of the devices, in Chinese and in English.
    const VENDOR: (&'static str, &'static str);
    /// Models as on their type plates.
    const MODELS: &'static [&'static str];
    /// Codes of the device kinds that it speaks for.
    const KINDS: &'static [u16];
    /// Codes of the orders that it can write.
    const ACTIONS: &'static [u16];

    /// Collection points.
    fn tags() -> Vec<Tag>;
}

/// A driver of one device model.
pub trait Driver: About {
    /// What is entered for a device of the model.
    type Settings: Settings;

    /// Reads one message: the whole of it, or a fault and nothing.
    ///
    /// # Errors
    /// A [`Fault`] when the bytes are not a message of the model.
    fn decode(settings: &Self::Settings, uplink: &Uplink) -> Result<Decoded, Fault>;

    /// Writes one order.
    ///
    /// # Errors
    /// A [`Fault`] when the model cannot be ordered to do this; see [`unsupported`].
    fn encode(settings: &Self::Settings, order: &Order) -> Result<Encoded, Fault>;
}

/// One `decode` as the host calls it.
///
/// # Errors
/// A [`Fault`] for settings that do not decode, and the driver's own.
pub fn decode<D: Driver>(settings: &[u8], uplink: &Uplink) -> Result<Decoded, Fault> {
    D::decode(&D::Settings::decode(settings)?, uplink)
}

/// One `encode` as the host calls it.
///
/// # Errors
/// As [`decode`].
pub fn encode<D: Driver>(settings: &[u8], order: &Order) -> Result<Encoded, Fault> {
    D::encode(&D::Settings::decode(settings)?, order)
}

/// The driver's description of itself.
pub fn describe<D: Driver>() -> DriverDescription {
    let mask = |codes: &[u16]| codes.iter().filter(|code| **code < 64).fold(0, |mask, code| mask | 1 << code);
    DriverDescription {
        about: policy::description::<D::Settings>(D::NAME, D::VERSION, D::SUMMARY, &[]),
        vendor: policy::localized(D::VENDOR.0, D::VENDOR.1),
        models: D::MODELS.iter().map(|model| (*model).into()).collect(),
        device_kinds: mask(D::KINDS),
        actions: mask(D::ACTIONS),
        tags: D::tags(),
    }
}

/// A collection point; [`macro@crate::device_driver`] calls it.
pub fn tag(quantity: u16, channel: u16, of_child: bool, period_s: u32, resolution: f64, zh: &str, en: &str) -> Tag {
    Tag { quantity, channel, of_child, period_s, resolution, label: policy::localized(zh, en) }
}

/// The value of an extension, if the platform gives it.
pub fn extension<'a>(extensions: &'a [Extension], name: &str) -> Option<&'a str> {
    extensions.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// Everything that a driver usually needs.
pub mod prelude {
    pub use super::{Driver, FORMAT_OCTETS, Frame, Message, crc, encoded, unsupported};
    pub use crate::codes::{action, device_kind, order_outcome, quantity};
    pub use crate::contract::Fault;
    pub use crate::contract::driver::{Decoded, Encoded, Order, Report, Uplink};
    pub use davy_rules_sdk_macros::{Settings, device_driver};
}
