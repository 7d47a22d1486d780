//! The inventory of personal data: every column that holds some, of which kind, what for, on which legal basis, and how long.
//!
//! `docs/personal-data.md` is printed from it. A test walks the database's own catalogue: a column of text, or of a place on earth, that is
//! neither here nor in [`NOT_PERSONAL`] fails it. Numbers of people in other columns (who acknowledged, who approved) are pseudonyms: they
//! name somebody only while `users` does.

use davy_domain::personal::{Basis, Category};
use std::fmt::Write as _;

/// Whose data a column's rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Of the person whose number is in this column.
    Person(&'static str),
    /// Of everybody at the premises whose number is in this column.
    Premises(&'static str),
    /// Of the premises' people, and given out in a form of its own: the series of each device.
    Elsewhere,
    /// Of the person, and given to nobody, not even to them: it proves who they are.
    Proof,
}

/// A column that holds personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// Which kind of data.
    pub category: Category,
    /// Whose.
    pub whose: Whose,
    /// The legal basis.
    pub basis: Basis,
    /// What it is for.
    pub purpose: &'static str,
    /// How long it is kept.
    pub kept: &'static str,
}

const WITH_ACTS: &str = "as long as what they did is";
const UNTIL_ENDED: &str = "until access ends";
const WITH_PREMISES: &str = "as long as gas is supplied there";

const fn held(
    at: (&'static str, &'static str),
    category: Category,
    whose: Whose,
    basis: Basis,
    purpose: &'static str,
    kept: &'static str,
) -> Held {
    Held { table: at.0, column: at.1, category, whose, basis, purpose, kept }
}

/// Every column that holds personal data.
pub const INVENTORY: &[Held] = &[
    held(
        ("users", "name"),
        Category::Name,
        Whose::Person("id"),
        Basis::Contract,
        "to know whom one speaks to in an emergency",
        WITH_ACTS,
    ),
    held(
        ("users", "email"),
        Category::Contact,
        Whose::Person("id"),
        Basis::Contract,
        "signing in; notices; letters that lead back in",
        UNTIL_ENDED,
    ),
    held(
        ("users", "phone"),
        Category::Contact,
        Whose::Person("id"),
        Basis::Emergency,
        "calling when gas leaks; signing in",
        WITH_ACTS,
    ),
    held(
        ("users", "password_hash"),
        Category::SignIn,
        Whose::Proof,
        Basis::Contract,
        "signing in",
        "until it is changed",
    ),
    held(
        ("users", "locale"),
        Category::Part,
        Whose::Person("id"),
        Basis::Contract,
        "the language of pages and notices",
        WITH_ACTS,
    ),
    held(
        ("users", "scope"),
        Category::Part,
        Whose::Person("id"),
        Basis::Contract,
        "whose things the person may meet",
        WITH_ACTS,
    ),
    held(("users", "roles"), Category::Part, Whose::Person("id"), Basis::Contract, "what the person may do", WITH_ACTS),
    held(
        ("sessions", "agent"),
        Category::SignIn,
        Whose::Person("user_id"),
        Basis::Contract,
        "the person's own list of where they are signed in",
        "until the session ends",
    ),
    held(
        ("sessions", "address"),
        Category::SignIn,
        Whose::Person("user_id"),
        Basis::Contract,
        "the person's own list of where they are signed in",
        "until the session ends",
    ),
    held(
        ("credential_letters", "channel"),
        Category::SignIn,
        Whose::Person("user_id"),
        Basis::Contract,
        "bringing a way back in",
        "until the letter expires",
    ),
    held(
        ("api_tokens", "name"),
        Category::SignIn,
        Whose::Person("user_id"),
        Basis::Contract,
        "telling one's own tokens apart",
        WITH_ACTS,
    ),
    held(
        ("api_tokens", "deeds"),
        Category::SignIn,
        Whose::Person("user_id"),
        Basis::Contract,
        "what a token may do",
        WITH_ACTS,
    ),
    held(
        ("premises", "address"),
        Category::Place,
        Whose::Premises("id"),
        Basis::LegalDuty,
        "where gas leaks, for whoever goes there",
        WITH_PREMISES,
    ),
    held(
        ("premises", "community"),
        Category::Place,
        Whose::Premises("id"),
        Basis::LegalDuty,
        "where gas leaks, for whoever goes there",
        WITH_PREMISES,
    ),
    held(
        ("premises", "building"),
        Category::Place,
        Whose::Premises("id"),
        Basis::LegalDuty,
        "closing a building's valves together",
        WITH_PREMISES,
    ),
    held(
        ("premises", "lon"),
        Category::Place,
        Whose::Premises("id"),
        Basis::LegalDuty,
        "the map of alarms",
        WITH_PREMISES,
    ),
    held(
        ("premises", "lat"),
        Category::Place,
        Whose::Premises("id"),
        Basis::LegalDuty,
        "the map of alarms",
        WITH_PREMISES,
    ),
    held(
        ("devices", "serial"),
        Category::Place,
        Whose::Premises("premises_id"),
        Basis::LegalDuty,
        "which device is meant",
        "as long as the device is in service",
    ),
    held(
        ("devices", "lon"),
        Category::Place,
        Whose::Premises("premises_id"),
        Basis::LegalDuty,
        "the map of alarms",
        "as long as the device is in service",
    ),
    held(
        ("devices", "lat"),
        Category::Place,
        Whose::Premises("premises_id"),
        Basis::LegalDuty,
        "the map of alarms",
        "as long as the device is in service",
    ),
    held(
        ("journal", "body"),
        Category::Readings,
        Whose::Elsewhere,
        Basis::LegalDuty,
        "judging leaks; making every decision again",
        "until it is packed into chunks",
    ),
    held(
        ("chunks", "body"),
        Category::Readings,
        Whose::Elsewhere,
        Basis::LegalDuty,
        "judging leaks; making every decision again",
        "as long as the company keeps its history",
    ),
    held(
        ("device_snapshots", "body"),
        Category::Readings,
        Whose::Elsewhere,
        Basis::LegalDuty,
        "what a device last said",
        "until the device says more",
    ),
    held(
        ("messages", "text_zh"),
        Category::Messages,
        Whose::Person("user_id"),
        Basis::Emergency,
        "telling people of a leak",
        "with the alarm",
    ),
    held(
        ("messages", "text_en"),
        Category::Messages,
        Whose::Person("user_id"),
        Basis::Emergency,
        "telling people of a leak",
        "with the alarm",
    ),
    held(
        ("messages", "state"),
        Category::Messages,
        Whose::Person("user_id"),
        Basis::LegalDuty,
        "proof that people were told",
        "with the alarm",
    ),
];

