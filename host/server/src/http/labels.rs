//! Sheets of labels for devices, by the API and by a plain form; and where the QR code of a label leads.

use crate::backend::labels::{LabelOrder, size_of, undrawn};
use crate::http::App;
use crate::http::extract::{Form, Query};
use crate::http::flash::{Outcome, back, to_sign_in, word};
use crate::http::forms::sender;
use crate::http::guard::{May, Reader};
use crate::http::problem::{Refusal, Refusals, internal, invalid};
use crate::labels;
use crate::roles::{AddDevices, Deed};
use axum::Router;
use axum::extract::State;
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use davy_api::{Problem, Viewer};
use davy_domain::DeviceId;
use serde::Deserialize;
use std::sync::Arc;

/// The page of the form.
const PAGE: &str = "/devices/labels";

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/actions/devices/labels", post(form))
}

#[derive(Default, Deserialize)]
pub(super) struct Asked {
    import: Option<String>,
    serials: Option<String>,
    size: Option<String>,
    format: Option<String>,
    page: Option<String>,
}

/// A sheet as it goes out.
struct Sheet {
    body: Vec<u8>,
    kind: &'static str,
    name: String,
    pages: usize,
}

impl IntoResponse for Sheet {
    fn into_response(self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, self.kind.to_owned()),
            (header::CACHE_CONTROL, "no-store".to_owned()),
            (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}\"", self.name)),
        ];
        (headers, [("x-pages", self.pages.to_string())], self.body).into_response()
    }
}

async fn draw(app: &App, viewer: &Viewer, asked: Asked) -> Result<Sheet, Problem> {
    let import = asked.import.filter(|text| !text.is_empty()).map(|text| text.parse());
    let import = import.transpose().map_err(|error: davy_domain::id::IdError| invalid("import", error.to_string()))?;
    let serials = asked.serials.unwrap_or_default();
    let serials = serials.split(['\n', '\r', ',', ';']).map(str::trim).filter(|text| !text.is_empty());
    let order = LabelOrder { import, serials: serials.map(ToOwned::to_owned).collect() };
    let size = size_of(asked.size.as_deref())?;
    let page = asked.page.as_deref().unwrap_or("1").trim();
    let page: usize = page.parse().map_err(|_| invalid("page", "expected a whole number from 1"))?;
    let found = app.service.labels(viewer, &order, app.settings.http_public_url.0.as_deref()).await?;
    let pages = size.pages(found.len());
    let drawn = match asked.format.as_deref() {
        None | Some("pdf") => {
            let drawn = tokio::task::spawn_blocking(move || labels::pdf(&found, size)).await;
            drawn.map(|body| {
                body.map(|body| Sheet { body, kind: "application/pdf", name: "labels.pdf".to_owned(), pages })
            })
        }
        Some("svg") => {
            let drawn = tokio::task::spawn_blocking(move || labels::svg(&found, size, page)).await;
            drawn.map(|body| {
                let name = format!("labels-{page}.svg");
                body.map(|body| Sheet { body: body.into_bytes(), kind: "image/svg+xml", name, pages })
            })
        }
        Some(_) => return Err(invalid("format", "expected pdf or svg")),
    };
    drawn.map_err(|_| internal())?.map_err(|error| undrawn(&error))
}

/// A sheet of labels to print and cut: A4, each label with a QR code that leads to the device's page, the serial number, the company and
/// the model; never anything of a key. At most 5,000 devices at once.
#[utoipa::path(get, path = "/api/v1/device-labels", operation_id = "printDeviceLabels", tag = "devices",
    security(("session" = [])),
    params(
        ("import" = Option<String>, Query, description = "The devices that this import has added"),
        ("serials" = Option<String>, Query, description = "Serial numbers, with commas, semicolons or line ends between them"),
        ("size" = Option<String>, Query, description = "`small` (48 × 25 mm), `medium` (64 × 40 mm, unless told) or `large` (96 × 56 mm)"),
        ("format" = Option<String>, Query, description = "`pdf` with every sheet, unless told, or `svg` with one"),
        ("page" = Option<String>, Query, description = "Which sheet, from 1, for `svg`; the header `x-pages` of the answer says how many there are")),
    responses((status = 200, description = "The sheets", content((Vec<u8> = "application/pdf"), (String = "image/svg+xml"))),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "The platform does not know its own address"), Refusals))]
pub(super) async fn print(
    State(app): State<Arc<App>>,
    caller: May<AddDevices>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    Ok(draw(&app, &caller.viewer, asked).await?.into_response())
}

/// The same from the page: devices that were ticked and those that were written come together.
async fn form(
    State(app): State<Arc<App>>,
    reader: Result<Reader, Refusal>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    let one = |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.trim().to_owned());
    let viewer = match sender(reader, one("csrf").as_deref(), Some(PAGE)) {
        Ok(signed_in) => signed_in.viewer,
        Err(elsewhere) => return elsewhere.into_response(),
    };
    let named = fields.iter().filter(|(field, _)| field == "serials" || field == "serial");
    let serials = named.map(|(_, value)| value.as_str()).collect::<Vec<_>>().join("\n");
    let asked = Asked {
        import: one("import").filter(|it| !it.is_empty()),
        serials: Some(serials),
        size: one("size"),
        format: one("format"),
        page: one("page").filter(|it| !it.is_empty()),
    };
    match draw(&app, &viewer, asked).await {
        Ok(sheet) => sheet.into_response(),
        Err(refused) => back(Some(PAGE), Outcome::Failed(word(&refused))).into_response(),
    }
}

#[derive(Deserialize)]
pub(super) struct Followed {
    #[serde(default)]
    device: String,
    #[serde(default)]
    code: String,
}

/// Where the QR code of a label leads: to the device's page, by way of signing in. Whoever has a wrong code learns nothing by it.
#[utoipa::path(get, path = "/bind", operation_id = "followLabel", tag = "devices",
    params(
        ("device" = Option<String>, Query, description = "The device"),
        ("serial" = Option<String>, Query, description = "Its serial number, for people"),
        ("code" = Option<String>, Query, description = "The code of the label")),
    responses((status = 303, description = "To the device's page, to signing in, or to the first page")))]
pub(super) async fn follow(
    State(app): State<Arc<App>>,
    reader: Result<Reader, Refusal>,
    uri: Uri,
    Query(followed): Query<Followed>,
) -> Redirect {
    let nowhere = || back(Some("/"), Outcome::Failed("not-found"));
    let Ok(device) = followed.device.parse::<DeviceId>() else { return nowhere() };
    match app.service.is_code_of(device, &followed.code).await {
        Ok(true) => {}
        Ok(false) => return nowhere(),
        Err(refused) => return back(Some("/"), Outcome::Failed(word(&refused))),
    }
    let viewer = match reader {
        Ok(Reader(signed_in)) => signed_in.viewer,
        Err(Refusal(refused)) if refused.status == 401 => {
            return to_sign_in(uri.path_and_query().map(axum::http::uri::PathAndQuery::as_str), "signed-out");
        }
        Err(Refusal(refused)) => return back(Some("/"), Outcome::Failed(word(&refused))),
    };
    match app.service.authorise(&viewer, Deed::SeeDevices, device).await {
        Ok(()) => back(Some(&format!("/devices/{device}")), Outcome::Silent),
        Err(refused) => back(Some("/"), Outcome::Failed(word(&refused))),
    }
}
