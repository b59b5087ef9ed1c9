//! What stock Uppy (`@uppy/aws-s3` 4, 5 and 6) asks a Companion server for: signed uploads straight to S3.
//!
//! Written after the clients' own sources (4.3.2, 5.1.0, 6.3.1) and Companion's (6.2.2).
//!
//! **Routes** (HTTP API). Those below `/s3` want a bearer token; the same ones below `/u/{token}` carry their authority in
//! the path, because Uppy 6 sends neither headers nor cookies (see [`endpoint`]).
//!
//! | route | does |
//! |---|---|
//! | `GET /s3/params?filename=&type=&metadata[k]=v` | opens an upload that comes by one form |
//! | `POST /s3/multipart` `{filename, type, metadata}` | opens an upload in parts |
//! | `GET /s3/multipart/{uploadId}?key=` | lists the parts that are there |
//! | `GET /s3/multipart/{uploadId}/{partNumber}?key=` | signs a part |
//! | `GET /s3/multipart/{uploadId}/batch?key=&partNumbers=1,2` | signs several (Uppy 2 and 3) |
//! | `POST /s3/multipart/{uploadId}/complete?key=` `{parts}` | completes |
//! | `DELETE /s3/multipart/{uploadId}?key=` | cancels |
//! | `POST /s3/sign` | signs what Uppy 6 hands to `signRequest`, see [`sign`] |
//! | `GET /s3/sts` | 403: credentials of a bucket are a grant without a gate |
//! | `POST /uppy/endpoints` | makes an endpoint for Uppy 6 (bearer token only) |
//!
//! Of a file's metadata `folder`, `message_id`, `asset_id` (of an asset that gets a further version), `sha256` and `size`
//! are heeded; all of it is shown to the operator's gate. Errors are `{"message", "error", "code", "requestId"}`.
//!
//! **Environment**
//!
//! | variable | unit | default |
//! |---|---|---|
//! | `STATE_TABLE`, `ORIGINALS_BUCKET`, `INGEST_QUEUE_URL` | names, a URL | required |
//! | `GRANT_TTL_SECONDS` | how long a signed request is valid | 3600 |
//! | `GATE_RULES` | the gate's rules, JSON | `{}` |
//! | `MAX_FILE_SIZE_BYTES` | the largest file taken | 53687091200000 |
//! | `MAX_OPEN_UPLOADS`, `MAX_STORED_BYTES` | of each owner; 0 is no limit | 0 |
//! | `GATE_FUNCTION` | the operator's own gate, a function's name or ARN | none |
//!
//! **IAM**: `dynamodb:GetItem`, `PutItem`, `UpdateItem` on the state table; `s3:PutObject` (what is signed is allowed by
//! it), `s3:GetObject`, `s3:GetObjectVersion`, `s3:ListMultipartUploadParts`, `s3:AbortMultipartUpload` on originals,
//! `s3:ListBucket` on their bucket; `sqs:SendMessage` on the ingest queue; `lambda:InvokeFunction` on the gate function.

pub mod companion;
pub mod config;
pub mod endpoint;
pub mod handler;
pub mod sign;
pub mod wire;
