//! Bearer tokens (RFC 6750): whose a request is, by the token that it carries.
//!
//! The authorizer of both APIs asks here, and functions whose routes can't have one, because some of their requests come
//! without a token.

mod keys;
mod token;

use sluice_core::{Error, ErrorKind, Result, ports::SecretSource, time::Timestamp};

pub use self::{
    keys::{HttpKeySet, KeySet, KeySetSource, KeySource, Keys, PublishedKeys, SecretKey},
    token::{Expected, Refusal, verify},
};
use crate::{
    config::Env,
    http::{Caller, Request},
};

/// Where the keys are that tokens are checked with, and what tokens must claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BearerConfig {
    /// `JWT_SECRET_ARN` or `JWT_JWKS_URL`
    pub keys: KeyConfig,
    /// `JWT_ISSUER` and `JWT_AUDIENCE`; always there where keys are published, for they sign other applications' tokens
    /// too.
    pub expected: Expected,
}

/// Where keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyConfig {
    /// In Secrets Manager, under this ARN: HS256.
    Secret(String),
    /// Published at this URL: RS256 and ES256.
    Published(String),
}

impl BearerConfig {
    /// Reads the settings; faults are told with the others.
    pub fn read<L: Fn(&str) -> Option<String>>(env: &mut Env<L>) -> Self {
        let keys = match (env.optional("JWT_SECRET_ARN"), env.optional_url("JWT_JWKS_URL")) {
            (Some(arn), None) => KeyConfig::Secret(arn),
            (None, Some(url)) => {
                env.required("JWT_ISSUER");
                env.required("JWT_AUDIENCE");
                KeyConfig::Published(url)
            }
            (both, _) => {
                let reason = if both.is_some() { "are both set" } else { "are both missing" };
                env.fault("JWT_SECRET_ARN and JWT_JWKS_URL", reason);
                KeyConfig::Secret(String::new())
            }
        };
        let expected =
            Expected { issuer: env.optional("JWT_ISSUER"), audience: env.optional("JWT_AUDIENCE") };
        Self { keys, expected }
    }
}

impl KeyConfig {
    /// The keys; a secret is read by what `secret` makes of its ARN.
    ///
    /// # Errors
    /// If no HTTP client can be set up.
    pub fn keys<S: SecretSource>(self, secret: impl FnOnce(String) -> S) -> Result<Keys<S, HttpKeySet>> {
        Ok(match self {
            Self::Secret(arn) => Keys::Secret(SecretKey::new(secret(arn))),
            Self::Published(url) => Keys::Published(PublishedKeys::new(HttpKeySet::new(&url)?)),
        })
    }
}

/// The token of `Authorization: Bearer …` (RFC 6750, section 2.1); the scheme's case doesn't count.
pub fn token_of(header: &str) -> Option<&str> {
    let (scheme, token) = header.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Tells whose a request is.
pub struct Bearer<K> {
    /// The keys that tokens are checked with.
    pub keys: K,
    /// What tokens must claim.
    pub expected: Expected,
}

impl<K: KeySource> Bearer<K> {
    /// Checks a token: whose it is, or why it is refused.
    ///
    /// # Errors
    /// Only if the keys can't be had at the moment; that says nothing about the token.
    pub async fn check(&self, token: Option<&str>, now: Timestamp) -> Result<Result<Caller, Refusal>> {
        match token {
            Some(token) => verify(&self.keys, &self.expected, token, now).await,
            None => Ok(Err(Refusal::NoToken)),
        }
    }

    /// Who sends a request.
    ///
    /// # Errors
    /// `unauthorized`, with no word about the reason, which is logged.
    pub async fn caller(&self, request: &Request, now: Timestamp) -> Result<Caller> {
        let token = request.header("authorization").and_then(token_of);
        self.check(token, now).await?.map_err(|reason| {
            tracing::info!(%reason, "token refused");
            Error::new(ErrorKind::Unauthorized, "unauthorized", "a valid bearer token is needed")
        })
    }
}
