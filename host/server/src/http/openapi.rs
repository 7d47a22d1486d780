//! The OpenAPI document, generated from the handlers.

use axum::Router;
use axum::http::header;
use axum::routing::get;
use std::sync::Arc;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Info, LicenseBuilder, OpenApi, OpenApiBuilder};
use utoipa_axum::router::OpenApiRouter;

use crate::http::App;

/// An empty router with what stands at the head of the document.
pub(super) fn described() -> OpenApiRouter<Arc<App>> {
    let mut info = Info::new("Davy", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "Gas safety for many gas companies on one system. Sign in with POST /api/v1/session; the session is in a cookie. \
         Every change needs the session's CSRF token in the header `x-csrf-token`. A machine sends a token as \
         `Authorization: Bearer …` instead. Times are milliseconds since 1970 \
         (UTC), ids are typed texts (`dev_…`), refusals are problem details (RFC 9457). What the signed-in person may \
         not see is answered as if it did not exist."
            .to_owned(),
    );
    info.license = Some(LicenseBuilder::new().name("Apache-2.0 OR MIT").build());
    let mut document = OpenApiBuilder::new().info(info).build();
    let cookie = ApiKeyValue::with_description(
        "__Host-davy",
        "Set by POST /api/v1/session; named `davy` where secure cookies are off",
    );
    document
        .components
        .get_or_insert_default()
        .add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    let token = ApiKeyValue::with_description("x-csrf-token", "The session's CSRF token, from GET /api/v1/session");
    document
        .components
        .get_or_insert_default()
        .add_security_scheme("csrf", SecurityScheme::ApiKey(ApiKey::Header(token)));
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("A machine's token, from POST /api/v1/tokens; in place of session and CSRF token"))
        .build();
    document.components.get_or_insert_default().add_security_scheme("token", SecurityScheme::Http(bearer));
    OpenApiRouter::with_openapi(document)
}

/// The document.
pub fn document() -> OpenApi {
    super::documented().into_openapi()
}

/// The document as indented JSON with a line end, as `davy openapi` prints it.
///
/// # Errors
/// Never in practice: the document consists of texts and numbers.
pub fn text() -> Result<String, serde_json::Error> {
    document().to_pretty_json().map(|text| text + "\n")
}

pub(super) fn route(document: &OpenApi) -> Router<Arc<App>> {
    let json: Arc<str> = document.to_json().unwrap_or_default().into();
    let answer = move || async move { ([(header::CONTENT_TYPE, "application/json")], json.to_string()) };
    Router::new().route("/openapi.json", get(answer))
}
