//! Finishes uploads: has S3 stitch the parts, lists those that are there, cancels.
//!
//! # Routes
//!
//! HTTP API, bearer token.
//!
//! | route | does |
//! |---|---|
//! | `POST /complete` | takes an upload as complete, and orders that its content be read |
//! | `GET /uploads/{upload_id}/parts?object_key=` | lists the parts that S3 has |
//! | `DELETE /uploads/{upload_id}?object_key=` | cancels a multipart upload and frees its parts |
//!
//! # Environment
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `STATE_TABLE` | the state table | required |
//! | `ORIGINALS_BUCKET` | the bucket of originals | required |
//! | `DERIVED_BUCKET` | the bucket of derivatives | required |
//! | `INGEST_QUEUE_URL` | the queue of content to read | required |
//! | `LINK_TTL_SECONDS` | seconds that a link to read is valid, 60 to 3600 | 900 |
//!
//! # IAM
//!
//! | on | actions |
//! |---|---|
//! | the state table | `dynamodb:GetItem`, `dynamodb:PutItem`, `dynamodb:UpdateItem` |
//! | its index `uploads` | `dynamodb:Query` |
//! | the ingest queue | `sqs:SendMessage` |
//! | originals | `s3:PutObject`, `s3:ListMultipartUploadParts`, `s3:AbortMultipartUpload`, `s3:GetObject`, `s3:GetObjectVersion` |
//! | derivatives | `s3:GetObject`, `s3:GetObjectVersion` |
//! | the bucket of originals | `s3:ListBucket` |

pub mod config;
pub mod handler;
