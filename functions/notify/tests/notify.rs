//! The function as the stream invokes it, on ports in memory.
#![expect(clippy::unwrap_used, reason = "in a test a panic is how a fault is told")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::FutureExt;
use serde_json::{Value, json};
use sluice_core::{
    Error, ErrorKind, Result,
    asset::{Asset, Event, NewAsset, Overdue, Placement},
    ids::{ConnectionId, TaskId},
    job::UploadJobStatus,
    names::Folder,
    ports::{Clock, Connection, ConnectionRepository, IdGenerator, TaskRepository, UploadJobRepository},
    task::{Refusal, Task},
};
use sluice_notify::{handler::Ports, poison::PoisonQueue};
use sluice_testing::{
    FixedClock, MemoryJobs, MemoryLinkSigner, MemoryNotifier, MemoryTable, MemoryTasks, Probe, When, World,
    build,
};

const CHANGED: &str = include_str!("../../../events/notify/changed.json");
const REMOVED: &str = include_str!("../../../events/notify/removed.json");
const UPLOAD_JOB: &str = include_str!("../../../events/notify/upload-job.json");
const TASK: &str = include_str!("../../../events/notify/task.json");
const UNREADABLE: &str = include_str!("../../../events/notify/unreadable.json");

/// A poison queue that keeps its notes, or refuses them.
#[derive(Clone, Default)]
struct Poison(Arc<Mutex<(bool, Vec<Value>)>>);

impl Poison {
    fn refuse(&self, refuse: bool) {
        self.0.lock().unwrap().0 = refuse;
    }

    fn notes(&self) -> Vec<Value> {
        self.0.lock().unwrap().1.clone()
    }
}

impl PoisonQueue for Poison {
    async fn put(&self, text: String) -> Result<()> {
        let mut queue = self.0.lock().unwrap();
        if queue.0 {
            return Err(Error::unavailable("SQS", "timeout"));
        }
        queue.1.push(serde_json::from_str(&text).unwrap());
        Ok(())
    }
}

type Function = Ports<
    Probe<MemoryTable>,
    Probe<MemoryTable>,
    Probe<MemoryTasks>,
    Probe<MemoryJobs>,
    Probe<MemoryLinkSigner>,
    Probe<MemoryNotifier>,
    Poison,
    FixedClock,
>;

fn function(world: &World) -> Function {
    Ports {
        connections: world.table.clone(),
        assets: world.table.clone(),
        tasks: world.tasks.clone(),
        jobs: world.jobs.clone(),
        links: world.links.clone(),
        notifier: world.notifier.clone(),
        poison: Poison::default(),
        clock: world.clock.clone(),
    }
}

/// The sequence numbers that failed.
async fn invoke(function: &Function, event: Value) -> Vec<String> {
    let answer = function.handle(serde_json::from_value(event).unwrap()).await;
    let answer = serde_json::to_value(answer).unwrap();
    let failures = answer["batchItemFailures"].as_array().unwrap().iter();
    failures.map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned()).collect()
}

fn recorded(event: &str) -> Value {
    serde_json::from_str(event).unwrap()
}

/// How long a connection may be opening.
const GRACE: Duration = Duration::from_secs(30);

/// A connection of an owner that was recorded just now and isn't open yet.
async fn record(world: &World, owner: &str, name: &str) -> ConnectionId {
    let connection = Connection { id: name.parse().unwrap(), since: world.clock.now() };
    let until = world.clock.now().plus(Duration::from_hours(2));
    world.table.add(&connection, &build::owner(owner), until).await.unwrap();
    connection.id
}

/// An open connection of an owner.
async fn connect(world: &World, owner: &str, name: &str) -> ConnectionId {
    let connection = record(world, owner, name).await;
    world.notifier.open(&connection);
    connection
}

/// Who is on record for alice.
async fn recorded_of_alice(world: &World) -> Vec<ConnectionId> {
    let connections = world.table.of_owner(&build::owner("alice")).await.unwrap();
    connections.into_iter().map(|connection| connection.id).collect()
}

fn image(asset: &Asset) -> Value {
    let item: serde_dynamo::Item = serde_dynamo::to_item(asset).unwrap();
    let mut image = serde_json::to_value(item).unwrap();
    image["pk"] = json!({"S": format!("A#{}", asset.id())});
    image["sk"] = json!({"S": "A"});
    image
}

