//! Drives again what nobody else drives, and ends what can't work.
//!
//! # Trigger
//!
//! A schedule (every 5 minutes): assets whose deadline is past. The dead-letter queues of the conversion queue and of the
//! ingest queue (partial batch responses).
//!
//! | found | done |
//! |---|---|
//! | an open upload whose bytes are there | the asset learns of them |
//! | an open upload of which nothing is there, some minutes after its grant | it stops counting for the quota |
//! | an upload whose time is over | it has expired, its parts are freed |
//! | content that nobody read, a job that nobody began | ordered again, up to six times; then given up |
//! | an order that failed at every try | ordered again: what is required later and later, a preview once, at once |
//! | bytes and parts that belong to nobody | freed |
//!
//! # Environment
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `STATE_TABLE` | the state table | required |
//! | `ORIGINALS_BUCKET` | the bucket of originals | required |
//! | `INGEST_QUEUE_URL` | the queue of content to read | required |
//! | `CONVERT_QUEUE_URL` | the queue of conversion jobs | required |
//!
//! # IAM
//!
//! | on | actions |
//! |---|---|
//! | the state table | `dynamodb:GetItem`, `dynamodb:PutItem`, `dynamodb:UpdateItem` |
//! | its index `deadlines` | `dynamodb:Query` |
//! | originals | `s3:GetObject`, `s3:GetObjectVersion`, `s3:DeleteObjectVersion`, `s3:AbortMultipartUpload`, `s3:ListMultipartUploadParts` |
//! | the bucket of originals | `s3:ListBucket` |
//! | the conversion queue's dead letters | `sqs:ReceiveMessage`, `sqs:DeleteMessage`, `sqs:GetQueueAttributes` |
//! | the ingest queue's dead letters | `sqs:ReceiveMessage`, `sqs:DeleteMessage`, `sqs:GetQueueAttributes` |
//! | the ingest queue | `sqs:SendMessage`, `sqs:GetQueueAttributes` |
//! | the conversion queue | `sqs:SendMessage`, `sqs:GetQueueAttributes` |

pub mod config;
pub mod handler;
pub mod sweeper;
