//! `POST /s3/sign`, on ports in memory, with what Uppy 6 hands to `signRequest` and does with the answers.

use crate::support::{LARGEST_IMAGE, delete, pairs, post, world};
use serde_json::{Value, json};
use sluice_core::asset::{Event, Stage};
use sluice_testing::{Answer, Browser, World};

const UUID: &str = "0b0e7a34-1f0c-4c5e-9c1c-0d2a3b4c5d6e";

async fn sign(world: &World, owner: &str, request: &Value) -> Result<Value, (u16, String)> {
    match post(world, owner, "/s3/sign", request).await {
        (200, signed) => Ok(signed),
        (status, refusal) => Err((status, refusal["code"].as_str().unwrap().to_owned())),
    }
}

/// What Uppy does with a signed request that has no form.
async fn send(world: &World, method: &str, signed: &Value, body: String) -> Answer {
    world.browser.step(method, signed["url"].as_str().unwrap(), &pairs(&signed["headers"]), body).await
}

/// A multipart upload that Uppy has begun: its key and id.
async fn begun(world: &World, extra: &Value) -> (String, String) {
    let mut request = json!({ "method": "POST", "key": format!("{UUID}-photo.jpg") });
    request["metadata"] = extra.clone();
    let signed = sign(world, "alice", &request).await.unwrap();
    let answer = send(world, "POST", &signed, String::new()).await;
    assert_eq!(answer.status, 200);
    (signed["key"].as_str().unwrap().to_owned(), answer.elements("UploadId").remove(0))
}

async fn part(world: &World, key: &str, id: &str, body: &'static [u8]) -> String {
    let request = json!({ "method": "PUT", "key": key, "uploadId": id, "partNumber": 1 });
    let signed = sign(world, "alice", &request).await.unwrap();
    let sent = world.browser.put(signed["url"].as_str().unwrap(), &[], body.into()).await;
    let etag = sent.etag();
    format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
    )
}

#[tokio::test]
async fn a_whole_file_comes_by_a_form_under_a_key_of_ours() {
    let world = world();
    let request =
        json!({ "method": "PUT", "key": format!("trips/{UUID}-photo.jpg"), "contentType": "image/jpeg" });
    let signed = sign(&world, "alice", &request).await.unwrap();
    let asset = world.table.assets().remove(0);
    assert_eq!((asset.folder().as_str(), asset.filename().as_str()), ("users/alice/trips", "photo.jpg"));
    assert_eq!((&signed["key"], &signed["fields"]["key"]), (&json!(asset.key()), &json!(asset.key())));
    let send = async |bytes: u64| {
        let file = vec![7; usize::try_from(bytes).unwrap()].into();
        world.browser.post_form(signed["url"].as_str().unwrap(), &pairs(&signed["fields"]), file).await.status
    };
    assert_eq!((send(LARGEST_IMAGE + 1).await, send(LARGEST_IMAGE).await), (400, 201));
    let head = world.originals.versions(asset.key()).remove(0);
    assert!(asset.granted_object(head).is_some());
}

#[tokio::test]
async fn a_multipart_upload_that_uppy_runs_itself_becomes_the_granted_version() {
    let world = world();
    let (key, id) = begun(&world, &json!({ "message_id": "m-1" })).await;
    let list = part(&world, &key, &id, b"one").await;
    let listed =
        sign(&world, "alice", &json!({ "method": "GET", "key": key, "uploadId": id })).await.unwrap();
    assert_eq!(send(&world, "GET", &listed, String::new()).await.elements("PartNumber"), ["1"]);
    let complete = json!({ "method": "POST", "key": key, "uploadId": id });
    let signed = sign(&world, "alice", &complete).await.unwrap();
    assert_eq!(signed["headers"], json!({ "if-none-match": "*" }));
    assert_eq!(send(&world, "POST", &signed, list).await.status, 200);

    // S3's event is what tells of it
    let asset = world.table.assets().remove(0);
    assert_eq!(asset.message_id().unwrap().as_str(), "m-1");
    let head = world.originals.versions(asset.key()).remove(0);
    let stored = asset.granted_object(head).expect("its metadata has the version");
    assert_eq!(world.apply(asset.id(), &Event::UploadArrived(Box::new(stored))).stage(), Stage::Processing);
    assert_eq!(sign(&world, "alice", &complete).await.unwrap_err().0, 404);
    let abort = json!({ "method": "DELETE", "key": key, "uploadId": id });
    assert_eq!(sign(&world, "alice", &abort).await.unwrap_err(), (409, "already_uploaded".to_owned()));
}

