//! The WebSocket's routes: who is connected, and what clients ask for over their connections.
//!
//! | route | does |
//! |---|---|
//! | `$connect` | records the connection for the owner that the authorizer named |
//! | `$disconnect` | forgets it |
//! | any message | records the connection again if it isn't on record, then as follows |
//! | `subscribe` `{asset_id}` | sends the asset's present document |
//! | `sync` `{since}` | sends every asset that changed since, oldest change first, then `synced` |
//! | `ping` | sends `pong` |
//! | `$default` | sends an error: no such action |
//!
//! An answer other than an error means that the connection was on record before anything was read for it: what changes
//! afterwards is told.
//!
//! API Gateway may tell of a connection's end late, before its begin, twice or never, and a record that outlives its
//! connection does no harm: `notify` and the answers here remove it when they find the connection gone.
//!
//! Changes are pushed by `notify` without being asked for. Every answer is a push too: API Gateway knows no other way
//! to send more than one message.
//!
//! Environment:
//!
//! | variable | meaning |
//! |---|---|
//! | `STATE_TABLE` | the state table |
//! | `ORIGINALS_BUCKET`, `DERIVED_BUCKET` | the buckets that documents link to |
//! | `WEBSOCKET_ENDPOINT` | the WebSocket API's management endpoint |
//! | `LINK_TTL_SECONDS` | how long links are good, 900 |
//!
//! IAM: `dynamodb:GetItem`, `dynamodb:PutItem`, `dynamodb:DeleteItem` on the state table, `dynamodb:Query` on its index
//! `owner-updated`; `s3:GetObject`, `s3:GetObjectVersion` on both buckets, for the links; `execute-api:ManageConnections`.

pub mod config;
pub mod event;
pub mod handler;
