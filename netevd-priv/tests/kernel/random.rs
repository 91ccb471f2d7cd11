//! Random numbers that can be had again: splitmix64 from a seed that is printed.

/// The generator.
pub(crate) struct Random(u64);

impl Random {
    /// From `NETEVD_TEST_SEED` if that is set, or else from this seed. A failing test shows what
    /// is printed here.
    pub(crate) fn new(otherwise: u64) -> Self {
        let seed = std::env::var("NETEVD_TEST_SEED").ok();
        let seed = seed.map_or(otherwise, |text| text.parse().expect("NETEVD_TEST_SEED is a number"));
        println!("to see this again: NETEVD_TEST_SEED={seed}");
        Self(seed)
    }

    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).expect("small")).expect("small")
    }

    /// That many bytes.
    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        std::iter::repeat_with(|| self.next().to_le_bytes()[0]).take(length).collect()
    }
}
