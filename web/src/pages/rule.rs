//! One version of a rule: how far it is, what to do next, its checks, settings, back-tests, health, differences and history.
//!
//! Every change is a plain form; the page only keeps what it shows current, and leaves the fields that a person fills in alone.

use crate::components::notice::{FlashBar, Loading, ProblemCard};
use crate::components::rule::acts::Acts;
use crate::components::rule::back_tests::{BackTests, StartBackTest, is_open};
use crate::components::rule::change::Change;
use crate::components::rule::checks::Checks;
use crate::components::rule::differences::Differences;
use crate::components::rule::health::Health;
use crate::components::rule::history::Acted;
use crate::components::rule::settings::SettingsForm;
use crate::components::rule::stage::{StageBadge, Steps};
use crate::components::when::When;
use crate::data::{self, Loaded};
use crate::flash::Flash;
use crate::live::poll;
use crate::session::{PageContext, page_context};
use crate::tell::tell;
use crate::translations::{Locale, use_i18n};
use davy_api::{Problem, RuleDetail};
use davy_domain::ReleaseId;
use davy_domain::release::Stage;
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_i18n::td_string;
use leptos_meta::Title;
use leptos_router::hooks::{use_params_map, use_query_map};

/// While something is under way, and otherwise.
const SOON_MS: u64 = 1_000;
const LATER_MS: u64 = 10_000;

async fn load(rule: Option<ReleaseId>) -> Loaded<RuleDetail> {
    match rule {
        Some(rule) => data::rule(rule).await,
        None => Err(Problem::not_found("version of a rule")),
    }
}

/// The page.
#[component]
pub fn RulePage() -> impl IntoView {
    let locale = use_i18n().get_locale_untracked();
    let page = StoredValue::new(page_context());
    let params = use_params_map();
    let id = Memo::new(move |_| params.with(|it| it.get_str("rule").and_then(|text| text.parse().ok())));
    let first = Resource::new(move || id.get(), load);
    view! {
        <Suspense fallback=move || view! { <Loading locale /> }>
            {move || Suspend::new(async move {
                match first.await {
                    Ok(detail) => view! { <Sheet locale page=page.get_value() detail /> }.into_any(),
                    Err(problem) => view! { <ProblemCard locale problem /> }.into_any(),
                }
            })}
        </Suspense>
    }
    .into_any()
}

/// Whether something happens by itself soon.
fn is_busy(detail: &RuleDetail) -> bool {
    detail.version.stage == Stage::Uploaded || detail.back_tests.iter().any(is_open)
}

fn title(locale: Locale, detail: &RuleDetail) -> String {
    let version = &detail.version;
    if version.version.is_empty() {
        td_string!(locale, rules.unchecked).to_owned()
    } else {
        format!("{} {}", version.name, version.version)
    }
}

fn summary(locale: Locale, detail: &RuleDetail) -> Option<String> {
    let summary = &detail.about["summary"];
    let own = match locale {
        Locale::zh_CN => &summary["zh"],
        Locale::en => &summary["en"],
    };
    own.as_str().filter(|it| !it.is_empty()).map(ToOwned::to_owned)
}

