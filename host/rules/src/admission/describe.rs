//! The one call in which a component says what it is, in the same sandbox as every later call.

use super::{Description, LocalizedText, Refusal, Stage};
use crate::bindings::driver::exports::davy::rules::driver::{DriverDescription, Tag as WitTag};
use crate::bindings::{Localized, WitDescription};
use crate::config::Tier;
use crate::driver::{AboutDriver, Tag};
use crate::engine::Engine;
use crate::instance::{self, Limits, Phase};
use crate::world::{Answered, Linked, World};
use davy_domain::Quantity;
use davy_rules_sdk::codes;
use davy_rules_sdk::schema::Schema;
use wasmtime::Store;

const MAX_TEXTS: usize = 64;
const MAX_VENDOR: usize = 100;
const MAX_MODELS: usize = 16;
const MAX_TAGS: usize = 128;
const MAX_LABEL: usize = 60;
/// A year: no device reports more seldom.
const MAX_PERIOD_S: u32 = 31_536_000;
const MAX_SUMMARY: usize = 500;
const MAX_TEXT: usize = 200;

pub(super) fn ask<W: World>(engine: &Engine, pre: &W::Pre, tier: Tier) -> Result<Description, Refusal> {
    let inner = engine.inner();
    let fuel = inner.config.describe_fuel_of(tier);
    let refuse = |reason: String| {
        Refusal::new(
            Stage::Describe,
            reason,
            "`describe` must answer without depending on anything; try it with `davyctl rule test`",
        )
    };
    let place = inner.places.take();
    let fresh = || {
        instance::store(&inner.wasmtime, &inner.config, tier, fuel)
            .map_err(|error| refuse(format!("no sandbox: {error:#}")))
    };
    let failed = |store: &Store<Limits>, error: &wasmtime::Error, phase| {
        refuse(instance::fault(store, error, fuel, phase).to_string())
    };
    // First by itself: after that, what fails in binding the functions is their types, not their start.
    let mut store = fresh()?;
    <W as Linked>::linked(pre).instantiate(&mut store).map_err(|error| failed(&store, &error, Phase::Start))?;
    drop(store);
    let mut store = fresh()?;
    let instance = <W as Linked>::instantiate(pre, &mut store).map_err(|error| {
        let reason = format!("its exports are not those of {}: {error:#}", W::KIND);
        Refusal::new(Stage::World, reason, super::world::REBUILD)
    })?;
    let Answered { about, driver } =
        <W as Linked>::describe(&instance, &mut store).map_err(|error| failed(&store, &error, Phase::Call))?;
    drop(store);
    drop(place);
    let mut description = checked(about)?;
    description.driver = driver.map(about_driver).transpose()?;
    Ok(description)
}

fn checked(answer: WitDescription) -> Result<Description, Refusal> {
    let refuse = |place: &str, reason: String| {
        Refusal::new(
            Stage::Describe,
            reason,
            "Mend the arguments of the attribute that makes the rule, `#[alarm_policy(…)]` and its like",
        )
        .at(place)
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
        driver: None,
        schema,
    })
}

/// What a driver says of its devices.
fn about_driver(answer: DriverDescription) -> Result<AboutDriver, Refusal> {
    let refuse = |place: &str, reason: String| {
        Refusal::new(Stage::Describe, reason, "Mend the arguments of `#[device_driver(…)]`").at(place)
    };
    let vendor = localized(answer.vendor, MAX_VENDOR).map_err(|reason| refuse("vendor", reason))?;
    let model_fits = |model: &String| (1..=64).contains(&model.chars().count()) && !model.chars().any(char::is_control);
    if !(1..=MAX_MODELS).contains(&answer.models.len()) || !answer.models.iter().all(model_fits) {
        let reason = format!("expected 1 to {MAX_MODELS} models of 1 to 64 characters, got {}", answer.models.len());
        return Err(refuse("models", reason));
    }
    let device_kinds = names(answer.device_kinds, codes::device_kind::name)
        .filter(|kinds| !kinds.is_empty())
        .ok_or_else(|| refuse("device-kinds", "expected at least one device kind, and known ones".into()))?;
    let actions = names(answer.actions, codes::action::name)
        .ok_or_else(|| refuse("actions", "expected known orders: close, arm".into()))?;
    if !(1..=MAX_TAGS).contains(&answer.tags.len()) {
        return Err(refuse("tags", format!("expected 1 to {MAX_TAGS} collection points, got {}", answer.tags.len())));
    }
    let tags = answer
        .tags
        .into_iter()
        .enumerate()
        .map(|(index, tag)| tag_of(tag).map_err(|reason| refuse(&format!("tags[{index}]"), reason)));
    let tags = tags.collect::<Result<_, _>>()?;
    Ok(AboutDriver { vendor, models: answer.models, device_kinds, actions, tags })
}

fn tag_of(tag: WitTag) -> Result<Tag, String> {
    let quantity =
        Quantity::from_code(tag.quantity).ok_or_else(|| format!("expected a known quantity, got {}", tag.quantity))?;
    if tag.period_s > MAX_PERIOD_S {
        return Err(format!("expected a period of at most {MAX_PERIOD_S} s, got {}", tag.period_s));
    }
    if !tag.resolution.is_finite() || tag.resolution < 0.0 {
        return Err(format!("expected a resolution of 0 or more, got {}", tag.resolution));
    }
    let label = localized(tag.label, MAX_LABEL)?;
    Ok(Tag {
        quantity,
        channel: tag.channel,
        of_child: tag.of_child,
        period_s: tag.period_s,
        resolution: tag.resolution,
        label,
    })
}

/// The names of a mask's codes; `None` when one is not known.
fn names(mask: u64, name: fn(u16) -> Option<&'static str>) -> Option<Vec<String>> {
    (0..64).filter(|bit| mask & (1 << bit) != 0).map(|bit| name(bit).map(str::to_owned)).collect()
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
