//! Sends people to the page that is theirs: signed-out ones to sign in, residents home. It decides nothing about data:
//! what a viewer may see is the backend's to say.

use super::signed_in;
use crate::data::query::percent_encode;
use crate::words::start_of;
use axum::extract::Request;
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use davy_api::Person;
use davy_domain::ScopeKind;

const PAGES_OF_STAFF: [&str; 9] =
    ["/", "/devices", "/rules", "/people", "/tokens", "/approvals", "/tenants", "/usage", "/personal-data"];

pub(super) async fn send_to_the_right_page(request: Request, next: Next) -> Response {
    if request.method() == Method::GET || request.method() == Method::HEAD {
        let person = signed_in(request.extensions()).map(|it| it.person);
        if let Some(to) = redirect_for(person.as_ref(), request.uri().path(), request.uri().query()) {
            return Redirect::to(&to).into_response();
        }
    }
    next.run(request).await
}

/// Where a visitor of `path` belongs instead, if elsewhere.
fn redirect_for(person: Option<&Person>, path: &str, query: Option<&str>) -> Option<String> {
    match person {
        None => (needs_sign_in(path)).then(|| {
            let mut to = "/sign-in?next=".to_owned();
            percent_encode(path, &mut to);
            if let Some(query) = query {
                percent_encode("?", &mut to);
                percent_encode(query, &mut to);
            }
            to
        }),
        Some(person) if person.scope == ScopeKind::Premises => {
            (path == "/sign-in" || PAGES_OF_STAFF.contains(&path)).then(|| "/home".to_owned())
        }
        Some(person) => {
            let start = start_of(person);
            (matches!(path, "/sign-in" | "/home" | "/") && path != start).then(|| start.to_owned())
        }
    }
}

fn needs_sign_in(path: &str) -> bool {
    PAGES_OF_STAFF.contains(&path)
        || ["/home", "/household", "/account", "/account/personal-data"].contains(&path)
        || ["/devices/", "/rules/", "/alarms/"].iter().any(|below| path.starts_with(below))
}

#[cfg(test)]
mod tests {
    use super::*;
    use davy_domain::{Roles, UserId};

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
        let person = |scope, may: &[&str]| Person {
            id: UserId::from_raw(1),
            name: String::new(),
            scope,
            roles: Roles::NONE,
            may: may.iter().map(|code| (*code).to_owned()).collect(),
            tenant_name: None,
            division_name: None,
            community_name: None,
            premises: None,
        };
        let resident = person(ScopeKind::Premises, &["alarms:see", "devices:see"]);
        let dispatcher = person(ScopeKind::Tenant, &["alarms:see", "devices:see"]);
        let clerk = person(ScopeKind::Tenant, &["devices:see"]);
        assert_eq!(redirect_for(Some(&resident), "/", None), Some("/home".to_owned()));
        assert_eq!(redirect_for(Some(&resident), "/devices/dev_1", None), None);
        assert_eq!(redirect_for(Some(&dispatcher), "/home", None), Some("/".to_owned()));
        assert_eq!(redirect_for(Some(&dispatcher), "/devices", None), None);
        assert_eq!(redirect_for(Some(&clerk), "/sign-in", None), Some("/devices".to_owned()));
    }
}
