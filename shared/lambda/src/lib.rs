//! What every function shares with its runtime. It knows Lambda and API Gateway's event shapes, and no AWS client.
//!
//! | module | what stands there |
//! |---|---|
//! | [`config`] | settings from environment variables, every fault reported at once |
//! | [`http`] | requests of the HTTP API, the caller, JSON bodies, problem+json, the wrapper [`http::run`] |
//! | `bearer` | bearer tokens and the keys they are checked with (feature `bearer`) |
//! | [`sqs`] | batches of messages with partial failures |
//! | [`s3_event`] | S3's notifications, keys decoded |
//! | [`ingest`] | what lies in the ingest queue |
//! | [`messages`] | what goes over the WebSocket, in both directions |
//!
//! A `main.rs` calls [`init_tracing`], reads its config, builds its ports once and hands its handler to [`http::run`],
//! or to [`run`] if it serves something else than HTTP.

#[cfg(feature = "bearer")]
pub mod bearer;
pub mod config;
pub mod http;
pub mod ingest;
pub mod messages;
pub mod s3_event;
pub mod sqs;

use std::{
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
};

use lambda_runtime::{
    Diagnostic, LambdaEvent, service_fn,
    tracing::{
        Subscriber,
        subscriber::{
            self, Layer,
            filter::{LevelFilter, Targets},
            fmt::MakeWriter,
            layer::SubscriberExt,
            registry::LookupSpan,
            util::SubscriberInitExt,
        },
    },
};
use serde::{Serialize, de::DeserializeOwned};
use sluice_core::{Error, Result};
use tokio::runtime::Handle;

/// Starts logging to standard output: at the level `AWS_LAMBDA_LOG_LEVEL` (INFO), as JSON where
/// `AWS_LAMBDA_LOG_FORMAT` says so. A line of JSON carries `level` and a `timestamp` of RFC 3339: Lambda takes what lacks
/// either for INFO, and drops it where less severe lines are filtered out
/// (<https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html>). Text goes without the time,
/// which Lambda adds.
///
/// Other people's crates never log below INFO, whatever the level: what the SDK and the runtime write at DEBUG and
/// TRACE holds signed URLs, tokens and bodies.
pub fn init_tracing() {
    let level = std::env::var("AWS_LAMBDA_LOG_LEVEL").ok();
    let level = level.and_then(|text| text.parse().ok()).unwrap_or(LevelFilter::INFO);
    let targets = Targets::new().with_default(level.min(LevelFilter::INFO)).with_target("sluice", level);
    let registry = subscriber::registry().with(targets);
    let json = std::env::var("AWS_LAMBDA_LOG_FORMAT").is_ok_and(|text| text.eq_ignore_ascii_case("json"));
    if json {
        registry.with(json_lines(io::stdout)).init();
    } else {
        registry.with(subscriber::fmt::layer().with_target(false).with_ansi(false).without_time()).init();
    }
}

/// Lines of JSON as Lambda filters them.
fn json_lines<S, W>(writer: W) -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + 'static,
{
    subscriber::fmt::layer().json().with_target(false).with_writer(writer)
}

/// Handles events until Lambda ends the process. An event of another shape, and an error, fail the invocation: what
/// that means is the source's to say (a stream or a queue delivers again, API Gateway answers 500).
pub async fn run<E, A>(handler: impl AsyncFn(E) -> Result<A>) -> Result<(), lambda_runtime::Error>
where
    E: DeserializeOwned,
    A: Serialize,
{
    let handler = &handler;
    lambda_runtime::run(service_fn(|event: LambdaEvent<E>| async move {
        handler(event.payload).await.map_err(Failure)
    }))
    .await
}

/// Does work that takes long without waiting for anything: on a thread that may block where a runtime has such, in place
/// where there is none.
///
/// # Errors
/// `Internal` if it panics.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    match Handle::try_current() {
        Ok(runtime) => runtime.spawn_blocking(work).await.map_err(Error::internal),
        Err(_) => catch_unwind(AssertUnwindSafe(work)).map_err(|_| Error::internal("the work panicked")),
    }
}

/// An error on its way to the runtime, which logs its `Debug` form, sources and all, and reports its code as the type
/// of the error, for alarms.
struct Failure(Error);

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl From<Failure> for Diagnostic {
    fn from(Failure(error): Failure) -> Self {
        Self { error_type: error.code().to_owned(), error_message: error.message().to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future,
        pin::pin,
        sync::{Arc, Mutex},
        task::{Context, Poll, Waker},
    };

    use sluice_core::{ErrorKind, time::Timestamp};

    use super::*;

    /// Keeps what is written.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_has_the_level_and_the_time_that_lambda_filters_by() {
        let written = Written::default();
        let writer = written.clone();
        let registry = subscriber::registry().with(json_lines(move || writer.clone()));
        tracing::subscriber::with_default(registry, || {
            tracing::warn!(code = "odd", "something is odd");
            tracing::error!("something is broken");
        });
        let bytes = written.0.lock().unwrap().clone();
        let lines: Vec<serde_json::Value> = String::from_utf8(bytes)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let levels: Vec<_> = lines.iter().map(|line| line["level"].as_str().unwrap()).collect();
        assert_eq!(levels, ["WARN", "ERROR"]);
        for line in &lines {
            let time: Timestamp = line["timestamp"].as_str().unwrap().parse().unwrap();
            assert!(time.as_seconds() > 1_700_000_000, "{line}");
            assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
        }
        assert_eq!(lines[0]["fields"]["code"], "odd");
    }

    async fn works_and_panics() {
        assert_eq!(blocking(|| 7).await.unwrap(), 7);
        let panicked = blocking(|| panic!("on purpose")).await.map(|()| 0);
        assert_eq!(panicked.unwrap_err().kind(), ErrorKind::Internal);
    }

    #[tokio::test]
    async fn blocking_work_is_done_on_a_runtime() {
        works_and_panics().await;
    }

    #[test]
    fn blocking_work_is_done_in_place_without_one() {
        let polled = pin!(works_and_panics()).poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(polled, Poll::Ready(()));
    }
}
