//! A plan for people: what is found, what differs, what happens, stage by stage, and what to know
//! before.

mod page;

use std::path::Path;

use anstyle::{AnsiColor, Style};
use engine::Release;

use self::page::{BOLD, Page, wrap};
use super::{
    Plan, PlannedPlugin,
    course::{PlannedCall, Shift, Stage},
    found::FoundTarget,
};
use crate::{display, exit, terminal::Terminal};

/// Targets that are told one by one; of a larger fleet, the groups are.
const TARGETS_TOLD: usize = 24;
/// Changes of traffic that are told of one operation.
const SHIFTS_TOLD: usize = 6;
/// Hexadecimal digits of a digest that are told.
const DIGITS: usize = 12;
/// Where operations begin: behind the time.
const INDENT: usize = 10;

/// Prints it. `out` is the file that it is written to, where it is.
pub(crate) fn show(plan: &Plan, out: Option<&Path>, terminal: &Terminal) {
    let page = Page::on(terminal);
    page.title(plan);
    page.targets(plan);
    page.since(plan);
    page.heading("What happens");
    for stage in &plan.course.stages {
        page.stage(stage);
    }
    page.heading("What plugins may do");
    for plugin in &plan.plugins {
        page.plugin(plugin);
    }
    if !plan.warnings.is_empty() {
        page.heading("Worth knowing");
        let style = Style::new().fg_color(Some(AnsiColor::Yellow.into()));
        for warning in &plan.warnings {
            page.wrapped(&format!("  {style}!{style:#} "), 4, warning);
        }
    }
    page.end(plan, out);
}

impl Page<'_> {
    fn fact(&self, name: &str, text: &str) {
        self.wrapped(&format!("  {name:<10}"), 12, text);
    }

    fn title(&self, plan: &Plan) {
        let subject = &plan.deployment;
        self.line(&format!(
            "{BOLD}{} {} to {} with {}{BOLD:#}",
            subject.application, subject.release.version, subject.environment, subject.strategy
        ));
        let release = &subject.release;
        let from = format!("{}, from {}", named(release), subject.artifact);
        self.fact("release", &from);
        let previous = subject.previous.as_ref().map(named);
        self.fact(
            "replaces",
            previous.as_deref().unwrap_or("nothing: it is the first"),
        );
        self.fact("planned", &format!("{} by {}", plan.made.at, plan.made.by));
    }

    fn targets(&self, plan: &Plan) {
        self.heading("What stands there");
        let targets = &plan.found.targets;
        if targets.len() > TARGETS_TOLD {
            return self.groups(targets);
        }
        let rows: Vec<[String; 5]> = targets.iter().map(row).collect();
        let headings = ["  TARGET", "GROUP", "RELEASE", "TRAFFIC", "HEALTH"];
        let widest = |column: usize| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.chain([headings[column].len()]).max().unwrap_or(0)
        };
        if (0..5).map(widest).sum::<usize>() + 8 <= self.width {
            return self.terminal.table(headings, &rows);
        }
        for [name, group, release, traffic, health] in rows {
            let text = format!("{} ({group}): {release}, {traffic}, {health}", name.trim());
            self.wrapped("  ", 4, &text);
        }
    }

    fn groups(&self, targets: &[FoundTarget]) {
        let mut groups: Vec<(&str, Vec<&FoundTarget>)> = Vec::new();
        for target in targets {
            let group = target.group.as_str();
            match groups.iter_mut().find(|(name, _)| *name == group) {
                Some((_, members)) => members.push(target),
                None => groups.push((group, vec![target])),
            }
        }
        for (name, members) in groups {
            let share: f64 = members.iter().filter_map(|member| member.percent).sum();
            let well = members.iter().filter(|it| it.healthy == Some(true)).count();
            let count = display::count(members.len(), "target");
            let traffic = display::percentage(share);
            let mut text =
                format!("{name}: {count}, {traffic} of the traffic, {well} of them well");
            let unknown = members.iter().filter(|it| it.is_unknown()).count();
            if unknown > 0 {
                text = format!("{text}, of {unknown} it is not known");
            }
            self.wrapped("  ", 4, &text);
        }
    }

    fn since(&self, plan: &Plan) {
        let Some(since) = &plan.since else {
            self.heading("What differs from the last deployment");
            return self.line("  there was none");
        };
        let last = &since.deployment;
        self.heading("What differs from the last deployment");
        let which = format!(
            "{} of {}, {} ({})",
            last.id, last.version, last.started, last.state
        );
        self.wrapped("  ", 2, &which);
        for change in &since.changes {
            let (mark, colour) = match (&change.from, &change.to) {
                (None, _) => ("+", AnsiColor::Green),
                (_, None) => ("-", AnsiColor::Red),
                _ => ("~", AnsiColor::Yellow),
            };
            let style = Style::new().fg_color(Some(colour.into()));
            let text = match (&change.from, &change.to) {
                (None, _) => format!("{} = {}", change.what, change.after()),
                (_, None) => format!("{} = {}", change.what, change.before()),
                _ => format!("{}: {} → {}", change.what, change.before(), change.after()),
            };
            self.wrapped(&format!("  {style}{mark}{style:#} "), 6, &text);
        }
        if since.changes.is_empty() {
            self.line("  nothing: the same release in the same way");
        }
    }

    fn stage(&self, stage: &Stage) {
        let name = stage.name.as_deref().unwrap_or("to begin with");
        let at = display::duration(stage.at_ms);
        let took = display::duration(stage.took_ms);
        self.line(&format!("{at:>8}  {BOLD}{name}{BOLD:#} ({took})"));
        let shown = |operation: &&PlannedCall| operation.effect.is_some();
        let operations: Vec<&PlannedCall> = stage.operations.iter().filter(shown).collect();
        for (place, operation) in operations.iter().enumerate() {
            let last = place + 1 == operations.len();
            self.operation(
                operation,
                if last {
                    ["└─", "  "]
                } else {
                    ["├─", "│ "]
                },
            );
        }
    }

    fn operation(&self, operation: &PlannedCall, [branch, trunk]: [&str; 2]) {
        let at = display::duration(operation.at_ms);
        let took = display::duration(operation.took_ms);
        let mark = match operation.step {
            Some(_) => "▸ ",
            None => "",
        };
        let text = format!("{mark}{} ({took})", operation.what);
        let room = self.width.saturating_sub(INDENT + 3);
        let mut lines = wrap(&text, room);
        if let Some(failure) = &operation.failure {
            lines.extend(wrap(&format!("✗ {failure}"), room));
        }
        // Who of a group gets the traffic is told where the group's part stays what it is.
        let changes = match operation.groups.as_slice() {
            [] => &operation.traffic,
            _ => &operation.groups,
        };
        if !changes.is_empty() {
            lines.extend(wrap(&shares(changes), room));
        }
        for (place, line) in lines.iter().enumerate() {
            let (at, branch) = match place {
                0 => (at.as_str(), branch),
                _ => ("", trunk),
            };
            self.line(&format!("{at:>8}  {branch} {line}"));
        }
    }

    fn plugin(&self, plugin: &PlannedPlugin) {
        let PlannedPlugin {
            kind,
            name,
            version,
            digest,
            ..
        } = plugin;
        let text = format!("{kind} {name} {version} ({})", short(digest));
        self.wrapped("  ", 4, &text);
        for granted in &plugin.granted {
            let verb = if granted.purpose == "read" {
                "reads"
            } else {
                "changes"
            };
            let text = format!("{} {}", granted.capability, granted.scope);
            self.wrapped(&format!("    {verb:<8}"), 12, &text);
        }
        if plugin.granted.is_empty() {
            self.line("    nothing but to compute");
        }
    }

    fn end(&self, plan: &Plan, out: Option<&Path>) {
        let course = &plan.course;
        self.line("");
        let took = display::duration(course.took_ms);
        let mut text = match course.exit_code {
            exit::DONE => format!("It would succeed after {took}"),
            exit::LEFT_OUT => format!(
                "It would succeed after {took}, without {}",
                display::names(course.left_out.keys())
            ),
            exit::REFUSED => "It would be refused, with nothing changed".to_owned(),
            _ => format!("It would fail after {took} ({})", course.verdict),
        };
        if let Some(cause) = &course.cause {
            text = format!("{text}: {cause}");
        } else if course.waits_ms > 0 {
            let waits = display::duration(course.waits_ms);
            text = format!("{text}, {waits} of which are waits");
        }
        // Where nothing ran there is nothing to keep.
        if course.succeeds() && plan.deployment.previous.is_some() {
            let targets = display::count(plan.found.targets.len(), "target");
            text = format!(
                "{text}; at the least {} of {targets} serve",
                course.least_serving
            );
        }
        let colour = if course.succeeds() {
            AnsiColor::Green
        } else {
            AnsiColor::Red
        };
        let style = Style::new().fg_color(Some(colour.into())).bold();
        let mark = if course.succeeds() { "✓" } else { "✗" };
        self.wrapped(&format!("{style}{mark}{style:#} "), 2, &text);
        match out {
            Some(path) => {
                let (path, config) = (path.display(), plan.configuration.option());
                let text = format!(
                    "Nothing was changed. `runtime deploy{config} --plan {path}` does just this."
                );
                self.wrapped("  ", 2, &text);
            }
            None => self.line("  Nothing was changed."),
        }
    }
}

