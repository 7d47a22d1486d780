//! The overview for regulator and operator: what is wrong now, where, and what waits for a person.

use crate::components::alarms::{AlarmList, Hands};
use crate::components::connection::ConnectionBadge;
use crate::components::divisions::Divisions;
use crate::components::figures::{Figures, Verdict};
use crate::components::map::{SiteMap, Touched};
use crate::components::notice::{FlashBar, Loading, ProblemCard};
use crate::data::{self, Loaded};
use crate::flash::Flash;
use crate::live::{Heard, follow, throttle};
use crate::session::{PageContext, page_context};
use crate::translations::{Locale, use_i18n};
use davy_api::{AlarmPage, AlarmQuery, LiveEvent, Overview};
use davy_domain::ScopeKind;
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_i18n::td_string;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

const ALARMS: AlarmQuery = AlarmQuery { history: None, device: None, after: None, limit: Some(100) };

async fn load() -> Loaded<(Overview, AlarmPage)> {
    Ok((data::overview().await?, data::alarms(ALARMS).await?))
}

/// The page.
#[component]
pub fn OverviewPage() -> impl IntoView {
    let locale = use_i18n().get_locale_untracked();
    let page = StoredValue::new(page_context());
    let first = Resource::new(|| (), |()| load());
    view! {
        <Title text=td_string!(locale, overview.title) />
        <Suspense fallback=move || view! { <Loading locale /> }>
            {move || Suspend::new(async move {
                match first.await {
                    Ok((overview, alarms)) => view! { <Board locale page=page.get_value() overview alarms /> }.into_any(),
                    Err(problem) => view! { <ProblemCard locale problem /> }.into_any(),
                }
            })}
        </Suspense>
    }
    .into_any()
}

#[component]
fn Board(locale: Locale, page: PageContext, overview: Overview, alarms: AlarmPage) -> impl IntoView {
    let offset = page.utc_offset_minutes;
    let csrf = page.session.as_ref().map(|it| it.csrf.clone()).unwrap_or_default();
    let hands = Hands::of(page.session.as_ref());
    let show_tenant = page.session.as_ref().is_some_and(|it| it.person.scope == ScopeKind::Jurisdiction);
    let query = use_query_map().get_untracked();
    let flash = RwSignal::new(Flash::from_query(query.get_str("done"), query.get_str("error")));
    let bounds = overview.bounds.clone();
    let more = alarms.next.is_some();
    let overview = RwSignal::new(overview);
    let alarms = RwSignal::new(alarms.items);
    let touched = RwSignal::new(None);

    let reload = throttle(500, move || {
        spawn_local(async move {
            // What cannot be loaded now is loaded at the next event; the connection badge tells the rest.
            if let Ok((new_overview, new_alarms)) = load().await {
                let _ = overview.try_set(new_overview);
                let _ = alarms.try_set(new_alarms.items);
            }
        });
    });
    let hear = reload.clone();
    let connection = follow(move |heard| match heard {
        Heard::Event(LiveEvent::Reading { .. }) => {}
        // The map draws alarms alone.
        Heard::Event(LiveEvent::Alarm { alarm }) => {
            touched.update(|it| Touched::add(it, [alarm.lon, alarm.lat]));
            hear();
        }
        Heard::Event(LiveEvent::Command { .. } | LiveEvent::Valve { .. }) => hear(),
        Heard::Event(LiveEvent::Lagged) | Heard::Gap => {
            touched.set(Some(Touched::Everything));
            hear();
        }
    });
    let done = Callback::new(move |outcome: Flash| {
        flash.set(Some(outcome));
        reload();
    });
    let count = move || alarms.with(Vec::len);
    view! {
        <div class="page-head">
            <h1>{td_string!(locale, overview.title)}</h1>
            <ConnectionBadge locale offset connection />
        </div>
        <FlashBar locale flash />
        <div class="now">
            <Verdict locale overview />
            <Figures locale overview />
        </div>
        <div class="board">
            <section class="card board-map scripted" aria-labelledby="map-title">
                <h2 id="map-title" class="visually-hidden">{td_string!(locale, map.title)}</h2>
                <SiteMap locale page bounds touched />
            </section>
            <section class="card board-alarms" aria-labelledby="alarms-title">
                <h2 id="alarms-title">
                    {td_string!(locale, alarms.title)} <span class="count">{count}</span>
                </h2>
                <AlarmList
                    locale
                    offset
                    alarms
                    csrf
                    next="/"
                    show_tenant
                    hands
                    empty_hint=td_string!(locale, alarms.empty_hint)
                    done
                />
                {more.then(|| view! { <p class="muted">{td_string!(locale, alarms.more)}</p> })}
            </section>
            <section class="card board-divisions" aria-labelledby="divisions-title">
                <h2 id="divisions-title">{td_string!(locale, divisions.title)}</h2>
                <Divisions locale overview />
            </section>
        </div>
    }
    .into_any()
}
