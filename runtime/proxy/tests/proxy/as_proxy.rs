//! This process as the proxy: understands what `Options::to_arguments` writes. For the tests and
//! the benchmark, which start themselves.

use std::{error::Error, io::Write, process::ExitCode, time::Duration};

use proxy::{Admin, Options, Tls};

/// Runs a proxy with these options.
pub(crate) fn run(arguments: &[&str]) -> ExitCode {
    // Standard error is the log here.
    let mut log = std::io::stderr();
    let Some(options) = read(arguments) else {
        let _ = writeln!(log, "not options: {arguments:?}");
        return ExitCode::FAILURE;
    };
    let Err(error) = proxy::run(options) else {
        let _ = writeln!(log, "ended in order");
        return ExitCode::SUCCESS;
    };
    let mut cause: Option<&dyn Error> = Some(&error);
    while let Some(error) = cause {
        let _ = writeln!(log, "{error}");
        cause = error.source();
    }
    ExitCode::FAILURE
}

fn read(arguments: &[&str]) -> Option<Options> {
    let mut options = Options::new(Vec::new(), Admin::Unix("unset".into()), "unset");
    let (mut certificate, mut key) = (None, None);
    let mut rest = arguments.iter();
    while let Some(name) = rest.next() {
        match *name {
            "--trust-forwarded" => options.trust_forwarded = true,
            "--take-over" => options.take_over = true,
            "--detach" => options.detach = true,
            valued => {
                let value = *rest.next()?;
                match valued {
                    "--listen" => options.listen.push(value.parse().ok()?),
                    "--admin" => options.admin = value.parse().ok()?,
                    "--state" => options.state = value.into(),
                    "--tls-certificate" => certificate = Some(value.into()),
                    "--tls-key" => key = Some(value.into()),
                    "--workers" => options.workers = Some(value.parse().ok()?),
                    "--grace" => options.grace = in_ms(value)?,
                    "--response-timeout" => options.response_timeout = in_ms(value)?,
                    _ => return None,
                }
            }
        }
    }
    let tls = certificate.zip(key);
    options.tls = tls.map(|(certificate, key)| Tls { certificate, key });
    Some(options)
}

fn in_ms(text: &str) -> Option<Duration> {
    Some(Duration::from_millis(
        text.strip_suffix("ms")?.parse().ok()?,
    ))
}
