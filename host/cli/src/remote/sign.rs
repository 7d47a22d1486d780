//! `davyctl rule sign`: a company's own word for a component, which the server can be told to ask for.

use crate::exit::Answer;
use crate::rule::read;
use anyhow::{Context, Result, bail};
use clap::Args;
use davy_rules::RuleDigest;
use ed25519_dalek::{Signer, SigningKey};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What is signed, before the 32 bytes of the component's SHA-256.
const PURPOSE: &[u8] = b"davy-rule/1:";

#[derive(Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["file", "new_key"])))]
pub(crate) struct Arguments {
    /// The component
    #[arg(requires = "key")]
    file: Option<PathBuf>,
    /// The key to sign with
    #[arg(long, value_name = "FILE", conflicts_with = "new_key")]
    key: Option<PathBuf>,
    /// Make a new key in this file instead, and print its public part
    #[arg(long, value_name = "FILE")]
    new_key: Option<PathBuf>,
}

pub(crate) fn sign(arguments: &Arguments) -> Result<Answer> {
    match arguments {
        Arguments { new_key: Some(file), .. } => {
            let mut secret = [0; 32];
            getrandom::fill(&mut secret).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
            let key = SigningKey::from_bytes(&secret);
            let mut out = std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(file)
                .with_context(|| format!("cannot make {}", file.display()))?;
            writeln!(out, "{}", hex(&secret)).with_context(|| format!("cannot write {}", file.display()))?;
            println!("public key {}", hex(key.verifying_key().as_bytes()));
        }
        Arguments { file: Some(file), key: Some(key), .. } => {
            let (signer, signature) = signature(key, &read(file)?)?;
            println!("signer    {signer}\nsignature {signature}");
        }
        // The parser lets nothing else through.
        _ => bail!("expected a component with `--key`, or `--new-key`"),
    }
    Ok(Answer::Yes)
}

/// The public key and the signature over a component, hexadecimal.
pub(super) fn signature(key: &Path, component: &[u8]) -> Result<(String, String)> {
    let text = std::fs::read_to_string(key).with_context(|| format!("cannot read {}", key.display()))?;
    let secret = from_hex(text.trim());
    let secret = secret.with_context(|| {
        format!("expected 64 hexadecimal digits in {}, as `davyctl rule sign --new-key` writes them", key.display())
    })?;
    let key = SigningKey::from_bytes(&secret);
    let message = [PURPOSE, RuleDigest::of(component).as_bytes()].concat();
    Ok((hex(key.verifying_key().as_bytes()), hex(&key.sign(&message).to_bytes())))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 {
        return None;
    }
    let bytes: Option<Vec<u8>> = (0..32).map(|at| u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()).collect();
    bytes?.try_into().ok()
}
