//! Upload jobs, on ports in memory.
#![expect(clippy::unwrap_used, reason = "in a test a panic is how a fault is told")]

use std::time::Duration;

use serde_json::{Value, json};
use sluice_core::{
    ErrorKind,
    asset::{Asset, Event},
    gate::{Gate, GateAnswer, GatePolicy},
    ids::AssetId,
    intake::{Intake, Opening},
    job::{self, JobEvent, UploadJob, UploadJobStatus},
    ports::{Clock, UploadJobRepository},
    upload::UploadPolicy,
    usage::Quota,
};
use sluice_lambda::http::{Method, Request};
use sluice_presign::{grant::Granter, handler::handle};
use sluice_testing::{MemoryGate, When, World, build};

const NEW: &str = include_str!("../../../events/presign/uploadjobs-new.json");
const LIST: &str = include_str!("../../../events/presign/uploadjobs-list.json");
const CANCEL: &str = include_str!("../../../events/presign/uploadjobs-cancel.json");

/// The status and body, or the code of a refusal.
type Answer = Result<(u16, Value), &'static str>;

async fn send_through(world: &World, gate: Gate<MemoryGate>, request: Request) -> Answer {
    let granter = Granter {
        intake: intake(world),
        gate,
        signer: world.uploads.clone(),
        links: world.links.clone(),
        policy: UploadPolicy::default(),
    };
    let response = handle(&granter, &world.jobs, &world.keys, request).await.map_err(|error| error.code())?;
    let body = serde_json::from_str(response.body()).unwrap_or_default();
    Ok((response.status().as_u16(), body))
}

fn intake(
    world: &World,
) -> Intake<
    sluice_testing::Probe<sluice_testing::MemoryTable>,
    sluice_testing::Probe<sluice_testing::MemoryOriginals>,
    sluice_testing::FixedClock,
    sluice_testing::CountingIds,
> {
    Intake {
        table: world.table.clone(),
        originals: world.originals.clone(),
        clock: world.clock.clone(),
        ids: world.ids.clone(),
    }
}

async fn send(world: &World, request: Request) -> Answer {
    send_through(world, Gate { policy: GatePolicy::default(), function: None }, request).await
}

fn request(world: &World, owner: &str, method: Method, path: &str) -> Request {
    Request::new(method, path).with_caller(&build::owner(owner), world.clock.now().plus(build::GRANT_TTL))
}

async fn announce(world: &World, owner: &str, body: &Value) -> Answer {
    send(world, request(world, owner, Method::POST, "/uploadjobs/").with_body(body.to_string())).await
}

async fn cancel(world: &World, owner: &str, id: &str) -> Answer {
    send(world, request(world, owner, Method::DELETE, &format!("/uploadjobs/{id}"))).await
}

async fn list(world: &World, owner: &str, query: &str) -> Answer {
    send(world, request(world, owner, Method::GET, &format!("/uploadjobs{query}"))).await
}

fn clip(id: &str) -> Value {
    json!({ "id": id, "filename": "clip.mp4", "filesize": 1000, "filetype": "video/mp4" })
}

/// What the tus server does with a token: opens the upload of what was let through, and links it.
async fn start(world: &World, token: &str) -> (UploadJob, Asset) {
    let found = world.jobs.by_token(build::digest(token.as_bytes())).await.unwrap().unwrap();
    found.check_start(world.clock.now()).unwrap();
    let asset = intake(world).open(found.owner(), &found.terms(), Opening::OpenMultipart).await.unwrap();
    let started = JobEvent::Started { asset_id: asset.id() };
    let (job, _) = job::apply_to(&world.jobs, &world.clock, found, &started).await.unwrap();
    (job, asset)
}

/// The bytes come, and the asset knows.
fn arrive(world: &World, id: AssetId) {
    let asset = world.table.asset(id);
    let head = world.upload(&asset, vec![7; 1000]);
    world.apply(id, &Event::UploadArrived(Box::new(build::stored(&asset, &head))));
}

