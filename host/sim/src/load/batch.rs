//! Many datagrams a system call: `sendmmsg` and `recvmmsg` over buffers that are made once.
//!
//! Must never lose a datagram silently that the kernel had taken; what it had no room for is said.

use nix::{
    errno::Errno,
    sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg},
};
use std::{
    io::{IoSlice, IoSliceMut},
    os::fd::{AsRawFd, BorrowedFd},
};

/// Datagrams a call.
pub(super) const BATCH: usize = 64;
/// Longest answer that is read whole.
const LONGEST: usize = 1280;

/// Buffers to receive into.
pub(super) struct Inbox {
    buffers: Vec<[u8; LONGEST]>,
    lengths: [usize; BATCH],
    headers: MultiHeaders<SockaddrStorage>,
}

impl Inbox {
    pub(super) fn new() -> Self {
        Self {
            buffers: vec![[0; LONGEST]; BATCH],
            lengths: [0; BATCH],
            headers: MultiHeaders::preallocate(BATCH, None),
        }
    }

    /// Takes what has arrived; says how many.
    pub(super) fn receive(&mut self, socket: BorrowedFd<'_>) -> Result<usize, Errno> {
        let mut slices: Vec<[IoSliceMut<'_>; 1]> =
            self.buffers.iter_mut().map(|buffer| [IoSliceMut::new(buffer)]).collect();
        let mut count = 0;
        match recvmmsg(socket.as_raw_fd(), &mut self.headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None) {
            Ok(messages) => {
                for message in messages {
                    self.lengths[count] = message.bytes;
                    count += 1;
                }
                Ok(count)
            }
            // A server that is down answers with an ICMP error.
            Err(Errno::EAGAIN | Errno::EINTR | Errno::ECONNREFUSED) => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// One of the datagrams of the last call.
    pub(super) fn datagram(&self, number: usize) -> &[u8] {
        &self.buffers[number][..self.lengths[number].min(LONGEST)]
    }
}

/// Headers to send with.
pub(super) struct Outbox {
    headers: MultiHeaders<SockaddrStorage>,
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self { headers: MultiHeaders::preallocate(BATCH, None) }
    }

    /// Sends datagrams on a connected socket; says how many of them, from the front, the kernel took.
    pub(super) fn send<'d>(
        &mut self,
        socket: BorrowedFd<'_>,
        datagrams: impl Iterator<Item = &'d [u8]>,
    ) -> Result<usize, Errno> {
        let slices: Vec<[IoSlice<'_>; 1]> = datagrams.take(BATCH).map(|datagram| [IoSlice::new(datagram)]).collect();
        let nobody: [Option<SockaddrStorage>; BATCH] = [None; BATCH];
        let count = slices.len();
        match sendmmsg(
            socket.as_raw_fd(),
            &mut self.headers,
            slices.iter(),
            &nobody[..count],
            [],
            MsgFlags::MSG_DONTWAIT,
        ) {
            Ok(messages) => Ok(messages.count()),
            Err(Errno::EAGAIN | Errno::EINTR | Errno::ECONNREFUSED | Errno::ENOBUFS) => Ok(0),
            Err(error) => Err(error),
        }
    }
}
