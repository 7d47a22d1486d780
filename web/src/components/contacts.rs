//! Who can be reached at a device: in part, with the plain form that tells it whole and puts the look on record.

use crate::components::notice::{Empty, Loading};
use crate::data;
use crate::translations::Locale;
use davy_api::Contacts;
use davy_domain::{AlarmId, DeviceId};
use leptos::prelude::*;
use leptos_i18n::td_string;

/// The card.
#[component]
pub fn ContactsCard(
    /// The language.
    locale: Locale,
    /// The device.
    id: DeviceId,
    /// The alarm that stands, if one does.
    alarm: Option<AlarmId>,
    /// The session's CSRF token.
    csrf: String,
) -> impl IntoView {
    let contacts = Resource::new(|| (), move |()| data::contacts(id));
    let csrf = StoredValue::new(csrf);
    view! {
        <section class="card" aria-labelledby="contacts-title" data-testid="contacts">
            <h2 id="contacts-title">{td_string!(locale, personal.contacts)}</h2>
            <Suspense fallback=move || view! { <Loading locale /> }>
                {move || Suspend::new(async move {
                    match contacts.await {
                        Ok(contacts) => view! { <People locale id alarm csrf=csrf.get_value() contacts /> }.into_any(),
                        Err(problem) => view! { <p class="muted" role="alert">{problem.detail}</p> }.into_any(),
                    }
                })}
            </Suspense>
        </section>
    }
    .into_any()
}

#[component]
fn People(locale: Locale, id: DeviceId, alarm: Option<AlarmId>, csrf: String, contacts: Contacts) -> impl IntoView {
    if contacts.people.is_empty() {
        return view! { <Empty title=td_string!(locale, personal.contacts_empty) /> }.into_any();
    }
    let rows = contacts.people.into_iter().map(|person| {
        view! {
            <li data-testid="contact">
                {person.name} " " <span class="muted">{person.phone} " " {person.email}</span>
            </li>
        }
    });
    let show = contacts.may_show.then(|| {
        view! {
            <form method="post" action="/actions/contacts/show" class="stacked" data-testid="show-contacts">
                <input type="hidden" name="csrf" value=csrf />
                <input type="hidden" name="device" value=id.to_string() />
                {alarm.map(|alarm| view! { <input type="hidden" name="alarm" value=alarm.to_string() /> })}
                <p class="muted small">{td_string!(locale, personal.show_explain)}</p>
                <button type="submit" class="button">{td_string!(locale, personal.show)}</button>
            </form>
        }
    });
    view! {
        <ul>{rows.collect_view()}</ul>
        {show}
    }
    .into_any()
}
