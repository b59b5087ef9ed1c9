//! `POST /prepare` before the gate: what is let in, by the policy and by an operator's own function.
#![expect(clippy::unwrap_used, reason = "in a test a panic is how a fault is told")]

use serde_json::{Value, json};
use sluice_core::{
    gate::{Gate, GateAnswer, GatePolicy},
    intake::Intake,
    ports::{AssetRepository, Clock, ContentIndex, MultipartStore},
    upload::{MIB, UploadPolicy},
    usage::{Quota, Usage},
};
use sluice_lambda::http::{Method, Request};
use sluice_presign::{grant::Granter, handler::handle};
use sluice_testing::{MemoryGate, World, build};

/// What a world's gate holds.
#[derive(Default)]
struct Terms {
    rules: &'static str,
    quota: Quota,
    function: Option<MemoryGate>,
    roots: &'static str,
}

/// The status and body, or the code and kind's message of a refusal.
async fn prepare(world: &World, terms: &Terms, body: &Value) -> Result<Value, (&'static str, String)> {
    let rules = if terms.rules.is_empty() { "{}" } else { terms.rules };
    let granter = Granter {
        intake: Intake {
            table: world.table.clone(),
            originals: world.originals.clone(),
            clock: world.clock.clone(),
            ids: world.ids.clone(),
        },
        gate: Gate {
            policy: GatePolicy::new(rules, 1 << 40, terms.quota).unwrap(),
            function: terms.function.clone(),
        },
        signer: world.uploads.clone(),
        links: world.links.clone(),
        policy: UploadPolicy::default(),
    };
    let request = Request::new(Method::POST, "/prepare")
        .with_caller(&build::owner("alice"), world.clock.now().plus(build::GRANT_TTL))
        .with_roots(terms.roots)
        .with_body(body.to_string());
    let response = handle(&granter, &world.jobs, &world.keys, request)
        .await
        .map_err(|error| (error.code(), error.message().to_owned()))?;
    Ok(serde_json::from_str(response.body()).unwrap())
}

fn photo(size: u64) -> Value {
    json!({ "filename": "photo.jpg", "file_size": size, "content_type": "image/jpeg" })
}

