//! The two text formats. prometheus-client writes OpenMetrics 1.0; Prometheus's own format 0.0.4
//! has the same samples under other headings.

/// Content type of format 0.0.4, which every scraper reads.
pub const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Content type of OpenMetrics.
pub const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Whether a header `Accept` asks for OpenMetrics 1.0; a weight of 0 declines it.
pub fn wants_openmetrics(accept: &str) -> bool {
    accept.split(',').any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let named =
            parts.next().is_some_and(|media| media.eq_ignore_ascii_case("application/openmetrics-text"));
        named
            && parts.all(|parameter| {
                match parameter.split_once('=').map(|(key, value)| (key.trim(), value.trim())) {
                    Some(("q", weight)) => weight.parse::<f32>().is_ok_and(|weight| weight > 0.0),
                    Some(("version", version)) => version == "1.0.0",
                    _ => true,
                }
            })
    })
}

/// OpenMetrics with headings of version 0.0.4: a counter's family has its sample's name there, `info`
/// is a gauge, `unknown` is called untyped, and nothing marks the end.
///
/// A line that begins with `#` is a heading: label values escape their line ends.
pub(super) fn of_version_0_0_4(openmetrics: &str) -> String {
    let mut text = String::with_capacity(openmetrics.len() + 1_024);
    let mut help = None;
    for line in openmetrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            // Its name depends on the type, which comes next.
            help = rest.split_once(' ').map(|(_, help)| help);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap_or((rest, ""));
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                other => ("", other),
            };
            if let Some(help) = help.take() {
                text.extend(["# HELP ", name, suffix, " ", help, "\n"]);
            }
            text.extend(["# TYPE ", name, suffix, " ", kind, "\n"]);
        } else if !line.starts_with('#') {
            text.extend([line, "\n"]);
        }
    }
    text
}
