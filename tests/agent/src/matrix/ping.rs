//! Echo requests: one raw socket for all pairs of a namespace that are bound alike.

use super::tcp::{attach, spawn};
use super::{Bound, PAUSE, Pair};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, recvfrom, sendto, socket,
};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::mpsc::Sender;
use std::time::Instant;

static IDENTIFIER: AtomicU16 = AtomicU16::new(1);

pub(super) fn start(pairs: &[Pair], send: &Sender<(String, String)>, stop: &Arc<AtomicBool>) {
    let mut groups: BTreeMap<(bool, Bound), Vec<(String, SocketAddr)>> = BTreeMap::new();
    for pair in pairs {
        let group = groups.entry((pair.destination.is_ipv4(), pair.bound.clone())).or_default();
        group.push((format!("{} ping", pair.name), pair.destination));
    }
    for ((is_v4, bound), pairs) in groups {
        let (send, stop) = (send.clone(), stop.clone());
        spawn(move || group(is_v4, &bound, pairs, &send, &stop));
    }
}

fn group(
    is_v4: bool,
    bound: &Bound,
    pairs: Vec<(String, SocketAddr)>,
    send: &Sender<(String, String)>,
    stop: &AtomicBool,
) {
    let (family, protocol) = if is_v4 {
        (AddressFamily::Inet, SockProtocol::Icmp)
    } else {
        (AddressFamily::Inet6, SockProtocol::IcmpV6)
    };
    let socket = socket(family, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol).expect("a raw socket");
    // An address that was added just now may be tentative for a moment.
    while attach(&socket, bound).is_err() {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        std::thread::sleep(PAUSE);
    }
    let identifier = IDENTIFIER.fetch_add(1, Ordering::Relaxed);
    let mut waiting: BTreeMap<u16, (String, SocketAddr)> = (0..).zip(pairs).collect();
    let mut buffer = [0_u8; 2048];
    while !waiting.is_empty() && !stop.load(Ordering::Relaxed) {
        let next = Instant::now() + PAUSE;
        for (sequence, (_, destination)) in &waiting {
            let packet = request(is_v4, identifier, *sequence);
            let _ =
                sendto(socket.as_raw_fd(), &packet, &SockaddrStorage::from(*destination), MsgFlags::empty());
        }
        while Instant::now() < next && !waiting.is_empty() {
            // Without an answer it waits for as long as `attach` says.
            let Ok((length, Some(from))) = receive(&socket, &mut buffer) else { break };
            let Some(sequence) = reply(is_v4, identifier, &buffer[..length]) else { continue };
            let matches = waiting.get(&sequence).is_some_and(|(_, to)| to.ip() == from.ip());
            if matches && let Some((name, to)) = waiting.remove(&sequence) {
                let _ = send.send((name, to.ip().to_string()));
            }
        }
    }
}

fn receive(socket: &impl AsRawFd, buffer: &mut [u8]) -> nix::Result<(usize, Option<SocketAddr>)> {
    let (length, from) = recvfrom::<SockaddrStorage>(socket.as_raw_fd(), buffer)?;
    let address = from.and_then(|from| match (from.as_sockaddr_in(), from.as_sockaddr_in6()) {
        (Some(v4), _) => Some(SocketAddr::from((v4.ip(), 0))),
        (_, Some(v6)) => Some(SocketAddr::from((v6.ip(), 0))),
        _ => None,
    });
    Ok((length, address))
}

fn request(is_v4: bool, identifier: u16, sequence: u16) -> [u8; 16] {
    let mut packet = [0; 16];
    packet[0] = if is_v4 { 8 } else { 128 };
    packet[4..6].copy_from_slice(&identifier.to_be_bytes());
    packet[6..8].copy_from_slice(&sequence.to_be_bytes());
    packet[8..].copy_from_slice(b"a matrix");
    // For IPv6 the kernel does it: its addresses are part of it.
    if is_v4 {
        let words = packet.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
        let sum: u32 = words.sum();
        let folded = (sum & 0xffff) + (sum >> 16);
        let checksum = !u16::try_from((folded & 0xffff) + (folded >> 16)).expect("folded");
        packet[2..4].copy_from_slice(&checksum.to_be_bytes());
    }
    packet
}

/// The sequence number of a reply to one of ours; IPv4 comes with its header.
fn reply(is_v4: bool, identifier: u16, packet: &[u8]) -> Option<u16> {
    let start = if is_v4 { usize::from(packet.first()? & 15) * 4 } else { 0 };
    let icmp = packet.get(start..start + 8)?;
    let kind = if is_v4 { 0 } else { 129 };
    let ours = icmp[0] == kind && icmp[4..6] == identifier.to_be_bytes();
    ours.then(|| u16::from_be_bytes([icmp[6], icmp[7]]))
}
