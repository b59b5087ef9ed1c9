//! Takes small files as form data, for scripts and old clients: the whole file passes through the function, so it ends
//! where Lambda's payload does. Larger files go by `POST /prepare` straight to S3.
//!
//! The files of a form stand for themselves: one that is refused hinders no other. A form of which nothing could be
//! taken is refused as its first file is.
//!
//! # Routes
//!
//! HTTP API, bearer token.
//!
//! | route | does |
//! |---|---|
//! | `POST /api/v1/assets` with `multipart/form-data` | takes each part with a file name as a file; `folder` and `message_id` are of all of them |
//! | `GET /api/v1/tasks/{task_id}` | tells how the files of one form stand |
//!
//! # Environment
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `STATE_TABLE` | the state table | required |
//! | `ORIGINALS_BUCKET` | the bucket of originals | required |
//! | `DERIVED_BUCKET` | the bucket of derivatives | required |
//! | `INGEST_QUEUE_URL` | the queue of content to read | required |
//! | `LINK_TTL_SECONDS` | seconds that a link to read is valid, 60 to 3600 | 900 |
//! | `GATE_RULES` | JSON: what is taken of each kind of file | `{}` |
//! | `MAX_FILE_SIZE_BYTES` | bytes of the largest file that is taken | 53687091200000 |
//! | `MAX_OPEN_UPLOADS` | uploads that one owner may have open at once; 0: no limit | 0 |
//! | `MAX_STORED_BYTES` | bytes that one owner may store; 0: no limit | 0 |
//! | `GATE_FUNCTION` | the operator's own gate, a function's name or ARN | none |
//!
//! # IAM
//!
//! | on | actions |
//! |---|---|
//! | the state table | `dynamodb:GetItem`, `dynamodb:PutItem`, `dynamodb:UpdateItem` |
//! | originals | `s3:PutObject`, `s3:GetObject`, `s3:GetObjectVersion` |
//! | derivatives | `s3:GetObject`, `s3:GetObjectVersion` |
//! | the bucket of originals | `s3:ListBucket` |
//! | the ingest queue | `sqs:SendMessage` |
//! | the operator's gate, if there is one | `lambda:InvokeFunction` |

pub mod config;
pub mod form;
pub mod handler;
pub mod take;
