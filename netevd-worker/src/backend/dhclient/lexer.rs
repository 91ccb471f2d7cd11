//! Words, strings and punctuation of ISC's files (common/conflex.c of the DHCP sources). Bytes in,
//! tokens out; nothing fails but a string that the input's end cuts off.

/// The longest string kept, in bytes; a DHCP option cannot make one as long. More is dropped.
const MAX_LENGTH: usize = 4096;

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A name, number, address, date: anything unquoted.
    Word(&'a [u8]),
    /// A quoted string, its escapes undone. Not necessarily UTF-8.
    Text(Vec<u8>),
    /// `,`
    Comma,
    /// `;`
    Semicolon,
    /// `{`
    Open,
    /// `}`
    Close,
}

impl Token<'_> {
    /// True for this unquoted word; ISC's keywords have no case.
    pub(super) fn is(&self, word: &str) -> bool {
        matches!(self, Token::Word(found) if found.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// A word or a string as text; what is not UTF-8 becomes U+FFFD, which no check lets pass.
    pub(super) fn text(&self) -> Option<String> {
        match self {
            Token::Word(word) => Some(String::from_utf8_lossy(word).into_owned()),
            Token::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
            _ => None,
        }
    }

    /// A word as whatever it is the text of.
    pub(super) fn parse<T: std::str::FromStr>(&self) -> Option<T> {
        match self {
            Token::Word(word) => std::str::from_utf8(word).ok()?.parse().ok(),
            _ => None,
        }
    }
}

/// The input ended within a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CutOff;

/// Reads token after token.
pub(super) struct Lexer<'a> {
    rest: &'a [u8],
}

impl<'a> Lexer<'a> {
    pub(super) fn new(input: &'a [u8]) -> Self {
        Self { rest: input }
    }

    /// The next token, `None` at the end.
    pub(super) fn token(&mut self) -> Result<Option<Token<'a>>, CutOff> {
        loop {
            let Some((&byte, rest)) = self.rest.split_first() else { return Ok(None) };
            let punctuation = match byte {
                b',' => Some(Token::Comma),
                b';' => Some(Token::Semicolon),
                b'{' => Some(Token::Open),
                b'}' => Some(Token::Close),
                _ => None,
            };
            if punctuation.is_some() {
                self.rest = rest;
                return Ok(punctuation);
            }
            match byte {
                b'#' => self.rest = after(rest, |b| b == b'\n'),
                b'"' => {
                    self.rest = rest;
                    return self.string().map(|text| Some(Token::Text(text)));
                }
                byte if is_space(byte) => self.rest = rest,
                _ => {
                    let tail = after(rest, ends_word);
                    let (word, tail) = self.rest.split_at(self.rest.len() - tail.len());
                    self.rest = tail;
                    return Ok(Some(Token::Word(word)));
                }
            }
        }
    }

    /// The inside of a string, after its opening quote.
    fn string(&mut self) -> Result<Vec<u8>, CutOff> {
        let mut text = Vec::new();
        loop {
            let byte = match self.byte()? {
                b'"' => return Ok(text),
                b'\\' => self.escape()?,
                byte => byte,
            };
            if text.len() < MAX_LENGTH {
                text.push(byte);
            }
        }
    }

    /// What stands behind a backslash: up to three octal digits, `x` and up to two hexadecimal
    /// ones, a letter for a control character, or the character itself.
    fn escape(&mut self) -> Result<u8, CutOff> {
        Ok(match self.byte()? {
            b't' => b'\t',
            b'r' => b'\r',
            b'n' => b'\n',
            b'b' => 8,
            b'x' => self.digits(0, 16, 2),
            digit @ b'0'..=b'7' => self.digits(digit - b'0', 8, 2),
            byte => byte,
        })
    }

    /// Up to `most` further digits. `\777` does not fit a byte; ISC lets the high bits fall.
    fn digits(&mut self, first: u8, radix: u8, most: usize) -> u8 {
        let mut value = first;
        for _ in 0..most {
            let digit = self.rest.first().and_then(|byte| char::from(*byte).to_digit(u32::from(radix)));
            let Some(digit) = digit.and_then(|digit| u8::try_from(digit).ok()) else { break };
            value = value.wrapping_mul(radix).wrapping_add(digit);
            self.rest = self.rest.get(1..).unwrap_or_default();
        }
        value
    }

    fn byte(&mut self) -> Result<u8, CutOff> {
        let (&byte, rest) = self.rest.split_first().ok_or(CutOff)?;
        self.rest = rest;
        Ok(byte)
    }
}

/// The input from the first byte on that `stop` names.
fn after(input: &[u8], stop: impl Fn(u8) -> bool) -> &[u8] {
    let length = input.iter().position(|&byte| stop(byte)).unwrap_or(input.len());
    input.get(length..).unwrap_or_default()
}

fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b || byte == 0
}

fn ends_word(byte: u8) -> bool {
    is_space(byte) || matches!(byte, b',' | b';' | b'{' | b'}' | b'#' | b'"')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(input: &[u8]) -> Result<Vec<Token<'_>>, CutOff> {
        let mut lexer = Lexer::new(input);
        std::iter::from_fn(|| lexer.token().transpose()).collect()
    }

    #[test]
    fn words_strings_and_punctuation() {
        let found = tokens(b"option x 1.2.3.4,fe80::1; # gone \"\nlease{ a\"b\" }").expect("whole");
        let word = |text: &'static str| Token::Word(text.as_bytes());
        assert_eq!(
            found,
            [
                word("option"),
                word("x"),
                word("1.2.3.4"),
                Token::Comma,
                word("fe80::1"),
                Token::Semicolon,
                word("lease"),
                Token::Open,
                word("a"),
                Token::Text(b"b".to_vec()),
                Token::Close,
            ]
        );
    }

    #[test]
    fn escapes() {
        for (input, text) in [
            (&br#""a\"b\\c""#[..], &b"a\"b\\c"[..]),
            (br#""\000\001x\1012\0501""#, b"\0\x01xA2(1"),
            (br#""\t\n\q\x41\x4g""#, b"\t\nqA\x04g"),
            (b"\"two\nlines # no comment; {\"", b"two\nlines # no comment; {"),
            (b"\"\xff\xfe\"", b"\xff\xfe"),
            (br#""\777""#, b"\xff"),
        ] {
            assert_eq!(tokens(input), Ok(vec![Token::Text(text.to_vec())]), "{}", input.escape_ascii());
        }
    }

    #[test]
    fn a_string_that_does_not_end() {
        for input in [&b"\""[..], b"a \"b", b"\"b\\", b"\"b\\\"", b"\"\\x", b"\"\\12"] {
            assert_eq!(tokens(input), Err(CutOff), "{}", input.escape_ascii());
        }
    }

    #[test]
    fn a_string_of_a_megabyte_keeps_what_an_option_can_hold() {
        let mut input = vec![b'a'; 1 << 20];
        input[0] = b'"';
        input.extend(b"\";");
        let found = tokens(&input).expect("whole");
        assert!(matches!(&found[..], [Token::Text(text), Token::Semicolon] if text.len() == MAX_LENGTH));
    }
}
