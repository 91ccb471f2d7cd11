//! Shell patterns over interface names, and lists of them with exclusions. Names are bytes: the
//! kernel takes some that are no UTF-8.
//!
//! `*` any run, `?` any one byte, `[a-z]` and `[!a-z]` one of a set; all else is literal, so
//! `we+b` matches itself. Matching is linear in pattern times name, both of which are short.

use std::fmt;

/// One pattern, at most 64 bytes, without white space and control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

/// What is wrong with a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadPattern {
    /// The text as found.
    pub text: String,
    /// The fault, to stand after "the pattern …".
    pub fault: &'static str,
}

impl Pattern {
    /// The longest pattern in bytes: an interface name has at most 15, so 64 leaves room for sets.
    pub const MAX: usize = 64;

    /// Checks the form; see the module's header for the language.
    pub fn new(text: &str) -> Result<Self, BadPattern> {
        let fault = if text.is_empty() {
            Some("is empty")
        } else if text.len() > Self::MAX {
            Some("is longer than 64 bytes")
        } else if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            Some("holds white space or a control character")
        } else if text.contains('/') || text.contains(':') {
            Some("holds '/' or ':', which no interface name can")
        } else if !sets_are_closed(text.as_bytes()) {
            Some("opens a set with '[' that no ']' closes")
        } else {
            None
        };
        match fault {
            Some(fault) => Err(BadPattern { text: text.to_owned(), fault }),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True when the whole of `name` matches.
    pub fn matches(&self, name: impl AsRef<[u8]>) -> bool {
        let name = name.as_ref();
        // A name that holds pattern characters still matches itself.
        self.0.as_bytes() == name || matches(self.0.as_bytes(), name)
    }
}

/// Patterns in order of writing; `!pattern` excludes, whatever the order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PatternList {
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
}

impl PatternList {
    /// Parses each item; one beginning with `!` excludes.
    pub fn new<S: AsRef<str>>(items: impl IntoIterator<Item = S>) -> Result<Self, BadPattern> {
        let mut list = Self::default();
        for item in items {
            list.push(item.as_ref())?;
        }
        Ok(list)
    }

    /// Adds one item, `pattern` or `!pattern`.
    pub fn push(&mut self, item: &str) -> Result<(), BadPattern> {
        match item.strip_prefix('!') {
            Some(rest) => self.exclude.push(Pattern::new(rest)?),
            None => self.include.push(Pattern::new(item)?),
        }
        Ok(())
    }

    /// No pattern at all.
    pub fn is_empty(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }

    /// True when nothing is included by name: only exclusions, or an empty list.
    pub fn includes_nothing(&self) -> bool {
        self.include.is_empty()
    }

    /// True when some pattern includes `name` and none excludes it.
    pub fn matches(&self, name: impl AsRef<[u8]>) -> bool {
        self.lists(&[name])
    }

    /// The same of an interface with several names (ip-link(8), `altname`): some pattern includes
    /// one of them, and none excludes any.
    pub fn lists<N: AsRef<[u8]>>(&self, names: &[N]) -> bool {
        names.iter().any(|name| self.include.iter().any(|p| p.matches(name)))
            && !names.iter().any(|name| self.excludes(name))
    }

    /// True when some exclusion matches `name`.
    pub fn excludes(&self, name: impl AsRef<[u8]>) -> bool {
        self.exclude.iter().any(|p| p.matches(name.as_ref()))
    }

    /// The items as written, inclusions first.
    pub fn items(&self) -> impl Iterator<Item = String> + '_ {
        let include = self.include.iter().map(|p| p.0.clone());
        include.chain(self.exclude.iter().map(|p| format!("!{}", p.0)))
    }
}

impl fmt::Display for BadPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the pattern {:?} {}", self.text, self.fault)
    }
}

impl std::error::Error for BadPattern {}

/// Splits a set at the head of `pattern` (which begins with `[`) into its body and the rest.
/// A `]` directly after the opening is a member, as in glob(7).
fn split_set(pattern: &[u8]) -> Option<(bool, &[u8], &[u8])> {
    let mut body = pattern.get(1..)?;
    let negated = matches!(body.first(), Some(b'!' | b'^'));
    if negated {
        body = body.get(1..)?;
    }
    let end = 1 + body.get(1..)?.iter().position(|&b| b == b']')?;
    Some((negated, &body[..end], &body[end + 1..]))
}

