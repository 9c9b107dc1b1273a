//! Accepts connections until the application is told to stop, then lets what is under way end.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use crate::{Problem, pages::Application};

/// How long requests under way may take once the application is told to stop.
const STOPPING: Duration = Duration::from_secs(20);

/// Serves until SIGTERM or SIGINT. Then it accepts no more connections, closes those that are
/// idle, and waits for the requests under way.
#[expect(clippy::print_stdout, reason = "its standard output is its log")]
pub(crate) async fn until_terminated(
    listen: SocketAddr,
    application: Arc<Application>,
) -> Result<(), Problem> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Problem::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Problem::Signals)?;
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|e| Problem::Listen(listen, e))?;
    let address = listener
        .local_addr()
        .map_err(|e| Problem::Listen(listen, e))?;
    println!("{} listens on {address}", application.introduction());

    let connections = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        };
        // What `accept` can fail with concerns one connection, or passes.
        let Ok((stream, _)) = accepted else { continue };
        // Small answers must not wait for the acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        let application = Arc::clone(&application);
        let service = service_fn(move |request| {
            let application = Arc::clone(&application);
            async move { Ok::<_, Infallible>(application.answer(request).await) }
        });
        let mut server = auto::Builder::new(TokioExecutor::new()).http1_only();
        server.http1().timer(TokioTimer::new());
        let connection = server.serve_connection_with_upgrades(TokioIo::new(stream), service);
        tokio::spawn(connections.watch(connection.into_owned()));
    }

    drop(listener);
    println!("{} stops", application.introduction());
    application.stopping.cancel();
    // What is not done by then is cut.
    application.sockets.close();
    let ended = async { tokio::join!(connections.shutdown(), application.sockets.wait()) };
    let _ = tokio::time::timeout(STOPPING, ended).await;
    Ok(())
}
