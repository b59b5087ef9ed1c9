//! Reading what arrived, on ports in memory: S3's events come twice, late, out of order, or never.

use std::time::Duration;

use sluice_core::{
    ErrorKind,
    asset::{Asset, Dimensions, Event, Grant, JobName, Stage},
    gate::{Gate, GateAnswer, GatePolicy},
    names::Kind,
    ports::{Clock, JobOrder},
    upload::SizeRange,
    usage::Quota,
};
use sluice_media::limits::Limits;
use sluice_process::ingest::{Ingester, ReadLimits};
use sluice_testing::{
    FixedClock, MemoryGate, MemoryOriginals, MemoryQueue, MemoryTable, Probe, When, World, build,
};

type Memory =
    Ingester<Probe<MemoryTable>, Probe<MemoryOriginals>, Probe<MemoryQueue>, FixedClock, MemoryGate>;

/// Every format's smallest file would do; this one is a GIF of one pixel.
const GIF: &[u8] =
    b"GIF89a\x01\0\x01\0\x80\0\0\xff\xff\xff\0\0\0!\xf9\x04\0\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";

fn ingester(world: &World) -> Memory {
    let limits =
        ReadLimits { hash_bytes: 1 << 20, image_bytes: 1 << 20, decode: Limits::for_memory(1 << 30) };
    Ingester {
        table: world.table.clone(),
        originals: world.originals.clone(),
        convert: world.queue.clone(),
        later: world.queue.clone(),
        clock: world.clock.clone(),
        limits,
        gate: Gate { policy: GatePolicy::default(), function: None::<MemoryGate> },
        required: false,
    }
}

fn granted(world: &World, owner: &str, change: impl FnOnce(&mut Grant)) -> Asset {
    let now = world.clock.now();
    let mut grant = build::grant(now);
    change(&mut grant);
    let asset = build::asset(sluice_core::ports::IdGenerator::asset_id(&world.ids), owner, grant, now);
    world.table.put(&asset);
    asset
}

/// A file whose bytes are in the bucket, and nobody was told.
fn sent(world: &World, owner: &str, bytes: &[u8]) -> Asset {
    let asset = granted(world, owner, |grant| grant.size = SizeRange::exactly(bytes.len() as u64));
    world.upload(&asset, bytes.to_vec());
    asset
}

async fn event(world: &World, asset: &Asset) -> sluice_core::Result<()> {
    let version_id = world.originals.versions(asset.key()).first().and_then(|head| head.version_id.clone());
    ingester(world).object_created(asset.key().as_str(), version_id).await
}

/// The image job done, as `convert` would.
fn converted(world: &World, asset: &Asset) {
    let (job, version) = (JobName::Image, asset.version());
    let lease = build::lease(world.clock.now());
    world.apply(asset.id(), &Event::JobStarted { job, version, lease });
    world.apply(
        asset.id(),
        &Event::JobSucceeded { job, version, derivatives: vec![], warnings: vec![], placeholder: None },
    );
}

fn image_order(asset: &Asset) -> JobOrder {
    JobOrder { asset_id: asset.id(), version: asset.version(), job: JobName::Image }
}

#[tokio::test]
async fn the_event_alone_brings_a_photo_on_its_way() {
    let world = World::new();
    let asset = sent(&world, "alice", GIF);
    event(&world, &asset).await.unwrap();
    let read = world.table.asset(asset.id());
    assert_eq!((read.stage(), read.kind()), (Stage::Processing, Kind::Image));
    assert_eq!(read.content_type().unwrap().as_str(), "image/gif");
    assert_eq!(read.sha256(), Some(build::digest(GIF)));
    assert_eq!(read.dimensions(), Some(Dimensions { width: 1, height: 1 }));
    assert_eq!(world.queue.drain(), [image_order(&asset)]);
}

