//! The settings form, drawn from the schema that the rule gave: numbers with unit and range, choices, boxes, groups.
//!
//! It only draws. What is entered is checked by the browser for comfort, by the server for certain.

use crate::components::icon::LevelIcon;
use crate::tell::tell;
use crate::translations::Locale;
use crate::words::Level;
use davy_domain::ReleaseId;
use leptos::prelude::*;
use leptos_i18n::td_string;
use serde_json::Value;

/// Stands before each setting's name in the form, so that none can be taken for another field.
const SETTING: &str = "s.";
/// Groups in groups that are still drawn.
const DEEPEST: usize = 8;

/// A form that makes a new version with other settings.
#[component]
pub fn SettingsForm(
    /// The language.
    locale: Locale,
    /// The version to begin from.
    rule: ReleaseId,
    /// The rule's schema.
    schema: Value,
    /// The settings as they are.
    settings: Value,
    /// The setting that was refused just now, with the groups it lies in.
    refused: Option<String>,
    /// The session's CSRF token.
    csrf: String,
) -> impl IntoView {
    if properties(&schema).next().is_none() {
        return view! { <p class="muted">{td_string!(locale, rule.settings_none)}</p> }.into_any();
    }
    let refused = refused.map(|field| field.trim_start_matches("settings.").to_owned());
    let trouble = refused.as_deref().and_then(|path| {
        let property = path.split('.').try_fold(&schema, |schema, name| schema["properties"].get(name))?;
        let name = path.rsplit('.').next().unwrap_or(path);
        let (label, expected) = (label(locale, name, property), hint(locale, property));
        let said = tell!(locale, rule.settings_refused, label = label, expected = expected);
        Some(view! {
            <div class="flash flash-alarm" role="alert" data-testid="setting-refused">
                <LevelIcon level=Level::Alarm />
                <p>{said}</p>
            </div>
        })
    });
    view! {
        {trouble}
        <form method="post" action="/actions/rules/settings" class="settings" data-testid="settings-form">
            <input type="hidden" name="csrf" value=csrf />
            <input type="hidden" name="rule" value=rule.to_string() />
            <div class="settings-grid">{group(locale, &schema, &settings, SETTING, refused.as_deref(), 0)}</div>
            <p class="muted small">{td_string!(locale, rule.settings_explain)}</p>
            <div class="actions">
                <button type="submit" class="button primary" data-testid="save-settings">
                    {td_string!(locale, rule.settings_save)}
                </button>
            </div>
        </form>
    }
    .into_any()
}

/// In the author's order; those without one follow by their names.
fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let mut all: Vec<_> = schema["properties"].as_object().into_iter().flatten().collect();
    all.sort_by_key(|(_, property)| property["x-order"].as_u64().unwrap_or(u64::MAX));
    all.into_iter()
}

fn group(locale: Locale, schema: &Value, settings: &Value, path: &str, refused: Option<&str>, depth: usize) -> AnyView {
    let fields = properties(schema)
        .map(|(name, property)| {
            let path = format!("{path}{name}");
            // What is not set has its default.
            let value = settings.get(name).filter(|it| !it.is_null()).or_else(|| property.get("default"));
            let value = value.cloned().unwrap_or_default();
            if property["type"] == "object" {
                if depth >= DEEPEST {
                    return ().into_any();
                }
                let inside = group(locale, property, &value, &format!("{path}."), refused, depth + 1);
                return view! {
                    <fieldset class="settings-group">
                        <legend>{label(locale, name, property)}</legend>
                        <div class="settings-grid">{inside}</div>
                    </fieldset>
                }
                .into_any();
            }
            let wrong = refused.is_some_and(|refused| path.strip_prefix(SETTING) == Some(refused));
            field(locale, name, &path, property, &value, wrong)
        })
        .collect_view();
    fields.into_any()
}

fn field(locale: Locale, name: &str, path: &str, property: &Value, value: &Value, wrong: bool) -> AnyView {
    let label = label(locale, name, property);
    let help = help(locale, property);
    if property["type"] == "boolean" {
        return view! {
            <label class="setting setting-box">
                <input type="checkbox" name=path.to_owned() value="true" checked=value.as_bool().unwrap_or(false) />
                <span class="setting-name">{label}</span>
                <span class="setting-hint">{help}</span>
            </label>
        }
        .into_any();
    }
    let unit = property["x-unit"].as_str().map(|unit| view! { <span class="unit">{unit.to_owned()}</span> });
    view! {
        <label class="setting">
            <span class="setting-name">{label}</span>
            <span class="setting-value">{input(path, property, value, wrong)} {unit}</span>
            <span class="setting-hint">{help}</span>
        </label>
    }
    .into_any()
}

