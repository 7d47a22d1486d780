//! Batches of datagrams in and out of one UDP socket: `recvmmsg` and `sendmmsg`, a system call for many datagrams.
//!
//! Must never look into a datagram.

use nix::errno::Errno;
use nix::sys::socket::{
    MsgFlags, MultiHeaders, SockaddrLike, SockaddrStorage, recvmmsg, sendmmsg, setsockopt, sockopt,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

/// How many datagrams one system call moves.
pub const BATCH: usize = 64;
/// Room for one datagram in bytes: above every endpoint's limit, so that a longer one is seen as too long and not as a shorter valid one.
const SLOT: usize = 2048;
/// Socket buffers in bytes: two seconds of a hundred thousand small datagrams must not be lost while a commit waits for the disk.
const SOCKET_BUFFER: usize = 16 << 20;

/// Datagrams that go to one shard together.
#[derive(Debug, Default)]
pub struct Datagrams {
    bytes: Vec<u8>,
    items: Vec<(SocketAddr, u32)>,
}

impl Datagrams {
    /// Adds one.
    pub fn push(&mut self, peer: SocketAddr, datagram: &[u8]) {
        self.bytes.extend_from_slice(datagram);
        self.items.push((peer, self.bytes.len() as u32));
    }

    /// Keeps the oldest `most` and returns how many were let go.
    pub fn keep(&mut self, most: usize) -> usize {
        let dropped = self.items.len().saturating_sub(most);
        if dropped > 0 {
            self.items.truncate(most);
            self.bytes.truncate(self.items.last().map_or(0, |&(_, end)| end as usize));
        }
        dropped
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Each with its sender, in order of arrival.
    pub fn iter(&self) -> impl Iterator<Item = (SocketAddr, &[u8])> {
        let mut start = 0;
        self.items.iter().map(move |&(peer, end)| {
            let datagram = &self.bytes[start..end as usize];
            start = end as usize;
            (peer, datagram)
        })
    }
}

/// Binds the socket; reads return after 50 ms without a datagram so that a shutdown is noticed.
///
/// # Errors
/// The system's error, for instance when the port is taken.
pub fn bind(listen: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(listen)?;
    socket.set_read_timeout(Some(Duration::from_millis(50)))?;
    // The forced variants need a capability; without it the system's maximum applies.
    if setsockopt(&socket, sockopt::RcvBufForce, &SOCKET_BUFFER).is_err() {
        setsockopt(&socket, sockopt::RcvBuf, &SOCKET_BUFFER)?;
    }
    if setsockopt(&socket, sockopt::SndBufForce, &SOCKET_BUFFER).is_err() {
        setsockopt(&socket, sockopt::SndBuf, &SOCKET_BUFFER)?;
    }
    Ok(socket)
}

/// Receives batches.
pub struct Receiver {
    headers: MultiHeaders<SockaddrStorage>,
    slots: Vec<[u8; SLOT]>,
}

impl Default for Receiver {
    fn default() -> Self {
        Self { headers: MultiHeaders::preallocate(BATCH, None), slots: vec![[0; SLOT]; BATCH] }
    }
}

impl Receiver {
    /// Waits for at least one datagram and hands each that is there to `take`; returns how many, zero after the read time-out.
    ///
    /// # Errors
    /// The system's error, other than an interruption or a time-out.
    pub fn receive(&mut self, socket: &UdpSocket, mut take: impl FnMut(SocketAddr, &[u8])) -> io::Result<usize> {
        let mut lengths = [(None, 0_usize); BATCH];
        let count = {
            let mut slices: Vec<[IoSliceMut<'_>; 1]> =
                self.slots.iter_mut().map(|slot| [IoSliceMut::new(slot)]).collect();
            match recvmmsg(socket.as_raw_fd(), &mut self.headers, slices.iter_mut(), MsgFlags::MSG_WAITFORONE, None) {
                Ok(results) => results
                    .zip(&mut lengths)
                    .map(|(message, length)| *length = (message.address.as_ref().and_then(socket_addr), message.bytes))
                    .count(),
                // A refused datagram of ours comes back as an error on the next read; it concerns one peer only.
                Err(Errno::EAGAIN | Errno::EINTR | Errno::ECONNREFUSED) => 0,
                Err(errno) => return Err(errno.into()),
            }
        };
        for (&(peer, length), slot) in lengths[..count].iter().zip(&self.slots) {
            if let Some(peer) = peer {
                take(peer, &slot[..length.min(SLOT)]);
            }
        }
        Ok(count)
    }
}

/// Sends batches.
pub struct Sender {
    headers: MultiHeaders<SockaddrStorage>,
    addresses: Vec<Option<SockaddrStorage>>,
}

impl Default for Sender {
    fn default() -> Self {
        Self { headers: MultiHeaders::preallocate(BATCH, None), addresses: Vec::with_capacity(BATCH) }
    }
}

impl Sender {
    /// Sends every datagram; returns how many the system did not take. CoAP's retransmission covers those.
    pub fn send<'a>(
        &mut self,
        socket: &UdpSocket,
        datagrams: impl IntoIterator<Item = (SocketAddr, &'a [u8])>,
    ) -> usize {
        let mut refused = 0;
        let mut slices: Vec<[IoSlice<'a>; 1]> = Vec::with_capacity(BATCH);
        self.addresses.clear();
        for (peer, datagram) in datagrams {
            self.addresses.push(Some(SockaddrStorage::from(peer)));
            slices.push([IoSlice::new(datagram)]);
            if slices.len() == BATCH {
                refused += self.flush(socket, &slices);
                slices.clear();
                self.addresses.clear();
            }
        }
        refused + self.flush(socket, &slices)
    }

    fn flush(&mut self, socket: &UdpSocket, slices: &[[IoSlice<'_>; 1]]) -> usize {
        let mut done = 0;
        let mut refused = 0;
        while done < slices.len() {
            let sent = sendmmsg(
                socket.as_raw_fd(),
                &mut self.headers,
                &slices[done..],
                &self.addresses[done..],
                [],
                MsgFlags::empty(),
            )
            .map(Iterator::count);
            match sent {
                Ok(count) if count > 0 => done += count,
                Err(Errno::EINTR) => {}
                // The first one of the rest is the one that the system refused.
                Ok(_) | Err(_) => {
                    refused += 1;
                    done += 1;
                }
            }
        }
        refused
    }
}

fn socket_addr(address: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(SocketAddr::V4(SocketAddrV4::from(*v4)));
    }
    if address.len() == 0 {
        return None;
    }
    address.as_sockaddr_in6().map(|v6| SocketAddr::V6(SocketAddrV6::from(*v6)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_datagrams_than_a_batch_arrive_whole_and_in_order() {
        let server = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let client = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let to = server.local_addr().unwrap();
        let payloads: Vec<Vec<u8>> = (0..BATCH + 7).map(|n| vec![n as u8; n + 1]).collect();
        let refused = Sender::default().send(&client, payloads.iter().map(|p| (to, p.as_slice())));
        assert_eq!(refused, 0);

        let mut receiver = Receiver::default();
        let mut got = Datagrams::default();
        while got.items.len() < payloads.len() {
            let count = receiver.receive(&server, |peer, datagram| got.push(peer, datagram)).unwrap();
            assert_ne!(count, 0, "timed out after {} of {}", got.items.len(), payloads.len());
        }
        let from = client.local_addr().unwrap();
        assert!(got.iter().zip(&payloads).all(|((peer, got), sent)| peer == from && got == sent));
    }
}
