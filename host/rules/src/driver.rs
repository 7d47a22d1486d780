//! Device drivers: a device's bytes in, readings and reports out; an order in, the device's bytes out.
//!
//! A message is taken as a whole or not at all: one reading outside of its quantity's range, and the raw bytes are better kept for
//! a better driver.

mod bound;

pub use bound::{BoundDriver, Message};

use crate::bindings::driver::exports::davy::rules::driver as wit;
use crate::limits::{at_most, known, nonsense};
use crate::rule::{Evaluated, Rule};
use crate::text;
use crate::world::DeviceDriver;
use davy_domain::policy::PolicyFault;
use davy_domain::{Quantity, Reading, Timestamp};
use davy_rules_sdk::codes;
use davy_rules_sdk::contract::driver::{Decoded, DriverReading, Encoded, Order, Report, Uplink};
use davy_rules_sdk::contract::{self, Extension};
use davy_rules_sdk::driver::{Answer, Call};
use serde::{Deserialize, Serialize};

/// A device driver that is ready to run.
pub type Driver = Rule<DeviceDriver>;

const MAX_PAYLOAD: usize = 65_536;
const MAX_CHILDREN: usize = 1_000;
const MAX_READINGS: usize = 4_096;
const MAX_REPORTS: usize = 256;
const MAX_STATUS: usize = 64;
const MAX_STATUS_VALUE: usize = 200;
const MAX_NAME: usize = 64;
const MAX_ENCODED: usize = 1_024;

/// What a driver says of itself beside its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AboutDriver {
    /// Who makes the devices.
    pub vendor: crate::admission::LocalizedText,
    /// Models as on their type plates.
    pub models: Vec<String>,
    /// Names of the device kinds that it speaks for.
    pub device_kinds: Vec<String>,
    /// Names of the orders that it can write.
    pub actions: Vec<String>,
    /// Collection points.
    pub tags: Vec<Tag>,
}

/// One collection point of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Tag {
    /// What is measured.
    pub quantity: Quantity,
    /// Which of several sensors of the quantity.
    pub channel: u16,
    /// Whether a gateway reports it of its children.
    pub of_child: bool,
    /// Seconds between two values; 0 when it comes by event only.
    pub period_s: u32,
    /// The smallest difference, in the quantity's unit; 0 when that is not known.
    pub resolution: f64,
    /// What it is called on a screen.
    pub label: crate::admission::LocalizedText,
}

impl Driver {
    /// Reads one message: the whole of it, or a fault and nothing.
    pub fn decode(&self, settings: &[u8], uplink: &Uplink) -> Evaluated<Decoded> {
        if uplink.payload.len() > MAX_PAYLOAD {
            let what = format!("payload: at most {MAX_PAYLOAD} bytes, got {}", uplink.payload.len());
            return Evaluated { result: Err(PolicyFault::Limit { what }), fault: None, fuel: 0 };
        }
        let extensions = borrowed(&uplink.extensions);
        let called = self.call(|store, instance| {
            let uplink = wit::Uplink {
                received_at_ms: uplink.received_at_ms,
                device_kind: uplink.device_kind,
                format: uplink.format,
                payload: &uplink.payload,
                extensions: &extensions,
            };
            instance.davy_rules_driver().call_decode(store, settings, uplink)
        });
        called.checked(decoded)
    }

    /// Writes one order in the vendor's bytes.
    pub fn encode(&self, settings: &[u8], order: &Order) -> Evaluated<Encoded> {
        let extensions = borrowed(&order.extensions);
        let called = self.call(|store, instance| {
            let order = wit::Order {
                action: order.action,
                child: &order.child,
                counter: order.counter,
                now_ms: order.now_ms,
                deadline_ms: order.deadline_ms,
                extensions: &extensions,
            };
            instance.davy_rules_driver().call_encode(store, settings, order)
        });
        called.checked(|encoded| {
            if encoded.payload.is_empty() || encoded.payload.len() > MAX_ENCODED {
                return Err(nonsense("payload", &format!("1 to {MAX_ENCODED} bytes"), encoded.payload.len()));
            }
            Ok(Encoded { payload: encoded.payload, format: encoded.format, notes: text::notes(&encoded.notes) })
        })
    }

    /// Either of both.
    pub fn answer(&self, settings: &[u8], call: &Call) -> Evaluated<Answer> {
        let map = |result: Evaluated<Decoded>| Evaluated {
            result: result.result.map(Answer::Decoded),
            fault: result.fault,
            fuel: result.fuel,
        };
        match call {
            Call::Decode(uplink) => map(self.decode(settings, uplink)),
            Call::Encode(order) => {
                let Evaluated { result, fault, fuel } = self.encode(settings, order);
                Evaluated { result: result.map(Answer::Encoded), fault, fuel }
            }
        }
    }
}

fn borrowed(extensions: &[Extension]) -> Vec<(&str, &str)> {
    extensions.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// The empty message with which settings are tried.
pub(crate) const fn trial() -> wit::Uplink<'static> {
    wit::Uplink {
        received_at_ms: text::TRIAL_MS,
        device_kind: codes::device_kind::METER,
        format: davy_rules_sdk::driver::FORMAT_OCTETS,
        payload: &[],
        extensions: &[],
    }
}

