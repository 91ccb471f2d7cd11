//! How many may be connected, how many of them one user or one host may be, and what memory for long
//! answers each of these has.

use super::access::Peer;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// All connections; each stream is one.
pub(super) const ALL: usize = 576;
/// Of these one user's or one host's.
pub(super) const SHARE: usize = 512;
/// KiB of long answers that are on their way to one user or one host. More than the longest one.
pub(super) const KIB: usize = 8 * 1_024;
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
    taken: HashMap<Who, (usize, Arc<Semaphore>)>,
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
    /// With the share of memory of all who are this one; `None` when there is no seat.
    pub(super) fn take(&mut self, who: Who) -> Option<Arc<Semaphore>> {
        let all = if who == Who::User(0) { ALL } else { ALL - FOR_ROOT };
        if self.all >= all || self.taken.get(&who).is_some_and(|(taken, _)| *taken >= SHARE) {
            return None;
        }
        self.all += 1;
        let (taken, share) = self.taken.entry(who).or_insert_with(|| (0, Arc::new(Semaphore::new(KIB))));
        *taken += 1;
        Some(Arc::clone(share))
    }

    /// A connection has ended.
    pub(super) fn free(&mut self, who: Who) {
        if let Some((taken, _)) = self.taken.get_mut(&who) {
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
        let take = |seats: &mut Seats, who| (0..ALL).take_while(|_| seats.take(who).is_some()).count();
        assert_eq!(take(&mut seats, Who::User(1_000)), SHARE);
        assert_eq!(take(&mut seats, Who::User(1_001)), ALL - FOR_ROOT - SHARE);
        assert_eq!(take(&mut seats, Who::User(0)), FOR_ROOT);
        seats.free(Who::User(1_000));
        assert!(seats.take(Who::User(1_002)).is_none(), "what is free is root's");
        assert!(seats.take(Who::User(0)).is_some());
        for _ in 0..SHARE {
            seats.free(Who::User(1_000));
        }
        assert!(!seats.taken.contains_key(&Who::User(1_000)), "nothing is kept of those who have gone");
    }
}
