//! The doubles keep the contracts of their ports.

use sluice_core::{ids::ConnectionId, ports::Clock};
use sluice_testing::{MemoryTable, World, contracts};

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
async fn multipart_uploads() {
    let world = World::new();
    contracts::multipart_store_contract(&world.originals, &world.uploads, &world.browser, &world.clock).await;
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
async fn links_and_uploads_end() {
    let world = World::new();
    let asset = world.granted("alice");
    let grant = asset.grant().unwrap();
    let ttl = std::time::Duration::from_mins(1);
    let request = sluice_core::ports::UploadSigner::sign_put(
        &world.uploads,
        asset.key(),
        grant,
        world.clock.now(),
        ttl,
    )
    .await
    .unwrap();
    world.clock.advance(ttl);
    let body = vec![0; 1_000].into();
    let answer = sluice_testing::Browser::put(&world.browser, &request.url, &request.headers, body).await;
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
