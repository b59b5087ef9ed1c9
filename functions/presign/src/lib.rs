//! Grants uploads: answers presigned URLs with which a client sends a file straight to S3, and tokens with which one is
//! sent to the tus server.
//!
//! **Routes** (HTTP API, bearer token): `POST /prepare` with `{filename, file_size, …}` for a new upload, with
//! `{upload_id, object_key, start_part, batch_count}` for a further window of signed parts. `POST /s3_signature` with
//! `{filename, file_size?, …}` for a form that a browser posts. `POST /uploadjobs` with
//! `{id, filename, size?, content_type?, folder?, message_id?, sha256?, …metadata}` announces an upload, `GET /uploadjobs`
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
//! | `GATE_RULES` | JSON: what is taken of each kind | `{}` |
//! | `MAX_FILE_SIZE_BYTES` | the largest file taken | 53687091200000 |
//! | `MAX_OPEN_UPLOADS`, `MAX_STORED_BYTES` | of each owner; 0: no limit | 0 |
//! | `GATE_FUNCTION` | the operator's own gate, a function's name or ARN | none |
//! | `GRANT_TTL_SECONDS` | how long a signed URL is valid | 3600 |
//! | `LINK_TTL_SECONDS` | how long a link to read is valid | 900 |
//!
//! **IAM**: `dynamodb:GetItem`, `PutItem`, `UpdateItem`, `Query` on the state table; `s3:PutObject` (what is signed is
//! allowed by it), `s3:AbortMultipartUpload`, `s3:GetObject`, `s3:GetObjectVersion` on originals and `s3:ListBucket` on
//! their bucket, without which S3 answers 403 where 404 is meant; `s3:GetObject` on derivatives; `lambda:InvokeFunction`
//! on the gate.

pub mod config;
pub mod grant;
pub mod handler;
pub mod jobs;
pub mod request;
