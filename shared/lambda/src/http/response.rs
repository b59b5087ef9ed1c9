//! Answers. Every one is `no-store`: they hold signed URLs and the state of the moment.

use std::collections::BTreeMap;

use ::http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use sluice_core::{Error, Result};

/// An answer of the HTTP API.
pub type Response = ::http::Response<String>;

/// An answer with a JSON body.
pub fn json(status: StatusCode, body: &impl Serialize) -> Response {
    body_of(status, "application/json", body)
}

/// 204, without a body.
pub fn no_content() -> Response {
    empty(StatusCode::NO_CONTENT)
}

/// 302 to a short-lived link.
///
/// # Errors
/// `Internal` for a link that is no header value.
pub fn redirect(location: &str) -> Result<Response> {
    let mut response = empty(StatusCode::FOUND);
    response
        .headers_mut()
        .insert(header::LOCATION, HeaderValue::from_str(location).map_err(Error::internal)?);
    Ok(response)
}

fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(String::new());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub(super) fn body_of(status: StatusCode, content_type: &'static str, body: &impl Serialize) -> Response {
    let mut response = empty(status);
    *response.body_mut() =
        serde_json::to_string(body).expect("what is answered has string keys and no custom faults");
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// An answer as API Gateway reads it (payload format 2.0).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Payload {
    status_code: u16,
    headers: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    body: String,
    is_base64_encoded: bool,
}

impl From<Response> for Payload {
    fn from(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
        Self {
            status_code: parts.status.as_u16(),
            headers: parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
            body,
            is_base64_encoded: false,
        }
    }
}
