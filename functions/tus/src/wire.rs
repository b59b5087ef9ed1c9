//! What stands in a request's headers. Nothing of it is believed; each fault has the status that clients expect.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde_json::{Map, Value};
use sha2::Digest;
use sluice_core::{
    gate::{Wish, is_said},
    ids::Sha256,
    names::ContentType,
    tus::MAX_APPEND_BYTES,
};
use sluice_lambda::http::{Method, Request, disposition};

use crate::{
    fault::{Fault, Refusal},
    secret::Secret,
};

/// The protocol's version.
pub const VERSION: &str = "1.0.0";
/// What of it is served.
pub const EXTENSIONS: &str =
    "creation,creation-with-upload,creation-defer-length,termination,checksum,expiration,concatenation";
/// The algorithms of checksums.
pub const ALGORITHMS: &str = "sha1,sha256";
/// The type of an append's body.
const OFFSET_TYPE: &str = "application/offset+octet-stream";
/// The same in the draft.
const PARTIAL_TYPE: &str = "application/partial-upload";
/// The largest header that is read. API Gateway takes 10,240 bytes of all together.
const MAX_HEADER_BYTES: usize = 8_192;

/// Some clients leave the padding away.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Which protocol is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// tus 1.0.0.
    Tus,
    /// draft-ietf-httpbis-resumable-upload.
    Draft,
}

impl Dialect {
    /// Which one a request speaks; none if it speaks another version of tus, or none at all.
    pub fn of(request: &Request, method: &Method) -> Option<Self> {
        if let Some(version) = request.header("tus-resumable") {
            return (version.trim() == VERSION).then_some(Self::Tus);
        }
        let marked = request.header("upload-complete").is_some()
            || request.header("upload-draft-interop-version").is_some()
            || has_type(request, PARTIAL_TYPE)
            || matches!(*method, Method::HEAD | Method::DELETE);
        marked.then_some(Self::Draft)
    }
}

/// The method that is meant: `X-HTTP-Method-Override` counts on POST, for clients that can't send others.
pub fn method(request: &Request) -> Method {
    match (request.method(), request.header("x-http-method-override")) {
        (&Method::POST, Some(name)) => name.trim().to_ascii_uppercase().parse().unwrap_or(Method::TRACE),
        (method, _) => method.clone(),
    }
}

fn has_type(request: &Request, expected: &str) -> bool {
    let essence = request.header("content-type").and_then(|text| text.split(';').next());
    essence.is_some_and(|text| text.trim().eq_ignore_ascii_case(expected))
}

/// Whether the body's type is that of an append.
///
/// # Errors
/// 415
pub fn check_type(request: &Request, dialect: Dialect) -> Result<(), Refusal> {
    let expected = if dialect == Dialect::Tus { OFFSET_TYPE } else { PARTIAL_TYPE };
    if has_type(request, expected) {
        return Ok(());
    }
    Err(Refusal::new(415, "unsupported_media_type", format!("Content-Type: {expected} is expected")))
}

/// A header that is a whole number.
///
/// # Errors
/// 400
pub fn number(request: &Request, name: &str) -> Result<Option<u64>, Refusal> {
    let Some(text) = request.header(name) else { return Ok(None) };
    let text = text.trim();
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse().ok().filter(|_| digits) {
        Some(number) => Ok(Some(number)),
        None => Err(Refusal::invalid(name, "a whole number is expected")),
    }
}

/// `Upload-Complete` (a boolean of RFC 9651): whether the request's body is the upload's end.
///
/// # Errors
/// 400
pub fn completes(request: &Request) -> Result<bool, Refusal> {
    match request.header("upload-complete").map(str::trim) {
        Some("?1") => Ok(true),
        Some("?0") => Ok(false),
        _ => Err(Refusal::invalid("upload-complete", "?0 or ?1 is expected")),
    }
}

/// The length that a creation tells; none where it is promised for later.
///
/// # Errors
/// 400
pub fn creation_length(request: &Request, dialect: Dialect, body: u64) -> Result<Option<u64>, Refusal> {
    let told = number(request, "upload-length")?;
    match dialect {
        Dialect::Draft if completes(request)? => match told {
            Some(length) if length != body => Err(Refusal::inconsistent()),
            _ => Ok(Some(body)),
        },
        Dialect::Draft => Ok(told),
        Dialect::Tus => match (told, request.header("upload-defer-length").map(str::trim)) {
            (Some(length), None) => Ok(Some(length)),
            (None, Some("1")) => Ok(None),
            _ => Err(Refusal::invalid("upload-length", "this or Upload-Defer-Length: 1 is expected")),
        },
    }
}

/// The body.
///
/// # Errors
/// 413 over what one request may carry.
pub fn body(request: &Request) -> Result<Vec<u8>, Fault> {
    let limit = usize::try_from(MAX_APPEND_BYTES).unwrap_or(usize::MAX);
    Ok(request.bytes(limit)?.ok_or_else(Refusal::append_too_large)?)
}

/// Checks the body against `Upload-Checksum`.
///
/// # Errors
/// 400 for a header that can't be read, or an algorithm that isn't known; 460 for bytes that were damaged on their way.
pub fn check_sum(request: &Request, body: &[u8]) -> Result<(), Refusal> {
    let Some(text) = request.header("upload-checksum") else { return Ok(()) };
    let malformed = || Refusal::invalid("upload-checksum", "an algorithm and a sum in base64 are expected");
    let (algorithm, sum) = text.trim().split_once(' ').ok_or_else(malformed)?;
    let sum = BASE64.decode(sum.trim()).map_err(|_| malformed())?;
    let fits = match algorithm {
        "sha1" => sha1::Sha1::digest(body)[..] == sum[..],
        "sha256" => sha2::Sha256::digest(body)[..] == sum[..],
        _ => return Err(Refusal::invalid("upload-checksum", "the algorithms are sha1 and sha256")),
    };
    if fits {
        Ok(())
    } else {
        Err(Refusal::new(460, "checksum_mismatch", "the bytes aren't those that were sent"))
    }
}

