//! The multicast socket: bounded reading, and ENOBUFS as what it is.
//!
//! Not rtnetlink's own stream, whose queue is unbounded. The kernel's receive buffer is the only
//! queue here; when it overflows, [`Received::Overrun`] says that any number of messages is lost.
//! What nobody is interested in the kernel drops before ([`super::filter`]).

use super::filter;
use super::interest::RouteInterest;
use super::message::{KernelMessage, Tally, read};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, NetlinkAddr, recvmmsg};
use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use tokio::io::unix::AsyncFd;

/// No datagram of the kernel is larger. Of a small one the first page alone is ever touched.
const DATAGRAM: usize = 32 * 1024;
/// Datagrams a system call.
const AT_ONCE: usize = 16;
/// System calls before the others on this thread get their turn.
const TURNS: usize = 4;
/// System calls that empty the receive buffer, of which a datagram takes 768 bytes at the least
/// (`SKB_TRUESIZE`): what comes after them was not there before them.
const TURNS_FOR_ALL: usize = 4_096;
/// Wanted receive buffer in bytes; without privilege the kernel caps it at rmem_max.
const RECEIVE_BUFFER: usize = 16 << 20;

/// Bit of a group in `nl_groups` (`RTNLGRP_*`, linux/rtnetlink.h).
const fn group(number: u32) -> u32 {
    1 << (number - 1)
}

/// Link, IPv4 and IPv6 addresses, routes and rules, nexthop objects.
const GROUPS: u32 = group(1) | group(5) | group(7) | group(8) | group(9) | group(11) | group(19) | group(32);

/// What one call brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// Messages, oldest first, were handed over; others were not.
    Messages(Tally),
    /// Messages were lost: only a dump tells the truth now.
    Overrun,
}

/// The socket.
pub struct Multicast {
    socket: AsyncFd<Socket>,
    batch: Batch,
    /// `None`: everything.
    interest: Option<RouteInterest>,
}

/// Room for the datagrams of one system call.
struct Batch {
    headers: MultiHeaders<NetlinkAddr>,
    buffer: Vec<u8>,
}

impl Multicast {
    /// Takes an inherited socket (opened and sized by root), or opens one within rmem_max. A filter that
    /// a worker before this one left on it is taken off. Needs a tokio runtime.
    pub fn new(inherited: Option<OwnedFd>) -> io::Result<Self> {
        let socket = match inherited {
            Some(descriptor) => crate::sys::netlink_socket(descriptor),
            None => {
                let mut socket = Socket::new(NETLINK_ROUTE)?;
                socket.set_rx_buf_sz(RECEIVE_BUFFER)?;
                socket.bind(&SocketAddr::new(0, GROUPS))?;
                socket
            }
        };
        socket.set_non_blocking(true)?;
        crate::sys::detach_filter(&socket)?;
        // Of zeroes the allocator takes fresh pages, which are none until they are written to.
        let batch =
            Batch { headers: MultiHeaders::preallocate(AT_ONCE, None), buffer: vec![0; AT_ONCE * DATAGRAM] };
        Ok(Self { socket: crate::sys::watch_socket(socket)?, batch, interest: None })
    }

    /// From now on messages of no interest are dropped by the kernel; what is queued already is passed
    /// over. A kernel that takes no filter costs time alone, so that is only told.
    pub fn set_interest(&mut self, interest: RouteInterest) {
        if self.interest == Some(interest) {
            return;
        }
        self.interest = Some(interest);
        if let Err(error) = crate::sys::attach_filter(self.socket.get_ref(), &mut filter::program(interest)) {
            tracing::warn!("the kernel takes no filter for its messages about routes: {error}; all are read");
        }
    }

