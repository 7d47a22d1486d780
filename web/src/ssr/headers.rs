//! Headers of every page. Scripts run only with the request's nonce or from this site; nothing is loaded from elsewhere,
//! unless a map style of another origin is set.

use axum::http::{HeaderName, HeaderValue, header};
use leptos::nonce::use_nonce;
use leptos::prelude::use_context;
use leptos_axum::ResponseOptions;

pub(super) fn set(map_style: Option<&str>) {
    let Some(response) = use_context::<ResponseOptions>() else { return };
    let nonce = use_nonce().map(|nonce| nonce.to_string()).unwrap_or_default();
    let policy = content_security_policy(&nonce, map_style);
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, policy.as_str()),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=()"),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.insert_header(name, value);
        }
    }
}

/// MapLibre draws in a worker and keeps images as blobs; `wasm-unsafe-eval` compiles WebAssembly and nothing else.
fn content_security_policy(nonce: &str, map_style: Option<&str>) -> String {
    let elsewhere = map_style.and_then(origin).map(|origin| format!(" {origin}")).unwrap_or_default();
    format!(
        "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'; style-src 'self'; \
         img-src 'self' data: blob:{elsewhere}; font-src 'self'{elsewhere}; connect-src 'self'{elsewhere}; \
         worker-src 'self' blob:; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
}

/// `https://tiles.example` of `https://tiles.example/style.json`; nothing for a path of this site.
fn origin(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let host = rest.split(['/', '?', '#']).next().filter(|host| !host.is_empty())?;
    host.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte))
        .then(|| &url[..url.len() - rest.len() + host.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_need_the_nonce_and_nothing_comes_from_elsewhere() {
        let policy = content_security_policy("abc", None);
        assert!(policy.contains("script-src 'self' 'nonce-abc' 'wasm-unsafe-eval';"));
        assert!(!policy.contains("unsafe-inline"));
        assert!(!policy.contains("http"));
    }

    #[test]
    fn only_the_origin_of_a_foreign_style_is_allowed() {
        let policy = content_security_policy("", Some("https://tiles.example:8443/style.json?key=1"));
        assert!(policy.contains("connect-src 'self' https://tiles.example:8443;"));
        assert_eq!(origin("/map/style.json"), None);
        assert_eq!(origin("https://a.example; script-src *"), None);
    }
}
