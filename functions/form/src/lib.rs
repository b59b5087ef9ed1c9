//! Takes small files as form data, for scripts and old clients: the whole file passes through the function, so it ends
//! where Lambda's payload does. Larger files go by `POST /prepare` straight to S3.
//!
//! **Routes** (HTTP API, bearer token): `POST /api/v1/assets` with `multipart/form-data`, each part with a file name is a
//! file, `folder` and `message_id` are of all of them; `GET /api/v1/tasks/{task_id}`.
//!
//! The files of a form stand for themselves: one that is refused hinders no other. A form of which nothing could be
//! taken is refused as its first file is.
//!
//! **Environment**
//!
//! | variable | unit | default |
//! |---|---|---|
//! | `STATE_TABLE`, `ORIGINALS_BUCKET`, `DERIVED_BUCKET` | names | required |
//! | `INGEST_QUEUE_URL` | the queue of content to read | required |
//! | `GATE_RULES` | JSON: what is taken of each kind | `{}` |
//! | `MAX_FILE_SIZE_BYTES` | the largest file taken | 53687091200000 |
//! | `MAX_OPEN_UPLOADS`, `MAX_STORED_BYTES` | of each owner; 0: no limit | 0 |
//! | `GATE_FUNCTION` | the operator's own gate, a function's name or ARN | none |
//! | `LINK_TTL_SECONDS` | how long a link to read is valid | 900 |
//!
//! **IAM**: `dynamodb:GetItem`, `PutItem`, `UpdateItem` on the state table; `s3:PutObject`, `s3:GetObject`,
//! `s3:GetObjectVersion`, `s3:AbortMultipartUpload` on originals and `s3:ListBucket` on their bucket, without which S3
//! answers 403 where 404 is meant; `s3:GetObject` on derivatives; `sqs:SendMessage` on the queue;
//! `lambda:InvokeFunction` on the gate.

pub mod config;
pub mod form;
pub mod handler;
pub mod take;
