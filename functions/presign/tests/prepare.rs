//! `POST /prepare`, on ports in memory.
#![expect(clippy::unwrap_used, reason = "in a test a panic is how a fault is told")]

use bytes::Bytes;
use serde_json::{Value, json};
use sluice_core::{
    ErrorKind,
    asset::{Event, JobName, Stage},
    gate::{Gate, GatePolicy},
    intake::Intake,
    ports::Clock,
    upload::{MIB, UploadPolicy},
};
use sluice_lambda::http::{Method, Request};
use sluice_presign::{grant::Granter, handler::handle};
use sluice_testing::{
    Browser, CountingIds, FixedClock, MemoryGate, MemoryLinkSigner, MemoryOriginals, MemoryTable,
    MemoryUploadSigner, Probe, When, World, build,
};

type Memory = Granter<
    Probe<MemoryTable>,
    Probe<MemoryOriginals>,
    Probe<MemoryUploadSigner>,
    Probe<MemoryLinkSigner>,
    FixedClock,
    CountingIds,
    MemoryGate,
>;

fn granter(world: &World) -> Memory {
    Granter {
        intake: Intake {
            table: world.table.clone(),
            originals: world.originals.clone(),
            clock: world.clock.clone(),
            ids: world.ids.clone(),
        },
        gate: Gate { policy: GatePolicy::default(), function: None },
        signer: world.uploads.clone(),
        links: world.links.clone(),
        policy: UploadPolicy::default(),
    }
}

/// The status and body, or the status class and code of a refusal.
async fn prepare(world: &World, owner: &str, body: &Value) -> Result<(u16, Value), &'static str> {
    let expires_at = world.clock.now().plus(build::GRANT_TTL);
    let request = Request::new(Method::POST, "/prepare/")
        .with_caller(&build::owner(owner), expires_at)
        .with_body(body.to_string());
    let response =
        handle(&granter(world), &world.jobs, &world.keys, request).await.map_err(|error| error.code())?;
    Ok((response.status().as_u16(), serde_json::from_str(response.body()).unwrap()))
}

fn photo(size: u64) -> Value {
    json!({ "filename": "photo.jpg", "file_size": size, "content_type": "image/jpeg" })
}

#[tokio::test]
async fn a_small_file_gets_one_put_that_binds_what_was_granted() {
    let world = World::new();
    let (status, grant) = prepare(&world, "alice", &photo(10 * MIB)).await.unwrap();
    assert_eq!(
        (status, &grant["mode"], &grant["method"], &grant["version"]),
        (201, &json!("direct"), &json!("PUT"), &json!(1))
    );
    let key = grant["object_key"].as_str().unwrap();
    assert_eq!(key, format!("users/alice/{}.jpg", grant["asset_id"].as_str().unwrap()));
    assert_eq!(
        grant["headers"],
        json!({ "content-type": "image/jpeg", "if-none-match": "*", "x-amz-meta-version": "1" })
    );
    let asset = &world.table.assets()[0];
    assert_eq!((asset.stage(), asset.revision()), (Stage::Uploading, 1));

    let headers: Vec<(String, String)> = grant["headers"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(k, v)| (k.clone(), v.as_str().unwrap().to_owned()))
        .collect();
    let url = grant["url"].as_str().unwrap();
    let bytes = Bytes::from(vec![0; 10 << 20]);
    assert_eq!(world.browser.put(url, &headers, bytes.slice(1..)).await.status, 403, "one byte less");
    assert_eq!(world.browser.put(url, &headers, bytes.clone()).await.status, 200);
    assert_eq!(world.browser.put(url, &headers, bytes).await.status, 412, "a second time");
}

