//! Every double, wired together.

use std::time::Duration;

use bytes::Bytes;
use sluice_core::{
    asset::{Asset, Event},
    ids::AssetId,
    ports::{Clock, IdGenerator, ObjectHead},
    upload::SizeRange,
};

use crate::{
    build,
    endpoints::MemoryEndpoints,
    idempotency::MemoryKeys,
    jobs::{MemoryJobs, MemoryTasks},
    messages::{MemoryNotifier, MemoryQueue},
    probe::{Calls, Probe},
    s3::{MemoryDerived, MemoryOriginals},
    signers::{MemoryBrowser, MemoryLinkSigner, MemoryUploadSigner},
    table::MemoryTable,
    time::{CountingIds, FixedClock},
    tus::{MemoryStaging, MemoryUploads},
};

/// How long the links of a [`World`] are good.
pub const LINK_TTL: Duration = Duration::from_mins(15);

/// All ports in memory. Each is watched: [`World::calls`] counts, and fails on order.
///
/// ```
/// # use sluice_core::{ErrorKind, ports::AssetRepository};
/// # use sluice_testing::{When, World};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let world = World::new();
/// let asset = world.granted("alice");
/// world.calls.fail("AssetRepository::get", 1, When::Before, ErrorKind::Unavailable);
/// assert!(world.table.get(asset.id()).await.is_err());
/// assert_eq!(world.table.get(asset.id()).await.unwrap(), Some(asset));
/// assert_eq!(world.calls.count("AssetRepository::get"), 2);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct World {
    /// The time; it stands still.
    pub clock: FixedClock,
    /// Ids, counted.
    pub ids: CountingIds,
    /// The calls of all ports below.
    pub calls: Calls,
    /// Assets, contents, tickets, connections.
    pub table: Probe<MemoryTable>,
    /// The bucket of originals, with versions.
    pub originals: Probe<MemoryOriginals>,
    /// The staging bucket, without versions.
    pub staging: Probe<MemoryStaging>,
    /// The same, as multipart uploads see it.
    pub partials: Probe<MemoryOriginals>,
    /// Uploads by tus.
    pub tus: Probe<MemoryUploads>,
    /// The bucket of derivatives.
    pub derived: Probe<MemoryDerived>,
    /// Signs uploads.
    pub uploads: Probe<MemoryUploadSigner>,
    /// Signs links.
    pub links: Probe<MemoryLinkSigner>,
    /// The queue of jobs.
    pub queue: Probe<MemoryQueue>,
    /// Addresses that carry a secret.
    pub endpoints: Probe<MemoryEndpoints>,
    /// Upload jobs.
    pub jobs: Probe<MemoryJobs>,
    /// Tasks of small forms.
    pub tasks: Probe<MemoryTasks>,
    /// Requests with an idempotency key.
    pub keys: Probe<MemoryKeys>,
    /// WebSocket connections.
    pub notifier: Probe<MemoryNotifier>,
    /// A client that uses what the signers signed.
    pub browser: MemoryBrowser,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// An empty world.
    pub fn new() -> Self {
        let clock = FixedClock::default();
        let calls = Calls::new();
        let (originals, derived) = (MemoryOriginals::new(), MemoryDerived::default());
        let partials = MemoryOriginals::unversioned();
        Self {
            staging: Probe::new(MemoryStaging::new(&partials, &originals), &calls),
            partials: Probe::new(partials, &calls),
            tus: Probe::new(MemoryUploads::default(), &calls),
            browser: MemoryBrowser::new(&originals, &derived, &clock),
            table: Probe::new(MemoryTable::default(), &calls),
            originals: Probe::new(originals, &calls),
            derived: Probe::new(derived, &calls),
            uploads: Probe::new(MemoryUploadSigner, &calls),
            links: Probe::new(MemoryLinkSigner::new(&clock, LINK_TTL), &calls),
            queue: Probe::new(MemoryQueue::default(), &calls),
            endpoints: Probe::new(MemoryEndpoints::default(), &calls),
            jobs: Probe::new(MemoryJobs::default(), &calls),
            tasks: Probe::new(MemoryTasks::default(), &calls),
            keys: Probe::new(MemoryKeys::default(), &calls),
            notifier: Probe::new(MemoryNotifier::default(), &calls),
            ids: CountingIds::default(),
            clock,
            calls,
        }
    }

    /// A new asset of `owner` in the table, granted for one PUT of [`build::SIZE`] bytes.
    pub fn granted(&self, owner: &str) -> Asset {
        let now = self.clock.now();
        let asset = build::asset(self.ids.asset_id(), owner, build::grant(now), now);
        self.table.put(&asset);
        asset
    }

    /// The bytes of an asset's open grant, put into the bucket as its client would. The table isn't told.
    pub fn upload(&self, asset: &Asset, bytes: impl Into<Bytes>) -> ObjectHead {
        let grant = asset.grant().expect("the asset has an open grant");
        self.originals.put(asset.key(), bytes, grant.version)
    }

    /// A new asset of `owner` whose bytes are there and known to be.
    pub fn uploaded(&self, owner: &str, bytes: impl Into<Bytes>) -> Asset {
        let (now, bytes) = (self.clock.now(), bytes.into());
        let grant =
            sluice_core::asset::Grant { size: SizeRange::exactly(bytes.len() as u64), ..build::grant(now) };
        let asset = build::asset(self.ids.asset_id(), owner, grant, now);
        let head = self.upload(&asset, bytes);
        let event = Event::UploadArrived(Box::new(build::stored(&asset, &head)));
        let asset = asset.apply(&event, now).expect("bytes may always come").asset;
        self.table.put(&asset);
        asset
    }

    /// Applies an event to an asset in the table, past all ports.
    pub fn apply(&self, id: AssetId, event: &Event) -> Asset {
        let changed =
            self.table.asset(id).apply(event, self.clock.now()).expect("the state allows the event");
        self.table.put(&changed.asset);
        changed.asset
    }
}
