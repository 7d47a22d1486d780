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
use davy_domain::policy::PolicyFault;
use davy_domain::refusal::{Advice, Place, Reason};
use davy_rules_sdk::codes;
use davy_rules_sdk::schema::Schema;
use std::fmt;
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
    let refuse = |code, reason: String| {
        let remedy = "`describe` must answer without depending on anything; try it with `davyctl rule test`";
        Refusal::new(Stage::Describe, (code, reason), (Advice::DescribeAlone, remedy))
    };
    let place = inner.places.take();
    let fresh = || {
        instance::store(&inner.wasmtime, &inner.config, tier, fuel).map_err(|error| {
            let refusal = refuse(Reason::NoSandbox, format!("no sandbox: {error:#}"));
            refusal.with("detail", format!("{error:#}"))
        })
    };
    let failed = |store: &Store<Limits>, error: &wasmtime::Error, phase| {
        let fault: PolicyFault = instance::fault(store, error, fuel, phase);
        let refusal = refuse(Reason::DescribeFailed, fault.to_string());
        refusal.with("fault", fault.kind()).with("detail", fault)
    };
    // First by itself: after that, what fails in binding the functions is their types, not their start.
    let mut store = fresh()?;
    <W as Linked>::linked(pre).instantiate(&mut store).map_err(|error| failed(&store, &error, Phase::Start))?;
    drop(store);
    let mut store = fresh()?;
    let instance =
        <W as Linked>::instantiate(pre, &mut store).map_err(|error| super::world::other_exports(W::KIND, &error))?;
    let Answered { about, driver } =
        <W as Linked>::describe(&instance, &mut store).map_err(|error| failed(&store, &error, Phase::Call))?;
    drop(store);
    drop(place);
    let mut description = checked(about)?;
    description.driver = driver.map(about_driver).transpose()?;
    Ok(description)
}

/// What is wrong with one field, and its values.
struct Wrong {
    code: Reason,
    text: String,
    values: Vec<(&'static str, String)>,
}

impl Wrong {
    fn new(code: Reason, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), values: Vec::new() }
    }

    fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.values.push((name, value.to_string()));
        self
    }

    fn of(self, field: &str, remedy: (Advice, &str)) -> Refusal {
        let refusal = Refusal::new(Stage::Describe, (self.code, self.text), remedy);
        let refusal = refusal.at(Place::Field, field).with("described", field);
        self.values.into_iter().fold(refusal, |refusal, (name, value)| refusal.with(name, value))
    }
}

