//! What crosses between worker and runner. Pure: bytes in, values out, and what is not exactly right is
//! no value.
//!
//! On the channel, runner to worker, once: [`Hello`]. Then, worker to runner, each a frame [`START`] with
//! five descriptors: a file with a [`Program`], the three standard descriptors, and a SEQPACKET socket
//! for this one program. On that, runner to worker, one [`Report`] that it started or did not, and one
//! how it ended; worker to runner [`Order`]s. The end of the socket is the end of the program.

/// Of this protocol. Both sides come from one package, and must.
const VERSION: u32 = 1;
/// The request.
pub(crate) const START: [u8; 5] = *b"start";
/// How many descriptors come with it.
pub(crate) const DESCRIPTORS: usize = 5;
/// A [`Program`] is at most so long, in bytes; execve(2) takes 2 MiB by default.
pub(crate) const PROGRAM_MAX: usize = 4 << 20;
/// Words and variables of a [`Program`].
const COUNT_MAX: u32 = 1_024;

/// Who the runner is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    /// As whom scripts run.
    pub(crate) uid: u32,
}

impl Hello {
    pub(crate) const LENGTH: usize = 8;

    pub(crate) fn encode(self) -> [u8; Self::LENGTH] {
        let mut frame = [0; Self::LENGTH];
        frame[..4].copy_from_slice(&VERSION.to_le_bytes());
        frame[4..].copy_from_slice(&self.uid.to_le_bytes());
        frame
    }

    pub(crate) fn decode(frame: &[u8]) -> Option<Self> {
        let (version, uid) = frame.split_first_chunk::<4>()?;
        (u32::from_le_bytes(*version) == VERSION).then_some(())?;
        Some(Self { uid: u32::from_le_bytes(uid.try_into().ok()?) })
    }
}

/// What is to be run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Program {
    /// The absolute path, then the arguments.
    pub(crate) words: Vec<Vec<u8>>,
    /// Names and values.
    pub(crate) environment: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Program {
    /// Counts, then each text with its length; all numbers 32 bits, little-endian.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let number = |bytes: &mut Vec<u8>, number: usize| {
            // Beyond that it is refused by its length.
            bytes.extend(u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
        };
        number(&mut bytes, self.words.len());
        number(&mut bytes, self.environment.len());
        let pairs = self.environment.iter().flat_map(|(name, value)| [name, value]);
        for text in self.words.iter().chain(pairs) {
            number(&mut bytes, text.len());
            bytes.extend_from_slice(text);
        }
        bytes
    }

    /// The same back, if it is something that can be executed.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let (words, variables) = (number(&mut rest)?, number(&mut rest)?);
        if words > COUNT_MAX || variables > COUNT_MAX {
            return None;
        }
        let words: Vec<_> = (0..words).map(|_| text(&mut rest)).collect::<Option<_>>()?;
        let environment =
            (0..variables).map(|_| Some((text(&mut rest)?, text(&mut rest)?))).collect::<Option<Vec<_>>>()?;
        let has_names = environment.iter().all(|(name, _)| !name.is_empty() && !name.contains(&b'='));
        let is_whole = rest.is_empty() && has_names && words.first()?.first() == Some(&b'/');
        is_whole.then_some(Self { words, environment })
    }
}

fn number(rest: &mut &[u8]) -> Option<u32> {
    let (number, after) = rest.split_first_chunk::<4>()?;
    *rest = after;
    Some(u32::from_le_bytes(*number))
}

fn text(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let length = usize::try_from(number(rest)?).ok()?;
    let (text, after) = rest.split_at_checked(length)?;
    *rest = after;
    (!text.contains(&0)).then(|| text.to_vec())
}

/// What became of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// It runs, as this process.
    Started(i32),
    /// It does not, errno.
    NotStarted(i32),
    /// It ended: a status as of wait(2). What is left of its group can still be signalled.
    Ended(i32),
}

impl Report {
    pub(crate) const LENGTH: usize = 5;

    pub(crate) fn encode(self) -> [u8; Self::LENGTH] {
        let (tag, value) = match self {
            Report::Started(process) => (b's', process),
            Report::NotStarted(errno) => (b'n', errno),
            Report::Ended(status) => (b'e', status),
        };
        let [a, b, c, d] = value.to_le_bytes();
        [tag, a, b, c, d]
    }

