//! Wires `form`.
// the SDK's futures, held in main's, nest deeper than the default of 128
#![recursion_limit = "256"]

use sluice_aws::{
    Clients, DynamoTable, LambdaGate, RandomIds, S3LinkSigner, S3Originals, SqsJobQueue, SystemClock,
};
use sluice_core::{gate::Gate, intake::Intake};
use sluice_form::{config::Config, handler::handle, take::Taker};
use sluice_lambda::{config::environment, http, init_tracing};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    init_tracing();
    let config = Config::from_lookup(environment)?;
    let clients = Clients::load().await;
    let table = DynamoTable::new(&clients, config.state_table);
    let records = table.clone();
    let taker = Taker {
        intake: Intake {
            table: table.clone(),
            originals: S3Originals::new(&clients, config.originals.clone()),
            clock: SystemClock,
            ids: RandomIds,
        },
        gate: Gate {
            policy: config.gate,
            function: config.gate_function.map(|name| LambdaGate::new(&clients, name)),
        },
        ingest: SqsJobQueue::of_ingest(&clients, config.ingest_queue),
        tasks: table,
    };
    let links = S3LinkSigner::new(&clients, config.originals, config.derived, config.link_ttl);
    http::run(async |request| Box::pin(handle(&taker, &links, &records, request)).await).await
}
