//! Plots as SVG that stands in a page: bars and histograms. Colours are the page's; every mark
//! says its value, and every plot says what it shows to whoever cannot see it.

use std::fmt::Write as _;

/// All of a plot, in the units of its own coordinates.
const WIDTH: f64 = 720.0;
const ROW: f64 = 30.0;
/// Where bars begin, and how much room is left for what stands behind them.
const LABELS: f64 = 250.0;
const BEHIND: f64 = 120.0;

const HEIGHT: f64 = 200.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 40.0;
/// How many columns a histogram has.
const COLUMNS: usize = 30;

/// One part of a bar.
pub(super) struct Part {
    /// The class that colours it.
    pub(super) class: &'static str,
    pub(super) value: f64,
    /// What it is, for whoever points at it.
    pub(super) told: String,
}

/// One bar.
pub(super) struct Bar {
    pub(super) label: String,
    pub(super) parts: Vec<Part>,
    /// What stands behind it.
    pub(super) value: String,
}

/// Bars below one another, each as long as its parts together.
pub(super) fn bars(id: &str, title: &str, bars: &[Bar]) -> String {
    let total = |bar: &Bar| bar.parts.iter().map(|part| part.value).sum::<f64>();
    let most = bars
        .iter()
        .map(total)
        .fold(0.0, f64::max)
        .max(f64::MIN_POSITIVE);
    let scale = (WIDTH - LABELS - BEHIND) / most;
    let height = ROW * bars.len() as f64;
    let mut svg = open(id, title, &summary(bars), height);
    for (row, bar) in bars.iter().enumerate() {
        let top = ROW * row as f64;
        let middle = top + ROW / 2.0;
        let _ = write!(
            svg,
            r#"<text class="label" x="{}" y="{middle:.1}" text-anchor="end" dominant-baseline="central">{}</text>"#,
            LABELS - 10.0,
            escaped(&bar.label),
        );
        let mut left = LABELS;
        for part in bar.parts.iter().filter(|part| part.value > 0.0) {
            let width = part.value * scale;
            let _ = write!(
                svg,
                r#"<rect class="{}" x="{left:.2}" y="{:.1}" width="{:.2}" height="{:.1}"><title>{}</title></rect>"#,
                part.class,
                top + 5.0,
                width.max(1.0),
                ROW - 10.0,
                escaped(&part.told),
            );
            left += width;
        }
        let _ = write!(
            svg,
            r#"<text class="value" x="{:.1}" y="{middle:.1}" dominant-baseline="central">{}</text>"#,
            left + 8.0,
            escaped(&bar.value),
        );
    }
    svg.push_str("</svg>");
    svg
}

fn summary(bars: &[Bar]) -> String {
    let told: Vec<String> = bars
        .iter()
        .map(|bar| format!("{}: {}", bar.label, bar.value))
        .collect();
    told.join("; ")
}

/// How many values lie where, from 0 on. `unit` writes a value on the axis.
pub(super) fn histogram(
    id: &str,
    title: &str,
    values: &[f64],
    class: &str,
    unit: impl Fn(f64) -> String,
) -> String {
    let most = values.iter().copied().fold(0.0, f64::max);
    let end = if most > 0.0 { most } else { 1.0 };
    let step = end / COLUMNS as f64;
    let mut counts = [0_u64; COLUMNS];
    for value in values {
        let column = ((value / step) as usize).min(COLUMNS - 1);
        counts[column] += 1;
    }
    let highest = counts.iter().copied().max().unwrap_or(0).max(1) as f64;
    let description = format!("{} values from 0 to {}", values.len(), unit(most));
    let mut svg = open(id, title, &description, HEIGHT);
    let (across, down) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
    for part in [0.0, 0.5, 1.0] {
        let y = TOP + down * (1.0 - part);
        let _ = write!(
            svg,
            r#"<line class="grid" x1="{LEFT}" x2="{:.1}" y1="{y:.1}" y2="{y:.1}"/><text class="axis" x="{:.1}" y="{y:.1}" text-anchor="end" dominant-baseline="central">{:.0}</text>"#,
            WIDTH - RIGHT,
            LEFT - 8.0,
            highest * part,
        );
    }
    let width = across / COLUMNS as f64;
    for (column, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let tall = down * *count as f64 / highest;
        let from = step * column as f64;
        let told = format!("{count} from {} to {}", unit(from), unit(from + step));
        let _ = write!(
            svg,
            r#"<rect class="{class}" x="{:.2}" y="{:.2}" width="{:.2}" height="{:.2}"><title>{}</title></rect>"#,
            LEFT + width * column as f64 + 1.0,
            TOP + down - tall.max(1.5),
            (width - 2.0).max(1.0),
            tall.max(1.5),
            escaped(&told),
        );
    }
    for part in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let anchor = match part {
            0.0 => "start",
            1.0 => "end",
            _ => "middle",
        };
        let _ = write!(
            svg,
            r#"<text class="axis" x="{:.1}" y="{:.1}" text-anchor="{anchor}">{}</text>"#,
            LEFT + across * part,
            HEIGHT - BOTTOM + 20.0,
            escaped(&unit(end * part)),
        );
    }
    svg.push_str("</svg>");
    svg
}

fn open(id: &str, title: &str, description: &str, height: f64) -> String {
    format!(
        r#"<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="{id}-title {id}-description"><title id="{id}-title">{}</title><desc id="{id}-description">{}</desc>"#,
        escaped(title),
        escaped(description),
    )
}

/// Text as it may stand in a page.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            letter if letter.is_control() && letter != '\n' => out.push('\u{fffd}'),
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_name_becomes_part_of_the_page() {
        let bar = Bar {
            label: "<script>\"&".into(),
            parts: vec![Part {
                class: "stuck",
                value: 1.0,
                told: "<b>".into(),
            }],
            value: "1".into(),
        };
        let svg = bars("x", "<title>", &[bar]);
        assert!(!svg.contains("<script") && !svg.contains("<b>"), "{svg}");
        assert!(svg.contains("&lt;script&gt;&quot;&amp;"), "{svg}");
    }

    #[test]
    fn a_histogram_counts_every_value_once() {
        let svg = histogram("x", "x", &[0.0, 1.0, 1.0, 30.0], "took", |value| {
            format!("{value}")
        });
        assert_eq!(svg.matches("<rect").count(), 3, "{svg}");
        assert!(svg.contains("2 from 1 to 2"), "{svg}");
        let nothing = histogram("x", "x", &[], "took", |value| format!("{value}"));
        assert!(
            !nothing.contains("NaN") && !nothing.contains("inf"),
            "{nothing}"
        );
    }
}