fn in_set(mut body: &[u8], byte: u8) -> bool {
    while let Some(&low) = body.first() {
        if let [_, b'-', high, ..] = *body {
            if (low..=high).contains(&byte) {
                return true;
            }
            body = &body[3..];
        } else {
            if low == byte {
                return true;
            }
            body = &body[1..];
        }
    }
    false
}

fn sets_are_closed(mut pattern: &[u8]) -> bool {
    while let Some(start) = pattern.iter().position(|&b| b == b'[') {
        match split_set(&pattern[start..]) {
            Some((_, _, rest)) => pattern = rest,
            None => return false,
        }
    }
    true
}

/// Matches one pattern element at the head; `None` when it does not match.
fn step(pattern: &[u8], byte: u8) -> Option<&[u8]> {
    match pattern.first()? {
        b'?' => Some(&pattern[1..]),
        b'[' => {
            let (negated, body, rest) = split_set(pattern)?;
            (in_set(body, byte) != negated).then_some(rest)
        }
        &literal => (literal == byte).then(|| &pattern[1..]),
    }
}

/// Backtracks to the last star only, so the cost is at most pattern times name.
fn matches(mut pattern: &[u8], mut name: &[u8]) -> bool {
    let mut star: Option<(&[u8], &[u8])> = None;
    loop {
        if pattern.first() == Some(&b'*') {
            pattern = &pattern[1..];
            star = Some((pattern, name));
            continue;
        }
        let Some((&byte, rest)) = name.split_first() else {
            return pattern.is_empty();
        };
        if let Some(after) = step(pattern, byte) {
            (pattern, name) = (after, rest);
        } else if let Some((after_star, retry)) = star {
            let Some((_, shorter)) = retry.split_first() else { return false };
            star = Some((after_star, shorter));
            (pattern, name) = (after_star, shorter);
        } else {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hit(pattern: &str, name: &str) -> bool {
        Pattern::new(pattern).expect("a good pattern").matches(name)
    }

    #[test]
    fn the_language() {
        for (pattern, name, expected) in [
            ("eth0", "eth0", true),
            ("eth0", "eth01", false),
            ("eth*", "eth", true),
            ("*", "anything", true),
            ("w*g?", "wireg0", true),
            ("w*g?", "wireg", false),
            ("eth[0-3]", "eth2", true),
            ("eth[0-3]", "eth4", false),
            ("eth[!0-3]", "eth4", true),
            ("e[]x]", "e]", true),
            ("we+b", "we+b", true),
            ("we+b", "weeb", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("e[0-1]", "e[0-1]", true),
        ] {
            assert_eq!(hit(pattern, name), expected, "{pattern} against {name}");
        }
    }

    #[test]
    fn faults_are_named() {
        for (pattern, fault) in [
            ("", "empty"),
            ("a b", "white"),
            ("a/b", "'/'"),
            ("e[0-3", "closes"),
            (&"x".repeat(65), "longer"),
        ] {
            let error = Pattern::new(pattern).expect_err(pattern);
            assert!(error.to_string().contains(fault), "{error}");
        }
    }

    #[test]
    fn an_exclusion_wins_wherever_it_is() {
        let list = PatternList::new(["!veth*", "*"]).expect("good");
        assert!(list.matches("eth0") && !list.matches("veth1"));
        assert!(!PatternList::default().matches("eth0"));
    }

    #[test]
    fn an_interface_goes_by_any_of_its_names() {
        let list = PatternList::new(["wan*", "eth1", "!*-guest"]).expect("good");
        assert!(list.lists(&["eth0", "wan0"]) && list.lists(&["eth1"]));
        assert!(!list.lists(&["eth0", "lan0"]) && !list.lists(&["eth1", "wan-guest"]));
        assert!(!list.lists::<&str>(&[]));
        assert!(list.matches(b"wan\xff"));
    }

    /// The plain recursive definition, written apart from the matcher.
    fn reference(pattern: &[u8], name: &[u8]) -> bool {
        match pattern.first() {
            None => name.is_empty(),
            Some(b'*') => (0..=name.len()).any(|n| reference(&pattern[1..], &name[n..])),
            Some(_) => match name.split_first() {
                Some((&byte, rest)) => step(pattern, byte).is_some_and(|p| reference(p, rest)),
                None => false,
            },
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(pattern in "[ab*?]{0,8}", name in "[abc]{0,10}") {
            prop_assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), reference(pattern.as_bytes(), name.as_bytes()));
        }

        #[test]
        fn never_panics(pattern in ".{0,70}", name in ".{0,20}") {
            if let Ok(p) = Pattern::new(&pattern) { let _ = p.matches(&name); }
        }
    }
}
