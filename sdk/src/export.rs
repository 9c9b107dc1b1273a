//! The macro that makes a component of a crate, and what it calls.

use crate::{Plugin, Problem, bindings::manifest::manifest::Description, settings};

/// Makes settings of a struct, or a part of settings of an enum: readable from JSON, with a JSON
/// Schema, its fields in kebab case, and no unknown ones.
///
/// The same can be written with derives, by a crate that depends on `serde` and `schemars`
/// itself.
#[macro_export]
macro_rules! settings {
    ($($item:tt)*) => {
        #[derive(
            Clone, Debug, $crate::serde::Deserialize, $crate::schemars::JsonSchema,
        )]
        #[serde(crate = "runtime_sdk::serde", rename_all = "kebab-case", deny_unknown_fields)]
        #[schemars(crate = "runtime_sdk::schemars")]
        $($item)*
    };
}

/// Makes the crate a plugin: `plugin!(notifier: Pager);`.
///
/// The kinds are `strategy`, `load_balancer`, `platform`, `health_check`, `metric_source`,
/// `notifier`, `step` and `secret_source`. The plugin has the name and the version of its
/// crate, unless a name is given: `plugin!(notifier: Pager, "pager")`.
#[macro_export]
macro_rules! plugin {
    ($kind:ident: $plugin:ty) => {
        $crate::plugin!($kind: $plugin, env!("CARGO_PKG_NAME"));
    };
    ($kind:ident: $plugin:ty, $name:expr) => {
        const _: () = {
            use $crate::bindings::{$kind as bindings, manifest};

            struct Component;

            impl manifest::manifest::Guest for Component {
                fn describe() -> manifest::manifest::Description {
                    $crate::private::description::<$plugin>($name, env!("CARGO_PKG_VERSION"))
                }

                fn validate(settings: String) -> Vec<$crate::Problem> {
                    $crate::private::validate::<$plugin>(&settings)
                }
            }

            $crate::__guest!($kind, Component, $plugin);

            // Elsewhere the exports' names would clash with those of the next plugin.
            #[cfg(target_arch = "wasm32")]
            manifest::export!(Component with_types_in $crate::bindings::manifest);
            #[cfg(target_arch = "wasm32")]
            bindings::export!(Component with_types_in $crate::bindings::$kind);
        };
    };
}

