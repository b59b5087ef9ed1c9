//! Finishing uploads, on ports in memory: every answer may be lost, every request repeated, anything may be late.
#![expect(clippy::unwrap_used, reason = "in a test a panic is how a fault is told")]

use bytes::Bytes;
use sluice_core::{
    ErrorKind,
    asset::{Asset, Event, Grant, GrantMode, Stage},
    finish::{Completion, Finisher},
    ids::UploadId,
    ports::{Clock, MultipartStore},
    upload::{MIN_PART_SIZE, PartTag, SizeRange},
};
use sluice_testing::{FixedClock, MemoryOriginals, MemoryQueue, MemoryTable, Probe, When, World, build};

type Memory = Finisher<Probe<MemoryTable>, Probe<MemoryOriginals>, Probe<MemoryQueue>, FixedClock>;

fn finisher(world: &World) -> Memory {
    Finisher {
        table: world.table.clone(),
        originals: world.originals.clone(),
        ingest: world.queue.clone(),
        clock: world.clock.clone(),
    }
}

fn direct(asset: &Asset) -> Completion {
    Completion { object_key: Some(asset.key().to_string()), version: None, upload: None }
}

/// An upload of three parts of which all are there.
struct Multipart {
    asset: Asset,
    upload_id: UploadId,
    tags: Vec<PartTag>,
}

impl Multipart {
    async fn begin(world: &World) -> Self {
        let asset = world.granted("alice");
        let content_type = "image/jpeg".parse().unwrap();
        let upload_id = world.originals.create(asset.key(), &content_type, asset.version()).await.unwrap();
        let grant = build::multipart_grant(world.clock.now(), &upload_id, 3);
        let asset = build::asset(asset.id(), "alice", grant, world.clock.now());
        world.table.put(&asset);
        let mut tags = Vec::new();
        for number in 1..=3 {
            let size = if number == 3 { 1 } else { usize::try_from(MIN_PART_SIZE).unwrap() };
            let bytes = Bytes::from(vec![b'x'; size]);
            let etag = world.originals.write_part(asset.key().as_str(), &upload_id, number, bytes).unwrap();
            tags.push(PartTag { number, etag });
        }
        Self { asset, upload_id, tags }
    }

    /// The same where the client chose the parts, up to `most` bytes.
    async fn begin_open(world: &World, most: u64) -> Self {
        let mut upload = Self::begin(world).await;
        let mode = GrantMode::OpenMultipart { upload_id: upload.upload_id.clone() };
        let grant = Grant { mode, size: SizeRange::at_most(most), ..build::grant(world.clock.now()) };
        upload.asset = build::asset(upload.asset.id(), "alice", grant, world.clock.now());
        world.table.put(&upload.asset);
        upload
    }

    fn completion(&self) -> Completion {
        let upload = Some((self.upload_id.clone(), self.tags.clone()));
        Completion { object_key: Some(self.asset.key().to_string()), version: None, upload }
    }
}

async fn code(world: &World, owner: &str, completion: &Completion) -> &'static str {
    match finisher(world).complete(&build::owner(owner), completion).await {
        Ok(asset) => {
            assert!(asset.object().is_some());
            "ok"
        }
        Err(error) => error.code(),
    }
}

#[tokio::test]
async fn a_put_is_complete_once_its_bytes_are_there() {
    let world = World::new();
    let asset = world.granted("alice");
    let early = finisher(&world).complete(&build::owner("alice"), &direct(&asset)).await.unwrap_err();
    assert_eq!(early.code(), "upload_incomplete");
    assert!(
        early.message().contains("1000 were granted"),
        "{}: S3 doesn't say why it refuses others",
        early.message()
    );
    world.upload(&asset, vec![0; 1000]);
    assert_eq!(code(&world, "bob", &direct(&asset)).await, "asset_not_found");
    assert_eq!(code(&world, "alice", &direct(&asset)).await, "ok");
    assert_eq!(world.table.asset(asset.id()).stage(), Stage::Processing);
    assert_eq!(world.queue.orders().len(), 1, "the reading is ordered, should S3's event not come");
    assert_eq!(code(&world, "alice", &direct(&asset)).await, "ok", "a repeat gives the same");
    assert_eq!(world.table.asset(asset.id()).revision(), 2);
}

#[tokio::test]
async fn parts_are_stitched_and_a_repeat_gives_the_same() {
    let world = World::new();
    let upload = Multipart::begin(&world).await;
    for _ in 0..3 {
        assert_eq!(code(&world, "alice", &upload.completion()).await, "ok");
    }
    let asset = world.table.asset(upload.asset.id());
    assert_eq!((asset.revision(), asset.size()), (2, 2 * MIN_PART_SIZE + 1));
    assert_eq!(world.originals.versions(asset.key()).len(), 1);
    assert_eq!(world.calls.count("MultipartStore::complete"), 1);
}

