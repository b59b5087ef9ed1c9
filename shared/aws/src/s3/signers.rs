//! What is signed: uploads bound to exactly what was granted, and links that end soon.

use std::{ops::RangeInclusive, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use sluice_core::{
    Result,
    asset::Grant,
    ids::{ETag, UploadId},
    names::{DerivedKey, ObjectKey},
    ports::{
        Clock, Link, LinkSigner, MultipartStep, OriginalLink, SignedForm, SignedPart, SignedRequest,
        UploadSigner,
    },
    time::Timestamp,
};

use super::{
    bucket::SigningBucket,
    disposition::content_disposition,
    post_policy,
    presign::{Request, Signing},
};
use crate::{clients::Clients, system::SystemClock};

/// Signs uploads to the bucket of originals. IAM of who signs: `s3:PutObject` on its objects; for the steps of a multipart
/// upload that clients take themselves also `s3:ListMultipartUploadParts` and `s3:AbortMultipartUpload`.
#[derive(Debug)]
pub struct S3UploadSigner {
    bucket: SigningBucket,
}

impl S3UploadSigner {
    /// For the bucket of originals.
    pub fn new(clients: &Clients, bucket: impl Into<String>) -> Self {
        Self { bucket: SigningBucket::new(clients, bucket.into()) }
    }
}

/// The condition that a write is signed with.
fn condition(replaces: Option<&ETag>) -> (&'static str, String) {
    match replaces {
        Some(etag) => ("if-match", etag.quoted()),
        None => ("if-none-match", "*".to_owned()),
    }
}

/// The length, which is signed where it is known; every client sends it by itself, and none can be told to.
const LENGTH: &str = "content-length";

/// Signs a request with all of these headers, of which the client has to be told.
fn sign(
    signing: &Signing<'_>,
    (method, operation): (&'static str, &'static str),
    key: &ObjectKey,
    query: &[(&str, &str)],
    headers: Vec<(&str, String)>,
) -> SignedRequest {
    let signed: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let url = signing.url(&Request { method, operation, key: key.as_str(), query, headers: &signed });
    let told = headers.into_iter().filter(|(name, _)| *name != LENGTH);
    let headers = told.map(|(name, value)| (name.to_owned(), value)).collect();
    SignedRequest { url, headers, expires_at: signing.expires_at() }
}

impl UploadSigner for S3UploadSigner {
    async fn sign_put(
        &self,
        key: &ObjectKey,
        grant: &Grant,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<SignedRequest> {
        let signing = self.bucket.signing(now, ttl).await?;
        let mut headers = vec![("content-type", grant.content_type.to_string())];
        headers.push(condition(grant.replaces.as_ref()));
        headers.push(("x-amz-meta-version", grant.version.to_string()));
        if let Some(sha256) = grant.sha256 {
            headers.push(("x-amz-checksum-sha256", STANDARD.encode(sha256.as_bytes())));
        }
        headers.extend(grant.size.exact().map(|bytes| (LENGTH, bytes.to_string())));
        Ok(sign(&signing, ("PUT", "PutObject"), key, &[], headers))
    }

    async fn sign_parts(
        &self,
        key: &ObjectKey,
        upload_id: &UploadId,
        parts: RangeInclusive<u16>,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<(Vec<SignedPart>, Timestamp)> {
        let signing = self.bucket.signing(now, ttl).await?;
        Ok((signing.part_urls(key.as_str(), upload_id.as_str(), parts), signing.expires_at()))
    }

    async fn sign_post(
        &self,
        key: &ObjectKey,
        grant: &Grant,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<SignedForm> {
        let signing = self.bucket.signing(now, ttl).await?;
        let version = grant.version.to_string();
        let fields = [
            ("key", key.as_str()),
            ("Content-Type", grant.content_type.as_str()),
            // S3 answers with the object's address; without it, 204 and nothing
            ("success_action_status", "201"),
            ("x-amz-meta-version", &version),
        ];
        Ok(post_policy::sign(&signing, self.bucket.name(), &fields, grant.size))
    }

    async fn sign_create(
        &self,
        key: &ObjectKey,
        grant: &Grant,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<SignedRequest> {
        let signing = self.bucket.signing(now, ttl).await?;
        let headers = vec![
            ("content-type", grant.content_type.to_string()),
            ("x-amz-meta-version", grant.version.to_string()),
        ];
        Ok(sign(&signing, ("POST", "CreateMultipartUpload"), key, &[("uploads", "")], headers))
    }

    async fn sign_step(
        &self,
        key: &ObjectKey,
        upload_id: &UploadId,
        step: MultipartStep<'_>,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<SignedRequest> {
        let signing = self.bucket.signing(now, ttl).await?;
        let (operation, headers) = match step {
            MultipartStep::List => (("GET", "ListParts"), Vec::new()),
            MultipartStep::Complete { replaces } => {
                (("POST", "CompleteMultipartUpload"), vec![condition(replaces)])
            }
            MultipartStep::Abort => (("DELETE", "AbortMultipartUpload"), Vec::new()),
        };
        Ok(sign(&signing, operation, key, &[("uploadId", upload_id.as_str())], headers))
    }

    async fn address(&self, key: &ObjectKey) -> Result<String> {
        Ok(self.bucket.endpoint().await?.object_url(key.as_str()))
    }
}

/// Signs links to read. IAM of who signs: `s3:GetObject` and `s3:GetObjectVersion` on the objects of both buckets.
///
/// A link to the same object stays the same for half of its life, and always has at least half of it left, so that browsers
/// find in their caches what they loaded by it. Only a new session of the signing credentials changes it sooner.
#[derive(Debug)]
pub struct S3LinkSigner<C = SystemClock> {
    originals: SigningBucket,
    derived: SigningBucket,
    ttl: Duration,
    clock: C,
}

impl S3LinkSigner {
    /// For both buckets; a link is good for `ttl` at most.
    pub fn new(
        clients: &Clients,
        originals: impl Into<String>,
        derived: impl Into<String>,
        ttl: Duration,
    ) -> Self {
        Self {
            originals: SigningBucket::new(clients, originals.into()),
            derived: SigningBucket::new(clients, derived.into()),
            ttl,
            clock: SystemClock,
        }
    }
}

impl<C> S3LinkSigner<C> {
    /// The same by another clock.
    #[cfg(test)]
    pub(super) fn with_clock<D>(self, clock: D) -> S3LinkSigner<D> {
        let Self { originals, derived, ttl, clock: _ } = self;
        S3LinkSigner { originals, derived, ttl, clock }
    }
}

impl<C: Clock> LinkSigner for S3LinkSigner<C> {
    async fn original(&self, link: OriginalLink<'_>) -> Result<Link> {
        let signing = self.originals.link_signing(self.clock.now(), self.ttl).await?;
        let disposition = content_disposition(link.disposition, link.filename);
        let mut query = vec![
            ("response-content-disposition", disposition.as_str()),
            ("response-content-type", link.content_type.as_str()),
        ];
        if let Some(version_id) = link.version_id {
            query.push(("versionId", version_id.as_str()));
        }
        Ok(link_to(&signing, link.key.as_str(), &query))
    }

    async fn derivative(&self, key: &DerivedKey) -> Result<Link> {
        let signing = self.derived.link_signing(self.clock.now(), self.ttl).await?;
        Ok(link_to(&signing, key.as_str(), &[]))
    }
}

fn link_to(signing: &Signing<'_>, key: &str, query: &[(&str, &str)]) -> Link {
    let request = Request { method: "GET", operation: "GetObject", key, query, headers: &[] };
    Link { url: signing.url(&request), expires_at: signing.expires_at() }
}
