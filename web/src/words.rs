//! The domain's words in the reader's language, and how serious each condition looks.
//!
//! Exhaustive over the domain's enumerations: a new condition does not compile until both languages can say it.

mod agent;
pub mod ledger;
pub mod refusals;
pub mod rules;

pub use agent::agent;

use crate::translations::Locale;
use davy_api::Person;
use davy_domain::alarm::{AlarmState, Origin};
use davy_domain::command::{Action, CommandState};
use davy_domain::{Condition, DeviceKind, Priority, Quantity, Role, Roles, ScopeKind, ValveState};
use leptos_i18n::td_string;

/// How serious something looks: a shape, a word and a colour. Grey is normal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Nothing is wrong.
    Normal = 0,
    /// Worth knowing; nobody must hurry.
    Event = 1,
    /// A person must respond.
    Alarm = 2,
    /// Gas or carbon monoxide is, or may be, in the air.
    Leak = 3,
}

impl Level {
    /// Of an active alarm.
    pub fn of(condition: Condition, priority: Priority) -> Self {
        if condition.is_leak() {
            Self::Leak
        } else if priority > Priority::Low {
            Self::Alarm
        } else {
            Self::Event
        }
    }

    /// Of a device's worst condition, whose priority a list does not tell.
    pub fn of_condition(condition: Option<Condition>) -> Self {
        match condition {
            None => Self::Normal,
            Some(condition) if condition.is_leak() => Self::Leak,
            Some(Condition::SensorEndOfLife | Condition::BatteryLow | Condition::Silent | Condition::RuleFault) => {
                Self::Event
            }
            Some(_) => Self::Alarm,
        }
    }

    /// The class that the stylesheet knows.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Event => "event",
            Self::Alarm => "alarm",
            Self::Leak => "leak",
        }
    }

    /// The word.
    pub fn word(self, locale: Locale) -> &'static str {
        match self {
            Self::Normal => td_string!(locale, map.normal),
            Self::Event => td_string!(locale, map.event),
            Self::Alarm => td_string!(locale, map.alarm),
            Self::Leak => td_string!(locale, map.leak),
        }
    }
}

/// The name of a condition.
pub fn condition(locale: Locale, condition: Condition) -> &'static str {
    match condition {
        Condition::GasLow => td_string!(locale, condition.gas_low),
        Condition::GasHigh => td_string!(locale, condition.gas_high),
        Condition::GasRising => td_string!(locale, condition.gas_rising),
        Condition::CoLow => td_string!(locale, condition.co_low),
        Condition::CoHigh => td_string!(locale, condition.co_high),
        Condition::SensorEndOfLife => td_string!(locale, condition.sensor_end_of_life),
        Condition::BatteryLow => td_string!(locale, condition.battery_low),
        Condition::Tamper => td_string!(locale, condition.tamper),
        Condition::Silent => td_string!(locale, condition.silent),
        Condition::RuleFault => td_string!(locale, condition.rule_fault),
        Condition::CloseUnverified => td_string!(locale, condition.close_unverified),
        Condition::FlowAfterClose => td_string!(locale, condition.flow_after_close),
        Condition::MicroFlow => td_string!(locale, condition.micro_flow),
    }
}

/// The name of a priority.
pub fn priority(locale: Locale, priority: Priority) -> &'static str {
    match priority {
        Priority::Low => td_string!(locale, priority.low),
        Priority::Medium => td_string!(locale, priority.medium),
        Priority::High => td_string!(locale, priority.high),
        Priority::Urgent => td_string!(locale, priority.urgent),
    }
}

/// Where an alarm stands.
pub fn alarm_state(locale: Locale, state: AlarmState) -> &'static str {
    match state {
        AlarmState::Normal => td_string!(locale, alarm_state.normal),
        AlarmState::Unacknowledged => td_string!(locale, alarm_state.unacknowledged),
        AlarmState::Acknowledged => td_string!(locale, alarm_state.acknowledged),
        AlarmState::ReturnedUnacknowledged => td_string!(locale, alarm_state.returned_unacknowledged),
        AlarmState::LatchedUnacknowledged => td_string!(locale, alarm_state.latched_unacknowledged),
        AlarmState::LatchedAcknowledged => td_string!(locale, alarm_state.latched_acknowledged),
        AlarmState::Shelved => td_string!(locale, alarm_state.shelved),
        AlarmState::SuppressedByDesign => td_string!(locale, alarm_state.suppressed_by_design),
        AlarmState::OutOfService => td_string!(locale, alarm_state.out_of_service),
    }
}

