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
        /// Fetches again, soon, the site tiles around `places`: the JSON of pairs of longitude and latitude, or `null` for all.
        #[wasm_bindgen(js_name = refreshMap)]
        pub(super) fn refresh_map(element: &web_sys::HtmlElement, places: &str);
        /// Takes the map away.
        #[wasm_bindgen(js_name = removeMap)]
        pub(super) fn remove_map(element: &web_sys::HtmlElement);
    }
}

/// What `map.js` needs to know.
#[derive(Serialize)]
struct Spec {
    style: Option<String>,
    settle_ms: u32,
    bounds: Vec<f64>,
    english: bool,
    words: Words,
}

/// Where the sites may be drawn otherwise than before.
#[derive(Clone, Debug, PartialEq)]
pub enum Touched {
    /// At these places: longitude and latitude.
    Places(Vec<[f64; 2]>),
    /// Anywhere.
    Everything,
}

impl Touched {
    /// One place more.
    pub fn add(into: &mut Option<Self>, place: [f64; 2]) {
        match into {
            Some(Self::Everything) => {}
            Some(Self::Places(places)) => places.push(place),
            None => *into = Some(Self::Places(vec![place])),
        }
    }

    fn as_json(&self) -> String {
        match self {
            Self::Places(places) => serde_json::to_string(places).unwrap_or_else(|_| "null".to_owned()),
            Self::Everything => "null".to_owned(),
        }
    }
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
    /// Each change fetches again the tiles that it touches, and no other: a quiet map asks for nothing.
    touched: RwSignal<Option<Touched>>,
) -> impl IntoView {
    let place = NodeRef::<Div>::new();
    let spec = Spec {
        style: page.map_style,
        settle_ms: page.map_settle_ms,
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
    let taken = touched;
    Effect::new(move || {
        if let (Some(touched), Some(element)) = (touched.get(), place.get_untracked()) {
            shim::refresh_map(&element, &touched.as_json());
            taken.set(None);
        }
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
            <p class="map-trouble" role="status">{td_string!(locale, map.tiles_failed)}</p>
            <ul class="legend" aria-label=td_string!(locale, map.legend)>{legend}</ul>
        </div>
    }
    .into_any()
}
