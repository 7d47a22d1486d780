//! A device of a model on the bench.

use super::{Bench, Evaluator, Failure, Subject};
use crate::codes::device_kind;
use crate::contract::driver::{Decoded, Encoded, Order, Uplink};
use crate::driver::{Answer, Call, DeviceDriver, FORMAT_OCTETS};

impl Subject for DeviceDriver {
    /// The code of the device's kind.
    type Context = u16;

    fn ordinary() -> u16 {
        device_kind::METER
    }

    fn state(_: &Answer) -> &[u8] {
        &[]
    }

    fn settle(_: &mut u16, _: &Answer) {}
}

impl<E: Evaluator<World = DeviceDriver>> Bench<E, DeviceDriver> {
    /// A message of raw bytes arrives.
    ///
    /// # Errors
    /// [`Failure`] when the driver could not read it.
    pub fn decode(&mut self, received_at_ms: i64, payload: &[u8]) -> Result<Decoded, Failure> {
        let uplink = Uplink {
            received_at_ms,
            device_kind: self.context,
            format: FORMAT_OCTETS,
            payload: payload.into(),
            extensions: Vec::new(),
        };
        match self.call(&Call::Decode(uplink))? {
            Answer::Decoded(decoded) => Ok(decoded),
            Answer::Encoded(_) => Err(Failure::Host("expected a decoded message, got an order's bytes".into())),
        }
    }

    /// An order for the device itself, with a minute until its deadline.
    ///
    /// # Errors
    /// [`Failure`] when the driver could not write it.
    pub fn encode(&mut self, now_ms: i64, action: u16, counter: u64) -> Result<Encoded, Failure> {
        let order = Order {
            action,
            child: String::new(),
            counter,
            now_ms,
            deadline_ms: now_ms + 60_000,
            extensions: Vec::new(),
        };
        match self.call(&Call::Encode(order))? {
            Answer::Encoded(encoded) => Ok(encoded),
            Answer::Decoded(_) => Err(Failure::Host("expected an order's bytes, got a decoded message".into())),
        }
    }
}