/// The stream of these states, each with the one before it of the same asset; numbered from 1.
fn stream_of(states: &[Asset]) -> Value {
    let records: Vec<_> = states
        .iter()
        .enumerate()
        .map(|(at, asset)| {
            let before = states[..at].iter().rfind(|before| before.id() == asset.id());
            json!({
                "eventName": if before.is_some() { "MODIFY" } else { "INSERT" },
                "dynamodb": {
                    "SequenceNumber": (at + 1).to_string(),
                    "NewImage": image(asset),
                    "OldImage": before.map(image),
                },
            })
        })
        .collect();
    json!({ "Records": records })
}

/// What a connection was told: stages and sequence numbers.
fn told(world: &World, connection: &ConnectionId) -> Vec<(String, u64)> {
    let messages = world.notifier.messages(connection);
    let told = messages.iter().map(|message| {
        assert_eq!(message["type"], "asset");
        assert_eq!(message["seq"], message["asset"]["revision"]);
        (message["asset"]["stage"].as_str().unwrap().to_owned(), message["seq"].as_u64().unwrap())
    });
    told.collect()
}

/// Two states of one asset: granted and cancelled.
fn two_states(world: &World, owner: &str) -> [Asset; 2] {
    let granted = world.granted(owner);
    let cancelled = world.apply(granted.id(), &Event::UploadCancelled);
    [granted, cancelled]
}

fn stages() -> Vec<(String, u64)> {
    vec![("uploading".to_owned(), 1), ("cancelled".to_owned(), 2)]
}

#[tokio::test]
async fn a_recorded_change_reaches_every_connection_of_its_owner_alone() {
    let world = World::new();
    let function = function(&world);
    let (one, two) = (connect(&world, "alice", "one").await, connect(&world, "alice", "two").await);
    let other = connect(&world, "bob", "other").await;
    assert!(invoke(&function, recorded(CHANGED)).await.is_empty());
    for connection in [&one, &two] {
        assert_eq!(told(&world, connection), [("done".to_owned(), 5)]);
        let asset = &world.notifier.messages(connection)[0]["asset"];
        let names: Vec<_> =
            asset["derivatives"].as_array().unwrap().iter().map(|made| &made["name"]).collect();
        assert_eq!(names, ["thumb", "preview", "large"]);
        assert!(asset["media_url"].is_string() && asset["poll"].is_null());
    }
    assert!(told(&world, &other).is_empty());
}

#[tokio::test]
async fn every_state_is_told_in_order() {
    let world = World::new();
    let connection = connect(&world, "alice", "one").await;
    let states = two_states(&world, "alice");
    assert!(invoke(&function(&world), stream_of(&states)).await.is_empty());
    assert_eq!(told(&world, &connection), stages());
    assert_eq!(world.calls.count("ConnectionRepository::of_owner"), 1, "looked up once in a batch");
}

#[tokio::test]
async fn removals_and_what_is_no_new_revision_are_not_told() {
    let world = World::new();
    let function = function(&world);
    let connection = connect(&world, "alice", "one").await;
    assert!(invoke(&function, recorded(REMOVED)).await.is_empty());
    let mut same = recorded(CHANGED);
    same["Records"][0]["dynamodb"]["OldImage"] = same["Records"][0]["dynamodb"]["NewImage"].clone();
    assert!(invoke(&function, same).await.is_empty());
    let mut ticket = recorded(CHANGED);
    ticket["Records"][0]["dynamodb"]["NewImage"] = json!({"pk": {"S": "T#1"}, "sk": {"S": "T"}});
    assert!(invoke(&function, ticket).await.is_empty());
    assert!(told(&world, &connection).is_empty());
    assert!(function.poison.notes().is_empty());
}

#[tokio::test]
async fn an_old_state_that_can_not_be_read_hinders_nothing() {
    let world = World::new();
    let connection = connect(&world, "alice", "one").await;
    let mut event = recorded(CHANGED);
    event["Records"][0]["dynamodb"]["OldImage"]["revision"] = json!({"S": "four"});
    assert!(invoke(&function(&world), event).await.is_empty());
    assert_eq!(told(&world, &connection).len(), 1);
}

