//! Message flows and byte layouts of RFC 7252 (appendix A and sections 4 and 5), against an endpoint that is fed datagrams by hand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a helper of a test fails the test")]

mod support;

use std::time::{Duration, Instant};

use davy_coap::{Code, Endpoint, EndpointConfig, Event, Failure, Request, Response, Timing};
use support::{client_address, server_address};

/// An endpoint fed by hand.
struct Bench {
    endpoint: Endpoint,
    now: Instant,
}

impl Bench {
    fn server() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut EndpointConfig)) -> Self {
        let mut config = EndpointConfig { require_oscore: false, ..EndpointConfig::server() };
        change(&mut config);
        Self { endpoint: Endpoint::new(config, [7; 32]), now: Instant::now() }
    }

    fn client() -> Self {
        Self { endpoint: Endpoint::new(EndpointConfig::client(), [7; 32]), now: Instant::now() }
    }

    fn receive(&mut self, datagram: &[u8]) -> Vec<Vec<u8>> {
        self.endpoint.handle_datagram(self.now, client_address(1), datagram);
        self.sent()
    }

    fn sent(&mut self) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| self.endpoint.poll_transmit()).map(|transmit| transmit.payload).collect()
    }

    fn event(&mut self) -> Event {
        self.endpoint.poll_event().expect("an event")
    }

    fn pass(&mut self, time: Duration) -> Vec<Vec<u8>> {
        self.now += time;
        self.endpoint.handle_timeout(self.now);
        self.sent()
    }

    fn get(&mut self) -> Vec<u8> {
        let peer = client_address(1);
        self.endpoint.request(self.now, peer, None, Request::get("temperature")).unwrap();
        self.sent().remove(0)
    }
}

const GET_TEMPERATURE: &[u8] = b"\x40\x01\x7d\x34\xbbtemperature";

fn celsius() -> Response {
    Response { payload: b"22.3 C".to_vec(), ..Response::new(Code::CONTENT) }
}

#[test]
fn figure_16_a_confirmable_request_gets_a_piggybacked_response() {
    let mut server = Bench::server();
    assert!(server.receive(GET_TEMPERATURE).is_empty());
    let Event::Request { exchange, request, .. } = server.event() else { panic!("a request") };
    assert_eq!(request, Request::get("temperature"));
    server.endpoint.respond(server.now, exchange, celsius()).unwrap();
    assert_eq!(server.sent(), [b"\x60\x45\x7d\x34\xff22.3 C".to_vec()]);
}

#[test]
fn figure_17_the_token_is_echoed() {
    let mut server = Bench::server();
    server.receive(b"\x41\x01\x7d\x35\x20\xbbtemperature");
    let Event::Request { exchange, .. } = server.event() else { panic!("a request") };
    server.endpoint.respond(server.now, exchange, celsius()).unwrap();
    assert_eq!(server.sent(), [b"\x61\x45\x7d\x35\x20\xff22.3 C".to_vec()]);
}

#[test]
fn figure_18_a_lost_request_is_sent_again_as_it_was() {
    let mut client = Bench::client();
    let first = client.get();
    assert_eq!(&first[..2], b"\x44\x01");
    assert!(client.pass(Duration::from_millis(1999)).is_empty());
    assert_eq!(client.pass(Duration::from_millis(1001)), [first]);
}

#[test]
fn figure_19_a_retransmission_gets_the_same_bytes_and_is_served_once() {
    let mut server = Bench::server();
    server.receive(GET_TEMPERATURE);
    let Event::Request { exchange, .. } = server.event() else { panic!("a request") };
    server.endpoint.respond(server.now, exchange, celsius()).unwrap();
    let reply = server.sent();
    assert_eq!(server.receive(GET_TEMPERATURE), reply);
    assert_eq!(server.endpoint.poll_event(), None);
    assert_eq!(server.endpoint.stats().duplicates_answered, 1);
}

#[test]
fn a_retransmission_while_the_application_works_is_not_served_again() {
    let mut server = Bench::server();
    server.receive(GET_TEMPERATURE);
    assert!(server.receive(GET_TEMPERATURE).is_empty());
    assert!(matches!(server.event(), Event::Request { .. }));
    assert_eq!(server.endpoint.poll_event(), None);
    assert_eq!(server.endpoint.stats().duplicates_ignored, 1);
}

