//! The stages one after the other, in whichever process they run.
//!
//! Before a stage begins it is named to the caller, so that of a process that was killed it is known how far it came.

use super::admitted::{Admitted, AnyAdmitted};
use super::{Refusal, Stage, describe, structure, world};
use crate::cases;
use crate::config::Tier;
use crate::conformance;
use crate::digest::RuleDigest;
use crate::engine::Engine;
use crate::rule::SettingsError;
use crate::world::{Linked, World, WorldKind};
use davy_domain::floor::Floor;
use davy_domain::refusal::{Advice, Place, Reason};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

/// The stack of the compiling thread: the compiler recurses over nested blocks, whose depth the structure check has capped.
const COMPILE_STACK: usize = 64 << 20;

/// Told of each stage before it begins.
pub(super) type Begun<'a> = &'a mut dyn FnMut(Stage);

/// What an examination found beside the component itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// Its own cases, all of which came out as they say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cases: Vec<cases::Passed>,
    /// What the statutory suite found, for an alarm policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conformance: Option<conformance::Report>,
}

/// Everything that is checked, the costly trials among it; with the settings that the component comes with, those too.
pub(super) fn examine(
    engine: &Engine,
    bytes: &[u8],
    tier: Tier,
    floor: &Floor,
    settings: Option<&str>,
    begun: Begun<'_>,
) -> Result<(AnyAdmitted, Report), Refusal> {
    let admitted = check(engine, bytes, tier, begun)?;
    begun(Stage::Cases);
    let own = cases::of(bytes).map_err(|error| cases::refuse(&error))?;
    let passed = match &admitted {
        AnyAdmitted::Alarm(admitted) => cases::admit(engine, admitted, &own),
        AnyAdmitted::Billing(admitted) => cases::admit(engine, admitted, &own),
        AnyAdmitted::Notification(admitted) => cases::admit(engine, admitted, &own),
        AnyAdmitted::Driver(admitted) => cases::admit(engine, admitted, &own),
    }?;
    let conformance = match &admitted {
        AnyAdmitted::Alarm(policy) => {
            begun(Stage::Conformance);
            Some(conformance::admit(&engine.load(policy), floor)?)
        }
        AnyAdmitted::Billing(_) | AnyAdmitted::Notification(_) | AnyAdmitted::Driver(_) => None,
    };
    if let Some(settings) = settings {
        begun(Stage::Settings);
        try_settings(engine, &admitted, floor, settings)?;
    }
    Ok((admitted, Report { cases: passed, conformance }))
}

/// Settings must fit the component, and keep an alarm policy as strict as the law.
fn try_settings(engine: &Engine, admitted: &AnyAdmitted, floor: &Floor, settings: &str) -> Result<(), Refusal> {
    let unfit = |error: SettingsError| {
        let code = match &error {
            SettingsError::Field { .. } => Reason::SettingUnfit,
            SettingsError::Contradiction { .. } => Reason::SettingContradiction,
            SettingsError::Tried(_) => Reason::SettingsFail,
        };
        let fit = "Give it settings that fit its schema: `davyctl rule check` prints names, ranges and units";
        let refusal = Refusal::new(Stage::Settings, (code, error.to_string()), (Advice::FitSchema, fit));
        let (refusal, field) = match error {
            SettingsError::Field { field, expected, got } => {
                (refusal.with("expected", expected).with("got", got), field)
            }
            SettingsError::Contradiction { field, message } => (refusal.with("detail", message), field),
            SettingsError::Tried(fault) => return refusal.with("fault", fault.kind()).with("detail", fault),
        };
        let refusal = refusal.with("field", &field);
        if field.is_empty() { refusal } else { refusal.at(Place::Setting, format!("setting `{field}`")) }
    };
    match admitted {
        AnyAdmitted::Alarm(policy) => {
            let rule = engine.load(policy);
            let encoded = rule.encode_settings(settings).map_err(unfit)?;
            conformance::with_settings(&rule, floor, settings, encoded)
        }
        AnyAdmitted::Billing(policy) => engine.load(policy).encode_settings(settings).map(drop).map_err(unfit),
        AnyAdmitted::Notification(policy) => engine.load(policy).encode_settings(settings).map(drop).map_err(unfit),
        AnyAdmitted::Driver(driver) => engine.load(driver).encode_settings(settings).map(drop).map_err(unfit),
    }
}

/// What must hold of every component before it is loaded, whichever world it is of.
pub(super) fn check(engine: &Engine, bytes: &[u8], tier: Tier, begun: Begun<'_>) -> Result<AnyAdmitted, Refusal> {
    let kind = inspect(engine, bytes, tier, begun)?;
    begun(Stage::Compile);
    let component = compile(engine, bytes)?;
    refuse_imports(engine, &component)?;
    begun(Stage::Describe);
    let digest = RuleDigest::of(bytes);
    let size = bytes.len();
    Ok(match kind {
        WorldKind::AlarmPolicy => AnyAdmitted::Alarm(complete(engine, &component, digest, size, tier)?),
        WorldKind::BillingPolicy => AnyAdmitted::Billing(complete(engine, &component, digest, size, tier)?),
        WorldKind::NotificationPolicy => AnyAdmitted::Notification(complete(engine, &component, digest, size, tier)?),
        WorldKind::DeviceDriver => AnyAdmitted::Driver(complete(engine, &component, digest, size, tier)?),
    })
}

