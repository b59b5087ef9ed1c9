//! Wires `authorize`.

use sluice_authorize::{config::Config, handler::Ports};
use sluice_aws::{Clients, DynamoTable, RandomIds, SecretStore, SystemClock};
use sluice_lambda::{
    bearer::{Bearer, SecretSource},
    config::environment,
};

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
        bearer: Bearer {
            keys: config.bearer.keys.keys(|arn| ManagedSecret { store: SecretStore::new(&clients), arn })?,
            expected: config.bearer.expected,
        },
        tickets: DynamoTable::new(&clients, config.state_table),
        clock: SystemClock,
        ids: RandomIds,
        ticket_ttl: config.ticket_ttl,
    };
    sluice_lambda::run(async |invocation| ports.handle(invocation).await).await
}
