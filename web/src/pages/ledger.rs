//! What was done: searched by one plain form, paged by plain links, and taken along whole.

use crate::components::ledger::Entries;
use crate::components::notice::{Empty, Loading, ProblemCard};
use crate::data;
use crate::data::query::Query;
use crate::format;
use crate::session::page_context;
use crate::tell::tell;
use crate::translations::{Locale, use_i18n};
use crate::words::ledger as words;
use davy_api::{LedgerPage as Found, LedgerQuery};
use davy_domain::{ScopeKind, Span};
use leptos::prelude::*;
use leptos_i18n::td_string;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;
use leptos_router::params::ParamsMap;

const PAGE: u32 = 50;

/// What the address asks for, as it is written there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Asked {
    kind: Option<String>,
    from: Option<String>,
    to: Option<String>,
    by: Option<String>,
    about: Option<String>,
    after: Option<String>,
}

impl Asked {
    fn of(params: &ParamsMap) -> Self {
        let text = |name| params.get(name).map(|text: String| text.trim().to_owned()).filter(|text| !text.is_empty());
        Self {
            kind: text("kind"),
            from: text("from"),
            to: text("to"),
            by: text("by"),
            about: text("about"),
            after: text("after"),
        }
    }

    fn query(&self, offset: i32) -> LedgerQuery {
        let day = |text: &Option<String>| text.as_deref().and_then(|text| format::day_start(text, offset));
        LedgerQuery {
            kind: self.kind.clone(),
            from: day(&self.from),
            to: day(&self.to).map(|day| day + Span::from_days(1)),
            by: self.by.as_deref().and_then(|text| text.parse().ok()),
            about: self.about.clone(),
            after: self.after.clone(),
            limit: Some(PAGE),
        }
    }

    fn is_filtered(&self) -> bool {
        *self != Self { after: self.after.clone(), ..Self::default() }
    }

    /// The same search, on another page.
    fn link(&self, after: Option<String>) -> String {
        let query = Query::default()
            .with("kind", self.kind.as_ref())
            .with("from", self.from.as_ref())
            .with("to", self.to.as_ref())
            .with("by", self.by.as_ref())
            .with("about", self.about.as_ref())
            .with("after", after);
        format!("/ledger{}", query.build())
    }
}

/// The page.
#[component]
pub fn LedgerPage() -> impl IntoView {
    let locale = use_i18n().get_locale_untracked();
    let page = page_context();
    let offset = page.utc_offset_minutes;
    let scope = page.session.as_ref().map(|it| it.person.scope);
    let params = use_query_map();
    let asked = Memo::new(move |_| Asked::of(&params.get()));
    let found = Resource::new(move || asked.get().query(offset), data::ledger);
    view! {
        <Title text=td_string!(locale, ledger.title) />
        <div class="page-head">
            <div>
                <h1>{td_string!(locale, ledger.title)}</h1>
                <p class="muted">{td_string!(locale, ledger.lead)}</p>
            </div>
        </div>
        {move || view! { <Search locale scope asked=asked.get() /> }}
        <Suspense fallback=move || view! { <Loading locale /> }>
            {move || Suspend::new(async move {
                match found.await {
                    Ok(found) => view! { <List locale offset asked=asked.get_untracked() found /> }.into_any(),
                    Err(problem) => view! { <ProblemCard locale problem /> }.into_any(),
                }
            })}
        </Suspense>
    }
    .into_any()
}

