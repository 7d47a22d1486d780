//! `GET /tiles/{z}/{x}/{y}.mvt`

use crate::http::App;
use crate::http::guard::May;
use crate::http::problem::{Refusal, Refusals, invalid, malformed};
use crate::roles::SeeAlarms;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use davy_api::Backend;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// One vector tile of the layer `sites`: premises, wells and gateways, clustered by worst state (0 normal, 1 attention,
/// 2 alarm, 3 leak). A single site has `id`, `kind` and `name`; a cluster has the kind `cluster` and its `count`.
#[utoipa::path(get, path = "/tiles/{z}/{x}/{y}", operation_id = "getTile", tag = "map", security(("session" = []), ("token" = [])),
    params(
        ("z" = u8, Path, description = "Zoom, 0 to 22"),
        ("x" = u32, Path, description = "Column"),
        ("y" = String, Path, description = "Row, followed by `.mvt`"),
    ),
    responses(
        (status = 200, body = Vec<u8>, content_type = "application/vnd.mapbox-vector-tile"),
        (status = 304, description = "As `if-none-match` says: nothing has changed"),
        Refusals,
    ))]
pub(super) async fn tile(
    State(app): State<Arc<App>>,
    caller: May<SeeAlarms>,
    headers: HeaderMap,
    params: Result<RawPathParams, RawPathParamsRejection>,
) -> Result<Response, Refusal> {
    let params = params.map_err(|_| malformed("The path is not UTF-8 once its %-escapes are decoded."))?;
    let text = |name: &str| params.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value);
    let number = |name: &str, text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u32>().ok().filter(|_| digits).ok_or_else(|| {
            let got: String = text.chars().take(40).collect();
            invalid(name, format!("expected a whole number, got `{got}`"))
        })
    };
    let z = u8::try_from(number("z", text("z"))?).map_err(|_| invalid("z", "expected 0 to 22"))?;
    let x = number("x", text("x"))?;
    let row = text("y").strip_suffix(".mvt").ok_or_else(|| invalid("y", "expected a row followed by `.mvt`"))?;
    let y = number("y", row)?;
    let tile = app.service.tile(&caller.viewer, z, x, y).await?;
    let tag = format!("W/\"{}\"", crate::keys::to_hex(&Sha256::digest(&tile)[..12]));
    // Asked for again, always, and answered with nothing while nothing has changed: a leak is never hidden by a kept tile.
    let kept = [(header::CACHE_CONTROL, "private, no-cache".to_owned()), (header::ETAG, tag.clone())];
    if is_known(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, kept).into_response());
    }
    Ok((kept, [(header::CONTENT_TYPE, "application/vnd.mapbox-vector-tile")], tile).into_response())
}

/// Whether the client says that it has what `tag` names (RFC 9110 §13.1.2, weak comparison).
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let strong = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let named = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    named.flat_map(|value| value.split(',')).any(|each| each.trim() == "*" || strong(each) == strong(tag))
}
