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
    ports::{
        Clock, Disposition, Link, LinkSigner, MultipartStep, MultipartStore, OriginalLink, SignedForm,
        SignedPart, SignedRequest, Stitched, UploadSigner,
    },
    time::Timestamp,
    upload::{PartTag, UploadedPart},
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

    fn xml(text: String) -> Self {
        Self { body: text.into(), ..Self::status(200) }
    }

    /// The receipt of a PUT; the test fails if there is none.
    pub fn etag(&self) -> ETag {
        ETag::from_header(&self.headers["etag"]).expect("an entity tag")
    }

    /// The texts of an element of the XML that S3 answered.
    pub fn elements(&self, name: &str) -> Vec<String> {
        elements(&String::from_utf8_lossy(&self.body), name)
    }
}

/// The texts of all elements of this name; they hold nothing but text.
fn elements(xml: &str, name: &str) -> Vec<String> {
    let (start, end) = (format!("<{name}>"), format!("</{name}>"));
    let plain = |text: &str| {
        let entities = [
            ("&quot;", "\""),
            ("&#34;", "\""),
            ("&apos;", "'"),
            ("&lt;", "<"),
            ("&gt;", ">"),
            ("&amp;", "&"),
        ];
        entities.iter().fold(text.to_owned(), |text, (entity, meant)| text.replace(entity, meant))
    };
    let inner = |rest: &str| rest.split_once(&end).map(|(text, _)| plain(text));
    xml.split(&start).skip(1).filter_map(inner).collect()
}

