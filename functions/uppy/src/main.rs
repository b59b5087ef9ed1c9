//! Wires `uppy`.
// the SDK's futures, held in main's, nest deeper than the default of 128
#![recursion_limit = "256"]

use sluice_aws::{
    Clients, DynamoTable, LambdaGate, RandomIds, S3Originals, S3UploadSigner, SqsJobQueue, SystemClock,
};
use sluice_core::{finish::Finisher, gate::Gate, intake::Intake};
use sluice_lambda::{config::environment, http, init_tracing};
use sluice_uppy::{
    companion::{Companion, Ports},
    config::Config,
    handler::handle,
};

struct Aws;

impl Ports for Aws {
    type Table = DynamoTable;
    type Originals = S3Originals;
    type Queue = SqsJobQueue;
    type Signer = S3UploadSigner;
    type Clock = SystemClock;
    type Ids = RandomIds;
    type Gate = LambdaGate;
    type Endpoints = DynamoTable;
    type Records = DynamoTable;
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    init_tracing();
    let config = Config::from_lookup(environment)?;
    let clients = Clients::load().await;
    let table = DynamoTable::new(&clients, config.state_table);
    let originals = S3Originals::new(&clients, config.originals.clone());
    let companion = Companion::<Aws> {
        intake: Intake {
            table: table.clone(),
            originals: originals.clone(),
            clock: SystemClock,
            ids: RandomIds,
        },
        finisher: Finisher {
            table: table.clone(),
            originals,
            ingest: SqsJobQueue::of_ingest(&clients, config.ingest_queue),
            clock: SystemClock,
        },
        gate: Gate {
            policy: config.gate,
            function: config.gate_function.map(|name| LambdaGate::new(&clients, name)),
        },
        signer: S3UploadSigner::new(&clients, config.originals.clone()),
        endpoints: table.clone(),
        records: table,
        bucket: config.originals,
        grant_ttl: config.grant_ttl,
    };
    http::run(async |request| Ok(Box::pin(handle(&companion, &request)).await)).await
}
