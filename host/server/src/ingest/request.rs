//! What devices may ask: `POST /u`, `GET /c`, `POST /c/{id}`, `GET /.well-known/core`. Everything else is refused in words.

use super::shard::{CBOR, LINK_FORMAT, SENML_CBOR, Shard};
use super::state::{DeviceSlot, ShardState};
use super::work::Reply;
use davy_coap::{Code, ContextId, ExchangeId, ObservationId, Request, Response};
use davy_domain::driven::OCTETS;
use davy_domain::interlock::Input;
use davy_domain::{CommandId, TenantId, Timestamp, senml, wire};
use davy_store::{JournalRow, RowKind};
use metrics::counter;

/// The resources, as `GET /.well-known/core` lists them (RFC 6690).
const LINKS: &str = "</u>;rt=\"davy.uplink\";ct=112,</c>;rt=\"davy.commands\";ct=60;obs";

/// What a request was that waits for its answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// To read the pending commands.
    Read,
    /// An uplink or an outcome; `quiet` when nothing but readings came of it.
    Report { quiet: bool },
}

/// Why a request was refused, for the device's log and for the counter.
struct Refusal {
    code: Code,
    reason: &'static str,
    words: String,
}

impl Refusal {
    fn new(code: Code, reason: &'static str, words: impl Into<String>) -> Self {
        Self { code, reason, words: words.into() }
    }
}

impl Shard {
    pub(super) fn request(
        &mut self,
        state: &mut ShardState,
        exchange: ExchangeId,
        context: Option<ContextId>,
        sequence: Option<u64>,
        observation: Option<ObservationId>,
        mut request: Request,
    ) {
        let Err(refusal) = self.answer(state, exchange, context, sequence, &mut request) else { return };
        counter!("davy_coap_refused_total", "reason" => refusal.reason).increment(1);
        if let Some(observation) = observation {
            // One that was never established is over already.
            let _ = self.endpoint.cancel_observation(observation);
        }
        self.respond(exchange, Response::error(refusal.code, refusal.words), false);
    }

    fn answer(
        &mut self,
        state: &mut ShardState,
        exchange: ExchangeId,
        context: Option<ContextId>,
        sequence: Option<u64>,
        request: &mut Request,
    ) -> Result<(), Refusal> {
        let path = std::mem::take(&mut request.path);
        let path = path.as_str();
        if path == ".well-known/core" {
            expect_method(request, path, Code::GET)?;
            self.respond(exchange, Response::content(LINK_FORMAT, LINKS.into()), false);
            return Ok(());
        }
        let slot = self.slot(context).ok_or_else(|| {
            Refusal::new(
                Code::UNAUTHORIZED,
                "unprotected",
                "expected a request protected with OSCORE under the device's key",
            )
        })?;
        match path {
            "u" => {
                expect_method(request, path, Code::POST)?;
                self.uplink(state, exchange, slot, sequence, request)
            }
            "c" => {
                expect_method(request, path, Code::GET)?;
                // Nothing becomes durable by it, but the commands in the answer must be before it goes out.
                self.wait(state, slot, exchange, sequence, Kind::Read);
                Ok(())
            }
            _ => match path.strip_prefix("c/") {
                Some(id) => {
                    expect_method(request, path, Code::POST)?;
                    self.outcome(state, exchange, slot, sequence, id, request)
                }
                None => Err(Refusal::new(
                    Code::NOT_FOUND,
                    "unknown-path",
                    "expected POST /u, GET /c, POST /c/{id} or GET /.well-known/core",
                )),
            },
        }
    }

    fn uplink(
        &mut self,
        state: &mut ShardState,
        exchange: ExchangeId,
        slot: DeviceSlot,
        sequence: Option<u64>,
        request: &mut Request,
    ) -> Result<(), Refusal> {
        // A device that speaks a vendor's own form says so, or says nothing of it.
        if request.content_format.is_none_or(|format| format == OCTETS)
            && let Some(driver) = state.driver_of(slot.device)
        {
            let payload = std::mem::take(&mut request.payload);
            self.vendor_uplink(state, &driver, exchange, slot, (sequence, payload));
            return Ok(());
        }
        expect_format(request, SENML_CBOR, "application/senml+cbor (112)")?;
        let now = self.clock.now();
        let uplink = senml::decode(&request.payload, now)
            .map_err(|error| Refusal::new(Code::BAD_REQUEST, "senml", error.to_string()))?;
        self.counters.uplinks.increment(1);
        if uplink.unknown > 0 {
            self.counters.unknown_names.increment(u64::from(uplink.unknown));
        }
        if let Some(fault) = &uplink.fault {
            tracing::warn!(device.id = %slot.device, %fault, "a record was left out of an uplink that reports gas");
        }
        self.counters.readings.increment(uplink.parts.iter().map(|part| part.readings.len() as u64).sum());
        let input = Input::Uplink { device: slot.device, sequence, parts: &uplink.parts };
        let stepped = self.step(state, slot.interlock, Some(slot.device), input, now);
        let quiet = !stepped.changed;
        if quiet && self.must_shed(slot.tenant) {
            self.turn_away(state, exchange, slot, stepped.rule_state, now);
            return Ok(());
        }
        self.crowd.count(slot.tenant, true);
        self.journal(
            slot.interlock_id,
            JournalRow {
                tenant: slot.tenant,
                device: slot.device,
                sequence,
                received_at: now,
                payload: std::mem::take(&mut request.payload),
                format: SENML_CBOR,
                rule_state: stepped.rule_state,
                kind: RowKind::Uplink,
            },
        );
        self.wait(state, slot, exchange, sequence, Kind::Report { quiet });
        Ok(())
    }

