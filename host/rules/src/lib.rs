//! Wasm rules: admission, engine, limits
