//! What Uppy sends, and the form in which it reads errors.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use sluice_core::{
    Error, Result,
    asset::Failure,
    cancel::UPLOAD_CANCELLED,
    gate::{Wish, is_said},
    ids::ETag,
    intake::Wanted,
    upload::{MAX_PARTS, PartTag},
};
use sluice_lambda::http::{self, Request, Response, StatusCode};

/// The body of `POST /s3/multipart`.
#[derive(Debug, Deserialize)]
pub struct CreateBody {
    /// The file's name.
    pub filename: String,
    /// Its media type.
    pub r#type: Option<String>,
    /// What Uppy knows of the file besides.
    #[serde(default)]
    pub metadata: Option<Map<String, Value>>,
}

/// The body of `POST /s3/multipart/{uploadId}/complete`.
#[derive(Debug, Deserialize)]
pub struct CompleteBody {
    parts: Vec<PartBody>,
}

#[derive(Debug, Deserialize)]
struct PartBody {
    #[serde(rename = "PartNumber")]
    number: u16,
    /// In quotes (Uppy 5) or bare (6).
    #[serde(rename = "ETag")]
    etag: String,
}

impl CompleteBody {
    /// The list of parts.
    ///
    /// # Errors
    /// `too_many_parts`, `invalid_etag`.
    pub fn tags(self) -> Result<Vec<PartTag>> {
        if self.parts.len() as u64 > MAX_PARTS {
            let reason = format!("{} are named; S3 takes at most {MAX_PARTS}", self.parts.len());
            return Err(Error::invalid_parts("too_many_parts", reason));
        }
        let tag = |part: PartBody| Ok(PartTag { number: part.number, etag: ETag::from_header(&part.etag)? });
        self.parts.into_iter().map(tag).collect()
    }
}

/// The metadata of a query: every `metadata[name]=value`.
pub fn metadata_of_query(request: &Request) -> Map<String, Value> {
    let named = |(name, value): (&str, &str)| {
        let name = name.strip_prefix("metadata[")?.strip_suffix(']')?;
        Some((name.to_owned(), Value::from(value)))
    };
    request.queries().filter_map(named).collect()
}

/// Reads what Uppy knows of a file that it wants to send.
///
/// # Errors
/// `invalid_field` for metadata of ours that is no text or number; `asset_not_found` for an id that is none.
pub fn wanted(filename: &str, content_type: Option<&str>, metadata: Map<String, Value>) -> Result<Wanted> {
    let text = |name: &str| text(&metadata, name);
    let size = text("size")?.map(|size| {
        size.parse().map_err(|_| Error::invalid_field("size", "a whole number of bytes is expected"))
    });
    Ok(Wanted {
        asset_id: text("asset_id")?.map(|id| id.parse()).transpose()?,
        wish: Wish {
            filename: Some(filename.to_owned()),
            size: size.transpose()?,
            content_type: content_type.filter(|text| is_said(text)).map(str::to_owned),
            sha256: text("sha256")?,
            folder: text("folder")?,
            relative_path: text("relativePath")?,
            message_id: text("message_id")?,
            metadata,
            ..Wish::default()
        },
    })
}

/// A value of the metadata; in a query numbers are text, and what is missing is the word for it.
fn text(metadata: &Map<String, Value>, name: &str) -> Result<Option<String>> {
    match metadata.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty() && is_said(text))),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(_) => Err(Error::invalid_field(name, "a text is expected")),
    }
}

/// An error as Uppy reads it: 5 shows `message` and `requestId`, older ones `error`, 6 the status alone.
pub fn refusal(error: &Error, request: &Request) -> Response {
    let problem = http::problem(error, request.id());
    let status = if is_over(error) { StatusCode::GONE } else { problem.status() };
    let told: Value = serde_json::from_str(problem.body()).unwrap_or_default();
    let text = |name: &str| told[name].as_str().unwrap_or_default();
    let mut response = refused(status, text("code"), text("detail"), request);
    for (name, value) in problem.headers() {
        response.headers_mut().entry(name).or_insert_with(|| value.clone());
    }
    response
}

/// A refusal of a whole route, in the same form.
pub fn refused(status: StatusCode, code: &str, message: &str, request: &Request) -> Response {
    let body = json!({ "message": message, "error": message, "code": code, "requestId": request.id() });
    http::json(status, &body)
}

/// Whether the upload was there and won't be again.
fn is_over(error: &Error) -> bool {
    matches!(error.code(), "upload_gone" | UPLOAD_CANCELLED | Failure::EXPIRED)
}
