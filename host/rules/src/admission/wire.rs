//! What goes between the two processes of an admission: a request on the child's standard input, frames on its standard output.
//!
//! Both ends are the same program, but the child has handled hostile bytes: the parent believes no length that it has not capped.

use super::{Refusal, Report, Stage};
use crate::config::{EngineConfig, Tier};
use crate::world::WorldKind;
use davy_domain::floor::Floor;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;

/// What a child may use; given to it as one word of its command line, because it sets them before it reads anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessLimits {
    /// Memory that it may write to, MiB.
    pub memory_mib: u64,
    /// Processor time, seconds.
    pub cpu_s: u64,
    /// Time by the wall clock, seconds. The parent ends the child then.
    pub wall_s: u64,
}

impl ProcessLimits {
    /// What a tier's components may use. An unoptimised build of this program, as tests run it, is several times slower.
    pub const fn of(tier: Tier) -> Self {
        let slow = if cfg!(debug_assertions) { 6 } else { 1 };
        match tier {
            Tier::Standard => Self { memory_mib: 512, cpu_s: 10 * slow, wall_s: 40 * slow },
            Tier::Large => Self { memory_mib: 3_072, cpu_s: 120 * slow, wall_s: 360 * slow },
        }
    }
}

/// A word that is not three numbers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected MEMORY_MIB:CPU_S:WALL_S, got `{0}`")]
pub struct LimitsError(String);

impl fmt::Display for ProcessLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.memory_mib, self.cpu_s, self.wall_s)
    }
}

impl FromStr for ProcessLimits {
    type Err = LimitsError;
    fn from_str(text: &str) -> Result<Self, LimitsError> {
        let error = || LimitsError(text.chars().take(80).collect());
        let numbers: Option<Vec<u64>> = text.split(':').map(|part| part.parse().ok()).collect();
        match numbers.as_deref() {
            Some([memory_mib, cpu_s, wall_s]) => Ok(Self { memory_mib: *memory_mib, cpu_s: *cpu_s, wall_s: *wall_s }),
            _ => Err(error()),
        }
    }
}

/// How much is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Extent {
    /// What must hold of every component that is loaded.
    Load,
    /// That, its own cases, and the statutory suite.
    Examine,
}

/// What the child is asked; the component's bytes follow.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) config: EngineConfig,
    pub(super) tier: Tier,
    pub(super) extent: Extent,
    pub(super) floor: Floor,
    /// The settings that the component comes with, JSON text.
    pub(super) settings: Option<String>,
}

/// What the child found; the compiled artifact follows.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) world: WorldKind,
    /// Of which configuration the artifact is.
    pub(super) engine: u64,
    pub(super) description: serde_json::Value,
    pub(super) report: Report,
}

/// One frame of the child.
#[derive(Debug)]
pub(super) enum Frame {
    /// A stage begins.
    Begun(Stage),
    /// The end: it is refused.
    Refused(Refusal),
    /// The end: it passed.
    Passed(Box<Answer>, Vec<u8>),
    /// The end: the child could not do its work; no fault of the component.
    Failed(String),
}

/// The most that a text of a frame may be; a conformance report of many curves is some 100 KB.
const MAX_TEXT: u64 = 4 << 20;
/// The most that an artifact may be: JavaScript's is some 40 MB.
const MAX_ARTIFACT: u64 = 192 << 20;

const BEGUN: u8 = b'b';
const REFUSED: u8 = b'r';
const PASSED: u8 = b'p';
const FAILED: u8 = b'f';

pub(super) fn write_request(out: &mut impl Write, request: &Request, component: &[u8]) -> io::Result<()> {
    block(out, &serde_json::to_vec(request)?)?;
    block(out, component)?;
    out.flush()
}

pub(super) fn read_request(input: &mut impl Read, most: u64) -> io::Result<(Request, Vec<u8>)> {
    let request = serde_json::from_slice(&take(input, MAX_TEXT)?)?;
    Ok((request, take(input, most)?))
}

pub(super) fn write_frame(out: &mut impl Write, frame: &Frame) -> io::Result<()> {
    match frame {
        Frame::Begun(stage) => {
            out.write_all(&[BEGUN])?;
            block(out, &serde_json::to_vec(stage)?)?;
        }
        Frame::Refused(refusal) => {
            out.write_all(&[REFUSED])?;
            block(out, &serde_json::to_vec(refusal)?)?;
        }
        Frame::Passed(answer, artifact) => {
            out.write_all(&[PASSED])?;
            block(out, &serde_json::to_vec(answer)?)?;
            block(out, artifact)?;
        }
        Frame::Failed(reason) => {
            out.write_all(&[FAILED])?;
            block(out, &serde_json::to_vec(reason)?)?;
        }
    }
    out.flush()
}

pub(super) fn read_frame(input: &mut impl Read) -> io::Result<Frame> {
    let mut kind = [0];
    input.read_exact(&mut kind)?;
    let text = take(input, MAX_TEXT)?;
    Ok(match kind[0] {
        BEGUN => Frame::Begun(serde_json::from_slice(&text)?),
        REFUSED => Frame::Refused(serde_json::from_slice(&text)?),
        PASSED => Frame::Passed(Box::new(serde_json::from_slice(&text)?), take(input, MAX_ARTIFACT)?),
        FAILED => Frame::Failed(serde_json::from_slice(&text)?),
        other => return Err(io::Error::other(format!("no frame begins with {other}"))),
    })
}

fn block(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    out.write_all(&(bytes.len() as u64).to_le_bytes())?;
    out.write_all(bytes)
}

/// A block whose length is believed only up to `most`; room for it is made as it arrives.
fn take(input: &mut impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut length = [0; 8];
    input.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > most {
        return Err(io::Error::other(format!("expected at most {most} bytes, got {length}")));
    }
    let mut bytes = Vec::new();
    input.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what it found by panicking")]

    use super::*;

    #[test]
    fn limits_are_read_as_they_are_written() {
        let limits = ProcessLimits { memory_mib: 512, cpu_s: 10, wall_s: 40 };
        assert_eq!(limits.to_string().parse(), Ok(limits));
        for wrong in ["", "1:2", "1:2:3:4", "1:2:x", "-1:2:3"] {
            assert!(wrong.parse::<ProcessLimits>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_length_that_a_child_may_not_claim_is_not_believed() {
        let mut frame = vec![PASSED];
        frame.extend_from_slice(&u64::MAX.to_le_bytes());
        assert!(read_frame(&mut &frame[..]).unwrap_err().to_string().contains("at most"));
        let mut cut = vec![REFUSED];
        cut.extend_from_slice(&100_u64.to_le_bytes());
        cut.extend_from_slice(b"{}");
        assert_eq!(read_frame(&mut &cut[..]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
