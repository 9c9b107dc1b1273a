//! The report for a terminal.

use std::{collections::BTreeMap, time::Duration};

use anstyle::{AnsiColor, Style};
use engine::Verdict;
use rehearsal::{Ending, Finding, Played, Summary};

use super::words::{self, Circumstances};
use crate::{display, terminal::Terminal};

/// The longest bar, in characters.
const BAR: u64 = 32;
/// Findings that are told in full; the page and JSON have all.
const FINDINGS_TOLD: usize = 12;

/// Prints the report.
pub(crate) fn report(
    summary: &Summary,
    circumstances: &Circumstances,
    took: Duration,
    terminal: &Terminal,
) {
    let bold = Style::new().bold();
    let heading = |text: &str| terminal.line(&format!("\n{bold}{text}{bold:#}"));
    terminal.line(&format!(
        "{bold}{}{bold:#}",
        words::title(summary, circumstances)
    ));
    let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    terminal.line(&format!("(rehearsed in {})", display::duration(took)));

    heading("How it ended");
    endings(summary, terminal);
    calm(summary, terminal);

    heading("How long it took");
    line(terminal, summary, &words::times(&summary.took_ms));

    heading("Requests that met a bad release before it was taken back");
    blast(summary, circumstances, terminal);

    heading("Requests that failed, in all runs");
    let failed = words::parts(&summary.failed_percent, summary.failed_ms, circumstances);
    line(terminal, summary, &failed);

    heading("Capacity");
    terminal.line(&format!(
        "  at the least {} of {} served",
        summary.least_serving,
        display::count(summary.serving, "target"),
    ));

    heading("What went wrong, and how that ended");
    faults(&summary.by_fault, terminal);

    findings(summary, circumstances, terminal);
}

/// Prints what came of one run: the end, what it cost, and whether the rules held.
pub(crate) fn outcome(told: &Played, terminal: &Terminal) {
    let Played { run, verdict, .. } = told;
    terminal.line(&format!(
        "  {} after {}",
        display::closing(verdict),
        display::duration(run.took_ms)
    ));
    if let Verdict::Stuck { differences, .. } | Verdict::Frozen { differences, .. } = verdict {
        for difference in differences {
            terminal.line(&format!("    - {difference}"));
        }
    }
    terminal.line(&format!(
        "  {:.2} % of the requests met the release, {:.2} % failed; at the least {} served",
        run.met_percent,
        run.failed_percent,
        display::count(run.least_serving, "target"),
    ));
    if run.broken.is_empty() {
        terminal.line("  no rule was broken");
    }
    for broken in &run.broken {
        let (rule, by) = (&broken.rule, words::whose(broken.by));
        terminal.line(&format!("  {rule}, by {by}: {}", broken.message));
    }
}

fn endings(summary: &Summary, terminal: &Terminal) {
    let all = summary.runs.max(1);
    for (ending, count) in &summary.endings {
        let part = *count as f64 * 100.0 / all as f64;
        let bar = "█".repeat(usize::try_from((count * BAR).div_ceil(all)).unwrap_or(0));
        let style = Style::new().fg_color(Some(colour(*ending).into()));
        terminal.line(&format!(
            "  {:<32} {:>7}  {:>6}  {style}{bar}{style:#}",
            words::ending(*ending),
            words::grouped(*count),
            format!("{part:.1} %"),
        ));
    }
    if summary.runs < summary.planned {
        terminal.line(&format!(
            "  stopped after {}: the strategy comes to no end",
            words::runs(summary.runs)
        ));
    }
}

fn calm(summary: &Summary, terminal: &Terminal) {
    let calm = &summary.calm;
    let cause = calm.cause.as_ref().map(|cause| format!(": {cause}"));
    terminal.line(&format!(
        "  with nothing going wrong: {} after {}{}",
        words::ending(calm.ending),
        display::duration(calm.took_ms),
        cause.unwrap_or_default(),
    ));
}