#[tokio::test]
async fn a_larger_file_gets_its_first_500_parts_and_every_window_on_demand() {
    let world = World::new();
    let body = json!({ "filename": "movie.mkv", "file_size": 10_000 * MIB, "client_num_parts": 2000 });
    let (status, grant) = prepare(&world, "alice", &body).await.unwrap();
    assert_eq!((status, &grant["mode"]), (201, &json!("multipart")));
    assert_eq!((&grant["part_size"], &grant["num_parts"]), (&json!(5 * MIB), &json!(2000)));
    assert_eq!((&grant["batch"]["start"], &grant["batch"]["count"]), (&json!(1), &json!(500)));
    assert_eq!(grant["batch"]["items"][499]["part_number"], 500);

    let window = |start: u64, count: u64| json!({ "upload_id": grant["upload_id"], "object_key": grant["object_key"], "start_part": start, "batch_count": count });
    for (start, count, first, signed) in
        [(501, 500, 501, 500), (1901, 500, 1901, 100), (1, 3, 1, 3), (2000, 9999, 2000, 1)]
    {
        let (status, answer) = prepare(&world, "alice", &window(start, count)).await.unwrap();
        assert_eq!(
            (status, &answer["batch"]["start"], &answer["batch"]["count"]),
            (200, &json!(first), &json!(signed))
        );
        assert_eq!(answer["batch"]["items"].as_array().unwrap().len(), signed);
    }
    for (start, count) in [(0, 1), (2001, 1), (1, 0)] {
        assert_eq!(
            prepare(&world, "alice", &window(start, count)).await,
            Err("invalid_field"),
            "{start}, {count}"
        );
    }
    assert_eq!(prepare(&world, "bob", &window(1, 1)).await, Err("upload_not_found"));
    let mut forged = window(1, 1);
    forged["upload_id"] = json!("another");
    assert_eq!(prepare(&world, "alice", &forged).await, Err("upload_not_found"));
    assert_eq!(world.table.assets().len(), 1, "windows make no assets");
}

#[tokio::test]
async fn what_is_wrong_is_named_and_leaves_nothing_behind() {
    let world = World::new();
    let with = |field: &str, value: Value| {
        let mut body = photo(11 * MIB);
        body[field] = value;
        body
    };
    for (body, code) in [
        (json!({}), "invalid_field"),
        (json!({ "filename": "a.jpg" }), "invalid_field"),
        (with("file_size", json!(-1)), "invalid_field"),
        (with("file_size", json!(1.5)), "invalid_field"),
        (with("file_size", json!("10")), "invalid_field"),
        (with("file_size", json!(u64::MAX)), "file_too_large"),
        (with("filename", json!("../x")), "invalid_filename"),
        (with("filename", json!("x".repeat(1000))), "invalid_filename"),
        (with("filename", json!("a\u{202e}gpj.exe")), "invalid_filename"),
        (with("content_type", json!("image/p ng")), "invalid_field"),
        (with("relative_path", json!("../a.jpg")), "invalid_field"),
        (with("sha256", json!("abc")), "invalid_field"),
        (with("folder", json!("users/bob")), "folder_forbidden"),
        (with("client_num_parts", json!(10_001)), "invalid_field"),
        (with("asset_id", json!("0190a6d4-7c5e-7b3a-8f2d-1c2b3a4d5e6f")), "asset_not_found"),
        (json!([]), "invalid_json"),
    ] {
        assert_eq!(prepare(&world, "alice", &body).await, Err(code), "{body}");
    }
    assert!(world.table.assets().is_empty() && world.originals.open_uploads().is_empty());
}

#[tokio::test]
async fn the_same_content_is_recognised_for_its_owner_alone() {
    let world = World::new();
    let bytes = vec![7_u8; 1000];
    let sha256 = build::digest(&bytes);
    let asset = world.uploaded("alice", bytes);
    let version = asset.version();
    let mut body = photo(1000);
    body["sha256"] = json!(sha256);
    assert_eq!(
        prepare(&world, "alice", &body).await.unwrap().1["mode"],
        "direct",
        "not while it is on its way"
    );

    sluice_core::ports::ContentIndex::claim(&world.table, asset.owner(), sha256, asset.id()).await.unwrap();
    world.apply(asset.id(), &Event::Ingested(Box::new(build::ingest(version, sha256))));
    let lease = build::lease(world.clock.now());
    world.apply(asset.id(), &Event::JobStarted { job: JobName::Image, version, lease });
    world.apply(
        asset.id(),
        &Event::JobSucceeded {
            job: JobName::Image,
            version,
            derivatives: vec![],
            warnings: vec![],
            placeholder: None,
        },
    );
    let (status, answer) = prepare(&world, "alice", &body).await.unwrap();
    assert_eq!((status, &answer["mode"]), (201, &json!("existing")));
    assert_eq!(answer["asset"]["asset_id"], json!(asset.id()));
    assert_eq!(prepare(&world, "bob", &body).await.unwrap().1["mode"], "direct");
    body["file_size"] = json!(999);
    assert_eq!(
        prepare(&world, "alice", &body).await.unwrap().1["mode"],
        "direct",
        "another size is another file"
    );
}

