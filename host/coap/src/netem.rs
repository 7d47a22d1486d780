//! A deterministic network for tests: endpoints in virtual time over a link that loses, duplicates, delays and so reorders datagrams.
//!
//! The same seed gives the same run. Must never be part of a product build: it is behind the feature `netem`.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use crate::{endpoint::Endpoint, event::Event};

/// What the link does to datagrams.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinkConfig {
    /// The share of datagrams that are lost, 0.0–1.0.
    pub loss: f64,
    /// The share of datagrams that arrive twice, 0.0–1.0.
    pub duplication: f64,
    /// The shortest way.
    pub min_delay: Duration,
    /// The longest way. Datagrams overtake each other when it is longer than the time between them.
    pub max_delay: Duration,
}

impl LinkConfig {
    /// Every datagram arrives once, after 10 ms.
    pub const PERFECT: Self = Self {
        loss: 0.0,
        duplication: 0.0,
        min_delay: Duration::from_millis(10),
        max_delay: Duration::from_millis(10),
    };

    /// A bad radio cell: every fifth datagram is lost, every fifth comes twice, the way takes up to 3 s.
    pub const BAD_RADIO: Self =
        Self { loss: 0.2, duplication: 0.2, min_delay: Duration::from_millis(20), max_delay: Duration::from_secs(3) };
}

/// A small generator of reproducible numbers (splitmix64); nothing secret may come from it.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// A generator that always gives the same numbers for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number from 0.0 up to, but not, 1.0.
    pub fn share(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number below `bound`, which must not be 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next_u64() % bound
    }

    /// 32 bytes, e.g. an endpoint's seed.
    pub fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        for chunk in seed.chunks_exact_mut(8) {
            chunk.copy_from_slice(&self.next_u64().to_be_bytes());
        }
        seed
    }
}

/// A datagram that was sent, whatever became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// When it was sent.
    pub at: Instant,
    /// By whom.
    pub from: SocketAddr,
    /// To whom.
    pub to: SocketAddr,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// How many copies arrive: 0, 1 or 2.
    pub copies: u8,
}

/// The link alone, for those who drive their endpoints themselves.
#[derive(Debug)]
pub struct Link {
    config: LinkConfig,
    dice: Dice,
    /// Time of arrival, order of sending, and which of `sent`.
    under_way: BinaryHeap<Reverse<(Instant, u64, usize)>>,
    order: u64,
    sent: Vec<Datagram>,
}

impl Link {
    /// A link that treats datagrams by `config`, reproducibly by `seed`.
    pub fn new(config: LinkConfig, seed: u64) -> Self {
        Self { config, dice: Dice::new(seed), under_way: BinaryHeap::new(), order: 0, sent: Vec::new() }
    }

    /// From now on treats datagrams by another configuration.
    pub fn set_config(&mut self, config: LinkConfig) {
        self.config = config;
    }

    /// Sends a datagram.
    pub fn send(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        let copies = if self.dice.share() < self.config.loss {
            0
        } else if self.dice.share() < self.config.duplication {
            2
        } else {
            1
        };
        let spread = self.config.max_delay.saturating_sub(self.config.min_delay);
        for _ in 0..copies {
            let delay = self.config.min_delay + spread.mul_f64(self.dice.share());
            self.order += 1;
            self.under_way.push(Reverse((now + delay, self.order, self.sent.len())));
        }
        self.sent.push(Datagram { at: now, from, to, bytes, copies });
    }

    /// When the next datagram arrives.
    pub fn next_arrival(&self) -> Option<Instant> {
        self.under_way.peek().map(|Reverse((at, ..))| *at)
    }

    /// Takes the next datagram that has arrived by `now`.
    pub fn arrive(&mut self, now: Instant) -> Option<&Datagram> {
        self.next_arrival().filter(|&at| at <= now)?;
        let Reverse((_, _, index)) = self.under_way.pop()?;
        self.sent.get(index)
    }

    /// Everything that was ever sent, in order.
    pub fn sent(&self) -> &[Datagram] {
        &self.sent
    }
}

/// An endpoint's place in a [`Network`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeId(usize);

struct Node {
    address: SocketAddr,
    endpoint: Endpoint,
}

/// Endpoints, the link between them, and the time.
pub struct Network {
    now: Instant,
    nodes: Vec<Node>,
    link: Link,
}

