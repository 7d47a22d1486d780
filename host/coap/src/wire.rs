//! Requests and responses to and from options.
//!
//! Must never let an option through that nobody has checked: wrong lengths and repetitions count as unknown (RFC 7252 §5.4), and an
//! unknown critical option refuses the message.

use crate::{
    blockwise::Block,
    code::Code,
    message::{Body, Options},
    option::{self, decode_uint, is_critical, is_length_valid, is_repeatable},
    request::{Observe, Request, Response},
};

/// The options of a message that the endpoint acts on itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Control<'a> {
    pub(crate) block1: Option<Block>,
    pub(crate) block2: Option<Block>,
    pub(crate) size1: Option<u32>,
    pub(crate) size2: Option<u32>,
    pub(crate) observe: Option<u32>,
    pub(crate) echo: Option<&'a [u8]>,
    pub(crate) request_tag: Option<&'a [u8]>,
}

/// Why a message's options are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// 4.02: this critical option is unknown here, has a wrong value or is repeated.
    BadOption(u16),
    /// 5.05
    Proxying,
}

/// Steps through options and marks those that have to count as unknown.
fn checked<'a>(body: &Body<'a>) -> impl Iterator<Item = (u16, &'a [u8], bool)> {
    let mut last = None;
    body.options().map(move |(number, value)| {
        let repeated = last.replace(number) == Some(number) && !is_repeatable(number);
        (number, value, !repeated && is_length_valid(number, value.len()))
    })
}

/// Reads a request, without its payload.
pub(crate) fn read_request<'a>(
    code: Code,
    body: &Body<'a>,
    confirmable: bool,
    understood: &[u16],
) -> Result<(Request, Control<'a>), Refusal> {
    let mut request = Request { confirmable, ..Request::new(code, "") };
    let mut control = Control::default();
    let mut first_segment = true;
    for (number, value, valid) in checked(body) {
        let read = valid
            && match number {
                option::URI_PATH => match std::str::from_utf8(value) {
                    Ok(segment) => {
                        request.path.push_segment(segment, first_segment);
                        first_segment = false;
                        true
                    }
                    Err(_) => false,
                },
                option::URI_QUERY => {
                    std::str::from_utf8(value).map(|query| request.queries.push(query.to_owned())).is_ok()
                }
                option::CONTENT_FORMAT => set(&mut request.content_format, decode_uint(value).map(|v| v as u16)),
                option::ACCEPT => set(&mut request.accept, decode_uint(value).map(|v| v as u16)),
                option::OBSERVE => {
                    request.observe = match decode_uint(value) {
                        Some(0) => Some(Observe::Register),
                        Some(1) => Some(Observe::Deregister),
                        _ => None,
                    };
                    request.observe.is_some()
                }
                option::PROXY_URI | option::PROXY_SCHEME => return Err(Refusal::Proxying),
                option::URI_HOST | option::URI_PORT => {
                    request.options.push((number, value.to_vec()));
                    true
                }
                _ => control.read(number, value),
            };
        if !read {
            if is_critical(number) && !(valid && understood.contains(&number)) {
                return Err(Refusal::BadOption(number));
            }
            if valid {
                request.options.push((number, value.to_vec()));
            }
        }
    }
    Ok((request, control))
}

/// Reads a response, without its payload.
pub(crate) fn read_response<'a>(
    code: Code,
    body: &Body<'a>,
    understood: &[u16],
) -> Result<(Response, Control<'a>), Refusal> {
    let mut response = Response::new(code);
    let mut control = Control::default();
    for (number, value, valid) in checked(body) {
        let read = valid
            && match number {
                option::CONTENT_FORMAT => set(&mut response.content_format, decode_uint(value).map(|v| v as u16)),
                option::MAX_AGE => set(&mut response.max_age, decode_uint(value)),
                option::ETAG => set(&mut response.etag, Some(value.to_vec())),
                option::OBSERVE => set(&mut control.observe, decode_uint(value)),
                _ => control.read(number, value),
            };
        if !read {
            if is_critical(number) && !(valid && understood.contains(&number)) {
                return Err(Refusal::BadOption(number));
            }
            if valid {
                response.options.push((number, value.to_vec()));
            }
        }
    }
    Ok((response, control))
}

impl<'a> Control<'a> {
    fn read(&mut self, number: u16, value: &'a [u8]) -> bool {
        match number {
            option::BLOCK1 => set(&mut self.block1, Block::decode(value)),
            option::BLOCK2 => set(&mut self.block2, Block::decode(value)),
            option::SIZE1 => set(&mut self.size1, decode_uint(value)),
            option::SIZE2 => set(&mut self.size2, decode_uint(value)),
            option::ECHO => set(&mut self.echo, Some(value)),
            option::REQUEST_TAG => set(&mut self.request_tag, Some(value)),
            _ => false,
        }
    }

    fn write(&self, options: &mut Options) {
        if let Some(block) = self.block2 {
            options.push_uint(option::BLOCK2, block.encode());
        }
        if let Some(block) = self.block1 {
            options.push_uint(option::BLOCK1, block.encode());
        }
        if let Some(size) = self.size2 {
            options.push_uint(option::SIZE2, size);
        }
        if let Some(size) = self.size1 {
            options.push_uint(option::SIZE1, size);
        }
        if let Some(echo) = self.echo {
            options.push(option::ECHO, echo);
        }
        if let Some(tag) = self.request_tag {
            options.push(option::REQUEST_TAG, tag);
        }
    }
}

