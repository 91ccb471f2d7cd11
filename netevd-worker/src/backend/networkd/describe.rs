//! What a link's `Describe` answers: JSON since systemd 250. Only what no signal and no file tells
//! is read; routes and addresses in it, of which there may be many, are passed over.

use serde::Deserialize;

/// An answer longer than this is not looked at: a router's answer holds its every route.
const MAX_LENGTH: usize = 4 << 20;
/// A value longer than this is none.
const MAX_VALUE_LENGTH: usize = 4096;

/// The keys, as in the answer. A member that is missing or null is not known.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Answer {
    #[serde(rename = "Type")]
    kind: Loose,
    driver: Loose,
    vendor: Loose,
    model: Loose,
    #[serde(rename = "ProductID")]
    product_id: Loose,
    path: Loose,
    #[serde(rename = "SSID")]
    ssid: Loose,
    network_file: Loose,
    link_file: Loose,
}

/// A string, or anything else, which counts as nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
enum Loose {
    Text(String),
    #[default]
    Null,
    Other(serde::de::IgnoredAny),
}

/// Details by the key that scripts know; `None` when it is not such an answer.
pub(super) fn parse(text: &str) -> Option<Vec<(&'static str, String)>> {
    if text.len() > MAX_LENGTH {
        return None;
    }
    let answer: Answer = serde_json::from_str(text).ok()?;
    let details = [
        ("Type", answer.kind),
        ("Driver", answer.driver),
        ("Vendor", answer.vendor),
        ("Model", answer.model),
        ("ProductID", answer.product_id),
        ("Path", answer.path),
        ("SSID", answer.ssid),
        ("NetworkFile", answer.network_file),
        ("LinkFile", answer.link_file),
    ];
    let known = details.into_iter().filter_map(|(key, value)| match value {
        Loose::Text(text) if !text.is_empty() && text.len() <= MAX_VALUE_LENGTH => Some((key, text)),
        _ => None,
    });
    Some(known.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_real_answer() {
        // systemd 252, shortened.
        let text = r#"{"Index":2,"Name":"up0","Kind":"veth","Type":"ether","Driver":"veth","Flags":69699,
            "HardwareAddress":[90,245,59,3,237,172],"AdministrativeState":"configured","OnlineState":"online",
            "Vendor":"Red Hat, Inc.","Path":"pci-0000:00:03.0","SSID":"a net","LinkFile":null,
            "NetworkFile":"/etc/systemd/network/10-up0.network","RequiredForOnline":true,
            "DNS":[{"Family":2,"Address":[192,0,2,1],"ConfigSource":"static"}],
            "Addresses":[{"Family":2,"Address":[192,0,2,2]}],"Routes":[{"Family":2,"Gateway":[192,0,2,1]}]}"#;
        let expected = [
            ("Type", "ether"),
            ("Driver", "veth"),
            ("Vendor", "Red Hat, Inc."),
            ("Path", "pci-0000:00:03.0"),
            ("SSID", "a net"),
            ("NetworkFile", "/etc/systemd/network/10-up0.network"),
        ];
        assert_eq!(parse(text), Some(expected.map(|(key, value)| (key, value.to_owned())).to_vec()));
    }

    #[test]
    fn odd_answers() {
        assert_eq!(parse("{}"), Some(vec![]));
        assert_eq!(
            parse(r#"{"Driver":7,"Model":["x"],"Path":{},"Type":"ether"}"#),
            Some(vec![("Type", "ether".to_owned())])
        );
        assert_eq!(parse(""), None);
        assert_eq!(parse("7"), None);
        assert_eq!(parse(&format!("{{\"Driver\":\"{}\"}}", "x".repeat(MAX_VALUE_LENGTH + 1))), Some(vec![]));
        assert_eq!(parse(&" ".repeat(MAX_LENGTH + 1)), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = parse(&text);
            let _ = parse(&format!("{{\"Driver\":{text}}}"));
        }
    }
}
