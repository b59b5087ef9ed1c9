//! The Companion's routes, on ports in memory, as Uppy 4, 5 and 6 use them.

use std::time::Duration;

use crate::support::{LARGEST_IMAGE, answer, companion, delete, get, pairs, post, request, world};
use serde_json::{Value, json};
use sluice_core::{
    ErrorKind,
    asset::{Event, Stage},
    ports::{Clock, MultipartStore},
};
use sluice_lambda::http::{Method, Request};
use sluice_testing::{Browser, When, World, build};

/// What Uppy's `encodeURIComponent` makes of a key.
fn escaped(key: &str) -> String {
    key.replace('%', "%25").replace('/', "%2F").replace(' ', "%20").replace('+', "%2B")
}

/// An upload in parts: its address below `/s3/multipart/`, and the query of its key.
async fn opened(world: &World, owner: &str, folder: &str) -> (String, String) {
    let body = json!({ "filename": "photo.jpg", "type": "image/jpeg", "metadata": { "folder": folder } });
    let (status, made) = post(world, owner, "/s3/multipart", &body).await;
    assert_eq!((status, &made["bucket"]), (200, &json!("originals")), "{made}");
    let key = made["key"].as_str().unwrap();
    (made["uploadId"].as_str().unwrap().to_owned(), format!("key={}", escaped(key)))
}

