//! Tells owners about every change of their assets and upload jobs: the state table's stream is the outbox, and each state
//! that was written is pushed to all of its owner's WebSocket connections. Upload jobs follow their assets here, by
//! whichever door the bytes came and whoever ended it.
//!
//! # Trigger
//!
//! The stream of the state table (`NEW_AND_OLD_IMAGES`), asset, upload job and task items only, in batches with
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
//! # Environment
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `STATE_TABLE` | the state table | required |
//! | `ORIGINALS_BUCKET` | the bucket of originals | required |
//! | `DERIVED_BUCKET` | the bucket of derivatives | required |
//! | `WEBSOCKET_ENDPOINT` | the WebSocket API's management endpoint | required |
//! | `LINK_TTL_SECONDS` | seconds that a link to read is valid, 60 to 3600 | 900 |
//! | `POISON_QUEUE_URL` | the queue for records that can't be read | required |
//!
//! # IAM
//!
//! | on | actions |
//! |---|---|
//! | the state table's stream | `dynamodb:DescribeStream`, `dynamodb:GetRecords`, `dynamodb:GetShardIterator` |
//! | everything, for the action knows no resource | `dynamodb:ListStreams` |
//! | the state table, items `O#*`, `C#*` | `dynamodb:Query`, `dynamodb:GetItem`, `dynamodb:PutItem`, `dynamodb:DeleteItem` |
//! | the state table, items `K#*`, `A#*` | `dynamodb:GetItem` |
//! | originals | `s3:GetObject`, `s3:GetObjectVersion` |
//! | derivatives | `s3:GetObject`, `s3:GetObjectVersion` |
//! | `POST` of the WebSocket API's connections | `execute-api:ManageConnections` |
//! | `DELETE` of the WebSocket API's connections | `execute-api:ManageConnections` |
//! | the poison queue | `sqs:SendMessage` |

pub mod config;
pub mod handler;
pub mod poison;
pub mod stream;
