//! Just enough of CoAP (RFC 7252 §3) and of OSCORE's option (RFC 8613 §6.1) to take a request apart and answer it.

/// The number of the OSCORE option.
const OSCORE: u32 = 9;
/// 2.04 Changed.
const CHANGED: u8 = 0x44;

/// Where a request's parts are. Inline: nothing is allocated.
#[derive(Clone, Copy)]
pub(super) struct Request {
    confirmable: bool,
    message_id: [u8; 2],
    token: [u8; 8],
    token_len: u8,
    kid: [u8; 7],
    kid_len: u8,
    context: [u8; 8],
    context_len: u8,
    piv: [u8; 5],
    piv_len: u8,
}

impl Request {
    pub(super) fn kid(&self) -> &[u8] {
        &self.kid[..usize::from(self.kid_len)]
    }

    pub(super) fn kid_context(&self) -> &[u8] {
        &self.context[..usize::from(self.context_len)]
    }

    pub(super) fn partial_iv(&self) -> &[u8] {
        &self.piv[..usize::from(self.piv_len)]
    }

    pub(super) fn sequence(&self) -> u64 {
        self.partial_iv().iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    }

    /// The head of the acknowledgement: up to the payload marker.
    pub(super) fn reply_head(&self, out: &mut Vec<u8>) {
        let kind = if self.confirmable { 0x60 } else { 0x50 };
        out.extend_from_slice(&[kind | self.token_len, CHANGED]);
        out.extend_from_slice(&self.message_id);
        out.extend_from_slice(&self.token[..usize::from(self.token_len)]);
        // An empty OSCORE option: the request's nonce is used again, with the other key.
        out.extend_from_slice(&[0x90, 0xff]);
    }
}

fn inline<const N: usize>(bytes: &[u8]) -> Option<([u8; N], u8)> {
    let mut array = [0; N];
    array.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some((array, bytes.len() as u8))
}

/// Takes a protected request apart; the second part is its ciphertext.
pub(super) fn read(datagram: &[u8]) -> Option<(Request, &[u8])> {
    let (&head, rest) = datagram.split_first()?;
    let token_len = usize::from(head & 0x0f);
    let kind = head >> 4 & 3;
    if head >> 6 != 1 || token_len > 8 || kind > 1 || rest.len() < 3 + token_len {
        return None;
    }
    let message_id = [rest[1], rest[2]];
    let (token, token_len) = inline(&rest[3..3 + token_len])?;
    let mut rest = &rest[3 + usize::from(token_len)..];
    let mut number = 0;
    let mut oscore = None;
    loop {
        let (&first, after) = rest.split_first()?;
        if first == 0xff {
            rest = after;
            break;
        }
        let mut after = after;
        let mut extended = |nibble: u8| -> Option<u32> {
            let (value, left) = match nibble {
                13 => (u32::from(*after.first()?) + 13, &after[1..]),
                14 => (u32::from(*after.first()?) << 8 | u32::from(*after.get(1)?), &after[2..]),
                15 => return None,
                small => (u32::from(small), after),
            };
            after = left;
            Some(if nibble == 14 { value + 269 } else { value })
        };
        number += extended(first >> 4)?;
        let length = extended(first & 0x0f)? as usize;
        if after.len() < length {
            return None;
        }
        if number == OSCORE {
            oscore = Some(&after[..length]);
        }
        rest = &after[length..];
    }
    let (&flags, mut option) = oscore?.split_first()?;
    let piv_len = usize::from(flags & 7);
    if piv_len == 0 || piv_len > 5 || option.len() < piv_len {
        return None;
    }
    let (piv, piv_len) = inline(&option[..piv_len])?;
    option = &option[usize::from(piv_len)..];
    let mut context = ([0; 8], 0);
    if flags & 0x10 != 0 {
        let (&length, after) = option.split_first()?;
        context = inline(after.get(..usize::from(length))?)?;
        option = &after[usize::from(length)..];
    }
    let (kid, kid_len) = inline(option)?;
    let request = Request {
        confirmable: kind == 0,
        message_id,
        token,
        token_len,
        kid,
        kid_len,
        context: context.0,
        context_len: context.1,
        piv,
        piv_len,
    };
    Some((request, rest))
}