impl Network {
    /// A network without nodes.
    pub fn new(config: LinkConfig, seed: u64) -> Self {
        // The only use of the clock: any instant will do, and there is no other way to get one.
        Self { now: Instant::now(), nodes: Vec::new(), link: Link::new(config, seed) }
    }

    /// The virtual time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The link, e.g. to send something by hand or to see what was sent.
    pub fn link(&mut self) -> &mut Link {
        &mut self.link
    }

    /// Adds an endpoint.
    pub fn add(&mut self, address: SocketAddr, endpoint: Endpoint) -> NodeId {
        self.nodes.push(Node { address, endpoint });
        NodeId(self.nodes.len() - 1)
    }

    /// The endpoint, and the time to call it with.
    pub fn node(&mut self, id: NodeId) -> (&mut Endpoint, Instant) {
        (&mut self.nodes[id.0].endpoint, self.now)
    }

    /// Puts another endpoint in the place of one, as a restart does. What is under way to its address reaches the new one.
    pub fn replace(&mut self, id: NodeId, endpoint: Endpoint) -> Endpoint {
        std::mem::replace(&mut self.nodes[id.0].endpoint, endpoint)
    }

    /// Gives a node another address, as a NAT does: it does not notice, and what is under way to the old address is lost.
    pub fn rebind(&mut self, id: NodeId, address: SocketAddr) {
        self.nodes[id.0].address = address;
    }

    /// Sends what the endpoints have to send, hands their events to `application`, and goes to the next moment at which something
    /// happens. False when nothing will ever happen by itself.
    pub fn step(&mut self, application: &mut impl FnMut(NodeId, Instant, &mut Endpoint, Event)) -> bool {
        self.settle(application);
        let timeout = self.nodes.iter().filter_map(|node| node.endpoint.poll_timeout()).min();
        let Some(next) = [timeout, self.link.next_arrival()].into_iter().flatten().min() else { return false };
        self.now = self.now.max(next);
        while let Some(datagram) = self.link.arrive(self.now) {
            if let Some(node) = self.nodes.iter_mut().find(|node| node.address == datagram.to) {
                node.endpoint.handle_datagram(self.now, datagram.from, &datagram.bytes);
            }
        }
        for node in &mut self.nodes {
            if node.endpoint.poll_timeout().is_some_and(|at| at <= self.now) {
                node.endpoint.handle_timeout(self.now);
            }
        }
        true
    }

    /// Steps until nothing will happen by itself any more.
    pub fn run(&mut self, application: &mut impl FnMut(NodeId, Instant, &mut Endpoint, Event)) {
        while self.step(application) {}
    }

    /// Steps until `duration` has passed.
    pub fn run_for(&mut self, duration: Duration, application: &mut impl FnMut(NodeId, Instant, &mut Endpoint, Event)) {
        let end = self.now + duration;
        loop {
            self.settle(application);
            let timeout = self.nodes.iter().filter_map(|node| node.endpoint.poll_timeout()).min();
            match [timeout, self.link.next_arrival()].into_iter().flatten().min() {
                Some(next) if next <= end => self.step(application),
                _ => break,
            };
        }
        self.now = end;
    }

    fn settle(&mut self, application: &mut impl FnMut(NodeId, Instant, &mut Endpoint, Event)) {
        for (index, node) in self.nodes.iter_mut().enumerate() {
            while let Some(event) = node.endpoint.poll_event() {
                application(NodeId(index), self.now, &mut node.endpoint, event);
            }
            while let Some(transmit) = node.endpoint.poll_transmit() {
                self.link.send(self.now, node.address, transmit.peer, transmit.payload);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_fates() {
        let now = Instant::now();
        let run = |seed| {
            let mut link = Link::new(LinkConfig::BAD_RADIO, seed);
            let address = ([10, 0, 0, 1], 1).into();
            (0..1000).for_each(|_| link.send(now, address, address, vec![]));
            let arrivals: Vec<_> = std::iter::from_fn(|| {
                let at = link.next_arrival()?;
                link.arrive(at).map(|_| at)
            })
            .collect();
            let lost = link.sent().iter().filter(|datagram| datagram.copies == 0).count();
            (arrivals, lost)
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
        let (arrivals, lost) = run(3);
        assert!((100..300).contains(&lost), "a fifth of a thousand is lost, not {lost}");
        assert!(arrivals.len() > 1000 - lost, "some arrive twice");
    }
}
