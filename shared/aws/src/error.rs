//! What an SDK error means to the domain: refused for load, failed in passing, or a fault of ours. The adapters take
//! out the answers that mean something to them (a missing key, a failed condition) before it comes here.

use std::{error::Error as StdError, fmt::Write};

use aws_sdk_s3::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    operation::RequestId,
};
use sluice_core::{Error, ErrorKind};

/// Codes by which AWS says "slow down". Those of the SDK's own retry classifier, and those that single
/// services add.
const THROTTLING: [&str; 16] = [
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
    "LimitExceededException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionConflictException",
    "TransactionInProgressException",
    "OverLimit",
];

/// Codes of failures in passing that don't come with a 5xx status: refused for the moment, or an error within a 200.
const TRANSIENT: [&str; 6] = [
    "InternalError",
    "OperationAborted",
    "RequestTimeout",
    "RequestTimeoutException",
    "RequestTimeTooSkewed",
    "ServiceUnavailable",
];

/// The domain's error for one of the SDK's.
pub(crate) fn classify<E>(service: &'static str, error: &SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    match kind_of(error) {
        ErrorKind::Throttled => throttled(service, error),
        ErrorKind::Unavailable => Error::unavailable(service, describe(service, error)),
        _ => Error::internal(describe(service, error)),
    }
}

/// The domain's error for one of the SDK's that is known to be a refusal for load.
pub(crate) fn throttled<E>(service: &'static str, error: &SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    Error::new(ErrorKind::Throttled, "throttled", "too much at once").with_source(describe(service, error))
}

fn kind_of<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> ErrorKind {
    match error {
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => {
            ErrorKind::Unavailable
        }
        SdkError::ServiceError(_) => {
            let code = error.code().unwrap_or_default();
            let status = status(error).unwrap_or_default();
            if THROTTLING.contains(&code) || status == 429 {
                ErrorKind::Throttled
            } else if TRANSIENT.contains(&code) || status >= 500 {
                ErrorKind::Unavailable
            } else {
                ErrorKind::Internal
            }
        }
        _ => ErrorKind::Internal,
    }
}

/// The HTTP status of the answer, if there was one.
pub(crate) fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// One line for the log: service, code, status, request id, and the chain of causes. Never a URL or a body.
fn describe<E>(service: &str, error: &SdkError<E, HttpResponse>) -> String
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    let mut line = service.to_owned();
    if let Some(code) = error.code() {
        let _ = write!(line, " {code}");
    }
    if let Some(status) = status(error) {
        let _ = write!(line, " ({status})");
    }
    if let Some(message) = error.message() {
        let _ = write!(line, ": {message}");
    }
    if let Some(id) = error.raw_response().and_then(RequestId::request_id) {
        let _ = write!(line, " [request {id}]");
    }
    let mut cause: Option<&dyn StdError> = Some(error);
    while let Some(next) = cause {
        let _ = write!(line, ": {next}");
        cause = next.source();
    }
    line
}
