//! From a rule's crate to a component: the compiler with the flags that keep it small, and the component encoder.

use crate::cases::{self, CasesError};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use wit_component::ComponentEncoder;

/// The target that brings no system interface with it: a rule built for it has no imports.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// The compiler's and cargo's settings for a rule, as environment variables: an own profile would rebuild every macro crate.
pub const BUILD_ENV: &[(&str, &str)] = &[
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "s"),
    ("CARGO_PROFILE_RELEASE_LTO", "fat"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1"),
    ("CARGO_PROFILE_RELEASE_PANIC", "abort"),
    ("CARGO_PROFILE_RELEASE_STRIP", "symbols"),
    ("CARGO_PROFILE_RELEASE_DEBUG", "false"),
    // Rust's default stack of 1 MiB would have to be cleared for every call; a rule needs a fraction of it.
    ("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", "-Clink-arg=-zstack-size=65536"),
];

/// Why a rule cannot be built or packaged.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The encoder refused the core module.
    #[error(
        "cannot make a component of the module: {reason}. Expected a cdylib for {TARGET} whose crate uses `#[alarm_policy(…)]` or the attribute of another world, or what another language's tools make of wit/"
    )]
    Encode {
        /// The encoder's words.
        reason: String,
    },
    /// cargo could not be started.
    #[error("cargo cannot be started: {0}. Install Rust with rustup")]
    NoCargo(#[source] std::io::Error),
    /// The compiler refused the crate; its messages went to standard error.
    #[error("the crate at {} does not compile; the compiler's messages are above. If it lacks the target: rustup target add {TARGET}", .0.display())]
    Compile(PathBuf),
    /// The crate makes no module.
    #[error("the crate at {} makes no .wasm file: add `[lib] crate-type = [\"cdylib\", \"rlib\"]` to its Cargo.toml", .0.display())]
    NoModule(PathBuf),
    /// The fixtures cannot be packed.
    #[error("the fixtures cannot be packed: {0}")]
    Cases(#[from] CasesError),
    /// A component that carries cases already gets no others.
    #[error(
        "the component carries {0} case(s) already: give the one that the language's tools wrote, or leave the fixtures out"
    )]
    HasCases(usize),
    /// The module cannot be read.
    #[error("{} cannot be read: {source}", .file.display())]
    Read {
        /// The module.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// A rule that was built.
#[derive(Clone, Debug)]
pub struct BuiltRule {
    /// The crate's name.
    pub name: String,
    /// The component.
    pub component: Vec<u8>,
}

/// Makes a component of a core module that was built with the SDK: the module carries the description of its interfaces with
/// it. The same module always gives the same bytes.
///
/// # Errors
/// [`PackageError::Encode`] when the module carries no interfaces, or imports what is no interface.
pub fn componentize(core: &[u8]) -> Result<Vec<u8>, PackageError> {
    let mut encoder = ComponentEncoder::default();
    encoder.validate(true);
    encoder
        .module(core)
        .and_then(ComponentEncoder::encode)
        .map_err(|error| PackageError::Encode { reason: format!("{error:#}") })
}

/// Makes a rule of what another language's tools have made: a component stays as it is, a core module with the description of its
/// interfaces in it becomes one; `fixtures` is the folder of the cases that it must pass before it is let in.
///
/// # Errors
/// [`PackageError`] when the bytes are neither, when the fixtures are none, or when the component carries cases already.
pub fn pack(bytes: &[u8], fixtures: Option<&Path>) -> Result<Vec<u8>, PackageError> {
    let component = if wasmparser::Parser::is_component(bytes) { bytes.to_vec() } else { componentize(bytes)? };
    let Some(fixtures) = fixtures else { return Ok(component) };
    match cases::of(&component)?.len() {
        0 => Ok(cases::embed(&component, &cases::read_folder(fixtures)?)?),
        count => Err(PackageError::HasCases(count)),
    }
}

/// Compiles a rule's crate and makes a component of it, with the crate's `fixtures/*.json` as the cases that it must pass before it is
/// let in. The compiler's messages go to standard error.
///
/// `target_dir` is cargo's own choice when absent.
///
/// # Errors
/// [`PackageError`] says what to do.
pub fn build_crate(path: &Path, target_dir: Option<&Path>) -> Result<BuiltRule, PackageError> {
    build_crate_with(path, None, target_dir)
}

/// As [`build_crate`], with the fixtures of another folder when one is given.
///
/// # Errors
/// As [`build_crate`].
pub fn build_crate_with(
    path: &Path,
    fixtures: Option<&Path>,
    target_dir: Option<&Path>,
) -> Result<BuiltRule, PackageError> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--release", "--lib", "--target", TARGET, "--message-format=json-render-diagnostics"])
        .current_dir(path)
        .envs(BUILD_ENV.iter().copied())
        // Flags of an outer build are for another machine than the rule's.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .stderr(Stdio::inherit());
    if let Some(target_dir) = target_dir {
        cargo.arg("--target-dir").arg(target_dir);
    }
    let output = cargo.output().map_err(PackageError::NoCargo)?;
    if !output.status.success() {
        return Err(PackageError::Compile(path.into()));
    }
    let (name, file) = module(&output.stdout).ok_or_else(|| PackageError::NoModule(path.into()))?;
    let core = std::fs::read(&file).map_err(|source| PackageError::Read { file, source })?;
    let own = path.join("fixtures");
    let fixtures = fixtures.or(Some(&own).filter(|folder| folder.is_dir()).map(PathBuf::as_path));
    Ok(BuiltRule { name, component: pack(&core, fixtures)? })
}

/// The last module that cargo says it made: the crate's own, for its dependencies come first.
fn module(messages: &[u8]) -> Option<(String, PathBuf)> {
    let text = String::from_utf8_lossy(messages);
    let artifacts = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut modules = artifacts.filter_map(|message| {
        let files = message.get("filenames")?.as_array()?;
        let file = files
            .iter()
            .filter_map(|file| file.as_str())
            .find(|file| Path::new(file).extension().is_some_and(|extension| extension == "wasm"))?;
        let name = message.get("target")?.get("name")?.as_str()?;
        Some((name.replace('_', "-"), PathBuf::from(file)))
    });
    modules.next_back()
}
