//! The CBOR of the command protocol, shared by the platform and by whatever speaks for a device.
//!
//! Pending commands, in the reply to an uplink and in notifications of `/c` (content-format 60), oldest counter first:
//! `[[id, action, counter, deadline-ms, ?child-serial], …]`. The serial is there when a gateway is asked to pass the
//! command to one of its children. An empty list is an empty payload.
//!
//! Outcome, the body of `POST /c/{id}`: `[counter, outcome, at-ms]`. `counter` is the highest counter that the device has
//! accepted so far (this command's own, once accepted): from it the platform learns when its own has fallen behind.
//!
//! A device obeys a command whose counter is above the highest that it has accepted. The same counter again is a repeat: it
//! does nothing and answers with the outcome as before. A lower one it refuses as stale. An arm whose deadline has passed
//! it refuses as expired; a close it obeys whatever its clock says, for the clock may be wrong. Accepting a close ends a
//! permission to open.

use crate::command::{Action, Command, DeviceOutcome};
use crate::id::CommandId;
use crate::time::Timestamp;
use minicbor::data::Type;
use minicbor::{Decoder, Encoder};

/// The most commands in one message; more wait for the next.
pub const MAX_PENDING: usize = 32;

/// A command as it travels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingCommand {
    /// Its id, which the device repeats in the path of its outcome.
    pub id: CommandId,
    /// What to do.
    pub action: Action,
    /// Its place in the device's order of commands.
    pub counter: u64,
    /// After this time the device refuses an arm. A close is obeyed at any time.
    pub deadline: Timestamp,
    /// The child of a gateway that is meant.
    pub child: Option<String>,
}

impl PendingCommand {
    /// From a command to the device itself.
    pub const fn new(command: &Command) -> Self {
        Self {
            id: command.id,
            action: command.action,
            counter: command.counter,
            deadline: command.deadline,
            child: None,
        }
    }
}

/// What a device reports of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutcomeReport {
    /// The highest counter that the device has accepted.
    pub counter: u64,
    /// What became of the command.
    pub outcome: DeviceOutcome,
    /// When, by the device's clock.
    pub at: Timestamp,
}

/// Why bytes are not a message of the command protocol.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// Not the CBOR that is expected.
    #[error("expected {expected}: {source}")]
    Cbor {
        /// What was expected at this place.
        expected: &'static str,
        /// What the decoder found.
        source: minicbor::decode::Error,
    },
    /// An array of another length.
    #[error("{what} must be an array of {expected}, got {got}")]
    Length {
        /// Which one.
        what: &'static str,
        /// The lengths that are possible.
        expected: &'static str,
        /// What came; `indefinite` counts as none.
        got: u64,
    },
    /// A code that this version does not know.
    #[error("unknown {what} code {got}: expected {expected}")]
    Code {
        /// Of what.
        what: &'static str,
        /// The codes that are known.
        expected: &'static str,
        /// What came.
        got: u64,
    },
    /// A number that cannot be an id.
    #[error("a command id must be at most 2^63 - 1, got {got}")]
    Id {
        /// What came.
        got: u64,
    },
    /// Bytes after the end.
    #[error("expected the end of the message, got {got} more bytes")]
    Trailing {
        /// How many.
        got: usize,
    },
}

fn cbor(expected: &'static str) -> impl FnOnce(minicbor::decode::Error) -> WireError {
    move |source| WireError::Cbor { expected, source }
}

fn array(decoder: &mut Decoder<'_>, what: &'static str) -> Result<u64, WireError> {
    Ok(decoder.array().map_err(cbor(what))?.unwrap_or(0))
}

fn end(decoder: &Decoder<'_>) -> Result<(), WireError> {
    match decoder.input().len() - decoder.position() {
        0 => Ok(()),
        got => Err(WireError::Trailing { got }),
    }
}

