//! Where a form's answer leads: back to a page of this site, with one word of what came of it.

use axum::response::Redirect;
use davy_api::Problem;

/// What came of a form, as the pages know it: `done=WORD` or `error=WORD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome<'a> {
    /// Nothing to tell.
    Silent,
    /// It worked.
    Done(&'a str),
    /// It did not.
    Failed(&'a str),
}

/// The word of a problem: its reason, else the last part of its type.
pub(super) fn word(problem: &Problem) -> &str {
    if let Some(reason) = &problem.reason {
        return reason;
    }
    problem.kind.rsplit('/').next().unwrap_or("unavailable")
}

/// A path of this site, or the front page.
pub(super) fn local(next: Option<&str>) -> &str {
    let fits = |path: &&str| {
        let bytes = path.as_bytes();
        bytes.len() <= 2_000
            && bytes.first() == Some(&b'/')
            && bytes.get(1) != Some(&b'/')
            && bytes.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'\\' && *byte != b'#')
    };
    next.filter(fits).unwrap_or("/")
}

/// 303 to the page, with the outcome in the query in place of an earlier one. Where a second factor was missing it leads to where one is
/// proven, and from there to the page: the form is then sent anew, by a person.
pub(super) fn back(next: Option<&str>, outcome: Outcome<'_>) -> Redirect {
    if outcome == Outcome::Failed("second-factor") {
        return to_second_factor(next, Some("second-factor"));
    }
    let (path, query) = local(next).split_once('?').unwrap_or((local(next), ""));
    let kept =
        query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("done=") && !pair.starts_with("error="));
    let told = match outcome {
        Outcome::Silent => None,
        Outcome::Done(word) => Some(format!("done={word}")),
        Outcome::Failed(word) => Some(format!("error={word}")),
    };
    let query: Vec<String> = kept.map(ToOwned::to_owned).chain(told).collect();
    let to = if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) };
    Redirect::to(&to)
}

/// 303 to the sign-in page, which leads on to `next`.
pub(super) fn to_sign_in(next: Option<&str>, error: &str) -> Redirect {
    let next: String = form_urlencoded::byte_serialize(local(next).as_bytes()).collect();
    Redirect::to(&format!("/sign-in?next={next}&error={error}"))
}

/// 303 to the page that asks for the second factor, which leads on to `next`.
pub(super) fn to_second_factor(next: Option<&str>, error: Option<&str>) -> Redirect {
    let next: String = form_urlencoded::byte_serialize(local(next).as_bytes()).collect();
    let error = error.map(|word| format!("&error={word}")).unwrap_or_default();
    Redirect::to(&format!("/sign-in/code?next={next}{error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse;

    fn location(redirect: Redirect) -> String {
        let response = redirect.into_response();
        assert_eq!(response.status(), 303);
        response.headers()["location"].to_str().unwrap().to_owned()
    }

    #[test]
    fn a_form_never_leads_to_another_site() {
        for foreign in
            ["//evil.example", "https://evil.example", "/\\evil.example", "", "evil", "/\r\nset-cookie: a=b", "/a#b"]
        {
            assert_eq!(local(Some(foreign)), "/", "{foreign:?}");
        }
        assert_eq!(local(Some("/devices/dev_1?q=a%20b")), "/devices/dev_1?q=a%20b");
    }

    #[test]
    fn the_outcome_takes_the_place_of_an_earlier_one() {
        let to = location(back(Some("/home?done=close&tab=2&error=csrf"), Outcome::Failed("refused")));
        assert_eq!(to, "/home?tab=2&error=refused");
        assert_eq!(location(back(Some("/home?done=close"), Outcome::Silent)), "/home");
    }

    #[test]
    fn a_signed_out_visitor_comes_back_after_signing_in() {
        assert_eq!(
            location(to_sign_in(Some("/home?a=b"), "signed-out")),
            "/sign-in?next=%2Fhome%3Fa%3Db&error=signed-out"
        );
    }
}
