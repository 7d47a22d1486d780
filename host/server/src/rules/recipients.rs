//! Who people are to a notification policy: their role, their rank in it, and what reaches them.
//!
//! The one place where roles of the platform become roles of the contract. A role that is not here is told of nothing.

use davy_domain::{Role, UserId};
use davy_rules::notification::codes::{channel, role};
use davy_rules::notification::contract::Recipient;
use davy_store::Reachable;
use std::collections::HashMap;

/// The most that an event may name.
const MOST: usize = 64;

/// The contract's code for a role of the platform. Who manages people, bills, inspections or rules is not told of alarms for that.
const fn role_code(role: Role) -> Option<u16> {
    match role {
        Role::Resident => Some(role::OWNER),
        Role::SafetyOfficer => Some(role::DUTY_MANAGER),
        Role::Technician => Some(role::TECHNICIAN),
        Role::PropertyManager => Some(role::PROPERTY_MANAGER),
        Role::Dispatcher => Some(role::CONTROL_ROOM),
        Role::Regulator => Some(role::REGULATOR),
        Role::PlatformAdministrator
        | Role::Administrator
        | Role::Inspector
        | Role::BillingClerk
        | Role::RuleEngineer
        | Role::Auditor => None,
    }
}

/// What reaches somebody: whoever can sign in has an address, and with a telephone number a text or a call does too.
const fn channels(has_phone: bool) -> u32 {
    let phone = if has_phone { 1 << channel::SMS | 1 << channel::VOICE } else { 0 };
    1 << channel::EMAIL | phone
}

/// Everybody who can be told of something, and who each of them is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recipients {
    /// As a policy gets them, by rank and then by role: of very many, the first of each role are there.
    pub all: Vec<Recipient>,
    users: HashMap<(u16, u16), UserId>,
}

impl Recipients {
    /// These people, in the order of their ids; each role's ranks follow it.
    pub fn of(people: &[Reachable]) -> Self {
        let mut ranks: HashMap<u16, u16> = HashMap::new();
        let mut recipients = Self::default();
        for (person, role) in people.iter().flat_map(|person| person.roles.iter().map(move |role| (person, role))) {
            let Some(role) = role_code(role) else { continue };
            let next = ranks.entry(role).or_default();
            let rank = *next;
            *next = next.saturating_add(1);
            let channels = channels(person.has_phone);
            recipients.all.push(Recipient { role, rank, channels, on_duty: true });
            recipients.users.insert((role, rank), person.user);
        }
        recipients.all.sort_by_key(|to| (to.rank, to.role));
        recipients.all.truncate(MOST);
        recipients
    }

    /// Who somebody is.
    pub fn user(&self, role: u16, rank: u16) -> Option<UserId> {
        self.users.get(&(role, rank)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use davy_domain::Roles;

    fn person(id: i64, role: Role, has_phone: bool) -> Reachable {
        Reachable { user: UserId::from_raw(id), roles: Roles::one(role), has_phone }
    }

    #[test]
    fn people_have_a_role_a_rank_and_what_reaches_them() {
        let people =
            [person(3, Role::Dispatcher, true), person(4, Role::Resident, false), person(7, Role::Dispatcher, false)];
        let recipients = Recipients::of(&people);
        let all: Vec<_> = recipients.all.iter().map(|to| (to.role, to.rank, to.has(channel::VOICE))).collect();
        assert_eq!(all, [(role::OWNER, 0, false), (role::CONTROL_ROOM, 0, true), (role::CONTROL_ROOM, 1, false)]);
        assert!(recipients.all.iter().all(|to| to.has(channel::EMAIL)));
        assert_eq!(recipients.user(role::CONTROL_ROOM, 1), Some(UserId::from_raw(7)));
        assert_eq!(Recipients::of(&[person(1, Role::Auditor, true)]), Recipients::default());
    }

    #[test]
    fn of_very_many_the_first_of_each_role_are_there() {
        let mut people: Vec<_> = (0..100).map(|id| person(id, Role::Dispatcher, false)).collect();
        people.push(person(200, Role::Resident, true));
        let recipients = Recipients::of(&people);
        assert_eq!(recipients.all.len(), MOST);
        assert!(recipients.all.iter().any(|to| to.role == role::OWNER), "nobody of another role pushes them out");
    }
}
