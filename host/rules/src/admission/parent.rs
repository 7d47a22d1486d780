//! The parent's side: starts the child, feeds it, ends it in time, and says in words why it died.
//!
//! The bytes of the component are looked at by nobody in this process: they go from the caller to the child, and what comes back is
//! the child's finding and its compiled artifact.

use super::examine;
use super::wire::{self, Answer, Extent, Frame, ProcessLimits, Request};
use super::{Admitted, AnyAdmitted, Refusal, Report, Stage};
use crate::cache::{self, CompileCache};
use crate::config::Tier;
use crate::digest::RuleDigest;
use crate::engine::Engine;
use crate::instance::Places;
use crate::world::{Alarm, Billing, DeviceDriver, Notification, World, WorldKind};
use davy_domain::floor::Floor;
use davy_domain::refusal::{Advice, Reason};
use rustix::process::Signal;
use std::ffi::OsString;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};
use std::{io, thread};
use wasmtime::component::Component;

/// Children at once: each may take a processor and its whole memory.
const AT_ONCE: u32 = 2;

/// How components from outside are admitted. Cheap to clone; clones share the limit on children at once.
#[derive(Clone, Debug)]
pub struct Admission {
    place: Place,
    limits: Option<ProcessLimits>,
    floor: Arc<Floor>,
    at_once: Arc<Places>,
}

#[derive(Clone, Debug)]
enum Place {
    Child { program: PathBuf, arguments: Vec<OsString> },
    Here,
}

/// Why a component was not admitted.
#[derive(Debug, thiserror::Error)]
pub enum AdmissionError {
    /// It was refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It could not be examined; that is no fault of the component.
    #[error(
        "the component cannot be examined: {what}; it is not the component's fault: see that this program may start a copy of itself"
    )]
    Machine {
        /// What went wrong.
        what: String,
    },
}

impl AdmissionError {
    /// The same as a refusal: what could not be examined is not let in.
    pub fn into_refusal(self) -> Refusal {
        match self {
            Self::Refused(refusal) => refusal,
            error @ Self::Machine { .. } => Refusal::of_check(&error),
        }
    }
}

/// A component that passed, and what was found on the way.
#[derive(Clone, Debug)]
pub struct Examined {
    /// The component, ready to be loaded into the engine that it was admitted for.
    pub admitted: AnyAdmitted,
    /// What its trials found.
    pub report: Report,
}

impl Admission {
    /// In a child that is this very program, started with these arguments; they must lead to [`super::run_child`] with the limits that
    /// are added as the last one. The program is found by its open file, so that one that was replaced on disk since still starts
    /// itself.
    pub fn by_this_program(arguments: &[&str]) -> Self {
        Self::by("/proc/self/exe".into(), arguments)
    }

    /// In a child of another program with the same engine.
    pub fn by(program: PathBuf, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(OsString::from).collect();
        Self::new(Place::Child { program, arguments })
    }

    /// In this process, without limits but the engine's: for components that are trusted.
    pub fn here() -> Self {
        Self::new(Place::Here)
    }

    fn new(place: Place) -> Self {
        let floor = Arc::new(Floor::china_default());
        Self { place, limits: None, floor, at_once: Arc::new(Places::new(AT_ONCE)) }
    }

    /// With other limits of the child than the tier's.
    #[must_use]
    pub fn with_limits(mut self, limits: ProcessLimits) -> Self {
        self.limits = Some(limits);
        self
    }

    /// With another statutory table than the platform's default.
    #[must_use]
    pub fn with_floor(mut self, floor: Floor) -> Self {
        self.floor = Arc::new(floor);
        self
    }

    /// Everything: what a component that somebody uploads must pass.
    ///
    /// # Errors
    /// [`AdmissionError::Refused`] names the stage, the reason, the place and what to do.
    pub fn examine(
        &self,
        engine: &Engine,
        bytes: &[u8],
        tier: Tier,
        cache: Option<&CompileCache>,
    ) -> Result<Examined, AdmissionError> {
        self.examine_with(engine, bytes, tier, None, cache, &mut |_| {})
    }

    /// The same with the settings that the component comes with, JSON text: they must fit it, and must not make an alarm policy weaker
    /// than the statutory floor. `told` hears of each stage when it begins.
    ///
    /// # Errors
    /// As [`Admission::examine`].
    pub fn examine_with(
        &self,
        engine: &Engine,
        bytes: &[u8],
        tier: Tier,
        settings: Option<&str>,
        cache: Option<&CompileCache>,
        told: &mut dyn FnMut(Stage),
    ) -> Result<Examined, AdmissionError> {
        let examined = self.run(engine, bytes, tier, Extent::Examine, settings, told)?;
        if let Some(cache) = cache {
            cache.keep(engine, &examined.admitted);
        }
        Ok(examined)
    }

