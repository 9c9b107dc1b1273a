//! What a guest prints, as lines of the plugin's log; its input is empty.

use wasmtime::component::Resource;

use super::{
    clocks::Pollable,
    generated::wasi::{cli, io},
};
use crate::{
    logs::{self, Level},
    state::State,
};

/// Bytes that a guest may print at once.
const WRITE_MAX: u64 = 64 << 10;

/// What went wrong with a stream: nothing ever does.
pub enum StreamProblem {}

/// An input that is at its end.
pub struct InputStream;

/// An output that goes to the log.
pub struct OutputStream {
    level: Level,
    /// What was printed of a line that has not ended yet.
    line: Vec<u8>,
}

type Written = wasmtime::Result<Result<(), io::streams::StreamError>>;

impl State {
    async fn print(&mut self, stream: &Resource<OutputStream>, contents: Vec<u8>) -> Written {
        self.count()?;
        if contents.len() as u64 > WRITE_MAX {
            return Err(wasmtime::format_err!(
                "printed {} bytes at once",
                contents.len()
            ));
        }
        let output = self.table.get_mut(stream)?;
        output.line.extend(contents);
        let level = output.level;
        // A panic's message comes in pieces; a line is whole with its end, or when it is long.
        let whole = match output.line.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => output.line.drain(..=end).collect(),
            None if output.line.len() as u64 > WRITE_MAX => std::mem::take(&mut output.line),
            None => Vec::new(),
        };
        self.print_lines(level, &whole).await?;
        Ok(Ok(()))
    }
}

impl State {
    /// Each line on its own, but for the advice that nobody here can follow.
    async fn print_lines(&mut self, level: Level, bytes: &[u8]) -> wasmtime::Result<()> {
        for line in String::from_utf8_lossy(bytes).lines() {
            if !line.trim().is_empty() && !line.starts_with("note: run with `RUST_BACKTRACE") {
                logs::Host::write(self, level, line.to_owned(), Vec::new()).await?;
            }
        }
        Ok(())
    }
}

impl io::error::Host for State {}

impl io::error::HostError for State {
    async fn to_debug_string(&mut self, _: Resource<StreamProblem>) -> wasmtime::Result<String> {
        Ok(String::new())
    }

    async fn drop(&mut self, _: Resource<StreamProblem>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl io::streams::Host for State {}

impl io::streams::HostInputStream for State {
    async fn read(
        &mut self,
        _: Resource<InputStream>,
        _: u64,
    ) -> wasmtime::Result<Result<Vec<u8>, io::streams::StreamError>> {
        Ok(Err(io::streams::StreamError::Closed))
    }

    async fn blocking_read(
        &mut self,
        _: Resource<InputStream>,
        _: u64,
    ) -> wasmtime::Result<Result<Vec<u8>, io::streams::StreamError>> {
        Ok(Err(io::streams::StreamError::Closed))
    }

    async fn subscribe(
        &mut self,
        _: Resource<InputStream>,
    ) -> wasmtime::Result<Resource<Pollable>> {
        Ok(self.table.push(Pollable::READY)?)
    }

    async fn drop(&mut self, stream: Resource<InputStream>) -> wasmtime::Result<()> {
        self.table.delete(stream)?;
        Ok(())
    }
}

impl io::streams::HostOutputStream for State {
    async fn check_write(
        &mut self,
        _: Resource<OutputStream>,
    ) -> wasmtime::Result<Result<u64, io::streams::StreamError>> {
        Ok(Ok(WRITE_MAX))
    }

    async fn write(&mut self, stream: Resource<OutputStream>, contents: Vec<u8>) -> Written {
        self.print(&stream, contents).await
    }

    async fn blocking_write_and_flush(
        &mut self,
        stream: Resource<OutputStream>,
        contents: Vec<u8>,
    ) -> Written {
        self.print(&stream, contents).await
    }

    async fn flush(&mut self, _: Resource<OutputStream>) -> Written {
        Ok(Ok(()))
    }

    async fn blocking_flush(&mut self, _: Resource<OutputStream>) -> Written {
        Ok(Ok(()))
    }

    async fn subscribe(
        &mut self,
        _: Resource<OutputStream>,
    ) -> wasmtime::Result<Resource<Pollable>> {
        Ok(self.table.push(Pollable::READY)?)
    }

    async fn drop(&mut self, stream: Resource<OutputStream>) -> wasmtime::Result<()> {
        let output = self.table.delete(stream)?;
        self.print_lines(output.level, &output.line).await?;
        Ok(())
    }
}

impl cli::stdin::Host for State {
    async fn get_stdin(&mut self) -> wasmtime::Result<Resource<InputStream>> {
        Ok(self.table.push(InputStream)?)
    }
}

impl cli::stdout::Host for State {
    async fn get_stdout(&mut self) -> wasmtime::Result<Resource<OutputStream>> {
        Ok(self.table.push(OutputStream {
            level: Level::Info,
            line: Vec::new(),
        })?)
    }
}

impl cli::stderr::Host for State {
    async fn get_stderr(&mut self) -> wasmtime::Result<Resource<OutputStream>> {
        Ok(self.table.push(OutputStream {
            level: Level::Error,
            line: Vec::new(),
        })?)
    }
}
