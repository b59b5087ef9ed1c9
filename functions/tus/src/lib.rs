//! Takes uploads by tus 1.0.0 (<https://tus.io/protocols/resumable-upload>) and by its successor at the IETF
//! (draft-ietf-httpbis-resumable-upload), on the same resources. A request is the successor's if it has
//! `Upload-Complete`, `Upload-Draft-Interop-Version` or its media type; HEAD and DELETE, which have no mark there, if
//! they come without `Tus-Resumable`.
//!
//! # Routes
//!
//! HTTP API, no authorizer: `OPTIONS`, `POST /files`; `OPTIONS`, `HEAD`, `PATCH`, `DELETE /files/{id}`, the latter
//! also by `POST` with `X-HTTP-Method-Override`. Extensions: creation, creation-with-upload, creation-defer-length,
//! termination, checksum (sha1, sha256), expiration, concatenation.
//!
//! # Who may
//!
//! An upload is opened with a bearer token, or with an upload job's token in its metadata (`upload_request_id`,
//! `token`); such a token opens one upload and one asset, by however many requests: its URL follows from it, so that a
//! repeated POST is answered with the same. The id in its URL is a secret of 256 bits, of which only the digest is
//! kept; what the client told (metadata, the partial uploads' URLs) is kept sealed with that secret. With a bearer
//! token each later request needs one of the same owner; with a job's token the URL is enough. Metadata that is read:
//! `filename` or `name`, `content_type` (or `filetype`, `type`), `folder`, `message_id`, `sha256`, `asset_id` (a
//! further version of that asset).
//!
//! # The gate
//!
//! An upload passes it when it is opened, and a final one as what it becomes. A partial upload is no file yet: it must
//! fit the largest file taken and the room that its owner has left at that moment, also where its length isn't said;
//! its type is judged, and its bytes are counted, when it becomes part of a final one.
//!
//! # How bytes are kept
//!
//! See [`sluice_core::tus`]. Objects of the staging bucket: segments `{digest of the id}/{offset}-…`, and partial
//! uploads under keys like those of originals, in `partials/`. What a crash leaves there is removed by the bucket's
//! lifecycle rule. A final upload's URL follows from those of its parts and its metadata: a repeated POST, after an
//! answer was lost or when the first one's time was not enough, finds it and goes on with it.
//!
//! # Limits
//!
//! 4,500,000 bytes in one request (Lambda takes an event of 6 MB, and the body is base64 in it); about 274 GiB in all,
//! or what the gate takes if that is less. Larger files go by `/prepare`.
//!
//! # Environment
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `STATE_TABLE` | the state table | required |
//! | `ORIGINALS_BUCKET` | the bucket of originals | required |
//! | `STAGING_BUCKET` | the bucket of what waits to be part of an upload | required |
//! | `INGEST_QUEUE_URL` | the queue of content to read | required |
//! | `MALLOC_MMAP_THRESHOLD_` | bytes from which the C library gives a buffer back to the system once it is free | 131072 |
//! | `MALLOC_ARENA_MAX` | heaps of the C library | 1 |
//! | `JWT_SECRET_ARN` | the secret that signs tokens (HS256), at least 32 bytes; this or `JWT_JWKS_URL` | none |
//! | `JWT_JWKS_URL` | where an identity provider publishes its keys (RS256, ES256) | none |
//! | `JWT_ISSUER` | what `iss` must be; required with `JWT_JWKS_URL` | none |
//! | `JWT_AUDIENCE` | what `aud` must be; required with `JWT_JWKS_URL` | none |
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
//! | the secret that signs tokens, if there is one | `secretsmanager:GetSecretValue` |
//! | the state table | `dynamodb:GetItem`, `dynamodb:PutItem`, `dynamodb:UpdateItem`, `dynamodb:DeleteItem` |
//! | originals | `s3:PutObject`, `s3:GetObject`, `s3:GetObjectVersion`, `s3:ListMultipartUploadParts`, `s3:AbortMultipartUpload` |
//! | staged pieces | `s3:PutObject`, `s3:GetObject`, `s3:DeleteObject`, `s3:ListMultipartUploadParts`, `s3:AbortMultipartUpload` |
//! | the bucket of originals | `s3:ListBucket` |
//! | the staging bucket | `s3:ListBucket` |
//! | the ingest queue | `sqs:SendMessage` |
//! | the operator's gate, if there is one | `lambda:InvokeFunction` |

mod append;
pub mod config;
mod create;
mod fault;
mod finish;
pub mod handler;
mod join;
mod secret;
mod wire;
