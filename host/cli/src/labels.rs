//! `davyctl labels`: sheets of labels for devices, as the server draws them, into a file.

use crate::exit::Answer;
use crate::ledger::{Where, with_client};
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// How large a label is.
#[derive(Clone, Copy, ValueEnum)]
enum Size {
    /// 48 × 25 mm, 44 to a sheet
    Small,
    /// 64 × 40 mm, 21 to a sheet
    Medium,
    /// 96 × 56 mm, 10 to a sheet
    Large,
}

#[derive(Args)]
pub(crate) struct Arguments {
    /// Serial numbers
    #[arg(required_unless_present = "import")]
    serials: Vec<String>,
    /// The devices that this import (imp_…) has added
    #[arg(long, value_name = "IMPORT")]
    import: Option<String>,
    #[arg(long, value_enum, default_value = "medium")]
    size: Size,
    /// The file, .pdf with every sheet or .svg with one; never over one that is there
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Which sheet, for .svg
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    page: u32,
    #[command(flatten)]
    at: Where,
    /// Print JSON for programs instead of text for people
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Answer> {
    let Arguments { serials, import, size, output, page, at, json } = arguments;
    let format = match output.extension().and_then(|it| it.to_str()) {
        Some("pdf") => "pdf",
        Some("svg") => "svg",
        _ => bail!("{}: expected a name that ends with .pdf or .svg", output.display()),
    };
    let size = match size {
        Size::Small => "small",
        Size::Medium => "medium",
        Size::Large => "large",
    };
    let mut query = vec![("size", size.to_owned()), ("format", format.to_owned()), ("page", page.to_string())];
    query.extend(import.as_ref().map(|import| ("import", import.clone())));
    if !serials.is_empty() {
        query.push(("serials", serials.join("\n")));
    }
    let sheet = with_client(at, |client| client.bytes_of("/api/v1/device-labels", &query))?;
    let failed = || format!("cannot write {}", output.display());
    let mut file = std::fs::File::create_new(output).with_context(failed)?;
    std::io::Write::write_all(&mut file, &sheet).with_context(failed)?;
    if *json {
        println!("{}", serde_json::json!({"file": output, "bytes": sheet.len()}));
    } else {
        println!("{}: print it on A4 at 100 % and cut along the marks", output.display());
    }
    Ok(Answer::Yes)
}
