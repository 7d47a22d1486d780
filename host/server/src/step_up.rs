//! For which deeds a company may demand a second factor. Who may do them at all is the table of roles' to say.

use crate::roles::Deed;
use davy_api::{Problem, Viewer};
use davy_domain::proof::Danger;

/// What is dangerous about a deed, if anything.
pub const fn danger(deed: Deed) -> Option<Danger> {
    match deed {
        Deed::CloseValve | Deed::CloseMany | Deed::LimitClosing => Some(Danger::Commands),
        // Who gives roles away, or lifts the demand, could do by others what they may not do themself.
        Deed::ChangeRules
        | Deed::ApproveRules
        | Deed::RollBackRules
        | Deed::ChangeSigners
        | Deed::BoundRules
        | Deed::ChangePeople
        | Deed::DemandFactor => Some(Danger::Rules),
        // Adding devices is asked of who only looks, too: what takes a key out of use or hands it out asks by itself, see `keys`.
        Deed::AddDevices
        | Deed::SeeTenants
        | Deed::SeeUsage
        | Deed::SuspendTenants
        | Deed::DeleteTenants
        | Deed::SeeAlarms
        | Deed::ExplainAlarm
        | Deed::AcknowledgeAlarm
        | Deed::ResetAlarm
        | Deed::JudgeAlarm
        | Deed::SeeDevices
        | Deed::SeeRequests
        | Deed::SeePeople
        | Deed::UseTokens
        | Deed::SeeHousehold
        | Deed::ChangeHousehold
        | Deed::AdmitResidents
        | Deed::EndHouseholds
        | Deed::SeeContacts
        | Deed::ShowContacts
        | Deed::SeeDataActs
        | Deed::SeeRules
        | Deed::SeeLedger
        | Deed::ExportLedger => None,
    }
}

/// Refuses to hand out, replace or revoke keys of devices while commands to valves would be refused: a device without its key obeys
/// nobody.
///
/// # Errors
/// [`Problem::second_factor`].
pub fn keys(viewer: &Viewer) -> Result<(), Problem> {
    if viewer.proof.suffices(Danger::Commands) {
        return Ok(());
    }
    Err(Problem::second_factor("change the keys of devices"))
}

/// Refuses what the viewer's company demands a second factor for while none is fresh.
///
/// # Errors
/// [`Problem::second_factor`].
pub fn require(viewer: &Viewer, deed: Deed) -> Result<(), Problem> {
    match danger(deed) {
        Some(danger) if !viewer.proof.suffices(danger) => Err(Problem::second_factor(deed.words())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use davy_domain::Role;
    use davy_domain::proof::SecondFactorPolicy;

    /// The roles that a policy concerns: those that may do something that it demands a second factor for.
    fn concerned(policy: SecondFactorPolicy) -> Vec<&'static str> {
        let demanded = |deed: &&Deed| danger(**deed).is_some_and(|danger| policy.demands(danger));
        let deeds: Vec<_> = Deed::ALL.iter().filter(demanded).collect();
        let roles = Role::ALL.iter().filter(|role| deeds.iter().any(|deed| deed.allowed(**role)));
        roles.map(|role| role.name()).collect()
    }

    #[test]
    fn every_role_that_commands_valves_or_puts_rules_in_force_can_be_made_to_prove_itself() {
        assert_eq!(concerned(SecondFactorPolicy::Optional), [""; 0]);
        assert_eq!(concerned(SecondFactorPolicy::Rules), ["administrator", "safety-officer", "rule-engineer"]);
        // A resident's company demands nothing of them: that is the session's to know.
        assert_eq!(
            concerned(SecondFactorPolicy::Commands),
            ["administrator", "safety-officer", "dispatcher", "technician", "rule-engineer", "resident"]
        );
    }
}
