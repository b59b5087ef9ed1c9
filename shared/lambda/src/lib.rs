//! What every function shares with its runtime. It knows Lambda and API Gateway's event shapes, and no AWS client.
//!
//! | module | what stands there |
//! |---|---|
//! | [`config`] | settings from environment variables, every fault reported at once |
//! | [`http`] | requests of the HTTP API, the caller, JSON bodies, problem+json, the wrapper [`http::run`] |
//! | `bearer` | bearer tokens and the keys they are checked with (feature `bearer`) |
//! | [`sqs`] | batches of messages with partial failures |
//! | [`s3_event`] | S3's notifications, keys decoded |
//! | [`messages`] | what goes over the WebSocket, in both directions |
//!
//! A `main.rs` calls [`init_tracing`], reads its config, builds its ports once and hands its handler to [`http::run`],
//! or to [`run`] if it serves something else than HTTP.

#[cfg(feature = "bearer")]
pub mod bearer;
pub mod config;
pub mod http;
pub mod messages;
pub mod s3_event;
pub mod sqs;

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

use lambda_runtime::{
    Diagnostic, LambdaEvent, service_fn,
    tracing::subscriber::{
        self,
        filter::{LevelFilter, Targets},
        layer::SubscriberExt,
        util::SubscriberInitExt,
    },
};
use serde::{Serialize, de::DeserializeOwned};
use sluice_core::{Error, Result};
use tokio::runtime::Handle;

/// Starts logging to standard output: at the level `AWS_LAMBDA_LOG_LEVEL` (INFO), as JSON where
/// `AWS_LAMBDA_LOG_FORMAT` says so, without the time, which Lambda adds (its advanced logging controls).
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
        registry.with(subscriber::fmt::layer().json().with_target(false).without_time()).init();
    } else {
        registry.with(subscriber::fmt::layer().with_target(false).with_ansi(false).without_time()).init();
    }
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
        task::{Context, Poll, Waker},
    };

    use sluice_core::ErrorKind;

    use super::*;

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