#[tokio::test]
async fn without_connections_nothing_is_rendered() {
    let world = World::new();
    assert!(invoke(&function(&world), recorded(CHANGED)).await.is_empty());
    let counts: Vec<_> = world.calls.counts().into_iter().collect();
    assert_eq!(counts, [("ConnectionRepository::of_owner", 1)]);
}

#[tokio::test]
async fn a_connection_that_is_gone_is_forgotten_and_tried_no_more() {
    let world = World::new();
    let (gone, open) = (connect(&world, "alice", "gone").await, connect(&world, "alice", "open").await);
    world.notifier.close(&gone);
    world.clock.advance(GRACE);
    let states = two_states(&world, "alice");
    assert!(invoke(&function(&world), stream_of(&states)).await.is_empty());
    assert_eq!(told(&world, &open), stages());
    assert_eq!(recorded_of_alice(&world).await, [open]);
    assert_eq!(world.calls.count("Notifier::push"), 3);
}

#[tokio::test]
async fn a_connection_that_is_opening_is_waited_for_and_kept_and_blocks_nothing() {
    let world = World::new();
    let function = function(&world);
    let (opening, open) = (record(&world, "alice", "a").await, connect(&world, "alice", "b").await);
    let begun = world.clock.now();
    let states = two_states(&world, "alice");
    assert!(invoke(&function, stream_of(&states)).await.is_empty(), "nothing comes again for it");
    assert_eq!(recorded_of_alice(&world).await, [opening.clone(), open.clone()]);
    assert_eq!(told(&world, &open), stages());
    assert_eq!(world.calls.count("Notifier::push"), 3 + 1 + 2, "three tries, then one for each state");
    assert_eq!(begun.until(world.clock.now()), Duration::from_millis(100 + 200));

    world.notifier.open(&opening);
    assert!(invoke(&function, stream_of(&states)).await.is_empty());
    assert_eq!(told(&world, &opening), stages());
}

#[tokio::test]
async fn a_connection_that_opens_between_two_tries_misses_nothing() {
    for nth in [2, 3] {
        let world = World::new();
        let connection = record(&world, "alice", "a").await;
        let (notifier, opening) = (world.notifier.clone(), connection.clone());
        world.calls.before("Notifier::push", nth, move || notifier.open(&opening));
        assert!(invoke(&function(&world), stream_of(&two_states(&world, "alice"))).await.is_empty());
        assert_eq!(told(&world, &connection), stages());
    }
}

#[tokio::test]
async fn a_connection_may_be_opening_until_the_grace_ends() {
    // the tries take 300 ms
    for (age, kept, pushes) in [(29_699, 1, 3), (29_700, 0, 3), (29_999, 0, 2), (30_000, 0, 1)] {
        let world = World::new();
        record(&world, "alice", "a").await;
        world.clock.advance(Duration::from_millis(age));
        assert!(invoke(&function(&world), recorded(CHANGED)).await.is_empty());
        assert_eq!(world.table.connection_count(), kept, "{age} ms");
        assert_eq!(world.calls.count("Notifier::push"), pushes, "{age} ms");
    }
}

#[tokio::test]
async fn what_fails_while_a_connection_is_opening_comes_again() {
    let world = World::new();
    record(&world, "alice", "a").await;
    world.calls.fail("Notifier::push", 3, When::Before, ErrorKind::Unavailable);
    assert!(!invoke(&function(&world), recorded(CHANGED)).await.is_empty());
    assert_eq!(world.table.connection_count(), 1);
}

#[tokio::test]
async fn a_connection_that_was_recorded_again_meanwhile_is_not_forgotten() {
    let world = World::new();
    let connection = record(&world, "alice", "a").await;
    world.clock.advance(GRACE);
    let (table, again) =
        (world.table.clone(), Connection { id: connection.clone(), since: world.clock.now() });
    world.calls.before("ConnectionRepository::remove_unless_newer", 1, move || {
        let (owner, until) = (build::owner("alice"), again.since.plus(GRACE));
        MemoryTable::add(&table, &again, &owner, until).now_or_never().unwrap().unwrap();
    });
    assert!(invoke(&function(&world), recorded(CHANGED)).await.is_empty());
    assert_eq!(recorded_of_alice(&world).await, [connection]);
}

