//! `davyctl rule new`: a crate that compiles, passes its own test, and says by example how it goes on.

use crate::exit::Answer;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};

const CARGO: &str = include_str!("template/Cargo.toml.in");
const LIB: &str = include_str!("template/lib.rs.in");
const TEST: &str = include_str!("template/fixtures.rs.in");
const FIXTURE: &str = include_str!("template/leak.json.in");
const IGNORE: &str = "/target\n*.wasm\n";

pub(crate) fn run(name: &str, sdk: &Path, path: Option<&Path>) -> Result<Answer> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    ensure!(
        (1..=64).contains(&name.len()) && name.bytes().all(plain) && name.as_bytes()[0].is_ascii_lowercase(),
        "expected a name of 1 to 64 lower-case letters, digits and `-` that begins with a letter, got `{name}`"
    );
    let sdk = fs::canonicalize(sdk).with_context(|| format!("no rules SDK at {}", sdk.display()))?;
    ensure!(
        fs::read_to_string(sdk.join("Cargo.toml")).is_ok_and(|text| text.contains("name = \"davy-rules-sdk\"")),
        "{} is not the rules SDK: expected the folder `rules-sdk` of the platform's source",
        sdk.display()
    );
    let folder = path.map_or_else(|| PathBuf::from(name), Path::to_path_buf);
    ensure!(!folder.exists(), "{} exists already: choose another place with --path", folder.display());

    let fill = |text: &str| {
        text.replace("{{name}}", name)
            .replace("{{module}}", &name.replace('-', "_"))
            .replace("{{sdk}}", &sdk.display().to_string())
    };
    for (file, text) in [
        ("Cargo.toml", CARGO),
        ("src/lib.rs", LIB),
        ("tests/fixtures.rs", TEST),
        ("fixtures/leak.json", FIXTURE),
        (".gitignore", IGNORE),
    ] {
        let file = folder.join(file);
        let parent = file.parent().unwrap_or(&folder);
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        fs::write(&file, fill(text)).with_context(|| format!("cannot write {}", file.display()))?;
    }
    println!("{}", folder.display());
    eprintln!(
        "next:
  cd {}
  cargo test                       # the fixtures, natively
  davyctl rule build               # a component
  davyctl rule test {name}.wasm --fixtures fixtures   # the same fixtures, in the sandbox",
        folder.display()
    );
    Ok(Answer::Yes)
}
