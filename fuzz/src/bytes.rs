//! Choices out of the fuzzer's bytes. At their end every choice is the first.

use protocol::Prefix;
use std::net::IpAddr;

/// The rest of the input.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bytes(Vec<u8>);

/// Addresses that a test network has, and those that no source and no gateway may have.
const ADDRESSES: [&str; 24] = [
    "192.0.2.2",
    "198.51.100.2",
    "172.17.0.1",
    "10.64.0.2",
    "192.0.2.1",
    "198.51.100.1",
    "10.64.0.1",
    "192.0.2.255",
    "127.0.0.1",
    "169.254.1.1",
    "224.0.0.1",
    "0.0.0.0",
    "255.255.255.255",
    "203.0.113.9",
    "172.17.0.9",
    "2001:db8::2",
    "2001:db8::1",
    "fe80::1",
    "fe80::2",
    "::1",
    "ff02::1",
    "::",
    "::ffff:192.0.2.1",
    "2001:db8:1::5",
];

const PREFIXES: [&str; 20] = [
    "172.17.0.0/16",
    "192.0.2.0/24",
    "198.51.100.0/24",
    "10.64.0.1/32",
    "0.0.0.0/0",
    "0.0.0.0/1",
    "128.0.0.0/1",
    "10.0.0.0/8",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "224.0.0.0/4",
    "203.0.113.0/24",
    "2001:db8:1::/64",
    "2001:db8::/64",
    "::/0",
    "2000::/3",
    "fe80::/64",
    "ff00::/8",
    "::1/128",
    "192.0.2.1/32",
];

/// Numbers of links: of those that are there, and one that never is. 53 and 55 would make the tables
/// default and local of base 200.
pub(crate) const INDICES: [u32; 9] = [2, 3, 1, 4, 5, 6, 53, 55, 99];

impl Bytes {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self(bytes.iter().rev().copied().collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.0.pop().unwrap_or_default()
    }

    pub(crate) fn some(&mut self, count: usize) -> Vec<u8> {
        (0..count.min(self.0.len())).map(|_| self.byte()).collect()
    }

    /// One of these.
    pub(crate) fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.byte()) % choices.len()]
    }

    pub(crate) fn index(&mut self) -> u32 {
        self.of(&INDICES)
    }

    pub(crate) fn address(&mut self) -> IpAddr {
        match self.byte() {
            255 => {
                let mut octets = [0; 4];
                octets.fill_with(|| self.byte());
                IpAddr::from(octets)
            }
            254 => {
                let mut octets = [0; 16];
                octets.fill_with(|| self.byte());
                IpAddr::from(octets)
            }
            other => ADDRESSES[usize::from(other) % ADDRESSES.len()].parse().expect("an address"),
        }
    }

    pub(crate) fn prefix(&mut self) -> Prefix {
        match self.byte() {
            255 => {
                let (address, length) = (self.address(), self.byte());
                let length = length % (Prefix::host(address).length() + 1);
                Prefix::containing(address, length).expect("not too long")
            }
            other => PREFIXES[usize::from(other) % PREFIXES.len()].parse().expect("a prefix"),
        }
    }
}
