//! Plain forms about rules: upload, settings, the steps of a version's life, back-tests, and what an alarm really was. The same
//! operations as the REST routes, answered by a redirect, so that an engineer can do all of it without scripts.

use crate::backend::rules::Upload;
use crate::http::App;
use crate::http::extract::{Form, MOST_COMPONENT};
use crate::http::flash::{Outcome, back, word};
use crate::http::forms::sender;
use crate::http::guard::Reader;
use crate::http::problem::{Refusal, invalid, malformed, too_large};
use crate::http::sessions::SignedIn;
use axum::Router;
use axum::extract::multipart::{Field, Multipart};
use axum::extract::{DefaultBodyLimit, State};
use axum::response::Redirect;
use axum::routing::post;
use davy_api::{
    AlarmFinding, BackTestRequest, Backend, Problem, QuarantineRequest, RuleActRequest, RuleBoundsRequest,
    RuleSignerItem,
};
use davy_domain::{AlarmId, BackTestId, ReleaseId, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// What the other fields and the boundaries of the upload form may take.
const MOST_BESIDE: usize = 64 << 10;
/// The page to come back to when the form names none.
const LIST: &str = "/rules";
/// The page of the keys whose signatures are accepted.
const SIGNERS: &str = "/rules/signers";
/// Names of settings stand behind it in the form, so that none can be taken for another field.
const SETTING: &str = "s.";
const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 1_440 * MINUTE_MS;

pub(super) fn routes() -> Router<Arc<App>> {
    let upload = post(upload).layer(DefaultBodyLimit::max(MOST_COMPONENT + MOST_BESIDE));
    Router::new()
        .route("/actions/rules/upload", upload)
        .route("/actions/rules/act", post(act))
        .route("/actions/rules/settings", post(settings))
        .route("/actions/rules/back-test", post(start_back_test))
        .route("/actions/rules/back-test/cancel", post(cancel_back_test))
        .route("/actions/rules/read-again", post(read_again))
        .route("/actions/rules/bounds", post(bounds))
        .route("/actions/rules/delete-component", post(delete_component))
        .route("/actions/rules/signers/accept", post(accept_signer))
        .route("/actions/rules/signers/refuse", post(refuse_signer))
        .route("/actions/finding", post(finding))
}

/// Back to `next` with what came of it; a refused value is named, for the page to point at.
fn answered(next: Option<&str>, done: &str, outcome: Result<(), Problem>) -> Redirect {
    let next = next.unwrap_or(LIST);
    match outcome {
        Ok(()) => back(Some(next), Outcome::Done(done)),
        Err(refused) => {
            let to = refused.errors.first().map(|error| with_field(next, &error.field));
            // There "too many" is about trying to sign in.
            let word = match word(&refused) {
                "too-many" => "too-many-tests",
                word => word,
            };
            back(Some(to.as_deref().unwrap_or(next)), Outcome::Failed(word))
        }
    }
}

fn with_field(next: &str, field: &str) -> String {
    let field: String = form_urlencoded::byte_serialize(field.as_bytes()).collect();
    let (path, query) = next.split_once('?').unwrap_or((next, ""));
    let kept = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("field="));
    let query: Vec<String> = kept.map(ToOwned::to_owned).chain([format!("field={field}")]).collect();
    format!("{path}?{}", query.join("&"))
}

fn page_of(rule: ReleaseId) -> String {
    format!("{LIST}/{rule}")
}

