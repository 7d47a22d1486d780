//! The routes that the platform's server has: REST, events, tiles and forms, as thin as the pages need them.

use crate::city::City;
use axum::extract::{Form, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use davy_api::{AlarmQuery, Backend, DeviceQuery, Problem, SeriesQuery, ValvesOf, Viewer};
use davy_domain::{AlarmId, BackTestId, DeviceId, PremisesId, Quantity, ReleaseId, Role, Timestamp};
use davy_web::{LANGUAGE_COOKIE, SignedInContext};
use futures_util::stream::{self, Stream};
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

type Shared = State<Arc<City>>;
type Fields = HashMap<String, String>;

pub(crate) fn routes(city: Arc<City>) -> Router {
    Router::new()
        .route("/api/v1/overview", get(async |State(city): Shared, Who(it): Who| json(city.overview(&it).await)))
        .route("/api/v1/alarms", get(alarms))
        .route("/api/v1/devices", get(devices))
        .route(
            "/api/v1/devices/{id}",
            get(async |State(c): Shared, Who(v): Who, Path(id): Path<DeviceId>| json(c.device(&v, id).await)),
        )
        .route("/api/v1/devices/{id}/series", get(series))
        .route(
            "/api/v1/devices/{id}/close",
            post(async |State(c): Shared, Who(v): Who, Path(id): Path<DeviceId>| {
                json(c.close(&v, ValvesOf::Device(id)).await)
            }),
        )
        .route(
            "/api/v1/premises/{id}",
            get(async |State(c): Shared, Who(v): Who, Path(id): Path<PremisesId>| json(c.premises(&v, id).await)),
        )
        .route(
            "/api/v1/premises/{id}/close",
            post(async |State(c): Shared, Who(v): Who, Path(id): Path<PremisesId>| {
                json(c.close(&v, ValvesOf::Premises(id)).await)
            }),
        )
        .route(
            "/api/v1/alarms/{id}/acknowledge",
            post(async |State(c): Shared, Who(v): Who, Path(id): Path<AlarmId>| json(c.acknowledge(&v, id).await)),
        )
        .route(
            "/api/v1/alarms/{id}/reset",
            post(async |State(c): Shared, Who(v): Who, Path(id): Path<AlarmId>| json(c.reset(&v, id).await)),
        )
        .route(
            "/api/v1/alarms/{id}/decisions",
            get(async |State(c): Shared, Who(v): Who, Path(id): Path<AlarmId>| json(c.decisions(&v, id).await)),
        )
        .route("/api/v1/rules", get(async |State(c): Shared, Who(v): Who| json(c.rules(&v).await)))
        .route(
            "/api/v1/rules/{id}",
            get(async |State(c): Shared, Who(v): Who, Path(id): Path<ReleaseId>| json(c.rule(&v, id).await)),
        )
        .route(
            "/api/v1/back-tests/{id}",
            get(async |State(c): Shared, Who(v): Who, Path(id): Path<BackTestId>| json(c.back_test(&v, id).await)),
        )
        .route("/api/v1/events", get(events))
        .route("/tiles/{z}/{x}/{y}", get(tile))
        .route("/sign-in", post(sign_in))
        .route("/sign-out", post(async || (cookie("preview", ""), Redirect::to("/sign-in"))))
        .route("/language", post(language))
        .route("/actions/{what}", post(act))
        .route("/preview/leak/{n}", post(async |State(city): Shared, Path(n): Path<usize>| city.leak(n)))
        .with_state(city)
}

/// The signed-in viewer.
struct Who(Viewer);

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for Who {
    type Rejection = Response;
    async fn from_request_parts(parts: &mut axum::http::request::Parts, state: &S) -> Result<Self, Response> {
        let Extension(who) = Extension::<Option<SignedInContext>>::from_request_parts(parts, state)
            .await
            .map_err(IntoResponse::into_response)?;
        who.map(|it| Self(it.viewer)).ok_or_else(|| problem(&Problem::signed_out()))
    }
}

fn problem(problem: &Problem) -> Response {
    (StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), Json(problem)).into_response()
}

fn json<T: serde::Serialize>(answer: Result<T, Problem>) -> Response {
    answer.map_or_else(|it| problem(&it), |it| Json(it).into_response())
}

/// The cookie `preview` holds the role's word.
pub(crate) async fn who(State(_): Shared, mut request: Request, next: Next) -> Response {
    let cookies = request.headers().get(header::COOKIE).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let role = cookies.split("; ").find_map(|it| it.strip_prefix("preview=")).and_then(role);
    let context = role.map(|role| {
        let (viewer, person) = City::viewer(role);
        SignedInContext { viewer, person, csrf: "preview".to_owned() }
    });
    request.extensions_mut().insert(context);
    next.run(request).await
}

fn role(word: &str) -> Option<Role> {
    match word {
        "regulator" => Some(Role::Regulator),
        "dispatcher" => Some(Role::Dispatcher),
        "resident" => Some(Role::Resident),
        _ => None,
    }
}

