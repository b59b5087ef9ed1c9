//! The WebSocket's routes: who is connected, and what clients ask for over their connections.
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
//! # Routes
//!
//! WebSocket API; `$connect` with a ticket.
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
//! # Environment
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `STATE_TABLE` | the state table | required |
//! | `ORIGINALS_BUCKET` | the bucket of originals | required |
//! | `DERIVED_BUCKET` | the bucket of derivatives | required |
//! | `WEBSOCKET_ENDPOINT` | the WebSocket API's management endpoint | required |
//! | `LINK_TTL_SECONDS` | seconds that a link to read is valid, 60 to 3600 | 900 |
//!
//! # IAM
//!
//! | on | actions |
//! |---|---|
//! | the state table | `dynamodb:GetItem`, `dynamodb:PutItem`, `dynamodb:DeleteItem` |
//! | its index `owner-updated` | `dynamodb:Query` |
//! | originals | `s3:GetObject`, `s3:GetObjectVersion` |
//! | derivatives | `s3:GetObject`, `s3:GetObjectVersion` |
//! | `POST` of the WebSocket API's connections | `execute-api:ManageConnections` |

pub mod config;
pub mod event;
pub mod handler;
