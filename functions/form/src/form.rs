//! The body: `multipart/form-data` (RFC 7578), whole in memory, for Lambda has it whole.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream;
use multer::Multipart;
use sluice_core::{Error, ErrorKind, Result, ids::Sha256};
use sluice_lambda::{blocking, http::disposition};

/// The largest form. In base64 it is 6,000,000 bytes, and with the headers around it an event fits the 6 MiB of Lambda's
/// payload (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
pub const MAX_FORM_BYTES: usize = 4_500_000;
/// The most files in a form: each takes some calls, all within the time that API Gateway waits.
pub const MAX_FILES: usize = 20;
/// The longest value of a field; a folder has 512 bytes.
const MAX_FIELD_BYTES: usize = 2_048;
/// The longest boundary (RFC 2046, section 5.1.1).
const MAX_BOUNDARY_CHARS: usize = 70;

/// A form.
#[derive(Debug, Default)]
pub struct Form {
    /// Its files, in order.
    pub files: Vec<File>,
    /// Where they shall land.
    pub folder: Option<String>,
    /// The application's message that they belong to.
    pub message_id: Option<String>,
    /// The paths of its files within a folder that is sent as a whole, in the files' order.
    relative_paths: Vec<String>,
}

/// A file of a form.
#[derive(Debug)]
pub struct File {
    /// Its name, as it came.
    pub filename: String,
    /// Its path within a folder that is sent as a whole.
    pub relative_path: Option<String>,
    /// The type that the client says.
    pub content_type: Option<String>,
    /// Its bytes.
    pub bytes: Bytes,
    /// Their digest.
    pub sha256: Sha256,
}

impl Form {
    /// The digest of all that it holds: each file's own stands for its bytes.
    pub fn digest(&self) -> Sha256 {
        let file = |file: &File| {
            (file.filename.clone(), file.relative_path.clone(), file.content_type.clone(), file.sha256)
        };
        let files: Vec<_> = self.files.iter().map(file).collect();
        let all = (files, &self.folder, &self.message_id);
        Sha256::of(serde_json::to_string(&all).unwrap_or_default().as_bytes())
    }
}

/// The error of a form that is too large.
pub fn too_large() -> Error {
    Error::new(
        ErrorKind::TooLarge,
        "payload_too_large",
        format!(
            "a form has at most {MAX_FORM_BYTES} bytes; larger files go straight to S3, by POST /prepare"
        ),
    )
}

fn invalid(reason: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, "invalid_form", reason)
}

/// Reads a form of at least one file.
///
/// # Errors
/// `unsupported_media_type` for another content type; `invalid_form` for a body that isn't what it says, or ends too
/// early; `invalid_field` for no file, or a field that is too long or no text; `too_many_files`.
pub async fn read(content_type: Option<&str>, body: Vec<u8>) -> Result<Form> {
    let boundary = boundary_of(content_type.unwrap_or_default())?;
    let body = stream::iter([Ok::<_, Infallible>(Bytes::from(body))]);
    let mut parts = Multipart::new(body, boundary);
    let mut form = Form::default();
    while let Some(part) = parts.next_field().await.map_err(|error| fault(&error))? {
        let said = part.headers().get("content-disposition");
        let said = said.and_then(|value| disposition::parse(value.as_bytes()));
        let said = said.filter(|said| said.kind == "form-data").ok_or_else(|| {
            invalid("a part has no `Content-Disposition: form-data`, or one that isn't UTF-8")
        })?;
        let name = said.name.ok_or_else(|| invalid("a part has no name"))?;
        let content_type = part.headers().get("content-type").and_then(|value| value.to_str().ok());
        let content_type = content_type.map(ToOwned::to_owned);
        let bytes = part.bytes().await.map_err(|error| fault(&error))?;
        match said.filename {
            // a browser's file field for which nothing was chosen
            Some(filename) if filename.is_empty() && bytes.is_empty() => {}
            Some(filename) if filename.is_empty() => {
                return Err(Error::invalid_field(&name, "the file has no name"));
            }
            Some(filename) => {
                let hashed = bytes.clone();
                let sha256 = blocking(move || Sha256::of(&hashed)).await?;
                form.files.push(File { filename, relative_path: None, content_type, bytes, sha256 });
            }
            None => match name.as_str() {
                "folder" => form.folder = Some(text_of(&name, &bytes)?),
                "message_id" => form.message_id = Some(text_of(&name, &bytes)?),
                "relative_path" | "relativePath" | "webkitRelativePath" => {
                    form.relative_paths.push(text_of(&name, &bytes)?);
                }
                "file" | "files" | "file[]" | "files[]" => {
                    return Err(Error::invalid_field(&name, "a file is expected, with a file name"));
                }
                // forms of other makers have fields of their own
                _ => {}
            },
        }
        if form.files.len() > MAX_FILES {
            let message = format!("a form has at most {MAX_FILES} files");
            return Err(Error::new(ErrorKind::Invalid, "too_many_files", message));
        }
    }
    if form.files.is_empty() {
        return Err(Error::invalid_field("file", "is missing; a part with a file name is a file"));
    }
    // one for each file, or none can be told to be any file's
    if form.relative_paths.len() == form.files.len() {
        for (file, path) in form.files.iter_mut().zip(form.relative_paths.drain(..)) {
            file.relative_path = Some(path);
        }
    }
    form.folder = form.folder.filter(|text| !text.is_empty());
    form.message_id = form.message_id.filter(|text| !text.is_empty());
    Ok(form)
}

