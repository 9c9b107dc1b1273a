//! The report as one page for a browser: nothing to load, nothing that runs, readable in the
//! dark and on paper.

use std::{collections::BTreeMap, fmt::Write as _};

use rehearsal::{Ending, Finding, Summary};

use super::{
    plot::{self, Bar, Part, escaped},
    words::{self, Circumstances},
};
use crate::display;

const STYLE: &str = include_str!("page.css");

/// The whole page.
pub(crate) fn page(summary: &Summary, circumstances: &Circumstances) -> String {
    let brief = &circumstances.brief;
    let name = format!(
        "Rehearsal of {} in {}",
        brief.application, brief.environment
    );
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"generator\" content=\"runtime {}\">\n<title>{}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{}</h1>\n<p class=\"quiet\">{}</p>\n</header>\n<main>\n",
        env!("CARGO_PKG_VERSION"),
        escaped(&name),
        escaped(&name),
        escaped(&words::title(summary, circumstances)),
    );
    let kept = if summary.findings.is_empty() {
        "kept"
    } else {
        "broken"
    };
    let verdict = words::verdict(summary);
    let _ = writeln!(
        page,
        "<p class=\"verdict {kept}\" role=\"status\">{}</p>",
        escaped(&verdict)
    );
    tiles(&mut page, summary, circumstances);
    endings(&mut page, summary);
    times(&mut page, summary);
    blast(&mut page, summary, circumstances);
    faults(&mut page, &summary.by_fault);
    findings(&mut page, summary, circumstances);
    assumptions(&mut page, summary, circumstances);
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn tiles(page: &mut String, summary: &Summary, circumstances: &Circumstances) {
    let calm = &summary.calm;
    let met = words::parts(&summary.met_percent, summary.met_ms, circumstances);
    let failed = words::parts(&summary.failed_percent, summary.failed_ms, circumstances);
    let tiles = [
        (
            "With nothing going wrong",
            words::ending(calm.ending).to_owned(),
            format!("after {}", display::duration(calm.took_ms)),
        ),
        (
            "Half of all runs took up to",
            display::duration(summary.took_ms.p50 as u64),
            format!(
                "the longest {}",
                display::duration(summary.took_ms.max as u64)
            ),
        ),
        (
            "A bad release met up to",
            format!("{} of the requests", words::share(summary.met_percent.p90)),
            format!(
                "in 9 of 10 runs in which it was taken back; in all, up to {}",
                met[3].1
            ),
        ),
        (
            "Requests that failed",
            format!("up to {}", words::share(summary.failed_percent.p90)),
            format!("in 9 of 10 runs; in all, up to {}", failed[3].1),
        ),
        (
            "Fewest targets that served",
            format!("{} of {}", summary.least_serving, summary.serving),
            "at any time of any run".to_owned(),
        ),
    ];
    page.push_str("<dl class=\"tiles\">\n");
    for (what, value, more) in tiles {
        let _ = writeln!(
            page,
            "<div><dt>{}</dt><dd>{}<small>{}</small></dd></div>",
            escaped(what),
            escaped(&value),
            escaped(&more)
        );
    }
    page.push_str("</dl>\n");
}

fn class(ending: Ending) -> &'static str {
    match ending {
        Ending::Succeeded => "succeeded",
        Ending::LeftOut => "left-out",
        Ending::RolledBack => "rolled-back",
        Ending::Refused => "refused",
        Ending::Stuck => "stuck",
        Ending::Frozen => "frozen",
        Ending::Unfinished => "unfinished",
    }
}

fn endings(page: &mut String, summary: &Summary) {
    page.push_str("<section aria-labelledby=\"endings\">\n<h2 id=\"endings\">How it ended</h2>\n");
    let all = summary.runs.max(1) as f64;
    let bar = |(ending, count): (&Ending, &u64)| {
        let percent = display::percentage(*count as f64 * 100.0 / all);
        let label = words::ending(*ending).to_owned();
        let value = format!("{} · {percent}", words::grouped(*count));
        Bar {
            parts: vec![Part {
                class: class(*ending),
                value: *count as f64,
                told: format!("{label}: {value}"),
            }],
            label,
            value,
        }
    };
    let bars: Vec<Bar> = summary.endings.iter().map(bar).collect();
    page.push_str(&plot::bars(
        "plot-endings",
        "How often it ended in which way",
        &bars,
    ));
    if summary.runs < summary.planned {
        let _ = writeln!(
            page,
            "<p>Stopped after {}: the strategy comes to no end.</p>",
            words::runs(summary.runs)
        );
    }
    page.push_str("</section>\n");
}

