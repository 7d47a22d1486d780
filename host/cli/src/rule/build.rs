//! `davyctl rule build`.

use crate::exit::Answer;
use anyhow::{Context, Result};
use davy_rules::{RuleDigest, package};
use std::path::{Path, PathBuf};

pub(crate) fn run(path: &Path, output: Option<&Path>) -> Result<Answer> {
    eprintln!("compiling {} for {}", path.display(), package::TARGET);
    let built = package::build_crate(path, None)?;
    let output = output.map_or_else(|| PathBuf::from(format!("{}.wasm", built.name)), Path::to_path_buf);
    std::fs::write(&output, &built.component).with_context(|| format!("cannot write {}", output.display()))?;
    println!("{}  {} bytes  {}", output.display(), built.component.len(), RuleDigest::of(&built.component));
    eprintln!("next: davyctl rule check {}", output.display());
    Ok(Answer::Yes)
}
