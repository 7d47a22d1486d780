//! Which role may do what to which resource: the one table, asked by the extractors and again by the backend, so that no way in goes
//! round it. `docs/authorisation.md` is printed from it.
//!
//! A row allows; whatever has no row is refused. Whose things somebody may meet at all is not decided here but by their scope: what
//! lies outside of it is not found, whatever the role.

mod print;
mod ways;

pub use print::table as printed;
pub use ways::{Access, FORMS, OPERATIONS, PAGES, STREAMS};

use davy_api::{Problem, Viewer};
use davy_domain::{Role, Roles};

macro_rules! deeds {
    ($($(#[$doc:meta])* $name:ident, $resource:literal $action:literal, $words:literal, $($role:ident)|*;)*) => {
        /// Something that may be done to a resource, within somebody's scope.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Deed { $($(#[$doc])* $name,)* }

        impl Deed {
            /// Every deed.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// What it is done to.
            pub const fn resource(self) -> &'static str {
                match self { $(Self::$name => $resource,)* }
            }

            /// What is done.
            pub const fn action(self) -> &'static str {
                match self { $(Self::$name => $action,)* }
            }

            /// The stable name, `resource:action`: of a token's scopes, and of what pages show.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => concat!($resource, ":", $action),)* }
            }

            /// The deed in words that follow "allow you to".
            pub const fn words(self) -> &'static str {
                match self { $(Self::$name => $words,)* }
            }

            /// Whether the role may do it, within the viewer's scope.
            pub const fn allowed(self, role: Role) -> bool {
                match self { $(Self::$name => matches!(role, $(Role::$role)|*),)* }
            }
        }

        $($(#[$doc])* #[derive(Clone, Copy, Debug)] pub struct $name;
        impl Permission for $name { const DEED: Deed = Deed::$name; })*
    };
}

/// A deed as a type, so that a handler says in its signature what it needs.
pub trait Permission: Send + Sync + 'static {
    /// The deed.
    const DEED: Deed;
}

deeds! {
    /// The companies of the platform, in figures.
    SeeTenants, "tenants" "see", "see the platform's companies", PlatformAdministrator;
    /// Lock a company's people out, or let them in again.
    SuspendTenants, "tenants" "suspend", "suspend a company", PlatformAdministrator;
    /// Ask for a company's deletion, and approve what another administrator has asked for.
    DeleteTenants, "tenants" "delete", "delete a company", PlatformAdministrator;
    /// Alarms, the figures and the map above them, and live events.
    SeeAlarms, "alarms" "see", "see alarms",
        Regulator | Administrator | SafetyOfficer | Dispatcher | Technician | Inspector | RuleEngineer | Auditor | PropertyManager | Resident;
    /// Why an alarm moved: decisions with the rule's settings, and the component that took part.
    ExplainAlarm, "alarms" "explain", "see why an alarm was decided as it was",
        Regulator | SafetyOfficer | Dispatcher | Technician | RuleEngineer | Auditor | Resident;
    /// Acknowledge an alarm.
    AcknowledgeAlarm, "alarms" "acknowledge", "acknowledge an alarm", SafetyOfficer | Dispatcher | Technician;
    /// Reset a latched alarm.
    ResetAlarm, "alarms" "reset", "reset an alarm", SafetyOfficer | Dispatcher;
    /// Say what an alarm really was.
    JudgeAlarm, "alarms" "judge", "say what an alarm really was", Regulator | SafetyOfficer | Dispatcher | Technician;
    /// Devices and premises with their readings.
    SeeDevices, "devices" "see", "see devices",
        Regulator | Administrator | SafetyOfficer | Dispatcher | Technician | Inspector | BillingClerk | RuleEngineer | Auditor
        | PropertyManager | Resident;
    /// Order the valves of a device or of one premises to close.
    CloseValve, "valves" "close", "close a valve", SafetyOfficer | Dispatcher | Technician | Resident;
    /// Add devices to the company's, and take their keys.
    AddDevices, "devices" "add", "add devices", Administrator | Technician;
    /// Close many premises together: choose them, ask for it, and approve what another person has asked for.
    CloseMany, "valves" "close-many", "close many premises together", SafetyOfficer | Dispatcher;
    /// Set how many premises one person may close alone.
    LimitClosing, "valves" "limit", "set how much one person may close", Administrator | SafetyOfficer;
    /// Dangerous acts that were asked for, and who decided.
    SeeRequests, "approvals" "see", "see what waits for approval", Administrator | SafetyOfficer | Dispatcher | Auditor;
    /// The company's people and their roles.
    SeePeople, "people" "see", "see the company's people", Administrator | Auditor;
    /// Enter people, change their roles, end their access.
    ChangePeople, "people" "change", "change the company's people", Administrator;
    /// Say what the company's staff may not do without a second factor.
    DemandFactor, "people" "demand-factor", "say what needs a second factor", Administrator;
    /// What the company uses of what all companies share.
    SeeUsage, "usage" "see", "see the company's usage", Administrator | RuleEngineer | Auditor;
    /// Make, see and end tokens of one's own machines; an administrator ends any of the company.
    UseTokens, "tokens" "use", "use tokens", Regulator | Administrator | SafetyOfficer | RuleEngineer | Auditor;
    /// Who lives with one, and who is invited.
    SeeHousehold, "household" "see", "see a household", Resident;
    /// Invite to one's household, and hand it over when moving out.
    ChangeHousehold, "household" "change", "change a household", Resident;
    /// Invite the first of a household.
    AdmitResidents, "household" "admit", "invite residents", Administrator | Dispatcher;
    /// End a household whose people have moved out.
    EndHouseholds, "household" "end", "end a household", Administrator;
    /// How people at a device are reached, in part: enough to know that somebody is, and whom one has on the telephone.
    SeeContacts, "contacts" "see", "see who can be reached",
        Regulator | Administrator | SafetyOfficer | Dispatcher | Technician | Inspector | Auditor | PropertyManager;
    /// The same whole, for one device; each look is in the log of personal data.
    ShowContacts, "contacts" "show", "see contacts whole", Administrator | Dispatcher;
    /// Who of the company met whose personal data.
    SeeDataActs, "personal-data" "see", "see who met whose personal data", Administrator | Auditor;
    /// See the company's rules.
    SeeRules, "rules" "see", "see a company's rules", Administrator | SafetyOfficer | RuleEngineer | Auditor;
    /// Upload rules, try them, propose them, give them up.
    ChangeRules, "rules" "change", "change a company's rules", RuleEngineer;
    /// Approve or decline what another person has proposed.
    ApproveRules, "rules" "approve", "decide about a version of a rule", SafetyOfficer | RuleEngineer;
    /// Take a version out of force, for the one before it.
    RollBackRules, "rules" "roll-back", "take a rule back", SafetyOfficer | RuleEngineer;
    /// Say whose signatures on components are accepted.
    ChangeSigners, "rule-signers" "change", "say whose signatures are accepted", Administrator | SafetyOfficer;
    /// Draw the bounds beyond which the platform takes a version that is being tried back.
    BoundRules, "rules" "bound", "draw the bounds of trials", Administrator | SafetyOfficer;
    /// What the company's ledger has; of a regulator, what concerns devices in their jurisdiction.
    SeeLedger, "ledger" "see", "see the ledger", Regulator | Administrator | SafetyOfficer | Auditor;
    /// Take a whole chain of the ledger along.
    ExportLedger, "ledger" "export", "export the ledger", Administrator | Auditor;
}

