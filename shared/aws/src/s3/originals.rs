//! The bucket of originals: heads, bytes, versions, and multipart uploads.
//!
//! IAM on its objects: `s3:GetObject`, `s3:GetObjectVersion`, `s3:DeleteObject`, `s3:DeleteObjectVersion`,
//! `s3:PutObject` (whole, multipart), `s3:AbortMultipartUpload`, `s3:ListMultipartUploadParts`; and `s3:ListBucket` on the
//! bucket, without which S3 answers 403 where 404 is meant.

use aws_sdk_s3::{
    Client,
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    operation::head_object::HeadObjectOutput,
    primitives::ByteStream,
    types::{ChecksumMode, ChecksumType, CompletedMultipartUpload, CompletedPart},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use sluice_core::{
    Error, Result,
    ids::{ETag, ObjectVersionId, Sha256, UploadId, Version},
    names::{ContentType, ObjectKey},
    ports::{MultipartStore, NewObject, ObjectBody, ObjectHead, OriginalStore, Stitched},
    upload::{PartTag, UploadedPart},
};

use super::{SERVICE, VERSION_METADATA};
use crate::{
    clients::Clients,
    error::{classify, status},
};

/// The bucket of originals.
#[derive(Debug, Clone)]
pub struct S3Originals {
    client: Client,
    bucket: String,
}

impl S3Originals {
    /// The bucket of this name.
    pub fn new(clients: &Clients, bucket: impl Into<String>) -> Self {
        Self { client: clients.s3(), bucket: bucket.into() }
    }

    /// Whether S3 really means that this version isn't one. A HEAD's 400 has no body to say so, and an expired session
    /// is a 400 too; a GET of one byte has the code.
    async fn is_no_version(&self, key: &ObjectKey, version_id: &ObjectVersionId) -> Result<bool> {
        let get = self.client.get_object().bucket(&self.bucket).key(key.as_str());
        match get.version_id(version_id.as_str()).range("bytes=0-0").send().await {
            Ok(_) => Ok(false),
            Err(error) if is_missing(&error, Some(version_id)) => Ok(true),
            Err(error) => Err(classify(SERVICE, &error)),
        }
    }
}

/// Whether the answer means that there is nothing: no key, no such version, a delete marker (405), or a version id that
/// S3 can't even read.
fn is_missing<E: ProvideErrorMetadata>(
    error: &SdkError<E, HttpResponse>,
    version_id: Option<&ObjectVersionId>,
) -> bool {
    match (status(error), error.code()) {
        (_, Some("NoSuchBucket")) => false,
        (Some(404 | 405), _) => true,
        (Some(400), Some("InvalidArgument")) => version_id.is_some(),
        _ => false,
    }
}

impl OriginalStore for S3Originals {
    type Body = S3Body;

    async fn head(
        &self,
        key: &ObjectKey,
        version_id: Option<&ObjectVersionId>,
    ) -> Result<Option<ObjectHead>> {
        let request = self
            .client
            .head_object()
            .bucket(&self.bucket)
            .key(key.as_str())
            .set_version_id(version_id.map(ToString::to_string))
            .checksum_mode(ChecksumMode::Enabled);
        match request.send().await {
            Ok(found) => head_of(&found).map(Some),
            Err(error) if is_missing(&error, version_id) => Ok(None),
            Err(error) => {
                if let (Some(400), Some(version_id)) = (status(&error), version_id)
                    && self.is_no_version(key, version_id).await?
                {
                    return Ok(None);
                }
                Err(classify(SERVICE, &error))
            }
        }
    }

    async fn get(&self, key: &ObjectKey, version_id: Option<&ObjectVersionId>) -> Result<Option<S3Body>> {
        let request = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(key.as_str())
            .set_version_id(version_id.map(ToString::to_string));
        match request.send().await {
            Ok(found) => Ok(Some(S3Body(Some(found.body)))),
            Err(error) if is_missing(&error, version_id) => Ok(None),
            Err(error) => Err(classify(SERVICE, &error)),
        }
    }

    /// A lost condition is a 412, or a 409 `ConditionalRequestConflict` where another writer was at it in the same moment
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html>).
    async fn put(&self, key: &ObjectKey, object: NewObject) -> Result<Option<ObjectHead>> {
        let NewObject { content_type, version, sha256, bytes } = object;
        let size = u64::try_from(bytes.len()).map_err(Error::internal)?;
        let request = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(key.as_str())
            .content_type(content_type.as_str())
            .metadata(VERSION_METADATA, version.to_string())
            .checksum_sha256(STANDARD.encode(sha256.as_bytes()))
            .if_none_match("*")
            .body(bytes.into());
        match request.send().await {
            Ok(written) => Ok(Some(ObjectHead {
                size,
                etag: etag_of(written.e_tag())?,
                version_id: written.version_id().and_then(|id| id.parse().ok()),
                version: Some(version),
                sha256: Some(sha256),
            })),
            Err(error) if status(&error) == Some(412) => Ok(None),
            Err(error) if error.code() == Some("ConditionalRequestConflict") => Ok(None),
            Err(error) => Err(classify(SERVICE, &error)),
        }
    }

    async fn delete(&self, key: &ObjectKey, version_id: Option<&ObjectVersionId>) -> Result<()> {
        let request = self
            .client
            .delete_object()
            .bucket(&self.bucket)
            .key(key.as_str())
            .set_version_id(version_id.map(ToString::to_string));
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) if is_missing(&error, version_id) => Ok(()),
            Err(error) => Err(classify(SERVICE, &error)),
        }
    }
}

