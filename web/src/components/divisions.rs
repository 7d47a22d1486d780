//! The figures by division: the map's content as a table.

use crate::components::icon::LevelIcon;
use crate::components::notice::Empty;
use crate::format;
use crate::translations::Locale;
use crate::words::Level;
use davy_api::{DivisionCount, Overview};
use leptos::prelude::*;
use leptos_i18n::td_string;

/// One row a division, those with leaks first.
#[component]
pub fn Divisions(
    /// The language.
    locale: Locale,
    /// The figures.
    #[prop(into)]
    overview: Signal<Overview>,
) -> impl IntoView {
    let divisions = Memo::new(move |_| {
        let mut divisions = overview.with(|it| it.divisions.clone());
        divisions.sort_by_key(|it| (core::cmp::Reverse((it.leaks, it.alarms, it.premises)), it.code.clone()));
        divisions
    });
    let row = move |it: DivisionCount| {
        let name = match locale {
            Locale::zh_CN => it.name_zh,
            Locale::en => it.name_en,
        };
        view! {
            <tr>
                <th scope="row">{name}</th>
                <td>{format::count(it.premises)}</td>
                <Marked level=Level::Event count=it.alarms />
                <Marked level=Level::Leak count=it.leaks />
            </tr>
        }
    };
    view! {
        <Show
            when=move || !divisions.with(Vec::is_empty)
            fallback=move || view! { <Empty title=td_string!(locale, divisions.empty) /> }
        >
            <table class="divisions" data-testid="divisions">
                <thead>
                    <tr>
                        <th scope="col">{td_string!(locale, divisions.name)}</th>
                        <th scope="col">{td_string!(locale, divisions.premises)}</th>
                        <th scope="col">{td_string!(locale, divisions.alarms)}</th>
                        <th scope="col">{td_string!(locale, divisions.leaks)}</th>
                    </tr>
                </thead>
                <tbody>{move || divisions.get().into_iter().map(row).collect_view()}</tbody>
            </table>
        </Show>
    }
    .into_any()
}

#[component]
fn Marked(level: Level, count: u64) -> impl IntoView {
    let level = if count == 0 { Level::Normal } else { level };
    view! {
        <td class=format!("marked marked-{}", level.class())>
            {(count > 0).then(|| view! { <LevelIcon level /> })}
            {format::count(count)}
        </td>
    }
    .into_any()
}