    /// Waits for messages and hands over what is there, at most 64 datagrams. Cancel-safe:
    /// nothing is taken from the socket before it is handed over.
    pub async fn receive(&mut self, mut each: impl FnMut(KernelMessage)) -> io::Result<Received> {
        let mut tally = Tally::default();
        loop {
            let mut ready = self.socket.readable().await?;
            for turn in 0..TURNS {
                let (batch, interest) = (&mut self.batch, self.interest);
                let taken = ready.try_io(|socket| {
                    batch.take(socket.as_raw_fd(), |datagram| read(datagram, interest, &mut tally, &mut each))
                });
                match taken {
                    Ok(Ok(AT_ONCE)) => {}
                    // Nothing is left, or what has come since is for the next call.
                    Ok(Ok(_)) => return Ok(Received::Messages(tally)),
                    Ok(Err(error)) if is(&error, Errno::ENOBUFS) => return Ok(Received::Overrun),
                    Ok(Err(error)) if is(&error, Errno::EINTR) => {}
                    Ok(Err(error)) => return Err(error),
                    Err(_would_block) if turn == 0 => break,
                    Err(_would_block) => return Ok(Received::Messages(tally)),
                }
                if turn + 1 == TURNS {
                    return Ok(Received::Messages(tally));
                }
            }
        }
    }

    /// Hands over all that is queued, without waiting. Asks the socket itself: tokio may not have noticed
    /// yet what came a moment ago.
    pub fn receive_queued(&mut self, mut each: impl FnMut(KernelMessage)) -> io::Result<Received> {
        let mut tally = Tally::default();
        for _ in 0..TURNS_FOR_ALL {
            let (socket, interest) = (self.socket.as_raw_fd(), self.interest);
            match self.batch.take(socket, |datagram| read(datagram, interest, &mut tally, &mut each)) {
                Ok(AT_ONCE) => {}
                Ok(_) => break,
                Err(error) if is(&error, Errno::ENOBUFS) => return Ok(Received::Overrun),
                Err(error) if is(&error, Errno::EAGAIN) => break,
                Err(error) if is(&error, Errno::EINTR) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Received::Messages(tally))
    }

    /// Throws away what is queued, before a dump that tells more. Bounded: a storm that goes on
    /// is dealt with after the dump.
    pub fn discard(&mut self) {
        for _ in 0..10_000 {
            match self.batch.take(self.socket.as_raw_fd(), |_| {}) {
                Ok(_) => {}
                Err(error) if is(&error, Errno::ENOBUFS) || is(&error, Errno::EINTR) => {}
                Err(_) => return,
            }
        }
    }
}

impl Batch {
    /// Takes what is there, as much as there is room for, and returns how many datagrams that were.
    fn take(&mut self, socket: RawFd, mut each: impl FnMut(&[u8])) -> io::Result<usize> {
        let mut slices: Vec<[IoSliceMut<'_>; 1]> =
            self.buffer.chunks_exact_mut(DATAGRAM).map(|slot| [IoSliceMut::new(slot)]).collect();
        let received = recvmmsg(socket, &mut self.headers, slices.iter_mut(), MsgFlags::empty(), None)?;
        let mut taken = 0;
        for datagram in received {
            taken += 1;
            // Port 0 is the kernel; nobody else has a say here.
            if datagram.address.is_none_or(|sender| sender.pid() != 0) {
                continue;
            }
            datagram.iovs().for_each(&mut each);
        }
        Ok(taken)
    }
}

fn is(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno as i32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd as _;

    /// RTM_NEWLINK for interface 1 without any attribute (rtnetlink(7)): a header of 16 bytes, and one of 16.
    fn forged() -> Vec<u8> {
        let mut message = vec![0; 32];
        message[0] = 32;
        message[4] = 16;
        message[20] = 1;
        message
    }

    /// CVE-2009-1185, CVE-2012-3520: daemons that took what other processes sent for the kernel's.
    #[tokio::test]
    async fn what_no_kernel_sent_is_nothing() {
        let mut own = Socket::new(NETLINK_ROUTE).expect("a socket");
        let address = own.bind_auto().expect("bound");
        let same = own.as_fd().try_clone_to_owned().expect("a descriptor");
        let mut multicast = Multicast::new(Some(same)).expect("a runtime");
        let forger = Socket::new(NETLINK_ROUTE).expect("a socket");
        if let Err(error) = forger.send_to(&forged(), &address, 0) {
            // The kernel itself permits it to CAP_NET_ADMIN alone.
            assert!(is(&error, Errno::EPERM), "{error}");
            return;
        }
        let mut taken = 0;
        let received = multicast.receive(|_| taken += 1).await.expect("readable");
        assert_eq!((received, taken), (Received::Messages(Tally::default()), 0));
    }
}
