//! Wires `notify`.
// the SDK's futures, held in main's, nest deeper than the default of 128
#![recursion_limit = "256"]

use sluice_aws::{Clients, DynamoTable, S3LinkSigner, SqsTextQueue, SystemClock, WebSocketNotifier};
use sluice_lambda::config::environment;
use sluice_notify::{config::Config, handler::Ports};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    sluice_lambda::init_tracing();
    let config = Config::from_lookup(environment)?;
    let clients = Clients::load().await;
    let table = DynamoTable::new(&clients, config.state_table);
    let ports = Ports {
        connections: table.clone(),
        assets: table.clone(),
        tasks: table.clone(),
        jobs: table,
        links: S3LinkSigner::new(&clients, config.originals_bucket, config.derived_bucket, config.link_ttl),
        notifier: WebSocketNotifier::new(&clients, &config.websocket_endpoint),
        poison: SqsTextQueue::new(&clients, config.poison_queue_url),
        clock: SystemClock,
    };
    sluice_lambda::run(async |batch| Ok(ports.handle(batch).await)).await
}
