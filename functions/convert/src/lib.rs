//! Makes the derivatives of images.
//!
//! # Trigger
//!
//! The conversion queue, one image at a time (partial batch responses). A job has a lease on its asset, held by the message
//! that ordered it; a worker that dies is followed by another when its message comes back, which takes over its own lease at
//! once; after the queue's last try `sweep` orders it once more, then gives it up. An image that can't be converted is
//! shown by its original, with a warning, unless one of its derivatives is required.
//!
//! # Environment
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `STATE_TABLE` | the state table | required |
//! | `ORIGINALS_BUCKET` | the bucket of originals | required |
//! | `DERIVED_BUCKET` | the bucket of derivatives | required |
//! | `DERIVATIVES` | JSON: which derivatives are made | thumb 256 webp, preview 1024 jpeg, large 2048 jpeg |
//! | `LEASE_SECONDS` | seconds that a worker has a job to itself, longer than the function's time limit of 60 s: 1 to 900 | 90 |
//! | `AWS_LAMBDA_FUNCTION_MEMORY_SIZE` | megabytes; what a decoder may use follows from it | set by Lambda |
//!
//! # IAM
//!
//! | on | actions |
//! |---|---|
//! | the state table | `dynamodb:GetItem`, `dynamodb:PutItem`, `dynamodb:UpdateItem` |
//! | originals | `s3:GetObject`, `s3:GetObjectVersion` |
//! | the bucket of originals | `s3:ListBucket` |
//! | derivatives | `s3:PutObject`, `s3:DeleteObject` |
//! | the conversion queue | `sqs:ReceiveMessage`, `sqs:DeleteMessage`, `sqs:GetQueueAttributes` |

pub mod body;
pub mod config;
pub mod engine;
pub mod handler;
pub mod work;