fn boundary_of(content_type: &str) -> Result<String> {
    let (kind, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "unsupported_media_type",
            "this path takes multipart/form-data",
        ));
    }
    // a boundary in quotes may hold anything but a quote; unquoted ones hold `=` often enough to be let through
    let boundary = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
    });
    match boundary {
        Some(boundary) if (1..=MAX_BOUNDARY_CHARS).contains(&boundary.len()) => Ok(boundary.to_owned()),
        Some(_) => Err(invalid("the boundary in the content type is empty or longer than 70 characters")),
        None => Err(invalid("the content type has no boundary")),
    }
}

fn text_of(name: &str, bytes: &Bytes) -> Result<String> {
    if bytes.len() > MAX_FIELD_BYTES {
        return Err(Error::invalid_field(name, format!("has more than {MAX_FIELD_BYTES} bytes")));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Error::invalid_field(name, "isn't UTF-8"))?;
    Ok(text.trim().to_owned())
}

/// What is wrong with the framing. The parser's own words may quote the body, and stay out of it.
fn fault(error: &multer::Error) -> Error {
    match error {
        multer::Error::IncompleteStream
        | multer::Error::IncompleteFieldData { .. }
        | multer::Error::IncompleteHeaders => {
            invalid("the body ends before its last boundary, or its boundary isn't the content type's")
        }
        _ => invalid("a part's headers can't be read"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=XX";

    fn part(disposition: &str, more: &str, body: &str) -> String {
        format!("--XX\r\nContent-Disposition: form-data; {disposition}\r\n{more}\r\n{body}\r\n")
    }

    async fn read_text(content_type: &str, text: &str) -> Result<Form, &'static str> {
        read(Some(content_type), text.as_bytes().to_vec()).await.map_err(|error| error.code())
    }

    #[tokio::test]
    async fn files_and_fields_are_told_apart_by_the_file_name() {
        let body = part("name=\"folder\"", "", " trips ")
            + &part("name=\"message_id\"", "", "")
            + &part("name=\"csrf\"", "", "whatever")
            + &part("name=\"file\"; filename=\"a.txt\"", "Content-Type: text/plain\r\n", "one\r\n--X\r\n")
            + &part("name=\"other\"; filename=\"empty.bin\"", "", "")
            + &part("name=\"unchosen\"; filename=\"\"", "Content-Type: application/octet-stream\r\n", "")
            + "--XX--\r\n";
        let form = read_text(TYPE, &body).await.unwrap();
        assert_eq!((form.folder.as_deref(), form.message_id.as_deref()), (Some("trips"), None));
        let files: Vec<_> = form
            .files
            .iter()
            .map(|file| (file.filename.as_str(), file.content_type.as_deref(), &file.bytes[..]))
            .collect();
        assert_eq!(
            files,
            [("a.txt", Some("text/plain"), &b"one\r\n--X\r\n"[..]), ("empty.bin", None, &b""[..])],
            "an empty file is a file"
        );
        for same in ["multipart/form-data; charset=utf-8; Boundary=\"XX\"", "Multipart/Form-Data;boundary=XX"]
        {
            assert_eq!(read_text(same, &body).await.unwrap().files.len(), 2);
        }
    }

    #[tokio::test]
    async fn a_folder_that_is_sent_as_a_whole_keeps_its_paths() {
        let path = |path: &str| part("name=\"relativePath\"", "", path);
        let file = |name: &str| part(&format!("name=\"file\"; filename=\"{name}\""), "", name);
        let paths = async |body: String| {
            let form = read_text(TYPE, &(body + "--XX--\r\n")).await.unwrap();
            form.files.into_iter().map(|file| file.relative_path).collect::<Vec<_>>()
        };
        let (rome, oslo) = (Some("rome/a".to_owned()), Some("oslo/b".to_owned()));
        assert_eq!(paths(path("rome/a") + &file("a")).await, [rome.clone()]);
        let both = path("rome/a") + &file("a") + &path("oslo/b") + &file("b");
        assert_eq!(paths(both).await, [rome.clone(), oslo.clone()]);
        let last = file("a") + &file("b") + &path("rome/a") + &path("oslo/b");
        assert_eq!(paths(last).await, [rome, oslo]);
        assert_eq!(paths(path("rome/a") + &file("a") + &file("b")).await, [None, None]);
    }

    #[tokio::test]
    async fn what_is_no_form_says_so() {
        let file = part("name=\"file\"; filename=\"a.txt\"", "", "bytes");
        let whole = format!("{file}--XX--\r\n");
        for (content_type, code) in [
            ("", "unsupported_media_type"),
            ("application/json", "unsupported_media_type"),
            ("multipart/mixed; boundary=XX", "unsupported_media_type"),
            ("multipart/form-data", "invalid_form"),
            ("multipart/form-data; boundary=", "invalid_form"),
            ("multipart/form-data; boundary=YY", "invalid_form"),
            (&format!("multipart/form-data; boundary={}", "x".repeat(71)), "invalid_form"),
        ] {
            assert_eq!(read_text(content_type, &whole).await.unwrap_err(), code, "{content_type}");
        }
        for cut in 0..file.len() {
            assert_eq!(read_text(TYPE, &whole[..cut]).await.unwrap_err(), "invalid_form", "{cut}");
        }
        for (body, code) in [
            (String::new(), "invalid_form"),
            ("--XX--\r\n".to_owned(), "invalid_field"),
            (part("name=\"folder\"", "", "x") + "--XX--", "invalid_field"),
            (part("name=\"file\"", "", "bytes") + "--XX--", "invalid_field"),
            (part("name=\"file\"; filename=\"\"", "", "bytes") + "--XX--", "invalid_field"),
            (part("filename=\"a.txt\"", "", "bytes") + "--XX--", "invalid_form"),
            ("--XX\r\n\r\nbytes\r\n--XX--".to_owned(), "invalid_form"),
            (part("name=\"folder\"", "", &"x".repeat(2_049)) + &whole, "invalid_field"),
            (file.repeat(MAX_FILES + 1) + "--XX--", "too_many_files"),
        ] {
            assert_eq!(read_text(TYPE, &body).await.unwrap_err(), code, "{body}");
        }
        assert_eq!(
            read_text(TYPE, &(file.repeat(MAX_FILES) + "--XX--")).await.unwrap().files.len(),
            MAX_FILES
        );
        assert_eq!(read(None, Vec::new()).await.unwrap_err().kind(), ErrorKind::Unsupported);
        let not_text = [part("name=\"folder\"", "", "").as_bytes(), b"\xff"].concat();
        assert_eq!(read(Some(TYPE), not_text).await.unwrap_err().code(), "invalid_form");
    }
}
