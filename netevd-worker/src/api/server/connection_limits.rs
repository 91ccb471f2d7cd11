//! How many may be connected by each door, how many of them one user or one host may be, and what memory
//! for long answers each of these has.

use super::access::Peer;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Connections by the unix socket; each stream is one.
pub(super) const LOCAL: usize = 576;
/// Of these one user's.
pub(super) const USER_SHARE: usize = 512;
/// Of these kept free for root.
pub(super) const FOR_ROOT: usize = 32;
/// Connections by TCP, beside those.
pub(super) const REMOTE: usize = 256;
/// Of these one host's.
pub(super) const HOST_SHARE: usize = 192;
/// KiB of long answers that are on their way to one user or one host. More than the longest one.
pub(super) const KIB: usize = 8 * 1_024;

/// Whose connection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Who {
    /// By the unix socket.
    User(u32),
    /// By TCP; of IPv6 the first half, which one host has to itself. All of loopback is this host.
    Host(IpAddr),
}

/// Who is connected.
#[derive(Debug, Default)]
pub(super) struct ConnectionLimits {
    taken: HashMap<Who, (usize, Arc<Semaphore>)>,
    local: usize,
    remote: usize,
}

/// Whose seats are all taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// Those of this user or host.
    Share,
    /// Those by this door.
    Total,
}

impl Who {
    pub(super) fn of(peer: &Peer) -> Self {
        match peer {
            Peer::Local { uid, .. } => Who::User(*uid),
            Peer::Remote { remote_address, .. } => Who::Host(match remote_address.ip().to_canonical() {
                ip if ip.is_loopback() => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(ip) => IpAddr::V6((u128::from(ip) >> 64 << 64).into()),
                ip => ip,
            }),
        }
    }

    /// Whether a connection of this one may be ended to seat somebody who found this full.
    pub(super) fn makes_room_for(self, other: Who, full: Full) -> bool {
        match full {
            Full::Share => self == other,
            Full::Total => match (self, other) {
                (Who::User(uid), Who::User(other)) => uid != 0 || other == 0,
                (Who::Host(_), Who::Host(_)) => true,
                _ => false,
            },
        }
    }
}

impl ConnectionLimits {
    /// With the share of memory of all who are this one.
    pub(super) fn take(&mut self, who: Who) -> Result<Arc<Semaphore>, Full> {
        let (total, all, share) = match who {
            Who::User(0) => (&mut self.local, LOCAL, USER_SHARE),
            Who::User(_) => (&mut self.local, LOCAL - FOR_ROOT, USER_SHARE),
            Who::Host(_) => (&mut self.remote, REMOTE, HOST_SHARE),
        };
        if self.taken.get(&who).is_some_and(|(taken, _)| *taken >= share) {
            return Err(Full::Share);
        }
        if *total >= all {
            return Err(Full::Total);
        }
        *total += 1;
        let (taken, share) = self.taken.entry(who).or_insert_with(|| (0, Arc::new(Semaphore::new(KIB))));
        *taken += 1;
        Ok(Arc::clone(share))
    }

    /// A connection has ended.
    pub(super) fn free(&mut self, who: Who) {
        if let Some((taken, _)) = self.taken.get_mut(&who) {
            *taken -= 1;
            if *taken == 0 {
                self.taken.remove(&who);
            }
            match who {
                Who::User(_) => self.local -= 1,
                Who::Host(_) => self.remote -= 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::access::TcpAuth;
    use super::*;
    use std::net::SocketAddr;

    fn take(limits: &mut ConnectionLimits, who: Who) -> usize {
        (0..LOCAL).take_while(|_| limits.take(who).is_ok()).count()
    }

    fn host(address: &str) -> Who {
        let remote_address = SocketAddr::new(address.parse().expect("an address"), 40_000);
        let auth = Arc::new(TcpAuth { bind: remote_address.ip(), token: None });
        Who::of(&Peer::Remote { remote_address, local_address: remote_address, auth })
    }

    #[test]
    fn nobody_takes_every_seat() {
        let mut limits = ConnectionLimits::default();
        assert_eq!(take(&mut limits, Who::User(1_000)), USER_SHARE);
        assert_eq!(limits.take(Who::User(1_000)).err(), Some(Full::Share));
        assert_eq!(take(&mut limits, Who::User(1_001)), LOCAL - FOR_ROOT - USER_SHARE);
        assert_eq!(limits.take(Who::User(1_001)).err(), Some(Full::Total));
        assert_eq!(take(&mut limits, Who::User(0)), FOR_ROOT);
        limits.free(Who::User(1_000));
        assert!(limits.take(Who::User(1_002)).is_err(), "what is free is root's");
        assert!(limits.take(Who::User(0)).is_ok());
        for _ in 0..USER_SHARE {
            limits.free(Who::User(1_000));
        }
        assert!(!limits.taken.contains_key(&Who::User(1_000)), "nothing is kept of those who have gone");
    }

    #[test]
    fn hosts_take_no_seat_by_the_unix_socket() {
        let mut limits = ConnectionLimits::default();
        assert_eq!(take(&mut limits, host("192.0.2.1")), HOST_SHARE);
        assert_eq!(take(&mut limits, host("192.0.2.2")), REMOTE - HOST_SHARE);
        assert_eq!(limits.take(host("192.0.2.3")).err(), Some(Full::Total));
        assert_eq!(take(&mut limits, Who::User(1_000)), USER_SHARE);
    }

    #[test]
    fn loopback_is_one_host_and_so_is_the_first_half_of_an_ipv6_address() {
        let own = host("127.0.0.1");
        for address in ["127.0.0.2", "127.255.255.254", "::1", "::ffff:127.0.0.9"] {
            assert_eq!(host(address), own, "{address}");
        }
        assert_ne!(host("192.0.2.1"), host("192.0.2.2"));
        assert_eq!(host("2001:db8::1"), host("2001:db8::2"));
        assert_ne!(host("2001:db8::1"), host("2001:db8:0:1::1"));
    }

    #[test]
    fn who_makes_room_for_whom() {
        let (root, user, other) = (Who::User(0), Who::User(1_000), Who::User(1_001));
        let (local_address, remote_address) = (host("127.0.0.1"), host("192.0.2.1"));
        assert!(user.makes_room_for(user, Full::Share) && !user.makes_room_for(other, Full::Share));
        for (who, newcomer, expected) in [
            (user, other, true),
            (user, root, true),
            (root, root, true),
            (root, user, false),
            (local_address, remote_address, true),
            (user, remote_address, false),
            (remote_address, user, false),
        ] {
            assert_eq!(who.makes_room_for(newcomer, Full::Total), expected, "{who:?} {newcomer:?}");
        }
    }
}
