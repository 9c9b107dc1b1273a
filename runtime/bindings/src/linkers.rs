//! One linker for each set of imports that a kind of plugin may have, built when first needed.

use std::sync::OnceLock;

use wasmtime::{
    Engine,
    component::{Component, HasSelf, Linker},
};

use crate::{
    analysis, artifact, call, clock, commands, course, files, health, http, instance::Linked,
    kind::Kind, locks, logs, machine, mail, releases, secrets, sockets, state::State, traffic,
    types, wasi,
};

/// Why a component does not fit the contract, in the runtime's words.
#[derive(Debug)]
pub struct LinkError(pub wasmtime::Error);

/// Joins components to the host.
pub struct Linkers {
    engine: Engine,
    strategy: OnceLock<Linker<State>>,
    worker: OnceLock<Linker<State>>,
    artifact: OnceLock<Linker<State>>,
}

impl Linkers {
    /// Linkers for components of this engine.
    pub fn new(engine: &Engine) -> Self {
        Self {
            engine: engine.clone(),
            strategy: OnceLock::new(),
            worker: OnceLock::new(),
            artifact: OnceLock::new(),
        }
    }

    /// Joins a component of a kind to the host. Imports of WASI are answered by an empty one.
    ///
    /// Fails where the component imports or exports something else than its kind does.
    pub fn link(&self, component: &Component, kind: Kind) -> Result<Linked, LinkError> {
        let shared = match kind {
            Kind::Strategy => self.strategy.get_or_init(|| strategy(&self.engine)),
            Kind::Platform | Kind::Step => self.artifact.get_or_init(|| {
                let mut linker = worker(&self.engine);
                built(artifact::add_to_linker::<_, HasSelf<_>>(
                    &mut linker,
                    |state| state,
                ));
                linker
            }),
            _ => self.worker.get_or_init(|| worker(&self.engine)),
        };
        let has_wasi = component
            .component_type()
            .imports(&self.engine)
            .any(|(name, _)| name.starts_with("wasi:"));
        let pre = if has_wasi {
            let mut linker = shared.clone();
            wasi::add_to_linker(&mut linker).map_err(LinkError)?;
            wasi::trap_the_rest(&mut linker, component, &self.engine).map_err(LinkError)?;
            linker.instantiate_pre(component)
        } else {
            shared.instantiate_pre(component)
        };
        Linked::new(pre.map_err(LinkError)?, kind).map_err(LinkError)
    }
}

fn get(state: &mut State) -> &mut State {
    state
}

/// A linker takes a name twice only by our own mistake.
fn built(result: wasmtime::Result<()>) {
    result.expect("every interface is added once");
}

fn strategy(engine: &Engine) -> Linker<State> {
    let mut linker = Linker::new(engine);
    built(types::add_to_linker::<_, HasSelf<_>>(&mut linker, get));
    built(logs::add_to_linker::<_, HasSelf<_>>(&mut linker, get));
    built(releases::add_to_linker::<_, HasSelf<_>>(&mut linker, get));
    built(traffic::add_to_linker::<_, HasSelf<_>>(&mut linker, get));
    built(health::add_to_linker::<_, HasSelf<_>>(&mut linker, get));
    built(analysis::add_to_linker::<_, HasSelf<_>>(&mut linker, get));
    built(course::add_to_linker::<_, HasSelf<_>>(&mut linker, get));
    linker
}

fn worker(engine: &Engine) -> Linker<State> {
    let mut linker = Linker::new(engine);
    built(types::add_to_linker::<_, HasSelf<_>>(&mut linker, get));
    built(logs::add_to_linker::<_, HasSelf<_>>(&mut linker, get));
    built(clock::add_to_linker::<_, HasSelf<_>>(&mut linker, get));
    built(call::add_to_linker::<_, HasSelf<_>>(&mut linker, get));
    built(http::add_to_linker::<_, HasSelf<_>>(&mut linker, get));
    built(files::add_to_linker::<_, HasSelf<_>>(&mut linker, get));
    built(commands::add_to_linker::<_, HasSelf<_>>(&mut linker, get));
    built(machine::add_to_linker::<_, HasSelf<_>>(&mut linker, get));
    built(locks::add_to_linker::<_, HasSelf<_>>(&mut linker, get));
    built(sockets::add_to_linker::<_, HasSelf<_>>(&mut linker, get));
    built(secrets::add_to_linker::<_, HasSelf<_>>(&mut linker, get));
    built(mail::add_to_linker::<_, HasSelf<_>>(&mut linker, get));
    linker
}
