//! `davyctl ledger`: verifies what was done, where it is stored, over the API, or in a file without anybody.
//!
//! Hashes and signatures are worked out here, never taken from who is asked. A database is only read, by whoever may open it anyway.

mod file;
mod stored;
mod tell;

use crate::client::Client;
use crate::exit::Answer;
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use davy_api::{LedgerCheckpoints, LedgerLine};
use davy_domain::ledger::{Chain, Fault, PublicKey, Report, Signed};
use ed25519_dalek::{Signature, VerifyingKey};
use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Entries that a server is asked for at once.
const AT_ONCE: u64 = 40_000;

/// A server, and who signs in there.
#[derive(Args)]
pub(crate) struct Where {
    /// The server, such as `https://gas.example` [default: the one of `davyctl login`]
    #[arg(long, value_name = "URL", requires = "email")]
    server: Option<String>,
    /// Who signs in at `--server`; the password is asked for, or taken from DAVY_PASSWORD
    #[arg(long, value_name = "ADDRESS", env = "DAVY_EMAIL")]
    email: Option<String>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Say whether a chain is as it was written, and where it is not
    ///
    /// An export is verified without anybody; a database with everything that stands beside its chains; a server by what it
    /// sends, whose hashes are worked out here. A change after the last checkpoint by somebody who writes the rest of the chain anew
    /// shows only beside the rows of the database, or at the next checkpoint that was kept elsewhere.
    Verify {
        /// An export (JSON lines, format davy-ledger/1)
        #[arg(conflicts_with_all = ["database", "server"])]
        file: Option<PathBuf>,
        /// A database: `sqlite:PATH` or `postgres://USER@HOST/NAME`
        #[arg(long, value_name = "URL", conflicts_with = "server")]
        database: Option<String>,
        /// Only this chain of the database: a gas company's id (ten_…), or `platform`
        #[arg(long, value_name = "CHAIN", requires = "database")]
        chain: Option<Chain>,
        /// The public key (64 hexadecimal digits) whose checkpoints count; more may be given [default: any]
        #[arg(long = "key", value_name = "HEX")]
        keys: Vec<PublicKey>,
        /// Checkpoints that were kept elsewhere, as `davyctl ledger checkpoint --output` writes them; more files may be given
        #[arg(long = "checkpoint", value_name = "FILE")]
        checkpoints: Vec<PathBuf>,
        #[command(flatten)]
        at: Where,
        /// Print JSON for programs instead of text for people
        #[arg(long)]
        json: bool,
    },
    /// Write the company's whole chain with its checkpoints to a file
    Export {
        /// The file; never over one that is there
        #[arg(long, value_name = "FILE")]
        output: PathBuf,
        #[command(flatten)]
        at: Where,
        /// Print JSON for programs instead of text for people
        #[arg(long)]
        json: bool,
    },
    /// Show the newest checkpoints and the keys that sign them, or keep them in a file
    Checkpoint {
        /// Keep them in this file, for `davyctl ledger verify --checkpoint`
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
        #[command(flatten)]
        at: Where,
        /// Print JSON for programs instead of text for people
        #[arg(long)]
        json: bool,
    },
}

/// What came of one chain.
struct Verified {
    /// Whose it is, where that is known.
    company: String,
    report: Report,
    /// What is wrong with the file itself, and in which line.
    line: Option<(u64, String)>,
}

impl Verified {
    fn is_sound(&self) -> bool {
        self.report.fault.is_none() && self.line.is_none()
    }
}

/// Whose signatures count, and what was kept elsewhere.
struct Known {
    keys: Vec<PublicKey>,
    kept: Vec<Signed>,
}

impl Known {
    fn trusts(&self, signed: &Signed) -> bool {
        self.keys.is_empty() || self.keys.contains(&signed.key)
    }

    fn read(keys: &[PublicKey], files: &[PathBuf]) -> Result<Self> {
        let mut kept = Vec::new();
        for file in files {
            let text = crate::rule::read(file)?;
            let found: LedgerCheckpoints =
                serde_json::from_slice(&text).with_context(|| format!("{} holds no checkpoints", file.display()))?;
            for item in &found.items {
                let signed = item.signed().map_err(anyhow::Error::msg);
                kept.push(signed.with_context(|| format!("a checkpoint of {}", file.display()))?);
            }
        }
        Ok(Self { keys: keys.to_vec(), kept })
    }
}

fn is_genuine(signed: &Signed) -> bool {
    VerifyingKey::from_bytes(signed.key.as_bytes()).is_ok_and(|key| {
        key.verify_strict(&signed.checkpoint.message(), &Signature::from_bytes(&signed.signature)).is_ok()
    })
}