#[tokio::test]
async fn a_file_of_which_nothing_is_made_is_done_when_it_was_read() {
    for (bytes, kind) in
        [(&b""[..], Kind::Other), (b"\x07\x01\x02", Kind::Other), (b"%PDF-1.7\n", Kind::Document)]
    {
        let world = World::new();
        let asset = sent(&world, "alice", bytes);
        event(&world, &asset).await.unwrap();
        let done = world.table.asset(asset.id());
        assert_eq!((done.stage(), done.kind(), done.progress()), (Stage::Done, kind, 100));
        assert!(world.queue.orders().is_empty());
    }
}

#[tokio::test]
async fn content_decides_and_the_contradiction_is_said() {
    let world = World::new();
    let asset = sent(&world, "alice", b"%PDF-1.7\n");
    event(&world, &asset).await.unwrap();
    let done = world.table.asset(asset.id());
    assert_eq!(done.content_type().unwrap().as_str(), "application/pdf");
    assert_eq!(done.warnings()[0].code, "type_mismatch");
}

#[tokio::test]
async fn events_may_repeat_and_the_job_is_asked_for_until_a_worker_has_it() {
    let world = World::new();
    let asset = sent(&world, "alice", GIF);
    for _ in 0..3 {
        event(&world, &asset).await.unwrap();
    }
    let read = world.table.asset(asset.id());
    assert_eq!(world.queue.drain(), vec![image_order(&asset); 3]);
    let (job, version) = (JobName::Image, asset.version());
    let lease = build::lease(world.clock.now());
    let running = world.apply(asset.id(), &Event::JobStarted { job, version, lease });
    event(&world, &asset).await.unwrap();
    assert_eq!((world.queue.orders(), world.table.asset(asset.id())), (vec![], running));
    assert_eq!(read.revision(), 3);
}

