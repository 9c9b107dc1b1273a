//! A report as JUnit XML, which every CI can read.

use std::fmt::Write as _;

use crate::case::{Report, Verdict};

/// The report as one test suite.
pub fn junit(report: &Report) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let name = escaped(&format!("{} {}", report.kind, report.plugin));
    let counts = format!(
        "tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\"",
        report.cases.len(),
        report.failed(),
        report.skipped()
    );
    // Writing to a text does not fail.
    _ = writeln!(
        xml,
        "<testsuites {counts}>\n  <testsuite name=\"{name}\" {counts}>"
    );
    for case in &report.cases {
        let head = format!(
            "    <testcase classname=\"{}.{}\" name=\"{}\"",
            escaped(&report.plugin),
            escaped(&case.group),
            escaped(&case.name)
        );
        _ = match &case.verdict {
            Verdict::Passed => writeln!(xml, "{head}/>"),
            Verdict::Skipped(why) => writeln!(
                xml,
                "{head}>\n      <skipped message=\"{}\"/>\n    </testcase>",
                escaped(why)
            ),
            Verdict::Failed(wrong) => writeln!(
                xml,
                "{head}>\n      <failure message=\"{}\">{}</failure>\n    </testcase>",
                escaped(wrong.first().map_or("", String::as_str)),
                escaped(&wrong.join("\n"))
            ),
        };
    }
    xml.push_str("  </testsuite>\n</testsuites>\n");
    xml
}

/// Text that may stand anywhere in XML; what XML has no way to say becomes U+FFFD.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("&#10;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Case;

    #[test]
    fn what_failed_is_told_and_escaped() {
        let case = |name: &str, verdict| Case {
            group: "hostile".into(),
            name: name.into(),
            verdict,
        };
        let report = Report {
            plugin: "pager".into(),
            kind: "notifier".into(),
            version: "1.0.0".into(),
            digest: String::new(),
            settings: None,
            cases: vec![
                case("a", Verdict::Passed),
                case(
                    "b",
                    Verdict::Failed(vec!["<1> & \"2\"\u{1b}".into(), "more".into()]),
                ),
                case("c", Verdict::Skipped("why".into())),
            ],
        };
        let xml = junit(&report);
        assert!(
            xml.contains("tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"1\""),
            "{xml}"
        );
        assert!(
            xml.contains("&lt;1&gt; &amp; &quot;2&quot;\u{fffd}&#10;more"),
            "{xml}"
        );
        assert!(
            xml.contains("classname=\"pager.hostile\" name=\"a\"/>"),
            "{xml}"
        );
    }
}
