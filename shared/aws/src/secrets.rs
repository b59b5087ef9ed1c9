//! Secrets Manager, read side.

use aws_sdk_secretsmanager::Client;
use sluice_core::{Error, Result};

use crate::{clients::Clients, error::classify};

/// Reads secrets. IAM: `secretsmanager:GetSecretValue` on each that is read.
#[derive(Debug, Clone)]
pub struct SecretStore {
    client: Client,
}

impl SecretStore {
    /// A reader.
    pub fn new(clients: &Clients) -> Self {
        Self { client: clients.secrets_manager() }
    }

    /// The text of a secret, by ARN or name.
    ///
    /// # Errors
    /// `Internal` if there is none, it holds no text, or it may not be read; `Throttled` and `Unavailable` in passing.
    pub async fn read(&self, secret_id: &str) -> Result<String> {
        let answer = self.client.get_secret_value().secret_id(secret_id).send().await;
        let answer = answer.map_err(|error| classify("Secrets Manager", &error))?;
        answer.secret_string.ok_or_else(|| Error::internal("the secret holds no text"))
    }
}
