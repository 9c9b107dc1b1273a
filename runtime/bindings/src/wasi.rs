//! An empty WASI 0.2 for components that import it all the same: no environment, no arguments,
//! no directories, no sockets. What is printed goes to the plugin's log; clocks and sleeping are
//! the host's. A strategy gets the same randomness on every run, so that it can be replayed.

mod clocks;
mod streams;

use wasmtime::{
    Engine, StoreContextMut,
    component::{Component, HasSelf, Linker, Resource, ResourceType, Val, types::ComponentItem},
};

use crate::state::{Calls, State};

pub use clocks::Pollable;
pub use streams::{InputStream, OutputStream, StreamProblem};

mod generated {
    wasmtime::component::bindgen!({
        path: "wasi",
        world: "runtime:wasi/empty",
        imports: { default: async | trappable },
        with: {
            "wasi:io/error.error": super::StreamProblem,
            "wasi:io/poll.pollable": super::Pollable,
            "wasi:io/streams.input-stream": super::InputStream,
            "wasi:io/streams.output-stream": super::OutputStream,
            "wasi:cli/terminal-input.terminal-input": super::Never,
            "wasi:cli/terminal-output.terminal-output": super::Never,
            "wasi:filesystem/types.descriptor": super::Never,
        },
    });
}

use generated::wasi::{cli, filesystem, random};

/// A resource of which there is none.
pub enum Never {}

/// The longest run of random bytes that is given out at once: enough for any key.
const RANDOM_BYTES_MAX: u64 = 64 << 10;

/// Adds all of it to a linker.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    generated::Empty::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
}

/// The version that the interfaces here are bound in; it fits every other 0.2.
const VERSION: &str = "0.2.0";

/// The interfaces that there are, all of them with functions left out.
const THERE: [&str; 20] = [
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/stderr",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:cli/terminal-stderr",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:random/random",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:filesystem/types",
    "wasi:filesystem/preopens",
];

/// Puts a trap behind everything else that a component imports of WASI: it need not call it.
pub(crate) fn trap_the_rest(
    linker: &mut Linker<State>,
    component: &Component,
    engine: &Engine,
) -> wasmtime::Result<()> {
    let mut seen = Vec::new();
    for (import, item) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(interface) = item.ty else {
            continue;
        };
        let Some((name, _)) = import
            .split_once('@')
            .filter(|_| import.starts_with("wasi:"))
        else {
            continue;
        };
        let bound = format!("{name}@{VERSION}");
        let place = if THERE.contains(&name) {
            bound.as_str()
        } else {
            import
        };
        let mut instance = linker.instance(place)?;
        for (function, item) in interface.exports(engine) {
            // What is there already stays, and says so with an error.
            match item.ty {
                ComponentItem::ComponentFunc(_) => {
                    let called = format!("{name}#{function}");
                    let trap = move |_: StoreContextMut<'_, State>, _, _: &[Val], _: &mut [Val]| {
                        Err(wasmtime::format_err!(
                            "called {called}, and has no such thing"
                        ))
                    };
                    let _ = instance.func_new(function, trap);
                }
                // One that an interface took over from another is known from there.
                ComponentItem::Resource(resource) if !seen.contains(&resource) => {
                    seen.push(resource);
                    let none = ResourceType::host::<Never>();
                    let _ = instance.resource(function, none, |_, _| Ok(()));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

impl cli::environment::Host for State {
    async fn get_environment(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(Vec::new())
    }

    async fn get_arguments(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(Vec::new())
    }

    async fn initial_cwd(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(None)
    }
}

impl cli::exit::Host for State {
    async fn exit(&mut self, status: Result<(), ()>) -> wasmtime::Result<()> {
        let how = if status.is_ok() {
            "with success"
        } else {
            "with a failure"
        };
        Err(wasmtime::format_err!(
            "ended itself {how}, in place of answering"
        ))
    }
}

impl cli::terminal_input::Host for State {}

impl cli::terminal_input::HostTerminalInput for State {
    async fn drop(&mut self, _: Resource<Never>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl cli::terminal_output::Host for State {}

impl cli::terminal_output::HostTerminalOutput for State {
    async fn drop(&mut self, _: Resource<Never>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl cli::terminal_stdin::Host for State {
    async fn get_terminal_stdin(&mut self) -> wasmtime::Result<Option<Resource<Never>>> {
        Ok(None)
    }
}

impl cli::terminal_stdout::Host for State {
    async fn get_terminal_stdout(&mut self) -> wasmtime::Result<Option<Resource<Never>>> {
        Ok(None)
    }
}

impl cli::terminal_stderr::Host for State {
    async fn get_terminal_stderr(&mut self) -> wasmtime::Result<Option<Resource<Never>>> {
        Ok(None)
    }
}

impl filesystem::types::Host for State {}

impl filesystem::types::HostDescriptor for State {
    async fn drop(&mut self, _: Resource<Never>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl filesystem::preopens::Host for State {
    async fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Never>, String)>> {
        Ok(Vec::new())
    }
}

impl State {
    fn random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        self.count()?;
        if length > RANDOM_BYTES_MAX {
            return Err(wasmtime::format_err!(
                "asked for {length} random bytes at once"
            ));
        }
        let mut bytes = vec![0; usize::try_from(length)?];
        match self.calls {
            Calls::Worker(_) => getrandom::fill(&mut bytes)
                .map_err(|error| wasmtime::format_err!("no randomness to be had: {error}"))?,
            Calls::Nobody | Calls::Strategy(_) => self.repeatable.fill(&mut bytes),
        }
        Ok(bytes)
    }

    fn random_number(&mut self) -> wasmtime::Result<u64> {
        let bytes = self.random_bytes(8)?;
        Ok(bytes
            .iter()
            .fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }
}

impl random::random::Host for State {
    async fn get_random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        self.random_bytes(length)
    }

    async fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        self.random_number()
    }
}

impl random::insecure::Host for State {
    async fn get_insecure_random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        self.random_bytes(length)
    }

    async fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        self.random_number()
    }
}

impl random::insecure_seed::Host for State {
    async fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        Ok((self.random_number()?, self.random_number()?))
    }
}

/// Numbers that look random and are the same in every run (SplitMix64).
#[derive(Default)]
pub(crate) struct Repeatable(u64);

impl Repeatable {
    fn fill(&mut self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(8) {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut mixed = self.0;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            mixed ^= mixed >> 31;
            part.copy_from_slice(&mixed.to_le_bytes()[..part.len()]);
        }
    }
}
