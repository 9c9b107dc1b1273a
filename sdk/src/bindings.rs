//! What wit-bindgen makes of `wit/`: everything that plugins import once, and each world's
//! exports on the same types. The modules beside this one are the face; only the export macro
//! and the curious come here.

#![expect(
    missing_docs,
    reason = "generated from wit/, which has the documentation"
)]

/// Everything that any plugin can import.
pub mod imports {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "
            package deploy:sdk;
            world imports {
                import deploy:plugin/logs@0.1.0;
                import deploy:plugin/clock@0.1.0;
                import deploy:plugin/call@0.1.0;
                import deploy:plugin/http@0.1.0;
                import deploy:plugin/files@0.1.0;
                import deploy:plugin/commands@0.1.0;
                import deploy:plugin/machine@0.1.0;
                import deploy:plugin/locks@0.1.0;
                import deploy:plugin/sockets@0.1.0;
                import deploy:plugin/secrets@0.1.0;
                import deploy:plugin/mail@0.1.0;
                import deploy:plugin/artifact@0.1.0;
                import deploy:plugin/releases@0.1.0;
                import deploy:plugin/traffic@0.1.0;
                import deploy:plugin/health@0.1.0;
                import deploy:plugin/analysis@0.1.0;
                import deploy:plugin/course@0.1.0;
            }
        ",
        generate_all,
        additional_derives: [PartialEq],
        generate_unused_types: true,
        pub_export_macro: true,
    });
    pub use deploy::plugin::*;
}

macro_rules! exports {
    ($module:ident, $inline:literal) => {
        pub mod $module {
            wit_bindgen::generate!({
                path: "../wit",
                inline: $inline,
                pub_export_macro: true,
                additional_derives: [PartialEq],
                with: { "deploy:plugin/types@0.1.0": crate::bindings::imports::types },
            });
            pub use exports::deploy::plugin::*;
        }
    };
}

// One world per interface, not the worlds of `wit/`: they all export `manifest`, whose macro
// can be defined only once. A component is the union of the worlds that its crate exports.
exports!(
    manifest,
    "package deploy:sdk; world describing { export deploy:plugin/manifest@0.1.0; }"
);
exports!(
    strategy,
    "package deploy:sdk; world strategy { export deploy:plugin/deployment-strategy@0.1.0; }"
);
exports!(
    load_balancer,
    "package deploy:sdk; world load-balancer { export deploy:plugin/balancing@0.1.0; }"
);
exports!(
    platform,
    "package deploy:sdk; world platform { export deploy:plugin/hosting@0.1.0; }"
);
exports!(
    health_check,
    "package deploy:sdk; world health-check { export deploy:plugin/checking@0.1.0; }"
);
exports!(
    metric_source,
    "package deploy:sdk; world metric-source { export deploy:plugin/measuring@0.1.0; }"
);
exports!(
    notifier,
    "package deploy:sdk; world notifier { export deploy:plugin/notifying@0.1.0; }"
);
exports!(
    step,
    "package deploy:sdk; world step { export deploy:plugin/working@0.1.0; }"
);
exports!(
    secret_source,
    "package deploy:sdk; world secret-source { export deploy:plugin/keeping@0.1.0; }"
);
