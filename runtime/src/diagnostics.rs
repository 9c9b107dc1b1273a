//! What the program's parts say about themselves, beside its results: lines on standard error.

use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    fmt,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// Says what to print: a level, or `part=level,...` (`machines=debug`).
const VARIABLE: &str = "RUNTIME_LOG";

/// Prints from here on what is at least of this level, or what the environment asks for. A value
/// there that says nothing known is passed over.
pub(crate) fn print(level: LevelFilter) {
    let asked = std::env::var(VARIABLE).ok();
    let asked = asked.and_then(|asked| asked.parse::<Targets>().ok());
    let wanted = asked.unwrap_or_else(|| Targets::new().with_default(level));
    // Standard error may be a terminal that is gone: nothing can be said of that there.
    let lines = fmt::layer()
        .with_writer(std::io::stderr)
        .log_internal_errors(false);
    tracing_subscriber::registry()
        .with(lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())))
        .with(wanted)
        .init();
}
