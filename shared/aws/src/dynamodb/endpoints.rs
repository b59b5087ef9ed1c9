//! Endpoints: kept by the digest of the secret in their address, so that what lies in the table opens nothing. They are
//! found by that digest alone: how long a search takes tells nothing of the secret.

use sluice_core::{
    Error, Result,
    gate::Principal,
    ids::Sha256,
    ports::{Endpoint, EndpointTokenRepository},
    time::Timestamp,
};

use super::{DynamoTable, schema};

impl EndpointTokenRepository for DynamoTable {
    async fn keep(&self, token: Sha256, endpoint: &Endpoint) -> Result<()> {
        let Endpoint { principal, opens_until, expires_at } = endpoint;
        let mut item = schema::endpoint_key(token);
        let mut add = |name: &str, value: String| item.insert(name.to_owned(), schema::text(value));
        add("owner", principal.owner.to_string());
        add("roots", principal.roots.to_string());
        add("opens_until", opens_until.to_string());
        // to the millisecond; the TTL attribute is in seconds, and what it ends may stay for days
        add("valid_until", expires_at.to_string());
        item.insert(schema::EXPIRES_AT.to_owned(), schema::number(expires_at.as_seconds()));
        self.put(item).await
    }

    async fn endpoint(&self, token: Sha256, now: Timestamp) -> Result<Option<Endpoint>> {
        let Some(item) = self.read(schema::endpoint_key(token)).await? else { return Ok(None) };
        let roots = item.get("roots").and_then(|value| value.as_s().ok());
        let roots = roots.ok_or_else(|| Error::internal("an endpoint has no `roots`"))?;
        let Ok(roots) = roots.parse();
        let endpoint = Endpoint {
            principal: Principal { owner: schema::parse(&item, "owner")?, roots },
            opens_until: schema::parse(&item, "opens_until")?,
            expires_at: schema::parse(&item, "valid_until")?,
        };
        Ok(Some(endpoint).filter(|endpoint| endpoint.expires_at > now))
    }
}
