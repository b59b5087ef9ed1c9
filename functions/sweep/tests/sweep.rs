//! The sweeper, on ports in memory: whatever state was left behind, it ends.
#![expect(clippy::unwrap_used, reason = "in a test a panic is how a fault is told")]

use std::time::Duration;

use sluice_core::{
    ErrorKind,
    asset::{Event, Failure, JobName, ObjectHead, Stage},
    ports::{Clock, JobOrder, MultipartStore},
};
use sluice_sweep::{
    handler::{Answer, Trigger, handle},
    sweeper::Sweeper,
};
use sluice_testing::{FixedClock, MemoryOriginals, MemoryQueue, MemoryTable, Probe, When, World, build};

type Memory = Sweeper<Probe<MemoryTable>, Probe<MemoryOriginals>, Probe<MemoryQueue>, FixedClock>;

const LONG: Duration = Duration::from_secs(8 * 24 * 3600);

fn sweeper(world: &World) -> Memory {
    Sweeper {
        table: world.table.clone(),
        originals: world.originals.clone(),
        ingest: world.queue.clone(),
        convert: world.queue.clone(),
        clock: world.clock.clone(),
    }
}

#[tokio::test]
async fn nothing_is_touched_before_its_deadline() {
    let world = World::new();
    world.granted("alice");
    world.uploaded("alice", "bytes");
    assert_eq!(sweeper(&world).round().await.unwrap(), 0);
}

#[tokio::test]
async fn an_upload_whose_client_vanished_is_ended_and_its_parts_freed() {
    let world = World::new();
    let asset = world.granted("alice");
    let upload =
        world.originals.create(asset.key(), &"image/jpeg".parse().unwrap(), asset.version()).await.unwrap();
    let grant = build::multipart_grant(world.clock.now(), &upload, 3);
    world.table.put(&build::asset(asset.id(), "alice", grant, world.clock.now()));
    world.clock.advance(LONG);
    assert_eq!(sweeper(&world).round().await.unwrap(), 1);
    assert_eq!(world.table.asset(asset.id()).failure_code(), Some(Failure::EXPIRED));
    assert!(world.originals.open_uploads().is_empty());
    assert_eq!(sweeper(&world).round().await.unwrap(), 0, "ended is ended");
}

#[tokio::test]
async fn bytes_that_nobody_told_of_are_found_and_read() {
    let world = World::new();
    let asset = world.granted("alice");
    world.upload(&asset, vec![0; 1000]);
    world.clock.advance(LONG);
    sweeper(&world).round().await.unwrap();
    assert_eq!(world.table.asset(asset.id()).stage(), Stage::Processing);
    assert_eq!(world.queue.drain()[0].job, JobName::Ingest);
}

#[tokio::test]
async fn work_that_nobody_finished_is_driven_again_then_fails_and_may_be_tried_again() {
    let world = World::new();
    let asset = world.uploaded("alice", "bytes");
    let order = JobOrder { asset_id: asset.id(), version: asset.version(), job: JobName::Ingest };
    for _ in 0..6 {
        world.clock.advance(LONG);
        sweeper(&world).round().await.unwrap();
        assert_eq!(world.queue.drain(), [order.clone()], "it is ordered again first");
    }
    world.clock.advance(LONG);
    sweeper(&world).round().await.unwrap();
    let ended = world.table.asset(asset.id());
    assert_eq!((ended.stage(), ended.failure().unwrap().retryable), (Stage::Failed, true));
    assert!(ended.object().is_some(), "the original is kept");
}

#[tokio::test]
async fn one_that_cannot_be_ended_now_keeps_no_other_waiting() {
    let world = World::new();
    let assets = [world.granted("alice"), world.granted("alice"), world.granted("bob")];
    world.clock.advance(LONG);
    world.calls.fail("AssetRepository::save", 1, When::Before, ErrorKind::Unavailable);
    sweeper(&world).round().await.unwrap();
    let open = |world: &World| {
        assets.iter().filter(|asset| !world.table.asset(asset.id()).stage().is_terminal()).count()
    };
    assert_eq!(open(&world), 1);
    sweeper(&world).round().await.unwrap();
    assert_eq!(open(&world), 0);
}

