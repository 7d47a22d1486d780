//! Admission: everything that is checked of a component before it may run, in the order in which it gets expensive.
//!
//! Size → structure (counts and caps, one linear walk) → validation (the whole of it, before anything is compiled) → world
//! (imports refused by name, exports and version) → compile → describe (in the sandbox) → schema.
//!
//! Nothing here may panic, whatever the bytes; nothing is compiled that has not been validated within the caps.

mod describe;
mod structure;
mod world;

use crate::digest::RuleDigest;
use crate::driver::AboutDriver;
use crate::engine::Engine;
use crate::world::{Alarm, Billing, DeviceDriver, Linked, Notification, World, WorldKind};
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
    /// It imports something, or does not export one world of a known version.
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
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
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
    /// What a driver says of itself besides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<AboutDriver>,
    /// The schema as the host understands it.
    #[serde(skip)]
    pub schema: Schema,
}

/// A component that may be loaded: an alarm policy, unless another world is named.
pub struct Admitted<W: World = Alarm> {
    pub(crate) pre: W::Pre,
    pub(crate) digest: RuleDigest,
    pub(crate) description: Arc<Description>,
    pub(crate) size: usize,
}

impl<W: World> Clone for Admitted<W> {
    fn clone(&self) -> Self {
        let Self { pre, digest, description, size } = self;
        Self { pre: pre.clone(), digest: *digest, description: Arc::clone(description), size: *size }
    }
}

impl<W: World> fmt::Debug for Admitted<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admitted")
            .field("world", &W::KIND)
            .field("digest", &self.digest)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl<W: World> Admitted<W> {
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
    pub fn world(&self) -> WorldKind {
        W::KIND
    }
}

/// A component that may be loaded, of whichever world it is.
#[derive(Clone, Debug)]
pub enum AnyAdmitted {
    /// An alarm policy.
    Alarm(Admitted<Alarm>),
    /// A billing policy.
    Billing(Admitted<Billing>),
    /// A notification policy.
    Notification(Admitted<Notification>),
    /// A device driver.
    Driver(Admitted<DeviceDriver>),
}

impl AnyAdmitted {
    /// SHA-256 of the component's bytes.
    pub fn digest(&self) -> RuleDigest {
        match self {
            Self::Alarm(admitted) => admitted.digest,
            Self::Billing(admitted) => admitted.digest,
            Self::Notification(admitted) => admitted.digest,
            Self::Driver(admitted) => admitted.digest,
        }
    }

    /// What the rule says of itself.
    pub fn description(&self) -> &Description {
        match self {
            Self::Alarm(admitted) => &admitted.description,
            Self::Billing(admitted) => &admitted.description,
            Self::Notification(admitted) => &admitted.description,
            Self::Driver(admitted) => &admitted.description,
        }
    }

    /// The component's size in bytes.
    pub fn size(&self) -> usize {
        match self {
            Self::Alarm(admitted) => admitted.size,
            Self::Billing(admitted) => admitted.size,
            Self::Notification(admitted) => admitted.size,
            Self::Driver(admitted) => admitted.size,
        }
    }

    /// The contract that it was found to fulfil.
    pub fn world(&self) -> WorldKind {
        match self {
            Self::Alarm(admitted) => admitted.world(),
            Self::Billing(admitted) => admitted.world(),
            Self::Notification(admitted) => admitted.world(),
            Self::Driver(admitted) => admitted.world(),
        }
    }
}

/// The stack of the compiling thread: the compiler recurses over nested blocks, whose depth the structure check has capped.
const COMPILE_STACK: usize = 64 << 20;

/// Everything, for a component that must be of one world.
pub(crate) fn admit<W: World>(engine: &Engine, bytes: &[u8]) -> Result<Admitted<W>, Refusal> {
    match inspect(engine, bytes)? {
        kind if kind == W::KIND => complete(engine, bytes),
        kind => Err(Refusal::new(
            Stage::World,
            format!("expected {} ({}), got {} ({kind})", W::KIND.words(), W::KIND, kind.words()),
            format!("Give {} here, or use this one where {} belongs", W::KIND.words(), kind.words()),
        )),
    }
}

/// Everything, for a component of whichever world.
pub(crate) fn admit_any(engine: &Engine, bytes: &[u8]) -> Result<AnyAdmitted, Refusal> {
    Ok(match inspect(engine, bytes)? {
        WorldKind::AlarmPolicy => AnyAdmitted::Alarm(complete(engine, bytes)?),
        WorldKind::BillingPolicy => AnyAdmitted::Billing(complete(engine, bytes)?),
        WorldKind::NotificationPolicy => AnyAdmitted::Notification(complete(engine, bytes)?),
        WorldKind::DeviceDriver => AnyAdmitted::Driver(complete(engine, bytes)?),
    })
}

/// What can be said of the bytes without compiling them; which world they are of.
fn inspect(engine: &Engine, bytes: &[u8]) -> Result<WorldKind, Refusal> {
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
    world::check(bytes)
}

/// Compiles what was inspected, and asks it what it is.
fn complete<W: World>(engine: &Engine, bytes: &[u8]) -> Result<Admitted<W>, Refusal> {
    let component = compile(engine, bytes)?;
    refuse_imports(engine, &component)?;
    let pre = engine
        .inner()
        .linker
        .instantiate_pre(&component)
        .map_err(|error| Refusal::new(Stage::World, format!("cannot be linked: {error:#}"), world::REBUILD))?;
    let pre = <W as Linked>::link(pre).map_err(|error| {
        Refusal::new(Stage::World, format!("its exports are not those of {}: {error:#}", W::KIND), world::REBUILD)
    })?;
    let description = describe::ask::<W>(engine, &pre)?;
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
