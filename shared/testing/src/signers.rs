//! Signed requests that stay in the process: the signers write into a URL what S3's signature would bind, and
//! [`MemoryBrowser`] holds a client to it as S3 would.

use std::{collections::BTreeMap, future::Future, ops::RangeInclusive, time::Duration};

use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sluice_core::{
    Result,
    asset::Grant,
    ids::{ETag, Sha256, UploadId},
    names::{ContentType, DerivedKey, ObjectKey},
    ports::{Clock, Disposition, LinkSigner, OriginalLink, SignedPart, SignedRequest, UploadSigner},
    time::Timestamp,
};

use crate::{
    s3::{Condition, MemoryDerived, MemoryOriginals, Read, Write, sha256},
    time::FixedClock,
};

/// What S3 answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The bytes of an object.
    pub body: Bytes,
}

impl Answer {
    fn status(status: u16) -> Self {
        Self { status, headers: BTreeMap::new(), body: Bytes::new() }
    }

    /// The receipt of a PUT; the test fails if there is none.
    pub fn etag(&self) -> ETag {
        ETag::from_header(&self.headers["etag"]).expect("an entity tag")
    }
}

/// What a client does with a signed URL. It sends `content-length` by itself.
pub trait Browser {
    /// Sends bytes.
    fn put(&self, url: &str, headers: &[(String, String)], body: Bytes) -> impl Future<Output = Answer>;
    /// Fetches bytes.
    fn get(&self, url: &str) -> impl Future<Output = Answer>;
}