    pub(crate) fn decode(frame: &[u8]) -> Option<Self> {
        let (tag, value) = frame.split_first()?;
        let value = i32::from_le_bytes(value.try_into().ok()?);
        match tag {
            b's' if value > 1 => Some(Report::Started(value)),
            b'n' if value > 0 => Some(Report::NotStarted(value)),
            b'e' => Some(Report::Ended(value)),
            _ => None,
        }
    }
}

/// What is to become of its process group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// TERM, and CONT: a stopped process takes no TERM.
    Terminate,
    /// KILL
    Kill,
}

impl Order {
    pub(crate) fn encode(self) -> [u8; 1] {
        match self {
            Order::Terminate => *b"T",
            Order::Kill => *b"K",
        }
    }

    pub(crate) fn decode(frame: &[u8]) -> Option<Self> {
        match frame {
            b"T" => Some(Order::Terminate),
            b"K" => Some(Order::Kill),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn program() -> impl Strategy<Value = Program> {
        let text = || proptest::collection::vec(1u8..=255, 0..20);
        let path = text().prop_map(|mut text| {
            text.insert(0, b'/');
            text
        });
        let name = proptest::collection::vec(b'A'..=b'Z', 1..8);
        let rest = proptest::collection::vec(text(), 0..4);
        let environment = proptest::collection::vec((name, text()), 0..6);
        (path, rest, environment).prop_map(|(path, mut words, environment)| {
            words.insert(0, path);
            Program { words, environment }
        })
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(program in program()) {
            prop_assert_eq!(Program::decode(&program.encode()), Some(program));
        }

        #[test]
        fn nothing_is_read_in_two_ways(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Some(program) = Program::decode(&bytes) {
                prop_assert_eq!(program.encode(), bytes);
            }
        }

        #[test]
        fn short_long_and_changed_are_refused_or_other_programs(program in program(), cut in 0usize..40, byte: u8) {
            let whole = program.encode();
            let cut = cut.min(whole.len() - 1);
            prop_assert_eq!(Program::decode(&whole[..cut]), None);
            let mut longer = whole.clone();
            longer.push(byte);
            prop_assert_eq!(Program::decode(&longer), None);
        }
    }

    #[test]
    fn what_cannot_be_executed_is_refused() {
        let of = |words: &[&str], environment: &[(&str, &str)]| {
            let words = words.iter().map(|word| word.as_bytes().to_vec()).collect();
            let pair = |(name, value): &(&str, &str)| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
            Program::decode(&Program { words, environment: environment.iter().map(pair).collect() }.encode())
        };
        assert!(of(&["/bin/true", "", "x"], &[("A", ""), ("B", "=")]).is_some());
        for (words, environment) in [
            (&[][..], &[][..]),
            (&[""], &[]),
            (&["true"], &[]),
            (&["../bin/true"], &[]),
            (&["/bin/tr\0ue"], &[]),
            (&["/bin/true"], &[("", "x")]),
            (&["/bin/true"], &[("A=B", "x")]),
            (&["/bin/true"], &[("A", "x\0")]),
        ] {
            assert_eq!(of(words, environment), None, "{words:?} {environment:?}");
        }
        let many = Program { words: vec![b"/x".to_vec(); 1_025], environment: Vec::new() };
        assert_eq!(Program::decode(&many.encode()), None);
    }

    #[test]
    fn small_frames() {
        for report in [Report::Started(2), Report::NotStarted(2), Report::Ended(-1), Report::Ended(0x100)] {
            assert_eq!(Report::decode(&report.encode()), Some(report));
        }
        for report in [Report::Started(1), Report::Started(0), Report::Started(-7), Report::NotStarted(0)] {
            assert_eq!(Report::decode(&report.encode()), None);
        }
        for frame in [&b""[..], b"s", b"s\x02\0\0", b"s\x02\0\0\0\0", b"x\x02\0\0\0"] {
            assert_eq!(Report::decode(frame), None, "{frame:?}");
        }
        for order in [Order::Terminate, Order::Kill] {
            assert_eq!(Order::decode(&order.encode()), Some(order));
        }
        for frame in [&b""[..], b"t", b"TT", b"KT", b"\0"] {
            assert_eq!(Order::decode(frame), None, "{frame:?}");
        }
        let hello = Hello { uid: 972 };
        assert_eq!(Hello::decode(&hello.encode()), Some(hello));
        for frame in [&b""[..], &[1, 0, 0, 0], &[2, 0, 0, 0, 0, 0, 0, 0], &[1, 0, 0, 0, 0, 0, 0, 0, 0]] {
            assert_eq!(Hello::decode(frame), None, "{frame:?}");
        }
    }
}
