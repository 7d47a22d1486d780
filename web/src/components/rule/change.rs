//! What a version changes beside what is in force: its component and each setting. Whoever approves it must not do so blind.

use super::settings::{label, shown};
use crate::tell::tell;
use crate::translations::Locale;
use davy_api::RuleDetail;
use leptos::prelude::*;
use leptos_i18n::td_string;
use serde_json::Value;

/// A setting that differs: its name in the reader's language, what is in force, what would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// With the groups that it lies in.
    pub name: String,
    /// What is in force.
    pub before: String,
    /// What would be.
    pub after: String,
}

/// The settings that differ. What is not set has its default, in both.
pub fn changed(locale: Locale, schema: &Value, before: &Value, after: &Value) -> Vec<Changed> {
    let mut found = Vec::new();
    walk(locale, schema, [before, after], "", &mut found);
    found
}

fn walk(locale: Locale, schema: &Value, [before, after]: [&Value; 2], group: &str, found: &mut Vec<Changed>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let named = format!("{group}{}", label(locale, name, property));
        if property["type"] == "object" {
            walk(locale, property, [&before[name], &after[name]], &format!("{named} · "), found);
            continue;
        }
        let of = |settings: &Value| {
            let set = settings.get(name).filter(|value| !value.is_null()).or_else(|| property.get("default"));
            set.cloned().unwrap_or_default()
        };
        let (before, after) = (of(before), of(after));
        // 8 and 8.0 are the same number.
        let same = before == after || before.as_f64().is_some_and(|value| Some(value) == after.as_f64());
        if !same {
            let unit = property["x-unit"].as_str().map(|unit| format!(" {unit}")).unwrap_or_default();
            let with_unit = |value: &Value| format!("{}{unit}", shown(locale, value));
            found.push(Changed { name: named, before: with_unit(&before), after: with_unit(&after) });
        }
    }
}

/// The difference from what is in force.
#[component]
pub fn Change(
    /// The language.
    locale: Locale,
    /// The version.
    detail: RuleDetail,
) -> impl IntoView {
    let Some(in_force) = detail.in_force else {
        return view! { <p class="muted" data-testid="change-none">{td_string!(locale, change.nothing_in_force)}</p> }
            .into_any();
    };
    let version = &detail.version;
    let same_component = version.digest == in_force.version.digest;
    let title = |name: &str, own: &str| format!("{name} {own}");
    let component = if same_component {
        view! { <p data-testid="change-component" data-same="true">{td_string!(locale, change.same_component)}</p> }
            .into_any()
    } else {
        view! {
            <p data-testid="change-component" data-same="false">{td_string!(locale, change.other_component)}</p>
            <dl class="facts">
                <div>
                    <dt>{td_string!(locale, rule.in_force_at)}</dt>
                    <dd>
                        {title(&in_force.version.name, &in_force.version.version)} " "
                        <code class="digest">{in_force.version.digest.clone()}</code>
                    </dd>
                </div>
                <div>
                    <dt>{td_string!(locale, rule.version_at)}</dt>
                    <dd>{title(&version.name, &version.version)} " " <code class="digest">{version.digest.clone()}</code></dd>
                </div>
            </dl>
        }
        .into_any()
    };
    let rows = changed(locale, &detail.settings_schema, &in_force.settings, &detail.settings);
    let settings = if rows.is_empty() {
        view! { <p class="muted" data-testid="change-settings" data-count="0">{td_string!(locale, change.same_settings)}</p> }.into_any()
    } else {
        let count = rows.len().to_string();
        let rows = rows
            .into_iter()
            .map(|it| {
                view! {
                    <tr data-testid="changed-setting">
                        <th scope="row">{it.name}</th>
                        <td>{it.before}</td>
                        <td><strong>{it.after}</strong></td>
                    </tr>
                }
            })
            .collect_view();
        view! {
            <div class="scroll" tabindex="0" role="region" aria-label=td_string!(locale, change.title)
                data-testid="change-settings" data-count=count>
                <table class="plain">
                    <thead>
                        <tr>
                            <th scope="col">{td_string!(locale, change.setting)}</th>
                            <th scope="col">{td_string!(locale, rule.in_force_at)}</th>
                            <th scope="col">{td_string!(locale, rule.version_at)}</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    let numbers =
        tell!(locale, change.numbers, before = in_force.version.settings_version, after = version.settings_version);
    view! {
        {component}
        {settings}
        <p class="muted small">{numbers}</p>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_differs_is_shown_and_a_default_is_a_value() {
        let schema = json!({"properties": {
            "low": {"type": "number", "default": 10.0, "x-unit": "%LEL", "x-label-en": "Low level"},
            "high": {"type": "number", "default": 20.0},
            "night": {"type": "object", "x-label-en": "At night", "properties": {
                "flow": {"type": "number", "default": 0.05, "x-label-en": "Small flow"},
            }},
        }});
        let of = |before: Value, after: Value| changed(Locale::en, &schema, &before, &after);
        assert_eq!(of(json!({}), json!({"low": 10, "high": 20.0})), []);
        let found = of(json!({}), json!({"low": 8.0, "night": {"flow": 0.1}}));
        let shown: Vec<_> = found.iter().map(|it| (it.name.as_str(), it.before.as_str(), it.after.as_str())).collect();
        assert_eq!(shown.len(), 2);
        assert_eq!(shown[0], ("Low level", "10 %LEL", "8 %LEL"));
        assert_eq!(shown[1], ("At night · Small flow", "0.05", "0.1"));
    }
}
