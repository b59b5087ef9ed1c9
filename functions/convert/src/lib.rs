//! Makes derivatives of images.
//!
//! **Trigger**: the conversion queue (partial batch responses). A job has a lease on its asset; a worker that dies is
//! followed by another when its message comes back; after the queue's last try `sweep` says so on the asset.
//!
//! **Environment**: `STATE_TABLE`, `ORIGINALS_BUCKET`, `DERIVED_BUCKET` (required); `LEASE_SECONDS` (how long a worker
//! has a job to itself: the function's own time limit, 120); `DERIVATIVES` (which derivatives are made, as JSON: thumb 256
//! WebP, preview 1024 JPEG, large 2048 JPEG); `AWS_LAMBDA_FUNCTION_MEMORY_SIZE` (MB, set by Lambda;
//! what a decoder may use follows from it).
//!
//! **IAM**: `dynamodb:GetItem`, `PutItem` on the state table; `s3:GetObject`, `s3:GetObjectVersion` on originals,
//! `s3:ListBucket` on their bucket (without it S3 answers 403 for what isn't there); `s3:PutObject` on derivatives;
//! consuming the conversion queue.

pub mod body;
pub mod config;
pub mod engine;
pub mod handler;
pub mod work;