#[tokio::test]
async fn a_push_that_fails_in_passing_is_tried_again() {
    let world = World::new();
    let connection = connect(&world, "alice", "one").await;
    for nth in [1, 2] {
        world.calls.fail("Notifier::push", nth, When::Before, ErrorKind::Unavailable);
    }
    let states = two_states(&world, "alice");
    assert!(invoke(&function(&world), stream_of(&states)).await.is_empty());
    assert_eq!(told(&world, &connection), stages());
}

#[tokio::test]
async fn a_line_that_hangs_is_cut_and_fails_alone() {
    let world = World::new();
    let function = function(&world);
    let hanging = connect(&world, "alice", "a").await;
    let states = two_states(&world, "alice");
    let [bobs, _] = two_states(&world, "bob");
    let bob = connect(&world, "bob", "b").await;
    world.clock.advance(GRACE);
    for nth in [1, 2, 3] {
        world.calls.fail("Notifier::push", nth, When::Before, ErrorKind::Unavailable);
    }
    let batch = stream_of(&[states[0].clone(), bobs, states[1].clone()]);
    assert!(invoke(&function, batch).await.is_empty(), "nobody's changes come again for it");
    assert_eq!(told(&world, &bob).len(), 1);
    assert_eq!(world.calls.count("Notifier::push"), 4);
    assert!(!world.notifier.is_open(&hanging), "its client notices, comes back and syncs");
    assert!(recorded_of_alice(&world).await.is_empty());
}

#[tokio::test]
async fn a_line_that_can_not_be_cut_either_is_reported_and_blocks_nobody() {
    let world = World::new();
    let function = function(&world);
    let failing = connect(&world, "alice", "a").await;
    let states = two_states(&world, "alice");
    let [bobs, _] = two_states(&world, "bob");
    let bob = connect(&world, "bob", "b").await;
    let batch = stream_of(&[states[0].clone(), bobs, states[1].clone()]);
    world.clock.advance(GRACE);
    for nth in [1, 2, 3] {
        world.calls.fail("Notifier::push", nth, When::Before, ErrorKind::Unavailable);
    }
    world.calls.fail("Notifier::cut", 1, When::Before, ErrorKind::Unavailable);
    assert_eq!(invoke(&function, batch.clone()).await, ["1", "3"]);
    assert_eq!(told(&world, &bob).len(), 1);
    assert!(told(&world, &failing).is_empty());
    assert_eq!(world.calls.count("Notifier::push"), 4, "after three tries nothing more in this batch");

    // the stream delivers again from the first failed record on
    assert!(invoke(&function, batch).await.is_empty());
    assert_eq!(told(&world, &failing), stages());
    assert_eq!(told(&world, &bob).len(), 2, "again, with the same seq");
}

#[tokio::test]
async fn what_a_connection_can_never_take_is_not_tried_again() {
    let world = World::new();
    connect(&world, "alice", "one").await;
    world.calls.fail("Notifier::push", 1, When::Before, ErrorKind::TooLarge);
    assert!(invoke(&function(&world), recorded(CHANGED)).await.is_empty());
    assert_eq!(world.calls.count("Notifier::push"), 1);
}

#[tokio::test]
async fn what_can_not_be_read_is_set_aside_and_blocks_nothing() {
    let world = World::new();
    let function = function(&world);
    let connection = connect(&world, "alice", "one").await;
    let mut event = recorded(UNREADABLE);
    let records = event["Records"].as_array_mut().unwrap();
    records.push(json!({"eventName": 7}));
    records.push(json!("nonsense"));
    records.push(recorded(CHANGED)["Records"][0].clone());
    assert!(invoke(&function, event).await.is_empty());
    assert_eq!(told(&world, &connection).len(), 1);

    let notes = function.poison.notes();
    assert_eq!(
        notes[0],
        json!({
            "reason": "no_asset",
            "event_id": "eccbc87e4b5ce2fe28308fd9f2a7baf3",
            "event_name": "MODIFY",
            "event_source_arn": "arn:aws:dynamodb:eu-central-1:123456789012:table/sluice-state/stream/2026-01-31T08:00:00.000",
            "sequence_number": "4421584500000000017450439093",
            "keys": {"pk": {"S": "A#019c0000-0000-7000-8000-000000000001"}, "sk": {"S": "A"}},
        })
    );
    assert_eq!(
        (notes.len(), &notes[1]["reason"], &notes[2]["reason"]),
        (3, &json!("no_record"), &json!("no_record"))
    );
}

