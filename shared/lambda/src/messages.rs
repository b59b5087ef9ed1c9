//! What goes over the WebSocket, in both directions. `connect` answers with it and `notify` pushes it, so that a
//! client can't tell whether a document came on request or by a change.

use serde::{Deserialize, Serialize};
use sluice_core::{document::AssetDocument, ids::AssetId, time::Timestamp};

/// The largest frame of API Gateway's WebSocket APIs. A message may be 128 KB, but is then split into frames, which
/// some clients hand to the application one by one; and every 32 KB begun are billed as a message of their own.
/// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html>)
pub const MAX_FRAME_BYTES: usize = 32 * 1024;

/// What a client sends.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum ClientMessage {
    /// Asks for the present document of one asset.
    Subscribe {
        /// The asset, as the client spells it.
        asset_id: String,
    },
    /// Asks for everything that changed.
    Sync {
        /// The `at` of the last `synced`, or the newest `updated_at` that is known.
        since: Timestamp,
    },
    /// Asks for a sign of life.
    Ping,
}

/// What a server sends.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// The document of an asset. Clients keep the one with the highest `seq` of each asset.
    Asset {
        /// The asset's revision.
        seq: u64,
        /// The document.
        asset: Box<AssetDocument>,
    },
    /// All that changed was sent.
    Synced {
        /// What to ask for next time.
        at: Timestamp,
    },
    /// The sign of life.
    Pong,
    /// A request that wasn't served.
    Error(ErrorMessage),
}

/// Why a request wasn't served, and which one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorMessage {
    /// Stable, snake case.
    pub code: String,
    /// For people.
    pub message: String,
    /// The request's action, if it could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// The asset that the request was about, if it was about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asset_id: Option<String>,
}

impl ServerMessage {
    /// The message about an asset.
    pub fn asset(document: AssetDocument) -> Self {
        Self::Asset { seq: document.revision, asset: Box::new(document) }
    }

    /// The asset that the message is about.
    pub fn asset_id(&self) -> Option<AssetId> {
        match self {
            Self::Asset { asset, .. } => Some(asset.asset_id),
            _ => None,
        }
    }

    /// As text that fits a frame: a document that doesn't comes without its metadata, marked as partial, and can be
    /// read whole over HTTP.
    ///
    /// # Errors
    /// `Internal` if it can't be written as JSON.
    pub fn into_frame(self) -> sluice_core::Result<String> {
        let text = self.to_json()?;
        match self {
            Self::Asset { asset, .. } if text.len() > MAX_FRAME_BYTES => {
                Self::asset(asset.without_metadata()).to_json()
            }
            _ => Ok(text),
        }
    }

    fn to_json(&self) -> sluice_core::Result<String> {
        serde_json::to_string(self).map_err(sluice_core::Error::internal)
    }
}
