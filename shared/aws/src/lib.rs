//! The ports of `sluice-core` on AWS. The only crate that sees types of the AWS SDK; none of them passes out of it.
//!
//! | adapter | ports | service |
//! |---|---|---|
//! | [`S3Originals`] | `OriginalStore`, `MultipartStore` | the bucket of originals |
//! | [`S3Staging`] | `StagingStore` | the staging bucket, and copies from it into the bucket of originals |
//! | [`S3Derived`] | `DerivedStore` | the bucket of derivatives |
//! | [`S3UploadSigner`], [`S3LinkSigner`] | `UploadSigner`, `LinkSigner` | local; credentials only |
//! | [`DynamoTable`] | `AssetRepository`, `ContentIndex`, `TicketRepository`, `ConnectionRepository`, `EndpointTokenRepository`, `UploadJobRepository`, `TaskRepository`, `IdempotencyRepository`, `TusUploadRepository` | the state table |
//! | [`SqsJobQueue`] | `JobQueue` | the queue of conversion jobs |
//! | [`SqsTextQueue`] | none; `notify` sets records aside with it | a queue that people read |
//! | [`LambdaGate`] | `GateFunction` | the operator's own Lambda function |
//! | [`WebSocketNotifier`] | `Notifier` | the WebSocket API's management endpoint |
//! | [`ManagedSecret`] | `SecretSource` | one secret of Secrets Manager |
//! | [`SystemClock`], [`RandomIds`] | `Clock`, `IdGenerator` | none |
//!
//! All are made from one [`Clients`], which shares configuration, credentials and connections between them. Making
//! them calls nothing: the first request resolves credentials and opens the first connection.

#[cfg(test)]
mod answers_tests;
mod api_gateway;
mod clients;
mod credentials;
mod dynamodb;
mod error;
mod gate;
mod s3;
mod secrets;
mod sqs;
mod stream;
mod system;

pub use api_gateway::WebSocketNotifier;
pub use clients::Clients;
pub use dynamodb::{DynamoTable, schema};
pub use gate::LambdaGate;
pub use s3::{S3Derived, S3LinkSigner, S3Originals, S3Staging, S3UploadSigner};
pub use secrets::ManagedSecret;
pub use sqs::{SqsJobQueue, SqsTextQueue};
pub use stream::{asset_from_item, job_from_item, task_from_item};
pub use system::{RandomIds, SystemClock};