#[component]
fn Search(locale: Locale, scope: Option<ScopeKind>, asked: Asked) -> impl IntoView {
    let topics: &[&'static str] =
        if scope == Some(ScopeKind::Jurisdiction) { &words::SAFETY_TOPICS } else { &words::TOPICS };
    let options = topics
        .iter()
        .map(|&topic| {
            view! {
                <option value=topic selected=asked.kind.as_deref() == Some(topic)>
                    {words::topic(locale, topic)}
                </option>
            }
        })
        .collect_view();
    let filtered = asked.is_filtered();
    let by = asked.by.clone().map(|by| {
        let words = tell!(locale, ledger.by, name = by);
        view! {
            <input type="hidden" name="by" value=by />
            <p class="muted">{words}</p>
        }
    });
    view! {
        <form class="filter" method="get" action="/ledger" role="search">
            <label>
                <span>{td_string!(locale, ledger.kind)}</span>
                <select name="kind">
                    <option value="">{td_string!(locale, ledger.all)}</option>
                    {options}
                </select>
            </label>
            <label>
                <span>{td_string!(locale, ledger.from)}</span>
                <input type="date" name="from" value=asked.from />
            </label>
            <label>
                <span>{td_string!(locale, ledger.to)}</span>
                <input type="date" name="to" value=asked.to />
            </label>
            <label>
                <span>{td_string!(locale, ledger.about)}</span>
                <input type="search" name="about" value=asked.about placeholder=td_string!(locale, ledger.about_hint) maxlength="40" />
            </label>
            {by}
            <button type="submit" class="button">{td_string!(locale, ledger.apply)}</button>
            {filtered.then(|| view! { <a class="button quiet" href="/ledger">{td_string!(locale, ledger.clear)}</a> })}
        </form>
    }
    .into_any()
}

#[component]
fn List(locale: Locale, offset: i32, asked: Asked, found: Found) -> impl IntoView {
    let take_along = found.may_export.then(|| {
        view! {
            <a class="button quiet" href="/api/v1/ledger/export" rel="external" download data-testid="ledger-export">
                {td_string!(locale, ledger.export)}
            </a>
        }
    });
    let along = view! {
        <nav class="pages">
            {take_along}
            <a class="button quiet" href="/api/v1/ledger/checkpoints" rel="external" download="checkpoints.json">
                {td_string!(locale, ledger.checkpoints)}
            </a>
        </nav>
        <p class="muted small">{td_string!(locale, ledger.export_hint)}</p>
    };
    if found.items.is_empty() {
        let filtered = asked.is_filtered();
        let hint =
            if filtered { td_string!(locale, ledger.empty_filter) } else { td_string!(locale, ledger.empty_none) };
        return view! {
            <section class="card" data-testid="ledger-empty">
                <Empty title=td_string!(locale, ledger.empty) hint />
            </section>
            {along}
        }
        .into_any();
    }
    let next = found.next.map(|next| {
        view! { <a class="button" rel="next" href=asked.link(Some(next))>{td_string!(locale, ledger.next)}</a> }
    });
    let first = asked.after.is_some().then(|| {
        view! { <a class="button quiet" rel="first" href=asked.link(None)>{td_string!(locale, ledger.first)}</a> }
    });
    view! {
        <section class="card">
            <Entries locale offset items=found.items />
        </section>
        <nav class="pages">{first} {next}</nav>
        {along}
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use davy_domain::Timestamp;

    #[test]
    fn days_of_the_form_are_days_where_the_page_is_read() {
        let mut params = ParamsMap::new();
        for (name, value) in [("from", "2026-11-23"), ("to", "2026-11-23"), ("kind", " "), ("about", "alm_2D")] {
            params.insert(name, value.to_owned());
        }
        let asked = Asked::of(&params);
        let query = asked.query(480);
        // 2026-11-22T16:00:00Z, and a day later.
        assert_eq!(query.from, Some(Timestamp::from_millis(1_795_363_200_000)));
        assert_eq!(query.to, Some(Timestamp::from_millis(1_795_363_200_000 + 86_400_000)));
        assert!(asked.is_filtered() && query.kind.is_none());
        assert_eq!(
            asked.link(Some("1.2.3".to_owned())),
            "/ledger?from=2026-11-23&to=2026-11-23&about=alm_2D&after=1.2.3"
        );
        for text in ["", "2026-13-01", "2026-11", "x-y-z", "2026-11-32"] {
            assert_eq!(format::day_start(text, 0), None, "{text}");
        }
        for (text, ms) in [("1970-01-01", 0), ("2024-02-29", 1_709_164_800_000), ("2024-03-01", 1_709_251_200_000)] {
            assert_eq!(format::day_start(text, 0), Some(Timestamp::from_millis(ms)), "{text}");
        }
    }
}
