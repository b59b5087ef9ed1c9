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
const REFRESH_BEFORE: Duration = Duration::from_mins(5);
/// How long credentials are kept that don't say when they end (the SDK's own default).
const KEEP_UNDATED: Duration = Duration::from_mins(15);

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

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicU32, Ordering},
        },
        time::{SystemTime, UNIX_EPOCH},
    };

    use aws_credential_types::provider::{error::CredentialsError, future::ProvideCredentials as Provided};

    use super::*;

    /// Gives credentials numbered from 1, `ends` after 1970; after `good` of them it fails.
    #[derive(Debug)]
    struct Numbered {
        calls: Arc<AtomicU32>,
        good: u32,
        ends: Option<Duration>,
    }

    impl ProvideCredentials for Numbered {
        fn provide_credentials<'a>(&'a self) -> Provided<'a>
        where
            Self: 'a,
        {
            let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
            let ends: Option<SystemTime> = self.ends.map(|ends| UNIX_EPOCH + ends);
            Provided::ready(if call > self.good {
                Err(CredentialsError::provider_error("down"))
            } else {
                Ok(Credentials::new(format!("AKID{call}"), "secret", None, ends, "test"))
            })
        }
    }

    fn cache(good: u32, ends: Option<Duration>) -> CredentialCache {
        let provider = Numbered { calls: Arc::default(), good, ends };
        CredentialCache::new(Some(SharedCredentialsProvider::new(provider)))
    }

    async fn key(cache: &CredentialCache, minutes: u64) -> Result<String> {
        let now = Timestamp::from_seconds(0).plus(Duration::from_mins(minutes));
        cache.get(now).await.map(|credentials| credentials.access_key_id().to_owned())
    }

    #[tokio::test]
    async fn credentials_are_kept_until_shortly_before_their_end() {
        let cache = cache(2, Some(Duration::from_mins(60)));
        for (minutes, expected) in [(0, "AKID1"), (54, "AKID1"), (55, "AKID2")] {
            assert_eq!(key(&cache, minutes).await.unwrap(), expected, "at {minutes} min");
        }
    }

    #[tokio::test]
    async fn credentials_without_an_end_are_asked_for_now_and_then() {
        let cache = cache(9, None);
        for (minutes, expected) in [(0, "AKID1"), (14, "AKID1"), (15, "AKID2"), (29, "AKID2")] {
            assert_eq!(key(&cache, minutes).await.unwrap(), expected, "at {minutes} min");
        }
    }

    #[tokio::test]
    async fn what_is_at_hand_serves_until_its_end_when_nothing_newer_comes() {
        let cache = cache(1, Some(Duration::from_mins(60)));
        for minutes in [0, 56, 59] {
            assert_eq!(key(&cache, minutes).await.unwrap(), "AKID1", "at {minutes} min");
        }
        assert_eq!(key(&cache, 60).await.unwrap_err().code(), "unavailable");
        assert!(CredentialCache::new(None).get(Timestamp::from_seconds(0)).await.is_err());
    }
}
