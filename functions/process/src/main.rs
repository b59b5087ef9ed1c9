//! Wires `process`.
// the SDK's futures, held in main's, nest deeper than the default of 128
#![recursion_limit = "256"]

use std::time::Duration;

use sluice_aws::{Clients, DynamoTable, LambdaGate, S3Originals, SqsJobQueue, SystemClock};
use sluice_core::gate::Gate;
use sluice_lambda::{config::environment, init_tracing};
use sluice_process::{
    config::Config,
    handler::{Trigger, handle},
    ingest::Ingester,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    init_tracing();
    let config = Config::from_lookup(environment)?;
    let clients = Clients::load().await;
    let ingester = Ingester {
        table: DynamoTable::new(&clients, config.state_table),
        originals: S3Originals::new(&clients, config.originals),
        convert: SqsJobQueue::new(&clients, config.convert_queue),
        // the same file sent twice at once is usually finished in a second or two
        later: SqsJobQueue::new(&clients, config.ingest_queue).with_delay(Duration::from_secs(2)),
        clock: SystemClock,
        limits: config.limits,
        gate: Gate {
            policy: config.gate,
            function: config.gate_function.map(|name| LambdaGate::new(&clients, name)),
        },
        required: config.required,
    };
    sluice_lambda::run(async |event: Trigger| Box::pin(handle(&ingester, event)).await).await
}
