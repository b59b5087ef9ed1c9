//! Signed URLs: AWS Signature Version 4 in the query string
//! (<https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>), HMAC by RFC 2104 with SHA-256
//! (FIPS 180-4), escapes by RFC 3986. Forms are signed by the same key: see [`post_policy`](super::post_policy).
//!
//! The SDK has a presigner, which walks its whole pipeline for every URL. Here what is the same for all URLs of an
//! answer is done once: the signing key, the date, the credential, and for the parts of an upload the beginning of the
//! canonical request and of the text to sign, whose half-finished digests are copied. The tests hold every URL equal to
//! the SDK's, byte for byte.

use std::{
    fmt::{Display, Write},
    ops::RangeInclusive,
    time::Duration,
};

use aws_credential_types::Credentials;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};
use sluice_core::{Error, ErrorKind, Result, ports::SignedPart, time::Timestamp};

use super::bucket::Endpoint;
use crate::credentials::expiry;

/// The longest that S3 takes a signed URL for.
const MAX_TTL: Duration = Duration::from_hours(7 * 24);

pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// In place of the body's digest: who signs doesn't have the body.
const PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// All but the unreserved characters (RFC 3986, section 2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The same for a key, whose slashes stay.
const ESCAPED_IN_PATH: &AsciiSet = &ESCAPED.remove(b'/');

/// A request to sign. `operation` is what the SDK sends as `x-id`.
pub(super) struct Request<'a> {
    pub method: &'static str,
    pub operation: &'static str,
    pub key: &'a str,
    /// Beside `x-id` and what a signature adds, in the order of the URL. Names are plain, values as they are meant.
    pub query: &'a [(&'a str, &'a str)],
    /// Beside `host`, in any order, names in lower case.
    pub headers: &'a [(&'a str, &'a str)],
}

/// Signs for one bucket, with one set of credentials, at one time: all URLs of one answer.
pub(super) struct Signing<'a> {
    endpoint: &'a Endpoint,
    /// Keyed with the derived signing key.
    key: Hmac<Sha256>,
    /// The same, fed with the text to sign up to the digest of the request.
    mac: Hmac<Sha256>,
    /// What every signature says of itself.
    pub(super) date: String,
    pub(super) credential: String,
    pub(super) token: Option<String>,
    expires: String,
    expires_at: Timestamp,
}

