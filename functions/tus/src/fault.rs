//! What isn't taken, and how it is told: the statuses are those that tus clients and the draft's expect, the bodies problem
//! details (RFC 9457).

use http::{HeaderValue, header};
use serde_json::{Map, Value, json};
use sluice_core::{Error, tus::MAX_APPEND_BYTES};
use sluice_lambda::http::{Request, Response, StatusCode, log_error, problem};

/// Where the draft's problem types are registered.
const PROBLEMS: &str = "https://iana.org/assignments/http-problem-types#";
/// Seconds after which a lock is free again, most likely.
const RETRY_AFTER: &str = "1";

/// A request that isn't taken.
#[derive(Debug)]
pub struct Refusal {
    status: u16,
    code: &'static str,
    detail: String,
    /// One of the draft's problem types.
    problem: Option<&'static str>,
    headers: Vec<(&'static str, String)>,
    members: Map<String, Value>,
}

/// Why a request has no success.
#[derive(Debug)]
pub enum Fault {
    /// It isn't taken.
    Refused(Box<Refusal>),
    /// The domain, or what is behind it, says no.
    Failed(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl Refusal {
    pub fn new(status: u16, code: &'static str, detail: impl Into<String>) -> Self {
        let (headers, members) = (Vec::new(), Map::new());
        Self { status, code, detail: detail.into(), problem: None, headers, members }
    }

    fn of_draft(mut self, problem: &'static str) -> Self {
        self.problem = Some(problem);
        self
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn invalid(header: &str, reason: &str) -> Self {
        Self::new(400, "invalid_header", format!("{header}: {reason}"))
    }

    /// 404: there is none, or it is somebody else's.
    pub fn not_found() -> Self {
        Self::new(404, "upload_not_found", "no such upload")
    }

    /// 410: there was one.
    pub fn gone() -> Self {
        Self::new(410, "upload_gone", "the upload was called off or has expired")
    }

    /// 410: what the request opened when it came before has ended since.
    pub fn over(error: &Error) -> Self {
        Self::new(410, error.code(), error.message())
    }

    /// 423: somebody else appends just now.
    pub fn locked() -> Self {
        let detail = "another request writes this upload just now";
        Self::new(423, "upload_locked", detail).with("retry-after", RETRY_AFTER)
    }

    /// 409: bytes are there already, or some are missing.
    pub fn offset(expected: u64, provided: u64) -> Self {
        let detail = format!("the upload is at {expected}, not at {provided}");
        let mut refusal = Self::new(409, "offset_mismatch", detail)
            .of_draft("mismatching-upload-offset")
            .with("upload-offset", expected.to_string());
        refusal.members.insert("expected-offset".to_owned(), expected.into());
        refusal.members.insert("provided-offset".to_owned(), provided.into());
        refusal
    }

    /// 400 of the draft: nothing may follow.
    pub fn completed() -> Self {
        Self::new(400, "upload_complete", "the upload is complete").of_draft("completed-upload")
    }

    /// 400 of the draft: two lengths were told.
    pub fn inconsistent() -> Self {
        let detail = "the length differs from what was told before, or from where the upload ends";
        Self::new(400, "inconsistent_length", detail).of_draft("inconsistent-upload-length")
    }

    /// 413: too much for one request. The limit is told, so that a client can send less.
    pub fn append_too_large() -> Self {
        let detail =
            format!("a request may carry {MAX_APPEND_BYTES} bytes of the upload; send smaller chunks");
        Self::new(413, "append_too_large", detail)
            .with("upload-limit", format!("max-append-size={MAX_APPEND_BYTES}"))
    }

    /// 413: more bytes than the length that was told.
    pub fn beyond_length() -> Self {
        Self::new(413, "beyond_length", "more bytes than the upload's length")
    }

    /// 413: larger than any upload may be.
    pub fn too_large(limit: u64) -> Self {
        let detail = format!("an upload has at most {limit} bytes; larger files go by /prepare");
        Self::new(413, "file_too_large", detail)
    }

    /// 403: the job's token opens nothing.
    pub fn token(code: &'static str, detail: &str) -> Self {
        Self::new(403, code, detail)
    }

    fn render(self, request: &Request) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        let title =
            if self.status == 460 { "Checksum Mismatch" } else { status.canonical_reason().unwrap_or("") };
        let mut body = json!({
            "type": self.problem.map_or("about:blank".to_owned(), |name| format!("{PROBLEMS}{name}")),
            "title": title, "status": self.status, "code": self.code, "detail": self.detail,
            "request_id": request.id(),
        });
        if let Value::Object(body) = &mut body {
            body.extend(self.members);
        }
        let mut response = Response::new(body.to_string());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        response
    }
}

impl Fault {
    /// The answer; what failed is logged.
    pub fn answer(self, request: &Request) -> Response {
        match self {
            Self::Refused(refusal) => {
                tracing::info!(code = refusal.code, "refused");
                refusal.render(request)
            }
            Self::Failed(error) => {
                log_error(&error);
                problem(&error, request.id())
            }
        }
    }
}
