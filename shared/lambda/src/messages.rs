//! What goes over the WebSocket, in both directions. `connect` answers with it and `notify` pushes it, so that a
//! client can't tell whether a document came on request or by a change.

use serde::{Deserialize, Serialize};
use sluice_core::{
    Error, Result, document::AssetDocument, job::UploadJobDocument, task::TaskDocument, time::Timestamp,
};

/// The largest frame of API Gateway's WebSocket APIs. A message may be 128 KB, but is then split into frames, which
/// some clients hand to the application one by one; and every 32 KB begun are billed as a message of their own.
/// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html>)
pub const MAX_FRAME_BYTES: usize = 32 * 1024;

/// What a client sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientMessage {
    /// `{"action":"subscribe","asset_id":"…"}`: asks for the present document of one asset.
    Subscribe {
        /// The asset, as the client spells it.
        asset_id: String,
    },
    /// `{"action":"sync","since":"…"}`: asks for everything that changed.
    Sync {
        /// The `at` of the last `synced`, or the newest `updated_at` that is known.
        since: Timestamp,
    },
    /// `{"action":"ping"}`: asks for a sign of life.
    Ping,
}

impl ClientMessage {
    /// Reads a message.
    ///
    /// # Errors
    /// `invalid_message` for what is none, `unknown_action` for an action that isn't served: the answer to the client.
    pub fn parse(text: &str) -> Result<Self, ErrorMessage> {
        #[derive(Deserialize)]
        struct Wire {
            action: String,
            asset_id: Option<String>,
            since: Option<String>,
        }
        let invalid = |action: Option<&str>, message: &str| ErrorMessage {
            code: "invalid_message".to_owned(),
            message: message.to_owned(),
            action: action.map(ToOwned::to_owned),
            asset_id: None,
        };
        let Wire { action, asset_id, since } = serde_json::from_str(text).map_err(|_| {
            invalid(None, "a JSON object with an action (and its fields as text) is expected")
        })?;
        match action.as_str() {
            "subscribe" => match asset_id {
                Some(asset_id) => Ok(Self::Subscribe { asset_id }),
                None => Err(invalid(Some("subscribe"), "asset_id is missing")),
            },
            "sync" => match since.as_deref().map(str::parse) {
                Some(Ok(since)) => Ok(Self::Sync { since }),
                Some(Err(_)) => {
                    Err(invalid(Some("sync"), "since is not an RFC 3339 time such as 2026-01-31T08:15:30Z"))
                }
                None => Err(invalid(Some("sync"), "since is missing")),
            },
            "ping" => Ok(Self::Ping),
            _ => Err(ErrorMessage {
                code: "unknown_action".to_owned(),
                message: "the actions are subscribe, sync and ping".to_owned(),
                action: Some(action),
                asset_id: None,
            }),
        }
    }
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
    /// An upload job. Clients keep the one with the highest `seq` of each.
    UploadJob {
        /// The job's revision.
        seq: u64,
        /// The document.
        job: Box<UploadJobDocument>,
    },
    /// A small form whose file has ended, or of which it is known what became of each.
    Task {
        /// How it stands.
        task: Box<TaskDocument>,
    },
    /// What changed was sent.
    Synced {
        /// What to ask for next time.
        at: Timestamp,
        /// Whether that is now, because there was more than one answer holds.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        more: bool,
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

    /// The message about an upload job. It always fits a frame, for a job's metadata is limited.
    pub fn upload_job(document: UploadJobDocument) -> Self {
        Self::UploadJob { seq: document.revision, job: Box::new(document) }
    }

    /// As text that fits a frame: a document that doesn't comes without its metadata, marked as partial, and can be
    /// read whole over HTTP.
    ///
    /// # Errors
    /// `Internal` if it can't be written as JSON.
    pub fn into_frame(self) -> Result<String> {
        let text = self.to_json()?;
        match self {
            Self::Asset { asset, .. } if text.len() > MAX_FRAME_BYTES => {
                Self::asset(asset.without_metadata()).to_json()
            }
            _ => Ok(text),
        }
    }

    fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(Error::internal)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use sluice_core::{
        asset::{Asset, Event, Grant, GrantMode, Ingest, NewAsset, Placement, StoredObject},
        ids::Version,
        names::{DerivedKey, Folder, Kind},
        ports::{Link, LinkSigner, OriginalLink},
        upload::SizeRange,
    };

    use super::*;

    struct Links;

    impl LinkSigner for Links {
        async fn original(&self, link: OriginalLink<'_>) -> Result<Link> {
            let url = format!("https://originals.example/{}", link.key);
            Ok(Link { url, expires_at: Timestamp::from_seconds(1_700_003_600) })
        }

        async fn derivative(&self, key: &DerivedKey) -> Result<Link> {
            let url = format!("https://derived.example/{key}");
            Ok(Link { url, expires_at: Timestamp::from_seconds(1_700_003_600) })
        }
    }

    /// The document of an asset whose metadata is `bytes` long.
    async fn document(bytes: usize) -> AssetDocument {
        let now = Timestamp::from_seconds(1_700_000_000);
        let owner = "alice".parse().unwrap();
        let grant = Grant {
            id: "grant-1".to_owned(),
            version: Version::FIRST,
            mode: GrantMode::Direct,
            size: SizeRange::exactly(3),
            filename: "a.jpg".parse().unwrap(),
            content_type: "image/jpeg".parse().unwrap(),
            sha256: None,
            replaces: None,
            granted_at: now,
            expires_at: now,
            quota: sluice_core::usage::Quota::UNLIMITED,
            idle: false,
        };
        let new = NewAsset {
            id: "0190a6d4-7c5e-7b3a-8f2d-1c2b3a4d5e6f".parse().unwrap(),
            placement: Placement::of_folder(Folder::of_user(&owner)),
            owner,
            grant,
        };
        let asset = Asset::create(new, now);
        let arrived = Event::UploadArrived(Box::new(StoredObject {
            key: asset.key().clone(),
            size: 3,
            etag: "e".parse().unwrap(),
            version_id: None,
            version: Version::FIRST,
            upload_id: None,
            sha256: None,
        }));
        let metadata = json!({"comment": "x".repeat(bytes)}).as_object().unwrap().clone();
        let ingested = Event::Ingested(Box::new(Ingest {
            version: Version::FIRST,
            content_type: "image/jpeg".parse().unwrap(),
            kind: Kind::Image,
            sha256: None,
            metadata,
            dimensions: None,
            placeholder: None,
            warnings: Vec::new(),
            jobs: Vec::new(),
        }));
        let asset = asset.apply(&arrived, now).unwrap().asset;
        let asset = asset.apply(&ingested, now).unwrap().asset;
        AssetDocument::render(&asset, &Links).await.unwrap()
    }

    fn frame(message: ServerMessage) -> (usize, Value) {
        let text = message.into_frame().unwrap();
        (text.len(), serde_json::from_str(&text).unwrap())
    }

    #[tokio::test]
    async fn a_document_over_a_frame_comes_without_metadata() {
        let (small, value) = frame(ServerMessage::asset(document(1).await));
        assert_eq!((&value["type"], &value["seq"]), (&json!("asset"), &value["asset"]["revision"]));
        assert_eq!(value["asset"]["metadata"]["comment"], "x");
        assert_eq!(value["asset"].get("partial"), None);

        let room = MAX_FRAME_BYTES - small + 1;
        let (size, value) = frame(ServerMessage::asset(document(room).await));
        assert_eq!((size, value["asset"].get("partial")), (MAX_FRAME_BYTES, None));
        let (size, value) = frame(ServerMessage::asset(document(room + 1).await));
        assert!(size < MAX_FRAME_BYTES);
        assert_eq!((&value["asset"]["partial"], &value["asset"]["metadata"]), (&json!(true), &json!({})));
    }

    #[test]
    fn messages_are_read_and_faults_are_answers() {
        let parse =
            |text: &str| ClientMessage::parse(text).map_err(|error| serde_json::to_value(error).unwrap());
        assert_eq!(parse(r#"{"action":"ping","more":1}"#), Ok(ClientMessage::Ping));
        assert_eq!(
            parse(r#"{"action":"subscribe","asset_id":"x"}"#),
            Ok(ClientMessage::Subscribe { asset_id: "x".to_owned() })
        );
        assert_eq!(
            parse(r#"{"action":"sync","since":"2026-01-31T08:15:30Z"}"#),
            Ok(ClientMessage::Sync { since: "2026-01-31T08:15:30Z".parse().unwrap() })
        );
        for (text, code, action) in [
            ("", "invalid_message", json!(null)),
            ("ping", "invalid_message", json!(null)),
            ("{}", "invalid_message", json!(null)),
            (r#"{"action":7}"#, "invalid_message", json!(null)),
            (r#"{"action":"subscribe"}"#, "invalid_message", json!("subscribe")),
            (r#"{"action":"subscribe","asset_id":null}"#, "invalid_message", json!("subscribe")),
            (r#"{"action":"sync"}"#, "invalid_message", json!("sync")),
            (r#"{"action":"sync","since":"yesterday"}"#, "invalid_message", json!("sync")),
            (r#"{"action":"dance"}"#, "unknown_action", json!("dance")),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(
                (&error["code"], error.get("action").unwrap_or(&Value::Null)),
                (&json!(code), &action),
                "{text}"
            );
        }
    }

    #[test]
    fn short_messages_have_their_form() {
        let at = Timestamp::from_seconds(1_700_000_000);
        assert_eq!(frame(ServerMessage::Pong).1, json!({"type": "pong"}));
        assert_eq!(
            frame(ServerMessage::Synced { at, more: false }).1,
            json!({"type": "synced", "at": "2023-11-14T22:13:20.000Z"})
        );
        let error = ErrorMessage {
            code: "asset_not_found".to_owned(),
            message: "no such asset".to_owned(),
            action: Some("subscribe".to_owned()),
            asset_id: Some("x".to_owned()),
        };
        assert_eq!(
            frame(ServerMessage::Error(error)).1,
            json!({"type": "error", "code": "asset_not_found", "message": "no such asset",
                   "action": "subscribe", "asset_id": "x"})
        );
    }
}
