//! The keys that tokens are checked with, fetched at the first use and kept: init stays short, and most invocations
//! call nobody.

mod published;
mod secret;

use std::future::Future;

use jsonwebtoken::{Algorithm, DecodingKey, Header};
use sluice_core::{Result, ports::SecretSource, time::Timestamp};

pub use self::{
    published::{HttpKeySet, KeySet, KeySetSource, PublishedKeys},
    secret::SecretKey,
};

/// Where the key for a token comes from.
pub trait KeySource: Send + Sync {
    /// The only algorithms that a token may be signed with.
    fn algorithms(&self) -> &'static [Algorithm];

    /// The key that a token with this header is checked with; none if there is no such key.
    fn key(
        &self,
        header: &Header,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<DecodingKey>>> + Send;

    /// The key that came in place of the one that the signature didn't fit; none if it didn't change, or was looked
    /// for just now: a flood of forged tokens must not become a flood of fetches.
    fn newer_key(
        &self,
        header: &Header,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<DecodingKey>>> + Send;
}

/// Either kind of keys, as the configuration says.
pub enum Keys<S, P> {
    /// One secret.
    Secret(SecretKey<S>),
    /// Published public keys.
    Published(PublishedKeys<P>),
}

impl<S: SecretSource, P: KeySetSource> KeySource for Keys<S, P> {
    fn algorithms(&self) -> &'static [Algorithm] {
        match self {
            Self::Secret(keys) => keys.algorithms(),
            Self::Published(keys) => keys.algorithms(),
        }
    }

    async fn key(&self, header: &Header, now: Timestamp) -> Result<Option<DecodingKey>> {
        match self {
            Self::Secret(keys) => keys.key(header, now).await,
            Self::Published(keys) => keys.key(header, now).await,
        }
    }

    async fn newer_key(&self, header: &Header, now: Timestamp) -> Result<Option<DecodingKey>> {
        match self {
            Self::Secret(keys) => keys.newer_key(header, now).await,
            Self::Published(keys) => keys.newer_key(header, now).await,
        }
    }
}
