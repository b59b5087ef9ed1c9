//! One error type for the domain and its ports.
//!
//! An error has a *kind* (what a caller can do about it; `sluice-lambda` maps kinds to HTTP statuses and to
//! retry-or-not), a stable *code* for programs, a *message* that is safe to show to the client, and optionally a
//! source that is for the log alone: `Display` never prints it.

use std::{error::Error as StdError, fmt};

/// The result of everything in the domain.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a caller can do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request is wrong and stays wrong.
    Invalid,
    /// It could be right by itself, but doesn't fit what was said before.
    Unprocessable,
    /// It doesn't exist, or isn't the caller's (the two are never told apart).
    NotFound,
    /// It doesn't fit the present state.
    Conflict,
    /// Over a limit in size.
    TooLarge,
    /// A type or feature that isn't served.
    Unsupported,
    /// Who is asking isn't known.
    Unauthorized,
    /// Who is asking is known and may not.
    Forbidden,
    /// Too much at once; later it may work.
    Throttled,
    /// A service that is needed didn't answer; later it may work.
    Unavailable,
    /// A fault of ours.
    Internal,
}

impl ErrorKind {
    /// Whether the same request can succeed later with nothing changed by the caller.
    pub const fn is_transient(self) -> bool {
        matches!(self, Self::Throttled | Self::Unavailable | Self::Internal)
    }
}

/// An error: kind, code and public message; the source is for logs.
pub struct Error {
    kind: ErrorKind,
    code: &'static str,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of `kind` with a stable `code` (snake case) and a message that the client may read.
    pub fn new(kind: ErrorKind, code: &'static str, message: impl Into<String>) -> Self {
        Self { kind, code, message: message.into(), source: None }
    }

    /// The same error with what caused it, for the log.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// A field of the request that is missing or wrong.
    pub fn invalid_field(field: &str, reason: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Invalid, "invalid_field", format!("{field}: {reason}"))
    }

    /// A file name that can't be stored or shown safely.
    pub fn invalid_filename(reason: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Invalid, "invalid_filename", format!("filename: {reason}"))
    }

    /// A part list that doesn't describe the upload.
    pub fn invalid_parts(code: &'static str, reason: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Invalid, code, format!("parts: {reason}"))
    }

    /// An asset that doesn't exist or isn't the caller's.
    pub fn asset_not_found() -> Self {
        Self::new(ErrorKind::NotFound, "asset_not_found", "no such asset")
    }

    /// A task that doesn't exist or isn't the caller's.
    pub fn task_not_found() -> Self {
        Self::new(ErrorKind::NotFound, "task_not_found", "no such task")
    }

    /// An upload that doesn't exist or isn't the caller's.
    pub fn upload_not_found() -> Self {
        Self::new(ErrorKind::NotFound, "upload_not_found", "no such upload")
    }

    /// A state that doesn't allow the request.
    pub fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict, code, message)
    }

    /// A service behind a port that failed in passing.
    pub fn unavailable(service: &'static str, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Unavailable, "unavailable", format!("{service} did not answer"))
            .with_source(source)
    }

    /// A fault of ours: a broken record, an answer that can't be.
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Internal, "internal", "internal error").with_source(source)
    }

    /// What a caller can do about it.
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The stable code.
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// The public message.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The sources, joined for one line of the log; empty when there are none.
    pub fn sources(&self) -> String {
        let mut out = String::new();
        let mut next: Option<&dyn StdError> = StdError::source(self);
        while let Some(error) = next {
            if !out.is_empty() {
                out.push_str(": ");
            }
            out.push_str(&error.to_string());
            next = error.source();
        }
        out
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}/{self}", self.kind)?;
        let sources = self.sources();
        if sources.is_empty() { Ok(()) } else { write!(f, " ({sources})") }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_never_tells_the_source() {
        let error = Error::internal("table arn:aws:dynamodb… refused");
        assert_eq!(error.to_string(), "internal: internal error");
        assert!(error.sources().contains("arn:aws"));
    }
}
