//! What one image costs in calls, from the grant to `done`: counted at the ports, each of whose calls is one request to
//! AWS (a part list is one for every 1,000 parts). The numbers are constant; a change of them is a change of the bill,
//! and so of README.md. The stream's share isn't in them: per change one query for connections and one push for each.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use sluice_convert::{engine::Engine, work::Worker};
use sluice_core::{
    asset::{Asset, Stage},
    finish::{Completion, Finisher},
    gate::{Gate, GatePolicy, Principal, Roots, Wish},
    intake::{Intake, Wanted},
    ports::{JobOrder, MultipartStore},
    upload::{MIN_PART_SIZE, PartChoice, PartTag, UploadPolicy},
};
use sluice_media::{derive::Profile, limits::Limits};
use sluice_presign::grant::{Granted, Granter};
use sluice_process::ingest::{Ingester, ReadLimits};
use sluice_testing::{MemoryGate, World, build};

const PHOTO: &[u8] = include_bytes!("../../e2e/data/photo-12mp-exif6-gps.jpg");

struct Flow {
    world: World,
}

impl Flow {
    async fn grant(&self, bytes: usize) -> Granted {
        let world = self.world.clone();
        let intake =
            Intake { table: world.table, originals: world.originals, clock: world.clock, ids: world.ids };
        let granter = Granter {
            intake,
            gate: Gate { policy: GatePolicy::default(), function: None::<MemoryGate> },
            signer: world.uploads,
            links: world.links,
            policy: UploadPolicy::default(),
        };
        let wish = Wish {
            filename: Some("photo.jpg".to_owned()),
            size: Some(bytes as u64),
            content_type: Some("image/jpeg".to_owned()),
            ..Wish::default()
        };
        let wanted = Wanted { wish, asset_id: None };
        let alice = Principal { owner: build::owner("alice"), roots: Roots::default() };
        Box::pin(granter.grant(&alice, wanted, PartChoice::default())).await.expect("a grant")
    }

    async fn complete(&self, completion: &Completion) -> Asset {
        let world = self.world.clone();
        let finisher = Finisher {
            table: world.table,
            originals: world.originals,
            ingest: world.queue,
            clock: world.clock,
        };
        finisher.complete(&build::owner("alice"), completion).await.expect("a completion")
    }

    /// S3's event, the conversion, and the insurance that comes when all is done.
    async fn work(&self, asset: &Asset) -> Asset {
        let world = &self.world;
        let decode = Limits::for_memory(1 << 30);
        let ingester = Ingester {
            table: world.table.clone(),
            originals: world.originals.clone(),
            convert: world.queue.clone(),
            later: world.queue.clone(),
            clock: world.clock.clone(),
            limits: ReadLimits { hash_bytes: 1 << 30, image_bytes: 1 << 27, decode },
            gate: Gate { policy: GatePolicy::default(), function: None::<MemoryGate> },
            required: false,
        };
        let worker = Worker {
            table: world.table.clone(),
            originals: world.originals.clone(),
            derived: world.derived.clone(),
            clock: world.clock.clone(),
            maker: Engine { profile: Profile::default(), limits: decode },
            lease: Duration::from_secs(90),
        };
        let insurance: Vec<JobOrder> = world.queue.drain();
        ingester.object_created(asset.key().as_str(), None).await.expect("an ingest");
        for order in world.queue.drain() {
            worker.work(&order, "message").await.expect("a conversion");
        }
        for order in insurance {
            ingester.ordered(&order).await.expect("nothing to do");
        }
        world.table.asset(asset.id())
    }

    fn counts(&self, title: &str) -> BTreeMap<&'static str, usize> {
        let mut services = BTreeMap::new();
        println!("{title}");
        for (method, count) in self.world.calls.counts() {
            let service = match method.split("::").next() {
                Some("AssetRepository" | "ContentIndex") => "DynamoDB",
                Some("OriginalStore" | "MultipartStore" | "DerivedStore") => "S3",
                Some("JobQueue") => "SQS",
                // signing calls nothing
                _ => continue,
            };
            println!("  {count} × {method}");
            *services.entry(service).or_default() += count;
        }
        println!("  = {services:?}");
        services
    }
}

#[tokio::test]
async fn a_photo_by_one_put() {
    let flow = Flow { world: World::new() };
    let Granted::Direct { upload, .. } = flow.grant(PHOTO.len()).await else { panic!("one PUT") };
    let asset = flow.world.table.asset(upload.asset_id);
    flow.world.upload(&asset, PHOTO);
    flow.complete(&Completion { object_key: Some(upload.key.to_string()), version: None, upload: None })
        .await;
    assert_eq!(flow.work(&asset).await.stage(), Stage::Done);
    let counts = flow.counts("a photo by one PUT");
    assert_eq!(counts, BTreeMap::from([("DynamoDB", 10), ("S3", 7), ("SQS", 2)]));
}

#[tokio::test]
async fn a_photo_in_three_parts() {
    let flow = Flow { world: World::new() };
    let part = usize::try_from(MIN_PART_SIZE).expect("it fits");
    // bytes after a JPEG's end belong to no decoder
    let bytes = Bytes::from([PHOTO, &vec![0; 2 * part + 1 - PHOTO.len()][..]].concat());
    let Granted::Multipart { upload, upload_id, parts, .. } = flow.grant(bytes.len()).await else {
        panic!("parts")
    };
    let tag = |number: u16| {
        let start = usize::from(number - 1) * part;
        let body = bytes.slice(start..bytes.len().min(start + part));
        let etag = flow.world.originals.write_part(upload.key.as_str(), &upload_id, number, body);
        PartTag { number, etag: etag.expect("a part") }
    };
    let tags = (1..=parts.num_parts).map(tag).collect();
    assert!(flow.world.originals.list_parts(&upload.key, &upload_id).await.is_ok());
    flow.world.calls.reset();
    let completion = Completion {
        object_key: Some(upload.key.to_string()),
        version: None,
        upload: Some((upload_id, tags)),
    };
    let asset = flow.complete(&completion).await;
    assert_eq!(flow.work(&asset).await.stage(), Stage::Done);
    let counts = flow.counts("a photo in three parts, after its grant");
    assert_eq!(counts, BTreeMap::from([("DynamoDB", 9), ("S3", 9), ("SQS", 2)]));
}