    fn outcome(
        &mut self,
        state: &mut ShardState,
        exchange: ExchangeId,
        slot: DeviceSlot,
        sequence: Option<u64>,
        id: &str,
        request: &mut Request,
    ) -> Result<(), Refusal> {
        expect_format(request, CBOR, "application/cbor (60)")?;
        let command =
            id.parse::<u64>().ok().and_then(|id| i64::try_from(id).ok()).map(CommandId::from_raw).ok_or_else(|| {
                Refusal::new(
                    Code::BAD_REQUEST,
                    "command-id",
                    "expected /c/{id} with the command's id as a decimal number",
                )
            })?;
        let report = wire::decode_outcome(&request.payload)
            .map_err(|error| Refusal::new(Code::BAD_REQUEST, "outcome", error.to_string()))?;
        let now = self.clock.now();
        let input = Input::Outcome {
            device: slot.device,
            command,
            counter: report.counter,
            outcome: report.outcome,
            at: report.at,
        };
        let stepped = self.step(state, slot.interlock, Some(slot.device), input, now);
        if let Some(reason) = stepped.rejected {
            return Err(Refusal::new(Code::NOT_FOUND, "unknown-command", reason.to_string()));
        }
        self.journal(
            slot.interlock_id,
            JournalRow {
                tenant: slot.tenant,
                device: slot.device,
                sequence,
                received_at: now,
                payload: std::mem::take(&mut request.payload),
                format: CBOR,
                rule_state: stepped.rule_state,
                kind: RowKind::Outcome,
            },
        );
        self.wait(state, slot, exchange, sequence, Kind::Report { quiet: false });
        Ok(())
    }

    /// Whether so much waits to be stored, or so much of this company, that what can wait with its device should. Room is left for what
    /// cannot.
    pub(super) fn must_shed(&self, tenant: TenantId) -> bool {
        self.crowd.is_too_much_for(tenant) || self.database.is_away()
    }

    /// Lets a device keep a quiet uplink and send it again. What is pending for it goes along, and the rule's memory is kept,
    /// which no row of the journal carries now.
    pub(super) fn turn_away(
        &mut self,
        state: &mut ShardState,
        exchange: ExchangeId,
        slot: DeviceSlot,
        rule_state: Option<Vec<u8>>,
        now: Timestamp,
    ) {
        self.counters.shed.increment(1);
        self.crowd.count(slot.tenant, false);
        if let Some(memory) = rule_state {
            let row = JournalRow::memory(slot.tenant, slot.device, now, memory);
            self.memories.insert(slot.device, (slot.interlock_id, row));
        }
        let delivery = self.pending(state, slot.interlock, slot.device, now);
        let reply = Reply {
            exchange,
            tenant: slot.tenant,
            device: slot.device,
            interlock: slot.interlock_id,
            sequence: None,
            read: false,
            quiet: true,
            delivery,
        };
        self.reply(reply, false, state);
    }

    /// The answer goes out when everything decided so far is durable, with the commands that are pending by then.
    pub(super) fn wait(
        &mut self,
        state: &ShardState,
        slot: DeviceSlot,
        exchange: ExchangeId,
        sequence: Option<u64>,
        kind: Kind,
    ) {
        let delivery = self.pending(state, slot.interlock, slot.device, self.clock.now());
        let quiet = kind == Kind::Report { quiet: true };
        self.crowd.join(slot.tenant);
        self.work.release.replies.push(Reply {
            exchange,
            tenant: slot.tenant,
            device: slot.device,
            interlock: slot.interlock_id,
            sequence,
            read: kind == Kind::Read,
            quiet,
            delivery,
        });
    }
}

fn expect_method(request: &Request, path: &str, method: Code) -> Result<(), Refusal> {
    if request.method == method {
        return Ok(());
    }
    Err(Refusal::new(
        Code::METHOD_NOT_ALLOWED,
        "method",
        format!("expected {method} on /{path}, got {}", request.method),
    ))
}

fn expect_format(request: &Request, format: u16, name: &str) -> Result<(), Refusal> {
    match request.content_format {
        Some(got) if got == format => Ok(()),
        got => Err(Refusal::new(
            Code::UNSUPPORTED_CONTENT_FORMAT,
            "content-format",
            format!(
                "expected content-format {name}, got {}",
                got.map_or_else(|| "none".to_owned(), |got| got.to_string())
            ),
        )),
    }
}
