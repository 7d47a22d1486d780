//! Errors on the wire: RFC 9457 problem details with a stable `type`.

use serde::{Deserialize, Serialize};

/// Problem details (RFC 9457), sent as `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[error("{title}: {detail}")]
pub struct Problem {
    /// A stable name of the kind of problem, such as `/problems/not-found`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in a few words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What was expected, what came, what to do.
    pub detail: String,
    /// Why in one stable word, where a kind has several reasons: a refused reset says `readings-high`, `reading-too-old`,
    /// `no-reading`, `valve-not-closed`, `still-present` or `alarm-ended`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub reason: Option<Box<str>>,
    /// Which fields were refused, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

/// One refused field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FieldError {
    /// Where, as a path such as `readings.3.value`.
    pub field: String,
    /// What was expected and what came.
    pub reason: String,
}

impl Problem {
    /// A problem of a stable kind (`not-found` becomes `/problems/not-found`).
    pub fn new(kind: &str, status: u16, title: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("/problems/{kind}"),
            title: title.to_owned(),
            status,
            detail: detail.into(),
            reason: None,
            errors: Vec::new(),
        }
    }

    /// 404: nothing there, or nothing that the caller may know of.
    pub fn not_found(what: &str) -> Self {
        Self::new("not-found", 404, "Not found", format!("There is no {what} here that you may see."))
    }

    /// 401: nobody is signed in.
    pub fn signed_out() -> Self {
        Self::new("signed-out", 401, "Not signed in", "Sign in first: POST /api/v1/session with e-mail and password.")
    }

    /// 403: the role does not allow it.
    pub fn forbidden(what: &str) -> Self {
        Self::new("forbidden", 403, "Not allowed", format!("Your role does not allow you to {what}."))
    }

    /// 403: the company demands a second factor for it, and none was proven in this session lately.
    pub fn second_factor(what: &str) -> Self {
        let detail = format!(
            "Your company demands a second factor to {what}: prove one with POST /api/v1/session/second-factor, or set one up first."
        );
        Self::new("second-factor", 403, "A second factor is needed", detail)
    }

    /// 503: try again later.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new("unavailable", 503, "Not available right now", detail)
    }

    /// Adds the reason in one stable word.
    #[must_use]
    pub fn with_reason(mut self, reason: impl Into<Box<str>>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Adds a refused field.
    #[must_use]
    pub fn with_field(mut self, field: impl Into<String>, reason: impl Into<String>) -> Self {
        self.errors.push(FieldError { field: field.into(), reason: reason.into() });
        self
    }
}
