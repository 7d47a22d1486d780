//! Admission: everything that is checked of a component before it may run, in the order in which it gets expensive.
//!
//! Size → structure (counts and caps, one linear walk) → validation (the whole of it, before anything is compiled) → world
//! (imports refused by name, exports and version) → compile → describe (in the sandbox) → schema.
//!
//! Nothing here may panic, whatever the bytes; nothing is compiled that has not been validated within the caps.

mod describe;
mod structure;
mod world;

use crate::bindings::AlarmPolicyPre;
use crate::engine::Engine;
use crate::instance::Limits;
use crate::rule::RuleDigest;
use davy_rules_sdk::schema::Schema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

/// Where a component was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Its size.
    Size,
    /// Its form and its counts: not a component, too many or too large parts.
    Structure,
    /// It is not valid WebAssembly of the features that are allowed.
    Validation,
    /// It imports something, or does not export an alarm policy of a known version.
    World,
    /// It could not be compiled.
    Compile,
    /// It failed when asked to describe itself, or the description breaks the contract.
    Describe,
    /// Its settings schema is not one that the host understands.
    Schema,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Size => "size",
            Self::Structure => "structure",
            Self::Validation => "validation",
            Self::World => "world",
            Self::Compile => "compile",
            Self::Describe => "describe",
            Self::Schema => "schema",
        })
    }
}

/// Why a component was refused, and what its author can do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("refused at {stage}{}: {reason}. {remedy}", .place.as_ref().map(|place| format!(" ({place})")).unwrap_or_default())]
pub struct Refusal {
    /// How far it came.
    pub stage: Stage,
    /// What was expected and what was found.
    pub reason: String,
    /// Where in the component or its schema.
    pub place: Option<String>,
    /// What to do.
    pub remedy: String,
}

impl Refusal {
    pub(crate) fn new(stage: Stage, reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { stage, reason: reason.into(), place: None, remedy: remedy.into() }
    }

    pub(crate) fn at(mut self, place: impl Into<String>) -> Self {
        self.place = Some(place.into());
        self
    }
}

/// A text in the languages of the platform.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalizedText {
    /// Simplified Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

/// What a rule says of itself, checked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Description {
    /// 1 to 64 lower-case letters, digits and `-`.
    pub name: String,
    /// `MAJOR.MINOR.PATCH` with an optional suffix.
    pub version: String,
    /// For the person who chooses rules.
    pub summary: LocalizedText,
    /// The settings schema as the rule gave it: JSON Schema text.
    pub settings_schema: String,
    /// Texts for alarms by their code, 1 or higher.
    pub texts: Vec<(u16, LocalizedText)>,
    /// The schema as the host understands it.
    #[serde(skip)]
    pub schema: Schema,
}

/// A component that may be loaded.
#[derive(Clone)]
pub struct Admitted {
    pub(crate) pre: AlarmPolicyPre<Limits>,
    pub(crate) digest: RuleDigest,
    pub(crate) description: Arc<Description>,
    pub(crate) size: usize,
}

impl fmt::Debug for Admitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admitted").field("digest", &self.digest).field("size", &self.size).finish_non_exhaustive()
    }
}

impl Admitted {
    /// SHA-256 of the component's bytes.
    pub fn digest(&self) -> RuleDigest {
        self.digest
    }

    /// What the rule says of itself.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The component's size in bytes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The contract that it was found to fulfil.
    pub fn world(&self) -> &'static str {
        world::ALARM_WORLD
    }
}

/// The stack of the compiling thread: the compiler recurses over nested blocks, whose depth the structure check has capped.
const COMPILE_STACK: usize = 64 << 20;

pub(crate) fn admit(engine: &Engine, bytes: &[u8]) -> Result<Admitted, Refusal> {
    let config = engine.config();
    if bytes.len() > config.max_component_size {
        return Err(Refusal::new(
            Stage::Size,
            format!("expected at most {} bytes, got {}", config.max_component_size, bytes.len()),
            "Build with `davyctl rule build`, which optimises for size and strips names; leave data out of the rule",
        ));
    }
    structure::check(bytes, config)?;
    structure::validate(bytes)?;
    world::check(bytes)?;
    let component = compile(engine, bytes)?;
    refuse_imports(engine, &component)?;
    let pre = engine
        .inner()
        .linker
        .instantiate_pre(&component)
        .map_err(|error| Refusal::new(Stage::World, format!("cannot be linked: {error:#}"), world::REBUILD))?;
    let pre = AlarmPolicyPre::new(pre).map_err(|error| {
        Refusal::new(
            Stage::World,
            format!("its exports are not those of {}: {error:#}", world::ALARM_WORLD),
            world::REBUILD,
        )
    })?;
    let description = describe::ask(engine, &pre)?;
    Ok(Admitted { pre, digest: RuleDigest::of(bytes), description: Arc::new(description), size: bytes.len() })
}

fn compile(engine: &Engine, bytes: &[u8]) -> Result<Component, Refusal> {
    let refuse = |reason: String| {
        Refusal::new(Stage::Compile, reason, "Simplify the code at that place, or build with `davyctl rule build`")
    };
    let wasmtime = &engine.inner().wasmtime;
    std::thread::scope(|scope| {
        let compiling = std::thread::Builder::new()
            .name("davy-compile".into())
            .stack_size(COMPILE_STACK)
            .spawn_scoped(scope, || Component::new(wasmtime, bytes))
            .map_err(|error| refuse(format!("no thread for the compiler: {error}")))?;
        match compiling.join() {
            Ok(Ok(component)) => Ok(component),
            Ok(Err(error)) => Err(refuse(format!("{error:#}"))),
            Err(_) => Err(refuse("the compiler gave up on it".into())),
        }
    })
}

/// The second look at the imports, now at what the engine itself understood.
fn refuse_imports(engine: &Engine, component: &Component) -> Result<(), Refusal> {
    let wasmtime = &engine.inner().wasmtime;
    let mut offenders = Vec::new();
    for (name, item) in component.component_type().imports(wasmtime) {
        match item.ty {
            ComponentItem::ComponentInstance(instance) => {
                let functions = instance
                    .exports(wasmtime)
                    .filter(|(_, item)| !matches!(item.ty, ComponentItem::Type(_)))
                    .map(|(function, _)| function);
                offenders.extend(functions.map(|function| format!("{name}#{function}")));
            }
            ComponentItem::Type(_) => {}
            _ => offenders.push(name.to_owned()),
        }
    }
    if offenders.is_empty() { Ok(()) } else { Err(world::refuse_imports(&offenders)) }
}
