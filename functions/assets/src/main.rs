//! Wires `assets`.
// the SDK's futures, held in main's, nest deeper than the default of 128
#![recursion_limit = "256"]

use sluice_assets::{config::Config, handler::handle, read::Reader};
use sluice_aws::{Clients, DynamoTable, S3LinkSigner, S3Originals, SystemClock};
use sluice_lambda::{config::environment, http, init_tracing};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    init_tracing();
    let config = Config::from_lookup(environment)?;
    let clients = Clients::load().await;
    let reader = Reader {
        table: DynamoTable::new(&clients, config.state_table),
        originals: S3Originals::new(&clients, config.originals.clone()),
        links: S3LinkSigner::new(&clients, config.originals, config.derived, config.link_ttl),
        clock: SystemClock,
    };
    http::run(async |request| Box::pin(handle(&reader, request)).await).await
}
