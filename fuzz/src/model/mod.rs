//! A model of the kernel as far as the helper touches it, and of a worker that may send anything.
//!
//! `world` holds what a kernel holds, `wire` makes netlink's bytes of it, `kernel` answers requests, `worker`
//! says what comes next. `law` is the definition: what netevd may have in the kernel, and what a request has to
//! make of it. `judge` holds each write, each frame and each check of the helper's to it.

pub(crate) mod judge;
mod kernel;
mod law;
mod wire;
mod worker;
pub(crate) mod world;

use crate::socket::Peer;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// The one model of this thread: the socket and the channel are two ends of it.
#[derive(Clone, Default)]
pub(crate) struct Shared(pub(crate) Rc<RefCell<Model>>);

pub(crate) use kernel::Model;
pub(crate) use law::BPF;

thread_local! {
    static CURRENT: RefCell<Shared> = RefCell::default();
}

/// Begins again with this one.
pub(crate) fn set(model: Model) -> Shared {
    let shared = Shared(Rc::new(RefCell::new(model)));
    CURRENT.set(shared.clone());
    shared
}

pub(crate) fn next_frame() -> Vec<u8> {
    CURRENT.with_borrow(|shared| shared.0.borrow_mut().next_frame())
}

pub(crate) fn wait(listen: bool, time: Option<Duration>) -> (bool, bool) {
    CURRENT.with_borrow(|shared| shared.0.borrow_mut().wait(listen, time))
}

pub(crate) fn silence() {
    CURRENT.with_borrow(|shared| shared.0.borrow_mut().silence());
}

pub(crate) fn answered(frame: &[u8]) -> bool {
    CURRENT.with_borrow(|shared| shared.0.borrow_mut().answered(frame))
}

impl Peer for Shared {
    fn sent(&mut self, datagram: &[u8]) {
        self.0.borrow_mut().sent(datagram);
    }

    fn next(&mut self) -> Result<(Vec<u8>, usize), i32> {
        self.0.borrow_mut().receive()
    }
}
