//! Conversion jobs, on ports in memory: workers die, messages repeat, versions change.

use std::time::Duration;

use sluice_convert::{engine::Engine, work::Worker};
use sluice_core::{
    ErrorKind,
    asset::{Asset, Event, JobName, Lease, Stage},
    ports::{Clock, JobOrder},
};
use sluice_media::{derive::Profile, limits::Limits};
use sluice_testing::{FixedClock, MemoryDerived, MemoryOriginals, MemoryTable, Probe, When, World, build};

type Memory = Worker<Probe<MemoryTable>, Probe<MemoryOriginals>, Probe<MemoryDerived>, FixedClock, Engine>;

const PHOTO: &[u8] = include_bytes!("../../../infra/e2e/data/astronaut.jpg");

fn worker(world: &World) -> Memory {
    Worker {
        table: world.table.clone(),
        originals: world.originals.clone(),
        derived: world.derived.clone(),
        clock: world.clock.clone(),
        maker: Engine {
            profile: Profile::default(),
            limits: Limits { max_held: 1 << 20, ..Limits::for_memory(1 << 30) },
        },
        lease: Duration::from_secs(90),
    }
}

/// An ingested image whose job is queued, and the order for it.
fn waiting(world: &World, bytes: &[u8]) -> (Asset, JobOrder) {
    let asset = world.uploaded("alice", bytes.to_vec());
    let version = asset.version();
    let asset =
        world.apply(asset.id(), &Event::Ingested(Box::new(build::ingest(version, build::digest(bytes)))));
    let order = JobOrder { asset_id: asset.id(), version, job: JobName::Image };
    (asset, order)
}

#[tokio::test]
async fn an_order_makes_the_derivatives_and_ends_the_asset() {
    let world = World::new();
    let (asset, order) = waiting(&world, PHOTO);
    worker(&world).work(&order, "message").await.unwrap();
    let done = world.table.asset(asset.id());
    assert_eq!((done.stage(), done.progress()), (Stage::Done, 100));
    let names: Vec<_> = done.derivatives().iter().map(|made| made.name.as_str()).collect();
    assert_eq!(names, ["thumb", "preview", "large"]);
    for made in done.derivatives() {
        let stored = world.derived.read(&made.key).unwrap();
        assert_eq!((stored.bytes.len() as u64, &stored.content_type), (made.bytes, &made.content_type));
        assert_eq!(made.key.as_str().split('/').nth(1), Some("1"));
    }
}

#[tokio::test]
async fn what_is_one_file_is_stored_once_under_both_names() {
    let world = World::new();
    let (asset, order) = waiting(&world, PHOTO);
    worker(&world).work(&order, "message").await.unwrap();
    let done = world.table.asset(asset.id());
    let [thumb, preview, large] = done.derivatives() else { panic!("three are ordered") };
    assert_eq!((&preview.key, preview.bytes, preview.width), (&large.key, large.bytes, large.width));
    assert_ne!(thumb.key, preview.key);
    assert_eq!((world.calls.count("DerivedStore::put"), world.derived.keys().len()), (2, 2));
}

#[tokio::test]
async fn a_heic_is_decoded_once_and_gets_its_placeholder_with_its_derivatives() {
    let world = World::new();
    let (asset, order) = waiting(&world, include_bytes!("../../../infra/e2e/data/rocket.heic"));
    assert_eq!(asset.placeholder(), None);
    worker(&world).work(&order, "message").await.unwrap();
    let done = world.table.asset(asset.id());
    assert_eq!(done.stage(), Stage::Done);
    assert!(done.placeholder().is_some());
    let (photo, order) = waiting(&world, PHOTO);
    worker(&world).work(&order, "message").await.unwrap();
    assert_eq!(world.table.asset(photo.id()).placeholder(), None, "ingest makes that of a JPEG");
}

#[tokio::test]
async fn a_repeated_order_does_nothing_more() {
    let world = World::new();
    let (asset, order) = waiting(&world, PHOTO);
    worker(&world).work(&order, "message").await.unwrap();
    let (done, puts) = (world.table.asset(asset.id()), world.calls.count("DerivedStore::put"));
    worker(&world).work(&order, "message").await.unwrap();
    assert_eq!((world.table.asset(asset.id()), world.calls.count("DerivedStore::put")), (done, puts));
}

