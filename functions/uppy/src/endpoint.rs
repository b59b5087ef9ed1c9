//! Endpoints: addresses that carry their authority in the path, for a client that sends no headers.
//!
//! Who has a bearer token makes one and gives it to Uppy. The secret in it, 256 random bits, opens these routes and
//! nothing else, as its maker, for an hour; uploads that are open by then may be gone on with as long as S3 keeps them.
//! The table holds the secret's digest only. A secret in a path is seen by whoever sees the address, so an endpoint is
//! made for one page, and nothing here or in the API's access log writes the path down.

use std::time::Duration;

use sluice_core::{
    Error, ErrorKind, Result,
    gate::Principal,
    ids::Sha256,
    ports::{Endpoint, EndpointTokenRepository},
    time::Timestamp,
    upload::MULTIPART_TTL,
};

/// How long an endpoint opens new uploads.
pub const OPENS_FOR: Duration = Duration::from_hours(1);

/// Makes an endpoint for `principal` of a new secret: it, and what it stands for.
pub async fn make(
    endpoints: &impl EndpointTokenRepository,
    token: String,
    principal: Principal,
    now: Timestamp,
) -> Result<(String, Endpoint)> {
    let expires_at = now.plus(MULTIPART_TTL);
    let endpoint = Endpoint { principal, opens_until: now.plus(OPENS_FOR), expires_at };
    endpoints.keep(Sha256::of(token.as_bytes()), &endpoint).await?;
    Ok((token, endpoint))
}

/// The endpoint of a secret.
///
/// # Errors
/// `endpoint_not_found`, whether it has expired or never was.
pub async fn find(endpoints: &impl EndpointTokenRepository, token: &str, now: Timestamp) -> Result<Endpoint> {
    endpoints.endpoint(Sha256::of(token.as_bytes()), now).await?.ok_or_else(|| {
        let message = "no such endpoint; it may have expired: make another";
        Error::new(ErrorKind::NotFound, "endpoint_not_found", message)
    })
}
