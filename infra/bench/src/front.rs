//! API Gateway and Lambda, as far as a function sees them: real HTTP requests come in, each becomes an event for a
//! process of the function, and its answer goes out as HTTP.
//!
//! As on Lambda a process has one event at a time. One that is idle gets the next, the last used first; without any a
//! new one is started. The emulator's own Lambda waits up to 100 ms for what a function logs, so nothing can be measured
//! through it.

mod event;
mod runtime;

use std::{collections::BTreeMap, convert::Infallible, io, net::SocketAddr, path::PathBuf, sync::Arc};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{Request, Response, StatusCode, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, task::JoinHandle};

use self::{event::Origin, runtime::Pool};

/// What API Gateway takes (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html>).
const MAX_REQUEST_BYTES: usize = 10_000_000;
/// What Lambda takes: 6 MB, and it means mebibytes
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
const MAX_EVENT_BYTES: usize = 6 * 1024 * 1024;

/// How a function is started.
#[derive(Debug, Clone)]
pub struct Function {
    /// Its program.
    pub binary: PathBuf,
    /// All of its environment but the runtime API's address.
    pub environment: BTreeMap<String, String>,
    /// Where its output goes.
    pub log: PathBuf,
}

/// An HTTP server of one function. Its end is that of the function's processes.
#[derive(Debug)]
pub struct Front {
    address: SocketAddr,
    pool: Arc<Pool>,
    server: JoinHandle<()>,
}

impl Front {
    /// Listens on a free port of this machine. `resource` is the first segment of the paths that are the function's.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start(function: Function, resource: &'static str) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let pool = Arc::new(Pool::new(function));
        let server = tokio::spawn(serve(listener, resource, Arc::clone(&pool)));
        Ok(Self { address, pool, server })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The ids of the function's processes.
    pub fn processes(&self) -> Vec<String> {
        self.pool.processes()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.server.abort();
        self.pool.end();
    }
}

async fn serve(listener: TcpListener, resource: &'static str, pool: Arc<Pool>) {
    while let Ok((connection, peer)) = listener.accept().await {
        // head and body are two writes, of which the second must not wait
        let _ = connection.set_nodelay(true);
        let pool = Arc::clone(&pool);
        let answer = service_fn(move |request| {
            let (pool, origin) = (Arc::clone(&pool), Origin { resource, address: peer.ip() });
            async move { Ok::<_, Infallible>(answer(request, origin, pool).await) }
        });
        let connection =
            http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(connection), answer);
        // a client that goes away is no fault
        tokio::spawn(async move { connection.await.ok() });
    }
}

async fn answer(request: Request<Incoming>, origin: Origin, pool: Arc<Pool>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let body = match Limited::new(body, MAX_REQUEST_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return refusal(StatusCode::PAYLOAD_TOO_LARGE),
        Err(_) => return refusal(StatusCode::BAD_REQUEST),
    };
    let Some(event) = event::of(&parts, &body, &origin) else { return refusal(StatusCode::NOT_FOUND) };
    drop(body);
    if event.len() > MAX_EVENT_BYTES {
        return refusal(StatusCode::PAYLOAD_TOO_LARGE);
    }
    // a function goes on when its caller has gone
    let invocation = tokio::spawn(async move { pool.invoke(event).await });
    let answered = invocation.await.ok().and_then(Result::ok).and_then(|answer| event::answer(&answer));
    answered.unwrap_or_else(|| refusal(StatusCode::INTERNAL_SERVER_ERROR))
}

/// As API Gateway words it.
fn refusal(status: StatusCode) -> Response<Full<Bytes>> {
    let message = status.canonical_reason().unwrap_or_default();
    let mut response = Response::new(Full::from(format!("{{\"message\":\"{message}\"}}")));
    *response.status_mut() = status;
    response
}
