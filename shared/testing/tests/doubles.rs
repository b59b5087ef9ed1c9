//! The doubles keep the contracts of their ports.

use sluice_core::{
    gate::GateAnswer,
    ids::ConnectionId,
    ports::{Clock, MultipartStore, Stitched, UploadSigner},
    upload::PartTag,
};
use sluice_testing::{Browser, MemoryGate, MemoryOriginals, MemoryTable, World, contracts};

#[tokio::test]
async fn assets() {
    contracts::asset_repository_contract(&MemoryTable::default()).await;
}

#[tokio::test]
async fn contents() {
    contracts::content_index_contract(&MemoryTable::default()).await;
}

#[tokio::test]
async fn tickets() {
    contracts::ticket_repository_contract(&MemoryTable::default()).await;
}

#[tokio::test]
async fn connections() {
    contracts::connection_repository_contract(&MemoryTable::default()).await;
}

#[tokio::test]
async fn upload_jobs() {
    contracts::upload_job_repository_contract(&World::new().jobs).await;
}

#[tokio::test]
async fn tasks() {
    contracts::task_repository_contract(&World::new().tasks).await;
}

#[tokio::test]
async fn requests_with_a_key() {
    contracts::idempotency_repository_contract(&World::new().keys, "a name").await;
}

#[tokio::test]
async fn gate() {
    let answer = GateAnswer { allow: true, max_bytes: Some(5), ..GateAnswer::default() };
    let (allowing, failing) = (MemoryGate::answering(answer), MemoryGate::failing());
    contracts::gate_function_contract(&allowing, &failing).await;
}

#[tokio::test]
async fn originals() {
    let world = World::new();
    contracts::original_store_contract(&world.originals, &world.uploads, &world.browser, &world.clock).await;
}

#[tokio::test]
async fn uploads() {
    let world = World::new();
    contracts::upload_signer_contract(&world.originals, &world.uploads, &world.browser, &world.clock).await;
}

#[tokio::test]
async fn forms() {
    let world = World::new();
    contracts::upload_form_contract(&world.originals, &world.uploads, &world.browser, &world.clock).await;
}

#[tokio::test]
async fn clients_own_multipart_uploads() {
    let world = World::new();
    contracts::client_multipart_contract(&world.originals, &world.uploads, &world.browser, &world.clock)
        .await;
}

#[tokio::test]
async fn endpoints() {
    contracts::endpoint_repository_contract(&World::new().endpoints).await;
}

#[tokio::test]
async fn multipart_uploads() {
    let world = World::new();
    contracts::multipart_store_contract(&world.originals, &world.uploads, &world.browser, &world.clock).await;
}

#[tokio::test]
async fn parts_are_stitched_only_in_order_and_of_their_least_size() {
    let originals = MemoryOriginals::new();
    let asset = World::new().granted("alice");
    let id = originals.create(asset.key(), asset.declared_type(), asset.version()).await.unwrap();
    let mut tags = Vec::new();
    for number in 1..=2 {
        let bytes = b"under 5 MiB".as_slice().into();
        let etag = originals.write_part(asset.key().as_str(), &id, number, bytes).unwrap();
        tags.push(PartTag { number, etag });
    }
    let complete = async |tags: &[PartTag]| originals.complete(asset.key(), &id, tags, None).await.unwrap();
    assert_eq!(complete(&tags).await, Stitched::PartsRefused);
    originals.set_min_part_size(11);
    let reversed = [tags[1].clone(), tags[0].clone()];
    assert_eq!(complete(&reversed).await, Stitched::PartsRefused);
    assert_eq!(complete(&[]).await, Stitched::PartsRefused);
    assert_eq!(complete(&tags).await, Stitched::Done);
}

#[tokio::test]
async fn derivatives() {
    let world = World::new();
    contracts::derived_store_contract(&world.derived, &world.links, &world.browser).await;
}

#[tokio::test]
async fn links() {
    let world = World::new();
    let World { links, originals, uploads, browser, clock, .. } = &world;
    contracts::link_signer_contract(links, originals, uploads, browser, clock).await;
}

#[tokio::test]
async fn staging() {
    let world = World::new();
    contracts::staging_store_contract(&world.staging, &world.partials, &world.originals).await;
}

#[tokio::test]
async fn tus_uploads() {
    contracts::tus_upload_repository_contract(&World::new().tus).await;
}

#[tokio::test]
async fn links_and_uploads_end() {
    let world = World::new();
    let asset = world.granted("alice");
    let grant = asset.grant().unwrap();
    let ttl = std::time::Duration::from_mins(1);
    let request = world.uploads.sign_put(asset.key(), grant, world.clock.now(), ttl).await.unwrap();
    world.clock.advance(ttl);
    let answer = world.browser.put(&request.url, &request.headers, vec![0; 1_000].into()).await;
    assert_eq!(answer.status, 403);
}

#[tokio::test]
async fn jobs() {
    let world = World::new();
    let receive = async || {
        let order = |order| serde_json::to_string(&order).unwrap();
        world.queue.drain().into_iter().map(order).collect()
    };
    contracts::job_queue_contract(&world.queue, receive).await;
}

#[tokio::test]
async fn pushes() {
    let world = World::new();
    let (open, gone): (ConnectionId, ConnectionId) = ("open".parse().unwrap(), "gone".parse().unwrap());
    world.notifier.open(&open);
    let received = async || world.notifier.frames(&open);
    contracts::notifier_contract(&world.notifier, &open, &gone, received).await;
}