fn line(terminal: &Terminal, summary: &Summary, values: &[(&str, String)]) {
    if let (1, Some((_, value))) = (summary.runs, values.last()) {
        return terminal.line(&format!("  {value}"));
    }
    let told: Vec<String> = values
        .iter()
        .map(|(what, value)| format!("{what} {value}"))
        .collect();
    terminal.line(&format!("  {}", told.join(", ")));
}

fn blast(summary: &Summary, circumstances: &Circumstances, terminal: &Terminal) {
    if summary.bad_releases == 0 {
        terminal.line("  no run had a bad release");
        return;
    }
    let met = words::parts(&summary.met_percent, summary.met_ms, circumstances);
    line(terminal, summary, &met);
    terminal.line(&format!(
        "  {} had a bad release{}",
        words::runs(summary.bad_releases),
        match summary.unnoticed {
            0 => String::new(),
            count => format!(
                "; in {} it stayed: nothing here sees it",
                words::grouped(count)
            ),
        }
    ));
}

fn faults(by_fault: &BTreeMap<String, BTreeMap<Ending, u64>>, terminal: &Terminal) {
    let count = |endings: &BTreeMap<Ending, u64>, which: &[Ending]| {
        let count: u64 = which.iter().filter_map(|ending| endings.get(ending)).sum();
        if count == 0 {
            "·".to_owned()
        } else {
            words::grouped(count)
        }
    };
    let rows: Vec<[String; 6]> = by_fault
        .iter()
        .map(|(kind, endings)| {
            [
                format!("  {}", words::fault(kind)),
                count(endings, &Ending::ALL),
                count(endings, &[Ending::Succeeded, Ending::LeftOut]),
                count(endings, &[Ending::RolledBack, Ending::Refused]),
                count(endings, &[Ending::Stuck, Ending::Frozen]),
                count(endings, &[Ending::Unfinished]),
            ]
        })
        .collect();
    if rows.is_empty() {
        terminal.line("  nothing went wrong");
        return;
    }
    let headings = [
        "",
        "runs",
        "all new",
        "all old",
        "stuck or frozen",
        "no end",
    ];
    terminal.table(headings, &rows);
}

fn findings(summary: &Summary, circumstances: &Circumstances, terminal: &Terminal) {
    let colour = match summary.findings.is_empty() {
        true => AnsiColor::Green,
        false => AnsiColor::Red,
    };
    let style = Style::new().bold().fg_color(Some(colour.into()));
    terminal.line(&format!("\n{style}{}{style:#}", words::verdict(summary)));
    for finding in summary.findings.iter().take(FINDINGS_TOLD) {
        told(finding, circumstances, terminal);
    }
    if let Some(more) = summary
        .findings
        .len()
        .checked_sub(FINDINGS_TOLD)
        .filter(|more| *more > 0)
    {
        terminal.line(&format!(
            "\n  and {more} more: `--format json` and `--html FILE` have all"
        ));
    }
}

fn told(finding: &Finding, circumstances: &Circumstances, terminal: &Terminal) {
    terminal.line("");
    for broken in &finding.broken {
        let bold = Style::new().bold();
        terminal.line(&format!(
            "  {bold}{}{bold:#}, by {}: {}",
            broken.rule,
            words::whose(broken.by),
            broken.message
        ));
    }
    match finding.faults.as_slice() {
        [] => terminal.line("    with nothing going wrong"),
        faults => {
            for (place, fault) in faults.iter().enumerate() {
                let lead = if place == 0 { "with" } else { "and " };
                terminal.line(&format!("    {lead} {fault}"));
            }
        }
    }
    terminal.line(&format!("    again: {}", circumstances.again(finding)));
}

fn colour(ending: Ending) -> AnsiColor {
    match ending {
        Ending::Succeeded | Ending::LeftOut => AnsiColor::Green,
        Ending::RolledBack | Ending::Refused => AnsiColor::Blue,
        Ending::Stuck | Ending::Frozen => AnsiColor::Yellow,
        Ending::Unfinished => AnsiColor::Red,
    }
}