#[tokio::test]
async fn what_can_not_be_set_aside_comes_again() {
    let world = World::new();
    let function = function(&world);
    function.poison.refuse(true);
    assert_eq!(invoke(&function, recorded(UNREADABLE)).await, ["4421584500000000017450439093"]);
    function.poison.refuse(false);
    assert!(invoke(&function, recorded(UNREADABLE)).await.is_empty());
}

#[tokio::test]
async fn a_port_that_fails_reports_the_record_and_the_others_go_on() {
    for method in ["ConnectionRepository::of_owner", "LinkSigner::original"] {
        let world = World::new();
        let function = function(&world);
        let alice = connect(&world, "alice", "a").await;
        let bob = connect(&world, "bob", "b").await;
        let states = [world.uploaded("alice", "bytes"), world.uploaded("bob", "bytes")];
        world.calls.fail(method, 1, When::Before, ErrorKind::Unavailable);
        assert_eq!(invoke(&function, stream_of(&states)).await, ["1"], "{method}");
        assert_eq!((told(&world, &alice).len(), told(&world, &bob).len()), (0, 1));
        assert!(invoke(&function, stream_of(&states)).await.is_empty());
        assert_eq!(told(&world, &alice).len(), 1);
    }
    let world = World::new();
    let gone = connect(&world, "alice", "gone").await;
    world.notifier.close(&gone);
    world.clock.advance(GRACE);
    world.calls.fail("ConnectionRepository::remove_unless_newer", 1, When::Before, ErrorKind::Unavailable);
    assert!(!invoke(&function(&world), recorded(CHANGED)).await.is_empty());
    assert!(invoke(&function(&world), recorded(CHANGED)).await.is_empty());
    assert_eq!(world.table.connection_count(), 0);
}

#[tokio::test]
async fn an_upload_job_is_told_to_its_owner_without_its_token() {
    let world = World::new();
    let function = function(&world);
    let (alice, bob) = (connect(&world, "alice", "a").await, connect(&world, "bob", "b").await);
    assert!(invoke(&function, recorded(UPLOAD_JOB)).await.is_empty());
    let messages = world.notifier.messages(&alice);
    let document = json!({
        "request_id": "Auftrag 7", "filename": "Ferien in Köln.mp4", "size": 68_052_000,
        "content_type": "video/mp4", "type": "video/mp4", "custom": {"album": {"id": 7, "tags": ["a", null]}},
        "metadata": {"album": {"id": 7, "tags": ["a", null]}}, "status": "uploading", "progress": 40,
        "asset_id": "019c0000-0000-7000-8000-000000000001", "revision": 2,
        "start_before": "2026-01-31T09:15:30.000Z",
        "created_at": "2026-01-31T08:15:30.000Z", "updated_at": "2026-01-31T08:15:36.000Z",
        "poll": { "after_seconds": 2 },
    });
    assert_eq!(messages[1], json!({ "type": "upload_job", "seq": 2, "job": document }));
    assert_eq!((messages.len(), &messages[0]["job"]["status"]), (2, &json!("queued")));
    assert!(world.notifier.messages(&bob).is_empty() && function.poison.notes().is_empty());

    // the same revision again, one that its TTL took, and one that can't be read
    let mut event = recorded(UPLOAD_JOB);
    let records = event["Records"].as_array_mut().unwrap();
    records.remove(0);
    records[0]["dynamodb"]["OldImage"] = records[0]["dynamodb"]["NewImage"].clone();
    let mut removed = records[0].clone();
    removed["eventName"] = json!("REMOVE");
    let mut broken = records[0].clone();
    broken["dynamodb"]["NewImage"]["status"] = json!({"N": "7"});
    records.extend([removed, broken]);
    assert!(invoke(&function, event).await.is_empty());
    assert_eq!(world.notifier.messages(&alice).len(), 2);
    assert_eq!(function.poison.notes()[0]["reason"], "no_job");
}

