//! Reading a billing event: the trigger as an enum, exemptions, notices.

use crate::codes::{billing_trigger, notice};
use crate::contract::billing::{AccountContext, Event, NoticeProof};

/// Why the rule is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trigger {
    /// Volume to charge.
    Usage,
    /// A day of the account's calendar has begun.
    Day,
    /// A payment was received.
    Payment,
    /// The rule's timer with this id is due.
    Timer(u32),
    /// A notice of this kind was sent or proven.
    Notice(u16),
    /// Class, tariff, exemptions or supply changed.
    Changed,
    /// The rule begins to work for the account, or its settings are tried before they are saved.
    Start,
    /// A trigger of a later platform, with its code: answer with the state unchanged and no effects.
    Other(u16),
}

impl Event {
    /// The platform's time of the event, in ms since the Unix epoch.
    pub fn now_ms(&self) -> i64 {
        self.context.now_ms
    }

    /// Why the rule is called.
    pub fn trigger(&self) -> Trigger {
        match self.trigger {
            billing_trigger::USAGE => Trigger::Usage,
            billing_trigger::DAY => Trigger::Day,
            billing_trigger::PAYMENT => Trigger::Payment,
            billing_trigger::TIMER => Trigger::Timer(self.timer_id),
            billing_trigger::NOTICE => Trigger::Notice(self.notice_kind),
            billing_trigger::CHANGED => Trigger::Changed,
            billing_trigger::START => Trigger::Start,
            other => Trigger::Other(other),
        }
    }

    /// The value of an extension, if the platform gives it.
    pub fn extension(&self, name: &str) -> Option<&str> {
        self.extensions.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl AccountContext {
    /// Whether an exemption of this code holds today.
    pub fn is_exempt(&self, exemption: u16) -> bool {
        exemption < 64 && self.exemptions & (1 << exemption) != 0
    }

    /// The newest notice of a kind.
    pub fn newest_notice(&self, kind: u16) -> Option<&NoticeProof> {
        self.notices.iter().rev().find(|notice| notice.kind == kind)
    }

    /// Whether a notice of a kind has been sent about the present arrears.
    pub fn was_sent(&self, kind: u16) -> bool {
        self.newest_notice(kind).is_some()
    }

    /// The longest that a notice of this kind has been proven, in whole days; `None` when no proof is on file.
    pub fn days_proven(&self, kind: u16) -> Option<u32> {
        self.notices
            .iter()
            .filter(|notice| notice.kind == kind && notice.proven_at_ms.is_some())
            .map(|notice| notice.days_since_proven)
            .max()
    }

    /// Days that the law asks for after the proof of the demand; `None` when it asks for no demand.
    pub fn statutory_demand_days(&self) -> Option<u32> {
        self.required.iter().filter(|required| required.kind == notice::DEMAND).map(|required| required.days).max()
    }
}