#[tokio::test]
async fn the_id_of_the_upload_is_enough_to_complete_it() {
    let world = World::new();
    let upload = Multipart::begin(&world).await;
    let by_id = || Completion { object_key: None, ..upload.completion() };
    assert_eq!(code(&world, "bob", &by_id()).await, "upload_not_found");
    for _ in 0..2 {
        assert_eq!(code(&world, "alice", &by_id()).await, "ok");
    }
    let unknown = Completion { upload: Some(("another".parse().unwrap(), upload.tags.clone())), ..by_id() };
    assert_eq!(code(&world, "alice", &unknown).await, "upload_not_found");
    let nothing = Completion { upload: None, ..by_id() };
    assert_eq!(code(&world, "alice", &nothing).await, "invalid_field", "of one PUT the key is needed");
}

#[tokio::test]
async fn a_lost_answer_of_s3_or_of_the_table_is_made_good_by_the_repeat() {
    for (method, nth) in [
        ("MultipartStore::complete", 1),
        ("OriginalStore::head", 1),
        ("AssetRepository::save", 1),
        ("JobQueue::enqueue", 1),
    ] {
        for when in [When::Before, When::After] {
            let world = World::new();
            let upload = Multipart::begin(&world).await;
            world.calls.fail(method, nth, when, ErrorKind::Unavailable);
            // a write whose answer was lost is known by what is stored
            let known = (method, when) == ("AssetRepository::save", When::After);
            let first = if known { "ok" } else { "unavailable" };
            assert_eq!(code(&world, "alice", &upload.completion()).await, first, "{method} {when:?}");
            assert_eq!(code(&world, "alice", &upload.completion()).await, "ok", "{method} {when:?}");
            assert_eq!(world.table.asset(upload.asset.id()).stage(), Stage::Processing);
            assert_eq!(world.originals.versions(upload.asset.key()).len(), 1);
        }
    }
}

#[tokio::test]
async fn two_clients_at_once_both_get_the_finished_upload() {
    let world = World::new();
    let upload = Multipart::begin(&world).await;
    let finisher = finisher(&world);
    let (owner, completion) = (build::owner("alice"), upload.completion());
    let (one, two) =
        tokio::join!(finisher.complete(&owner, &completion), finisher.complete(&owner, &completion));
    assert!(one.is_ok() && two.is_ok(), "{one:?} {two:?}");
    assert_eq!(world.table.asset(upload.asset.id()).revision(), 2);
}

#[tokio::test]
async fn a_list_that_is_not_the_upload_is_refused_and_the_upload_stays_open() {
    let world = World::new();
    let upload = Multipart::begin(&world).await;
    let with = |change: fn(&mut Vec<PartTag>)| {
        let mut completion = upload.completion();
        change(&mut completion.upload.as_mut().unwrap().1);
        completion
    };
    for (completion, expected) in [
        (with(|parts| drop(parts.pop())), "parts_missing"),
        (with(|parts| parts.swap(0, 1)), "parts_out_of_order"),
        (with(|parts| parts[1] = parts[0].clone()), "parts_repeated"),
        (with(|parts| parts[2].number = 4), "parts_unknown"),
        (with(|parts| parts[0].etag = "wrong".parse().unwrap()), "part_etag_mismatch"),
    ] {
        assert_eq!(code(&world, "alice", &completion).await, expected);
    }
    let number = 2;
    let short = world.originals.write_part(
        upload.asset.key().as_str(),
        &upload.upload_id,
        number,
        Bytes::from_static(b"x"),
    );
    let mut completion = upload.completion();
    completion.upload.as_mut().unwrap().1[1].etag = short.unwrap();
    assert_eq!(code(&world, "alice", &completion).await, "part_size_mismatch");
    assert_eq!(
        code(&world, "alice", &direct(&upload.asset)).await,
        "invalid_field",
        "the upload's id is missing"
    );
    assert_eq!(world.table.asset(upload.asset.id()), upload.asset, "nothing changed");
}

#[tokio::test]
async fn parts_are_listed_for_their_owner_while_the_upload_is_open() {
    let world = World::new();
    let upload = Multipart::begin(&world).await;
    let finisher = finisher(&world);
    let (alice, bob) = (build::owner("alice"), build::owner("bob"));
    let (id, key) = (upload.upload_id.as_str(), upload.asset.key().as_str());
    let parts = finisher.parts(&alice, id, key).await.unwrap();
    assert_eq!(
        parts.iter().map(|part| (part.number, part.size)).collect::<Vec<_>>(),
        [(1, MIN_PART_SIZE), (2, MIN_PART_SIZE), (3, 1)]
    );
    for (owner, id, key) in [(&bob, id, key), (&alice, "other", key), (&alice, id, "users/alice/x")] {
        assert_eq!(finisher.parts(owner, id, key).await.unwrap_err().code(), "upload_not_found");
    }
    finisher.complete(&alice, &upload.completion()).await.unwrap();
    assert_eq!(finisher.parts(&alice, id, key).await.unwrap_err().code(), "upload_not_found");
}

