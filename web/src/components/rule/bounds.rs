//! The bounds of trials: what holds, and the form of whoever may draw the company's own.

use crate::tell::tell;
use crate::translations::Locale;
use crate::words::rules as words;
use davy_api::RuleBounds;
use leptos::prelude::*;
use leptos_i18n::td_string;

/// Each bound with its limits; a field that is left empty is the operator's bound.
#[component]
pub fn Bounds(
    /// The reader's language.
    locale: Locale,
    /// The session's CSRF token.
    csrf: String,
    /// What holds.
    bounds: RuleBounds,
) -> impl IntoView {
    if bounds.items.is_empty() {
        return ().into_any();
    }
    let may_set = bounds.may_set;
    let fields = bounds
        .items
        .into_iter()
        .map(|bound| {
            let range =
                tell!(locale, rules.bounds_range, least = bound.least, most = bound.most, default = bound.default);
            let label = words::bound(locale, &bound.name);
            if !may_set {
                return view! {
                    <div data-testid="bound" data-bound=bound.name.clone() data-value=bound.value.to_string()>
                        <dt>{label}</dt>
                        <dd>{bound.value}</dd>
                    </div>
                }
                .into_any();
            }
            view! {
                <label data-testid="bound" data-bound=bound.name.clone() data-value=bound.value.to_string()>
                    <span>{label}</span>
                    <input
                        type="number"
                        name=bound.name.clone()
                        min=bound.least.to_string()
                        max=bound.most.to_string()
                        step="1"
                        inputmode="numeric"
                        value=bound.own.then(|| bound.value.to_string())
                        placeholder=bound.default.to_string()
                    />
                    <span class="muted small">{range}</span>
                </label>
            }
            .into_any()
        })
        .collect_view();
    let body = if may_set {
        view! {
            <form method="post" action="/actions/rules/bounds" class="stacked">
                <input type="hidden" name="csrf" value=csrf />
                {fields}
                <button type="submit" class="button" data-testid="save-bounds">{td_string!(locale, rules.bounds_save)}</button>
            </form>
        }
        .into_any()
    } else {
        view! { <dl class="facts">{fields}</dl> }.into_any()
    };
    view! {
        <section class="card" aria-labelledby="bounds-title" data-testid="bounds">
            <h2 id="bounds-title">{td_string!(locale, rules.bounds)}</h2>
            <p class="muted small">{td_string!(locale, rules.bounds_explain)}</p>
            {body}
        </section>
    }
    .into_any()
}
