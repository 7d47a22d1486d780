//! Putting together what was in a message.

use crate::codes::{action, fault};
use crate::contract::driver::{Decoded, DriverReading, Encoded, Order, Report, Uplink};
use crate::contract::{Fault, Reading};

/// The CoAP Content-Format of raw bytes (`application/octet-stream`).
pub const FORMAT_OCTETS: u16 = 42;

/// What was in a message, built up value by value.
#[derive(Clone, Debug)]
pub struct Message {
    received_at_ms: i64,
    decoded: Decoded,
}

impl Message {
    /// Of an uplink: values without a time of their own get that of its arrival.
    pub fn of(uplink: &Uplink) -> Self {
        let decoded = Decoded {
            children: Vec::new(),
            readings: Vec::new(),
            reports: Vec::new(),
            status: Vec::new(),
            notes: Vec::new(),
        };
        Self { received_at_ms: uplink.received_at_ms, decoded }
    }

    /// A value of the device itself, measured now.
    pub fn reading(&mut self, quantity: u16, value: f64) -> &mut Self {
        self.reading_at(quantity, 0, self.received_at_ms, value)
    }

    /// A value of the device itself, with its channel and time.
    pub fn reading_at(&mut self, quantity: u16, channel: u16, at_ms: i64, value: f64) -> &mut Self {
        self.child_reading(0, Reading { at_ms, value, quantity, channel })
    }

    /// A value of a gateway's child: a number that [`Message::child`] gave, or 0 for the device itself.
    pub fn child_reading(&mut self, child: u16, reading: Reading) -> &mut Self {
        self.decoded.readings.push(DriverReading { reading, child });
        self
    }

    /// The number of a child by its serial, in this message.
    pub fn child(&mut self, serial: &str) -> u16 {
        let children = &mut self.decoded.children;
        let at = children.iter().position(|known| known == serial).unwrap_or_else(|| {
            children.push(serial.into());
            children.len() - 1
        });
        at as u16 + 1
    }

    /// What became of an order to the device itself.
    pub fn report(&mut self, counter: u64, outcome: u16, at_ms: i64) -> &mut Self {
        self.child_report(0, counter, outcome, at_ms)
    }

    /// What became of an order to a gateway's child: a number that [`Message::child`] gave, or 0 for the device itself.
    pub fn child_report(&mut self, child: u16, counter: u64, outcome: u16, at_ms: i64) -> &mut Self {
        self.decoded.reports.push(Report { counter, at_ms, outcome, child });
        self
    }

    /// A status of the vendor's own, for the device's page.
    pub fn status(&mut self, name: &str, value: impl ToString) -> &mut Self {
        self.decoded.status.push((name.into(), value.to_string()));
        self
    }

    /// A remark for whoever examines the message later.
    pub fn note(&mut self, text: impl Into<String>) -> &mut Self {
        self.decoded.notes.push(text.into());
        self
    }

    /// The whole, with readings in order of measurement.
    pub fn done(mut self) -> Decoded {
        self.decoded.readings.sort_by_key(|reading| reading.reading.at_ms);
        self.decoded
    }
}

/// Raw bytes for the device.
pub fn encoded(payload: Vec<u8>) -> Encoded {
    Encoded { payload, format: FORMAT_OCTETS, notes: Vec::new() }
}

/// The fault for an order that the model cannot carry out.
pub fn unsupported(order: &Order) -> Fault {
    let name = action::name(order.action).unwrap_or("unknown");
    Fault {
        code: fault::EVENT,
        field: String::new(),
        message: format!("expected an order that this model knows, got `{name}` ({})", order.action),
    }
}