/// An asset that came by alice's job 7.
fn of_job(world: &World) -> Asset {
    let now = world.clock.now();
    let job = build::job("alice", "7", now);
    let terms = job.terms();
    let new = NewAsset {
        id: world.ids.asset_id(),
        owner: build::owner("alice"),
        placement: terms.placement,
        grant: build::grant(now),
    };
    let asset = Asset::create(new, now);
    world.table.put(&asset);
    asset
}

/// What the job says now.
fn job_of(world: &World) -> (UploadJobStatus, u8, u64) {
    let job = world.jobs.job(&build::owner("alice"), "7");
    (job.status(world.clock.now()), job.progress(), job.revision())
}

#[tokio::test]
async fn an_upload_job_follows_its_asset_however_often_it_is_told() {
    let world = World::new();
    let function = function(&world);
    let granted = of_job(&world);
    assert!(invoke(&function, stream_of(&[granted.clone()])).await.is_empty(), "no job, nothing to follow");

    world.jobs.create(&build::job("alice", "7", world.clock.now()), None).await.unwrap();
    let progress = Event::UploadProgressed { version: granted.version(), percent: 40 };
    let progressed = world.apply(granted.id(), &progress);
    let head = world.upload(&progressed, vec![7; 1000]);
    let arrived = Event::UploadArrived(Box::new(build::stored(&progressed, &head)));
    let arrived = world.apply(granted.id(), &arrived);
    for _ in 0..2 {
        assert!(invoke(&function, stream_of(&[granted.clone(), progressed.clone()])).await.is_empty());
        assert_eq!(job_of(&world), (UploadJobStatus::Uploading, 40, 3));
    }
    for _ in 0..2 {
        let states = [progressed.clone(), arrived.clone(), progressed.clone()];
        assert!(invoke(&function, stream_of(&states)).await.is_empty());
        assert_eq!(job_of(&world), (UploadJobStatus::Completed, 100, 4));
    }
    assert_eq!(world.jobs.job(&build::owner("alice"), "7").asset_id(), Some(granted.id()));
}

#[tokio::test]
async fn an_upload_that_anybody_ended_ends_its_job() {
    for (ending, status) in [
        (Event::UploadCancelled, UploadJobStatus::Cancelled),
        (Event::DeadlinePassed(Overdue::default()), UploadJobStatus::Expired),
    ] {
        let world = World::new();
        world.jobs.create(&build::job("alice", "7", world.clock.now()), None).await.unwrap();
        let granted = of_job(&world);
        assert!(invoke(&function(&world), stream_of(&[granted.clone()])).await.is_empty());
        world.clock.advance(Duration::from_hours(2));
        let ended = world.apply(granted.id(), &ending);
        assert!(invoke(&function(&world), stream_of(&[granted, ended])).await.is_empty());
        assert_eq!(job_of(&world), (status, 0, 3));
    }
}

#[tokio::test]
async fn a_job_that_can_not_be_written_now_is_followed_later() {
    for (method, when) in [
        ("UploadJobRepository::get", When::Before),
        ("UploadJobRepository::save", When::Before),
        ("UploadJobRepository::save", When::After),
    ] {
        let world = World::new();
        let connection = connect(&world, "alice", "a").await;
        world.jobs.create(&build::job("alice", "7", world.clock.now()), None).await.unwrap();
        let states = [of_job(&world)];
        world.calls.fail(method, 1, when, ErrorKind::Unavailable);
        assert_eq!(invoke(&function(&world), stream_of(&states)).await, ["1"], "{method}");
        assert!(invoke(&function(&world), stream_of(&states)).await.is_empty());
        assert_eq!(job_of(&world), (UploadJobStatus::Uploading, 0, 2));
        assert_eq!(told(&world, &connection).len(), 1, "{method} {when:?}");
    }
}

/// A new asset of alice's that came by a form of this task.
fn of_task(world: &World, task: TaskId) -> Asset {
    let now = world.clock.now();
    let owner = build::owner("alice");
    let placement = Placement { task: Some(task), ..Placement::of_folder(Folder::of_user(&owner)) };
    let new = NewAsset { id: world.ids.asset_id(), owner, placement, grant: build::grant(now) };
    let asset = Asset::create(new, now);
    world.table.put(&asset);
    asset
}

