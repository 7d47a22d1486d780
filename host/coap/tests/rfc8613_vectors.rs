//! The test vectors of RFC 8613 appendix C.4 to C.8, each checked from both sides: what one peer seals is the RFC's bytes, and the other opens it.
//! C.1 to C.3, the derivations, are beside the code that derives: keys cannot be read from outside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a helper of a test fails the test")]

use davy_coap::{
    Code,
    message::{Body, Header, Message, Options},
    oscore::{
        Algorithm, OscoreOption, Params, ReplayState, ReplayWindow, RequestBinding, ResponseNonce, SecurityContext,
        protect_request, protect_response, unprotect_request, unprotect_response,
    },
};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

struct Vector {
    salt: &'static str,
    id_context: Option<&'static str>,
    client_id: &'static str,
    server_id: &'static str,
}

/// C.1: with Master Salt.
const C1: Vector = Vector { salt: "9e7ca92223786340", id_context: None, client_id: "", server_id: "01" };
/// C.2: without Master Salt.
const C2: Vector = Vector { salt: "", id_context: None, client_id: "00", server_id: "01" };
/// C.3: with ID Context.
const C3: Vector =
    Vector { salt: "9e7ca92223786340", id_context: Some("37cbf3210017a2d3"), client_id: "", server_id: "01" };

impl Vector {
    fn context(&self, sender: &str, recipient: &str) -> SecurityContext {
        SecurityContext::derive(Params {
            master_secret: &hex("0102030405060708090a0b0c0d0e0f10"),
            master_salt: &hex(self.salt),
            id_context: self.id_context.map(hex).as_deref(),
            sender_id: &hex(sender),
            recipient_id: &hex(recipient),
            algorithm: Algorithm::AesCcm16_64_128,
            replay: ReplayState::Synced(ReplayWindow::new()),
        })
        .unwrap()
    }

    fn client(&self) -> SecurityContext {
        self.context(self.client_id, self.server_id)
    }

    fn server(&self) -> SecurityContext {
        self.context(self.server_id, self.client_id)
    }

    /// Checks C.4, C.5 or C.6: a request with sequence number 20.
    fn check_request(&self, unprotected: &str, protected: &str) -> RequestBinding {
        let mut client = self.client();
        client.set_sender_sequence(20);
        let unprotected = hex(unprotected);
        let message = Message::parse(&unprotected).unwrap();
        let mut options = Options::default();
        options.extend_from(message.options());
        let mut sealed = Vec::new();
        protect_request(&mut client, &message.header, &options, message.payload(), &mut sealed).unwrap();
        assert_eq!(sealed, hex(protected));
        assert_eq!(client.sender_sequence(), 21);

        let outer = Message::parse(&sealed).unwrap();
        let (_, value) = outer.options().find(|&(number, _)| number == 9).unwrap();
        let option = OscoreOption::parse(value).unwrap();
        assert_eq!(option.kid, Some(&*hex(self.client_id)));
        assert_eq!(option.kid_context.map(<[u8]>::to_vec), self.id_context.map(hex));
        let mut scratch = Vec::new();
        let (binding, inner) =
            unprotect_request(&self.server(), option.partial_iv.unwrap(), &outer, &mut scratch).unwrap();
        assert_eq!(inner.code, Code::GET);
        let inner: Vec<_> = inner.body.options().collect();
        assert_eq!(inner, [(11, &b"tv1"[..])], "the path is inside, the host stays outside");
        binding
    }

    /// Checks C.7 or C.8: a response to C.4.
    fn check_response(&self, nonce: ResponseNonce, unprotected: &str, protected: &str) {
        let binding = self.check_request(C4_UNPROTECTED, C4_PROTECTED);
        let unprotected = hex(unprotected);
        let message = Message::parse(&unprotected).unwrap();
        let mut options = Options::default();
        options.extend_from(message.options());
        let mut sealed = Vec::new();
        protect_response(
            &mut self.server(),
            &message.header,
            &options,
            message.payload(),
            &binding,
            nonce,
            &mut sealed,
        )
        .unwrap();
        assert_eq!(sealed, hex(protected));

        let outer = Message::parse(&sealed).unwrap();
        let (_, value) = outer.options().find(|&(number, _)| number == 9).unwrap();
        let sequence = OscoreOption::parse(value).unwrap().partial_iv;
        assert_eq!(sequence, (nonce == ResponseNonce::Own).then_some(0));
        let mut scratch = Vec::new();
        let inner = unprotect_response(&self.client(), &binding, sequence, &outer, &mut scratch).unwrap();
        assert_eq!(inner.code, Code::CONTENT);
        assert_eq!(inner.body.payload, b"Hello World!");
    }
}

const C4_UNPROTECTED: &str = "44015d1f00003974396c6f63616c686f737483747631";
const C4_PROTECTED: &str = "44025d1f00003974396c6f63616c686f7374620914ff612f1092f1776f1c1668b3825e";

#[test]
fn c4_a_request_from_the_client_of_c1() {
    C1.check_request(C4_UNPROTECTED, C4_PROTECTED);
}

#[test]
fn c5_a_request_from_the_client_of_c2() {
    C2.check_request(
        "440171c30000b932396c6f63616c686f737483747631",
        "440271c30000b932396c6f63616c686f737463091400ff4ed339a5a379b0b8bc731fffb0",
    );
}

#[test]
fn c6_a_request_from_the_client_of_c3_carries_the_kid_context() {
    C3.check_request(
        "44012f8eef9bbf7a396c6f63616c686f737483747631",
        "44022f8eef9bbf7a396c6f63616c686f73746b19140837cbf3210017a2d3ff72cd7273fd331ac45cffbe55c3",
    );
}

#[test]
fn c7_a_response_under_the_nonce_of_the_request() {
    C1.check_response(
        ResponseNonce::OfRequest,
        "64455d1f00003974ff48656c6c6f20576f726c6421",
        "64445d1f0000397490ffdbaad1e9a7e7b2a813d3c31524378303cdafae119106",
    );
}

#[test]
fn c8_a_response_with_a_partial_iv_of_its_own() {
    C1.check_response(
        ResponseNonce::Own,
        "64455d1f00003974ff48656c6c6f20576f726c6421",
        "64445d1f00003974920100ff4d4c13669384b67354b2b6175ff4b8658c666a6cf88e",
    );
}

#[test]
fn a_flipped_bit_anywhere_in_the_ciphertext_or_its_binding_is_refused() {
    let sealed = hex(C4_PROTECTED);
    let start = sealed.iter().position(|&byte| byte == 0xff).unwrap() + 1;
    let mut scratch = Vec::new();
    for bit in 0..(sealed.len() - start) * 8 {
        let mut tampered = sealed.clone();
        tampered[start + bit / 8] ^= 1 << (bit % 8);
        let outer = Message::parse(&tampered).unwrap();
        assert!(unprotect_request(&C1.server(), 20, &outer, &mut scratch).is_err());
    }
    let outer = Message::parse(&sealed).unwrap();
    assert!(unprotect_request(&C1.server(), 21, &outer, &mut scratch).is_err(), "another Partial IV");
    assert!(unprotect_request(&C2.server(), 20, &outer, &mut scratch).is_err(), "another context");
    assert!(unprotect_request(&C1.server(), 20, &outer, &mut scratch).is_ok());
}

#[test]
fn plaintext_is_parsed_as_strictly_as_a_datagram() {
    assert!(Body::parse(&[0xff]).is_err());
    assert!(Header::parse(&[0x80, 1, 0, 0]).is_err(), "version 2");
}