#[tokio::test]
async fn what_cannot_be_converted_fails_at_once_and_keeps_the_original() {
    for (bytes, code) in [
        (&b"\xff\xd8\xff\xe0 no picture"[..], "corrupt_image"),
        (include_bytes!("../../../infra/e2e/data/bomb-900mp.png"), "too_many_pixels"),
        (&vec![0xff; (1 << 20) + 1], "image_too_large"),
    ] {
        let world = World::new();
        let (asset, order) = waiting(&world, bytes);
        worker(&world).work(&order, "message").await.unwrap();
        let failed = world.table.asset(asset.id());
        assert_eq!((failed.stage(), failed.failure_code()), (Stage::Failed, Some(code)));
        assert!(failed.object().is_some() && world.originals.versions(asset.key()).len() == 1);
        assert_eq!(failed.jobs()[&JobName::Image].attempts, 1);
    }
}

#[tokio::test]
async fn a_passing_fault_gives_the_job_back_and_the_next_try_ends_it() {
    for method in ["OriginalStore::get", "DerivedStore::put", "AssetRepository::get", "AssetRepository::save"]
    {
        for nth in 1..=2 {
            for when in [When::Before, When::After] {
                let world = World::new();
                let (asset, order) = waiting(&world, PHOTO);
                world.calls.fail(method, nth, when, ErrorKind::Unavailable);
                if worker(&world).work(&order, "message").await.is_err() {
                    // where even giving it back failed, the lease is still the order's own
                    worker(&world).work(&order, "message").await.unwrap();
                }
                assert_eq!(world.table.asset(asset.id()).stage(), Stage::Done, "{method} {nth} {when:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_job_that_another_worker_has_is_tried_again_later() {
    let world = World::new();
    let (asset, order) = waiting(&world, PHOTO);
    let lease = Lease { holder: "other".to_owned(), until: world.clock.now().plus(Duration::from_secs(90)) };
    world.apply(asset.id(), &Event::JobStarted { job: JobName::Image, version: asset.version(), lease });
    let refused = worker(&world).work(&order, "message").await.unwrap_err();
    assert!(refused.kind().is_transient() && refused.code() == "job_leased");
    world.clock.advance(Duration::from_secs(90));
    worker(&world).work(&order, "message").await.unwrap();
    assert_eq!(world.table.asset(asset.id()).stage(), Stage::Done);
}

#[tokio::test]
async fn the_order_of_a_worker_that_was_killed_is_worked_on_when_it_comes_again() {
    let world = World::new();
    let (asset, order) = waiting(&world, PHOTO);
    let lease =
        Lease { holder: "message".to_owned(), until: world.clock.now().plus(Duration::from_secs(90)) };
    world.apply(asset.id(), &Event::JobStarted { job: JobName::Image, version: asset.version(), lease });
    worker(&world).work(&order, "message").await.unwrap();
    assert_eq!(world.table.asset(asset.id()).stage(), Stage::Done);
}

#[tokio::test]
async fn what_is_made_for_a_job_that_was_given_up_meanwhile_is_removed_again() {
    let world = World::new();
    let (asset, order) = waiting(&world, PHOTO);
    let (table, version) = (world.clone(), asset.version());
    world.calls.before("AssetRepository::save", 2, move || {
        let failure = sluice_core::asset::Failure::retryable("attempts_exhausted", "");
        table.apply(order.asset_id, &Event::JobFailed { job: JobName::Image, version, failure });
    });
    let order = JobOrder { asset_id: asset.id(), version, job: JobName::Image };
    worker(&world).work(&order, "message").await.unwrap();
    assert!(world.derived.keys().is_empty());
}

#[tokio::test]
async fn an_order_for_nothing_is_done() {
    let world = World::new();
    let (asset, order) = waiting(&world, PHOTO);
    let unknown = JobOrder { asset_id: sluice_testing::CountingIds::nth(999), ..order.clone() };
    let older = JobOrder { version: asset.version().next(), ..order };
    for order in [unknown, older] {
        worker(&world).work(&order, "message").await.unwrap();
    }
    assert_eq!(world.table.asset(asset.id()), asset);
}
