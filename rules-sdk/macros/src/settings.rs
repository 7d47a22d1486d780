//! `#[derive(Settings)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::{
    Attribute, Data, DeriveInput, Error, Expr, ExprLit, ExprUnary, Field, Fields, Lit, LitStr, Meta, Result, UnOp,
};

/// One field with what its attributes say.
struct Property<'a> {
    field: &'a Field,
    name: String,
    description: String,
    default: Option<Expr>,
    minimum: Option<Expr>,
    maximum: Option<Expr>,
    max_length: Option<Expr>,
    max_items: Option<Expr>,
    unit: Option<String>,
    zh: Option<String>,
    en: Option<String>,
    choices: Vec<String>,
    group: bool,
}

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(&input.ident, "settings are a struct with named fields"));
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(Error::new_spanned(&input.ident, "settings are a struct with named fields"));
    };
    let properties = fields.named.iter().map(Property::parse).collect::<Result<Vec<_>>>()?;
    let check = parse_check(&input.attrs)?;
    let schema = schema(&properties)?;
    let read = read(&properties, check.as_ref());
    let name = &input.ident;
    Ok(quote! {
        #[automatically_derived]
        impl ::davy_rules_sdk::settings::Settings for #name {
            fn schema_body(out: &mut ::std::string::String) { #schema }
            fn read(
                reader: &mut ::davy_rules_sdk::cbor::Reader<'_>,
            ) -> ::core::result::Result<Self, ::davy_rules_sdk::settings::SettingsError> { #read }
        }
    })
}

fn parse_check(attributes: &[Attribute]) -> Result<Option<syn::Path>> {
    let mut check = None;
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("settings")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("check") {
                check = Some(meta.value()?.parse()?);
                Ok(())
            } else {
                Err(meta.error("expected `check = path::to::function`"))
            }
        })?;
    }
    Ok(check)
}

impl<'a> Property<'a> {
    fn parse(field: &'a Field) -> Result<Self> {
        let ident = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
        let mut property = Self {
            field,
            name: ident.trim_start_matches("r#").replace('_', "-"),
            description: doc_text(&field.attrs),
            default: None,
            minimum: None,
            maximum: None,
            max_length: None,
            max_items: None,
            unit: None,
            zh: None,
            en: None,
            choices: Vec::new(),
            group: false,
        };
        for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("setting")) {
            attribute.parse_nested_meta(|meta| property.argument(&meta))?;
        }
        Ok(property)
    }

    fn argument(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        let text = |meta: &ParseNestedMeta<'_>| Ok::<_, Error>(meta.value()?.parse::<LitStr>()?.value());
        let Some(ident) = meta.path.get_ident() else {
            return Err(meta.error("expected one word"));
        };
        match ident.to_string().as_str() {
            "name" => self.name = text(meta)?,
            "unit" => self.unit = Some(text(meta)?),
            "zh" => self.zh = Some(text(meta)?),
            "en" => self.en = Some(text(meta)?),
            "default" => self.default = Some(meta.value()?.parse()?),
            "min" => self.minimum = Some(meta.value()?.parse()?),
            "max" => self.maximum = Some(meta.value()?.parse()?),
            "max_length" => self.max_length = Some(meta.value()?.parse()?),
            "max_items" => self.max_items = Some(meta.value()?.parse()?),
            "group" => self.group = true,
            "choices" => {
                let inner;
                syn::parenthesized!(inner in meta.input);
                let words = inner.parse_terminated(<LitStr as syn::parse::Parse>::parse, syn::Token![,])?;
                self.choices = words.iter().map(LitStr::value).collect();
            }
            _ => {
                return Err(meta.error(
                    "expected one of: name, default, min, max, unit, zh, en, choices, max_length, max_items, group",
                ));
            }
        }
        Ok(())
    }

    /// The schema's keywords behind the type, as JSON text that begins with a comma.
    fn keywords(&self) -> Result<String> {
        let mut out = String::new();
        let mut keyword = |name: &str, value: String| {
            out.extend([",\"", name, "\":", &value]);
        };
        let numbers = [
            ("minimum", &self.minimum),
            ("maximum", &self.maximum),
            ("maxLength", &self.max_length),
            ("maxItems", &self.max_items),
            ("default", &self.default),
        ];
        for (name, value) in numbers {
            if let Some(value) = value {
                keyword(name, json_literal(value)?);
            }
        }
        if !self.choices.is_empty() {
            let words: Vec<_> = self.choices.iter().map(|word| json_text(word)).collect();
            keyword("enum", format!("[{}]", words.join(",")));
        }
        let texts = [("x-unit", &self.unit), ("x-label-zh", &self.zh), ("x-label-en", &self.en)];
        for (name, value) in texts {
            if let Some(value) = value {
                keyword(name, json_text(value));
            }
        }
        if !self.description.is_empty() {
            keyword("description", json_text(&self.description));
        }
        Ok(out)
    }

    /// What an error says was expected.
    fn expected(&self) -> String {
        let unit = self.unit.as_ref().map(|unit| format!(" {unit}")).unwrap_or_default();
        let literal = |value: &Option<Expr>| value.as_ref().and_then(|value| json_literal(value).ok());
        if !self.choices.is_empty() {
            return format!("one of: {}", self.choices.join(", "));
        }
        match (literal(&self.minimum), literal(&self.maximum)) {
            (Some(low), Some(high)) => format!("a value from {low} to {high}{unit}"),
            (Some(low), None) => format!("a value of at least {low}{unit}"),
            (None, Some(high)) => format!("a value of at most {high}{unit}"),
            (None, None) => "a value of the type that the schema names".to_owned(),
        }
    }
}

