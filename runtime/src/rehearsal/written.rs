//! Faults as they are written on the command line: `KIND[:TARGET][,KEY=VALUE]…`.

use std::{collections::BTreeMap, str::FromStr};

use engine::{Brief, Name};
use rehearsal::{Change, Fault, Flaw, Instead, Moment, Way};

use crate::report::{Problem, Reason};

/// What goes well instead of failing, and what goes wrong in a run in which nothing does.
const OK: &str = "ok";
const NONE: &str = "none";

/// For how long something takes or lasts that is not given a time.
const SHORT: &str = "30s";

/// One fault as it was written.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    text: String,
    kind: String,
    target: Option<String>,
    keys: BTreeMap<String, String>,
}

impl FromStr for Written {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(',').map(str::trim);
        let head = parts.next().unwrap_or_default();
        let (kind, target) = match head.split_once(':') {
            Some((kind, target)) => (kind, Some(target.to_owned())),
            None => (head, None),
        };
        let mut keys = BTreeMap::new();
        for part in parts {
            let Some((key, value)) = part.split_once('=') else {
                return Err(format!("`{part}` is not KEY=VALUE"));
            };
            if keys.insert(key.to_owned(), value.to_owned()).is_some() {
                return Err(format!("`{key}` is there twice"));
            }
        }
        Ok(Self {
            text: text.to_owned(),
            kind: kind.to_owned(),
            target,
            keys,
        })
    }
}

/// A fault at a record, as it was written: `N=FAULT`.
#[derive(Clone, Debug)]
pub(crate) struct WrittenChange {
    /// The record's number.
    pub(crate) sequence: u64,
    fault: Written,
}

impl FromStr for WrittenChange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, fault) = text
            .split_once('=')
            .ok_or("it is N=FAULT: the number of a step, and what goes wrong there")?;
        let sequence = number.trim().parse();
        let sequence = sequence.map_err(|_| format!("`{number}` is not the number of a step"))?;
        let fault = fault.parse()?;
        Ok(Self { sequence, fault })
    }
}

impl WrittenChange {
    /// What happens there; without a target or a step, on all.
    pub(crate) fn change(&self, brief: &Brief) -> Result<Change, Problem> {
        let written = &self.fault;
        let instead = if written.kind == OK && written.target.is_none() && written.keys.is_empty() {
            Instead::Succeeds
        } else {
            Instead::Fails(written.taken(brief, true)?)
        };
        Ok(Change {
            sequence: self.sequence,
            instead,
        })
    }
}

/// All that goes wrong in a run of a deployment of this.
pub(crate) fn faults(written: &[Written], brief: &Brief) -> Result<Vec<Fault>, Problem> {
    if let [only] = written
        && only.kind == NONE
        && only.target.is_none()
        && only.keys.is_empty()
    {
        return Ok(Vec::new());
    }
    let taken: Result<Vec<_>, _> = written
        .iter()
        .map(|each| each.taken(brief, false))
        .collect();
    Ok(taken?.into_iter().flatten().collect())
}

impl Written {
    /// The faults that it stands for: several where it strikes `anywhere` and says no place.
    fn taken(&self, brief: &Brief, anywhere: bool) -> Result<Vec<Fault>, Problem> {
        self.faults(brief, anywhere).map_err(|reason| {
            let title = format!("`{}` is not a fault: {reason}", self.text);
            Problem::new(Reason::Usage, title)
                .hint("write KIND[:TARGET][,KEY=VALUE]…, such as `never-up:web01` or `balancer-refuses,times=2`; docs/rehearsal.md has every kind")
        })
    }

    fn faults(&self, brief: &Brief, anywhere: bool) -> Result<Vec<Fault>, String> {
        let mut keys = Keys(self.keys.clone());
        let faults = match self.on_targets(&mut keys, anywhere)? {
            Some(make) => {
                let targets = self.targets(brief, anywhere)?;
                targets.into_iter().map(make).collect()
            }
            None if self.target.is_some() => {
                return Err(format!("`{}` is not of a target", self.kind));
            }
            None if self.kind == "step-fails" => {
                let times = keys.times(anywhere)?;
                let step = |step| Fault::StepFails { step, times };
                steps(&mut keys, brief, anywhere)?
                    .into_iter()
                    .map(step)
                    .collect()
            }
            None => vec![self.elsewhere(&mut keys)?],
        };
        keys.none_left()?;
        Ok(faults)
    }

