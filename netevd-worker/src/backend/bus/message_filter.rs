//! Which of the bus's bytes become messages. Pure: bytes go in, those of admitted messages come out.
//!
//! Any user of the bus may send a signal of any length to anyone by unique name, past all match rules
//! (D-Bus specification, "Message Bus Message Routing"). What nobody waits for is dropped here, while it
//! is read: it takes no room in a queue, whatever its length and number. The sender's name is the
//! bus's own word.

use super::BUS;
use super::throttle::Throttle;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The fixed part of a message, up to its header's fields.
const FIXED: usize = 16;
/// Fields of a header that is read to find out who sent it. Names have at most 255 bytes, and the paths of
/// networkd's and NetworkManager's objects fewer.
const FIELDS: usize = 8 * 1024;
/// The longest message of the specification.
const MAX_LENGTH: usize = 128 << 20;

/// Whose messages come in.
#[derive(Debug)]
pub(super) enum Accepted<'d> {
    /// Answers to calls, which the bus lets pass only where it saw the call; nothing else.
    Answers,
    /// What the bus itself says, and signals of one service.
    Signals(&'d SenderCheck),
}

/// The service whose signals come in, and who was turned away.
#[derive(Debug)]
pub(super) struct SenderCheck {
    /// For the log.
    service: &'static str,
    state: Mutex<SenderCheckState>,
}

#[derive(Debug, Default)]
struct SenderCheckState {
    owner: Option<String>,
    refused: u64,
    throttle: Throttle,
}

/// Where in the stream of bytes the next one is.
#[derive(Debug)]
enum Position {
    /// In the lines before the first message, by which both sides agree on who is there.
    Lines,
    /// At the beginning of a message.
    Between,
    /// In a message that is passed on, with this number of bytes to come.
    Passing(usize),
    /// In one that is not.
    Dropping(usize),
}

/// The bytes of one connection.
#[derive(Debug)]
pub(super) struct MessageFilter {
    bytes: Vec<u8>,
    taken: usize,
    place: Position,
}

/// What the header says, as far as it matters.
#[derive(Debug, Default, PartialEq)]
struct Header<'b> {
    sender: Option<&'b str>,
    destination: Option<&'b str>,
}

impl SenderCheck {
    /// Nobody comes in yet.
    pub(super) fn new(service: &'static str) -> Self {
        Self { service, state: Mutex::default() }
    }

    /// From now on this connection's signals come in, or nobody's.
    pub(super) fn set_owner(&self, owner: Option<&str>) {
        self.state().owner = owner.map(str::to_owned);
    }

    /// How many signals of others were dropped.
    pub(super) fn refused(&self) -> u64 {
        self.state().refused
    }

    /// A signal of somebody else, sent to us directly.
    pub(super) fn refuse(&self, sender: &str) {
        let mut state = self.state();
        state.refused = state.refused.saturating_add(1);
        if let Some(more) = state.throttle.permit(Instant::now()) {
            drop(state);
            let name = self.service;
            tracing::warn!(more, "a signal of {sender}, which is not {name}, is ignored");
        }
    }