async fn upload(
    State(app): State<Arc<App>>,
    reader: Result<Reader, Refusal>,
    parts: Result<Multipart, axum::extract::multipart::MultipartRejection>,
) -> Redirect {
    // Whoever is not signed in sends nothing on: the body is not read.
    if reader.is_err() {
        return sender(reader, None, Some(LIST))
            .map_or_else(|elsewhere| elsewhere, |_| back(Some(LIST), Outcome::Silent));
    }
    let read = match parts {
        Ok(parts) => read_upload(parts).await,
        Err(_) => Err(malformed("Expected a form with a file (`multipart/form-data`).")),
    };
    let (csrf, upload) = match read {
        Ok(read) => read,
        Err(refused) => return answered(Some(LIST), "", Err(refused)),
    };
    let SignedIn { viewer, .. } = match sender(reader, csrf.as_deref(), Some(LIST)) {
        Ok(signed_in) => signed_in,
        Err(elsewhere) => return elsewhere,
    };
    match app.service.upload_rule(&viewer, upload).await {
        Ok(version) => back(Some(&page_of(version.id)), Outcome::Done("upload")),
        Err(refused) => answered(Some(LIST), "", Err(refused)),
    }
}

async fn read_upload(mut parts: Multipart) -> Result<(Option<String>, Upload), Problem> {
    let mut csrf = None;
    let mut upload = Upload { component: Vec::new(), tier: "standard".to_owned(), settings: None, signed: None };
    let (mut signer, mut signature) = (None, None);
    let broken = |_| malformed("The form ended before it was complete.");
    while let Some(part) = parts.next_field().await.map_err(broken)? {
        match part.name().unwrap_or_default() {
            "component" => upload.component = bytes(part, MOST_COMPONENT).await?,
            "csrf" => csrf = Some(text(part).await?),
            "tier" => upload.tier = text(part).await?,
            "signer" => signer = Some(text(part).await?).filter(|text| !text.is_empty()),
            "signature" => signature = Some(text(part).await?).filter(|text| !text.is_empty()),
            other => return Err(invalid(other, "expected `component`, `tier`, `signer`, `signature` and `csrf` only")),
        }
    }
    upload.signed = match (signer, signature) {
        (Some(signer), Some(signature)) => Some((signer, signature)),
        (None, None) => None,
        _ => return Err(invalid("signature", "expected `signer` and `signature` together, or neither")),
    };
    Ok((csrf, upload))
}

pub(super) async fn bytes(mut part: Field<'_>, most: usize) -> Result<Vec<u8>, Problem> {
    let mut all = Vec::new();
    loop {
        match part.chunk().await {
            Ok(None) => return Ok(all),
            Ok(Some(chunk)) if all.len() + chunk.len() <= most => all.extend_from_slice(&chunk),
            Ok(Some(_)) => return Err(too_large(most)),
            Err(error) if error.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE => return Err(too_large(most)),
            Err(_) => return Err(malformed("The form ended before it was complete.")),
        }
    }
}

pub(super) async fn text(part: Field<'_>) -> Result<String, Problem> {
    let name = part.name().unwrap_or_default().to_owned();
    let bytes = bytes(part, 4_096).await?;
    String::from_utf8(bytes).map(|text| text.trim().to_owned()).map_err(|_| invalid(name, "expected UTF-8"))
}

#[derive(Deserialize)]
struct ActForm {
    csrf: Option<String>,
    rule: ReleaseId,
    act: String,
    permille: Option<u16>,
    percent: Option<f64>,
    next: Option<String>,
}

async fn act(State(app): State<Arc<App>>, reader: Result<Reader, Refusal>, Form(form): Form<ActForm>) -> Redirect {
    let page = form.next.clone().unwrap_or_else(|| page_of(form.rule));
    let viewer = match sender(reader, form.csrf.as_deref(), Some(&page)) {
        Ok(signed_in) => signed_in.viewer,
        Err(elsewhere) => return elsewhere,
    };
    let request = RuleActRequest { act: form.act, permille: form.permille.or(form.percent.map(permille_of)) };
    let outcome = app.service.act_on_rule(&viewer, form.rule, &request).await;
    answered(Some(&page), &request.act, outcome.map(drop))
}

/// What is not a share becomes 0, which no operation takes for one.
fn permille_of(percent: f64) -> u16 {
    let permille = (percent * 10.0).round();
    if (1.0..=1_000.0).contains(&permille) { permille as u16 } else { 0 }
}

