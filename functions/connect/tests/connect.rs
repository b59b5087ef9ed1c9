//! The function as API Gateway invokes it, on ports in memory.
#![expect(clippy::unwrap_used, reason = "in a test a panic is how a fault is told")]

use std::time::Duration;

use serde_json::{Value, json};
use sluice_connect::{event::SocketEvent, handler::Ports};
use sluice_core::{
    ErrorKind, Result,
    asset::Event,
    ids::ConnectionId,
    ports::{Clock, Connection, ConnectionRepository, Delivery, Notifier},
    time::Timestamp,
};
use sluice_testing::{
    CountingIds, FixedClock, MemoryLinkSigner, MemoryNotifier, MemoryTable, Probe, When, World, build,
};

const CONNECT: &str = include_str!("../../../events/connect/connect.json");
const DISCONNECT: &str = include_str!("../../../events/connect/disconnect.json");
const SUBSCRIBE: &str = include_str!("../../../events/connect/subscribe.json");
const SYNC: &str = include_str!("../../../events/connect/sync.json");
const PING: &str = include_str!("../../../events/connect/ping.json");
const UNKNOWN: &str = include_str!("../../../events/connect/unknown-action.json");

type Function = Ports<Probe<MemoryTable>, Probe<MemoryLinkSigner>, Probe<MemoryNotifier>, FixedClock>;

fn function(world: &World) -> Function {
    Ports {
        table: world.table.clone(),
        links: world.links.clone(),
        notifier: world.notifier.clone(),
        clock: world.clock.clone(),
    }
}

/// The connection of the recorded events.
fn connection() -> ConnectionId {
    "JKJahcGOFiACFTA=".parse().unwrap()
}

async fn invoke(function: &Function, event: &str) -> Result<Value> {
    let event: SocketEvent = serde_json::from_str(event).unwrap();
    Ok(serde_json::to_value(function.handle(event).await?).unwrap())
}

/// A world where alice is connected.
async fn connected() -> (World, Function) {
    let world = World::new();
    let function = function(&world);
    world.notifier.open(&connection());
    assert_eq!(invoke(&function, CONNECT).await.unwrap(), json!({"statusCode": 200}));
    (world, function)
}

/// A recorded message with another body.
fn with_body(body: &Value) -> String {
    let mut event: Value = serde_json::from_str(SUBSCRIBE).unwrap();
    event["body"] = body.to_string().into();
    event.to_string()
}

/// What the client was sent since the last look.
fn received(world: &World, seen: &mut usize) -> Vec<Value> {
    let messages = world.notifier.messages(&connection());
    let new = messages[*seen..].to_vec();
    *seen = messages.len();
    new
}

#[tokio::test]
async fn a_connection_is_kept_until_it_ends() {
    let (world, function) = connected().await;
    let alice = build::owner("alice");
    let recorded = Connection { id: connection(), since: world.clock.now() };
    assert_eq!(world.table.of_owner(&alice).await.unwrap(), [recorded]);
    assert_eq!(world.table.owner_of(&connection()).await.unwrap(), Some(alice.clone()));
    for _ in 0..2 {
        assert_eq!(invoke(&function, DISCONNECT).await.unwrap(), json!({"statusCode": 200}));
        assert_eq!(world.table.of_owner(&alice).await.unwrap(), []);
    }
}

#[tokio::test]
async fn whom_no_authorizer_names_may_not_connect() {
    let world = World::new();
    let function = function(&world);
    let mut event: Value = serde_json::from_str(CONNECT).unwrap();
    event["requestContext"].as_object_mut().unwrap().remove("authorizer");
    assert_eq!(invoke(&function, &event.to_string()).await.unwrap(), json!({"statusCode": 401}));
    assert_eq!(world.table.connection_count(), 0);
}

