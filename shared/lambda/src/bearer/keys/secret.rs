//! One secret that signs and checks (HS256).

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use jsonwebtoken::{Algorithm, DecodingKey, Header};
use sluice_core::{Error, Result, ports::SecretSource, time::Timestamp};

use super::KeySource;

/// How long a secret is kept: a rotation is noticed by then at the latest.
const KEPT: Duration = Duration::from_mins(5);
/// The shortest time between fetches on account of a signature that doesn't fit.
const RETRY: Duration = Duration::from_secs(30);
/// The shortest key: that of the digest (RFC 7518, section 3.2).
const MIN_KEY_BYTES: usize = 32;

/// The secret, kept for a while.
pub struct SecretKey<S> {
    source: S,
    kept: Mutex<Option<Kept>>,
}

#[derive(Clone)]
struct Kept {
    secret: String,
    fetched_at: Timestamp,
}

impl Kept {
    fn key(&self) -> DecodingKey {
        DecodingKey::from_secret(self.secret.as_bytes())
    }
}

impl<S: SecretSource> SecretKey<S> {
    /// Nothing is fetched yet.
    pub const fn new(source: S) -> Self {
        Self { source, kept: Mutex::new(None) }
    }

    fn kept(&self) -> Option<Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn fetch(&self, now: Timestamp) -> Result<Kept> {
        let secret = self.source.fetch().await?;
        if secret.len() < MIN_KEY_BYTES {
            return Err(Error::internal("the secret that signs tokens has fewer than 32 bytes"));
        }
        let fresh = Kept { secret, fetched_at: now };
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(fresh.clone());
        Ok(fresh)
    }
}

impl<S: SecretSource> KeySource for SecretKey<S> {
    fn algorithms(&self) -> &'static [Algorithm] {
        &[Algorithm::HS256]
    }

    async fn key(&self, _: &Header, now: Timestamp) -> Result<Option<DecodingKey>> {
        let kept = match self.kept().filter(|kept| now < kept.fetched_at.plus(KEPT)) {
            Some(kept) => kept,
            None => self.fetch(now).await?,
        };
        Ok(Some(kept.key()))
    }

    async fn newer_key(&self, _: &Header, now: Timestamp) -> Result<Option<DecodingKey>> {
        let Some(kept) = self.kept().filter(|kept| now >= kept.fetched_at.plus(RETRY)) else {
            return Ok(None);
        };
        let fresh = self.fetch(now).await?;
        Ok((fresh.secret != kept.secret).then(|| fresh.key()))
    }
}