fn cookie(name: &str, value: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Ok(value) = format!("{name}={value}; Path=/; SameSite=Lax").parse() {
        headers.insert(header::SET_COOKIE, value);
    }
    headers
}

async fn alarms(State(city): Shared, Who(viewer): Who, Query(q): Query<Fields>) -> Response {
    let query = AlarmQuery {
        history: q.get("history").map(|it| it == "true"),
        device: q.get("device").and_then(|it| it.parse().ok()),
        after: q.get("after").cloned(),
        limit: q.get("limit").and_then(|it| it.parse().ok()),
    };
    json(city.alarms(&viewer, query).await)
}

async fn devices(State(city): Shared, Who(viewer): Who, Query(q): Query<Fields>) -> Response {
    let kind = q.get("kind").and_then(|word| davy_domain::DeviceKind::ALL.iter().copied().find(|it| it.name() == word));
    let query = DeviceQuery {
        kind,
        q: q.get("q").cloned(),
        after: q.get("after").cloned(),
        limit: q.get("limit").and_then(|it| it.parse().ok()),
    };
    json(city.devices(&viewer, query).await)
}

async fn series(State(city): Shared, Who(viewer): Who, Path(id): Path<DeviceId>, Query(q): Query<Fields>) -> Response {
    let time = |name: &str| q.get(name).and_then(|it| it.parse().ok()).map(Timestamp::from_millis);
    let query = SeriesQuery {
        quantity: q
            .get("quantity")
            .and_then(|it| davy_web::data::query::quantity_from_name(it))
            .unwrap_or(Quantity::Gas),
        from: time("from"),
        to: time("to"),
        limit: q.get("limit").and_then(|it| it.parse().ok()),
    };
    json(city.series(&viewer, id, query).await)
}

async fn tile(State(city): Shared, Who(viewer): Who, Path((z, x, y)): Path<(u8, u32, String)>) -> Response {
    let y = y.trim_end_matches(".mvt").parse().unwrap_or_default();
    match city.tile(&viewer, z, x, y).await {
        Ok(bytes) => ([(header::CONTENT_TYPE, "application/vnd.mapbox-vector-tile")], bytes).into_response(),
        Err(it) => problem(&it),
    }
}

async fn events(State(city): Shared) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let receiver = city.events.subscribe();
    Sse::new(stream::unfold(receiver, async |mut receiver| {
        let event = match tokio::time::timeout(Duration::from_secs(15), receiver.recv()).await {
            Err(_) => Event::default().event("ping").data("{}"),
            Ok(Ok(event)) => Event::default().event(event.name()).json_data(event).unwrap_or_default(),
            Ok(Err(_)) => return None,
        };
        Some((Ok(event), receiver))
    }))
}

async fn sign_in(Form(fields): Form<Fields>) -> Response {
    let word = fields.get("email").and_then(|it| it.split('@').next()).unwrap_or_default();
    match role(word) {
        Some(_) => (cookie("preview", word), Redirect::to(next(&fields))).into_response(),
        None => Redirect::to("/sign-in?error=credentials").into_response(),
    }
}

async fn language(Form(fields): Form<Fields>) -> Response {
    let language = fields.get("language").filter(|it| *it == "en").map_or("zh-CN", |_| "en");
    (cookie(LANGUAGE_COOKIE, language), Redirect::to(next(&fields))).into_response()
}

fn next(fields: &Fields) -> &str {
    fields.get("next").map(String::as_str).filter(|it| it.starts_with('/') && !it.starts_with("//")).unwrap_or("/")
}

async fn act(State(city): Shared, Who(viewer): Who, Path(what): Path<String>, Form(fields): Form<Fields>) -> Response {
    let outcome = match what.as_str() {
        "close" => {
            let device = fields.get("device").and_then(|it| it.parse().ok());
            let premises = fields.get("premises").and_then(|it| it.parse::<PremisesId>().ok());
            let answer = match (device, premises) {
                (Some(device), _) => city.close(&viewer, ValvesOf::Device(device)).await,
                (None, Some(premises)) => city.close(&viewer, ValvesOf::Premises(premises)).await,
                (None, None) => Err(Problem::not_found("device")),
            };
            answer.map(|it| if it.already_closed { "already-closed" } else { "close" })
        }
        _ => match fields.get("alarm").and_then(|it| it.parse().ok()) {
            Some(alarm) if what == "acknowledge" => city.acknowledge(&viewer, alarm).await.map(|()| "acknowledge"),
            Some(alarm) => city.reset(&viewer, alarm).await.map(|()| "reset"),
            None => Err(Problem::not_found("alarm")),
        },
    };
    let told = match outcome {
        Ok(done) => format!("?done={done}"),
        Err(it) => format!("?error={}", it.kind.trim_start_matches("/problems/")),
    };
    Redirect::to(&format!("{}{told}", next(&fields))).into_response()
}
