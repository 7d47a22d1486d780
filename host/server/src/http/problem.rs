//! Problems as responses: RFC 9457, for every refusal of every route of the API.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use davy_api::Problem;
use utoipa::IntoResponses;

/// A refusal on its way out.
#[derive(Debug)]
pub struct Refusal(pub Problem);

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

/// The kind of a problem, kept on the response for the log and the counter.
#[derive(Clone, Debug)]
pub struct RefusalKind(pub String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        let seconds = match self.0.status {
            429 => Some("10"),
            503 => Some("2"),
            _ => None,
        };
        if let Some(seconds) = seconds {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
        }
        response.extensions_mut().insert(RefusalKind(self.0.kind));
        response
    }
}

/// 400: the request cannot be read at all.
pub fn malformed(detail: impl Into<String>) -> Problem {
    Problem::new("malformed", 400, "The request cannot be read", detail)
}

/// 422: read, and a field is not what it must be.
pub fn invalid(field: impl Into<String>, reason: impl Into<String>) -> Problem {
    let (field, reason) = (field.into(), reason.into());
    Problem::new("invalid", 422, "A field is not valid", format!("`{field}`: {reason}")).with_field(field, reason)
}

/// 403: the person's company is suspended.
pub fn suspended() -> Problem {
    let detail = "Your company is suspended on this platform: nobody of it can sign in. Its devices stay protected. Ask the platform's administrator.";
    Problem::new("suspended", 403, "The company is suspended", detail)
}

/// 413: the body is over the limit.
pub fn too_large(limit: usize) -> Problem {
    Problem::new("too-large", 413, "The body is too large", format!("Expected at most {limit} bytes in the body."))
}

/// 415: another content type is expected.
pub fn unsupported(expected: &str, got: &str) -> Problem {
    let got = if got.is_empty() { "none" } else { got };
    let detail = format!("Expected `content-type: {expected}`, got {}.", got.chars().take(100).collect::<String>());
    Problem::new("unsupported-media-type", 415, "Unsupported content type", detail)
}

/// 415: the body is packed.
pub fn packed(coding: &str) -> Problem {
    let coding: String = coding.chars().take(100).collect();
    let detail = format!("Expected a body without `content-encoding`, got {coding}; send it as it is.");
    Problem::new("unsupported-media-type", 415, "Unsupported content coding", detail)
}

/// 405: the path knows other methods.
pub fn method_not_allowed(method: &str) -> Problem {
    let detail = format!("This path does not take {method}; the `allow` header names the methods that it takes.");
    Problem::new("method-not-allowed", 405, "Method not allowed", detail)
}

/// 404: no such path.
pub fn no_route(path: &str) -> Problem {
    let path: String = path.chars().take(200).collect();
    Problem::new(
        "no-such-path",
        404,
        "No such path",
        format!("There is no `{path}` here; /openapi.json lists the paths."),
    )
}

/// 403: the CSRF token is missing or wrong.
pub fn csrf(detail: &str) -> Problem {
    Problem::new("csrf", 403, "The request may be forged", detail)
}

/// 429: too many.
pub fn too_many(detail: impl Into<String>) -> Problem {
    Problem::new("too-many", 429, "Too many requests", detail)
}

/// 500: ours, and logged where it happened. Never says more to the outside.
pub fn internal() -> Problem {
    let detail = "The server failed; the log has the reason under this response's x-request-id.";
    Problem::new("internal", 500, "The server failed", detail)
}

/// The refusals that every operation of the API may give, for the OpenAPI document.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "only its documentation is used")]
pub(crate) enum Refusals {
    /// The request cannot be read
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(Problem),
    /// Nobody is signed in
    #[response(status = 401, content_type = "application/problem+json")]
    SignedOut(Problem),
    /// The role does not allow it, or the CSRF token is missing or wrong
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
    /// Nothing there that the signed-in person may see
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
    /// A field is not valid
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(Problem),
    /// Too many requests from this address
    #[response(status = 429, content_type = "application/problem+json")]
    TooMany(Problem),
    /// Not available right now: try again
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
}
