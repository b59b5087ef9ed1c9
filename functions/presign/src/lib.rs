//! Grants uploads: answers presigned URLs with which a client sends a file straight to S3, and tokens with which one is
//! sent to the tus server.
//!
//! # Routes
//!
//! HTTP API, bearer token.
//!
//! | route | does |
//! |---|---|
//! | `POST /prepare` `{filename, size, …}` | grants a new upload, or a further version |
//! | `POST /prepare` `{upload_id, object_key, start_part, batch_count}` | signs a further window of parts |
//! | `POST /s3_signature` `{filename, size?, …}` | signs a form that a browser posts to S3 |
//! | `POST /uploadjobs` `{id, filename, size?, …}` | announces an upload |
//! | `GET /uploadjobs?limit=&cursor=` | lists what was announced |
//! | `GET /uploadjobs/{request_id}` | gives one |
//! | `DELETE /uploadjobs/{request_id}` | cancels it |
//!
//! # Environment
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `STATE_TABLE` | the state table | required |
//! | `ORIGINALS_BUCKET` | the bucket of originals | required |
//! | `DERIVED_BUCKET` | the bucket of derivatives | required |
//! | `DIRECT_LIMIT_BYTES` | bytes of the largest file that is sent by one PUT | 10485760 |
//! | `PART_SIZE_BYTES` | bytes of a part, unless the client chose | 5242880 |
//! | `PART_BATCH` | parts that are signed in one answer, 1 to 500 | 500 |
//! | `GRANT_TTL_SECONDS` | seconds that a signed upload is valid, 60 to 3600 | 3600 |
//! | `GATE_RULES` | JSON: what is taken of each kind of file | `{}` |
//! | `MAX_FILE_SIZE_BYTES` | bytes of the largest file that is taken | 53687091200000 |
//! | `MAX_OPEN_UPLOADS` | uploads that one owner may have open at once; 0: no limit | 0 |
//! | `MAX_STORED_BYTES` | bytes that one owner may store; 0: no limit | 0 |
//! | `GATE_FUNCTION` | the operator's own gate, a function's name or ARN | none |
//! | `LINK_TTL_SECONDS` | seconds that a link to read is valid, 60 to 3600 | 900 |
//!
//! # IAM
//!
//! | on | actions |
//! |---|---|
//! | the state table | `dynamodb:GetItem`, `dynamodb:PutItem`, `dynamodb:UpdateItem`, `dynamodb:Query` |
//! | originals | `s3:PutObject`, `s3:AbortMultipartUpload`, `s3:GetObject`, `s3:GetObjectVersion` |
//! | derivatives | `s3:GetObject`, `s3:GetObjectVersion` |
//! | the operator's gate, if there is one | `lambda:InvokeFunction` |
//! | the bucket of originals | `s3:ListBucket` |

pub mod config;
pub mod grant;
pub mod handler;
pub mod jobs;
pub mod request;
