//! What an owner has is exactly the sum of the assets, and within the quota after every grant and every arrival, in whatever
//! order uploads of said and unsaid size are opened, replaced, called off, forgotten, and bytes of whatever size come.
#![expect(clippy::unwrap_used, reason = "in a test a panic is how a fault is told")]

use std::time::Duration;

use sluice_core::{
    asset::{Asset, Event, Overdue, Placement},
    change,
    gate::{Gate, GatePolicy, Terms},
    intake::{Intake, Opening},
    names::Folder,
    ports::AssetRepository,
    upload::{Parts, SizeRange},
    usage::{Quota, Usage},
};
use sluice_media::limits::Limits;
use sluice_process::ingest::{Ingester, ReadLimits};
use sluice_testing::{MemoryGate, World, build, simulator::Chance};

const SEEDS: u64 = 300;
const STEPS: usize = 60;
const QUOTA: Quota = Quota { open_uploads: Some(4), stored_bytes: Some(100) };

/// Opens an upload by one of the ways that doors do, of a new asset or of a further version.
async fn open(world: &World, chance: &Chance, updated: Option<Asset>) {
    let owner = build::owner("alice");
    let bytes = chance.below(60);
    let (size, opening) = match chance.below(4) {
        0 => (SizeRange::exactly(bytes), Opening::Direct(build::GRANT_TTL)),
        1 => (
            SizeRange::exactly(bytes),
            Opening::Multipart(Parts { size: bytes, part_size: 60, num_parts: 1 }),
        ),
        2 => (SizeRange::at_most(1_000), Opening::Direct(build::GRANT_TTL)),
        _ => (SizeRange::at_most(1_000), Opening::OpenMultipart),
    };
    let terms = Terms {
        filename: "a.txt".parse().unwrap(),
        size,
        content_type: "text/plain".parse().unwrap(),
        sha256: None,
        placement: Placement::of_folder(Folder::of_user(&owner)),
        quota: QUOTA,
        made: None,
    };
    let (table, originals) = (world.table.clone(), world.originals.clone());
    let intake = Intake { table, originals, clock: world.clock.clone(), ids: world.ids.clone() };
    let opened = match updated {
        None => intake.open(&owner, &terms, opening).await,
        Some(asset) => intake.open_update(asset, &terms, opening).await,
    };
    if let Err(error) = opened {
        assert!(["quota_exceeded", "too_many_uploads", "asset_busy"].contains(&error.code()), "{error:?}");
    }
}

/// Bytes come by an asset's grant, of whatever size, as S3 lets them in by a multipart upload.
async fn arrive(world: &World, asset: &Asset, bytes: usize, number: usize) {
    let Some(grant) = asset.grant() else { return };
    let content = format!("{number:>bytes$}");
    world.originals.put(asset.key(), content[..bytes.min(content.len())].to_owned(), grant.version);
    let ingester = Ingester {
        table: world.table.clone(),
        originals: world.originals.clone(),
        convert: world.queue.clone(),
        later: world.queue.clone(),
        clock: world.clock.clone(),
        limits: ReadLimits { hash_bytes: 1 << 20, image_bytes: 1 << 20, decode: Limits::for_memory(1 << 30) },
        gate: Gate { policy: GatePolicy::default(), function: None::<MemoryGate> },
        required: false,
    };
    ingester.object_created(asset.key().as_str(), None).await.unwrap();
    let now = world.table.asset(asset.id());
    if let Some("quota_exceeded" | "size_mismatch") = now.failure_code() {
        assert!(
            now.object().is_none() && world.originals.versions(asset.key()).is_empty(),
            "it is let go of"
        );
    }
}

#[tokio::test]
async fn usage_is_the_exact_sum_and_within_the_quota_whatever_comes() {
    let mut refused = 0;
    for seed in 0..SEEDS {
        let (world, chance) = (World::new(), Chance::of_seed(seed));
        for step in 0..STEPS {
            let assets = world.table.assets();
            let some = (!assets.is_empty()).then(|| chance.pick(&assets).clone());
            match (chance.below(8), some) {
                (0..3, _) | (_, None) => open(&world, &chance, None).await,
                (3, Some(asset)) => open(&world, &chance, Some(asset)).await,
                (4, Some(asset)) => {
                    let _ =
                        change::apply_to(&*world.table, &world.clock, asset, &Event::UploadCancelled).await;
                }
                (5, Some(asset)) => {
                    world.clock.advance(Duration::from_mins(12));
                    let found = Overdue { begun: chance.one_in(2), backlog: false };
                    change::apply_to(&*world.table, &world.clock, asset, &Event::DeadlinePassed(found))
                        .await
                        .unwrap();
                }
                (_, Some(asset)) => {
                    let said = asset.grant().and_then(|grant| grant.size.exact());
                    let bytes = said.filter(|_| !chance.one_in(4)).unwrap_or_else(|| chance.below(90));
                    arrive(&world, &asset, usize::try_from(bytes).unwrap(), step).await;
                }
            }
            let assets = world.table.assets();
            let sum = assets.iter().map(Asset::usage).fold(Usage::default(), |sum, usage| Usage {
                open_uploads: sum.open_uploads + usage.open_uploads,
                stored_bytes: sum.stored_bytes + usage.stored_bytes,
            });
            let usage = world.table.usage(&build::owner("alice")).await.unwrap();
            assert_eq!(usage, sum, "seed {seed}, step {step}");
            assert!(
                usage.stored_bytes <= 100 && usage.open_uploads <= 4,
                "seed {seed}, step {step}: {usage:?}"
            );
        }
        refused += world
            .table
            .assets()
            .iter()
            .filter(|asset| asset.failure_code() == Some("quota_exceeded"))
            .count();
    }
    assert!(refused > 0, "some came too much");
}