async fn settings(
    State(app): State<Arc<App>>,
    reader: Result<Reader, Refusal>,
    Form(fields): Form<HashMap<String, String>>,
) -> Result<Redirect, Refusal> {
    let rule = fields.get("rule").and_then(|text| text.parse::<ReleaseId>().ok());
    let rule = rule.ok_or_else(|| invalid("rule", "expected the version to begin from"))?;
    let page = fields.get("next").cloned().unwrap_or_else(|| page_of(rule));
    let viewer = match sender(reader, fields.get("csrf").map(String::as_str), Some(&page)) {
        Ok(signed_in) => signed_in.viewer,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let changed = async {
        let detail = app.service.rule(&viewer, rule).await?;
        let settings = entered(&detail.settings_schema, SETTING, &fields);
        app.service.change_settings(&viewer, rule, &settings.to_string()).await
    };
    Ok(match changed.await {
        Ok(version) => back(Some(&page_of(version.id)), Outcome::Done("settings")),
        Err(refused) => answered(Some(&page), "", Err(refused)),
    })
}

/// What a person entered, with the types of the rule's schema. What does not fit stays a text, which the schema then refuses by name.
fn entered(schema: &Value, path: &str, fields: &HashMap<String, String>) -> Value {
    let mut object = Map::new();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}{name}");
        let given = fields.get(&path).map(|text| text.trim());
        let value = match (property["type"].as_str().unwrap_or_default(), given) {
            ("object", _) => Some(entered(property, &format!("{path}."), fields)),
            // A browser sends nothing for a box that is not ticked.
            ("boolean", given) => Some(Value::Bool(given.is_some_and(|text| text != "false"))),
            (_, None) => None,
            ("string", Some(text)) => Some(Value::from(text)),
            ("array", Some(text)) => Some(serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))),
            (_, Some(text)) => Some(number(text)),
        };
        if let Some(value) = value {
            object.insert(name.clone(), value);
        }
    }
    Value::Object(object)
}

fn number(text: &str) -> Value {
    let whole = text.parse::<i64>().ok().map(Value::from);
    whole.or_else(|| text.parse::<f64>().ok().map(Value::from)).unwrap_or_else(|| Value::from(text))
}

#[derive(Deserialize)]
struct BackTestForm {
    csrf: Option<String>,
    rule: ReleaseId,
    /// The first day.
    from: Option<String>,
    /// The last day.
    to: Option<String>,
    percent: Option<f64>,
    /// Of the page's time zone, minutes east of UTC.
    offset: Option<i64>,
    next: Option<String>,
}

async fn start_back_test(
    State(app): State<Arc<App>>,
    reader: Result<Reader, Refusal>,
    Form(form): Form<BackTestForm>,
) -> Redirect {
    let page = form.next.clone().unwrap_or_else(|| page_of(form.rule));
    let viewer = match sender(reader, form.csrf.as_deref(), Some(&page)) {
        Ok(signed_in) => signed_in.viewer,
        Err(elsewhere) => return elsewhere,
    };
    let outcome = async {
        let offset = form.offset.unwrap_or_default();
        let from = form.from.as_deref().map(|day| midnight("from", day, offset)).transpose()?;
        let to = form.to.as_deref().map(|day| midnight("to", day, offset)).transpose()?;
        let request = BackTestRequest {
            from: from.map(Timestamp::from_millis),
            // The last day is meant whole, as far as there is one.
            to: to.map(|day| Timestamp::from_millis(day + DAY_MS).min(app.clock.now())),
            permille: form.percent.map(permille_of),
        };
        app.service.start_back_test(&viewer, form.rule, &request).await
    };
    answered(Some(&page), "back-test", outcome.await.map(drop))
}