#[tokio::test]
async fn a_cancel_frees_the_parts_ends_the_asset_and_may_be_repeated() {
    let world = World::new();
    let upload = Multipart::begin(&world).await;
    let finisher = finisher(&world);
    let (alice, bob) = (build::owner("alice"), build::owner("bob"));
    let (id, key) = (upload.upload_id.as_str(), upload.asset.key().as_str());
    assert_eq!(finisher.cancel(&bob, id, key).await.unwrap_err().code(), "upload_not_found");
    for _ in 0..2 {
        finisher.cancel(&alice, id, key).await.unwrap();
    }
    assert!(world.originals.open_uploads().is_empty());
    assert!(world.table.asset(upload.asset.id()).is_cancelled());
    assert_eq!(code(&world, "alice", &upload.completion()).await, "upload_cancelled");
}

#[tokio::test]
async fn a_cancel_after_the_stitching_changes_nothing_even_if_the_record_does_not_know_yet() {
    let world = World::new();
    let upload = Multipart::begin(&world).await;
    let finisher = finisher(&world);
    let alice = build::owner("alice");
    let (id, key) = (upload.upload_id.as_str(), upload.asset.key().as_str());
    world.calls.fail("AssetRepository::save", 1, When::Before, ErrorKind::Unavailable);
    assert!(finisher.complete(&alice, &upload.completion()).await.is_err());
    assert_eq!(finisher.cancel(&alice, id, key).await.unwrap_err().code(), "already_uploaded");
    finisher.complete(&alice, &upload.completion()).await.unwrap();
    assert_eq!(finisher.cancel(&alice, id, key).await.unwrap_err().code(), "already_uploaded");
    assert_eq!(world.originals.versions(upload.asset.key()).len(), 1);
}

#[tokio::test]
async fn an_upload_that_s3_has_aborted_is_gone_and_never_complete() {
    let world = World::new();
    let upload = Multipart::begin(&world).await;
    world.originals.abort(upload.asset.key(), &upload.upload_id).await.unwrap();
    assert_eq!(code(&world, "alice", &upload.completion()).await, "upload_gone");
    assert_eq!(world.table.asset(upload.asset.id()).stage(), Stage::Uploading);
}

#[tokio::test]
async fn the_event_may_be_first() {
    let world = World::new();
    let upload = Multipart::begin(&world).await;
    let key = upload.asset.key();
    world.originals.complete(key, &upload.upload_id, &upload.tags, None).await.unwrap();
    let head = world.originals.versions(key)[0].clone();
    world.apply(upload.asset.id(), &Event::UploadArrived(Box::new(build::stored(&upload.asset, &head))));
    assert_eq!(code(&world, "alice", &upload.completion()).await, "ok");
}

#[tokio::test]
async fn what_names_neither_version_nor_upload_is_no_completion_of_parts() {
    let world = World::new();
    let asset = world.granted("alice");
    world.apply(asset.id(), &Event::UploadCancelled);
    let version = asset.version().next();
    let content_type = "image/jpeg".parse().unwrap();
    let upload_id = world.originals.create(asset.key(), &content_type, version).await.unwrap();
    let grant = Grant { version, ..build::multipart_grant(world.clock.now(), &upload_id, 1) };
    let asset = world.apply(asset.id(), &Event::UpdateGranted(Box::new(grant)));
    let etag =
        world.originals.write_part(asset.key().as_str(), &upload_id, 1, Bytes::from_static(b"x")).unwrap();
    let parts = vec![PartTag { number: 1, etag }];
    let in_parts = Completion { upload: Some((upload_id, parts)), ..direct(&asset) };
    assert_eq!(code(&world, "alice", &in_parts).await, "ok");
    assert_eq!(code(&world, "alice", &direct(&asset)).await, "version_superseded", "it is of the first PUT");
    assert_eq!(code(&world, "alice", &in_parts).await, "ok");
}

#[tokio::test]
async fn parts_of_the_clients_own_choice_are_stitched_as_listed() {
    let world = World::new();
    let upload = Multipart::begin_open(&world, 2 * MIN_PART_SIZE + 1).await;
    let mut gaps = upload.completion();
    gaps.upload.as_mut().unwrap().1.swap(0, 1);
    let complete = async |completion: &Completion| {
        finisher(&world).complete(&build::owner("alice"), completion).await.map_err(|error| error.code())
    };
    assert_eq!(complete(&gaps).await.unwrap_err(), "parts_out_of_order");
    let asset = complete(&upload.completion()).await.unwrap();
    assert_eq!((asset.stage(), asset.size()), (Stage::Processing, 2 * MIN_PART_SIZE + 1));
    assert_eq!(complete(&upload.completion()).await.unwrap(), asset, "a repeat gives the same");
}

#[tokio::test]
async fn more_bytes_than_an_open_upload_was_granted_are_never_stitched() {
    let world = World::new();
    let upload = Multipart::begin_open(&world, 2 * MIN_PART_SIZE).await;
    let refused = finisher(&world).complete(&build::owner("alice"), &upload.completion()).await;
    assert_eq!(refused.unwrap_err().code(), "size_mismatch");
    let mut none = upload.completion();
    none.upload.as_mut().unwrap().1.clear();
    let refused = finisher(&world).complete(&build::owner("alice"), &none).await;
    assert_eq!(refused.unwrap_err().code(), "parts_missing");
    assert_eq!(world.table.asset(upload.asset.id()).stage(), Stage::Uploading);
}
