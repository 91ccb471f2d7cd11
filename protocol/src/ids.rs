//! Newtypes for the integers that must not be mixed up, and the one protocol number.

use serde::{Deserialize, Serialize};
use std::fmt;

/// `rtm_protocol` and `FRA_PROTOCOL` of every object that netevd owns (`netevd` in
/// `/etc/iproute2/rt_protos.d/netevd.conf`). Anything in the kernel that carries it is ours.
pub const PROTOCOL: u8 = 110;

/// Kernel interface index, 1..=2^31-1 (`ifi_index`, rtnetlink(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Ifindex(u32);

/// A number that no interface can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadIfindex(pub u32);

impl Ifindex {
    /// The index as the kernel's structures carry it.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Ifindex {
    type Error = BadIfindex;

    fn try_from(value: u32) -> Result<Self, BadIfindex> {
        // The kernel's ifindex is a positive int.
        if value == 0 || value > i32::MAX as u32 { Err(BadIfindex(value)) } else { Ok(Self(value)) }
    }
}

impl From<Ifindex> for u32 {
    fn from(value: Ifindex) -> u32 {
        value.0
    }
}

impl fmt::Display for Ifindex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for BadIfindex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is no interface index (1 to 2147483647)", self.0)
    }
}

impl std::error::Error for BadIfindex {}

/// Routing table number (`RTA_TABLE`, ip-route(8)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TableId(pub u32);

impl TableId {
    /// The kernel's `default` table.
    pub const DEFAULT: TableId = TableId(253);
    /// The kernel's `main` table.
    pub const MAIN: TableId = TableId(254);
    /// The kernel's `local` table.
    pub const LOCAL: TableId = TableId(255);
    /// Where a table goes whose plain number is one of the kernel's three.
    const ASIDE: u32 = 65_536;
    /// Where a table goes whose plain number is taken by such a one. No plain number reaches
    /// here: it is at most 2^30 + 2^31.
    const BEYOND: u32 = 0xc000_0000;

    /// The only table that netevd uses for an interface, and no other interface's: `base +
    /// ifindex`, and 65,536 more when that would be 253, 254 or 255 (a default route in 255
    /// captures all traffic of a host, and the kernel does not object).
    pub const fn for_interface(base: u32, ifindex: Ifindex) -> TableId {
        let plain = base.wrapping_add(ifindex.0);
        match plain {
            253..=255 => TableId(Self::ASIDE + plain),
            65_789..=65_791 => TableId(Self::BEYOND + plain),
            _ => TableId(plain),
        }
    }

    /// The interface whose table this is, by the same base.
    pub fn interface(self, base: u32) -> Option<Ifindex> {
        let plain = [Some(self.0), self.0.checked_sub(Self::ASIDE), self.0.checked_sub(Self::BEYOND)];
        let mut candidates =
            plain.into_iter().flatten().filter_map(|t| Ifindex::try_from(t.checked_sub(base)?).ok());
        candidates.find(|ifindex| Self::for_interface(base, *ifindex) == self)
    }
}

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Rule priority (`FRA_PRIORITY`, ip-rule(8)); a lower number is looked up first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(pub u32);

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table(ifindex: u32) -> u32 {
        TableId::for_interface(200, Ifindex::try_from(ifindex).expect("valid")).0
    }

    #[test]
    fn tables_of_the_kernel_are_never_reached() {
        assert_eq!(table(2), 202);
        assert_eq!(table(52), 252);
        assert_eq!([table(53), table(54), table(55)], [65_789, 65_790, 65_791]);
        assert_eq!(table(56), 256);
        // The interface whose plain number is 53's table goes elsewhere.
        assert_eq!(table(65_589), 0xc000_0000 + 65_789);
    }

    proptest! {
        #[test]
        fn a_table_has_one_interface(base in 1u32..=1 << 30, ifindex in prop_oneof![1u32..70_000, 1..=i32::MAX as u32]) {
            let ifindex = Ifindex::try_from(ifindex).expect("in range");
            let table = TableId::for_interface(base, ifindex);
            prop_assert_eq!(table.interface(base), Some(ifindex));
            prop_assert!(![TableId::DEFAULT, TableId::MAIN, TableId::LOCAL].contains(&table));
        }
    }

    #[test]
    fn an_index_is_positive_and_fits_an_int() {
        assert!(Ifindex::try_from(0).is_err());
        assert!(Ifindex::try_from(1 << 31).is_err());
        assert!(Ifindex::try_from(i32::MAX as u32).is_ok());
    }
}
