//! Rehearsal and reality agree: what a real deployment wrote down is what the rehearsal of the same
//! configuration writes down, with the same fault; call by call, and on the way back, too.

use serde_json::{Value, json};
use tests::{Ran, World};

use crate::{
    nginx::behind_nginx,
    resumed::under_way,
    scene::{behind_the_proxy, deploy, shown},
};

/// A release is ill as soon as the world has this file.
const ILL: &str = "ill";

const BIRDS: &[(&str, &str)] = &[
    ("one", "canary"),
    ("two", "stable"),
    ("three", "stable"),
    ("four", "stable"),
];
const ALIKE: &[(&str, &str)] = &[
    ("one", "all"),
    ("two", "all"),
    ("three", "all"),
    ("four", "all"),
];
const COLOURS: &[(&str, &str)] = &[
    ("b1", "blue"),
    ("b2", "blue"),
    ("g1", "green"),
    ("g2", "green"),
];

/// A strategy with `SOAK` for how long it waits, and the fleet that it suits.
struct Way(&'static str, &'static [(&'static str, &'static str)]);

const CANARY: Way = Way(
    "use = \"canary\"\nstages = [25, 50]\nsoak = \"SOAK\"\n",
    BIRDS,
);
const ROLLING: Way = Way("use = \"rolling\"\nbatch = 1\npause = \"SOAK\"\n", ALIKE);
const BLUE_GREEN: Way = Way(
    "use = \"blue-green\"\nstages = [50]\nsoak = \"SOAK\"\n\n[rehearsal.traffic]\ngreen = 100\n",
    COLOURS,
);
const SIMPLE: Way = Way("use = \"simple\"\n", ALIKE);

impl Way {
    /// The release before runs on every target, as a rehearsal begins: a group that idles has it
    /// once it went out twice, and the other one has the traffic then.
    fn everywhere(&self, world: &World, release: Release) {
        if self.1 != COLOURS {
            return;
        }
        let deploying = world.start(&deploy("1.0"));
        if let Release::FallsIll = release {
            under_way(world, "wait");
            let _ = world.run(&["promote", "--full"]).expect(0);
        }
        deploying.wait().expect(0);
    }
}

/// How the release behaves.
#[derive(Clone, Copy, Debug)]
enum Release {
    Good,
    /// It never becomes healthy.
    NeverUp,
    /// It is proven, and falls ill in the first soak.
    FallsIll,
}

impl Release {
    /// How long a soak is: one in which something falls ill is not over before that is seen.
    fn soak(self) -> &'static str {
        match self {
            Self::Good | Self::NeverUp => "1s",
            Self::FallsIll => "10m",
        }
    }

    /// Deploys it for real.
    fn deploy(self, world: &World) -> Ran {
        let behaviour = match self {
            Self::Good => String::new(),
            Self::NeverUp => "never-healthy".to_owned(),
            Self::FallsIll => format!("unhealthy-with={}", world.file(ILL).display()),
        };
        world.bad_release("2.0", &behaviour);
        let deploying = world.start(&deploy("2.0"));
        match self {
            Self::Good => deploying.wait().expect(0),
            Self::NeverUp => deploying.wait().expect(1),
            Self::FallsIll => {
                under_way(world, "wait");
                world.write(ILL, "");
                deploying.wait().expect(1)
            }
        }
    }

    /// The same for a rehearsal.
    fn faults(self, members: &[(&str, &str)]) -> Vec<String> {
        let faults = match self {
            Self::Good => vec!["none".to_owned()],
            Self::NeverUp => vec!["bad-release".to_owned()],
            Self::FallsIll => {
                let ill = |(name, _): &(&str, &str)| format!("falls-over:{name},after=5m");
                members.iter().map(ill).collect()
            }
        };
        let each = |fault| ["--fault".to_owned(), fault];
        faults.into_iter().flat_map(each).collect()
    }
}