/// What was in a message, or which part of it the contract does not allow.
fn decoded(decoded: wit::Decoded) -> Result<Decoded, PolicyFault> {
    at_most("children", MAX_CHILDREN, decoded.children.len())?;
    at_most("readings", MAX_READINGS, decoded.readings.len())?;
    at_most("reports", MAX_REPORTS, decoded.reports.len())?;
    at_most("status", MAX_STATUS, decoded.status.len())?;
    for (index, serial) in decoded.children.iter().enumerate() {
        let plain = !serial.is_empty() && serial.chars().count() <= MAX_NAME && !serial.chars().any(char::is_control);
        if !plain || decoded.children[..index].contains(serial) {
            let shown = text::plain(serial, MAX_NAME);
            return Err(nonsense("children", "serials of 1 to 64 characters, each once", shown));
        }
    }
    let child = |field: &str, number: u16| {
        let most = decoded.children.len();
        let known = usize::from(number) <= most;
        if known { Ok(()) } else { Err(nonsense(field, &format!("a child from 0 to {most}"), number)) }
    };
    let mut readings = Vec::with_capacity(decoded.readings.len());
    for (index, each) in decoded.readings.iter().enumerate() {
        let field = format!("readings[{index}]");
        child(&field, each.child)?;
        let quantity = Quantity::from_code(each.reading.quantity)
            .ok_or_else(|| nonsense(&field, "a known quantity", each.reading.quantity))?;
        Reading::new(quantity, each.reading.value, Timestamp::from_millis(each.reading.at_ms))
            .map_err(|error| PolicyFault::Nonsense { what: format!("{field}: {error}") })?;
        readings.push(DriverReading {
            reading: contract::Reading {
                at_ms: each.reading.at_ms,
                value: each.reading.value,
                quantity: each.reading.quantity,
                channel: each.reading.channel,
            },
            child: each.child,
        });
    }
    let mut reports = Vec::with_capacity(decoded.reports.len());
    for report in &decoded.reports {
        known("reports: outcome", report.outcome, codes::order_outcome::name)?;
        child("reports: child", report.child)?;
        reports.push(Report {
            counter: report.counter,
            at_ms: report.at_ms,
            outcome: report.outcome,
            child: report.child,
        });
    }
    let mut status: Vec<(String, String)> = Vec::with_capacity(decoded.status.len());
    for (name, value) in decoded.status {
        let name_byte = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !(1..=MAX_NAME).contains(&name.len()) || !name.bytes().all(name_byte) {
            return Err(nonsense(
                "status",
                "names of 1 to 64 lower-case letters, digits and `-`",
                text::plain(&name, 64),
            ));
        }
        if status.iter().any(|(other, _)| *other == name) {
            return Err(nonsense("status", "each name once", name));
        }
        status.push((name, text::plain(&value, MAX_STATUS_VALUE)));
    }
    Ok(Decoded { children: decoded.children, readings, reports, status, notes: text::notes(&decoded.notes) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing() -> wit::Decoded {
        wit::Decoded {
            children: Vec::new(),
            readings: Vec::new(),
            reports: Vec::new(),
            status: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn reading(quantity: u16, value: f64, child: u16) -> wit::DriverReading {
        wit::DriverReading { reading: wit::Reading { at_ms: 0, value, quantity, channel: 0 }, child }
    }

    #[track_caller]
    fn refused(message: wit::Decoded, words: &str) {
        let fault = decoded(message).unwrap_err().to_string();
        assert!(fault.contains(words), "expected {words:?} in {fault:?}");
    }

    #[test]
    fn one_reading_that_cannot_be_refuses_the_message() {
        let gas = |value| reading(codes::quantity::GAS, value, 0);
        assert_eq!(decoded(wit::Decoded { readings: vec![gas(3.0)], ..nothing() }).unwrap().readings.len(), 1);
        refused(wit::Decoded { readings: vec![gas(3.0), gas(f64::NAN)], ..nothing() }, "readings[1]");
        refused(wit::Decoded { readings: vec![gas(1e9)], ..nothing() }, "readings[0]");
        refused(wit::Decoded { readings: vec![reading(99, 1.0, 0)], ..nothing() }, "a known quantity, got 99");
    }

    #[test]
    fn a_child_must_be_one_of_those_that_the_message_names() {
        let of_child = |child| vec![reading(codes::quantity::GAS, 1.0, child)];
        let children = vec!["H001".to_owned()];
        assert!(decoded(wit::Decoded { children: children.clone(), readings: of_child(1), ..nothing() }).is_ok());
        refused(wit::Decoded { children: children.clone(), readings: of_child(2), ..nothing() }, "a child from 0 to 1");
        refused(wit::Decoded { children: [&children[..], &children[..]].concat(), ..nothing() }, "each once");
        refused(wit::Decoded { children: vec![String::new()], ..nothing() }, "1 to 64 characters");
        let report = wit::Report { counter: 1, at_ms: 0, outcome: 2, child: 1 };
        refused(wit::Decoded { reports: vec![report], ..nothing() }, "reports: child");
        let report = wit::Report { outcome: 77, child: 0, ..report };
        refused(wit::Decoded { reports: vec![report], ..nothing() }, "a known code, got 77");
    }

    #[test]
    fn a_status_is_plain_text_under_a_plain_name() {
        let status = |name: &str| wit::Decoded { status: vec![(name.into(), "a\u{7}b".into())], ..nothing() };
        assert_eq!(decoded(status("fault-bits")).unwrap().status, [("fault-bits".into(), "a b".into())]);
        refused(status("Fault"), "lower-case letters");
        refused(status(""), "lower-case letters");
    }
}
