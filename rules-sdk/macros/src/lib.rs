//! The SDK's macros: `#[derive(Settings)]`, `#[derive(State)]` and one attribute for each world of the contract.
//!
//! They only write what an author could write by hand against the SDK's public traits, and never hide a decision.

mod driver;
mod policy;
mod settings;
mod state;

use proc_macro::TokenStream;

/// Makes a struct the settings of a rule: its decoder and its JSON Schema. The attributes are described at
/// `davy_rules_sdk::settings`.
#[proc_macro_derive(Settings, attributes(setting, settings))]
pub fn derive_settings(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    settings::expand(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}

/// Makes a struct the state of a rule: a compact encoding with a layout number. Described at `davy_rules_sdk::state`.
#[proc_macro_derive(State, attributes(state))]
pub fn derive_state(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    state::expand(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}

/// Makes a function an alarm policy: implements `Rule` for a new unit struct named `Policy` beside the function, and on
/// wasm32 exports it as a component of the world `davy:rules/alarm-policy`.
///
/// The function is `fn(&Settings, &mut State, &Event) -> Decision` or `-> Result<Decision, Fault>`. Arguments: `name` and
/// `version` (both needed), `zh` and `en` (the summary), `texts(1 = ("中文", "English"), …)` (for `raise_with_text`).
#[proc_macro_attribute]
pub fn alarm_policy(arguments: TokenStream, item: TokenStream) -> TokenStream {
    fold(policy::World::Alarm, arguments, item)
}

/// As [`macro@alarm_policy`], for the world `davy:rules/billing-policy`: `Event` and `Decision` are those of
/// `davy_rules_sdk::billing`.
#[proc_macro_attribute]
pub fn billing_policy(arguments: TokenStream, item: TokenStream) -> TokenStream {
    fold(policy::World::Billing, arguments, item)
}

/// As [`macro@alarm_policy`], for the world `davy:rules/notification-policy`: `Event` and `Decision` are those of
/// `davy_rules_sdk::notification`.
#[proc_macro_attribute]
pub fn notification_policy(arguments: TokenStream, item: TokenStream) -> TokenStream {
    fold(policy::World::Notification, arguments, item)
}

fn fold(world: policy::World, arguments: TokenStream, item: TokenStream) -> TokenStream {
    let arguments = syn::parse_macro_input!(arguments as policy::Arguments);
    let function = syn::parse_macro_input!(item as syn::ItemFn);
    policy::expand(world, &arguments, &function).unwrap_or_else(|error| error.to_compile_error()).into()
}

/// Makes an `impl Driver for …` block a device driver: adds what it says of itself, and on wasm32 exports it as a component of the
/// world `davy:rules/device-driver`.
///
/// Arguments: `name` and `version` (both needed), `zh` and `en` (the summary), `vendor("中文", "English")`, `models("…", …)`,
/// `kinds(METER, …)` (names of `codes::device_kind`), `actions(CLOSE, …)` (names of `codes::action`), and
/// `tags(VOLUME(period_s = 3600, resolution = 0.001, channel = 0, of_child = false, zh = "…", en = "…"), …)` with names of
/// `codes::quantity`.
#[proc_macro_attribute]
pub fn device_driver(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let arguments = syn::parse_macro_input!(arguments as driver::Arguments);
    let block = syn::parse_macro_input!(item as syn::ItemImpl);
    driver::expand(&arguments, &block).into()
}
