//! `davyctl login`: a session that the next commands go on with.
//!
//! What is kept is the session alone, never a password, in a file that nobody else can read. It ends as any session does.

use crate::client::{Client, Session};
use crate::exit::Answer;
use anyhow::{Context, Result};
use clap::Args;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The server, such as `https://gas.example`
    #[arg(long, value_name = "URL", env = "DAVY_SERVER")]
    server: String,
    /// Who signs in; the password is asked for, or taken from DAVY_PASSWORD, and the code of a second factor from DAVY_CODE
    #[arg(long, value_name = "ADDRESS", env = "DAVY_EMAIL")]
    email: String,
    /// Print JSON for programs instead of text for people
    #[arg(long)]
    json: bool,
}

pub(crate) fn login(arguments: &Arguments) -> Result<Answer> {
    let (client, name) = Client::sign_in_named(&arguments.server, &arguments.email)?;
    let file = file()?;
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    // Made anew, so that the mode holds also where an older file had another.
    let _ = std::fs::remove_file(&file);
    let mut out = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&file)
        .with_context(|| format!("cannot make {}", file.display()))?;
    out.write_all(&serde_json::to_vec(client.session())?)
        .with_context(|| format!("cannot write {}", file.display()))?;
    if arguments.json {
        println!("{}", serde_json::json!({"signed-in": name, "server": arguments.server}));
    } else {
        println!("signed in as {name}; `davyctl logout` ends it");
    }
    Ok(Answer::Yes)
}

pub(crate) fn logout() -> Result<Answer> {
    let signed_out = Client::resume()?.sign_out();
    let file = file()?;
    std::fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
    signed_out?;
    println!("signed out");
    Ok(Answer::Yes)
}

/// The kept session.
pub(crate) fn kept() -> Result<Session> {
    let file = file()?;
    let text = std::fs::read(&file)
        .with_context(|| format!("nobody is signed in ({} cannot be read): use `davyctl login`", file.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is none of ours: use `davyctl login`", file.display()))
}

/// By the XDG base directories.
fn file() -> Result<PathBuf> {
    let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let config = config.or_else(|| std::env::home_dir().map(|home| home.join(".config")));
    Ok(config
        .context("there is no home directory to keep a session in: set XDG_CONFIG_HOME")?
        .join("davy/session.json"))
}