/// The payload that carries these commands; empty for none.
pub fn encode_pending(commands: &[PendingCommand]) -> Vec<u8> {
    if commands.is_empty() {
        return Vec::new();
    }
    let commands = &commands[..commands.len().min(MAX_PENDING)];
    let mut encoder = Encoder::new(Vec::with_capacity(commands.len() * 32));
    let written = (|| {
        encoder.array(commands.len() as u64)?;
        for command in commands {
            encoder.array(if command.child.is_some() { 5 } else { 4 })?;
            encoder.u64(command.id.raw().unsigned_abs())?.u16(command.action.code())?;
            encoder.u64(command.counter)?.i64(command.deadline.as_millis())?;
            if let Some(child) = &command.child {
                encoder.str(child)?;
            }
        }
        Ok::<_, minicbor::encode::Error<core::convert::Infallible>>(())
    })();
    debug_assert!(written.is_ok(), "writing to memory cannot fail");
    encoder.into_writer()
}

/// Reads the commands of a reply or a notification.
///
/// # Errors
/// [`WireError`] says what was expected and what came.
pub fn decode_pending(payload: &[u8]) -> Result<Vec<PendingCommand>, WireError> {
    if payload.is_empty() {
        return Ok(Vec::new());
    }
    let mut decoder = Decoder::new(payload);
    let count = array(&mut decoder, "a list of commands")?;
    if count > MAX_PENDING as u64 {
        return Err(WireError::Length { what: "the list of commands", expected: "at most 32", got: count });
    }
    let mut commands = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let length = array(&mut decoder, "a command")?;
        if !(4..=5).contains(&length) {
            return Err(WireError::Length { what: "a command", expected: "4 or 5", got: length });
        }
        let id = decoder.u64().map_err(cbor("a command id"))?;
        let id = i64::try_from(id).map(CommandId::from_raw).map_err(|_| WireError::Id { got: id })?;
        let code = decoder.u16().map_err(cbor("an action code"))?;
        let action = Action::from_code(code).ok_or(WireError::Code {
            what: "action",
            expected: "1 (close) or 2 (arm)",
            got: u64::from(code),
        })?;
        let counter = decoder.u64().map_err(cbor("a counter"))?;
        let deadline = Timestamp::from_millis(decoder.i64().map_err(cbor("a deadline in milliseconds"))?);
        let child = if length == 5 { Some(decoder.str().map_err(cbor("a child's serial"))?.to_owned()) } else { None };
        commands.push(PendingCommand { id, action, counter, deadline, child });
    }
    end(&decoder)?;
    Ok(commands)
}

/// The body of an outcome.
pub fn encode_outcome(report: &OutcomeReport) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::with_capacity(24));
    let written = (|| {
        encoder.array(3)?.u64(report.counter)?.u16(report.outcome.code())?.i64(report.at.as_millis())?;
        Ok::<_, minicbor::encode::Error<core::convert::Infallible>>(())
    })();
    debug_assert!(written.is_ok(), "writing to memory cannot fail");
    encoder.into_writer()
}

/// Reads the body of an outcome. Elements after the third are for later versions and are skipped.
///
/// # Errors
/// [`WireError`] says what was expected and what came.
pub fn decode_outcome(payload: &[u8]) -> Result<OutcomeReport, WireError> {
    let mut decoder = Decoder::new(payload);
    let length = array(&mut decoder, "an outcome")?;
    if !(3..=8).contains(&length) {
        return Err(WireError::Length { what: "an outcome", expected: "3 to 8", got: length });
    }
    let counter = decoder.u64().map_err(cbor("a counter"))?;
    let code = decoder.u16().map_err(cbor("an outcome code"))?;
    let outcome = DeviceOutcome::from_code(code).ok_or(WireError::Code {
        what: "outcome",
        expected: "1 to 8",
        got: u64::from(code),
    })?;
    let at = Timestamp::from_millis(decoder.i64().map_err(cbor("a time in milliseconds"))?);
    for _ in 3..length {
        if matches!(decoder.datatype().map_err(cbor("a further element"))?, Type::Break) {
            return Err(WireError::Length { what: "an outcome", expected: "a definite length", got: 0 });
        }
        decoder.skip().map_err(cbor("a further element"))?;
    }
    end(&decoder)?;
    Ok(OutcomeReport { counter, outcome, at })
}
