//! The nftables ruleset for `routing.marks` (nft(8)): a connection that arrives on a marked interface gets the
//! interface's mark, and its replies get it back before they are routed. Pure: marks in, ruleset out.

use protocol::Mark;
use std::fmt::Write as _;

/// The only table that it touches.
pub(crate) const TABLE: &str = "inet netevd_marks";

/// A marked interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Marked {
    /// Its current name, which must be plain (see [`is_plain`]).
    pub(crate) name: String,
    /// See `routing.marks`.
    pub(crate) mark: Mark,
    /// Packets are marked on arrival as well: strict reverse path filtering looks the way back up by the mark.
    pub(crate) on_arrival: bool,
}

/// Whether nft takes it for this name alone: a quotation mark would end it, `*` and `\` have a meaning.
pub(crate) fn is_plain(name: &str) -> bool {
    !name.contains(['"', '*', '\\']) && !name.contains(char::is_control)
}

/// The interface within a key of sysctl(8), where a dot separates.
pub(crate) fn key(name: &str) -> String {
    name.replace('.', "/")
}

/// The ruleset. Loading replaces what an earlier one left, in one transaction.
pub(crate) fn ruleset(marked: &[Marked]) -> String {
    // The first line makes sure that there is something to delete.
    let mut text = format!(
        "# Marks for netevd's uplinks, made from routing.marks by: netevd policy --nft\n\
         # Load it, also again: nft -f FILE. Remove it: nft delete table {TABLE}\n\
         table {TABLE}\n\
         delete table {TABLE}\n"
    );
    if marked.is_empty() {
        text.push_str("# routing.marks names no interface.\n");
        return text;
    }
    for marked in marked.iter().filter(|marked| marked.on_arrival) {
        let name = &marked.name;
        let key = key(name);
        let _ = writeln!(
            text,
            "# rp_filter=1 on {name}: it needs net.ipv4.conf.{key}.src_valid_mark=1 (or rp_filter=2)."
        );
    }
    let _ = write!(
        text,
        "table {TABLE} {{\n\
         \tchain prerouting {{\n\
         \t\t# After connection tracking, before translation of addresses and before routing.\n\
         \t\ttype filter hook prerouting priority mangle; policy accept;\n"
    );
    for Marked { name, mark, on_arrival } in marked {
        let _ = writeln!(
            text,
            "\t\tiifname \"{name}\" ct direction original ct state new ct mark set {}",
            with(*mark, "ct mark")
        );
        if *on_arrival {
            let _ = writeln!(
                text,
                "\t\tiifname \"{name}\" ct direction original {} meta mark set {}",
                has(*mark),
                with(*mark, "meta mark")
            );
        }
    }
    restore(&mut text, marked);
    text.push_str(
        "\t}\n\
         \tchain output {\n\
         \t\t# Of this type a changed mark has the packet routed again.\n\
         \t\ttype route hook output priority mangle; policy accept;\n",
    );
    restore(&mut text, marked);
    text.push_str("\t}\n}\n");
    text
}

/// Replies get the mark of their connection.
fn restore(text: &mut String, marked: &[Marked]) {
    for Marked { mark, .. } in marked {
        let _ = writeln!(
            text,
            "\t\tct direction reply {} meta mark set {}",
            has(*mark),
            with(*mark, "meta mark")
        );
    }
}

fn has(mark: Mark) -> String {
    match mark.mask {
        u32::MAX => format!("ct mark {:#x}", mark.value),
        mask => format!("ct mark and {mask:#x} == {:#x}", mark.value),
    }
}

/// The bits of the mask become the value's, all others stay.
fn with(mark: Mark, what: &str) -> String {
    match mark.mask {
        u32::MAX => format!("{:#x}", mark.value),
        mask => format!("{what} and {:#x} or {:#x}", !mask, mark.value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(name: &str, value: u32, mask: u32, on_arrival: bool) -> Marked {
        Marked { name: name.to_owned(), mark: Mark { value, mask }, on_arrival }
    }

    #[test]
    fn bits_outside_the_mask_stay() {
        let text = ruleset(&[marked("eth1", 0x65_0000, 0xff_0000, false)]);
        for line in [
            "iifname \"eth1\" ct direction original ct state new ct mark set ct mark and 0xff00ffff or 0x650000",
            "ct direction reply ct mark and 0xff0000 == 0x650000 meta mark set meta mark and 0xff00ffff or 0x650000",
        ] {
            assert!(text.contains(&format!("\t\t{line}\n")), "{text}");
        }
        assert_eq!(text.matches("meta mark set").count(), 2, "{text}");
        assert!(!text.contains("src_valid_mark"));
        let whole = ruleset(&[marked("eth1", 7, u32::MAX, false)]);
        assert!(
            whole.contains("ct state new ct mark set 0x7\n")
                && whole.contains("reply ct mark 0x7 meta mark set 0x7\n")
        );
    }

    #[test]
    fn with_strict_filtering_packets_are_marked_on_arrival() {
        let text = ruleset(&[marked("eth1", 1, 3, true), marked("eth2", 2, 3, false)]);
        assert_eq!(text.matches("meta mark set").count(), 5, "{text}");
        assert!(text.contains("iifname \"eth1\" ct direction original ct mark and 0x3 == 0x1 meta mark set"));
        assert!(text.contains("net.ipv4.conf.eth1.src_valid_mark=1") && !text.contains("conf.eth2"));
    }

    #[test]
    fn without_marks_loading_removes_what_was_there() {
        let text = ruleset(&[]);
        assert!(text.contains(&format!("\ndelete table {TABLE}\n")) && !text.contains("chain"));
    }

    #[test]
    fn no_name_is_more_than_a_name() {
        for bad in ["eth\"", "eth*", "e\\*", "e\nth"] {
            assert!(!is_plain(bad), "{bad:?}");
        }
        assert!(is_plain("eth1.100@x") && is_plain("we+b{;}$"));
    }
}
