//! The one call in which a component says what it is, in the same sandbox as every later call.

use super::{Description, LocalizedText, Refusal, Stage};
use crate::bindings::{AlarmPolicyPre, Localized, WitDescription};
use crate::engine::Engine;
use crate::instance::{self, Limits, Phase};
use davy_rules_sdk::schema::Schema;
use wasmtime::Store;

const MAX_TEXTS: usize = 64;
const MAX_SUMMARY: usize = 500;
const MAX_TEXT: usize = 200;

pub(super) fn ask(engine: &Engine, pre: &AlarmPolicyPre<Limits>) -> Result<Description, Refusal> {
    let inner = engine.inner();
    let fuel = inner.config.describe_fuel;
    let refuse = |reason: String| {
        Refusal::new(
            Stage::Describe,
            reason,
            "`describe` must answer without depending on anything; try it with `davyctl rule test`",
        )
    };
    let place = inner.places.take();
    let mut store = instance::store(&inner.wasmtime, &inner.config, fuel)
        .map_err(|error| refuse(format!("no sandbox: {error:#}")))?;
    let failed = |store: &Store<Limits>, error: &wasmtime::Error, phase| {
        refuse(instance::fault(store, error, fuel, phase).to_string())
    };
    let policy = pre.instantiate(&mut store).map_err(|error| failed(&store, &error, Phase::Start))?;
    let description =
        policy.davy_rules_alarm().call_describe(&mut store).map_err(|error| failed(&store, &error, Phase::Call))?;
    drop(store);
    drop(place);
    checked(description)
}

fn checked(answer: WitDescription) -> Result<Description, Refusal> {
    let refuse = |place: &str, reason: String| {
        Refusal::new(Stage::Describe, reason, "Mend the arguments of `#[alarm_policy(…)]`").at(place)
    };
    let name_byte = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !(1..=64).contains(&answer.name.len()) || !answer.name.bytes().all(name_byte) {
        return Err(refuse(
            "name",
            format!("expected 1 to 64 lower-case letters, digits and `-`, got {}", shown(&answer.name)),
        ));
    }
    if !is_version(&answer.version) {
        return Err(refuse("version", format!("expected MAJOR.MINOR.PATCH, got {}", shown(&answer.version))));
    }
    let summary = localized(answer.summary, MAX_SUMMARY).map_err(|reason| refuse("summary", reason))?;
    if answer.texts.len() > MAX_TEXTS {
        return Err(refuse("texts", format!("expected at most {MAX_TEXTS}, got {}", answer.texts.len())));
    }
    let mut texts: Vec<(u16, LocalizedText)> = Vec::with_capacity(answer.texts.len());
    for coded in answer.texts {
        let place = format!("texts, code {}", coded.code);
        if coded.code == 0 || texts.iter().any(|(code, _)| *code == coded.code) {
            return Err(refuse(&place, "expected codes from 1 on, each once".into()));
        }
        texts.push((coded.code, localized(coded.text, MAX_TEXT).map_err(|reason| refuse(&place, reason))?));
    }
    let schema = Schema::parse(&answer.settings_schema).map_err(|error| {
        let refusal = Refusal::new(
            Stage::Schema,
            format!("expected {}", error.expected),
            "Mend the `#[setting(…)]` attributes of the settings struct",
        );
        refusal.at(if error.place.is_empty() { "/".to_owned() } else { error.place })
    })?;
    Ok(Description {
        name: answer.name,
        version: answer.version,
        summary,
        settings_schema: answer.settings_schema,
        texts,
        schema,
    })
}

fn is_version(version: &str) -> bool {
    let (core, suffix) = version.split_once(['-', '+']).map_or((version, None), |(core, suffix)| (core, Some(suffix)));
    let numbers: Vec<_> = core.split('.').collect();
    let suffix_byte = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'+');
    version.len() <= 32
        && numbers.len() == 3
        && numbers.iter().all(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
        && suffix.is_none_or(|suffix| !suffix.is_empty() && suffix.bytes().all(suffix_byte))
}

fn localized(text: Localized, most: usize) -> Result<LocalizedText, String> {
    for part in [&text.zh, &text.en] {
        if part.chars().count() > most {
            return Err(format!("expected at most {most} characters, got {}", part.chars().count()));
        }
        if part.chars().any(char::is_control) {
            return Err("expected no control characters".into());
        }
    }
    Ok(LocalizedText { zh: text.zh, en: text.en })
}

fn shown(text: &str) -> String {
    format!("`{}`", text.escape_debug().take(80).collect::<String>())
}
