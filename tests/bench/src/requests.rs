//! What authorisation adds to a request, and how many people can sign in each second, against a server that runs.

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::json;
use std::time::Instant;
use ureq::Agent;

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Requests {
    /// One after the other over one connection: a request that asks nobody who they are, median in microseconds.
    pub public_us: f64,
    /// The same of one that finds the session and the person and looks into the permission table.
    pub authorised_us: f64,
    /// Sign-ins a second, two people at a time, each with a hash of the configured cost.
    pub sign_ins_per_s: f64,
}

/// Where, and as whom.
#[derive(Debug)]
pub struct Measurement {
    /// `http://HOST:PORT`.
    pub server: String,
    /// Somebody of the platform.
    pub email: String,
    /// Their password.
    pub password: String,
    /// Requests of each kind.
    pub requests: usize,
    /// Sign-ins.
    pub sign_ins: usize,
}

impl Measurement {
    /// Measures.
    ///
    /// # Errors
    /// When the server does not answer as it should.
    pub fn run(&self) -> Result<Requests> {
        let agent = agent();
        let cookie = self.sign_in(&agent)?;
        let begun = Instant::now();
        std::thread::scope(|scope| {
            let each = self.sign_ins / 2;
            let person = move || (0..each).try_for_each(|_| self.sign_in(&crate::requests::agent()).map(drop));
            let people = [scope.spawn(person), scope.spawn(person)];
            people.into_iter().try_for_each(|person| person.join().map_err(|_| anyhow::anyhow!("a thread failed"))?)
        })?;
        let sign_ins_per_s = (self.sign_ins / 2 * 2) as f64 / begun.elapsed().as_secs_f64();
        // Interleaved, so that both meet the same machine.
        let (mut public, mut authorised) = (Vec::new(), Vec::new());
        for _ in 0..self.requests {
            public.push(self.ask(&agent, "/healthz", &cookie)?);
            authorised.push(self.ask(&agent, "/api/v1/me", &cookie)?);
        }
        Ok(Requests { public_us: median(public), authorised_us: median(authorised), sign_ins_per_s })
    }

    fn sign_in(&self, agent: &Agent) -> Result<String> {
        let body = json!({"email": self.email, "password": self.password});
        let answer = agent.post(format!("{}/api/v1/session", self.server)).send_json(body)?;
        ensure!(answer.status().is_success(), "signing in was answered with {}", answer.status());
        let cookies = answer.headers().get_all("set-cookie").iter().filter_map(|cookie| cookie.to_str().ok());
        let pairs: Vec<_> = cookies.filter_map(|cookie| cookie.split(';').next()).collect();
        ensure!(!pairs.is_empty(), "signing in gave no cookie");
        Ok(pairs.join("; "))
    }

    /// Microseconds until the whole answer is here.
    fn ask(&self, agent: &Agent, path: &str, cookie: &str) -> Result<f64> {
        let begun = Instant::now();
        let mut answer = agent.get(format!("{}{path}", self.server)).header("cookie", cookie).call()?;
        ensure!(answer.status().is_success(), "{path} was answered with {}", answer.status());
        answer.body_mut().read_to_vec().with_context(|| format!("{path} broke off"))?;
        Ok(begun.elapsed().as_secs_f64() * 1e6)
    }
}

fn agent() -> Agent {
    Agent::config_builder().http_status_as_error(false).build().into()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
