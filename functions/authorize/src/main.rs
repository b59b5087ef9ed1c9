//! Wires `authorize`.

use sluice_authorize::{
    config::{Config, KeyConfig},
    handler::Ports,
    keys::{HttpKeySet, Keys, PublishedKeys, SecretKey, SecretSource},
    token::Expected,
};
use sluice_aws::{Clients, DynamoTable, RandomIds, SecretStore, SystemClock};
use sluice_lambda::config::environment;

/// One secret of Secrets Manager.
struct ManagedSecret {
    store: SecretStore,
    arn: String,
}

impl SecretSource for ManagedSecret {
    async fn fetch(&self) -> sluice_core::Result<String> {
        self.store.read(&self.arn).await
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    sluice_lambda::init_tracing();
    let config = Config::from_lookup(environment)?;
    let clients = Clients::load().await;
    let ports = Ports {
        keys: match config.keys {
            KeyConfig::Secret(arn) => {
                Keys::Secret(SecretKey::new(ManagedSecret { store: SecretStore::new(&clients), arn }))
            }
            KeyConfig::Published(url) => Keys::Published(PublishedKeys::new(HttpKeySet::new(&url)?)),
        },
        tickets: DynamoTable::new(&clients, config.state_table),
        clock: SystemClock,
        ids: RandomIds,
        expected: Expected { issuer: config.issuer, audience: config.audience },
        ticket_ttl: config.ticket_ttl,
    };
    sluice_lambda::run(async |invocation| ports.handle(invocation).await).await
}