    /// As [`Admission::examine`], for a component that must be of one world.
    ///
    /// # Errors
    /// As [`Admission::examine`]; a component of another world is refused by name.
    pub fn examine_as<W: World>(
        &self,
        engine: &Engine,
        bytes: &[u8],
        tier: Tier,
        cache: Option<&CompileCache>,
    ) -> Result<(Admitted<W>, Report), AdmissionError> {
        let Examined { admitted, report } = self.examine(engine, bytes, tier, cache)?;
        Ok((of_world(admitted)?, report))
    }

    /// What was examined before, on its way into an engine: from the cache, or compiled anew. Cases and suite are not run again: what was
    /// let in stays in when the suite grows.
    ///
    /// # Errors
    /// As [`Admission::examine_as`].
    pub fn load<W: World>(
        &self,
        engine: &Engine,
        bytes: &[u8],
        tier: Tier,
        cache: Option<&CompileCache>,
    ) -> Result<Admitted<W>, AdmissionError> {
        if let Some(cached) = cache.and_then(|cache| engine.cached::<W>(bytes, tier, cache)) {
            return Ok(cached);
        }
        let admitted = of_world::<W>(self.run(engine, bytes, tier, Extent::Load, None, &mut |_| {})?.admitted)?;
        if let Some(cache) = cache {
            cache.write(engine, &admitted);
        }
        Ok(admitted)
    }

    /// What must hold of any component before it is loaded, without its trials.
    ///
    /// # Errors
    /// As [`Admission::examine`].
    pub fn load_any(&self, engine: &Engine, bytes: &[u8], tier: Tier) -> Result<AnyAdmitted, AdmissionError> {
        self.run(engine, bytes, tier, Extent::Load, None, &mut |_| {}).map(|examined| examined.admitted)
    }

    fn run(
        &self,
        engine: &Engine,
        bytes: &[u8],
        tier: Tier,
        extent: Extent,
        settings: Option<&str>,
        told: &mut dyn FnMut(Stage),
    ) -> Result<Examined, AdmissionError> {
        examine::size(bytes, tier)?;
        let Place::Child { program, arguments } = &self.place else {
            let (admitted, report) = match extent {
                Extent::Load => (examine::check(engine, bytes, tier, told)?, Report::default()),
                Extent::Examine => examine::examine(engine, bytes, tier, &self.floor, settings, told)?,
            };
            return Ok(Examined { admitted, report });
        };
        let limits = self.limits.unwrap_or(ProcessLimits::of(tier));
        let settings = settings.map(ToOwned::to_owned);
        let request =
            Request { config: engine.config().clone(), tier, extent, floor: Floor::clone(&self.floor), settings };
        let mut command = Command::new(program);
        command.args(arguments).arg(limits.to_string());
        let place = self.at_once.take();
        let end = attend(&mut command, &request, bytes, limits, told)?;
        drop(place);
        match end {
            Frame::Passed(answer, artifact) => admitted(engine, bytes, tier, *answer, &artifact),
            Frame::Refused(refusal) => Err(refusal.into()),
            Frame::Failed(what) => Err(AdmissionError::Machine { what }),
            Frame::Begun(stage) => Err(AdmissionError::Machine { what: format!("it ended within {stage}") }),
        }
    }
}

fn of_world<W: World>(admitted: AnyAdmitted) -> Result<Admitted<W>, Refusal> {
    let got = admitted.world();
    W::of(admitted).ok_or_else(|| examine::other_world(W::KIND, got))
}

/// Starts a child, feeds it, and waits for its last frame or its end.
fn attend(
    command: &mut Command,
    request: &Request,
    bytes: &[u8],
    limits: ProcessLimits,
    told: &mut dyn FnMut(Stage),
) -> Result<Frame, AdmissionError> {
    let machine = |what: &str, error: &io::Error| AdmissionError::Machine { what: format!("{what}: {error}") };
    // Nothing of this process's surroundings: its environment may hold keys, and the child handles hostile bytes.
    command.arg0("davy-admission").env_clear().current_dir("/");
    // An allocator that reserves address space by the gigabyte would need more of it than the child has.
    command.env("MIMALLOC_ARENA_RESERVE", "65536").env("MALLOC_ARENA_MAX", "1");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| machine("no process", &error))?;
    let until = Instant::now() + Duration::from_secs(limits.wall_s);
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let heard = thread::scope(|scope| {
        let (send, frames) = mpsc::channel();
        // A child that dies early breaks the pipe; why is said by its end.
        scope.spawn(move || stdin.map(|mut stdin| wire::write_request(&mut stdin, request, bytes)));
        scope.spawn(move || {
            let Some(mut stdout) = stdout else { return };
            while let Ok(frame) = wire::read_frame(&mut stdout) {
                if send.send(frame).is_err() {
                    return;
                }
            }
        });
        let heard = listen(&frames, until, told);
        // Also after an answer: nothing that a child does afterwards is of use. It unblocks both threads.
        let killed = child.kill();
        let status = child.wait();
        (heard, killed.and(status))
    });
    match heard {
        (Heard::End(frame), _) => Ok(frame),
        (Heard::Late(stage), _) => {
            let refusal = died(stage, Reason::TooSlow, &format!("it took longer than {} s", limits.wall_s));
            Err(refusal.with("seconds", limits.wall_s).into())
        }
        (Heard::Gone(_), Err(error)) => Err(machine("no word of how it ended", &error)),
        (Heard::Gone(stage), Ok(status)) => ended(stage, status, limits),
    }
}

