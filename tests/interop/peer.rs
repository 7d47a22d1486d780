//! Drives `peer.py`: an order a line in, an answer a line out.

use anyhow::{Context, Result, bail};
use davy_tests::credentials::Credential;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use tempfile::NamedTempFile;

/// A running peer.
pub(crate) struct Peer {
    child: Child,
    input: ChildStdin,
    lines: Receiver<Value>,
    aside: Vec<Value>,
    next: u64,
    _security: NamedTempFile,
}

impl Peer {
    /// aiocoap as the device of these credentials, against a server.
    pub(crate) fn device(device: &Credential, server: SocketAddr) -> Result<Self> {
        let security = json!({
            "sender_id": device.kid, "recipient_id": "73", "id_context": device.id_context,
            "secret": device.secret, "salt": device.salt, "algorithm": device.algorithm,
        });
        Self::start(&["client", &server.ip().to_string(), &server.port().to_string()], &security)
    }

    /// aiocoap as a server on a port, for the device with `sender_id` 010203.
    pub(crate) fn server(port: u16, algorithm: &str, secret: &str, salt: &str) -> Result<Self> {
        let security = json!({
            "sender_id": "73", "recipient_id": "010203", "id_context": "0000000000000001",
            "secret": secret, "salt": salt, "algorithm": algorithm,
        });
        Self::start(&["server", &port.to_string()], &security)
    }

    fn start(arguments: &[&str], security: &Value) -> Result<Self> {
        let python = std::env::var_os("DAVY_TEST_PYTHON")
            .context("DAVY_TEST_PYTHON names no Python with aiocoap: run `cargo xtask test --only interop`")?;
        let file = NamedTempFile::new().context("no temporary file")?;
        std::fs::write(file.path(), security.to_string())?;
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/interop/peer.py");
        let mut command = Command::new(python);
        command.arg(script).args(arguments).arg(file.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("cannot start Python")?;
        let input = child.stdin.take().context("no standard input")?;
        let output = BufReader::new(child.stdout.take().context("no standard output")?);
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if serde_json::from_str(&line).is_ok_and(|value: Value| send.send(value).is_err()) {
                    return;
                }
            }
        });
        let mut peer = Self { child, input, lines, aside: Vec::new(), next: 0, _security: file };
        peer.wait_for("ready", Duration::from_secs(30), |line| line.get("ready").is_some())?;
        Ok(peer)
    }

    /// Gives an order and waits for its answer.
    pub(crate) fn order(&mut self, mut order: Value) -> Result<Value> {
        self.next += 1;
        let id = self.next;
        order["id"] = json!(id);
        writeln!(self.input, "{order}").and_then(|()| self.input.flush()).context("the peer has ended")?;
        self.wait_for(&order.to_string(), Duration::from_secs(40), |line| line["id"] == id)
    }

    /// Sends a request and returns `(code, payload)`.
    pub(crate) fn request(
        &mut self,
        method: &str,
        path: &str,
        format: Option<u16>,
        payload: &[u8],
    ) -> Result<(String, Vec<u8>)> {
        let answer = self.order(
            json!({"do": "request", "method": method, "path": path, "format": format, "payload": hex(payload)}),
        )?;
        match (answer["code"].as_str(), answer["payload"].as_str()) {
            (Some(code), Some(payload)) => Ok((code.to_owned(), Credential::bytes(payload))),
            _ => bail!("the peer failed: {answer}"),
        }
    }

    /// Seals a request without sending it.
    pub(crate) fn protect(&mut self, path: &str, format: u16, payload: &[u8]) -> Result<String> {
        let order = json!({"do": "protect", "method": "post", "path": path, "format": format, "payload": hex(payload)});
        let answer = self.order(order)?;
        answer["datagram"].as_str().map(str::to_owned).with_context(|| format!("the peer failed: {answer}"))
    }

    /// Sends bytes from the socket of that name and returns what came back.
    pub(crate) fn datagram(&mut self, socket: &str, bytes: &str) -> Result<Value> {
        self.order(json!({"do": "datagram", "socket": socket, "bytes": bytes}))
    }

    /// The next notification.
    pub(crate) fn notification(&mut self, patience: Duration) -> Result<Vec<u8>> {
        let line = self.wait_for("a notification", patience, |line| line.get("notification").is_some())?;
        Ok(Credential::bytes(line["payload"].as_str().unwrap_or_default()))
    }

    fn wait_for(&mut self, what: &str, patience: Duration, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        if let Some(at) = self.aside.iter().position(&wanted) {
            return Ok(self.aside.remove(at));
        }
        let begun = Instant::now();
        loop {
            let left =
                patience.checked_sub(begun.elapsed()).with_context(|| format!("no answer in time to: {what}"))?;
            let line = self.lines.recv_timeout(left).with_context(|| format!("no answer in time to: {what}"))?;
            if wanted(&line) {
                return Ok(line);
            }
            self.aside.push(line);
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