fn set<T>(field: &mut Option<T>, value: Option<T>) -> bool {
    let read = value.is_some();
    if read {
        *field = value;
    }
    read
}

/// Options that only the endpoint may write.
fn is_reserved(number: u16) -> bool {
    matches!(
        number,
        option::OSCORE | option::OBSERVE | option::BLOCK1 | option::BLOCK2 | option::ECHO | option::REQUEST_TAG
    )
}

/// Writes a request's options. `observe` in `control` is written, not the request's own.
pub(crate) fn write_request(request: &Request, control: &Control<'_>, options: &mut Options) {
    options.clear();
    if let Some(observe) = control.observe {
        options.push_uint(option::OBSERVE, observe);
    }
    for segment in request.path.encoded_segments() {
        if segment.contains('%') {
            options.push(option::URI_PATH, crate::request::decode_segment(segment).as_bytes());
        } else {
            options.push(option::URI_PATH, segment.as_bytes());
        }
    }
    if let Some(format) = request.content_format {
        options.push_uint(option::CONTENT_FORMAT, format.into());
    }
    for query in &request.queries {
        options.push(option::URI_QUERY, query.as_bytes());
    }
    if let Some(format) = request.accept {
        options.push_uint(option::ACCEPT, format.into());
    }
    control.write(options);
    for (number, value) in request.options.iter().filter(|(number, _)| !is_reserved(*number)) {
        options.push(*number, value);
    }
}

/// Writes a response's options.
pub(crate) fn write_response(response: &Response, control: &Control<'_>, options: &mut Options) {
    options.clear();
    if let Some(etag) = &response.etag {
        options.push(option::ETAG, &etag[..etag.len().min(8)]);
    }
    if let Some(observe) = control.observe {
        options.push_uint(option::OBSERVE, observe);
    }
    if let Some(format) = response.content_format {
        options.push_uint(option::CONTENT_FORMAT, format.into());
    }
    if let Some(seconds) = response.max_age {
        options.push_uint(option::MAX_AGE, seconds);
    }
    control.write(options);
    for (number, value) in response.options.iter().filter(|(number, _)| !is_reserved(*number)) {
        options.push(*number, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MessageType;
    use crate::message::{Header, Message, Token, encode_message};

    fn read(options: &Options) -> Result<(Request, Option<Block>), Refusal> {
        let mut bytes = Vec::new();
        let header =
            Header { message_type: MessageType::Confirmable, code: Code::GET, message_id: 1, token: Token::default() };
        encode_message(&header, options, &[], &mut bytes);
        let message = Message::parse(&bytes).unwrap();
        read_request(Code::GET, &message.body, true, &[2049]).map(|(request, control)| (request, control.block2))
    }

    #[test]
    fn a_request_reads_back_as_it_was_written() {
        let mut request = Request::get("c/a%2Fb").with_query("since=7").with_query("n=3");
        request.accept = Some(112);
        request.content_format = Some(60);
        request.observe = Some(Observe::Register);
        request.options = vec![(2048, vec![1]), (2049, vec![])];
        let control =
            Control { observe: Some(0), block2: Some(Block { number: 2, more: false, szx: 4 }), ..Control::default() };
        let mut options = Options::default();
        write_request(&request, &control, &mut options);
        assert_eq!(read(&options), Ok((request, control.block2)));
    }

    #[test]
    fn unknown_critical_options_are_refused_and_elective_ones_passed_on() {
        let with = |number, value: &[u8]| {
            let mut options = Options::default();
            options.push(number, value);
            read(&options)
        };
        assert_eq!(with(2051, &[]).unwrap_err(), Refusal::BadOption(2051));
        assert_eq!(with(2050, &[5]).unwrap().0.options, [(2050, vec![5])]);
        assert_eq!(with(option::IF_NONE_MATCH, &[]).unwrap_err(), Refusal::BadOption(option::IF_NONE_MATCH));
        assert_eq!(with(option::URI_PATH, &[0xff]).unwrap_err(), Refusal::BadOption(option::URI_PATH));
        assert_eq!(with(option::BLOCK2, &[7]).unwrap_err(), Refusal::BadOption(option::BLOCK2));
        assert_eq!(with(option::ACCEPT, &[0, 0, 0]).unwrap_err(), Refusal::BadOption(option::ACCEPT));
        assert_eq!(with(option::PROXY_URI, b"coap://x").unwrap_err(), Refusal::Proxying);
        assert_eq!(with(option::CONTENT_FORMAT, &[0, 0, 0]).unwrap().0.content_format, None, "elective: ignored");
    }

    #[test]
    fn a_repeated_option_that_may_not_repeat_counts_as_unknown() {
        let mut options = Options::default();
        options.push_uint(option::ACCEPT, 1);
        options.push_uint(option::ACCEPT, 2);
        assert_eq!(read(&options).unwrap_err(), Refusal::BadOption(option::ACCEPT));
        let mut options = Options::default();
        options.push_uint(option::CONTENT_FORMAT, 1);
        options.push_uint(option::CONTENT_FORMAT, 2);
        assert_eq!(read(&options).unwrap().0.content_format, Some(1), "the later one is ignored");
    }
}