    fn targets(&self, brief: &Brief, anywhere: bool) -> Result<Vec<Name>, String> {
        let all = brief.targets.iter().map(|target| &target.name);
        match &self.target {
            Some(target) => all
                .clone()
                .find(|name| name.as_str() == target)
                .map(|name| vec![name.clone()])
                .ok_or_else(|| {
                    let names: Vec<&str> = all.map(Name::as_str).collect();
                    format!("there is no target `{target}`, but {}", names.join(", "))
                }),
            None if anywhere => Ok(all.cloned().collect()),
            None => Err(format!("say on which target: `{}:TARGET`", self.kind)),
        }
    }

    /// What strikes targets; none where the kind is another one.
    #[expect(clippy::type_complexity, reason = "one that makes a fault of a target")]
    fn on_targets(
        &self,
        keys: &mut Keys,
        once: bool,
    ) -> Result<Option<Box<dyn Fn(Name) -> Fault>>, String> {
        Ok(Some(match self.kind.as_str() {
            "install-fails" => {
                let times = keys.times(once)?;
                Box::new(move |target| Fault::InstallFails { target, times })
            }
            "activate-fails" => {
                let (times, after) = (keys.times(once)?, keys.number("after")?);
                let happens = keys.take("happens", "false")?;
                Box::new(move |target| Fault::ActivateFails {
                    target,
                    after,
                    times,
                    happens,
                })
            }
            "slow-start" => {
                let by_ms = keys.time("by", SHORT)?;
                Box::new(move |target| Fault::SlowStart { target, by_ms })
            }
            "never-up" => Box::new(|target| Fault::NeverUp { target }),
            "falls-over" => {
                let after_ms = keys.time("after", "0s")?;
                Box::new(move |target| Fault::FallsOver { target, after_ms })
            }
            "unreachable" => {
                let (from_ms, for_ms) = (keys.time("from", "0s")?, keys.time("for", SHORT)?);
                Box::new(move |target| Fault::Unreachable {
                    target,
                    from_ms,
                    for_ms,
                })
            }
            "no-way-back" => Box::new(|target| Fault::NoWayBack { target }),
            _ => return Ok(None),
        }))
    }

    fn elsewhere(&self, keys: &mut Keys) -> Result<Fault, String> {
        let after = |keys: &mut Keys| keys.number("after");
        Ok(match self.kind.as_str() {
            "bad-release" => Fault::BadRelease,
            "bad-under-load" => Fault::BadUnderLoad {
                above: keys.percent("above", "0")?,
            },
            "bad-for-some" => Fault::BadForSome {
                users: keys.percent("users", "10")?,
            },
            "balancer-refuses" => Fault::BalancerRefuses {
                after: after(keys)?,
                times: keys.take("times", "1")?,
            },
            "balancer-hangs" => Fault::BalancerHangs {
                after: after(keys)?,
                happens: keys.take("happens", "false")?,
            },
            "balancer-late" => Fault::BalancerLate {
                after: after(keys)?,
                by_ms: keys.time("by", SHORT)?,
            },
            "balancer-lies" => Fault::BalancerLies {
                after: after(keys)?,
            },
            "metrics" => Fault::Metrics {
                flaw: keys.word(
                    "flaw",
                    &[
                        ("missing", Flaw::Missing),
                        ("late", Flaw::Late),
                        ("noisy", Flaw::Noisy),
                    ],
                )?,
            },
            "killed" => Fault::Killed {
                at: keys.record()?,
                moment: keys.word(
                    "moment",
                    &[
                        ("after", Moment::After),
                        ("halfway", Moment::Halfway),
                        ("before", Moment::Before),
                        ("unwritten", Moment::Unwritten),
                    ],
                )?,
                then: keys.word(
                    "then",
                    &[("resumed", Way::Resumed), ("taken-back", Way::TakenBack)],
                )?,
            },
            "lease-lost" => Fault::LeaseLost { at: keys.record()? },
            "aborted" => Fault::Aborted {
                after_ms: keys.time("after", "0s")?,
            },
            other => return Err(format!("nothing is called `{other}`")),
        })
    }
}