    fn admits(&self, header: &Header<'_>) -> bool {
        match header.sender {
            Some(BUS) => true,
            Some(sender) if self.state().owner.as_deref() == Some(sender) => true,
            // To all: a match rule let it pass, so the service sent it, before it was known to be there.
            _ if header.destination.is_none() => false,
            other => {
                self.refuse(other.unwrap_or("nobody"));
                false
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, SenderCheckState> {
        // It is whole at any time.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MessageFilter {
    fn default() -> Self {
        Self { bytes: Vec::new(), taken: 0, place: Position::Lines }
    }
}

impl MessageFilter {
    /// Bytes off the socket.
    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next bytes of lines and admitted messages; 0 when more have to be read first.
    ///
    /// # Errors
    /// When this is not what a bus says.
    pub(super) fn take(&mut self, accepted: &Accepted<'_>, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let rest = &self.bytes[self.taken..];
            let Some(first) = rest.first() else { return Ok(0) };
            match self.place {
                // No line of a server's begins with one of these.
                Position::Lines if matches!(first, b'l' | b'B') => self.place = Position::Between,
                Position::Lines => {
                    let line = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end + 1);
                    let count = line.min(out.len());
                    out[..count].copy_from_slice(&rest[..count]);
                    self.taken += count;
                    return Ok(count);
                }
                Position::Between => match judge(rest, accepted)? {
                    Some(place) => self.place = place,
                    None => return Ok(0),
                },
                Position::Passing(left) => {
                    let count = left.min(rest.len()).min(out.len());
                    out[..count].copy_from_slice(&rest[..count]);
                    self.taken += count;
                    self.place =
                        if count == left { Position::Between } else { Position::Passing(left - count) };
                    return Ok(count);
                }
                Position::Dropping(left) => {
                    let count = left.min(rest.len());
                    self.taken += count;
                    self.place =
                        if count == left { Position::Between } else { Position::Dropping(left - count) };
                }
            }
        }
    }
}

/// What becomes of the message that begins here; `None` when too little of it is there.
fn judge(bytes: &[u8], accepted: &Accepted<'_>) -> io::Result<Option<Position>> {
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("the bus sent {what}"));
    let Some(fixed) = bytes.get(..FIXED) else { return Ok(None) };
    let number = match fixed[0] {
        b'l' => u32::from_le_bytes,
        b'B' => u32::from_be_bytes,
        other => return Err(wrong(&format!("a message that begins with byte {other}"))),
    };
    let length = |at| number_at(fixed, at, number).map_or(usize::MAX, |length| length);
    let (body, fields) = (length(4), length(12));
    if body > MAX_LENGTH || fields > MAX_LENGTH {
        return Err(wrong("a message of more than 128 MiB"));
    }
    let total = (FIXED + fields).next_multiple_of(8) + body;
    // METHOD_RETURN, ERROR, SIGNAL
    let (is_answer, is_signal) = (matches!(fixed[1], 2 | 3), fixed[1] == 4);
    let admitted = match accepted {
        Accepted::Answers => is_answer,
        Accepted::Signals(_) if !is_answer && !is_signal || fields > FIELDS => false,
        Accepted::Signals(sender_check) => {
            let Some(head) = bytes.get(..FIXED + fields) else { return Ok(None) };
            let header = Header::read(head, number).unwrap_or_default();
            if is_answer { header.sender == Some(BUS) } else { sender_check.admits(&header) }
        }
    };
    Ok(Some(if admitted { Position::Passing(total) } else { Position::Dropping(total) }))
}

fn number_at(bytes: &[u8], at: usize, number: fn([u8; 4]) -> u32) -> Option<usize> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    usize::try_from(number(four.try_into().ok()?)).ok()
}