fn head_of(found: &HeadObjectOutput) -> Result<ObjectHead> {
    let size = found.content_length().and_then(|length| u64::try_from(length).ok());
    let version = found.metadata().and_then(|metadata| metadata.get(VERSION_METADATA));
    Ok(ObjectHead {
        size: size.ok_or_else(|| Error::internal("S3 sent a head without a length"))?,
        etag: etag_of(found.e_tag())?,
        version_id: found.version_id().and_then(|id| id.parse().ok()),
        version: version.and_then(|text| text.parse().ok()),
        sha256: whole_object_digest(found.checksum_sha256(), found.checksum_type()),
    })
}

fn etag_of(etag: Option<&str>) -> Result<ETag> {
    etag.and_then(|etag| ETag::from_header(etag).ok())
        .ok_or_else(|| Error::internal("S3 sent no entity tag, or one that is none"))
}

/// The digest, if it is one of the whole object. For a multipart upload S3 has only the digest of its parts' digests:
/// the type says COMPOSITE, and the text ends in a hyphen and the number of parts.
fn whole_object_digest(base64: Option<&str>, kind: Option<&ChecksumType>) -> Option<Sha256> {
    if kind == Some(&ChecksumType::Composite) {
        return None;
    }
    let bytes = STANDARD.decode(base64?).ok()?;
    <[u8; 32]>::try_from(bytes).ok().map(Sha256::new)
}

/// The bytes of an original as they come from the network. After an error it is at its end.
#[derive(Debug)]
pub struct S3Body(Option<ByteStream>);

impl ObjectBody for S3Body {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        let Some(stream) = self.0.as_mut() else { return Ok(None) };
        match stream.next().await {
            Some(Ok(chunk)) => Ok(Some(chunk)),
            Some(Err(error)) => {
                self.0 = None;
                Err(Error::unavailable(SERVICE, error))
            }
            None => {
                self.0 = None;
                Ok(None)
            }
        }
    }
}

impl MultipartStore for S3Originals {
    async fn create(
        &self,
        key: &ObjectKey,
        content_type: &ContentType,
        version: Version,
    ) -> Result<UploadId> {
        let request = self
            .client
            .create_multipart_upload()
            .bucket(&self.bucket)
            .key(key.as_str())
            .content_type(content_type.as_str())
            .metadata(VERSION_METADATA, version.to_string());
        let created = request.send().await.map_err(|error| classify(SERVICE, &error))?;
        let id = created.upload_id.ok_or_else(|| Error::internal("S3 sent no upload id"))?;
        UploadId::try_from(id).map_err(Error::internal)
    }

