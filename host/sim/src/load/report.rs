//! What a load reports.
//!
//! Must never hold an uplink that was acknowledged outside of the time that was measured.

use crate::fleet::{Latency, Report as FleetReport};
use serde::Serialize;

/// The report of a load.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LoadReport {
    /// How long was measured.
    pub seconds: f64,
    /// Devices that spoke.
    pub devices: usize,
    /// How many uplinks might be without an answer.
    pub window: usize,
    /// Uplinks a second that were asked for; none for as many as possible.
    pub rate: Option<f64>,
    /// Uplinks sent, each counted once.
    pub sent: u64,
    /// Uplinks acknowledged as stored (2.04, authentic).
    pub acked: u64,
    /// These, a second.
    pub acked_per_s: f64,
    /// Turned away (5.03, 4.29).
    pub turned_away: u64,
    /// Refused with any other code.
    pub refused: u64,
    /// Answers that did not authenticate, or that matched nothing.
    pub not_authentic: u64,
    /// Echo challenges, each answered.
    pub challenged: u64,
    /// Datagrams sent again.
    pub resent: u64,
    /// Uplinks given up without an answer, or without one at the end.
    pub lost: u64,
    /// At a rate: uplinks that waited because the window was full.
    pub held_back: u64,
    /// From the first datagram to the acknowledgement.
    pub latency_ms: Latency,
    /// What the generator itself took, in microseconds of one core for each uplink sent.
    pub generator_us_per_uplink: f64,
    /// What the leaks in between met with.
    pub probe: Option<FleetReport>,
}

impl LoadReport {
    /// One line for a terminal.
    pub fn line(&self) -> String {
        let probe = self.probe.as_ref().map_or(String::new(), |probe| {
            let close = probe.leak_to_close_ms;
            format!("; {} leaks, close on the wire p50 {:.2} ms, p99 {:.2} ms", close.count, close.p50, close.p99)
        });
        format!(
            "{:.0} uplinks/s stored ({} in {:.1} s), acknowledged p50 {:.2} ms, p99 {:.2} ms, {} lost, {} turned away, {} refused, generator {:.1} µs each{probe}",
            self.acked_per_s,
            self.acked,
            self.seconds,
            self.latency_ms.p50,
            self.latency_ms.p99,
            self.lost,
            self.turned_away,
            self.refused,
            self.generator_us_per_uplink,
        )
    }
}