/// Who raised an alarm.
pub fn origin(locale: Locale, origin: Origin) -> &'static str {
    match origin {
        Origin::Floor => td_string!(locale, alarms.by_floor),
        Origin::Rule => td_string!(locale, alarms.by_rule),
        Origin::Platform => td_string!(locale, alarms.by_platform),
        Origin::Driver => td_string!(locale, alarms.by_driver),
    }
}

/// Where a valve is, as far as it is proven.
pub fn valve(locale: Locale, valve: ValveState) -> &'static str {
    match valve {
        ValveState::Unknown => td_string!(locale, valve.unknown),
        ValveState::Open => td_string!(locale, valve.open),
        ValveState::Closing => td_string!(locale, valve.closing),
        ValveState::Closed => td_string!(locale, valve.closed),
        ValveState::Unverified => td_string!(locale, valve.unverified),
    }
}

/// The same in a sentence.
pub fn valve_detail(locale: Locale, valve: ValveState) -> &'static str {
    match valve {
        ValveState::Unknown => td_string!(locale, valve.unknown_detail),
        ValveState::Open => td_string!(locale, valve.open_detail),
        ValveState::Closing => td_string!(locale, valve.closing_detail),
        ValveState::Closed => td_string!(locale, valve.closed_detail),
        ValveState::Unverified => td_string!(locale, valve.unverified_detail),
    }
}

/// What a device is.
pub fn device_kind(locale: Locale, kind: DeviceKind) -> &'static str {
    match kind {
        DeviceKind::Detector => td_string!(locale, kind.detector),
        DeviceKind::Controller => td_string!(locale, kind.controller),
        DeviceKind::Valve => td_string!(locale, kind.valve),
        DeviceKind::Meter => td_string!(locale, kind.meter),
        DeviceKind::WellMonitor => td_string!(locale, kind.well_monitor),
        DeviceKind::Gateway => td_string!(locale, kind.gateway),
    }
}

/// The name of a quantity.
pub fn quantity(locale: Locale, quantity: Quantity) -> &'static str {
    match quantity {
        Quantity::Gas => td_string!(locale, quantity.gas),
        Quantity::Co => td_string!(locale, quantity.co),
        Quantity::Volume => td_string!(locale, quantity.volume),
        Quantity::Flow => td_string!(locale, quantity.flow),
        Quantity::Battery => td_string!(locale, quantity.battery),
        Quantity::Temperature => td_string!(locale, quantity.temperature),
        Quantity::Pressure => td_string!(locale, quantity.pressure),
        Quantity::Valve => td_string!(locale, quantity.valve),
        Quantity::Rssi => td_string!(locale, quantity.rssi),
        Quantity::Tamper => td_string!(locale, quantity.tamper),
        Quantity::EndOfLife => td_string!(locale, quantity.end_of_life),
    }
}

/// What a command orders.
pub fn action(locale: Locale, action: Action) -> &'static str {
    match action {
        Action::Close => td_string!(locale, command.close),
        Action::Arm => td_string!(locale, command.arm),
    }
}

/// Where a command stands.
pub fn command_state(locale: Locale, state: CommandState) -> &'static str {
    match state {
        CommandState::Requested => td_string!(locale, command.requested),
        CommandState::Authorised => td_string!(locale, command.authorised),
        CommandState::Queued => td_string!(locale, command.queued),
        CommandState::Sent => td_string!(locale, command.sent),
        CommandState::Acknowledged => td_string!(locale, command.acknowledged),
        CommandState::Actuated => td_string!(locale, command.actuated),
        CommandState::Verified => td_string!(locale, command.verified),
        CommandState::Rejected => td_string!(locale, command.rejected),
        CommandState::Expired => td_string!(locale, command.expired),
        CommandState::Cancelled => td_string!(locale, command.cancelled),
        CommandState::Failed => td_string!(locale, command.failed),
        CommandState::Unverified => td_string!(locale, command.unverified),
    }
}