fn input(path: &str, property: &Value, value: &Value, wrong: bool) -> AnyView {
    let path = path.to_owned();
    let invalid = wrong.then_some("true");
    match property["type"].as_str().unwrap_or_default() {
        kind @ ("number" | "integer") => {
            let step = if kind == "integer" { "1" } else { "any" };
            let mode = if kind == "integer" { "numeric" } else { "decimal" };
            view! {
                <input
                    type="number"
                    name=path
                    value=plain(value)
                    min=bound(property, "minimum")
                    max=bound(property, "maximum")
                    step=step
                    inputmode=mode
                    required
                    aria-invalid=invalid
                />
            }
            .into_any()
        }
        "string" => {
            let Some(choices) = property["enum"].as_array() else {
                let most = property["maxLength"].as_u64().map(|most| most.to_string());
                return view! { <input type="text" name=path value=plain(value) maxlength=most aria-invalid=invalid /> }
                    .into_any();
            };
            let chosen = value.as_str().unwrap_or_default();
            let options = choices
                .iter()
                .filter_map(Value::as_str)
                .map(|choice| {
                    view! { <option value=choice.to_owned() selected=choice == chosen>{choice.to_owned()}</option> }
                })
                .collect_view();
            view! { <select name=path aria-invalid=invalid>{options}</select> }.into_any()
        }
        // A list is written as JSON; the server checks it item by item.
        _ => view! { <input type="text" name=path value=plain(value) aria-invalid=invalid spellcheck="false" /> }
            .into_any(),
    }
}

/// A value as a field holds it: 10.0 is `10`.
/// A value as a person reads it.
pub(super) fn shown(locale: Locale, value: &Value) -> String {
    match value {
        Value::Bool(true) => td_string!(locale, rule.on).to_owned(),
        Value::Bool(false) => td_string!(locale, rule.off).to_owned(),
        value => plain(value),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => whole.to_string(),
            (None, Some(float)) => float.to_string(),
            (None, None) => number.to_string(),
        },
        other => other.to_string(),
    }
}

fn bound(property: &Value, name: &str) -> Option<String> {
    property.get(name).filter(|it| it.is_number()).map(plain)
}

/// Its name in the reader's language.
pub(super) fn label(locale: Locale, name: &str, property: &Value) -> String {
    let key = match locale {
        Locale::zh_CN => "x-label-zh",
        Locale::en => "x-label-en",
    };
    property[key].as_str().filter(|it| !it.is_empty()).unwrap_or(name).to_owned()
}

/// What fits, in words.
fn hint(locale: Locale, property: &Value) -> String {
    let unit = property["x-unit"].as_str().map(|unit| format!(" {unit}")).unwrap_or_default();
    let range = match (bound(property, "minimum"), bound(property, "maximum")) {
        (Some(low), Some(high)) => Some(tell!(locale, rule.range, low = low, high = high)),
        (Some(low), None) => Some(tell!(locale, rule.at_least, low = low)),
        (None, Some(high)) => Some(tell!(locale, rule.at_most, high = high)),
        (None, None) => None,
    };
    let choices = property["enum"]
        .as_array()
        .map(|choices| choices.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" / "));
    let list = (property["type"] == "array").then(|| td_string!(locale, rule.list_hint).to_owned());
    range.map(|range| format!("{range}{unit}")).or(choices).or(list).unwrap_or_default()
}

/// What fits, and what stands there unless somebody has said otherwise.
fn help(locale: Locale, property: &Value) -> String {
    let default = property.get("default").map(|value| tell!(locale, rule.default, value = shown(locale, value)));
    let hint = Some(hint(locale, property)).filter(|it| !it.is_empty());
    [hint, default].into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_setting_says_what_fits_in_the_reader_s_language() {
        let level = json!({"type": "number", "minimum": 5.0, "maximum": 25.0, "default": 10.0, "x-unit": "%LEL",
            "x-label-zh": "燃气低限", "x-label-en": "Gas, low level"});
        assert_eq!(label(Locale::zh_CN, "gas_low_level", &level), "燃气低限");
        assert_eq!(help(Locale::en, &level), "5 to 25 %LEL · default 10");
        assert_eq!(help(Locale::zh_CN, &json!({"type": "boolean", "default": true})), "默认 开");
        assert_eq!(label(Locale::en, "odd", &json!({"type": "integer", "minimum": 1})), "odd");
        assert_eq!(hint(Locale::en, &json!({"type": "integer", "minimum": 1})), "at least 1");
    }

    #[test]
    fn settings_stand_in_the_author_s_order() {
        let schema = json!({"properties": {"a": {"x-order": 2}, "b": {}, "c": {"x-order": 0}, "d": {"x-order": 1}}});
        assert_eq!(properties(&schema).map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["c", "d", "a", "b"]);
    }

    #[test]
    fn numbers_stand_in_the_field_as_a_person_would_write_them() {
        assert_eq!([json!(10.0), json!(0.25), json!(30), json!(null)].map(|it| plain(&it)), ["10", "0.25", "30", ""]);
    }
}
