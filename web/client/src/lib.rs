//! The browser's entry: wakes the rendered page up. Everything else is in `davy-web`.

use wasm_bindgen::prelude::wasm_bindgen;

/// Called once by the page when the module has loaded.
#[wasm_bindgen]
pub fn hydrate() {
    davy_web::hydrate();
}
