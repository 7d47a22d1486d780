//! Extractors that decide who may call a handler: one that compiles with them is authorised.
//!
//! [`Reader`] is any signed-in person; [`May`] is one whose roles have a permission; [`On`] is one who may do it to the thing that the path
//! names. A request that changes something must carry the session's CSRF token. The backend asks the same table again.

use crate::backend::Object;
use crate::http::App;
use crate::http::extract::Id;
use crate::http::problem::{self, Refusal};
use crate::http::sessions::{self, SEEN_RESOLUTION, SignedIn, check_csrf};
use crate::http::tokens;
use crate::roles::{Deed, Permission, require};
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri, header};
use davy_api::{Problem, Viewer};
use davy_domain::id::IdError;
use davy_store::{ApiToken, StoreError, User};
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

/// The header that carries the CSRF token.
pub const CSRF_HEADER: &str = "x-csrf-token";

/// Somebody who is signed in: for reading.
pub struct Reader(pub SignedIn);

impl FromRequestParts<Arc<App>> for Reader {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        // The middleware of the pages may have looked already.
        if let Some(found) = parts.extensions.get::<SignedIn>() {
            return Ok(Self(found.clone()));
        }
        let found = app.sessions.find(&parts.headers).await.map_err(crate::backend::stored)?;
        let Some(found) = found else { return Err(app.sessions.refusal(&parts.headers).await.into()) };
        tracing::Span::current().record("user.id", tracing::field::display(found.viewer.user));
        if let Some(tenant) = found.viewer.tenant() {
            tracing::Span::current().record("tenant.id", tracing::field::display(tenant));
        }
        parts.extensions.insert(found.clone());
        Ok(Self(found))
    }
}

/// Somebody who is signed in and proves by the CSRF token that the request is their own: for changes open to every role.
pub struct Changer(pub SignedIn);

impl FromRequestParts<Arc<App>> for Changer {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        let Reader(found) = Reader::from_request_parts(parts, app).await?;
        check_csrf(&found.session, parts.headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok()))?;
        Ok(Self(found))
    }
}

/// Somebody who is signed in, or whose password was right and whose second factor is still to come; with the CSRF token.
pub struct Claimant(pub SignedIn);

impl FromRequestParts<Arc<App>> for Claimant {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        let found = app.sessions.find_any(&parts.headers).await.map_err(crate::backend::stored)?;
        let found = found.ok_or_else(Problem::signed_out)?;
        check_csrf(&found.session, parts.headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok()))?;
        Ok(Self(found))
    }
}

/// Somebody who may do `P`, within their scope. A request that changes something proves by the CSRF token that it is their own.
pub struct May<P> {
    /// Who.
    pub viewer: Viewer,
    /// What shows who they are, to be looked at again by what lasts.
    pub proof: Proof,
    permission: PhantomData<P>,
}

/// What shows who somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The hash of a session's token.
    Session([u8; 32]),
    /// The hash of a machine's token.
    Token([u8; 32]),
}

impl Proof {
    /// Who it shows now; nobody when it has ended.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not answer.
    pub async fn viewer(self, app: &App) -> Result<Option<Viewer>, StoreError> {
        match self {
            Self::Session(hash) => app.sessions.viewer(&hash).await,
            Self::Token(hash) => {
                let found = app.store.token(&hash, app.clock.now()).await?;
                Ok(found.map(|(token, user)| of_token(&token, &user)))
            }
        }
    }
}

/// Who a machine acts as: its maker, with no more than it was given.
fn of_token(token: &ApiToken, maker: &User) -> Viewer {
    Viewer { only: Some(token.deeds.clone()), ..sessions::viewer(maker) }
}

/// Somebody as the request shows them, before anything is allowed. A machine's token is no cookie: no other site can make a browser send it.
async fn caller(parts: &mut Parts, app: &Arc<App>) -> Result<(Viewer, Proof), Refusal> {
    if parts.headers.contains_key(header::AUTHORIZATION) {
        let hash = tokens::hash_of(&parts.headers).ok_or_else(Problem::signed_out)?;
        let now = app.clock.now();
        let found = app.store.token(&hash, now).await.map_err(crate::backend::stored)?;
        let Some((token, maker)) = found else { return Err(app.sessions.refusal_of(&hash).await.into()) };
        app.store.touch_token(&token, now, SEEN_RESOLUTION).await.map_err(crate::backend::stored)?;
        tracing::Span::current().record("user.id", tracing::field::display(maker.id));
        return Ok((of_token(&token, &maker), Proof::Token(hash)));
    }
    let found = if parts.method.is_safe() {
        Reader::from_request_parts(parts, app).await?.0
    } else {
        Changer::from_request_parts(parts, app).await?.0
    };
    Ok((found.viewer, Proof::Session(found.session.token_hash)))
}

/// Whether a request fits into the share of the caller's company. What makes people safe is never turned away, nor does a person look at
/// alarms in vain because a machine of their company asks too much.
fn within_share(app: &App, viewer: &Viewer, deed: Deed) -> Result<(), Problem> {
    let urgent = matches!(deed, Deed::CloseValve | Deed::CloseMany | Deed::AcknowledgeAlarm | Deed::ResetAlarm)
        || (deed == Deed::SeeAlarms && viewer.only.is_none());
    if app.service.takes_request(viewer, urgent) {
        return Ok(());
    }
    let detail = "Your company sends more requests than its share of the platform; slow down and try again. Valves can be closed all the same.";
    Err(problem::too_many(detail).with_reason("companys-share"))
}

