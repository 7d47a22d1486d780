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

codes! {
    /// Why a billing policy is called.
    billing_trigger {
        /// Volume to charge.
        USAGE = 1, "usage";
        /// A day of the account's calendar has begun.
        DAY = 2, "day";
        /// A payment was received.
        PAYMENT = 3, "payment";
        /// A timer of the rule is due.
        TIMER = 4, "timer";
        /// A notice was sent or proven.
        NOTICE = 5, "notice";
        /// Class, tariff, exemptions or supply changed.
        CHANGED = 6, "changed";
        /// The rule begins to work for the account, or its settings are tried before they are saved.
        START = 7, "start";
    }
}

codes! {
    /// Who a customer is.
    account_class {
        /// A household.
        HOUSEHOLD = 1, "household";
        /// A restaurant, a shop.
        COMMERCIAL = 2, "commercial";
        /// Industry.
        INDUSTRIAL = 3, "industrial";
        /// A school, a hospital.
        PUBLIC = 4, "public";
        /// Central heating.
        HEATING = 5, "heating";
        /// No premises of a customer: an underground well. Of alarms only, never of accounts.
        NONE = 6, "none";
    }
}

codes! {
    /// What keeps an account from being shut off.
    exemption {
        /// Vulnerable customer.
        VULNERABLE = 1, "vulnerable";
        /// Heating season.
        HEATING_SEASON = 2, "heating-season";
        /// Hospital or other medical need.
        MEDICAL = 3, "medical";
        /// The bill is disputed.
        DISPUTED = 4, "disputed";
        /// A payment plan is kept.
        PAYMENT_PLAN = 5, "payment-plan";
        /// Public holiday or its eve.
        HOLIDAY = 6, "holiday";
        /// Extreme weather warning.
        WEATHER = 7, "weather";
    }
}

codes! {
    /// Notices to a customer.
    notice {
        /// Bill.
        BILL = 1, "bill";
        /// Friendly reminder, without legal effect.
        REMINDER = 2, "reminder";
        /// Demand for payment.
        DEMAND = 3, "demand";
        /// Written notice of the shut-off.
        WRITTEN = 4, "written";
        /// Announcement on the day before the shut-off.
        EVE = 5, "eve";
        /// The gas may be opened again, and how.
        RESTORATION = 6, "restoration";
    }
}

codes! {
    /// Where an account's valve stands for its debt.
    supply {
        /// Open.
        OPEN = 0, "open";
        /// Shut-off requested and not decided yet.
        REQUESTED = 1, "requested";
        /// Closed for arrears.
        CLOSED_FOR_ARREARS = 2, "closed-for-arrears";
        /// Closed for safety.
        CLOSED_FOR_SAFETY = 3, "closed-for-safety";
    }
}

codes! {
    /// How a metered volume was found.
    usage_source {
        /// Metered.
        METERED = 1, "metered";
        /// Estimated.
        ESTIMATED = 2, "estimated";
        /// Correction of an estimate.
        CORRECTED = 3, "corrected";
    }
}

codes! {
    /// Lines of a bill.
    charge {
        /// Volume.
        VOLUME = 1, "volume";
        /// Standing charge.
        STANDING = 2, "standing";
        /// Fee for late payment.
        LATE = 3, "late";
        /// Credit or correction.
        CREDIT = 4, "credit";
        /// Other.
        OTHER = 5, "other";
    }
}

codes! {
    /// Why a notification policy is called.
    notification_trigger {
        /// The alarm was raised.
        RAISED = 1, "raised";
        /// Its priority was lifted.
        ESCALATED = 2, "escalated";
        /// A person acknowledged it.
        ACKNOWLEDGED = 3, "acknowledged";
        /// Its condition has gone.
        GONE = 4, "gone";
        /// It was reset or returned to normal: its last call.
        CLOSED = 5, "closed";
        /// A timer of the rule is due.
        TIMER = 6, "timer";
        /// A message could not be delivered.
        DELIVERY_FAILED = 7, "delivery-failed";
        /// The settings are tried before they are saved.
        START = 8, "start";
    }
}

codes! {
    /// Who can be told of an alarm.
    role {
        /// Resident or owner of the premises.
        OWNER = 1, "owner";
        /// Safety officer of the premises.
        SAFETY_OFFICER = 2, "safety-officer";
        /// Technician of the gas company.
        TECHNICIAN = 3, "technician";
        /// Property manager.
        PROPERTY_MANAGER = 4, "property-manager";
        /// Control room of the gas company.
        CONTROL_ROOM = 5, "control-room";
        /// Duty manager of the gas company.
        DUTY_MANAGER = 6, "duty-manager";
        /// Regulator.
        REGULATOR = 7, "regulator";
    }
}

codes! {
    /// Ways to reach somebody.
    channel {
        /// App push.
        PUSH = 1, "push";
        /// Text message.
        SMS = 2, "sms";
        /// Voice call.
        VOICE = 3, "voice";
        /// WeChat.
        WECHAT = 4, "wechat";
        /// Sounder on site.
        SOUNDER = 5, "sounder";
        /// E-mail.
        EMAIL = 6, "email";
    }
}

codes! {
    /// Why a message could not be delivered.
    delivery_failure {
        /// No such address.
        ADDRESS = 1, "address";
        /// Refused by the provider.
        REFUSED = 2, "refused";
        /// Not confirmed in time.
        UNCONFIRMED = 3, "unconfirmed";
        /// The provider is away.
        AWAY = 4, "away";
    }
}

codes! {
    /// Orders to a device. There is no order to open.
    action {
        /// Close the valve.
        CLOSE = 1, "close";
        /// Permit a person at the device to open it by hand.
        ARM = 2, "arm";
    }
}

codes! {
    /// What a device says became of an order.
    order_outcome {
        /// It has the order and will carry it out.
        ACCEPTED = 1, "accepted";
        /// It has moved the valve.
        ACTUATED = 2, "actuated";
        /// Its counter is not above the highest that the device has accepted.
        REFUSED_STALE = 3, "refused-stale";
        /// Its battery cannot move the valve.
        REFUSED_BATTERY = 4, "refused-battery";
        /// The valve did not move.
        FAILED_JAMMED = 5, "failed-jammed";
        /// The deadline of an arm has passed.
        REFUSED_EXPIRED = 6, "refused-expired";
        /// Too hot or too cold to move the valve.
        REFUSED_TEMPERATURE = 7, "refused-temperature";
        /// It cannot do this at all.
        REFUSED_UNSUPPORTED = 8, "refused-unsupported";
    }
}
