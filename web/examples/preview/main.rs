//! The pages over a made-up city, for working on them without the platform: `cargo run -p davy-web --example preview`.
//!
//! Listens on 127.0.0.1:8787 (another port as the first argument); the second argument is the site folder. Sign in as
//! `regulator`, `dispatcher` or `resident` (anything after an `@`, any password). Nothing here guards anything.

#![allow(clippy::expect_used, reason = "a development tool over data that it made up itself")]

mod city;
mod ledger;
mod rules;
mod series;
mod tiles;
mod wire;

use axum::Router;
use davy_domain::Timestamp;
use davy_web::ssr::{Pages, Site, routes};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or_default())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().as_deref().unwrap_or("8787").parse()?;
    let folder = arguments.next().unwrap_or_else(|| "target/site".to_owned());
    let site = Site::open(Path::new(&folder)).unwrap_or_else(|error| {
        println!("{error}; going on without scripts and styles");
        Site::bare()
    });
    let city = Arc::new(city::City::new(now));
    let pages = Pages::new(Arc::clone(&city) as _, site, now);
    let app = Router::new()
        .merge(wire::routes(Arc::clone(&city)))
        .merge(routes(pages))
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&city), wire::who));
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        loop {
            ticks.tick().await;
            city.tick();
        }
    });
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    println!("http://127.0.0.1:{port}/");
    axum::serve(listener, app).await?;
    Ok(())
}
