//! Reading, on ports in memory.
#![expect(clippy::unwrap_used, reason = "in a test a panic is how a fault is told")]

use serde_json::Value;
use sluice_assets::{handler::handle, read::Reader};
use sluice_core::{
    asset::Event,
    ports::{Clock, DerivedStore},
};
use sluice_lambda::http::{Method, Request};
use sluice_testing::{
    Browser, CountingIds, FixedClock, MemoryLinkSigner, MemoryOriginals, MemoryTable, Probe, World, build,
};

fn reader(
    world: &World,
) -> Reader<Probe<MemoryTable>, Probe<MemoryOriginals>, Probe<MemoryLinkSigner>, FixedClock> {
    Reader {
        table: world.table.clone(),
        originals: world.originals.clone(),
        links: world.links.clone(),
        clock: world.clock.clone(),
    }
}

/// Status, body and location, or the code of a refusal.
async fn ask(
    world: &World,
    owner: &str,
    method: Method,
    target: &str,
) -> Result<(u16, Value, Option<String>), &'static str> {
    let reader = reader(world);
    let expires_at = world.clock.now().plus(build::GRANT_TTL);
    let request = Request::new(method, target).with_caller(&build::owner(owner), expires_at);
    let response = handle(&reader, request).await.map_err(|error| error.code())?;
    let location = response.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
    Ok((response.status().as_u16(), serde_json::from_str(response.body()).unwrap_or_default(), location))
}

#[tokio::test]
async fn an_asset_is_its_owners_alone() {
    let world = World::new();
    let asset = world.uploaded("alice", "bytes");
    let target = format!("/assets/{}", asset.id());
    let (status, document, _) = ask(&world, "alice", Method::GET, &target).await.unwrap();
    assert_eq!(
        (status, &document["stage"], &document["poll"]["after_seconds"]),
        (200, &"processing".into(), &2.into())
    );
    for (method, suffix) in [(Method::GET, ""), (Method::GET, "/download"), (Method::DELETE, "")] {
        let refused = ask(&world, "bob", method, &format!("{target}{suffix}")).await;
        assert_eq!(refused, Err("asset_not_found"), "{suffix}");
    }
    assert_eq!(ask(&world, "alice", Method::GET, "/assets/nonsense").await, Err("asset_not_found"));
}

#[tokio::test]
async fn pages_hold_every_asset_once_newest_first() {
    let world = World::new();
    let ids: Vec<String> = (0..7).map(|_| world.granted("alice").id().to_string()).collect();
    world.granted("bob");
    let (mut seen, mut target) = (Vec::new(), "/assets?limit=3".to_owned());
    loop {
        let (_, page, _) = ask(&world, "alice", Method::GET, &target).await.unwrap();
        seen.extend(
            page["assets"]
                .as_array()
                .unwrap()
                .iter()
                .map(|asset| asset["asset_id"].as_str().unwrap().to_owned()),
        );
        let Some(cursor) = page["next"].as_str() else { break };
        target = format!("/assets?limit=3&cursor={cursor}");
    }
    assert_eq!(seen, ids.into_iter().rev().collect::<Vec<_>>());
    for bad in ["limit=0", "limit=101", "limit=x", "cursor=forged", "stage=done", "folder=trips", "kind="] {
        assert_eq!(
            ask(&world, "alice", Method::GET, &format!("/assets?{bad}")).await,
            Err("invalid_field"),
            "{bad}"
        );
    }
}

#[tokio::test]
async fn what_was_cancelled_is_listed_only_where_it_is_asked_for() {
    let world = World::new();
    let (kept, dropped) = (world.granted("alice"), world.granted("alice"));
    world.apply(dropped.id(), &Event::UploadCancelled);
    for (target, shown, stage) in
        [("/assets", &kept, "uploading"), ("/assets?stage=cancelled", &dropped, "cancelled")]
    {
        let (_, page, _) = ask(&world, "alice", Method::GET, target).await.unwrap();
        let assets = page["assets"].as_array().unwrap();
        assert_eq!(assets.len(), 1, "{target}");
        assert_eq!(assets[0]["asset_id"], shown.id().to_string());
        assert_eq!((&assets[0]["stage"], &assets[0]["failure"]), (&stage.into(), &serde_json::Value::Null));
    }
}

#[tokio::test]
async fn a_download_saves_the_very_bytes_under_the_files_name() {
    let world = World::new();
    let granted = world.granted("alice");
    let target = |asset: &sluice_core::asset::Asset| format!("/assets/{}/download", asset.id());
    assert_eq!(ask(&world, "alice", Method::GET, &target(&granted)).await, Err("upload_incomplete"));
    let asset = world.uploaded("alice", "bytes");
    let (status, _, location) = ask(&world, "alice", Method::GET, &target(&asset)).await.unwrap();
    let answer = world.browser.get(&location.unwrap()).await;
    assert_eq!((status, &answer.body[..]), (302, &b"bytes"[..]));
    assert!(answer.headers["content-disposition"].starts_with("attachment"), "{:?}", answer.headers);
}

