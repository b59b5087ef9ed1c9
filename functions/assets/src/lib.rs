//! Reads assets, links to their files, and cancels uploads.
//!
//! # Routes
//!
//! HTTP API, bearer token.
//!
//! | route | does |
//! |---|---|
//! | `GET /assets?limit=&cursor=&stage=` | lists the caller's assets |
//! | `GET /assets/{asset_id}` | gives an asset's document; `HEAD` tells whether there is one |
//! | `GET /assets/{asset_id}/file`, `/assets/{asset_id}/download`, `/assets/{asset_id}/derivatives/{name}` | redirects to a link that ends soon |
//! | `DELETE /assets/{asset_id}` | cancels the upload of an asset that has no bytes yet |
//! | `DELETE /assets/{asset_id}/update` | cancels the upload of a further version |
//!
//! # Environment
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `STATE_TABLE` | the state table | required |
//! | `ORIGINALS_BUCKET` | the bucket of originals | required |
//! | `DERIVED_BUCKET` | the bucket of derivatives | required |
//! | `LINK_TTL_SECONDS` | seconds that a link to read is valid, 60 to 3600 | 900 |
//!
//! # IAM
//!
//! | on | actions |
//! |---|---|
//! | the state table | `dynamodb:GetItem`, `dynamodb:PutItem`, `dynamodb:UpdateItem` |
//! | its index `owner-created` | `dynamodb:Query` |
//! | originals | `s3:GetObject`, `s3:GetObjectVersion`, `s3:AbortMultipartUpload` |
//! | derivatives | `s3:GetObject`, `s3:GetObjectVersion` |
//! | the bucket of originals | `s3:ListBucket` |

pub mod config;
pub mod handler;
pub mod read;