/// What a client does with a signed URL. It sends `content-length` by itself.
pub trait Browser {
    /// Sends bytes.
    fn put(&self, url: &str, headers: &[(String, String)], body: Bytes) -> impl Future<Output = Answer>;
    /// Fetches bytes.
    fn get(&self, url: &str) -> impl Future<Output = Answer>;
    /// Posts a form: the fields, then the file.
    fn post_form(&self, url: &str, fields: &[(String, String)], file: Bytes) -> impl Future<Output = Answer>;
    /// Takes a step of a multipart upload.
    fn step(
        &self,
        method: &str,
        url: &str,
        headers: &[(String, String)],
        body: String,
    ) -> impl Future<Output = Answer>;
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
        let mut headers = vec![
            ("content-type".to_owned(), grant.content_type.to_string()),
            condition(grant.replaces.as_ref()),
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

    async fn sign_post(
        &self,
        key: &ObjectKey,
        grant: &Grant,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<SignedForm> {
        let expires_at = now.plus(ttl);
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut fields = vec![
            field("key", key.as_str()),
            field("Content-Type", grant.content_type.as_str()),
            field("success_action_status", "201"),
            field("x-amz-meta-version", &grant.version.to_string()),
        ];
        let (min, max) = (grant.size.min(), grant.size.max());
        let policy = format!("{expires_at}\n{min}\n{max}\n{}", bound_headers(&fields));
        fields.push(field("policy", &policy));
        // whoever can't sign can't give the digest of another policy, here as there
        fields.push(field("x-amz-signature", &sha256(policy.as_bytes()).to_string()));
        Ok(SignedForm { url: "https://originals.s3.test/".to_owned(), fields, expires_at })
    }

    async fn sign_create(
        &self,
        key: &ObjectKey,
        grant: &Grant,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<SignedRequest> {
        let headers = vec![
            ("content-type".to_owned(), grant.content_type.to_string()),
            ("x-amz-meta-version".to_owned(), grant.version.to_string()),
        ];
        Ok(signed_step("POST", key, &[], headers, now.plus(ttl)))
    }

    async fn sign_step(
        &self,
        key: &ObjectKey,
        upload_id: &UploadId,
        step: MultipartStep<'_>,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<SignedRequest> {
        let (method, headers) = match step {
            MultipartStep::List => ("GET", Vec::new()),
            MultipartStep::Complete { replaces } => ("POST", vec![condition(replaces)]),
            MultipartStep::Abort => ("DELETE", Vec::new()),
        };
        Ok(signed_step(method, key, &[("uploadId", upload_id.to_string())], headers, now.plus(ttl)))
    }

    async fn address(&self, key: &ObjectKey) -> Result<String> {
        Ok(format!("https://originals.s3.test/{}", escape(key.as_str())))
    }
}

/// The header of the condition that a write is signed with.
fn condition(replaces: Option<&ETag>) -> (String, String) {
    match replaces {
        Some(etag) => ("if-match".to_owned(), etag.quoted()),
        None => ("if-none-match".to_owned(), "*".to_owned()),
    }
}

fn signed_step(
    method: &str,
    key: &ObjectKey,
    query: &[(&str, String)],
    headers: Vec<(String, String)>,
    expires_at: Timestamp,
) -> SignedRequest {
    let mut bound = query.to_vec();
    bound.extend([
        ("method", method.to_owned()),
        ("expires", expires_at.to_string()),
        ("headers", bound_headers(&headers)),
    ]);
    SignedRequest { url: signed_url("originals", key.as_str(), &bound), headers, expires_at }
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

    fn link(&self, bucket: &str, key: &str, mut bound: Vec<(&str, String)>) -> Link {
        let expires_at = self.clock.now().plus(self.ttl);
        bound.push(("expires", expires_at.to_string()));
        Link { url: signed_url(bucket, key, &bound), expires_at }
    }
}

impl LinkSigner for MemoryLinkSigner {
    async fn original(&self, link: OriginalLink<'_>) -> Result<Link> {
        let how = match link.disposition {
            Disposition::Inline => "inline",
            Disposition::Attachment => "attachment",
        };
        let name = escape(link.filename.as_str());
        let mut bound = vec![
            ("response-content-disposition", format!("{how}; filename*=UTF-8''{name}")),
            ("response-content-type", link.content_type.to_string()),
        ];
        bound.extend(link.version_id.map(|id| ("versionId", id.to_string())));
        Ok(self.link("originals", link.key.as_str(), bound))
    }

    async fn derivative(&self, key: &DerivedKey) -> Result<Link> {
        Ok(self.link("derived", key.as_str(), Vec::new()))
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

    fn write_form(&self, url: &str, fields: &[(String, String)], file: Bytes) -> Result<Answer, u16> {
        let field = |name: &str| {
            fields.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str()).ok_or(403_u16)
        };
        let policy = field("policy")?;
        if field("x-amz-signature")? != sha256(policy.as_bytes()).to_string() {
            return Err(403);
        }
        let said: Vec<(String, String)> = fields
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "policy" | "x-amz-signature"))
            .cloned()
            .collect();
        let [expires, min, max, bound] = policy.splitn(4, '\n').collect::<Vec<_>>()[..] else {
            return Err(400);
        };
        let expires: Timestamp = expires.parse().map_err(|_| 400_u16)?;
        if url != "https://originals.s3.test/" || self.clock.now() >= expires || bound_headers(&said) != bound
        {
            return Err(403);
        }
        let number = |text: &str| text.parse::<u64>().map_err(|_| 400_u16);
        if !(number(min)?..=number(max)?).contains(&(file.len() as u64)) {
            return Err(400);
        }
        let write = Write {
            bytes: file,
            content_type: field("Content-Type")?.parse().map_err(|_| 400_u16)?,
            version: field("x-amz-meta-version")?.parse().ok(),
            sha256: None,
            condition: None,
        };
        let etag = self.originals.write(field("key")?, write)?.etag;
        let mut answer = Answer::status(201);
        answer.headers.insert("etag".to_owned(), etag.quoted());
        Ok(answer)
    }

    async fn take_step(
        &self,
        method: &str,
        url: &str,
        headers: &[(String, String)],
        body: &str,
    ) -> Result<Answer, u16> {
        let url = self.open(url)?;
        if url.get("method") != Some(method) || url.get("headers") != Some(&bound_headers(headers)) {
            return Err(403);
        }
        let key: ObjectKey = url.key.parse().map_err(|_| 400_u16)?;
        let header = |name: &str| headers.iter().find(|(have, _)| have == name).map(|(_, value)| value);
        let Some(upload_id) = url.parsed::<UploadId>("uploadId") else {
            let content_type = header("content-type").ok_or(400_u16)?.parse().map_err(|_| 400_u16)?;
            let version = header("x-amz-meta-version").ok_or(400_u16)?.parse().map_err(|_| 400_u16)?;
            let created = self.originals.create(&key, &content_type, version).await;
            let id = created.map_err(|_| 500_u16)?;
            return Ok(Answer::xml(format!("<UploadId>{id}</UploadId>")));
        };
        match method {
            "GET" => {
                let parts = self.originals.list_parts(&key, &upload_id).await.map_err(|_| 500_u16)?;
                let part = |part: &UploadedPart| {
                    let (number, etag) = (part.number, part.etag.quoted().replace('"', "&quot;"));
                    format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
                };
                Ok(Answer::xml(parts.ok_or(404_u16)?.iter().map(part).collect()))
            }
            "POST" => {
                let numbers = elements(body, "PartNumber").into_iter();
                let tag = |(number, etag): (String, String)| {
                    Some(PartTag { number: number.parse().ok()?, etag: ETag::from_header(&etag).ok()? })
                };
                let parts: Option<Vec<PartTag>> = numbers.zip(elements(body, "ETag")).map(tag).collect();
                let replaces = header("if-match").and_then(|etag| ETag::from_header(etag).ok());
                let parts = parts.ok_or(400_u16)?;
                let stitched = self.originals.complete(&key, &upload_id, &parts, replaces.as_ref()).await;
                match stitched.map_err(|_| 500_u16)? {
                    Stitched::Done => {
                        Ok(Answer::xml(format!("<Key>{}</Key>", key.as_str().replace('&', "&amp;"))))
                    }
                    Stitched::NoSuchUpload => Err(404),
                    Stitched::PreconditionFailed => Err(412),
                    Stitched::PartsRefused => Err(400),
                }
            }
            _ => {
                self.originals.abort(&key, &upload_id).await.map_err(|_| 500_u16)?;
                Ok(Answer::status(204))
            }
        }
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

    async fn post_form(&self, url: &str, fields: &[(String, String)], file: Bytes) -> Answer {
        self.write_form(url, fields, file).unwrap_or_else(Answer::status)
    }

    async fn step(&self, method: &str, url: &str, headers: &[(String, String)], body: String) -> Answer {
        self.take_step(method, url, headers, &body).await.unwrap_or_else(Answer::status)
    }
}
