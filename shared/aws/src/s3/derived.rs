//! The bucket of derivatives. IAM on its objects: `s3:PutObject`, `s3:DeleteObject`.

use aws_sdk_s3::Client;
use bytes::Bytes;
use sluice_core::{
    Result,
    names::{ContentType, DerivedKey},
    ports::DerivedStore,
};

use super::{SERVICE, delete_all};
use crate::{clients::Clients, error::classify};

/// How long browsers and CDNs may keep a derivative. Its key holds the version, so its bytes never change.
const CACHE_CONTROL: &str = "private, max-age=31536000, immutable";

/// The bucket of derivatives.
#[derive(Debug, Clone)]
pub struct S3Derived {
    client: Client,
    bucket: String,
}

impl S3Derived {
    /// The bucket of this name.
    pub fn new(clients: &Clients, bucket: impl Into<String>) -> Self {
        Self { client: clients.s3(), bucket: bucket.into() }
    }
}

impl DerivedStore for S3Derived {
    async fn put(&self, key: &DerivedKey, content_type: &ContentType, bytes: Bytes) -> Result<()> {
        let request = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(key.as_str())
            .content_type(content_type.as_str())
            .cache_control(CACHE_CONTROL)
            .body(bytes.into());
        request.send().await.map(drop).map_err(|error| classify(SERVICE, &error))
    }

    async fn delete(&self, keys: &[DerivedKey]) -> Result<()> {
        delete_all(&self.client, &self.bucket, keys.iter().map(DerivedKey::as_str)).await
    }
}
