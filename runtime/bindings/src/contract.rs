//! Everything that `wit/` says, bound once: one world that imports and exports what any kind
//! of plugin does, so that all kinds share their types. Which parts a plugin of one kind may
//! import is up to [`crate::Linkers`].

wasmtime::component::bindgen!({
    path: "../../wit",
    inline: "
        package deploy:host;

        world everything {
            include deploy:plugin/strategy@0.1.0;
            include deploy:plugin/load-balancer@0.1.0;
            include deploy:plugin/platform@0.1.0;
            include deploy:plugin/health-check@0.1.0;
            include deploy:plugin/metric-source@0.1.0;
            include deploy:plugin/notifier@0.1.0;
            include deploy:plugin/step@0.1.0;
            include deploy:plugin/secret-source@0.1.0;
        }
    ",
    world: "everything",
    imports: { default: async | trappable },
    exports: { default: async },
    with: { "deploy:plugin/locks.lock": crate::calls::HeldLock },
    additional_derives: [PartialEq],
});