/// `canary 0 % → 10 %, stable 100 % → 90 %`.
fn shares(shifts: &[Shift]) -> String {
    let told = |shift: &Shift| {
        let (from, to) = (
            display::percentage(shift.from),
            display::percentage(shift.to),
        );
        format!("{} {from} → {to}", shift.name)
    };
    let mut all: Vec<String> = shifts.iter().take(SHIFTS_TOLD).map(told).collect();
    if shifts.len() > SHIFTS_TOLD {
        all.push(format!("and {} more", shifts.len() - SHIFTS_TOLD));
    }
    all.join(", ")
}

fn row(target: &FoundTarget) -> [String; 5] {
    let health = match (target.healthy, &target.unreachable) {
        (_, Some(_)) => "cannot be reached",
        (Some(true), _) => "well",
        (Some(false), _) => "not well",
        (None, None) if target.is_unknown() => "not known",
        (None, None) => "-",
    };
    let release = match (&target.release, &target.unreachable) {
        (Some(release), _) => release.to_string(),
        (None, Some(_)) => "?".to_owned(),
        (None, None) => "-".to_owned(),
    };
    let health = match target.bystander {
        true => format!("{health}, passed over"),
        false => health.to_owned(),
    };
    [
        format!("  {}", target.name),
        target.group.to_string(),
        release,
        target
            .percent
            .map_or_else(|| "-".to_owned(), display::percentage),
        health,
    ]
}

fn named(release: &Release) -> String {
    format!("{} ({})", release.id, short(&release.digest))
}

/// `sha256:` and the first digits.
fn short(digest: &str) -> String {
    match digest.strip_prefix("sha256:") {
        Some(hex) => {
            let start: String = hex.chars().take(DIGITS).collect();
            format!("sha256:{start}…")
        }
        None => digest.to_owned(),
    }
}