fn task_record(task: &Task) -> Value {
    let item: serde_dynamo::Item = serde_dynamo::to_item(task).unwrap();
    let mut image = serde_json::to_value(item).unwrap();
    image["pk"] = json!({"S": format!("K#{}", task.id)});
    image["sk"] = json!({"S": "K"});
    let change = json!({ "SequenceNumber": "1", "NewImage": image });
    json!({ "Records": [{ "eventName": "INSERT", "dynamodb": change }] })
}

#[tokio::test]
async fn a_recorded_task_is_told_to_its_owner() {
    let world = World::new();
    let function = function(&world);
    let (alice, bob) = (connect(&world, "alice", "a").await, connect(&world, "bob", "b").await);
    let image = &recorded(TASK)["Records"][0]["dynamodb"]["NewImage"];
    let item: serde_dynamo::Item = serde_json::from_value(image.clone()).unwrap();
    world.tasks.create(&serde_dynamo::from_item(item).unwrap()).await.unwrap();
    assert!(invoke(&function, recorded(TASK)).await.is_empty());
    let messages = world.notifier.messages(&alice);
    let refused = &messages[0]["task"]["refused"][0];
    assert_eq!((&messages[0]["type"], &messages[0]["task"]["status"]), (&json!("task"), &json!("failed")));
    assert_eq!(refused["code"], "invalid_filename");
    assert!(world.notifier.messages(&bob).is_empty() && function.poison.notes().is_empty());
}

#[tokio::test]
async fn a_task_is_told_when_it_is_known_and_as_its_files_end() {
    let world = World::new();
    let function = function(&world);
    let connection = connect(&world, "alice", "tab").await;
    let id = world.ids.task_id();
    let (first, second) = (of_task(&world, id), of_task(&world, id));
    let told = |from: usize| -> Vec<(String, u64, u64)> {
        let frames = world.notifier.frames(&connection);
        let frames = frames[from..].iter().map(|frame| serde_json::from_str::<Value>(frame).unwrap());
        let tasks = frames.filter(|frame| frame["type"] == "task").map(|frame| frame["task"].clone());
        tasks
            .map(|task| {
                assert_eq!(task["total"], 3);
                let count = |name: &str| task[name].as_u64().unwrap();
                (task["status"].as_str().unwrap().to_owned(), count("done"), count("failed"))
            })
            .collect()
    };

    // a file that ends before it is known what became of the others is told of by itself
    let gone = world.apply(first.id(), &Event::UploadCancelled);
    assert_eq!(invoke(&function, stream_of(&[first, gone.clone()])).await, [""; 0]);
    assert_eq!(told(0), []);

    let refused = Refusal { filename: "x".into(), code: "c".into(), message: "m".into(), retryable: false };
    let task = Task {
        id,
        owner: build::owner("alice"),
        assets: vec![gone.id(), second.id()],
        refused: vec![refused],
        created_at: world.clock.now(),
    };
    world.tasks.create(&task).await.unwrap();
    invoke(&function, task_record(&task)).await;
    assert_eq!(told(0), [("processing".to_owned(), 0, 2)]);

    let known = world.notifier.frames(&connection).len();
    let arrived =
        world.apply(second.id(), &Event::UploadProgressed { version: second.version(), percent: 50 });
    invoke(&function, stream_of(&[second, arrived.clone()])).await;
    assert_eq!(told(known), [], "nothing has ended");
    let ended = world.apply(arrived.id(), &Event::UploadCancelled);
    invoke(&function, stream_of(&[arrived, ended.clone()])).await;
    assert_eq!(told(known), [("failed".to_owned(), 0, 3)]);
    let later = Event::DeadlinePassed(Overdue::default());
    world.clock.advance(Duration::from_hours(3));
    let looked = world.apply(ended.id(), &later);
    let mut change = stream_of(&[ended, looked]);
    change["Records"].as_array_mut().unwrap().remove(0);
    invoke(&function, change).await;
    assert_eq!(told(known).len(), 1, "it had ended before");
}