impl<P: Permission> FromRequestParts<Arc<App>> for May<P> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        let (viewer, proof) = caller(parts, app).await?;
        require(&viewer, P::DEED)?;
        within_share(app, &viewer, P::DEED)?;
        Ok(Self { viewer, proof, permission: PhantomData })
    }
}

/// Somebody who may do `P` to the thing that the path names: signed in, in scope, and allowed, in one step. What is out of their scope is
/// not found, whatever their roles; the id is not to be had otherwise.
pub struct On<P, I> {
    /// Who.
    pub viewer: Viewer,
    /// The thing.
    pub id: I,
    permission: PhantomData<P>,
}

impl<P, I> FromRequestParts<Arc<App>> for On<P, I>
where
    P: Permission,
    I: FromStr<Err = IdError> + Into<Object> + Copy + Send,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        let (viewer, _) = caller(parts, app).await?;
        within_share(app, &viewer, P::DEED)?;
        let Id(id) = Id::<I>::from_request_parts(parts, app).await?;
        app.service.authorise(&viewer, P::DEED, id).await?;
        Ok(Self { viewer, id, permission: PhantomData })
    }
}

/// A request that no other site has sent: for changes that need no session, such as signing in.
pub struct SameSite;

impl FromRequestParts<Arc<App>> for SameSite {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Refusal> {
        if comes_from_elsewhere(&parts.headers, &parts.uri) {
            return Err(problem::csrf("Another site has sent this request; use the platform's own pages.").into());
        }
        Ok(Self)
    }
}

/// Browsers say where a request comes from; other clients hold no cookie that could be abused.
fn comes_from_elsewhere(headers: &HeaderMap, uri: &Uri) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return !matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text("origin") else { return false };
    let host = text(header::HOST.as_str()).or_else(|| uri.authority().map(axum::http::uri::Authority::as_str));
    host.is_none_or(|host| origin.split_once("://").is_none_or(|(_, from)| !from.eq_ignore_ascii_case(host)))
}

/// The client's address: of the connection, or as the reverse proxy in front tells it.
#[derive(Clone, Copy, Debug)]
pub struct Client(pub IpAddr);

impl Client {
    /// Reads it off a request's headers and extensions.
    pub fn of(headers: &HeaderMap, extensions: &axum::http::Extensions, behind_proxy: bool) -> Self {
        let forwarded = || {
            let mut all = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
            all.next_back()?.rsplit(',').next()?.trim().parse().ok()
        };
        let told = if behind_proxy { forwarded() } else { None };
        let connected = || extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        Self(told.or_else(connected).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)))
    }

    /// What rate limits count by: an IPv6 customer has a whole /64.
    pub fn limit_key(self) -> IpAddr {
        match self.0.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::from([a, b, c, d, 0, 0, 0, 0])
            }
            address @ IpAddr::V4(_) => address,
        }
    }
}

impl FromRequestParts<Arc<App>> for Client {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        Ok(Self::of(&parts.headers, &parts.extensions, app.settings.http_behind_proxy))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (axum::http::HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_request_of_another_site_is_told_by_its_headers() {
        let uri = Uri::from_static("/sign-in");
        let foreign = |pairs: &[(&'static str, &'static str)]| comes_from_elsewhere(&headers(pairs), &uri);
        assert!(!foreign(&[]));
        assert!(!foreign(&[("sec-fetch-site", "same-origin"), ("origin", "http://a.example")]));
        assert!(foreign(&[("sec-fetch-site", "cross-site")]));
        assert!(foreign(&[("sec-fetch-site", "same-site")]));
        assert!(!foreign(&[("origin", "https://gas.example:8443"), ("host", "gas.example:8443")]));
        assert!(foreign(&[("origin", "https://evil.example"), ("host", "gas.example")]));
        assert!(foreign(&[("origin", "null"), ("host", "gas.example")]));
    }

    #[test]
    fn only_the_last_forwarded_address_counts_and_only_behind_a_proxy() {
        let forged = headers(&[("x-forwarded-for", "1.1.1.1, 2.2.2.2")]);
        let mut extensions = axum::http::Extensions::new();
        extensions.insert(ConnectInfo(SocketAddr::from(([9, 9, 9, 9], 1))));
        assert_eq!(Client::of(&forged, &extensions, true).0, IpAddr::from([2, 2, 2, 2]));
        assert_eq!(Client::of(&forged, &extensions, false).0, IpAddr::from([9, 9, 9, 9]));
    }

    #[test]
    fn an_ipv6_customer_is_limited_as_a_whole() {
        let one = Client("2001:db8:1:2:3:4:5:6".parse().unwrap()).limit_key();
        let two = Client("2001:db8:1:2:ffff::1".parse().unwrap()).limit_key();
        assert_eq!(one, two);
        assert_eq!(Client("::ffff:1.2.3.4".parse().unwrap()).limit_key(), IpAddr::from([1, 2, 3, 4]));
    }
}
