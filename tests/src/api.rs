//! The REST API as somebody's program uses it: signs in, reads, changes.
//!
//! Must never know more than the OpenAPI document says.

use anyhow::{Context, Result, bail};
use davy_city::SignIn;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A person who is signed in. The session is in the database: it outlives the server.
pub struct Api {
    server: SocketAddr,
    cookie: String,
    csrf: String,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Api {
    /// Signs in.
    ///
    /// # Errors
    /// When the server does not answer, or does not let them in.
    pub fn sign_in(server: SocketAddr, person: &SignIn) -> Result<Self> {
        Self::enter(server, &person.email, &person.password)
    }

    /// The same for anybody.
    ///
    /// # Errors
    /// As [`Api::sign_in`].
    pub fn enter(server: SocketAddr, email: &str, password: &str) -> Result<Self> {
        let body = json!({"email": email, "password": password}).to_string();
        let answer = ask(server, "POST", "/api/v1/session", "", &body)?;
        let cookie = answer.head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("set-cookie").then(|| value.split(';').next().unwrap_or_default().to_owned())
        });
        let signed_in: Value = serde_json::from_str(&answer.body).context("the answer is not JSON")?;
        let csrf = signed_in["csrf"].as_str().with_context(|| format!("{email} is not let in: {signed_in}"))?;
        Ok(Self { server, cookie: cookie.context("no cookie")?, csrf: csrf.to_owned() })
    }

    /// Reads.
    ///
    /// # Errors
    /// When the answer is not 200 with JSON.
    pub fn get(&self, path: &str) -> Result<Value> {
        let answer = ask(self.server, "GET", path, &format!("Cookie: {}\r\n", self.cookie), "")?;
        if answer.status != 200 {
            bail!("GET {path}: {} {}", answer.status, answer.body);
        }
        serde_json::from_str(&answer.body).with_context(|| format!("GET {path}: not JSON"))
    }

    /// Changes something.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn post(&self, path: &str) -> Result<()> {
        let (status, body) = self.send("POST", path, JSON, b"")?;
        if !(200..300).contains(&status) {
            bail!("POST {path}: {status} {body}");
        }
        Ok(())
    }

    /// Sends a body, and gives the status and the answer's JSON (null when it has none).
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn send(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Result<(u16, Value)> {
        let headers = format!("Cookie: {}\r\nX-CSRF-Token: {}\r\n", self.cookie, self.csrf);
        let answer = ask_with(self.server, method, path, &format!("{headers}Content-Type: {kind}\r\n"), body)?;
        Ok((answer.status, serde_json::from_str(&answer.body).unwrap_or_default()))
    }
}

const JSON: &str = "application/json";

fn ask(server: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> Result<Answer> {
    ask_with(server, method, path, &format!("{headers}Content-Type: {JSON}\r\n"), body.as_bytes())
}

fn ask_with(server: SocketAddr, method: &str, path: &str, headers: &str, body: &[u8]) -> Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&server, Duration::from_secs(5)).context("no connection")?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    write!(stream, "{method} {path} HTTP/1.0\r\nHost: {server}\r\n{headers}Content-Length: {}\r\n\r\n", body.len())?;
    stream.write_all(body)?;
    let mut text = String::new();
    stream.read_to_string(&mut text).context("the answer is no text")?;
    let (head, body) = text.split_once("\r\n\r\n").context("the answer has no head")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("the answer has no status")?;
    Ok(Answer { status, head: head.to_owned(), body: body.to_owned() })
}
