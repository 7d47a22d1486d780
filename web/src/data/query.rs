//! Query strings and paths of the REST routes. A field that is not asked for is left out.

use core::fmt::{Display, Write};
use davy_api::{AlarmQuery, DeviceQuery, LedgerQuery, SeriesQuery, ValvesOf};
use davy_domain::{Quantity, Timestamp};

/// Collects `name=value` pairs.
#[derive(Default)]
pub struct Query(String);

impl Query {
    /// Adds a pair when there is a value.
    #[must_use]
    pub fn with(mut self, name: &str, value: Option<impl Display>) -> Self {
        if let Some(value) = value {
            self.0.push(if self.0.is_empty() { '?' } else { '&' });
            self.0.push_str(name);
            self.0.push('=');
            percent_encode(&value.to_string(), &mut self.0);
        }
        self
    }

    /// The string with its question mark, or nothing.
    pub fn build(self) -> String {
        self.0
    }
}

/// Appends `text` with everything but unreserved characters (RFC 3986 §2.3) escaped.
pub fn percent_encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// The path of whose valves these are, below `/api/v1/`.
pub fn valves(of: ValvesOf) -> String {
    match of {
        ValvesOf::Device(device) => format!("devices/{device}"),
        ValvesOf::Premises(premises) => format!("premises/{premises}"),
    }
}

/// For `GET /api/v1/alarms`.
pub fn alarms(query: &AlarmQuery) -> String {
    Query::default()
        .with("history", query.history)
        .with("device", query.device)
        .with("after", query.after.as_ref())
        .with("limit", query.limit)
        .build()
}

/// For `GET /api/v1/devices`.
pub fn devices(query: &DeviceQuery) -> String {
    Query::default()
        .with("kind", query.kind)
        .with("q", query.q.as_ref())
        .with("after", query.after.as_ref())
        .with("limit", query.limit)
        .build()
}

/// For `GET /api/v1/ledger`.
pub fn ledger(query: &LedgerQuery) -> String {
    Query::default()
        .with("kind", query.kind.as_ref())
        .with("from", query.from.map(Timestamp::as_millis))
        .with("to", query.to.map(Timestamp::as_millis))
        .with("by", query.by)
        .with("about", query.about.as_ref())
        .with("after", query.after.as_ref())
        .with("limit", query.limit)
        .build()
}

/// For `GET /api/v1/devices/{id}/series`.
pub fn series(query: &SeriesQuery) -> String {
    Query::default()
        .with("quantity", Some(quantity_name(query.quantity)))
        .with("from", query.from.map(Timestamp::as_millis))
        .with("to", query.to.map(Timestamp::as_millis))
        .with("limit", query.limit)
        .build()
}

/// The kebab-case word of the API.
pub const fn quantity_name(quantity: Quantity) -> &'static str {
    match quantity {
        Quantity::Gas => "gas",
        Quantity::Co => "co",
        Quantity::Volume => "volume",
        Quantity::Flow => "flow",
        Quantity::Battery => "battery",
        Quantity::Temperature => "temperature",
        Quantity::Pressure => "pressure",
        Quantity::Valve => "valve",
        Quantity::Rssi => "rssi",
        Quantity::Tamper => "tamper",
        Quantity::EndOfLife => "end-of-life",
    }
}

/// The quantity of the API's word.
pub fn quantity_from_name(name: &str) -> Option<Quantity> {
    Quantity::ALL.iter().copied().find(|&quantity| quantity_name(quantity) == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use davy_domain::DeviceKind;

    #[test]
    fn only_what_is_asked_for_is_sent_and_chinese_is_escaped() {
        let query = DeviceQuery {
            kind: Some(DeviceKind::WellMonitor),
            q: Some("和平 & co".to_owned()),
            after: None,
            limit: Some(20),
        };
        assert_eq!(devices(&query), "?kind=well-monitor&q=%E5%92%8C%E5%B9%B3%20%26%20co&limit=20");
        assert_eq!(alarms(&AlarmQuery { history: None, device: None, after: None, limit: None }), "");
    }

    #[test]
    fn quantities_are_named_as_the_api_spells_them() {
        for &quantity in Quantity::ALL {
            let spelt = serde_json::to_value(quantity).unwrap();
            assert_eq!(spelt, quantity_name(quantity));
            assert_eq!(quantity_from_name(quantity_name(quantity)), Some(quantity));
        }
    }
}
