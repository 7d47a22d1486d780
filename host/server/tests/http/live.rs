//! Live events.

use crate::access::first_alarm;
use crate::city::{Browser, City, city, city_with};
use axum::body::Body;
use axum::http::{Method, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use std::time::Duration;

/// An open event stream.
struct Stream {
    body: Body,
    text: String,
}

impl Stream {
    async fn open(browser: &Browser, path: &str) -> Self {
        let response = browser.raw(browser.request(Method::GET, path).body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body(), text: String::new() }
    }

    /// The next event that is no ping, or none when the stream has ended.
    async fn next(&mut self, wait: Duration) -> Option<(String, Value)> {
        let deadline = tokio::time::Instant::now() + wait;
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field =
                    |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("").trim().to_owned();
                let (name, data) = (field("event:"), field("data:"));
                self.text.drain(..self.text.len() - rest.len());
                if name != "ping" {
                    return Some((name, serde_json::from_str(&data).unwrap()));
                }
                continue;
            }
            let frame = tokio::time::timeout_at(deadline, self.body.frame()).await.expect("no event came in time");
            self.text += std::str::from_utf8(frame?.unwrap().data_ref().unwrap()).unwrap();
        }
    }
}

async fn acknowledge(city: &City, company: &str) -> String {
    let mut operator = city.operator(company).await;
    let alarm = first_alarm(&mut operator).await;
    let answer = operator.post(&format!("/api/v1/alarms/{alarm}/acknowledge"), &Value::Null).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.text());
    alarm
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_reaches_those_who_may_see_it_and_nobody_else() {
    let city = city().await;
    let wait = Duration::from_secs(10);
    let mut operator = Stream::open(&city.operator("b").await, "/api/v1/events").await;
    let mut regulator = Stream::open(&city.regulator().await, "/api/v1/events").await;
    let first = acknowledge(&city, "a").await;
    let second = acknowledge(&city, "b").await;
    // The operator of b hears of b's alarm only; the regulator of both.
    let (name, event) = operator.next(wait).await.unwrap();
    assert_eq!((name.as_str(), event["alarm"]["id"].as_str()), ("alarm", Some(second.as_str())));
    assert_eq!(event["alarm"]["state"], "acknowledged");
    assert_eq!(event["alarm"]["address"], "样板街bhome");
    let heard = [regulator.next(wait).await.unwrap().1, regulator.next(wait).await.unwrap().1];
    assert_eq!(heard.map(|event| event["alarm"]["id"].as_str().unwrap().to_owned()), [first, second]);
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_close_is_told_to_the_resident_whose_valve_it_is() {
    let city = city().await;
    let mut resident = city.signed_in("flat@a.example").await;
    let mut stream = Stream::open(&resident, "/api/v1/events").await;
    let answer = resident.post(&format!("/api/v1/devices/{}/close", city.devices["a-D2"]), &Value::Null).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.json()["commands"][0]["device"], city.devices["a-V2"].to_string());
    let (name, event) = stream.next(Duration::from_secs(10)).await.unwrap();
    assert_eq!((name.as_str(), &event["command"]["id"]), ("command", &answer.json()["commands"][0]["id"]));
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_when_the_server_stops() {
    let city = city().await;
    let mut stream = Stream::open(&city.regulator().await, "/api/v1/events").await;
    city.stopping.cancel();
    assert!(stream.next(Duration::from_secs(5)).await.is_none());
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_of_a_device_out_of_scope_cannot_be_asked_for() {
    let city = city().await;
    let mut resident = city.resident("a").await;
    let answer = resident.get(&format!("/api/v1/events?device={}", city.devices["a-D2"])).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::NOT_FOUND, "not-found"));
    let answer = resident.get("/api/v1/events?device=dev_1,alm_1").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let answer = resident.get("/api/v1/events?device=alm_1").await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::UNPROCESSABLE_ENTITY, "invalid"));
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_person_cannot_hold_the_event_streams_of_everybody() {
    let city = city_with(|settings| settings.http_event_streams_per_user = 2).await;
    let mut greedy = city.resident("a").await;
    let first = Stream::open(&greedy, "/api/v1/events").await;
    let second = Stream::open(&greedy, "/api/v1/events").await;
    // The same person in another browser has no places of their own.
    for browser in [&mut greedy, &mut city.resident("a").await] {
        let answer = browser.get("/api/v1/events").await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::TOO_MANY_REQUESTS, "too-many"));
        assert!(answer.headers.contains_key("retry-after"), "{:?}", answer.headers);
        assert!(answer.text().contains("2 event streams"), "{}", answer.text());
    }
    let other = Stream::open(&city.resident("b").await, "/api/v1/events").await;
    drop(second);
    let again = Stream::open(&greedy, "/api/v1/events").await;
    drop((first, other, again));
    city.stop().await;
}
