//! API Gateway's events of a WebSocket
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-mapping-template-reference.html>).

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};
use sluice_core::ids::{ConnectionId, OwnerId};

/// Something that happened on a connection.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SocketEvent {
    request_context: RequestContext,
    #[serde(default)]
    body: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext {
    connection_id: ConnectionId,
    event_type: EventType,
    #[serde(default)]
    authorizer: Option<Authorizer>,
}

#[derive(Deserialize)]
struct Authorizer {
    #[serde(default)]
    owner: Option<Escaped>,
}

/// An owner as the authorizer hands it on, in plain ASCII.
struct Escaped(OwnerId);

impl<'de> Deserialize<'de> for Escaped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let owner = OwnerId::from_escaped(&String::deserialize(deserializer)?);
        owner.map(Self).ok_or_else(|| de::Error::custom("no owner that the authorizer names"))
    }
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum EventType {
    /// A client connects.
    Connect,
    /// The connection has ended. Not every end is told: a network that breaks tells nobody.
    Disconnect,
    /// A message came.
    Message,
}

impl SocketEvent {
    /// Which connection.
    pub const fn connection(&self) -> &ConnectionId {
        &self.request_context.connection_id
    }

    /// What happened.
    pub const fn kind(&self) -> EventType {
        self.request_context.event_type
    }

    /// Whose connection it is, as the authorizer said when it was opened; API Gateway repeats it with every message.
    pub fn owner(&self) -> Option<&OwnerId> {
        self.request_context.authorizer.as_ref()?.owner.as_ref().map(|owner| &owner.0)
    }

    /// The message.
    pub fn body(&self) -> &str {
        self.body.as_deref().unwrap_or_default()
    }
}

/// Never the body or the query: the latter holds the ticket.
impl fmt::Debug for SocketEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketEvent")
            .field("connection", self.connection())
            .field("kind", &self.kind())
            .finish_non_exhaustive()
    }
}

/// The answer to API Gateway. It matters for `$connect` alone, which any status but 2xx refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    status_code: u16,
}

impl Status {
    /// As it should be.
    pub const OK: Self = Self { status_code: 200 };
    /// Nobody knows who connects.
    pub const UNAUTHORIZED: Self = Self { status_code: 401 };
}
