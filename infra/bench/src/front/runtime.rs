//! Lambda's runtime API (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>), one for each process of a
//! function, and the processes.

use std::{
    convert::Infallible,
    fs::OpenOptions,
    io,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response, StatusCode, body::Incoming, server::conn::http1, service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    time,
};
use uuid::Uuid;

use super::Function;

/// What API Gateway waits for an answer
/// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html>).
const TIMEOUT: Duration = Duration::from_secs(30);
const ARN: &str = "arn:aws:lambda:us-east-1:111122223333:function:bench";
const INVOCATION: &str = "/2018-06-01/runtime/invocation/";

/// A function's processes.
#[derive(Debug)]
pub(super) struct Pool {
    function: Function,
    idle: Mutex<Vec<Instance>>,
    children: Mutex<Vec<Child>>,
}

/// The way to one process.
#[derive(Debug)]
struct Instance {
    work: mpsc::Sender<Invocation>,
}

/// An event, and where its answer goes.
#[derive(Debug)]
struct Invocation {
    event: Bytes,
    reply: oneshot::Sender<io::Result<Bytes>>,
}

impl Pool {
    /// None is started before there is an event.
    pub(super) const fn new(function: Function) -> Self {
        Self { function, idle: Mutex::new(Vec::new()), children: Mutex::new(Vec::new()) }
    }

    /// Has an event answered. A process that fails gets no further one.
    ///
    /// # Errors
    /// The function says so itself, can't be started, ends or is too slow.
    pub(super) async fn invoke(&self, event: Bytes) -> io::Result<Bytes> {
        let idle = lock(&self.idle).pop();
        let instance = match idle {
            Some(instance) => instance,
            None => self.spawn().await?,
        };
        let (reply, answer) = oneshot::channel();
        instance.work.send(Invocation { event, reply }).await.map_err(io::Error::other)?;
        let answer = time::timeout(TIMEOUT, answer).await?.map_err(io::Error::other)??;
        lock(&self.idle).push(instance);
        Ok(answer)
    }

    /// The ids of all that were started.
    pub(super) fn processes(&self) -> Vec<String> {
        lock(&self.children).iter().map(|child| child.id().to_string()).collect()
    }

    /// Ends all.
    pub(super) fn end(&self) {
        for mut child in lock(&self.children).drain(..) {
            // it has ended by itself, which is as well
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    async fn spawn(&self) -> io::Result<Instance> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let log = OpenOptions::new().create(true).append(true).open(&self.function.log)?;
        let child = Command::new(&self.function.binary)
            .env_clear()
            .envs(&self.function.environment)
            .env("AWS_LAMBDA_RUNTIME_API", listener.local_addr()?.to_string())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        lock(&self.children).push(child);
        let (work, events) = mpsc::channel(1);
        let runtime = Runtime { events: tokio::sync::Mutex::new(events), waiting: Mutex::new(None) };
        tokio::spawn(serve(listener, Arc::new(runtime)));
        Ok(Instance { work })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What one process calls.
struct Runtime {
    events: tokio::sync::Mutex<mpsc::Receiver<Invocation>>,
    waiting: Mutex<Option<oneshot::Sender<io::Result<Bytes>>>>,
}

async fn serve(listener: TcpListener, runtime: Arc<Runtime>) {
    while let Ok((connection, _)) = listener.accept().await {
        // head and body are two writes, of which the second must not wait
        let _ = connection.set_nodelay(true);
        let runtime = Arc::clone(&runtime);
        let answer = service_fn(move |request| {
            let runtime = Arc::clone(&runtime);
            async move { Ok::<_, Infallible>(runtime.answer(request).await) }
        });
        let connection =
            http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(connection), answer);
        tokio::spawn(async move { connection.await.ok() });
    }
}

impl Runtime {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let call = parts.uri.path().strip_prefix(INVOCATION).unwrap_or_default();
        match (&parts.method, call.split_once('/')) {
            (&Method::GET, None) if call == "next" => self.next().await,
            (&Method::POST, Some((_, "response"))) => {
                let answer = body.collect().await.map(http_body_util::Collected::to_bytes);
                self.reply(answer.map_err(io::Error::other))
            }
            (&Method::POST, Some((_, "error"))) => {
                self.reply(Err(io::Error::other("the function says that it failed")))
            }
            // an init error, which ends the process, among others
            _ => empty(StatusCode::NOT_FOUND),
        }
    }

    /// The answer waits for the next event.
    async fn next(&self) -> Response<Full<Bytes>> {
        let Some(Invocation { event, reply }) = self.events.lock().await.recv().await else {
            return empty(StatusCode::GONE);
        };
        *lock(&self.waiting) = Some(reply);
        let deadline = SystemTime::now() + TIMEOUT;
        let deadline = deadline.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let mut response = Response::new(Full::from(event));
        let headers = [
            ("lambda-runtime-aws-request-id", Uuid::now_v7().to_string()),
            ("lambda-runtime-deadline-ms", deadline.as_millis().to_string()),
            ("lambda-runtime-invoked-function-arn", ARN.to_owned()),
            ("content-type", "application/json".to_owned()),
        ];
        for (name, value) in headers {
            response
                .headers_mut()
                .extend(value.parse().map(|value| (hyper::header::HeaderName::from_static(name), value)));
        }
        response
    }

    fn reply(&self, answer: io::Result<Bytes>) -> Response<Full<Bytes>> {
        match lock(&self.waiting).take() {
            // whoever asked may have gone
            Some(waiting) => drop(waiting.send(answer)),
            None => return empty(StatusCode::BAD_REQUEST),
        }
        empty(StatusCode::ACCEPTED)
    }
}

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use hyper::client::conn::http1 as client;
    use tokio::{net::TcpStream, task::JoinHandle};

