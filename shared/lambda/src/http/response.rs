//! Answers. All are `no-store`, for they hold signed URLs and the state of the moment, but for a state that is asked for again
//! and again: a browser may keep that, and asks whether it is still so.

use std::collections::BTreeMap;

use ::http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use sluice_core::{Error, Result, document::Poll, ids::Sha256};

use super::request::Request;

/// An answer of the HTTP API.
pub type Response = ::http::Response<String>;

/// An answer with a JSON body.
pub fn json(status: StatusCode, body: &impl Serialize) -> Response {
    body_of(status, "application/json", body)
}

/// A state that clients ask for again and again (RFC 9110, sections 8.8.3, 13.1.2 and 10.2.3): its entity tag is that of the
/// answer, whoever has it already is told 304 without a body, and `Retry-After` says when to ask again while there is more
/// to come.
pub fn state(request: &Request, body: &impl Serialize, poll: Option<Poll>) -> Response {
    let mut response = json(StatusCode::OK, body);
    let digest = Sha256::of(response.body().as_bytes()).to_string();
    let tag = format!("\"{}\"", digest.get(..32).unwrap_or_default());
    if request.header("if-none-match").is_some_and(|known| names(known, &tag)) {
        response = empty(StatusCode::NOT_MODIFIED);
    }
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.extend(HeaderValue::from_str(&tag).ok().map(|tag| (header::ETAG, tag)));
    headers.extend(poll.map(|poll| (header::RETRY_AFTER, HeaderValue::from(poll.after_seconds))));
    response
}

/// Whether a list of entity tags names this one. The comparison is the weak one.
fn names(list: &str, tag: &str) -> bool {
    list.split(',')
        .map(str::trim)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
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

#[cfg(test)]
mod tests {
    use ::http::Method;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_state_that_is_known_is_not_sent_again() {
        let ask = |known: &str| {
            let request = Request::new(Method::GET, "/assets/x").with_header("if-none-match", known);
            state(&request, &json!({ "revision": 7 }), Some(sluice_core::document::POLL))
        };
        let first = ask("\"another\"");
        assert_eq!((first.status().as_u16(), first.body().as_str()), (200, r#"{"revision":7}"#));
        let header = |response: &Response, name: &str| response.headers()[name].to_str().unwrap().to_owned();
        let tag = header(&first, "etag");
        for known in [tag.clone(), format!("W/{tag}"), format!("\"another\", {tag}"), "*".to_owned()] {
            let again = ask(&known);
            assert_eq!((again.status().as_u16(), again.body().as_str()), (304, ""), "{known}");
            assert_eq!(
                (header(&again, "etag"), header(&again, "retry-after")),
                (tag.clone(), "2".to_owned())
            );
        }
        let request = Request::new(Method::GET, "/assets/x");
        let ended = state(&request, &json!({ "revision": 8 }), None);
        assert_ne!(header(&ended, "etag"), tag, "it is another");
        assert_eq!(
            (ended.headers().get("retry-after"), header(&ended, "cache-control")),
            (None, "private, no-cache".to_owned())
        );
    }
}