#[tokio::test]
async fn an_update_keeps_the_key_and_replaces_just_the_version_it_was_granted_for() {
    let world = World::new();
    let asset = world.uploaded("alice", vec![1; 1000]);
    let mut body = photo(500);
    body["asset_id"] = json!(asset.id());
    assert_eq!(prepare(&world, "alice", &body).await, Err("asset_busy"));
    let read =
        sluice_core::asset::Ingest { jobs: vec![], ..build::ingest(asset.version(), build::digest(b"")) };
    world.apply(asset.id(), &Event::Ingested(Box::new(read)));
    let (_, grant) = prepare(&world, "alice", &body).await.unwrap();
    assert_eq!((&grant["object_key"], &grant["version"]), (&json!(asset.key()), &json!(2)));
    assert_eq!(grant["headers"]["if-match"], asset.object().unwrap().etag.quoted());
    assert_eq!(prepare(&world, "bob", &body).await, Err("asset_not_found"));
}

#[tokio::test]
async fn the_token_must_name_its_owner_and_still_be_good() {
    let world = World::new();
    let body = photo(1).to_string();
    let nobody = Request::new(Method::POST, "/prepare").with_body(body.clone());
    assert_eq!(
        handle(&granter(&world), &world.jobs, &world.keys, nobody).await.unwrap_err().code(),
        "unauthorized"
    );
    let expired = Request::new(Method::POST, "/prepare")
        .with_caller(&build::owner("alice"), world.clock.now())
        .with_body(body);
    assert_eq!(
        handle(&granter(&world), &world.jobs, &world.keys, expired).await.unwrap_err().code(),
        "token_expired"
    );
    for (method, path, status) in [(Method::GET, "/prepare", 405), (Method::POST, "/prepare/more", 404)] {
        assert_eq!(
            handle(&granter(&world), &world.jobs, &world.keys, Request::new(method, path))
                .await
                .unwrap()
                .status(),
            status
        );
    }
}

#[tokio::test]
async fn a_request_that_comes_again_with_its_key_makes_nothing_more() {
    let world = World::new();
    let send = async |key: &str, body: &Value| {
        let request = Request::new(Method::POST, "/prepare")
            .with_caller(&build::owner("alice"), world.clock.now().plus(build::GRANT_TTL))
            .with_header("idempotency-key", key)
            .with_body(body.to_string());
        let response = handle(&granter(&world), &world.jobs, &world.keys, request).await;
        response
            .map(|response| serde_json::from_str::<Value>(response.body()).unwrap())
            .map_err(|error| error.code())
    };
    let first = send("k1", &photo(10)).await.unwrap();
    assert_eq!(send("k1", &photo(10)).await.unwrap(), first, "the same asset, its link signed again");
    assert_eq!(send("k1", &photo(11)).await.unwrap_err(), "idempotency_mismatch");
    assert_ne!(send("k2", &photo(10)).await.unwrap()["asset_id"], first["asset_id"]);
    for key in ["", "two words", "grün", &"x".repeat(256)] {
        assert_eq!(send(key, &photo(10)).await.unwrap_err(), "invalid_idempotency_key");
    }

    // in parts: no second upload is opened at S3
    let large = photo(30 * MIB);
    let parts = send("k3", &large).await.unwrap();
    assert_eq!(send("k3", &large).await.unwrap()["upload_id"], parts["upload_id"]);
    assert_eq!(world.originals.open_uploads().len(), 1);

    // a try that died after its asset was written: the next goes on with that, once the first can't be under way any more
    for when in [When::Before, When::After] {
        let key = format!("died {when:?}").replace(' ', "-");
        world.calls.fail("IdempotencyRepository::replace", 1, When::Before, ErrorKind::Unavailable);
        world.calls.fail("UploadSigner::sign_put", 1, when, ErrorKind::Unavailable);
        assert_eq!(send(&key, &photo(10)).await.unwrap_err(), "unavailable");
        assert_eq!(send(&key, &photo(10)).await.unwrap_err(), "request_in_flight");
        let before = world.table.assets().len();
        world.clock.advance(std::time::Duration::from_secs(30));
        send(&key, &photo(10)).await.unwrap();
        assert_eq!(world.table.assets().len(), before);
    }

    // once its bytes are there, a repeat tells of the asset
    let id = first["asset_id"].as_str().unwrap().parse().unwrap();
    let asset = world.table.asset(id);
    let head = world.upload(&asset, vec![0; 10]);
    world.apply(id, &Event::UploadArrived(Box::new(build::stored(&asset, &head))));
    let again = send("k1", &photo(10)).await.unwrap();
    assert_eq!((&again["mode"], &again["asset"]["asset_id"]), (&json!("existing"), &first["asset_id"]));

    // an update: the same grant, and never a second version
    let update = json!({ "filename": "b.jpg", "file_size": 5, "content_type": "image/jpeg", "asset_id": id });
    world.apply(id, &Event::Ingested(Box::new(build::ingest(asset.version(), build::digest(b"x")))));
    world.apply(
        id,
        &Event::JobSucceeded {
            job: JobName::Image,
            version: asset.version(),
            derivatives: vec![],
            warnings: vec![],
            placeholder: None,
        },
    );
    let granted = send("u1", &update).await.unwrap();
    assert_eq!(granted["version"], 2);
    assert_eq!(send("u1", &update).await.unwrap(), granted);
    world.apply(id, &Event::UploadCancelled);
    assert_eq!(send("u1", &update).await.unwrap()["mode"], "existing");
    assert_eq!(world.table.asset(id).granted().to_string(), "2");
}