fn limited<'a>(request: &'a Request, name: &str) -> Result<Option<&'a str>, Refusal> {
    let Some(text) = request.header(name) else { return Ok(None) };
    if text.len() > MAX_HEADER_BYTES {
        let detail = format!("{name}: at most {MAX_HEADER_BYTES} bytes are read");
        return Err(Refusal::new(431, "header_too_large", detail));
    }
    Ok(Some(text))
}

/// `Upload-Metadata`
#[derive(Debug, Default)]
pub struct Metadata {
    /// As it came.
    pub raw: Option<String>,
    pairs: Vec<(String, Option<String>)>,
}

impl Metadata {
    /// Reads the header. An empty one is legal; a value needn't be text, but is then none that is read.
    ///
    /// # Errors
    /// 400, 431
    pub fn read(request: &Request) -> Result<Self, Refusal> {
        let Some(raw) = limited(request, "upload-metadata")? else { return Ok(Self::default()) };
        let fault = |reason: &str| Refusal::invalid("upload-metadata", reason);
        let mut pairs: Vec<(String, Option<String>)> = Vec::new();
        for pair in raw.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
            if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(fault("a key is printable ASCII"));
            }
            if pairs.iter().any(|(have, _)| have == key) {
                return Err(fault("a key comes twice"));
            }
            let value = BASE64.decode(value.trim()).map_err(|_| fault("a value isn't base64"))?;
            pairs.push((key.to_owned(), String::from_utf8(value).ok()));
        }
        Ok(Self { raw: Some(raw.to_owned()), pairs })
    }

    /// The first of these keys that has a value. The words that JavaScript puts where nothing is are none.
    pub fn get(&self, keys: &[&str]) -> Option<&str> {
        let find = |wanted: &&str| self.pairs.iter().find(|(key, _)| key == wanted)?.1.as_deref();
        keys.iter().filter_map(find).find(|value| !value.is_empty() && is_said(value))
    }

    /// What the client wishes to upload.
    pub fn wish(&self, request: &Request, size: Option<u64>) -> Wish {
        const READ: [&str; 13] = [
            "filename",
            "name",
            "content_type",
            "filetype",
            "type",
            "folder",
            "message_id",
            "sha256",
            "asset_id",
            "token",
            "upload_request_id",
            "relativePath",
            "relative_path",
        ];
        let text = |keys: &[&str]| self.get(keys).map(str::to_owned);
        // a draft's client has the file's own type in the header, and its name where a form has it
        let of_draft = (!has_type(request, OFFSET_TYPE)).then(|| request.header("content-type")).flatten();
        let content_type = self.get(&["content_type", "filetype", "type"]).or(of_draft);
        let disposition =
            request.header("content-disposition").and_then(|header| disposition::parse(header.as_bytes()));
        let disposition = disposition.and_then(|said| said.filename).filter(|name| !name.is_empty());
        let rest = self.pairs.iter().filter(|(key, _)| !READ.contains(&key.as_str()));
        let metadata: Map<String, Value> =
            rest.filter_map(|(key, value)| Some((key.clone(), Value::String(value.clone()?)))).collect();
        Wish {
            filename: text(&["filename", "name"]).or(disposition),
            size,
            // what is no media type says nothing
            content_type: content_type
                .filter(|text| ContentType::from_header(text).is_ok())
                .map(str::to_owned),
            sha256: text(&["sha256"]),
            folder: text(&["folder"]),
            relative_path: text(&["relativePath", "relative_path"]),
            message_id: text(&["message_id"]),
            metadata,
            ..Wish::default()
        }
    }
}

/// The digest of all that a creation asks for.
pub fn digest_of_creation(request: &Request) -> Sha256 {
    const ASK: [&str; 5] =
        ["upload-length", "upload-defer-length", "upload-metadata", "upload-concat", "upload-complete"];
    let asked = ASK.map(|name| request.header(name));
    Sha256::of(format!("{} {asked:?}", request.digest()).as_bytes())
}

/// `Upload-Concat`
#[derive(PartialEq, Eq)]
pub enum Concat {
    /// Part of an upload.
    Partial,
    /// An upload made of these.
    Final(Vec<Secret>),
}

impl Concat {
    /// Reads the header, if there is one. Of an upload's URL, absolute or relative, the last segment counts.
    ///
    /// # Errors
    /// 400, 431
    pub fn read(request: &Request) -> Result<Option<(Self, String)>, Refusal> {
        let Some(raw) = limited(request, "upload-concat")? else { return Ok(None) };
        let fault = || Refusal::invalid("upload-concat", "`partial`, or `final;` and URLs, are expected");
        let text = raw.trim();
        if text == "partial" {
            return Ok(Some((Self::Partial, raw.to_owned())));
        }
        let urls = text.strip_prefix("final;").ok_or_else(fault)?;
        let last = |url: &str| url.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
        let parts: Vec<Secret> = urls.split_ascii_whitespace().map(|url| Secret::new(last(url))).collect();
        if parts.is_empty() {
            return Err(fault());
        }
        Ok(Some((Self::Final(parts), raw.to_owned())))
    }
}