/// The golden dead letters name this asset.
const GOLDEN: &str = "0190a6d4-7c5e-7b3a-8f2d-1c2b3a4d5e6f";

fn golden(world: &World) -> sluice_core::asset::Asset {
    let now = world.clock.now();
    let asset = build::asset(GOLDEN.parse().unwrap(), "alice", build::grant(now), now);
    world.table.put(&asset);
    asset
}

async fn sweep(world: &World, event: &str) -> Answer {
    handle(&sweeper(world), serde_json::from_str::<Trigger>(event).unwrap()).await.unwrap()
}

#[tokio::test]
async fn dead_letters_drive_their_assets_again() {
    for (letter, ingested) in [
        (include_str!("../../../events/sweep/convert-dead-letter.json"), true),
        (include_str!("../../../events/sweep/ingest-dead-letter.json"), false),
    ] {
        let world = World::new();
        let asset = golden(&world);
        let head = world.upload(&asset, vec![0; 1000]);
        world.apply(asset.id(), &Event::UploadArrived(Box::new(build::stored(&asset, &head))));
        if ingested {
            let ingest = build::ingest(asset.version(), build::digest(b""));
            world.apply(asset.id(), &Event::Ingested(Box::new(ingest)));
        }
        let Answer::Batch(response) = sweep(&world, letter).await else { panic!("a batch") };
        assert!(response.batch_item_failures.is_empty(), "{letter}");
        let driven = world.table.asset(asset.id());
        assert_eq!(driven.stage(), Stage::Processing, "{letter}");
        world.clock.set(driven.deadline().unwrap());
        sweeper(&world).round().await.unwrap();
        assert_eq!(world.queue.drain().len(), 1, "{letter}");
    }
}

/// An event of S3 as the ingest queue gave it up, and as Lambda did where S3 invokes `process` itself.
const EVENT_LETTERS: [&str; 2] = [
    include_str!("../../../events/sweep/event-dead-letter.json"),
    include_str!("../../../events/sweep/process-dead-letter.json"),
];

/// The letter, of one version of the golden asset's object.
fn of_version(letter: &str, head: &ObjectHead) -> String {
    let told = letter.replace("096fKKXTRTtl3on89fVO.nfljtsv6qko", head.version_id.as_ref().unwrap().as_str());
    assert_ne!(told, letter);
    told
}

#[tokio::test]
async fn a_letter_of_an_event_that_died_early_lets_the_content_be_read_after_all() {
    for letter in EVENT_LETTERS {
        let world = World::new();
        let asset = golden(&world);
        assert!(letter.contains(&asset.id().to_string()));
        let head = world.upload(&asset, vec![0; 1000]);
        let Answer::Batch(response) = sweep(&world, &of_version(letter, &head)).await else {
            panic!("a batch")
        };
        assert!(response.batch_item_failures.is_empty());
        assert_eq!(world.table.asset(asset.id()).stage(), Stage::Processing);
        assert_eq!(
            world.queue.drain(),
            [JobOrder { asset_id: asset.id(), version: asset.version(), job: JobName::Ingest }]
        );
    }
}

#[tokio::test]
async fn a_letter_of_an_older_version_says_nothing_of_the_one_that_waits() {
    for letter in EVENT_LETTERS {
        let world = World::new();
        let asset = golden(&world);
        let old = world.originals.put(asset.key(), vec![7; 10], asset.version());
        world.apply(asset.id(), &Event::UploadCancelled);
        let now = world.clock.now();
        let second = sluice_core::asset::Grant { version: asset.version().next(), ..build::grant(now) };
        let again = world.apply(asset.id(), &Event::UpdateGranted(Box::new(second)));
        let head = world.upload(&again, vec![0; 1000]);
        world.apply(asset.id(), &Event::UploadArrived(Box::new(build::stored(&again, &head))));
        sweep(&world, &of_version(letter, &old)).await;
        assert_eq!(world.table.asset(asset.id()).stage(), Stage::Processing);
        assert_eq!(world.originals.versions(asset.key()), [head], "and its bytes are let go");
    }
}

#[tokio::test]
async fn the_schedule_is_a_round() {
    let world = World::new();
    let answer = sweep(&world, include_str!("../../../events/sweep/schedule.json")).await;
    assert!(matches!(answer, Answer::Round { overdue: 0 }));
}