#[tokio::test]
async fn a_job_has_a_token_that_is_shown_once_and_never_kept() {
    let world = World::new();
    let new: Request = serde_json::from_str(NEW).unwrap();
    let (status, body) = send(&world, new).await.unwrap();
    let token = body["upload_token"].as_str().unwrap().to_owned();
    assert_eq!(status, 201);
    assert_eq!(
        body,
        json!({
            "request_id": "Auftrag 7", "upload_token": token, "filename": "Ferien in Köln.mp4",
            "size": 68_052_000, "location": "/files", "expires_at": "2026-01-31T09:15:30.000Z",
        })
    );
    let kept = serde_json::to_string(&world.jobs.job(&build::owner("alice"), "Auftrag 7")).unwrap();
    assert!(!kept.contains(&token) && kept.contains(&build::digest(token.as_bytes()).to_string()));

    let (status, body) = send(&world, serde_json::from_str(LIST).unwrap()).await.unwrap();
    let expected = json!({
        "request_id": "Auftrag 7", "filename": "Ferien in Köln.mp4", "size": 68_052_000,
        "content_type": "video/mp4", "type": "video/mp4", "custom": {"album": {"id": 7, "tags": ["a", null]}},
        "metadata": {"album": {"id": 7, "tags": ["a", null]}}, "status": "queued", "progress": 0,
        "asset_id": null, "revision": 1, "start_before": "2026-01-31T09:15:30.000Z",
        "created_at": "2026-01-31T08:15:30.000Z", "updated_at": "2026-01-31T08:15:30.000Z",
        "poll": { "after_seconds": 2 },
    });
    assert_eq!((status, body), (200, json!({ "jobs": [expected], "next": null })));

    assert_eq!(send(&world, serde_json::from_str(CANCEL).unwrap()).await.unwrap().0, 204);
    let job = world.jobs.job(&build::owner("alice"), "Auftrag 7");
    assert_eq!(job.status(world.clock.now()), UploadJobStatus::Cancelled);
}

#[tokio::test]
async fn an_id_is_its_callers_and_taken_once() {
    let world = World::new();
    let token = |answer: Answer| answer.unwrap().1["upload_token"].as_str().unwrap().to_owned();
    let first = token(announce(&world, "alice", &clip("7")).await);
    assert_eq!(announce(&world, "alice", &clip("7")).await, Err("job_exists"));
    assert_eq!(announce(&world, "alice", &json!({ "id": 7, "filename": "a" })).await, Err("job_exists"));
    assert_ne!(token(announce(&world, "bob", &clip("7")).await), first);

    // two at once: the second is told so by the write
    let jobs = world.jobs.clone();
    let other = build::job("alice", "8", world.clock.now());
    world.calls.before("UploadJobRepository::create", 1, move || {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let create = std::pin::pin!((*jobs).create(&other, None));
        assert!(Future::poll(create, &mut context).is_ready());
    });
    assert_eq!(announce(&world, "alice", &clip("8")).await, Err("job_exists"));

    assert_eq!(cancel(&world, "alice", "7").await.unwrap().0, 204);
    let second = token(announce(&world, "alice", &clip("7")).await);
    let found = async |token: &str| world.jobs.by_token(build::digest(token.as_bytes())).await.unwrap();
    assert_eq!((found(&first).await, found(&second).await.is_some()), (None, true));
    world.clock.advance(job::START_WITHIN);
    assert_eq!(announce(&world, "alice", &clip("7")).await.unwrap().0, 201, "it was never started");
}

#[tokio::test]
async fn what_is_wrong_is_named_and_nothing_is_kept() {
    let world = World::new();
    let with = |field: &str, value: Value| {
        let mut body = clip("1");
        body[field] = value;
        body
    };
    for (body, code) in [
        (json!({}), "invalid_field"),
        (json!({ "id": "1" }), "invalid_field"),
        (with("id", json!("")), "invalid_field"),
        (with("id", json!("a#b")), "invalid_field"),
        (with("id", json!("a/b")), "invalid_field"),
        (with("id", json!(".")), "invalid_field"),
        (with("id", json!("..")), "invalid_field"),
        (with("id", json!("x".repeat(257))), "invalid_field"),
        (with("id", json!("😀".repeat(251))), "invalid_field"),
        (with("id", json!(1.5)), "invalid_field"),
        (with("id", json!(null)), "invalid_field"),
        (with("filesize", json!(-1)), "invalid_field"),
        (with("filesize", json!("1")), "invalid_field"),
        (with("filesize", json!(u64::MAX)), "file_too_large"),
        (with("filename", json!("../x")), "invalid_filename"),
        (with("filetype", json!("image/p ng")), "invalid_field"),
        (with("folder", json!("users/bob")), "folder_forbidden"),
        (with("comment", json!("x".repeat(4_097))), "invalid_field"),
    ] {
        assert_eq!(announce(&world, "alice", &body).await.map(|(status, _)| status), Err(code), "{body}");
    }
    assert!(world.jobs.written().is_empty());
    for (body, size) in [
        (with("filesize", json!(0)), json!(0)),
        (json!({ "id": "2", "filename": "a.mp4" }), json!(null)),
        (json!({ "id": 3, "filename": "a.mp4", "filesize": null }), json!(null)),
    ] {
        assert_eq!(announce(&world, "alice", &body).await.unwrap().1["size"], size, "{body}");
    }
}

