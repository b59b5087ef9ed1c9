//! A reverse proxy before the emulator that counts: which calls servers make, and the bytes that go with them.
//!
//! Requests pass as they are signed, their `host` included. A connection of a server is one to the
//! emulator.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use http_body_util::{BodyExt, Empty, combinators::BoxBody};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode, Uri,
    body::{Bytes, Incoming},
    client::conn::http1 as client,
    header,
    server::conn::http1 as server,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Mutex as AsyncMutex,
    task::JoinHandle,
};

/// Calls of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Count {
    /// How many, the refused included.
    pub calls: u64,
    /// Of request bodies, without the framing of `aws-chunked`.
    pub sent_bytes: u64,
    /// Of response bodies.
    pub received_bytes: u64,
    /// From the end of a request's head to that of its answer's, summed up.
    pub milliseconds: f64,
}

impl Count {
    const fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.sent_bytes += other.sent_bytes;
        self.received_bytes += other.received_bytes;
        self.milliseconds += other.milliseconds;
    }
}

/// Service, then operation.
pub type Calls = BTreeMap<String, BTreeMap<String, Count>>;

/// The sum of a service's calls.
pub fn sum(calls: &Calls, service: &str) -> Count {
    let mut sum = Count::default();
    for count in calls.get(service).into_iter().flat_map(BTreeMap::values) {
        sum.add(*count);
    }
    sum
}

/// A running proxy.
#[derive(Debug)]
pub struct CountingProxy {
    address: SocketAddr,
    calls: Arc<Mutex<Calls>>,
    server: JoinHandle<()>,
}

impl CountingProxy {
    /// Listens on a free port of this machine.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start(upstream: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let calls = Arc::default();
        let server = tokio::spawn(serve(listener, upstream, Arc::clone(&calls)));
        Ok(Self { address, calls, server })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What was called since the last time.
    pub fn take(&self) -> Calls {
        std::mem::take(&mut self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for CountingProxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, upstream: SocketAddr, calls: Arc<Mutex<Calls>>) {
    while let Ok((connection, _)) = listener.accept().await {
        // head and body are two writes, of which the second must not wait
        let _ = connection.set_nodelay(true);
        let upstream = Arc::new(Upstream { address: upstream, connection: AsyncMutex::new(None) });
        let calls = Arc::clone(&calls);
        let forward = service_fn(move |request| {
            let (upstream, calls) = (Arc::clone(&upstream), Arc::clone(&calls));
            async move { Ok::<_, Infallible>(forward(request, &upstream, &calls).await) }
        });
        let connection = server::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(connection), forward);
        // a server that hangs up is no fault
        tokio::spawn(async move { connection.await.ok() });
    }
}

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// The emulator, for one connection of a server.
struct Upstream {
    address: SocketAddr,
    connection: AsyncMutex<Option<client::SendRequest<Incoming>>>,
}

impl Upstream {
    async fn send(&self, request: Request<Incoming>) -> Result<Response<Incoming>, Fault> {
        let mut connection = self.connection.lock().await;
        let ready = match connection.as_mut() {
            Some(sender) => sender.ready().await.is_ok(),
            None => false,
        };
        if !ready {
            *connection = None;
        }
        let sender = match connection.as_mut() {
            Some(sender) => sender,
            None => connection.insert(connect(self.address).await?),
        };
        Ok(sender.send_request(request).await?)
    }
}

async fn connect(address: SocketAddr) -> Result<client::SendRequest<Incoming>, Fault> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = client::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move { connection.await.ok() });
    Ok(sender)
}

async fn forward(
    mut request: Request<Incoming>,
    upstream: &Upstream,
    calls: &Mutex<Calls>,
) -> Response<BoxBody<Bytes, hyper::Error>> {
    // `expect` is answered here by reading the body, and each of the two connections has its own life
    request.headers_mut().remove(header::EXPECT);
    request.headers_mut().remove(header::CONNECTION);
    let (service, operation) = operation(request.method(), request.uri(), request.headers());
    let is_head = request.method() == Method::HEAD;
    let sent_bytes = body_length(request.headers());
    let sent_at = Instant::now();
    let response = upstream.send(request).await;
    let milliseconds = sent_at.elapsed().as_secs_f64() * 1000.0;
    let received_bytes = match &response {
        Ok(response) if !is_head => body_length(response.headers()),
        // an answer to HEAD has but the length
        _ => 0,
    };
    let mut calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
    let count = calls.entry(service).or_default().entry(operation).or_default();
    count.add(Count { calls: 1, sent_bytes, received_bytes, milliseconds });
    drop(calls);
    let Ok(mut response) = response else { return bad_gateway() };
    response.headers_mut().remove(header::CONNECTION);
    response.map(BodyExt::boxed)
}

fn bad_gateway() -> Response<BoxBody<Bytes, hyper::Error>> {
    let mut response = Response::new(Empty::new().map_err(|never| match never {}).boxed());
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}

/// S3 takes no body without a length, and the emulator says it of each answer.
fn body_length(headers: &HeaderMap) -> u64 {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.parse().ok();
    number("x-amz-decoded-content-length").or_else(|| number("content-length")).unwrap_or_default()
}

