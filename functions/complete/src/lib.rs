//! Finishes uploads: has S3 stitch the parts, lists those that are there, cancels.
//!
//! **Routes** (HTTP API, bearer token): `POST /complete`, `GET /uploads/{upload_id}/parts?object_key=`,
//! `DELETE /uploads/{upload_id}?object_key=`.
//!
//! **Environment**: `STATE_TABLE`, `ORIGINALS_BUCKET`, `DERIVED_BUCKET`, `INGEST_QUEUE_URL` (required);
//! `LINK_TTL_SECONDS` (how long a link to read is valid, 900).
//!
//! **IAM**: `dynamodb:GetItem`, `PutItem` on the state table; `s3:PutObject` (it allows
//! `CompleteMultipartUpload`), `s3:ListMultipartUploadParts`, `s3:AbortMultipartUpload`, `s3:GetObject`,
//! `s3:GetObjectVersion` on originals, `s3:ListBucket` on their bucket (without it S3 answers 403 for what isn't
//! there); `s3:GetObject` on derivatives; `sqs:SendMessage` on the ingest queue.

pub mod config;
pub mod handler;
