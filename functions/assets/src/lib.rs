//! Reads assets and cancels uploads.
//!
//! **Routes** (HTTP API, bearer token): `GET /assets?limit=&cursor=`, `GET /assets/{asset_id}`,
//! `GET /assets/{asset_id}/download`, `DELETE /assets/{asset_id}` (cancels the upload of an asset that has no bytes yet),
//! `DELETE /assets/{asset_id}/update` (cancels the upload of a further version).
//!
//! **Environment**: `STATE_TABLE`, `ORIGINALS_BUCKET`, `DERIVED_BUCKET` (required); `LINK_TTL_SECONDS` (how long a link
//! to read is valid, 900).
//!
//! **IAM**: `dynamodb:GetItem`, `PutItem` on the state table, `Query` on its indexes; `s3:GetObject`,
//! `s3:GetObjectVersion`, `s3:AbortMultipartUpload` on originals, `s3:ListBucket` on their bucket (without it S3
//! answers 403 for what isn't there); `s3:GetObject` on derivatives.

pub mod config;
pub mod handler;
pub mod read;