impl<'b> Header<'b> {
    /// Reads the fields behind the fixed part (specification, "Header Fields"). `None` for one that is of no
    /// known type, as of a field that this was not made for.
    fn read(head: &'b [u8], number: fn([u8; 4]) -> u32) -> Option<Self> {
        let mut header = Header::default();
        let mut at = FIXED;
        while at < head.len() {
            // Each is a structure: a byte for its meaning, a signature, a value.
            at = at.next_multiple_of(8);
            let &[field, 1, kind, 0] = head.get(at..at + 4)? else { return None };
            at += 4;
            match kind {
                b's' | b'o' => {
                    let length = number_at(head, at, number)?;
                    let text = head.get(at + 4..(at + 4).checked_add(length)?)?;
                    at += 4 + length + 1;
                    let text = std::str::from_utf8(text).ok()?;
                    match field {
                        6 => header.destination = Some(text),
                        7 => header.sender = Some(text),
                        _ => {}
                    }
                }
                b'g' => at += 1 + usize::from(*head.get(at)?) + 1,
                b'u' => at += 4,
                _ => return None,
            }
        }
        Some(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use zbus::Message;

    const OWNER: &str = ":1.5";
    const LINES: &[u8] = b"OK 1234567890abcdef1234567890abcdef\r\n";

    fn signal(sender: &str, destination: Option<&str>, length: usize) -> Message {
        let path = "/org/example/link/_31";
        let builder = Message::signal(path, "org.example.Link", "Changed");
        let builder = builder.sender(sender);
        let builder = match destination {
            Some(name) => builder.destination(name),
            None => builder,
        };
        builder.build(&"x".repeat(length)).expect("built")
    }

    fn answer(sender: &str) -> Message {
        let call = Message::method_call("/", "GetId").build(&()).expect("built");
        let answer = Message::method_return(&call.header()).sender(sender);
        answer.build(&"answer").expect("built")
    }

    fn call() -> Message {
        let call = Message::method_call("/", "Do").sender(":1.9");
        call.build(&"something").expect("built")
    }

    /// What comes out, when the bytes come in pieces of this size and are taken in others of that size.
    fn filtered(accepted: &Accepted<'_>, bytes: &[u8], put: usize, take: usize) -> Vec<u8> {
        let (mut filter, mut out, mut piece) = (MessageFilter::default(), Vec::new(), vec![0; take]);
        for bytes in bytes.chunks(put) {
            filter.put(bytes);
            loop {
                match filter.take(accepted, &mut piece).expect("a bus's bytes") {
                    0 => break,
                    count => out.extend_from_slice(&piece[..count]),
                }
            }
            assert!(filter.bytes.len() <= FIXED + FIELDS + put, "{} bytes are kept", filter.bytes.len());
        }
        out
    }

    fn bytes(messages: &[&Message]) -> Vec<u8> {
        messages.iter().fold(LINES.to_vec(), |all, message| [&all[..], message.data().bytes()].concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_nobody_waits_for_leaves_no_byte(put in 1usize..5_000, take in 1usize..5_000, long in 0usize..40_000) {
            let owners = signal(OWNER, None, long);
            let (to_all, to_us) = (signal(":1.9", None, long), signal(":1.9", Some(":1.2"), long));
            let (of_bus, forged) = (answer(BUS), answer(":1.9"));
            let said = signal(BUS, Some(":1.2"), 3);
            let all = bytes(&[&of_bus, &to_us, &owners, &forged, &call(), &to_all, &said, &to_us, &owners]);
            let sender_check = SenderCheck::new("org.example");
            sender_check.set_owner(Some(OWNER));
            let signals = filtered(&Accepted::Signals(&sender_check), &all, put, take);
            prop_assert_eq!(signals, bytes(&[&of_bus, &owners, &said, &owners]));
            prop_assert_eq!(sender_check.refused(), 2);
            prop_assert_eq!(filtered(&Accepted::Answers, &all, put, take), bytes(&[&of_bus, &forged]));
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..600), put in 1usize..64) {
            let sender_check = SenderCheck::new("org.example");
            for accepted in [Accepted::Answers, Accepted::Signals(&sender_check)] {
                let (mut filter, mut piece) = (MessageFilter::default(), [0; 64]);
                'all: for bytes in [b"l\x04\x00\x01", &bytes[..]].concat().chunks(put) {
                    filter.put(bytes);
                    while match filter.take(&accepted, &mut piece) {
                        Ok(count) => count > 0,
                        Err(_) => break 'all,
                    } {}
                }
            }
        }
    }

    #[test]
    fn a_sender_that_cannot_be_read_is_nobody() {
        let sender_check = SenderCheck::new("org.example");
        sender_check.set_owner(Some(OWNER));
        let good = signal(OWNER, None, 3);
        let sender =
            good.data().bytes().windows(5).position(|four| four == [7, 1, b's', 0, 4]).expect("there");
        for (at, byte) in [(sender + 2, b'v'), (sender + 1, 2), (sender + 4, 200), (sender, 99)] {
            let mut bad = [LINES, good.data().bytes()].concat();
            bad[LINES.len() + at] = byte;
            let bad = [&bad[..], good.data().bytes()].concat();
            assert_eq!(
                filtered(&Accepted::Signals(&sender_check), &bad, 64, 64),
                bytes(&[&good]),
                "{at} {byte}"
            );
        }
        // More fields than any service has.
        let path = format!("/{}", "p".repeat(9_000));
        let long = Message::signal(path.as_str(), "org.example.Link", "Changed");
        let long = long.sender(OWNER).build(&()).expect("built");
        assert_eq!(
            filtered(&Accepted::Signals(&sender_check), &bytes(&[&long, &good]), 700, 64),
            bytes(&[&good])
        );
    }

    #[test]
    fn what_is_no_message_ends_the_connection() {
        let mut filter = MessageFilter::default();
        filter.put(&[LINES, answer(BUS).data().bytes(), b"OK again, and long enough"].concat());
        let mut piece = [0; 4_096];
        let end = std::iter::from_fn(|| match filter.take(&Accepted::Answers, &mut piece) {
            Ok(0) => None,
            other => Some(other),
        });
        assert!(end.take(10).any(|taken| taken.is_err()));
        let huge = [b'l', 4, 0, 1, 0, 0, 0, 255, 1, 0, 0, 0, 0, 0, 0, 0];
        assert!(judge(&huge, &Accepted::Answers).is_err());
    }
}
