//! Interface names as the kernel accepts them (`dev_valid_name`, net/core/dev.c).

use std::fmt;

/// Neither `.` nor `..`, without `/`, `:` and white space: `we+b` is legal. 1 to 15 bytes, an
/// alternative name up to 127.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceName(String);

/// What was found where an interface name was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadInterfaceName(pub String);

impl InterfaceName {
    /// The longest name, IFNAMSIZ less the terminating zero.
    pub const MAX: usize = 15;

    /// The longest alternative name, ALTIFNAMSIZ less the terminating zero.
    pub const ALTERNATIVE_MAX: usize = 127;

    /// Checks `name` by the kernel's own rule; a name that is not UTF-8 cannot reach here.
    pub fn new(name: &str) -> Result<Self, BadInterfaceName> {
        Self::up_to(Self::MAX, name)
    }

    /// A name that may be one of the interface's alternative names, ip-link(8).
    pub fn alternative(name: &str) -> Result<Self, BadInterfaceName> {
        Self::up_to(Self::ALTERNATIVE_MAX, name)
    }

    fn up_to(longest: usize, name: &str) -> Result<Self, BadInterfaceName> {
        let legal = !name.is_empty()
            && name.len() <= longest
            && name != "."
            && name != ".."
            && !name
                .bytes()
                .any(|b| b == b'/' || b == b':' || b == 0 || b.is_ascii_whitespace() || b == 0x0b);
        if legal { Ok(Self(name.to_owned())) } else { Err(BadInterfaceName(name.to_owned())) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for BadInterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no interface name (1 to 15 bytes without '/', ':' and white space)", self.0)
    }
}

impl std::error::Error for BadInterfaceName {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_rule() {
        for good in ["eth0", "we+b", "br-1a2b", "a", "abcdefghijklmno", "wg0.100", "veth@x"] {
            assert!(InterfaceName::new(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a:b", "a b", "a\tb", "a\u{b}b", "a\0b", "abcdefghijklmnop"] {
            assert!(InterfaceName::new(bad).is_err(), "{bad:?}");
        }
        assert!(InterfaceName::alternative("enp0s31f6-longer").is_ok());
        assert!(InterfaceName::alternative(&"x".repeat(128)).is_err());
    }
}
