//! Faults in words.

use std::fmt;

use super::{Fault, Flaw, Moment, Way};

/// A time as people write it.
struct Span(u64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ms if ms < 1_000 => write!(f, "{ms} ms"),
            ms if ms < 120_000 => write!(f, "{} s", ms / 1_000),
            ms => write!(f, "{} min", ms / 60_000),
        }
    }
}

fn often(times: Option<u32>) -> String {
    match times {
        None => "always".into(),
        Some(1) => "once".into(),
        Some(times) => format!("{times} times"),
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.on_target().or_else(|| self.in_balancer()) {
            Some(told) => f.write_str(&told),
            None => self.elsewhere(f),
        }
    }
}

impl Fault {
    fn on_target(&self) -> Option<String> {
        Some(match self {
            Self::InstallFails { target, times } => {
                format!("{target}: the installation fails, {}", often(*times))
            }
            Self::ActivateFails {
                target,
                after,
                times,
                happens,
            } => {
                let anyway = either(*happens, ", and happens all the same", "");
                let often = often(*times);
                format!("{target}: the switch fails after {after} that went well, {often}{anyway}")
            }
            Self::SlowStart { target, by_ms } => {
                format!("{target}: comes up {} later", Span(*by_ms))
            }
            Self::NeverUp { target } => format!("{target}: the release never comes up"),
            Self::FallsOver { target, after_ms } => {
                let after = Span(*after_ms);
                format!("{target}: the release falls over {after} after it came up")
            }
            Self::Unreachable {
                target,
                from_ms,
                for_ms,
            } => {
                let (from, long) = (Span(*from_ms), Span(*for_ms));
                format!("{target}: cannot be reached from {from} on, for {long}")
            }
            Self::NoWayBack { target } => {
                format!("{target}: the old release does not come back")
            }
            _ => return None,
        })
    }

    fn in_balancer(&self) -> Option<String> {
        let change = |after: &u32| format!("change {}", after + 1);
        Some(match self {
            Self::BalancerRefuses { after, times } => {
                let (change, often) = (change(after), often(Some(*times)));
                format!("the load balancer refuses from {change} on, {often}")
            }
            Self::BalancerHangs { after, happens } => {
                let made = either(*happens, "makes it all the same", "does not make it");
                let change = change(after);
                format!("the load balancer does not answer {change}, and {made}")
            }
            Self::BalancerLate { after, by_ms } => {
                let (change, late) = (change(after), Span(*by_ms));
                format!("the load balancer makes {change} {late} later")
            }
            Self::BalancerLies { after } => {
                let change = change(after);
                format!("the load balancer shows {change} without making it")
            }
            _ => return None,
        })
    }

    fn elsewhere(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadRelease => f.write_str("the release comes up nowhere"),
            Self::BadUnderLoad { above } => {
                write!(f, "the release fails above {above} % of the traffic")
            }
            Self::BadForSome { users } => write!(
                f,
                "the release fails for {users} % of its users, and no health check sees it"
            ),
            Self::StepFails { step, times } => {
                write!(f, "step {} fails, {}", step + 1, often(*times))
            }
            Self::Metrics { flaw } => f.write_str(match flaw {
                Flaw::Missing => "there are no metrics",
                Flaw::Late => "metrics come late",
                Flaw::Noisy => "metrics show errors where there are none",
            }),
            Self::Killed { at, moment, then } => {
                let moment = match moment {
                    Moment::Unwritten => "before it is written down",
                    Moment::Before => "before it is done",
                    Moment::Halfway => "with half of it done",
                    Moment::After => "after it was done",
                };
                let then = match then {
                    Way::Resumed => "goes on",
                    Way::TakenBack => "takes it back",
                };
                let record = at + 1;
                write!(
                    f,
                    "the program is killed at record {record}, {moment}; another one {then}"
                )
            }
            Self::LeaseLost { at } => {
                let record = at + 1;
                write!(
                    f,
                    "somebody takes the lease away at record {record}, and goes on"
                )
            }
            Self::Aborted { after_ms } => write!(f, "somebody aborts after {}", Span(*after_ms)),
            _ => f.write_str(self.kind()),
        }
    }
}

fn either<'a>(which: bool, yes: &'a str, no: &'a str) -> &'a str {
    if which { yes } else { no }
}
