//! Path, query and body of a request, each refused with the field and the reason.

use crate::http::App;
use crate::http::problem::{self, Refusal};
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::header;
use axum::http::request::Parts;
use davy_domain::id::IdError;
use davy_rules::Tier;
use serde::de::DeserializeOwned;
use std::str::FromStr;
use std::sync::Arc;

/// The one id (or other typed text) in the path.
pub(super) struct Id<T>(pub(super) T);

impl<T> FromRequestParts<Arc<App>> for Id<T>
where
    T: FromStr<Err = IdError> + Send,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        let params = RawPathParams::from_request_parts(parts, app).await;
        let params = params.map_err(|_| problem::malformed("The path is not UTF-8 once its %-escapes are decoded."))?;
        let (name, text) = params.iter().next().ok_or_else(problem::internal)?;
        let id = text.parse().map_err(|error: IdError| problem::invalid(name, error.to_string()))?;
        if name == "device" {
            tracing::Span::current().record("device.id", text);
        }
        Ok(Self(id))
    }
}

/// The query string. Parameters left empty count as absent, as HTML forms send them.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Arc<App>> for Query<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Refusal> {
        form(parts.uri.query().unwrap_or_default().as_bytes()).map(Self)
    }
}

/// Reads `application/x-www-form-urlencoded` text.
fn form<T: DeserializeOwned>(text: &[u8]) -> Result<T, Refusal> {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_bytes(text)
        .map_err(|error| problem::malformed(format!("Expected name=value pairs joined by &: {error}.")))?;
    let pairs: Vec<_> = pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    let text = serde_urlencoded::to_string(&pairs).map_err(|_| problem::internal())?;
    serde_path_to_error::deserialize(serde_urlencoded::Deserializer::new(form_urlencoded::parse(text.as_bytes())))
        .map_err(|error| refused_field(error.path().to_string(), &error.inner().to_string()).into())
}

/// The field is in the message when the deserializer stands at the root: "missing field `email`".
fn refused_field(path: String, reason: &str) -> davy_api::Problem {
    let named =
        reason.split('`').nth(1).filter(|_| reason.starts_with("missing field") || reason.starts_with("unknown field"));
    let field = match (path.as_str(), named) {
        (".", Some(name)) => name.to_owned(),
        (path, Some(name)) => format!("{path}.{name}"),
        (path, None) => path.to_owned(),
    };
    problem::invalid(field, reason)
}

async fn bytes(request: Request, expected: &str, limit: usize) -> Result<axum::body::Bytes, Refusal> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case(expected) {
        return Err(problem::unsupported(expected, kind).into());
    }
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: usize| length > limit) {
        return Err(problem::too_large(limit).into());
    }
    axum::body::to_bytes(request.into_body(), limit).await.map_err(|error| {
        let source = std::error::Error::source(&error);
        if source.and_then(|source| source.downcast_ref::<http_body_util::LengthLimitError>()).is_some() {
            problem::too_large(limit).into()
        } else {
            problem::malformed("The body ended before it was complete.").into()
        }
    })
}

/// A JSON body.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Refusal> {
        let bytes = bytes(request, "application/json", app.settings.http_body_limit.0).await?;
        let mut json = serde_json::Deserializer::from_slice(&bytes);
        let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let path = error.path().to_string();
            let inner = error.into_inner();
            match inner.classify() {
                serde_json::error::Category::Data => refused_field(path, &inner.to_string()),
                _ => problem::malformed(format!("The body is not JSON: {inner}.")),
            }
        })?;
        json.end().map_err(|error| problem::malformed(format!("The body goes on after its JSON: {error}.")))?;
        Ok(Self(value))
    }
}

/// The largest component that is taken in at all: what the largest tier allows. Its own tier's limit comes after.
pub(super) const MOST_COMPONENT: usize = Tier::Large.caps().component_size;

/// The bytes of a WebAssembly component.
pub(super) struct Component(pub(super) Vec<u8>);

impl FromRequest<Arc<App>> for Component {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &Arc<App>) -> Result<Self, Refusal> {
        bytes(request, "application/wasm", MOST_COMPONENT).await.map(|bytes| Self(bytes.into()))
    }
}

/// The largest file of devices.
pub(super) const MOST_CSV: usize = 16 << 20;

/// The text of a CSV file. It may hold keys: wiped when it is dropped.
pub(super) struct Csv(pub(super) zeroize::Zeroizing<Vec<u8>>);

impl FromRequest<Arc<App>> for Csv {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &Arc<App>) -> Result<Self, Refusal> {
        bytes(request, "text/csv", MOST_CSV).await.map(|bytes| Self(zeroize::Zeroizing::new(bytes.into())))
    }
}

/// A form's body.
pub(super) struct Form<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Form<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Refusal> {
        let bytes = bytes(request, "application/x-www-form-urlencoded", app.settings.http_body_limit.0).await?;
        form(&bytes).map(Self)
    }
}