#[tokio::test]
async fn the_gate_decides_once_and_its_terms_are_the_jobs() {
    let world = World::new();
    let policy = GatePolicy::new(r#"{"video": {"types": []}}"#, 1 << 30, Quota::UNLIMITED).unwrap();
    let answer = GateAnswer { allow: true, max_open_uploads: Some(2), ..GateAnswer::default() };
    let post = || {
        let body = json!({ "id": "1", "filename": "a.mp4", "filesize": 5, "album": 7 });
        request(&world, "alice", Method::POST, "/uploadjobs").with_body(body.to_string())
    };
    let alone = Gate { policy: policy.clone(), function: None };
    assert_eq!(send_through(&world, alone, post()).await, Err("type_not_allowed"));
    let failing = Gate { policy: policy.clone(), function: Some(MemoryGate::failing()) };
    assert_eq!(send_through(&world, failing, post()).await, Err("gate_unavailable"));
    assert!(world.jobs.written().is_empty());

    let function = MemoryGate::answering(answer);
    let asked = Gate { policy, function: Some(function.clone()) };
    assert_eq!(send_through(&world, asked, post()).await.unwrap().0, 201);
    assert_eq!(function.asked()[0]["metadata"], json!({ "album": 7 }));
    let terms = world.jobs.job(&build::owner("alice"), "1").terms();
    assert_eq!((terms.quota.open_uploads, terms.size.exact()), (Some(2), Some(5)));
}

#[tokio::test]
async fn a_list_has_pages_and_shows_what_time_has_ended() {
    let world = World::new();
    for id in ["a", "b", "c"] {
        announce(&world, "alice", &clip(id)).await.unwrap();
    }
    let (_, page) = list(&world, "alice", "?limit=2").await.unwrap();
    assert_eq!(page["jobs"].as_array().unwrap().len(), 2);
    let next = page["next"].as_str().unwrap();
    let (_, rest) = list(&world, "alice", &format!("?limit=2&cursor={next}")).await.unwrap();
    assert_eq!((&rest["jobs"][0]["request_id"], &rest["next"]), (&json!("c"), &json!(null)));
    assert_eq!(list(&world, "bob", &format!("?cursor={next}")).await, Err("invalid_field"));
    for bad in ["?limit=0", "?limit=101", "?limit=x"] {
        assert_eq!(list(&world, "alice", bad).await, Err("invalid_field"), "{bad}");
    }
    assert_eq!(list(&world, "bob", "").await.unwrap().1, json!({ "jobs": [], "next": null }));
    world.clock.advance(job::START_WITHIN);
    assert_eq!(list(&world, "alice", "").await.unwrap().1["jobs"][0]["status"], "expired");
}

#[tokio::test]
async fn a_cancel_ends_the_upload_once_and_for_its_owner_alone() {
    let world = World::new();
    let token = announce(&world, "alice", &clip("a.b")).await.unwrap().1["upload_token"].clone();
    let (_, asset) = start(&world, token.as_str().unwrap()).await;
    assert_eq!(world.originals.open_uploads().len(), 1);
    for (owner, id) in [("bob", "a.b"), ("alice", "a"), ("alice", "%23")] {
        assert_eq!(cancel(&world, owner, id).await, Err("job_not_found"), "{owner} {id}");
    }
    assert_eq!(cancel(&world, "alice", "").await.unwrap().0, 405);
    for _ in 0..3 {
        assert_eq!(cancel(&world, "alice", "a%2Eb").await.unwrap().0, 204);
    }
    assert!(world.table.asset(asset.id()).is_cancelled());
    assert!(world.originals.open_uploads().is_empty(), "its parts are free");
    let revisions: Vec<u64> = world.jobs.written().iter().map(UploadJob::revision).collect();
    assert_eq!(revisions, [1, 2, 3], "made, started, cancelled: each told once");
}

#[tokio::test]
async fn a_file_that_is_there_stays() {
    for the_record_knows in [true, false] {
        let world = World::new();
        let token = announce(&world, "alice", &clip("1")).await.unwrap().1["upload_token"].clone();
        let (_, asset) = start(&world, token.as_str().unwrap()).await;
        if the_record_knows {
            arrive(&world, asset.id());
        } else {
            world.upload(&asset, vec![7; 1000]);
        }
        assert_eq!(cancel(&world, "alice", "1").await, Err("already_completed"));
        assert_eq!(world.originals.versions(asset.key()).len(), 1);
        assert!(!world.table.asset(asset.id()).is_cancelled());
        assert_eq!(world.jobs.job(&build::owner("alice"), "1").revision(), 2, "the job is as it was");
    }
}

#[tokio::test]
async fn a_cancel_that_fails_on_the_way_is_finished_by_its_repeat() {
    // what an abort that was lost leaves behind is the bucket's lifecycle rule's
    for method in ["AssetRepository::save", "MultipartStore::abort", "UploadJobRepository::save"] {
        for when in [When::Before, When::After] {
            let world = World::new();
            let token = announce(&world, "alice", &clip("1")).await.unwrap().1["upload_token"].clone();
            let (_, asset) = start(&world, token.as_str().unwrap()).await;
            world.calls.fail(method, 1, when, ErrorKind::Unavailable);
            // a write of the asset whose answer was lost is known by what is stored
            let known = (method, when) == ("AssetRepository::save", When::After);
            let first = cancel(&world, "alice", "1").await.map(|(status, _)| status);
            assert_eq!(first, if known { Ok(204) } else { Err("unavailable") }, "{method} {when:?}");
            assert_eq!(cancel(&world, "alice", "1").await.unwrap().0, 204, "{method} {when:?}");
            assert!(world.table.asset(asset.id()).is_cancelled());
            let job = world.jobs.job(&build::owner("alice"), "1");
            assert_eq!((job.status(world.clock.now()), job.revision()), (UploadJobStatus::Cancelled, 3));
        }
    }
}

#[tokio::test]
async fn an_upload_that_starts_in_the_moment_of_the_cancel_is_called_off_too() {
    let world = World::new();
    announce(&world, "alice", &clip("1")).await.unwrap();
    let found = world.jobs.job(&build::owner("alice"), "1");
    let asset = intake(&world).open(found.owner(), &found.terms(), Opening::OpenMultipart).await.unwrap();
    let (started, _) = found.apply(&JobEvent::Started { asset_id: asset.id() }, world.clock.now()).unwrap();
    let jobs = world.jobs.clone();
    world.calls.before("UploadJobRepository::save", 1, move || {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let save = std::pin::pin!((*jobs).save(&started));
        assert!(Future::poll(save, &mut context).is_ready());
    });
    assert_eq!(cancel(&world, "alice", "1").await.unwrap().0, 204);
    assert!(world.table.asset(asset.id()).is_cancelled());
    let job = world.jobs.job(&build::owner("alice"), "1");
    assert_eq!(job.status(world.clock.now()), UploadJobStatus::Cancelled);
}

#[tokio::test]
async fn one_that_has_expired_can_not_be_started_and_need_not_be_cancelled() {
    let world = World::new();
    announce(&world, "alice", &clip("1")).await.unwrap();
    world.clock.advance(job::START_WITHIN.saturating_sub(Duration::from_millis(1)));
    let job = world.jobs.job(&build::owner("alice"), "1");
    assert!(job.check_start(world.clock.now()).is_ok());
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(job.check_start(world.clock.now()).unwrap_err().code(), "job_expired");
    assert_eq!(cancel(&world, "alice", "1").await.unwrap().0, 204);
    assert_eq!(world.jobs.written().len(), 1, "nothing more is told");
}

#[tokio::test]
async fn a_job_that_is_announced_again_with_its_key_has_the_same_token() {
    let world = World::new();
    let send = async |key: &str| {
        let request = Request::new(Method::POST, "/uploadjobs")
            .with_caller(&build::owner("alice"), world.clock.now().plus(build::GRANT_TTL))
            .with_header("idempotency-key", key)
            .with_body(r#"{"id":"job","filename":"a.txt"}"#);
        send_through(&world, Gate { policy: GatePolicy::default(), function: None }, request).await
    };
    let (_, first) = send("k1").await.unwrap();
    assert_eq!(send("k1").await.unwrap().1, first);
    assert_eq!(send("k2").await.unwrap_err(), "job_exists");
    let job = world.jobs.by_token(build::digest(first["upload_token"].as_str().unwrap().as_bytes())).await;
    assert_eq!(job.unwrap().unwrap().request_id().as_str(), "job");
}

#[tokio::test]
async fn one_job_is_shown_to_its_owner_alone() {
    let world = World::new();
    announce(&world, "alice", &clip("job 7")).await.unwrap();
    let (status, job) = list(&world, "alice", "/job%207").await.unwrap();
    let (_, page) = list(&world, "alice", "").await.unwrap();
    assert_eq!((status, &job), (200, &page["jobs"][0]));
    for (owner, id) in [("bob", "job%207"), ("alice", "job"), ("alice", "..")] {
        assert_eq!(list(&world, owner, &format!("/{id}")).await, Err("job_not_found"), "{id}");
    }
}
