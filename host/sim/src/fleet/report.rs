//! What a fleet reports at its end, and while it runs: plain figures, written as JSON.
//!
//! Must never hold a figure that was not counted or measured by this fleet.

use crate::world::leak::{LeakKind, LeakSite};
use hdrhistogram::Histogram;
use serde::Serialize;

/// A distribution of durations, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Latency {
    /// How many were measured.
    pub count: u64,
    /// Half took at most this.
    pub p50: f64,
    /// 99 of 100 took at most this.
    pub p99: f64,
    /// 999 of 1,000 took at most this.
    pub p999: f64,
    /// The longest.
    pub max: f64,
}

impl Latency {
    /// From a histogram of microseconds.
    pub fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1000.0;
        Self {
            count: histogram.len(),
            p50: at(0.5),
            p99: at(0.99),
            p999: at(0.999),
            max: histogram.max() as f64 / 1000.0,
        }
    }
}

/// Counters of a fleet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Uplinks handed to the protocol, each counted once however often it was retransmitted.
    pub uplinks_sent: u64,
    /// Of these, acknowledged with 2.04.
    pub uplinks_acked: u64,
    /// Turned away for now (5.03, 4.29); their readings went along with a later uplink.
    pub uplinks_turned_away: u64,
    /// Refused for good (other 4.xx).
    pub uplinks_refused: u64,
    /// No answer after all retransmissions, or cut off by a reboot; the readings of the former went along with a later uplink.
    pub uplinks_given_up: u64,
    /// Still without an answer when the fleet ended.
    pub uplinks_unanswered: u64,
    /// Outcomes of commands sent.
    pub outcomes_sent: u64,
    /// Of these, acknowledged.
    pub outcomes_acked: u64,
    /// Observations of `/c` registered, renewals included.
    pub observations: u64,
    /// Notifications received.
    pub notifications: u64,
    /// Closes that reached a device, repeats included.
    pub close_commands: u64,
    /// Arms that reached a device, repeats included.
    pub arm_commands: u64,
    /// Valves that came home.
    pub valves_closed: u64,
    /// Of those of leaks, whose report was acknowledged.
    pub valves_closed_verified: u64,
    /// Closes that jammed.
    pub valves_jammed: u64,
    /// Reboots.
    pub reboots: u64,
    /// Datagrams handed to sockets.
    pub datagrams_sent: u64,
    /// Datagrams that reached devices.
    pub datagrams_received: u64,
    /// Datagrams that the simulated radio lost, both ways.
    pub datagrams_lost: u64,
    /// Retransmissions by devices.
    pub retransmissions: u64,
    /// Protected answers that did not authenticate.
    pub answers_not_authentic: u64,
    /// Commands that could not be read.
    pub commands_unreadable: u64,
}

/// One leak.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LeakReport {
    /// The premises, as in the credentials.
    pub premises: String,
    /// The place's number in the simulated city.
    pub place: u32,
    /// How it began; none for carbon monoxide.
    pub kind: Option<LeakKind>,
    /// Where in the line.
    pub site: Option<LeakSite>,
    /// When it began, ms after the fleet's start.
    pub began_ms: f64,
    /// When what was in the air at the sensor reached the statutory level, ms after the beginning. The rest likewise.
    pub floor_after_ms: Option<f64>,
    /// When the first datagram with a reading at that level was sent.
    pub told_after_ms: Option<f64>,
    /// When the first close command reached a valve that was awake.
    pub ordered_after_ms: Option<f64>,
    /// When the first valve was home, and the flow ended.
    pub closed_after_ms: Option<f64>,
    /// Whether every valve that is awake is closed, and the platform has acknowledged its saying so.
    pub proven: bool,
    /// The same of all valves, those asleep too.
    pub all_proven: bool,
    /// Whether a valve jammed.
    pub jammed: bool,
    /// From the datagram with the reading to the close command, both on the wire, ms.
    pub wire_ms: Option<f64>,
}

/// The report of a fleet.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// How long it ran.
    pub seconds: f64,
    /// Uplinks handed to the protocol.
    pub uplinks_sent: u64,
    /// Acknowledged as stored.
    pub uplinks_acked: u64,
    /// Given up, or still without an answer at the end.
    pub lost: u64,
    /// Leaks and blocked flues that were begun.
    pub leaks_injected: u64,
    /// Of these, how many reached the statutory level in the air.
    pub leaks_felt: u64,
    /// How many were told to the platform with a reading at that level.
    pub leaks_told: u64,
    /// How many were answered with a close that reached a valve.
    pub leaks_ordered: u64,
    /// How many were ended by a valve.
    pub leaks_closed: u64,
    /// How many ended with every awake valve closed and its report acknowledged.
    pub leaks_proven: u64,
    /// The same with the sleepers.
    pub leaks_all_proven: u64,
    /// Every counter.
    pub totals: Totals,
    /// From an uplink's first datagram to its acknowledgement.
    pub uplink_rtt_ms: Latency,
    /// From the first datagram with a leak's reading to the close command, both on the wire.
    pub leak_to_close_ms: Latency,
    /// From the same datagram to the first valve home.
    pub leak_to_closed_ms: Latency,
    /// From the statutory level in the air to the first valve home.
    pub floor_to_closed_ms: Latency,
    /// Each leak.
    pub leaks: Vec<LeakReport>,
}

impl Report {
    /// One line for a terminal.
    pub fn line(&self) -> String {
        format!(
            "{:5.0} s  uplinks {} sent, {} acknowledged, {} lost  leaks {} begun, {} told, {} closed, {} proven  close on the wire p50 {:.2} ms, max {:.2} ms",
            self.seconds,
            self.uplinks_sent,
            self.uplinks_acked,
            self.lost,
            self.leaks_injected,
            self.leaks_told,
            self.leaks_closed,
            self.leaks_proven,
            self.leak_to_close_ms.p50,
            self.leak_to_close_ms.max,
        )
    }
}
