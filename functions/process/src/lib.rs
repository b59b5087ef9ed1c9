//! Reads what arrived: type by content, digest, whether the owner has it already, metadata, placeholder; queues
//! conversion jobs.
//!
//! **Triggers**: the ingest queue (partial batch responses). Into it S3 puts its `s3:ObjectCreated:*` events of the bucket of
//! originals, and `complete`, the doors and `sweep` their orders, should the event never come. S3's own event is taken too,
//! for `sam local` and for whoever connects bucket and function without a queue.
//!
//! **Environment**: `STATE_TABLE`, `ORIGINALS_BUCKET`, `CONVERT_QUEUE_URL`, `INGEST_QUEUE_URL`
//! (required); `GATE_RULES`, `MAX_FILE_SIZE_BYTES`, `GATE_FUNCTION` (what is taken, asked once more of the content; as
//! `presign` has them); `DERIVATIVES` (whether one of them is required, see `convert`); `HASH_LIMIT_BYTES` (larger files
//! aren't hashed, 8589934592); `AWS_LAMBDA_FUNCTION_MEMORY_SIZE` (MB, set by Lambda; what a decoder may use follows from
//! it).
//!
//! **IAM**: `dynamodb:GetItem`, `PutItem` on the state table; `s3:GetObject`, `s3:GetObjectVersion`,
//! `s3:DeleteObject`, `s3:DeleteObjectVersion`, `s3:AbortMultipartUpload` on originals, `s3:ListBucket` on their bucket (without it S3 answers 403
//! for what isn't there); `lambda:InvokeFunction` on the gate function, if there is one; `sqs:SendMessage` on the conversion and the ingest queue; consuming the ingest queue.

pub mod config;
pub mod handler;
pub mod image;
pub mod ingest;
