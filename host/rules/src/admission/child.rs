//! The child's side: a process that limits itself, reads one request, answers it and ends.
//!
//! It must be entered before the program has read settings, opened files or started threads: whatever it handles may have been
//! made to take it over, and it must then hold nothing worth having.

use super::examine;
use super::wire::{self, Answer, Extent, Frame, ProcessLimits, Request};
use super::{AnyAdmitted, Refusal, Report};
use crate::config::Tier;
use crate::engine::Engine;
use rustix::process::{Resource, Rlimit, setrlimit};
use std::io::{self, Write};
use std::process::ExitCode;

/// Address space that holds no memory: the program itself, the compiler's stack, guard pages, what allocators reserve.
const RESERVED_MIB: u64 = 1_024;
/// Open files: the three standard streams, and what the engine maps memory from.
const FILES: u64 = 64;

/// The whole life of an admitting child: the hidden subcommand of the programs that admit rules does nothing else.
pub fn run_child(limits: ProcessLimits) -> ExitCode {
    let mut out = io::stdout().lock();
    let done = match limit(limits).and_then(|()| wire::read_request(&mut io::stdin().lock(), largest())) {
        Ok((request, component)) => answer(&request, &component, &mut out),
        Err(error) => Frame::Failed(format!("no request, or no limits: {error}")),
    };
    match wire::write_frame(&mut out, &done) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// The longest component of any tier.
fn largest() -> u64 {
    Tier::ALL.iter().map(|tier| tier.caps().component_size as u64).max().unwrap_or(0)
}

fn limit(limits: ProcessLimits) -> io::Result<()> {
    let exactly = |most: u64| Rlimit { current: Some(most), maximum: Some(most) };
    let mib = |mib: u64| exactly(mib.saturating_mul(1 << 20));
    // No core: it would hold a gas company's rule, and take a disk's room each time.
    setrlimit(Resource::Core, exactly(0))?;
    setrlimit(Resource::Data, mib(limits.memory_mib))?;
    setrlimit(Resource::As, mib(limits.memory_mib.saturating_add(RESERVED_MIB)))?;
    // At the first it is told by a signal of its own, which says why it ended; the second one kills it.
    let cpu = Rlimit { current: Some(limits.cpu_s), maximum: Some(limits.cpu_s.saturating_add(1)) };
    setrlimit(Resource::Cpu, cpu)?;
    setrlimit(Resource::Nofile, exactly(FILES))?;
    Ok(())
}

fn answer(request: &Request, component: &[u8], out: &mut impl Write) -> Frame {
    let engine = match Engine::on_demand(&request.config) {
        Ok(engine) => engine,
        Err(error) => return Frame::Failed(error.to_string()),
    };
    // A parent that does not listen any more will not hear the end either.
    let mut begun = |stage| drop(wire::write_frame(out, &Frame::Begun(stage)));
    match done(&engine, request, component, &mut begun) {
        Ok((admitted, report)) => passed(&engine, &admitted, report),
        Err(refusal) => Frame::Refused(refusal),
    }
}

fn done(
    engine: &Engine,
    request: &Request,
    component: &[u8],
    begun: examine::Begun<'_>,
) -> Result<(AnyAdmitted, Report), Refusal> {
    match request.extent {
        Extent::Load => {
            examine::check(engine, component, request.tier, begun).map(|admitted| (admitted, Report::default()))
        }
        Extent::Examine => {
            let settings = request.settings.as_deref();
            examine::examine(engine, component, request.tier, &request.floor, settings, begun)
        }
    }
}

fn passed(engine: &Engine, admitted: &AnyAdmitted, report: Report) -> Frame {
    let artifact = match admitted.component().serialize() {
        Ok(artifact) => artifact,
        Err(error) => return Frame::Failed(format!("the compiled component cannot be written: {error:#}")),
    };
    match serde_json::to_value(admitted.description()) {
        Ok(description) => {
            let world = admitted.world();
            Frame::Passed(Box::new(Answer { world, engine: engine.identity(), description, report }), artifact)
        }
        Err(error) => Frame::Failed(format!("its description cannot be written: {error}")),
    }
}
