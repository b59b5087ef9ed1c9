//! For tests only: the ports in memory, faults on order, and one contract suite for each port.
//!
//! | module | what stands there |
//! |---|---|
//! | [`world`] | [`World`]: every double, wired together |
//! | [`time`] | [`FixedClock`] and [`CountingIds`]: time and ids that a test decides |
//! | [`table`] | [`MemoryTable`]: the four repositories |
//! | [`jobs`] | [`MemoryJobs`] and [`MemoryTasks`]: upload jobs, and the tasks of small forms |
//! | [`endpoints`] | [`MemoryEndpoints`]: addresses that carry a secret |
//! | [`s3`] | [`MemoryOriginals`] and [`MemoryDerived`]: versions, conditions and multipart uploads as S3 has them |
//! | [`tus`] | [`MemoryUploads`] and [`MemoryStaging`]: uploads by tus, and what waits to be a part |
//! | [`signers`] | [`MemoryUploadSigner`], [`MemoryLinkSigner`], and the [`MemoryBrowser`] that uses what they signed |
//! | [`idempotency`] | [`MemoryKeys`]: requests that come again |
//! | [`gate`] | [`MemoryGate`]: an operator's gate function |
//! | [`messages`] | [`MemoryQueue`] and [`MemoryNotifier`] |
//! | [`probe`] | [`Probe`]: counts the calls of a port, and makes chosen ones fail before or after their work |
//! | [`simulator`] | the engine of the simulator: all of them at once, decided by a seed |
//! | [`build`] | grants and assets with everything filled in |
//! | [`contracts`] | what every implementation of a port must do; run on the doubles and on the adapters |
#![expect(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "in tests a panic is how a fault is told"
)]

pub mod build;
pub mod contracts;
pub mod endpoints;
pub mod gate;
pub mod idempotency;
pub mod jobs;
pub mod messages;
pub mod probe;
pub mod s3;
pub mod signers;
pub mod simulator;
pub mod table;
pub mod time;
pub mod tus;
pub mod world;

pub use endpoints::MemoryEndpoints;
pub use gate::MemoryGate;
pub use idempotency::MemoryKeys;
pub use jobs::{MemoryJobs, MemoryTasks};
pub use messages::{MemoryNotifier, MemoryQueue};
pub use probe::{Calls, Probe, When};
pub use s3::{MemoryDerived, MemoryOriginals};
pub use signers::{Answer, Browser, MemoryBrowser, MemoryLinkSigner, MemoryUploadSigner};
pub use table::MemoryTable;
pub use time::{CountingIds, FixedClock};
pub use tus::{MemoryStaging, MemoryUploads};
pub use world::World;
