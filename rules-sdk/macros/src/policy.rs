//! `#[alarm_policy]`, `#[billing_policy]`, `#[notification_policy]`: one shape, three worlds.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{Error, FnArg, Ident, ItemFn, LitInt, LitStr, Result, Token, Type};

/// Which of the folding worlds.
#[derive(Clone, Copy)]
pub(crate) enum World {
    Alarm,
    Billing,
    Notification,
}

/// What stands in the attribute's parentheses.
pub(crate) struct Arguments {
    name: LitStr,
    version: LitStr,
    zh: String,
    en: String,
    texts: Vec<(LitInt, LitStr, LitStr)>,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let (mut name, mut version, mut zh, mut en, mut texts) = (None, None, String::new(), String::new(), Vec::new());
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            if key == "texts" {
                let inner;
                syn::parenthesized!(inner in input);
                texts = inner.parse_terminated(coded_text, Token![,])?.into_iter().collect();
            } else {
                input.parse::<Token![=]>()?;
                let value: LitStr = input.parse()?;
                match key.to_string().as_str() {
                    "name" => name = Some(value),
                    "version" => version = Some(value),
                    "zh" => zh = value.value(),
                    "en" => en = value.value(),
                    _ => return Err(Error::new(key.span(), "expected one of: name, version, zh, en, texts")),
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        let (name, version) = checked(name, version, input)?;
        Ok(Self { name, version, zh, en, texts })
    }
}

/// Name and version, both given and in their form.
pub(crate) fn checked(
    name: Option<LitStr>,
    version: Option<LitStr>,
    input: ParseStream<'_>,
) -> Result<(LitStr, LitStr)> {
    let name = name.ok_or_else(|| input.error("expected `name = \"…\"`"))?;
    let version = version.ok_or_else(|| input.error("expected `version = \"…\"`"))?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !(1..=64).contains(&name.value().len()) || !name.value().bytes().all(plain) {
        return Err(Error::new(name.span(), "expected 1 to 64 lower-case letters, digits and `-`"));
    }
    if version.value().split('.').count() < 3 {
        return Err(Error::new(version.span(), "expected MAJOR.MINOR.PATCH"));
    }
    Ok((name, version))
}

fn coded_text(input: ParseStream<'_>) -> Result<(LitInt, LitStr, LitStr)> {
    let code: LitInt = input.parse()?;
    if code.base10_parse::<u16>()? == 0 {
        return Err(Error::new(code.span(), "text codes begin at 1"));
    }
    input.parse::<Token![=]>()?;
    let inner;
    syn::parenthesized!(inner in input);
    let zh = inner.parse()?;
    inner.parse::<Token![,]>()?;
    Ok((code, zh, inner.parse()?))
}

pub(crate) fn expand(world: World, arguments: &Arguments, function: &ItemFn) -> Result<TokenStream> {
    let wanted = "expected `fn(settings: &Settings, state: &mut State, event: &Event) -> Decision`";
    let parameters: Vec<_> = function.sig.inputs.iter().collect();
    let [settings, state, _] = parameters[..] else {
        return Err(Error::new_spanned(&function.sig, wanted));
    };
    let settings = referent(settings, false).ok_or_else(|| Error::new_spanned(settings, wanted))?;
    let state = referent(state, true).ok_or_else(|| Error::new_spanned(state, wanted))?;
    let (called, visibility) = (&function.sig.ident, &function.vis);
    let Arguments { name, version, zh, en, texts } = arguments;
    let texts = texts.iter().map(|(code, zh, en)| quote!((#code, #zh, #en)));
    let (what, marker, contract, export) = match world {
        World::Alarm => (
            "The alarm policy of this crate.",
            quote!(::davy_rules_sdk::alarm::Alarm),
            quote!(::davy_rules_sdk::contract),
            quote!(export_alarm_policy),
        ),
        World::Billing => (
            "The billing policy of this crate.",
            quote!(::davy_rules_sdk::billing::Billing),
            quote!(::davy_rules_sdk::contract::billing),
            quote!(export_billing_policy),
        ),
        World::Notification => (
            "The notification policy of this crate.",
            quote!(::davy_rules_sdk::notification::Notification),
            quote!(::davy_rules_sdk::contract::notification),
            quote!(export_notification_policy),
        ),
    };
    let body = quote! {
        fn describe() -> ::davy_rules_sdk::contract::Description {
            ::davy_rules_sdk::policy::describe::<super::Policy>()
        }
        fn evaluate(
            settings: ::std::vec::Vec<u8>,
            state: ::std::vec::Vec<u8>,
            event: contract::Event,
        ) -> ::core::result::Result<contract::Outcome, ::davy_rules_sdk::contract::Fault> {
            ::davy_rules_sdk::policy::run::<super::Policy>(&settings, &state, &event)
        }
    };
    let component = component(&contract, &export, &body);
    Ok(quote! {
        #function

        #[doc = #what]
        #[derive(Clone, Copy, Debug)]
        #visibility struct Policy;

        impl ::davy_rules_sdk::policy::Rule for Policy {
            type World = #marker;
            type Settings = #settings;
            type State = #state;
            const NAME: &'static str = #name;
            const VERSION: &'static str = #version;
            const SUMMARY: (&'static str, &'static str) = (#zh, #en);
            const TEXTS: &'static [(u16, &'static str, &'static str)] = &[#(#texts),*];

            fn decide(
                settings: &Self::Settings,
                state: &mut Self::State,
                event: &#contract::Event,
            ) -> ::core::result::Result<
                <#marker as ::davy_rules_sdk::policy::Folding>::Decision,
                ::davy_rules_sdk::contract::Fault,
            > {
                ::davy_rules_sdk::policy::IntoDecision::into_decision(#called(settings, state, event))
            }
        }

        #component
    })
}

/// The component's export and its allocator, on wasm32 only.
pub(crate) fn component(contract: &TokenStream, export: &TokenStream, body: &TokenStream) -> TokenStream {
    quote! {
        // The export names of a component's functions are unsafe attributes by the language's definition.
        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code, missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
        mod __davy_export {
            use #contract as contract;

            struct Component;

            impl contract::Guest for Component {
                #body
            }

            contract::#export!(Component with_types_in contract);

            #[global_allocator]
            static MEMORY: ::davy_rules_sdk::alloc::Bump = ::davy_rules_sdk::alloc::Bump::new();
        }
    }
}

/// The type that a reference parameter refers to.
fn referent(parameter: &FnArg, mutable: bool) -> Option<&Type> {
    let FnArg::Typed(parameter) = parameter else { return None };
    let Type::Reference(reference) = &*parameter.ty else { return None };
    (reference.mutability.is_some() == mutable).then_some(&*reference.elem)
}
