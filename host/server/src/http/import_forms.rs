//! Plain forms that add devices: a file, or one device by its fields; and those that take, revoke and replace keys. The same operations as the REST routes.

use crate::http::App;
use crate::http::device_imports::attachment;
use crate::http::extract::{Form, MOST_CSV};
use crate::http::flash::{Outcome, back, word};
use crate::http::forms::sender;
use crate::http::guard::Reader;
use crate::http::problem::{Refusal, internal, invalid, malformed};
use crate::http::rule_forms::{bytes, text};
use crate::provision::import::COLUMNS;
use axum::Router;
use axum::extract::multipart::{Multipart, MultipartRejection};
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use davy_api::Problem;
use davy_domain::{DeviceId, ImportId};
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The page of all three.
const PAGE: &str = "/devices/add";
/// What the other fields and the boundaries of the form may take.
const MOST_BESIDE: usize = 64 << 10;

pub(super) fn routes() -> Router<Arc<App>> {
    let upload = post(upload).layer(DefaultBodyLimit::max(MOST_CSV + MOST_BESIDE));
    Router::new()
        .route("/actions/devices/import", upload)
        .route("/actions/devices/add", post(add))
        .route("/actions/devices/credentials", post(credentials))
        .route("/actions/devices/revoke-key", post(revoke))
        .route("/actions/devices/replace-key", post(replace))
}

fn answered(outcome: Result<(), Problem>) -> Redirect {
    match outcome {
        Ok(()) => back(Some(PAGE), Outcome::Done("import")),
        Err(refused) => back(Some(PAGE), Outcome::Failed(word(&refused))),
    }
}

async fn upload(
    State(app): State<Arc<App>>,
    reader: Result<Reader, Refusal>,
    parts: Result<Multipart, MultipartRejection>,
) -> Redirect {
    // Whoever is not signed in sends nothing on: the body is not read.
    if reader.is_err() {
        return sender(reader, None, Some(PAGE))
            .map_or_else(|elsewhere| elsewhere, |_| back(Some(PAGE), Outcome::Silent));
    }
    let read = match parts {
        Ok(parts) => read_upload(parts).await,
        Err(_) => Err(malformed("Expected a form with a file (`multipart/form-data`).")),
    };
    let (csrf, name, file) = match read {
        Ok(read) => read,
        Err(refused) => return answered(Err(refused)),
    };
    match sender(reader, csrf.as_deref(), Some(PAGE)) {
        Ok(signed_in) => answered(app.service.start_import(&signed_in.viewer, &name, file).await.map(drop)),
        Err(elsewhere) => elsewhere,
    }
}

async fn read_upload(mut parts: Multipart) -> Result<(Option<String>, String, Zeroizing<Vec<u8>>), Problem> {
    let (mut csrf, mut name, mut file) = (None, String::new(), Zeroizing::new(Vec::new()));
    let broken = |_| malformed("The form ended before it was complete.");
    while let Some(part) = parts.next_field().await.map_err(broken)? {
        match part.name().unwrap_or_default() {
            "file" => {
                part.file_name().unwrap_or_default().clone_into(&mut name);
                file = Zeroizing::new(bytes(part, MOST_CSV).await?);
            }
            "csrf" => csrf = Some(text(part).await?),
            other => return Err(invalid(other, "expected `file` and `csrf` only")),
        }
    }
    Ok((csrf, name, file))
}

/// One device: its fields as a file of one line, so that it goes the same way as thousands.
async fn add(
    State(app): State<Arc<App>>,
    reader: Result<Reader, Refusal>,
    Form(fields): Form<HashMap<String, String>>,
) -> Result<Redirect, Refusal> {
    let viewer = match sender(reader, fields.get("csrf").map(String::as_str), Some(PAGE)) {
        Ok(signed_in) => signed_in.viewer,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let given: Vec<_> = COLUMNS.iter().filter_map(|column| Some((*column, fields.get(*column)?))).collect();
    let mut out = csv::Writer::from_writer(Vec::new());
    let written = out
        .write_record(given.iter().map(|(column, _)| *column))
        .and_then(|()| out.write_record(given.iter().map(|(_, value)| value.as_str())));
    written.map_err(|_| internal())?;
    let text = Zeroizing::new(out.into_inner().map_err(|_| internal())?);
    let serial = fields.get("serial").map_or("", String::as_str);
    Ok(answered(app.service.start_import(&viewer, serial, text).await.map(drop)))
}

#[derive(Deserialize)]
struct CredentialsForm {
    csrf: Option<String>,
    import: ImportId,
}

async fn credentials(
    State(app): State<Arc<App>>,
    reader: Result<Reader, Refusal>,
    Form(form): Form<CredentialsForm>,
) -> Response {
    let viewer = match sender(reader, form.csrf.as_deref(), Some(PAGE)) {
        Ok(signed_in) => signed_in.viewer,
        Err(elsewhere) => return elsewhere.into_response(),
    };
    match app.service.take_credentials(&viewer, form.import).await {
        Ok(keys) => attachment(&form.import.to_string(), &keys),
        Err(refused) => back(Some(PAGE), Outcome::Failed(word(&refused))).into_response(),
    }
}

#[derive(Deserialize)]
struct KeyForm {
    csrf: Option<String>,
    device: DeviceId,
}

async fn revoke(State(app): State<Arc<App>>, reader: Result<Reader, Refusal>, Form(form): Form<KeyForm>) -> Redirect {
    let page = format!("/devices/{}", form.device);
    match sender(reader, form.csrf.as_deref(), Some(&page)) {
        Ok(signed_in) => match app.service.revoke_key(&signed_in.viewer, form.device).await {
            Ok(()) => back(Some(&page), Outcome::Done("revoke-key")),
            Err(refused) => back(Some(&page), Outcome::Failed(word(&refused))),
        },
        Err(elsewhere) => elsewhere,
    }
}

async fn replace(State(app): State<Arc<App>>, reader: Result<Reader, Refusal>, Form(form): Form<KeyForm>) -> Response {
    let page = format!("/devices/{}", form.device);
    let viewer = match sender(reader, form.csrf.as_deref(), Some(&page)) {
        Ok(signed_in) => signed_in.viewer,
        Err(elsewhere) => return elsewhere.into_response(),
    };
    match app.service.replace_key(&viewer, form.device).await {
        Ok(key) => attachment(&form.device.to_string(), &key),
        Err(refused) => back(Some(&page), Outcome::Failed(word(&refused))).into_response(),
    }
}