#[test]
fn figure_20_a_slow_answer_is_acknowledged_first_and_then_sent_separately() {
    let mut server = Bench::server();
    server.receive(b"\x41\x01\x7d\x38\x53\xbbtemperature");
    let Event::Request { exchange, .. } = server.event() else { panic!("a request") };
    assert!(server.pass(Duration::from_millis(1499)).is_empty());
    assert_eq!(server.pass(Duration::from_millis(1)), [b"\x60\x00\x7d\x38".to_vec()]);
    assert_eq!(
        server.receive(b"\x41\x01\x7d\x38\x53\xbbtemperature"),
        [b"\x60\x00\x7d\x38".to_vec()],
        "the acknowledgement is what is repeated"
    );
    server.endpoint.respond(server.now, exchange, celsius()).unwrap();
    let sent = server.sent().remove(0);
    assert_eq!((&sent[..2], &sent[4..]), (&b"\x41\x45"[..], &b"\x53\xff22.3 C"[..]), "confirmable, with the token");
    assert_eq!(server.pass(Duration::from_secs(3)).concat(), sent, "sent again until it is acknowledged");
    assert!(server.receive(&[0x60, 0, sent[2], sent[3]]).is_empty());
    assert!(server.pass(Duration::from_secs(100)).is_empty());
}

#[test]
fn figure_20_the_client_acknowledges_the_separate_response_each_time_it_comes() {
    let mut client = Bench::client();
    let request = client.get();
    assert!(client.receive(&[0x60, 0, request[2], request[3]]).is_empty());
    assert!(client.pass(Duration::from_secs(10)).is_empty(), "acknowledged: not sent again");
    let mut response = b"\x44\x45\xad\x7b".to_vec();
    response.extend_from_slice(&request[4..8]);
    response.extend_from_slice(b"\xff22.3 C");
    assert_eq!(client.receive(&response), [b"\x60\x00\xad\x7b".to_vec()]);
    assert!(matches!(client.event(), Event::Response { response, more: false, .. } if response.payload == b"22.3 C"));
    assert_eq!(client.receive(&response), [b"\x60\x00\xad\x7b".to_vec()]);
    assert_eq!(client.endpoint.poll_event(), None);
}

#[test]
fn a_separate_response_that_overtakes_the_acknowledgement_is_enough() {
    let mut client = Bench::client();
    let request = client.get();
    let mut response = b"\x44\x45\xad\x7c".to_vec();
    response.extend_from_slice(&request[4..8]);
    assert_eq!(client.receive(&response), [b"\x60\x00\xad\x7c".to_vec()]);
    assert!(client.pass(Duration::from_secs(100)).is_empty(), "no retransmission");
    assert!(client.receive(&[0x60, 0, request[2], request[3]]).is_empty());
}

#[test]
fn figure_22_a_non_confirmable_request_gets_a_non_confirmable_response() {
    let mut server = Bench::server();
    server.receive(b"\x51\x01\x7d\x40\x75\xbbtemperature");
    let Event::Request { exchange, request, .. } = server.event() else { panic!("a request") };
    assert!(!request.confirmable);
    server.endpoint.respond(server.now, exchange, celsius()).unwrap();
    let sent = server.sent().remove(0);
    assert_eq!((&sent[..2], &sent[4..]), (&b"\x51\x45"[..], &b"\x75\xff22.3 C"[..]));
    assert!(server.receive(b"\x51\x01\x7d\x40\x75\xbbtemperature").is_empty(), "its duplicate is dropped");
}

#[test]
fn figure_21_a_response_without_a_request_is_reset_when_it_is_confirmable() {
    let mut client = Bench::client();
    assert_eq!(client.receive(b"\x44\x45\x12\x34abcd\xffx"), [b"\x70\x00\x12\x34".to_vec()]);
    assert!(client.receive(b"\x54\x45\x12\x35abcd\xffx").is_empty());
    assert!(client.receive(b"\x64\x45\x12\x36abcd\xffx").is_empty());
    assert_eq!(client.receive(b"\x54\x45\x12\x37abcd\x61\x05\xffx"), [b"\x70\x00\x12\x37".to_vec()], "a notification");
}

#[test]
fn a_ping_is_answered_with_a_reset() {
    assert_eq!(Bench::server().receive(b"\x40\x00\x12\x34"), [b"\x70\x00\x12\x34".to_vec()]);
}

