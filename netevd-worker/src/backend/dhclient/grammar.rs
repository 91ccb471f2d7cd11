//! The grammar of dhclient's lease files (dhclient.leases(5), the client's writer
//! client/dhclient.c): blocks in, leases out. Pure, one pass, no recursion, and no input fails.
//!
//! What is not known is skipped, with its braces: the files of ISC's server, which lie in the same
//! directory, hold no lease of ours (`lease 192.0.2.7 {`).

use super::date;
use super::lexer::{Lexer, Token};
use super::options::Draft;
use crate::model::Lease;
use protocol::{Family, InterfaceName};

/// Words of one statement that are kept: an option of 255 octets with commas fits twice.
const MAX_WORDS: usize = 1024;
/// Blocks within each other that are told apart. Real files need three.
const DEEPEST: usize = 16;

/// One complete block.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Block {
    /// Whose.
    pub(super) interface: InterfaceName,
    /// `lease` or `lease6`.
    pub(super) family: Family,
    /// What it says; `None`: the interface has no lease of this family (any more), for it was
    /// released or ended at once.
    pub(super) lease: Option<Lease>,
}

/// How the input ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parsed {
    /// The last block or statement is half written.
    pub(super) incomplete: bool,
}

/// Hands over every complete block of a file, in the file's order. Of several for the same
/// interface and family the last one counts.
pub(super) fn parse(input: &[u8], mut each: impl FnMut(Block)) -> Parsed {
    let mut lexer = Lexer::new(input);
    let mut reader = Reader::default();
    loop {
        match lexer.token() {
            Ok(Some(token)) => {
                if let Some(block) = reader.take(token) {
                    each(block);
                }
            }
            Ok(None) => return Parsed { incomplete: !reader.is_between_blocks() },
            Err(_cut_off) => return Parsed { incomplete: true },
        }
    }
}

/// What a pair of braces is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Lease(Family),
    /// `ia-na`, `ia-ta`: the addresses for one purpose of a lease6.
    Association,
    /// `iaaddr`
    Address,
    Unknown,
}

#[derive(Default)]
struct Reader<'a> {
    /// The blocks that are open, outermost first.
    scopes: Vec<Scope>,
    /// How many more are open than `scopes` tells apart.
    deeper: usize,
    statement: Vec<Token<'a>>,
    interface: Option<InterfaceName>,
    draft: Draft,
    /// `iaaddr`, `starts`, `max-life` of the innermost address.
    address: (Option<std::net::Ipv6Addr>, Option<u64>, Option<u32>),
}

impl<'a> Reader<'a> {
    fn is_between_blocks(&self) -> bool {
        self.scopes.is_empty() && self.deeper == 0 && self.statement.is_empty()
    }

    fn take(&mut self, token: Token<'a>) -> Option<Block> {
        match token {
            Token::Open => self.open(),
            Token::Close => return self.close(),
            Token::Semicolon => self.end_statement(),
            word if self.statement.len() < MAX_WORDS => self.statement.push(word),
            _ => {}
        }
        None
    }

    fn open(&mut self) {
        let statement = std::mem::take(&mut self.statement);
        if self.scopes.len() == DEEPEST {
            self.deeper = self.deeper.saturating_add(1);
            return;
        }
        let scope = match (self.scopes.last(), &statement[..]) {
            (None, [word]) if word.is("lease") => Scope::Lease(Family::V4),
            (None, [word]) if word.is("lease6") => Scope::Lease(Family::V6),
            (Some(Scope::Lease(Family::V6)), [word, ..]) if word.is("ia-na") || word.is("ia-ta") => {
                Scope::Association
            }
            (Some(Scope::Association), [word, address]) if word.is("iaaddr") => {
                self.address = (address.parse(), None, None);
                Scope::Address
            }
            _ => Scope::Unknown,
        };
        if matches!(scope, Scope::Lease(_)) {
            (self.interface, self.draft) = (None, Draft::default());
        }
        self.scopes.push(scope);
    }

    fn close(&mut self) -> Option<Block> {
        self.statement.clear();
        if self.deeper > 0 {
            self.deeper -= 1;
            return None;
        }
        match self.scopes.pop()? {
            Scope::Lease(family) => {
                let lease = std::mem::take(&mut self.draft).finish();
                Some(Block { interface: self.interface.take()?, family, lease })
            }
            Scope::Address => {
                self.end_address();
                None
            }
            Scope::Association | Scope::Unknown => None,
        }
    }

    /// The first address counts; one with no life left is being taken away.
    fn end_address(&mut self) {
        let (Some(address), Some(starts), Some(life)) = self.address else { return };
        if self.draft.address.is_none() && life > 0 {
            self.draft.address = Some(address.into());
            self.draft.ending = date::after(starts, life);
        }
    }

    fn end_statement(&mut self) {
        let statement = std::mem::take(&mut self.statement);
        let (Some(scope), Some((word, values)), 0) =
            (self.scopes.last(), statement.split_first(), self.deeper)
        else {
            return;
        };
        match scope {
            Scope::Lease(family) => self.lease_statement(*family, word, values),
            Scope::Address if word.is("starts") => self.address.1 = values.first().and_then(Token::parse),
            Scope::Address if word.is("max-life") => self.address.2 = values.first().and_then(Token::parse),
            _ => {}
        }
    }

    fn lease_statement(&mut self, family: Family, word: &Token<'_>, values: &[Token<'_>]) {
        if word.is("option") {
            if let Some((Token::Word(name), values)) = values.split_first() {
                self.draft.option(&String::from_utf8_lossy(name), values);
            }
        } else if word.is("interface") {
            let name = values.first().and_then(Token::text);
            self.interface = name.and_then(|name| InterfaceName::new(&name).ok());
        } else if word.is("released") {
            self.draft.released = true;
        } else if family == Family::V4 && word.is("fixed-address") {
            let address = values.first().and_then(Token::parse::<std::net::Ipv4Addr>);
            self.draft.address = address.map(Into::into);
        } else if family == Family::V4 && word.is("expire") {
            self.draft.ending = date::ending(values);
        }
    }
}

#[cfg(test)]
#[path = "grammar_tests.rs"]
mod tests;