impl<'a> Signing<'a> {
    /// Starts at `now`; the URLs end after `ttl`, after a week, or with the credentials, whichever is first.
    pub(super) fn new(
        endpoint: &'a Endpoint,
        credentials: &Credentials,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<Self> {
        Self::since(endpoint, credentials, now, now, ttl)
    }

    /// Starts at the beginning of the window that `now` lies in: all URLs of one window are the same as long as the
    /// credentials are. A window is half as long as `ttl`, so that at least half of a URL's life is left whenever it is
    /// handed out; a session of the credentials that ends sooner ends it, and a new session begins new URLs.
    pub(super) fn in_window(
        endpoint: &'a Endpoint,
        credentials: &Credentials,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<Self> {
        Self::since(endpoint, credentials, now, window(now, ttl), ttl)
    }

    fn since(
        endpoint: &'a Endpoint,
        credentials: &Credentials,
        now: Timestamp,
        start: Timestamp,
        ttl: Duration,
    ) -> Result<Self> {
        let expiry = expiry(credentials);
        let left = expiry.map_or(MAX_TTL, |expiry| start.until(expiry));
        let seconds = ttl.min(MAX_TTL).min(left).as_secs();
        if seconds == 0 || expiry.is_some_and(|expiry| now.until(expiry).as_secs() == 0) {
            return Err(Error::new(ErrorKind::Unavailable, "unavailable", "nothing can be signed right now")
                .with_source("the signing credentials have expired"));
        }
        let date = start.to_amz_date();
        let day = date.get(..8).unwrap_or_default();
        let region = endpoint.region.as_str();
        let scope = format!("{day}/{region}/s3/aws4_request");
        let secret = format!("AWS4{}", credentials.secret_access_key());
        let key = [day, region, "s3", "aws4_request"].into_iter().fold(secret.into_bytes(), |key, part| {
            keyed(&key).chain_update(part).finalize().into_bytes().to_vec()
        });
        let key = keyed(&key);
        Ok(Self {
            endpoint,
            mac: key.clone().chain_update(format!("{ALGORITHM}\n{date}\n{scope}\n")),
            key,
            date,
            credential: format!("{}/{scope}", credentials.access_key_id()),
            token: credentials.session_token().map(str::to_owned),
            expires: seconds.to_string(),
            expires_at: Timestamp::from_seconds(start.as_seconds()).plus(Duration::from_secs(seconds)),
        })
    }

    /// Until when the URLs are good.
    pub(super) const fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// The address of the bucket, with a slash at its end.
    pub(super) fn bucket_url(&self) -> String {
        self.endpoint.object_url("")
    }

    /// The signature of a text that isn't a request.
    pub(super) fn sign(&self, text: &str) -> String {
        let signature = hexadecimal(&self.key.clone().chain_update(text).finalize().into_bytes());
        as_text(&signature).to_owned()
    }

    /// The signed URL of one request.
    pub(super) fn url(&self, request: &Request<'_>) -> String {
        let prepared = self.prepare(request);
        let signature = self.signature(&Sha256::digest(prepared.canonical.as_bytes()));
        let mut url = prepared.url;
        url.push_str(as_text(&signature));
        url.push_str(&prepared.url_tail);
        url
    }

    /// The signed URLs of a window of parts. Only the number differs between them, so all that stands before it is
    /// digested once.
    pub(super) fn part_urls(
        &self,
        key: &str,
        upload_id: &str,
        parts: RangeInclusive<u16>,
    ) -> Vec<SignedPart> {
        /// Can't stand anywhere else: keys and values hold no unescaped '='.
        const NUMBER: &str = "partNumber=";
        let query = [("partNumber", ""), ("uploadId", upload_id)];
        let prepared = self.prepare(&Request {
            method: "PUT",
            operation: "UploadPart",
            key,
            query: &query,
            headers: &[],
        });
        let (canonical_head, canonical_tail) =
            prepared.canonical.split_once(NUMBER).unwrap_or((&prepared.canonical, ""));
        let (url_head, url_tail) = prepared.url.split_once(NUMBER).unwrap_or((&prepared.url, ""));
        let head = Sha256::new().chain_update(canonical_head).chain_update(NUMBER);
        let mut digits = String::with_capacity(5);
        parts
            .map(|number| {
                digits.clear();
                let _ = write!(digits, "{number}");
                let digest = head.clone().chain_update(&digits).chain_update(canonical_tail).finalize();
                let signature = self.signature(&digest);
                let url =
                    [url_head, NUMBER, &digits, url_tail, as_text(&signature), &prepared.url_tail].concat();
                SignedPart { number, url }
            })
            .collect()
    }

    fn signature(&self, digest_of_request: &[u8]) -> [u8; 64] {
        let mac = self.mac.clone().chain_update(hexadecimal(digest_of_request)).finalize();
        hexadecimal(&mac.into_bytes())
    }

    /// The canonical request, and the URL on both sides of its signature.
    fn prepare(&self, request: &Request<'_>) -> Prepared {
        let path = format!("{}/{}", self.endpoint.path, escape_path(request.key));
        let mut headers = Vec::with_capacity(request.headers.len() + 1);
        headers.extend_from_slice(request.headers);
        headers.push(("host", self.endpoint.host.as_str()));
        headers.sort_unstable();
        let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let (escaped_names, credential) = (escape(&names), escape(&self.credential));
        let token = self.token.as_deref().map(escape);

        let mut own = Vec::with_capacity(request.query.len() + 1);
        own.push(("x-id", request.operation.to_owned()));
        own.extend(request.query.iter().map(|(name, value)| (*name, escape(value))));
        let added = [
            ("X-Amz-Algorithm", ALGORITHM),
            ("X-Amz-Credential", &credential),
            ("X-Amz-Date", &self.date),
            ("X-Amz-Expires", &self.expires),
            ("X-Amz-SignedHeaders", &escaped_names),
        ];
        let token = token.as_deref().map(|token| ("X-Amz-Security-Token", token));

        let mut url = format!("{}{path}?", self.endpoint.origin);
        for (name, value) in own.iter().map(|(name, value)| (*name, value.as_str())).chain(added) {
            let _ = write!(url, "{name}={value}&");
        }
        url.push_str("X-Amz-Signature=");
        let url_tail = token.map(|(name, value)| format!("&{name}={value}")).unwrap_or_default();

        let mut sorted: Vec<(&str, &str)> =
            own.iter().map(|(name, value)| (*name, value.as_str())).chain(added).chain(token).collect();
        sorted.sort_unstable();
        let mut canonical = format!("{}\n{path}\n", request.method);
        for (at, (name, value)) in sorted.iter().enumerate() {
            let _ = write!(canonical, "{}{name}={value}", if at == 0 { "" } else { "&" });
        }
        canonical.push('\n');
        for (name, value) in headers {
            let _ = writeln!(canonical, "{name}:{value}");
        }
        let _ = write!(canonical, "\n{names}\n{PAYLOAD}");
        Prepared { canonical, url, url_tail }
    }
}

struct Prepared {
    canonical: String,
    /// Up to and with `X-Amz-Signature=`.
    url: String,
    /// What follows the signature.
    url_tail: String,
}

/// When the window began that `now` lies in: a multiple of half of `ttl`, in whole seconds.
fn window(now: Timestamp, ttl: Duration) -> Timestamp {
    let length = i64::try_from(ttl.min(MAX_TTL).as_secs() / 2).unwrap_or_default().max(1);
    Timestamp::from_seconds(now.as_seconds() / length * length)
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

/// A key as it stands in a URL.
pub(super) fn escape_path(key: &str) -> impl Display {
    utf8_percent_encode(key, ESCAPED_IN_PATH)
}

fn escape(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

/// 32 bytes as 64 lower-case hexadecimal digits.
fn hexadecimal(bytes: &[u8]) -> [u8; 64] {
    let mut digits = [0; 64];
    hex::encode_to_slice(bytes, &mut digits).expect("a SHA-256 digest has 32 bytes");
    digits
}

fn as_text(digits: &[u8; 64]) -> &str {
    std::str::from_utf8(digits).expect("hexadecimal digits are ASCII")
}

#[cfg(test)]
#[path = "presign_tests.rs"]
mod tests;
