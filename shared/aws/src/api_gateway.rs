//! Pushes through API Gateway's management API of WebSocket connections.

use aws_sdk_apigatewaymanagement::{
    Client, error::SdkError, operation::post_to_connection::PostToConnectionError, primitives::Blob,
};
use sluice_core::{
    Error, ErrorKind, Result,
    ids::ConnectionId,
    ports::{Delivery, Notifier},
};

use crate::{clients::Clients, error::classify};

/// The service's name in errors.
const SERVICE: &str = "API Gateway";

/// Pushes to the connections of one WebSocket API's stage. IAM: `execute-api:ManageConnections`.
#[derive(Debug, Clone)]
pub struct WebSocketNotifier {
    client: Client,
}

impl WebSocketNotifier {
    /// For the stage at `endpoint`, `https://{api}.execute-api.{region}.amazonaws.com/{stage}`.
    pub fn new(clients: &Clients, endpoint: &str) -> Self {
        Self { client: clients.api_gateway_management(endpoint) }
    }
}

impl Notifier for WebSocketNotifier {
    async fn push(&self, connection: &ConnectionId, text: &str) -> Result<Delivery> {
        let data = Blob::new(text.as_bytes());
        let posted =
            self.client.post_to_connection().connection_id(connection.as_str()).data(data).send().await;
        match posted {
            Ok(_) => Ok(Delivery::Delivered),
            Err(error) if is_gone(&error) => Ok(Delivery::Gone),
            Err(error) if is_too_large(&error) => {
                let message = format!("{} bytes don't fit a message", text.len());
                Err(Error::new(ErrorKind::TooLarge, "message_too_large", message))
            }
            Err(error) => Err(classify(SERVICE, &error)),
        }
    }

    async fn cut(&self, connection: &ConnectionId) -> Result<()> {
        match self.client.delete_connection().connection_id(connection.as_str()).send().await {
            Ok(_) => Ok(()),
            Err(error) if crate::error::status(&error) == Some(410) => Ok(()),
            Err(error) => Err(classify(SERVICE, &error)),
        }
    }
}

fn is_gone(error: &SdkError<PostToConnectionError>) -> bool {
    error.as_service_error().is_some_and(PostToConnectionError::is_gone_exception)
        || crate::error::status(error) == Some(410)
}

fn is_too_large(error: &SdkError<PostToConnectionError>) -> bool {
    error.as_service_error().is_some_and(PostToConnectionError::is_payload_too_large_exception)
}
