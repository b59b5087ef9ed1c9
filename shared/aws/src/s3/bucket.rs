//! A bucket as it is signed for: its address as the SDK has it, and the credentials.

use std::{sync::Arc, time::Duration};

use aws_sdk_s3::{Client, presigning::PresigningConfig};
use sluice_core::{Error, Result, time::Timestamp};
use tokio::sync::OnceCell;

use super::{
    SERVICE,
    presign::{Signing, escape_path},
};
use crate::{clients::Clients, credentials::CredentialCache, error::classify};

/// The key of the request from which the address is learnt. It is never sent.
const PROBE: &str = "probe";

/// A bucket's address.
#[derive(Debug)]
pub(super) struct Endpoint {
    /// `https://{bucket}.s3.{region}.amazonaws.com`, or an emulator's `http://127.0.0.1:4566`.
    pub origin: String,
    /// As the `Host` header has it.
    pub host: String,
    /// Empty, or `/{bucket}` where the bucket stands in the path.
    pub path: String,
    /// The region that is signed for.
    pub region: String,
}

/// A bucket that URLs are signed for.
#[derive(Debug)]
pub(super) struct SigningBucket {
    client: Client,
    name: String,
    endpoint: OnceCell<Endpoint>,
    credentials: Arc<CredentialCache>,
}

impl SigningBucket {
    pub(super) fn new(clients: &Clients, name: String) -> Self {
        Self { client: clients.s3(), name, endpoint: OnceCell::new(), credentials: clients.credentials() }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Where it is.
    pub(super) async fn endpoint(&self) -> Result<&Endpoint> {
        self.endpoint.get_or_try_init(|| self.learn_endpoint()).await
    }

    /// Everything that the URLs of one answer share.
    pub(super) async fn signing(&self, now: Timestamp, ttl: Duration) -> Result<Signing<'_>> {
        let endpoint = self.endpoint().await?;
        let credentials = self.credentials.get(now).await?;
        Signing::new(endpoint, &credentials, now, ttl)
    }

    /// The same for links to read, which stay the same for a while: see [`Signing::in_window`].
    pub(super) async fn link_signing(&self, now: Timestamp, ttl: Duration) -> Result<Signing<'_>> {
        let endpoint = self.endpoint().await?;
        let credentials = self.credentials.get(now).await?;
        Signing::in_window(endpoint, &credentials, now, ttl)
    }

    /// Lets the SDK sign one request, locally, and takes the address from it: partitions, dual-stack, FIPS and custom
    /// endpoints are the SDK's to know.
    async fn learn_endpoint(&self) -> Result<Endpoint> {
        let config = PresigningConfig::expires_in(Duration::from_mins(1)).map_err(Error::internal)?;
        let request = self.client.get_object().bucket(&self.name).key(PROBE).presigned(config).await;
        let request = request.map_err(|error| classify(SERVICE, &error))?;
        let region = self.client.config().region().map(ToString::to_string);
        Endpoint::of_probe(request.uri(), region.unwrap_or_default())
            .ok_or_else(|| Error::internal("the bucket's address can't be read from the SDK's own URL"))
    }
}

impl Endpoint {
    /// The address of an object, unsigned; of the bucket for an empty key.
    pub(super) fn object_url(&self, key: &str) -> String {
        format!("{}{}/{}", self.origin, self.path, escape_path(key))
    }

    fn of_probe(url: &str, region: String) -> Option<Self> {
        let (base, _) = url.split_once(&format!("/{PROBE}?"))?;
        let (scheme, rest) = base.split_once("://")?;
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        // a scheme's own port isn't sent in the header (RFC 9110, section 7.2, and every client)
        let default_port = if scheme == "https" { ":443" } else { ":80" };
        let host = authority.strip_suffix(default_port).unwrap_or(authority);
        Some(Self {
            origin: format!("{scheme}://{authority}"),
            host: host.to_owned(),
            path: path.to_owned(),
            region,
        })
    }
}
