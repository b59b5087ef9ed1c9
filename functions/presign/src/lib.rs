//! Grants uploads: answers presigned URLs with which a client sends a file straight to S3, and tokens with which one is
//! sent to the tus server.
//!
//! **Routes** (HTTP API, bearer token): `POST /prepare` with `{filename, file_size, …}` for a new upload, with
//! `{upload_id, object_key, start_part, batch_count}` for a further window of signed parts. `POST /s3_signature` with
//! `{filename, file_size?, …}` for a form that a browser posts. `POST /uploadjobs` with
//! `{id, filename, filesize?, filetype?, folder?, message_id?, sha256?, …metadata}` announces an upload, `GET /uploadjobs`
//! (`limit`, `cursor`) lists what was announced, `DELETE /uploadjobs/{request_id}` calls it off.
//!
//! **Environment**
//!
//! | variable | unit | default |
//! |---|---|---|
//! | `STATE_TABLE`, `ORIGINALS_BUCKET`, `DERIVED_BUCKET` | names | required |
//! | `DIRECT_LIMIT_BYTES` | the largest file sent by one PUT | 10485760 |
//! | `PART_SIZE_BYTES` | bytes of a part unless the client chose | 5242880 |
//! | `PART_BATCH` | parts signed in one answer | 500 |
//! | `MAX_FILE_SIZE_BYTES` | the largest file taken | 53687091200000 |
//! | `GRANT_TTL_SECONDS` | how long a signed URL is valid | 3600 |
//! | `LINK_TTL_SECONDS` | how long a link to read is valid | 900 |
//!
//! **IAM**: `dynamodb:GetItem`, `PutItem` on the state table; `s3:PutObject` (what is signed is allowed by it),
//! `s3:AbortMultipartUpload`, `s3:GetObject`, `s3:GetObjectVersion` on originals; `s3:GetObject` on derivatives.

pub mod config;
pub mod grant;
pub mod handler;
pub mod jobs;
pub mod request;
