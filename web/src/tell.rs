//! Sentences with values in them: `{name}` in a translation is replaced by the value of that name.

/// A translation with its values filled in: `tell!(locale, overview.leak_now, count = 3)`.
macro_rules! tell {
    ($locale:expr, $group:ident.$key:ident, $($name:ident = $value:expr),+ $(,)?) => {
        $crate::tell::fill(
            leptos_i18n::td_string!($locale, $group.$key),
            &[$((stringify!($name), &$value as &dyn core::fmt::Display)),+],
        )
    };
}
pub(crate) use tell;

/// Replaces each `{name}`; a brace that names no value stays as it is.
pub(crate) fn fill(template: &str, values: &[(&str, &dyn core::fmt::Display)]) -> String {
    let mut out = String::with_capacity(template.len() + 16);
    let mut rest = template;
    while let Some(start) = rest.find('{') {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        let named = from.find('}').and_then(|end| {
            let (_, value) = values.iter().find(|(name, _)| *name == &from[1..end])?;
            Some((end, value))
        });
        if let Some((end, value)) = named {
            out.push_str(&value.to_string());
            rest = &from[end + 1..];
        } else {
            out.push('{');
            rest = &from[1..];
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::fill;

    #[test]
    fn values_go_where_the_language_wants_them() {
        assert_eq!(fill("{b} of {a}, {c}", &[("a", &2), ("b", &1)]), "1 of 2, {c}");
        assert_eq!(fill("{", &[]), "{");
    }
}
