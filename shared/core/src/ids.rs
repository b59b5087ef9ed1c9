//! Identifiers, each a newtype that only holds what is valid: what has been parsed once needs no second look.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use sha2::Digest;
use uuid::Uuid;

use crate::error::{Error, Result};

/// Implements the text side of a string newtype: `TryFrom<String>` and `FromStr` through `$check`, `Display`, serde.
macro_rules! text_newtype {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;
            fn try_from(text: String) -> Result<Self> {
                $check(&text)?;
                Ok(Self(text))
            }
        }

        impl FromStr for $name {
            type Err = Error;
            fn from_str(text: &str) -> Result<Self> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
pub(crate) use text_newtype;

/// An id that is a UUID version 7 (RFC 9562), so that ids sort by the time they were made. As text it has one spelling, the
/// hyphenated lower-case form; any other is `$absent`, the error of one that doesn't exist.
macro_rules! uuid_newtype {
    ($(#[$doc:meta])* $name:ident, $absent:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Uuid);

        impl $name {
            /// From the generator's UUID.
            pub const fn new(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl FromStr for $name {
            type Err = Error;
            fn from_str(text: &str) -> Result<Self> {
                let uuid = Uuid::try_parse(text).map_err(|_| $absent())?;
                if uuid.hyphenated().to_string() == text { Ok(Self(uuid)) } else { Err($absent()) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;
            fn try_from(text: String) -> Result<Self> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
    };
}

uuid_newtype! {
    /// An asset's id.
    AssetId, Error::asset_not_found
}

uuid_newtype! {
    /// A task's id.
    TaskId, Error::task_not_found
}

text_newtype! {
    /// Who owns an asset: the subject of the caller's token, whatever its identity provider writes there (`auth0|5f…`, an
    /// e-mail address, a URL, `CORP\\joerg`), in 1 to 256 bytes without control characters. Where a path or plain ASCII is
    /// needed it is [`Self::segment`] or [`Self::escaped`].
    OwnerId, check_owner
}

fn check_owner(text: &str) -> Result<()> {
    if text.is_empty() || text.len() > 256 || text.chars().any(char::is_control) {
        return Err(Error::new(
            crate::ErrorKind::Unauthorized,
            "invalid_subject",
            "the token's subject is empty, over 256 bytes, or holds control characters",
        ));
    }
    Ok(())
}

/// The longest escaped owner that stands in a path as it is.
const LONGEST_SEGMENT: usize = 128;

impl OwnerId {
    /// As plain ASCII of `[A-Za-z0-9._@:|+=-]`, every other byte as `!` and two hexadecimal digits: what API Gateway hands
    /// from an authorizer to a function.
    pub fn escaped(&self) -> String {
        match self.as_str() {
            "." => "!2E".to_owned(),
            ".." => "!2E!2E".to_owned(),
            text => escape(text, "._@:|+=-"),
        }
    }

    /// From [`Self::escaped`]; none if it isn't just that of any.
    pub fn from_escaped(text: &str) -> Option<Self> {
        let owner = unescape(text)?.parse::<Self>().ok()?;
        (owner.escaped() == text).then_some(owner)
    }

    /// As one segment of a path, of no other owner's: escaped, and where that is long `~` and a digest.
    pub fn segment(&self) -> String {
        let escaped = self.escaped();
        if escaped.len() <= LONGEST_SEGMENT {
            escaped
        } else {
            format!("~{}", Sha256::of(self.as_str().as_bytes()))
        }
    }
}

/// ASCII letters, digits and `also` as they are, every other byte as `!` and two hexadecimal digits.
pub fn escape(text: &str, also: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        let plain = char::from(byte);
        if plain.is_ascii_alphanumeric() || also.contains(plain) {
            escaped.push(plain);
        } else {
            escaped.push('!');
            escaped.push_str(&hex::encode_upper([byte]));
        }
    }
    escaped
}

/// What was escaped; none if it can't have been.
pub fn unescape(text: &str) -> Option<String> {
    let mut pieces = text.split('!');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        bytes.extend(hex::decode(piece.get(..2)?).ok()?);
        bytes.extend_from_slice(piece.get(2..)?.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

text_newtype! {
    /// S3's id of a multipart upload: opaque, URL-safe, 1 to 1,024 characters.
    UploadId, check_upload_id
}

fn check_upload_id(text: &str) -> Result<()> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "._-~+/=".contains(c);
    if text.is_empty() || text.len() > 1024 || !text.chars().all(legal) {
        return Err(Error::upload_not_found());
    }
    Ok(())
}

text_newtype! {
    /// An S3 entity tag without its quotes; clients send it with or without them.
    ETag, check_etag
}

impl ETag {
    /// From a header or a client: surrounding quotes and an optional weak marker are dropped.
    pub fn from_header(text: &str) -> Result<Self> {
        text.trim().trim_start_matches("W/").trim_matches('"').parse()
    }

    /// As HTTP writes it, in quotes.
    pub fn quoted(&self) -> String {
        format!("\"{}\"", self.0)
    }
}

fn check_etag(text: &str) -> Result<()> {
    let legal = |c: char| c.is_ascii_graphic() && c != '"';
    if text.is_empty() || text.len() > 128 || !text.chars().all(legal) {
        return Err(Error::invalid_parts("invalid_etag", "an ETag is 1 to 128 printable characters"));
    }
    Ok(())
}

text_newtype! {
    /// S3's id of one version of an object, opaque.
    ObjectVersionId, check_opaque
}

text_newtype! {
    /// The application's own id of the message that an asset belongs to, 1 to 256 printable characters.
    MessageId, check_message_id
}

text_newtype! {
    /// A client's own id of an upload job, unique among its owner's: 1 to 256 printable characters without `#` and `/`, in
    /// at most 1,000 bytes (a sort key has 1,024). It is neither `.` nor `..`: as a segment of a path, by which a job is
    /// cancelled, those mean another path.
    RequestId, check_request_id
}

text_newtype! {
    /// API Gateway's id of one WebSocket connection, opaque.
    ConnectionId, check_opaque
}

fn check_opaque(text: &str) -> Result<()> {
    if text.is_empty() || text.len() > 1024 || text.chars().any(char::is_control) {
        return Err(Error::invalid_field("id", "empty, over 1,024 characters, or with control characters"));
    }
    Ok(())
}

fn check_message_id(text: &str) -> Result<()> {
    if text.is_empty() || text.chars().count() > 256 || text.chars().any(char::is_control) {
        return Err(Error::invalid_field(
            "message_id",
            "1 to 256 characters, none of them control characters",
        ));
    }
    Ok(())
}

fn check_request_id(text: &str) -> Result<()> {
    let legal = |c: char| !c.is_control() && c != '#' && c != '/';
    let of_path = matches!(text, "." | "..");
    if of_path
        || text.is_empty()
        || text.len() > 1_000
        || text.chars().count() > 256
        || !text.chars().all(legal)
    {
        return Err(Error::invalid_field(
            "id",
            "1 to 256 characters, none of them `#`, `/` or a control character, and not `.` or `..`",
        ));
    }
    Ok(())
}

/// A SHA-256 digest, 64 lower-case hexadecimal digits as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// Of these bytes. What is kept of a secret is this; for one of 256 random bits nothing slower is needed.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// From the digest's bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The digest's bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for Sha256 {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)
            .map_err(|_| Error::invalid_field("sha256", "64 hexadecimal digits are expected"))?;
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Sha256 {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Sha256> for String {
    fn from(digest: Sha256) -> String {
        digest.to_string()
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// The version of an asset's content: 1 for the first upload, one more for each update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Version(u32);

impl Version {
    /// The first version.
    pub const FIRST: Self = Self(1);

    /// The version after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Version {
    type Error = Error;
    fn try_from(number: u32) -> Result<Self> {
        match number {
            0 => Err(Error::invalid_field("version", "a whole number from 1")),
            number => Ok(Self(number)),
        }
    }
}

impl From<Version> for u32 {
    fn from(version: Version) -> Self {
        version.0
    }
}

impl FromStr for Version {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        text.parse::<u32>().unwrap_or_default().try_into()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        let text = "0190a6d4-7c5e-7b3a-8f2d-1c2b3a4d5e6f";
        assert_eq!(text.parse::<AssetId>().unwrap().to_string(), text);
        assert_eq!(text.parse::<TaskId>().unwrap().to_string(), text);
        for other in ["", "x", &text.to_uppercase(), &text.replace('-', ""), &format!("{{{text}}}")] {
            assert_eq!(other.parse::<AssetId>().unwrap_err().code(), "asset_not_found", "{other}");
            assert_eq!(other.parse::<TaskId>().unwrap_err().code(), "task_not_found", "{other}");
        }
    }

    #[test]
    fn owners_are_what_identity_providers_send_and_never_a_path() {
        let plain =
            ["alice", "auth0|5f7c8ec7c33c6c004bbafe82", "a@b.example", "0190a6d4-7c5e", &"x".repeat(128)];
        for good in plain {
            assert_eq!(
                good.parse::<OwnerId>().unwrap().segment(),
                good,
                "which it was before others were let in"
            );
        }
        let odd = [
            ".",
            "..",
            "a/b",
            "CORP\\joerg",
            "a#b",
            "a b",
            "http://idp.example/users/Jörg Müller",
            "a!2Fb",
            "~a",
            "%2F",
            "${x}",
        ];
        let long = ["x".repeat(129), "x".repeat(256), "ü".repeat(128), "/".repeat(43), "/".repeat(44)];
        let all: Vec<&str> = plain.into_iter().chain(odd).chain(long.iter().map(String::as_str)).collect();
        let segments: std::collections::BTreeSet<String> = all
            .iter()
            .map(|text| {
                let owner = text.parse::<OwnerId>().unwrap();
                assert_eq!(OwnerId::from_escaped(&owner.escaped()), Some(owner.clone()));
                let segment = owner.segment();
                let legal = |c: char| c.is_ascii_alphanumeric() || "._@:|+=-!~".contains(c);
                assert!(segment.chars().all(legal) && segment.len() <= 128, "{segment}");
                assert!(!matches!(segment.as_str(), "." | ".."));
                segment
            })
            .collect();
        assert_eq!(segments.len(), all.len(), "no two owners have the same");
        for bad in ["", "a\0", "a\nb", &"x".repeat(257), &"ü".repeat(129)] {
            assert_eq!(bad.parse::<OwnerId>().unwrap_err().code(), "invalid_subject", "{bad:?}");
        }
        for none in ["a/b", "a!2fb", "a!2", "a!", "!61", "!FF", "ü", ""] {
            assert_eq!(OwnerId::from_escaped(none), None, "{none}");
        }
    }

    #[test]
    fn an_etag_is_the_same_with_and_without_quotes() {
        let bare = ETag::from_header("abc-2").unwrap();
        assert_eq!(ETag::from_header("\"abc-2\"").unwrap(), bare);
        assert_eq!(bare.quoted(), "\"abc-2\"");
        assert!(ETag::from_header("\"\"").is_err());
    }

    #[test]
    fn a_digest_is_64_hexadecimal_digits() {
        let text = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(text.to_uppercase().parse::<Sha256>().unwrap().to_string(), text);
        assert!(text[1..].parse::<Sha256>().is_err());
        assert!(text.replace('e', "g").parse::<Sha256>().is_err());
    }
}
