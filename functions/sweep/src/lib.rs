//! Drives again what nobody else drives, and ends what can't work.
//!
//! **Triggers**: a schedule (every 5 minutes): assets whose deadline is past; the dead-letter queues of the conversion
//! queue and of the ingest queue (partial batch responses).
//!
//! What is found, and what is done about it:
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
//! **Environment**: `STATE_TABLE`, `ORIGINALS_BUCKET`, `INGEST_QUEUE_URL`, `CONVERT_QUEUE_URL` (required).
//!
//! **IAM**: `dynamodb:GetItem`, `PutItem`, `UpdateItem` on the state table, `Query` on its `deadlines` index;
//! `s3:GetObject`, `s3:GetObjectVersion`, `s3:DeleteObject`, `s3:DeleteObjectVersion`, `s3:AbortMultipartUpload`,
//! `s3:ListMultipartUploadParts` on originals, `s3:ListBucket` on their bucket (without it S3 answers 403 for what isn't
//! there); `sqs:SendMessage`, `sqs:GetQueueAttributes` on the ingest and the conversion queue; consuming the dead-letter
//! queues.

pub mod config;
pub mod handler;
pub mod sweeper;
