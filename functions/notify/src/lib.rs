//! Tells owners about every change of their assets and upload jobs: the state table's stream is the outbox, and each state
//! that was written is pushed to all of its owner's WebSocket connections. Upload jobs follow their assets here, by
//! whichever door the bytes came and whoever ended it.
//!
//! Trigger: the stream of the state table (`NEW_AND_OLD_IMAGES`), asset, upload job and task items only, in batches with
//! `ReportBatchItemFailures`. A change is told at least once and, to one connection, in order per asset unless
//! something failed; clients keep the document with the highest `seq`.
//!
//! What becomes of a record:
//!
//! | the record | what is done |
//! |---|---|
//! | an asset whose revision rose | the upload job it came by, if any, follows it; its document goes to the owner's connections |
//! | one that has just ended and came by a form | how the form's task stands goes after it |
//! | an upload job whose revision rose | its document goes the same way |
//! | a new task | how it stands goes the same way |
//! | a removal, another item, no new revision | nothing |
//! | can't be read | set aside on the poison queue: it would block its shard of the stream |
//! | a push failed three times, a second each | its connection is cut: its client notices, comes back and syncs |
//! | it can't be cut either, or the table or the links failed in passing | everybody else is told, and the record is reported: the stream delivers again from there |
//!
//! A connection that API Gateway says is gone is forgotten, unless it was recorded within the last 30 s: then it may be
//! opening still, for it is recorded before its handshake ends and can't be pushed to until then. It is tried again after
//! pauses, and kept. What it misses until it is open it finds by the `sync` that clients send first.
//!
//! Environment:
//!
//! | variable | meaning |
//! |---|---|
//! | `STATE_TABLE` | the state table |
//! | `ORIGINALS_BUCKET`, `DERIVED_BUCKET` | the buckets that documents link to |
//! | `WEBSOCKET_ENDPOINT` | the WebSocket API's management endpoint |
//! | `LINK_TTL_SECONDS` | how long links are good, 900 |
//! | `POISON_QUEUE_URL` | where records go that can't be read |
//!
//! IAM: the stream; `dynamodb:Query`, `dynamodb:GetItem`, `dynamodb:DeleteItem` on the state table's connections,
//! `dynamodb:GetItem`, `dynamodb:PutItem` on its upload jobs, `dynamodb:GetItem` on its tasks and assets;
//! `s3:GetObject`, `s3:GetObjectVersion` on both buckets, for the links; `execute-api:ManageConnections`;
//! `sqs:SendMessage` on the poison queue.

pub mod config;
pub mod handler;
pub mod poison;
pub mod stream;
