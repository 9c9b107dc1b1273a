//! Whether the plugins of a configuration go together with its targets: what their manifests say
//! of their settings (`details` in `wit/manifest.wit`), held against `[[targets]]`. Asks no
//! plugin, and no machine.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Component, Path, PathBuf},
};

use configuration::{Configuration, HERE, PluginUse, Problem};
use serde_json::Value;

use crate::{
    catalogue::{Catalogue, Used},
    fleet,
};

/// Everything that does not go together.
pub(super) fn problems(catalogue: &Catalogue, configuration: &Configuration) -> Vec<Problem> {
    let mut problems = Vec::new();
    let contents = &configuration.contents;
    if let Some(used) = catalogue.get(&contents.strategy) {
        groups(used, configuration, &mut problems);
    }
    if let Some(used) = catalogue.get(&contents.platform) {
        problems.extend(places(used, configuration));
    }
    if let Some(section) = &contents.load_balancer
        && let Some(used) = catalogue.get(&section.plugin)
    {
        problems.extend(loops(used, configuration));
    }
    problems
}

/// A setting to which a manifest points, or its default.
fn setting<'a>(used: &'a Used, section: &'a PluginUse, pointer: &str) -> Option<&'a Value> {
    let default = format!("/properties{pointer}/default");
    section
        .settings
        .pointer(pointer)
        .filter(|value| !value.is_null())
        .or_else(|| used.plugin.description().settings_schema.pointer(&default))
}

/// The groups that the strategy's settings name, against those of the targets.
fn groups(used: &Used, configuration: &Configuration, problems: &mut Vec<Problem>) {
    let contents = &configuration.contents;
    let section = &contents.strategy;
    let says = &used.plugin.description().details["groups"];
    let Some(pointer) = says["setting"].as_str() else {
        return;
    };
    let named: Vec<&str> = match setting(used, section, pointer) {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => return,
    };
    let whichever = says["unless"].as_str();
    let place = format!("{}{pointer}", section.pointer);
    let mut add = |title: String, help: String| {
        problems.push(configuration.problem(&place, "groups", title).help(help));
    };
    let mut there: Vec<&str> = Vec::new();
    for target in &contents.targets {
        if !there.contains(&target.group.as_str()) {
            there.push(&target.group);
        }
    }
    let strategy = &section.name;
    let known = format!("the groups of the targets are: {}", there.join(", "));
    let missing = |name: &&&str| whichever != Some(**name) && !there.contains(*name);
    let absent: Vec<&str> = named.iter().filter(missing).copied().collect();
    for name in &absent {
        add(
            format!("strategy `{strategy}` is about group `{name}`, and no target is in it"),
            known.clone(),
        );
    }
    if !absent.is_empty() {
        return;
    }
    let outside = |group: &&&str| !named.contains(*group);
    match says["targets"].as_str() {
        Some("only") => {
            for group in there.iter().filter(outside) {
                add(
                    format!(
                        "strategy `{strategy}` is about {}, and there are targets in group `{group}`",
                        named.join(" and ")
                    ),
                    "put every target in one of these groups".to_owned(),
                );
            }
        }
        Some("others") if there.len() < 2 => add(
            format!(
                "strategy `{strategy}` needs targets in two groups, and all are in `{}`",
                there.first().copied().unwrap_or_default()
            ),
            "give one target at least another `group`, or use `rolling`".to_owned(),
        ),
        _ => {}
    }
}

/// Targets of one machine that would keep their releases in the same place.
fn places(used: &Used, configuration: &Configuration) -> Vec<Problem> {
    let contents = &configuration.contents;
    let section = &contents.platform;
    let details = &used.plugin.description().details;
    let Some(pointer) = details["place"].as_str() else {
        return Vec::new();
    };
    let Some(Value::String(written)) = setting(used, section, pointer) else {
        return Vec::new();
    };
    let mut problems = Vec::new();
    let mut seen: BTreeMap<(String, PathBuf), usize> = BTreeMap::new();
    for (number, target) in contents.targets.iter().enumerate() {
        let path = tidy(&host::expanded(written, &fleet::target(target)));
        let machine = machine(fleet::machine_of(target, contents), configuration);
        let Some(first) = seen.insert((machine, path.clone()), number) else {
            continue;
        };
        let title = format!(
            "`{}` and `{}` are on one machine, and would share {}",
            contents.targets[first].name,
            target.name,
            path.display()
        );
        let place = format!("{}{pointer}", section.pointer);
        let name = |number| configuration.place(&format!("/targets/{number}/name"));
        problems.push(
            configuration
                .problem(&place, "shared-place", title)
                .note(name(first), "the first one")
                .note(name(number), "the second one")
                .help("put `{target}` in it, so that each target has one of its own"),
        );
    }
    problems
}

/// How a machine is reached, whatever it is called.
fn machine(name: &str, configuration: &Configuration) -> String {
    match configuration.contents.machines.get(name) {
        Some(machine) => format!("{} {:?}", machine.ssh, machine.proxy_jump),
        None => HERE.to_owned(),
    }
}

/// The path as it is meant: `a/./b/` is `a/b`.
fn tidy(path: &str) -> PathBuf {
    Path::new(path)
        .components()
        .filter(|component| *component != Component::CurDir)
        .collect()
}

/// Targets that are the load balancer itself: it would send its requests to itself.
fn loops(used: &Used, configuration: &Configuration) -> Vec<Problem> {
    let contents = &configuration.contents;
    let Some(section) = &contents.load_balancer else {
        return Vec::new();
    };
    let details = &used.plugin.description().details;
    let listens = details["listens"]
        .as_str()
        .and_then(|pointer| setting(used, &section.plugin, pointer)?.as_str());
    let Some(listens) = listens else {
        return Vec::new();
    };
    let anywhere = listens
        .parse::<SocketAddr>()
        .ok()
        .filter(|address| address.ip().is_unspecified());
    let balancer = machine(section.on.as_deref().unwrap_or(HERE), configuration);
    let mut problems = Vec::new();
    for (number, target) in contents.targets.iter().enumerate() {
        let Some(address) = target.address.as_deref() else {
            continue;
        };
        let there = machine(fleet::machine_of(target, contents), configuration) == balancer;
        let port = address.rsplit_once(':').map(|(_, port)| port);
        let taken = anywhere.is_some_and(|anywhere| {
            there && port.is_some_and(|port| *port == anywhere.port().to_string())
        });
        if address == listens || taken {
            let title = format!(
                "`{}` answers where the load balancer listens: {listens}",
                target.name
            );
            let place = format!("/targets/{number}/address");
            problems.push(
                configuration
                    .problem(&place, "same-address", title)
                    .help("users connect to the load balancer; the target needs another port"),
            );
        }
    }
    problems
}
