//! The ceiling: a loop that does only what physics asks of a durable, protected uplink. Receive, decrypt, append, commit, acknowledge.
//!
//! No deduplication, no replay window, no decoding, no alarm, no rule. It is no server and must never become one: it is what the
//! product is measured against, so it shares no code with it.

mod packet;
mod security;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg, setsockopt, sockopt};
use packet::Request;
pub use security::{Identity, Peer};
use std::collections::HashMap;
use std::io::{IoSlice, IoSliceMut};
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

/// Datagrams of one system call.
const BATCH: usize = 64;
/// Room for one datagram.
const SLOT: usize = 1500;
/// Socket buffers, bytes: a commit that waits for the disk must not lose what arrives meanwhile.
const BUFFER: usize = 16 << 20;
/// Uplinks of one group commit at most.
const GROUP: usize = 4096;

/// What one uplink leaves behind for its commit and its acknowledgement.
struct Accepted {
    to: SockaddrStorage,
    peer: u32,
    request: Request,
}

/// Uplinks that travel to the committer together: their bytes as they are appended, and whom to answer.
#[derive(Default)]
struct Group {
    body: Vec<u8>,
    accepted: Vec<Accepted>,
}

/// What the loop has done so far.
#[derive(Debug, Default)]
pub struct Counters {
    /// Uplinks that were committed and acknowledged.
    pub durable: AtomicU64,
    /// Datagrams that could not be read or decrypted.
    pub refused: AtomicU64,
    /// Transactions.
    pub commits: AtomicU64,
}

/// Appends one group's bytes durably.
pub trait Append: Send + 'static {
    /// Returns once the bytes would survive a power cut.
    fn append(&mut self, body: &[u8]) -> Result<()>;
}

/// Runs the loop on `socket` until `stop`: one thread receives and decrypts, each of `appenders` commits and acknowledges.
pub fn run(
    socket: UdpSocket,
    peers: Vec<Peer>,
    appenders: Vec<Box<dyn Append>>,
    counters: &Arc<Counters>,
    stop: &AtomicBool,
) -> Result<()> {
    socket.set_read_timeout(Some(Duration::from_millis(20))).context("cannot set the read time-out")?;
    // The forced variants need a capability; without it the system's maximum applies.
    if setsockopt(&socket, sockopt::RcvBufForce, &BUFFER).is_err() {
        setsockopt(&socket, sockopt::RcvBuf, &BUFFER).context("cannot set the receive buffer")?;
    }
    let socket = Arc::new(socket);
    let peers = Arc::new(peers);
    let (send, receive) = sync_channel::<Group>(appenders.len() * 4);
    let receive = Arc::new(std::sync::Mutex::new(receive));
    let committers: Vec<_> = appenders
        .into_iter()
        .map(|appender| {
            let (socket, peers, counters, receive) =
                (Arc::clone(&socket), Arc::clone(&peers), Arc::clone(counters), Arc::clone(&receive));
            std::thread::spawn(move || commit(&socket, &peers, appender, &receive, &counters))
        })
        .collect();
    let received = take_in(&socket, &peers, &send, counters, stop);
    drop(send);
    for committer in committers {
        committer.join().map_err(|_| anyhow::anyhow!("a committer of the ceiling panicked"))??;
    }
    received
}

fn take_in(
    socket: &UdpSocket,
    peers: &[Peer],
    send: &SyncSender<Group>,
    counters: &Counters,
    stop: &AtomicBool,
) -> Result<()> {
    let by_id: HashMap<&[u8], u32> = peers.iter().enumerate().map(|(at, peer)| (peer.address(), at as u32)).collect();
    let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, None);
    let mut slots = vec![[0_u8; SLOT]; BATCH];
    let mut group = Group::default();
    let mut plain = Vec::with_capacity(SLOT);
    let mut key = Vec::with_capacity(32);
    while !stop.load(Ordering::Relaxed) {
        let mut arrived: [(Option<SockaddrStorage>, usize); BATCH] = [(None, 0); BATCH];
        let count = {
            let mut slices: Vec<[IoSliceMut<'_>; 1]> = slots.iter_mut().map(|slot| [IoSliceMut::new(slot)]).collect();
            match recvmmsg(socket.as_raw_fd(), &mut headers, slices.iter_mut(), MsgFlags::MSG_WAITFORONE, None) {
                Ok(messages) => messages.zip(&mut arrived).map(|(m, to)| *to = (m.address, m.bytes)).count(),
                Err(Errno::EAGAIN | Errno::EINTR | Errno::ECONNREFUSED) => 0,
                Err(error) => return Err(error).context("cannot receive"),
            }
        };
        for ((from, length), slot) in arrived[..count].iter().zip(&slots) {
            let accepted = from.as_ref().zip(packet::read(&slot[..*length])).and_then(|(to, (request, sealed))| {
                key.clear();
                key.extend_from_slice(request.kid_context());
                key.push(0);
                key.extend_from_slice(request.kid());
                let at = *by_id.get(key.as_slice())?;
                peers[at as usize].open(&request, sealed, &mut plain).then_some(Accepted { to: *to, peer: at, request })
            });
            let Some(accepted) = accepted else {
                counters.refused.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            group.body.extend_from_slice(&accepted.peer.to_le_bytes());
            group.body.extend_from_slice(&accepted.request.sequence().to_le_bytes());
            group.body.extend_from_slice(&(plain.len() as u32).to_le_bytes());
            group.body.extend_from_slice(&plain);
            group.accepted.push(accepted);
        }
        if group.accepted.is_empty() {
            continue;
        }
        // While the committers are busy the group grows; that is what makes it a group commit.
        match send.try_send(std::mem::take(&mut group)) {
            Ok(()) => {}
            Err(TrySendError::Full(back)) if back.accepted.len() < GROUP => group = back,
            Err(TrySendError::Full(back)) => {
                if send.send(back).is_err() {
                    break;
                }
            }
            Err(TrySendError::Disconnected(_)) => break,
        }
    }
    Ok(())
}

fn commit(
    socket: &UdpSocket,
    peers: &[Peer],
    mut appender: Box<dyn Append>,
    groups: &std::sync::Mutex<Receiver<Group>>,
    counters: &Counters,
) -> Result<()> {
    let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, None);
    loop {
        let group = {
            let Ok(groups) = groups.lock() else { return Ok(()) };
            let Ok(mut group) = groups.recv() else { return Ok(()) };
            while group.accepted.len() < GROUP {
                let Ok(mut more) = groups.try_recv() else { break };
                group.body.append(&mut more.body);
                group.accepted.append(&mut more.accepted);
            }
            group
        };
        appender.append(&group.body)?;
        counters.commits.fetch_add(1, Ordering::Relaxed);
        for some in group.accepted.chunks(BATCH) {
            let replies: Vec<Vec<u8>> = some.iter().map(|a| peers[a.peer as usize].acknowledge(&a.request)).collect();
            let slices: Vec<[IoSlice<'_>; 1]> = replies.iter().map(|reply| [IoSlice::new(reply)]).collect();
            let to: Vec<Option<SockaddrStorage>> = some.iter().map(|a| Some(a.to)).collect();
            let mut done = 0;
            while done < slices.len() {
                match sendmmsg(socket.as_raw_fd(), &mut headers, &slices[done..], &to[done..], [], MsgFlags::empty()) {
                    Ok(sent) => done += sent.count().max(1),
                    Err(Errno::EINTR) => {}
                    Err(_) => done += 1,
                }
            }
        }
        counters.durable.fetch_add(group.accepted.len() as u64, Ordering::Relaxed);
    }
}
