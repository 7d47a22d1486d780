//! Which role may do what: one table, asked by the extractors and again by the backend, so that no way in goes round it.

use davy_api::{Problem, Role, Viewer};

macro_rules! deeds {
    ($($(#[$doc:meta])* $name:ident, $words:literal, $($role:ident)|*;)*) => {
        /// Something that not everybody may do. Reading is not among them: what a viewer may read is their scope.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Deed { $($(#[$doc])* $name,)* }

        impl Deed {
            /// Every deed.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

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
    /// Order a valve to close.
    CloseValve, "close a valve", Operator | Resident;
    /// Acknowledge an alarm.
    AcknowledgeAlarm, "acknowledge an alarm", Operator;
    /// Reset a latched alarm.
    ResetAlarm, "reset an alarm", Operator;
    /// Say what an alarm really was.
    JudgeAlarm, "say what an alarm really was", Operator;
    /// See the company's rules.
    SeeRules, "see a company's rules", Operator;
    /// Upload rules, try them, put them in force and take them back.
    ChangeRules, "change a company's rules", Operator;
}

/// Refuses what the viewer's role does not allow.
///
/// # Errors
/// [`Problem::forbidden`].
pub fn require(viewer: &Viewer, deed: Deed) -> Result<(), Problem> {
    if deed.allowed(viewer.role) { Ok(()) } else { Err(Problem::forbidden(deed.words())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    #[test]
    fn the_table_of_roles_and_deeds_is_the_one_that_was_agreed() {
        let mut table = String::new();
        for deed in Deed::ALL {
            for role in [Role::Regulator, Role::Operator, Role::Resident] {
                let word = if deed.allowed(role) { "may" } else { "may not" };
                writeln!(table, "{role:?} {word} {}", deed.words()).unwrap();
            }
        }
        assert_eq!(
            table,
            "Regulator may not close a valve\nOperator may close a valve\nResident may close a valve\n\
             Regulator may not acknowledge an alarm\nOperator may acknowledge an alarm\n\
             Resident may not acknowledge an alarm\nRegulator may not reset an alarm\n\
             Operator may reset an alarm\nResident may not reset an alarm\n\
             Regulator may not say what an alarm really was\nOperator may say what an alarm really was\n\
             Resident may not say what an alarm really was\n\
             Regulator may not see a company's rules\nOperator may see a company's rules\nResident may not see a company's rules\n\
             Regulator may not change a company's rules\nOperator may change a company's rules\n\
             Resident may not change a company's rules\n"
        );
    }
}
