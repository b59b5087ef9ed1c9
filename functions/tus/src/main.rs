//! Wires `tus`.
// the SDK's futures, held in main's, nest deeper than the default of 128
#![recursion_limit = "256"]

use sluice_aws::{
    Clients, DynamoTable, LambdaGate, ManagedSecret, RandomIds, S3Originals, S3Staging, SqsJobQueue,
    SystemClock,
};
use sluice_core::{finish::Finisher, gate::Gate, intake::Intake};
use sluice_lambda::{
    bearer::{Bearer, HttpKeySet, Keys},
    config::environment,
    http, init_tracing,
};
use sluice_tus::{
    config::Config,
    handler::{Ports, Tus},
};

struct Aws;

impl Ports for Aws {
    type Table = DynamoTable;
    type Jobs = DynamoTable;
    type Uploads = DynamoTable;
    type Originals = S3Originals;
    type Partials = S3Originals;
    type Staging = S3Staging;
    type Queue = SqsJobQueue;
    type Clock = SystemClock;
    type Ids = RandomIds;
    type Records = DynamoTable;
    type Gate = LambdaGate;
    type Keys = Keys<ManagedSecret, HttpKeySet>;
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    init_tracing();
    let config = Config::from_lookup(environment)?;
    let clients = Clients::load().await;
    let table = DynamoTable::new(&clients, config.state_table);
    let originals = S3Originals::new(&clients, config.originals.clone());
    let tus = Tus::<Aws> {
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
        jobs: table.clone(),
        uploads: table.clone(),
        records: table,
        partials: S3Originals::new(&clients, config.staging.clone()),
        staging: S3Staging::new(&clients, config.staging, config.originals),
        gate: Gate {
            policy: config.gate,
            function: config.gate_function.map(|name| LambdaGate::new(&clients, name)),
        },
        bearer: Bearer {
            keys: config.bearer.keys.keys(|arn| ManagedSecret::new(&clients, arn))?,
            expected: config.bearer.expected,
        },
    };
    http::run(async |request| Ok(Box::pin(tus.handle(&request)).await)).await
}
