//! The newest value of each quantity.

use crate::components::notice::Empty;
use crate::components::when::When;
use crate::format;
use crate::translations::Locale;
use crate::words;
use davy_api::LatestReading;
use leptos::prelude::*;
use leptos_i18n::td_string;

/// Values as a grid of figures.
#[component]
pub fn Readings(
    /// The language.
    locale: Locale,
    /// The page's time zone, minutes east of UTC.
    offset: i32,
    /// The newest values.
    latest: Vec<LatestReading>,
) -> impl IntoView {
    if latest.is_empty() {
        return view! { <Empty title=td_string!(locale, device.no_readings) /> }.into_any();
    }
    let cells = latest
        .into_iter()
        .map(|reading| {
            let flag = format::flag(locale, reading.quantity, reading.value);
            let value = flag.map_or_else(|| format::number(reading.quantity, reading.value), str::to_owned);
            view! {
                <div class="reading" data-testid="reading" data-quantity=reading.quantity.senml_name()>
                    <dt>{words::quantity(locale, reading.quantity)}</dt>
                    <dd>
                        <span class="reading-value">{value}</span>
                        <span class="unit">{format::unit(reading.quantity)}</span>
                    </dd>
                    <dd class="reading-age"><When locale at=reading.at offset short=true /></dd>
                </div>
            }
        })
        .collect_view();
    view! { <dl class="readings">{cells}</dl> }.into_any()
}