fn times(page: &mut String, summary: &Summary) {
    page.push_str("<section aria-labelledby=\"times\">\n<h2 id=\"times\">How long it took</h2>\n");
    let values: Vec<f64> = summary
        .samples
        .iter()
        .map(|sample| sample.took_ms as f64)
        .collect();
    let unit = |ms: f64| display::duration(ms as u64);
    page.push_str(&plot::histogram(
        "plot-times",
        "Runs by how long they took",
        &values,
        "mark",
        unit,
    ));
    percentiles(page, "time", &words::times(&summary.took_ms));
    page.push_str("</section>\n");
}

fn blast(page: &mut String, summary: &Summary, circumstances: &Circumstances) {
    page.push_str(
        "<section aria-labelledby=\"blast\">\n<h2 id=\"blast\">Requests that met a bad release before it was taken back</h2>\n",
    );
    let taken_back = summary.samples.iter().filter(|sample| sample.taken_back());
    let values: Vec<f64> = taken_back.map(|sample| sample.met_percent).collect();
    if summary.bad_releases == 0 {
        page.push_str("<p>No run had a bad release.</p>\n</section>\n");
        return;
    }
    let title =
        "Runs in which a bad release was taken back, by the part of the requests that it answered";
    page.push_str(&plot::histogram(
        "plot-blast",
        title,
        &values,
        "stuck",
        words::share,
    ));
    let met = words::parts(&summary.met_percent, summary.met_ms, circumstances);
    percentiles(page, "of the requests while it lasted", &met);
    let bad = words::runs(summary.bad_releases);
    let stayed = match summary.unnoticed {
        0 => "It was taken back in all of them.".to_owned(),
        count => format!(
            "In {} of them it stayed: what it does wrong is seen by nothing that this configuration has.",
            words::grouped(count)
        ),
    };
    let _ = writeln!(page, "<p>{bad} had a bad release. {stayed}</p>");
    page.push_str("<h3>Requests that failed, in all runs</h3>\n");
    let failed = words::parts(&summary.failed_percent, summary.failed_ms, circumstances);
    percentiles(page, "of the requests while it lasted", &failed);
    page.push_str("</section>\n");
}

fn percentiles(page: &mut String, what: &str, values: &[(&str, String)]) {
    let _ = writeln!(
        page,
        "<table>\n<thead><tr><th scope=\"col\">runs</th><th scope=\"col\" class=\"number\">{what}</th></tr></thead>\n<tbody>"
    );
    for (name, value) in values {
        let _ = writeln!(
            page,
            "<tr><th scope=\"row\">{}</th><td class=\"number\">{}</td></tr>",
            escaped(name),
            escaped(value)
        );
    }
    page.push_str("</tbody>\n</table>\n");
}

fn faults(page: &mut String, by_fault: &BTreeMap<String, BTreeMap<Ending, u64>>) {
    page.push_str(
        "<section aria-labelledby=\"faults\">\n<h2 id=\"faults\">What went wrong, and how that ended</h2>\n",
    );
    let bar = |(kind, endings): (&String, &BTreeMap<Ending, u64>)| {
        let label = words::fault(kind).to_owned();
        let parts = endings.iter().map(|(ending, count)| Part {
            class: class(*ending),
            value: *count as f64,
            told: format!(
                "{label}: {} {}",
                words::grouped(*count),
                words::ending(*ending)
            ),
        });
        Bar {
            parts: parts.collect(),
            value: words::runs(endings.values().sum()),
            label,
        }
    };
    let bars: Vec<Bar> = by_fault.iter().map(bar).collect();
    if bars.is_empty() {
        page.push_str("<p>Nothing went wrong in any run.</p>\n</section>\n");
        return;
    }
    let title = "How runs ended, by what went wrong in them";
    page.push_str(&plot::bars("plot-faults", title, &bars));
    page.push_str("<ul class=\"key\">\n");
    for ending in Ending::ALL {
        if by_fault
            .values()
            .any(|endings| endings.contains_key(&ending))
        {
            let _ = writeln!(
                page,
                "<li><i class=\"{}\"></i>{}</li>",
                class(ending),
                escaped(words::ending(ending))
            );
        }
    }
    page.push_str("</ul>\n");
    table(page, by_fault);
    page.push_str("</section>\n");
}

