//! The contract's code tables as constants, with the names that fixtures and reports use.
//!
//! A code is never reused and never changes its meaning; new ones may appear in a later platform.

macro_rules! codes {
    ($(#[$mdoc:meta])* $module:ident { $($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)* }) => {
        $(#[$mdoc])*
        pub mod $module {
            $($(#[$doc])* pub const $name: u16 = $code;)*

            /// Every code with its name, in the order of the codes.
            pub const ALL: &[(u16, &str)] = &[$(($code, $text),)*];

            /// The name of a code.
            pub fn name(code: u16) -> Option<&'static str> {
                ALL.iter().find(|(known, _)| *known == code).map(|(_, name)| *name)
            }

            /// The code of a name.
            pub fn from_name(name: &str) -> Option<u16> {
                ALL.iter().find(|(_, known)| *known == name).map(|(code, _)| *code)
            }
        }
    };
}

codes! {
    /// Measured quantities.
    quantity {
        /// Combustible gas, %LEL.
        GAS = 1, "gas";
        /// Carbon monoxide, ppm.
        CO = 2, "co";
        /// Meter index: accumulated volume, m³.
        VOLUME = 3, "vol";
        /// Volume flow, m³/h.
        FLOW = 4, "flow";
        /// Battery charge, percent of its capacity.
        BATTERY = 5, "bat";
        /// Temperature, °C.
        TEMPERATURE = 6, "temp";
        /// Gauge pressure, Pa.
        PRESSURE = 7, "pres";
        /// Valve position: 0 open, 1 closed.
        VALVE = 8, "valve";
        /// Received signal strength, dBm.
        RSSI = 9, "rssi";
        /// Housing opened or tilted: 0 no, 1 yes.
        TAMPER = 10, "tamper";
        /// Sensor at its end of life: 0 no, 1 yes.
        END_OF_LIFE = 11, "eol";
    }
}

codes! {
    /// What an alarm is about.
    condition {
        /// Gas at or above the low level.
        GAS_LOW = 1, "gas-low";
        /// Gas at or above the high level; latches.
        GAS_HIGH = 2, "gas-high";
        /// Gas rising towards the low level (pre-alarm).
        GAS_RISING = 3, "gas-rising";
        /// Carbon monoxide at or above the low level.
        CO_LOW = 4, "co-low";
        /// Carbon monoxide at or above the high level; latches.
        CO_HIGH = 5, "co-high";
        /// The sensor is at its end of life.
        SENSOR_END_OF_LIFE = 6, "sensor-end-of-life";
        /// The battery is nearly empty.
        BATTERY_LOW = 7, "battery-low";
        /// The housing was opened or tilted.
        TAMPER = 8, "tamper";
        /// The device has not reported; the platform's alone.
        SILENT = 9, "silent";
        /// The rule failed; the platform's alone.
        RULE_FAULT = 10, "rule-fault";
        /// A close could not be proven; the platform's alone.
        CLOSE_UNVERIFIED = 11, "close-unverified";
        /// Gas flows though the valve reports closed; the platform's alone.
        FLOW_AFTER_CLOSE = 12, "flow-after-close";
        /// Small continuous flow: a silent leak.
        MICRO_FLOW = 13, "micro-flow";
    }
}

codes! {
    /// How fast a person must respond (IEC 62682 §6.4).
    priority {
        /// Within the shift.
        LOW = 1, "low";
        /// Within the hour.
        MEDIUM = 2, "medium";
        /// At once.
        HIGH = 3, "high";
        /// Life is in danger.
        URGENT = 4, "urgent";
    }
}

codes! {
    /// What a device is.
    device_kind {
        /// Combustible-gas detector.
        DETECTOR = 1, "detector";
        /// Alarm controller.
        CONTROLLER = 2, "controller";
        /// Shut-off valve.
        VALVE = 3, "valve";
        /// Gas meter with a built-in valve.
        METER = 4, "meter";
        /// Underground well monitor.
        WELL_MONITOR = 5, "well-monitor";
        /// Gateway.
        GATEWAY = 6, "gateway";
    }
}

codes! {
    /// Where the linked valve is, as far as it is proven.
    valve_state {
        /// Never reported.
        UNKNOWN = 0, "unknown";
        /// Reported open.
        OPEN = 1, "open";
        /// Close acknowledged, position not proven yet.
        CLOSING = 2, "closing";
        /// Reported closed.
        CLOSED = 3, "closed";
        /// Not proven closed by the deadline.
        UNVERIFIED = 4, "unverified";
    }
}

codes! {
    /// Why a rule is called.
    trigger {
        /// New readings.
        READINGS = 1, "readings";
        /// A timer of the rule is due.
        TIMER = 2, "timer";
        /// A linked valve changed its proven position.
        VALVE_MOVED = 3, "valve-moved";
        /// The rule begins to work for the device, or its settings are tried before they are saved.
        START = 4, "start";
    }
}

codes! {
    /// Why a rule could not decide.
    fault {
        /// The settings are unusable or contradict each other.
        SETTINGS = 1, "settings";
        /// The state is not what this rule wrote.
        STATE = 2, "state";
        /// The event breaks the contract.
        EVENT = 3, "event";
        /// Anything else.
        OTHER = 4, "other";
    }
}