/// Sends parts by signed URLs; their list as Uppy gives it back.
async fn send(world: &World, upload: &(String, String), bodies: &[&'static [u8]]) -> Value {
    let (id, key) = upload;
    let mut parts = Vec::new();
    for (number, body) in (1..).zip(bodies) {
        let (status, signed) = get(world, "alice", &format!("/s3/multipart/{id}/{number}?{key}")).await;
        assert_eq!((status, &signed["expires"]), (200, &json!(3600)));
        let sent = world.browser.put(signed["url"].as_str().unwrap(), &[], (*body).into()).await;
        assert_eq!(sent.status, 200);
        parts.push(json!({ "PartNumber": number, "ETag": sent.headers["etag"] }));
    }
    json!({ "parts": parts })
}

#[tokio::test]
async fn a_small_file_comes_by_a_form_that_the_gate_has_sized() {
    let world = world();
    let query = "filename=Ferien+in+K%C3%B6ln.jpg&type=image%2Fjpeg&metadata%5BrelativePath%5D=null\
                 &metadata%5Bfolder%5D=trips%2F2026&metadata[message_id]=m-1";
    let (status, signed) = get(&world, "alice", &format!("/s3/params?{query}")).await;
    assert_eq!((status, &signed["method"], &signed["expires"]), (200, &json!("POST"), &json!(3600)));
    assert!(signed["url"].as_str().unwrap().ends_with('/'));
    let asset = world.table.assets().remove(0);
    assert_eq!(signed["asset_id"], json!(asset.id()));
    assert_eq!(signed["fields"]["key"], json!(asset.key()));
    assert_eq!(
        (signed["fields"]["x-amz-meta-version"].as_str(), asset.stage()),
        (Some("1"), Stage::Uploading)
    );
    assert_eq!(
        (asset.folder().as_str(), asset.filename().as_str(), asset.message_id().unwrap().as_str()),
        ("users/alice/trips/2026", "Ferien in Köln.jpg", "m-1")
    );
    let send = async |bytes: u64| {
        let body = vec![1; usize::try_from(bytes).unwrap()].into();
        world.browser.post_form(signed["url"].as_str().unwrap(), &pairs(&signed["fields"]), body).await.status
    };
    assert_eq!(send(LARGEST_IMAGE + 1).await, 400);
    assert_eq!(send(LARGEST_IMAGE).await, 201);
    let head = world.originals.versions(asset.key()).remove(0);
    let stored = asset.granted_object(head).expect("it is the granted version");
    assert_eq!(world.apply(asset.id(), &Event::UploadArrived(Box::new(stored))).stage(), Stage::Processing);
}

#[tokio::test]
async fn a_size_that_is_told_is_the_one_that_is_signed_for() {
    let world = world();
    let target = "/s3/params?filename=a.jpg&type=undefined&metadata[size]=3&metadata[folder]=null";
    let (_, signed) = get(&world, "alice", target).await;
    let (url, fields) = (signed["url"].as_str().unwrap(), pairs(&signed["fields"]));
    assert_eq!(world.browser.post_form(url, &fields, b"four".as_slice().into()).await.status, 400);
    assert_eq!(world.browser.post_form(url, &fields, b"two".as_slice().into()).await.status, 201);
    assert_eq!(world.table.assets()[0].folder().as_str(), "users/alice");
    let over = format!("/s3/params?filename=a.jpg&metadata[size]={}", LARGEST_IMAGE + 1);
    let (status, refusal) = get(&world, "alice", &over).await;
    assert_eq!((status, &refusal["code"]), (413, &json!("file_too_large")));
}

#[tokio::test]
async fn parts_are_signed_one_by_one_listed_and_stitched_once() {
    let world = world();
    let upload = opened(&world, "alice", "a b+c/100%").await;
    let (id, key) = &upload;
    let list = send(&world, &upload, &[b"one", b"two"]).await;

    let (status, parts) = get(&world, "alice", &format!("/s3/multipart/{id}?{key}")).await;
    assert_eq!((status, &parts[1]["PartNumber"], &parts[1]["Size"]), (200, &json!(2), &json!(3)));
    let (status, batch) =
        get(&world, "alice", &format!("/s3/multipart/{id}/batch?{key}&partNumbers=2,3")).await;
    assert_eq!((status, batch["presignedUrls"].as_object().unwrap().len()), (200, 2));
    assert!(batch["presignedUrls"]["3"].as_str().unwrap().contains("partNumber=3"));

    let complete = format!("/s3/multipart/{id}/complete?{key}");
    let (status, answer) = post(&world, "alice", &complete, &list).await;
    assert_eq!((status, &answer["bucket"]), (200, &json!("originals")), "{answer}");
    let asset = world.table.assets().remove(0);
    assert_eq!((&answer["key"], &answer["asset_id"]), (&json!(asset.key()), &json!(asset.id())));
    assert!(answer["location"].as_str().unwrap().starts_with("https://"));
    assert_eq!((asset.stage(), asset.size()), (Stage::Processing, 6));
    assert_eq!(post(&world, "alice", &complete, &list).await, (status, answer), "a repeat gives the same");

    // Uppy cancels after a final failure, also after one that was only an answer lost
    let (status, refusal) = delete(&world, "alice", &format!("/s3/multipart/{id}?{key}")).await;
    assert_eq!((status, &refusal["code"]), (409, &json!("already_uploaded")));
    assert_eq!(world.originals.keys().len(), 1);
    let (status, _) = get(&world, "alice", &format!("/s3/multipart/{id}?{key}")).await;
    assert_eq!(status, 409, "there are no parts any more, and nothing is lost");
}

#[tokio::test]
async fn entity_tags_come_bare_from_uppy_6() {
    let world = world();
    let upload = opened(&world, "alice", "").await;
    let mut list = send(&world, &upload, &[b"one"]).await;
    let bare = list["parts"][0]["ETag"].as_str().unwrap().trim_matches('"').to_owned();
    list["parts"][0]["ETag"] = json!(bare);
    let (id, key) = upload;
    assert_eq!(post(&world, "alice", &format!("/s3/multipart/{id}/complete?{key}"), &list).await.0, 200);
}

#[tokio::test]
async fn a_lost_answer_loses_nothing() {
    let world = world();
    let upload = opened(&world, "alice", "").await;
    let list = send(&world, &upload, &[b"one"]).await;
    let target = format!("/s3/multipart/{}/complete?{}", upload.0, upload.1);
    world.calls.fail("MultipartStore::complete", 1, When::After, ErrorKind::Unavailable);
    let (status, refusal) = post(&world, "alice", &target, &list).await;
    assert_eq!((status, &refusal["code"]), (503, &json!("unavailable")));
    assert_eq!(post(&world, "alice", &target, &list).await.0, 200);
    assert_eq!(world.table.assets()[0].stage(), Stage::Processing);
}

#[tokio::test]
async fn a_cancel_frees_the_parts_and_is_said_again() {
    let world = world();
    let upload = opened(&world, "alice", "").await;
    let list = send(&world, &upload, &[b"one"]).await;
    let (id, key) = &upload;
    for _ in 0..2 {
        let cancelled = delete(&world, "alice", &format!("/s3/multipart/{id}?{key}")).await;
        assert_eq!(cancelled, (200, json!({})), "Uppy 5 reads the body as JSON");
    }
    assert!(world.originals.open_uploads().is_empty());
    for (status, refusal) in [
        get(&world, "alice", &format!("/s3/multipart/{id}?{key}")).await,
        get(&world, "alice", &format!("/s3/multipart/{id}/2?{key}")).await,
        post(&world, "alice", &format!("/s3/multipart/{id}/complete?{key}"), &list).await,
    ] {
        assert_eq!((status, &refusal["code"]), (410, &json!("upload_cancelled")));
        assert_eq!(refusal["message"], refusal["error"]);
    }
}

#[tokio::test]
async fn an_upload_that_s3_has_cleared_away_is_gone_and_never_complete() {
    let world = world();
    let upload = opened(&world, "alice", "").await;
    let list = send(&world, &upload, &[b"one"]).await;
    let asset = world.table.assets().remove(0);
    world.originals.abort(asset.key(), &upload.0.parse().unwrap()).await.unwrap();
    let (id, key) = &upload;
    for (status, refusal) in [
        get(&world, "alice", &format!("/s3/multipart/{id}?{key}")).await,
        post(&world, "alice", &format!("/s3/multipart/{id}/complete?{key}"), &list).await,
    ] {
        assert_eq!((status, &refusal["code"]), (410, &json!("upload_gone")));
    }
}

#[tokio::test]
async fn what_is_another_owners_isnt_there() {
    let world = world();
    let (id, key) = opened(&world, "alice", "").await;
    let (_, other_key) = opened(&world, "bob", "").await;
    let parts = json!({ "parts": [{ "PartNumber": 1, "ETag": "x" }] });
    for (owner, id, key) in [("bob", &*id, &key), ("alice", "another", &key), ("alice", &id, &other_key)] {
        for (status, refusal) in [
            get(&world, owner, &format!("/s3/multipart/{id}?{key}")).await,
            get(&world, owner, &format!("/s3/multipart/{id}/1?{key}")).await,
            get(&world, owner, &format!("/s3/multipart/{id}/batch?{key}&partNumbers=1")).await,
            post(&world, owner, &format!("/s3/multipart/{id}/complete?{key}"), &parts).await,
            delete(&world, owner, &format!("/s3/multipart/{id}?{key}")).await,
        ] {
            assert_eq!((status, &refusal["message"]), (404, &json!("no such upload")), "{owner}");
        }
    }
}

#[tokio::test]
async fn what_is_wrong_is_told_in_uppys_form_and_leaves_nothing_behind() {
    let world = world();
    let id = "any";
    for (target, status, code) in [
        ("/s3/params".to_owned(), 400, "invalid_field"),
        ("/s3/params?filename=".to_owned(), 400, "invalid_filename"),
        ("/s3/params?filename=a.jpg&type=image/p%20ng".to_owned(), 400, "invalid_field"),
        ("/s3/params?filename=a.mp3&type=audio/mpeg".to_owned(), 415, "type_not_allowed"),
        ("/s3/params?filename=a.jpg&metadata[size]=many".to_owned(), 400, "invalid_field"),
        ("/s3/params?filename=a.jpg&metadata[folder]=users/bob".to_owned(), 403, "folder_forbidden"),
        ("/s3/params?filename=a.jpg&metadata[folder]=a/${filename}".to_owned(), 400, "invalid_field"),
        ("/s3/params?filename=a.jpg&metadata[asset_id]=any".to_owned(), 404, "asset_not_found"),
        (format!("/s3/multipart/{id}"), 400, "invalid_field"),
        (format!("/s3/multipart/{id}/0?key=k"), 400, "invalid_field"),
        (format!("/s3/multipart/{id}/10001?key=k"), 400, "invalid_field"),
        (format!("/s3/multipart/{id}/x?key=k"), 400, "invalid_field"),
        (format!("/s3/multipart/{id}/batch?key=k"), 400, "invalid_field"),
        (format!("/s3/multipart/{id}/batch?key=k&partNumbers=1,,2"), 400, "invalid_field"),
        ("/s3/sts".to_owned(), 403, "no_credentials"),
        ("/s3/else".to_owned(), 404, "no_such_route"),
        ("/else".to_owned(), 404, "no_such_route"),
    ] {
        let (found, refusal) = get(&world, "alice", &target).await;
        assert_eq!((found, refusal["code"].as_str()), (status, Some(code)), "{target}");
        assert!(refusal["message"].is_string() && refusal["requestId"] == "test", "{refusal}");
    }
    for body in
        [json!({}), json!({ "filename": 7 }), json!({ "filename": "a.jpg", "metadata": { "folder": [] } })]
    {
        assert_eq!(post(&world, "alice", "/s3/multipart", &body).await.0, 400, "{body}");
    }
    let nobody = Request::new(Method::GET, "/s3/params?filename=a.jpg");
    assert_eq!(answer(&world, &nobody).await.0, 401);
    assert!(world.table.assets().is_empty() && world.originals.open_uploads().is_empty());
}

#[tokio::test]
async fn parts_of_more_than_the_gate_takes_are_not_stitched() {
    let world = world();
    let upload = opened(&world, "alice", "").await;
    let list = send(&world, &upload, &[&[0; 1_500], &[0; 501]]).await;
    let target = format!("/s3/multipart/{}/complete?{}", upload.0, upload.1);
    let (status, refusal) = post(&world, "alice", &target, &list).await;
    assert_eq!((status, &refusal["code"]), (400, &json!("size_mismatch")));
    assert!(world.originals.keys().is_empty());
}

#[tokio::test]
async fn metadata_names_the_asset_that_gets_a_further_version() {
    let world = world();
    let asset = world.uploaded("alice", vec![1; 100]);
    let read =
        sluice_core::asset::Ingest { jobs: vec![], ..build::ingest(asset.version(), build::digest(b"")) };
    world.apply(asset.id(), &Event::Ingested(Box::new(read)));
    let body = json!({ "filename": "new.jpg", "metadata": { "asset_id": asset.id() } });
    assert_eq!(post(&world, "bob", "/s3/multipart", &body).await.0, 404);
    let (_, made) = post(&world, "alice", "/s3/multipart", &body).await;
    assert_eq!(made["key"], json!(asset.key()));
    let upload =
        (made["uploadId"].as_str().unwrap().to_owned(), format!("key={}", escaped(asset.key().as_str())));
    let list = send(&world, &upload, &[b"second"]).await;
    let target = format!("/s3/multipart/{}/complete?{}", upload.0, upload.1);
    assert_eq!(post(&world, "alice", &target, &list).await.0, 200);
    let update = world.table.asset(asset.id()).update().cloned().expect("it waits for its reading");
    assert_eq!(update.version(), asset.version().next());
}

#[tokio::test]
async fn an_endpoint_opens_uploads_for_an_hour_and_goes_on_with_them_for_a_week() {
    let world = world();
    let (status, made) = post(&world, "alice", "/uppy/endpoints", &json!({})).await;
    assert_eq!(status, 201);
    let base = made["path"].as_str().unwrap().to_owned();
    assert!(!base.ends_with('/'), "Uppy 6 only appends /s3/… to it");
    let bare = async |method: Method, path: &str, body: Option<&Value>| {
        let request = Request::new(method, &format!("{base}{path}"));
        let request = match body {
            Some(body) => request.with_body(body.to_string()),
            None => request,
        };
        answer(&world, &request).await
    };
    assert_eq!(bare(Method::GET, "/s3/params?filename=a.jpg", None).await.0, 200);
    let body = json!({ "filename": "photo.jpg", "type": "image/jpeg" });
    let (status, upload) = bare(Method::POST, "/s3/multipart", Some(&body)).await;
    assert_eq!(status, 200);
    assert!(world.table.assets().iter().all(|asset| asset.owner() == &build::owner("alice")));
    let part = format!(
        "/s3/multipart/{}/1?key={}",
        upload["uploadId"].as_str().unwrap(),
        escaped(upload["key"].as_str().unwrap())
    );

    world.clock.advance(Duration::from_hours(1));
    for (method, path, body) in [
        (Method::GET, "/s3/params?filename=a.jpg", None),
        (Method::POST, "/s3/multipart", Some(&body)),
        (Method::POST, "/s3/sign", Some(&json!({ "method": "PUT", "key": "a.jpg" }))),
    ] {
        let (status, refusal) = bare(method, path, body).await;
        assert_eq!((status, &refusal["code"]), (403, &json!("endpoint_closed")), "{path}");
    }
    assert_eq!(bare(Method::GET, &part, None).await.0, 200);
    world.clock.advance(Duration::from_hours(167));
    let (status, refusal) = bare(Method::GET, &part, None).await;
    assert_eq!((status, &refusal["code"]), (404, &json!("endpoint_not_found")));
    let (status, _) = get(&world, "alice", "/u/any/s3/params?filename=a.jpg").await;
    assert_eq!(status, 404, "a bearer token doesn't help an endpoint that isn't one");
    assert_eq!(bare(Method::POST, "/uppy/endpoints", Some(&json!({}))).await.0, 404, "it opens nothing else");
    let nobody = Request::new(Method::POST, "/uppy/endpoints").with_body("{}");
    assert_eq!(answer(&world, &nobody).await.0, 401);
}

#[tokio::test]
async fn an_endpoint_has_its_makers_roots() {
    let world = world();
    let make = request(&world, "alice", Method::POST, "/uppy/endpoints", None).with_roots("stores/42");
    let (_, made) = answer(&world, &make).await;
    let params = |folder: &str| {
        let path = made["path"].as_str().unwrap();
        Request::new(Method::GET, &format!("{path}/s3/params?filename=a.jpg&metadata[folder]={folder}"))
    };
    assert_eq!(answer(&world, &params("stores/42/banners")).await.0, 200);
    assert_eq!(answer(&world, &params("stores/43")).await.0, 403);
}

/// The events that `sam local invoke` uses, about an upload that is there.
#[tokio::test]
async fn golden_events_are_answered() {
    let world = world();
    let (id, key) = opened(&world, "alice", "").await;
    let asset = world.table.assets().remove(0);
    let list = send(&world, &(id.clone(), key.clone()), &[b"one"]).await;
    let told = list["parts"][0]["ETag"].as_str().unwrap().trim_matches('"').to_owned();
    let read = |event: &str| -> Request {
        let event = event
            .replace("VXBsb2FkSWQtMDE5MGE2ZDQ3YzVlN2Iz", &id)
            .replace("0190a6d4-7c5e-7b3a-8f2d-1c2b3a4d5e6f", &asset.id().to_string())
            .replace("b54357faf0632cce46e942fa68356b38", &told);
        serde_json::from_str(&event).unwrap()
    };
    for (name, event, status) in [
        ("params", include_str!("../../../../events/uppy/params.json"), 200),
        ("multipart", include_str!("../../../../events/uppy/multipart.json"), 200),
        ("parts", include_str!("../../../../events/uppy/parts.json"), 200),
        ("part", include_str!("../../../../events/uppy/part.json"), 200),
        ("batch", include_str!("../../../../events/uppy/batch.json"), 200),
        ("complete", include_str!("../../../../events/uppy/complete.json"), 200),
        ("cancel", include_str!("../../../../events/uppy/cancel.json"), 409),
        ("sts", include_str!("../../../../events/uppy/sts.json"), 403),
        ("sign", include_str!("../../../../events/uppy/sign.json"), 200),
        ("endpoint", include_str!("../../../../events/uppy/endpoint.json"), 201),
        ("by-unknown-path", include_str!("../../../../events/uppy/by-unknown-path.json"), 404),
    ] {
        let (found, body) = answer(&world, &read(event)).await;
        assert_eq!(found, status, "{name}: {body}");
    }
}

#[tokio::test]
async fn nothing_is_promised_past_what_was_signed() {
    let world = world();
    let mut companion = companion(&world);
    companion.grant_ttl = Duration::from_mins(10);
    let asked = request(&world, "alice", Method::GET, "/s3/params?filename=a.jpg", None);
    let response = sluice_uppy::handler::handle(&companion, &asked).await;
    let signed: Value = serde_json::from_str(response.body()).unwrap();
    assert_eq!(signed["expires"], json!(600));
    assert_eq!(world.table.assets()[0].deadline().map(|at| at > world.clock.now()), Some(true));
}