enum Heard {
    /// The last frame.
    End(Frame),
    /// Nothing more came in time.
    Late(Option<Stage>),
    /// It ended without a last frame.
    Gone(Option<Stage>),
}

fn listen(frames: &Receiver<Frame>, until: Instant, told: &mut dyn FnMut(Stage)) -> Heard {
    let mut stage = None;
    loop {
        match frames.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(Frame::Begun(begun)) => {
                told(begun);
                stage = Some(begun);
            }
            Ok(frame @ (Frame::Refused(_) | Frame::Passed(..) | Frame::Failed(_))) => return Heard::End(frame),
            Err(mpsc::RecvTimeoutError::Timeout) => return Heard::Late(stage),
            Err(mpsc::RecvTimeoutError::Disconnected) => return Heard::Gone(stage),
        }
    }
}

/// What the end of a child without an answer means.
fn ended(stage: Option<Stage>, status: ExitStatus, limits: ProcessLimits) -> Result<Frame, AdmissionError> {
    let is = |signal: Signal| status.signal() == Some(signal.as_raw());
    let refusal = if is(Signal::XCPU) {
        let reason = format!("it used more than {} s of processor time", limits.cpu_s);
        died(stage, Reason::TooMuchProcessor, &reason).with("seconds", limits.cpu_s)
    } else if is(Signal::ABORT) || is(Signal::SEGV) || is(Signal::BUS) {
        let reason = format!("it used more than {} MiB of memory, or all of its stack", limits.memory_mib);
        died(stage, Reason::TooMuchMemory, &reason).with("mib", limits.memory_mib)
    } else if stage.is_some() {
        let reason = format!("the examining process ended with {status}");
        died(stage, Reason::ProcessEnded, &reason).with("detail", status)
    } else {
        return Err(AdmissionError::Machine {
            what: format!("the examining process ended with {status} before it began"),
        });
    };
    Err(refusal.into())
}

fn died(stage: Option<Stage>, code: Reason, reason: &str) -> Refusal {
    let stage = stage.unwrap_or(Stage::Structure);
    let work = match stage {
        Stage::Size | Stage::Structure | Stage::Validation | Stage::World => "reading it",
        Stage::Compile => "compiling it",
        Stage::Describe | Stage::Schema => "asking it what it is",
        Stage::Cases => "running its cases",
        Stage::Conformance => "running the statutory suite",
        Stage::Settings => "trying it with its settings",
    };
    Refusal::new(
        stage,
        (code, format!("{work} had to be stopped: {reason}")),
        (
            Advice::SmallerSimpler,
            "Make the rule smaller and simpler: fewer and shorter functions, fewer locals and branches; build with `davyctl rule build`",
        ),
    )
}

/// The child's finding as a component of this process's engine.
fn admitted(
    engine: &Engine,
    bytes: &[u8],
    tier: Tier,
    answer: Answer,
    artifact: &[u8],
) -> Result<Examined, AdmissionError> {
    let machine = |what: &str| AdmissionError::Machine { what: what.to_owned() };
    let Answer { world, engine: identity, description, report } = answer;
    if identity != engine.identity() {
        return Err(machine("the examining process compiles for another configuration than this one"));
    }
    let description =
        cache::parse_description(description).ok_or_else(|| machine("its description cannot be read back"))?;
    // SAFETY: the artifact comes over a pipe from a process that this one has just started from its own program, which serialised it
    // with an engine of the same version and configuration (compared above). It ran no code of the component outside of the sandbox.
    // Whoever can put something else there controls this program or that one already.
    #[allow(unsafe_code)]
    let component = unsafe { Component::deserialize(&engine.inner().wasmtime, artifact) }
        .map_err(|error| machine(&format!("the compiled component cannot be read back: {error:#}")))?;
    let (digest, size, description) = (RuleDigest::of(bytes), bytes.len(), Arc::new(description));
    macro_rules! linked {
        ($variant:ident, $world:ty) => {{
            let pre = examine::link::<$world>(engine, &component)?;
            AnyAdmitted::$variant(Admitted { pre, digest, description, size, tier })
        }};
    }
    let admitted = match world {
        WorldKind::AlarmPolicy => linked!(Alarm, Alarm),
        WorldKind::BillingPolicy => linked!(Billing, Billing),
        WorldKind::NotificationPolicy => linked!(Notification, Notification),
        WorldKind::DeviceDriver => linked!(Driver, DeviceDriver),
    };
    Ok(Examined { admitted, report })
}