#[tokio::test]
async fn what_the_policy_refuses_leaves_no_trace() {
    let world = World::new();
    let terms = Terms { rules: r#"{"image": {"max_bytes": 1000}, "*": {"types": []}}"#, ..Terms::default() };
    assert_eq!(prepare(&world, &terms, &photo(1001)).await.unwrap_err().0, "file_too_large");
    let film = json!({ "filename": "a.mp4", "file_size": 1, "content_type": "video/mp4" });
    assert_eq!(prepare(&world, &terms, &film).await.unwrap_err().0, "type_not_allowed");
    assert!(world.table.assets().is_empty());
    assert!(prepare(&world, &terms, &photo(1000)).await.is_ok());
}

#[tokio::test]
async fn roots_are_for_those_whose_token_names_them() {
    let world = World::new();
    let banner = json!({ "filename": "a.png", "file_size": 1, "folder": "stores/42/banners" });
    let refused = prepare(&world, &Terms::default(), &banner).await.unwrap_err();
    assert_eq!(refused.0, "folder_forbidden");
    let terms = Terms { roots: "stores/42,system", ..Terms::default() };
    let grant = prepare(&world, &terms, &banner).await.unwrap();
    assert!(grant["object_key"].as_str().unwrap().starts_with("stores/42/banners/"), "{grant}");
    let other = json!({ "filename": "a.png", "file_size": 1, "folder": "stores/43" });
    assert_eq!(prepare(&world, &terms, &other).await.unwrap_err().0, "folder_forbidden");
}

#[tokio::test]
async fn a_further_version_passes_for_the_folder_that_its_asset_is_in() {
    let world = World::new();
    let with_root = Terms { roots: "stores/42", ..Terms::default() };
    let banner = json!({ "filename": "a.png", "file_size": 1, "folder": "stores/42" });
    let granted = prepare(&world, &with_root, &banner).await.unwrap();
    let update =
        json!({ "filename": "a.png", "file_size": 1, "asset_id": granted["asset_id"], "folder": "trips" });
    assert_eq!(prepare(&world, &Terms::default(), &update).await.unwrap_err().0, "folder_forbidden");
    assert_eq!(prepare(&world, &with_root, &update).await.unwrap()["version"], 2);
    let others =
        json!({ "filename": "a.png", "file_size": 1, "asset_id": "0190a6d4-7c5e-7b3a-8f2d-1c2b3a4d5e6f" });
    assert_eq!(prepare(&world, &with_root, &others).await.unwrap_err().0, "asset_not_found");
}

#[tokio::test]
async fn content_that_the_gate_refuses_comes_in_as_no_copy_either() {
    let world = World::new();
    let asset =
        build::everything(sluice_core::ports::IdGenerator::asset_id(&world.ids), "alice", world.clock.now());
    world.table.put(&asset);
    let sha256 = asset.sha256().unwrap();
    ContentIndex::claim(&*world.table, asset.owner(), sha256, asset.id()).await.unwrap();
    let said = json!({
        "filename": "a.pdf", "file_size": asset.size(), "content_type": "application/pdf", "sha256": sha256,
    });
    let terms = Terms { rules: r#"{"image": {"types": []}}"#, ..Terms::default() };
    assert_eq!(prepare(&world, &terms, &said).await.unwrap_err().0, "type_not_allowed");
    assert_eq!(world.table.assets().len(), 1);
}

#[tokio::test]
async fn a_multipart_upload_over_the_quota_is_freed_again() {
    let world = World::new();
    let quota = Quota { open_uploads: Some(1), stored_bytes: Some(30 * MIB) };
    let terms = Terms { quota, ..Terms::default() };
    assert!(prepare(&world, &terms, &photo(20 * MIB)).await.is_ok());
    let (code, message) = prepare(&world, &terms, &photo(20 * MIB)).await.unwrap_err();
    assert_eq!((code, &*message), ("too_many_uploads", "1 uploads are open; 1 may be"));
    let terms = Terms { quota: Quota { open_uploads: None, ..quota }, ..Terms::default() };
    assert_eq!(prepare(&world, &terms, &photo(20 * MIB)).await.unwrap_err().0, "quota_exceeded");
    assert_eq!(world.calls.count("MultipartStore::create"), 3);
    assert_eq!(world.calls.count("MultipartStore::abort"), 2, "what wasn't recorded is freed");
    let only = &world.table.assets()[0];
    let upload_id = only.grant().unwrap().upload_id().unwrap();
    assert!(world.originals.list_parts(only.key(), upload_id).await.unwrap().is_some());
    let usage = world.table.usage(&build::owner("alice")).await.unwrap();
    assert_eq!(usage, Usage { open_uploads: 1, stored_bytes: 20 * MIB });
}

#[tokio::test]
async fn an_operators_function_is_told_the_wish_and_its_word_is_final() {
    let world = World::new();
    let allow = MemoryGate::answering(GateAnswer { allow: true, ..GateAnswer::default() });
    let terms = Terms {
        rules: r#"{"*": {"types": []}}"#,
        function: Some(allow.clone()),
        roots: "system",
        ..Terms::default()
    };
    let mut wish = photo(7);
    wish["folder"] = json!("stores/42");
    wish["message_id"] = json!("m 1");
    assert!(prepare(&world, &terms, &wish).await.is_ok());
    assert_eq!(
        allow.asked(),
        [json!({
            "phase": "grant", "owner": "alice", "roots": ["system"], "root": "stores/42", "folder": "stores/42",
            "filename": "photo.jpg", "content_type": "image/jpeg", "kind": "image", "size": 7,
            "message_id": "m 1", "metadata": {}, "refused_by_policy": "folder_forbidden",
        })]
    );
    let failing = Terms { function: Some(MemoryGate::failing()), ..Terms::default() };
    assert_eq!(prepare(&world, &failing, &photo(7)).await.unwrap_err().0, "gate_unavailable");
    let deny = GateAnswer { reason: Some("your plan has no room".to_owned()), ..GateAnswer::default() };
    let denying = Terms { function: Some(MemoryGate::answering(deny)), ..Terms::default() };
    let refused = prepare(&world, &denying, &photo(7)).await.unwrap_err();
    assert_eq!(refused, ("refused", "your plan has no room".to_owned()));
    assert_eq!(world.table.assets().len(), 1);
}