#[component]
fn Sheet(locale: Locale, page: PageContext, detail: RuleDetail) -> impl IntoView {
    let offset = page.utc_offset_minutes;
    let now = page.now;
    let me = page.session.as_ref().map(|it| it.person.id);
    let csrf = StoredValue::new(page.session.map(|it| it.csrf).unwrap_or_default());
    let query = use_query_map().get_untracked();
    let flash = RwSignal::new(Flash::from_query(query.get_str("done"), query.get_str("error")));
    let refused = StoredValue::new(query.get("field").filter(|_| query.get_str("error").is_some()));
    let id = detail.version.id;
    let heading = title(locale, &detail);
    // Until they have passed, the checks are what a person came for.
    let known_yet = !matches!(detail.version.stage, Stage::Uploaded | Stage::Refused);
    let detail = RwSignal::new(detail);
    poll(
        move || if detail.with_untracked(is_busy) { SOON_MS } else { LATER_MS },
        move || {
            spawn_local(async move {
                if let Ok(new) = data::rule(id).await {
                    let _ = detail.try_set(new);
                }
            });
        },
    );
    // Each part follows only what it shows: a form is not drawn anew below a person's hands.
    let head = Memo::new(move |_| detail.with(|it| (title(locale, it), summary(locale, it), it.version.stage)));
    let steps = Memo::new(move |_| {
        let whole = detail.get();
        RuleDetail { health: None, differences: Vec::new(), back_tests: Vec::new(), ..whole }
    });
    let checks = Memo::new(move |_| detail.with(|it| (it.checks.clone(), it.checking.clone())));
    let settings = Memo::new(move |_| {
        detail.with(|it| {
            let known = !matches!(it.version.stage, Stage::Uploaded | Stage::Refused);
            (known, it.settings_schema.clone(), it.settings.clone())
        })
    });
    let billing = Memo::new(move |_| detail.with(|it| it.version.world == "billing-policy"));
    let may_test = Memo::new(move |_| detail.with(|it| it.may.iter().any(|act| act == "back-test")));
    let tests = Memo::new(move |_| detail.with(|it| it.back_tests.clone()));
    let health = Memo::new(move |_| detail.with(|it| it.health.clone()));
    let compared = Memo::new(move |_| {
        detail.with(|it| {
            let compared = it.health.as_ref().map(|health| health.compared).unwrap_or_default();
            let shown = it.version.stage.is_live() && it.version.stage != Stage::Active || !it.differences.is_empty();
            (shown, compared, it.differences.clone())
        })
    });
    let acts = Memo::new(move |_| detail.with(|it| it.acts.clone()));
    view! {
        <Title text=heading />
        <p class="crumb">
            <a href="/rules">{td_string!(locale, rule.back)}</a>
        </p>
        {move || {
            let (title, summary, stage) = head.get();
            view! {
                <div class="page-head">
                    <div>
                        <h1>{title}</h1>
                        {summary.map(|summary| view! { <p class="muted">{summary}</p> })}
                    </div>
                    <StageBadge locale stage />
                </div>
            }
        }}
        <FlashBar locale flash />
        <section class="card life" aria-labelledby="next-title">
            <h2 id="next-title" class="visually-hidden">{td_string!(locale, act.title)}</h2>
            {move || {
                view! {
                    <Steps locale detail=steps.get() />
                    <Acts locale detail=steps.get() me csrf=csrf.get_value() />
                }
            }}
        </section>
        {move || {
            let detail = steps.get();
            // While it is on its way, and before somebody has to approve it.
            let shown = matches!(
                detail.version.stage,
                Stage::Checked | Stage::BackTested | Stage::Shadow | Stage::Cohort
            );
            shown
                .then(|| {
                    view! {
                        <section class="card" aria-labelledby="change-title" data-testid="change">
                            <h2 id="change-title">{td_string!(locale, change.title)}</h2>
                            <Change locale detail />
                        </section>
                    }
                })
        }}
        <div class="sheet">
            <div class="sheet-main">
                <section class="card" aria-labelledby="settings-title">
                    <h2 id="settings-title">{td_string!(locale, rule.settings)}</h2>
                    {move || {
                        let (known, schema, settings) = settings.get();
                        if known {
                            view! {
                                <SettingsForm
                                    locale
                                    rule=id
                                    schema
                                    settings
                                    refused=refused.get_value()
                                    csrf=csrf.get_value()
                                />
                            }
                                .into_any()
                        } else {
                            view! { <p class="muted">{td_string!(locale, rule.settings_later)}</p> }.into_any()
                        }
                    }}
                </section>
                <section class="card" aria-labelledby="tests-title">
                    <h2 id="tests-title">{td_string!(locale, back_test.title)}</h2>
                    <p class="muted small part-lead">{td_string!(locale, back_test.explain)}</p>
                    {move || {
                        let said = td_string!(locale, billed.not_in_service);
                        billing.get().then(|| view! { <p class="small" data-testid="not-in-service">{said}</p> })
                    }}
                    {move || {
                        may_test
                            .get()
                            .then(|| view! { <StartBackTest locale offset now rule=id csrf=csrf.get_value() /> })
                    }}
                    {move || view! { <BackTests locale offset tests=tests.get() csrf=csrf.get_value() /> }}
                </section>
                {move || {
                    let (shown, compared, differences) = compared.get();
                    shown
                        .then(|| {
                            view! {
                                <section class="card" aria-labelledby="differences-title">
                                    <h2 id="differences-title">{td_string!(locale, rule.differences)}</h2>
                                    <Differences locale offset compared differences />
                                </section>
                            }
                        })
                }}
                <section class="card" aria-labelledby="health-title">
                    <h2 id="health-title">{td_string!(locale, rule.health)}</h2>
                    {move || view! { <Health locale offset health=health.get() /> }}
                </section>
            </div>
            <div class="sheet-side">
                <section class=if known_yet { "card" } else { "card first" } aria-labelledby="checks-title">
                    <h2 id="checks-title">{td_string!(locale, rule.checks)}</h2>
                    {move || {
                        let (checks, checking) = checks.get();
                        view! { <Checks locale checks checking /> }
                    }}
                </section>
                <section class="card" aria-labelledby="history-title">
                    <h2 id="history-title">{td_string!(locale, act.history)}</h2>
                    {move || view! { <Acted locale offset acts=acts.get() /> }}
                </section>
                {move || view! { <About locale offset detail=steps.get() /> }}
            </div>
        </div>
    }
    .into_any()
}

#[component]
fn About(locale: Locale, offset: i32, detail: RuleDetail) -> impl IntoView {
    let version = detail.version;
    let tier = match version.tier.as_str() {
        "standard" => td_string!(locale, rules.tier_standard).to_owned(),
        "large" => td_string!(locale, rules.tier_large).to_owned(),
        other => other.to_owned(),
    };
    view! {
        <section class="card" aria-labelledby="about-title">
            <h2 id="about-title">{td_string!(locale, rule.about)}</h2>
            <dl class="facts">
                <div><dt>{td_string!(locale, rule.world)}</dt><dd><code>{version.world}</code></dd></div>
                <div>
                    <dt>{td_string!(locale, rule.settings)}</dt>
                    <dd>{tell!(locale, rules.settings_number, number = version.settings_version)}</dd>
                </div>
                <div><dt>{td_string!(locale, rule.tier)}</dt><dd>{tier}</dd></div>
                <div><dt>{td_string!(locale, rule.made)}</dt><dd><When locale at=version.created_at offset /></dd></div>
                <div><dt>{td_string!(locale, rule.digest)}</dt><dd><code class="digest">{version.digest}</code></dd></div>
            </dl>
        </section>
    }
    .into_any()
}
