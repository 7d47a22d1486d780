//! How long a company waits until a file of many devices is entered, from sending it until they can speak: over the API, as a person does it.

use anyhow::{Context, Result, bail};
use davy_tests::api::Api;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How often it is asked how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// What takes longer has gone wrong.
const LIMIT: Duration = Duration::from_mins(2);

/// Adds so many detectors and says what it took, in seconds.
///
/// # Errors
/// When the server refuses, or does not end.
pub fn measure(server: SocketAddr, email: &str, password: &str, devices: u32) -> Result<Value> {
    let api = Api::enter(server, email, password)?;
    let mut csv = String::from("serial,kind,model,lon,lat\n");
    for at in 0..devices {
        writeln!(csv, "IMPORT-{at:06},detector,TC-20,117.2,39.12")?;
    }
    let begun = Instant::now();
    let (status, import) = api.send("POST", "/api/v1/device-imports?name=bench.csv", "text/csv", csv.as_bytes())?;
    let id = import["id"].as_str().with_context(|| format!("refused: {status} {import}"))?;
    loop {
        let now = api.get(&format!("/api/v1/device-imports/{id}"))?;
        match now["state"].as_str() {
            Some("entered") => break,
            Some("checking" | "entering") if begun.elapsed() < LIMIT => std::thread::sleep(LOOK_EVERY),
            state => bail!("the import is {state:?} after {} s: {now}", begun.elapsed().as_secs()),
        }
    }
    Ok(json!({"devices": devices, "seconds": begun.elapsed().as_secs_f64()}))
}
