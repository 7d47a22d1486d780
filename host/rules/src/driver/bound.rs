//! A driver with its settings, in the platform's own words: a device's message in, what it said out; a command in, the device's bytes out.

use super::Driver;
use crate::rule::{Evaluated, SettingsBytes};
use davy_domain::command::DeviceOutcome;
use davy_domain::driven::{Report, Said};
use davy_domain::wire::PendingCommand;
use davy_domain::{DeviceKind, Quantity, Reading, Timestamp};
use davy_rules_sdk::contract::Extension;
use davy_rules_sdk::contract::driver::{Decoded, Encoded, Order, Uplink};

/// The extension that tells a driver which device it is.
const SERIAL: &str = "device-serial";

/// A driver with its settings.
#[derive(Debug)]
pub struct BoundDriver {
    driver: Driver,
    settings: SettingsBytes,
}

/// A message as it arrived.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The sender's kind.
    pub kind: DeviceKind,
    /// Its serial number.
    pub serial: &'a str,
    /// When it arrived.
    pub received_at: Timestamp,
    /// The content-format that it came with.
    pub format: u16,
    /// The message without the transport's own layers.
    pub payload: &'a [u8],
}

impl Driver {
    /// With settings, which [`encode_settings`](crate::Rule::encode_settings) has made.
    pub const fn with_settings(self, settings: SettingsBytes) -> BoundDriver {
        BoundDriver { driver: self, settings }
    }
}

impl BoundDriver {
    /// The driver.
    pub const fn driver(&self) -> &Driver {
        &self.driver
    }

    /// Reads one message: the whole of it, or a fault and nothing.
    pub fn read(&self, message: &Message<'_>) -> Evaluated<Said> {
        let uplink = Uplink {
            received_at_ms: message.received_at.as_millis(),
            device_kind: message.kind.code(),
            format: message.format,
            payload: message.payload.to_vec(),
            extensions: serial(message.serial),
        };
        let Evaluated { result, fault, fuel } = self.driver.decode(&self.settings, &uplink);
        Evaluated { result: result.map(|decoded| said(decoded, message.received_at)), fault, fuel }
    }

    /// Writes one command to a device with this serial number, with the content-format that it travels in.
    pub fn write(&self, command: &PendingCommand, device: &str, now: Timestamp) -> Evaluated<Encoded> {
        let order = Order {
            action: command.action.code(),
            child: command.child.clone().unwrap_or_default(),
            counter: command.counter,
            now_ms: now.as_millis(),
            deadline_ms: command.deadline.as_millis(),
            extensions: serial(device),
        };
        self.driver.encode(&self.settings, &order)
    }
}

fn serial(serial: &str) -> Vec<Extension> {
    vec![(SERIAL.to_owned(), serial.to_owned())]
}

/// What is known here already to be of the contract.
fn said(decoded: Decoded, received_at: Timestamp) -> Said {
    let mut said = Said { status: decoded.status, notes: decoded.notes, ..Said::default() };
    let child = |number: u16| Some(decoded.children.get(usize::from(number.checked_sub(1)?))?.as_str());
    for each in &decoded.readings {
        let (value, at) = (each.reading.value, Timestamp::from_millis(each.reading.at_ms));
        if let Some(quantity) = Quantity::from_code(each.reading.quantity) {
            said.read(child(each.child), Reading { quantity, value, at }, received_at);
        }
    }
    for report in &decoded.reports {
        if let Some(outcome) = DeviceOutcome::from_code(report.outcome) {
            let child = child(report.child).map(str::to_owned);
            let at = Timestamp::from_millis(report.at_ms);
            said.reports.push(Report { child, counter: report.counter, outcome, at });
        }
    }
    said
}
