//! What is signed: uploads bound to exactly what was granted, and links that end soon.

use std::{ops::RangeInclusive, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use sluice_core::{
    Result,
    asset::Grant,
    ids::UploadId,
    names::{DerivedKey, ObjectKey},
    ports::{Clock, LinkSigner, OriginalLink, SignedPart, SignedRequest, UploadSigner},
    time::Timestamp,
};

use super::{bucket::SigningBucket, disposition::content_disposition, presign::Request};
use crate::{clients::Clients, system::SystemClock};

/// Signs uploads to the bucket of originals. IAM of who signs: `s3:PutObject` on its objects.
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
        headers.push(match &grant.replaces {
            Some(etag) => ("if-match", etag.quoted()),
            None => ("if-none-match", "*".to_owned()),
        });
        headers.push(("x-amz-meta-version", grant.version.to_string()));
        if let Some(sha256) = grant.sha256 {
            headers.push(("x-amz-checksum-sha256", STANDARD.encode(sha256.as_bytes())));
        }
        let length = grant.size.to_string();
        let mut signed: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        signed.push(("content-length", &length));
        let url = signing.url(&Request {
            method: "PUT",
            operation: "PutObject",
            key: key.as_str(),
            query: &[],
            headers: &signed,
        });
        let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Ok(SignedRequest { url, headers, expires_at: signing.expires_at() })
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
}

/// Signs links to read. IAM of who signs: `s3:GetObject` and `s3:GetObjectVersion` on the objects of both buckets.
#[derive(Debug)]
pub struct S3LinkSigner {
    originals: SigningBucket,
    derived: SigningBucket,
    ttl: Duration,
}

impl S3LinkSigner {
    /// For both buckets; a link is good for `ttl` from the moment it is signed.
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
        }
    }
}

impl LinkSigner for S3LinkSigner {
    async fn original(&self, link: OriginalLink<'_>) -> Result<String> {
        let signing = self.originals.signing(SystemClock.now(), self.ttl).await?;
        let disposition = content_disposition(link.disposition, link.filename);
        let mut query = vec![
            ("response-content-disposition", disposition.as_str()),
            ("response-content-type", link.content_type.as_str()),
        ];
        if let Some(version_id) = link.version_id {
            query.push(("versionId", version_id.as_str()));
        }
        Ok(signing.url(&Request {
            method: "GET",
            operation: "GetObject",
            key: link.key.as_str(),
            query: &query,
            headers: &[],
        }))
    }

    async fn derivative(&self, key: &DerivedKey) -> Result<String> {
        let signing = self.derived.signing(SystemClock.now(), self.ttl).await?;
        Ok(signing.url(&Request {
            method: "GET",
            operation: "GetObject",
            key: key.as_str(),
            query: &[],
            headers: &[],
        }))
    }
}