#[tokio::test]
async fn a_fault_anywhere_is_made_good_by_the_next_delivery() {
    for method in [
        "OriginalStore::head",
        "OriginalStore::get",
        "AssetRepository::get",
        "AssetRepository::save",
        "ContentIndex::claim",
        "JobQueue::enqueue",
    ] {
        for (nth, when) in [(1, When::Before), (1, When::After), (2, When::Before), (2, When::After)] {
            let world = World::new();
            let asset = sent(&world, "alice", GIF);
            world.calls.fail(method, nth, when, ErrorKind::Unavailable);
            let first = event(&world, &asset).await;
            if first.is_err() {
                event(&world, &asset).await.unwrap();
            }
            let read = world.table.asset(asset.id());
            assert!(read.is_ingested(), "{method} {nth} {when:?}");
            assert!(world.queue.orders().contains(&image_order(&asset)), "{method} {nth} {when:?}");
        }
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_read_again() {
    let world = World::new();
    let asset = sent(&world, "alice", GIF);
    world.originals.break_bodies_after(Some(10));
    assert!(event(&world, &asset).await.is_err());
    assert!(!world.table.asset(asset.id()).is_ingested());
    world.originals.break_bodies_after(None);
    event(&world, &asset).await.unwrap();
    assert_eq!(world.table.asset(asset.id()).sha256(), Some(build::digest(GIF)));
}

#[tokio::test]
async fn a_second_copy_shares_the_first_ones_bytes_and_its_own_go() {
    let world = World::new();
    let first = sent(&world, "alice", GIF);
    event(&world, &first).await.unwrap();
    converted(&world, &first);
    let copy = sent(&world, "alice", GIF);
    for _ in 0..2 {
        event(&world, &copy).await.unwrap();
    }
    let done = world.table.asset(copy.id());
    assert_eq!((done.stage(), done.duplicate_of()), (Stage::Done, Some(first.id())));
    assert_eq!(done.object(), world.table.asset(first.id()).object());
    assert!(world.originals.versions(copy.key()).is_empty());
    assert_eq!(world.originals.versions(first.key()).len(), 1);

    let foreign = sent(&world, "bob", GIF);
    event(&world, &foreign).await.unwrap();
    assert_eq!(world.table.asset(foreign.id()).duplicate_of(), None, "nobody else's files are known");
}

#[tokio::test]
async fn a_copys_bytes_go_only_if_the_keepers_are_there() {
    let world = World::new();
    let first = sent(&world, "alice", GIF);
    event(&world, &first).await.unwrap();
    converted(&world, &first);
    let kept = world.originals.versions(first.key())[0].clone();
    sluice_core::ports::OriginalStore::delete(&world.originals, first.key(), kept.version_id.as_ref())
        .await
        .unwrap();
    let copy = sent(&world, "alice", GIF);
    event(&world, &copy).await.unwrap();
    assert_eq!(world.table.asset(copy.id()).duplicate_of(), None);
    assert_eq!(world.originals.versions(copy.key()).len(), 1);
    converted(&world, &copy);
    let third = sent(&world, "alice", GIF);
    event(&world, &third).await.unwrap();
    assert_eq!(world.table.asset(third.id()).duplicate_of(), Some(copy.id()), "the copy is the keeper now");
}

#[tokio::test]
async fn the_same_file_sent_twice_at_once_waits_a_while_for_the_first() {
    let world = World::new();
    let first = sent(&world, "alice", GIF);
    event(&world, &first).await.unwrap();
    world.queue.drain();
    let copy = sent(&world, "alice", GIF);
    event(&world, &copy).await.unwrap();
    let again = JobOrder { job: JobName::Ingest, ..image_order(&copy) };
    assert_eq!(world.queue.drain(), [again.clone()]);
    assert!(!world.table.asset(copy.id()).is_ingested());
    converted(&world, &first);
    ingester(&world).ordered(&again).await.unwrap();
    assert_eq!(world.table.asset(copy.id()).duplicate_of(), Some(first.id()));

    // a first one that doesn't get done holds nobody up for long
    let other = [GIF, b"\0"].concat();
    let stuck = sent(&world, "alice", &other);
    event(&world, &stuck).await.unwrap();
    let copy = sent(&world, "alice", &other);
    event(&world, &copy).await.unwrap();
    world.clock.advance(Duration::from_secs(30));
    world.queue.drain();
    ingester(&world).ordered(&JobOrder { job: JobName::Ingest, ..image_order(&copy) }).await.unwrap();
    assert_eq!(world.queue.drain(), [image_order(&copy)]);
}

#[tokio::test]
async fn bytes_without_their_announced_digest_are_refused_and_let_go() {
    let world = World::new();
    let asset = granted(&world, "alice", |grant| {
        grant.size = SizeRange::exactly(GIF.len() as u64);
        grant.sha256 = Some(build::digest(b"other"));
    });
    world.upload(&asset, GIF.to_vec());
    event(&world, &asset).await.unwrap();
    assert_eq!(world.table.asset(asset.id()).failure_code(), Some("checksum_mismatch"));
    assert!(world.originals.versions(asset.key()).is_empty());
    assert_eq!(world.table.asset(asset.id()).leftovers(), []);
}

#[tokio::test]
async fn bytes_that_come_after_a_cancel_are_let_go() {
    let world = World::new();
    let asset = sent(&world, "alice", GIF);
    world.apply(asset.id(), &Event::UploadCancelled);
    event(&world, &asset).await.unwrap();
    assert!(world.originals.versions(asset.key()).is_empty());
}

#[tokio::test]
async fn objects_that_no_grant_names_are_left_alone() {
    let world = World::new();
    let asset = sent(&world, "alice", GIF);
    for key in ["stray.bin", "users/alice/0190a6d4-7c5e-7b3a-8f2d-1c2b3a4d5e6f", "users/bob/x"] {
        ingester(&world).object_created(key, None).await.unwrap();
    }
    assert_eq!(world.table.assets(), [asset]);
}

#[tokio::test]
async fn an_order_reads_what_the_event_did_not_and_nothing_twice() {
    let world = World::new();
    let asset = world.uploaded("alice", GIF);
    let order = JobOrder { job: JobName::Ingest, ..image_order(&asset) };
    ingester(&world).ordered(&order).await.unwrap();
    assert!(world.table.asset(asset.id()).is_ingested());
    let reads = world.calls.count("OriginalStore::get");
    ingester(&world).ordered(&order).await.unwrap();
    assert_eq!(world.calls.count("OriginalStore::get"), reads);
}

#[tokio::test]
async fn what_is_too_large_to_hash_is_read_only_as_far_as_its_type() {
    let world = World::new();
    let mut bytes = b"%PDF-1.7\n".to_vec();
    bytes.resize(3 << 20, b' ');
    let asset = sent(&world, "alice", &bytes);
    event(&world, &asset).await.unwrap();
    let done = world.table.asset(asset.id());
    assert_eq!((done.stage(), done.sha256()), (Stage::Done, None));
}

#[tokio::test]
async fn an_announced_digest_that_nobody_checked_is_not_shown() {
    let world = World::new();
    let bytes = vec![b' '; 3 << 20];
    let announced = granted(&world, "alice", |grant| {
        grant.size = SizeRange::exactly(bytes.len() as u64);
        grant.sha256 = Some(build::digest(b"something else"));
    });
    assert_eq!(announced.sha256(), None);
    world.upload(&announced, bytes);
    event(&world, &announced).await.unwrap();
    let done = world.table.asset(announced.id());
    assert_eq!((done.stage(), done.sha256()), (Stage::Done, None), "too large to be hashed here");

    // one that could be hashed was
    let checked = granted(&world, "alice", |grant| {
        grant.size = SizeRange::exactly(9);
        grant.sha256 = Some(build::digest(b"%PDF-1.7\n"));
    });
    world.upload(&checked, b"%PDF-1.7\n".to_vec());
    event(&world, &checked).await.unwrap();
    assert_eq!(world.table.asset(checked.id()).sha256(), Some(build::digest(b"%PDF-1.7\n")));
}

#[tokio::test]
async fn content_that_the_gate_does_not_take_fails_whatever_it_was_announced_as() {
    let world = World::new();
    let rules = r#"{"image": {"types": ["image/jpeg"]}, "*": {"types": []}}"#;
    let strict = || Ingester {
        gate: Gate { policy: GatePolicy::new(rules, u64::MAX, Quota::UNLIMITED).unwrap(), function: None },
        ..ingester(&world)
    };
    let send = async |content_type: &str, bytes: &[u8]| {
        let asset = granted(&world, "alice", |grant| {
            grant.size = SizeRange::exactly(bytes.len() as u64);
            grant.content_type = content_type.parse().unwrap();
        });
        world.upload(&asset, bytes.to_vec());
        strict().object_created(asset.key().as_str(), None).await.unwrap();
        world.table.asset(asset.id())
    };
    let liar = send("image/jpeg", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n").await;
    assert_eq!((liar.stage(), liar.failure_code()), (Stage::Failed, Some("type_not_allowed")));
    assert!(liar.object().is_none(), "nothing of it is linked to");
    assert!(world.originals.versions(liar.key()).is_empty(), "nor kept");
    let silent = send("application/octet-stream", GIF).await;
    assert_eq!(silent.failure_code(), Some("type_not_allowed"));
    let honest = send("image/jpeg", b"\xff\xd8\xff\xe0").await;
    assert_ne!(honest.failure_code(), Some("type_not_allowed"));
}

#[tokio::test]
async fn files_that_lie_about_their_type_are_neither_kept_nor_linked_to_nor_copied() {
    let world = World::new();
    let rules = r#"{"image": {"types": ["image/jpeg", "image/png"]}, "document": {"types": ["application/pdf"]},
                    "*": {"types": []}}"#;
    let gate = || Gate { policy: GatePolicy::new(rules, 1_000, Quota::UNLIMITED).unwrap(), function: None };
    let lies: [(&str, &[u8]); 7] = [
        ("application/pdf", b"PK\x03\x04\x14\0\0\0\x08\0"),
        ("image/png", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"),
        ("image/png", b"\x7fELF\x02\x01\x01\0"),
        ("image/jpeg", b"MZ\x90\0\x03\0\0\0"),
        ("application/pdf", b"#!/bin/sh\n# %PDF-1.7\n"),
        ("application/pdf", b"<!DOCTYPE html><script>alert(1)</script>"),
        ("image/png", b"\x01\x02\x03 nothing that is known"),
    ];
    for (content_type, bytes) in lies {
        // kept before the rules were these
        let kept = sent(&world, "alice", bytes);
        event(&world, &kept).await.unwrap();
        if !world.table.asset(kept.id()).jobs().is_empty() {
            converted(&world, &kept);
        }
        assert_eq!(world.table.asset(kept.id()).stage(), Stage::Done);
        let liar = granted(&world, "alice", |grant| {
            grant.size = SizeRange::exactly(bytes.len() as u64);
            grant.content_type = content_type.parse().unwrap();
        });
        world.upload(&liar, bytes.to_vec());
        let strict = Ingester { gate: gate(), ..ingester(&world) };
        strict.object_created(liar.key().as_str(), None).await.unwrap();
        let liar = world.table.asset(liar.id());
        assert_eq!(
            (liar.stage(), liar.failure_code()),
            (Stage::Failed, Some("type_not_allowed")),
            "{content_type}"
        );
        assert_eq!((liar.object(), liar.duplicate_of(), liar.usage().stored_bytes), (None, None, 0));
        assert!(world.originals.versions(liar.key()).is_empty());
    }
}

#[tokio::test]
async fn the_limit_of_what_a_file_is_counts_and_not_of_what_it_was_said_to_be() {
    let world = World::new();
    let rules = r#"{"image": {"max_bytes": 10}}"#;
    let asset = sent(&world, "alice", GIF);
    let gate = Gate { policy: GatePolicy::new(rules, 1_000, Quota::UNLIMITED).unwrap(), function: None };
    let strict = Ingester { gate, ..ingester(&world) };
    strict.object_created(asset.key().as_str(), None).await.unwrap();
    assert_eq!(world.table.asset(asset.id()).failure_code(), Some("file_too_large"));
    assert!(world.originals.versions(asset.key()).is_empty());
}

#[tokio::test]
async fn the_operators_function_is_asked_of_the_content_and_again_while_it_fails() {
    let world = World::new();
    let with = |function: &MemoryGate| {
        let gate = Gate { policy: GatePolicy::default(), function: Some(function.clone()) };
        Ingester { gate, ..ingester(&world) }
    };
    let asset = sent(&world, "alice", GIF);
    let key = asset.key().as_str();
    let failing = with(&MemoryGate::failing()).object_created(key, None).await;
    assert!(failing.unwrap_err().kind().is_transient());
    assert!(!world.table.asset(asset.id()).is_ingested());
    let refusing =
        MemoryGate::answering(GateAnswer { reason: Some("no".to_owned()), ..GateAnswer::default() });
    with(&refusing).object_created(key, None).await.unwrap();
    assert_eq!(world.table.asset(asset.id()).failure_code(), Some("refused"));
    let asked = &refusing.asked()[0];
    assert_eq!((&asked["phase"], &asked["content_type"]), (&"content".into(), &"image/gif".into()));
    assert_eq!((&asked["size"], &asked["folder"]), (&GIF.len().into(), &"users/alice".into()));
}

#[test]
fn the_gate_knows_each_content_as_the_kind_that_it_was_read_as() {
    for head in [
        &b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"[..],
        b"PK\x03\x04",
        b"\x7fELF",
        b"<html>",
        b"text",
        b"\x1F\x8B\x08",
        b"{\\rtf",
        b"%PDF-",
        b"GIF89a",
        b"fLaC",
        b"FLV\x01",
        b"7z\xBC\xAF\x27\x1C",
        b"Rar!\x1A\x07",
        b"\xFD7zXZ\0",
        b"\x28\xB5\x2F\xFD",
        b"\0",
    ] {
        let sniffed = sluice_media::sniff::sniff(head);
        let kind = Kind::of(&sniffed.content_type.parse().unwrap());
        assert_eq!(kind, sluice_process::image::kind(sniffed.kind), "{}", sniffed.content_type);
    }
}
