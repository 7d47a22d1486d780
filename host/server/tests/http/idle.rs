//! Connections of clients that say nothing, or half of something.

use crate::city::{City, city, city_with};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The city's router behind a real listener that lets nobody be silent for longer than `head_within`.
async fn listening(city: &City, head_within: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(davy_server::http::serve(listener, None, city.router.clone(), head_within, city.stopping.clone()));
    address
}

/// Everything that comes until the server closes; fails when it does not.
async fn until_closed(connection: &mut TcpStream) -> String {
    let mut read = Vec::new();
    let ended = tokio::time::timeout(Duration::from_mins(1), connection.read_to_end(&mut read)).await;
    // A reset is an end, too.
    let _ = ended.expect("the server kept a silent connection");
    String::from_utf8(read).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_half_a_head_is_hung_up_on() {
    let city = city().await;
    let address = listening(&city, Duration::from_millis(300)).await;
    for half in ["", "GET /healthz HT", "GET /healthz HTTP/1.1\r\nhost: x\r\nx-slow: "] {
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(half.as_bytes()).await.unwrap();
        let told = until_closed(&mut connection).await;
        assert!(!told.contains(" 200 "), "{half:?}: {told}");
    }
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_never_ends_is_given_up_on_every_way_to_sign_in() {
    let city =
        city_with(|settings| settings.http_timeout = davy_server::config::Setting::parse("300 ms").unwrap()).await;
    let address = listening(&city, Duration::from_secs(2)).await;
    for (path, kind) in [
        ("/api/v1/session", "application/json"),
        ("/api/v1/password-reset", "application/json"),
        ("/api/v1/password-reset/redeem", "application/json"),
        ("/sign-in", "application/x-www-form-urlencoded"),
        ("/sign-in/forgot", "application/x-www-form-urlencoded"),
        ("/sign-in/reset", "application/x-www-form-urlencoded"),
    ] {
        let mut connection = TcpStream::connect(address).await.unwrap();
        let head =
            format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {kind}\r\ncontent-length: 400\r\n\r\n{{\"em");
        connection.write_all(head.as_bytes()).await.unwrap();
        let told = until_closed(&mut connection).await;
        assert!(told.starts_with("HTTP/1.1 503 "), "{path}: {told}");
    }
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_serves_one_request_after_another_until_it_is_idle() {
    let city = city().await;
    let address = listening(&city, Duration::from_millis(500)).await;
    let mut connection = TcpStream::connect(address).await.unwrap();
    let request = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    connection.write_all(&[request.as_slice(), request.as_slice()].concat()).await.unwrap();
    let told = until_closed(&mut connection).await;
    assert_eq!(told.matches("HTTP/1.1 200 OK").count(), 2, "{told}");
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_stream_outlives_the_time_for_a_head_and_ends_with_the_server() {
    let city = city().await;
    let head_within = Duration::from_millis(200);
    let address = listening(&city, head_within).await;
    let cookies: Vec<String> =
        city.regulator().await.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut connection = TcpStream::connect(address).await.unwrap();
    let head = format!("GET /api/v1/events HTTP/1.1\r\nhost: x\r\ncookie: {}\r\n\r\n", cookies.join("; "));
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut some = [0; 4_096];
    let length = connection.read(&mut some).await.unwrap();
    assert!(some[..length].starts_with(b"HTTP/1.1 200 OK"), "{}", String::from_utf8_lossy(&some[..length]));
    // Longer than a head may take, and still there: nothing comes, neither an event nor the end.
    assert!(tokio::time::timeout(head_within * 5, connection.read(&mut some)).await.is_err());
    city.stopping.cancel();
    until_closed(&mut connection).await;
    city.stop().await;
}
