//! TCP: a server in each namespace, and a client for each pair.

use super::{Bound, PAUSE, Pair};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, connect, listen, setsockopt, socket,
    sockopt,
};
use nix::sys::time::TimeVal;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;

const PORT: u16 = 4242;
/// How long one attempt waits; the next has another port.
const ATTEMPT: i64 = 300;

/// Serves for as long as the agent runs: each client is answered with the address that it has here.
pub(super) fn serve() {
    for (family, any) in [
        (AddressFamily::Inet, SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT))),
        (AddressFamily::Inet6, SocketAddr::from((Ipv6Addr::UNSPECIFIED, PORT))),
    ] {
        let server = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).expect("a socket");
        // Of an earlier one's connections some wait for their end.
        setsockopt(&server, sockopt::ReuseAddr, &true).expect("the port again");
        if any.is_ipv6() {
            setsockopt(&server, sockopt::Ipv6V6Only, &true).expect("one family");
        }
        bind(server.as_raw_fd(), &SockaddrStorage::from(any)).expect("the port is free");
        listen(&server, Backlog::new(4096).expect("a length")).expect("listening");
        let listener = TcpListener::from(server);
        spawn(move || {
            for client in listener.incoming().flatten() {
                let _ =
                    client.peer_addr().and_then(|peer| (&client).write_all(peer.ip().to_string().as_bytes()));
            }
        });
    }
}

/// A small thread: there are hundreds.
pub(super) fn spawn(work: impl FnOnce() + Send + 'static) {
    let builder = std::thread::Builder::new().stack_size(128 * 1024);
    builder.spawn(work).expect("a thread");
}

pub(super) fn start(pairs: Vec<Pair>, send: &Sender<(String, String)>, stop: &Arc<AtomicBool>) {
    for pair in pairs {
        let (send, stop) = (send.clone(), stop.clone());
        spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                match attempt(&pair) {
                    Ok(seen) if !seen.is_empty() => {
                        let _ = send.send((format!("{} tcp", pair.name), seen));
                        return;
                    }
                    Ok(_) => {}
                    Err(_) => std::thread::sleep(PAUSE),
                }
            }
        });
    }
}

fn attempt(pair: &Pair) -> io::Result<String> {
    let mut destination = pair.destination;
    destination.set_port(PORT);
    let family = if destination.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let client = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    attach(&client, &pair.bound)?;
    connect(client.as_raw_fd(), &SockaddrStorage::from(destination))?;
    let mut stream = TcpStream::from(client);
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

/// Binds a socket as its pair says, and gives it short timeouts.
pub(super) fn attach(socket: &OwnedFd, bound: &Bound) -> io::Result<()> {
    let timeout = TimeVal::new(0, ATTEMPT * 1000);
    setsockopt(socket, sockopt::SendTimeout, &timeout)?;
    setsockopt(socket, sockopt::ReceiveTimeout, &timeout)?;
    match bound {
        Bound::No => {}
        Bound::Address(address) => bind(socket.as_raw_fd(), &SockaddrStorage::from(*address))?,
        Bound::Link(link) => setsockopt(socket, sockopt::BindToDevice, &OsString::from(link))?,
    }
    Ok(())
}
