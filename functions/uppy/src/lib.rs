//! What stock Uppy (`@uppy/aws-s3` 4, 5 and 6) asks a Companion server for: signed uploads straight to S3.
//!
//! Written after the clients' own sources (4.3.2, 5.1.0, 6.3.1) and Companion's (6.2.2).
//!
//! # Routes
//!
//! HTTP API. Those below `/s3` want a bearer token; the same ones below `/u/{token}` carry their authority in
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
//! # Environment
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `STATE_TABLE` | the state table | required |
//! | `ORIGINALS_BUCKET` | the bucket of originals | required |
//! | `INGEST_QUEUE_URL` | the queue of content to read | required |
//! | `GRANT_TTL_SECONDS` | seconds that a signed upload is valid, 60 to 3600 | 3600 |
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
//! | originals | `s3:PutObject`, `s3:GetObject`, `s3:GetObjectVersion`, `s3:ListMultipartUploadParts`, `s3:AbortMultipartUpload` |
//! | the bucket of originals | `s3:ListBucket` |
//! | the ingest queue | `sqs:SendMessage` |
//! | the operator's gate, if there is one | `lambda:InvokeFunction` |

pub mod companion;
pub mod config;
pub mod endpoint;
pub mod handler;
pub mod sign;
pub mod wire;