impl Deed {
    /// Whether the viewer may do it, within their scope: by one of their roles, and for a token only if it was given that.
    pub fn allowed_to(self, viewer: &Viewer) -> bool {
        self.allowed_to_any(viewer.roles)
            && viewer.only.as_ref().is_none_or(|only| only.iter().any(|code| code == self.code()))
    }

    /// Whether one of the roles may do it.
    pub fn allowed_to_any(self, roles: Roles) -> bool {
        roles.iter().any(|role| self.allowed(role))
    }

    /// The deed of a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|deed| deed.code() == code)
    }
}

/// The codes of what the viewer may do.
pub fn codes(viewer: &Viewer) -> Vec<String> {
    Deed::ALL.iter().filter(|deed| deed.allowed_to(viewer)).map(|deed| deed.code().to_owned()).collect()
}

/// Refuses what the viewer's roles do not allow.
///
/// # Errors
/// [`Problem::forbidden`]; [`Problem::second_factor`] when the role allows it and the session has proven too little.
pub fn require(viewer: &Viewer, deed: Deed) -> Result<(), Problem> {
    if !deed.allowed_to(viewer) {
        return Err(Problem::forbidden(deed.words()));
    }
    crate::step_up::require(viewer, deed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use davy_domain::{PersonScope, UserId};

    #[test]
    fn the_table_is_the_one_that_is_documented() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/authorisation.md");
        let table = printed();
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(path, &table).unwrap();
        }
        let documented = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(documented, table, "run this test with UPDATE_GOLDEN=1 and read the difference");
    }

    #[test]
    fn the_platforms_administrator_meets_no_companys_data_and_a_property_manager_changes_nothing() {
        for deed in Deed::ALL {
            let of_the_platform = deed.resource() == "tenants";
            assert!(of_the_platform || !deed.allowed(Role::PlatformAdministrator), "{}", deed.code());
            assert!(!deed.allowed(Role::PropertyManager) || deed.action() == "see", "{}", deed.code());
            assert!(
                !deed.allowed(Role::Auditor) || ["see", "explain", "export", "use"].contains(&deed.action()),
                "{}",
                deed.code()
            );
        }
    }

    #[test]
    fn a_token_may_do_only_what_it_was_given_and_its_maker_may() {
        let mut viewer = Viewer {
            user: UserId::from_raw(1),
            scope: PersonScope::Platform,
            roles: Roles::one(Role::Dispatcher),
            only: Some(vec!["alarms:see".to_owned(), "rules:change".to_owned()]),
            name: String::new(),
            session: None,
            proof: davy_domain::proof::Proof::default(),
        };
        assert_eq!(codes(&viewer), ["alarms:see"]);
        viewer.only = None;
        assert!(Deed::CloseValve.allowed_to(&viewer) && !Deed::ChangeRules.allowed_to(&viewer));
    }

    #[test]
    fn every_deed_has_a_code_of_its_own_and_somebody_who_may_do_it() {
        for deed in Deed::ALL {
            assert_eq!(Deed::from_code(deed.code()), Some(*deed));
            assert!(Role::ALL.iter().any(|role| deed.allowed(*role)), "nobody may do {}", deed.code());
        }
    }
}
