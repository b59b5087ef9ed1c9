//! Secrets Manager, read side.

use aws_sdk_secretsmanager::Client;
use sluice_core::{Error, Result, ports::SecretSource};

use crate::{clients::Clients, error::classify};

/// One secret. IAM: `secretsmanager:GetSecretValue` on it.
#[derive(Debug, Clone)]
pub struct ManagedSecret {
    client: Client,
    id: String,
}

impl ManagedSecret {
    /// The secret of this ARN or name.
    pub fn new(clients: &Clients, id: impl Into<String>) -> Self {
        Self { client: clients.secrets_manager(), id: id.into() }
    }
}

impl SecretSource for ManagedSecret {
    /// `Internal` if there is none, it holds no text, or it may not be read; `Throttled` and `Unavailable` in passing.
    async fn fetch(&self) -> Result<String> {
        let answer = self.client.get_secret_value().secret_id(&self.id).send().await;
        let answer = answer.map_err(|error| classify("Secrets Manager", &error))?;
        answer.secret_string.ok_or_else(|| Error::internal("the secret holds no text"))
    }
}