fn escape(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// The URL of a request with everything that its signature binds.
fn signed_url(bucket: &str, key: &str, bound: &[(&str, String)]) -> String {
    let query: Vec<String> = bound.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect();
    format!("https://{bucket}.s3.test/{}?{}", escape(key), query.join("&"))
}

/// The headers of a request as a signature binds them.
fn bound_headers(headers: &[(String, String)]) -> String {
    let mut lines: Vec<String> = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    lines.sort_unstable();
    lines.concat()
}

/// Signs uploads to [`MemoryOriginals`].
#[derive(Debug, Clone, Default)]
pub struct MemoryUploadSigner;

impl UploadSigner for MemoryUploadSigner {
    async fn sign_put(
        &self,
        key: &ObjectKey,
        grant: &Grant,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<SignedRequest> {
        let expires_at = now.plus(ttl);
        let condition = match &grant.replaces {
            Some(etag) => ("if-match", etag.quoted()),
            None => ("if-none-match", "*".to_owned()),
        };
        let mut headers = vec![
            ("content-type".to_owned(), grant.content_type.to_string()),
            (condition.0.to_owned(), condition.1),
            ("x-amz-meta-version".to_owned(), grant.version.to_string()),
        ];
        if let Some(sha256) = grant.sha256 {
            // hexadecimal here, base64 on S3: nobody but S3 reads it
            headers.push(("x-amz-checksum-sha256".to_owned(), sha256.to_string()));
        }
        let bound = [
            ("expires", expires_at.to_string()),
            ("length", grant.size.to_string()),
            ("headers", bound_headers(&headers)),
        ];
        Ok(SignedRequest { url: signed_url("originals", key.as_str(), &bound), headers, expires_at })
    }

    async fn sign_parts(
        &self,
        key: &ObjectKey,
        upload_id: &UploadId,
        parts: RangeInclusive<u16>,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<(Vec<SignedPart>, Timestamp)> {
        let expires_at = now.plus(ttl);
        let sign = |number: u16| {
            let bound = [
                ("expires", expires_at.to_string()),
                ("partNumber", number.to_string()),
                ("uploadId", upload_id.to_string()),
            ];
            SignedPart { number, url: signed_url("originals", key.as_str(), &bound) }
        };
        Ok((parts.map(sign).collect(), expires_at))
    }
}

/// Signs links to [`MemoryOriginals`] and [`MemoryDerived`].
#[derive(Debug, Clone)]
pub struct MemoryLinkSigner {
    clock: FixedClock,
    ttl: Duration,
}

impl MemoryLinkSigner {
    /// Links that are good for `ttl` of the clock's time.
    pub fn new(clock: &FixedClock, ttl: Duration) -> Self {
        Self { clock: clock.clone(), ttl }
    }

    fn expires(&self) -> (&'static str, String) {
        ("expires", self.clock.now().plus(self.ttl).to_string())
    }
}

impl LinkSigner for MemoryLinkSigner {
    async fn original(&self, link: OriginalLink<'_>) -> Result<String> {
        let how = match link.disposition {
            Disposition::Inline => "inline",
            Disposition::Attachment => "attachment",
        };
        let name = escape(link.filename.as_str());
        let mut bound = vec![
            self.expires(),
            ("response-content-disposition", format!("{how}; filename*=UTF-8''{name}")),
            ("response-content-type", link.content_type.to_string()),
        ];
        bound.extend(link.version_id.map(|id| ("versionId", id.to_string())));
        Ok(signed_url("originals", link.key.as_str(), &bound))
    }

    async fn derivative(&self, key: &DerivedKey) -> Result<String> {
        Ok(signed_url("derived", key.as_str(), &[self.expires()]))
    }
}

/// A client of the buckets in memory.
#[derive(Debug, Clone)]
pub struct MemoryBrowser {
    originals: MemoryOriginals,
    derived: MemoryDerived,
    clock: FixedClock,
}

/// A signed URL taken apart.
struct Url {
    bucket: String,
    key: String,
    bound: BTreeMap<String, String>,
}

impl Url {
    fn parse(url: &str) -> Option<Self> {
        let decode = |text: &str| Some(percent_decode_str(text).decode_utf8().ok()?.into_owned());
        let (bucket, rest) = url.strip_prefix("https://")?.split_once(".s3.test/")?;
        let (key, query) = rest.split_once('?')?;
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=')?;
            Some((name.to_owned(), decode(value)?))
        };
        let bound = query.split('&').map(pair).collect::<Option<_>>()?;
        Some(Self { bucket: bucket.to_owned(), key: decode(key)?, bound })
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.bound.get(name).map(String::as_str)
    }

    fn parsed<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.get(name)?.parse().ok()
    }
}

impl MemoryBrowser {
    /// A client of these buckets, at this time.
    pub fn new(originals: &MemoryOriginals, derived: &MemoryDerived, clock: &FixedClock) -> Self {
        Self { originals: originals.clone(), derived: derived.clone(), clock: clock.clone() }
    }

    /// The URL, if it is one of ours and still good; otherwise S3's 403.
    fn open(&self, url: &str) -> Result<Url, u16> {
        let url = Url::parse(url).ok_or(403_u16)?;
        let expires: Timestamp = url.parsed("expires").ok_or(403_u16)?;
        if self.clock.now() < expires { Ok(url) } else { Err(403) }
    }

    fn write(&self, url: &str, headers: &[(String, String)], body: Bytes) -> Result<ETag, u16> {
        let url = self.open(url)?;
        if let (Some(number), Some(upload_id)) = (url.parsed("partNumber"), url.parsed("uploadId")) {
            return self.originals.write_part(&url.key, &upload_id, number, body);
        }
        let bound = bound_headers(headers);
        if url.get("headers") != Some(&bound) || url.parsed("length") != Some(body.len()) {
            return Err(403);
        }
        let header = |name: &str| headers.iter().find(|(have, _)| have == name).map(|(_, value)| value);
        let condition = match (header("if-match"), header("if-none-match")) {
            (Some(etag), _) => Some(Condition::Is(ETag::from_header(etag).map_err(|_| 400_u16)?)),
            (None, Some(_)) => Some(Condition::Absent),
            (None, None) => None,
        };
        let said = header("x-amz-checksum-sha256").map(|digest| digest.parse::<Sha256>());
        if said.as_ref().is_some_and(|said| *said.as_ref().unwrap_or(&Sha256::new([0; 32])) != sha256(&body))
        {
            return Err(400);
        }
        let content_type = header("content-type").and_then(|text| ContentType::from_header(text).ok());
        let write = Write {
            bytes: body,
            content_type: content_type.unwrap_or_else(ContentType::octet_stream),
            version: header("x-amz-meta-version").and_then(|version| version.parse().ok()),
            sha256: said.and_then(Result::ok),
            condition,
        };
        self.originals.write(&url.key, write).map(|head| head.etag)
    }

    fn read(&self, url: &str) -> Result<Answer, u16> {
        let url = self.open(url)?;
        let found = match url.bucket.as_str() {
            "originals" => self.originals.read(&url.key, url.parsed("versionId").as_ref()),
            _ => self.derived.read_text_key(&url.key),
        };
        let Read { bytes, content_type } = found.ok_or(404_u16)?;
        let mut answer = Answer { body: bytes, ..Answer::status(200) };
        let content_type = url.get("response-content-type").unwrap_or(content_type.as_str());
        answer.headers.insert("content-type".to_owned(), content_type.to_owned());
        if let Some(disposition) = url.get("response-content-disposition") {
            answer.headers.insert("content-disposition".to_owned(), disposition.to_owned());
        }
        Ok(answer)
    }
}

impl Browser for MemoryBrowser {
    async fn put(&self, url: &str, headers: &[(String, String)], body: Bytes) -> Answer {
        match self.write(url, headers, body) {
            Ok(etag) => {
                let mut answer = Answer::status(200);
                answer.headers.insert("etag".to_owned(), etag.quoted());
                answer
            }
            Err(status) => Answer::status(status),
        }
    }

    async fn get(&self, url: &str) -> Answer {
        self.read(url).unwrap_or_else(Answer::status)
    }
}
