//! `POST /s3_signature`, on ports in memory, and what a browser does with the form.
#![expect(clippy::unwrap_used, reason = "in a test a panic is how a fault is told")]

use bytes::Bytes;
use serde_json::{Value, json};
use sluice_core::{
    asset::{Event, Ingest, Stage},
    gate::{Gate, GatePolicy},
    intake::Intake,
    ports::Clock,
    upload::UploadPolicy,
    usage::Quota,
};
use sluice_lambda::http::{Method, Request};
use sluice_presign::{grant::Granter, handler::handle};
use sluice_testing::{Browser, MemoryGate, World, build};

/// The status and body, or the code of a refusal.
async fn answer(world: &World, request: Request) -> Result<(u16, Value), &'static str> {
    let granter = Granter {
        intake: Intake {
            table: world.table.clone(),
            originals: world.originals.clone(),
            clock: world.clock.clone(),
            ids: world.ids.clone(),
        },
        gate: Gate::<MemoryGate> {
            policy: GatePolicy::new(r#"{"image": {"max_bytes": 100}}"#, 1000, Quota::UNLIMITED).unwrap(),
            function: None,
        },
        signer: world.uploads.clone(),
        links: world.links.clone(),
        policy: UploadPolicy::default(),
    };
    let response = handle(&granter, &world.jobs, &world.keys, request).await.map_err(|error| error.code())?;
    Ok((response.status().as_u16(), serde_json::from_str(response.body()).unwrap()))
}

async fn signature(world: &World, owner: &str, body: &Value) -> Result<(u16, Value), &'static str> {
    let expires_at = world.clock.now().plus(build::GRANT_TTL);
    let request = Request::new(Method::POST, "/s3_signature")
        .with_caller(&build::owner(owner), expires_at)
        .with_body(body.to_string());
    answer(world, request).await
}

async fn post(world: &World, form: &Value, bytes: usize) -> u16 {
    let field = |(name, value): (&String, &Value)| (name.clone(), value.as_str().unwrap().to_owned());
    let fields: Vec<(String, String)> = form["fields"].as_object().unwrap().iter().map(field).collect();
    let url = form["url"].as_str().unwrap();
    world.browser.post_form(url, &fields, Bytes::from(vec![1; bytes])).await.status
}

#[tokio::test]
async fn a_form_takes_just_the_file_that_was_announced() {
    let world = World::new();
    let wanted =
        json!({ "filename": "photo.jpg", "file_size": 7, "content_type": "image/jpeg", "folder": "trips" });
    let (status, form) = signature(&world, "alice", &wanted).await.unwrap();
    let asset = world.table.assets().remove(0);
    assert_eq!((status, &form["method"], &form["version"]), (201, &json!("POST"), &json!(1)));
    assert_eq!((&form["asset_id"], asset.folder().as_str()), (&json!(asset.id()), "users/alice/trips"));
    assert_eq!((&form["key"], &form["object_key"]), (&json!(asset.key()), &json!(asset.key())));
    assert_eq!(form["metadata"], json!({ "version": "1" }));
    assert_eq!(form["policy"], form["fields"]["policy"]);
    assert_eq!(form["signature"], form["fields"]["x-amz-signature"]);
    assert_eq!(form["expires_at"], json!(world.clock.now().plus(build::GRANT_TTL)));
    assert_eq!((post(&world, &form, 8).await, post(&world, &form, 7).await), (400, 201));
}

#[tokio::test]
async fn a_size_that_isnt_said_is_at_most_what_the_gate_takes() {
    let world = World::new();
    let (_, form) = signature(&world, "alice", &json!({ "filename": "photo.jpg" })).await.unwrap();
    assert_eq!(form["fields"]["Content-Type"], "image/jpeg", "as the name tells");
    assert_eq!((post(&world, &form, 101).await, post(&world, &form, 100).await), (400, 201));
    let over = json!({ "filename": "photo.jpg", "file_size": 101 });
    assert_eq!(signature(&world, "alice", &over).await, Err("file_too_large"));
}

#[tokio::test]
async fn a_form_that_is_posted_again_changes_nothing() {
    let world = World::new();
    let (_, form) = signature(&world, "alice", &json!({ "filename": "photo.jpg" })).await.unwrap();
    let asset = world.table.assets().remove(0);
    let arrived = |at: usize| {
        let head = world.originals.versions(asset.key()).remove(at);
        Event::UploadArrived(Box::new(build::stored(&asset, &head)))
    };
    assert_eq!(post(&world, &form, 7).await, 201);
    let first = world.apply(asset.id(), &arrived(0));
    assert_eq!(first.stage(), Stage::Processing);
    assert_eq!(post(&world, &form, 8).await, 201, "S3 knows no condition for forms");
    let again = first.apply(&arrived(1), world.clock.now()).unwrap();
    assert_eq!(again.asset.object(), first.object());
    assert_eq!(again.asset.leftovers().len(), 1, "the second is let go");
}

#[tokio::test]
async fn an_update_keeps_the_key_and_is_the_next_version() {
    let world = World::new();
    let asset = world.uploaded("alice", vec![1; 100]);
    let wanted = json!({ "filename": "new.png", "asset_id": asset.id() });
    assert_eq!(signature(&world, "alice", &wanted).await, Err("asset_busy"));
    let read = Ingest { jobs: vec![], ..build::ingest(asset.version(), build::digest(b"")) };
    world.apply(asset.id(), &Event::Ingested(Box::new(read)));
    assert_eq!(signature(&world, "bob", &wanted).await, Err("asset_not_found"));
    let (_, form) = signature(&world, "alice", &wanted).await.unwrap();
    assert_eq!((&form["key"], &form["metadata"]["version"]), (&json!(asset.key()), &json!("2")));
    assert_eq!(post(&world, &form, 9).await, 201);
}

#[tokio::test]
async fn what_is_wrong_is_named_and_leaves_nothing_behind() {
    let world = World::new();
    for (body, code) in [
        (json!({}), "invalid_field"),
        (json!({ "filename": "../x" }), "invalid_filename"),
        (json!({ "filename": "a.jpg", "file_size": -1 }), "invalid_field"),
        (json!({ "filename": "a.jpg", "folder": "users/bob" }), "folder_forbidden"),
        (json!({ "filename": "a.jpg", "folder": "a/${filename}" }), "invalid_field"),
        (json!({ "filename": "a.jpg", "asset_id": "any" }), "asset_not_found"),
    ] {
        assert_eq!(signature(&world, "alice", &body).await, Err(code), "{body}");
    }
    let nobody = Request::new(Method::POST, "/s3_signature").with_body(r#"{"filename":"a.jpg"}"#);
    assert_eq!(answer(&world, nobody).await, Err("unauthorized"));
    assert_eq!(answer(&world, Request::new(Method::GET, "/s3_signature")).await.unwrap().0, 405);
    assert!(world.table.assets().is_empty());
}

#[tokio::test]
async fn golden_events_are_answered() {
    let world = World::new();
    for event in [
        include_str!("../../../events/presign/s3_signature.json"),
        include_str!("../../../events/presign/s3_signature-unknown-size.json"),
    ] {
        let event = event.replace("68052", "99");
        assert_eq!(answer(&world, serde_json::from_str(&event).unwrap()).await.unwrap().0, 201);
    }
}
