//! `/api/v1/devices/{device}/contacts`, `/api/v1/personal-data` and `/api/v1/account/personal-data`: who is reached how, and who met that.

use crate::http::App;
use crate::http::extract::{Body, Form};
use crate::http::flash::{Outcome, back, word};
use crate::http::forms::sender;
use crate::http::guard::{May, On, Reader};
use crate::http::problem::{Refusal, Refusals, internal};
use crate::roles::{SeeContacts, SeeDataActs, ShowContacts};
use axum::extract::State;
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use davy_api::{Backend, ContactLook, Contacts, DataActs, OwnData};
use davy_domain::{AlarmId, DeviceId};
use serde::Deserialize;
use std::fmt::Write as _;
use std::sync::Arc;

pub(super) fn forms() -> Router<Arc<App>> {
    Router::new().route("/actions/contacts/show", post(show_form))
}

/// Who can be reached at a device, in part: the first character of a name, the ends of a number.
#[utoipa::path(get, path = "/api/v1/devices/{device}/contacts", operation_id = "listContacts", tag = "people",
    security(("session" = []), ("token" = [])), params(("device" = String, Path, description = "The device")),
    responses((status = 200, body = Contacts), Refusals))]
pub(super) async fn contacts(
    State(app): State<Arc<App>>,
    caller: On<SeeContacts, DeviceId>,
) -> Result<Json<Contacts>, Refusal> {
    Ok(Json(app.service.contacts(&caller.viewer, caller.id).await?))
}

/// The same whole. Each look is entered in the log of personal data, which the people themselves and the company's administrators see.
#[utoipa::path(post, path = "/api/v1/devices/{device}/contacts", operation_id = "showContacts", tag = "people",
    security(("session" = [], "csrf" = [])), params(("device" = String, Path, description = "The device")),
    request_body = ContactLook, responses((status = 200, body = Contacts), Refusals))]
pub(super) async fn show(
    State(app): State<Arc<App>>,
    caller: On<ShowContacts, DeviceId>,
    Body(look): Body<ContactLook>,
) -> Result<Json<Contacts>, Refusal> {
    Ok(Json(app.service.show_contacts(&caller.viewer, caller.id, look).await?))
}

/// Who of the company met whose personal data, newest first.
#[utoipa::path(get, path = "/api/v1/personal-data", operation_id = "listDataActs", tag = "people",
    security(("session" = []), ("token" = [])), responses((status = 200, body = DataActs), Refusals))]
pub(super) async fn acts(State(app): State<Arc<App>>, caller: May<SeeDataActs>) -> Result<Json<DataActs>, Refusal> {
    Ok(Json(app.service.data_acts(&caller.viewer).await?))
}

/// What is held of oneself, and who has met it.
#[utoipa::path(get, path = "/api/v1/account/personal-data", operation_id = "getOwnData", tag = "people",
    security(("session" = [])), responses((status = 200, body = OwnData), Refusals))]
pub(super) async fn own(State(app): State<Arc<App>>, Reader(found): Reader) -> Result<Json<OwnData>, Refusal> {
    Ok(Json(app.service.own_data(&found.viewer).await?))
}

/// Everything of the inventory that is held of oneself, as a file (`davy-person/1`). Entered in the log of personal data.
#[utoipa::path(get, path = "/api/v1/account/personal-data/export", operation_id = "exportOwnData", tag = "people",
    security(("session" = [])), responses((status = 200, body = String, content_type = "application/json"), Refusals))]
pub(super) async fn export(State(app): State<Arc<App>>, Reader(found): Reader) -> Result<Response, Refusal> {
    let held = app.service.export_own_data(&found.viewer).await?;
    let text = serde_json::to_string_pretty(&held).map_err(|_| internal())?;
    let name = format!("attachment; filename=\"{}.json\"", found.viewer.user);
    let headers = [(header::CONTENT_TYPE, "application/json".to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, text).into_response())
}

#[derive(Deserialize)]
struct ShowForm {
    csrf: Option<String>,
    device: DeviceId,
    alarm: Option<AlarmId>,
}

async fn show_form(
    State(app): State<Arc<App>>,
    reader: Result<Reader, Refusal>,
    Form(form): Form<ShowForm>,
) -> Response {
    let page = format!("/devices/{}", form.device);
    let signed_in = match sender(reader, form.csrf.as_deref(), Some(&page)) {
        Ok(signed_in) => signed_in,
        Err(elsewhere) => return elsewhere.into_response(),
    };
    let look = ContactLook { alarm: form.alarm };
    match app.service.show_contacts(&signed_in.viewer, form.device, look).await {
        Ok(contacts) => told(&signed_in.locale, &contacts, &page),
        Err(refused) => back(Some(&page), Outcome::Failed(word(&refused))).into_response(),
    }
}

/// What people wrote, as it may stand in a page.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

/// A page of its own, which nothing keeps.
fn told(locale: &str, contacts: &Contacts, page: &str) -> Response {
    let (lang, title, noted, on) = match locale {
        "en" => (
            "en",
            "Contacts",
            "That you have seen this is on record; the people see it under My personal data.",
            "Back",
        ),
        _ => ("zh-CN", "联系人", "本次查看已记录，住户可在「我的个人信息」中看到。", "返回"),
    };
    let mut rows = String::new();
    for person in &contacts.people {
        let phone = person.phone.as_deref().unwrap_or("—");
        // Writing to a text cannot fail.
        let _ = write!(
            rows,
            "<li data-testid=\"contact\"><strong>{}</strong> <span>{}</span> <span>{}</span></li>",
            escaped(&person.name),
            escaped(phone),
            escaped(&person.email)
        );
    }
    Html(format!(
        "<!DOCTYPE html><html lang=\"{lang}\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><title>{title}</title></head><body><main><h1>{title}</h1>\
         <ul>{rows}</ul><p>{noted}</p><p><a href=\"{page}\">{on}</a></p></main></body></html>"
    ))
    .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_wrote_cannot_become_a_part_of_the_page() {
        assert_eq!(escaped("<b a=\"x\" c='y'>&"), "&lt;b a=&quot;x&quot; c=&#39;y&#39;&gt;&amp;");
    }
}
