//! The server's side of block-wise transfer (RFC 7959): bodies put together from Block1, and responses handed out by Block2.
//!
//! Must never give the application half a body, nor one client's body to another.

use std::time::Instant;

use sha2::{Digest, Sha256};

use super::{
    Endpoint,
    reply::{Caller, Sent},
};
use crate::{
    blockwise::{Block, TransferKey, szx_of},
    code::Code,
    error::EndpointError,
    request::Response,
    wire::Control,
};

/// Content-Format of a link-format document (RFC 6690).
const LINK_FORMAT: u16 = 40;

/// The part of a request's body that has arrived.
pub(super) struct Assembly {
    bytes: Vec<u8>,
}

/// The response that `.well-known/core` is answered with.
pub(super) fn discovery_document(link_format: String) -> Response {
    Response::content(LINK_FORMAT, link_format.into_bytes())
}

impl Endpoint {
    /// Takes a block of a request's body (RFC 7959 §2.5). Gives the body when it is whole; otherwise the block has been answered.
    pub(super) fn assemble(
        &mut self,
        now: Instant,
        caller: &Caller,
        target: u64,
        block: Block,
        control: &Control<'_>,
        payload: &[u8],
    ) -> Option<Vec<u8>> {
        let with_block = Control { block1: Some(block), ..Control::default() };
        let end = block.offset() + payload.len();
        let announced = control.size1.map_or(0, |size| size as usize);
        if end.max(announced) > self.config.max_body_size {
            self.stats.blockwise_failed += 1;
            self.refuse_body(now, caller, Some(block));
            return None;
        }
        if block.more && payload.len() != block.size() || payload.len() > block.size() {
            self.stats.blockwise_failed += 1;
            let response = Response::error(Code::BAD_REQUEST, "the payload's length does not fit the Block1 option");
            self.reply_error(now, caller, &response, &with_block);
            return None;
        }
        let key = (caller.principal(), target);
        let assembly = self.assemblies.take(&key);
        let mut bytes = match assembly {
            _ if block.number == 0 => Vec::new(),
            Some(Assembly { bytes }) if bytes.len() == block.offset() => bytes,
            // The block before last again, in a new message: the client did not see that it arrived.
            Some(assembly) if block.more && assembly.bytes.len() == end => {
                self.keep_assembly(now, key, assembly);
                self.reply_error(now, caller, &Response::new(Code::CONTINUE), &with_block);
                return None;
            }
            _ => {
                self.stats.blockwise_failed += 1;
                let diagnostic = "this block does not follow the last one that arrived; begin again with block 0";
                let response = Response::error(Code::REQUEST_ENTITY_INCOMPLETE, diagnostic);
                self.reply_error(now, caller, &response, &with_block);
                return None;
            }
        };
        bytes.extend_from_slice(payload);
        if !block.more {
            return Some(bytes);
        }
        self.keep_assembly(now, key, Assembly { bytes });
        self.reply_error(now, caller, &Response::new(Code::CONTINUE), &with_block);
        None
    }

    fn keep_assembly(&mut self, now: Instant, key: TransferKey, assembly: Assembly) {
        let len = assembly.bytes.len();
        self.schedule_sweep(now);
        self.assemblies.put(now, key, assembly, len);
    }

    pub(super) fn refuse_body(&mut self, now: Instant, caller: &Caller, block: Option<Block>) {
        self.stats.too_large += 1;
        let max = self.config.max_body_size;
        let control = Control { block1: block, size1: Some(max as u32), ..Control::default() };
        let response = Response::error(Code::REQUEST_ENTITY_TOO_LARGE, format!("a body may have at most {max} bytes"));
        self.reply_error(now, caller, &response, &control);
    }

    /// Sends a later block of a response that is kept. False when none is.
    pub(super) fn send_next_block(&mut self, now: Instant, caller: &Caller, target: u64, block: Block) -> bool {
        let key = (caller.principal(), target);
        let Some(mut response) = self.bodies.take(&key) else { return false };
        let body = std::mem::take(&mut response.payload);
        self.send_block(now, caller, &response, &body, block);
        response.payload = body;
        let len = response.payload.len();
        self.bodies.put(now, key, response, len);
        true
    }

    fn send_block(&mut self, now: Instant, caller: &Caller, response: &Response, body: &[u8], block: Block) {
        let szx = block.szx.min(szx_of(self.config.block_size));
        let number = (block.offset() >> (szx + 4)) as u32;
        let Some((block, part)) = Block::cut(number, szx, body) else {
            self.stats.blockwise_failed += 1;
            let response = Response::error(Code::BAD_REQUEST, "there is no such block");
            return self.reply_error(now, caller, &response, &Control::default());
        };
        let size2 = (number == 0).then_some(body.len() as u32);
        let control = Control { block2: Some(block), size2, ..Control::default() };
        // As in `reply_error`.
        let _ = self.reply(now, caller, false, response, part, &control);
    }

    pub(super) fn answer_discovery(&mut self, now: Instant, caller: &Caller, control: &Control<'_>) {
        let Some(mut response) = self.well_known_core.take() else { return };
        let body = std::mem::take(&mut response.payload);
        let szx = szx_of(self.config.block_size);
        if body.len() > 16 << szx || control.block2.is_some() {
            response.etag = Some(etag(&body));
            self.send_block(
                now,
                caller,
                &response,
                &body,
                control.block2.unwrap_or(Block { number: 0, more: false, szx }),
            );
            response.etag = None;
        } else {
            let _ = self.reply(now, caller, false, &response, &body, &Control::default());
        }
        response.payload = body;
        self.well_known_core = Some(response);
    }

    /// Sends a whole response, or its first block while the rest is kept (RFC 7959 §2.4).
    #[expect(clippy::too_many_arguments, reason = "these are the parts of an exchange that is gone already")]
    pub(super) fn send_response(
        &mut self,
        now: Instant,
        caller: &Caller,
        acknowledged: bool,
        mut response: Response,
        wanted: Option<Block>,
        target: u64,
        mut control: Control<'_>,
    ) -> Result<Sent, EndpointError> {
        let own_szx = szx_of(self.config.block_size);
        let szx = wanted.map_or(own_szx, |block| block.szx.min(own_szx));
        let number = wanted.map_or(0, |block| (block.offset() >> (szx + 4)) as u32);
        if response.payload.len() <= 16 << szx && number == 0 {
            return self.reply(now, caller, acknowledged, &response, &response.payload, &control);
        }
        let body = std::mem::take(&mut response.payload);
        response.etag.get_or_insert_with(|| etag(&body));
        let Some((block, part)) = Block::cut(number, szx, &body) else {
            let failure = Response::error(Code::BAD_REQUEST, "there is no such block");
            return self.reply(now, caller, acknowledged, &failure, &failure.payload, &control);
        };
        control.block2 = Some(block);
        control.size2 = (number == 0).then_some(body.len() as u32);
        let sent = self.reply(now, caller, acknowledged, &response, part, &control)?;
        if block.more {
            self.keep_body(now, (caller.principal(), target), response, body);
        }
        Ok(sent)
    }

    pub(super) fn keep_body(&mut self, now: Instant, key: TransferKey, mut response: Response, body: Vec<u8>) {
        let len = body.len();
        response.payload = body;
        self.schedule_sweep(now);
        self.bodies.put(now, key, response, len);
    }
}

/// An entity tag over a body: the same after a restart, so that a client's transfer goes on.
pub(super) fn etag(body: &[u8]) -> Vec<u8> {
    Sha256::digest(body)[..8].to_vec()
}
