//! What calls are about: a release, targets, an event, an occasion. Made up, and the same in
//! every run; the addresses are those that are reserved for documentation.

use engine::{Admission, Name, Point, Purpose, Release, Target, Timestamp, Traffic};
use host::{Notice, Occasion, Window};
use serde_json::{Value, json};

/// Where a window begins that holds some data.
const NOON: u64 = 1_700_000_000_000;

/// The releases that the kit has an artifact of: old and new.
pub(crate) const RELEASES: [&str; 2] = ["1.0.0-1", "2.0.0-2"];

/// Targets from texts such as `web01=127.0.0.1:8080:blue`: name, address, and a group where one
/// is named. Fails with what is wrong with the first that makes no sense.
pub fn targets(texts: &[String]) -> Result<Vec<Target>, String> {
    let one = |text: &String| {
        let (name, rest) = text.split_once('=')?;
        let (host, port_and_group) = rest.split_once(':')?;
        let (port, group) = port_and_group
            .split_once(':')
            .unwrap_or((port_and_group, "all"));
        port.parse::<u16>().ok()?;
        let complete = !name.is_empty() && !host.is_empty() && !group.is_empty();
        complete.then(|| target(name, &format!("{host}:{port}"), group))
    };
    let read = |text| one(text).ok_or_else(|| format!("`{text}` is no target"));
    texts.iter().map(read).collect()
}

pub(crate) fn fleet() -> Vec<Target> {
    vec![
        target("one", "192.0.2.1:8080", "blue"),
        target("two", "192.0.2.2:8080", "blue"),
        target("three", "192.0.2.3:8080", "green"),
    ]
}

pub(crate) fn target(name: &str, address: &str, group: &str) -> Target {
    Target {
        name: name.into(),
        address: Some(address.to_owned()),
        group: group.into(),
        labels: Vec::new(),
        details: Value::Null,
    }
}

pub(crate) fn release(id: &str) -> Release {
    let version = id.split_once('-').map_or(id, |(version, _)| version);
    Release {
        id: id.into(),
        version: version.to_owned(),
        digest: format!("sha256:{}", "0".repeat(64)),
        labels: vec![("branch".to_owned(), "main".to_owned())],
        details: Value::Null,
    }
}

pub(crate) fn old() -> Release {
    release(RELEASES[0])
}

pub(crate) fn new() -> Release {
    release(RELEASES[1])
}

pub(crate) fn notice(kind: &str) -> Notice {
    Notice {
        kind: kind.to_owned(),
        deployment: "d-1".to_owned(),
        application: "shop".to_owned(),
        environment: "production".to_owned(),
        release: new(),
        previous: Some(old()),
        strategy: "canary".to_owned(),
        actor: "kit".to_owned(),
        message: "what happened, with <marks> & \"quotes\", \u{1f680} and ümläuts".to_owned(),
        at: Timestamp(NOON),
        details: json!({ "targets": ["one", "two"] }),
    }
}

pub(crate) fn occasion() -> Occasion {
    Occasion {
        deployment: "d-1".to_owned(),
        application: "shop".to_owned(),
        environment: "production".to_owned(),
        point: Point::BeforeTraffic,
        purpose: Purpose::Deploy,
        release: new(),
        previous: Some(old()),
        targets: fleet().into_iter().take(1).collect(),
        details: Value::Null,
    }
}

pub(crate) fn window() -> Window {
    Window {
        start: Timestamp(NOON),
        end: Timestamp(NOON).after_ms(60_000),
    }
}

/// All targets ready, with all the traffic on the first one's group but for `others` percent,
/// which the last one's gets where that is another.
pub(crate) fn traffic(targets: &[Target], others: f64) -> Traffic {
    let mut traffic = Traffic::default();
    let (Some(first), Some(last)) = (targets.first(), targets.last()) else {
        return traffic;
    };
    if first.group == last.group {
        traffic.shares.insert(first.group.clone(), 100.0);
    } else {
        traffic.shares.insert(first.group.clone(), 100.0 - others);
        traffic.shares.insert(last.group.clone(), others);
    }
    let ready = |target: &Target| (target.name.clone(), Admission::Ready);
    traffic.admissions = targets.iter().map(ready).collect();
    traffic
}

/// The same with that target out.
pub(crate) fn without(mut traffic: Traffic, target: &Name) -> Traffic {
    traffic.admissions.insert(target.clone(), Admission::Out);
    traffic
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read() {
        let texts = ["a=127.0.0.1:80", "b=127.0.0.1:81:green"].map(str::to_owned);
        let read = targets(&texts).unwrap();
        assert_eq!(
            (&read[0].group, &read[1].group),
            (&"all".into(), &"green".into())
        );
        assert_eq!(read[1].address.as_deref(), Some("127.0.0.1:81"));
        for wrong in ["a", "a=x", "=x:1", "a=x:port", "a=x:1:"] {
            assert!(targets(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
    }
}
