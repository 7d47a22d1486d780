//! A server and a client that share a security context, on a virtual network.
#![allow(dead_code, unreachable_pub, reason = "each test file uses another part")]

use std::net::SocketAddr;

use davy_coap::{
    Code, ContextId, Endpoint, EndpointConfig, Event, ExchangeId, Request, RequestId, Response,
    netem::{Dice, LinkConfig, Network, NodeId},
    oscore::{Algorithm, Params, ReplayState, ReplayWindow, SecurityContext},
};

pub const SECRET: [u8; 16] = [0x42; 16];

pub fn server_address() -> SocketAddr {
    ([10, 0, 0, 1], 5683).into()
}

pub fn client_address(n: u16) -> SocketAddr {
    ([10, 1, (n >> 8) as u8, n as u8], 40000).into()
}

/// The context of a device: the server's half, or the device's own.
pub fn context(device: u8, algorithm: Algorithm, of_server: bool, replay: ReplayState) -> SecurityContext {
    let ids: [&[u8]; 2] = [&[device, 0xde], &[]];
    SecurityContext::derive(Params {
        master_secret: &SECRET,
        master_salt: &[],
        id_context: Some(b"tenant-1"),
        sender_id: ids[usize::from(of_server)],
        recipient_id: ids[usize::from(!of_server)],
        algorithm,
        replay,
    })
    .unwrap()
}

pub fn synced() -> ReplayState {
    ReplayState::Synced(ReplayWindow::new())
}

pub struct Pair {
    pub network: Network,
    pub server: NodeId,
    pub client: NodeId,
    pub server_context: Option<ContextId>,
    pub client_context: Option<ContextId>,
    /// What the server's application has seen and not answered.
    pub requests: Vec<(ExchangeId, Request)>,
    pub server_events: Vec<Event>,
    pub client_events: Vec<Event>,
    /// Answers a request at once; without one it waits in `requests`.
    pub answer: Option<fn(&Request) -> Response>,
}

impl Pair {
    pub fn new(protection: Option<Algorithm>, link: LinkConfig, seed: u64) -> Self {
        Self::with_configs(protection, link, seed, |_| {}, |_| {})
    }

    pub fn with_configs(
        protection: Option<Algorithm>,
        link: LinkConfig,
        seed: u64,
        server_config: impl FnOnce(&mut EndpointConfig),
        client_config: impl FnOnce(&mut EndpointConfig),
    ) -> Self {
        let mut dice = Dice::new(seed);
        let mut network = Network::new(link, dice.next_u64());
        let mut config = EndpointConfig::server();
        config.require_oscore = protection.is_some();
        server_config(&mut config);
        let mut server = Endpoint::new(config, dice.seed());
        let mut config = EndpointConfig::client();
        client_config(&mut config);
        let mut client = Endpoint::new(config, dice.seed());
        let server_context = protection.map(|algorithm| server.add_context(context(1, algorithm, true, synced())));
        let client_context = protection.map(|algorithm| client.add_context(context(1, algorithm, false, synced())));
        Self {
            server: network.add(server_address(), server),
            client: network.add(client_address(1), client),
            network,
            server_context,
            client_context,
            requests: Vec::new(),
            server_events: Vec::new(),
            client_events: Vec::new(),
            answer: Some(echo),
        }
    }

    pub fn plain() -> Self {
        Self::new(None, LinkConfig::PERFECT, 1)
    }

    pub fn protected() -> Self {
        Self::new(Some(Algorithm::A128Gcm), LinkConfig::PERFECT, 1)
    }

    pub fn request(&mut self, request: Request) -> RequestId {
        let context = self.client_context;
        let (client, now) = self.network.node(self.client);
        client.request(now, server_address(), context, request).unwrap()
    }

    pub fn respond(&mut self, exchange: ExchangeId, response: Response) {
        let (server, now) = self.network.node(self.server);
        server.respond(now, exchange, response).unwrap();
    }

    pub fn server(&mut self) -> &mut Endpoint {
        self.network.node(self.server).0
    }

    pub fn client(&mut self) -> &mut Endpoint {
        self.network.node(self.client).0
    }

    pub fn run(&mut self) {
        self.run_inner(None);
    }

    pub fn run_for(&mut self, seconds: f64) {
        self.run_inner(Some(std::time::Duration::from_secs_f64(seconds)));
    }

    fn run_inner(&mut self, duration: Option<std::time::Duration>) {
        let Self { network, server, requests, server_events, client_events, answer, .. } = self;
        let mut application = |node, now, endpoint: &mut Endpoint, event: Event| {
            if node != *server {
                client_events.push(event);
                return;
            }
            if let Event::Request { exchange, request, .. } = &event {
                match answer {
                    Some(answer) => endpoint.respond(now, *exchange, answer(request)).unwrap(),
                    None => requests.push((*exchange, request.clone())),
                }
            }
            server_events.push(event);
        };
        match duration {
            None => network.run(&mut application),
            Some(duration) => network.run_for(duration, &mut application),
        }
    }

    /// The payloads of the responses that the client has got.
    pub fn answers(&self) -> Vec<Response> {
        let response = |event: &Event| match event {
            Event::Response { response, .. } => Some(response.clone()),
            _ => None,
        };
        self.client_events.iter().filter_map(response).collect()
    }

    pub fn served(&self) -> Vec<Request> {
        let request = |event: &Event| match event {
            Event::Request { request, .. } => Some(request.clone()),
            _ => None,
        };
        self.server_events.iter().filter_map(request).collect()
    }
}

/// 2.04 with the request's payload.
pub fn echo(request: &Request) -> Response {
    Response { content_format: request.content_format, ..Response::new(Code::CHANGED) }
        .with_payload(request.payload.clone())
}

pub trait WithPayload {
    fn with_payload(self, payload: Vec<u8>) -> Self;
}

impl WithPayload for Response {
    fn with_payload(self, payload: Vec<u8>) -> Self {
        Self { payload, ..self }
    }
}