    async fn upload_part(
        &self,
        key: &ObjectKey,
        upload_id: &UploadId,
        number: u16,
        bytes: Bytes,
    ) -> Result<Option<ETag>> {
        let request = self
            .client
            .upload_part()
            .bucket(&self.bucket)
            .key(key.as_str())
            .upload_id(upload_id.as_str())
            .part_number(i32::from(number))
            .body(bytes.into());
        // TLS guards the bytes on their way; a digest of them in the signature would be one more pass over each
        match request.customize().disable_payload_signing().send().await {
            Ok(written) => etag_of(written.e_tag()).map(Some),
            Err(error) if error.code() == Some("NoSuchUpload") => Ok(None),
            Err(error) => Err(classify(SERVICE, &error)),
        }
    }

    async fn list_parts(&self, key: &ObjectKey, upload_id: &UploadId) -> Result<Option<Vec<UploadedPart>>> {
        let mut pages = self
            .client
            .list_parts()
            .bucket(&self.bucket)
            .key(key.as_str())
            .upload_id(upload_id.as_str())
            .into_paginator()
            .send();
        let mut parts = Vec::new();
        while let Some(page) = pages.next().await {
            match page {
                Ok(page) => {
                    for part in page.parts() {
                        parts.push(uploaded_part(part)?);
                    }
                }
                Err(error) if error.code() == Some("NoSuchUpload") => return Ok(None),
                Err(error) => return Err(classify(SERVICE, &error)),
            }
        }
        Ok(Some(parts))
    }

    /// Conditions as S3 has them: an object where none may be, or another than the one replaced, is a 412; a replaced
    /// one that is gone is a 404 `NoSuchKey`; another writer in the same moment is a 409
    /// `ConditionalRequestConflict`, after which S3 wants the upload begun anew, so that it is a lost condition too
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html>).
    async fn complete(
        &self,
        key: &ObjectKey,
        upload_id: &UploadId,
        parts: &[PartTag],
        replaces: Option<&ETag>,
    ) -> Result<Stitched> {
        let parts = parts
            .iter()
            .map(|part| {
                let number = i32::from(part.number);
                CompletedPart::builder().part_number(number).e_tag(part.etag.quoted()).build()
            })
            .collect();
        let request = self
            .client
            .complete_multipart_upload()
            .bucket(&self.bucket)
            .key(key.as_str())
            .upload_id(upload_id.as_str())
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build());
        let request = match replaces {
            Some(etag) => request.if_match(etag.quoted()),
            None => request.if_none_match("*"),
        };
        match request.send().await {
            Ok(_) => Ok(Stitched::Done),
            Err(error) => match error.code() {
                Some("NoSuchUpload") => Ok(Stitched::NoSuchUpload),
                Some("PreconditionFailed" | "ConditionalRequestConflict" | "NoSuchKey") => {
                    Ok(Stitched::PreconditionFailed)
                }
                Some(
                    "InvalidPart" | "InvalidPartOrder" | "EntityTooSmall" | "EntityTooLarge" | "MalformedXML",
                ) => Ok(Stitched::PartsRefused),
                _ if status(&error) == Some(412) => Ok(Stitched::PreconditionFailed),
                _ => Err(classify(SERVICE, &error)),
            },
        }
    }

    async fn abort(&self, key: &ObjectKey, upload_id: &UploadId) -> Result<()> {
        let request = self
            .client
            .abort_multipart_upload()
            .bucket(&self.bucket)
            .key(key.as_str())
            .upload_id(upload_id.as_str());
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("NoSuchUpload") => Ok(()),
            Err(error) => Err(classify(SERVICE, &error)),
        }
    }
}

fn uploaded_part(part: &aws_sdk_s3::types::Part) -> Result<UploadedPart> {
    let broken = || Error::internal("S3 sent a part without number or size");
    Ok(UploadedPart {
        number: part.part_number().and_then(|number| u16::try_from(number).ok()).ok_or_else(broken)?,
        etag: etag_of(part.e_tag())?,
        size: part.size().and_then(|size| u64::try_from(size).ok()).ok_or_else(broken)?,
    })
}