/// The beginning of a day as a date field sends it (`2026-11-23`), milliseconds.
fn midnight(field: &str, day: &str, offset_minutes: i64) -> Result<i64, Problem> {
    let refused = || {
        invalid(
            field,
            format!("expected a day such as `2026-11-23`, got `{}`", day.chars().take(40).collect::<String>()),
        )
    };
    let mut parts = day.split('-').map(str::parse::<i64>);
    let (Some(Ok(year)), Some(Ok(month)), Some(Ok(of_month)), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(refused());
    };
    if !((1970..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&of_month)) {
        return Err(refused());
    }
    // Proleptic Gregorian calendar, counted in years that start in March so that the leap day is the last one.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + of_month - 1 - 719_468;
    Ok(days * DAY_MS - offset_minutes.clamp(-1_440, 1_440) * MINUTE_MS)
}

#[derive(Deserialize)]
struct ReadAgainForm {
    csrf: Option<String>,
    next: Option<String>,
}

async fn read_again(
    State(app): State<Arc<App>>,
    reader: Result<Reader, Refusal>,
    Form(form): Form<ReadAgainForm>,
) -> Redirect {
    let next = form.next.as_deref().unwrap_or(LIST);
    let viewer = match sender(reader, form.csrf.as_deref(), Some(next)) {
        Ok(signed_in) => signed_in.viewer,
        Err(elsewhere) => return elsewhere,
    };
    let outcome = app.service.read_quarantine(&viewer, &QuarantineRequest::default()).await;
    answered(Some(next), "read-again", outcome.map(drop))
}

/// Each bound stands under its name; a field that is left empty is the operator's bound again.
async fn bounds(
    State(app): State<Arc<App>>,
    reader: Result<Reader, Refusal>,
    Form(fields): Form<HashMap<String, String>>,
) -> Redirect {
    let viewer = match sender(reader, fields.get("csrf").map(String::as_str), Some(LIST)) {
        Ok(signed_in) => signed_in.viewer,
        Err(elsewhere) => return elsewhere,
    };
    let mut request = RuleBoundsRequest::default();
    for (name, text) in fields.iter().filter(|(name, text)| *name != "csrf" && !text.trim().is_empty()) {
        let Ok(value) = text.trim().parse() else {
            let refused = invalid(format!("bounds.{name}"), "expected a whole number");
            return answered(Some(LIST), "bounds", Err(refused));
        };
        request.bounds.insert(name.clone(), value);
    }
    answered(Some(LIST), "bounds", app.service.set_rule_bounds(&viewer, &request).await.map(drop))
}

#[derive(Deserialize)]
struct DeleteForm {
    csrf: Option<String>,
    rule: ReleaseId,
}

async fn delete_component(
    State(app): State<Arc<App>>,
    reader: Result<Reader, Refusal>,
    Form(form): Form<DeleteForm>,
) -> Redirect {
    let page = page_of(form.rule);
    let viewer = match sender(reader, form.csrf.as_deref(), Some(&page)) {
        Ok(signed_in) => signed_in.viewer,
        Err(elsewhere) => return elsewhere,
    };
    answered(Some(&page), "delete-component", app.service.delete_component(&viewer, form.rule).await)
}

#[derive(Deserialize)]
struct SignerForm {
    csrf: Option<String>,
    #[serde(default)]
    key: String,
    #[serde(default)]
    name: String,
}

async fn accept_signer(
    State(app): State<Arc<App>>,
    reader: Result<Reader, Refusal>,
    Form(form): Form<SignerForm>,
) -> Redirect {
    let viewer = match sender(reader, form.csrf.as_deref(), Some(SIGNERS)) {
        Ok(signed_in) => signed_in.viewer,
        Err(elsewhere) => return elsewhere,
    };
    let (public_key, name) = (form.key.trim().to_owned(), form.name.trim().to_owned());
    let signer = RuleSignerItem { public_key, name, added_at: None };
    let outcome = app.service.accept_signer(&viewer, &signer).await;
    answered(Some(SIGNERS), "signer-accepted", outcome)
}

async fn refuse_signer(
    State(app): State<Arc<App>>,
    reader: Result<Reader, Refusal>,
    Form(form): Form<SignerForm>,
) -> Redirect {
    let viewer = match sender(reader, form.csrf.as_deref(), Some(SIGNERS)) {
        Ok(signed_in) => signed_in.viewer,
        Err(elsewhere) => return elsewhere,
    };
    answered(Some(SIGNERS), "signer-refused", app.service.refuse_signer(&viewer, form.key.trim()).await)
}

