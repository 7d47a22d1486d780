//! `davyctl rule build`: from a crate, or from what another language's tools have made, to a rule with its cases.

use super::read;
use crate::exit::Answer;
use anyhow::{Context, Result};
use davy_rules::package::{self, BuiltRule};
use davy_rules::{RuleDigest, Tier};
use std::path::{Path, PathBuf};

pub(crate) fn run(
    path: &Path,
    component: Option<&Path>,
    fixtures: Option<&Path>,
    output: Option<&Path>,
) -> Result<Answer> {
    let BuiltRule { name, component } = if let Some(file) = component {
        let component = package::pack(&read(file)?, fixtures)
            .with_context(|| format!("{} cannot be made a rule of", file.display()))?;
        BuiltRule { name: file.file_stem().unwrap_or_default().to_string_lossy().into_owned(), component }
    } else {
        eprintln!("compiling {} for {}", path.display(), package::TARGET);
        package::build_crate_with(path, fixtures, None)?
    };
    let output = output.map_or_else(|| PathBuf::from(format!("{name}.wasm")), Path::to_path_buf);
    std::fs::write(&output, &component).with_context(|| format!("cannot write {}", output.display()))?;
    println!("{}  {} bytes  {}", output.display(), component.len(), RuleDigest::of(&component));
    let tier = if component.len() > Tier::Standard.caps().component_size { " --tier large" } else { "" };
    eprintln!("next: davyctl rule check{tier} {}", output.display());
    Ok(Answer::Yes)
}
