//! The bucket of derivatives. IAM on its objects: `s3:PutObject`, `s3:DeleteObject`.

use aws_sdk_s3::{
    Client,
    types::{Delete, ObjectIdentifier},
};
use bytes::Bytes;
use sluice_core::{
    Error, Result,
    names::{ContentType, DerivedKey},
    ports::DerivedStore,
};

use super::SERVICE;
use crate::{clients::Clients, error::classify};

/// The most keys in one order to delete
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>).
const DELETE_BATCH: usize = 1_000;

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
        for batch in keys.chunks(DELETE_BATCH) {
            let objects = batch
                .iter()
                .map(|key| ObjectIdentifier::builder().key(key.as_str()).build())
                .collect::<std::result::Result<Vec<_>, _>>()
                .map_err(Error::internal)?;
            let order = Delete::builder().set_objects(Some(objects)).quiet(true).build();
            let order = order.map_err(Error::internal)?;
            let request = self.client.delete_objects().bucket(&self.bucket).delete(order);
            let answer = request.send().await.map_err(|error| classify(SERVICE, &error))?;
            // the answer is a 200 even if some stayed
            if let Some(failed) = answer.errors().first() {
                let code = failed.code().unwrap_or("no code");
                let count = answer.errors().len();
                return Err(Error::unavailable(SERVICE, format!("{count} not deleted, the first: {code}")));
            }
        }
        Ok(())
    }
}
