//! The other end of the channel, and the doorbell: what happens in between, and what comes next.

use super::kernel::{Fault, Model};
use crate::sessions;
use crate::sys::CLOCK;
use protocol::{Request, VERSION, decode_request, encode_request};
use std::time::Duration;

/// What ends a wait.
enum Next {
    Frame(Vec<u8>),
    /// Nothing of the worker's for a while.
    Pause,
    /// There is no more.
    End,
}

/// So many checks of the helper are enough for it to come to rest.
const RESTLESS: u32 = 60;

impl Model {
    /// The helper waits: what has rung, and whether there is a frame.
    pub(crate) fn wait(&mut self, listen: bool, time: Option<Duration>) -> (bool, bool) {
        self.judge.over(&self.world);
        (self.vanishing, self.fault) = (None, None);
        loop {
            let next = self.operate();
            if self.rings {
                self.judge.quiet = 0;
            }
            let rung = std::mem::take(&mut self.rings) && listen;
            match (next, time) {
                (Next::Frame(frame), _) => {
                    self.frame = Some(frame);
                    return (true, rung);
                }
                _ if rung => return (false, true),
                (Next::Pause, Some(time)) => return self.pass_time(time),
                (Next::Pause, None) => {}
                (Next::End, Some(time)) if self.judge.quiet < 3 => {
                    assert!(self.judge.checks_at_the_end < RESTLESS, "it does not come to rest");
                    self.judge.checks_at_the_end += 1;
                    return self.pass_time(time);
                }
                (Next::End, _) => {
                    self.judge.rests(&self.world);
                    self.frame = Some(Vec::new());
                    return (true, false);
                }
            }
        }
    }

    fn pass_time(&mut self, time: Duration) -> (bool, bool) {
        CLOCK.set(CLOCK.get() + time);
        (false, false)
    }

    /// The helper forgets what has rung: a check begins.
    pub(crate) fn silence(&mut self) {
        self.rings = false;
        self.judge.check_begins(&self.world);
    }

    /// The worker's frame; an empty one is the end for the helper.
    pub(crate) fn next_frame(&mut self) -> Vec<u8> {
        let frame = self.frame.take().expect("it was said that there is one");
        self.judge.begin(&self.world, decode_request(&frame).ok());
        frame
    }

    fn operate(&mut self) -> Next {
        if std::mem::take(&mut self.greets) {
            return Next::Frame(encode_request(&Request::Hello { version: VERSION }));
        }
        while !self.operations.is_empty() {
            match self.operations.byte() & 15 {
                7 => {
                    let length = usize::from(self.operations.byte());
                    return Next::Frame(self.operations.some(length));
                }
                8 => {
                    let mut frame = encode_request(&sessions::request(&mut self.operations));
                    let at = usize::from(self.operations.byte()) % frame.len();
                    frame[at] ^= self.operations.byte();
                    return Next::Frame(frame);
                }
                9 | 12 => {
                    sessions::change(&mut self.world, &mut self.operations);
                    self.rings = true;
                }
                10 => {
                    use Fault::{Inconsistent, Interrupted, Memory, Overrun, Stale};
                    self.fault =
                        Some(self.operations.of(&[Interrupted, Inconsistent, Stale, Overrun, Memory]));
                }
                11 => self.vanishing = Some((self.operations.byte() % 12, self.operations.byte())),
                13 => self.hangs_up = true,
                14 | 15 => return Next::Pause,
                _ => return Next::Frame(encode_request(&sessions::request(&mut self.operations))),
            }
        }
        Next::End
    }

    /// The helper's answer; false when nobody takes it.
    pub(crate) fn answered(&mut self, frame: &[u8]) -> bool {
        self.judge.answered(frame);
        !std::mem::take(&mut self.hangs_up)
    }
}
