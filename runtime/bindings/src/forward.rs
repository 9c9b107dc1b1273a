//! The generated traits, for [`State`]: each call is counted against the bounds and passed on to
//! whoever answers.

use wasmtime::component::Resource;

use crate::{
    analysis, artifact, call,
    calls::{HeldLock, Outcome},
    clock, commands, course, files, health, http, locks, logs, machine, mail, releases, secrets,
    sockets,
    state::{Calls, State},
    traffic, types,
};

/// Passes calls on: `worker read(path: String) -> Vec<u8>;` for one that may fail in the
/// contract's way, with `= T` in place of `-> T` for one that cannot.
macro_rules! forward {
    ($side:ident: $($name:ident => $to:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        $(
            async fn $name(&mut self, $($argument: $type),*) -> $answer {
                self.count()?;
                let answer = self.$side()?.$to($($argument),*).await;
                self.resume();
                answer
            }
        )*
    };
}

/// Passes calls on that are answered at once.
macro_rules! forward_at_once {
    ($side:ident: $($name:ident => $to:ident() -> $answer:ty;)*) => {
        $(
            async fn $name(&mut self) -> wasmtime::Result<$answer> {
                self.count()?;
                Ok(self.$side()?.$to())
            }
        )*
    };
}

impl types::Host for State {}

impl logs::Host for State {
    async fn write(
        &mut self,
        level: logs::Level,
        message: String,
        fields: Vec<(String, String)>,
    ) -> wasmtime::Result<()> {
        self.count()?;
        self.remember(level, &message);
        match &mut self.calls {
            Calls::Nobody => {}
            Calls::Worker(calls) => calls.log(level, message, fields),
            Calls::Strategy(calls) => calls.log(level, message, fields),
        }
        Ok(())
    }
}

impl clock::Host for State {
    forward_at_once! { worker:
        now => now() -> u64;
    }

    async fn sleep(&mut self, milliseconds: u64) -> wasmtime::Result<()> {
        self.count()?;
        self.worker()?.sleep(milliseconds).await;
        self.resume();
        Ok(())
    }
}

impl call::Host for State {
    forward_at_once! { worker:
        id => call_id() -> String;
        attempt => attempt() -> u32;
        deadline => deadline() -> u64;
        token => token() -> u64;
    }

    forward! { worker:
        note => note(key: String) -> wasmtime::Result<Option<String>>;
        set_note => set_note(key: String, value: String) -> wasmtime::Result<()>;
    }
}

impl http::Host for State {
    forward! { worker:
        send => send(request: http::Request) -> Outcome<http::Response>;
    }
}

impl files::Host for State {
    forward! { worker:
        read => read(path: String) -> Outcome<Vec<u8>>;
        write => write(path: String, contents: Vec<u8>) -> Outcome<()>;
        stat => stat(path: String) -> Outcome<Option<files::Entry>>;
        list => list(path: String) -> Outcome<Vec<files::Entry>>;
        create_directory => create_directory(path: String) -> Outcome<()>;
        link => link(path: String, points_to: String) -> Outcome<()>;
        read_link => read_link(path: String) -> Outcome<String>;
        rename => rename(from: String, to: String) -> Outcome<()>;
        remove => remove(path: String) -> Outcome<()>;
    }
}

impl commands::Host for State {
    forward! { worker:
        run => run(command: commands::Command) -> Outcome<commands::Output>;
    }
}

impl machine::Host for State {
    forward! { worker:
        perform => perform(actions: Vec<machine::Action>) -> Outcome<Vec<commands::Output>>;
    }
}

impl locks::Host for State {
    async fn acquire(&mut self, name: String, wait: u64) -> Outcome<Resource<HeldLock>> {
        self.count()?;
        let answer = self.worker()?.acquire(name, wait).await;
        self.resume();
        match answer? {
            Ok(lock) => Ok(Ok(self.table.push(lock)?)),
            Err(failure) => Ok(Err(failure)),
        }
    }
}

impl locks::HostLock for State {
    async fn name(&mut self, lock: Resource<HeldLock>) -> wasmtime::Result<String> {
        self.count()?;
        Ok(self.table.get(&lock)?.name.clone())
    }

    async fn drop(&mut self, lock: Resource<HeldLock>) -> wasmtime::Result<()> {
        let lock = self.table.delete(lock)?;
        lock.lease.release().await;
        self.resume();
        Ok(())
    }
}

impl sockets::Host for State {
    forward! { worker:
        connect => connect(endpoint: String, timeout: u64) -> Outcome<()>;
        exchange => exchange(endpoint: String, payload: Vec<u8>, timeout: u64) -> Outcome<Vec<u8>>;
        converse => converse(
            endpoint: String, payload: Vec<u8>, until: Vec<u8>, timeout: u64
        ) -> Outcome<Vec<u8>>;
    }
}

impl secrets::Host for State {
    forward! { worker:
        reveal => reveal(name: String) -> Outcome<String>;
    }
}

impl mail::Host for State {
    forward! { worker:
        send => mail(message: mail::Message) -> Outcome<()>;
    }
}

impl artifact::Host for State {
    forward! { worker:
        reference => reference(release: String) -> Outcome<String>;
        unpack => unpack(release: String, path: String) -> Outcome<()>;
        copy => copy(release: String, path: String) -> Outcome<()>;
    }
}

impl releases::Host for State {
    forward! { strategy:
        install => install(targets: Vec<String>) -> Outcome<()>;
        activate => activate(targets: Vec<String>) -> Outcome<()>;
    }
}

impl traffic::Host for State {
    forward! { strategy:
        current => current() -> Outcome<Vec<traffic::Share>>;
        split => split(shares: Vec<traffic::Share>) -> Outcome<()>;
        drain => drain(targets: Vec<String>, timeout: Option<u64>) -> Outcome<()>;
        restore => restore(targets: Vec<String>) -> Outcome<()>;
    }
}

impl health::Host for State {
    forward! { strategy:
        wait => await_healthy(targets: Vec<String>, timeout: Option<u64>) -> Outcome<()>;
    }
}

impl analysis::Host for State {
    forward! { strategy:
        watch => watch(
            candidate: Vec<String>, baseline: Vec<String>, duration: u64
        ) -> Outcome<analysis::Verdict>;
    }
}

impl course::Host for State {
    forward! { strategy:
        begin => begin(stage: String) -> wasmtime::Result<()>;
        wait => wait(duration: Option<u64>) -> Outcome<()>;
        approval => approval(question: String, timeout: Option<u64>) -> Outcome<()>;
        now => now() -> wasmtime::Result<u64>;
    }
}
