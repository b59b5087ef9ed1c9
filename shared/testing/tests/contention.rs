//! What writers of one owner do when they meet at that owner's usage.
#![expect(clippy::unwrap_used, reason = "in tests a panic is how a fault is told")]

use std::time::Duration;

use sluice_core::{
    Result,
    asset::{Asset, Event, Placement},
    change,
    gate::Terms,
    ids::OwnerId,
    intake::{Intake, Opening},
    names::Folder,
    ports::{AssetRepository, Clock, Saved},
    upload::{MIN_PART_SIZE, Parts, SizeRange},
    usage::{Quota, Usage, UsageChange},
};
use sluice_testing::{World, build};

/// More tries than anybody's patience lasts.
const ENDLESS: usize = 1_000_000;

async fn open(world: &World, owner: &OwnerId, opening: Opening) -> Result<Asset> {
    let terms = Terms {
        filename: "photo.jpg".parse().unwrap(),
        size: SizeRange::exactly(build::SIZE),
        content_type: "image/jpeg".parse().unwrap(),
        sha256: None,
        placement: Placement::of_folder(Folder::of_user(owner)),
        quota: Quota { open_uploads: Some(5), ..Quota::UNLIMITED },
        made: None,
    };
    let intake = Intake {
        table: world.table.clone(),
        originals: world.originals.clone(),
        clock: world.clock.clone(),
        ids: world.ids.clone(),
    };
    intake.open(owner, &terms, opening).await
}

const DIRECT: Opening = Opening::Direct(Duration::from_mins(15));

#[tokio::test]
async fn a_write_that_others_are_in_the_way_of_writes_and_counts_nothing() {
    let world = World::new();
    let (now, alice) = (world.clock.now(), build::owner("alice"));
    let asset = build::asset(sluice_testing::CountingIds::nth(1), "alice", build::grant(now), now);
    let create = async || world.table.create(&asset, &Quota::UNLIMITED).await.unwrap();
    world.table.contend(2);
    assert_eq!([create().await, create().await], [Saved::Contended; 2]);
    assert_eq!(world.table.get(asset.id()).await.unwrap(), None);
    assert_eq!(world.table.usage(&alice).await.unwrap(), Usage::default());
    assert_eq!(create().await, Saved::Yes);

    let ended = asset.apply(&Event::UploadCancelled, now).unwrap();
    world.table.contend(1);
    let save = async |usage| world.table.save(&ended.asset, usage, &Quota::UNLIMITED).await.unwrap();
    assert_eq!(save(ended.usage).await, Saved::Contended);
    assert_eq!(world.table.asset(asset.id()), asset);
    world.table.contend(1);
    assert_eq!(
        save(UsageChange::NONE).await,
        Saved::Yes,
        "what counts for nothing meets nobody at the usage"
    );
}

#[tokio::test]
async fn an_upload_opens_once_the_others_have_made_way() {
    let world = World::new();
    let (begun, alice) = (world.clock.now(), build::owner("alice"));
    world.table.contend(7);
    let asset = open(&world, &alice, DIRECT).await.unwrap();
    assert_eq!(world.table.asset(asset.id()), asset);
    assert_eq!(world.table.usage(&alice).await.unwrap().open_uploads, 1);
    assert_eq!(world.calls.count("AssetRepository::create"), 8);
    let waited = begun.until(world.clock.now());
    assert_eq!(waited, Duration::from_millis(10 + 20 + 40 + 80 + 160 + 320 + 500));
}

#[tokio::test]
async fn a_change_is_saved_once_the_others_have_made_way() {
    let world = World::new();
    let asset = open(&world, &build::owner("alice"), DIRECT).await.unwrap();
    world.calls.reset();
    world.table.contend(20);
    let ended = change::apply(&world.table, &world.clock, asset.id(), &Event::UploadCancelled).await.unwrap();
    assert_eq!(world.table.asset(asset.id()), ended.asset);
    assert_eq!(world.table.usage(&build::owner("alice")).await.unwrap(), Usage::default());
    assert_eq!(world.calls.count("AssetRepository::get"), 1, "contention alone is no reason to read again");
}

#[tokio::test]
async fn whoever_meets_others_for_too_long_is_told_to_come_back_and_holds_nothing() {
    let world = World::new();
    let (begun, alice) = (world.clock.now(), build::owner("alice"));
    world.table.contend(ENDLESS);
    let parts = Parts { size: 3 * MIN_PART_SIZE, part_size: MIN_PART_SIZE, num_parts: 3 };
    let refused = open(&world, &alice, Opening::Multipart(parts)).await.unwrap_err();
    assert_eq!(refused.code(), "busy");
    assert_eq!(begun.until(world.clock.now()), Duration::from_secs(20), "within a request's 29 s");
    assert_eq!(world.table.assets(), []);
    assert_eq!(world.calls.count("MultipartStore::abort"), 1, "the upload that nothing records is freed");
}

#[tokio::test]
async fn a_quota_that_was_used_up_meanwhile_is_told_as_such() {
    let world = World::new();
    let alice = build::owner("alice");
    for _ in 0..4 {
        open(&world, &alice, DIRECT).await.unwrap();
    }
    world.table.contend(1);
    let table = world.table.clone();
    let now = world.clock.now();
    world.calls.before("AssetRepository::create", 2, move || {
        let fifth = build::asset(sluice_testing::CountingIds::nth(99), "alice", build::grant(now), now);
        let created = futures_util::FutureExt::now_or_never(sluice_testing::MemoryTable::create(
            &table,
            &fifth,
            &Quota::UNLIMITED,
        ));
        assert_eq!(created.unwrap().unwrap(), Saved::Yes);
    });
    assert_eq!(open(&world, &alice, DIRECT).await.unwrap_err().code(), "too_many_uploads");
}