/// The places of the steps that fail.
fn steps(keys: &mut Keys, brief: &Brief, anywhere: bool) -> Result<Vec<usize>, String> {
    let all = &brief.rules.steps;
    match keys.0.remove("step") {
        Some(name) => {
            let place = all.iter().position(|step| step.name == name);
            let place = place.ok_or_else(|| format!("there is no step `{name}`"))?;
            Ok(vec![place])
        }
        None if anywhere => Ok((0..all.len()).collect()),
        None => Err("say which: `step-fails,step=NAME`".to_owned()),
    }
}

/// What is left of what was said of a fault.
struct Keys(BTreeMap<String, String>);

impl Keys {
    fn take<T: FromStr>(&mut self, key: &str, otherwise: &str) -> Result<T, String> {
        let value = self.0.remove(key);
        let value = value.as_deref().unwrap_or(otherwise);
        value
            .parse()
            .map_err(|_| format!("`{value}` is no value of `{key}`"))
    }

    fn number(&mut self, key: &str) -> Result<u32, String> {
        self.take(key, "0")
    }

    fn percent(&mut self, key: &str, otherwise: &str) -> Result<f64, String> {
        let percent = self.take(key, otherwise)?;
        match (0.0..=100.0).contains(&percent) {
            true => Ok(percent),
            false => Err(format!(
                "`{key}` is in percent, from 0 to 100, not {percent}"
            )),
        }
    }

    fn time(&mut self, key: &str, otherwise: &str) -> Result<u64, String> {
        let value = self.0.remove(key);
        let value: Result<configuration::Duration, _> =
            value.as_deref().unwrap_or(otherwise).parse();
        value
            .map(configuration::Duration::as_ms)
            .map_err(|error| error.to_string())
    }

    /// How often; always where nothing is said, but for what strikes at one place.
    fn times(&mut self, once: bool) -> Result<Option<u32>, String> {
        match self.0.remove("times").as_deref() {
            None if once => Ok(Some(1)),
            None | Some("always") => Ok(None),
            Some(times) => match times.parse() {
                Ok(times) => Ok(Some(times)),
                Err(_) => Err(format!("`{times}` is no number of times")),
            },
        }
    }

    /// One of these words, the first where none is given.
    fn word<T: Copy>(&mut self, key: &str, words: &[(&str, T)]) -> Result<T, String> {
        let Some(said) = self.0.remove(key) else {
            return words.first().map(|(_, is)| *is).ok_or_else(String::new);
        };
        let found = words.iter().find(|(word, _)| *word == said);
        found.map(|(_, is)| *is).ok_or_else(|| {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            format!("`{key}` is one of {}", words.join(", "))
        })
    }

    /// The number of a record, as it is shown; the first where none is given.
    fn record(&mut self) -> Result<u32, String> {
        let shown: u32 = self.take("at", "1")?;
        shown
            .checked_sub(1)
            .ok_or_else(|| "records count from 1".to_owned())
    }

    fn none_left(&self) -> Result<(), String> {
        match self.0.keys().next() {
            Some(key) => Err(format!("it has nothing that is called `{key}`")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elsewhere(text: &str) -> Result<Fault, String> {
        let written: Written = text.parse()?;
        let mut keys = Keys(written.keys.clone());
        written.elsewhere(&mut keys)
    }

    #[test]
    fn percentages_are_from_none_to_all() {
        for share in ["0", "12.5", "100"] {
            let above = share.parse().unwrap();
            let fault = elsewhere(&format!("bad-under-load,above={share}"));
            assert_eq!(fault, Ok(Fault::BadUnderLoad { above }));
        }
        for share in ["-5", "100.1", "1000", "inf", "NaN", "half"] {
            for fault in ["bad-under-load,above", "bad-for-some,users"] {
                let refused = elsewhere(&format!("{fault}={share}")).unwrap_err();
                let key = fault.rsplit(',').next().unwrap();
                assert!(refused.contains(&format!("`{key}`")), "{refused}");
            }
        }
    }
}
