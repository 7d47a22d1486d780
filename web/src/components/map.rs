//! The map: MapLibre, loaded only when the page is awake, over vector tiles that the server clusters.
//!
//! What the map says, the list beside it and the table below it say too: without scripts or WebGL it is left out.

use crate::session::PageContext;
use crate::tell::tell;
use crate::translations::Locale;
use crate::words::Level;
use leptos::html::Div;
use leptos::prelude::*;
use leptos_i18n::td_string;
use serde::Serialize;

use crate::components::icon::LevelIcon;

mod shim {
    #![allow(unsafe_code, reason = "wasm-bindgen's imports are foreign functions; they are called in the browser only")]
    use wasm_bindgen::prelude::*;

    #[wasm_bindgen(raw_module = "./map.js")]
    extern "C" {
        /// Loads MapLibre and draws into the element; `spec` is the JSON of [`super::Spec`].
        #[wasm_bindgen(js_name = drawMap)]
        pub(super) fn draw_map(element: &web_sys::HtmlElement, spec: &str);
        /// Fetches the site tiles again.
        #[wasm_bindgen(js_name = refreshMap)]
        pub(super) fn refresh_map(element: &web_sys::HtmlElement);
        /// Takes the map away.
        #[wasm_bindgen(js_name = removeMap)]
        pub(super) fn remove_map(element: &web_sys::HtmlElement);
    }
}

/// What `map.js` needs to know.
#[derive(Serialize)]
struct Spec {
    style: Option<String>,
    bounds: Vec<f64>,
    english: bool,
    words: Words,
}

#[derive(Serialize)]
struct Words {
    normal: &'static str,
    event: &'static str,
    alarm: &'static str,
    leak: &'static str,
    open: &'static str,
    sites: String,
    failed: &'static str,
    datum: &'static str,
}

/// The map of the sites in view.
#[component]
pub fn SiteMap(
    /// The language.
    locale: Locale,
    /// The page's surroundings: the style's URL.
    page: PageContext,
    /// West, south, east, north to show at first.
    bounds: Vec<f64>,
    /// Each change fetches the site tiles again.
    #[prop(into)]
    revision: Signal<u32>,
) -> impl IntoView {
    let place = NodeRef::<Div>::new();
    let spec = Spec {
        style: page.map_style,
        bounds,
        english: locale == Locale::en,
        words: Words {
            normal: td_string!(locale, map.normal),
            event: td_string!(locale, map.event),
            alarm: td_string!(locale, map.alarm),
            leak: td_string!(locale, map.leak),
            open: td_string!(locale, map.open_site),
            sites: tell!(locale, map.sites, count = "#"),
            failed: td_string!(locale, map.failed),
            datum: td_string!(locale, map.datum),
        },
    };
    Effect::new(move || {
        if let (Some(element), Ok(spec)) = (place.get(), serde_json::to_string(&spec)) {
            shim::draw_map(&element, &spec);
        }
    });
    Effect::new(move |before: Option<u32>| {
        let now = revision.get();
        if before.is_some_and(|before| before != now)
            && let Some(element) = place.get_untracked()
        {
            shim::refresh_map(&element);
        }
        now
    });
    on_cleanup(move || {
        if let Some(element) = place.try_get_untracked().flatten() {
            shim::remove_map(&element);
        }
    });
    let legend = [Level::Leak, Level::Alarm, Level::Event, Level::Normal]
        .map(|level| view! { <li><LevelIcon level />{level.word(locale)}</li> })
        .collect_view();
    view! {
        <div class="map scripted">
            // MapLibre fills this element; nothing of ours is inside.
            <div class="map-place" node_ref=place data-testid="map" role="application" aria-label=td_string!(locale, map.title)></div>
            <p class="map-loading" aria-hidden="true">{td_string!(locale, map.loading)}</p>
            <ul class="legend" aria-label=td_string!(locale, map.legend)>{legend}</ul>
        </div>
    }
    .into_any()
}
