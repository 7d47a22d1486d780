//! What a device says: samples with their age, so that a device which does not know the time can speak too.
//!
//! Must never know how it is written on the wire.

use davy_domain::{Quantity, Span, Timestamp};

/// One measured value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// What.
    pub quantity: Quantity,
    /// In [`Quantity::unit`].
    pub value: f64,
    /// When, in true time; the device's clock is applied when it is sent.
    pub at: Timestamp,
}

/// What is said of one device.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The child that a gateway speaks for; none for itself.
    pub child: Option<String>,
    /// What was measured.
    pub samples: Vec<Sample>,
}

/// An uplink.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The device's clock when it sent; none when it does not know the time.
    pub clock: Option<Timestamp>,
    /// The true time when it sent.
    pub sent: Timestamp,
    /// What it says.
    pub parts: Vec<Part>,
}

impl Report {
    /// The time to write for a sample, by the device's clock; or, without one, its age.
    pub fn time_of(&self, sample: &Sample) -> Result<Timestamp, Span> {
        let age = self.sent.since(sample.at);
        self.clock.map(|clock| clock - age).ok_or(age)
    }

    /// The highest value of a quantity in it.
    pub fn highest(&self, quantity: Quantity) -> Option<f64> {
        let samples = self.parts.iter().flat_map(|part| &part.samples);
        samples.filter(|sample| sample.quantity == quantity).map(|sample| sample.value).max_by(f64::total_cmp)
    }
}
