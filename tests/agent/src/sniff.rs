//! `sniff`: one line for each ICMP or ICMPv6 echo that crosses a link of this network namespace:
//! `LINK in|out request|reply SOURCE DESTINATION`. Says "sniffing" first; ends when standard
//! input does.

use nix::net::if_::if_indextoname;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, recvfrom, socket};
use std::io::Write;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd};

/// `sll_pkttype` of what this host sends (linux/if_packet.h).
const PACKET_OUTGOING: u8 = 4;

pub(crate) fn run() {
    let packets =
        socket(AddressFamily::Packet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, SockProtocol::EthAll)
            .expect("a packet socket");
    println!("sniffing");
    let mut buffer = [0u8; 2048];
    let stdin = std::io::stdin();
    loop {
        let mut ready =
            [PollFd::new(packets.as_fd(), PollFlags::POLLIN), PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
        poll(&mut ready, PollTimeout::NONE).expect("poll");
        let packet = ready[0].revents().is_some_and(|events| !events.is_empty());
        // What crossed a link before the end of input is still told.
        if !packet && ready[1].revents().is_some_and(|events| !events.is_empty()) {
            return;
        }
        if !packet {
            continue;
        }
        let (length, from) = recvfrom::<LinkAddr>(packets.as_raw_fd(), &mut buffer).expect("a packet");
        let Some(from) = from else { continue };
        let Some((kind, source, destination)) = echo(&buffer[..length]) else { continue };
        let index = u32::try_from(from.ifindex()).expect("an index");
        let direction = if from.pkttype() == PACKET_OUTGOING { "out" } else { "in" };
        println!("{} {direction} {kind} {source} {destination}", name(index));
        std::io::stdout().flush().expect("flushed");
    }
}

fn name(index: u32) -> String {
    if_indextoname(index).map_or_else(|_| index.to_string(), |name| name.to_string_lossy().into_owned())
}

/// Kind and addresses of an ICMP echo packet, from its IP header on (RFC 791, 792, 8200, 4443).
fn echo(packet: &[u8]) -> Option<(&'static str, IpAddr, IpAddr)> {
    let kind = |octet: u8, request: u8, reply: u8| match octet {
        o if o == request => Some("request"),
        o if o == reply => Some("reply"),
        _ => None,
    };
    match packet.first()? >> 4 {
        4 if packet.get(9) == Some(&1) => {
            let header = usize::from(packet[0] & 15) * 4;
            let at = |from: usize| Some(IpAddr::from(<[u8; 4]>::try_from(packet.get(from..from + 4)?).ok()?));
            Some((kind(*packet.get(header)?, 8, 0)?, at(12)?, at(16)?))
        }
        6 if packet.get(6) == Some(&58) => {
            let at =
                |from: usize| Some(IpAddr::from(<[u8; 16]>::try_from(packet.get(from..from + 16)?).ok()?));
            Some((kind(*packet.get(40)?, 128, 129)?, at(8)?, at(24)?))
        }
        _ => None,
    }
}
