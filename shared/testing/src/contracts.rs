//! What every implementation of a port must do, told in tests. Each suite takes the port and whatever it needs to see
//! its effects from outside; it runs on the doubles (`shared/testing/tests`) and on the adapters (`shared/aws/tests`).
//! A suite wants a store that nobody else uses.

mod assets;
mod endpoints;
mod forms;
mod gate;
mod idempotency;
mod jobs;
mod links;
mod messages;
mod objects;
mod owners;
mod tus;

pub use assets::asset_repository_contract;
pub use endpoints::endpoint_repository_contract;
pub use forms::{client_multipart_contract, upload_form_contract};
pub use gate::gate_function_contract;
pub use idempotency::idempotency_repository_contract;
pub use jobs::{task_repository_contract, upload_job_repository_contract};
pub use links::{derived_store_contract, link_signer_contract};
pub use messages::{delayed_job_queue_contract, job_queue_contract, notifier_contract};
pub use objects::{multipart_store_contract, original_store_contract, upload_signer_contract};
pub use owners::{connection_repository_contract, content_index_contract, ticket_repository_contract};
pub use tus::{staging_store_contract, tus_upload_repository_contract};

/// Tries of [`eventually`]; each is a call of the port.
const TRIES: usize = 500;

/// What `look` finds, as soon as it finds it: indexes may lag behind the table.
async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..TRIES {
        if let Some(found) = look().await {
            return found;
        }
    }
    panic!("{what}: not seen in {TRIES} tries")
}
