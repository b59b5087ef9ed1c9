//! Functions that aren't asked by HTTP: triggered by S3, SQS, a stream, a schedule, a WebSocket.

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::{Serialize, de::DeserializeOwned};
use sluice_core::{Error, Result};
use tracing::Instrument;

/// Serves events until Lambda ends the process. An error is logged here, once, and told to Lambda by its code, so that
/// alarms can tell one from another; its sources stay in the log.
pub async fn run<E, R>(handler: impl AsyncFn(E) -> Result<R>) -> Result<(), lambda_runtime::Error>
where
    E: DeserializeOwned,
    R: Serialize,
{
    let handler = &handler;
    lambda_runtime::run(service_fn(|event: LambdaEvent<E>| {
        let span = tracing::info_span!("event", request_id = event.context.request_id);
        async move { handler(event.payload).await.map_err(|error| diagnostic(&error)) }.instrument(span)
    }))
    .await
}

fn diagnostic(error: &Error) -> Diagnostic {
    tracing::error!(error.code = error.code(), error.sources = error.sources(), "{}", error.message());
    Diagnostic { error_type: error.code().to_owned(), error_message: error.message().to_owned() }
}
