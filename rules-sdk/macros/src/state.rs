//! `#[derive(State)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Fields, Result};

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(&input.ident, "a rule's state is a struct with named fields"));
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(Error::new_spanned(&input.ident, "a rule's state is a struct with named fields"));
    };
    let mut migrate = None;
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("state")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("migrate") {
                migrate = Some(meta.value()?.parse::<syn::Path>()?);
                Ok(())
            } else {
                Err(meta.error("expected `migrate = path::to::function`"))
            }
        })?;
    }
    let name = &input.ident;
    let names: Vec<_> = fields.named.iter().map(|field| &field.ident).collect();
    let texts: Vec<_> = names.iter().map(|name| name.as_ref().map(ToString::to_string).unwrap_or_default()).collect();
    let types: Vec<_> = fields.named.iter().map(|field| &field.ty).collect();
    let migrate = migrate.map(|path| {
        quote! {
            fn migrate(layout: u32, fields: &[u8]) -> ::core::option::Option<Self> {
                #path(layout, fields)
            }
        }
    });
    Ok(quote! {
        #[automatically_derived]
        impl ::davy_rules_sdk::state::StateField for #name {
            const LAYOUT: u32 = {
                let layout = ::davy_rules_sdk::state::LAYOUT_SEED;
                #(
                    let layout = ::davy_rules_sdk::state::layout_text(layout, #texts);
                    let layout = ::davy_rules_sdk::state::layout_part(
                        layout,
                        <#types as ::davy_rules_sdk::state::StateField>::LAYOUT,
                    );
                )*
                layout
            };
            fn write(&self, out: &mut ::std::vec::Vec<u8>) {
                #(::davy_rules_sdk::state::StateField::write(&self.#names, out);)*
            }
            fn read(reader: &mut ::davy_rules_sdk::state::Reader<'_>) -> ::core::option::Option<Self> {
                ::core::option::Option::Some(Self {
                    #(#names: ::davy_rules_sdk::state::StateField::read(reader)?,)*
                })
            }
        }
        #[automatically_derived]
        impl ::davy_rules_sdk::state::State for #name { #migrate }
    })
}