#[tokio::test]
async fn a_key_is_its_owners_and_its_routes() {
    let world = World::new();
    let send = async |owner: &str, path: &str| {
        let request = Request::new(Method::POST, path)
            .with_caller(&build::owner(owner), world.clock.now().plus(build::GRANT_TTL))
            .with_header("idempotency-key", "1")
            .with_body(photo(10).to_string());
        let response = handle(&granter(&world), &world.jobs, &world.keys, request).await.unwrap();
        serde_json::from_str::<Value>(response.body()).unwrap()["asset_id"].clone()
    };
    let mut ids = vec![
        send("alice", "/prepare").await,
        send("bob", "/prepare").await,
        send("alice", "/s3_signature").await,
        send("alice", "/prepare").await,
    ];
    assert_eq!(ids.pop().as_ref(), Some(&ids[0]));
    assert!(ids[0] != ids[1] && ids[0] != ids[2] && ids[1] != ids[2]);
}

#[tokio::test]
async fn what_a_client_does_not_say_is_made_up_for() {
    let world = World::new();
    let asset = async |body: Value| {
        let (_, granted) = prepare(&world, "alice", &body).await.unwrap();
        world.table.asset(granted["asset_id"].as_str().unwrap().parse().unwrap())
    };
    // no name, as in the example of the first flow
    let nameless = asset(json!({ "file_size": 5, "content_type": "image/jpeg" })).await;
    assert_eq!(nameless.filename().as_str(), "file.jpg");
    // words that JavaScript puts where nothing is, and types that are none
    for word in ["null", "undefined", "image", "*/*"] {
        let body = json!({ "filename": "a.png", "file_size": 5, "content_type": word });
        assert_eq!(asset(body).await.grant().unwrap().content_type.as_str(), "image/png");
    }
    let unsaid = json!({ "filename": "a.png", "file_size": 5, "folder": "null", "message_id": "undefined", "asset_id": "null" });
    assert_eq!(asset(unsaid).await.folder().as_str(), "users/alice");
    // a file of a folder that is sent as a whole
    let body = json!({ "filename": "a.png", "file_size": 5, "folder": " trips ", "relative_path": "rome/day 1/a.png" });
    assert_eq!(asset(body).await.folder().as_str(), "users/alice/trips/rome/day 1");
}

#[tokio::test]
async fn an_update_without_a_name_keeps_the_assets() {
    let world = World::new();
    let asset = world.uploaded("alice", vec![0; 5]);
    world.apply(asset.id(), &Event::Ingested(Box::new(build::ingest(asset.version(), build::digest(b"x")))));
    let (job, version) = (JobName::Image, asset.version());
    world.apply(
        asset.id(),
        &Event::JobSucceeded { job, version, derivatives: vec![], warnings: vec![], placeholder: None },
    );
    let body = json!({ "file_size": 6, "asset_id": asset.id(), "relative_path": "elsewhere/b.jpg" });
    prepare(&world, "alice", &body).await.unwrap();
    let updated = world.table.asset(asset.id());
    assert_eq!(updated.grant().unwrap().filename, *asset.filename());
    assert_eq!(updated.folder(), asset.folder());
}
