//! Small forms, on ports in memory.
#![expect(clippy::unwrap_used, reason = "in a test a panic is how a fault is told")]

use serde_json::{Value, json};
use sluice_core::{
    ErrorKind,
    asset::{Asset, Event, Failure, JobName, Stage},
    gate::{Gate, GatePolicy},
    ids::MessageId,
    intake::Intake,
    ports::{AssetRepository, Clock, ContentIndex, OriginalStore},
    usage::{Quota, Usage},
};
use sluice_form::{form::MAX_FORM_BYTES, handler::handle, take::Taker};
use sluice_lambda::http::{Method, Request};
use sluice_testing::{MemoryGate, When, World, build};

const UPLOAD: &str = include_str!("../../../events/form/upload.json");
const CUT_OFF: &str = include_str!("../../../events/form/cut-off.json");
const TASK: &str = include_str!("../../../events/form/task.json");

/// The status and body, or the kind and code of a refusal.
type Answer = Result<(u16, Value), (ErrorKind, &'static str)>;

async fn send_through(world: &World, policy: GatePolicy, request: Request) -> Answer {
    let taker = Taker {
        intake: Intake {
            table: world.table.clone(),
            originals: world.originals.clone(),
            clock: world.clock.clone(),
            ids: world.ids.clone(),
        },
        gate: Gate::<MemoryGate> { policy, function: None },
        ingest: world.queue.clone(),
        tasks: world.tasks.clone(),
    };
    let response = handle(&taker, &world.links, &world.keys, request).await;
    let response = response.map_err(|error| (error.kind(), error.code()))?;
    Ok((response.status().as_u16(), serde_json::from_str(response.body()).unwrap()))
}

async fn send(world: &World, request: Request) -> Answer {
    send_through(world, GatePolicy::default(), request).await
}

fn form(world: &World, files: &[(&str, &[u8])]) -> Request {
    let mut body = Vec::new();
    for (name, bytes) in files {
        let head =
            format!("--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--XX--\r\n");
    of_alice(world, Method::POST, "/api/v1/assets/")
        .with_header("content-type", "multipart/form-data; boundary=XX")
        .with_bytes(&body)
}

fn of_alice(world: &World, method: Method, path: &str) -> Request {
    let until = world.clock.now().plus(build::GRANT_TTL);
    Request::new(method, path).with_caller(&build::owner("alice"), until)
}

async fn task(world: &World, answer: &Value) -> Value {
    let path = format!("/api/v1/tasks/{}", answer["task_id"].as_str().unwrap());
    send(world, of_alice(world, Method::GET, &path)).await.unwrap().1
}

/// What `process` does with a file that needs nothing.
async fn finish(world: &World, asset: &Asset) {
    let stored = world.table.asset(asset.id());
    let sha256 = stored.sha256().unwrap();
    let mut read = build::ingest(stored.version(), sha256);
    read.jobs.clear();
    world.apply(stored.id(), &Event::Ingested(Box::new(read)));
    world.table.claim(stored.owner(), sha256, stored.id()).await.unwrap();
}

#[tokio::test]
async fn the_files_of_a_recorded_form_are_stored_and_read() {
    let world = World::new();
    let (status, answer) = send(&world, serde_json::from_str(UPLOAD).unwrap()).await.unwrap();
    assert_eq!((status, &answer["status"], &answer["refused"]), (200, &json!("processing"), &json!([])));
    let names: Vec<_> = answer["assets"].as_array().unwrap().iter().map(|asset| &asset["filename"]).collect();
    assert_eq!(names, ["Ferien in Köln.png", "notes.txt"]);

    let assets = world.table.assets();
    let orders: Vec<_> = world.queue.orders().iter().map(|order| (order.asset_id, order.job)).collect();
    // files are taken at once, so their ids come in any order
    for kept in answer["assets"].as_array().unwrap() {
        let asset = assets.iter().find(|asset| kept["object_key"] == asset.key().as_str()).unwrap();
        assert_eq!((asset.stage(), asset.folder().as_str()), (Stage::Processing, "users/alice/trips"));
        assert_eq!(asset.message_id().map(MessageId::as_str), Some("m-1"));
        let head = world.originals.head(asset.key(), None).await.unwrap().unwrap();
        let object = asset.object().unwrap();
        assert_eq!((head.version, head.sha256), (Some(asset.version()), asset.sha256()));
        assert_eq!((object.version_id.as_ref(), object.size), (head.version_id.as_ref(), head.size));
        assert!(orders.contains(&(asset.id(), JobName::Ingest)));
    }
    let usage = world.table.usage(&build::owner("alice")).await.unwrap();
    let bytes = assets.iter().map(Asset::size).sum();
    assert_eq!(usage, Usage { open_uploads: 0, stored_bytes: bytes });

    let now = send(&world, serde_json::from_str(TASK).unwrap()).await.unwrap().1;
    assert_eq!((&now["status"], &now["poll"]), (&json!("processing"), &json!({ "after_seconds": 2 })));
    for asset in &assets {
        finish(&world, asset).await;
    }
    let done = send(&world, serde_json::from_str(TASK).unwrap()).await.unwrap().1;
    assert_eq!((&done["status"], &done["poll"]), (&json!("complete"), &json!(null)));
    assert_eq!(done["assets"][1]["filename"], "notes.txt");
}

#[tokio::test]
async fn a_form_that_breaks_off_leaves_nothing() {
    let world = World::new();
    let cut_off: Request = serde_json::from_str(CUT_OFF).unwrap();
    assert_eq!(send(&world, cut_off).await, Err((ErrorKind::Invalid, "invalid_form")));
    let none = of_alice(&world, Method::POST, "/api/v1/assets").with_bytes(b"--XX--");
    assert_eq!(send(&world, none).await, Err((ErrorKind::Unsupported, "unsupported_media_type")));
    assert!(world.table.assets().is_empty() && world.originals.keys().is_empty());
}

#[tokio::test]
async fn the_largest_form_passes_and_one_byte_more_names_the_other_way() {
    let world = World::new();
    let frame = form_bytes(&world, 0);
    assert_eq!(send(&world, form_of(&world, MAX_FORM_BYTES - frame)).await.unwrap().0, 200);
    let over = send(&world, form_of(&world, MAX_FORM_BYTES - frame + 1)).await;
    assert_eq!(over, Err((ErrorKind::TooLarge, "payload_too_large")));
    assert!(sluice_form::form::too_large().message().contains("/prepare"));
    assert_eq!(world.table.assets().len(), 1);
}

fn form_of(world: &World, bytes: usize) -> Request {
    form(world, &[("a.bin", &vec![7; bytes])])
}

fn form_bytes(world: &World, bytes: usize) -> usize {
    form_of(world, bytes).bytes(usize::MAX / 4).unwrap().unwrap().len()
}

#[tokio::test]
async fn what_is_there_already_is_answered_and_not_stored_again() {
    let world = World::new();
    send(&world, form(&world, &[("a.txt", b"the same")])).await.unwrap();
    let first = world.table.assets().remove(0);
    finish(&world, &first).await;
    world.calls.reset();
    let (_, answer) = send(&world, form(&world, &[("a.txt", b"the same")])).await.unwrap();
    assert_eq!(answer["assets"][0]["asset_id"], first.id().to_string());
    let mut copies = Vec::new();
    for _ in 0..2 {
        let (_, answer) = send(&world, form(&world, &[("b.txt", b"the same")])).await.unwrap();
        assert_eq!(task(&world, &answer).await["status"], "complete");
        copies.push(answer["assets"][0]["asset_id"].clone());
    }
    assert_eq!(copies[0], copies[1], "one asset of each name");
    let copy = world.table.asset(copies[0].as_str().unwrap().parse().unwrap());
    assert_eq!((copy.duplicate_of(), copy.filename().to_string()), (Some(first.id()), "b.txt".to_owned()));
    assert_eq!(world.calls.count("OriginalStore::put"), 0);
}

#[tokio::test]
async fn an_empty_file_is_a_file() {
    let world = World::new();
    let (status, _) = send(&world, form(&world, &[("empty.txt", b"")])).await.unwrap();
    let asset = world.table.assets().remove(0);
    assert_eq!((status, asset.size(), asset.stage()), (200, 0, Stage::Processing));
}

#[tokio::test]
async fn one_that_is_refused_hinders_no_other_and_fails_the_task() {
    let world = World::new();
    let policy = || GatePolicy::new(r#"{"video": {"types": []}}"#, 1_000, Quota::UNLIMITED).unwrap();
    let request = form(&world, &[("a.mp4", b"x"), ("b.txt", b"x"), ("../c", b"x"), ("d.txt", &[7; 1_001])]);
    let (status, answer) = send_through(&world, policy(), request).await.unwrap();
    assert_eq!((status, answer["assets"].as_array().unwrap().len()), (200, 1));
    let codes: Vec<_> = answer["refused"].as_array().unwrap().iter().map(|one| &one["code"]).collect();
    assert_eq!(codes, ["type_not_allowed", "invalid_filename", "file_too_large"]);
    assert_eq!(answer["refused"][0]["filename"], "a.mp4");
    assert_eq!(task(&world, &answer).await["status"], "processing");
    finish(&world, &world.table.assets()[0]).await;
    let ended = task(&world, &answer).await;
    assert_eq!((&ended["status"], &ended["refused"]), (&json!("failed"), &answer["refused"]));

    let alone = send_through(&world, policy(), form(&world, &[("a.mp4", b"x"), ("../c", b"x")])).await;
    assert_eq!(alone, Err((ErrorKind::Unsupported, "type_not_allowed")), "nothing could be taken");
}

#[tokio::test]
async fn a_file_whose_reading_failed_fails_the_task() {
    let world = World::new();
    let (_, answer) = send(&world, form(&world, &[("a.jpg", b"no picture")])).await.unwrap();
    let asset = world.table.assets().remove(0);
    let failure = Failure::permanent("corrupt", "for people");
    world.apply(asset.id(), &Event::IngestFailed { version: asset.version(), failure });
    let now = task(&world, &answer).await;
    assert_eq!((&now["status"], &now["poll"]), (&json!("failed"), &json!(null)));
    assert_eq!(now["assets"][0]["failure"]["code"], "corrupt");
}

#[tokio::test]
async fn quotas_count_every_file_of_a_form() {
    let world = World::new();
    let quota = Quota { open_uploads: Some(4), stored_bytes: Some(5) };
    let policy = GatePolicy::new("{}", 1_000, quota).unwrap();
    let files: [(&str, &[u8]); 3] = [("a", b"aaa"), ("b", b"bbb"), ("c", b"cc")];
    let (_, answer) = send_through(&world, policy, form(&world, &files)).await.unwrap();
    assert_eq!(answer["refused"][0]["code"], "quota_exceeded");
    let usage = world.table.usage(&build::owner("alice")).await.unwrap();
    assert_eq!(usage, Usage { open_uploads: 0, stored_bytes: 5 });
}

#[tokio::test]
async fn a_port_that_fails_leaves_no_upload_open() {
    for method in ["OriginalStore::put", "AssetRepository::create", "AssetRepository::save"] {
        let world = World::new();
        world.calls.fail(method, 1, When::Before, ErrorKind::Unavailable);
        let answer = send(&world, form(&world, &[("a.txt", b"x"), ("b.txt", b"y")])).await.unwrap().1;
        assert_eq!(answer["refused"][0]["code"], "unavailable", "{method}");
        assert_eq!(answer["refused"][0]["retryable"], true);
        assert_eq!(answer["assets"].as_array().unwrap().len(), 1, "{method}");
        let alone = send_all_failing(&world, method).await;
        assert_eq!(alone, Err((ErrorKind::Unavailable, "unavailable")), "{method}");
        let open = |asset: &Asset| asset.stage() == Stage::Uploading && asset.object().is_none();
        let in_the_bucket = world.originals.keys();
        let left = world.table.assets().into_iter().filter(open);
        // where the bytes are there they are never called off; S3's event brings them in
        assert!(left.into_iter().all(|asset| in_the_bucket.contains(&asset.key().to_string())), "{method}");
    }
}

async fn send_all_failing(world: &World, method: &'static str) -> Answer {
    world.calls.fail_always(method, When::Before, ErrorKind::Unavailable);
    let answer = send(world, form(world, &[("c.txt", b"z")])).await;
    world.calls.heal();
    answer
}

#[tokio::test]
async fn a_put_whose_answer_was_lost_finds_its_own_object() {
    let world = World::new();
    let originals = world.originals.clone();
    let table = world.table.clone();
    world.calls.before("OriginalStore::put", 1, move || {
        let asset = table.assets().remove(0);
        let write = sluice_testing::s3::Write {
            bytes: bytes::Bytes::from_static(b"x"),
            content_type: "text/plain".parse().unwrap(),
            version: Some(asset.version()),
            sha256: Some(build::digest(b"x")),
            condition: None,
        };
        originals.write(asset.key().as_str(), write).unwrap();
    });
    let (status, _) = send(&world, form(&world, &[("a.txt", b"x")])).await.unwrap();
    assert_eq!((status, world.table.assets()[0].stage()), (200, Stage::Processing));
}

#[tokio::test]
async fn without_the_queue_the_bucket_starts_the_reading() {
    let world = World::new();
    world.calls.fail_always("JobQueue::enqueue", When::Before, ErrorKind::Unavailable);
    let (status, answer) = send(&world, form(&world, &[("a.txt", b"x")])).await.unwrap();
    assert_eq!((status, &answer["refused"]), (200, &json!([])));
}

#[tokio::test]
async fn a_task_is_its_owners_alone() {
    let world = World::new();
    let (_, answer) = send(&world, form(&world, &[("a.txt", b"x")])).await.unwrap();
    let id = answer["task_id"].as_str().unwrap();
    let until = world.clock.now().plus(build::GRANT_TTL);
    let get = |path: String| Request::new(Method::GET, &path).with_caller(&build::owner("bob"), until);
    for path in [format!("/api/v1/tasks/{id}"), format!("/api/v1/tasks/{id}x"), "/api/v1/tasks/x".to_owned()]
    {
        assert_eq!(
            send(&world, get(path.clone())).await,
            Err((ErrorKind::NotFound, "task_not_found")),
            "{path}"
        );
    }
    let nobody = Request::new(Method::GET, &format!("/api/v1/tasks/{id}"));
    assert_eq!(send(&world, nobody).await, Err((ErrorKind::Unauthorized, "unauthorized")));
    for (method, path, status) in [
        (Method::GET, "/api/v1/assets", 405),
        (Method::DELETE, "/api/v1/tasks/x", 405),
        (Method::GET, "/api/v1/tasks", 404),
        (Method::POST, "/api/v1", 404),
    ] {
        assert_eq!(send(&world, of_alice(&world, method, path)).await.unwrap().0, status, "{path}");
    }
}

#[tokio::test]
async fn a_form_that_comes_again_with_its_key_is_taken_once() {
    let world = World::new();
    let files: [(&str, &[u8]); 2] = [("a.txt", b"one"), ("b.txt", b"two")];
    let send_again = async || send(&world, form(&world, &files).with_header("idempotency-key", "k1")).await;
    // one that was told 503, though a file may be kept
    for (method, when) in [
        ("OriginalStore::put", When::Before),
        ("OriginalStore::put", When::After),
        ("AssetRepository::save", When::Before),
        ("TaskRepository::create", When::After),
    ] {
        world.calls.fail_always(method, when, ErrorKind::Unavailable);
        send_again().await.unwrap_err();
        world.calls.heal();
    }
    let (_, first) = send_again().await.unwrap();
    let (_, again) = send_again().await.unwrap();
    assert_eq!((&again["task_id"], &again["assets"]), (&first["task_id"], &first["assets"]));
    assert_eq!(world.table.assets().len(), 2);
    assert!(world.table.assets().iter().all(|asset| asset.object().is_some()));

    let other = form(&world, &[("a.txt", b"other")]).with_header("idempotency-key", "k1");
    assert_eq!(send(&world, other).await.unwrap_err(), (ErrorKind::Unprocessable, "idempotency_mismatch"));
}