/// Says on a terminal how far it is.
fn progress(entries: u64) {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K{entries} entries");
        // A terminal that has gone needs no news.
        let _ = std::io::stderr().flush();
    }
}

fn progress_ends() {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
}

pub(crate) fn run(command: Command) -> Result<Answer> {
    match command {
        Command::Verify { file, database, chain, keys, checkpoints, at, json } => {
            let known = Known::read(&keys, &checkpoints)?;
            let verified = match (file, database) {
                (Some(file), _) => vec![file::verify(&file, &known)?],
                (None, Some(database)) => stored::verify(&database, chain, &known)?,
                (None, None) => {
                    let folder = Spool::new()?;
                    let path = folder.0.join("ledger.jsonl");
                    with_client(&at, |client| export(client, &path))?;
                    vec![file::verify(&path, &known)?]
                }
            };
            progress_ends();
            if json {
                println!("{:#}", tell::as_value(&verified));
            } else {
                for each in &verified {
                    tell::one(each, !known.keys.is_empty());
                }
            }
            Ok(verified.iter().all(Verified::is_sound).into())
        }
        Command::Export { output, at, json } => {
            if output.exists() {
                bail!("{} is there already: move it away or choose another `--output`", output.display());
            }
            let entries = with_client(&at, |client| export(client, &output))?;
            progress_ends();
            if json {
                println!("{}", serde_json::json!({"file": output, "entries": entries}));
            } else {
                println!("{}: {entries} entries; `davyctl ledger verify {0}` verifies them", output.display());
            }
            Ok(Answer::Yes)
        }
        Command::Checkpoint { output, at, json } => {
            let found: LedgerCheckpoints = with_client(&at, |client| client.get("/api/v1/ledger/checkpoints"))?;
            if let Some(file) = &output {
                let mut text = serde_json::to_string_pretty(&found)?;
                text.push('\n');
                std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
            }
            if json {
                println!("{:#}", serde_json::to_value(&found)?);
            } else {
                tell::checkpoints(&found);
            }
            Ok(Answer::Yes)
        }
    }
}

/// With the session of `davyctl login`, or one that ends with the command.
pub(crate) fn with_client<T>(at: &Where, work: impl FnOnce(&Client) -> Result<T>) -> Result<T> {
    let Some((server, email)) = at.server.as_deref().zip(at.email.as_deref()) else {
        return work(&Client::resume()?);
    };
    let client = Client::sign_in(server, email)?;
    let done = work(&client);
    let signed_out = client.sign_out();
    let done = done?;
    signed_out?;
    Ok(done)
}

/// Asks for the chain part by part and writes it as one export; returns how many entries it has.
fn export(client: &Client, output: &Path) -> Result<u64> {
    let failed = || format!("cannot write {}", output.display());
    let file = std::fs::File::create_new(output).with_context(failed)?;
    let mut out = std::io::BufWriter::new(file);
    let (mut after, mut entries) = (0, 0);
    loop {
        let path = format!("/api/v1/ledger/export?after={after}&limit={AT_ONCE}");
        let part = client.bytes(&path)?;
        let mut ended = None;
        let mut signed: Vec<String> = Vec::new();
        for line in part.lines() {
            let line = line.context("the server sent what is no text")?;
            // Told by how they begin: what is in them the verification says.
            if line.starts_with("{\"end\"") {
                ended = Some(LedgerLine::read(&line).map_err(anyhow::Error::msg)?);
            } else if line.starts_with("{\"checkpoint\"") {
                signed.push(line);
            } else if !line.starts_with("{\"format\"") || after == 0 {
                entries += u64::from(!line.starts_with("{\"format\""));
                writeln!(out, "{line}").with_context(failed)?;
            }
        }
        progress(entries);
        match ended {
            Some(LedgerLine::End { seq, more: true }) if seq > after => after = seq,
            Some(end @ LedgerLine::End { more: false, .. }) => {
                for line in signed {
                    writeln!(out, "{line}").with_context(failed)?;
                }
                writeln!(out, "{}", end.write()).with_context(failed)?;
                out.flush().with_context(failed)?;
                return Ok(entries);
            }
            _ => bail!("the answer of the server broke off after entry {after}: try again"),
        }
    }
}

/// A folder that goes when it is no longer needed.
struct Spool(PathBuf);

impl Spool {
    fn new() -> Result<Self> {
        let mut name = [0_u8; 8];
        getrandom::fill(&mut name).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
        let folder = std::env::temp_dir().join(format!("davyctl-{:016x}", u64::from_be_bytes(name)));
        std::fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self(folder))
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        // What cannot be removed the system's own sweeping removes.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
