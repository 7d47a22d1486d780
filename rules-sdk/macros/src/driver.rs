//! `#[device_driver]`.

use crate::policy::{checked, component};
use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, Expr, Ident, ItemImpl, LitStr, Result, Token};

/// What stands in the attribute's parentheses.
pub(crate) struct Arguments {
    name: LitStr,
    version: LitStr,
    zh: String,
    en: String,
    vendor: (String, String),
    models: Vec<LitStr>,
    kinds: Vec<Ident>,
    actions: Vec<Ident>,
    tags: Vec<Tag>,
}

/// One collection point.
struct Tag {
    quantity: Ident,
    channel: Expr,
    of_child: Expr,
    period_s: Expr,
    resolution: Expr,
    zh: String,
    en: String,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let (mut name, mut version, mut zh, mut en) = (None, None, String::new(), String::new());
        let mut vendor = (String::new(), String::new());
        let (mut models, mut kinds, mut actions, mut tags) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            match key.to_string().as_str() {
                "name" => name = Some(text(input)?),
                "version" => version = Some(text(input)?),
                "zh" => zh = text(input)?.value(),
                "en" => en = text(input)?.value(),
                "vendor" => {
                    let both: Vec<LitStr> = list(input)?;
                    let [chinese, english] = &both[..] else {
                        return Err(Error::new(key.span(), "expected `vendor(\"中文\", \"English\")`"));
                    };
                    vendor = (chinese.value(), english.value());
                }
                "models" => models = list(input)?,
                "kinds" => kinds = list(input)?,
                "actions" => actions = list(input)?,
                "tags" => tags = list(input)?,
                _ => {
                    return Err(Error::new(
                        key.span(),
                        "expected one of: name, version, zh, en, vendor, models, kinds, actions, tags",
                    ));
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        let (name, version) = checked(name, version, input)?;
        if models.is_empty() || kinds.is_empty() || tags.is_empty() {
            return Err(input.error("expected at least one each of `models(…)`, `kinds(…)` and `tags(…)`"));
        }
        Ok(Self { name, version, zh, en, vendor, models, kinds, actions, tags })
    }
}

fn text(input: ParseStream<'_>) -> Result<LitStr> {
    input.parse::<Token![=]>()?;
    input.parse()
}

fn list<T: Parse>(input: ParseStream<'_>) -> Result<Vec<T>> {
    let inner;
    syn::parenthesized!(inner in input);
    Ok(Punctuated::<T, Token![,]>::parse_terminated(&inner)?.into_iter().collect())
}

impl Parse for Tag {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut tag = Self {
            quantity: input.parse()?,
            channel: syn::parse_quote!(0),
            of_child: syn::parse_quote!(false),
            period_s: syn::parse_quote!(0),
            resolution: syn::parse_quote!(0.0),
            zh: String::new(),
            en: String::new(),
        };
        let inner;
        syn::parenthesized!(inner in input);
        while !inner.is_empty() {
            let key: Ident = inner.parse()?;
            match key.to_string().as_str() {
                "zh" => tag.zh = text(&inner)?.value(),
                "en" => tag.en = text(&inner)?.value(),
                word => {
                    inner.parse::<Token![=]>()?;
                    let value: Expr = inner.parse()?;
                    match word {
                        "channel" => tag.channel = value,
                        "of_child" => tag.of_child = value,
                        "period_s" => tag.period_s = value,
                        "resolution" => tag.resolution = value,
                        _ => {
                            return Err(Error::new(
                                key.span(),
                                "expected one of: channel, of_child, period_s, resolution, zh, en",
                            ));
                        }
                    }
                }
            }
            if !inner.is_empty() {
                inner.parse::<Token![,]>()?;
            }
        }
        Ok(tag)
    }
}

pub(crate) fn expand(arguments: &Arguments, block: &ItemImpl) -> TokenStream {
    let Arguments { name, version, zh, en, vendor: (vendor_zh, vendor_en), models, kinds, actions, tags } = arguments;
    let driver = &block.self_ty;
    let tags = tags.iter().map(|tag| {
        let Tag { quantity, channel, of_child, period_s, resolution, zh, en } = tag;
        quote! {
            ::davy_rules_sdk::driver::tag(
                ::davy_rules_sdk::codes::quantity::#quantity, #channel, #of_child, #period_s, #resolution, #zh, #en,
            )
        }
    });
    let body = quote! {
        fn describe() -> contract::DriverDescription {
            ::davy_rules_sdk::driver::describe::<super::#driver>()
        }
        fn decode(
            settings: ::std::vec::Vec<u8>,
            uplink: contract::Uplink,
        ) -> ::core::result::Result<contract::Decoded, ::davy_rules_sdk::contract::Fault> {
            ::davy_rules_sdk::driver::decode::<super::#driver>(&settings, &uplink)
        }
        fn encode(
            settings: ::std::vec::Vec<u8>,
            order: contract::Order,
        ) -> ::core::result::Result<contract::Encoded, ::davy_rules_sdk::contract::Fault> {
            ::davy_rules_sdk::driver::encode::<super::#driver>(&settings, &order)
        }
    };
    let component = component(&quote!(::davy_rules_sdk::contract::driver), &quote!(export_device_driver), &body);
    quote! {
        #block

        impl ::davy_rules_sdk::driver::About for #driver {
            const NAME: &'static str = #name;
            const VERSION: &'static str = #version;
            const SUMMARY: (&'static str, &'static str) = (#zh, #en);
            const VENDOR: (&'static str, &'static str) = (#vendor_zh, #vendor_en);
            const MODELS: &'static [&'static str] = &[#(#models),*];
            const KINDS: &'static [u16] = &[#(::davy_rules_sdk::codes::device_kind::#kinds),*];
            const ACTIONS: &'static [u16] = &[#(::davy_rules_sdk::codes::action::#actions),*];

            fn tags() -> ::std::vec::Vec<::davy_rules_sdk::contract::driver::Tag> {
                ::std::vec![#(#tags),*]
            }
        }

        #component
    }
}