/// A call's service and its operation. What names none itself is S3.
fn operation(method: &Method, uri: &Uri, headers: &HeaderMap) -> (String, String) {
    if let Some(target) = headers.get("x-amz-target").and_then(|value| value.to_str().ok()) {
        let (service, operation) = target.split_once('.').unwrap_or((target, ""));
        let service = service.split('_').next().unwrap_or_default();
        return (service.to_owned(), operation.to_owned());
    }
    let has = |name: &str| {
        let query = uri.query().unwrap_or_default();
        query.split('&').any(|pair| pair.split('=').next() == Some(name))
    };
    let copies = headers.contains_key("x-amz-copy-source");
    let is_object = uri.path().trim_matches('/').contains('/');
    let operation = match (method.as_str(), is_object) {
        ("POST", true) if has("uploads") => "CreateMultipartUpload",
        ("POST", true) if has("uploadId") => "CompleteMultipartUpload",
        ("PUT", true) if has("partNumber") && copies => "UploadPartCopy",
        ("PUT", true) if has("partNumber") => "UploadPart",
        ("PUT", true) if has("tagging") => "PutObjectTagging",
        ("PUT", true) if copies => "CopyObject",
        ("PUT", true) => "PutObject",
        ("GET", true) if has("uploadId") => "ListParts",
        ("GET", true) => "GetObject",
        ("HEAD", true) => "HeadObject",
        ("DELETE", true) if has("uploadId") => "AbortMultipartUpload",
        ("DELETE", true) => "DeleteObject",
        ("POST", false) if has("delete") => "DeleteObjects",
        ("GET", false) if has("uploads") => "ListMultipartUploads",
        ("GET", false) => "ListObjects",
        _ => "other",
    };
    ("S3".to_owned(), operation.to_owned())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn name(method: &Method, target: &str, header: Option<(&'static str, &str)>) -> String {
        let headers = header.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        let headers: HeaderMap = headers.into_iter().collect();
        let (service, operation) = operation(method, &target.parse().unwrap(), &headers);
        format!("{service} {operation}")
    }

    #[test]
    fn calls_have_names() {
        let copy = Some(("x-amz-copy-source", "b/k"));
        let table = [
            (Method::POST, "/b/k?uploads", None, "S3 CreateMultipartUpload"),
            (Method::POST, "/b/k?uploadId=u", None, "S3 CompleteMultipartUpload"),
            (Method::PUT, "/b/k?partNumber=1&uploadId=u&x-id=UploadPart", None, "S3 UploadPart"),
            (Method::PUT, "/b/k?partNumber=1&uploadId=u", copy, "S3 UploadPartCopy"),
            (Method::PUT, "/b/a/b/c", None, "S3 PutObject"),
            (Method::PUT, "/b/k", copy, "S3 CopyObject"),
            (Method::GET, "/b/k?uploadId=u", None, "S3 ListParts"),
            (Method::GET, "/b/k", None, "S3 GetObject"),
            (Method::HEAD, "/b/k", None, "S3 HeadObject"),
            (Method::DELETE, "/b/k?uploadId=u", None, "S3 AbortMultipartUpload"),
            (Method::DELETE, "/b/k", None, "S3 DeleteObject"),
            (Method::GET, "/b?list-type=2", None, "S3 ListObjects"),
            (Method::POST, "/b/?delete", None, "S3 DeleteObjects"),
            (Method::POST, "/", Some(("x-amz-target", "DynamoDB_20120810.PutItem")), "DynamoDB PutItem"),
            (Method::POST, "/", Some(("x-amz-target", "AmazonSQS.SendMessage")), "AmazonSQS SendMessage"),
        ];
        for (method, target, header, expected) in table {
            assert_eq!(name(&method, target, header), expected);
        }
    }

    #[test]
    fn a_body_is_as_long_as_what_is_in_its_frames() {
        let mut headers = HeaderMap::new();
        assert_eq!(body_length(&headers), 0);
        headers.insert("content-length", 120.into());
        assert_eq!(body_length(&headers), 120);
        headers.insert("x-amz-decoded-content-length", 100.into());
        assert_eq!(body_length(&headers), 100);
    }

    /// Two requests on one connection, which the upstream answers on two.
    #[tokio::test]
    async fn requests_pass_and_are_counted() {
        let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = CountingProxy::start(upstream.local_addr().unwrap()).await.unwrap();
        let served = tokio::spawn(async move {
            let mut seen = Vec::new();
            for _ in 0..2 {
                let (mut connection, _) = upstream.accept().await.unwrap();
                let mut request = [0; 1024];
                let read = connection.read(&mut request).await.unwrap();
                seen.push(String::from_utf8_lossy(&request[..read]).to_lowercase());
                connection
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc")
                    .await
                    .unwrap();
            }
            seen
        });
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        for _ in 0..2 {
            client.write_all(b"PUT /b/k HTTP/1.1\r\nhost: s3\r\ncontent-length: 2\r\n\r\nxy").await.unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(b"abc") {
                assert_ne!(client.read_buf(&mut answer).await.unwrap(), 0, "the connection stays open");
            }
        }
        for request in served.await.unwrap() {
            assert!(
                request.starts_with("put /b/k http/1.1\r\n") && request.contains("host: s3\r\n"),
                "{request}"
            );
        }
        let calls = proxy.take();
        let s3 = sum(&calls, "S3");
        assert_eq!((s3.calls, s3.sent_bytes, s3.received_bytes), (2, 4, 6));
        assert!(s3.milliseconds > 0.0);
        assert_eq!(calls["S3"]["PutObject"].calls, 2);
        assert!(proxy.take().is_empty());
    }
}