#[test]
fn confirmable_garbage_is_reset_and_the_rest_is_ignored() {
    let mut server = Bench::server();
    let reset = [b"\x70\x00\x12\x34".to_vec()];
    for garbage in [
        &b"\x41\x00\x12\x34x"[..],       // Empty with a token
        b"\x40\x00\x12\x34\xffx",        // Empty with a payload
        b"\x40\x01\x12\x34\xff",         // marker without payload
        b"\x40\x01\x12\x34\xf0",         // reserved delta
        b"\x40\x01\x12\x34\x0f",         // reserved length
        b"\x40\x01\x12\x34\xb5abc",      // option cut short
        b"\x49\x01\x12\x34123456789",    // token length 9
        b"\x48\x01\x12\x341234",         // token cut short
        b"\x40\x21\x12\x34",             // class 1
        b"\x40\xc1\x12\x34",             // class 6
        b"\x40\x01\x12\x34\xe0\xff\xff", // option number above 65,535
    ] {
        assert_eq!(server.receive(garbage), reset, "{garbage:02x?}");
        let non = [&[garbage[0] | 0x10], &garbage[1..]].concat();
        assert!(server.receive(&non).is_empty(), "{non:02x?}");
        let ack = [&[garbage[0] | 0x20], &garbage[1..]].concat();
        assert!(server.receive(&ack).is_empty(), "{ack:02x?}");
    }
    assert!(server.receive(b"\x80\x01\x12\x34").is_empty(), "another version is ignored");
    assert!(server.receive(b"\x40\x01\x12").is_empty() && server.receive(b"").is_empty(), "too short");
    assert!(server.receive(b"\x60\x01\x12\x34").is_empty(), "a request in an acknowledgement");
    assert!(server.receive(b"\x70\x45\x12\x34").is_empty(), "a response in a reset");
    assert_eq!(server.endpoint.stats().malformed, 11 * 3 + 5);
    assert_eq!(server.endpoint.poll_event(), None);
    assert_eq!(server.endpoint.stats().peers, 0, "nothing is remembered of it");
}

#[test]
fn what_comes_from_no_address_is_never_answered() {
    let mut server = Bench::server();
    for peer in ["224.0.1.187:5683", "[ff02::fd]:5683", "255.255.255.255:5683", "0.0.0.0:5683", "10.0.0.1:0"] {
        server.endpoint.handle_datagram(server.now, peer.parse().unwrap(), GET_TEMPERATURE);
    }
    assert!(server.sent().is_empty());
    assert_eq!((server.endpoint.stats().unanswerable, server.endpoint.poll_event()), (5, None));
}

#[test]
fn an_unknown_critical_option_is_refused_and_an_elective_one_is_not() {
    let mut server = Bench::server();
    let reply = server.receive(b"\x40\x01\x12\x34\x90").remove(0);
    assert_eq!(&reply[..2], b"\x60\x82", "9 is OSCORE, and empty: the COSE object cannot be decoded");
    let reply = server.receive(b"\x40\x01\x12\x35\xd0\x0c").remove(0);
    assert_eq!(&reply[..4], b"\x60\x82\x12\x35", "25 is critical and unknown");
    assert!(String::from_utf8_lossy(&reply).contains("option 25"));
    assert!(server.receive(b"\x40\x01\x12\x36\xd0\x0d").is_empty(), "26 is elective");
    assert!(matches!(server.event(), Event::Request { request, .. } if request.options == [(26, vec![])]));
    let reply = server.receive(b"\x40\x01\x12\x37\xd8\x16coap://x").remove(0);
    assert_eq!(&reply[..2], b"\x60\xa5", "Proxy-Uri: proxying is not supported");
}

#[test]
fn an_understood_critical_option_reaches_the_application() {
    let mut server = Bench::with(|config| config.understood_options = vec![25]);
    server.receive(b"\x40\x01\x12\x35\xd1\x0cx");
    assert!(matches!(server.event(), Event::Request { request, .. } if request.options == [(25, b"x".to_vec())]));
}

#[test]
fn waits_double_until_the_request_is_given_up() {
    let mut client = Bench::client();
    let first = client.get();
    let start = client.now;
    let mut times = Vec::new();
    while let Some(at) = client.endpoint.poll_timeout().filter(|_| times.len() < 4) {
        client.now = at;
        client.endpoint.handle_timeout(at);
        for sent in client.sent() {
            assert_eq!(sent, first);
            times.push((at - start).as_secs_f64());
        }
    }
    let wait = times[0];
    assert!((2.0..=3.0).contains(&wait));
    for (n, time) in times.iter().enumerate() {
        let expected = wait * f64::from((1 << (n + 1)) - 1);
        assert!((time - expected).abs() < 1e-6, "{times:?}");
    }
    client.pass(Duration::from_secs_f64(wait * 16.0));
    assert!(matches!(client.event(), Event::RequestFailed { reason: Failure::TimedOut, .. }));
    assert_eq!(client.endpoint.stats().retransmissions, 4);
}