/// Everything but the trials, for a component that must be of one world.
pub(crate) fn admit<W: World>(engine: &Engine, bytes: &[u8], tier: Tier) -> Result<Admitted<W>, Refusal> {
    let kind = inspect(engine, bytes, tier, &mut |_| {})?;
    if kind != W::KIND {
        return Err(other_world(W::KIND, kind));
    }
    let component = compile(engine, bytes)?;
    refuse_imports(engine, &component)?;
    complete(engine, &component, RuleDigest::of(bytes), bytes.len(), tier)
}

/// Everything but the trials, for a component of whichever world.
pub(crate) fn admit_any(engine: &Engine, bytes: &[u8]) -> Result<AnyAdmitted, Refusal> {
    check(engine, bytes, Tier::Standard, &mut |_| {})
}

/// A component of another world than the one that is wanted.
pub(super) fn other_world(wanted: WorldKind, got: WorldKind) -> Refusal {
    let reason = format!("expected {} ({wanted}), got {} ({got})", wanted.words(), got.words());
    let remedy = format!("Give {} here, or use this one where {} belongs", wanted.words(), got.words());
    Refusal::new(Stage::World, (Reason::OtherWorld, reason), (Advice::RightPlace, remedy))
        .with("wanted", wanted.short_name())
        .with("is", got.short_name())
}

/// The one check that needs nothing but the length.
pub(super) fn size(bytes: &[u8], tier: Tier) -> Result<(), Refusal> {
    let most = tier.caps().component_size;
    if bytes.len() <= most {
        return Ok(());
    }
    let remedy = match tier {
        Tier::Standard => (
            Advice::SmallerOrLargeTier,
            "Build with `davyctl rule build`, which optimises for size and strips names; leave data out of the rule; a rule that brings an interpreter with it belongs into the large tier",
        ),
        Tier::Large => (Advice::NoData, "Leave data out of the rule"),
    };
    let reason = format!("expected at most {most} bytes in the {tier} tier, got {}", bytes.len());
    let refusal = Refusal::new(Stage::Size, (Reason::TooLarge, reason), remedy);
    Err(refusal.with("most", most).with("tier", tier).with("got", bytes.len()))
}

/// What can be said of the bytes without compiling them; which world they are of.
fn inspect(engine: &Engine, bytes: &[u8], tier: Tier, begun: Begun<'_>) -> Result<WorldKind, Refusal> {
    begun(Stage::Size);
    size(bytes, tier)?;
    begun(Stage::Structure);
    structure::check(bytes, engine.config(), tier)?;
    begun(Stage::Validation);
    structure::validate(bytes)?;
    begun(Stage::World);
    world::check(bytes)
}

/// Links what was compiled, and asks it what it is.
fn complete<W: World>(
    engine: &Engine,
    component: &Component,
    digest: RuleDigest,
    size: usize,
    tier: Tier,
) -> Result<Admitted<W>, Refusal> {
    let pre = link::<W>(engine, component)?;
    let description = describe::ask::<W>(engine, &pre, tier)?;
    Ok(Admitted { pre, digest, description: Arc::new(description), size, tier })
}

/// A compiled component as one of a world.
pub(super) fn link<W: World>(engine: &Engine, component: &Component) -> Result<W::Pre, Refusal> {
    let pre = engine.inner().linker.instantiate_pre(component).map_err(|error| {
        let reason = format!("cannot be linked: {error:#}");
        Refusal::new(Stage::World, (Reason::Unlinkable, reason), world::REBUILD).with("detail", format!("{error:#}"))
    })?;
    <W as Linked>::link(pre).map_err(|error| world::other_exports(W::KIND, &error))
}

fn compile(engine: &Engine, bytes: &[u8]) -> Result<Component, Refusal> {
    let refuse = |code, reason: String| {
        let remedy = "Simplify the code at that place, or build with `davyctl rule build`";
        Refusal::new(Stage::Compile, (code, reason), (Advice::Simplify, remedy))
    };
    let wasmtime = &engine.inner().wasmtime;
    std::thread::scope(|scope| {
        let compiling = std::thread::Builder::new()
            .name("davy-compile".into())
            .stack_size(COMPILE_STACK)
            .spawn_scoped(scope, || Component::new(wasmtime, bytes))
            .map_err(|error| {
                refuse(Reason::NoThread, format!("no thread for the compiler: {error}")).with("detail", error)
            })?;
        match compiling.join() {
            Ok(Ok(component)) => Ok(component),
            Ok(Err(error)) => {
                let detail = format!("{error:#}");
                Err(refuse(Reason::NotCompiled, detail.clone()).with("detail", detail))
            }
            Err(_) => Err(refuse(Reason::CompilerGaveUp, "the compiler gave up on it".into())),
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