fn checked(answer: WitDescription) -> Result<Description, Refusal> {
    let remedy = "Mend the arguments of the attribute that makes the rule, `#[alarm_policy(…)]` and its like";
    let refuse = |place: &str, wrong: Wrong| wrong.of(place, (Advice::MendAttribute, remedy));
    let name_byte = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !(1..=64).contains(&answer.name.len()) || !answer.name.bytes().all(name_byte) {
        let got = shown(&answer.name);
        let words = format!("expected 1 to 64 lower-case letters, digits and `-`, got {got}");
        return Err(refuse("name", Wrong::new(Reason::Name, words).with("got", got)));
    }
    if !is_version(&answer.version) {
        let got = shown(&answer.version);
        let words = format!("expected MAJOR.MINOR.PATCH, got {got}");
        return Err(refuse("version", Wrong::new(Reason::Version, words).with("got", got)));
    }
    let summary = localized(answer.summary, MAX_SUMMARY).map_err(|wrong| refuse("summary", wrong))?;
    if answer.texts.len() > MAX_TEXTS {
        let got = answer.texts.len();
        let wrong = Wrong::new(Reason::TooManyTexts, format!("expected at most {MAX_TEXTS}, got {got}"));
        return Err(refuse("texts", wrong.with("most", MAX_TEXTS).with("got", got)));
    }
    let mut texts: Vec<(u16, LocalizedText)> = Vec::with_capacity(answer.texts.len());
    for coded in answer.texts {
        let place = format!("texts, code {}", coded.code);
        if coded.code == 0 || texts.iter().any(|(code, _)| *code == coded.code) {
            let wrong = Wrong::new(Reason::TextCodes, "expected codes from 1 on, each once");
            return Err(refuse(&place, wrong));
        }
        texts.push((coded.code, localized(coded.text, MAX_TEXT).map_err(|wrong| refuse(&place, wrong))?));
    }
    let schema = Schema::parse(&answer.settings_schema).map_err(|error| {
        let remedy = "Mend the `#[setting(…)]` attributes of the settings struct";
        let reason = (Reason::Schema, format!("expected {}", error.expected));
        let refusal = Refusal::new(Stage::Schema, reason, (Advice::MendSettingAttribute, remedy));
        let path = if error.place.is_empty() { "/".to_owned() } else { error.place };
        refusal.with("detail", error.expected).with("path", &path).at(Place::SchemaPath, path)
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
    let remedy = (Advice::MendDriverAttribute, "Mend the arguments of `#[device_driver(…)]`");
    let refuse = |place: &str, wrong: Wrong| wrong.of(place, remedy);
    let vendor = localized(answer.vendor, MAX_VENDOR).map_err(|wrong| refuse("vendor", wrong))?;
    let model_fits = |model: &String| (1..=64).contains(&model.chars().count()) && !model.chars().any(char::is_control);
    if !(1..=MAX_MODELS).contains(&answer.models.len()) || !answer.models.iter().all(model_fits) {
        let got = answer.models.len();
        let words = format!("expected 1 to {MAX_MODELS} models of 1 to 64 characters, got {got}");
        let wrong = Wrong::new(Reason::Models, words).with("most", MAX_MODELS).with("got", got);
        return Err(refuse("models", wrong));
    }
    let device_kinds =
        names(answer.device_kinds, codes::device_kind::name).filter(|kinds| !kinds.is_empty()).ok_or_else(|| {
            let words = "expected at least one device kind, and known ones";
            refuse("device-kinds", Wrong::new(Reason::DeviceKinds, words))
        })?;
    let actions = names(answer.actions, codes::action::name)
        .ok_or_else(|| refuse("actions", Wrong::new(Reason::Actions, "expected known orders: close, arm")))?;
    if !(1..=MAX_TAGS).contains(&answer.tags.len()) {
        let got = answer.tags.len();
        let wrong = Wrong::new(Reason::Tags, format!("expected 1 to {MAX_TAGS} collection points, got {got}"));
        return Err(refuse("tags", wrong.with("most", MAX_TAGS).with("got", got)));
    }
    let tags = answer
        .tags
        .into_iter()
        .enumerate()
        .map(|(index, tag)| tag_of(tag).map_err(|wrong| refuse(&format!("tags[{index}]"), wrong)));
    let tags = tags.collect::<Result<_, _>>()?;
    Ok(AboutDriver { vendor, models: answer.models, device_kinds, actions, tags })
}

fn tag_of(tag: WitTag) -> Result<Tag, Wrong> {
    let quantity = Quantity::from_code(tag.quantity).ok_or_else(|| {
        let words = format!("expected a known quantity, got {}", tag.quantity);
        Wrong::new(Reason::Quantity, words).with("got", tag.quantity)
    })?;
    if tag.period_s > MAX_PERIOD_S {
        let words = format!("expected a period of at most {MAX_PERIOD_S} s, got {}", tag.period_s);
        return Err(Wrong::new(Reason::Period, words).with("most", MAX_PERIOD_S).with("got", tag.period_s));
    }
    if !tag.resolution.is_finite() || tag.resolution < 0.0 {
        let words = format!("expected a resolution of 0 or more, got {}", tag.resolution);
        return Err(Wrong::new(Reason::Resolution, words).with("got", tag.resolution));
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

fn localized(text: Localized, most: usize) -> Result<LocalizedText, Wrong> {
    for part in [&text.zh, &text.en] {
        if part.chars().count() > most {
            let got = part.chars().count();
            let words = format!("expected at most {most} characters, got {got}");
            return Err(Wrong::new(Reason::TextTooLong, words).with("most", most).with("got", got));
        }
        if part.chars().any(char::is_control) {
            return Err(Wrong::new(Reason::ControlCharacters, "expected no control characters"));
        }
    }
    Ok(LocalizedText { zh: text.zh, en: text.en })
}

fn shown(text: &str) -> String {
    format!("`{}`", text.escape_debug().take(80).collect::<String>())
}
