//! What the file itself must keep, whoever serves it.

const SOURCE: &str = include_str!("../../../netevd-worker/src/api/page/index.html");

/// The server's Content-Security-Policy names one style and one script by their hashes: a second one,
/// a style attribute or an inline handler would be refused by the browser.
#[test]
fn page_is_one_file_with_one_style_and_one_script() {
    for part in ["<style>", "</style>", "<script>", "</script>"] {
        assert_eq!(SOURCE.matches(part).count(), 1, "{part}");
    }
    let (markup, _) = SOURCE.split_once("<script>").expect("a script");
    let (head, body) = markup.split_once("</style>").expect("a style");
    for text in [head, body] {
        let attributes =
            text.split_whitespace().filter_map(|word| word.split_once("=\"")).map(|(name, _)| name);
        for name in attributes {
            assert!(name != "style" && !name.starts_with("on") && name != "src", "{name}=");
        }
    }
    // The namespace of SVG is a name and not a request.
    let addresses = SOURCE.replace("http://www.w3.org/2000/svg", "");
    for foreign in ["http:", "https:", "//fonts", "@import", "url("] {
        assert!(!addresses.contains(foreign), "{foreign}");
    }
    for markup in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"]
    {
        assert!(!SOURCE.contains(markup), "text from the daemon could become markup by {markup}");
    }
    assert!(SOURCE.len() < 64 << 10, "{} bytes", SOURCE.len());
}
