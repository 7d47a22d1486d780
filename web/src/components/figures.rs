//! The figures above the map: large, grey when zero, marked when not.

use crate::components::icon::{LevelIcon, VerdictIcon};
use crate::format;
use crate::tell::tell;
use crate::translations::Locale;
use crate::words::Level;
use davy_api::Overview;
use leptos::prelude::*;
use leptos_i18n::td_string;

/// The sentence that says in one look whether anything is wrong.
#[component]
pub fn Verdict(
    /// The language.
    locale: Locale,
    /// The figures.
    #[prop(into)]
    overview: Signal<Overview>,
) -> impl IntoView {
    let level = Memo::new(move |_| {
        overview.with(|it| match (it.leaks, it.unverified, it.alarms) {
            (1.., _, _) => Level::Leak,
            (0, 1.., _) => Level::Alarm,
            (0, 0, 1..) => Level::Event,
            (0, 0, 0) => Level::Normal,
        })
    });
    let title = move || {
        overview.with(|it| match level.get() {
            Level::Leak => tell!(locale, overview.leak_now, count = format::count(it.leaks)),
            Level::Alarm | Level::Event => tell!(locale, overview.watch, count = format::count(it.alarms)),
            Level::Normal => td_string!(locale, overview.calm).to_owned(),
        })
    };
    let detail = move || {
        overview.with(|it| match level.get() {
            Level::Leak => td_string!(locale, overview.leak_now_detail).to_owned(),
            Level::Alarm | Level::Event | Level::Normal => {
                tell!(locale, overview.calm_detail, premises = format::count(it.premises))
            }
        })
    };
    view! {
        <div
            class=move || format!("verdict verdict-{}", level.get().class())
            role="status"
            data-testid="verdict"
            data-level=move || level.get().class()
        >
            {move || view! { <VerdictIcon level=level.get() /> }}
            <div>
                <p class="verdict-title">{title}</p>
                <p class="verdict-detail">{detail}</p>
            </div>
        </div>
    }
    .into_any()
}

/// The figures themselves.
#[component]
pub fn Figures(
    /// The language.
    locale: Locale,
    /// The figures.
    #[prop(into)]
    overview: Signal<Overview>,
) -> impl IntoView {
    let figure = move |name: &'static str, label: &'static str, level: Level, value: fn(&Overview) -> u64| {
        let number = Memo::new(move |_| overview.with(value));
        let shown = move || if number.get() == 0 { Level::Normal } else { level };
        let class = move || {
            if number.get() == 0 { "figure zero".to_owned() } else { format!("figure figure-{}", level.class()) }
        };
        view! {
            <div class=class>
                <dt>{label}</dt>
                <dd data-testid=format!("figure-{name}")>
                    {move || (shown() != Level::Normal).then(|| view! { <LevelIcon level=shown() /> })}
                    <span>{move || format::count(number.get())}</span>
                </dd>
            </div>
        }
    };
    view! {
        <dl class="figures">
            {figure("leaks", td_string!(locale, overview.leaks), Level::Leak, |it| it.leaks)}
            {figure("unacknowledged", td_string!(locale, overview.unacknowledged), Level::Alarm, |it| it.unacknowledged)}
            {figure("alarms", td_string!(locale, overview.alarms), Level::Event, |it| it.alarms)}
            {figure("closing", td_string!(locale, overview.closing), Level::Event, |it| it.closing)}
            {figure("unverified", td_string!(locale, overview.unverified), Level::Alarm, |it| it.unverified)}
            <div class="figure">
                <dt>{td_string!(locale, overview.online)}</dt>
                <dd data-testid="figure-online">
                    <span>{move || format::count(overview.with(|it| it.online))}</span>
                    <small>
                        {move || tell!(locale, overview.of_total, total = format::count(overview.with(|it| it.devices)))}
                    </small>
                </dd>
            </div>
        </dl>
    }
    .into_any()
}
