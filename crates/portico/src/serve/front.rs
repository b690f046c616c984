//! The two ways in, 443 and the Unix socket: each request goes to the gateway or the portal.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::body::Body;
use http::{Request, Response};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use portico_net::{
    TcpListener,
    tasks::{ShutdownToken, Tasks},
    unix::UnixListener,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Semaphore,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

/// Connections that may be open at once, WebSockets not counted: those are the gateway's.
pub(super) const CONNECTIONS_MAX: usize = 20_000;
/// Time for the TLS handshake.
const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for a request's head; the first must be there so long after the handshake.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection whose requests are all answered is closed when no other comes for so long. What
/// is still on its way to the client then is cut off.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);
/// Time that open requests get when Portico stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);
/// Pause after the system refused to accept, so that a full descriptor table does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where a request came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// Over the network, with the address of the other end.
    Network(SocketAddr),
    /// Over the Unix socket, by a process of this user id.
    Local {
        /// The user id, as the kernel says.
        uid: u32,
    },
}

/// What answers requests.
pub(super) trait Answer: Clone + Send + Sync + 'static {
    /// Answers one request.
    fn answer(
        &self,
        request: Request<Incoming>,
        origin: Origin,
    ) -> impl Future<Output = Response<Body>> + Send;
}

/// Accepts TLS connections until shutdown.
pub(super) async fn serve_tls<A: Answer>(
    listener: TcpListener,
    tls: Arc<rustls::ServerConfig>,
    app: A,
    shutdown: ShutdownToken,
) {
    let acceptor = TlsAcceptor::from(tls);
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let connections = Tasks::under("front", &shutdown);
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            break;
        };
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "Could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (acceptor, app, stop) = (acceptor.clone(), app.clone(), connections.shutdown_token());
        connections.spawn("connection", async move {
            let _slot = slot;
            match timeout(TLS_HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => serve_one(stream, app, Origin::Network(peer), stop).await,
                Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake failed"),
                Err(_) => tracing::debug!(%peer, "TLS handshake took too long"),
            }
        });
    }
    connections.join(DRAIN_TIMEOUT).await;
}

/// Accepts local connections until shutdown.
pub(super) async fn serve_unix<A: Answer>(listener: UnixListener, app: A, shutdown: ShutdownToken) {
    let connections = Tasks::under("local", &shutdown);
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, uid)) => {
                let (app, stop) = (app.clone(), connections.shutdown_token());
                connections.spawn(
                    "connection",
                    serve_one(stream, app, Origin::Local { uid }, stop),
                );
            }
            Err(error) => {
                tracing::warn!(%error, "Could not accept a local connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    connections.join(DRAIN_TIMEOUT).await;
}

async fn serve_one<S, A>(stream: S, app: A, origin: Origin, stop: ShutdownToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Answer,
{
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT);
    server
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(128);
    let traffic = Arc::new(Traffic::default());
    let seen = Arc::clone(&traffic);
    let service = service_fn(move |request| {
        let app = app.clone();
        let waiting = traffic.begin();
        async move {
            let answer = app.answer(request, origin).await;
            drop(waiting);
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = server.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        () = seen.idle() => {
            tracing::debug!(?origin, "Idle connection is closed");
            connection.as_mut().graceful_shutdown();
            match timeout(DRAIN_TIMEOUT, connection).await {
                Ok(outcome) => outcome,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(?origin, %error, "Connection ended early");
    }
}

/// Requests of one connection. The library's own timeouts begin with a request's first bytes and
/// know nothing of HTTP/2: a client that says nothing, or half a preface, would stay for ever.
#[derive(Debug, Default)]
struct Traffic {
    came: AtomicU64,
    waiting: AtomicU64,
}

/// A request that waits for its answer.
struct Waiting(Arc<Traffic>);

impl Traffic {
    fn begin(self: &Arc<Self>) -> Waiting {
        self.came.fetch_add(1, Ordering::Relaxed);
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(Arc::clone(self))
    }

    /// Resolves when the connection is not worth keeping.
    async fn idle(&self) {
        tokio::time::sleep(HEAD_TIMEOUT).await;
        let mut seen = self.came.load(Ordering::Relaxed);
        while seen > 0 {
            tokio::time::sleep(IDLE_TIMEOUT).await;
            let came = self.came.load(Ordering::Relaxed);
            if came == seen && self.waiting.load(Ordering::Relaxed) == 0 {
                return;
            }
            seen = came;
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
        task::JoinHandle,
        time::Instant,
    };

    use super::*;

    /// Answers after a while.
    #[derive(Clone)]
    struct After(Duration);

    impl Answer for After {
        async fn answer(&self, _: Request<Incoming>, _: Origin) -> Response<Body> {
            tokio::time::sleep(self.0).await;
            Response::new(Body::from("done"))
        }
    }

    fn connect(answer: After) -> (DuplexStream, JoinHandle<()>) {
        let (client, server) = tokio::io::duplex(64 * 1024);
        let origin = Origin::Local { uid: 0 };
        let serving = serve_one(server, answer, origin, ShutdownToken::new());
        (client, tokio::spawn(serving))
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_sends_no_request_is_dropped() {
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        for sent in [&b""[..], b"PRI * HTT", preface, b"GET / HTTP/1.1\r\nHost"] {
            let begun = Instant::now();
            let (mut client, serving) = connect(After(Duration::ZERO));
            client.write_all(sent).await.unwrap();
            serving.await.unwrap();
            let text = String::from_utf8_lossy(sent);
            assert!(begun.elapsed() <= HEAD_TIMEOUT + DRAIN_TIMEOUT, "{text:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_waits_for_its_answer_is_not_idle() {
        let (mut client, serving) = connect(After(IDLE_TIMEOUT * 3));
        let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        client.write_all(request).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("done"), "{answer}");
        serving.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn an_http_2_connection_without_further_requests_is_closed() {
        let begun = Instant::now();
        let (client, serving) = connect(After(Duration::ZERO));
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(client))
                .await
                .unwrap();
        let connection = tokio::spawn(connection);
        let request = Request::get("https://a/").body(Body::empty()).unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.status(), http::StatusCode::OK);
        serving.await.unwrap();
        assert!(begun.elapsed() >= IDLE_TIMEOUT);
        assert!(begun.elapsed() <= HEAD_TIMEOUT + IDLE_TIMEOUT * 2 + DRAIN_TIMEOUT);
        connection.await.unwrap().unwrap();
    }
}