/// Columns of text, and of a place, that hold nobody's data. Words of the platform, of rules and of things; of what people wrote, names of
/// companies, communities, keys and files.
pub const NOT_PERSONAL: &[(&str, &str)] = &[
    ("alarm_findings", "finding"),
    ("alarm_log", "event"),
    ("alarm_words", "notes"),
    ("alarm_words", "text_en"),
    ("alarm_words", "text_zh"),
    ("approvals", "act"),
    ("approvals", "outcome"),
    ("approvals", "subject"),
    ("back_tests", "report"),
    ("back_tests", "state"),
    ("commands", "cause"),
    ("communities", "name"),
    ("decisions", "input"),
    ("decisions", "result"),
    ("device_imports", "name"),
    ("device_imports", "report"),
    ("device_imports", "state"),
    ("device_key_notices", "kind"),
    ("devices", "key_kek_id"),
    ("devices", "model"),
    ("divisions", "name_en"),
    ("divisions", "name_zh"),
    ("messages", "about"),
    ("messages", "wanted_by"),
    ("meta", "name"),
    ("meta", "value"),
    ("notification_decisions", "input"),
    ("notification_decisions", "result"),
    ("notification_folds", "memory"),
    ("outbox", "body"),
    ("personal_data_acts", "categories"),
    ("quarantine", "reason"),
    ("rule_acts", "act"),
    ("rule_bounds", "bounds"),
    ("rule_health", "body"),
    ("rule_releases", "checks"),
    ("rule_releases", "scope"),
    ("rule_releases", "world"),
    ("rule_settings", "settings"),
    ("rule_signers", "name"),
    ("rules", "about"),
    ("rules", "name"),
    ("rules", "tier"),
    ("rules", "version"),
    ("sealed_secrets", "kek_id"),
    ("sealed_secrets", "purpose"),
    ("statutory_floor", "body"),
    ("statutory_floor", "jurisdiction"),
    ("tenant_deletions", "name"),
    ("tenant_deletions", "proof"),
    ("tenants", "name"),
    ("tenants", "second_factor"),
];

/// The inventory as a Markdown table.
pub fn printed() -> String {
    let mut out = "| column | kind | what for | legal basis | kept |\n| --- | --- | --- | --- | --- |\n".to_owned();
    for held in INVENTORY {
        let basis = match held.basis {
            Basis::Consent => "consent, art. 13 (1)",
            Basis::Contract => "contract or staff, art. 13 (2)",
            Basis::LegalDuty => "duty by law, art. 13 (3)",
            Basis::Emergency => "emergency, art. 13 (4)",
        };
        // Writing to a text cannot fail.
        let _ = writeln!(
            out,
            "| `{}.{}` | {} | {} | {basis} | {} |",
            held.table, held.column, held.category, held.purpose, held.kept
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const BEGIN: &str = "<!-- inventory: printed, do not edit -->\n";
    const END: &str = "<!-- inventory: end -->\n";

    #[test]
    fn the_inventory_is_the_one_that_is_documented() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/personal-data.md");
        let text = std::fs::read_to_string(path).unwrap();
        let (head, rest) = text.split_once(BEGIN).unwrap();
        let (table, tail) = rest.split_once(END).unwrap();
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(path, format!("{head}{BEGIN}{}{END}{tail}", printed())).unwrap();
            return;
        }
        assert_eq!(table, printed(), "run this test with UPDATE_GOLDEN=1 and read the difference");
    }

    #[test]
    fn a_column_is_in_one_of_the_lists_and_there_once() {
        let all: Vec<_> =
            INVENTORY.iter().map(|held| (held.table, held.column)).chain(NOT_PERSONAL.iter().copied()).collect();
        let once: BTreeSet<_> = all.iter().collect();
        assert_eq!(once.len(), all.len());
    }
}
