//! Sends people to the page that is theirs: signed-out ones to sign in, residents home. It decides nothing about data:
//! what a viewer may see is the backend's to say.

use super::signed_in;
use crate::data::query::percent_encode;
use axum::extract::Request;
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use davy_api::Role;

const PAGES_OF_STAFF: [&str; 3] = ["/", "/devices", "/rules"];

pub(super) async fn send_to_the_right_page(request: Request, next: Next) -> Response {
    if request.method() == Method::GET || request.method() == Method::HEAD {
        let role = signed_in(request.extensions()).map(|it| it.person.role);
        if let Some(to) = redirect_for(role, request.uri().path(), request.uri().query()) {
            return Redirect::to(&to).into_response();
        }
    }
    next.run(request).await
}

/// Where a visitor of `path` belongs instead, if elsewhere.
fn redirect_for(role: Option<Role>, path: &str, query: Option<&str>) -> Option<String> {
    match role {
        None => (needs_sign_in(path)).then(|| {
            let mut to = "/sign-in?next=".to_owned();
            percent_encode(path, &mut to);
            if let Some(query) = query {
                percent_encode("?", &mut to);
                percent_encode(query, &mut to);
            }
            to
        }),
        Some(Role::Resident) => (path == "/sign-in" || PAGES_OF_STAFF.contains(&path)).then(|| "/home".to_owned()),
        Some(Role::Operator | Role::Regulator) => (path == "/sign-in" || path == "/home").then(|| "/".to_owned()),
    }
}

fn needs_sign_in(path: &str) -> bool {
    PAGES_OF_STAFF.contains(&path)
        || path == "/home"
        || ["/devices/", "/rules/", "/alarms/"].iter().any(|below| path.starts_with(below))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signed_out_visitor_comes_back_to_the_page_that_was_asked_for() {
        assert_eq!(
            redirect_for(None, "/devices", Some("q=a b")),
            Some("/sign-in?next=%2Fdevices%3Fq%3Da%20b".to_owned())
        );
        assert_eq!(redirect_for(None, "/sign-in", None), None);
        assert_eq!(redirect_for(None, "/no-such-page", None), None);
    }

    #[test]
    fn a_resident_is_sent_home_and_staff_to_the_overview() {
        assert_eq!(redirect_for(Some(Role::Resident), "/", None), Some("/home".to_owned()));
        assert_eq!(redirect_for(Some(Role::Resident), "/devices/dev_1", None), None);
        assert_eq!(redirect_for(Some(Role::Operator), "/home", None), Some("/".to_owned()));
        assert_eq!(redirect_for(Some(Role::Regulator), "/devices", None), None);
    }
}