/// Deploys it, rehearses it, and holds one against the other.
fn agrees(world: &World, Way(_, members): &Way, release: Release) {
    let before = shown(world)["release"].clone();
    let real = release.deploy(world);
    let happened = shown(world);
    let faults = release.faults(members);
    let mut arguments = vec!["rehearse", "--format", "json", "--version", "2.0"];
    arguments.extend(faults.iter().map(String::as_str));
    let rehearsed = world.run(&arguments).expect(0).json();
    let names = [(&before, "old"), (&happened["release"], "new")];
    let one = essence(
        &happened,
        &names.map(|(id, word)| (id.as_str().unwrap(), word)),
    );
    let other = essence(&rehearsed, &[("before", "old"), ("2.0", "new")]);
    println!("{} records, {}", one.len(), happened["verdict"]["verdict"]);
    let parted = (0..one.len().max(other.len())).find(|place| one.get(*place) != other.get(*place));
    if let Some(place) = parted {
        let line = |all: &[Value]| {
            all.get(place)
                .map_or("nothing".to_owned(), Value::to_string)
        };
        let (one, other) = (line(&one), line(&other));
        let number = place + 1;
        panic!("{release:?} parts at {number}\nreal      {one}\nrehearsed {other}\n{real}");
    }
    assert!(one.len() > 5, "{real}");
    let verdict = |of: &Value| of["verdict"]["verdict"].clone();
    assert_eq!(verdict(&happened), verdict(&rehearsed));
}

/// What there is to compare: who asked for what with which arguments, what that meant, what undoes
/// it, and what came of it, on each target and at the load balancer; without times and what was
/// found at first, and with the kinds of failures for their texts.
fn essence(of: &Value, releases: &[(&str, &str)]) -> Vec<Value> {
    let records = of["records"].as_array().unwrap();
    let each = |record: &Value| {
        let (intent, outcome) = (&record["intent"], &record["outcome"]);
        let kinds = outcome["report"]["failed"].as_object().cloned();
        let kinds = kinds.unwrap_or_default().into_iter();
        let kinds: serde_json::Map<_, _> =
            (kinds.map(|(target, failure)| (target, failure["code"].clone()))).collect();
        // Which of those is seen first that fall ill in the same moment is for chance to say.
        let waits = intent["effect"]["effect"] == "wait";
        let kinds = match waits {
            true => kinds.values().take(1).cloned().collect(),
            false => Value::Object(kinds),
        };
        let result = match &outcome["result"]["Err"] {
            Value::Null => outcome["result"].clone(),
            failure => json!({ "failed": failure["code"] }),
        };
        plain(
            &json!({
                "sequence": intent["sequence"],
                "origin": intent["origin"],
                "operation": intent["operation"],
                "effect": intent["effect"],
                "undo": intent["undo"],
                "attempt": intent["attempt"],
                "result": result,
                "targets": kinds,
                "failure": outcome["report"]["failure"]["code"],
                "members": members(&outcome["report"]["reading"]),
            }),
            releases,
        )
    };
    records.iter().map(each).collect()
}

/// Who the load balancer showed to get how much; what else it tells of them is its own.
fn members(reading: &Value) -> Value {
    let each = |member: &Value| {
        let ready = member["admission"] == "ready";
        let percent = ready.then(|| member["percent"].clone());
        json!([member["target"], member["admission"], percent])
    };
    let members = reading["members"].as_array().into_iter().flatten();
    let mut members: Vec<Value> = members.map(each).collect();
    members.sort_by_key(Value::to_string);
    json!(members)
}

/// The same with words for releases, without times, and with shares as a person reads them.
fn plain(value: &Value, releases: &[(&str, &str)]) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .filter(|(name, _)| *name != "since" && *name != "until");
            let each = |(name, value): (&String, &Value)| (name.clone(), plain(value, releases));
            Value::Object(fields.map(each).collect())
        }
        Value::Array(items) => items.iter().map(|item| plain(item, releases)).collect(),
        Value::String(text) => {
            let known = releases.iter().find(|(id, _)| id == text);
            json!(known.map_or(text.as_str(), |(_, word)| *word))
        }
        Value::Number(number) if number.is_f64() => {
            json!(number.as_f64().map(|number| (number * 10.0).round() / 10.0))
        }
        other => other.clone(),
    }
}

