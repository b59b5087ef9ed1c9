//! The staging bucket: what waits to be a part of an original.
//!
//! IAM on its objects: `s3:GetObject`, `s3:PutObject`, `s3:DeleteObject`; to copy from it also `s3:PutObject` on the
//! originals. Bytes are sent without a digest in the signature: TLS guards them on their way, and a digest would be one more
//! pass over each.

use std::ops::Range;

use aws_sdk_s3::{Client, error::ProvideErrorMetadata};
use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sluice_core::{
    Error, Result,
    ids::UploadId,
    names::ObjectKey,
    ports::{Copied, StagingStore},
    tus::StagingKey,
};

use super::{SERVICE, delete_all};
use crate::{
    clients::Clients,
    error::{classify, status},
};

/// What the path in `x-amz-copy-source` needn't escape.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The staging bucket.
#[derive(Debug, Clone)]
pub struct S3Staging {
    client: Client,
    bucket: String,
    originals: String,
}

impl S3Staging {
    /// The bucket of this name, from which S3 copies into that of originals.
    pub fn new(clients: &Clients, bucket: impl Into<String>, originals: impl Into<String>) -> Self {
        Self { client: clients.s3(), bucket: bucket.into(), originals: originals.into() }
    }
}

/// The header of a range that isn't empty.
fn header(range: &Range<u64>) -> String {
    format!("bytes={}-{}", range.start, range.end.saturating_sub(1))
}

impl StagingStore for S3Staging {
    async fn put(&self, key: &StagingKey, bytes: Bytes) -> Result<()> {
        let request = self.client.put_object().bucket(&self.bucket).key(key.as_str()).body(bytes.into());
        let sent = request.customize().disable_payload_signing().send().await;
        sent.map(drop).map_err(|error| classify(SERVICE, &error))
    }

    async fn get(&self, key: &StagingKey, range: Range<u64>) -> Result<Bytes> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let request = self.client.get_object().bucket(&self.bucket).key(key.as_str()).range(header(&range));
        let found = request.send().await.map_err(|error| classify(SERVICE, &error))?;
        let bytes =
            found.body.collect().await.map_err(|error| Error::unavailable(SERVICE, error))?.into_bytes();
        // a range beyond the object's end is cut to it
        if bytes.len() as u64 != range.end - range.start {
            return Err(Error::internal("there are fewer bytes in the staging bucket than were written"));
        }
        Ok(bytes)
    }

    async fn remove(&self, keys: &[StagingKey]) -> Result<()> {
        delete_all(&self.client, &self.bucket, keys.iter().map(StagingKey::as_str)).await
    }

    async fn copy_part(
        &self,
        source: &StagingKey,
        range: Option<Range<u64>>,
        key: &ObjectKey,
        upload_id: &UploadId,
        number: u16,
    ) -> Result<Copied> {
        let request = self
            .client
            .upload_part_copy()
            .bucket(&self.originals)
            .key(key.as_str())
            .upload_id(upload_id.as_str())
            .part_number(i32::from(number))
            .copy_source(format!("{}/{}", self.bucket, utf8_percent_encode(source.as_str(), ESCAPED)))
            // S3 refuses a range of a source of 5 MiB or less, be it all of it
            .set_copy_source_range(range.map(|range| header(&range)));
        match request.send().await {
            Ok(_) => Ok(Copied::Done),
            Err(error) => match (error.code(), status(&error)) {
                (Some("NoSuchUpload"), _) => Ok(Copied::NoSuchUpload),
                (Some("NoSuchKey"), _) | (None, Some(404)) => Ok(Copied::NoSuchSource),
                _ => Err(classify(SERVICE, &error)),
            },
        }
    }
}
