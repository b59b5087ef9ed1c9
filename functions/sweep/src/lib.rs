//! Ends what nobody else ends.
//!
//! **Triggers**: a schedule (every 5 minutes): assets whose deadline is past; the dead-letter queues of the conversion
//! queue, of the ingest queue and of `process`'s failed invocations (partial batch responses).
//!
//! **Environment**: `STATE_TABLE`, `ORIGINALS_BUCKET`, `INGEST_QUEUE_URL` (required).
//!
//! **IAM**: `dynamodb:GetItem`, `PutItem` on the state table, `Query` on its `deadlines` index; `s3:GetObject`,
//! `s3:GetObjectVersion`, `s3:AbortMultipartUpload` on originals, `s3:ListBucket` on their bucket (without it S3
//! answers 403 for what isn't there); `sqs:SendMessage` on the ingest queue; consuming the dead-letter queues.

pub mod config;
pub mod handler;
pub mod sweeper;