/// How serious a command's state looks: a close that failed or was not proven needs a person.
pub const fn command_level(state: CommandState) -> Level {
    match state {
        CommandState::Failed | CommandState::Unverified | CommandState::Expired => Level::Alarm,
        CommandState::Rejected => Level::Event,
        CommandState::Requested
        | CommandState::Authorised
        | CommandState::Queued
        | CommandState::Sent
        | CommandState::Acknowledged
        | CommandState::Actuated
        | CommandState::Verified
        | CommandState::Cancelled => Level::Normal,
    }
}

/// Why a command was given; an unknown word of a newer server is shown as it is.
pub fn cause(locale: Locale, cause: &str) -> String {
    match cause {
        "leak" => td_string!(locale, command.cause_leak).to_owned(),
        "operator" => td_string!(locale, command.cause_operator).to_owned(),
        "resident" => td_string!(locale, command.cause_resident).to_owned(),
        other => other.to_owned(),
    }
}

/// The page where somebody begins: the first that is theirs.
pub fn start_of(person: &Person) -> &'static str {
    match person.scope {
        ScopeKind::Premises => "/home",
        ScopeKind::Tenant if !person.can("alarms:see") => "/devices",
        ScopeKind::Platform => "/tenants",
        ScopeKind::Jurisdiction | ScopeKind::Tenant | ScopeKind::Community => "/",
    }
}

/// What somebody is, all of it.
pub fn roles(locale: Locale, roles: Roles) -> String {
    let words: Vec<_> = roles.iter().map(|one| role(locale, one)).collect();
    words.join(if locale == Locale::en { ", " } else { "、" })
}

/// What a person is.
pub fn role(locale: Locale, role: Role) -> &'static str {
    match role {
        Role::PlatformAdministrator => td_string!(locale, role.platform_administrator),
        Role::Regulator => td_string!(locale, role.regulator),
        Role::Administrator => td_string!(locale, role.administrator),
        Role::SafetyOfficer => td_string!(locale, role.safety_officer),
        Role::Dispatcher => td_string!(locale, role.dispatcher),
        Role::Technician => td_string!(locale, role.technician),
        Role::Inspector => td_string!(locale, role.inspector),
        Role::BillingClerk => td_string!(locale, role.billing_clerk),
        Role::RuleEngineer => td_string!(locale, role.rule_engineer),
        Role::Auditor => td_string!(locale, role.auditor),
        Role::PropertyManager => td_string!(locale, role.property_manager),
        Role::Resident => td_string!(locale, role.resident),
    }
}

/// Whether the alarm still waits for a person to acknowledge it.
pub const fn wants_acknowledgement(state: AlarmState) -> bool {
    matches!(state, AlarmState::Unacknowledged | AlarmState::ReturnedUnacknowledged | AlarmState::LatchedUnacknowledged)
}

/// Whether the alarm is held until a person resets it.
pub const fn wants_reset(state: AlarmState) -> bool {
    matches!(state, AlarmState::LatchedAcknowledged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leak_never_looks_like_less_whatever_its_priority() {
        for &condition in Condition::ALL {
            for &priority in Priority::ALL {
                assert_eq!(
                    Level::of(condition, priority) == Level::Leak,
                    condition.is_leak(),
                    "{condition} {priority}"
                );
            }
        }
    }

    #[test]
    fn every_word_of_the_domain_differs_within_a_language() {
        for locale in [Locale::zh_CN, Locale::en] {
            let words: std::collections::BTreeSet<_> = Condition::ALL.iter().map(|&c| condition(locale, c)).collect();
            assert_eq!(words.len(), Condition::ALL.len());
            let words: std::collections::BTreeSet<_> = ValveState::ALL.iter().map(|&v| valve(locale, v)).collect();
            assert_eq!(words.len(), ValveState::ALL.len());
        }
    }
}
