//! Object paths of links. networkd escapes all but letters and digits, and the first character if
//! it is a digit, as `_` and two hexadecimal digits: link 2 is `_32`, link 10 is `_310`.

use protocol::Ifindex;

const LINK: &str = "/org/freedesktop/network1/link/";

/// The link behind an object path; `None` for every other object.
pub(super) fn link_of(path: &str) -> Option<Ifindex> {
    let label = path.strip_prefix(LINK)?;
    let mut number: u32 = 0;
    let mut bytes = label.bytes();
    if label.is_empty() {
        return None;
    }
    while let Some(byte) = bytes.next() {
        let character = match byte {
            b'_' => hexadecimal(bytes.next()?)? << 4 | hexadecimal(bytes.next()?)?,
            other => other,
        };
        let digit = char::from(character).to_digit(10)?;
        number = number.checked_mul(10)?.checked_add(digit)?;
    }
    Ifindex::try_from(number).ok()
}

/// The object path of a link.
pub(super) fn path_of(ifindex: Ifindex) -> String {
    let number = ifindex.get().to_string();
    let (first, rest) = number.split_at(1);
    // The digits are 0x30 to 0x39.
    format!("{LINK}_3{first}{rest}")
}

fn hexadecimal(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths() {
        for (label, expected) in [
            ("_32", Some(2)),
            ("_310", Some(10)),
            ("_3147483647", Some(147_483_647)),
            ("_31_30", Some(10)),
            ("2", Some(2)),
            ("", None),
            ("_3", None),
            ("_", None),
            ("_2f", None),
            ("_30", None),
            ("_3x", None),
            ("_39999999999", None),
            ("_31/dhcp", None),
            ("_31\u{e9}", None),
        ] {
            let found = link_of(&format!("{LINK}{label}")).map(|ifindex| ifindex.get());
            assert_eq!(found, expected, "{label:?}");
        }
        assert_eq!(link_of("/org/freedesktop/network1"), None);
    }

    proptest! {
        #[test]
        fn there_and_back(number in 1..i32::MAX.unsigned_abs()) {
            let ifindex = Ifindex::try_from(number).expect("positive");
            prop_assert_eq!(link_of(&path_of(ifindex)), Some(ifindex));
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = link_of(&text);
            let _ = link_of(&format!("{LINK}{text}"));
        }
    }
}
