//! The listener: takes connections, gives each to the router, and lets none stay that says nothing.
//!
//! A client that sends a request's head slowly, or none, costs a file descriptor and memory for as long as it is let; so the
//! time for a head is limited, and the time between two requests on one connection with it. What a request may then take is
//! limited by the envelope around the routes; an event stream may last.

use super::tls::Tls;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// How long no connection is taken after the system has refused one: it is out of file descriptors or memory.
const BREATHER: Duration = Duration::from_millis(200);

/// Serves `routes` until `stopping`, then until every request under way is answered; over TLS when there is a certificate. A connection
/// on which no handshake, or no whole head of a request, arrives within `head_within` is closed, the first one and any later one.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    routes: Router,
    head_within: Duration,
    stopping: CancellationToken,
) {
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(head_within);
    let connections = GracefulShutdown::new();
    loop {
        let (stream, from) = tokio::select! {
            taken = listener.accept() => match taken {
                Ok(taken) => taken,
                Err(error) => {
                    tracing::debug!(%error, "a connection could not be taken");
                    metrics::counter!("davy_http_accept_errors_total").increment(1);
                    tokio::time::sleep(BREATHER).await;
                    continue;
                }
            },
            () = stopping.cancelled() => break,
        };
        let (server, routes, watcher) = (server.clone(), routes.clone(), connections.watcher());
        let acceptor = tls.as_ref().map(|tls| tls.acceptor());
        tokio::spawn(async move {
            let stream = match acceptor {
                None => Either::Left(stream),
                Some(acceptor) => match tokio::time::timeout(head_within, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => Either::Right(stream),
                    Ok(Err(error)) => return tracing::debug!(%error, client = %from, "no TLS came about"),
                    Err(_) => return tracing::debug!(client = %from, "a handshake took too long"),
                },
            };
            let answer = service_fn(move |request: hyper::Request<Incoming>| {
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(ConnectInfo(from));
                routes.clone().oneshot(request)
            });
            if let Err(error) = watcher.watch(server.serve_connection(TokioIo::new(stream), answer)).await {
                tracing::debug!(%error, client = %from, "a connection ended early");
            }
        });
    }
    drop(listener);
    connections.shutdown().await;
}
