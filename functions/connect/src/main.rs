//! Wires `connect`.
// the SDK's futures, held in main's, nest deeper than the default of 128
#![recursion_limit = "256"]

use sluice_aws::{Clients, DynamoTable, S3LinkSigner, SystemClock, WebSocketNotifier};
use sluice_connect::{config::Config, handler::Ports};
use sluice_lambda::config::environment;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    sluice_lambda::init_tracing();
    let config = Config::from_lookup(environment)?;
    let clients = Clients::load().await;
    let ports = Ports {
        table: DynamoTable::new(&clients, config.state_table),
        links: S3LinkSigner::new(&clients, config.originals_bucket, config.derived_bucket, config.link_ttl),
        notifier: WebSocketNotifier::new(&clients, &config.websocket_endpoint),
        clock: SystemClock,
    };
    sluice_lambda::run(async |event| ports.handle(event).await).await
}
