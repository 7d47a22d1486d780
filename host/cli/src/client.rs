//! A session with a running server, over its REST API.
//!
//! It signs in as a person and may do what that person may. Passwords are never taken from the command line, where every
//! process of the machine could read them.

use anyhow::{Context, Result, bail};
use davy_api::{FactorCode, Problem, SignIn, SignedIn};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{BufRead, IsTerminal, Write};
use std::time::Duration;

/// The variable that the password is taken from when nobody can be asked.
pub(crate) const PASSWORD: &str = "DAVY_PASSWORD";
/// The variable that the code of a second factor is taken from.
const CODE: &str = "DAVY_CODE";
/// The largest answer that is read: the largest component that the platform admits is smaller.
const LARGEST_ANSWER: u64 = 64 << 20;
/// What a server answers to somebody whom it does not know (any more), and about what it does not have: nothing was decided.
const NO_ANSWER: [u16; 2] = [401, 404];
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// Somebody who is signed in.
pub(crate) struct Client {
    agent: ureq::Agent,
    session: Session,
}

/// What a session is to the server.
#[derive(Serialize, Deserialize)]
pub(crate) struct Session {
    server: String,
    cookie: String,
    csrf: String,
}

/// The server understood and said no. What it says of a session that has ended, or of what is not there, is none of these.
#[derive(Debug, thiserror::Error)]
#[error("{url} answered {status}: {problem}")]
pub(crate) struct Refused {
    url: String,
    status: u16,
    /// Why, and what to do.
    pub(crate) problem: Problem,
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build().into()
}

impl Client {
    /// Signs in at `server`, such as `https://gas.example`.
    pub(crate) fn sign_in(server: &str, email: &str) -> Result<Self> {
        Self::sign_in_named(server, email).map(|(client, _)| client)
    }

    /// Goes on with the session of `davyctl login`.
    pub(crate) fn resume() -> Result<Self> {
        let session = crate::login::kept()?;
        check_server(&session.server)?;
        Ok(Self { agent: agent(), session })
    }

    /// What the server knows this client by.
    pub(crate) const fn session(&self) -> &Session {
        &self.session
    }

    /// The same as [`Client::sign_in`], with the person's name.
    pub(crate) fn sign_in_named(server: &str, email: &str) -> Result<(Self, String)> {
        let agent = agent();
        let server = server.trim_end_matches('/').to_owned();
        check_server(&server)?;
        let credentials = SignIn { email: email.to_owned(), password: password(email)? };
        let url = format!("{server}/api/v1/session");
        let request = agent.post(&url).header("content-type", "application/json");
        let response =
            request.send(serde_json::to_vec(&credentials)?).with_context(|| format!("cannot reach {url}"))?;
        let (mut cookie, mut answer) = entered(&url, response)?;
        if answer.second_factor_needed {
            let url = format!("{server}/api/v1/session/second-factor");
            let code = FactorCode { code: asked(CODE, "a code", "Code of your authenticator, or recovery code")? };
            let request = agent.post(&url).header("content-type", "application/json").header("cookie", &cookie);
            let request = request.header("x-csrf-token", &answer.csrf);
            let response = request.send(serde_json::to_vec(&code)?).with_context(|| format!("cannot reach {url}"))?;
            (cookie, answer) = entered(&url, response)?;
        }
        Ok((Self { agent, session: Session { server, cookie, csrf: answer.csrf } }, answer.person.name))
    }

    /// Sends JSON, reads JSON.
    pub(crate) fn post<B: Serialize, T: DeserializeOwned>(&self, path: &str, body: &B) -> Result<T> {
        let url = format!("{}{path}", self.session.server);
        let request = self.agent.post(&url).header("cookie", &self.session.cookie);
        let request = request.header("x-csrf-token", &self.session.csrf).header("content-type", "application/json");
        json(&url, request.send(serde_json::to_vec(body)?).with_context(|| format!("cannot reach {url}"))?)
    }

    /// Sends a component, reads JSON.
    pub(crate) fn upload<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
        component: &[u8],
    ) -> Result<T> {
        let url = format!("{}{path}", self.session.server);
        let request = self.agent.post(&url).header("cookie", &self.session.cookie);
        let request = request.header("x-csrf-token", &self.session.csrf).header("content-type", "application/wasm");
        let request = query.iter().fold(request, |request, (name, value)| request.query(*name, value));
        json(&url, request.send(component).with_context(|| format!("cannot reach {url}"))?)
    }

    /// Reads JSON.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let url = format!("{}{path}", self.session.server);
        json(&url, self.ask(&url)?)
    }

    /// Reads bytes.
    pub(crate) fn bytes(&self, path: &str) -> Result<Vec<u8>> {
        let url = format!("{}{path}", self.session.server);
        body(&url, self.ask(&url)?)
    }

    /// The same with a query.
    pub(crate) fn bytes_of(&self, path: &str, query: &[(&str, String)]) -> Result<Vec<u8>> {
        let url = format!("{}{path}", self.session.server);
        let request = self.agent.get(&url).header("cookie", &self.session.cookie);
        let request = query.iter().fold(request, |request, (name, value)| request.query(*name, value));
        body(&url, request.call().with_context(|| format!("cannot reach {url}"))?)
    }

    fn ask(&self, url: &str) -> Result<ureq::http::Response<ureq::Body>> {
        self.agent.get(url).header("cookie", &self.session.cookie).call().with_context(|| format!("cannot reach {url}"))
    }

    /// Deletes what a path names.
    pub(crate) fn delete(&self, path: &str) -> Result<()> {
        let url = format!("{}{path}", self.session.server);
        let request = self.agent.delete(&url).header("cookie", &self.session.cookie);
        let request = request.header("x-csrf-token", &self.session.csrf);
        body(&url, request.call().with_context(|| format!("cannot reach {url}"))?).map(drop)
    }

    /// Signs out.
    pub(crate) fn sign_out(self) -> Result<()> {
        let url = format!("{}/api/v1/session", self.session.server);
        let request =
            self.agent.delete(&url).header("cookie", &self.session.cookie).header("x-csrf-token", &self.session.csrf);
        body(&url, request.call().with_context(|| format!("cannot reach {url}"))?).map(drop)
    }
}

