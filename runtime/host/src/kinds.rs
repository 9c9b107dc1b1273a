//! One typed face for each kind of plugin that works for the host. Each checks what the plugin
//! answers: a plugin's word is not taken for what the contract says it may be.

mod health_check;
mod load_balancer;
mod metric_source;
mod notifier;
mod platform;
mod secret_source;
mod step;

use engine::{Code, Failure};

pub use health_check::{CheckReport, HealthCheck, HealthStatus};
pub use load_balancer::LoadBalancer;
pub use metric_source::{MetricSource, Sample, Window};
pub use notifier::{Notice, Notifier};
pub use platform::Platform;
pub use secret_source::{FetchedSecret, SecretSource};
pub use step::{Occasion, Step};

use crate::{broken, plugin::Plugin};

/// The failure of a plugin whose answer makes no sense.
fn nonsense(plugin: &Plugin, what: &str) -> Failure {
    let text = format!("answered with what makes no sense: {what}");
    broken::refused(plugin, Failure::new(Code::Internal, text))
}
