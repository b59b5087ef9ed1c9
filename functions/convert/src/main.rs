//! Wires `convert`.
// the SDK's futures, held in main's, nest deeper than the default of 128
#![recursion_limit = "256"]

use aws_lambda_events::sqs::SqsEvent;
use sluice_aws::{Clients, DynamoTable, S3Derived, S3Originals, SystemClock};
use sluice_convert::{config::Config, engine::Engine, handler::handle, work::Worker};
use sluice_lambda::{config::environment, init_tracing};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    init_tracing();
    let config = Config::from_lookup(environment)?;
    let clients = Clients::load().await;
    let worker = Worker {
        table: DynamoTable::new(&clients, config.state_table),
        originals: S3Originals::new(&clients, config.originals),
        derived: S3Derived::new(&clients, config.derived),
        clock: SystemClock,
        maker: Engine { profile: config.profile, limits: config.limits },
        lease: config.lease,
    };
    sluice_lambda::run(async |event: SqsEvent| Ok(Box::pin(handle(&worker, event)).await)).await
}
