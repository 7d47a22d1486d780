//! What a device measures: quantities with their units and plausible ranges, and readings.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

macro_rules! quantities {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $senml:literal, $unit:literal, $low:literal ..= $high:literal;)*) => {
        /// A measured quantity. Its code is part of the rule contract and of stored chunks: never reuse one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        #[repr(u16)]
        pub enum Quantity { $($(#[$doc])* $name = $code,)* }

        impl Quantity {
            /// Every quantity, in the order of the codes.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable code, as in `wit/` and in stored chunks.
            pub const fn code(self) -> u16 { self as u16 }

            /// The quantity of a code.
            pub const fn from_code(code: u16) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }

            /// The SenML name (RFC 8428 §4.1) that devices send.
            pub const fn senml_name(self) -> &'static str {
                match self { $(Self::$name => $senml,)* }
            }

            /// The quantity of a SenML name.
            pub fn from_senml_name(name: &str) -> Option<Self> {
                match name { $($senml => Some(Self::$name),)* _ => None }
            }

            /// The unit as SenML spells it (empty for a flag).
            pub const fn unit(self) -> &'static str {
                match self { $(Self::$name => $unit,)* }
            }

            /// The lowest and highest value that a sensor of this kind can sensibly report.
            ///
            /// Wide on purpose: a value outside is refused, and a refused leak reading would be a missed leak.
            pub const fn range(self) -> (f64, f64) {
                match self { $(Self::$name => ($low, $high),)* }
            }
        }
    };
}

quantities! {
    /// Combustible gas, percent of the lower explosive limit.
    Gas = 1, "gas", "%LEL", -100.0 ..= 10_000.0;
    /// Carbon monoxide, parts per million.
    Co = 2, "co", "ppm", -1_000.0 ..= 1_000_000.0;
    /// Meter index: accumulated volume, cubic metres.
    Volume = 3, "vol", "m3", 0.0 ..= 1.0e12;
    /// Volume flow, cubic metres per hour.
    Flow = 4, "flow", "m3/h", -10_000.0 ..= 1.0e6;
    /// Battery charge, percent of its capacity (SenML `%EL`).
    Battery = 5, "bat", "%EL", 0.0 ..= 100.0;
    /// Temperature, degrees Celsius.
    Temperature = 6, "temp", "Cel", -100.0 ..= 500.0;
    /// Gauge pressure, pascal.
    Pressure = 7, "pres", "Pa", -1.0e6 ..= 1.0e8;
    /// Valve position: 0 open, 1 closed.
    Valve = 8, "valve", "", 0.0 ..= 1.0;
    /// Received signal strength, dBm.
    Rssi = 9, "rssi", "dBm", -200.0 ..= 50.0;
    /// Housing opened or tilted: 0 no, 1 yes.
    Tamper = 10, "tamper", "", 0.0 ..= 1.0;
    /// Sensor at its end of life: 0 no, 1 yes.
    EndOfLife = 11, "eol", "", 0.0 ..= 1.0;
}

/// Why a value is not a reading.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum ReadingError {
    /// Infinite or not a number.
    #[error("`{}` must be a finite number, got {value}", quantity.senml_name())]
    NotFinite {
        /// The quantity that was measured.
        quantity: Quantity,
        /// What came.
        value: f64,
    },
    /// Outside of what a sensor of this kind can report.
    #[error("`{}` must be between {low} and {high} {}, got {value}", quantity.senml_name(), quantity.unit())]
    OutOfRange {
        /// The quantity that was measured.
        quantity: Quantity,
        /// What came.
        value: f64,
        /// Lowest plausible value.
        low: f64,
        /// Highest plausible value.
        high: f64,
    },
}

/// One measured value with its time of measurement.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// What was measured.
    pub quantity: Quantity,
    /// The value in [`Quantity::unit`]; finite and within [`Quantity::range`].
    pub value: f64,
    /// When it was measured, by the device's clock as corrected on arrival.
    pub at: Timestamp,
}

impl Reading {
    /// A reading whose value is finite and plausible.
    ///
    /// # Errors
    /// [`ReadingError`] names the quantity, the accepted range and what came.
    pub fn new(quantity: Quantity, value: f64, at: Timestamp) -> Result<Self, ReadingError> {
        if !value.is_finite() {
            return Err(ReadingError::NotFinite { quantity, value });
        }
        let (low, high) = quantity.range();
        if value < low || value > high {
            return Err(ReadingError::OutOfRange { quantity, value, low, high });
        }
        Ok(Self { quantity, value, at })
    }
}