#[derive(Deserialize)]
struct CancelForm {
    csrf: Option<String>,
    test: BackTestId,
    next: Option<String>,
}

async fn cancel_back_test(
    State(app): State<Arc<App>>,
    reader: Result<Reader, Refusal>,
    Form(form): Form<CancelForm>,
) -> Redirect {
    let next = form.next.as_deref().unwrap_or(LIST);
    let viewer = match sender(reader, form.csrf.as_deref(), Some(next)) {
        Ok(signed_in) => signed_in.viewer,
        Err(elsewhere) => return elsewhere,
    };
    let outcome = app.service.cancel_back_test(&viewer, form.test).await;
    answered(Some(next), "cancel-back-test", outcome.map(drop))
}

#[derive(Deserialize)]
struct FindingForm {
    csrf: Option<String>,
    alarm: AlarmId,
    #[serde(default)]
    finding: String,
    next: Option<String>,
}

async fn finding(
    State(app): State<Arc<App>>,
    reader: Result<Reader, Refusal>,
    Form(form): Form<FindingForm>,
) -> Redirect {
    let next = form.next.as_deref().unwrap_or("/");
    let viewer = match sender(reader, form.csrf.as_deref(), Some(next)) {
        Ok(signed_in) => signed_in.viewer,
        Err(elsewhere) => return elsewhere,
    };
    let outcome = app.service.judge_alarm(&viewer, form.alarm, &AlarmFinding { finding: form.finding }).await;
    answered(Some(next), "finding", outcome)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_entered_takes_the_types_of_the_schema() {
        let schema = json!({"type": "object", "properties": {
            "level": {"type": "number"}, "seconds": {"type": "integer"}, "close": {"type": "boolean"}, "ask": {"type": "boolean"},
            "mode": {"type": "string"}, "hours": {"type": "array", "items": {"type": "integer"}},
            "night": {"type": "object", "properties": {"flow": {"type": "number"}}}, "absent": {"type": "number"},
            "odd": {"type": "number"},
        }});
        let fields = [
            ("s.level", " 10.5 "),
            ("s.seconds", "30"),
            ("s.close", "true"),
            ("s.mode", "calm"),
            ("s.hours", "[1, 2]"),
            ("s.night.flow", "0.25"),
            ("s.odd", "ten"),
            ("level", "99"),
        ];
        let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let wanted = json!({
            "level": 10.5, "seconds": 30, "close": true, "ask": false, "mode": "calm", "hours": [1, 2], "night": {"flow": 0.25},
            "odd": "ten",
        });
        assert_eq!(entered(&schema, SETTING, &fields), wanted);
    }

    #[test]
    fn a_day_begins_at_midnight_of_the_page_s_time_zone() {
        assert_eq!(midnight("from", "1970-01-01", 0).unwrap(), 0);
        // 2026-11-23T04:00:00Z is noon in China.
        assert_eq!(midnight("from", "2026-11-23", 480).unwrap(), 1_795_406_400_000 - DAY_MS / 2);
        assert_eq!(midnight("from", "2024-02-29", 0).unwrap(), 1_709_164_800_000);
        for odd in ["", "yesterday", "2026-13-01", "2026-11", "2026-11-23-1", "99999-01-01"] {
            assert_eq!(midnight("from", odd, 0).unwrap_err().errors[0].field, "from", "{odd}");
        }
    }

    #[test]
    fn a_share_is_entered_in_percent() {
        assert_eq!([0.1, 10.0, 100.0, 0.0, 101.0, -5.0, f64::NAN].map(permille_of), [1, 100, 1_000, 0, 0, 0, 0]);
    }

    #[test]
    fn a_refused_value_is_named_once() {
        assert_eq!(with_field("/rules/r?tab=1&field=old", "settings.a b"), "/rules/r?tab=1&field=settings.a+b");
    }
}