#[test]
fn a_slow_class_of_device_is_timed_by_its_own_values() {
    let mut client = Bench::client();
    client.endpoint.set_peer_timing(client_address(1), Timing::NB_IOT);
    client.get();
    assert!(client.pass(Duration::from_millis(9_999)).is_empty());
    assert_eq!(client.pass(Duration::from_millis(5_001)).len(), 1);
}

#[test]
fn a_reset_fails_the_request() {
    let mut client = Bench::client();
    let request = client.get();
    client.receive(&[0x70, 0, request[2], request[3]]);
    assert!(matches!(client.event(), Event::RequestFailed { reason: Failure::Reset, .. }));
    assert!(client.pass(Duration::from_secs(100)).is_empty());
}

#[test]
fn only_nstart_requests_are_on_the_way_to_a_peer() {
    let mut client = Bench::client();
    let first = client.get();
    client.endpoint.request(client.now, client_address(1), None, Request::get("b")).unwrap();
    client.endpoint.request(client.now, server_address(), None, Request::get("c")).unwrap();
    let sent = client.sent();
    assert_eq!(sent.len(), 1, "the one to the other peer");
    assert!(sent[0].ends_with(b"\xb1c"));
    let sent = client.receive(&[0x60, 0, first[2], first[3]]);
    assert_eq!(sent.len(), 1);
    assert!(sent[0].ends_with(b"\xb1b"), "the acknowledgement lets the next one go");
}

#[test]
fn the_queue_behind_nstart_is_bounded() {
    let mut client = Bench::with(|config| config.max_queued = 2);
    let results: Vec<_> = (0..4)
        .map(|_| client.endpoint.request(client.now, client_address(1), None, Request::get("a")).map(|_| ()))
        .collect();
    assert_eq!(results[..3], [Ok(()), Ok(()), Ok(())]);
    assert!(results[3].as_ref().unwrap_err().to_string().contains("2 messages wait"));
}

#[test]
fn an_oversized_request_is_told_what_would_fit() {
    let mut server = Bench::server();
    let mut datagram = b"\x41\x02\x12\x34t\xff".to_vec();
    datagram.resize(1153, b'x');
    let reply = server.receive(&datagram).remove(0);
    assert_eq!(&reply[..5], b"\x61\x8d\x12\x34t", "4.13");
    assert!(reply[5..].starts_with(b"\xd2\x2f\x04\x80"), "Size1: 1,152");
    datagram[0] = 0x51;
    assert!(server.receive(&datagram).is_empty());
    assert_eq!(server.endpoint.stats().too_large, 2);
}

#[test]
fn a_response_is_forgotten_with_its_exchange() {
    let mut server = Bench::server();
    server.receive(GET_TEMPERATURE);
    let Event::Request { exchange, .. } = server.event() else { panic!("a request") };
    assert_eq!(server.pass(Duration::from_millis(1500)).len(), 1);
    server.pass(Duration::from_secs(248));
    let error = server.endpoint.respond(server.now, exchange, celsius()).unwrap_err();
    assert!(error.to_string().contains("lifetime has passed"));
    server.pass(Duration::from_mins(5));
    assert_eq!((server.endpoint.poll_timeout(), server.endpoint.stats().peers), (None, 0), "nothing is left");
}

#[test]
fn a_reused_message_id_with_other_bytes_is_another_message() {
    let mut server = Bench::server();
    server.receive(GET_TEMPERATURE);
    server.receive(b"\x40\x01\x7d\x34\xb8humidity");
    assert!(matches!(server.event(), Event::Request { request, .. } if request.path == "temperature"));
    assert!(matches!(server.event(), Event::Request { request, .. } if request.path == "humidity"));
}

#[test]
fn too_many_waiting_requests_are_sent_away() {
    let mut server = Bench::with(|config| config.max_exchanges = 1);
    server.receive(GET_TEMPERATURE);
    let reply = server.receive(b"\x40\x01\x7d\x35\xbbtemperature").remove(0);
    assert_eq!(reply, b"\x60\xa3\x7d\x35\xd1\x01\x05", "5.03 with Max-Age 5");
    assert_eq!(server.endpoint.stats().overloaded, 1);
}