#[tokio::test]
async fn a_page_of_another_origin_is_told_the_link_and_until_when_it_is_good() {
    let world = World::new();
    let asset = world.uploaded("alice", "bytes");
    let reader = reader(&world);
    let send = async |method: Method, accept: &str| {
        let expires_at = world.clock.now().plus(build::GRANT_TTL);
        let request = Request::new(method, &format!("/assets/{}/download", asset.id()))
            .with_caller(&build::owner("alice"), expires_at)
            .with_header("accept", accept);
        handle(&reader, request).await.unwrap()
    };
    for accept in ["application/json", "application/json, text/plain;q=0.5", "Application/JSON;q=0.9"] {
        let answer = send(Method::GET, accept).await;
        let told: Value = serde_json::from_str(answer.body()).unwrap();
        assert_eq!(answer.status().as_u16(), 200, "{accept}");
        assert_eq!(&world.browser.get(told["url"].as_str().unwrap()).await.body[..], b"bytes");
        assert!(told["expires_at"].as_str().unwrap() > world.clock.now().to_string().as_str());
    }
    for accept in ["*/*", "text/html,application/xhtml+xml,*/*;q=0.8", "", "application/json;q=0"] {
        assert_eq!(send(Method::GET, accept).await.status().as_u16(), 302, "{accept}");
    }
    let head = send(Method::HEAD, "*/*").await;
    assert_eq!((head.status().as_u16(), head.body().as_str()), (302, ""));
    assert!(head.headers().contains_key("location"));
    let (status, _, _) =
        ask(&world, "alice", Method::HEAD, &format!("/assets/{}", asset.id())).await.unwrap();
    assert_eq!(status, 200);
}

#[tokio::test]
async fn an_address_shows_the_file_or_one_of_its_derivatives() {
    let world = World::new();
    let asset = build::everything(CountingIds::nth(50), "alice", world.clock.now());
    world.table.put(&asset);
    let key = &asset.derivatives()[0].key;
    let webp = "image/webp".parse().unwrap();
    DerivedStore::put(&world.derived, key, &webp, "small".into()).await.unwrap();
    let name = &asset.derivatives()[0].name;
    let target = |rest: &str| format!("/assets/{}/{rest}", asset.id());
    let (status, _, location) =
        ask(&world, "alice", Method::GET, &target(&format!("derivatives/{name}"))).await.unwrap();
    assert_eq!((status, &world.browser.get(&location.unwrap()).await.body[..]), (302, &b"small"[..]));
    let nobodys = ask(&world, "alice", Method::GET, &target("derivatives/none")).await;
    assert_eq!(nobodys, Err("derivative_not_found"));
    for address in [format!("derivatives/{name}"), "file".to_owned()] {
        assert_eq!(ask(&world, "bob", Method::GET, &target(&address)).await, Err("asset_not_found"));
    }
    let photo = world.uploaded("alice", "bytes");
    let (_, _, location) =
        ask(&world, "alice", Method::GET, &format!("/assets/{}/file", photo.id())).await.unwrap();
    let answer = world.browser.get(&location.unwrap()).await;
    assert!(
        answer.headers["content-disposition"].starts_with("attachment"),
        "nothing is safe until it was read"
    );
}

#[tokio::test]
async fn a_file_is_of_the_kind_that_was_told_until_it_was_read_and_another_device_can_go_on_with_it() {
    let world = World::new();
    let now = world.clock.now();
    let upload_id = "upload-1".parse().unwrap();
    let mut grant = build::multipart_grant(now, &upload_id, 3);
    grant.content_type = "image/heic".parse().unwrap();
    let asset = build::asset(CountingIds::nth(51), "alice", grant, now);
    world.table.put(&asset);
    let target = format!("/assets/{}", asset.id());
    let (_, document, _) = ask(&world, "alice", Method::GET, &target).await.unwrap();
    assert_eq!((&document["kind"], &document["owner"]), (&"image".into(), &"alice".into()));
    assert_eq!(
        (&document["upload"]["upload_id"], &document["upload"]["num_parts"]),
        (&"upload-1".into(), &3.into())
    );
    world.apply(asset.id(), &Event::UploadCancelled);
    let (_, document, _) = ask(&world, "alice", Method::GET, &target).await.unwrap();
    assert!(document["upload"].is_null());
}

#[tokio::test]
async fn a_cancel_ends_an_upload_and_never_takes_back_bytes_that_are_there() {
    let world = World::new();
    let asset = world.granted("alice");
    let target = format!("/assets/{}", asset.id());
    for _ in 0..2 {
        assert_eq!(ask(&world, "alice", Method::DELETE, &target).await.unwrap().0, 204);
    }
    assert!(world.table.asset(asset.id()).is_cancelled());

    let untold = world.granted("alice");
    let head = world.upload(&untold, vec![0; 1000]);
    let target = format!("/assets/{}", untold.id());
    assert_eq!(ask(&world, "alice", Method::DELETE, &target).await, Err("already_uploaded"));
    world.apply(untold.id(), &Event::UploadArrived(Box::new(build::stored(&untold, &head))));
    assert_eq!(ask(&world, "alice", Method::DELETE, &target).await, Err("already_uploaded"));
    assert_eq!(world.originals.versions(untold.key()).len(), 1);
}
