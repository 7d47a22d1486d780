//! `davyctl rule new`: a crate that compiles, passes its own test, and says by example how it goes on. It stands for itself: nothing
//! of this repository is needed but the rules SDK, from a folder or from a registry.

use crate::exit::Answer;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};

const CARGO: &str = include_str!("template/Cargo.toml.in");
const TEST: &str = include_str!("template/fixtures.rs.in");
const IGNORE: &str = "/target\n*.wasm\n";

/// What kind of rule; a world of the contract.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum World {
    /// Per device: readings to alarms
    Alarm,
    /// Per account: volume to charges, arrears to notices
    Billing,
    /// Per alarm: whom to tell
    Notification,
    /// Per device model: bytes to readings
    Driver,
}

impl World {
    /// The rule's source and its first fixture.
    const fn template(self) -> (&'static str, &'static str) {
        match self {
            Self::Alarm => (include_str!("template/alarm/lib.rs.in"), include_str!("template/alarm/fixture.json.in")),
            Self::Billing => {
                (include_str!("template/billing/lib.rs.in"), include_str!("template/billing/fixture.json.in"))
            }
            Self::Notification => {
                (include_str!("template/notification/lib.rs.in"), include_str!("template/notification/fixture.json.in"))
            }
            Self::Driver => {
                (include_str!("template/driver/lib.rs.in"), include_str!("template/driver/fixture.json.in"))
            }
        }
    }

    /// What the rule's own test runs: the harness's name for it, and the type in the crate.
    const fn native(self) -> (&'static str, &'static str) {
        match self {
            Self::Alarm | Self::Billing | Self::Notification => ("Native", "Policy"),
            Self::Driver => ("NativeDriver", "Meter"),
        }
    }
}

/// Where the rules SDK comes from.
#[derive(clap::Args)]
#[group(skip)]
#[command(group(clap::ArgGroup::new("source").required(true).args(["folder", "sdk_version"])))]
pub(crate) struct Sdk {
    /// The folder of the rules SDK (`rules-sdk` in the platform's source)
    #[arg(long = "sdk", value_name = "PATH")]
    folder: Option<PathBuf>,
    /// The version of the rules SDK in a registry
    #[arg(long, value_name = "VERSION")]
    sdk_version: Option<String>,
    /// The registry's name in cargo's configuration [default: cargo's own]
    #[arg(long, value_name = "NAME", requires = "sdk_version")]
    registry: Option<String>,
}

impl Sdk {
    /// The dependency's source, as it stands in Cargo.toml.
    fn dependency(&self) -> Result<String> {
        if let Some(version) = &self.sdk_version {
            let name = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "._-+=^~*".contains(c));
            ensure!(name(version), "expected a version such as 0.1, got `{version}`");
            let registry = self.registry.as_deref().unwrap_or_default();
            ensure!(name(registry), "expected a registry's name, got `{registry}`");
            let registry = if registry.is_empty() { String::new() } else { format!(", registry = \"{registry}\"") };
            return Ok(format!("version = \"{version}\"{registry}"));
        }
        let folder = self.folder.as_deref().unwrap_or(Path::new("rules-sdk"));
        let sdk = fs::canonicalize(folder).with_context(|| format!("no rules SDK at {}", folder.display()))?;
        ensure!(
            fs::read_to_string(sdk.join("Cargo.toml")).is_ok_and(|text| text.contains("name = \"davy-rules-sdk\"")),
            "{} is not the rules SDK: expected the folder `rules-sdk` of the platform's source",
            sdk.display()
        );
        Ok(format!("path = \"{}\"", sdk.display()))
    }
}

pub(crate) fn run(name: &str, world: World, sdk: &Sdk, path: Option<&Path>) -> Result<Answer> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    ensure!(
        (1..=64).contains(&name.len()) && name.bytes().all(plain) && name.as_bytes()[0].is_ascii_lowercase(),
        "expected a name of 1 to 64 lower-case letters, digits and `-` that begins with a letter, got `{name}`"
    );
    let dependency = sdk.dependency()?;
    let folder = path.map_or_else(|| PathBuf::from(name), Path::to_path_buf);
    ensure!(!folder.exists(), "{} exists already: choose another place with --path", folder.display());

    let (source, fixture) = world.template();
    let (native, rule) = world.native();
    let fill = |text: &str| {
        text.replace("{{name}}", name)
            .replace("{{module}}", &name.replace('-', "_"))
            .replace("{{sdk}}", &dependency)
            .replace("{{native}}", native)
            .replace("{{rule}}", rule)
    };
    for (file, text) in [
        ("Cargo.toml", CARGO),
        ("src/lib.rs", source),
        ("tests/fixtures.rs", TEST),
        ("fixtures/first.json", fixture),
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
  davyctl rule check {name}.wasm     # what the server would say
  davyctl rule test {name}.wasm      # the same fixtures, in the sandbox",
        folder.display()
    );
    Ok(Answer::Yes)
}