fn by_the_proxy(way: &Way, release: Release) {
    let (world, _fleet) = behind_the_proxy(way.1, &strategy(way, release));
    way.everywhere(&world, release);
    agrees(&world, way, release);
}

fn by_nginx(way: &Way, release: Release) {
    let (world, _fleet, _nginx) = behind_nginx(way.1, &strategy(way, release));
    way.everywhere(&world, release);
    agrees(&world, way, release);
}

fn strategy(Way(strategy, _): &Way, release: Release) -> String {
    let strategy = strategy.replace("SOAK", release.soak());
    format!("\n[strategy]\n{strategy}")
}

#[test]
fn on_a_canary_by_the_proxy() {
    by_the_proxy(&CANARY, Release::Good);
}

#[test]
fn on_a_canary_that_never_comes_up_by_the_proxy() {
    by_the_proxy(&CANARY, Release::NeverUp);
}

#[test]
fn on_a_canary_that_falls_ill_by_the_proxy() {
    by_the_proxy(&CANARY, Release::FallsIll);
}

#[test]
fn on_a_canary_by_nginx() {
    by_nginx(&CANARY, Release::Good);
}

#[test]
fn on_a_canary_that_never_comes_up_by_nginx() {
    by_nginx(&CANARY, Release::NeverUp);
}

#[test]
fn on_a_canary_that_falls_ill_by_nginx() {
    by_nginx(&CANARY, Release::FallsIll);
}

#[test]
fn on_rolling_by_the_proxy() {
    by_the_proxy(&ROLLING, Release::Good);
}

#[test]
fn on_rolling_that_never_comes_up_by_the_proxy() {
    by_the_proxy(&ROLLING, Release::NeverUp);
}

#[test]
fn on_rolling_that_falls_ill_by_the_proxy() {
    by_the_proxy(&ROLLING, Release::FallsIll);
}

#[test]
fn on_rolling_by_nginx() {
    by_nginx(&ROLLING, Release::Good);
}

#[test]
fn on_rolling_that_never_comes_up_by_nginx() {
    by_nginx(&ROLLING, Release::NeverUp);
}

#[test]
fn on_rolling_that_falls_ill_by_nginx() {
    by_nginx(&ROLLING, Release::FallsIll);
}

#[test]
fn on_blue_and_green_by_the_proxy() {
    by_the_proxy(&BLUE_GREEN, Release::Good);
}

#[test]
fn on_blue_and_green_that_never_come_up_by_the_proxy() {
    by_the_proxy(&BLUE_GREEN, Release::NeverUp);
}

#[test]
fn on_blue_and_green_that_fall_ill_by_the_proxy() {
    by_the_proxy(&BLUE_GREEN, Release::FallsIll);
}

#[test]
fn on_blue_and_green_by_nginx() {
    by_nginx(&BLUE_GREEN, Release::Good);
}

#[test]
fn on_blue_and_green_that_never_come_up_by_nginx() {
    by_nginx(&BLUE_GREEN, Release::NeverUp);
}

#[test]
fn on_blue_and_green_that_fall_ill_by_nginx() {
    by_nginx(&BLUE_GREEN, Release::FallsIll);
}

// It has no soak in which anything could fall ill.

#[test]
fn on_simple_by_the_proxy() {
    by_the_proxy(&SIMPLE, Release::Good);
}

#[test]
fn on_simple_that_never_comes_up_by_the_proxy() {
    by_the_proxy(&SIMPLE, Release::NeverUp);
}

#[test]
fn on_simple_by_nginx() {
    by_nginx(&SIMPLE, Release::Good);
}

#[test]
fn on_simple_that_never_comes_up_by_nginx() {
    by_nginx(&SIMPLE, Release::NeverUp);
}
