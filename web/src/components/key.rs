//! A device's key on its page: how it stands, and the plain forms that revoke or replace it. Never the key itself.

use crate::components::notice::Loading;
use crate::components::when::When;
use crate::data;
use crate::tell::tell;
use crate::translations::Locale;
use davy_api::DeviceKey;
use davy_domain::DeviceId;
use leptos::prelude::*;
use leptos_i18n::td_string;

/// The card.
#[component]
pub fn KeyCard(
    /// The language.
    locale: Locale,
    /// The page's time zone, minutes east of UTC.
    offset: i32,
    /// The device.
    id: DeviceId,
    /// The session's CSRF token.
    csrf: String,
) -> impl IntoView {
    let key = Resource::new(|| (), move |()| data::device_key(id));
    let csrf = StoredValue::new(csrf);
    view! {
        <section class="card" aria-labelledby="key-title" data-testid="key">
            <h2 id="key-title">{td_string!(locale, device_key.title)}</h2>
            <Suspense fallback=move || view! { <Loading locale /> }>
                {move || Suspend::new(async move {
                    match key.await {
                        Ok(key) => view! { <Standing locale offset id csrf=csrf.get_value() key /> }.into_any(),
                        Err(problem) if problem.reason.as_deref() == Some("no-own-key") => {
                            view! { <p class="muted">{td_string!(locale, device_key.gateway)}</p> }.into_any()
                        }
                        Err(problem) => view! { <p class="muted" role="alert">{problem.detail}</p> }.into_any(),
                    }
                })}
            </Suspense>
        </section>
    }
    .into_any()
}

#[component]
fn Standing(locale: Locale, offset: i32, id: DeviceId, csrf: String, key: DeviceKey) -> impl IntoView {
    let standing = if key.has_key {
        view! { <p data-testid="has-key">{td_string!(locale, device_key.has)}</p> }.into_any()
    } else {
        view! {
            <p role="alert" data-testid="no-key">
                <strong>{td_string!(locale, device_key.none)}</strong>
                " "
                {tell!(locale, device_key.valves, number = key.valves)}
            </p>
        }
        .into_any()
    };
    let spoke = key.spoke_at.map(|at| {
        view! {
            <p role="alert" data-testid="spoke">
                <strong>{td_string!(locale, device_key.spoke)} " " <When locale at offset /></strong>
                " "
                {tell!(locale, device_key.spoke_times, number = key.spoke_times)}
            </p>
        }
    });
    let has_key = key.has_key;
    let form = |action: &'static str, explain: &'static str, submit: &'static str| {
        view! {
            <form method="post" action=action class="stacked">
                <input type="hidden" name="csrf" value=csrf.clone() />
                <input type="hidden" name="device" value=id.to_string() />
                <p class="muted small">{explain}</p>
                <label class="tick">
                    <input type="checkbox" required />
                    <span>{td_string!(locale, device_key.sure)}</span>
                </label>
                <button type="submit" class="button">{submit}</button>
            </form>
        }
    };
    view! {
        {standing}
        {spoke}
        <p class="entry-facts">
            <span class="muted">{td_string!(locale, device_key.kid)} " " <code>{key.kid}</code></span>
            {key
                .changed_at
                .map(|at| {
                    view! {
                        <span class="muted">
                            {td_string!(locale, device_key.changed)} " " <When locale at offset />
                        </span>
                    }
                })}
        </p>
        <details class="fold">
            <summary>{td_string!(locale, device_key.act)}</summary>
            {has_key
                .then(|| {
                    form(
                        "/actions/devices/revoke-key",
                        td_string!(locale, device_key.revoke_explain),
                        td_string!(locale, device_key.revoke),
                    )
                })}
            {form(
                "/actions/devices/replace-key",
                td_string!(locale, device_key.replace_explain),
                td_string!(locale, device_key.replace),
            )}
        </details>
    }
    .into_any()
}