fn table(page: &mut String, by_fault: &BTreeMap<String, BTreeMap<Ending, u64>>) {
    page.push_str(
        "<div class=\"scrolls\"><table>\n<thead><tr><th scope=\"col\">what went wrong</th>",
    );
    let met = |ending: &Ending| {
        by_fault
            .values()
            .any(|endings| endings.contains_key(ending))
    };
    let endings: Vec<Ending> = Ending::ALL.into_iter().filter(met).collect();
    for ending in &endings {
        let _ = write!(
            page,
            "<th scope=\"col\" class=\"number\">{}</th>",
            escaped(words::ending(*ending))
        );
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for (kind, counts) in by_fault {
        let _ = write!(
            page,
            "<tr><th scope=\"row\">{}</th>",
            escaped(words::fault(kind))
        );
        for ending in &endings {
            let count = counts.get(ending).copied().unwrap_or(0);
            let _ = write!(page, "<td class=\"number\">{}</td>", words::grouped(count));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody>\n</table></div>\n");
}

fn findings(page: &mut String, summary: &Summary, circumstances: &Circumstances) {
    page.push_str(
        "<section aria-labelledby=\"broken\">\n<h2 id=\"broken\">Rules that were broken</h2>\n",
    );
    if summary.findings.is_empty() {
        page.push_str(
            "<p>None: after every operation of every run the shares added up, nobody got traffic who was not \
             proven healthy, no change took capacity below the minimum, nothing was done without the lease, \
             taking back went only where the deployment had been, and every end was all new, all old, or said \
             what is not.</p>\n",
        );
    }
    for finding in &summary.findings {
        article(page, finding, circumstances);
    }
    page.push_str("</section>\n");
}

fn article(page: &mut String, finding: &Finding, circumstances: &Circumstances) {
    page.push_str("<article>\n");
    for broken in &finding.broken {
        let _ = writeln!(
            page,
            "<h3>{} <span class=\"quiet\">by {}</span></h3>\n<p>{}</p>",
            escaped(&broken.rule),
            words::whose(broken.by),
            escaped(&broken.message)
        );
    }
    match finding.faults.as_slice() {
        [] => page.push_str("<p>With nothing going wrong.</p>\n"),
        faults => {
            let of = if finding.of > faults.len() {
                format!(
                    " ({} of the run's {} faults are enough)",
                    faults.len(),
                    finding.of
                )
            } else {
                String::new()
            };
            let _ = writeln!(page, "<p>With{of}:</p>\n<ul>");
            for fault in faults {
                let _ = writeln!(page, "<li>{}</li>", escaped(&fault.to_string()));
            }
            page.push_str("</ul>\n");
        }
    }
    let again = circumstances.again(finding);
    let _ = writeln!(
        page,
        "<p>Again: <code>{}</code></p>\n</article>",
        escaped(&again)
    );
}

fn assumptions(page: &mut String, summary: &Summary, circumstances: &Circumstances) {
    let rate = circumstances
        .rate
        .map(|rate| format!(" Counts of requests are for {rate} in a second."));
    let _ = writeln!(
        page,
        "<footer class=\"quiet\">\n<p>The strategy of the deployment ran against a model of the fleet in virtual \
         time; it is as true as the model. Where a load balancer lies, rules are judged by what it shows. Seeds {} \
         to {}.{} How often what goes wrong stands in <code>[rehearsal.faults]</code> of <code>{}</code>.</p>\n</footer>",
        summary.seed,
        summary.seed.wrapping_add(summary.planned.saturating_sub(1)),
        rate.unwrap_or_default(),
        escaped(&circumstances.configuration),
    );
}