#[tokio::test]
async fn an_abort_cancels_the_asset_and_lets_uppy_free_the_parts() {
    let world = world();
    let (key, id) = begun(&world, &Value::Null).await;
    part(&world, &key, &id, b"one").await;
    let abort = json!({ "method": "DELETE", "key": key, "uploadId": id });
    for _ in 0..2 {
        let signed = sign(&world, "alice", &abort).await.unwrap();
        assert_eq!(send(&world, "DELETE", &signed, String::new()).await.status, 204);
    }
    assert!(world.originals.open_uploads().is_empty());
    let asset = world.table.assets().remove(0);
    assert_eq!((asset.stage(), asset.failure_code()), (Stage::Cancelled, None));
    let more = json!({ "method": "PUT", "key": key, "uploadId": id, "partNumber": 1 });
    assert_eq!(sign(&world, "alice", &more).await.unwrap_err(), (410, "upload_cancelled".to_owned()));
}

#[tokio::test]
async fn a_further_version_replaces_just_the_one_it_was_granted_for() {
    let world = world();
    let asset = world.uploaded("alice", vec![1; 100]);
    let read = sluice_core::asset::Ingest {
        jobs: vec![],
        ..sluice_testing::build::ingest(asset.version(), sluice_testing::build::digest(b""))
    };
    world.apply(asset.id(), &Event::Ingested(Box::new(read)));
    let (key, id) = begun(&world, &json!({ "asset_id": asset.id() })).await;
    assert_eq!(key, asset.key().as_str());
    let list = part(&world, &key, &id, b"second").await;
    let complete = json!({ "method": "POST", "key": key, "uploadId": id });
    let signed = sign(&world, "alice", &complete).await.unwrap();
    assert_eq!(signed["headers"], json!({ "if-match": asset.object().unwrap().etag.quoted() }));
    assert_eq!(send(&world, "POST", &signed, list).await.status, 200);
}

#[tokio::test]
async fn an_upload_that_was_opened_by_the_companions_routes_is_gone_on_with() {
    let world = world();
    let body = json!({ "filename": "photo.jpg", "type": "image/jpeg" });
    let (_, made) = post(&world, "alice", "/s3/multipart", &body).await;
    let step = |id: &Value| json!({ "method": "GET", "key": made["key"], "uploadId": id });
    assert!(sign(&world, "alice", &step(&made["uploadId"])).await.is_ok());
    assert_eq!(sign(&world, "alice", &step(&json!("another"))).await.unwrap_err().0, 404);
    let (id, key) = (made["uploadId"].as_str().unwrap(), made["key"].as_str().unwrap());
    assert_eq!(delete(&world, "alice", &format!("/s3/multipart/{id}?key={key}")).await.0, 200);
}

#[tokio::test]
async fn nothing_else_is_signed() {
    let world = world();
    let (key, id) = begun(&world, &Value::Null).await;
    for (owner, request, refusal) in [
        (
            "bob",
            json!({ "method": "PUT", "key": key, "uploadId": id, "partNumber": 1 }),
            (404, "upload_not_found"),
        ),
        ("bob", json!({ "method": "GET", "key": key, "uploadId": id }), (404, "upload_not_found")),
        ("bob", json!({ "method": "POST", "key": key, "uploadId": id }), (404, "upload_not_found")),
        ("bob", json!({ "method": "DELETE", "key": key, "uploadId": id }), (404, "upload_not_found")),
        ("alice", json!({ "method": "GET", "key": "x", "uploadId": id }), (404, "upload_not_found")),
        ("alice", json!({ "method": "GET", "key": key }), (403, "not_signed")),
        ("alice", json!({ "method": "DELETE", "key": key }), (403, "not_signed")),
        ("alice", json!({ "method": "PATCH", "key": key }), (403, "not_signed")),
        (
            "alice",
            json!({ "method": "PUT", "key": key, "uploadId": id, "partNumber": 0 }),
            (400, "invalid_field"),
        ),
        (
            "alice",
            json!({ "method": "PUT", "key": key, "uploadId": id, "partNumber": 10_001 }),
            (400, "invalid_field"),
        ),
        (
            "alice",
            json!({ "method": "PUT", "key": key, "uploadId": "a b", "partNumber": 1 }),
            (404, "upload_not_found"),
        ),
        ("alice", json!({ "method": "PUT", "key": "users/bob/a.jpg" }), (403, "folder_forbidden")),
        ("alice", json!({ "method": "POST", "key": "song.mp3" }), (415, "type_not_allowed")),
        ("alice", json!({ "method": "PUT" }), (400, "invalid_field")),
    ] {
        let (status, code) = sign(&world, owner, &request).await.unwrap_err();
        assert_eq!((status, &*code), refusal, "{request}");
    }
    assert_eq!(world.table.assets().len(), 1);
}
