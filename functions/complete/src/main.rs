//! Wires `complete`.
// the SDK's futures, held in main's, nest deeper than the default of 128
#![recursion_limit = "256"]

use sluice_aws::{Clients, DynamoTable, RandomIds, S3LinkSigner, S3Originals, SqsJobQueue, SystemClock};
use sluice_complete::{config::Config, handler::handle};
use sluice_core::finish::Finisher;
use sluice_lambda::{config::environment, http, init_tracing};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    init_tracing();
    let config = Config::from_lookup(environment)?;
    let clients = Clients::load().await;
    let table = DynamoTable::new(&clients, config.state_table);
    let finisher = Finisher {
        table: table.clone(),
        originals: S3Originals::new(&clients, config.originals.clone()),
        ingest: SqsJobQueue::of_ingest(&clients, config.ingest_queue),
        clock: SystemClock,
    };
    let links = S3LinkSigner::new(&clients, config.originals, config.derived, config.link_ttl);
    http::run(async |request| Box::pin(handle(&finisher, &links, &table, &RandomIds, request)).await).await
}
