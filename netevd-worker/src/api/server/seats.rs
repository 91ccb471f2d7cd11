//! How many may be connected, and how many of them one user or one host may be.

use super::access::Peer;
use std::collections::HashMap;
use std::net::IpAddr;

/// All connections; each stream is one.
pub(super) const ALL: usize = 576;
/// Of these one user's or one host's.
pub(super) const SHARE: usize = 512;
/// Of all: kept free for root at the unix socket.
pub(super) const FOR_ROOT: usize = 32;

/// Whose connection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Who {
    /// By the unix socket.
    User(u32),
    /// By TCP; of IPv6 the first half, which one host has to itself.
    Host(IpAddr),
}

/// Who is connected.
#[derive(Debug, Default)]
pub(super) struct Seats {
    taken: HashMap<Who, usize>,
    all: usize,
}

impl Who {
    pub(super) fn of(peer: &Peer) -> Self {
        match peer {
            Peer::Local { uid, .. } => Who::User(*uid),
            Peer::Remote { far, .. } => Who::Host(match far.ip().to_canonical() {
                IpAddr::V6(ip) => IpAddr::V6((u128::from(ip) >> 64 << 64).into()),
                ip => ip,
            }),
        }
    }
}

impl Seats {
    /// False when there is none for this one.
    pub(super) fn take(&mut self, who: Who) -> bool {
        let all = if who == Who::User(0) { ALL } else { ALL - FOR_ROOT };
        if self.all >= all || self.taken.get(&who).is_some_and(|taken| *taken >= SHARE) {
            return false;
        }
        self.all += 1;
        *self.taken.entry(who).or_default() += 1;
        true
    }

    /// A connection has ended.
    pub(super) fn free(&mut self, who: Who) {
        if let Some(taken) = self.taken.get_mut(&who) {
            self.all -= 1;
            *taken -= 1;
            if *taken == 0 {
                self.taken.remove(&who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_every_seat() {
        let mut seats = Seats::default();
        let take = |seats: &mut Seats, who| (0..ALL).take_while(|_| seats.take(who)).count();
        assert_eq!(take(&mut seats, Who::User(1_000)), SHARE);
        assert_eq!(take(&mut seats, Who::User(1_001)), ALL - FOR_ROOT - SHARE);
        assert_eq!(take(&mut seats, Who::User(0)), FOR_ROOT);
        seats.free(Who::User(1_000));
        assert!(!seats.take(Who::User(1_002)), "what is free is root's");
        assert!(seats.take(Who::User(0)));
        for _ in 0..SHARE {
            seats.free(Who::User(1_000));
        }
        assert!(!seats.taken.contains_key(&Who::User(1_000)), "nothing is kept of those who have gone");
    }
}
