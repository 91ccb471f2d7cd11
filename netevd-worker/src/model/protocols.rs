//! A set of the numbers that say who made a route.

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
