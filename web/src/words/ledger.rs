//! The words of the ledger: topics, kinds of acts, who acted, and what an act says in short.

use crate::tell::tell;
use crate::translations::Locale;
use crate::words;
use davy_domain::ledger::{Act, Actor};
use davy_domain::proof::SecondFactorPolicy;
use leptos_i18n::td_string;

/// The topics that can be looked for, as the API names them.
pub const TOPICS: [&str; 9] =
    ["people", "access", "personal-data", "alarms", "commands", "rules", "provisioning", "data", "companies"];
/// Those that a regulator can.
pub const SAFETY_TOPICS: [&str; 2] = ["alarms", "commands"];

/// A topic.
pub fn topic(locale: Locale, topic: &str) -> &'static str {
    match topic {
        "people" => td_string!(locale, ledger.topic_people),
        "alarms" => td_string!(locale, ledger.topic_alarms),
        "commands" => td_string!(locale, ledger.topic_commands),
        "rules" => td_string!(locale, ledger.topic_rules),
        "provisioning" => td_string!(locale, ledger.topic_provisioning),
        "data" => td_string!(locale, ledger.topic_data),
        "companies" => td_string!(locale, ledger.topic_companies),
        "access" => td_string!(locale, ledger.topic_access),
        "personal-data" => td_string!(locale, ledger.topic_personal_data),
        _ => td_string!(locale, ledger.topic_safety),
    }
}

/// A kind of act, by the name that the API gives it.
pub fn kind(locale: Locale, kind: &str) -> String {
    let words = match kind {
        "began" => td_string!(locale, ledger.k_began),
        "signed-in" => td_string!(locale, ledger.k_signed_in),
        "sign-in-refused" => td_string!(locale, ledger.k_refused),
        "signed-out" => td_string!(locale, ledger.k_signed_out),
        "session-revoked" => td_string!(locale, ledger.k_revoked),
        "password-changed" => td_string!(locale, ledger.k_password),
        "second-factor-set" => td_string!(locale, ledger.k_factor_set),
        "second-factor-removed" => td_string!(locale, ledger.k_factor_removed),
        "second-factor-demanded" => td_string!(locale, ledger.k_factor_demanded),
        "alarm-moved" => td_string!(locale, ledger.k_alarm),
        "alarm-judged" => td_string!(locale, ledger.k_judged),
        "command-given" => td_string!(locale, ledger.k_given),
        "command-ended" => td_string!(locale, ledger.k_ended),
        "rule-acted" => td_string!(locale, ledger.k_rule),
        "back-test-started" => td_string!(locale, ledger.k_test),
        "back-test-cancelled" => td_string!(locale, ledger.k_cancelled),
        "signer-accepted" => td_string!(locale, ledger.k_signer),
        "signer-removed" => td_string!(locale, ledger.k_signer_gone),
        "bounds-drawn" => td_string!(locale, ledger.k_bounds),
        "component-deleted" => td_string!(locale, ledger.k_component_gone),
        "provisioned" => td_string!(locale, ledger.k_provisioned),
        "key-revoked" => td_string!(locale, ledger.k_key_revoked),
        "key-replaced" => td_string!(locale, ledger.k_key_replaced),
        "keys-taken" => td_string!(locale, ledger.k_keys_taken),
        "revoked-spoke" => td_string!(locale, ledger.k_revoked_spoke),
        "exported" => td_string!(locale, ledger.k_exported),
        "checkpoint-key-made" => td_string!(locale, ledger.k_key),
        "roles-changed" => td_string!(locale, ledger.k_roles),
        "access-ended" => td_string!(locale, ledger.k_access_ended),
        "token-made" => td_string!(locale, ledger.k_token_made),
        "token-ended" => td_string!(locale, ledger.k_token_ended),
        "approval-asked" => td_string!(locale, ledger.k_asked),
        "approval-moved" => td_string!(locale, ledger.k_decided),
        "closing-limit-set" => td_string!(locale, ledger.k_limit),
        "invited" => td_string!(locale, ledger.k_invited),
        "invitation-withdrawn" => td_string!(locale, ledger.k_uninvited),
        "household-joined" => td_string!(locale, ledger.k_joined),
        "household-ended" => td_string!(locale, ledger.k_household_ended),
        "personal-data-seen" => td_string!(locale, ledger.k_data_seen),
        "personal-data-exported" => td_string!(locale, ledger.k_data_exported),
        "company-suspended" => td_string!(locale, ledger.k_suspended),
        "company-resumed" => td_string!(locale, ledger.k_resumed),
        "company-exported" => td_string!(locale, ledger.k_company_exported),
        "company-imported" => td_string!(locale, ledger.k_company_imported),
        "company-deletion-moved" => td_string!(locale, ledger.k_deletion),
        "company-deleted" => td_string!(locale, ledger.k_company_deleted),
        "" => td_string!(locale, ledger.newer),
        other => return other.to_owned(),
    };
    words.to_owned()
}

/// Who acted; a person by their name, where it is known.
pub fn actor(locale: Locale, actor: Option<Actor>, name: Option<&str>) -> String {
    match (actor, name) {
        (_, Some(name)) => name.to_owned(),
        (Some(Actor::Person { by }), None) => tell!(locale, ledger.person, id = by),
        (Some(Actor::Platform), None) => td_string!(locale, ledger.platform).to_owned(),
        (Some(Actor::CommandLine), None) => td_string!(locale, ledger.command_line).to_owned(),
        (Some(Actor::Machine { .. }), None) => td_string!(locale, ledger.machine).to_owned(),
        (Some(Actor::Unknown) | None, None) => td_string!(locale, ledger.unknown).to_owned(),
    }
}

/// What an act says in short; nothing when its kind says it all.
pub fn short(locale: Locale, act: &Act) -> String {
    match act {
        Act::AlarmMoved { condition, before, after, .. } => {
            let (before, after) = (words::alarm_state(locale, *before), words::alarm_state(locale, *after));
            format!(
                "{}: {}",
                words::condition(locale, *condition),
                tell!(locale, ledger.moved, before = before, after = after)
            )
        }
        Act::CommandGiven { action, .. } => words::action(locale, *action).to_owned(),
        Act::CommandEnded { action, before, after, .. } => {
            let (before, after) = (words::command_state(locale, *before), words::command_state(locale, *after));
            format!(
                "{}: {}",
                words::action(locale, *action),
                tell!(locale, ledger.moved, before = before, after = after)
            )
        }
        Act::RuleActed { before, after, .. } => match before {
            Some(before) => {
                let (before, after) = (words::rules::stage(locale, *before), words::rules::stage(locale, *after));
                tell!(locale, ledger.moved, before = before, after = after)
            }
            None => words::rules::stage(locale, *after).to_owned(),
        },
        Act::AlarmJudged { finding, .. } => finding.clone(),
        Act::SecondFactorDemanded { policy } => {
            SecondFactorPolicy::named(policy).map_or_else(String::new, |policy| demanded(locale, policy).to_owned())
        }
        _ => String::new(),
    }
}

/// What a company demands a second factor for.
pub fn demanded(locale: Locale, policy: SecondFactorPolicy) -> &'static str {
    match policy {
        SecondFactorPolicy::Optional => td_string!(locale, people.factor_optional),
        SecondFactorPolicy::Rules => td_string!(locale, people.factor_rules),
        SecondFactorPolicy::Commands => td_string!(locale, people.factor_commands),
    }
}