/// Implements the interface of one kind by its trait.
#[doc(hidden)]
#[macro_export]
macro_rules! __guest {
    (strategy, $component:ty, $plugin:ty) => {
        impl bindings::deployment_strategy::Guest for $component {
            fn run(deployment: $crate::Deployment, settings: String) -> $crate::Result<()> {
                let plugin = $crate::private::parse::<$plugin>(&settings)?;
                $crate::Strategy::run(&plugin, &deployment)
            }
        }
    };
    (load_balancer, $component:ty, $plugin:ty) => {
        impl bindings::balancing::Guest for $component {
            fn traits(settings: String) -> $crate::Result<Vec<String>> {
                let plugin = $crate::private::parse::<$plugin>(&settings)?;
                $crate::LoadBalancer::traits(&plugin)
            }

            fn read(
                targets: Vec<$crate::Target>,
                settings: String,
            ) -> $crate::Result<$crate::Reading> {
                let plugin = $crate::private::parse::<$plugin>(&settings)?;
                $crate::LoadBalancer::read(&plugin, &targets)
            }

            fn apply(desired: $crate::Desired, settings: String) -> $crate::Result<()> {
                let plugin = $crate::private::parse::<$plugin>(&settings)?;
                $crate::LoadBalancer::apply(&plugin, &desired)
            }
        }
    };
    (platform, $component:ty, $plugin:ty) => {
        impl bindings::hosting::Guest for $component {
            fn traits(settings: String) -> $crate::Result<Vec<String>> {
                let plugin = $crate::private::parse::<$plugin>(&settings)?;
                $crate::Platform::traits(&plugin)
            }

            fn active(target: $crate::Target, settings: String) -> $crate::Result<Option<String>> {
                let plugin = $crate::private::parse::<$plugin>(&settings)?;
                $crate::Platform::active(&plugin, &target)
            }

            fn installed(
                target: $crate::Target,
                settings: String,
            ) -> $crate::Result<Vec<$crate::InstalledRelease>> {
                let plugin = $crate::private::parse::<$plugin>(&settings)?;
                $crate::Platform::installed(&plugin, &target)
            }

            fn install(
                target: $crate::Target,
                release: $crate::Release,
                settings: String,
            ) -> $crate::Result<()> {
                let plugin = $crate::private::parse::<$plugin>(&settings)?;
                $crate::Platform::install(&plugin, &target, &release)
            }

            fn activate(
                target: $crate::Target,
                release: $crate::Release,
                settings: String,
            ) -> $crate::Result<()> {
                let plugin = $crate::private::parse::<$plugin>(&settings)?;
                $crate::Platform::activate(&plugin, &target, &release)
            }

            fn deactivate(target: $crate::Target, settings: String) -> $crate::Result<()> {
                let plugin = $crate::private::parse::<$plugin>(&settings)?;
                $crate::Platform::deactivate(&plugin, &target)
            }

            fn remove(
                target: $crate::Target,
                release: String,
                settings: String,
            ) -> $crate::Result<()> {
                let plugin = $crate::private::parse::<$plugin>(&settings)?;
                $crate::Platform::remove(&plugin, &target, &release)
            }
        }
    };
    (health_check, $component:ty, $plugin:ty) => {
        impl bindings::checking::Guest for $component {
            fn check(
                target: $crate::Target,
                release: $crate::Release,
                settings: String,
            ) -> $crate::Result<$crate::Report> {
                let plugin = $crate::private::parse::<$plugin>(&settings)?;
                $crate::HealthCheck::check(&plugin, &target, &release)
            }
        }
    };
    (metric_source, $component:ty, $plugin:ty) => {
        impl bindings::measuring::Guest for $component {
            fn query(
                expression: String,
                window: $crate::Window,
                settings: String,
            ) -> $crate::Result<Option<f64>> {
                let plugin = $crate::private::parse::<$plugin>(&settings)?;
                $crate::MetricSource::query(&plugin, &expression, window)
            }

            fn series(
                expression: String,
                window: $crate::Window,
                step: u64,
                settings: String,
            ) -> $crate::Result<Vec<$crate::Sample>> {
                let plugin = $crate::private::parse::<$plugin>(&settings)?;
                $crate::MetricSource::series(&plugin, &expression, window, step)
            }
        }
    };
    (notifier, $component:ty, $plugin:ty) => {
        impl bindings::notifying::Guest for $component {
            fn notify(event: $crate::Event, settings: String) -> $crate::Result<()> {
                let plugin = $crate::private::parse::<$plugin>(&settings)?;
                $crate::Notifier::notify(&plugin, &event)
            }
        }
    };
    (step, $component:ty, $plugin:ty) => {
        impl bindings::working::Guest for $component {
            fn run(occasion: $crate::Occasion, settings: String) -> $crate::Result<String> {
                let plugin = $crate::private::parse::<$plugin>(&settings)?;
                $crate::Step::run(&plugin, &occasion).map(|outcome| outcome.to_string())
            }

            fn undo(
                occasion: $crate::Occasion,
                outcome: String,
                settings: String,
            ) -> $crate::Result<()> {
                let plugin = $crate::private::parse::<$plugin>(&settings)?;
                let outcome = $crate::private::outcome(&outcome)?;
                $crate::Step::undo(&plugin, &occasion, &outcome)
            }
        }
    };
    (secret_source, $component:ty, $plugin:ty) => {
        impl bindings::keeping::Guest for $component {
            fn fetch(name: String, settings: String) -> $crate::Result<$crate::Secret> {
                let plugin = $crate::private::parse::<$plugin>(&settings)?;
                $crate::SecretSource::fetch(&plugin, &name)
            }
        }
    };
}

/// The manifest's description.
pub fn description<P: Plugin>(name: &str, version: &str) -> Description {
    Description {
        name: name.into(),
        version: version.into(),
        summary: P::SUMMARY.into(),
        settings_schema: match P::SCHEMA {
            Some(schema) => schema.into(),
            None => settings::schema::<P>().to_string(),
        },
        requests: P::requests(),
        details: P::DETAILS.into(),
    }
}

/// The manifest's validation.
pub fn validate<P: Plugin>(settings: &str) -> Vec<Problem> {
    settings::problems::<P>(settings)
}

/// The outcome of a step, as it was kept.
pub fn outcome(text: &str) -> crate::Result<serde_json::Value> {
    Ok(serde_json::from_str(text)?)
}
