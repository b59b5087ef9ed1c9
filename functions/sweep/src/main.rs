//! Wires `sweep`.
// the SDK's futures, held in main's, nest deeper than the default of 128
#![recursion_limit = "256"]

use sluice_aws::{Clients, DynamoTable, S3Originals, SqsJobQueue, SystemClock};
use sluice_lambda::{config::environment, init_tracing};
use sluice_sweep::{
    config::Config,
    handler::{Trigger, handle},
    sweeper::Sweeper,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    init_tracing();
    let config = Config::from_lookup(environment)?;
    let clients = Clients::load().await;
    let sweeper = Sweeper {
        table: DynamoTable::new(&clients, config.state_table),
        originals: S3Originals::new(&clients, config.originals),
        ingest: SqsJobQueue::of_ingest(&clients, config.ingest_queue),
        convert: SqsJobQueue::new(&clients, config.convert_queue),
        clock: SystemClock,
    };
    sluice_lambda::run(async |event: Trigger| Box::pin(handle(&sweeper, event)).await).await
}
