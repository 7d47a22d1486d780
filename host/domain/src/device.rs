//! Kinds of devices, valve positions, alarm conditions and priorities: the vocabulary that rules, store and pages share.

use crate::id::{DeviceId, PremisesId};
use crate::quantity::Quantity;
use crate::time::{Span, Timestamp};
use serde::{Deserialize, Serialize};

macro_rules! coded {
    ($(#[$edoc:meta])* $enum:ident { $($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)* }) => {
        $(#[$edoc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        #[repr(u16)]
        pub enum $enum { $($(#[$doc])* $name = $code,)* }

        impl $enum {
            /// Every case, in the order of the codes.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
            /// The stable code, as stored and as in `wit/`.
            pub const fn code(self) -> u16 { self as u16 }
            /// The case of a stored code.
            pub const fn from_code(code: u16) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }
            /// The stable name, as in the API.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }

        impl<C> minicbor::Encode<C> for $enum {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.u16(self.code())?.ok()
            }
        }

        impl<'b, C> minicbor::Decode<'b, C> for $enum {
            fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                let code = d.u16()?;
                Self::from_code(code).ok_or_else(|| minicbor::decode::Error::message("a code that this version does not know"))
            }
        }

        impl core::fmt::Display for $enum {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result { f.write_str(self.name()) }
        }
    };
}
pub(crate) use coded;

coded! {
    /// What a device is.
    DeviceKind {
        /// Combustible-gas detector (可燃气体探测器).
        Detector = 1, "detector";
        /// Alarm controller (报警控制器).
        Controller = 2, "controller";
        /// Shut-off valve (切断阀).
        Valve = 3, "valve";
        /// Gas meter with a built-in valve, NB-IoT (燃气表).
        Meter = 4, "meter";
        /// Underground well monitor (井室监测终端).
        WellMonitor = 5, "well-monitor";
        /// Gateway: up to 500 households within 1,500 m (安全监控终端).
        Gateway = 6, "gateway";
    }
}

impl DeviceKind {
    /// Whether it has a valve of its own that can be ordered to close.
    pub const fn has_valve(self) -> bool {
        matches!(self, Self::Valve | Self::Meter)
    }
}

coded! {
    /// Where a valve is, as far as it is *proven*. There is no guess: silence is `Unknown`.
    ValveState {
        /// Never reported.
        Unknown = 0, "unknown";
        /// Reported open.
        Open = 1, "open";
        /// A close was acknowledged by the device, its position is not yet proven.
        Closing = 2, "closing";
        /// Reported closed.
        Closed = 3, "closed";
        /// Ordered to close and not proven closed by the deadline.
        Unverified = 4, "unverified";
    }
}

coded! {
    /// What an alarm is about. At most one active alarm per (device, condition).
    Condition {
        /// Gas at or above the low level.
        GasLow = 1, "gas-low";
        /// Gas at or above the high level: latches.
        GasHigh = 2, "gas-high";
        /// Gas rising towards the low level (pre-alarm).
        GasRising = 3, "gas-rising";
        /// Carbon monoxide at or above the low level.
        CoLow = 4, "co-low";
        /// Carbon monoxide at or above the high level: latches.
        CoHigh = 5, "co-high";
        /// The sensor is at its end of life.
        SensorEndOfLife = 6, "sensor-end-of-life";
        /// The battery is nearly empty.
        BatteryLow = 7, "battery-low";
        /// The housing was opened or tilted.
        Tamper = 8, "tamper";
        /// The device has not reported within its interval.
        Silent = 9, "silent";
        /// The tenant's rule failed; the statutory floor stands in.
        RuleFault = 10, "rule-fault";
        /// A close could not be proven by its deadline: a person must go.
        CloseUnverified = 11, "close-unverified";
        /// Gas flows though the valve reports closed.
        FlowAfterClose = 12, "flow-after-close";
        /// Small continuous flow: a silent leak.
        MicroFlow = 13, "micro-flow";
    }
}

impl Condition {
    /// Whether the alarm stays after the condition has gone, until a person resets it (ISA-18.2 latching).
    pub const fn latches(self) -> bool {
        matches!(self, Self::GasHigh | Self::CoHigh | Self::CloseUnverified)
    }

    /// Whether a tenant's rule may raise or clear it. The rest belongs to the platform.
    pub const fn for_rules(self) -> bool {
        !matches!(self, Self::Silent | Self::RuleFault | Self::CloseUnverified | Self::FlowAfterClose)
    }

    /// Whether it means that gas or carbon monoxide is, or may be, in the air.
    pub const fn is_leak(self) -> bool {
        matches!(self, Self::GasLow | Self::GasHigh | Self::CoLow | Self::CoHigh)
    }

    /// Whether its active alarm blocks the permission to open a valve ([`Action::Arm`](crate::command::Action::Arm)).
    pub const fn blocks_arm(self) -> bool {
        self.is_leak() || matches!(self, Self::CloseUnverified | Self::FlowAfterClose)
    }

    /// The quantity whose readings bring it about; none for those that follow from something else than one reading.
    pub const fn quantity(self) -> Option<Quantity> {
        match self {
            Self::GasLow | Self::GasHigh | Self::GasRising => Some(Quantity::Gas),
            Self::CoLow | Self::CoHigh => Some(Quantity::Co),
            Self::SensorEndOfLife => Some(Quantity::EndOfLife),
            Self::BatteryLow => Some(Quantity::Battery),
            Self::Tamper => Some(Quantity::Tamper),
            Self::MicroFlow => Some(Quantity::Flow),
            Self::Silent | Self::RuleFault | Self::CloseUnverified | Self::FlowAfterClose => None,
        }
    }

    /// The concentration it is about, for those that are about one.
    pub const fn concentration(self) -> Option<Quantity> {
        match self {
            Self::GasLow | Self::GasHigh | Self::GasRising => Some(Quantity::Gas),
            Self::CoLow | Self::CoHigh => Some(Quantity::Co),
            Self::SensorEndOfLife
            | Self::BatteryLow
            | Self::Tamper
            | Self::Silent
            | Self::RuleFault
            | Self::CloseUnverified
            | Self::FlowAfterClose
            | Self::MicroFlow => None,
        }
    }
}

coded! {
    /// How fast a person must respond (IEC 62682 §6.4).
    Priority {
        /// Within the shift.
        Low = 1, "low";
        /// Within the hour.
        Medium = 2, "medium";
        /// At once.
        High = 3, "high";
        /// Life is in danger.
        Urgent = 4, "urgent";
    }
}

/// A set of conditions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConditionSet(u32);

impl ConditionSet {
    /// The empty set.
    pub const EMPTY: Self = Self(0);
    /// From its bits: bit `n` stands for the condition with code `n`.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }
    /// Its bits, as in `wit/`.
    pub const fn bits(self) -> u32 {
        self.0
    }
    /// Adds a condition.
    pub const fn insert(&mut self, condition: Condition) {
        self.0 |= 1 << condition.code();
    }
    /// Takes a condition out.
    pub const fn remove(&mut self, condition: Condition) {
        self.0 &= !(1 << condition.code());
    }
    /// Whether the condition is in it.
    pub const fn contains(self, condition: Condition) -> bool {
        self.0 & (1 << condition.code()) != 0
    }
    /// Whether it has none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// What the platform knows about a device before it has said anything: who it is, what it is, whose valves it closes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceConfig {
    /// Its id.
    pub id: DeviceId,
    /// The maker's serial number; a gateway names its children by it.
    pub serial: String,
    /// What it is.
    pub kind: DeviceKind,
    /// Where it is, if it belongs to a premises.
    pub premises: Option<PremisesId>,
    /// When it was installed, if known: its service life counts from here.
    pub installed_at: Option<Timestamp>,
    /// How often it reports when all is well. Two missed reports make it silent; `None` means that it is not watched.
    pub report_interval: Option<Span>,
    /// Whether it sleeps between its uplinks, so that a command reaches it only in the reply to one.
    pub sleepy: bool,
    /// The valves (in the same interlock) that its leak closes. A device with a valve of its own closes that one too.
    pub links: Vec<DeviceId>,
    /// The gateway that speaks for it, if it has no connection of its own.
    pub parent: Option<DeviceId>,
}
