//! The credentials that URLs are signed with, kept as long as they are good.
//!
//! The SDK's clients keep theirs to themselves; asking their provider for every URL would, outside Lambda, be a call
//! each time.

use std::{fmt, time::Duration};

use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider},
};
use sluice_core::{Error, Result, time::Timestamp};
use tokio::sync::Mutex;

use crate::system::timestamp;

/// Credentials are asked for anew when they have no more than this left.
const REFRESH_BEFORE: Duration = Duration::from_secs(5 * 60);
/// How long credentials are kept that don't say when they end (the SDK's own default).
const KEEP_UNDATED: Duration = Duration::from_secs(15 * 60);

pub(crate) struct CredentialCache {
    provider: Option<SharedCredentialsProvider>,
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    credentials: Credentials,
    fetched_at: Timestamp,
}

impl Kept {
    fn is_fresh(&self, now: Timestamp) -> bool {
        match expiry(&self.credentials) {
            Some(expiry) => now.plus(REFRESH_BEFORE) < expiry,
            None => self.fetched_at <= now && now < self.fetched_at.plus(KEEP_UNDATED),
        }
    }
}

/// When credentials end, if they say so.
pub(crate) fn expiry(credentials: &Credentials) -> Option<Timestamp> {
    credentials.expiry().map(timestamp)
}

impl CredentialCache {
    pub(crate) fn new(provider: Option<SharedCredentialsProvider>) -> Self {
        Self { provider, kept: Mutex::new(None) }
    }

    /// Credentials that are good at `now`. If they can't be renewed, those at hand serve until they end.
    pub(crate) async fn get(&self, now: Timestamp) -> Result<Credentials> {
        let mut kept = self.kept.lock().await;
        if let Some(fresh) = kept.as_ref().filter(|kept| kept.is_fresh(now)) {
            return Ok(fresh.credentials.clone());
        }
        match self.fetch().await {
            Ok(credentials) => {
                *kept = Some(Kept { credentials: credentials.clone(), fetched_at: now });
                Ok(credentials)
            }
            Err(error) => kept
                .as_ref()
                .filter(|kept| expiry(&kept.credentials).is_none_or(|expiry| now < expiry))
                .map(|kept| kept.credentials.clone())
                .ok_or(error),
        }
    }

    async fn fetch(&self) -> Result<Credentials> {
        let provider = self.provider.as_ref().ok_or_else(|| Error::internal("no credentials provider"))?;
        provider.provide_credentials().await.map_err(|error| Error::unavailable("credentials", error))
    }
}

impl fmt::Debug for CredentialCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialCache").finish_non_exhaustive()
    }
}
