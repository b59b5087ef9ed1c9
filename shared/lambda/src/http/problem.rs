//! Errors as clients read them: problem details (RFC 9457) with a stable `code` beside the standard members.

use ::http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use sluice_core::{Error, ErrorKind};

use super::{
    request::Request,
    response::{Response, body_of},
};

/// Seconds after which trying again may help: the hiccups of the services behind us are shorter.
const RETRY_AFTER: &str = "2";

#[derive(Serialize)]
struct Problem<'a> {
    /// No page describes the problems; the code says which one it is, the title is the status's own (section 4.2.1).
    r#type: &'static str,
    title: &'static str,
    status: u16,
    code: &'a str,
    detail: &'a str,
    request_id: &'a str,
}

/// The table of kinds and statuses.
const fn status_of(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::Invalid => StatusCode::BAD_REQUEST,
        ErrorKind::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::Unauthorized => StatusCode::UNAUTHORIZED,
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::Unsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ErrorKind::Throttled => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The error as an answer. Of what failed on our side it tells nothing.
pub fn problem(error: &Error, request_id: &str) -> Response {
    let (code, detail) = match error.kind() {
        ErrorKind::Internal => ("internal", "something went wrong on our side"),
        ErrorKind::Unavailable => {
            ("unavailable", "a service that is needed did not answer; try again shortly")
        }
        _ => (error.code(), error.message()),
    };
    let mut response = render(status_of(error.kind()), code, detail, request_id);
    let headers = response.headers_mut();
    match error.kind() {
        ErrorKind::Throttled | ErrorKind::Unavailable => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
        }
        // RFC 9110, section 11.6.1: a 401 says how to authenticate
        ErrorKind::Unauthorized => {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        _ => {}
    }
    response
}

/// 404 for a path that nothing is served at.
pub fn no_such_route(request: &Request) -> Response {
    render(StatusCode::NOT_FOUND, "no_such_route", "nothing is served at this path", request.id())
}

/// 405 for a path that is served by other methods, which the answer names.
pub fn method_not_allowed(request: &Request, allowed: &[&'static str]) -> Response {
    let allowed = allowed.join(", ");
    let detail = format!("this path takes {allowed}");
    let mut response = render(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", &detail, request.id());
    if let Ok(value) = HeaderValue::from_str(&allowed) {
        response.headers_mut().insert(header::ALLOW, value);
    }
    response
}

/// Logs an error where it leaves the function: the only place where its source is told. What is the client's own
/// mistake is no more than its code, for messages may quote what the client sent.
pub fn log_error(error: &Error) {
    match error.kind() {
        ErrorKind::Internal => tracing::error!(code = error.code(), source = error.sources(), "failed"),
        ErrorKind::Unavailable | ErrorKind::Throttled => {
            tracing::warn!(
                code = error.code(),
                message_detail = error.message(),
                source = error.sources(),
                "failed for now"
            );
        }
        kind => tracing::info!(?kind, code = error.code(), "refused"),
    }
}

fn render(status: StatusCode, code: &str, detail: &str, request_id: &str) -> Response {
    let title = status.canonical_reason().unwrap_or_default();
    let problem = Problem { r#type: "about:blank", title, status: status.as_u16(), code, detail, request_id };
    body_of(status, "application/problem+json", &problem)
}

#[cfg(test)]
mod tests {
    use ::http::Method;

    use super::*;

    fn parsed(response: &Response) -> serde_json::Value {
        serde_json::from_str(response.body()).unwrap()
    }

    #[test]
    fn the_clients_mistakes_are_told_in_full() {
        let response = problem(&Error::invalid_field("file_size", "is missing"), "JKJaX");
        assert_eq!(
            parsed(&response),
            serde_json::json!({"type": "about:blank", "title": "Bad Request", "status": 400, "code": "invalid_field",
                "detail": "file_size: is missing", "request_id": "JKJaX"})
        );
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    }

    #[test]
    fn headers_say_what_to_do() {
        let header_of = |kind, name| {
            let response = problem(&Error::new(kind, "code", "message"), "r");
            response.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(header_of(ErrorKind::Throttled, header::RETRY_AFTER).as_deref(), Some("2"));
        assert_eq!(header_of(ErrorKind::Unavailable, header::RETRY_AFTER).as_deref(), Some("2"));
        assert_eq!(header_of(ErrorKind::Internal, header::RETRY_AFTER), None);
        assert_eq!(header_of(ErrorKind::Unauthorized, header::WWW_AUTHENTICATE).as_deref(), Some("Bearer"));
    }

    #[test]
    fn a_wrong_method_is_told_the_right_ones() {
        let request = Request::new(Method::PUT, "/assets/1");
        let response = method_not_allowed(&request, &["GET", "DELETE"]);
        assert_eq!(
            (response.status().as_u16(), &response.headers()[header::ALLOW]),
            (405, &HeaderValue::from_static("GET, DELETE"))
        );
        assert_eq!(parsed(&response)["code"], "method_not_allowed");
        assert_eq!(parsed(&no_such_route(&request))["status"], 404);
    }
}
