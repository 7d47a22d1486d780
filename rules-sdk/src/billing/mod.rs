//! The billing world: reading an event, building up what a policy decided, and two tested blocks: dividing volume among the
//! steps of a tariff, and what stands between an account and a lawful shut-off.
//!
//! ```
//! use davy_rules_sdk::billing::prelude::*;
//!
//! /// What the gas company can set.
//! #[derive(Settings)]
//! pub struct Price {
//!     /// Price of a cubic metre.
//!     #[setting(default = 300_000, min = 0, max = 10_000_000, unit = "mfen/m3", zh = "单价", en = "Price")]
//!     price: i64,
//! }
//!
//! /// Nothing is remembered.
//! #[derive(State, Default)]
//! pub struct Nothing {}
//!
//! /// Charges every litre at one price.
//! #[billing_policy(name = "flat", version = "1.0.0", zh = "单一价格", en = "One price")]
//! pub fn decide(settings: &Price, _: &mut Nothing, event: &Event) -> Decision {
//!     let mut decision = Decision::new();
//!     for usage in &event.usage {
//!         decision.charge_volume(usage, usage.litres, 1, settings.price, 0);
//!     }
//!     decision
//! }
//!
//! use davy_rules_sdk::harness::Bench;
//! # fn main() {
//! let mut bench = Bench::billing::<Policy>("{}").unwrap();
//! let outcome = bench.usage(1_000, &[(0, 1_000, 12_345)]).unwrap();
//! assert_eq!(outcome.charges[0].amount_fen, 3_704); // 12.345 m³ at 3.00 yuan
//! # }
//! ```

mod event;
pub mod law;
pub mod tariff;

pub use event::Trigger;

use crate::codes::charge;
use crate::contract::Timer;
use crate::contract::billing::{Charge, Event, NoticeRequest, Outcome, ShutOffRequest, Usage};
use crate::policy::{Folding, World};

/// The world `davy:rules/billing-policy`.
#[derive(Clone, Copy, Debug)]
pub enum Billing {}

impl World for Billing {
    const NAME: &'static str = "billing-policy";
    type Event = Event;
    type Outcome = Outcome;
}

impl Folding for Billing {
    type Decision = Decision;

    fn outcome(decision: Decision, state: Vec<u8>) -> Outcome {
        let Decision { charges, notices, shut_off, arm, timers, notes } = decision;
        Outcome { state, charges, notices, shut_off, arm, timers, notes }
    }

    fn note(decision: &mut Decision, text: &str) {
        decision.note(text);
    }
}

/// What a policy decided, built up call by call. State is not part of it: the rule changes its state in place.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    charges: Vec<Charge>,
    notices: Vec<NoticeRequest>,
    shut_off: Option<ShutOffRequest>,
    arm: bool,
    timers: Vec<Timer>,
    notes: Vec<String>,
}

impl Decision {
    /// Nothing to do.
    pub const fn new() -> Self {
        Self {
            charges: Vec::new(),
            notices: Vec::new(),
            shut_off: None,
            arm: false,
            timers: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds a line to the bill.
    pub fn charge(&mut self, line: Charge) -> &mut Self {
        self.charges.push(line);
        self
    }

    /// Adds a line for `litres` of a span's volume at one price, in milli-fen per m³; a correction downwards becomes a credit.
    /// Without volume there is no line.
    pub fn charge_volume(&mut self, usage: &Usage, litres: u64, step: u16, price: i64, text: u16) -> &mut Self {
        if litres == 0 {
            return self;
        }
        let amount = tariff::amount_fen(litres, price);
        let (kind, amount_fen) = if usage.credit { (charge::CREDIT, -amount) } else { (charge::VOLUME, amount) };
        let (from_ms, to_ms) = (usage.from_ms, usage.to_ms);
        self.charge(Charge { kind, step, text, from_ms, to_ms, litres, price, amount_fen })
    }

    /// The sum of all lines so far, in fen.
    pub fn charged_fen(&self) -> i64 {
        self.charges.iter().fold(0, |sum, line| sum.saturating_add(line.amount_fen))
    }

    /// Asks for a notice; each kind once, the first one stays.
    pub fn request_notice(&mut self, notice: NoticeRequest) -> &mut Self {
        if self.notices.iter().all(|other| other.kind != notice.kind) {
            self.notices.push(notice);
        }
        self
    }

    /// Asks for the shut-off. The platform decides, and refuses what [`law::obstacle`] finds an obstacle to.
    pub fn request_shut_off(&mut self, request: ShutOffRequest) -> &mut Self {
        self.shut_off = Some(request);
        self
    }

    /// Asks for the permission to open again.
    pub fn request_arm(&mut self) -> &mut Self {
        self.arm = true;
        self
    }

    /// Sets a timer; the same id again replaces it.
    pub fn set_timer(&mut self, id: u32, at_ms: i64) -> &mut Self {
        crate::timers::set(&mut self.timers, id, at_ms);
        self
    }

    /// Leaves a remark for whoever examines the decision later.
    pub fn note(&mut self, text: impl Into<String>) -> &mut Self {
        self.notes.push(text.into());
        self
    }
}

/// Everything that a billing rule usually needs.
pub mod prelude {
    pub use super::law::{self, Obstacle};
    pub use super::tariff::{self, Step};
    pub use super::{Decision, Trigger};
    pub use crate::codes::{account_class, charge, exemption, notice, supply, usage_source};
    pub use crate::contract::Fault;
    pub use crate::contract::billing::{AccountContext, Charge, Event, NoticeRequest, ShutOffRequest, Usage};
    pub use crate::policy::Rule;
    pub use davy_rules_sdk_macros::{Settings, State, billing_policy};
}