fn schema(properties: &[Property<'_>]) -> Result<TokenStream> {
    let mut parts = Vec::new();
    for (index, property) in properties.iter().enumerate() {
        let head = format!("{}{}:{{", if index == 0 { "" } else { "," }, json_text(&property.name));
        // JSON objects have no order; the form has the author's.
        let keywords = format!("{},\"x-order\":{index}", property.keywords()?);
        let tail = format!("{keywords}}}");
        let ty = &property.field.ty;
        parts.push(if property.group {
            // A group is an object of its own; its labels go inside, in front of its closing brace.
            quote! {
                out.push_str(#head);
                <#ty as ::davy_rules_sdk::settings::Settings>::schema_body(out);
                out.push_str(#tail);
            }
        } else {
            quote! {
                out.push_str(#head);
                <#ty as ::davy_rules_sdk::settings::SettingsField>::schema_type(out);
                out.push_str(#tail);
            }
        });
    }
    let names: Vec<_> = properties.iter().map(|property| json_text(&property.name)).collect();
    let required: Vec<_> = properties
        .iter()
        .zip(&names)
        .filter(|(property, _)| property.default.is_none() && !property.group)
        .map(|(property, name)| {
            let ty = &property.field.ty;
            quote! {
                if <#ty as ::davy_rules_sdk::settings::SettingsField>::ABSENT.is_none() {
                    if !first { out.push(','); }
                    first = false;
                    out.push_str(#name);
                }
            }
        })
        .collect();
    let required = if required.is_empty() {
        quote! {}
    } else {
        quote! {
            out.push_str(r#","required":["#);
            let mut first = true;
            #(#required)*
            let _ = first;
            out.push(']');
        }
    };
    Ok(quote! {
        out.push_str(r#""type":"object","additionalProperties":false,"properties":{"#);
        #(#parts)*
        out.push('}');
        #required
    })
}

fn read(properties: &[Property<'_>], check: Option<&syn::Path>) -> TokenStream {
    let idents: Vec<_> = properties.iter().map(|property| &property.field.ident).collect();
    let names: Vec<_> =
        properties.iter().map(|property| proc_macro2::Literal::byte_string(property.name.as_bytes())).collect();
    let types: Vec<_> = properties.iter().map(|property| &property.field.ty).collect();
    let error = quote!(::davy_rules_sdk::settings::SettingsError);
    let reads = properties.iter().map(|property| {
        let (ty, name, expected) = (&property.field.ty, &property.name, property.expected());
        if property.group {
            return quote! {
                <#ty as ::davy_rules_sdk::settings::Settings>::read(reader).map_err(|error| error.within(#name))?
            };
        }
        let range = ranges(property);
        quote! {{
            let value = <#ty as ::davy_rules_sdk::settings::SettingsField>::read(reader)
                .ok_or_else(|| #error::new(#name, #expected))?;
            #range
            value
        }}
    });
    let absents = properties.iter().map(|property| {
        let (ty, name) = (&property.field.ty, &property.name);
        match &property.default {
            _ if property.group => {
                quote! { return ::core::result::Result::Err(#error::new(#name, "the group to be given")) }
            }
            Some(default @ Expr::Lit(ExprLit { lit: Lit::Str(_), .. })) => quote! { <#ty>::from(#default) },
            Some(default) => quote! { #default },
            None => quote! {
                <#ty as ::davy_rules_sdk::settings::SettingsField>::ABSENT
                    .ok_or_else(|| #error::new(#name, "a value: it has no default"))?
            },
        }
    });
    let check = check.map(|path| quote! { #path(&settings)?; });
    quote! {
        #(let mut #idents: ::core::option::Option<#types> = ::core::option::Option::None;)*
        let ::core::option::Option::Some(count) = reader.map() else {
            return ::core::result::Result::Err(#error::new("", "a CBOR map of known length"));
        };
        for _ in 0..count {
            match reader.text_bytes() {
                #(::core::option::Option::Some(#names) => #idents = ::core::option::Option::Some(#reads),)*
                // A property that this version of the rule does not know.
                ::core::option::Option::Some(_) if reader.skip().is_some() => {}
                _ => return ::core::result::Result::Err(#error::new("", "text keys, each with a value")),
            }
        }
        let settings = Self {
            #(#idents: match #idents {
                ::core::option::Option::Some(value) => value,
                ::core::option::Option::None => #absents,
            },)*
        };
        #check
        ::core::result::Result::Ok(settings)
    }
}

/// The check of a value against its range; nothing when it has none.
fn ranges(property: &Property<'_>) -> TokenStream {
    let (name, expected) = (&property.name, property.expected());
    let refuse = quote! {
        return ::core::result::Result::Err(::davy_rules_sdk::settings::SettingsError::new(#name, #expected));
    };
    let mut out = TokenStream::new();
    if is_wrapped(&property.field.ty) {
        // The host has checked it against the schema; here it would need a look inside of the option or the list.
        return out;
    }
    if let Some(low) = &property.minimum {
        out.extend(quote! { if value < #low { #refuse } });
    }
    if let Some(high) = &property.maximum {
        out.extend(quote! { if value > #high { #refuse } });
    }
    if !property.choices.is_empty() {
        let words = &property.choices;
        out.extend(quote! { if ![#(#words),*].contains(&&*value) { #refuse } });
    }
    out
}

fn is_wrapped(ty: &syn::Type) -> bool {
    let syn::Type::Path(path) = ty else { return false };
    path.path.segments.last().is_some_and(|segment| segment.ident == "Option" || segment.ident == "Vec")
}

fn doc_text(attributes: &[Attribute]) -> String {
    let mut lines = Vec::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("doc")) {
        if let Meta::NameValue(pair) = &attribute.meta
            && let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = &pair.value
        {
            lines.push(text.value().trim().to_owned());
        }
    }
    lines.join(" ").trim().to_owned()
}

/// A Rust literal as JSON.
fn json_literal(value: &Expr) -> Result<String> {
    let error = || Error::new_spanned(value, "expected a literal number, `true`, `false` or a text");
    match value {
        Expr::Lit(ExprLit { lit, .. }) => match lit {
            Lit::Int(int) => Ok(int.base10_digits().to_owned()),
            Lit::Float(float) => {
                let number: f64 = float.base10_parse()?;
                if number.is_finite() { Ok(number.to_string()) } else { Err(error()) }
            }
            Lit::Bool(flag) => Ok(flag.value.to_string()),
            Lit::Str(text) => Ok(json_text(&text.value())),
            _ => Err(error()),
        },
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => Ok(format!("-{}", json_literal(expr)?)),
        Expr::Group(group) => json_literal(&group.expr),
        _ => Err(error()),
    }
}

fn json_text(text: &str) -> String {
    let mut out = String::from('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            control if control < ' ' => out.extend(["\\u", &format!("{:04x}", control as u32)]),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}
