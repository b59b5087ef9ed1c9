//! Takes uploads by tus 1.0.0 (<https://tus.io/protocols/resumable-upload>) and by its successor at the IETF
//! (draft-ietf-httpbis-resumable-upload), on the same resources. A request is the successor's if it has `Upload-Complete`,
//! `Upload-Draft-Interop-Version` or its media type; HEAD and DELETE, which have no mark there, if they come without
//! `Tus-Resumable`.
//!
//! **Routes** (HTTP API, no authorizer): `OPTIONS`, `POST /files`; `OPTIONS`, `HEAD`, `PATCH`, `DELETE /files/{id}`, the
//! latter also by `POST` with `X-HTTP-Method-Override`. Extensions: creation, creation-with-upload, creation-defer-length,
//! termination, checksum (sha1, sha256), expiration, concatenation.
//!
//! **Who may**: an upload is opened with a bearer token, or with an upload job's token in its metadata
//! (`upload_request_id`, `token`); such a token opens one upload and one asset, by however many requests: its URL follows from
//! it, so that a repeated POST is answered with the same. The id in its URL is a secret of 256 bits, of which only the digest is kept; what the
//! client told (metadata, the partial uploads' URLs) is kept sealed with that secret. With a bearer token each later request
//! needs one of the same owner; with a job's token the URL is enough. Metadata that is read: `filename` or `name`,
//! `content_type` (or `filetype`, `type`), `folder`, `message_id`, `sha256`, `asset_id` (a further version of that asset).
//!
//! **The gate**: an upload passes it when it is opened, and a final one as what it becomes. A partial upload is no file yet:
//! it must fit the largest file taken and the room that its owner has left at that moment, also where its length isn't said; its type is judged, and its
//! bytes are counted, when it becomes part of a final one.
//!
//! **How bytes are kept**: see [`sluice_core::tus`]. Objects of the staging bucket: segments `{digest of the id}/{offset}-…`,
//! and partial uploads under keys like those of originals, in `partials/`. What a crash leaves there is removed by the
//! bucket's lifecycle rule. A final upload's URL follows from those of its parts and its metadata: a repeated POST, after an
//! answer was lost or when the first one's time was not enough, finds it and goes on with it.
//!
//! **Limits**: 4,500,000 bytes in one request (Lambda takes an event of 6 MB, and the body is base64 in it); about 274 GiB in
//! all, or what the gate takes if that is less. Larger files go by `/prepare`.
//!
//! **Environment**: `STATE_TABLE`, `ORIGINALS_BUCKET`, `STAGING_BUCKET`, `INGEST_QUEUE_URL` (required); `JWT_SECRET_ARN` or
//! `JWT_JWKS_URL`, `JWT_ISSUER`, `JWT_AUDIENCE` as in `authorize`; `GATE_RULES`, `MAX_FILE_SIZE_BYTES`, `MAX_OPEN_UPLOADS`,
//! `MAX_STORED_BYTES`, `GATE_FUNCTION` as in `presign`.
//!
//! **IAM**: `dynamodb:GetItem`, `PutItem`, `UpdateItem`, `DeleteItem` on the state table; `s3:PutObject` (it allows
//! multipart uploads), `s3:GetObject`, `s3:GetObjectVersion`, `s3:ListMultipartUploadParts`, `s3:AbortMultipartUpload` on
//! originals; `s3:PutObject`, `s3:GetObject`, `s3:DeleteObject`, `s3:ListMultipartUploadParts`,
//! `s3:AbortMultipartUpload` on staging; `s3:ListBucket` on both buckets (without it S3 answers 403 for what isn't there);
//! `sqs:SendMessage` on the ingest queue; `secretsmanager:GetSecretValue` on the secret; `lambda:InvokeFunction` on the
//! operator's gate.

mod append;
pub mod config;
mod create;
mod fault;
mod finish;
pub mod handler;
mod join;
mod secret;
mod wire;
