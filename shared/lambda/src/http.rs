//! The HTTP API (API Gateway HTTP APIs, payload format 2.0) as functions see it.
//!
//! A function matches on method and path and returns `Result<Response>`; [`run`] turns an error into problem+json and
//! logs it, once:
//!
//! ```
//! # use sluice_core::{Result, ports::Clock};
//! # use sluice_lambda::http::{self, Method, Request, Response, StatusCode};
//! async fn handle(clock: &impl Clock, request: Request) -> Result<Response> {
//!     let caller = request.caller(clock.now())?;
//!     match (request.method(), &request.segments()[..]) {
//!         (&Method::GET, ["assets", id]) => Ok(http::json(StatusCode::OK, &id.len())),
//!         (&Method::DELETE, ["assets", _id]) => Ok(http::no_content()),
//!         (_, ["assets", _]) => Ok(http::method_not_allowed(&request, &["GET", "DELETE"])),
//!         _ => Ok(http::no_such_route(&request)),
//!     }
//! }
//! ```
//!
//! Nothing here logs a query string, a header or a body.

mod body;
pub mod disposition;
mod once;
mod problem;
mod request;
mod response;

use std::convert::Infallible;

pub use ::http::{Method, StatusCode};
use lambda_runtime::{LambdaEvent, service_fn};
use sluice_core::Result;
use tracing::Instrument;

pub use self::{
    body::MAX_BODY_BYTES,
    once::Once,
    problem::{log_error, method_not_allowed, no_such_route, problem},
    request::{Caller, Request},
    response::{Payload, Response, json, no_content, redirect, state},
};

/// Serves requests until Lambda ends the process.
pub async fn run(handler: impl AsyncFn(Request) -> Result<Response>) -> Result<(), lambda_runtime::Error> {
    let handler = &handler;
    lambda_runtime::run(service_fn(|event: LambdaEvent<Request>| async move {
        Ok::<_, Infallible>(answer(handler, event.payload).await)
    }))
    .await
}

/// Serves one request: within its span, errors as problems, ready to be handed to API Gateway.
pub async fn answer(handler: impl AsyncFn(Request) -> Result<Response>, request: Request) -> Payload {
    let request_id = request.id().to_owned();
    let span =
        tracing::info_span!("request", %request_id, method = %request.method(), route = request.route());
    async {
        let response = match handler(request).await {
            Ok(response) => response,
            Err(error) => {
                log_error(&error);
                problem(&error, &request_id)
            }
        };
        tracing::info!(status = response.status().as_u16(), "answered");
        Payload::from(response)
    }
    .instrument(span)
    .await
}

/// Decodes one name or value of a form or a query (`application/x-www-form-urlencoded`); none if it isn't UTF-8.
pub fn decode_form(text: &str) -> Option<String> {
    decode_percent(&text.replace('+', " "))
}

/// Decodes one segment of a path; none if it isn't UTF-8.
fn decode_percent(text: &str) -> Option<String> {
    percent_encoding::percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use sluice_core::{Error, ErrorKind};

    use super::*;

    async fn answer_with(result: impl Fn() -> Result<Response>) -> (Value, Value) {
        let request = Request::new(Method::GET, "/assets");
        let payload = serde_json::to_value(answer(async |_| result(), request).await).unwrap();
        let body = payload["body"].as_str().and_then(|text| serde_json::from_str(text).ok());
        (payload, body.unwrap_or_default())
    }

    #[tokio::test]
    async fn errors_become_problems_that_tell_nothing_of_the_inside() {
        let (payload, body) = answer_with(|| Err(Error::internal("table arn:aws:dynamodb:… refused"))).await;
        assert_eq!(payload["statusCode"], 500);
        assert_eq!(payload["headers"]["content-type"], "application/problem+json");
        assert_eq!(
            body,
            json!({"type": "about:blank", "title": "Internal Server Error", "status": 500, "code": "internal",
                   "detail": "something went wrong on our side", "request_id": "test"})
        );
        let (payload, body) = answer_with(|| Err(Error::unavailable("DynamoDB", "timeout"))).await;
        assert_eq!((&payload["statusCode"], &payload["headers"]["retry-after"]), (&json!(503), &json!("2")));
        assert!(!body.to_string().contains("Dynamo"), "{body}");
    }

    #[tokio::test]
    async fn answers_pass_unchanged_and_are_not_kept() {
        let (payload, body) = answer_with(|| Ok(json(StatusCode::CREATED, &json!({"a": 1})))).await;
        assert_eq!(
            payload,
            json!({"statusCode": 201, "isBase64Encoded": false, "body": "{\"a\":1}",
                   "headers": {"content-type": "application/json", "cache-control": "no-store"}})
        );
        assert_eq!(body, json!({"a": 1}));
        let (payload, _) = answer_with(|| Ok(no_content())).await;
        assert_eq!((&payload["statusCode"], payload.get("body")), (&json!(204), None));
        let (payload, _) = answer_with(|| redirect("https://s3.example/x?y=1")).await;
        assert_eq!(
            (&payload["statusCode"], &payload["headers"]["location"]),
            (&json!(302), &json!("https://s3.example/x?y=1"))
        );
    }

    #[test]
    fn every_kind_has_its_status() {
        let status = |kind| problem(&Error::new(kind, "code", "message"), "r").status().as_u16();
        let table = [
            (ErrorKind::Invalid, 400),
            (ErrorKind::Unprocessable, 422),
            (ErrorKind::NotFound, 404),
            (ErrorKind::Conflict, 409),
            (ErrorKind::TooLarge, 413),
            (ErrorKind::Unsupported, 415),
            (ErrorKind::Unauthorized, 401),
            (ErrorKind::Forbidden, 403),
            (ErrorKind::Throttled, 429),
            (ErrorKind::Unavailable, 503),
            (ErrorKind::Internal, 500),
        ];
        for (kind, expected) in table {
            assert_eq!(status(kind), expected, "{kind:?}");
        }
    }
}
