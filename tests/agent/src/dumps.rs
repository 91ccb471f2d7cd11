//! `dumps`: for each line on standard input, what rtnetlink says of this namespace: six lines of hexadecimal
//! digits with the messages of links, addresses, IPv4 and IPv6 rules, IPv4 and IPv6 routes of all tables.
//!
//! Raw bytes, since every library reads less than all: a lock of a route's mtu, an encapsulation's
//! destination, a nexthop's flags.

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use std::io::{BufRead, Write};

const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP: u16 = 0x300;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// Type of the request, family, length of its fixed header (rtnetlink(7)).
const DUMPS: [(u16, u8, usize); 6] = [
    (libc::RTM_GETLINK, 0, 16),
    (libc::RTM_GETADDR, 0, 8),
    (libc::RTM_GETRULE, 2, 12),
    (libc::RTM_GETRULE, 10, 12),
    (libc::RTM_GETROUTE, 2, 12),
    (libc::RTM_GETROUTE, 10, 12),
];

pub(crate) fn run() {
    let mut socket = Socket::new(NETLINK_ROUTE).expect("a netlink socket");
    socket.bind_auto().expect("bound");
    socket.connect(&SocketAddr::new(0, 0)).expect("connected to the kernel");
    // Else links come without their alternative names where there are many of them.
    socket.set_rx_buf_sz(4 << 20).expect("a receive buffer");
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        line.expect("a line");
        let mut text = String::new();
        for (kind, family, fixed) in DUMPS {
            for byte in dump(&socket, kind, family, fixed) {
                text.push(char::from_digit(u32::from(byte >> 4), 16).expect("a digit"));
                text.push(char::from_digit(u32::from(byte & 15), 16).expect("a digit"));
            }
            text.push('\n');
        }
        output.write_all(text.as_bytes()).expect("written");
        output.flush().expect("written");
    }
}

/// One dump's messages, one after the other; once more where it says that it was interrupted.
fn dump(socket: &Socket, kind: u16, family: u8, fixed: usize) -> Vec<u8> {
    loop {
        let (bytes, whole) = dump_once(socket, kind, family, fixed);
        if whole {
            return bytes;
        }
    }
}

fn dump_once(socket: &Socket, kind: u16, family: u8, fixed: usize) -> (Vec<u8>, bool) {
    const NLM_F_DUMP_INTR: u16 = 0x10;
    let mut request = vec![0; 16 + fixed];
    let length = u32::try_from(request.len()).expect("short");
    request[..4].copy_from_slice(&length.to_ne_bytes());
    request[4..6].copy_from_slice(&kind.to_ne_bytes());
    request[6..8].copy_from_slice(&(NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    request[16] = family;
    socket.send(&request, 0).expect("sent");
    let (mut all, mut whole) = (Vec::new(), true);
    let mut buffer = vec![0u8; 1 << 17];
    loop {
        let length = socket.recv(&mut &mut buffer[..], 0).expect("an answer");
        let mut rest = &buffer[..length];
        while rest.len() >= 16 {
            let length =
                usize::try_from(u32::from_ne_bytes([rest[0], rest[1], rest[2], rest[3]])).expect("fits");
            let word = |at: usize| u16::from_ne_bytes([rest[at], rest[at + 1]]);
            whole &= word(6) & NLM_F_DUMP_INTR == 0;
            match word(4) {
                NLMSG_DONE => return (all, whole),
                NLMSG_ERROR => panic!("rtnetlink refuses a dump of {kind}: {:?}", &rest[16..20]),
                _ => all.extend_from_slice(&rest[..length.next_multiple_of(4).min(rest.len())]),
            }
            rest = &rest[length.next_multiple_of(4).min(rest.len())..];
        }
    }
}