/// A password goes over TLS, or does not leave the machine.
fn check_server(server: &str) -> Result<()> {
    if server.starts_with("https://") {
        return Ok(());
    }
    let Some(rest) = server.strip_prefix("http://") else {
        bail!("expected `--server` to be a URL such as https://gas.example, got `{server}`");
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')).map_or(authority, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let local = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    if !local {
        bail!("`{server}` is not this machine: a password goes over https:// only");
    }
    Ok(())
}

fn body(url: &str, mut response: ureq::http::Response<ureq::Body>) -> Result<Vec<u8>> {
    let status = response.status();
    let read = response.body_mut().with_config().limit(LARGEST_ANSWER).read_to_vec();
    let bytes = read.with_context(|| format!("the answer of {url} broke off"))?;
    if status.is_success() {
        return Ok(bytes);
    }
    match serde_json::from_slice::<Problem>(&bytes) {
        Ok(problem) if status.is_client_error() && !NO_ANSWER.contains(&status.as_u16()) => {
            Err(Refused { url: url.to_owned(), status: status.as_u16(), problem }.into())
        }
        Ok(problem) => bail!("{url} answered {status}: {problem}"),
        Err(_) => bail!("{url} answered {status}, and not as a davy server does"),
    }
}

fn json<T: DeserializeOwned>(url: &str, response: ureq::http::Response<ureq::Body>) -> Result<T> {
    let bytes = body(url, response)?;
    serde_json::from_slice(&bytes).with_context(|| format!("{url} answered what this davyctl does not understand"))
}

/// The session that an answer gives, and what it says.
fn entered(url: &str, response: ureq::http::Response<ureq::Body>) -> Result<(String, SignedIn)> {
    let cookies: Vec<&str> = response
        .headers()
        .get_all("set-cookie")
        .iter()
        .filter_map(|cookie| cookie.to_str().ok()?.split(';').next())
        .collect();
    let cookie = cookies.join("; ");
    let answer: SignedIn = json(url, response)?;
    if cookie.is_empty() {
        bail!("{url} gave no session: is this a davy server?");
    }
    Ok((cookie, answer))
}

fn password(email: &str) -> Result<String> {
    asked(PASSWORD, "a password", &format!("Password of {email}"))
}

/// From the environment, else from the person at the terminal, who does not see it, else a line of the standard input.
fn asked(variable: &str, what: &str, prompt: &str) -> Result<String> {
    if let Ok(secret) = std::env::var(variable) {
        return Ok(secret);
    }
    let hidden = if std::io::stdin().is_terminal() {
        eprint!("{prompt}: ");
        std::io::stderr().flush().with_context(|| format!("cannot ask for {what}"))?;
        Some(Hidden::begin()?)
    } else {
        None
    };
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).with_context(|| format!("cannot read {what}"))?;
    drop(hidden);
    let secret = line.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        bail!("expected {what}: at the prompt, as a line of the standard input, or in {variable}");
    }
    Ok(secret.to_owned())
}

/// While it lives, the terminal does not show what is typed.
struct Hidden(nix::sys::termios::Termios);

impl Hidden {
    fn begin() -> Result<Self> {
        use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
        let before = tcgetattr(std::io::stdin()).context("cannot ask the terminal")?;
        let mut hiding = before.clone();
        hiding.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(std::io::stdin(), SetArg::TCSAFLUSH, &hiding).context("cannot hide the password")?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        use nix::sys::termios::{SetArg, tcsetattr};
        eprintln!();
        // Nothing can be done for a terminal that has gone.
        let _ = tcsetattr(std::io::stdin(), SetArg::TCSAFLUSH, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_leaves_the_machine_only_over_tls() {
        for good in [
            "https://gas.example",
            "http://localhost:8080",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
            "http://[::1]",
        ] {
            assert!(check_server(good).is_ok(), "{good}");
        }
        for bad in ["http://gas.example", "http://10.0.0.7:8080", "gas.example", "http://localhost.evil.example", ""] {
            assert!(check_server(bad).is_err(), "{bad}");
        }
    }
}
