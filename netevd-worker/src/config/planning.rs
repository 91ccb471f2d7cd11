//! What of `routing:` only the worker needs: the helper checks requests, whatever led to them.

/// The most protocols of `ignore_protocols`: each is a step of the kernel's filter of messages.
pub const IGNORED_MAX: usize = 64;

/// How routes are chosen; the rest of `routing:` is in the helper's policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planning {
    /// `local_networks`: routes by other interfaces that are no uplinks are copied.
    pub local_networks: bool,
    /// See [`SpecificRoutes`].
    pub specific_routes: SpecificRoutes,
    /// `ignore_protocols`: routes of these protocols are neither read nor copied.
    pub ignored_protocols: Protocols,
}

/// `specific_routes`: where routes more specific than a default are looked up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpecificRoutes {
    /// In the interface's table, to which they are copied.
    #[default]
    Copied,
    /// In main, by a rule in front of the table's.
    Main,
}

impl Default for Planning {
    fn default() -> Self {
        Self {
            local_networks: true,
            specific_routes: SpecificRoutes::default(),
            ignored_protocols: Protocols::default(),
        }
    }
}

/// A set of routing protocols (`rtm_protocol`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Protocols([u64; 4]);

impl Protocols {
    /// Adds one.
    pub fn insert(&mut self, protocol: u8) {
        let (word, bit) = Self::place(protocol);
        if let Some(word) = self.0.get_mut(word) {
            *word |= bit;
        }
    }

    /// Whether it is one of them.
    pub fn contains(&self, protocol: u8) -> bool {
        let (word, bit) = Self::place(protocol);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = u8> + '_ {
        (0..=u8::MAX).filter(|protocol| self.contains(*protocol))
    }

    fn place(protocol: u8) -> (usize, u64) {
        (usize::from(protocol / 64), 1 << (protocol % 64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_was_put_in() {
        let mut set = Protocols::default();
        assert_eq!(set.iter().count(), 0);
        for protocol in [0, 12, 63, 64, 255] {
            set.insert(protocol);
        }
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 12, 63, 64, 255]);
        assert!(set.contains(12) && !set.contains(76));
    }
}
