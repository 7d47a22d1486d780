//! `GET /api/v1/events`: live events as server-sent events.

use crate::backend::{Next, Stream as Events};
use crate::http::App;
use crate::http::extract::Query;
use crate::http::guard::{May, Proof};
use crate::http::problem::{Refusal, Refusals, invalid, too_many};
use crate::http::streams::{Full, Permit};
use crate::roles::SeeAlarms;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use davy_api::{Backend, LiveEvent, Viewer};
use davy_domain::DeviceId;
use futures_util::stream::{self, Stream};
use serde::Deserialize;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often something is sent, so that both sides notice a dead connection.
const PING: Duration = Duration::from_secs(15);
/// How often the session behind a stream is looked at again.
const RECHECK: Duration = Duration::from_secs(30);
/// Devices whose readings one stream may ask for.
const DEVICES_AT_MOST: usize = 50;

#[derive(Deserialize)]
pub(super) struct EventQuery {
    device: Option<String>,
}

/// What has just been committed, within what the signed-in person may see. `event: ping` comes every 15 s; after
/// `event: lagged` some were lost and data must be loaded again. The stream ends with the session and with the server.
#[utoipa::path(get, path = "/api/v1/events", operation_id = "followEvents", tag = "safety", security(("session" = []), ("token" = [])),
    params(("device" = Option<String>, Query,
        description = "Devices whose new readings are wanted too, joined by commas; at most 50")),
    responses((status = 200, body = LiveEvent, content_type = "text/event-stream"), Refusals))]
pub(super) async fn events(
    State(app): State<Arc<App>>,
    caller: May<SeeAlarms>,
    Query(query): Query<EventQuery>,
) -> Result<Response, Refusal> {
    let mut devices = Vec::new();
    for text in query.device.iter().flat_map(|text| text.split(',')) {
        let device = text.trim().parse::<DeviceId>().map_err(|error| invalid("device", error.to_string()))?;
        if devices.len() == DEVICES_AT_MOST {
            return Err(invalid("device", format!("expected at most {DEVICES_AT_MOST} devices")).into());
        }
        // Whoever may not see the device gets 404.
        app.service.device(&caller.viewer, device).await?;
        devices.push(device);
    }
    let permit = app.streams.enter(caller.viewer.user).map_err(|full| {
        too_many(match full {
            Full::Person { limit } => {
                format!("You have {limit} event streams open, as many as one person may: close one.")
            }
            Full::Server => "Too many event streams are open on this server; try again later.".to_owned(),
        })
    })?;
    let reach = app.service.reach(&caller.viewer)?;
    let events = app.relay.stream(reach, devices);
    metrics::gauge!("davy_event_streams").increment(1.0);
    let stopping = app.stopping.clone();
    let (viewer, proof) = (caller.viewer, caller.proof);
    let open = Open { events, app, viewer, proof, stopping, checked_at: tokio::time::Instant::now(), _permit: permit };
    let sse = Sse::new(stream_of(open));
    let ping = KeepAlive::new().interval(PING).event(Event::default().event("ping").data("{}"));
    let mut response = sse.keep_alive(ping).into_response();
    // Proxies must hand events on as they come.
    response.headers_mut().insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}

struct Open {
    events: Events,
    app: Arc<App>,
    viewer: Viewer,
    proof: Proof,
    stopping: CancellationToken,
    checked_at: tokio::time::Instant,
    _permit: Permit,
}

impl Drop for Open {
    fn drop(&mut self) {
        metrics::gauge!("davy_event_streams").decrement(1.0);
    }
}

impl Open {
    /// Whether the session still holds and says the same of its person; looked at now and then, and held to when the database does not
    /// answer. Whoever has another role or scope now opens the stream anew.
    async fn still_the_same(&mut self) -> bool {
        if self.checked_at.elapsed() < RECHECK {
            return true;
        }
        self.checked_at = tokio::time::Instant::now();
        match self.proof.viewer(&self.app).await {
            // How lately a second factor was proven changes nothing of what may be seen.
            Ok(now) => now.is_some_and(|now| Viewer { proof: self.viewer.proof, ..now } == self.viewer),
            Err(_) => true,
        }
    }

    async fn next(&mut self) -> Option<Event> {
        loop {
            let next = tokio::select! {
                next = self.events.next() => next,
                () = self.stopping.cancelled() => return None,
                () = tokio::time::sleep(RECHECK) => {
                    if self.still_the_same().await {
                        continue;
                    }
                    return None;
                }
            };
            if !self.still_the_same().await {
                return None;
            }
            return match next {
                Next::Event(event) => Some(Event::default().event(event.name).data(&*event.json)),
                Next::Lagged => {
                    let json = serde_json::to_string(&LiveEvent::Lagged).unwrap_or_default();
                    Some(Event::default().event(LiveEvent::Lagged.name()).data(json))
                }
                Next::End => None,
            };
        }
    }
}

fn stream_of(open: Open) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(open, |mut open| async move { open.next().await.map(|event| (Ok(event), open)) })
}