    use super::*;

    /// A process's side of the runtime API, and the other side of it.
    async fn started() -> (client::SendRequest<Full<Bytes>>, Arc<Instance>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (work, events) = mpsc::channel(1);
        let runtime = Runtime { events: tokio::sync::Mutex::new(events), waiting: Mutex::new(None) };
        tokio::spawn(serve(listener, Arc::new(runtime)));
        let (process, connection) = client::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        (process, Arc::new(Instance { work }))
    }

    fn request(method: Method, path: &str, body: &'static str) -> Request<Full<Bytes>> {
        let request = Request::builder().method(method).uri(format!("/2018-06-01/runtime{path}"));
        request.header("host", "runtime").body(Full::from(body)).unwrap()
    }

    fn invoke(instance: &Arc<Instance>) -> JoinHandle<io::Result<Bytes>> {
        let instance = Arc::clone(instance);
        tokio::spawn(async move {
            let (reply, answer) = oneshot::channel();
            instance.work.send(Invocation { event: Bytes::from("{}"), reply }).await.unwrap();
            answer.await.unwrap()
        })
    }

    #[tokio::test]
    async fn a_process_is_given_events_and_answers_them() {
        let (mut process, instance) = started().await;
        for (outcome, answered) in [("response", Some("[1]")), ("error", None), ("response", Some("[1]"))] {
            let invocation = invoke(&instance);
            let next = process.send_request(request(Method::GET, "/invocation/next", "")).await.unwrap();
            let id = next.headers()["lambda-runtime-aws-request-id"].to_str().unwrap().to_owned();
            assert!(next.headers().contains_key("lambda-runtime-deadline-ms"));
            assert_eq!(next.into_body().collect().await.unwrap().to_bytes(), "{}");
            let outcome = request(Method::POST, &format!("/invocation/{id}/{outcome}"), "[1]");
            assert_eq!(process.send_request(outcome).await.unwrap().status(), StatusCode::ACCEPTED);
            assert_eq!(invocation.await.unwrap().ok(), answered.map(Bytes::from));
        }
    }

    #[tokio::test]
    async fn an_answer_to_nothing_is_refused() {
        let (mut process, _instance) = started().await;
        let answer = request(Method::POST, "/invocation/1/response", "{}");
        assert_eq!(process.send_request(answer).await.unwrap().status(), StatusCode::BAD_REQUEST);
        let failure = request(Method::POST, "/init/error", "{}");
        assert_eq!(process.send_request(failure).await.unwrap().status(), StatusCode::NOT_FOUND);
    }
}
