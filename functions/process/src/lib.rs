//! Reads what arrived: type by content, digest, whether the owner has it already, metadata, placeholder; queues
//! conversion jobs.
//!
//! # Trigger
//!
//! The ingest queue, one file at a time (partial batch responses). Into it S3 puts its `s3:ObjectCreated:*` events of the
//! bucket of originals, and `complete`, the doors and `sweep` their orders, should the event never come. S3's own event is
//! taken too, for `sam local` and for whoever connects bucket and function without a queue.
//!
//! # Environment
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `STATE_TABLE` | the state table | required |
//! | `ORIGINALS_BUCKET` | the bucket of originals | required |
//! | `CONVERT_QUEUE_URL` | the queue of conversion jobs | required |
//! | `INGEST_QUEUE_URL` | the queue of content to read | required |
//! | `HASH_LIMIT_BYTES` | bytes of the largest file that is hashed | 8589934592 |
//! | `GATE_RULES` | JSON: what is taken of each kind of file, asked once more of the content | `{}` |
//! | `MAX_FILE_SIZE_BYTES` | bytes of the largest file that is taken | 53687091200000 |
//! | `GATE_FUNCTION` | the operator's own gate, a function's name or ARN | none |
//! | `DERIVATIVES` | JSON: which derivatives are made, here whether one of them is required | thumb 256 webp, preview 1024 jpeg, large 2048 jpeg |
//! | `AWS_LAMBDA_FUNCTION_MEMORY_SIZE` | megabytes; what a decoder may use follows from it | set by Lambda |
//!
//! # IAM
//!
//! | on | actions |
//! |---|---|
//! | the operator's gate, if there is one | `lambda:InvokeFunction` |
//! | the state table | `dynamodb:GetItem`, `dynamodb:PutItem`, `dynamodb:UpdateItem` |
//! | originals | `s3:GetObject`, `s3:GetObjectVersion`, `s3:DeleteObjectVersion`, `s3:AbortMultipartUpload` |
//! | the bucket of originals | `s3:ListBucket` |
//! | the ingest queue | `sqs:ReceiveMessage`, `sqs:DeleteMessage`, `sqs:GetQueueAttributes`, `sqs:SendMessage` |
//! | the conversion queue | `sqs:SendMessage` |

pub mod config;
pub mod handler;
pub mod image;
pub mod ingest;
