//! Makes derivatives of images.
//!
//! **Trigger**: the conversion queue (partial batch responses). A job has a lease on its asset, held by the message that
//! ordered it; a worker that dies is followed by another when its message comes back, which takes over its own lease at
//! once; after the queue's last try `sweep` orders it once more, then gives it up. An image that can't be converted is
//! shown by its original, with a warning, unless one of its derivatives is required.
//!
//! **Environment**: `STATE_TABLE`, `ORIGINALS_BUCKET`, `DERIVED_BUCKET` (required); `LEASE_SECONDS` (how long a worker
//! has a job to itself, longer than the function's time limit of 60: 90); `DERIVATIVES` (which derivatives are made, as JSON: thumb 256
//! WebP, preview 1024 JPEG, large 2048 JPEG); `AWS_LAMBDA_FUNCTION_MEMORY_SIZE` (MB, set by Lambda;
//! what a decoder may use follows from it).
//!
//! **IAM**: `dynamodb:GetItem`, `PutItem`, `UpdateItem` on the state table; `s3:GetObject`, `s3:GetObjectVersion` on originals,
//! `s3:ListBucket` on their bucket (without it S3 answers 403 for what isn't there); `s3:PutObject`, `s3:DeleteObject` on
//! derivatives; consuming the conversion queue.

pub mod body;
pub mod config;
pub mod engine;
pub mod handler;
pub mod work;
