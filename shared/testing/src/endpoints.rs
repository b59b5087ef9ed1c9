//! Endpoints in memory.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use sluice_core::{
    Result,
    ids::Sha256,
    ports::{Endpoint, EndpointTokenRepository},
    time::Timestamp,
};

/// Endpoints by the digest of their token. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct MemoryEndpoints(Arc<Mutex<BTreeMap<Sha256, Endpoint>>>);

impl EndpointTokenRepository for MemoryEndpoints {
    async fn keep(&self, token: Sha256, endpoint: &Endpoint) -> Result<()> {
        self.0.lock().expect("no test panics while it holds this").insert(token, endpoint.clone());
        Ok(())
    }

    async fn endpoint(&self, token: Sha256, now: Timestamp) -> Result<Option<Endpoint>> {
        let endpoints = self.0.lock().expect("no test panics while it holds this");
        Ok(endpoints.get(&token).filter(|endpoint| endpoint.expires_at > now).cloned())
    }
}
