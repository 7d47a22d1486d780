//! A table of a report on a card: what groups and rows of every kind of report are drawn with.

use crate::format;
use crate::tell::tell;
use crate::translations::Locale;
use leptos::prelude::*;

/// The heading of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// Words stand beneath it.
    Words(&'static str),
    /// Figures do.
    Figures(&'static str),
}

/// The card.
#[component]
pub fn Table(
    /// The language.
    locale: Locale,
    /// The id of its title, one on the page.
    id: &'static str,
    /// Its title.
    title: &'static str,
    /// What stands beneath the title.
    #[prop(optional_no_strip)]
    explain: Option<&'static str>,
    /// Its columns, one for each cell of a row.
    columns: Vec<Column>,
    /// Its rows, each a `tr`.
    rows: Vec<AnyView>,
    /// Rows of the report that are not among them.
    #[prop(optional)]
    left_out: u64,
) -> impl IntoView {
    let head = columns.into_iter().map(|column| match column {
        Column::Words(name) => view! { <th scope="col">{name}</th> }.into_any(),
        Column::Figures(name) => view! { <th scope="col" class="cell-number">{name}</th> }.into_any(),
    });
    let left_out = (left_out > 0).then(|| {
        let said = tell!(locale, back_test.left_out, count = format::count(left_out));
        view! { <p class="muted small">{said}</p> }
    });
    view! {
        <section class="card" aria-labelledby=id>
            <h2 id=id>{title}</h2>
            {explain.map(|explain| view! { <p class="muted small">{explain}</p> })}
            <div class="scroll" tabindex="0" role="region" aria-labelledby=id>
                <table class="plain">
                    <thead>
                        <tr>{head.collect_view()}</tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
            {left_out}
        </section>
    }
    .into_any()
}

/// In place of a table: there is nothing to put into it.
#[component]
pub fn NoRows(
    /// Why, as a sentence.
    says: &'static str,
) -> impl IntoView {
    view! {
        <section class="card" data-testid="no-rows">
            <p class="muted">{says}</p>
        </section>
    }
    .into_any()
}
