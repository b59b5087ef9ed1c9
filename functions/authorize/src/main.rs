//! Wires `authorize`.
// the SDK's futures, held in main's, nest deeper than the default of 128
#![recursion_limit = "256"]

use sluice_authorize::{config::Config, handler::Ports};
use sluice_aws::{Clients, DynamoTable, ManagedSecret, RandomIds, SystemClock};
use sluice_lambda::{bearer::Bearer, config::environment};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    sluice_lambda::init_tracing();
    let config = Config::from_lookup(environment)?;
    let clients = Clients::load().await;
    let ports = Ports {
        bearer: Bearer {
            keys: config.bearer.keys.keys(|arn| ManagedSecret::new(&clients, arn))?,
            expected: config.bearer.expected,
        },
        tickets: DynamoTable::new(&clients, config.state_table),
        clock: SystemClock,
        ids: RandomIds,
        ticket_ttl: config.ticket_ttl,
    };
    sluice_lambda::run(async |invocation| ports.handle(invocation).await).await
}
