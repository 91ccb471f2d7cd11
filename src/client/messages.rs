//! Server-sent events as the HTML standard has them, from bytes in pieces of any size.

/// Bytes of one message; an event's document has a few thousand.
const MAX_SIZE: usize = 8 * 1024 * 1024;

/// One message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    /// `id:`
    pub(super) id: Option<String>,
    /// `event:`
    pub(super) event: Option<String>,
    /// `data:`, its lines joined.
    pub(super) data: String,
}

/// What came and is not a whole message yet.
#[derive(Debug, Default)]
pub(super) struct Messages {
    line: Vec<u8>,
    message: Message,
    has_data: bool,
}

/// A message without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl Messages {
    /// Takes the next bytes, and gives the messages that they complete.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<Message>, TooLong> {
        let mut complete = Vec::new();
        for byte in bytes {
            if *byte != b'\n' {
                self.line.push(*byte);
                if self.line.len() + self.message.data.len() > MAX_SIZE {
                    return Err(TooLong);
                }
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let line = line.strip_suffix(b"\r").unwrap_or(&line);
            if !line.is_empty() {
                self.field(&String::from_utf8_lossy(line));
            } else if std::mem::take(&mut self.has_data) {
                complete.push(std::mem::take(&mut self.message));
            } else {
                self.message = Message::default();
            }
        }
        Ok(complete)
    }

    fn field(&mut self, line: &str) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "id" => self.message.id = Some(value.to_owned()),
            "event" => self.message.event = Some(value.to_owned()),
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.message.data.push('\n');
                }
                self.message.data.push_str(value);
            }
            // Comments keep the connection alive; other fields are not ours.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b": hello\n\nid: a-1\nevent: event\ndata: {\"x\":1}\n\nid: a-2\r\ndata: one\r\ndata: two\r\n\r\n\nretry: 5\n\n";

    #[test]
    fn pieces_of_any_size_give_the_same_messages() {
        let mut whole = Messages::default();
        let expected = whole.push(TEXT).expect("short");
        assert_eq!(expected.len(), 2);
        assert_eq!(expected[0].id.as_deref(), Some("a-1"));
        assert_eq!((expected[0].event.as_deref(), &*expected[0].data), (Some("event"), "{\"x\":1}"));
        assert_eq!((expected[1].id.as_deref(), &*expected[1].data), (Some("a-2"), "one\ntwo"));
        for size in 1..TEXT.len() {
            let mut messages = Messages::default();
            let found: Vec<_> =
                TEXT.chunks(size).flat_map(|chunk| messages.push(chunk).expect("short")).collect();
            assert_eq!(found, expected, "pieces of {size}");
        }
    }

    #[test]
    fn a_line_without_end_is_not_kept() {
        let mut messages = Messages::default();
        let piece = vec![b'x'; 1 << 20];
        assert!((0..16).any(|_| messages.push(&piece) == Err(TooLong)));
    }
}