#[tokio::test]
async fn a_connection_that_can_not_be_kept_is_refused() {
    let world = World::new();
    world.calls.fail("ConnectionRepository::add", 1, When::Before, ErrorKind::Unavailable);
    assert_eq!(invoke(&function(&world), CONNECT).await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn subscribe_sends_the_present_document() {
    let (world, function) = connected().await;
    let asset = world.uploaded("alice", "bytes");
    assert_eq!(asset.id(), CountingIds::nth(1), "the recorded event asks for this one");
    invoke(&function, SUBSCRIBE).await.unwrap();
    let [message] = &world.notifier.messages(&connection())[..] else { panic!("one message") };
    assert_eq!((&message["type"], &message["seq"]), (&json!("asset"), &json!(asset.revision())));
    assert_eq!(message["asset"]["asset_id"], asset.id().to_string());
    assert_eq!(message["asset"]["stage"], "processing");
}

#[tokio::test]
async fn other_peoples_assets_do_not_exist() {
    let (world, function) = connected().await;
    let foreign = world.uploaded("bob", "bytes").id().to_string();
    let unknown = CountingIds::nth(99).to_string();
    let mut seen = 0;
    for asset_id in [foreign.as_str(), &unknown, "nonsense", ""] {
        invoke(&function, &with_body(&json!({"action": "subscribe", "asset_id": asset_id}))).await.unwrap();
        assert_eq!(
            received(&world, &mut seen),
            [json!({"type": "error", "code": "asset_not_found", "message": "no such asset",
                    "action": "subscribe", "asset_id": asset_id})]
        );
    }
    invoke(&function, SYNC).await.unwrap();
    assert_eq!(received(&world, &mut seen)[0]["type"], "synced");
}

#[tokio::test]
async fn sync_sends_what_changed_oldest_change_first() {
    let (world, function) = connected().await;
    let old = world.granted("alice");
    world.clock.advance(Duration::from_secs(60));
    let since = world.clock.now();
    let first = world.granted("alice");
    world.clock.advance(Duration::from_secs(1));
    let second = world.granted("alice");
    world.granted("bob");
    world.clock.advance(Duration::from_secs(1));
    world.apply(first.id(), &Event::UploadCancelled);

    let mut seen = 0;
    invoke(&function, &with_body(&json!({"action": "sync", "since": since}))).await.unwrap();
    let messages = received(&world, &mut seen);
    let ids: Vec<_> = messages.iter().filter_map(|message| message["asset"]["asset_id"].as_str()).collect();
    assert_eq!(ids, [second.id().to_string(), first.id().to_string()]);
    assert_eq!(messages[1]["asset"]["stage"], "cancelled");
    let at = world.clock.now().minus(Duration::from_secs(10));
    assert_eq!(messages[2], json!({"type": "synced", "at": at}));

    // from there on nothing is lost, though it may come twice
    world.clock.advance(Duration::from_secs(100));
    let changed = world.apply(old.id(), &Event::UploadCancelled);
    invoke(&function, &with_body(&json!({"action": "sync", "since": at}))).await.unwrap();
    let messages = received(&world, &mut seen);
    let last = &messages[messages.len() - 2]["asset"];
    assert_eq!((&last["asset_id"], &last["revision"]), (&json!(changed.id()), &json!(changed.revision())));
}

#[tokio::test]
async fn a_long_sync_is_paged_and_cut_where_the_next_one_begins() {
    let (world, function) = connected().await;
    let since = world.clock.now();
    let mut expected = Vec::new();
    for _ in 0..730 {
        world.clock.advance(Duration::from_millis(1));
        expected.push(world.granted("alice").id().to_string());
    }
    let mut seen = 0;
    let mut got = Vec::new();
    let mut from = json!(since);
    let mut rounds = 0;
    loop {
        invoke(&function, &with_body(&json!({"action": "sync", "since": from}))).await.unwrap();
        rounds += 1;
        let mut messages = received(&world, &mut seen);
        let synced = messages.pop().unwrap();
        assert_eq!(synced["type"], "synced");
        got.extend(messages.iter().map(|message| message["asset"]["asset_id"].as_str().unwrap().to_owned()));
        if synced.get("more").is_none() {
            break;
        }
        assert_eq!(synced["at"], messages.last().unwrap()["asset"]["updated_at"]);
        from = synced["at"].clone();
    }
    got.dedup();
    assert_eq!((rounds, got), (2, expected));
}

#[tokio::test]
async fn a_long_sync_of_one_moment_goes_on() {
    let (world, function) = connected().await;
    let since = world.clock.now();
    for _ in 0..620 {
        world.granted("alice");
    }
    invoke(&function, &with_body(&json!({"action": "sync", "since": since}))).await.unwrap();
    let messages = world.notifier.messages(&connection());
    assert_eq!((messages.len(), messages[620].get("more")), (621, None));
}

/// A line on which each frame takes a while.
struct SlowLine {
    line: Probe<MemoryNotifier>,
    clock: FixedClock,
    each: Duration,
}

impl Notifier for SlowLine {
    async fn push(&self, connection: &ConnectionId, text: &str) -> Result<Delivery> {
        self.clock.advance(self.each);
        self.line.push(connection, text).await
    }

    async fn cut(&self, connection: &ConnectionId) -> Result<()> {
        self.line.cut(connection).await
    }
}

#[tokio::test]
async fn a_sync_on_a_slow_line_is_answered_within_the_functions_time_and_goes_on() {
    let (world, function) = connected().await;
    let since = world.clock.now();
    let mut expected = Vec::new();
    for _ in 0..90 {
        world.clock.advance(Duration::from_millis(1));
        expected.push(world.granted("alice").id().to_string());
    }
    let Ports { table, links, notifier: line, clock } = function;
    let notifier = SlowLine { line, clock: clock.clone(), each: Duration::from_millis(400) };
    let function = Ports { table, links, notifier, clock };
    let (mut seen, mut got, mut from) = (0, Vec::new(), json!(since));
    loop {
        let began = world.clock.now();
        let event = with_body(&json!({"action": "sync", "since": from}));
        function.handle(serde_json::from_str(&event).unwrap()).await.unwrap();
        assert!(world.clock.now() <= began.plus(Duration::from_secs(10)), "the function has 20 seconds");
        let mut messages = received(&world, &mut seen);
        let synced = messages.pop().unwrap();
        got.extend(messages.iter().map(|message| message["asset"]["asset_id"].as_str().unwrap().to_owned()));
        if synced.get("more").is_none() {
            break;
        }
        from = synced["at"].clone();
    }
    got.dedup();
    assert_eq!(got, expected);
}

#[tokio::test]
async fn a_ping_is_answered() {
    let (world, function) = connected().await;
    world.calls.reset();
    invoke(&function, PING).await.unwrap();
    assert_eq!(world.notifier.messages(&connection()), [json!({"type": "pong"})]);
    let calls: Vec<_> = world.calls.counts().into_iter().collect();
    assert_eq!(calls, [("ConnectionRepository::owner_of", 1), ("Notifier::push", 1)]);
}

#[tokio::test]
async fn what_is_no_message_is_told_so() {
    let (world, function) = connected().await;
    let mut seen = 0;
    assert_eq!(invoke(&function, UNKNOWN).await.unwrap(), json!({"statusCode": 200}));
    let message = &received(&world, &mut seen)[0];
    assert_eq!((&message["code"], &message["action"]), (&json!("unknown_action"), &json!("dance")));
    for body in [json!("text"), json!(7), json!({}), json!({"action": "sync", "since": 7})] {
        invoke(&function, &with_body(&body)).await.unwrap();
        let message = &received(&world, &mut seen)[0];
        assert_eq!(
            (&message["type"], &message["code"]),
            (&json!("error"), &json!("invalid_message")),
            "{body}"
        );
    }
    let mut event: Value = serde_json::from_str(PING).unwrap();
    event.as_object_mut().unwrap().remove("body");
    invoke(&function, &event.to_string()).await.unwrap();
    assert_eq!(received(&world, &mut seen)[0]["code"], "invalid_message");
}

#[tokio::test]
async fn the_owner_is_looked_up_where_the_event_does_not_say() {
    let (world, function) = connected().await;
    let asset = world.granted("alice");
    let mut event: Value =
        serde_json::from_str(&with_body(&json!({"action": "subscribe", "asset_id": asset.id()}))).unwrap();
    event["requestContext"].as_object_mut().unwrap().remove("authorizer");
    let mut seen = 0;
    invoke(&function, &event.to_string()).await.unwrap();
    assert_eq!(received(&world, &mut seen)[0]["seq"], 1);
    world.table.remove(&connection()).await.unwrap();
    invoke(&function, &event.to_string()).await.unwrap();
    assert_eq!(received(&world, &mut seen)[0]["code"], "unauthorized");
}

#[tokio::test]
async fn any_message_puts_its_connection_on_record_again() {
    let alice = build::owner("alice");
    for event in [PING, SUBSCRIBE, SYNC, UNKNOWN] {
        let (world, function) = connected().await;
        world.table.remove(&connection()).await.unwrap();
        world.clock.advance(Duration::from_mins(1));
        invoke(&function, event).await.unwrap();
        let recorded = Connection { id: connection(), since: world.clock.now() };
        assert_eq!(world.table.of_owner(&alice).await.unwrap(), [recorded.clone()]);
        assert_eq!(world.table.owner_of(&connection()).await.unwrap().as_ref(), Some(&alice));

        world.clock.advance(Duration::from_mins(1));
        invoke(&function, event).await.unwrap();
        assert_eq!(
            world.table.of_owner(&alice).await.unwrap(),
            [recorded],
            "what is on record stays as it is"
        );
    }
}

#[tokio::test]
async fn a_connection_is_on_record_before_a_sync_reads_what_it_answers() {
    let (world, function) = connected().await;
    world.table.remove(&connection()).await.unwrap();
    let table = world.table.clone();
    world.calls.before("AssetRepository::changed_since", 1, move || {
        assert_eq!(table.connection_count(), 1, "what changes from now on is pushed");
    });
    invoke(&function, SYNC).await.unwrap();
    assert_eq!(world.notifier.messages(&connection())[0]["type"], "synced");
}

#[tokio::test]
async fn no_answer_says_that_all_is_well_while_the_connection_is_not_on_record() {
    let (world, function) = connected().await;
    world.table.remove(&connection()).await.unwrap();
    let mut seen = 0;
    for (event, code) in [(PING, "unavailable"), (SYNC, "unavailable"), (UNKNOWN, "unknown_action")] {
        world.calls.fail("ConnectionRepository::add", 1, When::Before, ErrorKind::Unavailable);
        invoke(&function, event).await.unwrap();
        assert_eq!(received(&world, &mut seen)[0]["code"], code);
    }
}

#[tokio::test]
async fn a_message_that_is_handled_after_the_end_leaves_nothing_on_record() {
    let (world, function) = connected().await;
    world.notifier.close(&connection());
    invoke(&function, DISCONNECT).await.unwrap();
    invoke(&function, PING).await.unwrap();
    assert_eq!(world.table.connection_count(), 0);
}

#[tokio::test]
async fn what_fails_on_our_side_is_told_without_its_inside() {
    let (world, function) = connected().await;
    world.granted("alice");
    for (method, event) in [
        ("AssetRepository::get", SUBSCRIBE),
        ("AssetRepository::changed_since", SYNC),
        ("ConnectionRepository::owner_of", PING),
        ("Notifier::push", PING),
    ] {
        world.calls.fail(method, 1, When::Before, ErrorKind::Unavailable);
        assert_eq!(invoke(&function, event).await.unwrap(), json!({"statusCode": 200}));
    }
    let codes: Vec<_> =
        world.notifier.messages(&connection()).iter().map(|message| message["code"].clone()).collect();
    assert_eq!(codes, ["unavailable"; 4]);
    world.calls.fail_always("Notifier::push", When::Before, ErrorKind::Unavailable);
    assert_eq!(invoke(&function, PING).await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_connection_that_is_gone_is_forgotten() {
    let (world, function) = connected().await;
    for _ in 0..3 {
        world.granted("alice");
    }
    world.notifier.close(&connection());
    let everything = json!({"action": "sync", "since": Timestamp::from_seconds(0)});
    invoke(&function, &with_body(&everything)).await.unwrap();
    assert_eq!(world.table.connection_count(), 0);
    assert_eq!(world.calls.count("Notifier::push"), 1, "nothing more is sent into the void");
}

#[test]
fn what_can_be_logged_of_an_event_holds_no_ticket() {
    let shown = format!("{:?}", serde_json::from_str::<SocketEvent>(CONNECT).unwrap());
    assert_eq!(shown, r#"SocketEvent { connection: ConnectionId("JKJahcGOFiACFTA="), kind: Connect, .. }"#);
}
